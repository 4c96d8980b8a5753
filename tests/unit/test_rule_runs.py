"""State windows: over the time in which a point shows something, against stories and a plain list of what was said."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hub.model import Frame
from rules.examples import example_device
from rules.model import Rule
from tests.unit.rule_harness import KINDS, T0, S, Store, actions, frame, make

PUMP = example_device("pump", KINDS["pump"], 1)
DOOR = example_device("door", KINDS["door"], 4)
DEVICES = {1: PUMP, 4: DOOR}

RUNS = {"point": "running", "equals": "running"}
OPEN = {"point": "open", "equals": "open"}


def tell(rule: Rule, frames: list[Frame], until: float = 0) -> list[Any]:
    store = Store([rule], DEVICES)
    evaluator, told = store.start(T0), []
    for each in frames:
        told += actions(store.run(evaluator, [each], each.received))
    told += actions(store.run(evaluator, [], max([T0 + round(until * S), *(each.received for each in frames)])))
    return [(action, at) for _, action, at in told]


def window(kind: str = "pump", **parts: Any) -> Rule:
    return make("r", kind, window={"while": RUNS, **parts} if kind == "pump" else {"while": OPEN, **parts})


def said(*words: tuple[float, dict[str, float]]) -> list[Frame]:
    return [frame(PUMP, at, points) for at, points in words]


RUN: list[tuple[float, dict[str, float]]] = [
    (0, {"running": 0, "flow": 90}),
    (10, {"flow": 1, "running": 1}),
    (20, {"flow": 3}),
    (40, {"flow": 8}),
    (50, {"flow": 9, "running": 0}),
    (60, {"flow": 70}),
]


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"aggregate": "increase", "above": 7}, [("raise", 50), ("return", 50)]),  # both ends belong to it
        ({"aggregate": "increase", "above": 6}, [("raise", 40), ("return", 50)]),  # as soon as it is passed
        ({"aggregate": "increase", "above": 8}, []),
        ({"aggregate": "avg", "below": 6}, [("raise", 50), ("return", 50)]),
        ({"aggregate": "avg", "above": 6}, []),
        ({"aggregate": "avg", "below": 3, "longest": "15s"}, [("raise", 25), ("return", 50)]),
        ({"aggregate": "increase", "above": 2, "longest": "15s"}, []),
        ({"aggregate": "count", "below": 5}, [("raise", 50), ("return", 50)]),
        ({"aggregate": "count", "below": 4}, []),
        ({"aggregate": "sum", "above": 20, "lateness": "0s"}, [("raise", 50), ("return", 50)]),
    ],
)  # fmt: skip
def test_what_was_said_over_a_run(parts: dict[str, Any], told: list[Any]) -> None:
    assert tell(window(point="flow", **parts), said(*RUN), 900) == told


def test_a_run_without_end_is_judged_at_its_longest_and_waits_for_nothing_more() -> None:
    rule = window(point="flow", aggregate="max", below=5, longest="1m")
    store = Store([rule], DEVICES)
    evaluator = store.start(T0)
    store.run(evaluator, said((0, {"running": 1, "flow": 2})), T0)
    assert actions(store.run(evaluator, [], T0 + 89 * S)) == []
    assert actions(store.run(evaluator, [], T0 + 91 * S)) == [("r", "raise", 60)]
    assert evaluator.next_wake() is None
    over = store.run(evaluator, [frame(PUMP, 5000, {"running": 0})], T0 + 5000 * S)
    told = [*actions(over), *actions(store.run(evaluator, [], T0 + 5031 * S))]
    assert told == [("r", "return", 5000)]
    assert store.states == {}


def test_events_are_counted_while_a_door_stands_open() -> None:
    rule = window("door", event="access_granted", aggregate="count", above=1, lateness="5s")

    def taps(*at: float) -> list[Frame]:
        opened, closed = frame(DOOR, 10, {"open": 1}), frame(DOOR, 60, {"open": 0})
        granted = [frame(DOOR, moment, event="access_granted") for moment in at]
        return sorted([opened, closed, *granted], key=lambda each: each.received)

    assert tell(rule, taps(5, 20, 70), 200) == []
    assert tell(rule, taps(5, 20, 59), 200) == [("raise", 59), ("return", 60)]
    assert tell(rule, [*taps(20), frame(DOOR, 62, event="access_granted", said=30)], 200) == [
        ("raise", 30), ("return", 60)
    ]  # fmt: skip
    assert tell(rule, [*taps(20), frame(DOOR, 67, event="access_granted", said=30)], 200) == [], "too late"


def test_a_run_waits_for_late_word_until_the_next_begins() -> None:
    rule = window(point="flow", aggregate="avg", above=5)
    first = said((0, {"running": 1, "flow": 2}), (10, {"running": 0}))
    late = frame(PUMP, 30, {"flow": 12}, said=8)
    assert tell(rule, [*first, late], 100) == [("raise", 10), ("return", 10)]
    again = said((20, {"running": 1}))
    assert tell(rule, [*first, *again, frame(PUMP, 30, {"flow": 12}, said=8), *said((31, {"running": 0}))], 100) == []


def test_the_brokers_memory_may_begin_a_run_and_counts_for_nothing_in_it() -> None:
    rule = window(point="flow", aggregate="count", above=1)
    remembered = frame(PUMP, 0, {"running": 1, "flow": 3}, retained=True)
    assert tell(rule, [remembered, *said((5, {"flow": 3}))]) == []
    assert tell(rule, [remembered, *said((5, {"flow": 3}), (6, {"flow": 3}))]) == [("raise", 6)]


def test_after_a_time_away_little_in_a_run_means_nothing() -> None:
    rule = window("door", event="access_granted", aggregate="count", below=1)
    told = []
    for away in (False, True):
        store = Store([rule], DEVICES)
        evaluator = store.start(T0)
        store.run(evaluator, [frame(DOOR, 0, {"open": 1})], T0)
        if away:
            evaluator = store.start(T0 + 300 * S)
        store.run(evaluator, [frame(DOOR, 400, {"open": 0})], T0 + 400 * S)
        told.append(actions(store.run(evaluator, [], T0 + 2000 * S)))
        assert store.states == {}
    assert told == [[("r", "raise", 400), ("r", "return", 400)], []]


def test_idle_words_leave_no_state() -> None:
    store = Store([window(point="flow", aggregate="max", above=900)], DEVICES)
    evaluator = store.start(T0)
    for at in range(100):
        store.run(evaluator, [frame(PUMP, at, {"flow": at, "running": 0})], T0 + at * S)
    assert store.states == {}
    store.run(evaluator, [frame(PUMP, 100, {"flow": 1, "running": 1})], T0 + 100 * S)
    for at in range(101, 5000):
        store.run(evaluator, [frame(PUMP, at, {"flow": at % 7})], T0 + at * S)
    assert len(next(iter(store.states.values()))) < 400, "a run is one row of numbers, however long"


_STEPS = st.lists(st.tuples(st.integers(1, 15), st.booleans(), st.sampled_from([1, 2, 3, 5, 8])), max_size=40)
_COMES_TO: dict[str, Any] = {"max": max, "sum": sum, "count": len, "avg": lambda values: sum(values) / len(values)}


@given(steps=_STEPS, limit=st.integers(2, 9), aggregate=st.sampled_from(list(_COMES_TO)))
def test_runs_against_a_list_of_all_samples(steps: list[tuple[int, bool, int]], limit: int, aggregate: str) -> None:
    """One raise for each run whose aggregate is past the limit, and a return at its end."""
    at, flows, frames, wanted = 0, list[int](), [], []
    for gap, running, flow in [*steps, (1, False, 1)]:
        at += gap
        frames.append(frame(PUMP, at, {"flow": flow, "running": running}))
        flows += [flow] if running or flows else []
        if not running:
            wanted += [at] if flows and _COMES_TO[aggregate](flows) > limit else []
            flows = []
    told = tell(window(point="flow", aggregate=aggregate, above=limit), frames, at + 1000)
    assert [moment for action, moment in told if action == "return"] == wanted
    assert [action for action, _ in told] == ["raise", "return"] * len(wanted)
    if aggregate in ("avg", "sum"):
        assert [moment for action, moment in told if action == "raise"] == wanted


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"size": "1m"}, "exactly one of"),
        ({"while": {**RUNS, "for": "10s"}}, "neither `for` nor `repeat`"),
        ({"longest": "32d"}, "less than or equal"),
        ({"while": None, "size": "1m", "longest": "1h"}, "goes with `while`"),
        ({"lateness": "40s", "longest": "35s"}, "longer than the window"),
    ],
)
def test_what_cannot_be_meant_is_refused(parts: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        window(point="flow", aggregate="max", above=1, **parts)
