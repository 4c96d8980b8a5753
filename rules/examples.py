"""A rule's own examples, run on the real evaluator with one made-up device."""

from collections.abc import Mapping
from datetime import timedelta

import msgspec

from hub.model import Device, Event, Frame, Point, Quality, Reading, event_id, frame_key
from hub.vocabulary.base import Text
from hub.vocabulary.kinds import KindSpec
from hub.vocabulary.modbus import ModbusAddress, ModbusPoint, ModbusSection
from hub.vocabulary.profiles import ModbusProfile, ModelName
from hub.vocabulary.sites import DeviceSpec
from rules.evaluator import RuleEvaluator
from rules.model import Example, ExampleStep, Rule

START = 1_750_000_000_000_000
"""When examples begin: 2025-06-15T15:06:40Z, microseconds."""

_WORDS = {"raise": "raised", "return": "returned"}


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


def example_device(kind_name: str, kind: KindSpec, device_id: int = 1) -> Device:
    """A device of a kind with all its points, on no bus."""
    return Device(
        id=device_id,
        code=f"example-{kind_name}-{device_id}",
        community_id=1,
        community="example",
        zone="Asia/Shanghai",
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
            place="example",
            bus="example",
            address=ModbusAddress(unit=1),
        ),
        place=Text(zh="示例地点", en="example place"),
        points={
            name: Point(device_id * 100 + index, name, spec) for index, (name, spec) in enumerate(kind.points.items())
        },
    )


def _run(rule: Rule, number: int, example: Example, kinds: Mapping[str, KindSpec]) -> Failure | None:
    name = example_kind(rule, example, kinds)
    device = example_device(name, kinds[name])
    evaluator = RuleEvaluator([rule])
    evaluator.configure({device.id: device}, START)
    for index, step in enumerate(example.steps):
        now = START + step.at // timedelta(microseconds=1)
        frame = example_frame(device, step, index, now)
        decision = evaluator.evaluate([] if frame is None else [frame], now)
        evaluator.accept(decision)
        found = tuple(_WORDS[change.action] for change in decision.alarms)
        if found != tuple(step.expect):
            return Failure(number, index, tuple(step.expect), found)
    return None


def example_frame(device: Device, step: ExampleStep, index: int, now: int) -> Frame | None:
    """What the device says at a step; None where it only lets time pass."""
    if not (step.point or step.event or step.heard):
        return None
    key = frame_key(device.code, str(index), b"")
    ts = now if step.time is None else START + step.time // timedelta(microseconds=1)
    readings = []
    for name, level in step.point.items():
        point = device.points[name]
        readings.append(_reading(point, point.spec.values[level] if isinstance(level, str) else level))
    events = [Event(event_id(key, 0, step.event), step.event, dict(step.data))] if step.event else []
    return Frame(device, key, True, True, ts, now, "example", b"", readings, events, retained=step.retained)


def _reading(point: Point, value: float) -> Reading:
    """A reading judged by the kind's plausible range, as the pipeline does."""
    low, high = point.spec.minimum, point.spec.maximum
    implausible = (low is not None and value < low) or (high is not None and value > high)
    return Reading(point, float(value), int(Quality.RANGE) if implausible else 0)
