"""From a plan's calendar to instants: days of the week, workdays with 调休, public holidays, nights. Pure."""

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Literal
from zoneinfo import ZoneInfo

import chinese_calendar

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DaySort = Literal["every_day", "workdays", "rest_days", "holidays"]
Days = DaySort | Collection[Weekday]

DAY = timedelta(days=1)


def known_year(year: int) -> bool:
    """Whether the State Council's holidays of the year are in the library; else Monday to Friday are workdays."""
    try:
        chinese_calendar.is_workday(date(year, 1, 1))
    except NotImplementedError:
        return False
    return True


def fits(day: date, days: Days) -> bool:
    """Whether a plan for these days runs on that local day. Days moved by 调休 count as what they were made."""
    if days == "every_day":
        return True
    if not isinstance(days, str):
        return WEEKDAYS[day.weekday()] in days
    if not known_year(day.year):
        workday, holiday = day.weekday() < 5, False
    else:
        workday = chinese_calendar.is_workday(day)
        holiday = not workday and chinese_calendar.get_holiday_detail(day)[1] is not None
    return workday if days == "workdays" else not workday if days == "rest_days" else holiday


def offsets(times: Sequence[time], every: timedelta | None, since: time, until: time) -> list[timedelta]:
    """When rounds begin, from local midnight; past 24 h where a night reaches into the next morning."""
    if every is None:
        return sorted({_since_midnight(one) for one in times})
    first, last = _since_midnight(since), _since_midnight(until)
    if last <= first:
        last += DAY
    return [first + every * n for n in range(-(-(last - first) // every))]


def shortest_step(found: Sequence[timedelta]) -> timedelta:
    """The shortest time between two beginnings, from one day to the next included."""
    around = [*found, found[0] + DAY]
    return min(after - before for before, after in pairwise(around))


def beginnings(found: Sequence[timedelta], days: Days, zone: ZoneInfo, since: datetime, until: datetime
               ) -> Iterator[datetime]:  # fmt: skip
    """The beginnings in [since, until), in order. A night belongs to the day on which it begins."""
    day = since.astimezone(zone).date() - DAY
    last = until.astimezone(zone).date()
    while day <= last:
        if fits(day, days):
            for offset in found:
                local = datetime.combine(day, time()) + offset
                moment = local.replace(tzinfo=zone).astimezone(UTC)
                if since <= moment < until:
                    yield moment
        day += DAY


def _since_midnight(moment: time) -> timedelta:
    return timedelta(hours=moment.hour, minutes=moment.minute, seconds=moment.second)
