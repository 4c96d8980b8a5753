"""A rule's own examples, run on the real evaluator with made-up devices."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from hub.clock import to_us
from hub.decisions import Decision
from hub.model import Device, Event, Frame, Point, Quality, Reading, Verdict, event_id, frame_key
from hub.vocabulary.base import Text
from hub.vocabulary.kinds import KindSpec
from hub.vocabulary.modbus import ModbusAddress, ModbusPoint, ModbusSection
from hub.vocabulary.profiles import ModbusProfile, ModelName
from hub.vocabulary.sites import DeviceSpec
from rules.evaluator import RuleEvaluator
from rules.model import Example, ExampleStep, Rule

START = 1_750_000_000_000_000
"""When examples begin: 2025-06-15T15:06:40Z, microseconds. `begins` says otherwise."""

ZONE = "Asia/Shanghai"

_WORDS = {"raise": "raised", "return": "returned"}

_PLACES = {
    "same_place": "example/unit/room",
    "within_place": "example/unit/room/part",
    "same_unit": "example/unit/other",
    "same_building": "example/other/room",
    "elsewhere": "other/unit/room",
}
"""Where the other devices of an example stand; the rule's own one is in `same_place`."""


class Failure(msgspec.Struct, frozen=True):
    """A step that went otherwise than the example says."""

    example: int
    step: int
    expected: tuple[str, ...]
    found: tuple[str, ...]


def run_examples(rule: Rule, kinds: Mapping[str, KindSpec]) -> list[Failure]:
    """Run every example; an empty list is success. KeyError where an example names what its kind does not have
    (`rules.load` reports that beforehand). A rule that is switched off runs its examples all the same."""
    rule = rule.model_copy(update={"enabled": True})
    return [
        failure
        for number, example in enumerate(rule.examples)
        if (failure := _run(rule, number, example, kinds)) is not None
    ]


def example_kind(rule: Rule, example: Example, kinds: Mapping[str, KindSpec]) -> str:
    """The kind an example is about."""
    if example.kind is not None:
        return example.kind
    return next(iter(kinds)) if rule.when.kinds == "all" else rule.when.kinds[0]


def example_device(
    kind_name: str,
    kind: KindSpec,
    device_id: int = 1,
    *,
    place: str = _PLACES["same_place"],
    parent: int | None = None,
) -> Device:
    """A device of a kind with all its points, on no bus."""
    return Device(
        id=device_id,
        code=f"example-{kind_name}-{device_id}",
        community_id=1,
        community="example",
        zone=ZONE,
        kind_name=kind_name,
        kind=kind,
        profile=ModbusProfile(
            profile="example",
            kind=kind_name,
            names=[ModelName(vendor="Example", model="1")],
            source="made up",
            protocol="modbus",
            modbus=ModbusSection(points={"any": ModbusPoint(table="holding", address=0, type="uint16")}),
        ),
        spec=DeviceSpec(
            id=f"example-{kind_name}-{device_id}",
            name=Text(zh="示例设备", en="Example device"),
            profile="example",
            place=place,
            bus="example",
            address=ModbusAddress(unit=1),
        ),
        place=Text(zh="示例地点", en="example place"),
        points={
            name: Point(device_id * 100 + index, name, spec) for index, (name, spec) in enumerate(kind.points.items())
        },
        parent=parent,
    )


def example_devices(rule: Rule, example: Example, kinds: Mapping[str, KindSpec]) -> dict[str, Device]:
    """The rule's device under "", the others by their names."""
    name = example_kind(rule, example, kinds)
    numbers = {other: index for index, other in enumerate(example.others, 2)}
    above = next((numbers[other] for other, one in example.others.items() if one.at == "parent"), None)
    below = next((numbers[other] for other, one in example.others.items() if one.at == "children"), 1)
    devices = {"": example_device(name, kinds[name], parent=above)}
    for other, one in example.others.items():
        place = _PLACES.get(one.at, _PLACES["elsewhere"])
        parent = {"children": 1, "descendants": below}.get(one.at)
        devices[other] = example_device(one.kind, kinds[one.kind], numbers[other], place=place, parent=parent)
    return devices


def _run(rule: Rule, number: int, example: Example, kinds: Mapping[str, KindSpec]) -> Failure | None:
    devices = example_devices(rule, example, kinds)
    start = START
    if example.begins is not None:
        start = to_us(datetime.fromisoformat(example.begins).replace(tzinfo=ZoneInfo(ZONE)))
    evaluator = RuleEvaluator([rule])
    evaluator.configure({device.id: device for device in devices.values()}, start)
    for index, step in enumerate(example.steps):
        now = start + step.at // timedelta(microseconds=1)
        frame = example_frame(devices[step.device or ""], step, index, now, start, rule.rule)
        decision = evaluator.evaluate([] if frame is None else [frame], now)
        evaluator.accept(decision)
        found = _found(rule, decision)
        if found != tuple(step.expect):
            return Failure(number, index, tuple(step.expect), found)
    return None


def _found(rule: Rule, decision: Decision) -> tuple[str, ...]:
    own = [_WORDS[change.action] for change in decision.alarms if change.rule == rule.rule and change.device.id == 1]
    return (*own, *("commanded" for wish in decision.commands if wish.device.id == 1))


def example_frame(
    device: Device, step: ExampleStep, index: int, now: int, start: int = START, rule: str = ""
) -> Frame | None:
    """What the device says at a step; None where it only lets time pass."""
    if not (step.point or step.event or step.heard or step.verdict):
        return None
    key = frame_key(device.code, str(index), b"")
    ts = now if step.time is None else start + step.time // timedelta(microseconds=1)
    readings = []
    for name, level in step.point.items():
        point = device.points[name]
        readings.append(_reading(point, point.spec.values[level] if isinstance(level, str) else level))
    events = [Event(event_id(device, key, 0, step.event), step.event, dict(step.data))] if step.event else []
    found = step.verdict
    verdicts = [] if found is None else [Verdict(rule, found.active, ts, found.value)]
    return Frame(
        device, key, True, True, ts, now, "example", b"", readings, events, retained=step.retained, verdicts=verdicts
    )


def _reading(point: Point, value: float) -> Reading:
    """A reading judged by the kind's plausible range, as the pipeline does."""
    low, high = point.spec.minimum, point.spec.maximum
    implausible = (low is not None and value < low) or (high is not None and value > high)
    return Reading(point, float(value), int(Quality.RANGE) if implausible else 0)
