"""Points that move, or should move and do not. Pure."""

import msgspec

from rules.conditions import Bucket, Change, State, Stuck, join, level_of
from rules.levels import sample
from rules.observations import HISTORICAL, Effect, Note, Observation, Sample, Step, momentary, returned

PARTS = 32
"""What moved within some time is kept in so many parts."""


def change(rule: Change, state: State | None, observation: Observation, now: int) -> Step:
    """Judge a sample against the one before it, or against all within some time."""
    if type(observation) is not Sample or observation.device != rule.own or observation.point != rule.point:
        return Step(state)
    if not observation.fresh:
        return Step(state)
    if rule.within:
        return _extent(rule, state, observation, now)
    if observation.before is None:
        return Step(state)
    before_ts, before = observation.before
    moved = observation.value - before
    if rule.level is None:
        if abs(moved) <= rule.by or moved * rule.direction < 0:
            return Step(state)
        late = now - observation.ts - observation.lag > HISTORICAL
        step = momentary(observation.ts, observation.cause, observation.value, late, f"{before:.10g} became "
                         f"{observation.value:.10g}")  # fmt: skip
        return msgspec.structs.replace(step, state=state)
    if observation.ts <= before_ts:
        return Step(state)
    rate = moved * rule.per / (observation.ts - before_ts)
    return sample(rule.level, state, Sample(observation.ts, rate, observation.cause, lag=observation.lag), now)


def _extent(rule: Change, state: State | None, observed: Sample, now: int) -> Step:
    """How far the newest value lies from the lowest and the highest within the time."""
    assert rule.level is not None
    memory = state or State("idle")
    ts, value = observed.ts, observed.value
    width = max(rule.within // PARTS, 1)
    start = ts // width * width
    kept = [one for one in memory.buckets if one.last_ts > ts - rule.within]
    if kept and kept[-1].start == start:
        kept[-1] = widened(kept[-1], ts, value)
    else:
        kept.append(Bucket(start, ts, ts, 1, value, value, value, value, value))
    up = value - min(one.low for one in kept)
    down = max(one.high for one in kept) - value
    extent = up if rule.direction > 0 else down if rule.direction < 0 else max(up, down)
    judged = sample(rule.level, level_of(state), Sample(ts, extent, observed.cause, lag=observed.lag), now)
    memory = msgspec.structs.replace(memory, buckets=tuple(kept))
    return Step(join(memory, judged.state), None, judged.effects, judged.reasons)


def widened(bucket: Bucket, ts: int, value: float) -> Bucket:
    """The bucket with one more sample."""
    return Bucket(
        bucket.start,
        min(bucket.first_ts, ts),
        max(bucket.last_ts, ts),
        bucket.count + 1,
        bucket.total + value,
        min(bucket.low, value),
        max(bucket.high, value),
        value if ts < bucket.first_ts else bucket.first,
        value if ts >= bucket.last_ts else bucket.last,
    )


def stuck(rule: Stuck, state: State | None, observation: Observation, now: int) -> Step:
    """A sample that lies where the ones before lay, for long enough. Without samples nothing is stuck: after a gap it
    begins anew."""
    if type(observation) is not Sample or observation.device != rule.own or observation.point != rule.point:
        return Step(state)
    if not observation.fresh:
        return Step(state)
    ts, value, cause = observation.ts, observation.value, observation.cause
    if state is None or state.value is None or abs(value - state.value) > rule.deadband:
        begun = _begun(rule, observation, now)
        if state is None or state.phase != "raised":
            return Step(begun)
        return returned(begun, ts, cause, value, f"moved to {value:.10g}")
    if state.phase != "raised" and _apart(rule, observation):
        return Step(None)
    if state.phase == "raised" or ts < state.since + rule.lasting:
        return Step(state)
    raised = msgspec.structs.replace(state, phase="raised")
    effect = Effect("raise", state.since + rule.lasting, cause, value, now - ts - observation.lag > HISTORICAL)
    why = f"{value:.10g} has not moved for {rule.lasting / 1e6:g} s"
    return Step(raised, None, (effect,), (Note("raised", effect.at, cause, why),))


def _apart(rule: Stuck, observed: Sample) -> bool:
    """Nobody knows what the value was since the sample before."""
    return observed.before is not None and observed.ts - observed.before[0] > rule.gap


def _begun(rule: Stuck, observed: Sample, now: int) -> State | None:
    """It may stand still since the sample before this one; a value that moves leaves no trace."""
    if observed.before is None or _apart(rule, observed) or abs(observed.value - observed.before[1]) > rule.deadband:
        return None
    return State("pending", observed.before[0], now, value=observed.before[1])
