"""Alarm states and what moves them (ANSI/ISA-18.2-2016 figure 2, IEC 62682): pure."""

from typing import Literal

State = Literal["active_unacknowledged", "active_acknowledged", "returned_unacknowledged", "normal"]
Action = Literal["raise", "return", "acknowledge"]

PRIORITIES = {"critical": 1, "high": 2, "medium": 3, "low": 4}

_TRANSITIONS: dict[tuple[State, Action], State] = {
    ("normal", "raise"): "active_unacknowledged",
    ("active_unacknowledged", "acknowledge"): "active_acknowledged",
    ("active_unacknowledged", "return"): "returned_unacknowledged",
    ("active_acknowledged", "return"): "normal",
    ("returned_unacknowledged", "acknowledge"): "normal",
    ("returned_unacknowledged", "raise"): "active_unacknowledged",
}


def transition(state: State, action: Action) -> State:
    """The state after an action; the same state where the action changes nothing (a second raise, a late return)."""
    return _TRANSITIONS.get((state, action), state)
