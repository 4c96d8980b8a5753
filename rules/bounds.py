"""What an expression may give where it is only known between which numbers a value lies: interval arithmetic. Pure.

A number is (least, greatest), a truth (may be true, may be false). Rounding keeps order, so ends that are computed as
the values are do hold them. Whatever is not said here has no bounds.
"""

from collections.abc import Callable, Mapping
from operator import add, mul, sub, truediv
from typing import Any

Span = tuple[float, float]
Bounds = Callable[[Mapping[str, Span]], Any]
"""The number or truth, from the numbers of the names it uses. Unbounded."""

_MOST = 1e300  # beyond it numbers may overflow


class Unbounded(Exception):
    """It may be anything, or have no result at all."""


def unbounded(_: Mapping[str, Span]) -> Any:
    raise Unbounded


def constant(value: float | bool) -> Bounds:
    span = (value, not value) if isinstance(value, bool) else (value, value)
    return lambda _: span


def named(name: str) -> Bounds:
    return lambda given: given[name]


def applied(sign: str, *parts: Bounds) -> Bounds:
    """An operator or a function on parts that all are numbers, or all truths where it is one of those."""
    judge = _JUDGES.get((sign, len(parts))) or _MANY.get(sign)
    if judge is None:
        return unbounded
    return lambda given: judge(*(part(given) for part in parts))


def chosen(condition: Bounds, yes: Bounds, no: Bounds, number: bool) -> Bounds:
    """`condition ? yes : no`; what cannot be chosen has no say."""

    def choose(given: Mapping[str, Span]) -> Any:
        may, may_not = condition(given)
        found = [part(given) for part, possible in ((yes, may), (no, may_not)) if possible]
        if number:
            return min(low for low, _ in found), max(high for _, high in found)
        return any(true for true, _ in found), any(false for _, false in found)

    return choose


def _of_ends(operator: Callable[[float, float], float]) -> Callable[[Span, Span], Span]:
    def judge(left: Span, right: Span) -> Span:
        if operator is truediv and right[0] <= 0 <= right[1]:
            raise Unbounded
        ends = [operator(one, other) for one in left for other in right]
        if not all(abs(end) <= _MOST for end in ends):
            raise Unbounded
        return min(ends), max(ends)

    return judge


def _least(*spans: Span) -> Span:
    return min(low for low, _ in spans), min(high for _, high in spans)


def _greatest(*spans: Span) -> Span:
    return max(low for low, _ in spans), max(high for _, high in spans)


def _absolute(span: Span) -> Span:
    low, high = span
    return (max(low, -high, 0.0), max(-low, high))


def _less(left: Span, right: Span) -> tuple[bool, bool]:
    return left[0] < right[1], left[1] >= right[0]


def _equal(left: Span, right: Span) -> tuple[bool, bool]:
    return left[0] <= right[1] and right[0] <= left[1], not left[0] == left[1] == right[0] == right[1]


def _not(truth: tuple[bool, bool]) -> tuple[bool, bool]:
    return truth[1], truth[0]


_JUDGES: Mapping[tuple[str, int], Callable[..., Any]] = {
    **{(sign, 2): _of_ends(operator) for sign, operator in {"+": add, "-": sub, "*": mul, "/": truediv}.items()},
    ("-", 1): lambda span: (-span[1], -span[0]),
    ("abs", 1): _absolute,
    ("<", 2): _less,
    (">", 2): lambda left, right: _less(right, left),
    (">=", 2): lambda left, right: _not(_less(left, right)),
    ("<=", 2): lambda left, right: _not(_less(right, left)),
    ("==", 2): _equal,
    ("!=", 2): lambda left, right: _not(_equal(left, right)),
    ("!", 1): _not,
    ("&&", 2): lambda left, right: (left[0] and right[0], left[1] or right[1]),
    ("||", 2): lambda left, right: (left[0] or right[0], left[1] and right[1]),
}
_MANY: Mapping[str, Callable[..., Any]] = {"min": _least, "max": _greatest}
