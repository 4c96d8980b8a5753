"""What time alone does to alarms: shelves and maintenance end, waiting alarms are offered, storms and chatter pass.

Everything due is read from the store and done in a transaction of its own, so a restart loses nothing and a second hub
does nothing twice.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import tuple_row

from hub.alarms import annunciation, suppression
from hub.alarms.annunciation import BUDGET, KEPT_FREE, QUIET_S, Asker, Calls, Raised
from hub.alarms.desk import SHELF_ENGINEER, AlarmDesk
from hub.alarms.jobs import Handlers, Happened, queue
from hub.alarms.model import CHATTER_US, STALE_S
from hub.clock import Clock, to_us
from hub.failpoint import failpoint
from hub.model import Device
from hub.store.database import connect_ingest, deadline
from hub.store.queries import load_queries

_SQL = load_queries("hub.alarms", "upkeep.sql")
_EVERY_S = 1.0
_SOON = timedelta(minutes=1)  # nothing waits longer: the clock was set back
_CHATTER = timedelta(microseconds=CHATTER_US)
_SLOWLY_S = 60.0
_LONGEST_S = 30.0  # a tick that takes longer has a frozen server
_ANY_PRIORITY = 4
_CRITICAL = 1
Rows = list[tuple[Any, ...]]


class AlarmUpkeep:
    """A supervised part with a connection of its own."""

    def __init__(
        self, conninfo: str, clock: Clock, desk: AlarmDesk, handlers: Handlers, devices: Mapping[int, Device],
        communities: Mapping[str, int],
    ) -> None:  # fmt: skip
        self._conninfo = conninfo
        self._clock = clock
        self._desk = desk
        self._handlers = handlers
        self._devices = devices
        self._communities = communities
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._slowly: float | None = None
        self._above: dict[int, int | None] | None = None  # the topology that suppression was last judged by

    async def run(self) -> None:
        """Work until cancelled; psycopg.OperationalError when the store goes away (the supervisor starts it again)."""
        try:
            while True:
                await self.tick()
                await self._clock.sleep(_EVERY_S)
        finally:
            await self.close()

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def tick(self) -> None:
        """Do what is due now. psycopg.OperationalError."""
        if self._connection is None or self._connection.closed:
            self._connection = await connect_ingest(self._conninfo, [])
        with deadline(self._connection, _LONGEST_S):
            await self._tick(self._connection)

    async def _tick(self, connection: psycopg.AsyncConnection[Any]) -> None:
        now = self._clock.now()
        owned = ",".join(map(str, self._communities.values()))
        async with connection.transaction():
            await connection.execute(_SQL["communities"], {"communities": owned})
        for work in (self._release, self._ask, self._offer, self._end_storms, self._calm):
            happened: list[Happened] = []
            async with connection.transaction():
                happened += await work(now)
                await queue(connection, happened, self._handlers)
                if happened:
                    failpoint("upkeep_before_commit")
            if happened:
                failpoint("upkeep_after_commit")
            self._tell(happened)
        if self._slowly is None or self._clock.monotonic() - self._slowly >= _SLOWLY_S:
            self._slowly = self._clock.monotonic()
            async with connection.transaction():
                await self._rows("stale", {"now": now, "stale": now - timedelta(seconds=STALE_S)}, fetch=False)

    def _tell(self, happened: Iterable[Happened]) -> None:
        alarms = {(e.community_id, e.number) for e in happened if not e.name.startswith("storm")}
        urgent = {e.number for e in happened if e.name == "alarm_annunciated"}
        storms = {e.community_id for e in happened if e.name.startswith("storm")}
        self._desk.tell(alarms, urgent, storms)

    @property
    def _open(self) -> psycopg.AsyncConnection[Any]:
        assert self._connection is not None
        return self._connection

    async def _rows(self, query: str, values: dict[str, Any], *, fetch: bool = True) -> Rows:
        async with self._open.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute(_SQL[query], values)
            return await cursor.fetchall() if fetch else []

    # -- suppression ---------------------------------------------------------------------------------------------

    async def _release(self, now: datetime) -> list[Happened]:
        """Ends of shelves, maintenance and graces; beginnings of maintenance; children whose parent is over, or stands
        above them no more (at the start, and when the site changed)."""
        values = {"now": now, "soon": now + _SOON, "farthest": now + SHELF_ENGINEER + _SOON}
        ids = [row[0] for row in await self._rows("end_shelves", values)]
        for (number,) in await self._rows("end_maintenance", values):
            ids += await suppression.concerned(self._open, number)
        begun: list[int] = []
        for (number,) in await self._rows("begin_maintenance", values):
            begun += await suppression.concerned(self._open, number)
        parents = [row[0] for row in await self._rows("orphans", values)]
        if parents:
            await suppression.give_grace(self._open, parents, now)
        ids += [row[0] for row in await self._rows("due", values)]
        above = {device.id: device.parent for device in self._devices.values()}
        if above != self._above:
            ids += [row[0] for row in await self._rows("by_design", {})]
        # What another writer holds is due again at the next tick; a beginning or another topology is not, so it waits.
        wait = above != self._above
        ended = await suppression.reconsider(self._open, set(ids), now, self._devices, "system", wait=wait)
        silenced = await suppression.reconsider(self._open, set(begun), now, self._devices, "system")
        self._above = above
        return [*ended.happened, *silenced.happened]

    # -- annunciation --------------------------------------------------------------------------------------------

    async def _ask(self, now: datetime) -> list[Happened]:
        """Alarms whose time to ask has come: no more on a shelf, out of the grace, still there though long known."""
        happened: list[Happened] = []
        due = {"now": now, "soon": now + _SOON}
        for (community,) in await self._rows("communities_asking", due):
            await annunciation.look(self._open, community, now)  # before any row: the pipeline takes them the other way
            rows = await self._rows("askers", {**due, "community_id": community})
            if rows:
                happened += await self._decide(community, rows, now)
        return happened

    async def _decide(self, community: int, rows: Rows, now: datetime) -> list[Happened]:
        askers = [Asker(row[1], row[0], row[2], to_us(row[3]), row[4]) for row in rows]
        raised = [Raised(row[1], row[5], row[7] or "", row[6], 1) for row in rows]
        calls = await annunciation.decide(self._open, askers, _merged(raised), now)
        if community in calls.storm_of:
            refused = [asker.alarm_id for asker in askers if asker.alarm_id not in calls.granted]
            values = {"ids": refused, "community_id": community, "storm_id": calls.storm_of[community], "now": now}
            await self._open.execute(_SQL["refused"], values)
        return await self._grant(calls, now)

    async def _offer(self, now: datetime) -> list[Happened]:
        """What waited in a storm, the most urgent first, as the budget allows; while it goes on only the critical."""
        happened = []
        for (community,) in await self._rows("communities_waiting", {}):
            used, storm = await annunciation.look(self._open, community, now)
            slots = BUDGET - 1 - used - (0 if storm else KEPT_FREE)
            if slots <= 0:
                continue
            priority = _CRITICAL if storm else _ANY_PRIORITY
            values = {"community_id": community, "slots": slots, "priority": priority}
            rows = await self._rows("waiting", values)
            granted = {row[0]: Asker(row[1], row[0], row[2], to_us(row[3]), row[4]) for row in rows}
            happened += await self._grant(Calls(granted, {}, [], now), now)
        return happened

    async def _grant(self, calls: Calls, now: datetime) -> list[Happened]:
        ids = list(calls.granted)
        await self._open.execute(_SQL["called"], {"ids": ids, "now": now})
        await annunciation.record(self._open, calls, now)
        wanting = await self._rows("wanting_work", {"ids": ids})
        return [*calls.happened, *(Happened("work_order_wanted", community, number) for community, number in wanting)]

    async def _end_storms(self, now: datetime) -> list[Happened]:
        """A storm ends when nobody asked for a minute and the budget has room again, or the next alarm would be one."""
        ended = []
        values = {"quiet": now - timedelta(seconds=QUIET_S), "soon": now + _SOON}
        for number, community in await self._rows("quiet_storms", values):
            used, _ = await annunciation.look(self._open, community, now)
            if used > BUDGET - 1 - KEPT_FREE:
                continue
            if await self._rows("end_storm", {"id": number, "now": now}):
                ended.append(Happened("storm_ended", community, number))
        return ended

    # -- chatter -------------------------------------------------------------------------------------------------

    async def _calm(self, now: datetime) -> list[Happened]:
        rows = await self._rows("calm", {"now": now, "quiet": now - _CHATTER, "soon": now + _SOON})
        return [Happened("alarm_changed", community, number) for community, number in rows]


def _merged(raised: Iterable[Raised]) -> list[Raised]:
    counts: dict[tuple[int, str, str], Raised] = {}
    for one in raised:
        key = (one.community_id, one.rule, one.place)
        known = counts[key].count if key in counts else 0
        counts[key] = Raised(*key, one.title, known + one.count)
    return list(counts.values())
