"""What a rule would have done: a fresh evaluator with just that rule, fed with stored history. Pure.

Received counts as said: history does not keep when a reading came. What was stored as late stays late.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta

import msgspec

from hub.decisions import AlarmChange
from hub.errors import Refused
from hub.model import Device, Frame
from hub.rulebook.model import Raised, Wanted
from rules.binding import TooMany, bind, micros
from rules.evaluator import RuleEvaluator
from rules.hourly import HourlyAnalysis
from rules.interests import Interest, interests
from rules.joined import Near
from rules.model import AnyCondition, Rule
from rules.moving import PARTS
from rules.slots import DISABLED
from rules.terms import Absence, Limits, Threshold
from rules.topology import Topology
from rules.wider import Change, Window

MAX_RAISED = 10_000
"""Alarms that are kept; a rule that raises more is stopped and refused."""

_US = timedelta(microseconds=1)
_SHORTEST_STEP = 1_000_000


class RuleTrial:
    """One rule on its way through history; implements `hub.rulebook.model.Trial`."""

    def __init__(self, rule: Rule, devices: Mapping[int, Device], since: int) -> None:
        self._rule = rule.model_copy(update={"enabled": True})
        self._devices = devices
        self._evaluator = RuleEvaluator([self._rule])
        self._evaluator.configure(devices, since)
        self._open: dict[int, Raised] = {}
        self._over: list[Raised] = []

    @property
    def wanted(self) -> Wanted:
        if self._rule.hourly is not None:
            mine = {mention.name for mention in self._rule.mentions() if mention.kinds is None}
            seen = [device.points[name].id for device in self._of() for name in mine if name in device.points]
            return Wanted(points=sorted(seen), analysis=HourlyAnalysis(self._rule))
        points: set[int] = set()
        events: set[int] = set()
        names: set[str] = set()
        heard: set[int] = set()
        for want in self._interests():
            if want.sort == "event":
                events.add(want.device)
                names.add(want.name)
            elif want.sort == "heard":
                heard.add(want.device)
            elif want.name in self._devices[want.device].points:
                points.add(self._devices[want.device].points[want.name].id)
        band, moved, around = self._bounds()
        return Wanted(
            points=sorted(points), band=band, moved=moved, around=around,
            event_devices=sorted(events), event_names=sorted(names),
            heard=sorted(heard), heard_step=self._step(heard),
        )  # fmt: skip

    def feed(self, frames: Sequence[Frame], now: int) -> None:
        decision = self._evaluator.evaluate(frames, now)
        self._evaluator.accept(decision)
        for change in decision.alarms:
            self._note(change)

    def finish(self) -> list[Raised]:
        return sorted([*self._over, *self._open.values()], key=lambda raised: (raised.at, raised.device_id))

    def _note(self, change: AlarmChange) -> None:
        device = change.device
        if change.rule == DISABLED:
            if change.action == "raise":
                raise Refused("rule_stopped", change.text.en, 422)
            return
        if change.action == "return":
            raised = self._open.pop(device.id, None)
            if raised is not None:
                self._over.append(msgspec.structs.replace(raised, until=change.at))
            return
        if device.id in self._open:
            return
        if len(self._over) + len(self._open) >= MAX_RAISED:
            raise Refused("too_many", f"it would have raised more than {MAX_RAISED} alarms", 422)
        self._open[device.id] = Raised(device.id, device.code, change.at, None, change.text, change.cost_fen)

    def _of(self) -> Iterator[Device]:
        return (device for device in self._devices.values() if self._rule.watches(device.kind_name))

    def _interests(self) -> Iterator[Interest]:
        """What the rule looks at, from each of its devices; one that looks at too many is refused when it is fed."""
        topology = Topology(self._devices)
        for device in self._of():
            with suppress(TooMany):
                if (condition := bind(self._rule, device, topology)) is not None:
                    yield from interests(condition, device.id)

    def _bounds(self) -> tuple[tuple[float, float] | None, float | None, int]:
        """The values a rule of one condition has anything to do with, or how far apart they must lie, and how far
        around them it looks.

        A threshold: others only end what they follow. A window whose mean, least or greatest is past a limit holds a
        value that is, too, and needs all others in it. What changes by so much, or spreads, lies so far apart.
        """
        conditions = self._rule.conditions
        if len(conditions) != 1:
            return None, None, 0
        apart, within = _apart(conditions[0])
        if apart is not None:
            return None, apart, within
        band, around = self._band(conditions[0])
        return band, None, around

    def _band(self, one: AnyCondition) -> tuple[tuple[float, float] | None, int]:
        if isinstance(one, Threshold) and one.equals is not None:
            levels = [_level(device, one) for device in self._of() if one.point in device.points]
            return ((min(levels), max(levels)) if levels else None), 0
        if isinstance(one, Threshold):
            return _past(one), 0
        if isinstance(one, Window) and one.size is not None and one.aggregate in ("avg", "min", "max"):
            return _past(one), (one.size + one.lateness) // _US
        return None, 0

    def _step(self, heard: Iterable[int]) -> int:
        """A silence shorter than this is none."""
        terms = [one.absence if isinstance(one, Near) else one for one in self._rule.conditions]
        after = [
            micros(term.after) if isinstance(term.after, timedelta) else _patience(self._devices[number])
            for term in terms if isinstance(term, Absence) for number in heard
        ]  # fmt: skip
        return max(min(after, default=0), _SHORTEST_STEP)


def _patience(device: Device) -> int:
    return micros(device.profile.silent_after or device.kind.silent_after)


def _apart(one: AnyCondition) -> tuple[float | None, int]:
    """How far apart the values must lie, and in what time (µs; 0: one after the other). None: that says nothing."""
    if isinstance(one, Change) and one.rate is None:
        within = 0 if one.within is None else micros(one.within)
        return one.by or 0.0, within + -(-within // PARTS)
    if isinstance(one, Window) and one.size is not None and one.aggregate in ("spread", "increase"):
        least = _past(one)[0]
        if one.above is not None and least >= 0:
            return math.nextafter(least, -math.inf), micros(one.size + one.lateness)
    return None, 0


def _past(limits: Limits) -> tuple[float, float]:
    """The values past a limit, or where there is one, past the one that clears."""
    clear = limits.clear
    if limits.above is not None:
        return (limits.above if clear is None or clear.below is None else clear.below, float("inf"))
    assert limits.below is not None
    return (float("-inf"), limits.below if clear is None or clear.above is None else clear.above)


def _level(device: Device, threshold: Threshold) -> float:
    level = threshold.equals
    values = device.points[threshold.point].spec.values
    return float(values[level] if isinstance(level, str) else level or 0)
