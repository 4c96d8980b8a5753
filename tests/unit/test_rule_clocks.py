"""Device clocks that are wrong: what comes as late as ever is no history, and what was held up is."""

from typing import Any

import pytest

from hub.model import Frame
from rules.evaluator import RuleEvaluator
from rules.examples import example_device
from rules.lags import Lag, learn
from tests.unit.rule_harness import KINDS, T0, S, Store, actions, frame, make

PUMP = example_device("pump", KINDS["pump"], 1)
DOOR = example_device("door", KINDS["door"], 4, place="b1/u1")
LIFT = example_device("elevator", KINDS["elevator"], 5, place="b1/u1/el")
DEVICES = {device.id: device for device in (PUMP, DOOR, LIFT)}
SLOW = 180

FORCED = make("r", "door", event={"name": "door_forced"})
INTRUDER = make("r", "door", sequence={"lateness": "10s", "steps": [
    {"event": "door_forced"},
    {"point": "direction", "equals": ["up", "down"], "kinds": ["elevator"], "at": "same_building", "within": "60s"},
]})  # fmt: skip
OVER = {"point": "pressure", "above": 600}


def slow(device: Any, at: float, points: Any = None, event: str | None = None, by: float = SLOW, **parts: Any) -> Frame:
    return frame(device, at, points, event, at - by, **parts)


def history(evaluator: RuleEvaluator, store: Store, frames: list[Frame], until: float) -> list[bool]:
    told = [store.run(evaluator, [each], each.received) for each in frames]
    told.append(store.run(evaluator, [], T0 + round(until * S)))
    return [change.historical for one in told for change in one.alarms if change.action == "raise"]


