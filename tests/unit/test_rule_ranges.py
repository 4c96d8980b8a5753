"""The values of one point for which an expression may be true, against the expression itself."""

import math
from itertools import chain
from unittest.mock import Mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hub.catalog.load import load_catalog
from hub.catalog.paths import packaged_config
from hub.model import Device
from hub.rulebook.model import BEYOND
from rules import ranges
from rules.bounds import Unbounded
from rules.examples import example_device
from rules.expressions import ExpressionError, compile_expression
from rules.ranges import Ranges, ranges_of

KINDS = load_catalog([packaged_config()], {}).kinds
PUMP: list[Device] = [example_device("pump", KINDS["pump"], 1)]
NUMBERS = st.sampled_from(["0", "1", "2.5", "100", "600", "1e-3", "1e90"]) | st.integers(0, 999).map(str)
VALUES = st.integers(-1000, 1000).map(float) | st.floats(-BEYOND, BEYOND) | st.sampled_from([0.0, -0.0, 600.0, 2.5])


def _numbers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    two = st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda parts: f"({' '.join(parts)})")
    called = st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(lambda it: f"{it[0]}({it[1]}, {it[2]})")
    return two | called | inner.map(lambda one: f"abs({one})") | inner.map(lambda one: f"(-{one})")


SUMS = st.recursive(st.just("pressure") | NUMBERS, _numbers, max_leaves=5)
COMPARED = st.tuples(SUMS, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), SUMS).map(" ".join)


def _truths(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    two = st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(lambda parts: f"({' '.join(parts)})")
    three = st.tuples(inner, inner, inner).map(lambda it: f"({it[0]} ? {it[1]} : {it[2]})")
    return two | three | inner.map(lambda one: f"!({one})")


WHENS = st.recursive(COMPARED, _truths, max_leaves=4)


def _within(value: float, ranges: Ranges | None) -> bool:
    return ranges is None or any(low <= value <= high for low, high in ranges)


@given(WHENS, st.lists(VALUES, min_size=1, max_size=8))
@example("pressure - pressure != 0 || pressure > 600", [601.0])
def test_every_value_for_which_it_is_true_or_has_no_result_is_within(when: str, values: list[float]) -> None:
    ranges = ranges_of(when, None, PUMP)
    compiled = compile_expression(when, {"pressure": "number"})
    for value in values:
        try:
            result = compiled.evaluate({"pressure": value})
        except ExpressionError:
            result = True
        assert not result or _within(value, ranges), (value, ranges)


@given(SUMS, VALUES, st.sampled_from([(600.0, math.inf), (-math.inf, 2.5), (-math.inf, 0.0)]))
def test_every_value_for_which_a_number_is_past_the_limit_is_within(
    number: str, value: float, limits: tuple[float, float]
) -> None:
    ranges = ranges_of(number, limits, PUMP)
    try:
        result = compile_expression(number, {"pressure": "number"}).evaluate({"pressure": value})
    except ExpressionError:
        result = limits[0] if math.isfinite(limits[0]) else limits[1]
    assert isinstance(result, float)
    assert not limits[0] <= result <= limits[1] or _within(value, ranges), (value, ranges)


@given(SUMS, VALUES, VALUES, st.floats(0, 1))
def test_a_result_lies_within_the_bounds_of_its_values(number: str, one: float, other: float, share: float) -> None:
    compiled = compile_expression(number, {"pressure": "number"})
    low, high = min(one, other), max(one, other)
    value = min(max(low + share * (high - low), low), high)
    try:
        least, greatest = compiled.bounds({"pressure": (low, high)})
    except Unbounded:
        return
    result = compiled.evaluate({"pressure": value})
    assert isinstance(result, float)
    assert least <= result <= greatest


@pytest.mark.parametrize(
    ("when", "ranges"),
    [("pressure > 620 && pressure < 630", ((620, 630),)),
     ("pressure < 100 || pressure >= 600", ((-math.inf, 100), (600, math.inf))),
     ("pressure * 2 == 1240", ((620, 620),)),
     ("abs(pressure) <= 1", ((-1, 1),)),
     ("!(pressure != 5)", ((5, 5),)),
     ("pressure > 6 && pressure < 5", ()),
     ("100 / pressure > 50 && pressure > 1", ((0, 0), (1, 2))),
     ("pressure > 5 ? false : pressure > 4", ((4, 5),))],
)  # fmt: skip
def test_ranges_are_as_narrow_as_the_values(when: str, ranges: Ranges) -> None:
    found = ranges_of(when, None, PUMP)
    assert found is not None
    assert [*chain(*found)] == pytest.approx([*chain(*ranges)], rel=1e-8, abs=1e-8)


@pytest.mark.parametrize("when", ["pressure > flow", "true", "[pressure].exists(x, x > 5)", "running == 'running'"])
def test_what_is_not_about_one_number_has_no_ranges_or_all(when: str) -> None:
    assert ranges_of(when, None, PUMP) in (None, ((-math.inf, math.inf),))


def test_of_several_kinds_ranges_are_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = ["pump", "water_meter", "meter_group"]
    devices = [example_device(kind, KINDS[kind], number) for number, kind in enumerate(kinds, 1)]
    judge = Mock(wraps=ranges._judge)
    monkeypatch.setattr(ranges, "_judge", judge)
    assert ranges_of("abs(flow) <= 1", None, devices) == ranges_of("abs(pressure) <= 1", None, PUMP)
    assert judge.call_count == 2
