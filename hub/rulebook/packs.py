"""Rule packs that changed without a new version, by the texts the store has seen of them."""

from collections.abc import Iterable

from hub.rulebook.model import RuleText
from hub.store.database import Connection
from hub.store.queries import load_queries

_SQL = load_queries("hub.rulebook")


async def changed_packs(connection: Connection, community_id: int, files: Iterable[RuleText]) -> set[str]:
    """Of the packs these files are, "doors 1.2.0", those under whose very version a rule had several texts there."""
    values = {"community_id": community_id, "packs": sorted({one.pack for one in files} - {""})}
    rows = await (await connection.execute(_SQL["changed_packs"], values)).fetchall()
    return {row["note"] for row in rows}
