"""The MQTT decoder against everything a broken or hostile server could send."""

import itertools
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from drivers.mqtt import packets, wire
from drivers.mqtt import properties as prop
from drivers.mqtt.decoder import Decoder
from drivers.mqtt.packets import (
    ConnAck,
    Disconnect,
    Packet,
    PingResp,
    PubAck,
    Publish,
    SubAck,
    UnsubAck,
    Version,
)
from drivers.mqtt.wire import MalformedPacket

LIMIT = 70_000
VERSIONS: list[Version] = [4, 5]
versions = st.sampled_from(VERSIONS)


def body(first: int, content: bytes) -> bytes:
    return bytes((first,)) + wire.encode_varint(len(content)) + content


VALID: dict[Version, list[bytes]] = {
    4: [
        b"\x20\x02\x01\x00",
        b"\x40\x02\x00\x07",
        b"\x90\x05\x00\x01\x00\x01\x80",
        b"\xb0\x02\x00\x09",
        b"\xd0\x00",
        packets.encode_publish(4, Publish("t/a", b"x" * 200, 1, True, True, 9)),
        packets.encode_publish(4, Publish("门/一", b"", 0, False, False, 0)),
    ],
    5: [
        body(0x20, b"\x00\x00" + prop.encode_properties([(prop.RECEIVE_MAXIMUM, 20), (prop.REASON, "好")])),
        b"\x40\x02\x00\x07",
        b"\x40\x03\x00\x07\x10",
        body(0x40, b"\x00\x07\x87" + prop.encode_properties([(prop.REASON, "no")])),
        b"\x90\x05\x00\x01\x00\x01\x87",
        b"\xb0\x05\x00\x09\x00\x00\x11",
        b"\xd0\x00",
        b"\xe0\x00",
        body(0xE0, b"\x8b" + prop.encode_properties([(prop.REASON, "bye")])),
        packets.encode_publish(5, Publish("t/a", b"x" * 200, 1, True, True, 9), expiry_s=60),
        packets.encode_publish(5, Publish("门/一", b"", 0, False, False, 0)),
        body(0x30, b"\x00\x01t" + b"\x0c\x26\x00\x01k\x00\x01v\x0b\x05\x0b\x81\x01" + b"payload"),
    ],
}  # fmt: skip


def test_decodes_every_kind() -> None:
    stream = b"".join(VALID[5])
    assert Decoder(5, LIMIT).feed(stream) == [
        ConnAck(False, 0, {prop.RECEIVE_MAXIMUM: 20, prop.REASON: "好"}),
        PubAck(7, 0, ""),
        PubAck(7, 0x10, ""),
        PubAck(7, 0x87, "no"),
        SubAck(1, (1, 0x87), ""),
        UnsubAck(9, (0, 0x11), ""),
        PingResp(),
        Disconnect(0, ""),
        Disconnect(0x8B, "bye"),
        Publish("t/a", b"x" * 200, 1, True, True, 9),
        Publish("门/一", b"", 0, False, False, 0),
        Publish("t", b"payload", 0, False, False, 0),
    ]
    assert Decoder(4, LIMIT).feed(b"".join(VALID[4]))[:5] == [
        ConnAck(True, 0, {}),
        PubAck(7, 0, ""),
        SubAck(1, (0, 1, 0x80), ""),
        UnsubAck(9, (), ""),
        PingResp(),
    ]


