"""The patrols of a running hub: the files, read anew when they, the site or the duty file change, and refused where
wrong; over them the versions that people saved."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import structlog
from pydantic import ValidationError

from hub.catalog.problems import CatalogError, Problem
from hub.catalog.sources import find_files
from hub.catalog.watched import Watched
from hub.context import Context
from modules.patrol import store, store_plans
from modules.patrol.check import Posts, check_given, load_checked
from modules.patrol.files import read_patrols
from modules.patrol.plans import PatrolFile
from modules.patrol.stored import file_json, file_of

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
Source = Literal["file", "page", "api"]
_UNFIT = "patrol_versions"
_log = structlog.get_logger()


@dataclass(frozen=True)
class Laid:
    """A version that is over the file."""

    number: int
    digest: str
    source: Source
    author: str
    at: datetime
    note: str
    file: PatrolFile


class Files(Mapping[str, PatrolFile]):
    """Community code -> its patrols as they are in force now. Until the first `refresh` those of files that are right
    in themselves; from then on what they refer to is looked at too, as `hub check` does, and versions lie over them."""

    def __init__(self, context: Context, roots: Sequence[Path], environment: Mapping[str, str]) -> None:
        self._context = context
        self._roots = roots
        self._environment = environment
        self._posts: Posts = {}
        self._begun = False
        self._saves, self._seen = 0, 0  # how often somebody saved, or may have; how many of them `refresh` saw
        self._laid: dict[str, Laid] = {}
        self.unreadable: set[str] = set()  # digests of versions that this release no longer takes
        self._laying, self._reading = asyncio.Lock(), asyncio.Lock()
        self._files = Watched(
            "patrols", roots, _PATTERNS, self._readable, context.clock, context.refusals,
            lambda: load_checked(roots, environment, self._posts),
        )  # fmt: skip
        self._applied = dict(self)

    def __getitem__(self, community: str) -> PatrolFile:
        laid = self._laid.get(community)
        return laid.file if laid is not None else self._files.current[community]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self._files.current, *self._laid]))

    def __len__(self) -> int:
        return len(self._files.current.keys() | self._laid.keys())

    def filed(self, community: str) -> PatrolFile | None:
        """What a community's file says, as far as it was ever good."""
        return self._files.current.get(community)

    def laid(self, community: str) -> Laid | None:
        """What is over a community's file."""
        return self._laid.get(community)

    async def refresh(self) -> bool:
        """Read again what changed; whether other plans are in force than at the last look. Where the first reading is
        refused, what was in force before the restart stays, as the store knows it."""
        async with self._reading:
            await self._read()
        before, self._applied = self._applied, dict(self)
        return self._applied != before

    async def ready(self) -> None:
        """Return when what is in force is known. Whoever comes first after a start does the first reading; the next
        `refresh` says what it changed."""
        async with self._reading:
            if not self._begun:
                await self._read()

    async def _read(self) -> None:
        saves = self._saves
        if not self._begun or saves != self._seen or self._files.stale:
            self._posts = await self._posts_now()
            await self._files.refresh(anyway=not self._begun)
            await self.lay()
            if not self._begun and self._files.refused:
                self._files.current = await self._last_good()
            await self._look_over()
            self._begun, self._seen = True, saves

    def saved(self) -> None:
        """The store may have another version by now. Whatever becomes of who saved it, `refresh` lays it, and looks
        over it."""
        self._saves += 1

    async def lay(self) -> None:
        """Take the versions that are over the files from the store; the next `refresh` says whether they are others."""
        async with self._laying:
            codes = {number: code for code, number in dict(self._context.communities).items()}
            async with self._context.database.session(list(codes)) as connection:
                rows = await store_plans.laid(connection, list(codes))
            laid = {}
            for row in rows:
                code = codes[row.pop("community_id")]
                try:
                    laid[code] = Laid(**row | {"file": file_of(row["file"])})
                except ValidationError:  # this release no longer takes what an earlier one took
                    self.unreadable.add(row["digest"])
                    _log.error("a version of the patrols cannot be read; the file is followed", community=code,
                               version=row["number"])  # fmt: skip
            self._laid = laid

    async def check(self, code: str, plain: Mapping[str, Any]) -> tuple[PatrolFile | None, list[Problem]]:
        """What was handed in as a community's patrols, and all that is wrong with it; with the problems of its site,
        while there are any."""
        posts = await self._posts_now()
        given = {code: plain}
        found, problems = await asyncio.to_thread(check_given, given, self._roots, self._environment, posts)
        return (None if problems else found[code]), problems

    async def _look_over(self) -> None:
        """Tell where the site changed under a version. It stays in force: rounds go on as they can."""
        given = {code: file_json(laid.file) for code, laid in self._laid.items()}
        now = self._context.clock.now()
        problems: list[Problem] = []
        if given:
            _, problems = await asyncio.to_thread(check_given, given, self._roots, self._environment, self._posts)
        if any(one.file not in given for one in problems):
            return  # of a site; told already
        if problems:
            self._context.refusals.tell(_UNFIT, CatalogError(problems), now, anew=False)
        else:
            self._context.refusals.mend(_UNFIT, now)

    async def _posts_now(self) -> Posts:
        port = self._context.ports.get("duty.posts")
        if port is None:
            return {}
        numbers = dict(self._context.communities)
        return {code: {post["code"] for post in await port(number)} for code, number in numbers.items()}

    def _readable(self) -> dict[str, PatrolFile]:
        return {code: file for code, (file, _) in read_patrols(self._roots)[0].items()}

    async def _last_good(self) -> dict[str, PatrolFile]:
        """What the store knows of the communities that still have a file: one without has no patrols any more. Under a
        version the file is what can be read of it: among the texts of the store nobody knows which was the file's."""
        named = {path.stem for path in find_files(self._roots, "patrols/*.yaml").values()}
        found = {code: file for code, file in self._files.current.items() if code in self._laid}
        for code, number in dict(self._context.communities).items():
            if code in self._laid or (code not in named and code not in self._files.current):
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
