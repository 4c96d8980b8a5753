"""A counter as a function of time: piecewise linear, never falling, the same however often it is asked."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate


class Curve:
    """Cumulative use over one day: `value(t)` in its unit, `rate(t)` in units a second; `t` is seconds of the day."""

    def __init__(self, times: Sequence[float], totals: Sequence[float]) -> None:
        self._times = times
        self._totals = totals

    def value(self, t: float) -> float:
        index = bisect_right(self._times, t)
        if index == 0:
            return self._totals[0]
        if index == len(self._times):
            return self._totals[-1]
        t0, t1 = self._times[index - 1], self._times[index]
        low, high = self._totals[index - 1], self._totals[index]
        return low + (high - low) * (t - t0) / (t1 - t0)

    def rate(self, t: float) -> float:
        index = bisect_right(self._times, t)
        if index == 0 or index == len(self._times):
            return 0.0
        span = self._times[index] - self._times[index - 1]
        return (self._totals[index] - self._totals[index - 1]) / span


def from_weights(weights: Sequence[float], total: float, seconds: float = 86_400.0) -> Curve:
    """A day cut into equal parts; `total` is shared out by weight."""
    scale = total / sum(weights)
    width = seconds / len(weights)
    totals = [0.0, *accumulate(weight * scale for weight in weights)]
    return Curve([index * width for index in range(len(totals))], totals)


def from_draws(draws: Sequence[tuple[float, float]], rate: float) -> Curve:
    """A day of single draws (start second, amount), each at `rate` a second; a draw waits for the one before."""
    times, totals = [0.0], [0.0]
    for start, amount in sorted(draws):
        begin = max(start, times[-1] + 5.0)
        times += [begin, begin + amount / rate]
        totals += [totals[-1], totals[-1] + amount]
    return Curve(times, totals)
