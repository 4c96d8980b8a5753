"""The rules of a community at work: frames in, decisions out, one transaction at a time.

A frame touches only the rules of its device's points and events, and those that look at it from other devices.
`evaluate` works on an overlay; only `accept` makes it the truth, so a batch that fails is judged again with the same
answer. What comes out depends on the frames and their times of receipt, never on where one batch ends and the next
begins.
"""

import heapq
from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from hub.decisions import Decision, RuleState
from hub.model import Device, Frame, Quality
from rules.away import heard
from rules.conditions import Source, State
from rules.engine import (
    Finding,
    Happening,
    Heard,
    Late,
    Observation,
    Sample,
    Values,
    Wake,
    attentive,
    step,
)
from rules.lags import LAG, LEAST, Lag, learn
from rules.model import Rule
from rules.overlay import Overlay, everywhere, rows, tell
from rules.quiet import passes
from rules.slots import DISABLED, Key, Plan, Slot, Stored, unpack
from rules.wiring import Wiring

_WORTHLESS = int(Quality.BAD | Quality.RANGE)
_LATE = int(Quality.LATE)
_STALE = 1000  # so many stale entries at least are kept
_NONE: Mapping[int, Sequence[Rule]] = {}


class RuleEvaluator(Wiring):
    """Implements `hub.decisions.Evaluator`. Not thread-safe; one owner calls it."""

    # -- life cycle -------------------------------------------------------------------------------------------------

    def load(
        self,
        states: Iterable[RuleState],
        last_seen: Mapping[int, int] | None = None,
        last_points: Mapping[int, int] | None = None,
        last_values: Mapping[int, float] | None = None,
        heard_until: int | None = None,
    ) -> None:
        """Begin from what the store remembers, forgetting all else; then call `configure`.

        `last_seen`: device id -> when something fresh was last received. `last_points`: point id -> newest device
        time; `last_values`: its value, where that was neither bad nor implausible. `heard_until`: up to when all was
        heard; default: the last sign of life. A state that cannot be read (an older release's) is forgotten.
        """
        own = self._own
        Wiring.__init__(self, self._rules, self._used)
        self._own = own
        self._heard.update(last_seen or {})
        values = last_values or {}
        self._seen.update({point: (ts, values.get(point)) for point, ts in (last_points or {}).items()})
        self._until = heard_until if heard_until is not None else max(self._heard.values(), default=None)
        for stored in states:
            try:
                if stored.rule == LAG:
                    self._lags[stored.device_id] = msgspec.convert(stored.state, Lag)
                else:
                    self._stored[stored.rule, stored.device_id] = unpack(stored.state)
            except msgspec.ValidationError:
                self._stored[stored.rule, stored.device_id] = Stored()

    def configure(self, devices: Mapping[int, Device], now: int) -> None:
        """The devices changed. State of devices that stay is kept; that of vanished ones is dropped, their alarms
        return with the next decision."""
        self._roll_back()
        self._devices = dict(devices)
        self._configured = True
        self._rebuild(now)

    def replace_rules(self, rules: Sequence[Rule], now: int, own: Mapping[int, Sequence[Rule]] = _NONE) -> None:
        """Hot reload. A rule that stays keeps its state and is judged by its new limits from now on; one that was
        stopped gets another chance. `own`: communities that are judged by these, all of them, in place of `rules`."""
        self._roll_back()
        self._rules, self._own = tuple(rules), {home: tuple(some) for home, some in own.items()}
        self._begin_anew(now)

    def replace_rules_of(self, community_id: int, rules: Sequence[Rule], now: int) -> None:
        """The same in one community alone: others keep their rules, and what was stopped there stays so."""
        self._roll_back()
        self._own[community_id] = tuple(rules)
        self._begin_anew(now, community_id)

    def _begin_anew(self, now: int, only: int | None = None) -> None:
        here = None
        if only is not None:
            here = {everywhere(only), *(one.id for one in self._devices.values() if one.community_id == only)}
        for device in self._limits.clear(here):
            self._part((DISABLED, device), self._devices.get(device), State("raised"), now)
        if self._configured:
            self._rebuild(now, only)

    @property
    def rules(self) -> Sequence[Rule]:
        return self._rules

    def interested(self, frame: Frame) -> int:
        """How many rules judge what this frame says; for measurements."""
        plan = self._plans.get(frame.device.id)
        return 0 if plan is None else plan.interested(frame)

    # -- judging ----------------------------------------------------------------------------------------------------

    def evaluate(self, frames: Sequence[Frame], now: int, overtaken: int | None = None) -> Decision:
        """Judge frames in order of arrival, each after the wake-ups due before its receipt; then those due at `now`.

        `overtaken`: when the first of those that still wait behind these frames was received. Time stands still there
        but for rules that look at nothing else than these frames' devices.
        """
        self._roll_back()
        overlay = self._overlay = Overlay(self._away, overtaken)
        decision, parting = overlay.decision, self._parting
        decision.alarms.extend(parting.alarms)
        decision.reasons.extend(parting.reasons)
        for frame in frames:
            received = frame.received
            until = received if overtaken is None else min(received, overtaken)
            if (self._heap and self._heap[0][0] <= until) or (overlay.pushed and overlay.pushed[0][0] <= until):
                self._fire(overlay, until)
            at, stepped = received, False
            if overlay.away is not None:
                stepped = overlay.away.stepped
                expected = frame.ts + self._usual(overlay, frame.device.id)
                overlay.away, at = heard(overlay.away, expected, received)
            lag = self._learn(overlay, frame, received if stepped else at)
            plan = self._plans.get(frame.device.id)
            if plan is not None:
                self._frame(overlay, plan, frame, lag, at)
        self._fire(overlay, now)
        told = {(gone.rule, gone.device_id): gone for gone in (*parting.states, *decision.states)}
        told |= rows(overlay, self._slots)
        decision.states[:] = told.values()
        return decision

    def accept(self, decision: Decision) -> None:
        """The decision is committed. ValueError if it is not the newest one."""
        overlay = self._overlay
        if overlay is None or overlay.decision is not decision:
            raise ValueError("only the newest decision can be accepted, once")
        for key, (state, wake) in overlay.moved.items():
            slot = self._slots[key]
            slot.state, slot.wake = state, wake
        for key, orders in overlay.orders.items():
            self._slots[key].orders = orders
        for entry in overlay.pushed:
            heapq.heappush(self._heap, entry)
        if len(self._heap) > 2 * len(self._slots) + _STALE:
            due = ((slot.entry(slot.wake), key) for key, slot in self._slots.items())
            self._heap = [(at, *key) for at, key in due if at is not None]
            heapq.heapify(self._heap)
        self._heard.update(overlay.heard)
        self._seen.update(overlay.seen)
        for device, lag in overlay.lags.items():
            if lag is None:
                self._lags.pop(device, None)
            else:
                self._lags[device] = lag
        self._limits.accept(overlay)
        self._away = overlay.away
        self._parting = Decision([], [], [])
        self._overlay = None

    def next_wake(self) -> int | None:
        """When `evaluate` must be called again even if nothing comes; 0: at once. Of what is committed."""
        if self._parting.states or self._parting.alarms:
            return 0
        heap = self._heap
        popped = min(self._overlay.popped)[0] if self._overlay is not None and self._overlay.popped else None
        while heap and (slot := self._slots[heap[0][1:]]).entry(slot.wake) != heap[0][0]:
            heapq.heappop(heap)
        first = heap[0][0] if heap else None
        coming = min((at for at in (popped, first) if at is not None), default=None)
        return coming if coming is None or self._away is None else max(coming, self._away.over)

    def _learn(self, overlay: Overlay, frame: Frame, at: int) -> int:
        """How late the frame's device usually is, this frame included. The broker's memory says nothing of it."""
        device, late = frame.device.id, at - frame.ts
        known = overlay.lags[device] if device in overlay.lags else self._lags.get(device)
        if frame.timed and not frame.retained and (known is not None or late > LEAST):
            learned = learn(known, late, frame.received)
            if learned is not known:
                known = overlay.lags[device] = learned
        return known.usual if known is not None else 0

    def _usual(self, overlay: Overlay, device: int) -> int:
        known = overlay.lags[device] if device in overlay.lags else self._lags.get(device)
        return known.usual if known is not None else 0

    def _frame(self, overlay: Overlay, plan: Plan, frame: Frame, lag: int, at: int) -> None:
        ts, received, cause, device = frame.ts, frame.received, frame.key, frame.device.id
        if not frame.retained and frame.online is not False and frame.heard:
            for slot in plan.silences if overlay.overtaken is not None else ():
                if not slot.shared:
                    self._fall_due(overlay, slot, at, received)
            overlay.heard[device] = max(received, overlay.heard.get(device, 0))
            for slot in plan.silences:
                state = (overlay.moved.get(slot.key) or (slot.state,))[0]
                if state is not None and attentive(slot.condition, state, device):
                    self._step(overlay, slot, Heard(cause, device), received, received)
        if frame.readings:
            self._readings(overlay, plan, frame, lag, at)
        for verdict in frame.verdicts:
            slot_ = plan.findings.get(verdict.rule)
            if slot_ is not None:
                ended, value, limit, cost = verdict.at, verdict.value, verdict.limit, verdict.cost_fen
                found = Finding(ended, verdict.active, value, limit, cost, verdict.text, cause, verdict.judged)
                self._step(overlay, slot_, found, received, received)
        if frame.retained or not plan.events:
            return
        for event in frame.events:
            for slot in plan.events.get(event.name, ()):
                self._step(overlay, slot, Happening(ts, event.name, event.data, cause, device, lag), at, received)

    def _readings(self, overlay: Overlay, plan: Plan, frame: Frame, lag: int, at: int) -> None:
        ts, received, cause, device = frame.ts, frame.received, frame.key, frame.device.id
        touched: dict[Key, Slot] = {}
        for reading in plan.in_order(frame.readings):
            point = reading.point.id
            groups, valued = plan.points.get(point, ()), plan.values.get(point)
            if not groups and valued is None:
                continue
            value, quality = reading.value, reading.quality
            before = overlay.seen.get(point) or self._seen.get(point)
            late = quality & _LATE or (before is not None and ts < before[0])
            if value is None or quality & _WORTHLESS:
                if before is not None and not late:
                    overlay.seen[point] = (before[0], None)  # what comes next is compared with nothing
                continue
            if late:
                for slot in plan.late.get(point, ()):
                    self._step(overlay, slot, Late(ts, value, cause, reading.point.name, device, lag), at, received)
                continue
            overlay.seen[point] = (ts, value)
            known = before if before is not None and before[1] is not None else None
            sample = Sample(ts, value, cause, reading.point.name, device, known, not frame.retained, lag)  # type: ignore[arg-type]
            for group in groups:
                all_ask = group.tests is None or passes(group.tests, value)
                for slot in group.slots:
                    if all_ask or slot.state is not None or slot.key in overlay.moved:
                        self._step(overlay, slot, sample, at, received)
            for slot in valued or ():
                touched[slot.key] = slot
        for slot in touched.values():
            self._step(overlay, slot, Values(ts, self._values(overlay, slot), cause, lag), at, received)

    def _values(self, overlay: Overlay, slot: Slot) -> dict[str, object]:
        """The newest usable values an expression names, states as their words. Of several devices none may be older
        than its patience beside the newest, each by the clock it usually has; one that is makes its list unknown."""
        values: dict[str, object] = {}
        newest = 0
        if slot.joins:
            newest = max(self._told_at(overlay, source) for one in slot.inputs for source in one.sources)
        for one in slot.inputs:
            found: list[object] = []
            for source in one.sources:
                known = overlay.seen.get(source.point) or self._seen.get(source.point)
                if known is None or known[1] is None:
                    break
                value = source.words.get(known[1]) if source.words else known[1]
                if value is None or (newest and newest - self._told_at(overlay, source) > source.patience):
                    break
                found.append(value)
            else:
                values[one.name] = found[0] if one.single else found
        return values

    def _told_at(self, overlay: Overlay, source: Source) -> int:
        known = overlay.seen.get(source.point) or self._seen.get(source.point)
        return known[0] + self._usual(overlay, source.device) if known is not None else 0

    def _step(self, overlay: Overlay, slot: Slot, observation: Observation, now: int, real: int) -> None:
        """Judge at `now`; `real`: the time here, later than that where it is caught up with."""
        if slot.shared and overlay.overtaken is not None:
            now, real = min(now, overlay.overtaken), min(real, overlay.overtaken)
        moved = overlay.moved.get(slot.key)
        state, wake = (slot.state, slot.wake) if moved is None else moved
        if wake is not None and wake <= now and type(observation) is not Wake:
            self._fall_due(overlay, slot, now, real)
            state, wake = overlay.moved.get(slot.key) or (state, wake)
        try:
            if slot.guarded:
                judged = self._limits.judge(overlay, slot, state, observation, now)
                if judged is None:
                    return
                result = judged
            else:
                result = step(slot.condition, state, observation, now)
        except Exception as error:  # noqa: BLE001 a fault of ours in one rule must not set everybody's messages aside
            self._limits.fault(overlay, slot, error, now, getattr(observation, "cause", None))
            return
        if result.state is not state or result.wake_at != wake:
            overlay.moved[slot.key] = (result.state, result.wake_at)
            if result.wake_at is not None and result.wake_at != wake:
                heapq.heappush(overlay.pushed, (max(result.wake_at, slot.hold), *slot.key))
        if result.effects or result.reasons:
            tell(overlay, self._limits, slot, result, now, real)

    def _fall_due(self, overlay: Overlay, slot: Slot, now: int, real: int) -> None:
        """What fell due for a slot meanwhile, before the word that came after it."""
        before = None
        while True:
            wake = (overlay.moved.get(slot.key) or (slot.state, slot.wake))[1]
            if wake is None or wake > now or wake == before:
                return
            before = wake
            self._wake(overlay, slot, wake, real)

    def _fire(self, overlay: Overlay, until: int) -> None:
        """Every wake-up due up to `until`, in order of time, rule and device."""
        heap, pushed, away = self._heap, overlay.pushed, overlay.away
        if away is not None and until < away.over:
            return  # what fell due meanwhile waits for what was said meanwhile
        while True:
            source = pushed if pushed and (not heap or pushed[0] < heap[0]) else heap
            if not source or source[0][0] > until:
                return
            entry = heapq.heappop(source)
            if source is heap:
                overlay.popped.append(entry)
            at, key = entry[0], entry[1:]
            slot = self._slots[key]
            wake = (overlay.moved.get(key) or (slot.state, slot.wake))[1]
            if wake is not None and slot.entry(wake) == at:
                self._wake(overlay, slot, wake, at if away is None else max(at, away.over))

    def _wake(self, overlay: Overlay, slot: Slot, at: int, real: int) -> None:
        last: Mapping[int, int] = ChainMap(overlay.heard, self._heard)
        device = slot.device.id
        self._step(overlay, slot, Wake(last.get(device, 0), last, self._usual(overlay, device)), at, real)
