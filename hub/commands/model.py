"""The life of a command: pure."""

from typing import Literal

State = Literal[
    "requested", "authorised", "sent", "acknowledged", "confirmed", "refused", "expired", "failed", "unknown"
]

FINAL: frozenset[State] = frozenset({"confirmed", "refused", "expired", "failed", "unknown"})

_NEXT: dict[State, frozenset[State]] = {
    "requested": frozenset({"authorised", "refused", "expired"}),
    "authorised": frozenset({"sent", "refused", "expired", "failed"}),
    # expired: its turn on the bus came too late, so the driver did not send it after all
    "sent": frozenset({"acknowledged", "confirmed", "failed", "unknown", "expired"}),
    "acknowledged": frozenset({"confirmed", "failed", "unknown"}),
    # The proof may come late: what was unknown is then known.
    "unknown": frozenset({"confirmed"}),
}


def may_follow(before: State, after: State) -> bool:
    """True when a command in `before` may move to `after`. Final states stay, but a late proof beats `unknown`."""
    return after in _NEXT.get(before, frozenset())
