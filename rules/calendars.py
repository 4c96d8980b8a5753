"""`during:` of a rule: the times at which it watches, in the community's own time. Pure.

Chinese statutory holidays and adjusted workdays (调休) come from `chinesecalendar`, which knows the years the State
Council has announced; in later years a workday is Monday to Friday, and the log says so once a year.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from functools import cached_property, lru_cache
from operator import itemgetter
from typing import Annotated, Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

import chinese_calendar
import structlog
from pydantic import BeforeValidator, Field, model_validator

from hub.instants import from_us, to_us
from hub.vocabulary.base import Model, Name

_log = structlog.get_logger()

SHIFTS = {"early": "00:00-08:00", "middle": "08:00-16:00", "late": "16:00-24:00", "day": "08:00-20:00",
          "night": "20:00-08:00"}  # fmt: skip
"""Shifts that every calendar knows (三班 and 两班); `shifts:` names others or moves these."""

_WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)")
_HORIZON_DAYS = 100

Days = frozenset[int] | Literal["workdays", "holidays"]


class Span(NamedTuple):
    """Minutes since midnight; an end of over 1440 lies in the next day."""

    begin: int
    end: int


class Times(NamedTuple):
    """The spans that begin on some days."""

    days: Days
    span: Span


def parse_span(text: str) -> Span:
    """`08:00-18:00`, `22:00-06:00` (into the next day), `00:00-24:00`. ValueError."""
    match = _SPAN.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r}: a span such as 08:00-18:00 is expected")
    hours, minutes = (int(match[1]), int(match[3])), (int(match[2]), int(match[4]))
    begin, end = (hour * 60 + minute for hour, minute in zip(hours, minutes, strict=True))
    if max(minutes) > 59 or begin >= 1440 or end > 1440 or begin == end:
        raise ValueError(f"{text!r}: two different times from 00:00 to 24:00 are expected")
    return Span(begin, end if end > begin else end + 1440)


def parse_days(text: str) -> Days:
    """`daily`, `mon`, `mon-fri`, `sat,sun`, `workdays`, `holidays`. ValueError."""
    if text in ("workdays", "holidays"):
        return text  # type: ignore[return-value]
    if text == "daily":
        return frozenset(range(7))
    days: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first not in _WEEK or (last or first) not in _WEEK:
            raise ValueError(f"{part!r}: daily, workdays, holidays or days such as mon-fri or sat,sun are expected")
        begin, end = _WEEK.index(first), _WEEK.index(last or first)
        days |= {number % 7 for number in range(begin, end + 1 if end >= begin else end + 8)}
    return frozenset(days)


def parse_times(text: str, shifts: Mapping[str, str]) -> Times:
    """Days, a span or shift, or both: `mon-fri 08:00-18:00`, `workdays`, `22:00-06:00`, `sat,sun night`. ValueError."""
    words = text.split()
    if not 1 <= len(words) <= 2:
        raise ValueError(f"{text!r}: days and a span are expected, such as mon-fri 08:00-18:00")
    last = words[-1]
    if last in shifts or _SPAN.fullmatch(last):
        return Times(parse_days(words[0] if len(words) == 2 else "daily"), parse_span(shifts.get(last, last)))
    if len(words) == 2:
        raise ValueError(f"{last!r}: a span such as 08:00-18:00 or a shift ({', '.join(shifts)}) is expected")
    return Times(parse_days(last), Span(0, 1440))


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Lines = Annotated[list[str], BeforeValidator(_as_list, json_schema_input_type=str | list[str]), Field(max_length=50)]


class Calendar(Model):
    """Active in any of `times` and in none of `not`, in the community's time zone.

    A span over midnight belongs to the day it begins on. `except` says of single dates what sort of day they are, or
    which spans begin on them instead.
    """

    times: Lines = Field(default=["daily"], description="`mon-fri 08:00-18:00`, `workdays`, `holidays`, `daily night`")
    without: Lines = Field(default=[], alias="not", description="left out of `times`, written like them")
    exceptions: dict[date, Lines] = Field(
        default={}, alias="except", max_length=400, description="by date: off, workday, holiday or spans"
    )
    shifts: dict[Name, str] = Field(default={}, max_length=20, description="shift -> span; others or other times")

    @model_validator(mode="after")
    def _readable(self) -> "Calendar":
        if not self.times:
            raise ValueError("`times` must not be empty")
        assert self.table  # reads every line
        return self

    @cached_property
    def table(self) -> "Table":
        """What the lines mean. ValueError."""
        for name, span in self.shifts.items():
            if name in _WEEK or name in ("daily", "workdays", "holidays"):
                raise ValueError(f"{name!r} names days; a shift needs another name")
            parse_span(span)
        shifts = SHIFTS | self.shifts
        marked, spans = {}, {}
        for day, lines in self.exceptions.items():
            if lines == ["off"]:
                spans[day] = frozenset[Span]()
            elif lines in (["workday"], ["holiday"]):
                marked[day] = lines == ["workday"]
            else:
                spans[day] = frozenset(parse_span(shifts.get(line, line)) for line in lines)
        return Table(
            tuple(parse_times(line, shifts) for line in self.times),
            tuple(parse_times(line, shifts) for line in self.without),
            frozenset(marked.items()),
            frozenset(spans.items()),
        )

    def active(self, at: int, zone: str) -> bool:
        """Whether the moment (microseconds UTC) lies in it."""
        return _turn(self.table, zone, at).active

    def next_change(self, at: int, zone: str) -> int | None:
        """The first moment after `at` at which `active` is another; None: not within 100 days."""
        return _change(self.table, zone, _turn(self.table, zone, at))


During = Annotated[
    Calendar,
    BeforeValidator(
        lambda value: {"times": value} if isinstance(value, str | list) else value,
        json_schema_input_type=Calendar | str | list[str],
    ),
]
"""A calendar, or its `times` alone: `during: workdays 08:00-18:00`."""


class Table(NamedTuple):
    """A calendar's lines in numbers; hashable."""

    times: tuple[Times, ...]
    without: tuple[Times, ...]
    marked: frozenset[tuple[date, bool]]  # is it a workday?
    spans: frozenset[tuple[date, frozenset[Span]]]


