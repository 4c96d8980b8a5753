"""Largest-Triangle-Three-Buckets: few points that look like the many (Sveinn Steinarsson, 2013, section 4.2). Pure."""

from collections.abc import Sequence


def thin(points: Sequence[tuple[float, float]], most: int) -> list[int]:
    """Indices of at most `most` points (x ascending) that keep the line's shape; first and last always stay.

    ValueError when `most` is below 3.
    """
    if most < 3:
        raise ValueError("at least 3 points are needed for a line")
    count = len(points)
    if count <= most:
        return list(range(count))
    chosen = [0]
    width = (count - 2) / (most - 2)
    for bucket in range(most - 2):
        begin, end = int(bucket * width) + 1, int((bucket + 1) * width) + 1
        after = points[end : min(int((bucket + 2) * width) + 1, count)]
        x, y = sum(p[0] for p in after) / len(after), sum(p[1] for p in after) / len(after)
        chosen.append(_farthest(points, begin, end, chosen[-1], x, y))
    chosen.append(count - 1)
    return chosen


def _farthest(points: Sequence[tuple[float, float]], begin: int, end: int, last: int, x: float, y: float) -> int:
    """The index in [begin, end) whose triangle with the last chosen point and (x, y) is largest."""
    ax, ay = points[last]
    dx, dy = x - ax, y - ay
    best, area = begin, -1.0
    for index in range(begin, end):
        px, py = points[index]
        candidate = abs((px - ax) * dy - (py - ay) * dx)
        if candidate > area:
            best, area = index, candidate
    return best
