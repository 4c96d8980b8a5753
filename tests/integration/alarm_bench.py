"""The alarm book, desk and upkeep over a real database, without drivers, rules and pages."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec
import psycopg

from hub.alarms import book
from hub.alarms.book import Outcome
from hub.alarms.desk import AlarmDesk
from hub.alarms.jobs import queue
from hub.alarms.upkeep import AlarmUpkeep
from hub.catalog.load import load_catalog
from hub.catalog.paths import packaged_config
from hub.clock import FakeClock
from hub.decisions import AlarmChange
from hub.live import Live
from hub.model import Device
from hub.principal import Principal, Role
from hub.store.database import Database, connect_ingest
from hub.store.migrate import migrate
from hub.store.registry import register
from hub.vocabulary.base import Text

NOON = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
EVENTS = ("alarm_changed", "alarm_raised", "work_order_wanted", "alarm_annunciated", "alarm_settled", "storm_began",
          "storm_ended")  # fmt: skip
HANDLERS = {name: [f"test.{name}"] for name in EVENTS}
PROCEDURE = Text(zh="1. 看。\n2. 去。\n3. 记。", en="1. Look.\n2. Go.\n3. Note.")


class StillClock(FakeClock):
    """Moves only when the test says so."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.01))


class AlarmBench:
    """What the pipeline and the parts do with alarms, step by step."""

    def __init__(self, url: str, clock: StillClock, devices: dict[int, Device], community: int) -> None:
        self.url = url
        self.clock = clock
        self.devices = devices
        self.community = community
        self.live = Live()
        self.database = Database(url)
        self.desk = AlarmDesk(self.database, clock, self.live, HANDLERS, devices)
        self.upkeep = self.make_upkeep()

    def make_upkeep(self) -> AlarmUpkeep:
        return AlarmUpkeep(self.url, self.clock, self.desk, HANDLERS, self.devices, {"demo": self.community})

    def device(self, code: str) -> Device:
        return next(device for device in self.devices.values() if device.code == code)

    def below(self, parent: str, *codes: str) -> None:
        """Hang these devices below another."""
        for code in codes:
            device = msgspec.structs.replace(self.device(code), parent=self.device(parent).id)
            self.devices[device.id] = device

    def change(self, action: Any, code: str = "pump-1", rule: str = "over", **more: Any) -> AlarmChange:
        word = Text(zh="超压", en="over")
        values: dict[str, Any] = {
            "action": action, "rule": rule, "device": self.device(code), "priority": "high", "title": word,
            "at": self.clock.now_us(), "text": word, "cause": None, "procedure": PROCEDURE,
        }  # fmt: skip
        return AlarmChange(**values | more)

    async def apply(self, *changes: AlarmChange) -> Outcome:
        """One batch, on a connection of its own."""
        connection = await connect_ingest(self.url, [self.community])
        try:
            async with connection.transaction():
                outcome = await book.apply(connection, changes, self.clock.now(), self.devices)
                await queue(connection, outcome.happened, HANDLERS)
        finally:
            await connection.close()
        return outcome

    async def pass_time(self, seconds: float, step: float = 1.0) -> None:
        """Let time pass, with the upkeep at work."""
        while seconds > 0:
            self.clock.advance(min(step, seconds))
            seconds -= step
            await self.upkeep.tick()

    def person(self, role: Role = "guard", name: str = "li", community: int | None = None) -> Principal:
        return Principal(f"user:{name}", community or self.community, role)

    def account(self, name: str, *, disabled: bool = False, community: int | None = None) -> None:
        """An account with a role here, or in another community."""
        self.query(
            "WITH a AS (INSERT INTO hub.account (name, password_hash, disabled, created_at) VALUES (%s, 'x', %s, now())"
            " RETURNING id) INSERT INTO hub.account_role SELECT id, %s, 'guard' FROM a RETURNING role",
            name, disabled, community or self.community,
        )  # fmt: skip

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows as the owner of the database sees them."""
        with psycopg.connect(self.url) as connection:
            return connection.execute(sql, values).fetchall()  # type: ignore[call-overload, no-any-return]

    def jobs(self, event: str) -> list[dict[str, Any]]:
        """The arguments of the jobs queued for a domain event, in order."""
        rows = self.query("SELECT args FROM procrastinate_jobs WHERE task_name = %s ORDER BY id", f"test.{event}")
        return [row[0] for row in rows]

    def calls(self, among: Sequence[int] | None = None) -> int:
        """How often the desk was called by alarms, life safety apart."""
        rows = self.query("SELECT alarm_id FROM hub.annunciation WHERE alarm_id IS NOT NULL AND NOT life_safety")
        return sum(among is None or row[0] in among for row in rows)


@asynccontextmanager
async def make_alarms(database_url: str) -> AsyncIterator[AlarmBench]:
    """The demonstration's devices in a fresh database."""
    clock = StillClock(NOON)
    catalog = load_catalog([packaged_config()], {})
    migrate(database_url)
    registry, devices = await register(database_url, catalog, clock.now())
    bench = AlarmBench(database_url, clock, dict(devices), registry.communities["demo"])
    await bench.database.open()
    try:
        yield bench
    finally:
        await bench.upkeep.close()
        await bench.database.close()
