"""What the devices around show: how many of them are past a limit, or silent. Pure."""

from collections.abc import Mapping

import msgspec

from rules import levels
from rules.conditions import IDLE, Near, Silence, State, Threshold, join, level_of
from rules.observations import QUIET, Heard, Observation, Sample, Step, Wake, earliest, listening, merged


def near(rule: Near, state: State | None, observation: Observation, now: int) -> Step:
    """A neighbour spoke, or time has passed. An `at_most` is judged only once every neighbour was heard of."""
    memory = state or IDLE
    ts, cause, lag = now, None, 0
    parts = dict(memory.parts) if type(observation) is not Sample else {}
    if type(observation) is Sample:
        member = rule.members.get(observation.device)
        if not isinstance(member, Threshold) or member.point != observation.point:
            return Step(state, due(rule, state))
        if state is None and rule.level.sign > 0 and not member.trips(observation.value):
            return QUIET
        key = str(observation.device)
        part = levels.sample(member, memory.parts.get(key), observation, now).state
        if part is None and rule.level.sign < 0:
            part = IDLE  # `at_most` needs to know who does not show it, too
        if part == memory.parts.get(key):
            return Step(state, due(rule, state))
        ts, cause, lag, parts = observation.ts, observation.cause, observation.lag, dict(memory.parts)
        _keep(parts, key, part)
    elif type(observation) is Heard:
        if str(observation.device) not in parts or observation.device not in rule.members:
            return Step(state, due(rule, state))
        del parts[str(observation.device)]
        cause = observation.cause
        heard = rule.members[observation.device]
        silent_from = now + (heard.after if isinstance(heard, Silence) else 0)
        memory = msgspec.structs.replace(memory, wake=min(memory.wake or silent_from, silent_from))
    elif type(observation) is Wake:
        coming = _pass_time(rule, memory, parts, observation.others, now)
        memory = msgspec.structs.replace(memory, wake=coming or 0)
    else:
        return Step(state, due(rule, state))
    if parts != memory.parts:
        memory = msgspec.structs.replace(memory, parts=parts)
    level = level_of(memory)
    judged = levels.wake(rule.level, level, now) if type(observation) is Wake else Step(level)
    if rule.level.sign > 0 or len(parts) == len(rule.members):
        number = sum(1 for part in parts.values() if part.phase == "raised")
        counted = levels.sample(rule.level, judged.state, Sample(ts, float(number), cause, lag=lag), now)
        judged = Step(counted.state, None, judged.effects + counted.effects, judged.reasons + counted.reasons)
    result = join(memory, judged.state)
    if result == state:
        result = state
    return Step(result, due(rule, result), judged.effects, judged.reasons)


def due(rule: Near, state: State | None) -> int | None:
    """When a wait of the level or of a neighbour is over, or the next neighbour may have fallen silent."""
    if state is None:
        return None
    waits = [levels.due(rule.level, level_of(state)), state.wake or None]
    if rule.patient:
        for device, part in state.parts.items():
            if isinstance(member := rule.members.get(int(device)), Threshold):
                waits.append(levels.due(member, part))
    return earliest(*waits)


def arm(rule: Near, state: State | None, now: int) -> tuple[State | None, int | None]:
    """The state to go on with, and when to look at it: at once where the neighbours are others than they were."""
    if state is None and rule.silent:
        patience = min(one.after for one in rule.members.values() if isinstance(one, Silence))
        state = State("idle", mark=now, wake=now + patience)
    if state is None:
        return None, None
    number = sum(1 for part in state.parts.values() if part.phase == "raised")
    return state, now if state.phase == "raised" and rule.level.clears(number) else due(rule, state)


def excused(rule: Near, state: State, deaf: tuple[int, int]) -> State:
    """After a time in which nobody listened."""
    return msgspec.structs.replace(state, deaf=merged(state.deaf, deaf)) if rule.silent else state


def forget(rule: Near, state: State | None) -> State | None:
    """Without what was remembered of devices that are not neighbours any more."""
    if state is None:
        return None
    parts = {device: part for device, part in state.parts.items() if int(device) in rule.members}
    return state if len(parts) == len(state.parts) else msgspec.structs.replace(state, parts=parts)


def _keep(parts: dict[str, State], key: str, part: State | None) -> None:
    if part is None:
        parts.pop(key, None)
    else:
        parts[key] = part


def _pass_time(rule: Near, memory: State, parts: dict[str, State], heard: Mapping[int, int], now: int) -> int | None:
    """What time alone does to the neighbours; when the next of them would be called silent."""
    coming = None
    for device, member in rule.members.items():
        key = str(device)
        if isinstance(member, Silence):
            at = max(max(heard.get(device, 0), memory.mark) + member.after, listening(memory.deaf, member.after))
            if at > now:
                coming = earliest(coming, at)
            elif key not in parts:
                parts[key] = State("raised", at, now)
        elif key in parts:
            _keep(parts, key, levels.wake(member, parts[key], now).state)
    return coming
