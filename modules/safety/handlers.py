"""Events in: what a patrol found at a piece of equipment that one of its inspection items names."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import structlog

from hub.plugins import EventHandler, Task
from modules.safety.service import Equipment

_HEAR = "safety.hear"
EVENTS: Mapping[tuple[str, str], EventHandler] = {
    ("patrol_route", "equipment_inspected"): EventHandler(_HEAR, lambda device: True),  # noqa: ARG005
}
_log = structlog.get_logger()


def make_tasks(equipment: Equipment) -> Mapping[str, Task]:
    """Job name -> what does it. It is given community_id, device_id, event_id, name, at, received and data."""

    async def hear(
        *, community_id: int, device_id: int, event_id: str, name: str, at: str, received: str, data: Mapping[str, Any]
    ) -> None:  # fmt: skip
        """A second run changes nothing: the record is named by its event."""
        del device_id, name, received
        number = str(data.get("equipment", ""))[:40]
        kept = await equipment.hear(
            community_id=community_id, number=number, sort="fault" if data.get("result") == "fault" else "normal",
            text=str(data.get("note", ""))[:500],
            at=datetime.fromisoformat(at), actor=str(data.get("person", ""))[:100], origin=event_id,
            pictures=str(data.get("photographs", ""))[:100],
        )  # fmt: skip
        if not kept:
            _log.info("an inspection is known already, or its equipment is not on the register", equipment=number)

    return {_HEAR: hear}
