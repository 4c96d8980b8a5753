"""When a rule watches: weekly times, Chinese holidays and adjusted workdays, shifts, exceptions, clock changes."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from structlog.testing import capture_logs

from hub.instants import from_us, to_us
from rules.calendars import Calendar, During, _instants, is_workday

ADAPTER: TypeAdapter[Calendar] = TypeAdapter(During)
SHANGHAI = "Asia/Shanghai"
HOUR = 3_600_000_000


def at(text: str, zone: str = SHANGHAI) -> int:
    """`2026-10-01 08:00` on the wall clock of a zone."""
    return to_us(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC))


def wall(us: int | None, zone: str = SHANGHAI) -> str:
    assert us is not None
    return from_us(us).astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M")


def calendar(value: Any) -> Calendar:
    return ADAPTER.validate_python(value)


@pytest.mark.parametrize(
    ("value", "moment", "active", "until"),
    [
        ("mon-fri 08:00-18:00", "2026-11-20 17:59", True, "2026-11-20 18:00"),
        ("mon-fri 08:00-18:00", "2026-11-20 18:00", False, "2026-11-23 08:00"),  # over the weekend
        ("fri-mon 08:00-18:00", "2026-11-22 09:00", True, "2026-11-22 18:00"),  # round the week
        ("sat,sun", "2026-11-21 00:00", True, "2026-11-23 00:00"),
        ("22:00-06:00", "2026-11-21 03:00", True, "2026-11-21 06:00"),
        ("fri 22:00-06:00", "2026-11-21 03:00", True, "2026-11-21 06:00"),  # belongs to Friday
        ("sat 22:00-06:00", "2026-11-21 03:00", False, "2026-11-21 22:00"),
        ("workdays 08:00-18:00", "2026-02-14 10:00", True, "2026-02-14 18:00"),  # a Saturday worked for 春节
        ("workdays 08:00-18:00", "2026-10-01 10:00", False, "2026-10-08 08:00"),  # 国庆
        ("workdays", "2026-10-10 10:00", True, "2026-10-11 00:00"),  # a Saturday worked for 国庆
        ("holidays", "2026-10-02 10:00", True, "2026-10-08 00:00"),
        ("night", "2026-11-21 19:00", False, "2026-11-21 20:00"),
        (["workdays 08:00-12:00", "workdays 14:00-18:00"], "2026-11-20 12:30", False, "2026-11-20 14:00"),
        ({"not": "12:00-13:00"}, "2026-11-20 12:30", False, "2026-11-20 13:00"),
        ({"times": "daily", "not": ["workdays 08:00-18:00"]}, "2026-11-20 18:00", True, "2026-11-23 08:00"),
        ({"times": "guard", "shifts": {"guard": "07:00-19:00"}}, "2026-11-20 06:59", False, "2026-11-20 07:00"),
        ({"times": "night", "shifts": {"night": "22:00-05:00"}}, "2026-11-20 21:00", False, "2026-11-20 22:00"),
        ({"times": "mon-fri", "except": {"2026-11-20": "off"}}, "2026-11-20 10:00", False, "2026-11-23 00:00"),
        ({"times": "workdays", "except": {"2026-11-21": "workday"}}, "2026-11-21 10:00", True, "2026-11-22 00:00"),
        ({"times": "workdays", "except": {"2026-11-20": "holiday"}}, "2026-11-20 10:00", False, "2026-11-23 00:00"),
        ({"times": "mon", "except": {"2026-11-20": ["09:00-10:00"]}}, "2026-11-20 09:30", True, "2026-11-20 10:00"),
    ],
)  # fmt: skip
def test_a_calendar_is_active_until_it_changes(value: Any, moment: str, active: bool, until: str) -> None:
    one = calendar(value)
    assert one.active(at(moment), SHANGHAI) is active
    assert wall(one.next_change(at(moment), SHANGHAI)) == until
    change = one.next_change(at(moment), SHANGHAI)
    assert change is not None
    assert one.active(change, SHANGHAI) is not active


def test_what_never_changes_says_so() -> None:
    assert calendar("daily").next_change(at("2026-11-20 10:00"), SHANGHAI) is None
    assert calendar({"times": "daily", "not": "daily"}).next_change(at("2026-11-20 10:00"), SHANGHAI) is None


def test_an_unannounced_year_counts_mondays_to_fridays_and_says_so_once() -> None:
    saturday = date(2091, 3, 3)
    with capture_logs() as logs:
        assert [is_workday(saturday + timedelta(days=number)) for number in range(3)] == [False, False, True]
    assert [(entry["log_level"], entry["year"]) for entry in logs] == [("warning", 2091)]


@pytest.mark.parametrize(
    ("zone", "night", "hours"),
    [
        ("Europe/Berlin", "2026-03-28", 7),  # the clock skips an hour
        ("Europe/Berlin", "2026-10-24", 9),  # it shows one twice
        ("Asia/Shanghai", "2026-03-28", 8),
    ],
)
def test_a_night_is_as_long_as_the_clock_makes_it(zone: str, night: str, hours: int) -> None:
    one = calendar("22:00-06:00")
    begin = one.next_change(at(f"{night} 12:00", zone), zone)
    assert begin is not None
    end = one.next_change(begin, zone)
    assert end is not None
    assert (wall(begin, zone), wall(end, zone)[-5:]) == (f"{night} 22:00", "06:00")
    assert end - begin == hours * HOUR


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("mon-fry 08:00-18:00", "'mon-fry'"),
        ("mon 8:00-9:00", "'8:00-9:00'"),
        ("mon 25:00-26:00", "00:00 to 24:00"),
        ("mon 08:00-08:00", "two different times"),
        ("mon nigth", "a shift (early, middle, late, day, night)"),
        ("", "days and a span"),
        ([], "must not be empty"),
        (["mon"] * 51, "at most 50"),
        ({"times": "mon", "when": "x"}, "Extra inputs"),
        ({"times": "mon", "except": {"2026-11-31": "off"}}, "valid date"),
        ({"times": "mon", "except": {"2026-11-30": "closed"}}, "'closed'"),
        ({"times": "mon", "shifts": {"mon": "08:00-09:00"}}, "names days"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_was_expected(value: Any, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        calendar(value)
    assert said in str(caught.value)


SPANS = st.builds(
    lambda a, b: f"{a // 60:02}:{a % 60:02}-{b // 60:02}:{b % 60:02}",
    st.integers(0, 719).map(lambda half: half * 2),
    st.integers(0, 719).map(lambda half: half * 2 + 1),
)
LINES = st.builds(
    lambda days, span: f"{days} {span}",
    st.sampled_from(["daily", "mon", "fri-mon", "sat,sun", "workdays", "holidays"]),
    st.one_of(SPANS, st.sampled_from(["night", "late", "00:00-24:00"])),
)
CALENDARS = st.builds(
    lambda times, without, spans: calendar(
        {
            "times": times,
            "not": without,
            "except": {date(2026, 10, 25) + timedelta(days=n): s for n, s in spans.items()},
        }
    ),
    st.lists(LINES, min_size=1, max_size=3),
    st.lists(LINES, max_size=2),
    st.dictionaries(st.integers(0, 3), st.one_of(SPANS, st.sampled_from(["off", "workday", "holiday"])), max_size=2),
)
ZONES = st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/Havana", "Australia/Lord_Howe", "Asia/Beirut"])


@settings(max_examples=150, deadline=None)
@given(CALENDARS, ZONES, st.integers(at("2026-10-20 00:00"), at("2026-11-05 00:00")), st.data())
def test_nothing_changes_between_two_changes(one: Calendar, zone: str, moment: int, data: st.DataObject) -> None:
    now, change = one.active(moment, zone), one.next_change(moment, zone)
    last = min(change or moment + 400 * 24 * HOUR, moment + 10 * 24 * HOUR) - 1
    for _ in range(8):
        assert one.active(data.draw(st.integers(moment, last)), zone) is now
    if change is not None:
        assert change > moment
        assert one.active(change - 1, zone) is now
        assert one.active(change, zone) is not now


def test_a_crowded_calendar_is_walked_once_a_day_not_once_a_moment() -> None:
    """While an alarm stands each observation asks for the next change: 50 lines that never end took half a second."""
    lines = [f"daily {hour:02d}:{half}-{(hour + 2) % 24:02d}:{half}" for hour in range(24) for half in ("03", "37")]
    crowded, begin = calendar(lines), at("2026-11-20 10:40")
    assert crowded.next_change(begin, SHANGHAI) is None
    walked = _instants.cache_info()
    assert {crowded.next_change(begin + second * 1_000_000, SHANGHAI) for second in range(600)} == {None}
    assert _instants.cache_info() == walked
