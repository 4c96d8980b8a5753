"""Two communities on a real database, the first staffed from the demonstration's file."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import psycopg

from hub.catalog.paths import packaged_config
from hub.clock import FakeClock
from hub.context import Context
from hub.principal import Principal
from hub.store.migrate import migrate
from modules.duty import DutyPlugin
from modules.duty.model import Slot
from modules.duty.seed import apply, load_duty
from modules.duty.service import Duty
from tests.integration.module_hub import add_alarm, add_community, add_device, running
from tests.integration.postgres import close_database, new_database

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)  # 20:00 in Shanghai: the afternoon shift
DAY = date(2026, 11, 21)


@cache
def migrated(url: str) -> str:
    """The name of a database with the hub's tables and duty's, to be copied."""
    template = new_database(url)
    migrate(template, [DutyPlugin().migrations()])
    name = urlsplit(template).path[1:]
    close_database(url, name)
    return name


@dataclass
class Ground:
    """A hub's context and who may what in it. `guard` is the account of a person on the register (g02)."""

    url: str
    context: Context
    clock: FakeClock
    duty: Duty
    here: int
    there: int
    alarm: int
    codes: dict[str, dict[str, int]]

    def __post_init__(self) -> None:
        self.admin = Principal("user:admin", self.here, "admin")
        self.guard = Principal("user:guard", self.here, "guard")
        self.viewer = Principal("user:viewer", self.here, "viewer")
        self.stranger = Principal("user:wang", self.there, "admin")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as link:
            return link.execute(query).fetchall()  # type: ignore[call-overload]

    def slot(self, day: date, shift: str, post: str, person: str) -> Slot:
        codes = self.codes
        return Slot(day, codes["shift"][shift], codes["post"][post], codes["person"][person])


async def one_order(who: Principal, *, states: tuple[str, ...], limit: int) -> list[dict[str, Any]]:
    """What another module's port tells: one work order, still open."""
    title = {"zh": "水泵超压", "en": "Pump over pressure"}
    return [{"id": 1, "number": "WO-20261121-0001", "title": title, "priority": 2, "state": states[0],
             "assignee": None, "due_at": NOW}]  # fmt: skip


@asynccontextmanager
async def grounded(postgres_url: str, clock: FakeClock | None = None) -> AsyncIterator[Ground]:
    url, clock = new_database(postgres_url, migrated(postgres_url)), clock or FakeClock(NOW)
    with psycopg.connect(url) as link:
        here, there = add_community(link, "demo"), add_community(link, "other", "Europe/Berlin")
        alarm = add_alarm(link, here, add_device(link, here, "door-b1-u1", "door"), NOW)
    async with running(url, clock, {"demo": here, "other": there}) as context:
        assert await apply(context, load_duty([packaged_config()]), "demo")
        context.ports |= {**DutyPlugin().ports(context), "workorders.recent": one_order}
        with psycopg.connect(url) as link:
            codes = {name: dict(link.execute(f"SELECT code, id FROM duty.{name}").fetchall())  # type: ignore[call-overload]
                     for name in ("post", "shift", "person", "equipment")}  # fmt: skip
        yield Ground(url, context, clock, Duty(context), here, there, alarm, codes)
