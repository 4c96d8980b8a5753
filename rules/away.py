"""A time in which nobody listened, and how what was said meanwhile is caught up with. Pure; microseconds.

What waited at its source is judged at the moment it would have been heard: by its own time, as late as its device
usually is. While such words keep coming, nothing falls due by the time here: a word takes the rule that hears it
through all that fell due before it. So the answer is that of somebody who never was away.
"""

import msgspec

LISTEN = 10_000_000
"""So long after the last such word the next is waited for; no longer than nobody listened."""

MOST = 600_000_000
"""So long after the time away a word of it is known as one. What comes later was held up by somebody else."""


class Away(msgspec.Struct, frozen=True):
    """All are times of receipt."""

    since: int
    until: int
    over: int  # nothing falls due before
    stepped: bool = False  # the clock was set: a device that goes on as late as that has a clock that is slow now


def begun(old: Away | None, since: int, until: int, stepped: bool = False) -> Away:
    """Nobody listened; one that is not over yet goes on."""
    if old is not None and old.over > since:
        since = min(old.since, since)
    return Away(since, until, until + min(LISTEN, until - since), stepped)


def heard(away: Away, expected: int, received: int) -> tuple[Away | None, int]:
    """What is known after a word, and when it is judged. `expected`: its own time, as late as its device usually is.
    None: the time away is long past."""
    if received >= away.until + MOST:
        return None, received
    then = away.since <= expected < away.until <= received
    if then:
        over = received + min(LISTEN, away.until - away.since)
        away = away if over <= away.over else msgspec.structs.replace(away, over=over)
    if then or away.until <= received < away.over:
        return away, max(min(expected, received), away.since)
    return away, received
