"""An alarm flood through the real batch transaction: 10 000 transitions a second for a minute, and fire in between.

`python -m bench.alarm_flood [--seconds N] [--rate N] [--conditions N]` prints one JSON object. A generator makes
AlarmChanges as the rules would; each batch is what came due meanwhile, one transaction on an embedded PostgreSQL with
fsync. Half of the changes come from conditions that move up and down, half open alarms that were never seen before.
Every second a life-safety alarm is raised; its latency is from due to committed.
"""

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from bench.ingest import usage
from hub.alarms import book
from hub.alarms.desk import AlarmDesk
from hub.alarms.jobs import queue
from hub.alarms.upkeep import AlarmUpkeep
from hub.catalog.load import load_catalog
from hub.catalog.paths import packaged_config
from hub.clock import SystemClock
from hub.decisions import AlarmChange
from hub.embedded.postgres import EmbeddedPostgres
from hub.kpis.model import quantile
from hub.live import Live
from hub.model import Device
from hub.store.database import Database, connect_ingest
from hub.store.migrate import migrate
from hub.store.registry import register
from hub.vocabulary.base import Text

WORD = Text(zh="压力 612 千帕，限值 600", en="pressure 612 kPa, limit 600")
PROCEDURE = Text(
    zh="1. 到现场。\n2. 看压力表。\n3. 报工程部。", en="1. Go there.\n2. Read the gauge.\n3. Tell the engineers."
)
HANDLERS = {"alarm_annunciated": ["bench.told"], "storm_began": ["bench.told"], "work_order_wanted": ["bench.work"]}
MOST = 2000  # changes in a batch


def make_change(action: Any, rule: str, device: Device, at: int, life_safety: bool = False) -> AlarmChange:
    return AlarmChange(
        action, rule, device, "medium", WORD, at, WORD, bytes(16), life_safety=life_safety, procedure=PROCEDURE,
        limit=600.0, point="pressure",
    )  # fmt: skip


def endless(devices: list[Device], conditions: int) -> Iterator[tuple[str, str, Device]]:
    """Changes, each a transition: a condition that moves up and down and one never seen before, again and again."""
    fresh = count()
    while True:
        for number in range(conditions):
            never_seen = next(fresh)
            pair = [(f"{name}-{n // len(devices)}", devices[n % len(devices)])
                    for name, n in (("flap", number), ("new", never_seen))]  # fmt: skip
            yield from (("raise", *one) for one in pair)
            yield from (("return", *one) for one in pair)


class Flood:
    """The generator, the batch transaction and what was measured."""

    def __init__(self, connection: psycopg.AsyncConnection[Any], devices: dict[int, Device], conditions: int) -> None:
        self._connection = connection
        self._devices = devices
        self._clock = SystemClock()
        self._fires = [d for d in devices.values() if d.kind_name == "smoke_detector"]
        self._source = endless([d for d in devices.values() if d.kind_name != "smoke_detector"], conditions)
        self.sent = self.done = self.burned = 0
        self.batches: list[float] = []
        self.latencies: list[float] = []
        self.resident = 0.0

    async def run(self, seconds: float, rate: int) -> float:
        """Changes at `rate` until `seconds` of them are in the book; gives how long that took."""
        began = time.perf_counter()
        fire_due = began + 0.5
        while self.sent < seconds * rate:
            now = time.perf_counter()
            due = min(int(min(now - began, seconds) * rate) - self.sent, MOST)
            changes = [make_change(*next(self._source), self._clock.now_us()) for _ in range(due)]
            self.sent += len(changes)
            burning = []
            while fire_due <= now:
                device = self._fires[self.burned % len(self._fires)]
                changes.append(make_change("raise", f"smoke-{self.burned}", device, self._clock.now_us(), True))
                burning.append(fire_due)
                self.burned += 1
                fire_due += 1.0
            if changes:
                await self._settle(changes)
            self.latencies += [time.perf_counter() - at for at in burning]
            await asyncio.sleep(0 if due > 0 else 0.005)
        return time.perf_counter() - began

    async def _settle(self, changes: list[AlarmChange]) -> None:
        start = time.perf_counter()
        async with self._connection.transaction():
            outcome = await book.apply(self._connection, changes, self._clock.now(), self._devices)
            await queue(self._connection, outcome.happened, HANDLERS)
        self.done += len(outcome.transitions)
        self.batches.append(time.perf_counter() - start)
        self.resident = max(self.resident, usage_self()[1])


