"""A hub's context without its buses, pipeline and pages: for commands that only need the store and the modules."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hub.alarms.desk import AlarmDesk
from hub.catalog.load import Catalog
from hub.clock import SystemClock
from hub.commands.desk import CommandDesk
from hub.context import Context, Status
from hub.errors import Misconfigured, Unreachable
from hub.live import Live
from hub.model import Device
from hub.plugins import OffersPorts, load_plugs, offering
from hub.ports import Driver
from hub.reports.outbox import Reports
from hub.settings import Settings
from hub.store.database import Database


def _no_driver(device: Device) -> Driver:
    raise Unreachable(f"{device.code}: no bus runs in this process")


async def _no_replay(_community: int, _ids: list[int]) -> int:
    raise Misconfigured("dead letters are replayed by the hub that runs")


@asynccontextmanager
async def offline(settings: Settings, conninfo: str, catalog: Catalog) -> AsyncIterator[Context]:
    """The context over a store that a hub has used before. psycopg.Error; Misconfigured when it is empty."""
    database, clock, live = Database(conninfo, size=2), SystemClock(), Live()
    await database.open()
    try:
        async with database.session([]) as connection:
            rows = await (await connection.execute("SELECT code, id FROM hub.community")).fetchall()
        communities = {row["code"]: row["id"] for row in rows if row["code"] in catalog.sites}
        context = Context(
            settings=settings, clock=clock, database=database, live=live, status=Status(),
            alarms=AlarmDesk(database, clock, live), commands=CommandDesk(database, clock, live, dict, _no_driver),
            devices={}, communities=communities, replay=_no_replay, reports=Reports(database),
        )  # fmt: skip
        for plug in offering(load_plugs(), OffersPorts):
            context.ports |= plug.ports(context)
        yield context
    finally:
        await database.close()
