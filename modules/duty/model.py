"""Posts, shifts, people and the hours they stand: pure. Days are the community's own; instants are UTC."""

import hashlib
import hmac
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import chinese_calendar

from hub.errors import Refused

AbsenceKind = Literal["leave", "sick", "training"]
LogKind = Literal["routine", "order", "visitor", "equipment", "incident"]
IncidentKind = Literal["theft", "intrusion", "dispute", "fire", "traffic", "damage", "lost_property", "other"]

MOST_DAYS = 42
NIGHT_HOURS = (time(22), time(6))
_NIGHT_LEAST = timedelta(hours=3)


@dataclass(frozen=True)
class Shift:
    """A part of the day that is stood as one: from `begins` on the day it is called after, perhaps over midnight."""

    id: int
    code: str
    begins: time
    ends: time

    def span(self, day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """[begin, end) as instants. On days when clocks change the hours are those of the wall clock."""
        last = day if self.begins < self.ends else day + timedelta(days=1)
        return instant(day, self.begins, zone), instant(last, self.ends, zone)

    @property
    def night(self) -> bool:
        """At least three hours between 22:00 and 06:00 (Directive 2003/88/EC, article 2, calls such a person one who
        works at night)."""
        return _night_share(self.begins, self.ends) >= _NIGHT_LEAST


@dataclass(frozen=True)
class Need:
    """How many people a post needs in a shift on these weekdays (1 Monday … 7 Sunday), and what they must be able to
    do."""

    post: int
    shift: int
    people: int = 1
    weekdays: frozenset[int] = frozenset(range(1, 8))
    qualifications: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Person:
    """Somebody who can be rostered. `weekly_hours` None: the limit of all."""

    id: int
    qualifications: frozenset[str] = frozenset()
    weekly_hours: int | None = None


@dataclass(frozen=True)
class Absence:
    """Whoever is absent stands no shift of the days [first, last]; of a shift already begun, none from `since` on."""

    person: int
    first: date
    last: date
    since: datetime | None = None

    def covers(self, day: date) -> bool:
        return self.first <= day <= self.last


@dataclass(frozen=True)
class Wish:
    """A wish for a day, or one shift of it. It is weighed, never promised."""

    person: int
    day: date
    shift: int | None
    want: Literal["duty", "free"]


@dataclass(frozen=True, order=True)
class Slot:
    """One person at one post for one shift of one day."""

    day: date
    shift: int
    post: int
    person: int


@dataclass(frozen=True)
class Limits:
    """What a roster must keep to: Labour Law of the PRC, articles 36 to 41, with the usual practice of guarding."""

    weekly_hours: int = 48
    rest_hours: int = 11
    nights_in_a_row: int = 3
    days_in_a_row: int = 6


def instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    """A wall-clock time as UTC; of an hour that comes twice the first, one that is left out as if it were there."""
    return datetime.combine(day, at, zone).astimezone(UTC)


def _night_share(begins: time, ends: time) -> timedelta:
    day = date(2000, 1, 1)
    start = datetime.combine(day, begins)
    end = datetime.combine(day if begins < ends else day + timedelta(days=1), ends)
    share = timedelta()
    for offset in (-1, 0, 1):
        first = datetime.combine(day + timedelta(days=offset), NIGHT_HOURS[0])
        last = datetime.combine(day + timedelta(days=offset + 1), NIGHT_HOURS[1])
        share += max(timedelta(), min(end, last) - max(start, first))
    return share


def days_of(first: date, last: date, most: int = MOST_DAYS) -> list[date]:
    """The days [first, last]. Refused(422) `bad_period` unless there are 1 to `most`."""
    count = (last - first).days + 1
    if not 1 <= count <= most:
        raise Refused("bad_period", f"the days {first} to {last} must be 1 to {most}", 422)
    return [first + timedelta(days=number) for number in range(count)]


def is_free_day(day: date) -> bool:
    """Weekend or public holiday by the State Council's calendar, 调休 included; beyond its years weekends alone."""
    try:
        return bool(chinese_calendar.is_holiday(day))
    except NotImplementedError:
        return day.isoweekday() > 5


def changes(shifts: Collection[Shift], first: date, last: date, zone: ZoneInfo) -> list[datetime]:
    """The instants at which a shift of these days begins, in order: each is a hand-over."""
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return sorted({shift.span(day, zone)[0] for shift in shifts for day in days})


def demands(needs: Collection[Need], days: Collection[date]) -> Iterator[tuple[date, Need]]:
    """Every need of every day, in a fixed order."""
    ordered = sorted(needs, key=lambda need: (need.shift, need.post))
    for day in sorted(days):
        for need in ordered:
            if need.people and day.isoweekday() in need.weekdays:
                yield day, need


def card_hash(key: bytes, card: str) -> bytes:
    """A card as it is kept: HMAC-SHA-256 under a key of the community, so that a list of hashes cannot be tried out.

    Blanks, separators and case do not count: readers print one card in several ways. Refused(422) `bad_card`.
    """
    plain = "".join(c for c in card if c not in " -:\t").upper()
    if not 4 <= len(plain) <= 64 or not plain.isascii() or not plain.isalnum():
        raise Refused("bad_card", "a card number is 4 to 64 letters and digits", 422)
    return hmac.new(key, plain.encode(), hashlib.sha256).digest()


def mask_phone(phone: str) -> str:
    """`138****8000`: enough to recognise, not enough to call."""
    return "" if not phone else f"{phone[:3]}****{phone[-4:]}" if len(phone) >= 9 else "****"


def check_phone(phone: str) -> str:
    """The number without blanks. Refused(422) `bad_phone`; empty is none."""
    plain = phone.replace(" ", "").replace("-", "")
    digits = plain.removeprefix("+")
    if plain and not (digits.isascii() and digits.isdigit() and 5 <= len(digits) <= 15):
        raise Refused("bad_phone", "a telephone number has 5 to 15 digits", 422)
    return plain


def text_of(text: str, what: str, most: int, *, least: int = 1) -> str:
    """The text without blanks around it. Refused(422) when it is too short, too long or has control characters."""
    text = text.strip()
    if not least <= len(text) <= most or not all(c.isprintable() or c == "\n" for c in text):
        raise Refused("bad_text", f"{what}: a text of {least} to {most} printable characters is needed", 422)
    return text


def incident_number(day: date, sequence: int) -> str:
    """`INC-20261121-0001`: the community's local day and a count that begins anew each day."""
    return f"INC-{day:%Y%m%d}-{sequence:04d}"
