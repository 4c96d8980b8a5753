"""The analyses over stored hours, against series whose truth is known."""

from collections.abc import Mapping
from datetime import datetime
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.analyses.model import Around, Finding
from hub.catalog.paths import packaged_config
from rules.binding import bind
from rules.examples import example_device
from rules.hourly import HourlyAnalysis
from rules.load import load_rules
from rules.topology import Topology
from rules.unusual import WEEKS
from rules.wider import Hourly
from tests.unit.rule_harness import KINDS

ZONE = ZoneInfo("Asia/Shanghai")
FIVE = datetime(2026, 11, 21, 5, tzinfo=ZONE)
MIDNIGHT = datetime(2026, 11, 21, 0, tzinfo=ZONE)


def device(code: str, unit: str = "m3", *points: str) -> Any:
    spec = SimpleNamespace(spec=SimpleNamespace(unit=unit))
    return SimpleNamespace(code=code, kind_name="water_meter", points=dict.fromkeys(points or ("volume",), spec))


def analysis(**spec: Any) -> HourlyAnalysis:
    rule = SimpleNamespace(rule="r", hourly=Hourly(**{"point": "volume", **spec}), enabled=True, watches=lambda _: True)
    return HourlyAnalysis(rule)  # type: ignore[arg-type]


def judge(one: HourlyAnalysis, end: datetime, data: Mapping[tuple[str, str], Mapping[int, float | None]],
          me: Any = None, below: tuple[Any, ...] = ()) -> Finding | None:  # fmt: skip
    me = me or device("main")
    around = Around(below)
    asked = {(need.device.code, need.point, hour) for need in one.needs(me, around, end) for hour in need.back}

    def series(of: Any, point: str, back: int) -> float | None:
        assert (of.code, point, back) in asked, "it looks only at what it said it needs"
        return data.get((of.code, point), {}).get(back)

    return one.judge(me, around, end, series) if asked else None


CHILDREN = (device("a"), device("b"))


def balance(whole: float | None, a: float | None, b: float | None, **spec: Any) -> Finding | None:
    data = {("main", "volume"): {0: whole}, ("a", "volume"): {0: a}, ("b", "volume"): {0: b}}
    return judge(analysis(analysis="balance", **spec), FIVE, data, below=CHILDREN)


def test_a_balance_finds_what_nobody_below_counted() -> None:
    found = balance(10.0, 4.0, 3.0, above=1.0, ratio_above=0.2)
    assert found == Finding(True, 3.0, 1.0, 3.0)
    assert balance(10.0, 5.0, 4.5, above=1.0) == Finding(False, 0.5, 1.0, 0.5)
    small = balance(100.0, 50.0, 45.0, above=1.0, ratio_above=0.2)
    assert small is not None and not small.active, "5 m³ of 100 is within the ratio"


@pytest.mark.parametrize(("whole", "a", "b"), [(None, 1.0, 1.0), (10.0, None, 1.0), (10.0, 1.0, None)])
def test_a_balance_with_a_meter_unheard_says_nothing(whole: float | None, a: float | None, b: float | None) -> None:
    assert balance(whole, a, b, above=0.1) is None


def test_a_meter_with_nothing_below_it_has_no_balance() -> None:
    assert judge(analysis(analysis="balance", above=1.0), FIVE, {}) is None


@given(st.lists(st.floats(0, 100), min_size=2, max_size=2), st.floats(0, 50))
def test_the_loss_is_the_difference_whatever_the_parts(parts: list[float], loss: float) -> None:
    found = balance(sum(parts) + loss, *parts, above=1.0)
    assert found is not None and found.value == pytest.approx(loss, abs=1e-6)
    if abs(loss - 1.0) > 1e-6:
        assert found.active == (loss > 1.0)


def test_a_night_flow_is_the_least_hour_and_is_judged_once_when_the_night_ends() -> None:
    night = analysis(analysis="night_flow", above=0.05, between=["02:00", "05:00"])
    leaking = {("main", "volume"): {0: 0.3, 1: 0.2, 2: 0.9}}
    found = judge(night, FIVE, leaking)
    assert found == Finding(True, 0.2, 0.05, pytest.approx(0.6))
    assert judge(night, FIVE.replace(hour=4), leaking) is None
    one_dry_hour = judge(night, FIVE, {("main", "volume"): {0: 0.3, 1: 0.0, 2: 0.9}})
    assert one_dry_hour is not None and not one_dry_hour.active
    assert judge(night, FIVE, {("main", "volume"): {0: 0.3, 2: 0.9}}) is None, "an hour is missing: nothing is known"


