"""Where a rule and a device meet, and what they say to the store and the alarm book."""

from typing import Literal

import msgspec

from hub.decisions import AlarmChange, RuleState
from hub.model import Device
from hub.vocabulary.base import Text
from rules.conditions import Condition, Occurrence, Silence, State, bind
from rules.model import Rule
from rules.texts import render

Key = tuple[str, int]
"""Rule and device id: what a state, a wake-up and an alarm belong to."""


class Slot:
    """One rule watching one device, with the state that is committed."""

    __slots__ = ("condition", "device", "key", "rule", "state", "wake")

    def __init__(self, rule: Rule, device: Device, condition: Condition) -> None:
        self.rule = rule
        self.device = device
        self.condition = condition
        self.key: Key = (rule.rule, device.id)
        self.state: State | None = None
        self.wake: int | None = None


class Plan:
    """The slots of one device, by what wakes their interest."""

    __slots__ = ("events", "points", "silences")

    def __init__(self) -> None:
        self.points: dict[int, list[Slot]] = {}
        self.events: dict[str, list[Slot]] = {}
        self.silences: list[Slot] = []

    def add(self, slot: Slot) -> None:
        condition, rule = slot.condition, slot.rule
        if isinstance(condition, Silence):
            self.silences.append(slot)
        elif isinstance(condition, Occurrence):
            for name in {condition.name, condition.clear_event} - {None}:
                self.events.setdefault(name, []).append(slot)  # type: ignore[arg-type]
        elif rule.threshold is not None:
            self.points.setdefault(slot.device.points[rule.threshold.point].id, []).append(slot)


def make_slot(rule: Rule, device: Device) -> Slot | None:
    """None where the rule has nothing to watch: the model or installation lacks the point."""
    if rule.threshold is not None and rule.threshold.point not in device.points:
        return None
    silent_after = device.profile.silent_after or device.kind.silent_after
    return Slot(rule, device, bind(rule, device.kind, silent_after))


def row(key: Key, state: State | None, wake: int | None) -> RuleState:
    return RuleState(*key, {} if state is None else msgspec.to_builtins(state), wake)


def alarm(
    slot: Slot, action: Literal["raise", "return"], at: int, cause: bytes | None, value: float | None
) -> AlarmChange:
    rule = slot.rule
    return AlarmChange(
        action=action,
        rule=rule.rule,
        device=slot.device,
        priority=rule.priority,
        title=rule.title,
        at=at,
        text=render(rule, slot.device, slot.condition, value),
        cause=cause,
        life_safety=rule.life_safety,
        work_order=rule.work_order,
        procedure=rule.procedure,
    )


def farewell(key: Key, device: Device, at: int) -> AlarmChange:
    """The end of an alarm whose rule is gone, so that only its id is left to name it."""
    title = Text(zh=key[0], en=key[0])
    text = Text(zh="规则已不适用于该设备。", en="The rule no longer applies to the device.")
    return AlarmChange("return", key[0], device, "low", title, at, text, None)
