"""Where a rule and a device meet, and what they say to the store and the alarm book."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from hub.decisions import AlarmChange, CommandWish, RuleState
from hub.model import Device, Frame, Reading
from hub.vocabulary.base import Text
from rules.binding import bind
from rules.conditions import Condition, Expression, Input, Several, State
from rules.conditions import During as DuringCondition
from rules.interests import Interest, interests
from rules.model import Rule
from rules.observations import Effect
from rules.quiet import Tests, levels_of
from rules.shapes import digest
from rules.texts import limit_of, point_of, render
from rules.topology import Topology

Key = tuple[str, int]
"""Rule and device id: what a state, a wake-up and an alarm belong to."""

DISABLED = "rule-disabled"
"""The alarm that tells of a rule that was stopped."""

MOST_COMMANDS = 10
COMMAND_SPAN = 600_000_000
MOST_A_DAY = 100
DAY = 86_400_000_000
"""So many commands in so long (µs) all rules together may give one device; who wants more feeds itself, fast or slowly,
and that is stopped."""


class Said(msgspec.Struct, frozen=True):
    """What an alarm says, and what of an effect that follows from."""

    decided: tuple[int | None, float | None, float | None, int | None, Text | None]
    text: Text
    limit: float | None
    point: str | None


class Slot:
    """One rule watching one device, with the state that is committed."""

    __slots__ = (
        "condition",
        "device",
        "guarded",
        "hold",
        "inputs",
        "interests",
        "joins",
        "key",
        "orders",
        "rule",
        "said",
        "shape",
        "shared",
        "state",
        "unheard",
        "wake",
    )

    def __init__(self, rule: Rule, device: Device, condition: Condition) -> None:
        self.rule = rule
        self.device = device
        self.condition = condition
        self.key: Key = (rule.rule, device.id)
        self.shape = digest(condition)
        self.interests: tuple[Interest, ...] = tuple(interests(condition, device.id))
        self.shared = any(want.device != device.id for want in self.interests)  # it looks at other devices, too
        self.inputs = tuple(_inputs(condition))
        self.guarded = bool(self.inputs)
        self.joins = any(one.device != device.id for each in self.inputs for one in each.sources)
        self.state: State | None = None
        self.wake: int | None = None
        self.unheard: tuple[int, int] | None = None  # nobody listened from then to then, times of receipt
        self.hold = 0  # so long after it (time of receipt) no wake-up comes
        self.orders: tuple[int, ...] = ()  # when it gave commands, newest last
        self.said: Said | None = None  # in the last alarm

    def entry(self, wake: int | None) -> int | None:
        """The time of receipt at which a wake-up comes."""
        return None if wake is None else max(wake, self.hold)


class Group:
    """Slots that are asked one after the other; those that remember nothing only for a value that passes the tests."""

    __slots__ = ("slots", "tests")

    def __init__(self, tests: Tests | None) -> None:
        self.tests = tests
        self.slots: list[Slot] = []


class Plan:
    """What one device says, and to which slots; its own and those of devices that look at it."""

    __slots__ = ("events", "findings", "first", "late", "points", "silences", "values")

    def __init__(self) -> None:
        self.points: dict[int, list[Group]] = {}
        self.first: set[int] = set()  # points that are judged before the others of a frame
        self.late: dict[int, list[Slot]] = {}
        self.values: dict[int, list[Slot]] = {}
        self.events: dict[str, list[Slot]] = {}
        self.silences: list[Slot] = []
        self.findings: dict[str, Slot] = {}

    def add(self, slot: Slot, want: Interest, device: Device) -> None:
        if want.sort == "heard":
            slots = self.silences
        elif want.sort == "event":
            slots = self.events.setdefault(want.name, [])
        else:
            point = device.points.get(want.name)
            if point is None:
                return
            if want.sort in ("sample", "state"):
                if want.sort == "state":
                    self.first.add(point.id)
                slots = self._group(point.id, levels_of(slot.condition, device.id, want.name))
            else:
                slots = (self.late if want.sort == "late" else self.values).setdefault(point.id, [])
        if not slots or slots[-1] is not slot:  # one slot after the other is added
            slots.append(slot)

    def in_order(self, readings: Sequence[Reading]) -> Sequence[Reading]:
        """As they are judged: what begins or ends a window comes before what counts in it."""
        if not self.first or len(readings) < 2:
            return readings
        return sorted(readings, key=lambda one: one.point.id not in self.first)

    def interested(self, frame: Frame) -> int:
        """How many slots judge what this frame says."""
        points = [reading.point.id for reading in frame.readings]
        told = sum(len(group.slots) for point in points for group in self.points.get(point, ()))
        told += sum(len(self.values.get(point, ())) for point in points)
        return told + sum(len(self.events.get(event.name, ())) for event in frame.events)

    def _group(self, point: int, tests: Tests | None) -> list[Slot]:
        groups = self.points.setdefault(point, [])
        if not groups or groups[-1].tests != tests:
            groups.append(Group(tests))
        return groups[-1].slots


def _inputs(condition: Condition) -> Iterator[Input]:
    """What the expressions of a condition name; a name means the same in all of them."""
    if isinstance(condition, DuringCondition):
        yield from _inputs(condition.inner)
    elif isinstance(condition, Several):
        for part in condition.parts:
            yield from _inputs(part)
    elif isinstance(condition, Expression):
        yield from condition.inputs


def make_slot(rule: Rule, device: Device, topology: Topology | None = None) -> Slot | None:
    """None where the rule has nothing to watch. `rules.binding.TooMany` where it would look at too many devices."""
    condition = bind(rule, device, topology or Topology({device.id: device}))
    return None if condition is None else Slot(rule, device, condition)


def row(
    slot: Slot,
    state: State | None,
    wake: int | None,
    orders: tuple[int, ...] = (),
    unheard: tuple[int, int] | None = None,
) -> RuleState:
    stored: dict[str, Any] = {} if state is None else {**msgspec.to_builtins(state), "shape": slot.shape}
    if stored and unheard is not None:
        stored["unheard"] = list(unheard)
    if orders:
        stored = {"phase": "idle", **stored, "orders": list(orders)}
    return RuleState(*slot.key, stored, wake)


class Stored(msgspec.Struct, frozen=True):
    """What the store remembers of a slot."""

    state: State | None = None
    orders: tuple[int, ...] = ()
    shape: int | None = None  # of the condition that left the state; None: unknown
    unheard: tuple[int, int] | None = None


def unpack(stored: Mapping[str, Any]) -> Stored:
    """A stored row. msgspec.ValidationError where an older release wrote it."""
    rest = dict(stored)
    orders = msgspec.convert(rest.pop("orders", ()), tuple[int, ...])
    shape = msgspec.convert(rest.pop("shape", None), int | None)
    unheard = msgspec.convert(rest.pop("unheard", None), tuple[int, int] | None)
    return Stored(msgspec.convert(rest, State), orders, shape, unheard)


def _said(slot: Slot, effect: Effect) -> Said:
    """An event says the same each time, and the end of an alarm often what its beginning said: in a flood it is not
    put into words again."""
    decided = (effect.part, effect.value, effect.limit, effect.cost_fen, effect.text)
    if slot.said is None or slot.said.decided != decided:
        limit = effect.limit if effect.limit is not None else limit_of(slot.condition, effect.part)
        text = render(slot.rule, slot.device, slot.condition, effect)
        slot.said = Said(decided, text, limit, point_of(slot.rule, effect.part))
    return slot.said


def alarm(slot: Slot, effect: Effect) -> AlarmChange:
    rule, said = slot.rule, _said(slot, effect)
    return AlarmChange(
        action=effect.action,
        rule=rule.rule,
        device=slot.device,
        priority=rule.priority,
        title=rule.title,
        at=effect.at,
        text=said.text,
        cause=effect.cause,
        life_safety=rule.life_safety,
        work_order=rule.work_order,
        procedure=rule.procedure,
        latch=rule.latch,
        suppresses=rule.suppresses is not None,
        historical=effect.historical,
        limit=said.limit,
        point=said.point,
        cost_fen=effect.cost_fen,
        group=rule.group,
        shelvable=rule.shelvable and not rule.life_safety,
    )


def wish(slot: Slot, now: int) -> CommandWish:
    assert slot.rule.command is not None
    return CommandWish(slot.rule.rule, slot.device, slot.rule.command.name, slot.rule.command.reason, now)


def farewell(key: Key, device: Device, at: int) -> AlarmChange:
    """The end of an alarm whose rule is gone, so that only its id is left to name it."""
    title = Text(zh=key[0], en=key[0])
    text = Text(zh="规则已不适用于该设备。", en="The rule no longer applies to the device.")
    return AlarmChange("return", key[0], device, "low", title, at, text, None)


def stopped(rule: Rule, device: Device, at: int, cause: bytes | None, why: Text, told: Rule | None) -> AlarmChange:
    """The one alarm of a rule that was stopped. `told`: the rule file's own `rule-disabled`, for title, priority, work
    order and procedure."""
    return AlarmChange(
        action="raise",
        rule=DISABLED,
        device=device,
        priority=told.priority if told is not None else "high",
        title=told.title if told is not None else Text(zh="规则已停用", en="Rule disabled"),
        at=at,
        text=Text(
            zh=f"规则“{rule.title.zh}”（{rule.rule}）已停用：{why.zh}。",
            en=f"The rule “{rule.title.en}” ({rule.rule}) was disabled: {why.en}.",
        ),
        cause=cause,
        work_order=told.work_order if told is not None else False,
        procedure=told.procedure if told is not None else None,
    )
