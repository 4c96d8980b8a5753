"""Connections: one pool per use, so that a slow report never takes the pipeline's connection (Q01)."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
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
_CHECK_S = 1.0
_MOMENT_S = 0.2


@contextmanager
def deadline(connection: psycopg.AsyncConnection[Any], seconds: float) -> Iterator[None]:
    """Cut the line of a connection that is in use for longer: who waits on it gets psycopg.OperationalError.

    The server's own timeouts say nothing when the server, or what stands between, is frozen (R09, N01). Cancelling a
    statement would ask that same server and wait ten seconds for its word.
    """
    cut = _Cut(connection, seconds)
    try:
        yield
    finally:
        cut.cancel()


class _Cut:
    """Cuts the line a moment after the deadline, so that an answer that came meanwhile is read first; never because our
    own event loop was held up."""

    def __init__(self, connection: psycopg.AsyncConnection[Any], seconds: float) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._handle = self._loop.call_later(seconds, self._wait_a_moment)

    def cancel(self) -> None:
        self._handle.cancel()

    def _wait_a_moment(self) -> None:
        due = self._loop.time() + _MOMENT_S
        self._handle = self._loop.call_at(due, self._end, due)

    def _end(self, due: float) -> None:
        if self._loop.time() - due > _MOMENT_S:  # held up: what came in meanwhile has not been looked at
            self._wait_a_moment()
        else:
            _cut(self._connection)


def _cut(connection: psycopg.AsyncConnection[Any]) -> None:
    if not connection.closed:
        with socket.socket(fileno=os.dup(connection.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)


async def _check(connection: Connection) -> None:
    with deadline(connection, _CHECK_S):
        await AsyncConnectionPool.check_connection(connection)


class Database:
    """The pool of people's requests: role `hub_app`, row-level security, a statement timeout."""

    def __init__(self, conninfo: str, *, size: int = 8, statement_timeout_s: float = 10.0) -> None:
        self.conninfo = conninfo
        self._timeout_ms = int(statement_timeout_s * 1000)
        self._longest_s = statement_timeout_s + 2.0
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            conninfo,
            kwargs={"row_factory": dict_row, "options": _OPTIONS, "autocommit": False, "connect_timeout": 3},
            connection_class=psycopg.AsyncConnection[DictRow],
            configure=self._configure,
            min_size=1,
            max_size=size,
            timeout=2.0,
            reconnect_timeout=4.0,  # then the next request tries anew: its waits would double to minutes
            check=_check,
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

        psycopg_pool.PoolTimeout when no connection is free within 2 s, psycopg.OperationalError when the transaction
        takes longer than a statement may and two seconds more (a page answers 503 to both).
        """
        async with self._pool.connection() as connection:
            with deadline(connection, self._longest_s):
                async with connection.transaction():
                    await connection.execute(
                        "SELECT set_config('hub.communities', %s, true)", [",".join(str(int(c)) for c in communities)]
                    )
                    yield connection


# A backend whose client vanished must not hold locks for hours: the server looks after ten seconds.
_INGEST_OPTIONS = (
    f"{_OPTIONS} -c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"
    " -c idle_in_transaction_session_timeout=60000"
)


async def connect_ingest(conninfo: str, communities: Collection[int]) -> psycopg.AsyncConnection[Any]:
    """The pipeline's own connection: role `hub_ingest`, the communities this process serves, a statement timeout.

    psycopg.OperationalError when the server is not there.
    """
    connection = await psycopg.AsyncConnection.connect(
        conninfo, options=_INGEST_OPTIONS, connect_timeout=5, keepalives=1, keepalives_idle=5, keepalives_interval=2,
        keepalives_count=3, tcp_user_timeout=10_000,
    )  # fmt: skip
    with deadline(connection, 5.0):
        await connection.execute("SET ROLE hub_ingest")
        await connection.execute("SET statement_timeout = '20s'")
        await connection.execute("SELECT set_config('hub.communities', %s, false)", [",".join(map(str, communities))])
        await connection.commit()
    return connection


class NotThere(HubError):
    """The object does not exist, or belongs to a community the asker may not see: the same answer for both."""
