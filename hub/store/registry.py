"""Gives configured communities, devices and points their numbers, the same ones for good."""

from datetime import datetime

from psycopg.types.json import Jsonb

from hub.catalog.crosscheck import provided_points
from hub.catalog.devices import build_devices
from hub.catalog.load import Catalog
from hub.model import Device
from hub.store.database import connect_ingest
from hub.store.queries import load_queries
from hub.vocabulary.base import Text
from hub.vocabulary.sites import SiteFile

_SQL = load_queries("hub.store", "registry.sql")


class Registry:
    """Numbers as the store gave them; a DeviceIds for `build_devices`."""

    def __init__(self) -> None:
        self.communities: dict[str, int] = {}
        self._devices: dict[tuple[int, str], int] = {}
        self._points: dict[tuple[int, str], int] = {}

    def community(self, code: str) -> int:
        return self.communities[code]

    def device(self, community_id: int, code: str) -> int:
        return self._devices[community_id, code]

    def point(self, device_id: int, name: str) -> int:
        return self._points[device_id, name]


async def register(conninfo: str, catalog: Catalog, now: datetime) -> tuple[Registry, dict[int, Device]]:
    """Write the catalog's communities, places, devices and points, all or nothing. A device that is gone from the site
    is marked removed and keeps its history. psycopg.Error when the store cannot."""
    registry = Registry()
    connection = await connect_ingest(conninfo, [])
    try:
        async with connection.transaction():
            for site in catalog.sites.values():
                row = await (
                    await connection.execute(
                        _SQL["community"],
                        [site.community.code, _text(site.community.name), site.community.time_zone],
                    )
                ).fetchone()
                assert row is not None
                registry.communities[site.community.code] = row[0]
            owned = ",".join(str(number) for number in registry.communities.values())
            await connection.execute("SELECT set_config('hub.communities', %s, true)", [owned])
            async with connection.cursor() as cursor:
                for site in catalog.sites.values():
                    number = registry.communities[site.community.code]
                    await cursor.execute(_SQL["forget_places"], [number])
                    await cursor.executemany(
                        _SQL["place"], [(number, p.path, p.kind, _text(p.name)) for p in site.places]
                    )
                    await cursor.executemany(_SQL["device"], _device_rows(catalog, site, number))
                    codes = [device.id for device in site.devices]
                    await cursor.execute(_SQL["remove_devices"], [now, number, codes])
                    await cursor.execute(_SQL["return_alarms"], {"community_id": number, "now": now})
                    await cursor.execute(_SQL["devices"], [number])
                    for device_id, code in await cursor.fetchall():
                        registry._devices[number, code] = device_id
                    await cursor.executemany(_SQL["point"], _point_rows(catalog, site, number, registry))
                    await cursor.execute(_SQL["points"], [number])
                    for point_id, device_id, name in await cursor.fetchall():
                        registry._points[device_id, name] = point_id
    finally:
        await connection.close()
    return registry, build_devices(catalog, registry)


def _device_rows(catalog: Catalog, site: SiteFile, number: int) -> list[tuple[object, ...]]:
    return [
        (number, d.id, catalog.profiles[d.profile].kind, d.profile, d.place, d.bus, _text(d.name), d.multiplier,
         d.rollover)
        for d in site.devices
    ]  # fmt: skip


def _point_rows(catalog: Catalog, site: SiteFile, number: int, ids: Registry) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for device in site.devices:
        profile = catalog.profiles[device.profile]
        provided = provided_points(profile)
        for name, spec in catalog.kinds[profile.kind].points.items():
            if name in provided:
                rows.append((number, ids.device(number, device.id), name, spec.unit, spec.type))
    return rows


def _text(text: Text) -> Jsonb:
    return Jsonb({"zh": text.zh, "en": text.en})
