"""What waits for cameras is answered camera by camera: one that is slow holds up no other, nor whoever noted it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import LiteralString, NoReturn

import psycopg
import structlog

from hub.clock import Clock
from hub.store.database import Connection, Database
from hub.tasks import end

PAUSE_S = 1.0  # after a turn that answered nothing
_SESSIONS = 2  # of the pool that people's requests share
_log = structlog.get_logger()


class Turns:
    """The work of one part of the hub: `answer(community, camera)` for every camera that something waits for."""

    def __init__(
        self, name: str, database: Database, clock: Clock, communities: Mapping[str, int], waiting: LiteralString,
        answer: Callable[[int, int], Awaitable[bool]],
    ) -> None:  # fmt: skip
        """`waiting`: the query that gives the device_id of these cameras; `answer` says whether it came to anything."""
        self._name, self._database, self._clock, self._communities = name, database, clock, communities
        self._waiting, self._answer = waiting, answer
        self._woken = asyncio.Event()
        self._turns = asyncio.Semaphore(_SESSIONS)

    def wake(self) -> None:
        """Something waits."""
        self._woken.set()

    async def run(self) -> NoReturn:
        """Answer until cancelled. psycopg.OperationalError when the store is away and no camera has its turn."""
        serving: dict[int, asyncio.Task[None]] = {}
        woken = asyncio.ensure_future(self._woken.wait())
        try:
            while True:
                self._woken.clear()
                try:
                    found = [(c, camera) for c in list(self._communities.values()) for camera in await self._open(c)]
                except psycopg.OperationalError:
                    if not serving:
                        raise
                    await self._clock.sleep(PAUSE_S)
                    continue
                for community_id, camera in found:
                    if camera not in serving:
                        serving[camera] = asyncio.create_task(self._serve(community_id, camera))
                if woken.done():
                    woken = asyncio.ensure_future(self._woken.wait())
                await asyncio.wait({*serving.values(), woken}, return_when=asyncio.FIRST_COMPLETED)
                for camera in [camera for camera, task in serving.items() if task.done()]:
                    serving.pop(camera).result()
        finally:
            await end([*serving.values(), woken])

    async def _open(self, community_id: int) -> list[int]:
        async with self._database.session([community_id]) as connection:
            rows = await (await connection.execute(self._waiting, {"community_id": community_id})).fetchall()
        return [row["device_id"] for row in rows]

    async def _serve(self, community_id: int, camera: int) -> None:
        """Where nothing came of it (the store is away; the clock was set back a little) a pause: it waits on."""
        moved = False
        try:
            moved = await self._answer(community_id, camera)
        except psycopg.OperationalError as error:
            _log.warning(f"{self._name} wait for the store", camera=camera, error=str(error))
        if not moved:
            await self._clock.sleep(PAUSE_S)

    @asynccontextmanager
    async def session(self, community_id: int) -> AsyncIterator[Connection]:
        """A transaction of this part, which takes two sessions at most. psycopg.OperationalError."""
        async with self._turns, self._database.session([community_id]) as connection:
            yield connection
