"""Which stretches of stored history a rule of one condition has anything to do with. Pure.

A threshold: other values only end what they follow. A window whose mean, least or greatest is past a limit holds a
value that is, too, but for rounding, and needs all others in it. What changes by so much, or spreads, lies so far
apart. What is stuck lies near to what was said before; a rate is one of two readings in a row. An expression over one
point is a matter of its values.
"""

import math
from collections.abc import Sequence

from hub.model import Device
from hub.rulebook.model import Band, Moved, Runs
from rules.binding import micros, stuck_gap
from rules.model import AnyCondition, Rule
from rules.moving import PARTS
from rules.ranges import ranges_of
from rules.terms import Limits, Threshold
from rules.wider import Change, ExpressionCondition, Stuck, Window

_SLACK = 1e-9  # of a number that is computed in another way than rules do it, or rounded on its way to a mean


def choice(rule: Rule, devices: Sequence[Device]) -> Band | Moved | Runs | None:
    """Of the rule on these devices. None: all of it may matter."""
    if len(rule.conditions) != 1:
        return None
    one = rule.conditions[0]
    match one:
        case Change(rate=None):
            within = 0 if one.within is None else micros(one.within)
            return Moved(one.by or 0.0, within + -(-within // PARTS))
        case Change(rate=rate) if rate is not None:
            low, high = _about(_past(rate))
            return Runs(per=micros(rate.per), low=low, high=high)
        case Stuck():
            gaps = [stuck_gap(one, device) for device in devices] if rule.during is None else []
            return Runs(still=2 * one.deadband * (1 + _SLACK), lasting=micros(one.lasting), gap=min(gaps, default=0))
        case Window() if one.size is not None and one.aggregate in ("spread", "increase"):
            least = _past(one)[0]
            if one.above is not None and least >= 0:
                return Moved(math.nextafter(least, -math.inf), micros(one.size + one.lateness))
            return None
        case _:
            return _band(one, devices)


def _band(one: AnyCondition, devices: Sequence[Device]) -> Band | None:
    match one:
        case Threshold(equals=None):
            return Band((_past(one),))
        case Threshold():
            levels = [_level(device, one) for device in devices if one.point in device.points]
            return Band(((min(levels), max(levels)),)) if levels else None
        case Window() if one.size is not None and one.aggregate in ("avg", "min", "max"):
            past = _past(one)
            return Band((_about(past) if one.aggregate == "avg" else past,), micros(one.size + one.lateness))
        case ExpressionCondition():
            limits = None if one.value is None else _past(one)
            ranges = ranges_of(one.written[1], limits, devices) if not one.others else None
            return None if ranges is None else Band(ranges)
        case _:
            return None


def _past(limits: Limits) -> tuple[float, float]:
    """The values past a limit, or where there is one, past the one that clears."""
    clear = limits.clear
    if limits.above is not None:
        return (limits.above if clear is None or clear.below is None else clear.below, math.inf)
    assert limits.below is not None
    return (-math.inf, limits.below if clear is None or clear.above is None else clear.above)


def _about(span: tuple[float, float]) -> tuple[float, float]:
    low, high = span
    return low - abs(low) * _SLACK, high + abs(high) * _SLACK


def _level(device: Device, threshold: Threshold) -> float:
    level = threshold.equals
    values = device.points[threshold.point].spec.values
    return float(values[level] if isinstance(level, str) else level or 0)
