"""The real pipeline over a real database, fed by hand: no broker, no clock of the machine."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from drivers.plugin import DriversPlugin
from hub.app import Hub
from hub.clock import FakeClock
from hub.model import Arrival, Device
from hub.settings import Settings
from rules.plugin import RulesPlugin

NOON = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)  # 12:00 in Shanghai


class BenchClock(FakeClock):
    """Moves only when the test says so: whoever sleeps waits a moment of real time instead."""

    def __init__(self, start: datetime) -> None:
        super().__init__(start)
        self._stepped = 0.0

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.01))

    def monotonic(self) -> float:
        return super().monotonic() - self._stepped

    def step(self, seconds: float) -> None:
        """Somebody sets the wall clock; no time passes."""
        self._stepped += seconds
        self.advance(seconds)


class Ears:
    """An acknowledger that remembers."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, int]] = []

    def acknowledge(self, session: int, tokens: Sequence[int]) -> None:
        self.heard += [(session, token) for token in tokens]


class Bench:
    """A hub whose pipeline is driven batch by batch. Devices are the demonstration's."""

    bus = "demo/mqtt-main"

    def __init__(self, hub: Hub, clock: BenchClock) -> None:
        self.hub = hub
        self.clock = clock
        self.ears = Ears()
        self._token = 0
        self.url = hub.settings.database_url

    def device(self, code: str) -> Device:
        return next(device for device in self.hub.devices.values() if device.code == code)

    def arrival(self, topic: str, payload: dict[str, Any] | bytes, **more: Any) -> Arrival:
        self._token = more.pop("token", self._token + 1)
        raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return Arrival(
            self.bus, topic, raw, self.clock.now_us(), token=self._token, session=more.pop("session", 1),
            acknowledger=self.ears, **more,
        )  # fmt: skip

    def door(self, kind: str, seq: int, *, code: str = "door-b1-u1", ago_s: float = 0.0, **fields: Any) -> Arrival:
        """An event of a door as its controller writes it."""
        more = {key: fields.pop(key) for key in ("duplicate", "retained", "token", "session") if key in fields}
        ts = self.clock.now_us() // 1000 - int(ago_s * 1000)
        payload = {"type": kind, "ts": ts, "seq": seq, "boot": 1, **fields}
        return self.arrival(f"community/demo/door/{code}/event", payload, **more)

    def door_state(self, seq: int, door: str, *, code: str = "door-b1-u1", ago_s: float = 0.0, **more: Any) -> Arrival:
        ts = self.clock.now_us() // 1000 - int(ago_s * 1000)
        payload = {"ts": ts, "seq": seq, "boot": 1, "door": door, "lock": "locked"}
        return self.arrival(f"community/demo/door/{code}/state", payload, **more)

    async def feed(self, *arrivals: Arrival) -> None:
        """One batch, settled as the pipeline settles it."""
        await self.hub.pipeline.settle(list(arrivals))

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows as the owner of the database sees them."""
        with psycopg.connect(self.url) as connection:
            return connection.execute(sql, values).fetchall()  # type: ignore[call-overload, no-any-return]


@asynccontextmanager
async def make_bench(
    database_url: str, *, clock: BenchClock | None = None, config_dir: Path | None = None,
    plugs: Sequence[object] = (), **settings: Any,
) -> AsyncIterator[Bench]:  # fmt: skip
    """A started hub without servers for people and with its buses stopped. `plugs`: beside drivers and rules."""
    clock = clock or BenchClock(NOON)
    hub = Hub(
        Settings(database_url=database_url, config_dir=config_dir, **settings), {}, clock=clock,
        plugs=[DriversPlugin(), RulesPlugin(), *plugs],
    )  # fmt: skip
    await hub.start()
    await hub.supervisor.stop_all()
    await hub.queue.take(10_000, 0, clock.now_us())  # what gateways said at the start
    hub.pipeline._begun = None  # no batch is under way: the test's clock may jump
    try:
        yield Bench(hub, clock)
    finally:
        await hub.stop()
