"""Jobs queued in the transaction that causes them: they run if and only if it commits."""

from collections.abc import Iterable
from typing import Any

import msgspec
import psycopg
from psycopg.types.json import Jsonb

_DEFER = """
SELECT public.procrastinate_defer_jobs_v1(ARRAY(
  SELECT ROW('hub', j->>'task', 0, j->>'lock', NULL, j->'arguments', NULL)::public.procrastinate_job_to_defer_v1
  FROM jsonb_array_elements(%s) AS j))
"""


class Job(msgspec.Struct, frozen=True):
    """One run of a task. Jobs of one `lock` follow each other; `arguments` are JSON values."""

    task: str
    lock: str
    arguments: dict[str, Any]


async def defer(connection: psycopg.AsyncConnection[Any], jobs: Iterable[Job]) -> None:
    """Queue them, in order, in one statement."""
    rows = [msgspec.to_builtins(job) for job in jobs]
    if rows:
        await connection.execute(_DEFER, [Jsonb(rows)])
