"""A back-test of one rule over 30 days × 1 000 points at five minutes: 8.6 million stored readings.

`python -m bench.backtest` prints one JSON object. Embedded PostgreSQL, native partitions, roll-ups as upkeep makes
them; through the guarded functions as the people's role. A rule is fed only what can matter to it: the row counts say
what was read. A pump in fifty stands still for five hours now and then, one in a hundred all month. Rules that want
every reading (ADR 0016) are tried on one day, and `month_s` says what that makes for the month.
"""

import asyncio
import json
import resource
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from hub.catalog.load import load_catalog
from hub.catalog.paths import packaged_config
from hub.clock import SystemClock, to_us
from hub.embedded.postgres import EmbeddedPostgres
from hub.live import Live
from hub.model import Device, Point
from hub.rulebook.backtests import Backtest, Backtests, result_hash
from hub.store.database import Database
from hub.store.migrate import migrate
from rules.examples import example_device
from rules.plugin import RulesPlugin

DAYS, POINTS, EVERY_MIN = 30, 1000, 5
UNTIL = datetime(2026, 11, 21, tzinfo=UTC)
SINCE = UNTIL - timedelta(days=DAYS)

FILL = """
INSERT INTO hub.community (code, name, time_zone) VALUES ('bench', '{}', 'Asia/Shanghai');
SELECT telemetry.ensure_day((timestamptz '2026-11-22' - n * interval '1 day')::date) FROM generate_series(0, 32) n;
INSERT INTO telemetry.sample (ts, value, point_id, community_id)
  SELECT t + p * interval '7 ms', CASE
      WHEN p % 100 = 7 OR p % 50 = 9 AND extract(epoch FROM t)::bigint / 18000 % 29 = p % 29 THEN 470
      ELSE 450 + 60 * sin(p + extract(epoch FROM t) / 9000)
        + CASE WHEN p % 50 = 0 AND extract(epoch FROM t)::bigint / 1800 % 211 = p % 211 THEN 180 ELSE 0 END END, p, 1
  FROM generate_series(timestamptz '2026-10-22', timestamptz '2026-11-20 23:59', interval '5 minutes') t,
    generate_series(1, 1000) p;
INSERT INTO telemetry.sample_1h (bucket, point_id, community_id, n, vsum, vmin, vmax, vfirst, vlast)
  SELECT date_bin('1 hour', ts, 'epoch'), point_id, 1, count(*), sum(value), min(value), max(value), 0, 0
  FROM telemetry.sample GROUP BY 1, 2;
INSERT INTO telemetry.sample_1d (bucket, point_id, community_id, n, vsum, vmin, vmax, vfirst, vlast)
  SELECT date_bin('1 day', bucket, timestamptz '2026-01-01 00:00+08'), point_id, 1, sum(n), sum(vsum),
    min(vmin), max(vmax), 0, 0 FROM telemetry.sample_1h GROUP BY 1, 2;
ANALYZE;
"""

HEAD = """rule: bench
title: {zh: 测, en: Bench}
when: {kinds: [pump]}
priority: high
text: {zh: $device $value, en: $device $value}
examples:
  - {name: it is raised, steps: [{at: 0s, point: {pressure: 650}, expect: [raised]}]}
  - {name: it is not, steps: [{at: 0s, point: {pressure: 450}}]}
"""
RULES = {
    "threshold": HEAD + "threshold: {point: pressure, above: 600, for: 10m, clear: {below: 560}}\n",
    "window": HEAD + "window: {point: pressure, aggregate: avg, size: 1h, above: 540}\n",
    "change": HEAD + "change: {point: pressure, by: 60}\n",
    "change_within": HEAD + "change: {point: pressure, by: 90, within: 30m}\n",
    "rate": HEAD + "change: {point: pressure, rate: {above: 900}}\n",
    "stuck": HEAD + "stuck: {point: pressure, for: 2h}\n",
    "stuck_briefly": HEAD + "stuck: {point: pressure, for: 30m, deadband: 0.05}\n",
    "expression": HEAD + "expression: {when: pressure > 620 && pressure < 630}\n",
    "expression_value": HEAD + "expression: {value: pressure / 10 - 3, above: 57, clear: {below: 52}, for: 10m}\n",
    "spread": HEAD + "window: {point: pressure, aggregate: spread, size: 1h, every: 10m, above: 90}\n",
}
EVERY_READING = {
    "several": HEAD + "any_of: [{stuck: {point: pressure, for: 2h}}, {threshold: {point: pressure, above: 600}}]\n",
    "others": HEAD + "expression: {when: pressure > max(peers.pressure) + 150,"
    " others: {peers: {at: same_place, kinds: [pump]}}}\n",
}


def devices() -> dict[int, Device]:
    """A thousand pumps, two to a place, with their pressure points numbered 1 to 1 000."""
    kind = load_catalog([packaged_config()], {}).kinds["pump"]
    found = {}
    for number in range(1, POINTS + 1):
        device = example_device("pump", kind, number, place=f"plant/{number // 2}")
        points = {"pressure": Point(number, "pressure", kind.points["pressure"])}
        found[number] = msgspec.structs.replace(device, points=points)
    return found


async def run(url: str) -> dict[str, Any]:
    database = Database(url)
    await database.open()
    clock, mine, kinds = SystemClock(), devices(), load_catalog([packaged_config()], {}).kinds
    backtests = Backtests(database, clock, Live(), mine)
    figures: dict[str, Any] = {}
    for name, text in RULES.items():
        hashes, seconds, own = set(), [], []
        for _ in range(3 if name == "threshold" else 1):
            one = Backtest(1, 1, "bench", "", DAYS)
            began, used = time.perf_counter(), time.process_time()
            trial = RulesPlugin().trial(text, kinds, mine, to_us(SINCE))
            raised, history = await backtests.play(one, trial, SINCE)
            seconds.append(round(time.perf_counter() - began, 2))
            own.append(round(time.process_time() - used, 2))
            hashes.add(result_hash(raised))
        figures[name] = {
            "rules_judging_each_message": 1,
            "seconds": seconds,
            "of_them_python_cpu": own,
            "rows_read": history.rows,
            "alarms": len(raised),
            "hashes": len(hashes),
        }
    for name, text in EVERY_READING.items():
        one, since = Backtest(1, 1, "bench", "", 1), UNTIL - timedelta(days=1)
        began = time.perf_counter()
        raised, history = await backtests.play(one, RulesPlugin().trial(text, kinds, mine, to_us(since)), since)
        took = time.perf_counter() - began
        figures[name] = {
            "days": 1,
            "seconds": round(took, 2),
            "rows_read": history.rows,
            "rows_per_s": round(history.rows / took),
            "month_s": round(took * DAYS),
            "alarms": len(raised),
        }
    await database.close()
    return figures


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="hub-bench-") as folder:
        Path(folder).chmod(0o711)
        with EmbeddedPostgres(Path(folder) / "postgres", {"fsync": "off"}) as server:
            migrate(server.url())
            with psycopg.connect(server.url(), autocommit=True) as link:
                for statement in FILL.split(";"):
                    if statement.strip():
                        link.execute(statement.encode())
                row = link.execute("SELECT count(*) FROM telemetry.sample").fetchone()
            figures = asyncio.run(run(server.url()))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"stored_rows": row[0] if row else 0, "points": POINTS, "days": DAYS, "every_min": EVERY_MIN,
                      **figures, "memory_mib": memory}, indent=1))  # fmt: skip


if __name__ == "__main__":
    main()
