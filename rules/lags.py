"""How late a device usually is: receipt less its own time, where its clock is slow. Pure; microseconds.

Only what comes later than that was held up on its way. A device that speaks faster than it used to is believed at once,
a slower one when its lag has kept for a while: what waited in a buffer comes with a lag that shrinks.
"""

import msgspec

LAG = "@lag"
"""Under this name the store keeps it beside the states of rules; no rule can have the name."""

LEAST = 30_000_000
NEAR = 10_000_000
STEADY = 60_000_000
"""A lag below LEAST is none; one within NEAR is the same; one that kept so long of receipt is the usual one."""


class Lag(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of one device that is late."""

    usual: int = 0
    other: int = 0  # a greater one that may become the usual one
    since: int = 0  # time of receipt at which `other` was first seen; 0: there is none


def learn(known: Lag | None, late: int, received: int) -> Lag | None:
    """What is known after a message `late`; the very same object where that is nothing new. None: it is in time."""
    usual = known.usual if known is not None else 0
    if late <= max(usual, LEAST) + NEAR:
        if usual and late < usual - NEAR:
            usual = late if late >= LEAST else 0
        elif known is None or not known.since:
            return known
        return Lag(usual) if usual else None
    if known is None or not known.since or abs(late - known.other) > NEAR:
        return Lag(usual, late, received)
    return Lag(known.other) if received - known.since >= STEADY else known
