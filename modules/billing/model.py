"""From a counter to money: pure arithmetic over decimals and whole numbers, nothing binary on the way.

Quantities are exact: readings come as the shortest decimal that names the stored number, sums and products of decimals
are finite, and the only rounding is the last step of a line, half up to whole fen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal, Inexact, InvalidOperation
from itertools import pairwise
from typing import Literal
from zoneinfo import ZoneInfo

from hub.errors import HubError, Refused
from hub.model import Quality

Commodity = Literal["electricity", "water"]

MOST_DAYS = 400
_DOUBTFUL = Quality.CLOCK | Quality.RANGE | Quality.RETAINED
_MOST = Decimal(10) ** 12
_ZERO = Decimal(0)
# Wide enough that no sum or product of readings below 10^12 is ever rounded; if one were, it would raise.
_EXACT = Context(prec=1500, Emin=-9999, Emax=9999, traps=[Inexact, InvalidOperation])


class Held(HubError):
    """The line must not be billed before a person has looked. `reason` is stable, `detail` is a sentence."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class MeterKind:
    """What is billed of a kind of device, and how old a reading may be to stand for a boundary."""

    commodity: Commodity
    point: str
    unit: str  # UCUM
    near: timedelta


METER_KINDS: dict[str, MeterKind] = {
    "electricity_meter": MeterKind("electricity", "energy_import", "kW.h", timedelta(hours=1)),
    "water_meter": MeterKind("water", "volume", "m3", timedelta(hours=24)),
}
COMMODITIES: tuple[Commodity, ...] = ("electricity", "water")


@dataclass(frozen=True)
class Tariff:
    """A flat price from a local day on, until the next version of its kind. `price` is 元 for one `unit`."""

    kind: Commodity
    version: str
    valid_from: date
    unit: str
    price: Decimal


@dataclass(frozen=True)
class Reading:
    """A counter's value at an instant."""

    ts: datetime
    value: Decimal
    quality: int = 0


@dataclass(frozen=True)
class Meter:
    """A device with a counter to bill. Quantity = difference of the counter × `multiplier` (CT × VT ratio)."""

    device_id: int
    point_id: int
    kind: Commodity
    unit: str
    near: timedelta
    multiplier: int = 1
    rollover: int | None = None


@dataclass(frozen=True)
class Span:
    """Local days [start, end) under one tariff; None where none is in force."""

    start: date
    end: date
    tariff: Tariff | None


@dataclass(frozen=True)
class Consumption:
    """Exact quantity, and how often the counter passed its end."""

    quantity: Decimal
    rollovers: int


@dataclass(frozen=True)
class Line:
    """A bill line: `drafted` with quantity and amount, or `held` with a reason and neither."""

    meter: Meter
    span: Span
    start: Reading | None
    end: Reading | None
    quantity: Decimal | None = None
    amount_fen: int | None = None
    rollovers: int = 0
    reason: str = ""
    detail: str = ""

    @property
    def state(self) -> Literal["drafted", "held"]:
        return "held" if self.reason else "drafted"


