"""MQTT 5.0 properties (section 2.2.2): one table, one bounded parser, one encoder."""

from collections.abc import Iterable
from typing import Final

from drivers.mqtt.wire import MalformedPacket, Reader, encode_binary, encode_text, encode_varint

Properties = dict[int, int | str | bytes]
"""Property identifier to its value; user properties are checked and left out."""

PAYLOAD_FORMAT: Final = 0x01
MESSAGE_EXPIRY: Final = 0x02
CONTENT_TYPE: Final = 0x03
RESPONSE_TOPIC: Final = 0x08
CORRELATION_DATA: Final = 0x09
SUBSCRIPTION_ID: Final = 0x0B
SESSION_EXPIRY: Final = 0x11
ASSIGNED_CLIENT_ID: Final = 0x12
SERVER_KEEP_ALIVE: Final = 0x13
AUTH_METHOD: Final = 0x15
AUTH_DATA: Final = 0x16
WILL_DELAY: Final = 0x18
RESPONSE_INFO: Final = 0x1A
SERVER_REFERENCE: Final = 0x1C
REASON: Final = 0x1F
RECEIVE_MAXIMUM: Final = 0x21
TOPIC_ALIAS_MAXIMUM: Final = 0x22
TOPIC_ALIAS: Final = 0x23
MAXIMUM_QOS: Final = 0x24
RETAIN_AVAILABLE: Final = 0x25
USER_PROPERTY: Final = 0x26
MAX_PACKET_SIZE: Final = 0x27
WILDCARD_AVAILABLE: Final = 0x28
SUBSCRIPTION_ID_AVAILABLE: Final = 0x29
SHARED_AVAILABLE: Final = 0x2A

_FLAG, _U16, _U32, _VARINT, _TEXT, _BINARY, _PAIR = range(7)

_KINDS: Final = {
    PAYLOAD_FORMAT: _FLAG,
    MESSAGE_EXPIRY: _U32,
    CONTENT_TYPE: _TEXT,
    RESPONSE_TOPIC: _TEXT,
    CORRELATION_DATA: _BINARY,
    SUBSCRIPTION_ID: _VARINT,
    SESSION_EXPIRY: _U32,
    ASSIGNED_CLIENT_ID: _TEXT,
    SERVER_KEEP_ALIVE: _U16,
    AUTH_METHOD: _TEXT,
    AUTH_DATA: _BINARY,
    WILL_DELAY: _U32,
    RESPONSE_INFO: _TEXT,
    SERVER_REFERENCE: _TEXT,
    REASON: _TEXT,
    RECEIVE_MAXIMUM: _U16,
    TOPIC_ALIAS_MAXIMUM: _U16,
    TOPIC_ALIAS: _U16,
    MAXIMUM_QOS: _FLAG,
    RETAIN_AVAILABLE: _FLAG,
    USER_PROPERTY: _PAIR,
    MAX_PACKET_SIZE: _U32,
    WILDCARD_AVAILABLE: _FLAG,
    SUBSCRIPTION_ID_AVAILABLE: _FLAG,
    SHARED_AVAILABLE: _FLAG,
}
_SIZES: Final = {_FLAG: 1, _U16: 2, _U32: 4}
_NOT_ZERO: Final = frozenset({RECEIVE_MAXIMUM, MAX_PACKET_SIZE, SUBSCRIPTION_ID, TOPIC_ALIAS})

IN_PUBLISH: Final = frozenset(
    {PAYLOAD_FORMAT, MESSAGE_EXPIRY, CONTENT_TYPE, RESPONSE_TOPIC, CORRELATION_DATA, SUBSCRIPTION_ID,
     TOPIC_ALIAS, USER_PROPERTY}
)  # fmt: skip
IN_CONNACK: Final = frozenset(
    {SESSION_EXPIRY, ASSIGNED_CLIENT_ID, SERVER_KEEP_ALIVE, AUTH_METHOD, AUTH_DATA, RESPONSE_INFO,
     SERVER_REFERENCE, REASON, RECEIVE_MAXIMUM, TOPIC_ALIAS_MAXIMUM, MAXIMUM_QOS, RETAIN_AVAILABLE,
     USER_PROPERTY, MAX_PACKET_SIZE, WILDCARD_AVAILABLE, SUBSCRIPTION_ID_AVAILABLE, SHARED_AVAILABLE}
)  # fmt: skip
IN_ACK: Final = frozenset({REASON, USER_PROPERTY})
IN_DISCONNECT: Final = frozenset({SESSION_EXPIRY, SERVER_REFERENCE, REASON, USER_PROPERTY})


def read_properties(reader: Reader, allowed: frozenset[int]) -> Properties:
    """Read a property block; MalformedPacket for one unknown, misplaced, doubled, cut short or out of range."""
    length = reader.varint("property length")
    if length > reader.left:
        raise MalformedPacket(f"properties are cut short: {length} bytes said, {reader.left} left")
    outer, reader.stop = reader.stop, reader.pos + length
    found: Properties = {}
    while reader.left:
        key = reader.varint("property identifier")
        if key not in allowed:
            raise MalformedPacket(f"property 0x{key:02x} does not belong here")
        value = _read_value(reader, key)
        if value is None:
            continue
        if key in found and key != SUBSCRIPTION_ID:
            raise MalformedPacket(f"property 0x{key:02x} stands twice")
        found[key] = value
    reader.stop = outer
    return found


def _read_value(reader: Reader, key: int) -> int | str | bytes | None:
    kind = _KINDS[key]
    what = f"property 0x{key:02x}"
    if kind == _PAIR:
        reader.text(what)
        reader.text(what)
        return None
    if kind == _TEXT:
        return reader.text(what)
    if kind == _BINARY:
        return reader.binary(what)
    number = reader.varint(what) if kind == _VARINT else reader.uint(_SIZES[kind], what)
    if (kind == _FLAG and number > 1) or (number == 0 and key in _NOT_ZERO):
        raise MalformedPacket(f"{what} cannot be {number}")
    return number


def encode_properties(values: Iterable[tuple[int, int | str | bytes]]) -> bytes:
    """A property block with its length. ValueError for a value that does not fit its type."""
    body = b"".join(encode_varint(key) + _encode_value(key, value) for key, value in values)
    return encode_varint(len(body)) + body


def _encode_value(key: int, value: int | str | bytes) -> bytes:
    kind = _KINDS.get(key)
    if isinstance(value, str) and kind == _TEXT:
        return encode_text(value)
    if isinstance(value, bytes) and kind == _BINARY:
        return encode_binary(value)
    if isinstance(value, int) and kind == _VARINT:
        return encode_varint(value)
    if isinstance(value, int) and kind in _SIZES and 0 <= value < 1 << 8 * _SIZES[kind]:
        return value.to_bytes(_SIZES[kind], "big")
    raise ValueError(f"{value!r} is no value of property 0x{key:02x}")
