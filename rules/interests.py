"""What a bound rule must be told of. Pure."""

from collections.abc import Iterator
from typing import NamedTuple

from rules.conditions import (
    Change,
    Condition,
    During,
    Expression,
    Near,
    Occurrence,
    Sequence,
    Several,
    Silence,
    Single,
    Stuck,
    Threshold,
    Window,
)


class Interest(NamedTuple):
    """What a bound rule wants to be told: of which device, and what."""

    device: int
    sort: str  # sample, state (a sample that is judged before the others of its frame), late, event, heard, values
    name: str = ""


def interests(condition: Condition, own: int) -> Iterator[Interest]:
    """What the bound rule must be told of."""
    match condition:
        case Several(parts=parts):
            for part in parts:
                yield from _wants(part, own)
        case During(inner=inner):
            yield from interests(inner, own)
        case _:
            yield from _wants(condition, own)


def _wants(condition: Single, own: int) -> Iterator[Interest]:
    match condition:
        case Threshold(point=point) | Change(point=point) | Stuck(point=point):
            yield Interest(own, "sample", point)
        case Occurrence(name=name, clear_event=clear):
            yield from (Interest(own, "event", each) for each in (name, clear) if each is not None)
        case Silence():
            yield Interest(own, "heard")
        case Window():
            yield from _window_wants(condition, own)
        case Sequence(steps=steps, absent=absent):
            for occasion in (*steps, *(one for some in absent for one in some)):
                sort = "event" if occasion.event else "sample"
                yield from (Interest(device, sort, occasion.event or occasion.point) for device in occasion.devices)
        case Near(members=members):
            for device, member in members.items():
                if isinstance(member, Threshold):
                    yield Interest(device, "sample", member.point)
                else:
                    yield Interest(device, "heard")
        case Expression(inputs=inputs):
            yield from (Interest(one.device, "values", one.name) for each in inputs for one in each.sources)


def _window_wants(window: Window, own: int) -> Iterator[Interest]:
    if window.holds is not None:
        yield Interest(own, "state", window.holds.point)
    if window.event:
        yield Interest(own, "event", window.event)
        return
    yield Interest(own, "late", window.point)
    if window.holds is None or window.holds.point != window.point:
        yield Interest(own, "sample", window.point)
