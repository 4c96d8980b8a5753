"""What notifications say of the hub's own virtual device, so that a rule can raise an alarm."""

from collections.abc import Mapping

from hub.context import Context
from hub.reports import put
from hub.store.database import Connection


async def report(
    context: Context, connection: Connection, community_id: int, event: str, data: Mapping[str, str]
) -> bool:
    """Say it in the caller's transaction; False where the community's site has no such device."""
    now = context.clock.now()
    device = next(
        (one for one in context.devices.values() if one.community_id == community_id and one.kind_name == "hub"), None
    )
    if device is None:
        return False
    key = ":".join([event, *data.values(), now.isoformat()])
    await put(connection, device, key=key, at=now, events=[(event, dict(data))])
    return True
