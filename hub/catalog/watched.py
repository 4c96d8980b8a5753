"""Configuration files of a running hub, read anew when they change."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

import structlog

from hub.catalog.problems import CatalogError
from hub.catalog.refusals import Refusals
from hub.catalog.sources import find_files
from hub.clock import Clock

_AGAIN_S = 45.0
_log = structlog.get_logger()
T = TypeVar("T")
Stamps = dict[str, tuple[str, int, int]]


def stamps(roots: Sequence[Path], patterns: Sequence[str]) -> Stamps:
    """Files under the roots by what tells that they changed: where, when written (ns), how large (bytes)."""
    found = {}
    for pattern in patterns:
        for name, path in find_files(roots, pattern).items():
            try:
                now = path.stat()
            except FileNotFoundError:  # an editor puts the new one in its place
                continue
            found[name] = (str(path), now.st_mtime_ns, now.st_size)
    return found


class Watched(Generic[T]):
    """What files say, as far as they were ever good: wrong ones are refused, which `refusals` tells, and what was good
    before stays.

    `name`: what log and pages call them; `patterns`: which files under the roots to look at; `first`: what they say
    now; `load`: reads them again, in a thread, and raises CatalogError where they are wrong. Then it is tried again
    every 45 s of `clock`, for what they lacked may have arrived elsewhere.
    """

    def __init__(
        self, name: str, roots: Sequence[Path], patterns: Sequence[str], first: Callable[[], T],
        clock: Clock, refusals: Refusals, load: Callable[[], T] | None = None,
    ) -> None:  # fmt: skip
        self._name = name
        self._roots = roots
        self._patterns = patterns
        self._load = load or first
        self._clock = clock
        self._refusals = refusals
        self._stamps = self._look()
        self._again: float | None = None  # when to try again, as long as the last reading failed
        self.current = first()

    @property
    def stale(self) -> bool:
        """Whether a file is another than it was at the last reading, or that failed and it is time to try again."""
        return self._look() != self._stamps or (self._again is not None and self._clock.monotonic() >= self._again)

    @property
    def refused(self) -> bool:
        """Whether the last reading failed."""
        return self._again is not None

    async def refresh(self, *, anyway: bool = False) -> bool:
        """Read again where a file changed, or `anyway`; whether something else is in force now."""
        if not (anyway or self.stale):
            return False
        stamps = self._look()
        changed, self._stamps = stamps != self._stamps, stamps
        self._again = self._clock.monotonic() + _AGAIN_S
        try:
            fresh = await asyncio.to_thread(self._load)
        except (CatalogError, OSError) as error:
            self._refusals.tell(self._name, error, self._clock.now(), anew=changed)
            return False
        self._again = None
        self._refusals.mend(self._name, self._clock.now())
        changed, self.current = fresh != self.current, fresh
        if changed:
            _log.info("the changed files are in force", what=self._name)
        return changed

    def _look(self) -> Stamps:
        return stamps(self._roots, self._patterns)
