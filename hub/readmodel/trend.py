"""A point's line for a chart: rows thinned so that a screen can draw them. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec

from hub.clock import to_us
from hub.readmodel.lttb import thin
from hub.store.database import Row

Step = Literal["raw", "hour", "day"]


class TrendRow(msgspec.Struct, frozen=True):
    """One drawn instant. `low` and `high` are the extremes of the hour or day; raw rows carry the quality bits."""

    ts: datetime
    value: float
    quality: int = 0
    low: float | None = None
    high: float | None = None


class Trend(msgspec.Struct, frozen=True):
    """A line with all a reader must know: what, unit, how coarse, and how many rows it stands for."""

    point_id: int
    device: str
    name: str
    label: dict[str, str]
    unit: str
    type: str
    values: dict[str, int]
    words: dict[str, dict[str, str]]
    since: datetime
    until: datetime
    step: Step
    total: int
    rows: list[TrendRow]


def raw(
    point: Row,
    since: datetime,
    until: datetime,
    rows: Sequence[Row],
    most: int,
    held: Row | None = None,
    now: datetime | None = None,
) -> Trend:
    """From samples as they were said, thinned.

    A state holds between its samples: `held` (its last sample before `since`) begins the line, the last word is drawn
    on to `until` or `now`, and only the changes between them are kept.
    """
    lines = [TrendRow(row["ts"], row["value"], row["quality"]) for row in rows]
    if point["type"] == "state":
        lines = _steps(lines, held, since, min(until, now or until))
    return _trend(point, since, until, "raw", len(rows), lines, most)


def _steps(lines: list[TrendRow], held: Row | None, since: datetime, end: datetime) -> list[TrendRow]:
    if held is not None:
        lines = [TrendRow(since, held["value"], held["quality"]), *lines]
    if lines and lines[-1].ts < end:
        lines = [*lines, TrendRow(end, lines[-1].value, lines[-1].quality)]
    last = len(lines) - 1
    return [line for i, line in enumerate(lines) if i in (0, last) or line.value != lines[i - 1].value]


def hourly_or_daily(
    point: Row, since: datetime, until: datetime, rows: Sequence[Row], most: int, step: Literal["hour", "day"]
) -> Trend:
    """From roll-ups: the mean of a gauge, the last value of a counter or state."""
    key = "vavg" if point["type"] == "gauge" else "vlast"
    lines = [TrendRow(row["ts"], row[key], 0, row["vmin"], row["vmax"]) for row in rows]
    return _trend(point, since, until, step, len(rows), lines, most)


def _trend(
    point: Row, since: datetime, until: datetime, step: Step, total: int, lines: list[TrendRow], most: int
) -> Trend:
    kept = thin([(float(to_us(line.ts)), line.value) for line in lines], most)
    return Trend(
        point["id"], point["device"], point["name"], point["label"], point["unit"], point["type"], point["values"],
        point["words"], since, until, step, total, [lines[index] for index in kept],
    )  # fmt: skip