@pytest.mark.parametrize(
    ("rule", "frames"),
    [
        (FORCED, [slow(DOOR, 900, event="door_forced")]),
        (INTRUDER, [frame(DOOR, 840, event="door_forced", said=710), slow(LIFT, 900, {"direction": 1})]),
        (make("r", "pump", threshold={**OVER, "for": "10s"}), [slow(PUMP, 900, {"pressure": 700})]),
        (make("r", "pump", change={"point": "pressure", "by": 50}), [slow(PUMP, 900, {"pressure": 700})]),
        (make("r", "pump", expression={"when": "pressure > 600", "for": "5s"}), [slow(PUMP, 900, {"pressure": 700})]),
        (make("r", "pump", window={"point": "pressure", "aggregate": "max", "size": "20s", "above": 600}),
         [slow(PUMP, 900, {"pressure": 700})]),
        (make("r", "pump", window={"point": "pressure", "aggregate": "avg", "size": "20s", "above": 600}),
         [slow(PUMP, 900, {"pressure": 700})]),
        (make("r", "pump", stuck={"point": "pressure", "for": "10s"}),
         [slow(PUMP, at, {"pressure": 700}) for at in (880, 890, 900)]),
        (make("r", "pump", any_of=[{"threshold": OVER}, {"change": {"point": "running"}}]),
         [slow(PUMP, 900, {"pressure": 700})]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("restarted", [False, True])
def test_a_slow_clock_makes_no_history(rule: Any, frames: list[Frame], restarted: bool) -> None:
    store = Store([rule], DEVICES)
    evaluator = store.start(T0)
    for at in (0, 61, 800):
        for each in (slow(PUMP, at, {"pressure": 500 + at / 100}), slow(LIFT, at, {"direction": 0}),
                     slow(DOOR, at, event="access_granted")):  # fmt: skip
            store.run(evaluator, [each], each.received)
    evaluator = store.start(T0 + 801 * S) if restarted else evaluator
    assert history(evaluator, store, frames, 1000) == [False]


def test_what_was_held_up_beyond_a_slow_clock_is_history() -> None:
    store = Store([FORCED], DEVICES)
    evaluator = store.start(T0)
    usual = [slow(DOOR, at, event="access_granted") for at in (0, 61)]
    held_up = slow(DOOR, 500, event="door_forced", by=SLOW + 130)
    assert history(evaluator, store, [*usual, held_up, slow(DOOR, 501, event="door_forced")], 600) == [True, False]


def test_what_waited_in_a_buffer_is_history_however_long_it_takes_to_come() -> None:
    store = Store([FORCED], DEVICES)
    evaluator = store.start(T0)
    frames = [frame(DOOR, 7200 + number, event="door_forced", said=number * 30) for number in range(200)]
    assert history(evaluator, store, frames, 8000) == [True] * 200


def test_a_clock_that_is_put_right_is_believed_at_once() -> None:
    known = learn(learn(None, SLOW * S, T0), SLOW * S, T0 + 60 * S)
    assert known == Lag(SLOW * S)
    assert learn(known, S, T0 + 61 * S) is None
    assert learn(known, 120 * S, T0 + 61 * S) == Lag(120 * S)
    assert learn(known, (SLOW + 9) * S, T0 + 61 * S) is known
    assert learn(Lag(0, SLOW * S, T0), S, T0 + 61 * S) is None


def test_devices_in_time_leave_nothing_and_gone_ones_no_row() -> None:
    store = Store([FORCED], DEVICES)
    evaluator = store.start(T0)
    store.run(evaluator, [slow(DOOR, 0, event="access_granted", by=5)], T0)
    assert store.states == {}
    store.run(evaluator, [slow(DOOR, 1, event="access_granted")], T0 + S)
    assert list(store.states) == [("@lag", 4)]
    evaluator.configure({PUMP.id: PUMP}, T0 + 2 * S)
    store.run(evaluator, [], T0 + 2 * S)
    assert store.states == {}


def test_a_clock_set_forward_makes_every_device_slow_and_no_more_than_that() -> None:
    """Wrongly set, by an hour: the devices' own time goes on."""
    rule = make("r", "pump", threshold={**OVER, "for": "10s"})
    store = Store([rule], DEVICES)
    evaluator = store.start(T0)
    store.run(evaluator, [frame(PUMP, 0, {"pressure": 500})], T0)
    evaluator.deaf(T0 + S, T0 + 3601 * S, stepped=True)
    words = [slow(PUMP, at, {"pressure": 500}, by=3600) for at in range(3602, 3690, 2)]
    assert history(evaluator, store, [*words, slow(PUMP, 3700, {"pressure": 700}, by=3600)], 3711) == [False]
    assert [(action, at) for _, _, action, at, *_ in store.alarms] == [("raise", T0 + 110 * S)]


RUNS = {"point": "running", "equals": "running"}
MEAN = {"point": "pressure", "aggregate": "avg", "above": 600}
AHEAD = 3600


@pytest.mark.parametrize(
    ("parts", "before", "after", "told"),
    [
        # A run that began ahead ends when it ends, and one that ended ahead is judged.
        ({"window": {**MEAN, "while": RUNS}}, [(0, {"running": 1, "pressure": 700})], [(10, {"running": 0})],
         [("raise", 10), ("return", 10)]),
        ({"window": {**MEAN, "while": RUNS}}, [(0, {"running": 1, "pressure": 700}), (4, {"running": 0})], [],
         [("raise", 5), ("return", 5)]),
        ({"window": {**MEAN, "while": RUNS, "longest": "1m"}}, [(0, {"running": 1, "pressure": 700})], [],
         [("raise", 65)]),
        # A session and a count of samples go on; what was said before is in them.
        ({"window": {**MEAN, "gap": "1m"}}, [(0, {"pressure": 900})], [(20, {"pressure": 400})],
         [("raise", 80), ("return", 80)]),
        ({"window": {**MEAN, "samples": 2}}, [(0, {"pressure": 900})], [(20, {"pressure": 400})], [("raise", 20)]),
        # Windows by the clock hold what was said in them, and no more.
        ({"window": {"point": "pressure", "aggregate": "count", "size": "1h", "every": "10m", "above": 3}},
         [(at, {"pressure": 1}) for at in (0, 1, 2)], [(20, {"pressure": 1}), (3590, {"pressure": 1})], []),
        ({"window": {"point": "pressure", "aggregate": "count", "size": "1m", "below": 2}},
         [(at, {"pressure": 1}) for at in range(5)], [(at, {"pressure": 1}) for at in range(40, 400, 20)], []),
        ({"change": {"point": "pressure", "by": 50, "within": "1m"}}, [(0, {"pressure": 500})],
         [(70, {"pressure": 600}), (71, {"pressure": 660})], [("raise", 71)]),
        # What waits, waits no longer than it would.
        ({"threshold": {**OVER, "for": "30s"}}, [(0, {"pressure": 700})], [], [("raise", 35)]),
        ({"threshold": OVER}, [(0, {"pressure": 700})], [(10, {"pressure": 500})], [("return", 10)]),
        ({"all_of": [{"threshold": {**OVER, "for": "30s"}}, {"threshold": RUNS}]},
         [(0, {"pressure": 700, "running": 1})], [], [("raise", 35)]),
        ({"threshold": {**OVER, "for": "30s"}, "during": "daily 00:00-23:59"}, [(0, {"pressure": 700})], [],
         [("raise", 35)]),
        ({"stuck": {"point": "pressure", "for": "30s"}}, [(0, {"pressure": 1})],
         [(at, {"pressure": 1}) for at in (15, 25, 36)], [("raise", 35)]),
        ({"absence": {"after": "2m"}}, [(0, {"pressure": 1})], [], [("raise", 125)]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("restarted", [False, True])
def test_a_clock_set_back_leaves_nothing_in_the_future(
    parts: Any, before: Any, after: Any, told: Any, restarted: bool
) -> None:
    """It was ahead by an hour; 5 s after the first word it is put right."""
    store = Store([make("r", "pump", **parts)], {PUMP.id: PUMP})
    evaluator = store.start(T0 + AHEAD * S)
    for at, points in before:
        store.run(evaluator, [frame(PUMP, AHEAD + at, points)], T0 + (AHEAD + at) * S)
    begun = len(store.alarms)
    evaluator.set_back(T0 + 5 * S)
    store.run(evaluator, [], T0 + 5 * S)
    if restarted:
        store.heard = dict.fromkeys(store.heard, T0 + 5 * S)
        store.points = dict.fromkeys(store.points, T0 + 5 * S)
        evaluator = store.start(T0 + 5 * S)
    for at, points in after:
        store.run(evaluator, [frame(PUMP, at, points)], T0 + at * S)
    store.run(evaluator, [], T0 + 450 * S)
    assert [(action, (at - T0) / S) for _, _, action, at, *_ in store.alarms[begun:]] == told


def test_a_clock_set_back_cuts_no_story_in_two() -> None:
    store = Store([INTRUDER], DEVICES)
    evaluator = store.start(T0 + AHEAD * S)
    store.run(evaluator, [frame(LIFT, AHEAD, {"direction": 0})], T0 + AHEAD * S)
    store.run(evaluator, [frame(DOOR, AHEAD + 1, event="door_forced")], T0 + (AHEAD + 1) * S)
    evaluator.set_back(T0 + 5 * S)
    store.run(evaluator, [], T0 + 5 * S)
    told = store.run(evaluator, [frame(LIFT, 15, {"direction": 1})], T0 + 15 * S)
    assert [action for _, action, _ in actions(told)] == ["raise", "return"]


def test_a_clock_set_back_makes_no_neighbour_wait() -> None:
    near = {"at": "same_place", "kinds": ["pump"], "at_least": 1, "threshold": {**OVER, "for": "30s"}}
    two = {n: example_device("pump", KINDS["pump"], n) for n in (1, 2)}
    store = Store([make("r", "pump", near=near)], two)
    evaluator = store.start(T0 + AHEAD * S)
    store.run(evaluator, [frame(two[2], AHEAD, {"pressure": 700})], T0 + AHEAD * S)
    evaluator.set_back(T0 + 5 * S)
    assert actions(store.run(evaluator, [], T0 + 35 * S)) == [("r", "raise", 35)]


def test_a_clock_set_back_leaves_what_is_older_alone() -> None:
    store = Store([make("r", "pump", threshold=OVER)], {PUMP.id: PUMP})
    evaluator = store.start(T0)
    store.run(evaluator, [frame(PUMP, 0, {"pressure": 700})], T0)
    evaluator.set_back(T0 + 5 * S)
    assert store.run(evaluator, [], T0 + 5 * S).states == []