@pytest.mark.parametrize(
    ("version", "raw", "says"),
    [
        (4, b"\x00\x00", "packet type 0"),
        (4, b"\x10\x00", "never sends CONNECT"),
        (4, b"\xe0\x00", "never sends DISCONNECT"),
        (5, b"\xf0\x00", "never sends AUTH"),
        (4, b"\x50\x02\x00\x01", "QoS 2"),
        (4, b"\x62\x02\x00\x01", "QoS 2"),
        (4, b"\x34\x05\x00\x01t\x00\x01", "QoS 2"),
        (4, b"\x36\x05\x00\x01t\x00\x01", "QoS 3"),
        (4, b"\x38\x03\x00\x01t", "DUP"),
        (4, b"\xd1\x00", "reserved flags"),
        (4, b"\xd0\x01\x00", "too many"),
        (4, b"\x30\xff\xff\xff\xff\x01", "longer than four"),
        (5, b"\x30\x84\x00\x00\x01t\x00", "shortest form"),
        (4, b"\x30\xff\xff\xff\x7f", "over the limit"),
        (4, b"\x30\x00", "cut short"),
        (4, b"\x30\x01\x00", "cut short"),
        (4, b"\x30\x03\x00\x02t" + b"xxxxxxxx", "cut short"),
        (4, b"\x32\x04\x00\x01t\x00" + b"xxxxxxxx", "cut short"),
        (5, b"\x30\x03\x00\x01t", "property length"),
        (4, b"\x32\x05\x00\x01t\x00\x00", "packet id 0"),
        (4, b"\x30\x02\x00\x00", "empty"),
        (5, b"\x30\x03\x00\x00\x00", "empty"),
        (4, b"\x30\x04\x00\x02t#", "wildcard"),
        (4, b"\x30\x04\x00\x02+t", "wildcard"),
        (4, b"\x30\x04\x00\x02t\x00", "NUL"),
        (4, b"\x30\x04\x00\x02\xc3\x28", "not UTF-8"),
        (4, b"\x30\x05\x00\x03\xed\xa0\x80", "not UTF-8"),
        (5, b"\x30\x05\x00\x01t\x05\x01", "properties are cut short"),
        (5, b"\x30\x06\x00\x01t\x02\x01\x02", "0x01 cannot be 2"),
        (5, b"\x30\x08\x00\x01t\x04\x01\x01\x01\x01", "twice"),
        (5, b"\x30\x07\x00\x01t\x03\x23\x00\x00", "cannot be 0"),
        (5, b"\x30\x07\x00\x01t\x03\x23\x00\x01", "topic alias"),
        (5, b"\x30\x07\x00\x00\x03\x23\x00\x01x", "topic alias"),
        (5, b"\x30\x06\x00\x01t\x02\x0b\x00", "cannot be 0"),
        (5, b"\x30\x07\x00\x01t\x03\x02\x00\x00", "cut short"),
        (5, b"\x30\x07\x00\x01t\x03\x11\x00\x00", "does not belong"),
        (5, b"\x30\x05\x00\x01t\x01\x7f", "does not belong"),
        (5, b"\x30\x08\x00\x01t\x04\x08\x00\x01#", "response topic"),
        (5, b"\x30\x0a\x00\x01t\x06\x26\x00\x01k\x00\x05", "cut short"),
        (4, b"\x20\x02\x02\x00", "reserved CONNACK flags"),
        (4, b"\x20\x02\x01\x05", "at once"),
        (4, b"\x20\x02\x00\x06", "reserved"),
        (4, b"\x20\x01\x00", "cut short"),
        (4, b"\x20\x03\x00\x00\x00", "too many"),
        (5, b"\x20\x06\x00\x00\x03\x21\x00\x00", "cannot be 0"),
        (4, b"\x40\x02\x00\x00", "packet id 0"),
        (4, b"\x40\x01\x00", "cut short"),
        (4, b"\x40\x03\x00\x01\x00", "too many"),
        (4, b"\x90\x03\x00\x01\x03", "reserved"),
        (4, b"\x90\x03\x00\x01\x87", "reserved"),
        (4, b"\x90\x02\x00\x01", "no codes"),
        (5, b"\xe0\x03\x81\x00\x00", "too many"),
    ],
)
def test_malformed(version: Version, raw: bytes, says: str) -> None:
    with pytest.raises(MalformedPacket, match=says):
        Decoder(version, LIMIT).feed(raw)


def run(decoder: Decoder, chunks: list[bytes]) -> tuple[list[Packet], str]:
    """What a stream decodes to, and the text of the error that ended it, if any. Anything else propagates."""
    out: list[Packet] = []
    for chunk in chunks:
        try:
            out += decoder.feed(chunk)
        except MalformedPacket as error:
            return out + error.before, str(error)
    return out, ""


def cut(stream: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(c % (len(stream) + 1) for c in cuts), len(stream)]
    return [stream[a:b] for a, b in itertools.pairwise(edges)]


@st.composite
def streams(draw: st.DrawFn) -> tuple[Version, bytes]:
    """Valid packets in a row, some of them bent: a byte changed, cut out or put in."""
    version = draw(versions)
    stream = bytearray(b"".join(draw(st.lists(st.sampled_from(VALID[version]), max_size=6))))
    for _ in range(draw(st.integers(0, 3))):
        if stream:
            at = draw(st.integers(0, len(stream) - 1))
            stream[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
    return version, bytes(stream)


@settings(max_examples=600, deadline=None)
@given(streams(), st.lists(st.integers(0, 2000), max_size=6))
@example((4, b"\x36\xff\xff\xff\x7f"), [1, 2, 3])
def test_any_chunking_gives_the_same(case: tuple[Version, bytes], cuts: list[int]) -> None:
    version, stream = case
    whole = run(Decoder(version, 300), [stream])
    assert run(Decoder(version, 300), cut(stream, cuts)) == whole
    assert run(Decoder(version, 300), [stream[i : i + 1] for i in range(len(stream))]) == whole


@settings(max_examples=600, deadline=None)
@given(versions, st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=4))
def test_noise_is_malformed_and_nothing_else(version: Version, noise: bytes, cuts: list[int]) -> None:
    assert run(Decoder(version, 100), cut(noise, cuts)) == run(Decoder(version, 100), [noise])


@pytest.mark.parametrize("version", VERSIONS)
def test_a_long_walk_of_bent_packets(version: Version) -> None:
    rng = random.Random(version)
    bad = 0
    for _ in range(20_000):
        raw = bytearray(rng.choice(VALID[version]))
        for _ in range(rng.randint(1, 3)):
            raw[rng.randrange(min(len(raw), 30))] = rng.randrange(256)
        bad += bool(run(Decoder(version, LIMIT), [bytes(raw)])[1])
    assert bad > 1000


def test_memory_stays_within_the_packet_limit() -> None:
    decoder = Decoder(4, 50_000)
    raw = packets.encode_publish(4, Publish("t", b"x" * 49_000, 0, False, False, 0))
    for i in range(len(raw) - 1):
        assert decoder.feed(raw[i : i + 1]) == []
    assert len(decoder._tail) < 50_000
    assert len(decoder.feed(raw[-1:])) == 1
    assert not decoder._tail
    for i in range(40_000):
        decoder.feed(packets.encode_publish(4, Publish(f"t/{i}", b"", 0, False, False, 0)))
    decoder.feed(packets.encode_publish(4, Publish("long" * 100, b"", 0, False, False, 0)))
    assert len(decoder._topics) <= 32_768
    assert max(map(len, decoder._topics)) <= 256
