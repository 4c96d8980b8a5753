"""First this, then that, and not the other: sequences over devices, by device time. Pure.

Steps are matched by when they happened, not by when they were heard of: later steps that were heard first (events, and
levels that begin) wait `lateness` for the earlier ones, and what must not have happened may be heard of `lateness`
before the alarm.
"""

import msgspec

from rules.conditions import IDLE, Match, Occasion, Sequence, State, join, level_of
from rules.happenings import due as clears_at
from rules.happenings import occurrence, raise_event
from rules.observations import (
    HISTORICAL,
    QUIET,
    Effect,
    Happening,
    Note,
    Observation,
    Sample,
    Step,
    earliest,
)

MOST_MATCHES = 8
MOST_SEEN = 32
"""So many sequences of one device may be under way, so many occurrences of a step are kept; the oldest go first."""


def sequence(rule: Sequence, state: State | None, observation: Observation, now: int) -> Step:
    """Something happened somewhere, or time has passed."""
    if state is None and not _concerns(rule, observation):
        return QUIET
    memory = state or IDLE
    ended = occurrence(rule.done, level_of(state), Sample(now, 0.0), now)  # an alarm that ends by itself
    memory = join(memory, ended.state) or IDLE
    effects, reasons = ended.effects, ended.reasons
    cause = None
    if type(observation) is Happening or type(observation) is Sample:
        cause = observation.cause
        for step in range(len(rule.steps)):
            for absent in rule.absent[step]:
                if _hits(absent, observation):
                    memory, notes = _forbid(rule, memory, step, absent, observation)
                    reasons += notes
        for step in range(len(rule.steps) - 1, -1, -1):
            if _hits(rule.steps[step], observation) and (step or _is_new(rule.steps[0], observation)):
                memory, notes = _happened(rule, memory, step, observation, now)
                reasons += notes
    settled = _settle(rule, memory, cause, now)
    memory = settled.state or IDLE
    kept = None if memory == IDLE else memory
    wake = due(rule, kept)
    return Step(state if kept == state else kept, wake, effects + settled.effects, reasons + settled.reasons)


def due(rule: Sequence, state: State | None) -> int | None:
    """When a sequence completes or is given up, if nothing more comes."""
    if state is None:
        return None
    return earliest(clears_at(rule.done, level_of(state)), *(_deadline(rule, match) for match in state.matches))


def _concerns(rule: Sequence, observation: Observation) -> bool:
    """It is a step, or what must not happen."""
    if type(observation) is not Happening and type(observation) is not Sample:
        return False
    return any(_hits(step, observation) for step in rule.steps) or any(
        _hits(absent, observation) for some in rule.absent for absent in some
    )


def _hits(occasion: Occasion, observation: Happening | Sample) -> bool:
    if observation.device not in occasion.devices:
        return False
    if type(observation) is Happening:
        return observation.name == occasion.event and all(
            observation.data.get(field) == wanted for field, wanted in occasion.where
        )
    assert isinstance(observation, Sample)
    fresh = observation.fresh and observation.point == occasion.point
    return fresh and occasion.shows(observation.device, observation.value)


def _is_new(occasion: Occasion, observation: Happening | Sample) -> bool:
    """A level begins a sequence when it begins, not with each sample that shows it."""
    if type(observation) is not Sample or observation.before is None:
        return True
    return not occasion.shows(observation.device, observation.before[1])


def _deadline(rule: Sequence, match: Match) -> int:
    """Receipt time at which all that could still change the match has been heard of."""
    last = len(match.times) - 1
    if last + 1 < len(rule.steps):
        return match.heard[last] + rule.steps[last + 1].within + rule.lateness
    at = match.heard[last]
    for step, heard in enumerate(match.heard):
        for absent in rule.absent[step]:
            at = max(at, heard + absent.within + rule.lateness)
    return at


def _ends(rule: Sequence, match: Match) -> int:
    """Device time at which the story is told: the last step, or the end of what must not follow it."""
    return match.times[-1] + max((absent.within for absent in rule.absent[-1]), default=0)


def _remember(memory: State, key: str, ts: int, span: int) -> State:
    """An occurrence that may matter to a step heard of later."""
    moments = sorted({*memory.seen.get(key, ()), ts})
    kept = tuple(moment for moment in moments if moment >= moments[-1] - span)[-MOST_SEEN:]
    return msgspec.structs.replace(memory, seen={**memory.seen, key: kept})


