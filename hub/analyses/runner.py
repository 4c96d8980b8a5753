"""Runs the analyses a while after each full hour and reports what they find: once an hour, also after a stop."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

import structlog

from hub import reports
from hub.analyses.model import Analysis, Finding, Need, Series
from hub.clock import Clock, to_us
from hub.errors import HubError
from hub.model import Device, Verdict
from hub.reports.outbox import Reports
from hub.store.database import Connection, Database
from hub.store.queries import load_queries

_SQL = load_queries("hub.analyses")
_GRACE = timedelta(minutes=5)  # the roll-ups follow their samples within a minute; meters may be a little late
_CATCH_UP_HOURS = 48
_LOOK_S = 20.0
_COMMODITIES = {"electricity_meter": "electricity", "water_meter": "water", "gas_meter": "gas"}
_log = structlog.get_logger()

PriceAt = Callable[[int, str, Any], Awaitable[Decimal | None]]
"""(community id, commodity, local day) -> 元 for one unit, or None."""


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
        devices = [device for device in self._devices.values() if device.community_id == community_id]
        below: dict[int, list[Device]] = {}
        for device in devices:
            if device.parent is not None:
                below.setdefault(device.parent, []).append(device)
        local = end.astimezone(ZoneInfo(devices[0].zone))
        wanted: list[tuple[Analysis, Device, list[Need]]] = []
        for analysis in self._rules():
            for device in devices:
                if analysis.watches(device):
                    needs = list(analysis.needs(device, below.get(device.id, ()), local))
                    if needs:
                        wanted.append((analysis, device, needs))
        series = await _read(connection, [need for _, _, needs in wanted for need in needs], end)
        verdicts: dict[int, list[Verdict]] = {}
        for analysis, device, _ in wanted:
            try:
                found = analysis.judge(device, below.get(device.id, ()), local, series)
            except Exception as error:  # noqa: BLE001 a fault of ours at one device must not end all analyses for good
                _log.error("an analysis broke on a device", rule=analysis.rule, device=device.code, exc_info=error)
                continue
            if found is not None:
                cost = await self._cost(device, found, local)
                verdict = Verdict(analysis.rule, found.active, to_us(end), found.value, found.limit, cost)
                verdicts.setdefault(device.id, []).append(verdict)
        for device_id, some in verdicts.items():
            await reports.put(connection, self._devices[device_id], key=f"hour:{end:%Y%m%d%H}", at=end, verdicts=some)
        return len(verdicts)

    async def _cost(self, device: Device, found: Finding, local: datetime) -> int | None:
        """What the excess costs in fen by the tariff of that day."""
        price_at, commodity = self._price_at(), _COMMODITIES.get(device.kind_name)
        if not found.active or not found.excess or price_at is None or commodity is None:
            return None
        try:
            price = await price_at(device.community_id, commodity, (local - timedelta(hours=1)).date())
        except HubError as error:  # wrong tariffs must not keep a leak from being told
            _log.warning("an anomaly has no price", device=device.code, error=str(error))
            return None
        if price is None:
            return None
        return int((Decimal(repr(found.excess)) * price * 100).quantize(Decimal(1), ROUND_HALF_UP))


async def _read(connection: Connection, needs: Sequence[Need], end: datetime) -> Series:
    """The hours that are needed, in one query for all points that need the same: few look weeks back."""
    wanted: dict[tuple[int, ...], set[int]] = {}
    for need in needs:
        wanted.setdefault(tuple(need.back), set()).add(need.device.points[need.point].id)
    known: dict[tuple[int, datetime], tuple[float, float]] = {}
    for back, points in wanted.items():
        hours = {hour + one for hour in back for one in (0, 1)}  # a counter needs the hour before, too
        buckets = [end - timedelta(hours=hour + 1) for hour in sorted(hours)]
        cursor = await connection.execute(_SQL["hours"], {"points": sorted(points), "buckets": buckets})
        known |= {(row["point_id"], row["bucket"]): (row["vavg"], row["vlast"]) for row in await cursor.fetchall()}

    def series(device: Device, name: str, hours: int) -> float | None:
        point = device.points[name]
        bucket = end - timedelta(hours=hours + 1)
        this = known.get((point.id, bucket))
        if this is None or point.spec.type != "counter":
            return None if this is None else float(this[0]) * (device.spec.multiplier if point.spec.unit == "W" else 1)
        before = known.get((point.id, bucket - timedelta(hours=1)))
        return None if before is None else _increase(device, float(before[1]), float(this[1]))

    return series


def _increase(device: Device, before: float, after: float) -> float | None:
    """A counter's way from one hour's end to the next's, over its rollover; None where it was set back."""
    increase = after - before
    if increase < 0:
        if device.spec.rollover is None or increase + device.spec.rollover > device.spec.rollover / 2:
            return None
        increase += device.spec.rollover
    return increase * device.spec.multiplier
