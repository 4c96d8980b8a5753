"""A rulebook over a real database: two communities, two pumps and a door with history, a rule file, some texts."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import psycopg
from psycopg.types.json import Jsonb

from hub.catalog.load import load_catalog
from hub.catalog.paths import packaged_config
from hub.clock import FakeClock
from hub.live import Live
from hub.model import Device, Point
from hub.principal import Principal
from hub.rulebook.backtests import Backtest
from hub.rulebook.service import Rulebook
from hub.store.database import Database
from rules.examples import example_device
from rules.plugin import RulesPlugin
from tests.integration.module_hub import add_community, add_device, add_point, add_samples

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
KINDS = load_catalog([packaged_config()], {}).kinds
FILE = """rule: pump-high
title: {zh: 水泵超压, en: Pump over pressure}
when: {kinds: [pump]}
threshold: {point: pressure, above: 600, for: 30s, clear: {below: 560}}
priority: high
text: {zh: $device 压力 $value, en: $device has $value}
examples:
  - {name: over the limit, steps: [{at: 0s, point: {pressure: 650}}, {at: 40s, expect: [raised]}]}
  - {name: below it, steps: [{at: 0s, point: {pressure: 500}}]}
"""
LOWER = FILE.replace("above: 600", "above: 580")
FORCED = """rule: forced
title: {zh: 强开, en: Forced}
when: {kinds: [door]}
event: {name: door_forced}
priority: high
text: {zh: $device, en: $device}
examples:
  - {name: forced, steps: [{at: 0s, event: door_forced, expect: [raised, returned]}]}
  - {name: quiet, steps: [{at: 0s}]}
"""
SILENT = """rule: silent
title: {zh: 无数据, en: Silent}
when: {kinds: [pump]}
absence: {after: 20m}
priority: low
text: {zh: $device, en: $device}
examples:
  - {name: silent, steps: [{at: 0s, heard: true}, {at: 21m, expect: [raised]}]}
  - {name: talking, steps: [{at: 0s, heard: true}]}
