"""Conditions made of others: any or all of several, and what counts only while a calendar is active. Pure."""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from rules import levels
from rules.away import LISTEN
from rules.conditions import IDLE, Condition, During, Several, State, Threshold, Window, join, level_of
from rules.observations import HISTORICAL, QUIET, Effect, Heard, Note, Observation, Sample, Step, Wake, earliest

Judge = Callable[[Condition, State | None, Observation, int], Step]


def several(rule: Several, state: State | None, observation: Observation, now: int, judge: Judge) -> Step:
    """Each condition judges for itself; the alarm is raised when enough of them hold, and returns when they do not."""
    if state is None and type(observation) is Sample and _quiet(rule, observation):
        return QUIET
    memory = state or IDLE
    parts, changed = dict(memory.parts), False
    effects: tuple[Effect, ...] = ()
    reasons: tuple[Note, ...] = ()
    wakes: list[int | None] = []
    level = level_of(state)
    for index, part in enumerate(rule.parts):
        key = str(index)
        old = parts.get(key)
        if type(part) is Threshold and not _mine(rule, part, observation):
            if old is None or old.phase != "pending":
                continue
            own = observation.ts if type(observation) is Sample and observation.device == rule.own else 0
            done = levels.wake(part, old, now, own)
        else:
            done = judge(part, old, observation, now)
        wakes.append(done.wake_at)
        if done.state is not old:
            changed = True
            if done.state is None:
                del parts[key]
            else:
                parts[key] = done.state
        for effect in done.effects:
            others = sum(1 for other, each in parts.items() if other != key and each.phase == "raised")
            turned = _count(rule, level, effect, others + (effect.action == "raise"), index)
            level, effects, reasons = turned.state, effects + turned.effects, reasons + turned.reasons
    if not changed and not effects:
        return Step(state, earliest(*wakes), (), reasons)
    return Step(join(msgspec.structs.replace(memory, parts=parts), level), earliest(*wakes), effects, reasons)


def _quiet(rule: Several, observation: Sample) -> bool:
    """Nothing is remembered, and the value trips none of the thresholds, which are all there is."""
    point, value = observation.point, observation.value
    return all(type(part) is Threshold and (part.point != point or not part.trips(value)) for part in rule.parts)


def _mine(rule: Several, part: Threshold, observation: Observation) -> bool:
    if type(observation) is Sample:
        return observation.device == rule.own and observation.point == part.point
    return type(observation) is Wake


def _count(rule: Several, level: State | None, effect: Effect, number: int, index: int) -> Step:
    """A part turned: does the whole?"""
    judged = levels.sample(rule.level, level, Sample(effect.at, float(number), effect.cause), effect.at)
    effects = tuple(msgspec.structs.replace(effect, action=each.action, part=index) for each in judged.effects)
    return Step(judged.state, None, effects, judged.reasons)


def during(rule: During, state: State | None, observation: Observation, now: int, judge: Judge) -> Step:
    """The condition is judged all the time; it is an alarm while the calendar is active, by the time of what is told. A
    window counts where it ends in that time, and only there."""
    memory = state or IDLE
    inner = memory.parts.get("0")
    said = now if isinstance(observation, Wake | Heard) else min(observation.ts + getattr(observation, "lag", 0), now)
    begin = _turned(rule, memory, inner, said, now)
    done = judge(rule.inner, inner, observation, now)
    raised, mark = begin.raised, begin.mark
    effects: tuple[Effect, ...] = ()
    for effect in done.effects:
        if effect.action == "raise" and rule.calendar.active(effect.at, rule.zone):
            effects, raised = (*effects, effect), True
        elif effect.action == "return" and raised:
            effects, raised = (*effects, effect), False
        mark = effect.at
    if type(rule.inner) is Window and not raised and done.state is not None:
        done = msgspec.structs.replace(done, state=join(done.state, None))
    reasons = done.reasons if effects else tuple(note for note in done.reasons if note.outcome not in _DECIDED)
    parts = {} if done.state is None else {"0": done.state}
    kept = msgspec.structs.replace(memory, parts=parts, phase="raised" if raised else "idle", mark=mark)
    end = _turned(rule, kept, done.state, said, now)
    kept = msgspec.structs.replace(kept, phase="raised" if end.raised else "idle", mark=end.mark)
    boundary = rule.calendar.next_change(end.mark, rule.zone) if end.mark else None
    late = boundary is not None and boundary <= now  # what holds since before it may have ended before it, too
    kept = msgspec.structs.replace(kept, wake=(memory.wake or now + LISTEN) if late else 0)
    result = None if kept == IDLE else kept
    effects, reasons = begin.effects + effects + end.effects, begin.reasons + reasons + end.reasons
    return Step(state if result == state else result, earliest(done.wake_at, kept.wake or boundary), effects, reasons)


def armed(rule: During, state: State, judged: int) -> tuple[State, int | None]:
    """The state to go on with, and when the calendar turns next. `judged`: up to when all is judged; a turn before it
    that was none by the calendar of then stays none."""
    inner = state.parts.get("0")
    if state.phase != "raised" and (inner is None or inner.phase != "raised"):
        return state, None
    coming = rule.calendar.next_change(state.mark, rule.zone) if state.mark else 0
    if not state.wake and coming is not None and coming <= judged:
        state = msgspec.structs.replace(state, mark=judged)
        coming = rule.calendar.next_change(judged, rule.zone)
    return state, state.wake or coming


class _Turned(NamedTuple):
    raised: bool
    mark: int  # up to when the calendar is judged; 0: nothing holds
    effects: tuple[Effect, ...]
    reasons: tuple[Note, ...]


def _turned(rule: During, memory: State, inner: State | None, until: int, now: int) -> _Turned:
    """What the calendar does to what holds, up to some time."""
    raised = memory.phase == "raised"
    effects: tuple[Effect, ...] = ()
    reasons: tuple[Note, ...] = ()
    if not raised and (inner is None or inner.phase != "raised"):
        return _Turned(False, 0, effects, reasons)
    mark = memory.mark or until
    while (at := rule.calendar.next_change(mark, rule.zone)) is not None and at <= until:
        mark = at
        if rule.calendar.active(at, rule.zone) == raised:
            continue
        raised = not raised
        value = inner.value if raised and inner is not None else None
        why = "the calendar is active now" if raised else "the calendar is over"
        effects = (*effects, Effect("raise" if raised else "return", at, None, value, now - at > HISTORICAL))
        reasons = (*reasons, Note("raised" if raised else "returned", at, None, why))
    return _Turned(raised, mark, effects, reasons)


_DECIDED = ("raised", "returned")
