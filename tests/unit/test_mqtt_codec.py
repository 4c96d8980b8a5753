"""The MQTT codec: both directions of every shipped profile, values and commands."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.codecs.mqtt import MqttDecoder
from hub.codecs.mqtt_encode import (
    command_topics,
    decode_command,
    encode_command,
    encode_message,
    encode_status,
)
from hub.codecs.reasons import DeadReason
from hub.errors import BadFrame, Misconfigured
from hub.model import CommandRequest, DeadLetter, Device, Frame
from hub.vocabulary.kinds import PointSpec
from hub.vocabulary.mqtt import MqttMessage
from hub.vocabulary.numbers import Scaling
from tests.unit.mqtt_devices import NOW, SIMPLE, arrive, inline, make_device, one, refusal, shipped_profiles

PROFILES = sorted(shipped_profiles())
MESSAGES = [(name, i) for name in PROFILES for i in range(len(shipped_profiles()[name].mqtt.messages))]


def wire_values(scaling: Scaling, spec: PointSpec) -> st.SearchStrategy[float]:
    """Canonical values that a whole raw number of the wire can say."""
    if spec.type == "state":
        words = [str(word) for word in (scaling.map or spec.values).values()] if scaling.map else [*spec.values]
        return st.sampled_from([float(spec.values[word]) for word in words])
    per_unit = round(1 / scaling.scale) if scaling.scale < 1 else 1
    return st.integers(0, 60_000).map(lambda raw: raw / per_unit if scaling.scale < 1 else raw * scaling.scale)


@st.composite
def sayings(draw: st.DrawFn, device: Device, message: MqttMessage) -> dict[str, Any]:
    """Arguments of `encode_message` for something the device could say."""
    places: dict[str, Scaling] = {**message.points, **message.fields, **message.text}
    said: dict[str, Any] = {
        "points": {name: draw(wire_values(scaling, device.points[name].spec)) for name, scaling in places.items()},
        "ts_us": draw(st.integers(NOW - 86_400_000_000, NOW)) // 1_000_000 * 1_000_000,
        "sequence": draw(st.integers(0, 2**40)),
        "boot": draw(st.integers(0, 99)),
    }
    if message.events is not None:
        events = [message.events.always] if message.events.always else sorted(set(message.events.map.values()))
        said["event"] = name = draw(st.sampled_from(events))
        values = {
            "text": st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), max_size=30),
            "number": st.floats(0, 1),
            "boolean": st.booleans(),
        }
        said["data"] = {
            field: draw(st.sampled_from(spec.values) if spec.type == "code" else values[spec.type])
            for field, spec in device.kind.events[name].data.items()
            if field in message.events.data
        }
    return said


@pytest.mark.parametrize(("profile", "index"), MESSAGES)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_what_a_simulated_device_says_is_what_the_hub_understands(
    profile: str, index: int, data: st.DataObject
) -> None:
    device = make_device(profile)
    message = shipped_profiles()[profile].mqtt.messages[index]
    said = data.draw(sayings(device, message))
    topic, payload = encode_message(device, index, **said)
    frame = one(MqttDecoder([device]), topic, payload)
    assert {reading.point.name: reading.value for reading in frame.readings} == said["points"]
    assert [(event.name, event.data) for event in frame.events] == (
        [(said["event"], said["data"])] if "event" in said else []
    )
    if message.time is not None:
        assert (frame.ts, frame.timed) == (said["ts_us"], True)
    if message.sequence is not None:
        assert frame.sequence == said["sequence"]
    assert frame.natural == (message.time is not None or message.sequence is not None)
    assert frame.raw == payload or message.items is not None


@pytest.mark.parametrize("profile", [name for name in PROFILES if shipped_profiles()[name].mqtt.status])
@pytest.mark.parametrize("online", [True, False])
def test_birth_and_will(profile: str, online: bool) -> None:
    device = make_device(profile)
    topic, payload = encode_status(device, online)
    frame = one(MqttDecoder([device]), topic, payload, retained=True)
    assert (frame.online, frame.readings, frame.events, frame.natural) == (online, [], [], False)
    error = refusal(MqttDecoder([device]), topic, b"perhaps")
    assert error.reason in (DeadReason.UNMAPPED_VALUE, DeadReason.MALFORMED)


@pytest.mark.parametrize(
    ("raw", "value"), [("1", 1.0), ("-0.0", 0.0), ("1e2", 100.0), ("9223372036854775808", 2.0**63), ("0.1", 0.1)]
)
def test_numbers(raw: str, value: float) -> None:
    frame = one(MqttDecoder([make_device(inline(SIMPLE))]), "acme/d1/up", b'{"t":%s}' % raw.encode())
    assert str(frame.readings[0].value) == str(value)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ('"12.5"', "wrong_type"),
        ('"12,5"', "wrong_type"),
        ("true", "wrong_type"),
        ("[1]", "wrong_type"),
        ("{}", "wrong_type"),
        ("null", "missing_field"),
        ("1e400", "not_finite"),
        ("NaN", "not_finite"),
        ("-Infinity", "not_finite"),
        ("9223372036854775809", "wrong_type"),
        ("1" * 5000, "not_finite"),
        ("01", "malformed"),
        ("'1'", "malformed"),
    ],
)
def test_what_is_no_number(raw: str, reason: str) -> None:
    assert (
        refusal(MqttDecoder([make_device(inline(SIMPLE))]), "acme/d1/up", b'{"t":%s}' % raw.encode()).reason == reason
    )


def test_a_detail_never_shows_a_private_value() -> None:
    decoder = MqttDecoder([make_device("heyue-dc200")])
    payload = b'{"ts":1777593600000,"seq":1,"type":"access_granted","card":["04SECRET"],"method":"04SECRET"}'
    assert "SECRET" not in str(refusal(decoder, "community/demo/door/d1/event", payload))


def test_usable_readings_beside_an_unknown_event() -> None:
    message = SIMPLE | {"events": {"pointer": "/e", "map": {}}}
    found = MqttDecoder([make_device(inline(message))]).decode(arrive("acme/d1/up", b'{"t":1,"e":"boom"}'))
    frame, letter = found
    assert isinstance(frame, Frame)
    assert len(frame.readings) == 1
    assert isinstance(letter, DeadLetter)
    assert letter.reason == DeadReason.UNKNOWN_EVENT


@pytest.mark.parametrize(
    ("profile", "name"), [("heyue-dc200", "open"), ("heyue-bg100", "open"), ("heyue-bg100", "close")]
)
def test_commands_go_down_and_are_understood(profile: str, name: str) -> None:
    device = make_device(profile)
    command = CommandRequest("c-17", device, name, "visitor", NOW + 10_000_000)
    topic, payload, qos = encode_command(command, NOW)
    assert qos == 1
    assert topic == command_topics(device)[name]
    assert decode_command(device, topic, payload) == (name, "c-17", NOW // 1000 + 10_000)
    with pytest.raises(BadFrame):
        decode_command(device, topic, b'{"cmd":"explode"}')
    with pytest.raises(BadFrame):
        decode_command(device, "elsewhere", payload)


def test_every_hole_of_a_command() -> None:
    holes = {"a": "$ttl_s", "b": "$reason", "c": "id=$command_id;$expires_ms", "d": 7, "e": True}
    commands = {"open": {"topic": "acme/{device}/cmd", "payload": holes}}
    message = {"topic": "acme/{device}/up", "points": {"open": {"pointer": "/o"}}}
    device = make_device(inline(message, kind="door", commands=commands))
    command = CommandRequest("c1", device, "open", 'say "hi"', NOW + 2_500_000)
    topic, payload, _ = encode_command(command, NOW)
    expires = NOW // 1000 + 2500
    assert json.loads(payload) == {"a": 3, "b": 'say "hi"', "c": f"id=c1;{expires}", "d": 7, "e": True}
    assert decode_command(device, topic, payload) == ("open", "c1", expires)


def test_a_command_the_profile_lacks() -> None:
    with pytest.raises(Misconfigured):
        encode_command(CommandRequest("c", make_device("heyue-pr10"), "open", "", NOW), NOW)
