"""Cameras for tests, without a store."""

from collections.abc import Sequence

from hub.catalog.devices import LocalIds, build_device
from hub.model import Device
from hub.vocabulary.rtsp import ClipSpec, RtspAddress
from hub.vocabulary.sites import Community, DeviceSpec, SiteFile
from tests.unit.demo_devices import demo_catalog

NAME = {"zh": "大堂摄像机", "en": "Lobby camera"}


def camera_device(
    url: str, code: str = "cam-lobby", place: str = "b1/u1", sees: Sequence[str] = (), clip: ClipSpec | None = None
) -> Device:
    """An installed camera; its number is made of its code."""
    address = RtspAddress(url=url, sees=[*sees], clip=clip)
    spec = DeviceSpec(id=code, name=NAME, profile="any-rtsp", place=place, bus="cameras", address=address)
    site = SiteFile(community=Community(code="demo", name=NAME), buses={}, devices=[spec])
    return build_device(demo_catalog(), site, spec, 1, LocalIds(), {})
