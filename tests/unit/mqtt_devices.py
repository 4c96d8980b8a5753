"""Devices of the shipped profiles for tests, without a store: point ids are counted from 1."""

from functools import cache
from pathlib import Path

from hub.catalog.paths import packaged_config
from hub.catalog.validate import validate
from hub.catalog.yaml import load_yaml
from hub.model import Device, Point
from hub.vocabulary.base import Text
from hub.vocabulary.kinds import KindsFile, KindSpec
from hub.vocabulary.mqtt import MqttAddress
from hub.vocabulary.profiles import MqttProfile
from hub.vocabulary.sites import DeviceSpec


@cache
def shipped_kinds() -> dict[str, KindSpec]:
    """`config/kinds.yaml`."""
    document = load_yaml(packaged_config() / "kinds.yaml", {})
    file = validate(document, KindsFile)
    assert file is not None, document.problems
    return file.kinds


@cache
def shipped_profiles() -> dict[str, MqttProfile]:
    """Every MQTT profile under `config/profiles` by its id."""
    found = {}
    for path in sorted(Path(packaged_config() / "profiles").rglob("*.yaml")):
        document = load_yaml(path, {})
        if document.data["protocol"] == "mqtt":
            profile = validate(document, MqttProfile)
            assert profile is not None, document.problems
            found[profile.profile] = profile
    return found


def make_device(profile: str | MqttProfile, code: str = "d1", address: str = "", **changes: object) -> Device:
    """A device in community `demo` (Asia/Shanghai); its MQTT address is its code unless given."""
    spec = shipped_profiles()[profile] if isinstance(profile, str) else profile
    kind = shipped_kinds()[spec.kind]
    fields = {
        "id": 1,
        "code": code,
        "community_id": 1,
        "community": "demo",
        "zone": "Asia/Shanghai",
        "kind_name": spec.kind,
        "kind": kind,
        "profile": spec,
        "spec": DeviceSpec(
            id=code,
            name=Text(zh=code, en=code),
            profile=spec.profile,
            place="b1",
            bus="mqtt-main",
            address=MqttAddress(device=address or code),
        ),
        "points": {name: Point(i, name, point) for i, (name, point) in enumerate(kind.points.items(), 1)},
    }
    return Device(**(fields | changes))  # type: ignore[arg-type]
