"""The rulebook for `hub rules`: over the store of a hub that runs or has run, with that hub's numbers."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import count

from hub.app import config_roots
from hub.catalog.devices import build_devices
from hub.catalog.load import Catalog
from hub.cli.accounts import community_of
from hub.cli.offline import offline
from hub.cli.tools import catalog_of
from hub.context import Context
from hub.errors import Misconfigured
from hub.model import Device
from hub.plugins import OffersRuleTools, load_plugs, offering
from hub.principal import Principal
from hub.rulebook.service import Rulebook
from hub.settings import load_settings


@asynccontextmanager
async def rulebook(conninfo: str, community: str) -> AsyncIterator[tuple[Rulebook, Principal]]:
    """The rulebook over a database, and the command line as its user in one community. Misconfigured."""
    settings = load_settings(os.environ)
    catalog = catalog_of(settings)
    async with offline(settings, conninfo, catalog) as context:
        tools = offering(load_plugs(), OffersRuleTools)
        if not tools:
            raise Misconfigured("no plug brings a rules engine")
        book = Rulebook(
            context.database, context.clock, context.live, tools[0], roots=config_roots(settings),
            kinds=catalog.kinds, devices=await _devices(context, catalog),
            price_at=lambda: context.ports.get("billing.price_at"),
        )  # fmt: skip
        await book.read_files(catalog.kinds, {})
        try:
            yield book, Principal("system:command-line", community_of(context, community), "admin")
        finally:
            await book.close()


class _Numbers:
    """The numbers a store gave; what it does not know yet has no history, and any number will do."""

    def __init__(self, communities: Mapping[str, int]) -> None:
        self._communities = communities
        self._others = count(2_000_000_000)
        self.devices: dict[tuple[int, str], int] = {}
        self.points: dict[tuple[int, str], int] = {}

    def community(self, code: str) -> int:
        return self._communities.get(code, 0)

    def device(self, community_id: int, code: str) -> int:
        return self.devices.get((community_id, code)) or next(self._others)

    def point(self, device_id: int, name: str) -> int:
        return self.points.get((device_id, name)) or next(self._others)


async def _devices(context: Context, catalog: Catalog) -> dict[int, Device]:
    """The configured devices with the numbers under which the store keeps their history."""
    numbers = _Numbers(context.communities)
    async with context.database.session(list(context.communities.values())) as connection:
        rows = await (await connection.execute("SELECT id, community_id, code FROM hub.device")).fetchall()
        numbers.devices = {(row["community_id"], row["code"]): row["id"] for row in rows}
        rows = await (await connection.execute("SELECT id, device_id, name FROM hub.point")).fetchall()
        numbers.points = {(row["device_id"], row["name"]): row["id"] for row in rows}
    return build_devices(catalog, numbers)
