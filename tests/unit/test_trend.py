"""A state's line holds between its samples; roll-ups show means of gauges and ends of counters."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hub.readmodel.trend import hourly_or_daily, raw

START = datetime(2026, 1, 1, tzinfo=UTC)
END = START + timedelta(hours=1)
POINT: dict[str, Any] = {
    "id": 1, "device": "door-1", "name": "open", "label": {"zh": "门位", "en": "Door"}, "unit": "1", "type": "state",
    "values": {"closed": 0, "open": 1},
    "words": {},
}  # fmt: skip


def _row(minute: int, value: float) -> dict[str, Any]:
    return {"ts": START + timedelta(minutes=minute), "value": value, "quality": 0}


def test_a_state_is_held_from_before_and_on_to_the_end() -> None:
    trend = raw(POINT, START, END, [_row(10, 1), _row(20, 1), _row(30, 0)], 100, _row(-50, 0))
    assert [(line.ts - START, line.value) for line in trend.rows] == [
        (timedelta(0), 0), (timedelta(minutes=10), 1), (timedelta(minutes=30), 0), (timedelta(hours=1), 0),
    ]  # fmt: skip
    assert trend.total == 3


def test_a_state_is_not_drawn_into_the_future() -> None:
    trend = raw(POINT, START, END, [_row(10, 1)], 100, None, START + timedelta(minutes=15))
    assert [line.ts for line in trend.rows] == [START + timedelta(minutes=10), START + timedelta(minutes=15)]


def test_nothing_known_is_nothing_drawn() -> None:
    assert raw(POINT, START, END, [], 100).rows == []


def test_a_gauge_is_left_as_it_was_said() -> None:
    trend = raw({**POINT, "type": "gauge"}, START, END, [_row(10, 1), _row(20, 1)], 100, _row(-5, 9))
    assert [line.value for line in trend.rows] == [1, 1]


def test_rollups() -> None:
    row = {"ts": START, "vavg": 2.0, "vmin": 1.0, "vmax": 3.0, "vlast": 3.0}
    for sort, value in (("gauge", 2.0), ("counter", 3.0), ("state", 3.0)):
        trend = hourly_or_daily({**POINT, "type": sort}, START, END, [row], 100, "hour")
        assert (trend.rows[0].value, trend.rows[0].low, trend.rows[0].high) == (value, 1.0, 3.0)
