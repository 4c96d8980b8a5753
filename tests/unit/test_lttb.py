"""Thinning a line: never more than asked, the ends stay, order stays, spikes are not lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.readmodel.lttb import thin

heights = st.lists(st.floats(-1e9, 1e9, allow_nan=False), max_size=400)


@given(heights, st.integers(3, 60))
def test_bounds_ends_and_order(values: list[float], most: int) -> None:
    points = [(float(index), value) for index, value in enumerate(values)]
    kept = thin(points, most)
    assert len(kept) == min(most, len(points))
    assert kept == sorted(set(kept))
    if points:
        assert kept[0] == 0
        assert kept[-1] == len(points) - 1


@given(st.integers(50, 400), st.data())
def test_a_lone_spike_stays(count: int, data: st.DataObject) -> None:
    spike = data.draw(st.integers(1, count - 2))
    points = [(float(index), 1000.0 if index == spike else 0.0) for index in range(count)]
    assert spike in thin(points, 10)


def test_a_short_line_is_left_alone() -> None:
    assert thin([(0.0, 1.0), (1.0, 5.0)], 3) == [0, 1]
    assert thin([], 3) == []


def test_a_line_needs_three_points() -> None:
    with pytest.raises(ValueError, match="at least 3"):
        thin([], 2)
