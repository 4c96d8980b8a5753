"""MQTT control packets a client receives, as values, and those it sends, as bytes. Pure; 3.1.1 and 5.0.

Section numbers are those of OASIS MQTT 5.0; 3.1.1 has the same layout without properties and reason codes.
Encoders raise ValueError for what MQTT cannot say: that is the caller's mistake, never the peer's.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Literal

import msgspec

from drivers.mqtt import properties as prop
from drivers.mqtt.wire import check_filter, check_topic, encode_binary, encode_text, encode_varint

Version = Literal[4, 5]
"""Protocol level as CONNECT says it (3.1.2.2): 4 is MQTT 3.1.1, 5 is MQTT 5.0."""

PINGREQ: Final = b"\xc0\x00"


class Publish(msgspec.Struct, frozen=True, gc=False):
    """A message (3.3). `packet_id` is 0 at QoS 0; `dup` says the broker may have sent it before."""

    topic: str
    payload: bytes
    qos: int
    dup: bool
    retain: bool
    packet_id: int


class ConnAck(msgspec.Struct, frozen=True):
    """The answer to CONNECT (3.2). `code` 0 is yes; else a 3.1.1 return code or a 5.0 reason code."""

    session_present: bool
    code: int
    properties: prop.Properties


class PubAck(msgspec.Struct, frozen=True, gc=False):
    """A QoS 1 PUBLISH of ours was taken (3.4); `code` from 0x80 on: refused (5.0 only)."""

    packet_id: int
    code: int
    reason: str


class SubAck(msgspec.Struct, frozen=True):
    """The answer to SUBSCRIBE (3.9): per filter the granted QoS, or from 0x80 on a refusal."""

    packet_id: int
    codes: tuple[int, ...]
    reason: str


class UnsubAck(msgspec.Struct, frozen=True):
    """The answer to UNSUBSCRIBE (3.11); 3.1.1 sends no codes."""

    packet_id: int
    codes: tuple[int, ...]
    reason: str


class PingResp(msgspec.Struct, frozen=True, gc=False):
    """The answer to PINGREQ (3.13)."""


class Disconnect(msgspec.Struct, frozen=True):
    """The server closes the connection and says why (3.14, 5.0 only)."""

    code: int
    reason: str


Packet = Publish | ConnAck | PubAck | SubAck | UnsubAck | PingResp | Disconnect


class Will(msgspec.Struct, frozen=True):
    """What the broker publishes when we vanish without DISCONNECT (3.1.2.5). `delay_s`: 5.0 only."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    delay_s: int = 0


def check_qos(qos: int) -> None:
    """ValueError for anything but QoS 0 and 1."""
    if qos == 2:
        raise ValueError("QoS 2 is not supported: events carry ids and are deduplicated, use QoS 1")
    if qos not in (0, 1):
        raise ValueError(f"there is no QoS {qos}")


def encode_connect(
    version: Version,
    client_id: str,
    *,
    clean_start: bool,
    keepalive_s: int,
    session_expiry_s: int = 0,
    receive_maximum: int = 65_535,
    max_packet_size: int = 0,
    username: str | None = None,
    password: str | bytes | None = None,
    will: Will | None = None,
) -> bytes:
    """CONNECT (3.1). Session expiry, receive maximum and packet size (bytes, 0 = no limit) go out with 5.0 only.

    Topic Alias Maximum is said to be 0: a topic alias in a PUBLISH is then the server's error (3.1.2.11.5).
    """
    if password is not None and username is None and version == 4:
        raise ValueError("MQTT 3.1.1 allows no password without a username (3.1.2.9)")
    if not client_id and not clean_start:
        raise ValueError("a session that stays needs a client id (3.1.3.1)")
    flags = clean_start << 1 | (password is not None) << 6 | (username is not None) << 7
    parts = [encode_text(client_id)]
    if will is not None:
        check_qos(will.qos)
        flags |= 4 | will.qos << 3 | will.retain << 5
        parts += _will_parts(version, will)
    if username is not None:
        parts.append(encode_text(username))
    if password is not None:
        parts.append(encode_binary(password.encode() if isinstance(password, str) else password))
    if version == 5:
        values = [
            (prop.SESSION_EXPIRY, session_expiry_s),
            (prop.RECEIVE_MAXIMUM, receive_maximum),
            (prop.TOPIC_ALIAS_MAXIMUM, 0),
        ]
        if max_packet_size:
            values.append((prop.MAX_PACKET_SIZE, max_packet_size))
        parts.insert(0, prop.encode_properties(values))
    head = encode_text("MQTT") + bytes((version, flags)) + _u16(keepalive_s, "keepalive")
    return _packet(0x10, head, *parts)


