"""The rule engine: `step(rule, state, observation, now) -> Step`. Pure; all times are integer microseconds UTC.

Durations are counted in the device's own time; a wake-up comes as long after receipt as the device's time still lacks.
So an alarm is raised on time when nothing more comes, and messages that were held up are judged by when they were said.
"""

from typing import Any, Literal

import msgspec

from rules.conditions import Condition, Occurrence, Silence, State, Threshold, due


class Sample(msgspec.Struct, gc=False):
    """A usable value of the rule's point."""

    ts: int
    value: float
    cause: bytes | None = None


class Happening(msgspec.Struct, gc=False):
    """An event of the rule's device."""

    ts: int
    name: str
    data: dict[str, Any]
    cause: bytes | None = None


class Heard(msgspec.Struct, gc=False):
    """A sign of life at `now`."""

    cause: bytes | None = None


class Wake(msgspec.Struct, gc=False):
    """The time asked for has come. `heard`: last sign of life, for absence rules."""

    heard: int = 0


Observation = Sample | Happening | Heard | Wake


class Effect(msgspec.Struct, frozen=True):
    """An alarm begins or ends at `at` (device time; absence: time of receipt)."""

    action: Literal["raise", "return"]
    at: int
    cause: bytes | None
    value: float | None = None


class Note(msgspec.Struct, frozen=True):
    """Why the rule moved."""

    outcome: Literal["pending", "raised", "returned", "cancelled", "waiting"]
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


def step(rule: Condition, state: State | None, observation: Observation, now: int) -> Step:
    """Judge one observation received at `now`, or a wake-up due at `now`.

    The caller keeps away what must not be judged (bad, late, implausible values) and wakes in order of time.
    """
    if type(rule) is Threshold:
        if type(observation) is Sample:
            if state is None and not rule.trips(observation.value):
                return QUIET
            return _sample(rule, state, observation, now)
        if state is not None and _ripe(rule, state, state.since, now):
            return _mature(rule, state, None)
    elif type(rule) is Occurrence:
        over = due(rule, state)
        if state is not None and over is not None and now >= over:
            first = _returned(None, state.since + rule.clear_after, None, None, "clear_after has passed")
            then = step(rule, None, observation, now)
            return Step(then.state, then.wake_at, first.effects + then.effects, first.reasons + then.reasons)
        if type(observation) is Happening:
            return _happening(rule, state, observation, now)
    elif type(rule) is Silence:
        return _silence(rule, state, observation, now)
    return _keep(rule, state)


def _keep(rule: Condition, state: State | None) -> Step:
    return Step(state, due(rule, state))


def _returned(state: State | None, at: int, cause: bytes | None, value: float | None, why: str) -> Step:
    return Step(state, None, (Effect("return", at, cause, value),), (Note("returned", at, cause, why),))


def _sample(rule: Threshold, state: State | None, sample: Sample, now: int) -> Step:
    if _ripe(rule, state, sample.ts, now):
        assert state is not None
        first = _mature(rule, state, sample.cause)
        then = _sample(rule, first.state, sample, now)
        return Step(then.state, then.wake_at, first.effects + then.effects, first.reasons + then.reasons)
    value, cause = sample.value, sample.cause
    recent = state.recent if state is not None else ()
    if state is not None and state.phase == "pending":
        if not rule.trips(value):
            reason = Note("cancelled", sample.ts, cause, f"{value:.10g} is within the limit again before the time")
            return Step(State("idle", recent=recent) if recent else None, None, (), (reason,))
        worst = state.value
        if worst is None or (value - worst) * rule.sign > 0:
            state = msgspec.structs.replace(state, value=value)
        return _keep(rule, state)
    if state is not None and state.phase in ("raised", "counted"):
        if not rule.clears(value):
            return Step(state)
        after = State("idle", recent=recent) if recent else None
        if state.phase == "counted":
            return Step(after)
        at = max(sample.ts, state.since + rule.lasting)
        return _returned(after, at, cause, value, f"{value:.10g} is back")
    if not rule.trips(value):
        return Step(state)
    pending = State("pending", sample.ts, now, value, recent)
    if rule.lasting == 0:
        return _mature(rule, pending, cause)
    reason = Note("pending", sample.ts, cause, f"{value:.10g} is past the limit {rule.limit:.10g}")
    return Step(pending, now + rule.lasting, (), (reason,))


