"""Values against a limit: for so long, so often, with hysteresis. Pure."""

import msgspec

from rules.conditions import State, Threshold
from rules.observations import HISTORICAL, Effect, Note, Sample, Step, returned


def due(rule: Threshold, state: State | None) -> int | None:
    """When a pending condition has lasted long enough, if nothing more comes."""
    return state.began + rule.lasting if state is not None and state.phase == "pending" else None


def wake(rule: Threshold, state: State | None, now: int, ts: int = 0) -> Step:
    """Time has passed; by the device's clock too, where it told of something else at `ts`."""
    if state is not None and _ripe(rule, state, max(state.since, ts), now):
        return _mature(rule, state, None)
    return Step(state, due(rule, state))


def sample(rule: Threshold, state: State | None, observed: Sample, now: int) -> Step:
    """A value was told."""
    if _ripe(rule, state, observed.ts, now):
        assert state is not None
        first = _mature(rule, state, observed.cause)
        then = sample(rule, first.state, observed, now)
        return Step(then.state, then.wake_at, first.effects + then.effects, first.reasons + then.reasons)
    value, cause = observed.value, observed.cause
    recent = state.recent if state is not None else ()
    if state is not None and state.phase == "pending":
        if not rule.trips(value):
            reason = Note("cancelled", observed.ts, cause, f"{value:.10g} is within the limit again before the time")
            return Step(State("idle", recent=recent) if recent else None, None, (), (reason,))
        worst = state.value
        if worst is None or (value - worst) * rule.sign > 0:
            state = msgspec.structs.replace(state, value=value)
        return Step(state, due(rule, state))
    if state is not None and state.phase in ("raised", "counted"):
        if not rule.clears(value):
            return Step(state)
        after = State("idle", recent=recent) if recent else None
        if state.phase == "counted":
            return Step(after)
        at = max(observed.ts, state.since)
        return returned(after, at, cause, value, f"{value:.10g} is back")
    if not rule.trips(value):
        return Step(state)
    pending = State("pending", observed.ts, now, observed.lag, value, recent)
    if rule.lasting == 0:
        return _mature(rule, pending, cause)
    reason = Note("pending", observed.ts, cause, f"{value:.10g} is past the limit {rule.limit:.10g}")
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
    recent, full = count(state.recent, at, rule.times, rule.within)
    if not full:
        why = f"occurrence {len(recent)} of {rule.times}"
        counted = State("counted", state.since, state.began, state.lag, state.value, recent)
        return Step(counted, None, (), (Note("waiting", at, cause, why),))
    raised = State("raised", at, state.began, state.lag, state.value)
    seen = "the value" if state.value is None else f"{state.value:.10g}"
    why = f"{seen} is past the limit {rule.limit:.10g} for {rule.lasting / 1e6:g} s"
    historical = state.began - state.since - state.lag > HISTORICAL
    effect = Effect("raise", at, cause, state.value, historical)
    return Step(raised, None, (effect,), (Note("raised", at, cause, why),))


def count(recent: tuple[int, ...], at: int, times: int, within: int) -> tuple[tuple[int, ...], bool]:
    """The newest `times` occurrences that may still count, and whether they are enough."""
    if times <= 1:
        return (), True
    newest = max((*recent, at))
    kept = tuple(sorted(moment for moment in (*recent, at) if newest - moment <= within))[-times:]
    return kept, len(kept) == times
