"""What a rule would have done: a fresh evaluator with just that rule, fed with stored history. Pure.

Received counts as said: history does not keep when a reading came. What was stored as late stays late.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta

import msgspec

from hub.decisions import AlarmChange
from hub.errors import Refused
from hub.model import Device, Frame
from hub.rulebook.model import Raised, Wanted
from rules.binding import TooMany, bind, micros
from rules.choosing import choice
from rules.evaluator import RuleEvaluator
from rules.hourly import HourlyAnalysis
from rules.interests import Interest, interests
from rules.joined import Near
from rules.model import Rule
from rules.slots import DISABLED
from rules.terms import Absence
from rules.topology import Topology

MAX_RAISED = 10_000
"""Alarms that are kept; a rule that raises more is stopped and refused."""

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
        self.wanted = self._wanted()  # here, in a thread: of a long expression it takes seconds

    def feed(self, frames: Sequence[Frame], now: int) -> None:
        decision = self._evaluator.evaluate(frames, now)
        self._evaluator.accept(decision)
        for change in decision.alarms:
            self._note(change)

    def finish(self) -> list[Raised]:
        return sorted([*self._over, *self._open.values()], key=lambda raised: (raised.at, raised.device_id))

    def _wanted(self) -> Wanted:
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
        return Wanted(
            points=sorted(points), choice=choice(self._rule, list(self._of())),
            event_devices=sorted(events), event_names=sorted(names),
            heard=sorted(heard), heard_step=self._step(heard),
        )  # fmt: skip

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
