"""Events as alarms, and the silence of a device. Pure."""

import msgspec

from rules.conditions import Occurrence, Silence, State
from rules.levels import count
from rules.observations import (
    HISTORICAL,
    Effect,
    Happening,
    Heard,
    Note,
    Observation,
    Step,
    Wake,
    listening,
    merged,
    returned,
)


def due(rule: Occurrence, state: State | None) -> int | None:
    """When an event's alarm ends by itself."""
    if state is not None and state.phase == "raised" and rule.clear_after:
        return state.began + rule.clear_after
    return None


def occurrence(rule: Occurrence, state: State | None, observation: Observation, now: int) -> Step:
    """An event came, or time has passed."""
    over = due(rule, state)
    if state is not None and over is not None and now >= over:
        first = returned(None, state.since + rule.clear_after, None, None, "clear_after has passed")
        then = occurrence(rule, None, observation, now)
        return Step(then.state, then.wake_at, first.effects + then.effects, first.reasons + then.reasons)
    if type(observation) is Happening:
        return _happening(rule, state, observation, now)
    return Step(state, over)


def _happening(rule: Occurrence, state: State | None, event: Happening, now: int) -> Step:
    ts, cause = event.ts, event.cause
    if event.name == rule.clear_event:
        if state is None or state.phase != "raised":
            old = state.since if state is not None and state.phase == "cleared" else None
            recent = state.recent if state is not None else ()
            return Step(state) if old is not None and old >= ts else Step(State("cleared", ts, now, recent=recent))
        if ts < state.since:
            return Step(state)
        return returned(State("cleared", ts, now), ts, cause, None, f"{event.name} came")
    if event.name != rule.name or any(event.data.get(field) != wanted for field, wanted in rule.where):
        return Step(state, due(rule, state))
    if rule.times > 1 and (state is None or state.phase != "raised"):
        recent, full = count(state.recent if state is not None else (), ts, rule.times, rule.within)
        if not full:
            why = f"occurrence {len(recent)} of {rule.times}"
            counted = (
                msgspec.structs.replace(state, recent=recent) if state is not None else State("idle", recent=recent)
            )
            return Step(counted, None, (), (Note("waiting", ts, cause, why),))
    return raise_event(rule, state, event, now)


def raise_event(rule: Occurrence, state: State | None, event: Happening, now: int) -> Step:
    """The event is the alarm; it ends by its clear event, by time, or at once."""
    ts, cause = event.ts, event.cause
    effect = Effect("raise", ts, cause, historical=now - ts - event.lag > HISTORICAL)
    note = Note("raised", ts, cause, f"{event.name} came")
    if rule.clear_event is not None:
        if state is not None and state.phase == "cleared" and state.since > ts:
            done = returned(
                msgspec.structs.replace(state, recent=()), ts, cause, None, "was already over when heard of"
            )
            return Step(done.state, None, (effect, *done.effects), (note, *done.reasons))
        since = max(ts, state.since) if state is not None and state.phase == "raised" else ts
        same = state is not None and state.phase == "raised" and since == state.since
        return Step(state if same else State("raised", since, now), None, (effect,), (note,))
    if rule.clear_after:
        older = state is not None and state.phase == "raised" and state.since >= ts
        kept = state if older else State("raised", ts, now)
        return Step(kept, due(rule, kept), (effect,), (note,))
    done = returned(None, ts, cause, None, "an event has no duration")
    return Step(None, None, (effect, *done.effects), (note, *done.reasons))


def last_heard(state: State | None, heard: int) -> int:
    """From when a silence counts: the last sign of life, or when the device was first known."""
    return max(heard, state.began if state is not None and state.phase == "armed" else 0)


def looks(rule: Silence, state: State | None, heard: int) -> int:
    """When the device may be called silent, if it says nothing more."""
    return max(last_heard(state, heard) + rule.after, listening(state.deaf if state is not None else None, rule.after))


def excused(rule: Silence, state: State | None, heard: int, deaf: tuple[int, int]) -> State | None:
    """After a time in which nobody listened."""
    if state is not None and state.phase == "raised":
        return state
    kept = state if state is not None else State("armed")
    deaf = merged(kept.deaf, deaf)
    if last_heard(state, heard) + rule.after >= listening(deaf, rule.after):
        return state
    return msgspec.structs.replace(kept, deaf=deaf)


def silence(rule: Silence, state: State | None, observation: Observation, now: int) -> Step:
    """A sign of life, or time has passed."""
    raised = state is not None and state.phase == "raised"
    if type(observation) is Heard:
        if raised:
            done = returned(None, now, observation.cause, None, "heard again")
            return Step(None, now + rule.after, done.effects, done.reasons)
        return Step(state, now + rule.after)
    if type(observation) is not Wake or raised:
        return Step(state)
    wake = looks(rule, state, observation.heard)
    if now < wake:
        told = state is not None and not state.began and listening(state.deaf, rule.after) <= now
        return Step(None if told else state, wake)
    at = last_heard(state, observation.heard) + rule.after
    why = f"nothing heard for {rule.after / 1e6:g} s"
    raise_ = Effect("raise", at, None)
    return Step(State("raised", at, now), None, (raise_,), (Note("raised", at, None, why),))
