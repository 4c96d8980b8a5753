"""Conditions made of others: any or all of several, and what counts only while a calendar is active. Pure."""

from collections.abc import Callable

import msgspec

from rules import levels
from rules.conditions import IDLE, Condition, During, Several, State, Threshold, Window, join, level_of
from rules.observations import QUIET, Effect, Note, Observation, Sample, Step, Wake, earliest

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
    """The condition is judged all the time; it is an alarm while the calendar is active. A window counts where it ends
    in that time, and only there."""
    memory = state or IDLE
    inner = memory.parts.get("0")
    raised = memory.phase == "raised"
    done = judge(rule.inner, inner, observation, now)
    effects: tuple[Effect, ...] = ()
    for effect in done.effects:
        if effect.action == "raise" and rule.calendar.active(effect.at, rule.zone):
            effects, raised = (*effects, effect), True
        elif effect.action == "return" and raised:
            effects, raised = (*effects, effect), False
    if type(rule.inner) is Window and not raised and done.state is not None:
        done = msgspec.structs.replace(done, state=join(done.state, None))
    holds = done.state is not None and done.state.phase == "raised"
    reasons = done.reasons if effects else tuple(note for note in done.reasons if note.outcome not in _DECIDED)
    if (holds or raised) and rule.calendar.active(now, rule.zone) != raised:
        raised = not raised
        value = done.state.value if raised and done.state is not None else None
        effects = (*effects, Effect("raise" if raised else "return", now, None, value))
        why = "the calendar is active now" if raised else "the calendar is over"
        reasons = (*reasons, Note("raised" if raised else "returned", now, None, why))
    parts = {} if done.state is None else {"0": done.state}
    kept = msgspec.structs.replace(memory, parts=parts, phase="raised" if raised else "idle")
    result = None if kept == IDLE else kept
    boundary = rule.calendar.next_change(now, rule.zone) if holds or raised else None
    return Step(state if result == state else result, earliest(done.wake_at, boundary), effects, reasons)


_DECIDED = ("raised", "returned")