async def run(url: str, seconds: float, rate: int, conditions: int) -> dict[str, object]:
    clock = SystemClock()
    registry, devices = await register(url, load_catalog([packaged_config()], {}), clock.now())
    database = Database(url)
    await database.open()
    desk = AlarmDesk(database, clock, Live(), HANDLERS, devices)
    ticking = asyncio.create_task(AlarmUpkeep(url, clock, desk, HANDLERS, devices, registry.communities).run())
    connection = await connect_ingest(url, [registry.communities["demo"]])
    flood = Flood(connection, devices, conditions)
    cpu, resident = usage_self()
    took = await flood.run(seconds, rate)
    spent, backend = usage_self()[0] - cpu, usage(connection.info.backend_pid)[0]
    await connection.close()
    ticking.cancel()
    await asyncio.gather(ticking, return_exceptions=True)
    await database.close()
    figures = stored(url)
    return {
        "rules_judging_each_message": 0,  # decisions go straight into the book
        "transitions": flood.done, "transitions_per_s": round(flood.done / took), "seconds": round(took, 1),
        "counted_in_history": figures["history"], "missing": flood.done - figures["history"],
        "alarms": figures["alarms"], "raises": figures["raises"], "counted_in_storm": figures["storm"],
        "annunciations_besides_life_safety": figures["calls"], "life_safety_alarms": flood.burned,
        "life_safety_annunciated": figures["fires"],
        "life_safety_p99_ms": round((quantile(flood.latencies, 0.99) or 0.0) * 1000),
        "life_safety_max_ms": round(max(flood.latencies) * 1000),
        "batch_p50_ms": round(statistics.median(flood.batches) * 1000),
        "batch_p99_ms": round((quantile(flood.batches, 0.99) or 0.0) * 1000),
        "rss_growth_mb": round(flood.resident - resident, 1), "cpu_of_one_core_percent": round(spent / took * 100),
        "postgres_backend_cpu_percent": round(backend / took * 100), "load_after": os.getloadavg()[0],
    }  # fmt: skip


def usage_self() -> tuple[float, float]:
    return usage(os.getpid())


def stored(url: str) -> dict[str, int]:
    queries = {
        "history": "SELECT count(*) FROM hub.alarm_history WHERE action IN ('raise', 'return')",
        "alarms": "SELECT count(*) FROM hub.alarm",
        "raises": "SELECT sum(count)::bigint FROM hub.alarm",
        "storm": "SELECT coalesce(sum(counted), 0)::bigint FROM hub.alarm_storm",
        "calls": "SELECT count(*) FROM hub.annunciation WHERE NOT life_safety",
        "fires": "SELECT count(*) FROM hub.annunciation WHERE life_safety",
    }
    text = ", ".join(f"({query}) AS {name}" for name, query in queries.items())
    with psycopg.connect(url, row_factory=dict_row) as connection:
        [row] = connection.execute(f"SELECT {text}").fetchall()
    return row


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=int, default=10_000)
    parser.add_argument("--conditions", type=int, default=2000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hub-flood-") as folder:
        Path(folder).chmod(0o711)
        with EmbeddedPostgres(Path(folder) / "postgres", {}) as server:
            migrate(server.url())
            result = asyncio.run(run(server.url(), options.seconds, options.rate, options.conditions))
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
