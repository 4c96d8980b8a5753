"""Fire equipment: what its kinds are, by which dates it falls due, and what a record makes of it. Pure.

Periods: extinguishers by GB 50444-2008 (5.2.1 monthly check; 5.3.2 first and further service; 5.4.3 scrapping, counted
from when they were made). Building fire facilities by GB 25201-2010 (6.1.4: looked at every week at least, where the
place is no key unit) and the Fire Protection Law, article 16 (tested in full every year). What no standard names is
looked at every month (order 61 of the Ministry of Public Security, article 26).
"""

from calendar import monthrange
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Literal

Period = Literal["day", "week", "half_month", "month", "quarter", "half_year", "year"]
_DAYS: dict[str, int] = {"day": 1, "week": 7, "half_month": 15}
_MONTHS: dict[str, int] = {"month": 1, "quarter": 3, "half_year": 6, "year": 12}
PERIODS: tuple[str, ...] = (*_DAYS, *_MONTHS)

Sort = Literal["normal", "fault", "service"]
"""Of a record: inspected and in order, a fault, serviced or tested (维修、检测)."""

Condition = Literal["expired", "faulty", "overdue", "service_overdue", "due"]
CONDITIONS: tuple[Condition, ...] = ("expired", "faulty", "overdue", "service_overdue", "due")
"""What a piece may be besides in order, the worst first. `due`: it is soon to be inspected."""


@dataclass(frozen=True)
class Kind:
    """`first` and `then`: months until the first service and between further ones; `life` in years. None: no such."""

    inspect: Period
    first: int | None = None
    then: int | None = None
    life: int | None = None

    @property
    def dated(self) -> bool:
        """Whether its dates count from when it was made: without that date it must be scrapped."""
        return self.life is not None


_FACILITY = Kind("week", 12, 12)
KINDS: dict[str, Kind] = {
    "extinguisher_powder": Kind("month", 60, 24, 10),
    "extinguisher_water": Kind("month", 36, 12, 6),
    "extinguisher_co2": Kind("month", 60, 24, 12),
    "extinguisher_clean": Kind("month", 60, 24, 10),
    "hydrant": _FACILITY,
    "hose_reel": _FACILITY,
    "sprinkler_valve": _FACILITY,
    "emergency_light": _FACILITY,
    "exit_sign": _FACILITY,
    "fire_door": _FACILITY,
    "fire_shutter": _FACILITY,
    "smoke_fan": _FACILITY,
    "fire_pump": _FACILITY,
    "call_point": _FACILITY,
    "alarm_panel": _FACILITY,
    "breathing_apparatus": Kind("month"),
    "escape_hood": Kind("month"),
    "other": Kind("month"),
}


@dataclass(frozen=True)
class Piece:
    """A piece as people describe it. `inspect` None: as its kind; `expires`: printed on it, before what the kind says.
    `inspected` and `serviced`: the last days of that, as far as known."""

    number: str
    kind: str
    place: str
    spot: str = ""
    model: str = ""
    inspect: Period | None = None
    made: date | None = None
    installed: date | None = None
    serviced: date | None = None
    inspected: date | None = None
    expires: date | None = None


@dataclass(frozen=True)
class Dues:
    """Local days. It is overdue after `inspect` and `service`, past its life from `life` on; due from `remind` on."""

    inspect: date
    remind: date
    service: date | None
    life: date | None


@dataclass(frozen=True)
class Standing:
    """What the records say of a piece. `fault` is "" where it is in order; `last_at`: the newest record."""

    inspected: date | None = None
    serviced: date | None = None
    fault: str = ""
    faulty_since: datetime | None = None
    last_at: datetime | None = None


def months_later(day: date, months: int) -> date:
    """The same day of a later month, or the last one it has."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def dues(piece: Piece, registered: date) -> Dues:
    """When what falls due. A piece never inspected, as far as known, is due a period after it was registered."""
    kind = KINDS[piece.kind]
    period = piece.inspect or kind.inspect
    since = piece.inspected or registered
    inspect = since + timedelta(_DAYS[period]) if period in _DAYS else months_later(since, _MONTHS[period])
    life = piece.expires
    if life is None and kind.life is not None and piece.made is not None:
        life = months_later(piece.made, 12 * kind.life)
    return Dues(inspect, inspect - (inspect - since) / 4, _service(piece, kind, registered), life)


def _service(piece: Piece, kind: Kind, registered: date) -> date | None:
    if kind.first is None or kind.then is None:
        return None
    if piece.serviced is not None:
        return months_later(piece.serviced, kind.then)
    return months_later((piece.made if kind.dated else piece.installed or piece.made) or registered, kind.first)


def conditions(due: Dues, *, faulty: bool, today: date) -> tuple[Condition, ...]:
    """What it is today, the worst first; () where it is in order. queries.sql seeks by the same words."""
    true: dict[Condition, bool] = {
        "expired": due.life is not None and due.life <= today, "faulty": faulty, "overdue": due.inspect < today,
        "service_overdue": due.service is not None and due.service < today, "due": due.remind <= today <= due.inspect,
    }  # fmt: skip
    return tuple(name for name in CONDITIONS if true[name])


def recorded(standing: Standing, sort: Sort, at: datetime, day: date, text: str) -> Standing:
    """After a record of that instant and local day. One that comes late, from a phone that had no connection, moves
    no date back and undoes nothing newer."""
    inspected = max(day, standing.inspected or day)
    after = replace(standing, inspected=inspected)
    if sort == "service":
        after = replace(after, serviced=max(day, standing.serviced or day))
    if standing.last_at is not None and at < standing.last_at:
        return after
    if sort == "fault":
        return replace(after, fault=text, faulty_since=standing.faulty_since or at, last_at=at)
    return replace(after, fault="", faulty_since=None, last_at=at)
