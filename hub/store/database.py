"""Connections: one pool per use, so that a slow report never takes the pipeline's connection (Q01)."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from hub.errors import HubError

Row = dict[str, Any]
Connection = psycopg.AsyncConnection[DictRow]

# public first and alone: a schema called like the database user must not catch unqualified names.
_OPTIONS = "-c search_path=public -c timezone=UTC"


class Database:
    """The pool of people's requests: role `hub_app`, row-level security, a statement timeout."""

    def __init__(self, conninfo: str, *, size: int = 8, statement_timeout_s: float = 10.0) -> None:
        self.conninfo = conninfo
        self._timeout_ms = int(statement_timeout_s * 1000)
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            conninfo,
            kwargs={"row_factory": dict_row, "options": _OPTIONS, "autocommit": False},
            connection_class=psycopg.AsyncConnection[DictRow],
            configure=self._configure,
            min_size=1,
            max_size=size,
            timeout=2.0,
            check=AsyncConnectionPool.check_connection,
            open=False,
        )

    async def _configure(self, connection: Connection) -> None:
        await connection.execute("SET ROLE hub_app")
        await connection.execute(sql.SQL("SET statement_timeout = {}").format(sql.Literal(self._timeout_ms)))
        await connection.commit()

    async def open(self) -> None:
        await self._pool.open()

    async def close(self) -> None:
        await self._pool.close()

    @asynccontextmanager
    async def session(self, communities: Sequence[int]) -> AsyncIterator[Connection]:
        """One transaction that sees just these communities; commits at the end, rolls back on an exception.

        psycopg_pool.PoolTimeout when no connection is free within 2 s (a page answers 503).
        """
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute(
                "SELECT set_config('hub.communities', %s, true)", [",".join(str(int(c)) for c in communities)]
            )
            yield connection


async def connect_ingest(conninfo: str, communities: Collection[int]) -> psycopg.AsyncConnection[Any]:
    """The pipeline's own connection: role `hub_ingest`, the communities this process serves, a statement timeout.

    psycopg.OperationalError when the server is not there.
    """
    connection = await psycopg.AsyncConnection.connect(
        conninfo, options=_OPTIONS, connect_timeout=5, keepalives=1, keepalives_idle=5, keepalives_interval=2,
        keepalives_count=3, tcp_user_timeout=10_000,
    )  # fmt: skip
    await connection.execute("SET ROLE hub_ingest")
    await connection.execute("SET statement_timeout = '20s'")
    await connection.execute("SELECT set_config('hub.communities', %s, false)", [",".join(map(str, communities))])
    await connection.commit()
    return connection


class NotThere(HubError):
    """The object does not exist, or belongs to a community the asker may not see: the same answer for both."""
