"""A clock that was set back: nothing a rule remembers is later than what is now. Pure; microseconds."""

from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from rules import windows
from rules.conditions import Analysis, Bucket, Change, Condition, During, Run, Several, State, Window


def set_back(rule: Condition, state: State, now: int) -> State:
    """The state as of `now`: nothing is judged, was said or is waited for later than that. The very same object where
    nothing was. An analysis keeps its intervals, which it knows by their ends.

    What was said in a run, a session or a count of samples stays in it, as of `now`; from windows by the clock, and of
    what a change is measured from, it is dropped, or they would hold what was said in twice their time.
    """
    known: dict[str, Any] = {
        "mark": min(state.mark, now),
        "deaf": state.deaf if state.deaf is None or state.deaf[1] <= now else None,
        "parts": {key: _part(rule, key, part, now) for key, part in state.parts.items()},
    }
    if not isinstance(rule, Analysis):
        known |= {
            "since": min(state.since, now),
            "began": min(state.began, now),
            "wake": min(state.wake, now),
            "recent": _clipped(state.recent, now),
            "seen": {step: _clipped(moments, now) for step, moments in state.seen.items()},
            "matches": tuple(
                replace(one, times=_clipped(one.times, now), heard=_clipped(one.heard, now)) for one in state.matches
            ),
            "run": None if state.run is None else _run(state.run, now),
            "buckets": _buckets(rule, state.buckets, now),
        }
    ahead = state.mark > now or known.get("buckets") != state.buckets
    if ahead and isinstance(rule, Window) and (armed := windows.armed(rule, now)) is not None:
        known |= {"mark": armed.mark, "buckets": ()}  # little in a window that is not whole means nothing
    later = replace(state, **known)
    return state if later == state else later


def _part(rule: Condition, key: str, part: State, now: int) -> State:
    match rule:
        case During(inner=inner):
            return set_back(inner, part, now)
        case Several(parts=parts) if int(key) < len(parts):
            return set_back(parts[int(key)], part, now)
        case _:
            return set_back(rule, part, now)  # of a neighbour, which may be gone, or of no use any more


def _clipped(moments: Iterable[int], now: int) -> tuple[int, ...]:
    return tuple(min(moment, now) for moment in moments)


def _run(run: Run, now: int) -> Run:
    return replace(run, start=min(run.start, now), end=None if run.end is None else min(run.end, now))


def _buckets(rule: Condition, buckets: Iterable[Bucket], now: int) -> tuple[Bucket, ...]:
    by_clock = isinstance(rule, Change) or (isinstance(rule, Window) and rule.size > 0 and rule.holds is None)
    return tuple(
        replace(one, start=min(one.start, now), first_ts=min(one.first_ts, now), last_ts=min(one.last_ts, now))
        for one in buckets
        if one.start <= now or not by_clock
    )
