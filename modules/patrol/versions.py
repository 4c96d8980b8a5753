"""What patrol files said when rounds were planned: a round is judged by the file that it began with, whatever the file
says by now. Each text is kept once, by its digest, for as long as a round refers to it."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime

import structlog
from pydantic import ValidationError

from hub.store.database import Connection, Row
from modules.patrol import store
from modules.patrol.plans import CheckpointSpec, PatrolFile
from modules.patrol.stored import digest_of, file_json, file_of

_log = structlog.get_logger()


class Versions:
    """The files in force and those of rounds that began before. `files`: community code -> its patrol file; `known`:
    returns when these are what is in force, also right after a start."""

    def __init__(self, files: Mapping[str, PatrolFile], known: Callable[[], Awaitable[None]] | None = None) -> None:
        self.files = files
        self._in_force = known
        self._kept: dict[tuple[str, str], PatrolFile] = {}  # of rounds not closed yet, by community and digest
        self._known: set[str] = set()  # communities whose rounds not closed yet were looked up
        self._proving: dict[str, tuple[PatrolFile | None, frozenset[str | None]]] = {}

    async def ready(self) -> None:
        """Wait until it is known which plans are in force: what a phone or a reader hands in before would be refused
        for good by those of a bare file. psycopg.OperationalError or PoolTimeout: it is handed in again."""
        if self._in_force is not None:
            await self._in_force()

    def listens(self, community: str, device: str) -> bool:
        """Whether a device proves a checkpoint, by the present file or by that of a round not closed yet. As long
        as those were not looked up after a start, any may."""
        if community not in self._known:
            return True
        present = self.files.get(community)
        if community not in self._proving or self._proving[community][0] is not present:
            former = [file for (code, _), file in self._kept.items() if code == community]
            files = [file for file in (present, *former) if file is not None]
            devices = frozenset(p.device for file in files for one in file.checkpoints for p in one.proofs)
            self._proving[community] = present, devices
        return device in self._proving[community][1]

    async def keep(self, connection: Connection, community_id: int, code: str, now: datetime) -> str | None:
        """Keep the present file, and at hand those of rounds not closed yet; its digest."""
        file = self.files.get(code)
        fresh: dict[tuple[str, str], PatrolFile] = {}
        digest = None
        if file is not None:
            said = file_json(file)
            digest = digest_of(said)
            await store.put_version(connection, community_id, digest, said, now)
            fresh[code, digest] = file
        for row in await store.versions_open(connection, community_id, now):
            if (found := await self.of(connection, community_id, code, row["version"])) is not None:
                fresh[code, row["version"]] = found
        self._kept = {key: one for key, one in self._kept.items() if key[0] != code} | fresh
        self._known.add(code)
        self._proving.pop(code, None)
        return digest

    async def of(
        self, connection: Connection, community_id: int, code: str, digest: str | None
    ) -> PatrolFile | None:  # fmt: skip
        """The file of a digest; the present one for rounds of before there were any, or where it is gone."""
        if digest is None:
            return self.files.get(code)
        if (code, digest) in self._kept:
            return self._kept[code, digest]
        said = await store.version(connection, community_id, digest)
        try:
            return file_of(said) if said is not None else self.files.get(code)
        except ValidationError:  # this release no longer takes what an earlier one took
            _log.warning("a former patrol file cannot be read; the present one counts", community=code, version=digest)
            return self.files.get(code)

    async def several(
        self, connection: Connection, community_id: int, code: str, rows: Iterable[Row]
    ) -> list[PatrolFile]:  # fmt: skip
        """The files that rounds began with, and last the present one."""
        digests = dict.fromkeys(row["version"] for row in rows)
        found = [await self.of(connection, community_id, code, digest) for digest in digests]
        return [one for one in (*found, self.files.get(code)) if one is not None]

    async def checkpoints(
        self, connection: Connection, community_id: int, code: str, at: datetime
    ) -> list[CheckpointSpec]:
        """The checkpoints as they were at an instant: those of rounds open then by the files these began with, all
        others by the present one. One comes several times where rounds of several files share it."""
        found, taken = [], set()
        for row in await store.versions_at(connection, community_id, at):
            file = await self.of(connection, community_id, code, row["version"])
            found += [one for one in (file.checkpoints if file else ()) if one.id in row["names"]]
            taken.update(row["names"])
        present = self.files.get(code)
        return found + [one for one in (present.checkpoints if present else ()) if one.id not in taken]
