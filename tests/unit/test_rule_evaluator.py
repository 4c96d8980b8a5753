"""The evaluator: batches, failed commits and kills change nothing; silence, hot reload, late and stale word."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.decisions import Decision, Evaluator
from hub.model import Frame, Quality
from rules.evaluator import RuleEvaluator
from rules.examples import example_device
from rules.model import Rule
from tests.unit.rule_harness import KINDS, T0, S, Store, actions, frame, going_ahead, make, plain, same_whatever_happens

PUMP, PUMP2 = (example_device("pump", KINDS["pump"], number) for number in (1, 2))
SMOKE = example_device("smoke_detector", KINDS["smoke_detector"], 3)
DOOR = example_device("door", KINDS["door"], 4)
DEVICES = {device.id: device for device in (PUMP, PUMP2, SMOKE, DOOR)}

OVER = make("over", "pump", threshold={"point": "pressure", "above": 600, "for": "30s", "clear": {"below": 560}})
SILENT = make("silent", "all", absence={"after": "40s"})
RULES = [
    OVER,
    make("at-once", "pump", threshold={"point": "pressure", "above": 650}),
    make("often", "pump", threshold={"point": "pressure", "above": 600, "repeat": {"times": 3, "within": "60s"}}),
    make("fault", "pump", threshold={"point": "fault", "equals": "fault", "for": "5s"}),
    make("smoke", "smoke_detector", event={"name": "smoke_alarm", "clear_event": "smoke_cleared"}),
    make("tested", "smoke_detector", event={"name": "self_test", "clear_after": "20s"}),
    make("forced", "door", event={"name": "door_forced"}),
    make(
        "denied", "door",
        event={"name": "access_denied", "where": {"cause": "zone"}, "repeat": {"times": 2, "within": "30s"}},
    ),
    SILENT,
]  # fmt: skip


@st.composite
def histories(draw: st.DrawFn) -> list[Frame]:
    frames, at = [], 0.0
    for _ in range(draw(st.integers(1, 40))):
        at += draw(st.sampled_from([0.0, 0.5, 1.0, 5.0, 9.0, 20.0, 30.0, 45.0]))
        device = draw(st.sampled_from([PUMP, PUMP2, SMOKE, DOOR]))
        said = at - draw(st.sampled_from([0.0, 0.0, 0.0, 2.0, 12.0, 60.0]))
        retained = draw(st.sampled_from([False, False, False, True]))
        points: dict[str, float] = {}
        event = None
        if device.kind_name == "pump":
            points["pressure"] = draw(st.sampled_from([500, 580, 620, 700]))
            if draw(st.booleans()):
                points["fault"] = draw(st.sampled_from([0, 1]))
        else:
            event = draw(st.sampled_from(sorted(device.kind.events)))
        quality = draw(st.sampled_from([0, 0, 0, int(Quality.BAD), int(Quality.CLOCK)]))
        frames.append(frame(device, at, points, event, said, quality, retained=retained))
    return frames


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_batches_failed_commits_and_kills_change_nothing(data: st.DataObject) -> None:
    same_whatever_happens(data, data.draw(histories()), RULES, DEVICES)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_life_safety_goes_ahead_of_the_rest_and_nothing_else_changes(data: st.DataObject) -> None:
    """Every rule tells the same, of the same time, in its own order; not even a silence is told of who still waits."""
    frames = data.draw(histories())
    told, expected = going_ahead(data, frames, RULES, DEVICES, {SMOKE.id}), plain(frames, RULES, DEVICES)

    def by_rule(store: Store) -> list[tuple[Any, ...]]:
        return sorted(store.alarms, key=lambda alarm: alarm[:2])

    assert by_rule(told) == by_rule(expected)
    assert told.states == expected.states


@settings(max_examples=100, deadline=None)
@given(histories())
def test_lasting_alarms_begin_and_end_in_turn(frames: list[Frame]) -> None:
    turns: dict[tuple[str, int], list[str]] = {}
    for rule, device, action, *_ in plain(frames, RULES, DEVICES).alarms:
        if rule in ("over", "at-once", "often", "fault", "silent"):
            turns.setdefault((rule, device), []).append(action)
    for told in turns.values():
        assert told == (["raise", "return"] * len(told))[: len(told)]


def test_it_is_an_evaluator() -> None:
    evaluator: Evaluator = RuleEvaluator(RULES)
    assert evaluator.next_wake() is None


def quiet_start(rules: Sequence[Rule] = (OVER, SILENT), at: float = 0) -> tuple[Store, RuleEvaluator]:
    """All devices were just heard of."""
    store = Store(RULES, DEVICES)
    store.heard = {device: T0 + round(at * S) for device in DEVICES}
    return store, store.start(T0 + round(at * S), rules)


def test_a_normal_reading_writes_nothing() -> None:
    store, evaluator = quiet_start(RULES)
    for second in range(30):
        decision = store.run(evaluator, [frame(PUMP, second, {"pressure": 500, "fault": 0})], T0 + second * S)
        assert decision == Decision([], [], [])


@pytest.mark.parametrize("quality", [Quality.BAD, Quality.RANGE, Quality.LATE])
def test_unusable_values_are_not_judged(quality: Quality) -> None:
    store, evaluator = quiet_start()
    decision = store.run(evaluator, [frame(PUMP, 1, {"pressure": 620}, quality=int(quality))], T0 + 35 * S)
    assert decision == Decision([], [], [])


def test_late_readings_are_known_after_a_restart_too() -> None:
    store, evaluator = quiet_start([OVER])
    store.run(evaluator, [frame(PUMP, 20, {"pressure": 500})], T0 + 20 * S)
    for one in (evaluator, store.start(T0 + 21 * S, [OVER])):
        assert one.evaluate([frame(PUMP, 21, {"pressure": 620}, said=19)], T0 + 21 * S).states == []
        assert one.evaluate([frame(PUMP, 21, {"pressure": 620}, said=20)], T0 + 21 * S).states != []


@pytest.mark.parametrize(("down", "up", "told"), [(10, 12, 40), (38, 39, 40), (36, 39, 42), (10, 39, 68)])
def test_a_short_restart_does_not_move_the_window_of_silence(down: int, up: int, told: int) -> None:
    """A14: on time, give or take the few seconds that nobody listened; after a longer time it listens as long."""
    store, evaluator = quiet_start([SILENT])
    store.run(evaluator, [], T0 + down * S)
    evaluator = store.start(T0 + up * S, [SILENT])
    assert actions(store.run(evaluator, [], T0 + (told - 1) * S)) == []
    decision = store.run(evaluator, [], T0 + told * S)
    assert actions(decision) == [("silent", "raise", 40.0)] * 4


def test_nobody_is_called_silent_for_the_time_the_hub_was_deaf() -> None:
    store, evaluator = quiet_start([SILENT])
    evaluator = store.start(T0 + 300 * S, [SILENT])
    assert store.run(evaluator, [frame(PUMP, 310, {"pressure": 1})], T0 + 310 * S).alarms == []
    told = store.run(evaluator, [], T0 + 345 * S)
    assert [(change.device.id, change.at - T0) for change in told.alarms] == [(n, 40 * S) for n in (2, 3, 4)]


def test_a_device_never_heard_of_keeps_its_window_over_restarts() -> None:
    store = Store(RULES, DEVICES)
    evaluator = store.start(T0, [SILENT])
    assert evaluator.next_wake() == 0
    assert len(store.run(evaluator, [], T0).states) == 4
    store.run(evaluator, [], T0 + 34 * S)
    evaluator = store.start(T0 + 35 * S, [SILENT])
    assert evaluator.next_wake() == T0 + 40 * S


def test_signs_of_life() -> None:
    store, evaluator = quiet_start([SILENT])
    decision = store.run(
        evaluator,
        [
            frame(PUMP, 30, {"pressure": 1}, quality=int(Quality.BAD)),
            frame(PUMP2, 30, {"pressure": 1}, retained=True),
            frame(SMOKE, 30, online=False),
            frame(DOOR, 30, online=True),
        ],
        T0 + 41 * S,
    )
    assert [change.device.id for change in decision.alarms] == [PUMP2.id, SMOKE.id]
    decision = store.run(evaluator, [frame(SMOKE, 50, event="self_test")], T0 + 50 * S)
    assert actions(decision) == [("silent", "return", 50.0)]


def test_removed_devices_and_rules_are_forgotten_and_their_alarms_end() -> None:
    store, evaluator = quiet_start()
    for device in (PUMP, PUMP2):
        store.run(evaluator, [frame(device, 1, {"pressure": 620})], T0 + 31 * S)
    assert len(store.states) == 2
    rest = {key: device for key, device in DEVICES.items() if device is not PUMP}
    evaluator.configure(rest, T0 + 35 * S)
    assert evaluator.next_wake() == 0
    assert actions(store.run(evaluator, [frame(PUMP, 35, {"pressure": 700})], T0 + 35 * S)) == [("over", "return", 35)]
    evaluator.replace_rules([SILENT], T0 + 36 * S)
    assert actions(store.run(evaluator, [], T0 + 36 * S)) == [("over", "return", 36)]
    assert store.states == {}


def test_what_vanished_while_the_hub_was_down_is_deleted_and_its_alarm_ends() -> None:
    store, _ = quiet_start()
    store.states = {("gone", 1): '{"phase":"raised"}', ("over", 99): '{"phase":"raised"}', ("odd", 1): '{"phase":7}'}
    told = store.run(store.start(T0, [OVER]), [], T0)
    assert actions(told) == [("gone", "return", 0)]
    assert store.states == {}


def test_changed_devices_and_rules_keep_their_state() -> None:
    store, evaluator = quiet_start([OVER])
    store.run(evaluator, [frame(PUMP, 0, {"pressure": 620})], T0)
    evaluator.configure({**DEVICES, PUMP.id: msgspec.structs.replace(PUMP, code="renamed")}, T0 + S)
    assert evaluator.next_wake() == T0 + 30 * S
    slower = make("over", "pump", threshold={"point": "pressure", "above": 600, "for": "50s"})
    evaluator.replace_rules([slower], T0 + 2 * S)
    assert store.run(evaluator, [], T0 + 49 * S).alarms == []
    told = store.run(evaluator, [], T0 + 50 * S)
    assert actions(told) == [("over", "raise", 50.0)]
    assert told.alarms[0].device.code == "renamed"


FAULT = {"threshold": {"point": "fault", "equals": "fault"}}
HIGH = {"threshold": {"point": "pressure", "above": 600}}
RUNNING = {"threshold": {"point": "running", "equals": "running"}}
LOW = {"threshold": {"point": "pressure", "below": 150}}


@pytest.mark.parametrize(
    ("old", "new", "ends"),
    [
        (HIGH, {**HIGH, "during": "daily"}, True),
        (HIGH, {"any_of": [HIGH, FAULT]}, True),
        ({"any_of": [HIGH, FAULT]}, {"any_of": [FAULT, HIGH]}, True),
        ({"any_of": [HIGH, FAULT]}, {"all_of": [HIGH, FAULT]}, True),
        (HIGH, {"expression": {"when": "pressure > 600"}}, True),
        (HIGH, {"threshold": {"point": "pressure", "above": 610, "for": "9s", "clear": {"below": 500}}}, False),
        ({"any_of": [HIGH, FAULT]}, {"any_of": [{"threshold": {"point": "pressure", "above": 620}}, FAULT]}, False),
    ],
)
@pytest.mark.parametrize("restarted", [False, True])
def test_a_state_does_not_outlive_the_shape_of_its_condition(old: Any, new: Any, ends: bool, restarted: bool) -> None:
    store, evaluator = quiet_start([make("r", "pump", **old)])
    assert actions(store.run(evaluator, [frame(PUMP, 1, {"pressure": 650})], T0 + S)) == [("r", "raise", 1)]
    changed = make("r", "pump", **new)
    if restarted:
        evaluator = store.start(T0 + 2 * S, [changed])
    else:
        evaluator.replace_rules([changed], T0 + 2 * S)
    told = actions(store.run(evaluator, [], T0 + 2 * S))
    assert told == ([("r", "return", 2)] if ends else [])
    told = actions(store.run(evaluator, [frame(PUMP, 20, {"pressure": 400})], T0 + 20 * S))
    assert told == ([] if ends else [("r", "return", 20)])


def test_what_one_part_remembers_is_not_taken_for_another_part() -> None:
    store, evaluator = quiet_start([make("r", "pump", all_of=[LOW, RUNNING])])
    store.run(evaluator, [frame(PUMP, 1, {"pressure": 400, "running": 1, "fault": 0})], T0 + S)
    evaluator.replace_rules([make("r", "pump", all_of=[LOW, FAULT])], T0 + 2 * S)
    assert actions(store.run(evaluator, [frame(PUMP, 10, {"pressure": 100})], T0 + 10 * S)) == []


def test_a_raised_limit_cancels_what_was_waiting_under_the_old_one() -> None:
    store, evaluator = quiet_start([OVER])
    store.run(evaluator, [frame(PUMP, 0, {"pressure": 620})], T0)
    evaluator.replace_rules([make("over", "pump", threshold={"point": "pressure", "above": 650, "for": "30s"})], T0 + S)
    assert store.run(evaluator, [], T0 + 31 * S).alarms == []
    assert store.states == {}


def test_the_row_of_a_condition_goes_when_it_is_over() -> None:
    store, evaluator = quiet_start([OVER])
    for over, ends in ((0, 10), (20, 60)):
        store.run(evaluator, [frame(PUMP, over, {"pressure": 620})], T0 + over * S)
        assert list(store.states) == [("over", PUMP.id)]
        store.run(evaluator, [frame(PUMP, ends, {"pressure": 500})], T0 + ends * S)
        assert store.states == {}
    assert [action for _, _, action, *_ in store.alarms] == ["raise", "return"]


def test_a_wake_up_in_a_failed_batch_is_not_lost() -> None:
    store, evaluator = quiet_start([OVER])
    store.run(evaluator, [frame(PUMP, 0, {"pressure": 620})], T0)
    for _ in range(3):
        assert actions(evaluator.evaluate([], T0 + 30 * S)) == [("over", "raise", 30.0)]
        assert evaluator.next_wake() == T0 + 30 * S
    assert actions(store.run(evaluator, [], T0 + 31 * S)) == [("over", "raise", 30.0)]


def test_what_the_alarm_says() -> None:
    store, evaluator = quiet_start([OVER])
    told = store.run(evaluator, [frame(PUMP, 0, {"pressure": 620.5})], T0 + 30 * S)
    change = told.alarms[0]
    assert (change.priority, change.cause, change.text.zh) == (
        "high",
        None,
        "示例设备 620.5 kPa 600 kPa 30 秒 示例地点",
    )
    assert [(reason.outcome, reason.cause is None) for reason in told.reasons] == [("pending", False), ("raised", True)]


def test_an_alarm_does_not_return_in_the_future_because_its_rule_now_waits_longer() -> None:
    store, evaluator = quiet_start([OVER])
    store.run(evaluator, [frame(PUMP, 1, {"pressure": 620})], T0 + 32 * S)
    slower = make("over", "pump", threshold={"point": "pressure", "above": 600, "for": "1h", "clear": {"below": 560}})
    evaluator.replace_rules([slower], T0 + 33 * S)
    decision = store.run(evaluator, [frame(PUMP, 40, {"pressure": 500})], T0 + 40 * S)
    assert actions(decision) == [("over", "return", 40)]


def test_nobody_is_called_silent_while_the_urgent_goes_ahead_after_a_time_away() -> None:
    """What was said meanwhile comes slower than a silence is long; something waits in the other lane all the time."""
    store, evaluator = quiet_start([SILENT])
    store.run(evaluator, [], T0)
    evaluator = store.start(T0 + 600 * S, [SILENT])
    waiting = T0 + 600 * S
    for turn in range(12):
        said, received = 35 * (turn + 1), 600 + 45 * turn
        told = store.run(evaluator, [frame(SMOKE, received, event="self_test", said=said)], waiting, waiting)
        assert actions(told) == []
