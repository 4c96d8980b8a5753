"""One hub owns a database: it holds a session lock. Another that is started on it stands by until the owner is gone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import structlog

from hub.clock import Clock
from hub.store.database import deadline

OWNER = 0x48554202  # the lock of the one hub that writes, held by the pipeline's connection
_STARTING = 0x48554203  # the lock of the one hub that starts, or is the next to
_HOLDER = (
    "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = 0 AND objid = %s AND objsubid = 1"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_MAY_START = f"SELECT pg_try_advisory_lock(%s) AND NOT EXISTS ({_HOLDER})"
_EACH_S = 1.0
_LOOKS = 3  # an owner that only connects anew is back before nobody was found so often
_log = structlog.get_logger()


@asynccontextmanager
async def turn(conninfo: str, clock: Clock) -> AsyncIterator[bool]:
    """Inside it no other hub owns the database and none else starts. Gives whether that had to be waited for.

    psycopg.OperationalError when the store is away, also later, while standing by.
    """
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True, connect_timeout=5) as connection:
        needed, found = 1, 0
        while True:
            found = found + 1 if await _ask(connection, _MAY_START, [_STARTING, OWNER]) else 0
            if found == needed:
                break
            if needed == 1:
                _log.warning("another hub owns this database; standing by until it is gone")
                needed = _LOOKS
            await clock.sleep(_EACH_S)
        if needed > 1:
            _log.warning("the other hub is gone; taking over")
        yield needed > 1


async def own(connection: psycopg.AsyncConnection[Any], former: int | None) -> None:
    """One hub writes to a database: rules and commands of two would contradict each other.

    `former`: the server process of the connection this hub wrote by before, which may not have ended yet:
    psycopg.OperationalError, try again. SystemExit: another hub took over meanwhile.
    """
    if await _ask(connection, "SELECT pg_try_advisory_lock(%s)", [OWNER]):
        return
    holder = await _ask(connection, _HOLDER, [OWNER])
    await connection.close()
    if None not in (former, holder) and holder != former:
        _log.error("another hub took this database over while the connection was lost; this one ends")
        raise SystemExit(2)  # nothing it still does would count
    raise psycopg.OperationalError("another hub writes to this database, or its connection has not ended yet")


async def _ask(connection: psycopg.AsyncConnection[Any], query: str, values: list[int]) -> Any:
    with deadline(connection, 5.0):
        row = await (await connection.execute(query, values)).fetchone()
        await connection.commit()
    return row and row[0]
