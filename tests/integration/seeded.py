"""The demo community in a database, with a second, foreign one beside it, and a hub's context over both."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from hub.accounts.service import Accounts
from hub.alarms.desk import AlarmDesk
from hub.catalog.plans import Drawing, SitePlan
from hub.clock import Clock
from hub.commands.desk import CommandDesk
from hub.context import Context, RunState, Status
from hub.live import Live
from hub.model import CommandRequest, Device, Receipt
from hub.plugins import OffersMigrations, OffersPorts, offering
from hub.principal import Role
from hub.reports.outbox import Reports
from hub.settings import Settings
from hub.store.database import Database
from hub.store.migrate import migrate
from modules.billing import BillingPlugin
from modules.workorders import WorkOrdersPlugin
from tests.integration.seeded_rows import fill
from tests.unit.demo_devices import demo_catalog

ROLES: tuple[Role, ...] = ("viewer", "guard", "engineer", "finance", "admin")
FOREIGN_DRAWING = "f" * 64
PASSWORD = "correct horse battery"


class FakeDriver:
    """A bus that takes every command and says so."""

    def __init__(self) -> None:
        self.executed: list[CommandRequest] = []

    async def execute(self, command: CommandRequest) -> Receipt:
        self.executed.append(command)
        return Receipt(True, "PUBACK")


@dataclass
class Seeded:
    """What the tests need to know of the rows."""

    context: Context
    url: str
    home: int
    foreign: int
    empty: int
    devices: Mapping[str, Device]
    driver: FakeDriver
    replayed: list[tuple[int, list[int]]]
    numbers: dict[str, Any] = field(default_factory=dict)

    def link(self) -> "psycopg.Connection[Any]":
        return psycopg.connect(self.url, autocommit=True)


@asynccontextmanager
async def seeded(
    url: str, clock: Clock, settings: Mapping[str, Any] | None = None, plugs: Sequence[object] = ()
) -> AsyncIterator[Seeded]:
    """Migrate and fill an empty database; the context is open until the end. `plugs`: beside work orders and bills."""
    ours = [WorkOrdersPlugin(), BillingPlugin(), *plugs]
    await asyncio.to_thread(migrate, url, [plug.migrations() for plug in offering(ours, OffersMigrations)])
    with psycopg.connect(url, autocommit=True) as link:
        home, foreign, empty, by_id, numbers = fill(link, clock.now())
    database, live, driver = Database(url), Live(), FakeDriver()
    await database.open()
    replayed: list[tuple[int, list[int]]] = []

    async def replay(community_id: int, ids: list[int]) -> int:
        replayed.append((community_id, ids))
        return len(ids)

    commands = CommandDesk(database, clock, live, lambda: by_id, lambda device: driver)  # type: ignore[arg-type, return-value]
    ports: dict[str, Any] = {}
    context = Context(
        settings=Settings(database_url=url, **(settings or {})),
        clock=clock,
        database=database,
        live=live,
        status=_status(clock),
        alarms=AlarmDesk(database, clock, live, ports=ports),
        commands=commands,
        devices=by_id,
        communities={"demo": home, "other": foreign},
        replay=replay,
        reports=Reports(database),
        ports=ports,
        plans={
            home: demo_catalog().plans["demo"],
            foreign: SitePlan({"": Drawing(FOREIGN_DRAWING, "image/svg+xml", 1, 1, b"SECRET")}),
        },
        kinds={home: demo_catalog().kinds_in("demo"), foreign: demo_catalog().kinds},
    )
    for plug in offering(ours, OffersPorts):
        ports |= plug.ports(context)
    try:
        yield Seeded(context, url, home, foreign, empty, {d.code: d for d in by_id.values()}, driver, replayed, numbers)
    finally:
        await commands.stop()
        await database.close()


async def add_accounts(accounts: Accounts, seeded: Seeded) -> dict[str, str]:
    """One account a role at home and one admin of the foreign community; name -> password."""
    for role in ROLES:
        await accounts.create_account(role, PASSWORD, {seeded.home: role})
    await accounts.create_account("stranger", PASSWORD, {seeded.foreign: "admin"})
    await accounts.create_account("newcomer", PASSWORD, {seeded.empty: "guard"})
    return dict.fromkeys((*ROLES, "stranger", "newcomer"), PASSWORD)


def _status(clock: Clock) -> Status:
    now = clock.now_us()
    status = Status(queue=12, lag_us=18_000, last_commit=now)
    status.counters.update({"arrivals": 184_220, "frames": 184_207, "readings": 612_400, "events": 4_821, "dead": 3})
    status.parts = {
        "bus:mqtt-main": RunState("bus:mqtt-main", "running", now - 7_200_000_000),
        "bus:gw-b1": RunState("bus:gw-b1", "running", now - 7_200_000_000),
        "bus:gw-b2": RunState("bus:gw-b2", "retrying", now - 90_000_000, 4, "connection refused", now + 12_000_000),
        "rollups": RunState("rollups", "running", now - 7_200_000_000),
        "jobs": RunState("jobs", "running", now - 7_200_000_000),
    }
    return status


def names(rows: Sequence[Mapping[str, Any]], key: str) -> list[Any]:
    return [row[key] for row in rows]
