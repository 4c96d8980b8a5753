"""The rules of a community at work: frames in, decisions out, one transaction at a time.

A frame touches only the rules of its device's points and events. `evaluate` works on an overlay; only `accept` makes it
the truth, so a batch that fails is judged again with the same answer. What comes out depends on the frames and their
times of receipt, never on where one batch ends and the next begins.
"""

import heapq
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from hub.decisions import Decision, Reason, RuleState
from hub.model import Device, Frame, Quality
from rules.conditions import Silence, State, due, stale
from rules.engine import Happening, Heard, Observation, Sample, Step, Wake, step
from rules.model import Rule
from rules.slots import Key, Plan, Slot, alarm, farewell, make_slot, row

UNUSABLE = int(Quality.BAD | Quality.LATE | Quality.RANGE)


class Overlay:
    """What one `evaluate` would change."""

    __slots__ = ("decision", "heard", "moved", "popped", "pushed", "seen")

    def __init__(self) -> None:
        self.decision = Decision([], [], [])
        self.moved: dict[Key, tuple[State | None, int | None]] = {}
        self.heard: dict[int, int] = {}  # device -> last sign of life
        self.seen: dict[int, int] = {}  # point -> newest device time
        self.pushed: list[tuple[int, str, int]] = []
        self.popped: list[tuple[int, str, int]] = []


