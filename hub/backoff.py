"""How long to wait before trying again."""

import random

_MAX_DOUBLINGS = 62  # beyond it the cap has long won, and 2.0**attempt would overflow a float at 1024


def full_jitter(attempt: int, base_s: float, cap_s: float, rng: random.Random) -> float:
    """Seconds to wait before try number `attempt` (0 = first retry): uniform in [0, min(cap, base * 2^attempt)].

    The whole interval is random, so clients that lost one broker together do not come back together
    (AWS Architecture Blog, "Exponential Backoff And Jitter").
    """
    return rng.uniform(0.0, min(cap_s, base_s * 2.0 ** min(max(attempt, 0), _MAX_DOUBLINGS)))
