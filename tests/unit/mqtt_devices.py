"""Devices of the shipped profiles and of invented ones for the tests of the MQTT codec, without a store."""

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from hub.catalog.paths import packaged_config
from hub.catalog.validate import validate
from hub.catalog.yaml import load_yaml
from hub.clock import to_us
from hub.codecs.mqtt import MqttDecoder
from hub.errors import BadFrame
from hub.model import Arrival, DeadLetter, Device, Frame, Point
from hub.vocabulary.base import Text
from hub.vocabulary.kinds import KindsFile, KindSpec
from hub.vocabulary.mqtt import MqttAddress
from hub.vocabulary.profiles import MqttProfile
from hub.vocabulary.sites import DeviceSpec

NOW = to_us(datetime(2026, 5, 1, tzinfo=UTC))


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
    """A device in community `demo` (Asia/Shanghai); point ids count from 1, the address is the code unless given."""
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
        "place": Text(zh="一栋", en="Building 1"),
        "points": {name: Point(i, name, point) for i, (name, point) in enumerate(kind.points.items(), 1)},
    }
    return Device(**(fields | changes))  # type: ignore[arg-type]


def inline(message: dict[str, Any], kind: str = "environment_sensor", **section: Any) -> MqttProfile:
    return MqttProfile.model_validate(
        {
            "profile": "acme-x1",
            "kind": kind,
            "protocol": "mqtt",
            "names": [{"vendor": "Acme", "model": "X1"}],
            "source": "invented for a test",
            "mqtt": {"messages": [message], **section},
        }
    )


SIMPLE = {"topic": "acme/{device}/up", "points": {"temperature": {"pointer": "/t"}}}


def arrive(topic: str, payload: bytes, received: int = NOW, **changes: Any) -> Arrival:
    return Arrival("mqtt-main", topic, payload, received, **changes)


def frames_of(decoder: MqttDecoder, arrival: Arrival) -> list[Frame]:
    found = decoder.decode(arrival)
    frames = [item for item in found if isinstance(item, Frame)]
    assert len(frames) == len(found), [item.detail for item in found if isinstance(item, DeadLetter)]
    return frames


def one(decoder: MqttDecoder, topic: str, payload: bytes, received: int = NOW, **changes: Any) -> Frame:
    [frame] = frames_of(decoder, arrive(topic, payload, received, **changes))
    return frame


def refusal(decoder: MqttDecoder, topic: str, payload: bytes) -> BadFrame:
    with pytest.raises(BadFrame) as caught:
        decoder.decode(arrive(topic, payload))
    return caught.value
