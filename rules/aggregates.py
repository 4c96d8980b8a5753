"""What the words of a window come to, and that against its limit. Pure."""

import msgspec

from rules.conditions import Bucket, State, Window, join, level_of
from rules.levels import sample
from rules.observations import HISTORICAL, Happening, Late, Observation, Sample, Step

_ONLY_CONFIRMED = {("count", 1), ("max", 1), ("spread", 1), ("increase", 1), ("min", -1)}

Told = tuple[int, float, bytes | None, int]
"""Device time, value, cause, and how late the device usually is."""


def told_of(rule: Window, observation: Observation) -> Told | None:
    if type(observation) is Sample or type(observation) is Late:
        if observation.device != rule.own or observation.point != rule.point:
            return None
        if type(observation) is Sample and not observation.fresh:
            return None
        return observation.ts, observation.value, observation.cause, observation.lag
    if type(observation) is Happening and observation.device == rule.own and observation.name == rule.event:
        if any(observation.data.get(field) != wanted for field, wanted in rule.where):
            return None
        return observation.ts, 1.0, observation.cause, observation.lag
    return None


def confirmed(rule: Window) -> bool:
    """More readings can only confirm that the limit is passed."""
    return (rule.aggregate, rule.level.sign) in _ONLY_CONFIRMED


def merged(buckets: tuple[Bucket, ...]) -> Bucket:
    """Several stretches of time as one. At least one is needed."""
    first = min(buckets, key=lambda one: one.first_ts)
    last = max(buckets, key=lambda one: one.last_ts)
    return Bucket(
        min(one.start for one in buckets),
        first.first_ts,
        last.last_ts,
        sum(one.count for one in buckets),
        sum(one.total for one in buckets),
        min(one.low for one in buckets),
        max(one.high for one in buckets),
        first.first,
        last.last,
    )


def aggregate(rule: Window, buckets: tuple[Bucket, ...]) -> float | None:
    """The value that is judged; None where there is none."""
    if not buckets:
        return 0.0 if rule.aggregate == "count" else None
    whole = merged(buckets)
    return {
        "avg": whole.total / whole.count,
        "min": whole.low,
        "max": whole.high,
        "sum": whole.total,
        "count": float(whole.count),
        "spread": whole.high - whole.low,
        "increase": whole.last - whole.first,
    }[rule.aggregate]


def judge(rule: Window, memory: State, at: int, value: float, cause: bytes | None, present: int) -> Step:
    """One finished or confirmed window against the limit. `present`: what the device's clock shows now."""
    judged = sample(rule.level, level_of(memory), Sample(at, value, cause), at)
    effects = tuple(
        msgspec.structs.replace(effect, historical=effect.action == "raise" and present - at > HISTORICAL)
        for effect in judged.effects
    )
    return Step(kept(memory, judged.state), None, effects, judged.reasons)


def kept(memory: State, level: State | None) -> State:
    return join(memory, level) or State("idle")
