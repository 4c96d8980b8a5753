"""The SQL of fire equipment: named queries of `queries.sql`. All inside the caller's transaction."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from psycopg.types.json import Jsonb

from hub.store.database import Connection, NotThere, Row
from hub.store.queries import load_queries
from modules.safety.model import Dues, Piece, Standing, conditions, dues

_SQL = load_queries("modules.safety")
_PIECE = tuple(Piece.__dataclass_fields__)
_STANDING = tuple(Standing.__dataclass_fields__)


async def rows(connection: Connection, query: str, community_id: int, /, **values: Any) -> list[Row]:
    """What a named query gives."""
    packed = {name: Jsonb(value) if isinstance(value, dict) else value for name, value in values.items()}
    return await (await connection.execute(_SQL[query], {**packed, "community_id": community_id})).fetchall()


async def one(connection: Connection, query: str, community_id: int, what: str, /, **values: Any) -> Row:
    """Its first row. NotThere(`what`)."""
    found = await rows(connection, query, community_id, **values)
    if not found:
        raise NotThere(what)
    return found[0]


async def do(connection: Connection, query: str, community_id: int, /, **values: Any) -> None:
    """Run it."""
    packed = {name: Jsonb(value) if isinstance(value, dict) else value for name, value in values.items()}
    await connection.execute(_SQL[query], {**packed, "community_id": community_id})


async def zone(connection: Connection, community_id: int) -> ZoneInfo:
    """The community's time zone. NotThere."""
    return ZoneInfo((await one(connection, "zone", community_id, f"community {community_id}"))["time_zone"])


async def put(connection: Connection, community_id: int, pieces: Sequence[tuple[Piece, date]]) -> None:
    """Write pieces as they are described, new or over those of their numbers, with the day they were registered."""
    values = [
        {**piece.__dict__, "registered": day, **_dues(dues(piece, day)), "community_id": community_id}
        for piece, day in pieces
    ]
    async with connection.cursor() as cursor:
        await cursor.executemany(_SQL["put"], values)


async def stand(connection: Connection, row: Row, standing: Standing, actor: str) -> None:
    """Write how a piece stands after a record, and when it is due then."""
    values = {**standing.__dict__, "id": row["id"], "actor": actor}
    after = Piece(**{**piece_of(row).__dict__, "inspected": standing.inspected, "serviced": standing.serviced})
    await do(connection, "stand", row["community_id"], **values, **_dues(dues(after, row["registered"])))


def _dues(due: Dues) -> dict[str, date | None]:
    return {"inspect_due": due.inspect, "remind_on": due.remind, "service_due": due.service, "life_ends": due.life}


def piece_of(row: Row) -> Piece:
    return Piece(**{name: row[name] for name in _PIECE})


def standing_of(row: Row) -> Standing:
    return Standing(**{name: row[name] for name in _STANDING})


def states_of(row: Row, today: date) -> Sequence[str]:
    """The conditions of a piece, the worst first; `retired` or `normal` where there is none."""
    if row["retired_at"] is not None:
        return ("retired",)
    due = Dues(row["inspect_due"], row["remind_on"], row["service_due"], row["life_ends"])
    return conditions(due, faulty=row["faulty_since"] is not None, today=today) or ("normal",)


async def add_record(connection: Connection, row: Row, at: datetime, **values: Any) -> int | None:
    """Keep a record of a piece; its id, None where its origin told it before."""
    found = await rows(connection, "add_record", row["community_id"], id=row["id"], at=at, **values)
    return int(found[0]["id"]) if found else None
