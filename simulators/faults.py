"""What goes wrong, when, and which rule must notice by when."""

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from hub.catalog.devices import silent_after
from hub.model import Device
from hub.vocabulary.base import Text
from simulators.timeline import SECOND

FaultKind = Literal[
    "door_forced",
    "intruder",
    "pump_over_pressure",
    "barrier_obstructed",
    "elevator_trapped",
    "smoke_alarm",
    "device_silent",
    "door_held",
    "gateway_lost",
]

SLACK_S = 15.0
"""From a condition being ripe to the alarm: polls, batches and a slow machine included."""


class FaultSpec(msgspec.Struct, frozen=True):
    """What a kind of fault does to the rules: the alarm is ripe `ripens_s` after the fault began."""

    rule: str
    ripens_s: float
    returns: bool  # the alarm returns by itself when the fault is over
    text: Text


SPECS: dict[FaultKind, FaultSpec] = {
    "door_forced": FaultSpec("door-forced", 0, False, Text(zh="{name}被强行打开", en="{name} is forced open")),
    "intruder": FaultSpec(  # follows a forced door; the rule waits 30 s for a tap that is heard of late
        "door-forced-intruder",
        45,
        False,
        Text(zh="有人由{name}闯入并乘梯", en="somebody breaks in by {name} and rides up"),
    ),
    "pump_over_pressure": FaultSpec(
        "pump-over-pressure", 30, True, Text(zh="{name}超压（650 kPa）", en="{name} is over pressure (650 kPa)")
    ),
    "barrier_obstructed": FaultSpec("barrier-obstructed", 0, False, Text(zh="{name}受阻", en="{name} is obstructed")),
    "elevator_trapped": FaultSpec("elevator-trapped", 5, True, Text(zh="{name}困人", en="{name}: people are trapped")),
    "smoke_alarm": FaultSpec("smoke-alarm", 0, True, Text(zh="{name}烟雾报警", en="{name} reports smoke")),
    "device_silent": FaultSpec("device-silent", 0, True, Text(zh="{name}失联", en="{name} falls silent")),
    "gateway_lost": FaultSpec("gateway-lost", 15, True, Text(zh="{name}断线", en="{name} is cut off")),
    "door_held": FaultSpec("door-held-open", 60, True, Text(zh="{name}长时间未关", en="{name} is held open")),
}


class Fault(msgspec.Struct, frozen=True):
    """One thing that will go wrong: `offset_s` after the start, for `lasts_s`."""

    kind: FaultKind
    device: str
    name: Text
    offset_s: float
    lasts_s: float


Scenario = Sequence[Fault]

# kind of fault, kind of device, which of them (by code), seconds after the start, seconds it lasts
_DEFAULT: tuple[tuple[FaultKind, str, int, float, float], ...] = (
    ("door_forced", "door", 0, 40, 20),
    ("pump_over_pressure", "pump", 0, 70, 60),
    ("barrier_obstructed", "barrier", 0, 95, 25),
    ("elevator_trapped", "elevator", 0, 110, 120),
    ("smoke_alarm", "smoke_detector", 0, 140, 90),
    ("device_silent", "pump", -1, 170, 180),
    ("door_held", "door", -1, 200, 90),
    ("gateway_lost", "gateway", 2, 240, 420),
)


def default_scenario(devices: Iterable[Device]) -> list[Fault]:
    """The demonstration's faults, on the first devices of each kind; kinds the site does not have are left out."""
    by_kind: dict[str, list[Device]] = {}
    for device in sorted(devices, key=lambda one: one.code):
        by_kind.setdefault(device.kind_name, []).append(device)
    return [
        Fault(kind, by_kind[of][which].code, by_kind[of][which].spec.name, offset_s, lasts_s)
        for kind, of, which, offset_s, lasts_s in _DEFAULT
        if of in by_kind
    ]


def describe(scenario: Scenario, language: str) -> list[tuple[float, str]]:
    """(seconds after the start, what will happen), in order, in Chinese or English."""
    return [
        (fault.offset_s, SPECS[fault.kind].text.get(language).format(name=fault.name.get(language)))
        for fault in sorted(scenario, key=lambda fault: fault.offset_s)
    ]


def due_us(fault: Fault, device: Device | None, begins: int) -> int:
    """When the alarm must stand, for a fault that really began at `begins`; microseconds UTC."""
    ripens = SPECS[fault.kind].ripens_s
    if fault.kind == "device_silent" and device is not None:
        ripens = silent_after(device).total_seconds()
    return begins + round((ripens + SLACK_S) * SECOND)
