"""What is used at an outdoor temperature: a change-point model in degrees that odd hours do not move. Pure.

    use = base + heating × max(0, below − T) + cooling × max(0, T − above)

The five-parameter change-point model of ASHRAE Guideline 14, as in the degree-day methods of IPMVP and CalTRACK; a
slope that too few hours support, or that is negative, is left out. Change points are chosen by least absolute
deviations (reweighted least squares, Schlossmacher 1973); least squares over the hours within 3.5 robust deviations
ends it (Rousseeuw & Leroy 1987).
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import product, starmap
from math import inf, sqrt
from operator import mul
from statistics import median
from typing import NamedTuple

ENOUGH = 12
"""Hours a model needs."""

_SUPPORT, _SHARE = 5, 5  # so many hours past a change point make a slope, and one in so many: odd ones must not
_SEEN, _AROUND = 3, 2.0  # so often at least it was as cold or as warm, to within so many K
_BELOW, _ABOVE = range(6, 22, 3), range(15, 31, 3)  # first tried; then 1 K to either side
_BAND = 5  # K, at least, in which nobody heats or cools: else odd hours between them would make the base
_ROUNDS = 6
_ODD = 3.5
_MAD = 1.4826
_SLACK = 0.02  # of the usual use: nobody is odd for less
_SINGULAR = 1e-10
_REMEMBERED = 4096  # models: four hours of a thousand meters; some 25 MB

Hour = tuple[float, float]
"""(outdoor temperature in ℃, use)"""

Vector = list[float]


class Points(NamedTuple):
    """Where heating begins downwards and cooling upwards, ℃; None: it does not."""

    heating: int | None = None
    cooling: int | None = None


class Expected(NamedTuple):
    """The use at a temperature, and the standard deviation of one hour around it."""

    use: float
    deviation: float


class Degrees(NamedTuple):
    """A fitted model."""

    points: Points
    slopes: Vector  # the base, then use per K past each change point there is
    deviation: float
    inverse: list[Vector]  # of the normal equations: how far to trust it at a temperature
    coldest: float
    warmest: float
    days: int  # it was made of

    def at(self, temperature: float) -> Expected | None:
        """None where it was too seldom as cold or as warm: a model is not drawn out beyond what it was made of."""
        if not self.coldest <= temperature <= self.warmest:
            return None
        row = _row(temperature, self.points)
        leverage = _dot(row, [_dot(line, row) for line in self.inverse])
        return Expected(_dot(row, self.slopes), self.deviation * sqrt(1 + max(leverage, 0.0)))


def fit(hours: Sequence[Hour]) -> Degrees | None:
    """The model of these hours; None: fewer than `ENOUGH`.

    Of the same hours it is made once (12 ms) and remembered: when one meter's readings come late, the hours that looked
    at them are judged again for all meters, and the others have changed nothing.
    """
    return _fit(tuple(hours))


@lru_cache(_REMEMBERED)
def _fit(hours: Sequence[Hour]) -> Degrees | None:
    if len(hours) < ENOUGH:
        return None
    seen = sorted(temperature for temperature, _ in hours)
    support = max(_SUPPORT, len(seen) // _SHARE)
    below = [None, *(one for one in _BELOW if seen[support - 1] < one)]
    above = [None, *(one for one in _ABOVE if seen[-support] > one)]
    points = _best(hours, product(below, above))
    points = _best(hours, product(_beside(points.heating), _beside(points.cooling)))
    coldest = seen[(support if points.heating is None else _SEEN) - 1] - _AROUND
    warmest = seen[-(support if points.cooling is None else _SEEN)] + _AROUND
    return _finished(hours, points, coldest, warmest)


def _beside(point: int | None) -> list[int | None]:
    return [None] if point is None else [point, point - 1, point + 1]


def _best(hours: Sequence[Hour], among: Iterable[tuple[int | None, int | None]]) -> Points:
    """The change points that leave the least unexplained; the first of equals."""
    uses = [use for _, use in hours]
    best, least = Points(), inf
    for points in starmap(Points, among):
        if points.heating is not None and points.cooling is not None and points.cooling - points.heating < _BAND:
            continue
        columns = _columns(hours, points)
        slopes = _least_deviations(columns, uses)
        if slopes is not None and min(slopes[1:], default=0.0) >= 0:
            left = sum(map(abs, _left(columns, uses, slopes)))
            if left < least - _nothing(uses):
                best, least = points, left
    return best


def _finished(hours: Sequence[Hour], points: Points, coldest: float, warmest: float) -> Degrees:
    """Least squares without the odd hours; without a slope that they alone made."""
    uses, columns = [use for _, use in hours], _columns(hours, points)
    slopes = _least_deviations(columns, uses)
    assert slopes is not None  # the change points were chosen by it
    left = [abs(one) for one in _left(columns, uses, slopes)]
    usual = _MAD * (1 + 5 / (len(hours) - len(slopes))) * median(left)
    most = _ODD * max(usual, _SLACK * median(map(abs, uses)), _nothing(uses))
    kept = [hour for hour, one in zip(hours, left, strict=True) if one <= most]
    uses, columns = [use for _, use in kept], _columns(kept, points)
    found = _least_squares(columns, uses, [1.0] * len(kept))
    if found is None or min(found[0][1:], default=0.0) < 0:
        return _finished(hours, Points(), coldest, warmest)
    slopes, inverse = found
    squares = sum(one * one for one in _left(columns, uses, slopes))
    return Degrees(points, slopes, sqrt(squares / (len(kept) - len(slopes))), inverse, coldest, warmest, len(hours))


def _least_deviations(columns: Sequence[Vector], uses: Vector) -> Vector | None:
    """None where the temperatures cannot tell the slopes apart."""
    least, weights = _nothing(uses), [1.0] * len(uses)
    slopes = None
    for _ in range(_ROUNDS):
        found = _least_squares(columns, uses, weights)
        if found is None:
            return None
        slopes = found[0]
        weights = [1 / max(abs(one), least) for one in _left(columns, uses, slopes)]
    return slopes


def _least_squares(columns: Sequence[Vector], uses: Vector, weights: Vector) -> tuple[Vector, list[Vector]] | None:
    """Slopes, and the inverse of the normal equations."""
    weighted = [list(map(mul, column, weights)) for column in columns]
    inverse = _inverse([[_dot(one, other) for other in columns] for one in weighted])
    if inverse is None:
        return None
    sums = [_dot(one, uses) for one in weighted]
    return [_dot(line, sums) for line in inverse], inverse


def _inverse(matrix: list[Vector]) -> list[Vector] | None:
    """Of a symmetric positive definite matrix, by Gauss and Jordan; None where it is (nearly) singular."""
    size = len(matrix)
    lines = [line + [float(i == j) for j in range(size)] for i, line in enumerate(matrix)]
    for i in range(size):
        if lines[i][i] <= _SINGULAR * matrix[i][i]:
            return None
        lines[i] = [one / lines[i][i] for one in lines[i]]
        for j in range(size):
            if j != i:
                factor = lines[j][i]
                lines[j] = [one - factor * other for one, other in zip(lines[j], lines[i], strict=True)]
    return [line[size:] for line in lines]


def _left(columns: Sequence[Vector], uses: Vector, slopes: Vector) -> Vector:
    return [use - _dot(row, slopes) for use, row in zip(uses, zip(*columns, strict=True), strict=True)]


def _columns(hours: Sequence[Hour], points: Points) -> list[Vector]:
    return [list(column) for column in zip(*(_row(temperature, points) for temperature, _ in hours), strict=True)]


def _row(temperature: float, points: Points) -> Vector:
    row = [1.0]
    if points.heating is not None:
        row.append(max(points.heating - temperature, 0.0))
    if points.cooling is not None:
        row.append(max(temperature - points.cooling, 0.0))
    return row


def _dot(one: Iterable[float], other: Iterable[float]) -> float:
    return float(sum(map(mul, one, other)))


def _nothing(uses: Sequence[float]) -> float:
    """So little use is none: a deviation below it has no say of its own."""
    return 1e-6 * max(map(abs, uses)) + 1e-300
