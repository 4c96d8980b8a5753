"""The evaluator: batches, failed commits and kills change nothing; silence, hot reload, late and stale word."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.catalog.load import load_catalog
from hub.catalog.paths import packaged_config
from hub.decisions import Decision, Evaluator, RuleState
from hub.model import Device, Event, Frame, Quality, Reading, frame_key
from rules.evaluator import RuleEvaluator
from rules.examples import example_device
from rules.model import Rule

S = 1_000_000
T0 = 1_750_000_000 * S
KINDS = load_catalog([packaged_config()], {}).kinds
PUMP, PUMP2 = (example_device("pump", KINDS["pump"], number) for number in (1, 2))
SMOKE = example_device("smoke_detector", KINDS["smoke_detector"], 3)
DOOR = example_device("door", KINDS["door"], 4)
DEVICES = {device.id: device for device in (PUMP, PUMP2, SMOKE, DOOR)}


def make(name: str, kind: str | list[str], **parts: Any) -> Rule:
    step = {"at": "0s", "expect": ["raised"]}
    kinds = kind if kind == "all" else [kind]
    return Rule.model_validate(
        {
            "rule": name,
            "title": {"zh": "题", "en": "title"},
            "when": {"kinds": kinds},
            "priority": "high",
            "text": {"zh": "$device $value $limit $duration $place", "en": "$value"},
            "examples": [{"name": "yes", "steps": [step]}, {"name": "not", "steps": [{"at": "0s"}]}],
            **parts,
        }
    )


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


def frame(
    device: Device,
    at: float,
    points: Mapping[str, float] | None = None,
    event: str | None = None,
    said: float | None = None,
    quality: int = 0,
    **parts: Any,
) -> Frame:
    received = T0 + round(at * S)
    ts = received if said is None else T0 + round(said * S)
    key = frame_key(device.code, f"{received}-{ts}", repr((points, event)).encode())
    return Frame(
        device=device, key=key, natural=True, timed=True, ts=ts, received=received, source="test", raw=b"",
        readings=[Reading(device.points[name], float(value), quality) for name, value in (points or {}).items()],
        events=[Event(key, event, {"cause": "zone"})] if event else [],
        **parts,
    )  # fmt: skip


class Store:
    """What the pipeline would keep, as JSON, as PostgreSQL would."""

    def __init__(self) -> None:
        self.states: dict[tuple[str, int], str] = {}
        self.alarms: list[tuple[Any, ...]] = []
        self.reasons: list[Any] = []
        self.heard: dict[int, int] = {}
        self.points: dict[int, int] = {}

    def commit(self, frames: Sequence[Frame], decision: Decision) -> None:
        for row in decision.states:
            if row.state:
                self.states[row.rule, row.device_id] = json.dumps(row.state)
            else:
                self.states.pop((row.rule, row.device_id), None)
        self.alarms += [(a.rule, a.device.id, a.action, a.at, a.cause, a.text.zh) for a in decision.alarms]
        self.reasons += decision.reasons
        for each in frames:
            if not each.retained and each.online is not False:
                self.heard[each.device.id] = each.received
            for reading in each.readings:
                if not reading.quality & Quality.BAD:
                    self.points[reading.point.id] = max(each.ts, self.points.get(reading.point.id, 0))

    def rows(self) -> list[RuleState]:
        return [RuleState(rule, device, json.loads(state), None) for (rule, device), state in self.states.items()]

    def start(self, now: int, rules: Sequence[Rule] = RULES) -> RuleEvaluator:
        evaluator = RuleEvaluator(rules)
        evaluator.load(self.rows(), self.heard, self.points)
        evaluator.configure(DEVICES, now)
        return evaluator

    def run(self, evaluator: RuleEvaluator, frames: Sequence[Frame], now: int) -> Decision:
        decision = evaluator.evaluate(frames, now)
        self.commit(frames, decision)
        evaluator.accept(decision)
        wake = evaluator.next_wake()
        assert wake is None or wake > now
        return decision


def actions(decision: Decision) -> list[tuple[str, str, float]]:
    return [(change.rule, change.action, (change.at - T0) / S) for change in decision.alarms]


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


@st.composite
def batches(draw: st.DrawFn, frames: list[Frame]) -> list[tuple[list[Frame], int]]:
    """The history cut at random; each batch is judged some time between its last receipt and the next one's."""
    cuts: list[tuple[list[Frame], int]] = []
    first = 0
    while first < len(frames):
        size = draw(st.integers(0, 6))
        batch = frames[first : first + size]
        first += size
        earliest = max([item.received for item in batch] + [now for _, now in cuts] + [T0])
        latest = frames[first].received - 1 if first < len(frames) else earliest + 100 * S
        cuts.append((batch, max(earliest, min(latest, earliest + draw(st.integers(0, 30 * S))))))
        if not batch:  # time passing alone, at most once in a row
            batch = frames[first : first + 1]
            first += 1
            cuts.append((batch, max(batch[0].received, cuts[-1][1])))
    return [*cuts, ([], frames[-1].received + 200 * S)]


