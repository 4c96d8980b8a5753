"""Which devices stand around a device: by place path, and by what hangs on what."""

from collections.abc import Iterable, Mapping

from hub.model import Device
from rules.joined import Scope

_DEPTH = {"same_building": 1, "same_unit": 2, "same_place": 8}


class Topology:
    """All devices of the hub, found by place and parent; devices of another community are never neighbours."""

    def __init__(self, devices: Mapping[int, Device]) -> None:
        self._devices = devices
        self._children: dict[int, list[Device]] = {}
        self._places: dict[tuple[int, int, tuple[str, ...]], list[Device]] = {}
        self._within: dict[tuple[int, tuple[str, ...]], list[Device]] = {}
        for device in devices.values():
            if device.parent is not None:
                self._children.setdefault(device.parent, []).append(device)
            parts = tuple(device.place_path.split("/"))
            for depth in _DEPTH.values():
                self._places.setdefault((device.community_id, depth, parts[:depth]), []).append(device)
            for depth in range(1, len(parts) + 1):
                self._within.setdefault((device.community_id, parts[:depth]), []).append(device)

    def is_main(self, device: Device) -> bool:
        """Others stand below it."""
        return device.id in self._children

    def around(self, device: Device, at: Scope, kinds: Iterable[str] | None) -> list[Device]:
        """The devices `at` means, of these kinds (None: any), without the device itself unless `same_device`."""
        if at == "same_device":
            return [device]
        found: Iterable[Device]
        if at == "children":
            found = self._children.get(device.id, ())
        elif at == "descendants":
            found = self._below(device)
        elif at == "within_place":
            found = self._within.get((device.community_id, tuple(device.place_path.split("/"))), ())
        elif at == "parent":
            above = self._devices.get(device.parent) if device.parent is not None else None
            found = () if above is None else (above,)
        else:
            depth = _DEPTH[at]
            parts = tuple(device.place_path.split("/"))
            found = self._places.get((device.community_id, depth, parts[:depth]), ())
        wanted = None if kinds is None else set(kinds)
        return [
            one
            for one in sorted(found, key=lambda each: each.id)
            if one.id != device.id
            and one.community_id == device.community_id
            and (wanted is None or one.kind_name in wanted)
        ]

    def _below(self, device: Device) -> list[Device]:
        """Whatever hangs on it, at all levels; once each, were they in a circle."""
        found: dict[int, Device] = {}
        waiting = [device]
        while waiting:
            for one in self._children.get(waiting.pop().id, ()):
                if one.id not in found:
                    found[one.id] = one
                    waiting.append(one)
        return list(found.values())
