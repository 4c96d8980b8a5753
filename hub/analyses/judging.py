"""One interval judged over stored hours, and priced: alike for the hour that just ended and for a back-test."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

import structlog

from hub.analyses.model import Analysis, Around, Finding, Need, Series
from hub.clock import to_us
from hub.errors import HubError
from hub.model import Device, Verdict
from hub.store.database import Connection
from hub.store.queries import load_queries

_SQL = load_queries("hub.analyses")
_HOUR = timedelta(hours=1)
_BLOCK = 2000  # rows, devices or hours between two turns of everybody else
_LOOKED = 100  # hours judged between two turns: a model over some weeks of them takes a while
_COMMODITIES = {"electricity_meter": "electricity", "water_meter": "water", "gas_meter": "gas"}
_log = structlog.get_logger()

PriceAt = Callable[[int, str, Any], Awaitable[Decimal | None]]
"""(community id, commodity, local day) -> 元 for one unit, or None."""

Wanted = tuple[Analysis, Device, Around, list[Need]]


class Judge:
    """Judges intervals of one community. Hours that the interval before needed, too, are not read again."""

    def __init__(self, price_at: PriceAt | None) -> None:
        self._price_at = price_at
        self._known: dict[datetime, dict[int, tuple[float, float]]] = {}  # hour -> point -> (mean, last)
        self._asked: dict[datetime, set[int]] = {}
        self.rows = 0

    async def judge(
        self, connection: Connection, analyses: Sequence[Analysis], devices: Mapping[int, Device], end: datetime
    ) -> list[tuple[Device, Verdict]]:
        """What the intervals that end at `end` show. A fault of an analysis leaves out its device."""
        if not devices:
            return []
        local = end.astimezone(ZoneInfo(next(iter(devices.values())).zone))
        wanted = await _wanted(analyses, devices, local)
        await self._read(connection, wanted, end)
        series, looked, verdicts = self._series(end), 0, []
        for analysis, device, around, needs in wanted:
            looked += sum(len(need.back) for need in needs)
            if looked >= _LOOKED:
                looked = 0
                await asyncio.sleep(0)
            try:
                found = analysis.judge(device, around, local, series)
            except Exception as error:  # noqa: BLE001 a fault of ours at one device must not end all analyses for good
                _log.error("an analysis broke on a device", rule=analysis.rule, device=device.code, exc_info=error)
                continue
            if found is not None:
                cost = await self._cost(device, found, local)
                verdict = Verdict(analysis.rule, found.active, to_us(end), found.value, found.limit, cost, found.text)
                verdicts.append((device, verdict))
        return verdicts

    async def _cost(self, device: Device, found: Finding, local: datetime) -> int | None:
        """What the excess costs in fen by the tariff of that day."""
        commodity = _COMMODITIES.get(device.kind_name)
        if not found.active or not found.excess or self._price_at is None or commodity is None:
            return None
        try:
            price = await self._price_at(device.community_id, commodity, (local - _HOUR).date())
        except HubError as error:  # wrong tariffs must not keep a leak from being told
            _log.warning("an anomaly has no price", device=device.code, error=str(error))
            return None
        if price is None:
            return None
        return int((Decimal(repr(found.excess)) * price * 100).quantize(Decimal(1), ROUND_HALF_UP))

    async def _read(self, connection: Connection, wanted: Sequence[Wanted], end: datetime) -> None:
        """The hours that are needed, together for all points that need the same: few look weeks back."""
        groups: dict[tuple[int, ...], set[int]] = {}
        for *_, needs in wanted:
            for need in needs:
                groups.setdefault(tuple(need.back), set()).add(need.device.points[need.point].id)
        if not groups:
            return
        needed: set[datetime] = set()
        for back, points in groups.items():
            hours = {hour + one for hour in back for one in (0, 1)}  # a counter needs the hour before, too
            buckets = {end - timedelta(hours=hour + 1) for hour in hours}
            needed |= buckets
            new = sorted(bucket for bucket in buckets if not points <= self._asked.get(bucket, set()))
            await self._fetch(connection, sorted(points), new)
        for bucket in self._asked.keys() - needed:
            del self._asked[bucket]
            self._known.pop(bucket, None)

    async def _fetch(self, connection: Connection, points: Sequence[int], buckets: Sequence[datetime]) -> None:
        size = max(_BLOCK // max(len(buckets), 1), 1)
        for begin in range(0, len(points) if buckets else 0, size):
            values = {"points": points[begin : begin + size], "buckets": buckets}
            rows = await (await connection.execute(_SQL["hours"], values)).fetchall()
            self.rows += len(rows)
            for row in rows:
                self._known.setdefault(row["bucket"], {})[row["point_id"]] = (row["vavg"], row["vlast"])
        for bucket in buckets:
            self._asked.setdefault(bucket, set()).update(points)

    def _series(self, end: datetime) -> Series:
        none: dict[int, tuple[float, float]] = {}
        known = self._known

        def series(device: Device, name: str, hours: int) -> float | None:
            point = device.points[name]
            bucket = end - timedelta(hours=hours + 1)
            this = known.get(bucket, none).get(point.id)
            if this is None:
                return None
            if point.spec.type != "counter":
                return float(this[0]) * (device.spec.multiplier if point.spec.unit == "W" else 1)
            before = known.get(bucket - _HOUR, none).get(point.id)
            return None if before is None else _increase(device, float(before[1]), float(this[1]))

        return series


def _below(devices: Mapping[int, Device]) -> dict[int, list[Device]]:
    below: dict[int, list[Device]] = {}
    for device in devices.values():
        if device.parent is not None:
            below.setdefault(device.parent, []).append(device)
    return below


async def _wanted(analyses: Sequence[Analysis], devices: Mapping[int, Device], local: datetime) -> list[Wanted]:
    below = _below(devices)
    wanted: list[Wanted] = []
    for analysis in analyses:
        if not analysis.hours(local):
            continue
        beside = [device for device in devices.values() if analysis.beside(device)]
        for number, device in enumerate(list(devices.values())):
            if number % _BLOCK == 0:
                await asyncio.sleep(0)
            if analysis.watches(device):
                around = Around(below.get(device.id, ()), beside)
                needs = list(analysis.needs(device, around, local))
                if needs:
                    wanted.append((analysis, device, around, needs))
    return wanted


def _increase(device: Device, before: float, after: float) -> float | None:
    """A counter's way from one hour's end to the next's, over its rollover; None where it was set back."""
    increase = after - before
    if increase < 0:
        if device.spec.rollover is None or increase + device.spec.rollover > device.spec.rollover / 2:
            return None
        increase += device.spec.rollover
    return increase * device.spec.multiplier
