"""The MQTT codec: against paho's, against itself, and against everything a broken server could send."""

import random
from collections.abc import Callable

import paho.mqtt.client as paho
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties as PahoProperties

from drivers.mqtt import packets, wire
from drivers.mqtt import properties as prop
from drivers.mqtt.decoder import Decoder
from drivers.mqtt.options import MqttOptions
from drivers.mqtt.packets import (
    Publish,
    Version,
    Will,
)
from drivers.mqtt.wire import MalformedPacket
from hub.errors import Misconfigured

LIMIT = 70_000
VERSIONS: list[Version] = [4, 5]
versions = st.sampled_from(VERSIONS)
text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
topics = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0+#"), min_size=1, max_size=90)


@st.composite
def messages(draw: st.DrawFn) -> Publish:
    qos = draw(st.sampled_from([0, 1]))
    return Publish(
        draw(topics),
        draw(st.binary(max_size=300)),
        qos,
        bool(qos) and draw(st.booleans()),
        draw(st.booleans()),
        draw(st.integers(1, 65_535)) if qos else 0,
    )


@given(versions, st.lists(messages(), max_size=8))
def test_publish_round_trip(version: Version, sent: list[Publish]) -> None:
    stream = b"".join(packets.encode_publish(version, message) for message in sent)
    assert Decoder(version, LIMIT).feed(stream) == sent


@pytest.mark.parametrize("size", [0, 100, 116, 117, 118, 119, 120, 16_370, 16_377, 16_378, 16_379, 16_380, 60_000])
@pytest.mark.parametrize("version", VERSIONS)
def test_lengths_around_the_edges_of_the_length_field(version: Version, size: int) -> None:
    message = Publish("topic/a", b"x" * size, 1, False, False, 65_535)
    raw = packets.encode_publish(version, message)
    assert Decoder(version, LIMIT).feed(raw) == [message]
    assert Decoder(version, len(raw)).feed(raw) == [message]
    with pytest.raises(MalformedPacket, match="over the limit"):
        Decoder(version, len(raw) - 1).feed(raw[:5])


# -- paho as the other opinion -------------------------------------------------------------------------------


def paho_client(version: Version, monkeypatch: pytest.MonkeyPatch) -> tuple[paho.Client, list[bytes]]:
    """A paho client that believes to be connected, and the list its packets land in."""
    protocol = paho.MQTTv5 if version == 5 else paho.MQTTv311
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, "hub", protocol=protocol)
    out: list[bytes] = []

    def keep(command: int, packet: bytes, *rest: object) -> paho.MQTTErrorCode:
        out.append(bytes(packet))
        return paho.MQTT_ERR_SUCCESS

    monkeypatch.setattr(client, "_packet_queue", keep)
    monkeypatch.setattr(client, "_sock", object())
    monkeypatch.setattr(client, "_reset_sockets", lambda *_: None)
    monkeypatch.setattr(client, "_sock_close", lambda: None)
    return client, out


@pytest.mark.parametrize("version", VERSIONS)
def test_publish_as_paho(version: Version, monkeypatch: pytest.MonkeyPatch) -> None:
    client, out = paho_client(version, monkeypatch)
    rng = random.Random(7)
    ours = []
    for size in (0, 1, 127, 128, 5000):
        for qos in (0, 1):
            message = Publish(f"楼/{size}", rng.randbytes(size), qos, False, bool(size % 2), qos * (size + 1))
            ours.append(message)
            client._send_publish(message.packet_id, message.topic.encode(), message.payload, qos, message.retain, False)
    assert out == [packets.encode_publish(version, message) for message in ours]
    assert Decoder(version, LIMIT).feed(b"".join(out)) == ours


def test_publish_properties_of_paho_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    client, out = paho_client(5, monkeypatch)
    extra = PahoProperties(PacketTypes.PUBLISH)
    extra.PayloadFormatIndicator = 1
    extra.MessageExpiryInterval = 4_000_000_000
    extra.ContentType = "application/json"
    extra.ResponseTopic = "answers/here"
    extra.CorrelationData = bytes(range(256))
    extra.UserProperty = [("a", "1"), ("a", "2"), ("", "")]
    client._send_publish(5, b"t/x", b"body", 1, properties=extra)
    assert Decoder(5, LIMIT).feed(out[0]) == [Publish("t/x", b"body", 1, False, False, 5)]
    extra.TopicAlias = 3
    client._send_publish(5, b"t/x", b"body", 1, properties=extra)
    with pytest.raises(MalformedPacket, match="topic alias"):
        Decoder(5, LIMIT).feed(out[1])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("login", [None, ("门卫", None), ("u", "秘密")])
