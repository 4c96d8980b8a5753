"""Aggregates over windows of the device's own time: tumbling, sliding, session, by number of samples. Pure.

A window is judged when the newest device time is `lateness` past its end, or when so much time has passed here that it
must be. What comes for a window already judged is too late: it does not count, and that is told once. Where more
readings could only confirm it (a count, a maximum), the alarm is raised as soon as the limit is passed.
"""

import msgspec

from rules import runs
from rules.aggregates import Told, aggregate, confirmed, judge, kept, merged, told_of
from rules.conditions import Bucket, State, Window, level_of
from rules.moving import widened
from rules.observations import Effect, Note, Observation, Step, Wake, returned

_NEGLIGIBLE = 10
"""A window of which less than one part in so many was missed is judged as if nothing was."""


def window(rule: Window, state: State | None, observation: Observation, now: int) -> Step:
    """A sample or event of the window's, or time has passed."""
    if rule.holds is not None:
        return runs.run(rule, state, observation, now)
    told = told_of(rule, observation)
    if told is not None:
        return (_samples if rule.samples else _add)(rule, state, told, now)
    at = due(rule, state)
    if type(observation) is Wake and state is not None and at is not None and now >= at:
        return _close(rule, state, now - rule.lateness - state.skew, None, now - observation.lag)
    return Step(state, at)


def armed(rule: Window, now: int) -> State | None:
    """What a window that may alarm because nothing comes begins with: the first whole window from now on."""
    if rule.holds is not None or not (rule.judges_nothing and rule.level.sign < 0):
        return None
    return State("armed", mark=_floor(rule, now) + rule.size)


