"""The rule engine: `step(rule, state, observation, now) -> Step`. Pure; all times are integer microseconds UTC.

Durations are counted in the device's own time; a wake-up comes as long after receipt as the device's time still lacks.
So an alarm is raised on time when nothing more comes, and messages that were held up are judged by when they were said.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from rules import happenings, levels, moving, neighbours, sequences, several, verdicts, windows
from rules.conditions import (
    IDLE,
    Analysis,
    Change,
    Condition,
    During,
    Expression,
    Near,
    Occurrence,
    Sequence,
    Several,
    Silence,
    State,
    Stuck,
    Threshold,
    Window,
)
from rules.observations import (
    QUIET,
    Effect,
    Finding,
    Happening,
    Heard,
    Late,
    Note,
    Observation,
    Sample,
    Step,
    Values,
    Wake,
    earliest,
)

__all__ = [
    "QUIET", "Effect", "Finding", "Happening", "Heard", "Late", "Note", "Observation", "Sample", "Step", "Values",
    "Wake", "arm", "attentive", "due", "excused", "patience", "settled", "step",
]  # fmt: skip

_JUDGES: dict[type, Any] = {
    Occurrence: happenings.occurrence,
    Silence: happenings.silence,
    Change: moving.change,
    Stuck: moving.stuck,
    Window: windows.window,
    Sequence: sequences.sequence,
    Near: neighbours.near,
    Expression: verdicts.expression,
    Analysis: verdicts.analysis,
}


def step(rule: Condition, state: State | None, observation: Observation, now: int) -> Step:
    """Judge one observation received at `now`, or a wake-up due at `now`.

    The caller keeps away what must not be judged (bad, late, implausible values) and wakes in order of time.
    ExpressionError where an expression has no result for its values.
    """
    kind = type(rule)
    if kind is Threshold:
        assert isinstance(rule, Threshold)
        if type(observation) is Sample:
            if state is None and not rule.trips(observation.value):
                return QUIET
            return levels.sample(rule, state, observation, now)
        return levels.wake(rule, state, now)
    if kind is Several:
        return several.several(rule, state, observation, now, step)  # type: ignore[arg-type]
    if kind is During:
        return several.during(rule, state, observation, now, step)  # type: ignore[arg-type]
    judged: Step = _JUDGES[kind](rule, state, observation, now)
    return judged


def due(rule: Condition, state: State | None) -> int | None:
    """When a remembered state must be looked at again, by the rule as it is now. May be past after a restart.

    Silences and calendars are not in it: `arm` knows those.
    """
    if state is None:
        return None
    match rule:
        case Threshold():
            return levels.due(rule, state)
        case Occurrence():
            return happenings.due(rule, state)
        case Window():
            return windows.due(rule, state)
        case Sequence():
            return sequences.due(rule, state)
        case Near():
            return neighbours.due(rule, state)
        case Change() | Expression():
            return levels.due(rule.level, state) if rule.level is not None else None
        case Several():
            return earliest(*(due(part, state.parts.get(str(index))) for index, part in enumerate(rule.parts)))
        case During():
            return due(rule.inner, state.parts.get("0"))
        case _:
            return None


def arm(
    rule: Condition, state: State | None, own: int, heard: Mapping[int, int], now: int, judged: int
) -> tuple[State | None, int | None]:
    """The state to begin or go on with after a start or reload, and when to look at it.

    `heard`: the last sign of life of every device. `judged`: up to when all is judged. The time may be past: then it
    fell due meanwhile.
    """
    match rule:
        case Silence():
            if state is not None and state.phase == "raised":
                return state, None
            if state is None and own not in heard:
                state = State("armed", began=now)
            return state, happenings.looks(rule, state, heard.get(own, 0))
        case Near():
            return neighbours.arm(rule, state, now)
        case Window():
            state = state if state is not None else windows.armed(rule, now)
        case Several():
            wakes = []
            for index, part in enumerate(rule.parts):
                inner, at = arm(part, (state or IDLE).parts.get(str(index)), own, heard, now, judged)
                state = _with(state, str(index), inner)
                wakes.append(at)
            return state, earliest(*wakes)
        case During():
            inner, at = arm(rule.inner, (state or IDLE).parts.get("0"), own, heard, now, judged)
            state = _with(state, "0", inner)
            state, boundary = several.armed(rule, state, judged) if state is not None else (None, None)
            return state, earliest(at, boundary)
    return state, due(rule, state)


def _with(state: State | None, key: str, part: State | None) -> State | None:
    """The state with this part; the very same object where it is that already."""
    if part is None or (state is not None and state.parts.get(key) is part):
        return state
    state = state or IDLE
    return msgspec.structs.replace(state, parts={**state.parts, key: part})


def settled(rule: Condition, state: State | None) -> State | None:
    """The state without what the rule as it is now has no use for: a wait under an older form of it that is none by the
    newer, neighbours that are gone, an alarm that cannot stand. The very same object where nothing is to be forgotten.
    """
    if state is None:
        return None
    if isinstance(rule, Near):
        return neighbours.forget(rule, state)
    if state.phase == "raised" and not _lasts(rule):
        return None
    if isinstance(rule, During):
        inner = settled(rule.inner, state.parts.get("0"))
        if inner is state.parts.get("0"):
            return state
        return msgspec.structs.replace(state, parts={} if inner is None else {"0": inner})
    if state.phase != "pending" or isinstance(rule, Stuck):
        return state
    level = rule if isinstance(rule, Threshold) else rule.level if isinstance(rule, Expression) else None
    if level is None or (state.value is not None and not level.trips(state.value)):
        return None
    return state


def _lasts(rule: Condition) -> bool:
    """Its alarm can stand; else it ends as it begins."""
    match rule:
        case Occurrence(clear_event=event, clear_after=after):
            return bool(event or after)
        case Sequence(done=done):
            return bool(done.clear_after)
        case Change(level=level):
            return level is not None
        case _:
            return True


def excused(rule: Condition, state: State | None, heard: int, deaf: tuple[int, int]) -> State | None:
    """The state after a time in which nothing could be heard, from-to in time of receipt: that nothing was heard then
    means nothing, for not every source keeps what nobody takes.

    `heard`: last sign of life of the rule's device. The very same object where it goes by what was heard.
    """
    if isinstance(rule, Silence):
        return happenings.excused(rule, state, heard, deaf)
    if isinstance(rule, During):
        return _with(state, "0", excused(rule.inner, (state or IDLE).parts.get("0"), heard, deaf))
    if state is None:
        return None
    match rule:
        case Window():
            return windows.excused(rule, state, deaf)
        case Near():
            return neighbours.excused(rule, state, deaf)
        case Several(parts=parts):
            for index, part in enumerate(parts):
                state = _with(state, str(index), excused(part, (state or IDLE).parts.get(str(index)), heard, deaf))
    return state


def patience(rule: Condition) -> int:
    """So long at most the condition itself waits before something falls due."""
    match rule:
        case Threshold(lasting=lasting) | Silence(after=lasting):
            return lasting
        case Expression(level=level):
            return level.lasting
        case Window():
            return windows.patience(rule)
        case Sequence(steps=steps, absent=absent, lateness=lateness):
            return lateness + max(one.within for some in (steps, *absent) for one in some)
        case Near(members=members, level=level):
            return max(level.lasting, *map(patience, members.values()), 0)
        case Several(parts=parts):
            return max(map(patience, parts))
        case During(inner=inner):
            return patience(inner)
        case _:
            return 0


def attentive(rule: Condition, state: State | None, device: int) -> bool:
    """A sign of life of this device means something to the rule now."""
    if state is None:
        return False
    if isinstance(rule, During):
        return attentive(rule.inner, state.parts.get("0"), device)
    if isinstance(rule, Several):
        return any(attentive(part, state.parts.get(str(index)), device) for index, part in enumerate(rule.parts))
    if isinstance(rule, Near):
        return str(device) in state.parts
    return isinstance(rule, Silence) and state.phase == "raised"
