"""Batches become smaller while they are slow, unless it is the way to the store that takes the time."""

import pytest

from hub.pipeline.pace import LEAST, LONG_S, Pace


def sized(pace: Pace, cost_s: float, overhead_s: float = 0.0, batches: int = 30) -> int:
    """The size after a while in which there is always more to do."""
    for _ in range(batches):
        pace.took(pace.size, overhead_s + pace.size * cost_s)
    return pace.size


def test_slow_ones_shrink_until_they_are_short_and_grow_again() -> None:
    pace = Pace(2000)
    assert sized(pace, 1e-3) * 1e-3 <= LONG_S
    assert sized(pace, 1e-6) == 2000
    assert sized(pace, 1.0) == LEAST


def test_what_small_ones_take_by_themselves_is_allowed_for() -> None:
    near, far = Pace(2000), Pace(2000)
    for _ in range(30):
        near.took(1, 0.005)
        far.took(1, 0.2)
    assert sized(near, 2e-4, 0.005) == 500
    assert sized(far, 1e-4, 0.2) == 2000


@pytest.mark.parametrize(("overhead_s", "cost_s"), [(0.22, 1e-4), (0.1, 3e-4), (1.0, 1e-4)])
def test_a_far_store_is_found_out_in_a_backlog_too(overhead_s: float, cost_s: float) -> None:
    """At least a quarter of what it could do is done, though nothing small ever comes."""
    size = sized(Pace(2000), cost_s, overhead_s)
    rate, best = size / (overhead_s + size * cost_s), 2000 / (overhead_s + 2000 * cost_s)
    assert rate > best / 4


def test_neither_a_small_setting_nor_an_outage_upsets_it() -> None:
    assert sized(Pace(20), 1.0) == 20
    pace = Pace(2000)
    pace.took(1, 3600.0)
    for _ in range(20):
        pace.took(1, 0.01)
    assert sized(pace, 1e-3) <= 150
