"""What modules say of the hub itself: of the site's device of the kind `hub`, so that a rule can raise an alarm."""

from collections.abc import Mapping
from datetime import datetime

from hub.model import Device
from hub.reports.outbox import put
from hub.store.database import Connection


async def put_own(
    connection: Connection, devices: Mapping[int, Device], community_id: int, event: str, data: Mapping[str, str],
    at: datetime,
) -> bool:  # fmt: skip
    """Say it in the caller's transaction; False where the community's site has no such device. ValueError as `put`."""
    own = (one for one in devices.values() if one.community_id == community_id and one.kind_name == "hub")
    device = next(own, None)
    if device is None:
        return False
    key = ":".join([event, *data.values(), at.isoformat()])
    await put(connection, device, key=key, at=at, events=[(event, dict(data))])
    return True