class RuleEvaluator:
    """Implements `hub.decisions.Evaluator`. Not thread-safe; one owner calls it."""

    def __init__(self, rules: Sequence[Rule] = ()) -> None:
        self._rules = tuple(rules)
        self._devices: Mapping[int, Device] = {}
        self._slots: dict[Key, Slot] = {}
        self._plans: dict[int, Plan] = {}
        self._heap: list[tuple[int, str, int]] = []  # due, rule, device; stale entries are skipped
        self._heard: dict[int, int] = {}
        self._seen: dict[int, int] = {}
        self._stored: dict[Key, State | None] = {}  # loaded, its device not configured yet
        self._parting = Decision([], [], [])  # what configuring must still tell the store
        self._overlay: Overlay | None = None
        self._deaf_since: int | None = None
        self._configured = False

    # -- life cycle -------------------------------------------------------------------------------------------------

    def load(
        self,
        states: Iterable[RuleState],
        last_seen: Mapping[int, int] | None = None,
        last_points: Mapping[int, int] | None = None,
    ) -> None:
        """Begin from what the store remembers, forgetting all else; then call `configure`.

        `last_seen`: device id -> when something fresh was last received. `last_points`: point id -> newest device
        time. A state that cannot be read (an older release's) is forgotten.
        """
        self.__init__(self._rules)  # type: ignore[misc]
        self._heard.update(last_seen or {})
        self._seen.update(last_points or {})
        self._deaf_since = max(self._heard.values(), default=None)
        for stored in states:
            try:
                state = msgspec.convert(stored.state, State)
            except msgspec.ValidationError:
                state = None
            self._stored[stored.rule, stored.device_id] = state

    def configure(self, devices: Mapping[int, Device], now: int) -> None:
        """The devices changed. State of devices that stay is kept; that of vanished ones is dropped, their alarms
        return with the next decision."""
        self._roll_back()
        self._devices = dict(devices)
        self._configured = True
        self._rebuild(now)

    def replace_rules(self, rules: Sequence[Rule], now: int) -> None:
        """Hot reload. A rule that stays keeps its state and is judged by its new limits from now on."""
        self._roll_back()
        self._rules = tuple(rules)
        if self._configured:
            self._rebuild(now)

    @property
    def rules(self) -> Sequence[Rule]:
        return self._rules

    def _rebuild(self, now: int) -> None:
        old, self._slots, self._plans, self._heap = self._slots, {}, {}, []
        kinds: dict[str, list[Device]] = {}
        for device in self._devices.values():
            kinds.setdefault(device.kind_name, []).append(device)
        for rule in sorted(self._rules, key=lambda rule: rule.rule):
            for device in (device for kind, some in kinds.items() if rule.watches(kind) for device in some):
                slot = make_slot(rule, device)
                if slot is None:
                    continue
                before = old.pop(slot.key, None)
                slot.state = self._stored.pop(slot.key, None) if before is None else before.state
                self._slots[slot.key] = slot
                self._plans.setdefault(device.id, Plan()).add(slot)
                self._arm(slot, now)
        for slot in old.values():
            self._part(slot.key, slot.device, slot.state, now)
        for (rule_id, device_id), state in self._stored.items():
            self._part((rule_id, device_id), self._devices.get(device_id), state or State("idle"), now)
        self._stored.clear()
        self._heard = {device: at for device, at in self._heard.items() if device in self._devices}
        points = {point.id for device in self._devices.values() for point in device.points.values()}
        self._seen = {point: at for point, at in self._seen.items() if point in points}
        self._deaf_since = None

    def _arm(self, slot: Slot, now: int) -> None:
        """Set the wake-up of a slot from its state, the rule as it is now, and what was heard last."""
        if stale(slot.condition, slot.state):
            slot.state = None
            self._parting.states.append(RuleState(*slot.key, {}, None))
        slot.wake = due(slot.condition, slot.state)
        if isinstance(slot.condition, Silence) and (slot.state is None or slot.state.phase != "raised"):
            if slot.state is None and slot.device.id not in self._heard:
                slot.state = State("armed", began=now)
                self._parting.states.append(row(slot.key, slot.state, now + slot.condition.after))
            slot.wake = self._last_heard(slot, self._heard) + slot.condition.after
            if slot.wake <= now and self._deaf_since is not None:
                # it fell due while nobody listened: listen as long again as we were deaf, before calling it silent
                slot.wake = now + min(slot.condition.after, max(0, now - self._deaf_since))
        if slot.wake is not None:
            heapq.heappush(self._heap, (slot.wake, *slot.key))

    def _part(self, key: Key, device: Device | None, state: State | None, now: int) -> None:
        """A rule and a device no longer meet: forget the state, end the alarm. Of a device that vanished while the hub
        was down (None) only the state can go; its alarm stays for a person to close."""
        if state is None:
            return
        self._parting.states.append(RuleState(*key, {}, None))
        if state.phase == "raised" and device is not None:
            self._parting.alarms.append(farewell(key, device, now))
            self._parting.reasons.append(Reason(*key, now, None, "returned", "the rule no longer applies"))

    # -- judging ----------------------------------------------------------------------------------------------------

    def evaluate(self, frames: Sequence[Frame], now: int) -> Decision:
        """Judge frames in order of arrival, each after the wake-ups due before its receipt; then those due at `now`."""
        self._roll_back()
        overlay = self._overlay = Overlay()
        decision, parting = overlay.decision, self._parting
        decision.alarms.extend(parting.alarms)
        decision.reasons.extend(parting.reasons)
        for frame in frames:
            received = frame.received
            if (self._heap and self._heap[0][0] <= received) or (overlay.pushed and overlay.pushed[0][0] <= received):
                self._fire(overlay, received)
            plan = self._plans.get(frame.device.id)
            if plan is not None:
                self._frame(overlay, plan, frame)
        self._fire(overlay, now)
        told = {(gone.rule, gone.device_id): gone for gone in parting.states}
        for key, (state, wake) in overlay.moved.items():
            if state is not self._slots[key].state:
                told[key] = row(key, state, wake)
        decision.states.extend(told.values())
        return decision

    def accept(self, decision: Decision) -> None:
        """The decision is committed. ValueError if it is not the newest one."""
        overlay = self._overlay
        if overlay is None or overlay.decision is not decision:
            raise ValueError("only the newest decision can be accepted, once")
        for key, (state, wake) in overlay.moved.items():
            slot = self._slots[key]
            slot.state, slot.wake = state, wake
        for entry in overlay.pushed:
            heapq.heappush(self._heap, entry)
        self._heard.update(overlay.heard)
        self._seen.update(overlay.seen)
        self._parting = Decision([], [], [])
        self._overlay = None

    def deaf(self, since: int, until: int) -> None:
        """Nobody listened from `since` to `until`: a silence that falls due is judged only after listening as long
        again, for what was said meanwhile still waits at the source."""
        self._roll_back()
        for slot in self._slots.values():
            if not isinstance(slot.condition, Silence) or (slot.state is not None and slot.state.phase == "raised"):
                continue
            wake = until + min(slot.condition.after, until - since)
            if slot.wake is None or slot.wake < wake:
                slot.wake = wake
                heapq.heappush(self._heap, (wake, *slot.key))

    def set_back(self, now: int) -> None:
        """Nothing was heard or read later than `now`, or all that comes would count as late until then."""
        self._roll_back()
        self._seen = {point: min(ts, now) for point, ts in self._seen.items()}
        self._heard = {device: min(ts, now) for device, ts in self._heard.items()}

    def next_wake(self) -> int | None:
        """When `evaluate` must be called again even if nothing comes; 0: at once. Of what is committed."""
        if self._parting.states or self._parting.alarms:
            return 0
        heap = self._heap
        popped = min(self._overlay.popped)[0] if self._overlay is not None and self._overlay.popped else None
        while heap and self._slots[heap[0][1:]].wake != heap[0][0]:
            heapq.heappop(heap)
        first = heap[0][0] if heap else None
        return min((at for at in (popped, first) if at is not None), default=None)

    def _roll_back(self) -> None:
        if self._overlay is not None:
            for entry in self._overlay.popped:
                heapq.heappush(self._heap, entry)
            self._overlay = None

    def _frame(self, overlay: Overlay, plan: Plan, frame: Frame) -> None:
        ts, received, cause = frame.ts, frame.received, frame.key
        if not frame.retained and frame.online is not False:
            overlay.heard[frame.device.id] = max(received, overlay.heard.get(frame.device.id, 0))
            for slot in plan.silences:
                state = (overlay.moved.get(slot.key) or (slot.state,))[0]
                if state is not None and state.phase == "raised":
                    self._step(overlay, slot, Heard(cause), received)
        for reading in frame.readings:
            slots = plan.points.get(reading.point.id)
            value = reading.value
            if slots is None or value is None or reading.quality & UNUSABLE:
                continue
            point = reading.point.id
            seen = overlay.seen.get(point) or self._seen.get(point)
            if seen is not None and ts < seen:
                continue
            overlay.seen[point] = ts
            sample = Sample(ts, value, cause)
            for slot in slots:
                self._step(overlay, slot, sample, received)
        if frame.retained or not plan.events:
            return
        for event in frame.events:
            for slot in plan.events.get(event.name, ()):
                self._step(overlay, slot, Happening(ts, event.name, event.data, cause), received)

    def _step(self, overlay: Overlay, slot: Slot, observation: Observation, now: int) -> None:
        moved = overlay.moved.get(slot.key)
        state, wake = (slot.state, slot.wake) if moved is None else moved
        result = step(slot.condition, state, observation, now)
        if result.state is not state or result.wake_at != wake:
            self._move(overlay, slot, result)
        if result.effects or result.reasons:
            self._tell(overlay, slot, result)

    def _move(self, overlay: Overlay, slot: Slot, result: Step) -> None:
        overlay.moved[slot.key] = (result.state, result.wake_at)
        if result.wake_at is not None:
            heapq.heappush(overlay.pushed, (result.wake_at, *slot.key))

    def _tell(self, overlay: Overlay, slot: Slot, result: Step) -> None:
        for effect in result.effects:
            change = alarm(slot, effect.action, effect.at, effect.cause, effect.value)
            overlay.decision.alarms.append(change)
        for note in result.reasons:
            overlay.decision.reasons.append(Reason(*slot.key, note.at, note.cause, note.outcome, note.text))

    def _fire(self, overlay: Overlay, until: int) -> None:
        """Every wake-up due up to `until`, in order of time, rule and device."""
        heap, pushed = self._heap, overlay.pushed
        while True:
            source = pushed if pushed and (not heap or pushed[0] < heap[0]) else heap
            if not source or source[0][0] > until:
                return
            entry = heapq.heappop(source)
            if source is heap:
                overlay.popped.append(entry)
            at, key = entry[0], entry[1:]
            slot = self._slots[key]
            if (overlay.moved.get(key) or (slot.state, slot.wake))[1] == at:
                heard = overlay.heard.get(slot.device.id)
                last = self._last_heard(slot, self._heard) if heard is None else heard
                self._step(overlay, slot, Wake(last), at)

    @staticmethod
    def _last_heard(slot: Slot, heard: Mapping[int, int]) -> int:
        armed = slot.state.began if slot.state is not None and slot.state.phase == "armed" else 0
        return max(heard.get(slot.device.id, 0), armed)