def _will_parts(version: Version, will: Will) -> list[bytes]:
    check_topic(will.topic)
    parts = [encode_text(will.topic), encode_binary(will.payload)]
    if version == 5:
        parts.insert(0, prop.encode_properties([(prop.WILL_DELAY, will.delay_s)] if will.delay_s else []))
    return parts


def encode_subscribe(version: Version, packet_id: int, subscriptions: Sequence[tuple[str, int]]) -> bytes:
    """SUBSCRIBE (3.8) to (topic filter, highest QoS) pairs."""
    if not subscriptions:
        raise ValueError("SUBSCRIBE needs at least one topic filter (3.8.3)")
    parts = []
    for topic_filter, qos in subscriptions:
        check_filter(topic_filter)
        check_qos(qos)
        parts.append(encode_text(topic_filter) + bytes((qos,)))
    return _packet(0x82, _packet_id(packet_id), _no_properties(version), *parts)


def encode_unsubscribe(version: Version, packet_id: int, filters: Sequence[str]) -> bytes:
    """UNSUBSCRIBE (3.10)."""
    if not filters:
        raise ValueError("UNSUBSCRIBE needs at least one topic filter (3.10.3)")
    return _packet(0xA2, _packet_id(packet_id), _no_properties(version), *map(encode_text, filters))


def encode_publish(version: Version, message: Publish, expiry_s: int | None = None) -> bytes:
    """PUBLISH (3.3). `expiry_s`: the broker forgets it after that long (3.3.2.3.3); 3.1.1 cannot say it."""
    check_topic(message.topic)
    check_qos(message.qos)
    if message.dup and not message.qos:
        raise ValueError("a QoS 0 message is never a duplicate (3.3.1.1)")
    if expiry_s is not None and version == 4:
        raise ValueError("MQTT 3.1.1 has no message expiry")
    parts = [encode_text(message.topic)]
    if message.qos:
        parts.append(_packet_id(message.packet_id))
    if version == 5:
        parts.append(prop.encode_properties([] if expiry_s is None else [(prop.MESSAGE_EXPIRY, expiry_s)]))
    flags = message.dup << 3 | message.qos << 1 | message.retain
    return _packet(0x30 | flags, *parts, message.payload)


def encode_pubacks(packet_ids: Iterable[int]) -> bytes:
    """One PUBACK (3.4) per id, all success, end to end; the two versions have the same short form."""
    return b"".join([b"\x40\x02" + packet_id.to_bytes(2, "big") for packet_id in packet_ids])


def encode_disconnect(version: Version, code: int = 0) -> bytes:
    """DISCONNECT (3.14); 3.1.1 has no reason code and leaves it out."""
    return bytes((0xE0, 1, code)) if code and version == 5 else b"\xe0\x00"


def _packet(first: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return bytes((first,)) + encode_varint(len(body)) + body


def _no_properties(version: Version) -> bytes:
    return b"\x00" if version == 5 else b""


def _u16(value: int, what: str) -> bytes:
    if not 0 <= value <= 65_535:
        raise ValueError(f"{what} {value} is not 0 to 65535")
    return value.to_bytes(2, "big")


def _packet_id(value: int) -> bytes:
    if not value:
        raise ValueError("packet id 0 is not allowed (2.2.1)")
    return _u16(value, "packet id")
