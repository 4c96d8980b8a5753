"""What the tests of the rules share: made-up devices, frames, a store, histories cut into batches."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import strategies as st

from hub.catalog.load import load_catalog
from hub.catalog.paths import packaged_config
from hub.decisions import Decision, RuleState
from hub.model import Device, Event, Frame, Quality, Reading, frame_key
from rules.evaluator import RuleEvaluator
from rules.model import Rule

S = 1_000_000
T0 = 1_750_000_000 * S
KINDS = load_catalog([packaged_config()], {}).kinds


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

    def __init__(self, rules: Sequence[Rule], devices: Mapping[int, Device]) -> None:
        self.rules, self.devices = rules, devices
        self.states: dict[tuple[str, int], str] = {}
        self.alarms: list[tuple[Any, ...]] = []
        self.reasons: list[Any] = []
        self.heard: dict[int, int] = {}
        self.points: dict[int, int] = {}
        self.values: dict[int, float] = {}
        self.commands: list[tuple[str, int, str]] = []
        self.until: int | None = None

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
                self._keep(each.ts, reading)
        self.commands += [(wish.rule, wish.device.id, wish.name) for wish in decision.commands]

    def _keep(self, ts: int, reading: Reading) -> None:
        """The newest value of a point, as `telemetry.point_last`."""
        point, quality = reading.point.id, reading.quality
        if quality & Quality.LATE or ts < self.points.get(point, 0):
            return
        if quality & (Quality.BAD | Quality.RANGE) or reading.value is None:
            self.values.pop(point, None)
        else:
            self.points[point], self.values[point] = ts, reading.value

    def rows(self) -> list[RuleState]:
        return [RuleState(rule, device, json.loads(state), None) for (rule, device), state in self.states.items()]

    def start(self, now: int, rules: Sequence[Rule] | None = None) -> RuleEvaluator:
        evaluator = RuleEvaluator(self.rules if rules is None else rules)
        evaluator.load(self.rows(), self.heard, self.points, self.values, self.until)
        evaluator.configure(self.devices, now)
        return evaluator

    def run(
        self, evaluator: RuleEvaluator, frames: Sequence[Frame], now: int, overtaken: int | None = None
    ) -> Decision:
        decision = evaluator.evaluate(frames, now, overtaken)
        self.commit(frames, decision)
        self.until = evaluator.heard_until(now)
        evaluator.accept(decision)
        wake = evaluator.next_wake()
        assert wake is None or wake > now
        return decision


def actions(decision: Decision) -> list[tuple[str, str, float]]:
    return [(change.rule, change.action, (change.at - T0) / S) for change in decision.alarms]


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
    return [*cuts, ([], frames[-1].received + 400 * S)]


def plain(frames: list[Frame], rules: Sequence[Rule], devices: Mapping[int, Device]) -> Store:
    """The reference: one frame at a time, and time only at the end."""
    store = Store(rules, devices)
    evaluator = store.start(T0)
    for each in frames:
        store.run(evaluator, [each], each.received)
    store.run(evaluator, [], frames[-1].received + 400 * S)
    return store


def _inside(cuts: list[tuple[list[Frame], int]], frames: list[Frame]) -> bool:
    """Nothing was judged at a time when something received earlier still waited."""
    done = 0
    for batch, now in cuts:
        done += len(batch)
        if done < len(frames) and frames[done].received < now:
            return False
    return True


def same_whatever_happens(
    data: st.DataObject, frames: list[Frame], rules: Sequence[Rule], devices: Mapping[int, Device]
) -> None:
    """Batches, failed commits and kills at any step: the same alarms, states and reasons as without them."""
    cuts = data.draw(batches(frames))
    assert _inside(cuts, frames)
    reference = plain(frames, rules, devices)
    store = Store(rules, devices)
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
    assert store.commands == reference.commands


def going_ahead(
    data: st.DataObject, frames: list[Frame], rules: Sequence[Rule], devices: Mapping[int, Device], urgent: set[int]
) -> Store:
    """The same history with a hub that does not keep up: the urgent devices' frames go ahead of what waits."""
    store = Store(rules, devices)
    evaluator = store.start(T0)
    lanes: tuple[list[Frame], list[Frame]] = ([], [])
    coming = list(frames)
    while coming or any(lanes):
        more = data.draw(st.integers(1, 12)) if coming else 0
        for each in coming[:more]:
            lanes[each.device.id not in urgent].append(each)
        coming = coming[more:]
        for _ in range(data.draw(st.integers(0, 4)) if coming else len(frames)):
            mine = data.draw(st.booleans()) if all(lanes) else not lanes[0]
            batch = lanes[mine][: data.draw(st.integers(1, 4))]
            del lanes[mine][: len(batch)]
            if batch:
                heads = [lane[0].received for lane in (*lanes, coming) if lane]
                overtaken = lanes[not mine][0].received if lanes[not mine] else None
                store.run(evaluator, batch, min([*heads, batch[-1].received]), overtaken)
    store.run(evaluator, [], frames[-1].received + 400 * S)
    return store


def with_time_away(
    data: st.DataObject, frames: list[Frame], rules: Sequence[Rule], devices: Mapping[int, Device], down: int, up: int
) -> Store:
    """The same history with nobody there from `down` to `up` (µs): what was received then comes after it, more or less
    slowly, and what is said meanwhile comes behind it. While that is caught up with, commits fail and the hub is killed
    again."""
    pace = data.draw(st.sampled_from([0.0, 0.01, 0.9])) * min(10 * S, up - down)
    store = Store(rules, devices)
    evaluator = store.start(T0)
    for each in frames:
        if each.received < down:
            store.run(evaluator, [each], each.received)
    store.run(evaluator, [], down)
    evaluator = store.start(up)
    store.run(evaluator, [], up)
    coming, free = [], up + min(S // 2, (up - down) // 2)
    for each in (each for each in frames if each.received >= down):
        received = max(each.received, free)
        coming.append((each, received))
        free = received + round(pace) if each.received < up else received
    killed = data.draw(st.integers(0, 2 * len(coming)))
    back, now = up, up
    while coming:
        taken = coming[: data.draw(st.integers(1, 4))]
        coming = coming[len(taken) :]
        batch = [msgspec.structs.replace(each, received=max(received, back)) for each, received in taken]
        now = max(now, batch[-1].received)
        if data.draw(st.booleans()):
            evaluator.evaluate(batch, now)
        store.run(evaluator, batch, now)
        if len(coming) == killed:
            back = now + data.draw(st.sampled_from([S // 10, 5 * S, 40 * S]))
            evaluator = store.start(back)
            store.run(evaluator, [], back)
    store.run(evaluator, [], max(frames[-1].received, now) + 400 * S)
    return store
