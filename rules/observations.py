"""What a rule is told, and what it answers. All times are integer microseconds UTC."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from hub.vocabulary.base import Text
from rules.conditions import State

HISTORICAL = 120_000_000
"""A condition that became true so long (µs) before it was heard of is history: told, but not sounded. How late its
device usually is (`lag` of what is told, `rules.lags`) does not count."""

HISTORICAL_ANALYSIS = 10_800_000_000
"""The same of the outcome of an hourly analysis, which waits for late readings by itself."""


class Sample(msgspec.Struct, gc=False):
    """A usable value of a point, newer than those before."""

    ts: int
    value: float
    cause: bytes | None = None
    point: str = ""
    device: int = 0
    before: tuple[int, float] | None = None  # the usable sample before it: when and what
    fresh: bool = True  # False: the broker's memory
    lag: int = 0


class Late(msgspec.Struct, gc=False):
    """A usable value older than what is known of its point; only windows look at it."""

    ts: int
    value: float
    cause: bytes | None
    point: str
    device: int
    lag: int = 0


class Happening(msgspec.Struct, gc=False):
    """An event of a device."""

    ts: int
    name: str
    data: dict[str, Any]
    cause: bytes | None = None
    device: int = 0
    lag: int = 0


class Values(msgspec.Struct, gc=False):
    """The newest values of a device's points, by name, after one of them was told; states as their words."""

    ts: int
    values: Mapping[str, object]
    cause: bytes | None
    lag: int = 0


class Finding(msgspec.Struct, gc=False):
    """The outcome of a periodic analysis."""

    ts: int
    active: bool
    value: float | None = None
    limit: float | None = None
    cost_fen: int | None = None
    text: Text | None = None  # in words, what was to be expected
    cause: bytes | None = None
    judged: int | None = None  # judged before, otherwise; the other intervals are judged up to here


class Heard(msgspec.Struct, gc=False):
    """A sign of life of a device at `now`."""

    cause: bytes | None = None
    device: int = 0


class Wake(msgspec.Struct, gc=False):
    """The time asked for has come. `heard`: last sign of life of the rule's device; `others`: of any."""

    heard: int = 0
    others: Mapping[int, int] = {}
    lag: int = 0


Observation = Sample | Late | Happening | Values | Finding | Heard | Wake


class Effect(msgspec.Struct, frozen=True):
    """An alarm begins or ends at `at` (device time; absence: time of receipt)."""

    action: Literal["raise", "return"]
    at: int
    cause: bytes | None
    value: float | None = None
    historical: bool = False
    limit: float | None = None
    part: int | None = None  # which of several conditions decided
    cost_fen: int | None = None
    text: Text | None = None  # in words, what was to be expected


class Note(msgspec.Struct, frozen=True):
    """Why the rule moved."""

    outcome: Literal["pending", "raised", "returned", "cancelled", "waiting", "late"]
    at: int
    cause: bytes | None
    text: str


class Step(msgspec.Struct, frozen=True):
    """The outcome. `state` is the very same object where nothing changed; `wake_at` is later than now, or None."""

    state: State | None
    wake_at: int | None = None
    effects: tuple[Effect, ...] = ()
    reasons: tuple[Note, ...] = ()


QUIET = Step(None)


def listening(deaf: tuple[int, int] | None, wait: int) -> int:
    """Until when (time of receipt) a wait of `wait` that fell due while nobody listened is not judged: what was said
    meanwhile still waits at the source, so it listens as long again."""
    return deaf[1] + min(wait, deaf[1] - deaf[0]) if deaf else 0


def merged(old: tuple[int, int] | None, deaf: tuple[int, int]) -> tuple[int, int]:
    """One deaf time for two, where it was still listened for the older one."""
    return (old[0], deaf[1]) if old and 2 * old[1] - old[0] > deaf[0] else deaf


def earliest(*moments: int | None) -> int | None:
    return min((moment for moment in moments if moment is not None), default=None)


def returned(state: State | None, at: int, cause: bytes | None, value: float | None, why: str) -> Step:
    return Step(state, None, (Effect("return", at, cause, value),), (Note("returned", at, cause, why),))


def momentary(at: int, cause: bytes | None, value: float | None, historical: bool, why: str) -> Step:
    """An alarm without duration: it begins, ends at once, and waits to be seen."""
    begins = Effect("raise", at, cause, value, historical)
    ends = Note("returned", at, cause, "it has no duration")
    return Step(None, None, (begins, Effect("return", at, cause, value)), (Note("raised", at, cause, why), ends))
