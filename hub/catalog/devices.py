"""From a catalog to the devices that drivers, rules and pages work with."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Protocol

import msgspec

from hub.catalog.crosscheck import provided_points
from hub.catalog.load import Catalog
from hub.catalog.topology import gateways, parent_of
from hub.model import Device, Point
from hub.vocabulary.base import Text
from hub.vocabulary.sites import DeviceSpec, SiteFile


class DeviceIds(Protocol):
    """Who numbers things: the store, or `LocalIds`. The same name always gets the same number, from 1."""

    def community(self, code: str) -> int: ...

    def device(self, community_id: int, code: str) -> int: ...

    def point(self, device_id: int, name: str) -> int: ...


class LocalIds:
    """Numbers 1, 2, 3 … in the order of asking, for use without a database."""

    def __init__(self) -> None:
        self._communities: dict[str, int] = {}
        self._devices: dict[tuple[int, str], int] = {}
        self._points: dict[tuple[int, str], int] = {}

    def community(self, code: str) -> int:
        return self._communities.setdefault(code, len(self._communities) + 1)

    def device(self, community_id: int, code: str) -> int:
        return self._devices.setdefault((community_id, code), len(self._devices) + 1)

    def point(self, device_id: int, name: str) -> int:
        return self._points.setdefault((device_id, name), len(self._points) + 1)


def build_devices(catalog: Catalog, ids: DeviceIds) -> dict[int, Device]:
    """Every installed device by id, in the order of the site files; points are those its profile provides."""
    devices = {}
    for site in catalog.sites.values():
        community_id = ids.community(site.community.code)
        places = {place.path: place.name for place in site.places}
        above = gateways(site)
        for spec in site.devices:
            device = build_device(catalog, site, spec, community_id, ids, places)
            parent = parent_of(spec, above)
            if parent is not None:
                device = msgspec.structs.replace(device, parent=ids.device(community_id, parent))
            devices[device.id] = device
    return devices


def build_device(
    catalog: Catalog,
    site: SiteFile,
    spec: DeviceSpec,
    community_id: int,
    ids: DeviceIds,
    places: Mapping[str, Text],
) -> Device:
    """One device; `places` are the names of the site's places by path.

    KeyError where the catalog lacks its profile or kind (a loaded catalog never does)."""
    profile = catalog.profiles[spec.profile]
    kind = catalog.kinds_in(site.community.code)[profile.kind]
    device_id = ids.device(community_id, spec.id)
    provided = provided_points(profile)
    points = {
        name: Point(ids.point(device_id, name), name, point) for name, point in kind.points.items() if name in provided
    }
    return Device(
        id=device_id,
        code=spec.id,
        community_id=community_id,
        community=site.community.code,
        zone=site.community.time_zone,
        kind_name=profile.kind,
        kind=kind,
        profile=profile,
        spec=spec,
        points=points,
        place=places.get(spec.place) or Text(zh=spec.place, en=spec.place),
    )


def by_code(devices: Mapping[int, Device]) -> dict[tuple[str, str], Device]:
    """The same devices by (community code, device code)."""
    return {(device.community, device.code): device for device in devices.values()}


def on_bus(devices: Mapping[int, Device], community: str, bus: str) -> list[Device]:
    """The devices of one bus of one community."""
    return [device for device in devices.values() if device.community == community and device.spec.bus == bus]


def silent_after(device: Device) -> timedelta:
    """No message for so long means the device is silent: its profile's word, else its kind's."""
    return device.profile.silent_after or device.kind.silent_after
