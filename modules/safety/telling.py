"""What the hub is told of the register, in the transaction that caused it: counts when they change, and new faults.

The site's device of kind `fire_equipment` stands for the whole register, so that six hundred extinguishers that fall
due on one day are one alarm, and `config/rules/fire-equipment.yaml` has its priority and procedure.
"""

from datetime import date, datetime

from hub import reports
from hub.context import Context
from hub.model import Device
from hub.store.database import Connection, Row
from modules.safety import store

KIND = "fire_equipment"
POINTS = ("overdue", "service_overdue", "expired", "faulty")


def device_of(context: Context, community_id: int) -> Device | None:
    """The device that speaks for a community's register; None where its site has none, and no alarm is raised."""
    found = (one for one in context.devices.values() if one.community_id == community_id and one.kind_name == KIND)
    return next(found, None)


async def tell(context: Context, connection: Connection, community_id: int, today: date) -> bool:
    """Tell the counts of this day, once and where they change; whether they were told. Each day again, and to another
    device: a rule that was off or a device that is new has heard nothing. The caller holds the register's lock."""
    device = device_of(context, community_id)
    if device is None:
        return False
    figures = await store.one(connection, "figures", community_id, "figures", today=today)
    counts = {name: figures[name] for name in POINTS}
    before = await store.rows(connection, "told", community_id)
    told = {**counts, "day": today.isoformat(), "device": device.code}
    if before and before[0]["counts"] == told:
        return False
    at = context.clock.now()
    points = {name: float(count) for name, count in counts.items()}
    key = f"safety:{at.isoformat()}:{'-'.join(str(count) for count in counts.values())}"
    await reports.put(connection, device, key=key, at=at, points=points)
    await store.do(connection, "tell", community_id, counts=told)
    return True


async def tell_fault(
    context: Context, connection: Connection, row: Row, record: int, text: str, at: datetime
) -> None:  # fmt: skip
    """Tell of a piece that was in order and is faulty now."""
    device = device_of(context, row["community_id"])
    if device is not None:
        data = {"equipment": row["number"], "where": f"{row['place']} {row['spot']}".strip(), "fault": text[:200]}
        await reports.put(connection, device, key=f"safety:fault:{record}", at=at, events=[("fault_found", data)])
