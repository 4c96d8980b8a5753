"""The audit log: every write by a person, program or rule, in the transaction of the write."""

from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from hub.principal import Principal
from hub.store.database import Connection


async def record(
    connection: Connection, who: Principal, action: str, on: str, at: datetime, detail: dict[str, Any] | None = None
) -> None:
    """Append who did what on what. `detail` holds no secret, card or plate."""
    await connection.execute(
        "INSERT INTO hub.audit (community_id, at, actor, action, object, detail, remote)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s)",
        [who.community_id, at, who.actor, action, on, Jsonb(detail or {}), who.remote],
    )