def is_workday(day: date) -> bool:
    """By the State Council's arrangement where it is known, else Monday to Friday."""
    try:
        return bool(chinese_calendar.is_workday(day))
    except NotImplementedError:
        _warn_unknown(day.year)
        return day.weekday() < 5


@lru_cache
def _warn_unknown(year: int) -> None:
    _log.warning("no holidays are known for this year; a workday is Monday to Friday until chinesecalendar is renewed",
                 year=year)  # fmt: skip


def _local_day(at: int, zone: str) -> int:
    return from_us(at).astimezone(ZoneInfo(zone)).toordinal()


class Turn(NamedTuple):
    """From `at` on a calendar is active or not. `ordinal`: the local day."""

    at: int
    active: bool
    ordinal: int


def _turn(table: Table, zone: str, at: int) -> Turn:
    """The newest turn of the local day at this moment."""
    turns = _turns(table, zone, _local_day(at, zone))
    return turns[max(bisect_right(turns, at, key=itemgetter(0)) - 1, 0)]


@lru_cache(maxsize=4096)
def _change(table: Table, zone: str, since: Turn) -> int | None:
    for ordinal in range(since.ordinal, since.ordinal + _HORIZON_DAYS):
        for turn in _turns(table, zone, ordinal):
            if turn.at > since.at and turn.active != since.active:
                return turn.at
    return None


@lru_cache(maxsize=8192)
def _turns(table: Table, zone: str, ordinal: int) -> tuple[Turn, ...]:
    """The first moment of a local day, and every one at which a span begins or ends."""
    begin, end = (_instant(ordinal, 1440 * day, zone) for day in (0, 1))
    steps: dict[int, list[int]] = {begin: [0, 0]}  # moment -> how many more spans hold from there, of both sorts
    for wanted in (True, False):
        for first, last in (span for back in (1, 0) for span in _instants(table, wanted, zone, ordinal - back)):
            steps.setdefault(max(first, begin), [0, 0])[not wanted] += 1
            steps.setdefault(max(last, begin), [0, 0])[not wanted] -= 1
    inside = outside = 0
    turns = []
    for moment in sorted(moment for moment in steps if moment < end):
        inside, outside = inside + steps[moment][0], outside + steps[moment][1]
        turns.append(Turn(moment, inside > 0 and not outside, ordinal))
    return tuple(turns)


@lru_cache(maxsize=8192)
def _instants(table: Table, wanted: bool, zone: str, ordinal: int) -> tuple[tuple[int, int], ...]:
    """The spans that begin on a local day, as instants."""
    day = date.fromordinal(ordinal)
    spans = _spans(table, wanted, day)
    found = ((_instant(ordinal, begin, zone), _instant(ordinal, end, zone)) for begin, end in spans)
    return tuple((begin, end) for begin, end in found if begin < end)


def _instant(ordinal: int, minutes: int, zone: str) -> int:
    """So many minutes by the clock after a local midnight. A local time the clock skips counts as that much later, one
    it shows twice as the first."""
    day = date.fromordinal(ordinal + minutes // 1440)
    there = datetime.combine(day, time(minutes % 1440 // 60, minutes % 60), ZoneInfo(zone))
    return to_us(there.astimezone(UTC))


def _spans(table: Table, wanted: bool, day: date) -> Iterator[Span]:
    replaced = dict(table.spans).get(day)
    if wanted and replaced is not None:
        yield from sorted(replaced)
        return
    for days, span in table.times if wanted else table.without:
        if isinstance(days, frozenset):
            fits = day.weekday() in days
        else:
            marked = dict(table.marked).get(day)
            fits = (is_workday(day) if marked is None else marked) == (days == "workdays")
        if fits:
            yield span
