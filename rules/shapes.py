"""The shape of a condition: what a remembered state must fit. Limits, durations and neighbours may change under it."""

import zlib
from typing import Any

from rules.conditions import (
    Change,
    Condition,
    During,
    Near,
    Occurrence,
    Sequence,
    Several,
    Stuck,
    Threshold,
    Window,
)


def digest(condition: Condition) -> int:
    """A number that stands for the shape."""
    return zlib.crc32(repr(_shape(condition)).encode())


def _shape(condition: Condition) -> tuple[Any, ...]:
    return (type(condition).__name__, *_parts(condition))


def _parts(condition: Condition) -> tuple[Any, ...]:
    match condition:
        case Threshold(point=point) | Stuck(point=point):
            return (point,)
        case Occurrence(name=name):
            return (name,)
        case Change(point=point, within=within, per=per):
            return (point, within > 0, per > 0)
        case Window():
            one = condition
            held = () if one.holds is None else (one.holds.point,)
            return (one.point, one.event, one.aggregate, one.every, one.gap, one.samples, *held)
        case Sequence(steps=steps, absent=absent):
            return tuple((step.event, step.point, len(some)) for step, some in zip(steps, absent, strict=True))
        case Near(members=members, level=level):
            return (level.sign, sorted({_shape(member) for member in members.values()}))
        case Several(parts=parts, level=level):
            return (level.limit, *map(_shape, parts))
        case During(inner=inner):
            return _shape(inner)
        case _:
            return ()
