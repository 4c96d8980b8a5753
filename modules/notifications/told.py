"""What a receiver is known to have taken and the store does not say yet: an empty file for each, there for a moment.

Between the other side's yes and the commit that records it lie some tens of milliseconds, or the time that the store is
away. A hub killed in there would tell again. A file made in between outlives the process; its name says all, so there
is nothing to read, and it cannot be torn. A power cut may lose it: then it is told again, marked, as without it.
"""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from hub.instants import to_us
from hub.store.database import Row

_log = structlog.get_logger()
_KEPT = timedelta(days=7)
_OURS = re.compile(r"[0-9a-f]{32}\.(\d{1,18})")


class Told:
    """The folder of one hub. A file is named by the delivery's `uid` and the moment its attempt began, which no other
    database has, nor another attempt at the same. No method raises: a folder that fails is as if it were empty."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._failed = False

    def note(self, deliveries: Sequence[Row]) -> None:
        """These were taken. Called in threads."""
        with self._tried():
            for one in deliveries:
                self._make(self._path(one))
            if self._failed:
                self._failed = False
                _log.info("what was told is noted again")

    def has(self, delivery: Row) -> bool:
        """Whether what was begun last for it was taken."""
        with self._tried():
            return self._path(delivery).is_file()
        return False

    def forget(self, deliveries: Sequence[Row]) -> None:
        """The store has it now."""
        for one in deliveries:
            self._remove(self._path(one))

    def prune(self, now: datetime) -> None:
        """Forget what is older than 7 days: nobody came back for it. Files that are not ours stay."""
        with self._tried():
            for path in list(self._folder.iterdir()) if self._folder.exists() else []:
                ours = _OURS.fullmatch(path.name)
                if ours and int(ours[1]) < to_us(now - _KEPT):
                    self._remove(path)

    def _path(self, delivery: Row) -> Path:
        return self._folder / f"{delivery['uid'].hex}.{to_us(delivery['started_at'])}"

    def _make(self, path: Path) -> None:
        try:  # first of all: each step before it is time in which the hub may die
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(0o600)

    def _remove(self, path: Path) -> None:
        with self._tried():
            path.unlink(missing_ok=True)

    @contextmanager
    def _tried(self) -> Iterator[None]:
        """A full or a wrong disk stops no message; it is said once."""
        try:
            yield
        except OSError as error:
            if not self._failed:
                _log.warning("the notes of what was told fail: a kill now may repeat a message", error=str(error))
            self._failed = True