def local_midnight(day: date, zone: str) -> datetime:
    """The instant (UTC) at which the community's day begins."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def check_period(start: date, end: date, zone: str, now: datetime) -> None:
    """Refused(422) unless [start, end) has 1 to 400 days and is over."""
    if not 1 <= (end - start).days <= MOST_DAYS:
        raise Refused("bad_period", f"the period [{start}, {end}) must have 1 to {MOST_DAYS} days", 422)
    if local_midnight(end, zone) > now:
        raise Refused("period_not_over", f"the period [{start}, {end}) is not over in {zone}", 422)


def price_on(tariffs: Sequence[Tariff], kind: str, day: date) -> Tariff | None:
    """The tariff of a kind in force on a local day."""
    begun = [tariff for tariff in tariffs if tariff.kind == kind and tariff.valid_from <= day]
    return max(begun, key=lambda tariff: tariff.valid_from, default=None)


def split(tariffs: Sequence[Tariff], kind: str, start: date, end: date) -> list[Span]:
    """The period cut at each local midnight at which the price changes."""
    changes = {tariff.valid_from for tariff in tariffs if tariff.kind == kind and start < tariff.valid_from < end}
    days = [start, *sorted(changes), end]
    return [Span(first, last, price_on(tariffs, kind, first)) for first, last in pairwise(days)]


def consumption(start: Reading, end: Reading, multiplier: int, rollover: int | None, falls: int = 0) -> Consumption:
    """What was used between two readings. `falls`: how often the counter was seen to step back between them.

    Held `doubtful_reading` for a value that nobody should bill by, `counter_fell` for a counter that went back and
    cannot have rolled over: it has no known end, or it would have counted more than half its range.
    """
    for reading in (start, end):
        _check(reading, rollover)
    counted = _EXACT.subtract(end.value, start.value)
    rollovers = 0
    if counted < 0:
        went = f"the counter went from {start.value} back to {end.value}"
        if rollover is None:
            raise Held("counter_fell", f"{went} and is not known to roll over")
        counted, rollovers = _EXACT.add(counted, Decimal(rollover)), 1
        if _EXACT.multiply(counted, Decimal(2)) > rollover:
            raise Held("counter_fell", f"{went}: too little for a rollover at {rollover}; replaced or set back?")
    if falls > rollovers:
        raise Held("counter_fell", f"the counter stepped back {falls} times between {start.ts} and {end.ts}")
    return Consumption(_EXACT.multiply(counted, Decimal(multiplier)), rollovers)


def amount_fen(quantity: Decimal, price: Decimal) -> int:
    """quantity × price (元 a unit) in whole fen, half up. ValueError for anything below zero."""
    if quantity < 0 or price < 0:
        raise ValueError("a bill line is never negative")
    return int(_EXACT.multiply(cost(quantity, price), Decimal(100)).to_integral_value(ROUND_HALF_UP))


def cost(quantity: Decimal, price: Decimal) -> Decimal:
    """quantity × price in 元, to the last digit."""
    return _EXACT.multiply(quantity, price)


def draft(meter: Meter, span: Span, zone: str, start: Reading | None, end: Reading | None, falls: int = 0) -> Line:
    """The bill line of a meter over a span, from the newest readings at or before each end. Nothing is interpolated."""
    try:
        first = _near(start, local_midnight(span.start, zone), meter.near, "start")
        last = _near(end, local_midnight(span.end, zone), meter.near, "end")
        if last.ts <= local_midnight(span.start, zone):
            raise Held("no_reading_at_end", "there is no reading inside the period")
        if span.tariff is None:
            raise Held("no_tariff", f"no {meter.kind} tariff is in force on {span.start}")
        if span.tariff.unit != meter.unit:
            raise Held("unit_differs", f"the tariff is for {span.tariff.unit}, the meter counts {meter.unit}")
        used = consumption(first, last, meter.multiplier, meter.rollover, falls)
    except Held as held:
        return Line(meter, span, start, end, reason=held.reason, detail=held.detail)
    return Line(
        meter, span, start, end, quantity=used.quantity, rollovers=used.rollovers,
        amount_fen=amount_fen(used.quantity, span.tariff.price),
    )  # fmt: skip


def _near(reading: Reading | None, moment: datetime, near: timedelta, which: str) -> Reading:
    if reading is None:
        raise Held(f"no_reading_at_{which}", f"there is no reading at or before {moment.isoformat()}")
    if moment - reading.ts > near:
        raise Held(
            f"no_reading_at_{which}",
            f"the newest reading before {moment.isoformat()} is of {reading.ts.isoformat()}, older than {near}",
        )
    return reading


def _check(reading: Reading, rollover: int | None) -> None:
    value = reading.value
    if not value.is_finite() or not _ZERO <= value < _MOST:
        raise Held("doubtful_reading", f"the reading of {reading.ts.isoformat()} is {value}")
    if reading.quality & _DOUBTFUL:
        raise Held("doubtful_reading", f"the reading of {reading.ts.isoformat()} has the quality {reading.quality}")
    if rollover is not None and value >= rollover:
        raise Held("doubtful_reading", f"the reading {value} is past the counter's end {rollover}")
