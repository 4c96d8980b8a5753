"""What a rule would have done: a fresh evaluator with just that rule, fed with stored history. Pure.

Received counts as said: history does not keep when a reading came. What was stored as late stays late.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

import msgspec

from hub.decisions import AlarmChange
from hub.errors import Refused
from hub.model import Device, Frame
from hub.rulebook.model import Raised, Wanted
from rules.evaluator import RuleEvaluator
from rules.hourly import HourlyAnalysis
from rules.model import Rule
from rules.slots import DISABLED
from rules.terms import Limits, Threshold
from rules.wider import Window

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
            return Wanted(analysis=HourlyAnalysis(self._rule))
        points: set[int] = set()
        devices: set[int] = set()
        names: set[str] = set()
        for mention in self._rule.mentions():
            for device in self._of(mention.kinds):
                if mention.sort == "event":
                    devices.add(device.id)
                    names.add(mention.name)
                elif mention.name in device.points:
                    points.add(device.points[mention.name].id)
        heard = sorted(device.id for device in self._of(None)) if self._rule.absence is not None else ()
        band, around = self._band()
        return Wanted(
            points=sorted(points), band=band, around=around, event_devices=sorted(devices), event_names=sorted(names),
            heard=heard, heard_step=self._step(),
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

    def _of(self, kinds: Sequence[str] | None) -> Iterator[Device]:
        for device in self._devices.values():
            if device.kind_name in kinds if kinds is not None else self._rule.watches(device.kind_name):
                yield device

    def _band(self) -> tuple[tuple[float, float] | None, int]:
        """The values a rule of one condition has anything to do with, and how far around them it looks.

        A threshold: others only end what they follow. A window whose mean, least or greatest is past a limit holds a
        value that is, too, and needs all others in it.
        """
        conditions = self._rule.conditions
        if len(conditions) != 1:
            return None, 0
        one = conditions[0]
        if isinstance(one, Threshold) and one.equals is not None:
            levels = [_level(device, one) for device in self._of(None) if one.point in device.points]
            return ((min(levels), max(levels)) if levels else None), 0
        if isinstance(one, Threshold):
            return _past(one), 0
        if isinstance(one, Window) and one.size is not None and one.aggregate in ("avg", "min", "max"):
            return _past(one), (one.size + one.lateness) // _US
        return None, 0

    def _step(self) -> int:
        """A silence shorter than this is none."""
        absence = self._rule.absence
        if absence is None:
            return 0
        if isinstance(absence.after, timedelta):
            return max(absence.after // _US, _SHORTEST_STEP)
        patience = (device.profile.silent_after or device.kind.silent_after for device in self._of(None))
        return max(min(patience, default=timedelta(minutes=1)) // _US, _SHORTEST_STEP)


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
