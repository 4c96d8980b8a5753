"""When a phone's check-in happened, by the server's clock. Pure.

A phone's wall clock may be wrong or be set in between; its monotonic clock cannot be set, but some phones stop it
while they sleep, and it begins anew with each loading of the page. At the sync the server hears both as they stand.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

OLDEST = timedelta(days=7)
ONLINE = timedelta(seconds=30)
"""What was captured so shortly before it was sent was captured just now."""

_AGREE = timedelta(seconds=60)
_WRONG = timedelta(seconds=120)


@dataclass(frozen=True)
class PhoneClock:
    """A reading of the phone's clocks. `boot` names the loading of the page that `monotonic` (seconds) counts from."""

    wall: datetime
    monotonic: float
    boot: str


@dataclass(frozen=True)
class Estimate:
    """`doubtful`: the clocks contradict each other, so the time may be wrong. `online`: it is surely just now.
    `agreed`: nothing contradicts it, and at the sync the phone's clock was right."""

    at: datetime
    online: bool
    doubtful: bool
    agreed: bool = False


def estimate(captured: PhoneClock, synced: PhoneClock, now: datetime) -> Estimate | None:
    """When it was captured, given the clocks at the sync, which is `now`. None: too long ago to be believed.

    Never later than now. Where both clocks tell the same, the monotonic one is exact; where not, the wall clock is
    corrected by its error at the sync, and the estimate is doubtful.
    """
    by_wall = synced.wall - captured.wall
    age, doubtful = by_wall, by_wall < -_AGREE
    if captured.boot == synced.boot:
        by_monotonic = timedelta(seconds=synced.monotonic - captured.monotonic)
        agree = abs(by_monotonic - by_wall) <= _AGREE and by_monotonic >= timedelta(0)
        age = by_monotonic if agree else max(by_wall, by_monotonic)
        doubtful = not agree
    age = max(age, timedelta(0))
    if age > OLDEST:
        return None
    online = not doubtful and captured.boot == synced.boot and age <= ONLINE
    return Estimate(now - age, online, doubtful, not doubtful and abs(synced.wall - now) <= _WRONG)


def clock_error(synced: PhoneClock, now: datetime) -> float | None:
    """How many seconds the phone's clock is ahead, where that is worth telling its owner."""
    error = synced.wall - now
    return error.total_seconds() if abs(error) > _WRONG else None
