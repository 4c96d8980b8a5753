"""What is decided about a message: when it may go, when it is tried again, when another channel takes over. Pure."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

State = Literal["queued", "held", "sending", "delivered", "rerouted", "cancelled", "dead"]
"""queued: due now or again later · held: quiet hours or digest · rerouted: reached them by the second channel ·
cancelled: over before it was to be sent, or no longer needed · dead: given up, kept for a person."""

STATES: tuple[State, ...] = ("queued", "held", "sending", "delivered", "rerouted", "cancelled", "dead")
AHEAD = timedelta(minutes=1)  # what lies further ahead than this is of a clock that was set back since
LONGEST = timedelta(hours=3)  # no target is left alone for longer
LEASE = timedelta(seconds=25)  # longer than any attempt: who is `sending` for so long was killed
FAILING = 3  # failures in a row after which a target counts as failing
PATIENCE = timedelta(seconds=30)  # after so long without delivery the second channel is used
GIVE_UP = {"channel": timedelta(hours=24), "webhook": timedelta(hours=28)}
LATE = timedelta(minutes=5)  # a message older than this says so
# Delays of the Standard Webhooks specification's retry schedule, a little longer at random.
_WEBHOOK_DELAYS = (5.0, 30.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0)
_PROBE_MOST = 300.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Quiet:
    """Local hours in which nobody is disturbed; `begins` later than `ends`: over midnight. Equal: never."""

    begins: time
    ends: time


@dataclass(frozen=True)
class Rate:
    """At most so many messages in any window of that length."""

    messages: int
    per: timedelta


@dataclass(frozen=True)
class Limits:
    """When a channel may be used."""

    quiet: Quiet | None = None
    rate: Rate | None = None
    digest: timedelta | None = None


def quiet_until(quiet: Quiet, zone: str, now: datetime) -> datetime | None:
    """The end of the quiet hours `now` falls into, UTC-aware as `now`; None outside them."""
    local = now.astimezone(ZoneInfo(zone))
    clock = local.time()
    over_midnight = quiet.begins > quiet.ends
    inside = clock >= quiet.begins or clock < quiet.ends if over_midnight else quiet.begins <= clock < quiet.ends
    if not inside:
        return None
    day = local.date() + timedelta(days=1 if over_midnight and clock >= quiet.begins else 0)
    return datetime.combine(day, quiet.ends, local.tzinfo).astimezone(now.tzinfo)


def digest_at(every: timedelta, now: datetime) -> datetime:
    """The next full multiple of `every` after `now`, counted from 1970-01-01T00:00Z."""
    return _EPOCH + ((now - _EPOCH) // every + 1) * every


def first_due(limits: Limits, zone: str, now: datetime, *, life_safety: bool) -> datetime:
    """When a new message may go: `now`, the next digest or the end of the quiet hours. Life safety: `now`, always."""
    if life_safety:
        return now
    due = digest_at(limits.digest, now) if limits.digest else now
    return (quiet_until(limits.quiet, zone, due) if limits.quiet else None) or due


def slot(rate: Rate | None, sent: Sequence[datetime], now: datetime, *, life_safety: bool) -> datetime:
    """When the channel takes its next message: `now`, or when enough of `sent` (any order) are out of the window."""
    if rate is None or life_safety:
        return now
    recent = sorted(moment for moment in sent if now - rate.per < moment <= now + AHEAD)
    return now if len(recent) < rate.messages else recent[-rate.messages] + rate.per


def retry_delay(sort: Literal["channel", "webhook"], attempts: int, rng: random.Random) -> timedelta:
    """How long to wait after attempt number `attempts` (from 1): exponential, with jitter.

    Channels: half to all of 4 s, 8 s, … 5 min. Webhooks: 5 s, 30 s, 5 min, 30 min, 2 h, 5 h, 10 h … and up to a fifth
    more: 28 hours in all (Standard Webhooks, "Delivery attempts").
    """
    if sort == "webhook":
        return timedelta(seconds=_WEBHOOK_DELAYS[min(attempts, len(_WEBHOOK_DELAYS)) - 1] * rng.uniform(1.0, 1.2))
    return timedelta(seconds=min(2.0 * 2.0 ** min(attempts, 10), _PROBE_MOST) * rng.uniform(0.5, 1.0))


def probe_delay(failures: int, rng: random.Random) -> timedelta:
    """How long a failing target is left alone before the next try: 5 to 10 s at first, 5 min at most."""
    return timedelta(seconds=min(10.0 * 2.0 ** min(failures - FAILING, 10), _PROBE_MOST) * rng.uniform(0.5, 1.0))


def needs_second(failures: int, created_at: datetime, next_at: datetime, *, life_safety: bool) -> bool:
    """Whether the second channel takes over: the first fails again and again, or its next try is too far away, or it
    failed once where life is at stake."""
    return life_safety or failures >= FAILING or next_at - created_at >= PATIENCE


@dataclass(frozen=True)
class Wants:
    """What a channel gets. Empty: all."""

    priority: int = 4  # this and more urgent; 1 critical to 4 low
    kinds: frozenset[str] = frozenset()
    places: tuple[str, ...] = ()  # subtrees of the asset tree

    def takes(self, priority: int, kind: str, place: str) -> bool:
        return (
            priority <= self.priority
            and (not self.kinds or kind in self.kinds)
            and (not self.places or any(place == one or place.startswith(f"{one}/") for one in self.places))
        )


_PLATE = re.compile(r"[\u4e00-\u9fff][A-Z][·. -]?[A-Z0-9]{4,5}[A-Z0-9挂学警港澳]")
_NUMBER = re.compile(r"(?<![0-9A-Za-z])(?=[0-9A-Fa-f]*[0-9])[0-9A-Fa-f]{8,}(?![0-9A-Za-z])")


def masked(text: str) -> str:
    """Plates, and numbers of 8 or more digits (cards, phones, identity cards), with their last two left."""
    return _NUMBER.sub(_tail, _PLATE.sub(_tail, text))


def _tail(found: re.Match[str]) -> str:
    return f"***{found[0][-2:]}"
