"""What may not be put on the shelf, and why: pure."""

from collections.abc import Mapping

from hub.errors import Refused
from hub.store.database import Row

_WHY = {
    "life_safety": "a life-safety alarm cannot be shelved",
    "not_shelvable": "the rule of this alarm does not let it be shelved",
    "over": "the alarm is over; there is nothing to shelve",
}
_NAMED = 20


class NotShelvable(Refused):
    """Some of the alarms cannot be shelved, so none is. `why`: alarm id -> life_safety, not_shelvable or over."""

    def __init__(self, why: Mapping[int, str]) -> None:
        named = [f"alarm {number}: {_WHY[code]}" for number, code in sorted(why.items())]
        more = f"; and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
        super().__init__(next(iter(why.values())), "; ".join(named[:_NAMED]) + more)
        self.why = why


def unshelvable(alarm: Row) -> str | None:
    """The code of why this alarm cannot be shelved; None: it can."""
    if alarm["life_safety"]:
        return "life_safety"
    if not alarm["shelvable"]:
        return "not_shelvable"
    return "over" if alarm["state"] == "normal" else None