def plain(frames: list[Frame]) -> Store:
    """The reference: one frame at a time, and time only at the end."""
    store = Store()
    evaluator = store.start(T0)
    for each in frames:
        store.run(evaluator, [each], each.received)
    store.run(evaluator, [], frames[-1].received + 200 * S)
    return store


def _inside(cuts: list[tuple[list[Frame], int]], frames: list[Frame]) -> bool:
    """Nothing was judged at a time when something received earlier still waited."""
    done = 0
    for batch, now in cuts:
        done += len(batch)
        if done < len(frames) and frames[done].received < now:
            return False
    return True


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_batches_failed_commits_and_kills_change_nothing(data: st.DataObject) -> None:
    frames = data.draw(histories())
    cuts = data.draw(batches(frames))
    assert _inside(cuts, frames)
    reference = plain(frames)
    store = Store()
    evaluator = store.start(T0)
    last = T0
    for batch, now in cuts:
        fate = data.draw(st.sampled_from(["ok", "ok", "fails", "killed", "killed in between"]))
        if fate == "fails":
            half = evaluator.evaluate(batch[: len(batch) // 2], now)
            again = evaluator.evaluate(batch, now)
            assert msgspec.to_builtins(again.states) == msgspec.to_builtins(evaluator.evaluate(batch, now).states)
            with pytest.raises(ValueError, match="newest"):
                evaluator.accept(half)
        elif fate == "killed":
            evaluator = store.start(last)
        elif fate == "killed in between":
            evaluator.evaluate(batch, now)
            evaluator = store.start(last)
        store.run(evaluator, batch, now)
        last = now
    assert store.alarms == reference.alarms
    assert store.states == reference.states
    assert store.reasons == reference.reasons


@settings(max_examples=100, deadline=None)
@given(histories())
def test_lasting_alarms_begin_and_end_in_turn(frames: list[Frame]) -> None:
    turns: dict[tuple[str, int], list[str]] = {}
    for rule, device, action, *_ in plain(frames).alarms:
        if rule in ("over", "at-once", "often", "fault", "silent"):
            turns.setdefault((rule, device), []).append(action)
    for told in turns.values():
        assert told == (["raise", "return"] * len(told))[: len(told)]


def test_it_is_an_evaluator() -> None:
    evaluator: Evaluator = RuleEvaluator(RULES)
    assert evaluator.next_wake() is None


def quiet_start(rules: Sequence[Rule] = (OVER, SILENT), at: float = 0) -> tuple[Store, RuleEvaluator]:
    """All devices were just heard of."""
    store = Store()
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


@pytest.mark.parametrize(("down", "up"), [(10, 12), (10, 39), (38, 39)])
def test_a_restart_does_not_move_the_window_of_silence(down: int, up: int) -> None:
    store, evaluator = quiet_start([SILENT])
    store.run(evaluator, [], T0 + down * S)
    evaluator = store.start(T0 + up * S, [SILENT])
    assert evaluator.next_wake() == T0 + 40 * S
    decision = store.run(evaluator, [], T0 + 40 * S)
    assert actions(decision) == [("silent", "raise", 40.0)] * 4


def test_nobody_is_called_silent_for_the_time_the_hub_was_deaf() -> None:
    store, evaluator = quiet_start([SILENT])
    evaluator = store.start(T0 + 300 * S, [SILENT])
    assert store.run(evaluator, [frame(PUMP, 310, {"pressure": 1})], T0 + 310 * S).alarms == []
    told = store.run(evaluator, [], T0 + 345 * S)
    assert [(change.device.id, change.at - T0) for change in told.alarms] == [(n, 40 * S) for n in (2, 3, 4)]


def test_a_device_never_heard_of_keeps_its_window_over_restarts() -> None:
    store = Store()
    evaluator = store.start(T0, [SILENT])
    assert evaluator.next_wake() == 0
    assert len(store.run(evaluator, [], T0).states) == 4
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
