"""Runs the analyses a while after each full hour and reports what they find: once an hour, also after a stop."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NoReturn

from hub import reports
from hub.analyses.judging import Judge, PriceAt
from hub.analyses.model import Analysis
from hub.clock import Clock
from hub.model import Device, Verdict
from hub.reports.outbox import Reports
from hub.store.database import Connection, Database
from hub.store.queries import load_queries

_SQL = load_queries("hub.analyses")
_GRACE = timedelta(minutes=5)  # the roll-ups follow their samples within a minute; meters may be a little late
_CATCH_UP_HOURS = 48
_LOOK_S = 20.0


class Analyses:
    """The part that runs them. `rules`: asked anew each hour, for rules are changed while it runs."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        outbox: Reports,
        devices: Mapping[int, Device],
        rules: Callable[[], Sequence[Analysis]],
        price_at: Callable[[], PriceAt | None],
    ) -> None:
        self._database = database
        self._clock = clock
        self._outbox = outbox
        self._devices = devices
        self._rules = rules
        self._price_at = price_at

    async def run(self) -> NoReturn:
        """Work until cancelled. psycopg.OperationalError when the store is away."""
        while True:
            for community_id in sorted({device.community_id for device in self._devices.values()}):
                while await self.step(community_id):
                    pass
            await self._clock.sleep(_LOOK_S)

    async def step(self, community_id: int) -> bool:
        """Judge the oldest hour that is over and not yet judged; False when there is none."""
        last = (self._clock.now() - _GRACE).replace(minute=0, second=0, microsecond=0)
        async with self._database.session([community_id]) as connection:
            row = await (await connection.execute(_SQL["judged"], {"community_id": community_id})).fetchone()
            judged: datetime = row["hour"] if row else last - timedelta(hours=1)
            if judged >= last:
                return False
            end = max(judged, last - timedelta(hours=_CATCH_UP_HOURS)) + timedelta(hours=1)
            told = await self._judge(connection, community_id, end)
            await connection.execute(_SQL["advance"], {"community_id": community_id, "hour": end})
        if told:
            self._outbox.wake()
        return True

    async def _judge(self, connection: Connection, community_id: int, end: datetime) -> int:
        devices = {number: one for number, one in self._devices.items() if one.community_id == community_id}
        verdicts: dict[int, list[Verdict]] = {}
        for device, verdict in await Judge(self._price_at()).judge(connection, self._rules(), devices, end):
            verdicts.setdefault(device.id, []).append(verdict)
        for device_id, some in verdicts.items():
            await reports.put(connection, devices[device_id], key=f"hour:{end:%Y%m%d%H}", at=end, verdicts=some)
        return len(verdicts)