def _ripe(rule: Threshold, state: State | None, ts: int, now: int) -> bool:
    """By the device's time or by ours the condition has lasted long enough before this sample came."""
    return (
        state is not None
        and state.phase == "pending"
        and (ts >= state.since + rule.lasting or now >= state.began + rule.lasting)
    )


def _mature(rule: Threshold, state: State, cause: bytes | None) -> Step:
    """The condition has lasted long enough."""
    at = state.since + rule.lasting
    recent, full = _count(state.recent, at, rule.times, rule.within)
    if not full:
        why = f"occurrence {len(recent)} of {rule.times}"
        counted = State("counted", state.since, state.began, state.value, recent)
        return Step(counted, None, (), (Note("waiting", at, cause, why),))
    raised = State("raised", state.since, state.began, state.value)
    seen = "the value" if state.value is None else f"{state.value:.10g}"
    why = f"{seen} is past the limit {rule.limit:.10g} for {rule.lasting / 1e6:g} s"
    return Step(raised, None, (Effect("raise", at, cause, state.value),), (Note("raised", at, cause, why),))


def _count(recent: tuple[int, ...], at: int, times: int, within: int) -> tuple[tuple[int, ...], bool]:
    """The newest `times` occurrences that may still count, and whether they are enough."""
    if times <= 1:
        return (), True
    newest = max((*recent, at))
    kept = tuple(sorted(moment for moment in (*recent, at) if newest - moment <= within))[-times:]
    return kept, len(kept) == times


def _happening(rule: Occurrence, state: State | None, event: Happening, now: int) -> Step:
    ts, cause = event.ts, event.cause
    if event.name == rule.clear_event:
        if state is None or state.phase != "raised":
            old = state.since if state is not None and state.phase == "cleared" else None
            recent = state.recent if state is not None else ()
            return Step(state) if old is not None and old >= ts else Step(State("cleared", ts, now, recent=recent))
        if ts < state.since:
            return Step(state)
        return _returned(State("cleared", ts, now), ts, cause, None, f"{event.name} came")
    if event.name != rule.name or any(event.data.get(field) != wanted for field, wanted in rule.where):
        return _keep(rule, state)
    if rule.times > 1 and (state is None or state.phase != "raised"):
        recent, full = _count(state.recent if state is not None else (), ts, rule.times, rule.within)
        if not full:
            why = f"occurrence {len(recent)} of {rule.times}"
            counted = (
                msgspec.structs.replace(state, recent=recent) if state is not None else State("idle", recent=recent)
            )
            return Step(counted, None, (), (Note("waiting", ts, cause, why),))
    return _raise_event(rule, state, event, now)


def _raise_event(rule: Occurrence, state: State | None, event: Happening, now: int) -> Step:
    ts, cause = event.ts, event.cause
    effect, note = Effect("raise", ts, cause), Note("raised", ts, cause, f"{event.name} came")
    if rule.clear_event is not None:
        if state is not None and state.phase == "cleared" and state.since > ts:
            done = _returned(
                msgspec.structs.replace(state, recent=()), ts, cause, None, "was already over when heard of"
            )
            return Step(done.state, None, (effect, *done.effects), (note, *done.reasons))
        since = max(ts, state.since) if state is not None and state.phase == "raised" else ts
        same = state is not None and state.phase == "raised" and since == state.since
        return Step(state if same else State("raised", since, now), None, (effect,), (note,))
    if rule.clear_after:
        older = state is not None and state.phase == "raised" and state.since >= ts
        kept = state if older else State("raised", ts, now)
        wake = due(rule, kept)
        return Step(kept, wake, (effect,), (note,))
    done = _returned(None, ts, cause, None, "an event has no duration")
    return Step(None, None, (effect, *done.effects), (note, *done.reasons))


def _silence(rule: Silence, state: State | None, observation: Observation, now: int) -> Step:
    raised = state is not None and state.phase == "raised"
    if type(observation) is Heard:
        if raised:
            done = _returned(None, now, observation.cause, None, "heard again")
            return Step(None, now + rule.after, done.effects, done.reasons)
        return Step(state, now + rule.after)
    if type(observation) is not Wake or raised:
        return Step(state)
    at = observation.heard + rule.after
    if now < at:
        return Step(state, at)
    why = f"nothing heard for {rule.after / 1e6:g} s"
    raise_ = Effect("raise", at, None)
    return Step(State("raised", at, now), None, (raise_,), (Note("raised", at, None, why),))