"""
MONTH_OF_FRAMES = """
INSERT INTO telemetry.frame (ts, received, key, device_id, community_id, source, raw)
SELECT ts, ts, gen_random_uuid(), %(id)s, %(home)s, '', ''
FROM generate_series(%(until)s - interval '31 days', %(until)s, '30 minutes') ts
WHERE extract(epoch FROM ts)::int / 1800 %% 41 > 4
"""
MONTH_OF_SAMPLES = """
INSERT INTO telemetry.sample (ts, value, point_id, community_id)
SELECT ts, CASE WHEN n %% 97 < 12 THEN 540 ELSE 500 + (n * 37 + %(point)s) %% 130 END, %(point)s, %(home)s
FROM telemetry.frame, LATERAL (SELECT extract(epoch FROM ts)::int / 1800 AS n) AS half
WHERE device_id = %(id)s AND alive
"""


class Ground:
    """Two communities; in the first two pumps and a door with a day of history, and rule files."""

    def __init__(self, url: str, folder: Any) -> None:
        self.url = url
        (folder / "rules").mkdir()
        self.file = folder / "rules" / "pumps.yaml"
        self.file.write_text(FILE, "utf-8")
        self.roots = [folder]
        with psycopg.connect(url) as link:
            self.here, self.there = add_community(link, "demo"), add_community(link, "other")
            self.communities = {"demo": self.here}
            self.devices: dict[int, Device] = {}
            for code, kind in (("pump-1", "pump"), ("pump-2", "pump"), ("door-1", "door")):
                self._add(link, self.here, code, kind)
            self.pumps = list(self.devices.values())[:2]
            self.door = list(self.devices.values())[2]
            self._breathe(link)
        self.engineer = Principal("user:zhang", self.here, "engineer")
        self.guard = Principal("user:li", self.here, "guard")
        self.stranger = Principal("user:wang", self.there, "admin")

    def _add(self, link: psycopg.Connection[Any], home: int, code: str, kind: str) -> Device:
        number = add_device(link, home, code, kind)
        points = {"pressure": add_point(link, home, number, "pressure", "kPa")} if kind == "pump" else {}
        made = example_device(kind, KINDS[kind], number)
        own = {name: Point(point, name, KINDS[kind].points[name]) for name, point in points.items()}
        self.devices[number] = msgspec.structs.replace(
            made, code=code, community_id=home, points=own, spec=made.spec.model_copy(update={"id": code})
        )
        return self.devices[number]

    def serve_both(self) -> Device:
        """The hub serves the second community, too, where a pump stands; gives it."""
        self.communities["other"] = self.there
        with psycopg.connect(self.url) as link:
            return self._add(link, self.there, "pump-1", "pump")

    def _breathe(self, link: psycopg.Connection[Any]) -> None:
        """Everybody was there an hour ago, with nothing of note: a trial has seen history."""
        at = NOW - HOUR
        link.execute("SELECT telemetry.ensure_day(%s)", [at.date()])
        link.execute(
            "INSERT INTO telemetry.frame (ts, received, key, device_id, community_id, source, raw, alive)"
            " VALUES (%s, %s, %s, %s, %s, '', '', false)",
            [at, at, uuid4(), self.door.id, self.here],
        )
        for pump in self.pumps:
            link.execute(
                "INSERT INTO telemetry.sample_1h (bucket, point_id, community_id, n, vsum, vmin, vmax, vfirst, vlast)"
                " VALUES (%s, %s, %s, 1, 500, 500, 500, 500, 500)",
                [at, pump.points["pressure"].id, self.here],
            )

    def frame(self, device: Device, at: datetime, *, alive: bool) -> None:
        with psycopg.connect(self.url) as link:
            link.execute("SELECT telemetry.ensure_day(%s)", [at.date()])
            link.execute(
                "INSERT INTO telemetry.frame (ts, received, key, device_id, community_id, source, raw, alive)"
                " VALUES (%s, %s, %s, %s, %s, '', '', %s)",
                [at, at, uuid4(), device.id, self.here, alive],
            )

    def say(self, pump: Device, *readings: tuple[datetime, float]) -> None:
        with psycopg.connect(self.url) as link:
            add_samples(link, pump.community_id, pump.id, pump.points["pressure"].id, readings)
            for hour in {ts.replace(minute=0, second=0) for ts, _ in readings}:  # as the pipeline marks them
                link.execute(
                    "INSERT INTO telemetry.rollup_dirty (community_id, bucket) VALUES (%s, %s)",
                    [pump.community_id, hour],
                )

    def event(self, name: str, at: datetime) -> None:
        with psycopg.connect(self.url) as link:
            link.execute("SELECT telemetry.ensure_day(%s)", [at.date()])
            link.execute(
                "INSERT INTO telemetry.event (ts, received, id, frame_key, device_id, community_id, name, data)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
                [at, at, uuid4(), uuid4(), self.door.id, self.here, name, Jsonb({})],
            )

    def fill_month(self) -> None:
        """31 days of both pumps, a reading each half hour but for the odd hour; rolled up."""
        for pump in self.pumps:
            numbers = {"id": pump.id, "point": pump.points["pressure"].id, "home": self.here, "until": NOW}
            with psycopg.connect(self.url) as link:
                link.execute(
                    "SELECT telemetry.ensure_day(%(until)s::date - n) FROM generate_series(0, 32) AS n", numbers
                )
                link.execute(MONTH_OF_FRAMES, numbers)
                link.execute(MONTH_OF_SAMPLES, numbers)
        self.roll_up()

    def roll_up(self) -> None:
        """Every hour, as upkeep does."""
        with psycopg.connect(self.url) as link:
            link.execute(
                "INSERT INTO telemetry.sample_1h (bucket, point_id, community_id, n, vsum, vmin, vmax, vfirst, vlast)"
                " SELECT date_bin('1 hour', ts, 'epoch'), point_id, community_id, count(*), sum(value), min(value),"
                " max(value), 0, 0 FROM telemetry.sample WHERE quality & 9 = 0 GROUP BY 1, 2, 3"
                " ON CONFLICT (point_id, bucket) DO UPDATE SET vmin = excluded.vmin, vmax = excluded.vmax"
            )
            link.execute("DELETE FROM telemetry.rollup_dirty")

    def execute(self, query: str) -> None:
        with psycopg.connect(self.url) as link:
            link.execute(query.encode())

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as link:
            return link.execute(query, values).fetchall()  # type: ignore[call-overload]


async def make_book(ground: Ground) -> AsyncIterator[Rulebook]:
    database = Database(ground.url)
    await database.open()
    made = Rulebook(
        database, FakeClock(NOW), Live(), RulesPlugin(), roots=ground.roots, kinds=KINDS, devices=ground.devices
    )  # fmt: skip
    await made.read_files(KINDS, ground.communities)
    try:
        yield made
    finally:
        await made.close()
        await database.close()


async def ended(book: Rulebook, who: Principal, text: str, days: int = 2) -> Backtest:
    one = await book.start_backtest(who, text, days)
    assert one.task is not None
    await asyncio.gather(one.task, return_exceptions=True)
    return one


async def tried(book: Rulebook, who: Principal, text: str, days: int = 2) -> Backtest:
    one = await ended(book, who, text, days)
    assert one.state == "done", one.error
    return one


async def in_force(ground: Ground, book: Rulebook, home: int | None = None) -> dict[str, tuple[float | None, bool]]:
    """rule -> (limit, enabled), as the evaluator would get them for a community; default: the first."""
    files = RulesPlugin().rules(ground.roots, KINDS)
    rules = (await book.compose(files, ground.communities)).get(home or ground.here, files)
    return {rule.rule: (rule.threshold.above if rule.threshold else None, rule.enabled) for rule in rules}
