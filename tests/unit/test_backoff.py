"""Full jitter."""

import random

from hypothesis import given
from hypothesis import strategies as st

from hub.backoff import full_jitter


@given(st.integers(-3, 10**9), st.integers(0, 2**32))
def test_full_jitter_stays_below_the_cap_and_the_doubling(attempt: int, seed: int) -> None:
    wait = full_jitter(attempt, 0.5, 60.0, random.Random(seed))
    assert 0.0 <= wait <= min(60.0, 0.5 * 2 ** min(max(attempt, 0), 20))
    assert wait == full_jitter(attempt, 0.5, 60.0, random.Random(seed))


def test_full_jitter_uses_the_whole_interval() -> None:
    rng = random.Random(3)
    waits = [full_jitter(10, 0.5, 60.0, rng) for _ in range(2000)]
    assert min(waits) < 1.0
    assert max(waits) > 59.0
