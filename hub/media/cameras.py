"""Which cameras look at a device. Pure."""

from collections.abc import Iterable, Sequence

from hub.model import Device
from hub.vocabulary.rtsp import RtspAddress

MOST = 4
"""Cameras asked for one alarm."""


def cameras_of(devices: Iterable[Device]) -> list[Device]:
    """Those that can be asked for a picture."""
    return [device for device in devices if isinstance(device.spec.address, RtspAddress)]


def watching(cameras: Sequence[Device], device: Device) -> list[Device]:
    """The cameras that look at a device, the nearest first, at most four: those of its place, those that say they see
    it, those of the place around it. A camera does not look at itself."""
    found = [(away, camera.code, camera) for camera in cameras
             if camera.community_id == device.community_id and camera.id != device.id
             and (away := _distance(camera, device.place_path)) is not None]  # fmt: skip
    return [camera for _, _, camera in sorted(found, key=lambda one: one[:2])[:MOST]]


def _distance(camera: Device, place: str) -> int | None:
    address = camera.spec.address
    if camera.place_path == place:
        return 0
    if isinstance(address, RtspAddress) and any(f"{place}/".startswith(f"{seen}/") for seen in address.sees):
        return 1
    return 2 if camera.place_path == place.rpartition("/")[0] else None
