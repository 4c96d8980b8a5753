"""The values of one point for which an expression may be true: found by halving the numbers there are. Pure."""

import math
import struct
from collections.abc import Callable, Iterable

from hub.model import Device
from hub.rulebook.model import BEYOND
from rules.binding import names_of
from rules.bounds import Unbounded
from rules.expressions import Compiled, compile_expression

Ranges = tuple[tuple[float, float], ...]
"""(from, to), both included, in order."""

_MOST_JUDGED = 4000  # some 10 ms; of the longest texts seconds
_FINE = 1e-9  # of 1, or of the number: no end is looked for more closely
_MOST_RANGES = 4


def ranges_of(text: str, limits: tuple[float, float] | None, devices: Iterable[Device]) -> Ranges | None:
    """For which values the expression is true, or within `limits` where it is a number, or has no result; too many
    rather than too few. None where it is not about the numbers of one point."""
    one: Compiled | None = None  # the same for all kinds that name the same point
    for kind in {device.kind_name: device.kind for device in devices}.values():
        names = names_of(kind)
        compiled = compile_expression(text, names)
        if len(compiled.names) != 1 or names[next(iter(compiled.names))] != "number":
            return None
        if one is not None and compiled.names != one.names:
            return None
        one = compiled
    return None if one is None else _ranges(_judge(one, limits))


def _judge(compiled: Compiled, limits: tuple[float, float] | None) -> Callable[[float, float], tuple[bool, bool]]:
    """Whether it may be so for a value between two numbers, and whether it may be otherwise."""
    [name] = compiled.names

    def judge(low: float, high: float) -> tuple[bool, bool]:
        try:
            least, greatest = compiled.bounds({name: (low, high)})
        except Unbounded:
            return True, True
        if limits is None:
            return least, greatest  # a truth: may be, may not be
        return least <= limits[1] and greatest >= limits[0], least < limits[0] or greatest > limits[1]

    return judge


def _ranges(judge: Callable[[float, float], tuple[bool, bool]]) -> Ranges:
    """What cannot be is left out, what may be otherwise is halved."""
    found: list[tuple[int, int]] = []
    todo, judged = [(_number(-BEYOND), _number(BEYOND))], 0
    while todo:
        low, high = todo.pop()
        judged += 1
        least, most = _float(low), _float(high)
        may, may_not = judge(least, most)
        if not may:
            continue
        if may_not and most - least > _FINE * max(1.0, abs(least), abs(most)) and judged < _MOST_JUDGED:
            middle = (low + high) // 2
            todo += [(middle + 1, high), (low, middle)]
        elif found and (found[-1][1] + 1 == low or len(found) == _MOST_RANGES):
            found[-1] = (found[-1][0], high)
        else:
            found.append((low, high))
    ends = [(_float(low), _float(high)) for low, high in found]
    return tuple((-math.inf if low == -BEYOND else low, math.inf if high == BEYOND else high) for low, high in ends)


def _number(value: float) -> int:
    """Numbered so that the next float has the next number; 0.0 and -0.0 have 0."""
    bits: int = struct.unpack("<q", struct.pack("<d", abs(value)))[0]
    return -bits if value < 0 else bits


def _float(number: int) -> float:
    value: float = struct.unpack("<d", struct.pack("<q", abs(number)))[0]
    return -value if number < 0 else value
