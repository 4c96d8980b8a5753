"""A context as a running hub hands it to modules, over a real database; and the rows that a hub would have written."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
from psycopg.types.json import Jsonb

from hub.alarms.desk import AlarmDesk
from hub.clock import Clock
from hub.commands.desk import CommandDesk
from hub.context import Context, Status
from hub.errors import Unreachable
from hub.live import Live
from hub.reports.outbox import Reports
from hub.settings import Settings
from hub.store.database import Database
from hub.store.migrate import migrate
from modules.billing import BillingPlugin
from modules.workorders import WorkOrdersPlugin
from tests.integration.postgres import close_database, new_database


@cache
def migrated(url: str) -> str:
    """The name of a database on this server with the hub's and both modules' tables, to be copied."""
    template = new_database(url)
    migrate(template, [WorkOrdersPlugin().migrations(), BillingPlugin().migrations()])
    name = urlsplit(template).path[1:]
    close_database(url, name)
    return name


@asynccontextmanager
async def running(url: str, clock: Clock, communities: dict[str, int]) -> AsyncIterator[Context]:
    """The context of a hub without buses."""
    database, live = Database(url), Live()
    await database.open()

    def no_driver(device: object) -> Any:
        raise Unreachable(str(device))

    async def no_replay(community_id: int, ids: list[int]) -> int:
        return 0

    try:
        yield Context(
            settings=Settings(database_url=url), clock=clock, database=database, live=live, status=Status(),
            alarms=AlarmDesk(database, clock, live), commands=CommandDesk(database, clock, live, dict, no_driver),
            devices={}, communities=communities, replay=no_replay, reports=Reports(database),
        )  # fmt: skip
    finally:
        await database.close()


def insert(link: psycopg.Connection[Any], table: str, **values: Any) -> int:
    """A row as superuser; its id."""
    names = ", ".join(values)
    row = link.execute(  # type: ignore[call-overload]
        f"INSERT INTO {table} ({names}) VALUES ({', '.join(['%s'] * len(values))}) RETURNING id",
        [Jsonb(value) if isinstance(value, dict) else value for value in values.values()],
    ).fetchone()
    return int(row[0])


def add_community(link: psycopg.Connection[Any], code: str, zone: str = "Asia/Shanghai") -> int:
    return insert(link, "hub.community", code=code, name={"zh": code, "en": code}, time_zone=zone)


def add_device(link: psycopg.Connection[Any], community_id: int, code: str, kind: str, **more: Any) -> int:
    name = {"zh": code, "en": code}
    return insert(
        link, "hub.device", community_id=community_id, code=code, kind=kind, profile="p", place="b1/u1", bus="b",
        name=name, **more,
    )  # fmt: skip


def add_point(link: psycopg.Connection[Any], community_id: int, device_id: int, name: str, unit: str) -> int:
    return insert(
        link, "hub.point", community_id=community_id, device_id=device_id, name=name, unit=unit, type="counter"
    )  # fmt: skip


def add_alarm(link: psycopg.Connection[Any], community_id: int, device_id: int, at: datetime, **more: Any) -> int:
    values = {
        "condition": f"door-forced:{uuid4()}", "rule": "door-forced", "priority": 2, "state": "active_unacknowledged",
        "title": {"zh": "强行开门", "en": "Door forced open"}, "text": {"zh": "门", "en": "door"}, **more,
    }  # fmt: skip
    return insert(
        link, "hub.alarm", community_id=community_id, device_id=device_id, raised_at=at, changed_at=at, **values
    )  # fmt: skip


def add_samples(
    link: psycopg.Connection[Any], community_id: int, device_id: int, point_id: int,
    readings: Sequence[tuple[datetime, float]], source: str = "unit 1",
) -> None:  # fmt: skip
    """Readings with the raw frame each came in: the ASCII of its value."""
    for ts, value in readings:
        link.execute("SELECT telemetry.ensure_day(%s)", [ts.date()])
        link.execute(
            "INSERT INTO telemetry.frame (ts, received, key, device_id, community_id, source, raw)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [ts, ts + timedelta(seconds=1), uuid4(), device_id, community_id, source, repr(value).encode()],
        )
        link.execute(
            "INSERT INTO telemetry.sample (ts, value, point_id, community_id) VALUES (%s, %s, %s, %s)",
            [ts, value, point_id, community_id],
        )
