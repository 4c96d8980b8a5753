"""Expressions, and the outcomes of periodic analyses, as alarms. Pure."""

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


def expression(rule: Expression, state: State | None, observation: Observation, now: int) -> Step:
    """Evaluate when a value it uses was told. ExpressionError where it has no result."""
    if type(observation) is Wake:
        return levels.wake(rule.level, state, now)
    if type(observation) is not Values:
        return Step(state, levels.due(rule.level, state))
    result = rule.compiled.evaluate(observation.values)
    if result is None:  # a value is not known yet
        return Step(state, levels.due(rule.level, state))
    found = Sample(observation.ts, float(bool(result)), observation.cause, lag=observation.lag)
    return levels.sample(rule.level, state, found, now)


def analysis(rule: Analysis, state: State | None, observation: Observation, now: int) -> Step:
    """So many intervals in a row in which the analysis found something; one in which it did not ends it."""
    if type(observation) is not Finding:
        return Step(state)
    found, raised = observation, state is not None and state.phase == "raised"
    if not found.active:
        if not raised:
            return Step(None)
        effect = _effect("return", found)
        return Step(None, None, (effect,), (Note("returned", found.ts, found.cause, "the analysis finds it no more"),))
    if raised:
        return Step(state)
    streak = (state.streak if state is not None else 0) + 1
    if streak < rule.intervals:
        note = Note("waiting", found.ts, found.cause, f"interval {streak} of {rule.intervals}")
        return Step(State("idle", streak=streak), None, (), (note,))
    effect = _effect("raise", found, now - found.ts > HISTORICAL_ANALYSIS)
    return Step(State("raised", found.ts, now), None, (effect,), (Note("raised", found.ts, found.cause, "found"),))


def _effect(action: str, found: Finding, historical: bool = False) -> Effect:
    return Effect(
        "raise" if action == "raise" else "return",
        found.ts,
        found.cause,
        found.value,
        historical,
        found.limit,
        None,
        found.cost_fen,
        found.text,
    )