@pytest.mark.parametrize("will", [None, Will("t/will", b"\x00\xff", 1, True), Will("w", b"", 0, False)])
@pytest.mark.parametrize("clean", [True, False])
def test_connect_as_paho(
    version: Version,
    login: tuple[str, str | None] | None,
    will: Will | None,
    clean: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client, out = paho_client(version, monkeypatch)
    if version == 5:
        extra = PahoProperties(PacketTypes.CONNECT)
        extra.SessionExpiryInterval = 77
        extra.ReceiveMaximum = 4000
        extra.MaximumPacketSize = 65_536
        extra.TopicAliasMaximum = 0
        monkeypatch.setattr(client, "_connect_properties", extra)
        monkeypatch.setattr(client, "_clean_start", clean)
    monkeypatch.setattr(client, "_clean_session", clean, raising=False)
    if login:
        client.username_pw_set(*login)
    if will:
        client.will_set(will.topic, will.payload, will.qos, will.retain)
    client._send_connect(60)
    ours = packets.encode_connect(
        version,
        "hub",
        clean_start=clean,
        keepalive_s=60,
        session_expiry_s=77,
        receive_maximum=4000,
        max_packet_size=65_536,
        username=login[0] if login else None,
        password=login[1] if login else None,
        will=will,
    )
    assert out == [ours]


@pytest.mark.parametrize("version", VERSIONS)
def test_small_packets_as_paho(version: Version, monkeypatch: pytest.MonkeyPatch) -> None:
    client, out = paho_client(version, monkeypatch)
    options: Callable[[int], object] = (lambda qos: paho.SubscribeOptions(qos)) if version == 5 else (lambda qos: qos)
    client._send_subscribe(0, [(b"t/#", options(1)), (b"$share/g/+/x", options(0))])  # type: ignore[list-item]
    client._send_unsubscribe(0, [b"t/#", b"u"])
    client._send_puback(513)
    client._send_pingreq()
    assert out == [
        packets.encode_subscribe(version, 1, [("t/#", 1), ("$share/g/+/x", 0)]),
        packets.encode_unsubscribe(version, 2, ["t/#", "u"]),
        packets.encode_pubacks([513]),
        packets.PINGREQ,
    ]
    assert packets.encode_pubacks([1, 65_535]) == b"\x40\x02\x00\x01\x40\x02\xff\xff"
    assert packets.encode_disconnect(version) == b"\xe0\x00"
    assert packets.encode_disconnect(5, 0x81) == b"\xe0\x01\x81"


# -- what a caller gets wrong -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: packets.encode_publish(5, Publish("", b"", 0, False, False, 0)),
        lambda: packets.encode_publish(5, Publish("a/+", b"", 0, False, False, 0)),
        lambda: packets.encode_publish(5, Publish("a\0", b"", 0, False, False, 0)),
        lambda: packets.encode_publish(5, Publish("\ud800", b"", 0, False, False, 0)),
        lambda: packets.encode_publish(5, Publish("a" * 65_536, b"", 0, False, False, 0)),
        lambda: packets.encode_publish(5, Publish("a", b"", 2, False, False, 1)),
        lambda: packets.encode_publish(5, Publish("a", b"", 1, False, False, 0)),
        lambda: packets.encode_publish(5, Publish("a", b"", 0, True, False, 0)),
        lambda: packets.encode_publish(4, Publish("a", b"", 0, False, False, 0), expiry_s=1),
        lambda: packets.encode_publish(5, Publish("a", b"", 0, False, False, 0), expiry_s=1 << 32),
        lambda: packets.encode_subscribe(5, 1, []),
        lambda: packets.encode_subscribe(5, 0, [("a", 1)]),
        lambda: packets.encode_subscribe(5, 1, [("a", 2)]),
        lambda: packets.encode_subscribe(5, 1, [("a#", 1)]),
        lambda: packets.encode_subscribe(5, 1, [("#/a", 1)]),
        lambda: packets.encode_subscribe(5, 1, [("a+/b", 1)]),
        lambda: packets.encode_subscribe(5, 1, [("", 1)]),
        lambda: packets.encode_subscribe(5, 1, [("$share/g", 1)]),
        lambda: packets.encode_subscribe(5, 1, [("$share/+/a", 1)]),
        lambda: packets.encode_unsubscribe(5, 1, []),
        lambda: packets.encode_connect(4, "x", clean_start=True, keepalive_s=65_536),
        lambda: packets.encode_connect(4, "", clean_start=False, keepalive_s=1),
        lambda: packets.encode_connect(4, "x", clean_start=True, keepalive_s=1, password="p"),
        lambda: packets.encode_connect(4, "x", clean_start=True, keepalive_s=1, will=Will("t", b"", 2)),
        lambda: prop.encode_properties([(prop.REASON, 1)]),
        lambda: wire.encode_varint(268_435_456),
        lambda: wire.encode_varint(-1),
    ],
)
def test_the_callers_mistakes_are_value_errors(wrong: Callable[[], bytes]) -> None:
    with pytest.raises(ValueError):
        wrong()


@given(st.integers(0, wire.MAX_REMAINING))
def test_variable_byte_integers(value: int) -> None:
    raw = wire.encode_varint(value)
    assert wire.Reader(raw, 0, len(raw)).varint("it") == value
    assert paho_varint(value) == raw


def paho_varint(value: int) -> bytes:
    out = bytearray()
    paho.Client(paho.CallbackAPIVersion.VERSION2)._pack_remaining_length(out, value)
    return bytes(out)


@pytest.mark.parametrize(
    "wrong",
    [
        {"subscriptions": (("t/#", 2),)},
        {"subscriptions": (("t/#/x", 1),)},
        {"client_id": ""},
        {"port": 0},
        {"keepalive_s": 0},
        {"version": 3},
        {"will": Will("a/+", b"")},
        {"version": 4, "password": "alone"},
    ],
)
def test_options_that_make_no_sense(wrong: dict[str, object]) -> None:
    with pytest.raises(Misconfigured):
        MqttOptions(**{"host": "h", "client_id": "hub", **wrong})  # type: ignore[arg-type]


def test_the_password_is_not_shown() -> None:
    assert "hidden" not in repr(MqttOptions(host="h", client_id="hub", username="u", password="hidden"))
