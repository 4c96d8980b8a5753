"""The patrol files of a running hub: read anew when they, the site or the duty file change, and refused where wrong."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import structlog
from pydantic import ValidationError

from hub.catalog.sources import find_files
from hub.catalog.watched import Watched
from hub.context import Context
from modules.patrol import store
from modules.patrol.check import Posts, load_checked
from modules.patrol.files import read_patrols
from modules.patrol.plans import PatrolFile
from modules.patrol.stored import file_of

_PATTERNS = (
    "patrols/*.yaml",
    "sites/*",
    "duty/*.yaml",
    "profiles/*/*.yaml",
    "kinds.yaml",
    "words.yaml",
    "words/*.yaml",
)
"""What a patrol file says and refers to."""
_log = structlog.get_logger()


class Files(Mapping[str, PatrolFile]):
    """Community code -> its patrols as they are in force now. Until the first `refresh` those that are right in
    themselves; from then on what they refer to is looked at too, as `hub check` does."""

    def __init__(self, context: Context, roots: Sequence[Path], environment: Mapping[str, str]) -> None:
        self._context = context
        self._roots = roots
        self._posts: Posts = {}
        self._begun = False
        self._files = Watched(
            "patrols", roots, _PATTERNS, self._readable, context.clock,
            lambda: load_checked(roots, environment, self._posts),
        )  # fmt: skip

    def __getitem__(self, community: str) -> PatrolFile:
        return self._files.current[community]

    def __iter__(self) -> Iterator[str]:
        return iter(self._files.current)

    def __len__(self) -> int:
        return len(self._files.current)

    async def refresh(self) -> bool:
        """Read again what changed; whether other plans are in force now. Where the first reading is refused, what was
        in force before the restart stays, as the store knows it."""
        if self._begun and not self._files.stale:
            return False
        port = self._context.ports.get("duty.posts")
        if port is not None:
            self._posts = {
                code: {post["code"] for post in await port(number)}
                for code, number in dict(self._context.communities).items()
            }
        before = self._files.current
        await self._files.refresh(anyway=not self._begun)
        if not self._begun and self._files.refused:
            self._files.current = await self._last_good()
        self._begun = True
        return self._files.current != before

    def _readable(self) -> dict[str, PatrolFile]:
        return {code: file for code, (file, _) in read_patrols(self._roots)[0].items()}

    async def _last_good(self) -> dict[str, PatrolFile]:
        """What the store knows of the communities that still have a file: one without has no patrols any more."""
        named = {path.stem for path in find_files(self._roots, "patrols/*.yaml").values()}
        found: dict[str, PatrolFile] = {}
        for code, number in dict(self._context.communities).items():
            if code not in named and code not in self._files.current:
                continue
            async with self._context.database.session([number]) as connection:
                said = await store.newest_version(connection, number)
            try:
                if said is not None:
                    found[code] = file_of(said)
            except ValidationError:  # this release no longer takes what an earlier one took
                said = None
            if said is None:
                _log.error("no good patrol file is known; there are no patrols until it is mended", community=code)
            else:
                _log.warning("the patrols of before the restart stay in force", community=code)
        return found
