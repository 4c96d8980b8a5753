"""The SQL of versions laid over the patrol file. Every function runs inside the caller's transaction."""

from collections.abc import Sequence
from typing import Any

from hub.store.database import Connection, NotThere, Row
from hub.store.queries import load_queries

_SQL = load_queries("modules.patrol", "plans.sql")
MOST_LISTED = 500


async def newest(connection: Connection, community_id: int) -> Row | None:
    """The newest version, without its text: number, digest, source, author, at, note."""
    return await (await connection.execute(_SQL["newest"], {"community_id": community_id})).fetchone()


async def laid(connection: Connection, communities: Sequence[int]) -> list[Row]:
    """The versions that are over the files of these communities now, each with its text as `file`."""
    return await (await connection.execute(_SQL["laid"], {"communities": list(communities)})).fetchall()


async def versions(connection: Connection, community_id: int) -> list[Row]:
    """The newest 500, newest first, without texts."""
    values = {"community_id": community_id, "limit": MOST_LISTED}
    return await (await connection.execute(_SQL["versions"], values)).fetchall()


async def version(connection: Connection, community_id: int, number: int) -> Row:
    """One with its text as `file`. NotThere."""
    values = {"community_id": community_id, "number": number}
    row = await (await connection.execute(_SQL["version"], values)).fetchone()
    if row is None:
        raise NotThere(f"version {number} of the patrols")
    return row


async def add(connection: Connection, **values: Any) -> Row:
    """A new version of a text that is kept already."""
    row = await (await connection.execute(_SQL["add"], values)).fetchone()
    assert row is not None
    return row