def test_an_always_on_load_is_priced_in_kilowatt_hours_over_what_is_usual() -> None:
    base = analysis(analysis="always_on", point="power", above=500.0)
    me = device("main", "W", "power")
    day = {("main", "power"): {hour: 800.0 if hour % 2 else 5000.0 for hour in range(24)}}
    assert judge(base, MIDNIGHT, day, me) == Finding(True, 800.0, 500.0, pytest.approx(300 * 24 / 1000))


def weeks(now: float, past: list[float | None], **spec: Any) -> Finding | None:
    data = {("main", "volume"): {0: now, **{(week + 1) * 168: value for week, value in enumerate(past)}}}
    return judge(analysis(analysis="unusual", **{"sigma": 4.0, **spec}), FIVE, data)


def test_an_hour_is_compared_with_the_same_hour_of_the_weeks_before() -> None:
    past: list[float | None] = [1.0, 1.1, 0.9, 1.0, 1.05, 0.95, 1.0, 1.1]
    usual, odd = weeks(1.2, past), weeks(3.0, past)
    assert usual is not None and not usual.active
    assert odd is not None and odd.active and odd.excess == pytest.approx(2.0)
    assert weeks(3.0, [1.0, None, None, 1.0, None, 1.0, None, None]) is None, "three weeks are too few"


def test_one_odd_week_does_not_hide_the_next() -> None:
    found = weeks(3.0, [1.0, 1.1, 0.9, 1.0, 50.0, 0.95, 1.0, 1.1])
    assert found is not None and found.active


@given(st.floats(0.1, 1e4), st.lists(st.floats(0.9, 1.1), min_size=WEEKS, max_size=WEEKS), st.floats(1e-3, 1e3))
def test_the_unit_does_not_matter(now: float, shape: list[float], scale: float) -> None:
    one, other = weeks(now, list(shape)), weeks(now * scale, [value * scale for value in shape])
    assert one is not None and other is not None
    assert one.limit is not None and other.limit is not None
    if abs(one.value - one.limit) > 1e-6 * one.limit:
        assert one.active == other.active


def test_an_efficiency_that_drifts_is_found_over_the_hours_it_ran() -> None:
    drift = analysis(analysis="efficiency", point="flow", over_point="current", ratio_above=0.15)
    me = device("main", "m3/h", "flow", "current")

    def run(now: float) -> Finding | None:
        hours = range(24 * 15)
        flow = {hour: (now if hour < 24 else 10.0) if hour % 2 else 0.0 for hour in hours}
        return judge(drift, MIDNIGHT, {("main", "flow"): flow, ("main", "current"): dict.fromkeys(hours, 20.0)}, me)

    assert run(9.0) == Finding(False, 0.45, pytest.approx(0.425))
    assert run(8.0) == Finding(True, 0.4, pytest.approx(0.425))


def test_what_does_not_count_below_a_main_meter_is_left_out_of_its_balance() -> None:
    valve = device("valve", "1", "position")
    one = analysis(analysis="balance", above=1.0)
    data = {("main", "volume"): {0: 10.0}, ("a", "volume"): {0: 4.0}, ("b", "volume"): {0: 3.0}}
    assert judge(one, FIVE, data, below=(*CHILDREN, valve)) == Finding(True, 3.0, 1.0, 3.0)
    assert not list(one.needs(device("main"), Around((valve,)), FIVE)), "nobody below counts"


@pytest.mark.parametrize("rule", ["water-night-flow", "electricity-always-on"])
def test_rules_for_homes_leave_main_meters_alone(rule: str) -> None:
    """Through the meter of a building something flows all night."""
    [one] = [each for each in load_rules([packaged_config()], KINDS)[0] if each.rule == rule]
    [kind] = one.when.kinds
    main, home = example_device(kind, KINDS[kind], 1), example_device(kind, KINDS[kind], 2, parent=1)
    topology = Topology({1: main, 2: home})
    assert bind(one, main, topology) is None
    assert bind(one, home, topology) is not None


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"analysis": "night_flow", "between": ["02:30", "05:00"]}, "whole hours"),
        ({"analysis": "night_flow", "between": ["02:00", "05:15"]}, "whole hours"),
        ({"analysis": "always_on", "between": ["02:00", "05:00"]}, "night_flow"),
    ],
)
def test_hours_are_whole_and_only_of_the_night(spec: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Hourly(point="volume", above=0.1, **spec)
