"""The SQL of billing. Every function runs inside the caller's transaction. Values leave PostgreSQL as decimals."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from hub.store.database import Connection, NotThere, Row
from hub.store.queries import load_queries
from modules.billing.model import METER_KINDS, Line, Meter, Reading, Tariff

_SQL = load_queries("modules.billing")

Outcome = Literal["drafted", "held", "existing", "overlapping"]


async def community(connection: Connection, community_id: int) -> tuple[str, str]:
    """Code and time zone. NotThere."""
    row = await (await connection.execute(_SQL["community"], {"community_id": community_id})).fetchone()
    if row is None:
        raise NotThere(f"community {community_id}")
    return row["code"], row["time_zone"]


async def meters(connection: Connection, community_id: int, kinds: Sequence[str], start: datetime) -> list[Meter]:
    """The meters of these commodities that were not yet removed at `start`, by device number."""
    billed = {kind: meter for kind, meter in METER_KINDS.items() if meter.commodity in kinds}
    values = {
        "community_id": community_id, "start": start, "kinds": list(billed),
        "points": [meter.point for meter in billed.values()],
    }  # fmt: skip
    rows = await (await connection.execute(_SQL["meters"], values)).fetchall()
    return [
        Meter(row["device_id"], row["point_id"], billed[row["kind"]].commodity, row["unit"],
              billed[row["kind"]].near, row["multiplier"], row["rollover"])
        for row in rows
    ]  # fmt: skip


async def readings_at(connection: Connection, points: Sequence[int], moment: datetime) -> dict[int, Reading]:
    """Point -> its newest usable reading at or before the moment; without those that have none."""
    values = {"points": list(points), "moment": moment}
    rows = await (await connection.execute(_SQL["readings"], values)).fetchall()
    return {row["point_id"]: Reading(row["ts"], row["value"], row["quality"]) for row in rows}


async def falls(connection: Connection, starts: dict[int, Reading], start: datetime, end: datetime) -> dict[int, int]:
    """Point -> how often the hourly roll-ups show it stepping back in [start, end); without those that never did."""
    values = {
        "points": list(starts), "starts": [reading.value for reading in starts.values()], "start": start, "end": end
    }  # fmt: skip
    rows = await (await connection.execute(_SQL["falls"], values)).fetchall()
    return {row["point_id"]: row["falls"] for row in rows}


async def put_tariffs(connection: Connection, community_id: int, tariffs: Sequence[Tariff]) -> list[Tariff]:
    """Store those that are not there yet; gives them."""
    new = []
    for tariff in tariffs:
        values = {
            "community_id": community_id, "kind": tariff.kind, "version": tariff.version,
            "valid_from": tariff.valid_from, "unit": tariff.unit, "price": tariff.price,
        }  # fmt: skip
        if await (await connection.execute(_SQL["insert_tariff"], values)).fetchone():
            new.append(tariff)
    return new


async def tariffs_of(connection: Connection, community_id: int) -> list[Tariff]:
    """Every version, by kind and day."""
    rows = await (await connection.execute(_SQL["tariffs"], {"community_id": community_id})).fetchall()
    return [Tariff(**row) for row in rows]


async def put_line(connection: Connection, community_id: int, line: Line, at: datetime, actor: str) -> Outcome:
    """Write a line unless it is there (`existing`) or another line bills one of its days (`overlapping`)."""
    values = _values(community_id, line) | {"at": at, "actor": actor}
    if await (await connection.execute(_SQL["insert_line"], values)).fetchone():
        return line.state
    same = await (await connection.execute(_SQL["same_line"], values)).fetchone()
    return "existing" if same else "overlapping"


def _values(community_id: int, line: Line) -> dict[str, Any]:
    meter, tariff = line.meter, line.span.tariff
    price: Decimal | None = tariff.price if tariff else None
    period: tuple[date, date] = (line.span.start, line.span.end)
    return {
        "community_id": community_id, "device_id": meter.device_id, "point_id": meter.point_id, "kind": meter.kind,
        "period_start": period[0], "period_end": period[1], "state": line.state, "reason": line.reason,
        "detail": line.detail, "quantity": line.quantity, "unit": meter.unit, "unit_price": price,
        "tariff_version": tariff.version if tariff else None, "amount_fen": line.amount_fen,
        "start_ts": line.start.ts if line.start else None, "start_value": line.start.value if line.start else None,
        "end_ts": line.end.ts if line.end else None, "end_value": line.end.value if line.end else None,
        "multiplier": meter.multiplier, "rollover": meter.rollover, "rollovers": line.rollovers,
    }  # fmt: skip


async def one(connection: Connection, community_id: int, line_id: int) -> Row:
    """A line with its device's code and place. NotThere."""
    values = {"id": line_id, "community_id": community_id}
    row = await (await connection.execute(_SQL["one"], values)).fetchone()
    if row is None:
        raise NotThere(f"bill line {line_id}")
    return row


async def page(connection: Connection, community_id: int, state: str | None, before: int, limit: int) -> list[Row]:
    """Lines newest first, with ids below `before`."""
    values = {"community_id": community_id, "state": state, "before": before, "limit": limit}
    return await (await connection.execute(_SQL["list"], values)).fetchall()


async def frames(connection: Connection, device_id: int, ts: datetime) -> list[Row]:
    """The raw messages of a device that carry this instant, at most 20."""
    return await (await connection.execute(_SQL["frames"], {"device_id": device_id, "ts": ts})).fetchall()


async def newest_period(connection: Connection, community_id: int) -> Row | None:
    """{period_start, period_end (without it), lines, held, fen} of the newest period with lines."""
    return await (await connection.execute(_SQL["newest_period"], {"community_id": community_id})).fetchone()
