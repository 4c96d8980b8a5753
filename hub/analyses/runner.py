"""Runs the analyses a while after each full hour and reports what they find, also after a stop; and again for an hour
whose readings came late."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NoReturn
from zoneinfo import ZoneInfo

from psycopg.types.json import Jsonb

from hub import reports
from hub.analyses.judging import Judge, PriceAt
from hub.analyses.model import Analysis
from hub.clock import Clock, to_us
from hub.model import Device, Verdict
from hub.reports.outbox import Reports
from hub.store.database import Connection, Database
from hub.store.queries import load_queries

_SQL = load_queries("hub.analyses")
_HOUR = timedelta(hours=1)
_GRACE = timedelta(minutes=5)  # the roll-ups follow their samples within a minute; meters may be a little late
_KEPT = timedelta(hours=48)
_SETTLE_S = 300.0  # after a start what was said meanwhile still waits at brokers and in devices
_LONGEST_WAIT_S = 1800.0  # a device whose clock is wrong touches old hours for ever
_LOOK_S = 20.0

Key = tuple[str, int]
"""(rule, device id)"""


class Analyses:
    """The part that runs them. `rules`: a community's, asked anew each hour, for rules are changed while it runs."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        outbox: Reports,
        devices: Mapping[int, Device],
        rules: Callable[[int], Sequence[Analysis]],
        price_at: Callable[[], PriceAt | None],
    ) -> None:
        self._database = database
        self._clock = clock
        self._outbox = outbox
        self._devices = devices
        self._rules = rules
        self._price_at = price_at
        self._settled = 0.0
        self._waiting: dict[int, tuple[datetime, float]] = {}  # community -> the hour it waits for, since when

    async def run(self) -> NoReturn:
        """Work until cancelled. psycopg.OperationalError when the store is away."""
        self._settled = self._clock.monotonic() + _SETTLE_S
        while True:
            for community_id in sorted({device.community_id for device in self._devices.values()}):
                while await self.step(community_id):
                    pass
            await self._clock.sleep(_LOOK_S)

    async def step(self, community_id: int) -> bool:
        """Judge the oldest hour that is over and not yet judged, else one that changed; False when there is none, or
        when it is too early to tell."""
        if self._clock.monotonic() < self._settled:
            return False
        last = (self._clock.now() - _GRACE).replace(minute=0, second=0, microsecond=0)
        async with self._database.session([community_id]) as connection:
            values = {"community_id": community_id}
            row = await (await connection.execute(_SQL["judged"], values)).fetchone()
            newest: datetime = row["newest"] if row and row["newest"] else last - _HOUR
            if newest < last:
                end = max(newest, last - _KEPT) + _HOUR
                if await self._must_wait(connection, community_id, end):
                    return False
                await self._mark_changed(connection, community_id, end)
                told = await self._judge(connection, community_id, end)
                await connection.execute(_SQL["forget"], values | {"before": end - _KEPT})
            else:
                await self._mark_changed(connection, community_id, newest)
                rows = await (await connection.execute(_SQL["kept"], values)).fetchall()
                again = next((row for row in rows if row["again"]), None)
                if again is None:
                    return False
                before = {(rule, device_id) for rule, device_id in again["found"]}
                told = await self._judge(connection, community_id, again["hour"], before, newest)
        if told:
            self._outbox.wake()
        return True

    async def _must_wait(self, connection: Connection, community_id: int, end: datetime) -> bool:
        """Hours it needs are still being filled: a backlog comes in, or the roll-ups have not followed."""
        buckets = sorted(self._looked_at(community_id, end))
        row = await (await connection.execute(_SQL["any_dirty"], {"buckets": buckets})).fetchone()
        now = self._clock.monotonic()
        hour, since = self._waiting.get(community_id, (end, now))
        if row is None or not row["dirty"] or (hour == end and now - since > _LONGEST_WAIT_S):
            self._waiting.pop(community_id, None)
            return False
        self._waiting[community_id] = (end, since if hour == end else now)
        return True

    async def _mark_changed(self, connection: Connection, community_id: int, until: datetime) -> None:
        """Judged hours that looked at what was rolled up anew are to be judged again."""
        cursor = await connection.execute(_SQL["take_changed"], {"before": until})
        changed = {row["bucket"] for row in await cursor.fetchall()}
        if changed:
            values = {"community_id": community_id}
            rows = await (await connection.execute(_SQL["kept"], values)).fetchall()
            hours = [row["hour"] for row in rows if self._looked_at(community_id, row["hour"]) & changed]
            await connection.execute(_SQL["mark"], values | {"hours": hours})

    def _looked_at(self, community_id: int, end: datetime) -> set[datetime]:
        """The stored hours behind the intervals that end then; a counter needs the hour before, too."""
        zone = next(one.zone for one in self._devices.values() if one.community_id == community_id)
        local = end.astimezone(ZoneInfo(zone))
        hours = {hour for analysis in self._rules(community_id) for hour in analysis.hours(local)}
        return {end - timedelta(hours=hour + more) for hour in hours for more in (1, 2)}

    async def _judge(
        self, connection: Connection, community_id: int, end: datetime, before: Iterable[Key] | None = None,
        newest: datetime | None = None,
    ) -> int:  # fmt: skip
        """Report what intervals that end at `end` show. `before`: what was found in them then; only what differs is
        reported, with `newest`, the hour up to which others have been judged meanwhile."""
        devices = {number: one for number, one in self._devices.items() if one.community_id == community_id}
        judged = await Judge(self._price_at()).judge(connection, self._rules(community_id), devices, end)
        found, verdicts, known = set(before or ()), dict[int, list[Verdict]](), set(before or ())
        for device, verdict in judged:
            key = (verdict.rule, device.id)
            (found.add if verdict.active else found.discard)(key)
            if before is None or verdict.active != (key in known):
                verdict.judged = None if newest is None else to_us(newest)
                verdicts.setdefault(device.id, []).append(verdict)
        name = f"hour:{end:%Y%m%d%H}" + ("" if before is None else f":{self._clock.now_us()}")
        for device_id, some in verdicts.items():
            await reports.put(connection, devices[device_id], key=name, at=end, verdicts=some)
        values = {"community_id": community_id, "hour": end, "found": Jsonb(sorted(found))}
        await connection.execute(_SQL["keep"], values)
        return len(verdicts)
