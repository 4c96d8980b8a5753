"""Aggregates over state windows: from when a point shows something until it does not, by the device's own time. Pure.

A window is judged when its state is over and `lateness` has passed, or the state holds again; one that has lasted
`longest` is judged then, and what comes after does not count. Its alarm ends with the state. Both ends belong to it.
"""

from msgspec.structs import replace

from rules.aggregates import Told, aggregate, confirmed, judge, told_of
from rules.conditions import IDLE, Bucket, Run, State, Window, join
from rules.moving import widened
from rules.observations import Observation, Sample, Step, Wake, returned


def run(rule: Window, state: State | None, observation: Observation, now: int) -> Step:
    """The state's point or a word of the window was told, or time has passed."""
    at = due(rule, state)
    if type(observation) is Wake:
        if state is None or at is None or now < at:
            return Step(state, at)
        done = _close(rule, state, now - rule.lateness - state.skew, None, now - observation.lag)
        return replace(done, wake_at=due(rule, done.state))
    told = told_of(rule, observation)
    done = Step(state)
    if type(observation) is Sample and observation.device == rule.own and observation.point == rule.holds.point:  # type: ignore[union-attr]
        done = _turn(rule, state, observation, now)
        ts, cause, lag = observation.ts, observation.cause, observation.lag
    elif told is not None:
        ts, _, cause, lag = told
    else:
        return Step(state, at)
    if told is not None and done.state is not None:
        done = _then(done, _count(rule, done.state, told, now - lag))
    if done.state is None or done.state.run is None:
        return done
    if now - ts < done.state.skew - 1_000_000:
        done = replace(done, state=replace(done.state, skew=now - ts))
    assert done.state is not None
    done = _then(done, _close(rule, done.state, ts - rule.lateness, cause, now - lag))
    at = due(rule, done.state)
    if at is not None and at <= now:  # it is told slower than before
        assert done.state is not None
        slower = replace(done.state, skew=now - ts)
        return replace(done, state=slower, wake_at=due(rule, slower))
    return replace(done, wake_at=at)


def due(rule: Window, state: State | None) -> int | None:
    """When the window must be judged, if nothing more comes."""
    if state is None or state.run is None or (state.run.end is None and state.run.judged):
        return None
    end = state.run.start + rule.size if state.run.end is None else state.run.end
    return end + 1 + rule.lateness + state.skew


def excused(rule: Window, state: State, deaf: tuple[int, int]) -> State:
    """After a time in which nobody listened: a window in which little came is not judged, for more may have come."""
    since, until = deaf
    if state.run is None or not rule.judges_nothing or rule.level.sign > 0 or until - since <= rule.lateness:
        return state
    return replace(state, run=replace(state.run, judged=True))


def _turn(rule: Window, state: State | None, observed: Sample, now: int) -> Step:
    """The state's point was told: does it begin or end?"""
    assert rule.holds is not None
    memory = state or IDLE
    if memory.run is not None and memory.run.end is None:
        if not rule.holds.clears(observed.value):
            return Step(state)
        return Step(replace(memory, run=replace(memory.run, end=max(observed.ts, memory.run.start))))
    if not rule.holds.trips(observed.value):
        return Step(state)
    before = _end(rule, memory, observed.cause, now - observed.lag) if memory.run is not None else Step(memory)
    begun = replace(before.state or IDLE, run=Run(observed.ts), skew=now - observed.ts)
    return replace(before, state=begun)


def _count(rule: Window, state: State, told: Told, present: int) -> Step:
    """A word of the window, if it was said while the state held."""
    ts, value, cause, _ = told
    held = state.run
    if held is None or held.judged or not held.start <= ts <= held.start + rule.size:
        return Step(state)
    assert rule.holds is not None
    if (held.end is not None and ts > held.end) or (rule.point == rule.holds.point and rule.holds.clears(value)):
        return Step(state)
    one = widened(state.buckets[0], ts, value) if state.buckets else Bucket(ts, ts, ts, 1, *[value] * 5)
    state = replace(state, buckets=(one,))
    found = aggregate(rule, state.buckets)
    if state.phase == "raised" or not confirmed(rule) or found is None or not rule.level.trips(found):
        return Step(state)
    return judge(rule, state, ts, found, cause, present)


def _close(rule: Window, state: State, mark: int, cause: bytes | None, present: int) -> Step:
    """Judge the window if all that counts is heard up to `mark`."""
    held, present = state.run, present - rule.lateness  # so long it waits by itself
    if held is not None and held.end is not None and held.end < mark:
        return _end(rule, state, cause, present)
    if held is None or held.end is not None or held.judged or held.start + rule.size >= mark:
        return Step(state)
    judged = _judge(rule, state, held.start + rule.size, cause, present)
    return replace(judged, state=replace(judged.state or IDLE, run=replace(held, judged=True), buckets=()))


def _end(rule: Window, state: State, cause: bytes | None, present: int) -> Step:
    """The state is over: the window is judged, if it was not, and its alarm ends."""
    held = state.run
    assert held is not None
    assert held.end is not None
    judged = Step(state)
    if not held.judged:
        judged = _judge(rule, state, min(held.end, held.start + rule.size), cause, present)
    memory = replace(judged.state or IDLE, run=None, buckets=(), skew=0)
    over = join(memory, None)
    if memory.phase != "raised":
        return replace(judged, state=over)
    return _then(judged, returned(over, held.end, cause, memory.value, "the state is over"))


def _judge(rule: Window, state: State, at: int, cause: bytes | None, present: int) -> Step:
    found = aggregate(rule, state.buckets)
    return Step(state) if found is None else judge(rule, state, at, found, cause, present)


def _then(first: Step, then: Step) -> Step:
    return Step(then.state, None, first.effects + then.effects, first.reasons + then.reasons)
