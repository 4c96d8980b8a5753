"""Patrol rounds as duty tells of them: by the port `patrol.rounds`, where there are patrols."""

from datetime import date
from typing import Any

from hub.context import Context
from hub.principal import Principal
from hub.store.database import Row

UNDER_WAY = ("running", "overdue")
FAILED = ("missed", "incomplete")
_KEPT = ("id", "plan", "state", "begins", "ends", "done")


async def rounds_of(context: Context, who: Principal, day: date) -> list[dict[str, Any]]:
    """The rounds that begin on a local day, in order of time: id, plan, state, begins, ends, done, `stops` (how many
    checkpoints), `name` (of the route's device, else the plan's)."""
    port = context.ports.get("patrol.rounds")
    rows: list[Row] = await port(who, day) if port is not None else []
    names = {device.code: {"zh": device.spec.name.zh, "en": device.spec.name.en}
             for device in context.devices.values() if device.community_id == who.community_id}  # fmt: skip
    return [{**{key: row[key] for key in _KEPT}, "stops": len(row["checkpoints"]),
             "name": names.get(row["device"], {"zh": row["plan"], "en": row["plan"]})} for row in rows]  # fmt: skip