def _forbid(
    rule: Sequence, memory: State, step: int, absent: Occasion, observation: Happening | Sample
) -> tuple[State, tuple[Note, ...]]:
    """What must not happen happened: whatever it lies around is no match."""
    ts, key = observation.ts, f"{step}-{rule.absent[step].index(absent)}"
    memory = _remember(memory, key, ts, absent.before + absent.within + rule.lateness)
    spoilt = [m for m in memory.matches if len(m.times) > step and _around(absent, m.times[step], ts)]
    if not spoilt:
        return memory, ()
    matches = tuple(match for match in memory.matches if match not in spoilt)
    why = f"{observation.name if type(observation) is Happening else absent.point} speaks against step {step + 1}"
    return msgspec.structs.replace(memory, matches=matches), (Note("cancelled", ts, observation.cause, why),)


def _around(absent: Occasion, anchor: int, ts: int) -> bool:
    return anchor - absent.before <= ts <= anchor if absent.before else anchor < ts <= anchor + absent.within


def _spoilt(rule: Sequence, memory: State, step: int, at: int) -> bool:
    """What must not happen around this step is known to have happened."""
    return any(
        _around(absent, at, ts)
        for number, absent in enumerate(rule.absent[step])
        for ts in memory.seen.get(f"{step}-{number}", ())
    )


def _happened(
    rule: Sequence, memory: State, step: int, observation: Happening | Sample, now: int
) -> tuple[State, tuple[Note, ...]]:
    """A step happened: it begins a match, or carries on those that wait for it."""
    ts, cause = observation.ts, observation.cause
    if step == 0:
        begun = _carried(rule, memory, [Match((ts,), (now,), observation.lag)], now)
    else:
        if _is_new(rule.steps[step], observation):
            span = sum(later.within for later in rule.steps) + rule.lateness
            memory = _remember(memory, str(step), ts, span)
        begun = []
        for match in memory.matches:
            if len(match.times) == step and match.times[-1] <= ts <= match.times[-1] + rule.steps[step].within:
                memory = msgspec.structs.replace(memory, matches=tuple(m for m in memory.matches if m != match))
                begun += _carried(rule, memory, [Match((*match.times, ts), (*match.heard, now), observation.lag)], now)
    if not begun and step:
        return memory, ()
    matches = tuple(dict.fromkeys((*memory.matches, *begun)))[-MOST_MATCHES:]
    what = f"step {step + 1} of {len(rule.steps)} happened"
    if not begun:
        return memory, (Note("cancelled", ts, cause, f"{what}, and what speaks against it was heard of before"),)
    return msgspec.structs.replace(memory, matches=matches), (Note("pending", ts, cause, what),)


def _carried(rule: Sequence, memory: State, matches: list[Match], now: int) -> list[Match]:
    """The matches, taken as far as what is already known of later steps takes them; without those it speaks against."""
    done = []
    for begun in matches:
        match = begun
        while True:
            last = len(match.times) - 1
            if _spoilt(rule, memory, last, match.times[last]):
                break
            if last + 1 == len(rule.steps):
                done.append(match)
                break
            within = rule.steps[last + 1].within
            known = memory.seen.get(str(last + 1), ())
            following = next((ts for ts in known if match.times[last] <= ts <= match.times[last] + within), None)
            if following is None:
                done.append(match)
                break
            match = Match((*match.times, following), (*match.heard, now), match.lag)
    return done


def _settle(rule: Sequence, memory: State, cause: bytes | None, now: int) -> Step:
    """Complete what is complete, give up what waited too long."""
    effects: tuple[Effect, ...] = ()
    reasons: tuple[Note, ...] = ()
    for match in memory.matches:
        if match not in memory.matches or _deadline(rule, match) > now:
            continue
        rest = tuple(other for other in memory.matches if other != match)
        if len(match.times) < len(rule.steps):
            why = f"step {len(match.times) + 1} of {len(rule.steps)} did not follow in time"
            memory = msgspec.structs.replace(memory, matches=rest)
            reasons += (Note("cancelled", match.times[-1], None, why),)
            continue
        at = _ends(rule, match)
        told = cause if match.heard[-1] == now else None
        delay = match.heard[-1] - match.times[-1] - match.lag
        happening = Happening(at, rule.done.name, {}, told)
        raised = raise_event(rule.done, level_of(memory), happening, max(now, at))
        marked = tuple(
            msgspec.structs.replace(effect, historical=effect.action == "raise" and delay > HISTORICAL)
            for effect in raised.effects
        )
        rest = tuple(other for other in rest if other.times[0] > at)  # one story, one alarm
        memory = join(msgspec.structs.replace(memory, matches=rest), raised.state) or IDLE
        effects, reasons = effects + marked, reasons + raised.reasons
    return Step(memory, None, effects, reasons)
