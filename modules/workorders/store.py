"""The SQL of work orders. Every function runs inside the caller's transaction."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from psycopg.types.json import Jsonb

from hub.principal import Principal
from hub.store.database import Connection, NotThere, Row
from hub.store.queries import load_queries
from modules.workorders.model import due_at, order_number

_SQL = load_queries("modules.workorders")
_LINK = load_queries("hub.alarms")["link"]


async def lock_alarm(connection: Connection, community_id: int, alarm_id: int) -> Row:
    """The alarm, held until the transaction ends, so that two runs of one job follow each other. NotThere."""
    values = {"community_id": community_id, "alarm_id": alarm_id}
    row = await (await connection.execute(_SQL["lock_alarm"], values)).fetchone()
    if row is None:
        raise NotThere(f"alarm {alarm_id}")
    return row


async def of_alarm(connection: Connection, community_id: int, alarm_id: int) -> Row | None:
    """Id, state and raised_then of the newest order of an alarm, if there is one."""
    values = {"community_id": community_id, "alarm_id": alarm_id}
    return await (await connection.execute(_SQL["of_alarm"], values)).fetchone()


async def known(connection: Connection, community_id: int, number: str) -> bool:
    """Whether there is an order of this number."""
    values = {"community_id": community_id, "number": number}
    return await (await connection.execute(_SQL["known"], values)).fetchone() is not None


async def tally(connection: Connection, community_id: int, at: datetime, since: datetime) -> Row:
    """{pending, overdue, done, in_time}: those not over at `at`, and those done from `since` on."""
    values = {"community_id": community_id, "at": at, "since": since}
    row = await (await connection.execute(_SQL["tally"], values)).fetchone()
    assert row is not None
    return row


async def insert(connection: Connection, alarm: Row, actor: str, at: datetime) -> int:
    """Open an order of an alarm, which is locked, and link both ways; its id."""
    day = at.astimezone(ZoneInfo(alarm["time_zone"])).date()
    community_id = alarm["community_id"]
    counted = await (
        await connection.execute(_SQL["next_number"], {"community_id": community_id, "day": day})
    ).fetchone()
    assert counted is not None
    values: dict[str, Any] = {
        "community_id": community_id, "number": order_number(day, counted["last"]), "alarm_id": alarm["id"],
        "device_id": alarm["device_id"], "title": Jsonb(alarm["title"]), "priority": alarm["priority"], "at": at,
        "due_at": due_at(alarm["priority"], at),
    }  # fmt: skip
    row = await (await connection.execute(_SQL["insert"], values)).fetchone()
    assert row is not None
    await history(connection, community_id, row["id"], at, "open", None, "open", actor, "")
    await connection.execute(
        _LINK,
        {"community_id": community_id, "alarm_id": alarm["id"], "kind": "work_order", "reference": values["number"]},
    )
    return int(row["id"])


async def lock(connection: Connection, who: Principal, order_id: int) -> Row:
    """State, assignee and alarm of an order, held until the transaction ends. NotThere."""
    values = {"id": order_id, "community_id": who.community_id}
    row = await (await connection.execute(_SQL["lock"], values)).fetchone()
    if row is None:
        raise NotThere(f"work order {order_id}")
    return row


async def move(
    connection: Connection, order_id: int, state: str, at: datetime, assignee: str | None, note: str
) -> None:
    """Put an order into a state; `assignee` None and `note` "" leave what is there."""
    values = {"id": order_id, "state": state, "at": at, "assignee": assignee, "note": note}
    await connection.execute(_SQL["move"], values)


async def history(
    connection: Connection, community_id: int, order_id: int, at: datetime, action: str, from_state: str | None,
    state: str, actor: str, note: str,
) -> None:  # fmt: skip
    """Append what happened."""
    values = {
        "community_id": community_id, "id": order_id, "at": at, "action": action, "from_state": from_state,
        "state": state, "actor": actor, "note": note,
    }  # fmt: skip
    await connection.execute(_SQL["history"], values)


async def one(connection: Connection, community_id: int, order_id: int) -> Row:
    """An order with its device's code and place, how its alarm stands (`alarm_state`, `alarm_returned_at`), and its
    history. NotThere."""
    values = {"id": order_id, "community_id": community_id}
    row = await (await connection.execute(_SQL["one"], values)).fetchone()
    if row is None:
        raise NotThere(f"work order {order_id}")
    return {**row, "history": await (await connection.execute(_SQL["history_of"], values)).fetchall()}


async def page(
    connection: Connection, community_id: int, states: list[str] | None, before: int, limit: int
) -> list[Row]:
    """Orders newest first, with ids below `before`."""
    values = {"community_id": community_id, "states": states, "before": before, "limit": limit}
    return await (await connection.execute(_SQL["list"], values)).fetchall()
