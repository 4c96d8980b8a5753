"""Rules and devices brought together: slots, what each device's word means to whom, and what parting leaves behind."""

import heapq
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import msgspec

from hub.decisions import Decision, Reason, RuleState
from hub.model import Device
from hub.vocabulary.base import Text
from rules.away import Away, begun
from rules.binding import MOST_WATCHERS, TooMany
from rules.clocks import set_back
from rules.conditions import State
from rules.engine import arm, excused, patience, settled
from rules.lags import LAG, Lag
from rules.model import Rule
from rules.observations import listening, merged
from rules.overlay import Limits, Overlay
from rules.slots import DISABLED, Key, Plan, Slot, Stored, farewell, make_slot, row, stopped
from rules.topology import Topology


class Wiring:
    """What an evaluator knows of its rules and devices."""

    def __init__(self, rules: Sequence[Rule] = (), used: Callable[[], float] = time.thread_time) -> None:
        """`used`: seconds this thread has worked, for the limit on expressions: a machine may stall without them."""
        self._rules = tuple(rules)
        self._own: dict[int, tuple[Rule, ...]] = {}  # communities whose rules are other ones
        self._used = used
        self._devices: Mapping[int, Device] = {}
        self._slots: dict[Key, Slot] = {}
        self._plans: dict[int, Plan] = {}
        self._heap: list[tuple[int, str, int]] = []  # due, rule, device; stale entries are skipped
        self._heard: dict[int, int] = {}
        self._lags: dict[int, Lag] = {}  # devices that are late
        self._seen: dict[int, tuple[int, float | None]] = {}  # point -> newest device time, usable value
        self._stored: dict[Key, Stored] = {}  # loaded, its device not configured yet
        self._parting = Decision([], [], [])  # what configuring must still tell the store
        self._overlay: Overlay | None = None
        self._limits = Limits(used)
        self._deaf: tuple[int, int] | None = None  # at a start: nobody listened from then to then
        self._away: Away | None = None  # a time away that is caught up with
        self._until: int | None = None  # up to when all was heard, before a start
        self._configured = False

    def rules_of(self, community_id: int) -> Sequence[Rule]:
        """The rules one community is judged by."""
        return self._own.get(community_id, self._rules)

    def deaf(self, since: int, until: int, stepped: bool = False) -> None:
        """Nobody listened from `since` to `until`: what falls due is judged only after listening as long again, for
        what was said meanwhile still waits at the source."""
        self._roll_back()
        self._away = begun(self._away, since, until, stepped)
        for slot in self._slots.values():
            if slot.wake is not None:
                self._arm(slot, until, (since, until))

    def heard_until(self, now: int) -> int:
        away = self._away if self._overlay is None else self._overlay.away
        return now if away is None or now >= away.over else min(away.since, now)

    def set_back(self, now: int) -> None:
        """Nothing was heard, read or begun later than `now`, or all that comes would count as late until then."""
        self._roll_back()
        self._away = None
        self._seen = {point: (min(ts, now), value) for point, (ts, value) in self._seen.items()}
        self._heard = {device: min(ts, now) for device, ts in self._heard.items()}
        self._lags = {d: msgspec.structs.replace(lag, since=min(lag.since, now)) for d, lag in self._lags.items()}
        for slot in self._slots.values():
            before = slot.state
            if slot.hold > now:
                slot.unheard = None
            if before is not None:
                slot.state = set_back(slot.condition, before, now)
            if slot.state is not before or slot.hold > now or (slot.wake is not None and slot.wake > now):
                self._arm(slot, now, None)
            if slot.state is not before:
                self._parting.states.append(row(slot, slot.state, slot.wake, slot.orders))

    def _roll_back(self) -> None:
        if self._overlay is not None:
            for entry in self._overlay.popped:
                heapq.heappush(self._heap, entry)
            self._overlay = None

    def _rebuild(self, now: int, only: int | None = None) -> None:
        """`only`: the one community whose rules changed; nothing of the others is touched."""
        self._deaf = (self._until, now) if self._until is not None and self._until < now else None
        if self._deaf is not None:
            self._away = begun(self._away, *self._deaf)
        old, crowded = self._take_out(only)
        homes: dict[int, list[Device]] = {}
        for device in self._devices.values():
            if only is None or device.community_id == only:
                homes.setdefault(device.community_id, []).append(device)
        for home, devices in homes.items():
            self._bind(home, devices, old, crowded, now)
        for key, device_id in crowded.items():
            if key not in self._limits.crowded:
                self._part((DISABLED, device_id), self._devices.get(device_id), State("raised"), now)
        for slot in old.values():
            self._part(slot.key, slot.device, slot.state, now, bool(slot.orders))
        if only is None:
            self._forget_gone(now)
        self._until = None

    def _take_out(self, only: int | None) -> tuple[dict[Key, Slot], dict[Key, int]]:
        """The slots and the refused rules of one community, or of all."""
        limits = self._limits
        if only is None:
            old, self._slots, self._plans, self._heap = self._slots, {}, {}, []
            crowded, limits.crowded, limits.commanding = limits.crowded, {}, {}
            return old, crowded
        old = {key: slot for key, slot in self._slots.items() if slot.device.community_id == only}
        for key in old:
            del self._slots[key]
        for device in self._devices.values():
            if device.community_id == only:
                self._plans.pop(device.id, None)
                limits.commanding.pop(device.id, None)
        self._heap = [entry for entry in self._heap if entry[1:] in self._slots]
        heapq.heapify(self._heap)
        crowded = {key: limits.crowded.pop(key) for key in list(limits.crowded) if key[1] == only}
        return old, crowded

    def _bind(
        self, home: int, devices: Sequence[Device], old: dict[Key, Slot], crowded: Mapping[Key, int], now: int
    ) -> None:
        """One community's rules and its devices, none of which looks at another community's."""
        topology = Topology({device.id: device for device in devices})
        kinds: dict[str, list[Device]] = {}
        for device in devices:
            kinds.setdefault(device.kind_name, []).append(device)
        rules = self.rules_of(home)
        self._limits.told[home] = next((rule for rule in rules if rule.rule == DISABLED), None)
        for rule in sorted(rules, key=lambda rule: rule.rule):
            watched = [device for kind, some in kinds.items() if rule.watches(kind) for device in some]
            try:
                slots = [slot for device in watched if (slot := make_slot(rule, device, topology)) is not None]
                self._bearable(slots)
            except TooMany as error:
                self._refuse(rule, watched[0], str(error), now, (rule.rule, home) in crowded)
                continue
            for slot in slots:
                self._place(slot, old, now)

    def _bearable(self, slots: Sequence[Slot]) -> None:
        """TooMany: of a rule, more than MOST_WATCHERS go by the values of one device, and each word of it asks all."""
        watchers = Counter(one for slot in slots for one in {w.device for w in slot.interests if w.sort == "values"})
        for watched, number in watchers.most_common(1):
            if number > MOST_WATCHERS:
                code = self._devices[watched].code
                raise TooMany(f"it would look at {code} from {number} devices; at most {MOST_WATCHERS} are allowed")

    def _forget_gone(self, now: int) -> None:
        """What was remembered of devices that are no more."""
        for (rule_id, device_id), stored in self._stored.items():
            self._part((rule_id, device_id), self._devices.get(device_id), stored.state or State("idle"), now)
        self._stored.clear()
        self._heard = {device: at for device, at in self._heard.items() if device in self._devices}
        for device_id in self._lags.keys() - self._devices.keys():
            del self._lags[device_id]
            self._parting.states.append(RuleState(LAG, device_id, {}, None))
        points = {point.id for device in self._devices.values() for point in device.points.values()}
        self._seen = {point: known for point, known in self._seen.items() if point in points}

    def _place(self, slot: Slot, old: dict[Key, Slot], now: int) -> None:
        """A slot among the others, with what it or the store remembers."""
        before = old.pop(slot.key, None) or self._stored.pop(slot.key, Stored())
        slot.state, slot.orders, slot.unheard = before.state, before.orders, before.unheard
        self._slots[slot.key] = slot
        if slot.rule.command is not None:
            self._limits.commanding.setdefault(slot.device.id, []).append(slot)
        for want in slot.interests:
            self._plans.setdefault(want.device, Plan()).add(slot, want, self._devices[want.device])
        if slot.rule.hourly is not None:
            self._plans.setdefault(slot.device.id, Plan()).findings[slot.rule.rule] = slot
        self._arm(slot, now, self._deaf, before.shape in (slot.shape, None))

    def _arm(self, slot: Slot, now: int, deaf: tuple[int, int] | None, fits: bool = True) -> None:
        """Set the wake-up of a slot from its state, the rule as it is now, and what was heard last. `deaf`: nobody
        listened from then to then. `fits`: the state is one of this condition."""
        state = settled(slot.condition, slot.state) if fits else None
        before, entry = slot.unheard, slot.entry(slot.wake)
        if deaf is not None:
            state = excused(slot.condition, state, self._heard.get(slot.device.id, 0), deaf)
            slot.unheard = merged(before, deaf)
        judged, wait = now if deaf is None else deaf[0], patience(slot.condition)
        if before is not None and listening(before, wait) > judged:
            judged = before[0]  # what fell due since was still listened for
        slot.hold = listening(slot.unheard, wait)
        state, wake = arm(slot.condition, state, slot.device.id, self._heard, now, judged)
        waits = wake is not None and wake < slot.hold and slot.unheard != before
        if state is not slot.state or waits:
            if slot.state is not None and slot.state.phase == "raised" and (state is None or state.phase != "raised"):
                self._parting.alarms.append(farewell(slot.key, slot.device, now))
                self._parting.reasons.append(Reason(*slot.key, now, None, "returned", "the rule is another one now"))
            slot.state = state
            self._parting.states.append(row(slot, state, wake, slot.orders, slot.unheard if waits else None))
        slot.wake = wake
        if (at := slot.entry(wake)) is not None and at != entry:
            heapq.heappush(self._heap, (at, *slot.key))

    def _refuse(self, rule: Rule, device: Device, why: str, now: int, known: bool) -> None:
        """A rule that would look at too many devices is not applied at all; one alarm tells of it."""
        self._limits.crowded[rule.rule, device.community_id] = device.id
        if self._stored.pop((DISABLED, device.id), None) is None and not known:
            told = Text(zh=f"涉及的设备过多（{why}）", en=why)
            self._parting.alarms.append(stopped(rule, device, now, None, told, self._limits.told[device.community_id]))
            self._parting.states.append(RuleState(DISABLED, device.id, {"phase": "raised"}, None))

    def _part(self, key: Key, device: Device | None, state: State | None, now: int, rest: bool = False) -> None:
        """A rule and a device no longer meet: forget the state, end the alarm. Of a device that vanished while the hub
        was down (None) only the state is here; the registry ended its alarm when it marked the device removed."""
        if state is None and not rest:
            return
        self._parting.states.append(RuleState(*key, {}, None))
        if state is not None and state.phase == "raised" and device is not None:
            self._parting.alarms.append(farewell(key, device, now))
            self._parting.reasons.append(Reason(*key, now, None, "returned", "the rule no longer applies"))
