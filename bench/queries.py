"""The store's two questions of every page, at five million rows: last values of 10 000 points, and a day's trend.

`python -m bench.queries` prints one JSON object. Both go through the guarded functions as the pages' own role. Beside
them, in the same run, the bare query of the owner on the same tables.
"""

import asyncio
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psycopg

from hub.embedded.postgres import EmbeddedPostgres
from hub.store.database import Database
from hub.store.migrate import migrate

FILL = """
INSERT INTO hub.community (code, name, time_zone) VALUES ('bench', '{}', 'Asia/Shanghai');
INSERT INTO hub.device (community_id, code, kind, profile, place, bus, name)
  SELECT 1, 'd' || n, 'electricity_meter', 'p', 'x', 'b', '{}' FROM generate_series(1, 5075) n;
INSERT INTO hub.point (community_id, device_id, name, unit, type)
  SELECT 1, (n + 1) / 2, 'p' || n, 'kW.h', 'counter' FROM generate_series(1, 10150) n;
SELECT telemetry.ensure_day((now() - n * interval '1 day')::date) FROM generate_series(-1, 32) n;
INSERT INTO telemetry.sample (ts, value, point_id, community_id)
  SELECT date_trunc('hour', now()) - h * interval '2 hours' + p * interval '1 ms', 1000 - h * 0.1, p, 1
  FROM generate_series(1, 372) h, generate_series(1, 10000) p;
INSERT INTO telemetry.sample (ts, value, point_id, community_id)
  SELECT date_trunc('minute', now()) - m * interval '1 minute', 20 + sin(m), 10000 + p, 1
  FROM generate_series(1, 8640) m, generate_series(1, 150) p;
INSERT INTO telemetry.point_last (point_id, community_id, ts, value, quality)
  SELECT DISTINCT ON (point_id) point_id, 1, ts, value, 0 FROM telemetry.sample ORDER BY point_id, ts DESC;
"""


async def timed(work: Callable[[], Awaitable[int]], runs: int = 30) -> dict[str, Any]:
    rows, times = 0, []
    for _ in range(runs):
        begin = time.perf_counter()
        rows = await work()
        times.append((time.perf_counter() - begin) * 1000)
    return {"rows": rows, "median_ms": round(statistics.median(times), 1), "worst_ms": round(max(times), 1)}


async def ask(url: str) -> dict[str, Any]:
    database = Database(url)
    await database.open()
    devices = list(range(1, 5001))

    async def last_values() -> int:
        async with database.session([1]) as connection:
            cursor = await connection.execute("SELECT * FROM telemetry.last_values(%s)", [devices])
            return len(await cursor.fetchall())

    async def trend() -> int:
        async with database.session([1]) as connection:
            cursor = await connection.execute(
                "SELECT * FROM telemetry.samples(10001, now() - interval '1 day', now(), 100000)"
            )
            return len(await cursor.fetchall())

    owner = await psycopg.AsyncConnection.connect(url)

    async def bare_last() -> int:
        cursor = await owner.execute("SELECT point_id, ts, value, quality FROM telemetry.point_last LIMIT 10000")
        return len(await cursor.fetchall())

    async def bare_trend() -> int:
        cursor = await owner.execute(
            "SELECT ts, value, quality FROM telemetry.sample WHERE point_id = 10001 AND ts >= now() - interval '1 day'"
            " ORDER BY ts"
        )
        return len(await cursor.fetchall())

    try:
        return {
            "last_values_10000_points": await timed(last_values), "bare_last_values": await timed(bare_last),
            "trend_24h_of_one_point": await timed(trend), "bare_trend": await timed(bare_trend),
        }  # fmt: skip
    finally:
        await owner.close()
        await database.close()


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="hub-bench-"))
    folder.chmod(0o711)
    try:
        with EmbeddedPostgres(folder / "postgres", {"fsync": "off", "max_wal_size": "4GB"}) as postgres:
            migrate(postgres.url())
            with psycopg.connect(postgres.url(), autocommit=True) as connection:
                for statement in FILL.split(";\n"):
                    if statement.strip():
                        connection.execute(statement)  # type: ignore[arg-type]
                connection.execute("ANALYZE")
                row = connection.execute("SELECT count(*) FROM telemetry.sample").fetchone()
                assert row is not None
            result = {"rows": row[0], **asyncio.run(ask(postgres.url()))}
        print(json.dumps(result, indent=1))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
