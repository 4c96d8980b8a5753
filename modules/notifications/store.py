"""The SQL of notifications. Every function runs inside the caller's transaction."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from hub.store.database import Connection, NotThere, Row
from hub.store.queries import load_queries
from modules.notifications.model import GIVE_UP

_SQL = load_queries("modules.notifications")


async def rows(connection: Connection, query: str, **values: Any) -> list[Row]:
    """Every row of a query of `queries.sql`."""
    return await (await connection.execute(_SQL[query], values)).fetchall()


async def first(connection: Connection, query: str, **values: Any) -> Row | None:
    """Its first row, if there is one."""
    return await (await connection.execute(_SQL[query], values)).fetchone()


async def run(connection: Connection, query: str, **values: Any) -> int:
    """How many rows it touched."""
    return (await connection.execute(_SQL[query], values)).rowcount


async def needed(connection: Connection, query: str, what: str, **values: Any) -> Row:
    """Its first row. NotThere."""
    row = await first(connection, query, **values)
    if row is None:
        raise NotThere(what)
    return row


async def insert(connection: Connection, at: datetime, due_at: datetime, values: Mapping[str, Any]) -> int | None:
    """A delivery that waits from `at` to `due_at`; its id, or None where this was to be told already."""
    filled: dict[str, Any] = {
        "alarm_id": None, "step": None, "person": "", "name": "", "address": "", "language": "zh-CN", "priority": 4,
        "life_safety": False, "title": "", "combine": False, "fallback_of": None,
        "expires_at": due_at + GIVE_UP[values["target"].partition(":")[0]], **values,
    }  # fmt: skip
    state = "held" if due_at > at else "queued"
    row = await first(connection, "insert", uid=uuid4(), at=at, due_at=due_at, state=state, **filled)
    return int(row["id"]) if row else None


async def signing_key(connection: Connection, community_id: int) -> bytes:
    """What a community's links are signed with; drawn the first time."""
    row = await first(connection, "key", community_id=community_id)
    if row is None:
        await run(connection, "make_key", community_id=community_id, key=secrets.token_bytes(32))
        row = await needed(connection, "key", "signing key", community_id=community_id)
    return bytes(row["key"])


def languages(found: Sequence[Row]) -> dict[str, str]:
    """Account name -> language."""
    return {row["name"]: row["language"] for row in found}
