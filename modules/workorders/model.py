"""A work order's life and its time limits: pure."""

from datetime import date, datetime, timedelta
from typing import Literal

from hub.errors import Refused

State = Literal["open", "assigned", "in_progress", "done", "cancelled"]
Action = Literal["assign", "start", "finish", "cancel"]

STATES: tuple[State, ...] = ("open", "assigned", "in_progress", "done", "cancelled")

# A pair that leads back to the same state is a repetition (a second tap on the phone) and changes nothing.
_TRANSITIONS: dict[tuple[State, Action], State] = {
    ("open", "assign"): "assigned",
    ("open", "start"): "in_progress",
    ("open", "cancel"): "cancelled",
    ("assigned", "assign"): "assigned",
    ("assigned", "start"): "in_progress",
    ("assigned", "cancel"): "cancelled",
    ("in_progress", "start"): "in_progress",
    ("in_progress", "finish"): "done",
    ("in_progress", "cancel"): "cancelled",
    ("done", "finish"): "done",
    ("cancelled", "cancel"): "cancelled",
}

_DUE = {
    1: timedelta(hours=1),
    2: timedelta(hours=4),
    3: timedelta(hours=24),
    4: timedelta(hours=72),
}


def transition(state: State, action: Action) -> State:
    """The state after an action. Refused(409) `wrong_state` where the action is not possible."""
    after = _TRANSITIONS.get((state, action))
    if after is None:
        can = ", ".join(allowed(state)) or "nothing"
        raise Refused("wrong_state", f"a work order that is {state} cannot {action} (it can: {can})")
    return after


def allowed(state: State) -> list[Action]:
    """What may still be done, without repetitions: the buttons of a screen."""
    return [action for (before, action), after in _TRANSITIONS.items()
            if before == state and (after != state or action == "assign")]  # fmt: skip


def outlived(state: State, raised_then: int | None, raised: int) -> bool:
    """Whether an order is over and its alarm was raised again since: counted, for devices' clocks are not the hub's."""
    return state in ("done", "cancelled") and raised_then is not None and raised > raised_then


def due_at(priority: int, created_at: datetime) -> datetime:
    """When the work must be finished: 1 h, 4 h, 24 h or 72 h for the alarm priorities 1 (critical) to 4 (low)."""
    return created_at + _DUE[priority]


def order_number(day: date, sequence: int) -> str:
    """`WO-20261121-0001`: the community's local day and a count that begins anew each day."""
    return f"WO-{day:%Y%m%d}-{sequence:04d}"


def required(text: str, what: str, most: int) -> str:
    """The text without blanks around it. Refused(422) when it is empty, too long or has control characters."""
    text = text.strip()
    if not text or len(text) > most or not all(c.isprintable() or c == "\n" for c in text):
        raise Refused("bad_text", f"{what}: a text of 1 to {most} printable characters is needed", 422)
    return text