def excused(rule: Window, state: State, deaf: tuple[int, int]) -> State:
    """After a time in which nobody listened. Nothing came means nothing then: the next window that is judged for it is
    the first whole one, unless next to nothing of a window was missed."""
    if rule.holds is not None:
        return runs.excused(rule, state, deaf)
    since, until = deaf
    if rule.judges_nothing and rule.level.sign < 0:
        missed = until - since > max(rule.lateness, rule.size // _NEGLIGIBLE)
        mark = _floor(rule, until) + rule.size
        if missed and state.mark and mark > state.mark:
            return msgspec.structs.replace(state, mark=mark, buckets=())
    return state


def patience(rule: Window) -> int:
    """So long it waits for what may still be said: over a state, where more could only confirm, for late word alone."""
    if rule.holds is not None and confirmed(rule):
        return rule.lateness
    return (rule.size or rule.gap) + rule.lateness


def due(rule: Window, state: State | None) -> int | None:
    """When the next window must be judged, if nothing more comes."""
    if rule.holds is not None:
        return runs.due(rule, state)
    if state is None or rule.samples:
        return None
    end = _next_end(rule, state)
    return None if end is None else end + rule.lateness + state.skew


def _floor(rule: Window, ts: int) -> int:
    return (ts - rule.origin) // rule.every * rule.every + rule.origin


def _next_end(rule: Window, state: State) -> int | None:
    """The end of the first window that is not judged, where there is anything to judge."""
    if rule.gap:
        return min((one.last_ts + rule.gap for one in state.buckets), default=None)
    begun = max(state.mark, state.since) if state.phase == "raised" else state.mark
    after = _floor(rule, begun) + rule.every
    if rule.judges_nothing and (state.phase == "raised" or rule.level.sign < 0) and state.mark:
        return after
    first = min((one.start for one in state.buckets), default=None)
    return None if first is None else max(after, first + rule.every)


def _add(rule: Window, state: State | None, told: Told, now: int) -> Step:
    ts, value, cause, lag = told
    memory = state or State("idle")
    if ts < memory.mark:
        if memory.late:
            return Step(state, due(rule, state))
        why = f"it came {(memory.mark - ts) / 1e6:g} s too late for its window; more such readings are not told"
        late = msgspec.structs.replace(memory, late=True)
        return Step(late, due(rule, late), (), (Note("late", ts, cause, why),))
    skew = now - ts if not memory.buckets or now - ts < memory.skew - 1_000_000 else memory.skew
    buckets = _into_session(rule, memory, ts, value) if rule.gap else _into_bucket(rule, memory, ts, value)
    memory = msgspec.structs.replace(memory, buckets=buckets, skew=skew, late=False)
    early = _early(rule, memory, ts, cause, now - lag)
    assert early.state is not None
    closed = _close(rule, early.state, ts - rule.lateness, cause, now - lag)
    if closed.wake_at is not None and closed.wake_at <= now:  # it is told slower than before
        assert closed.state is not None
        slower = msgspec.structs.replace(closed.state, skew=now - ts)
        closed = msgspec.structs.replace(closed, state=slower, wake_at=due(rule, slower))
    return Step(closed.state, closed.wake_at, early.effects + closed.effects, early.reasons + closed.reasons)


def _into_bucket(rule: Window, memory: State, ts: int, value: float) -> tuple[Bucket, ...]:
    start = _floor(rule, ts)
    buckets = list(memory.buckets)
    for index in range(len(buckets) - 1, -1, -1):
        if buckets[index].start == start:
            buckets[index] = widened(buckets[index], ts, value)
            return tuple(buckets)
        if buckets[index].start < start:
            buckets.insert(index + 1, Bucket(start, ts, ts, 1, value, value, value, value, value))
            return tuple(buckets)
    return (Bucket(start, ts, ts, 1, value, value, value, value, value), *buckets)


def _into_session(rule: Window, memory: State, ts: int, value: float) -> tuple[Bucket, ...]:
    """A sample within `gap` of a session belongs to it; it may join two."""
    grown = Bucket(ts, ts, ts, 1, value, value, value, value, value)
    apart = []
    for one in memory.buckets:
        if one.first_ts - rule.gap < ts < one.last_ts + rule.gap:
            grown = merged((one, grown))
        else:
            apart.append(one)
    return tuple(sorted((*apart, grown), key=lambda one: one.start))


def _early(rule: Window, memory: State, ts: int, cause: bytes | None, present: int) -> Step:
    if memory.phase == "raised" or not confirmed(rule):
        return Step(memory)
    if rule.gap:
        inside = tuple(one for one in memory.buckets if one.first_ts <= ts <= one.last_ts)
    else:
        end = _floor(rule, ts) + rule.every
        inside = tuple(one for one in memory.buckets if end - rule.size <= one.start < end)
    value = aggregate(rule, inside)
    if value is None or not rule.level.trips(value):
        return Step(memory)
    return judge(rule, memory, ts, value, cause, present)


def _close(rule: Window, state: State, mark: int, cause: bytes | None, present: int) -> Step:
    """Judge every window that ends up to `mark`; the watermark never steps back."""
    present -= rule.lateness  # so long it waits by itself
    memory = msgspec.structs.replace(state, mark=max(state.mark, mark))
    effects: tuple[Effect, ...] = ()
    reasons: tuple[Note, ...] = ()
    done = state
    while (end := _next_end(rule, done)) is not None and end <= mark:
        nothing = not done.buckets
        judged = (_close_session if rule.gap else _close_window)(rule, done, end, cause, present)
        effects, reasons = effects + judged.effects, reasons + judged.reasons
        assert judged.state is not None
        done = judged.state
        if nothing:  # all further windows are as empty as this one
            done = msgspec.structs.replace(done, mark=max(done.mark, _floor(rule, mark)))
    done = msgspec.structs.replace(done, mark=max(done.mark, memory.mark))
    kept = None if done == State("idle") else done
    return Step(state if kept == state else kept, due(rule, kept), effects, reasons)


def _close_window(rule: Window, memory: State, end: int, cause: bytes | None, present: int) -> Step:
    inside = tuple(one for one in memory.buckets if end - rule.size <= one.start < end)
    rest = tuple(one for one in memory.buckets if one.start >= end + rule.every - rule.size)
    memory = msgspec.structs.replace(memory, buckets=rest, mark=max(memory.mark, end))
    value = aggregate(rule, inside)
    return Step(memory) if value is None else judge(rule, memory, end, value, cause, present)


def _close_session(rule: Window, memory: State, end: int, cause: bytes | None, present: int) -> Step:
    """A session is over: it is judged, and its alarm, if any, ends with it."""
    over = next(one for one in memory.buckets if one.last_ts + rule.gap == end)
    rest = tuple(one for one in memory.buckets if one is not over)
    memory = msgspec.structs.replace(memory, buckets=rest, mark=max(memory.mark, end))
    value = aggregate(rule, (over,))
    assert value is not None
    judged = judge(rule, memory, end, value, cause, present)
    assert judged.state is not None
    if judged.state.phase != "raised":
        return judged
    ended = returned(kept(judged.state, None), end, cause, value, "the session is over")
    return Step(ended.state, None, judged.effects + ended.effects, judged.reasons + ended.reasons)


def _samples(rule: Window, state: State | None, told: Told, now: int) -> Step:
    """So many samples in the order they came, whenever that was."""
    ts, value, cause, lag = told
    memory = state or State("idle")
    one = memory.buckets[0] if memory.buckets else None
    grown = Bucket(ts, ts, ts, 1, value, value, value, value, value) if one is None else widened(one, ts, value)
    if grown.count < rule.samples:
        return Step(msgspec.structs.replace(memory, buckets=(grown,)))
    found = aggregate(rule, (grown,))
    assert found is not None
    judged = judge(rule, msgspec.structs.replace(memory, buckets=()), ts, found, cause, now - lag)
    return msgspec.structs.replace(judged, state=_forgotten(judged.state))


def _forgotten(state: State | None) -> State | None:
    """Nothing but a level is worth keeping between two counts of samples."""
    return level_of(state)
