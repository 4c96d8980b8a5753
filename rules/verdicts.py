"""Expressions, and the outcomes of periodic analyses, as alarms. Pure."""

from typing import Literal

from msgspec.structs import replace

from rules import levels
from rules.conditions import Analysis, Expression, State
from rules.observations import (
    HISTORICAL_ANALYSIS,
    Effect,
    Finding,
    Note,
    Observation,
    Sample,
    Step,
    Values,
    Wake,
)

AGAIN = 172_800_000_000
"""So long (µs) back an interval may be judged again."""


def expression(rule: Expression, state: State | None, observation: Observation, now: int) -> Step:
    """Evaluate when a value it uses was told. ExpressionError where it has no result."""
    if type(observation) is Wake:
        return levels.wake(rule.level, state, now)
    if type(observation) is not Values:
        return Step(state, levels.due(rule.level, state))
    result = rule.compiled.evaluate(observation.values)
    if result is None:  # a value is not known yet
        return Step(state, levels.due(rule.level, state))
    value = float(result) if rule.number and isinstance(result, float) else float(bool(result))
    found = Sample(observation.ts, value, observation.cause, lag=observation.lag)
    return levels.sample(rule.level, state, found, now)


def analysis(rule: Analysis, state: State | None, observation: Observation, now: int) -> Step:
    """So many intervals in a row in which the analysis found something; one in which it did not ends it."""
    if type(observation) is not Finding:
        return Step(state)
    found, raised = observation, state is not None and state.phase == "raised"
    oldest = (found.judged or found.ts) - AGAIN - rule.intervals * rule.every
    known = tuple(ts for ts in (state.recent if state is not None else ()) if ts > oldest)
    if found.judged is not None:
        return _again(rule, state, known, found, found.judged, now)
    if not found.active:
        idle = State("idle", recent=known) if known else None
        if not raised:
            return Step(state if idle == state else idle)
        effect = _effect("return", found, found.ts)
        return Step(idle, None, (effect,), (Note("returned", found.ts, found.cause, "the analysis finds it no more"),))
    known = (*known, found.ts)
    if raised and state is not None:
        return Step(replace(state, recent=known))
    streak = (state.streak if state is not None else 0) + 1
    if streak < rule.intervals:
        note = Note("waiting", found.ts, found.cause, f"interval {streak} of {rule.intervals}")
        return Step(State("idle", recent=known, streak=streak), None, (), (note,))
    effect = _effect("raise", found, found.ts, now - found.ts > HISTORICAL_ANALYSIS)
    note = Note("raised", found.ts, found.cause, "found")
    return Step(State("raised", found.ts, now, recent=known), None, (effect,), (note,))


def _again(
    rule: Analysis, state: State | None, known: tuple[int, ...], found: Finding, judged: int, now: int
) -> Step:  # fmt: skip
    """An interval judged before shows otherwise. What it makes true is told once, as history where it is over."""
    if found.active == (found.ts in known):
        return Step(state)
    times = tuple(sorted({*known, found.ts} if found.active else {*known} - {found.ts}))
    latest = _run(rule, times, times[-1]) if times and judged - times[-1] < rule.every else ()
    idle = State("idle", recent=times, streak=len(latest)) if times else None
    if state is not None and state.phase == "raised":
        if found.active or len(latest) >= rule.intervals:
            return Step(replace(state, recent=times))
        effect = _effect("return", found, found.ts)
        return Step(idle, None, (effect,), (Note("returned", found.ts, found.cause, "judged again, it was not so"),))
    run = _run(rule, times, found.ts) if found.active else ()
    before = run.index(found.ts) if run else 0
    if len(run) < rule.intervals or before >= rule.intervals or len(run) - before - 1 >= rule.intervals:
        return Step(idle)  # too few, or it was told when the others were enough
    at, lasts = run[rule.intervals - 1], run == latest
    begins = _effect("raise", found, at, not lasts or now - at > HISTORICAL_ANALYSIS)
    why = Note("raised", at, found.cause, "found in readings that came late")
    if lasts:
        return Step(State("raised", at, now, recent=times), None, (begins,), (why,))
    over = Note("returned", run[-1] + rule.every, found.cause, "it is over")
    return Step(idle, None, (begins, _effect("return", found, over.at)), (why, over))


def _run(rule: Analysis, times: tuple[int, ...], ts: int) -> tuple[int, ...]:
    """Those of `times` that follow one another without a gap, around `ts`. A day may be an hour longer or shorter."""
    gap, begin = rule.every * 3 // 2, times.index(ts)
    end = begin
    while begin > 0 and times[begin] - times[begin - 1] < gap:
        begin -= 1
    while end + 1 < len(times) and times[end + 1] - times[end] < gap:
        end += 1
    return times[begin : end + 1]


def _effect(action: Literal["raise", "return"], found: Finding, at: int, historical: bool = False) -> Effect:
    return Effect(action, at, found.cause, found.value, historical, found.limit, None, found.cost_fen, found.text)
