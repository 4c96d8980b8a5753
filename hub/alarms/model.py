"""Alarm states and what moves them (ANSI/ISA-18.2-2016 figure 2, IEC 62682; latches as OPC 10000-9 §5.8): pure.

The state says what the process and the person did. Suppression stands beside it, so that an alarm nobody is told of is
still recorded: seen from the desk, a suppressed alarm is in one of the states E, F or G, whatever its state is.
"""

from collections.abc import Sequence
from typing import Literal

State = Literal[
    "normal",
    "active_unacknowledged",
    "active_acknowledged",
    "returned_unacknowledged",
    "latched_unacknowledged",
    "latched_acknowledged",
]
Action = Literal["raise", "return", "acknowledge", "reset"]
Suppression = Literal["shelved", "suppressed_by_design", "out_of_service"]

PRIORITIES = {"critical": 1, "high": 2, "medium": 3, "low": 4}
STATES: tuple[State, ...] = (
    "normal", "active_unacknowledged", "active_acknowledged", "returned_unacknowledged", "latched_unacknowledged",
    "latched_acknowledged",
)  # fmt: skip
ACTIVE: frozenset[State] = frozenset({"active_unacknowledged", "active_acknowledged"})
UNACKNOWLEDGED: frozenset[State] = frozenset(
    {"active_unacknowledged", "returned_unacknowledged", "latched_unacknowledged"}
)

CHATTER_CYCLES = 3
CHATTER_US = 60_000_000  # so many returns within this are chattering; without any it falls again
STALE_S = 86_400  # active for longer: stale, annunciated again each time this has passed
GRACE_S = 3  # after the parent returned, children that recover too say nothing
HISTORICAL_S = 10  # what happened long ago is told only when it still holds after this
FIRST_OUT_US = 10_000_000  # alarms of one group this close together have one cause

_TRANSITIONS: dict[tuple[State, Action], State] = {
    ("normal", "raise"): "active_unacknowledged",
    ("active_unacknowledged", "acknowledge"): "active_acknowledged",
    ("active_unacknowledged", "return"): "returned_unacknowledged",
    ("active_acknowledged", "return"): "normal",
    ("returned_unacknowledged", "acknowledge"): "normal",
    ("returned_unacknowledged", "raise"): "active_unacknowledged",
    ("latched_unacknowledged", "acknowledge"): "latched_acknowledged",
    ("latched_unacknowledged", "raise"): "active_unacknowledged",
    ("latched_acknowledged", "raise"): "active_unacknowledged",
    ("latched_acknowledged", "reset"): "normal",
}
_LATCHED: dict[State, State] = {
    "active_unacknowledged": "latched_unacknowledged",
    "active_acknowledged": "latched_acknowledged",
}


def transition(state: State, action: Action, latch: bool = False) -> State:
    """The state after an action; the same state where the action changes nothing (a second raise, a late return).

    `latch`: once returned, the alarm stays until it is acknowledged and then reset.
    """
    if latch and action == "return":
        return _LATCHED.get(state, state)
    return _TRANSITIONS.get((state, action), state)


def suppression(life_safety: bool, shelved: bool, out_of_service: bool, by_design: bool) -> Suppression | None:
    """Which of several reasons to keep silent is the one shown. Life safety is never silenced, by anything."""
    if life_safety:
        return None
    if shelved:
        return "shelved"
    if out_of_service:
        return "out_of_service"
    return "suppressed_by_design" if by_design else None


def with_return(returns: Sequence[int], at: int) -> list[int]:
    """The newest returns of a condition (microseconds UTC) with one more; no more are kept than chatter needs."""
    return sorted([*returns, at])[-CHATTER_CYCLES:]


def chatters(returns: Sequence[int]) -> bool:
    """Whether these returns are close enough together to be chattering."""
    return len(returns) >= CHATTER_CYCLES and returns[-1] - returns[-CHATTER_CYCLES] <= CHATTER_US
