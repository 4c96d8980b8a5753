"""A rule bound to one kind in plain numbers, and what it remembers of one device. Pure; times in microseconds UTC."""

from datetime import timedelta
from typing import Any, Literal

import msgspec

from hub.vocabulary.kinds import KindSpec
from rules.model import Repeat, Rule

Phase = Literal["idle", "pending", "counted", "raised", "cleared", "armed"]


class State(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a rule remembers of one device. None instead of it: nothing.

    idle: only `recent` matters; pending: true since `since`, not yet long enough; counted: one occurrence of a
    repeat, still standing; raised; cleared: a clear event was the last word; armed: an absence counts from `began`.
    """

    phase: Phase
    since: int = 0  # device time
    began: int = 0  # time of receipt of the same moment
    value: float | None = None  # the worst value while pending
    recent: tuple[int, ...] = ()  # occurrences that count towards a repeat


class Threshold(msgspec.Struct, frozen=True):
    """A threshold rule bound to one kind: numbers only."""

    sign: int  # 1 above, -1 below, 0 equals
    limit: float
    clear: float | None
    lasting: int
    times: int
    within: int

    def trips(self, value: float) -> bool:
        sign = self.sign
        return value > self.limit if sign > 0 else value < self.limit if sign < 0 else value == self.limit

    def clears(self, value: float) -> bool:
        if self.clear is None:
            return not self.trips(value)
        return value < self.clear if self.sign > 0 else value > self.clear


class Occurrence(msgspec.Struct, frozen=True):
    """An event rule."""

    name: str
    where: tuple[tuple[str, Any], ...]
    clear_event: str | None
    clear_after: int
    times: int
    within: int


class Silence(msgspec.Struct, frozen=True):
    """An absence rule bound to one device's patience."""

    after: int


Condition = Threshold | Occurrence | Silence


def micros(duration: timedelta) -> int:
    return duration // timedelta(microseconds=1)


def bind(rule: Rule, kind: KindSpec, silent_after: timedelta) -> Condition:
    """The rule's condition in the numbers of one kind (state words resolved) and one device's patience.

    KeyError where the kind lacks the point or word; `rules.load` reports that to people beforehand.
    """
    if (absence := rule.absence) is not None:
        return Silence(micros(silent_after if isinstance(absence.after, str) else absence.after))
    if (event := rule.event) is not None:
        after = micros(event.clear_after) if event.clear_after else 0
        where = tuple(event.where.items())
        return Occurrence(event.name, where, event.clear_event, after, *_repeat(event.repeat))
    threshold = rule.threshold
    assert threshold is not None
    clear = None
    if threshold.clear is not None:
        clear = threshold.clear.below if threshold.above is not None else threshold.clear.above
    if threshold.above is not None:
        sign, limit = 1, threshold.above
    elif threshold.below is not None:
        sign, limit = -1, threshold.below
    else:
        word = threshold.equals
        sign, limit = 0, float(kind.points[threshold.point].values[word] if isinstance(word, str) else word or 0)
    return Threshold(sign, limit, clear, micros(threshold.lasting), *_repeat(threshold.repeat))


def _repeat(repeat: Repeat | None) -> tuple[int, int]:
    return (1, 0) if repeat is None else (repeat.times, micros(repeat.within))


def due(rule: Condition, state: State | None) -> int | None:
    """When a remembered state must be looked at again, by the rule as it is now. May be past after a restart."""
    if state is None:
        return None
    if isinstance(rule, Threshold) and state.phase == "pending":
        return state.began + rule.lasting
    if isinstance(rule, Occurrence) and state.phase == "raised" and rule.clear_after:
        return state.began + rule.clear_after
    return None


def stale(rule: Condition, state: State | None) -> bool:
    """A condition that was waiting under an older form of the rule and is none by the rule as it is now."""
    if state is None or state.phase != "pending":
        return False
    return not isinstance(rule, Threshold) or (state.value is not None and not rule.trips(state.value))
