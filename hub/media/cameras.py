"""Which cameras look at a device. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from hub.model import Device
from hub.vocabulary.rtsp import RtspAddress

MOST = 4
"""Cameras asked for one alarm."""

_Spot = tuple[int, str]  # community, place


class Cameras:
    """Those that can be asked for a picture, by where they stand and what they see."""

    def __init__(self, devices: Iterable[Device]) -> None:
        self._standing: dict[_Spot, list[Device]] = defaultdict(list)
        self._seeing: dict[_Spot, list[Device]] = defaultdict(list)
        for device in sorted(devices, key=lambda one: one.code):
            if isinstance(device.spec.address, RtspAddress):
                self._standing[device.community_id, device.place_path].append(device)
                for seen in set(device.spec.address.sees):
                    self._seeing[device.community_id, seen].append(device)

    def __bool__(self) -> bool:
        return bool(self._standing)

    def watching(self, device: Device) -> list[Device]:
        """The cameras that look at a device, the nearest first, at most four: those of its place, those that say they
        see it, those of the place around it. A camera does not look at itself."""
        found: dict[int, Device] = {}
        for ring in self._rings(device.community_id, device.place_path):
            for camera in ring:
                if len(found) == MOST:
                    return list(found.values())
                if camera.id != device.id:
                    found.setdefault(camera.id, camera)
        return list(found.values())

    def _rings(self, community_id: int, place: str) -> Iterator[list[Device]]:
        yield self._standing.get((community_id, place), [])
        parts = place.split("/")
        around = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
        # MOST of each are enough, with those that are not taken: itself and fewer than MOST found nearer
        seeing = [one for path in around for one in self._seeing.get((community_id, path), ())[: 2 * MOST]]
        yield sorted(seeing, key=lambda one: one.code)
        yield self._standing.get((community_id, "/".join(parts[:-1])), [])
