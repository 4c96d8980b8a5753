"""Incremental decoder of what an MQTT server sends. Pure: bytes in, packets out.

Memory is bounded by `max_packet_size` plus the chunk fed. `PUBLISH` at QoS 0 or 1 is the hot path: no calls,
no copies but topic and payload.
"""

from collections.abc import Callable
from typing import Final

from drivers.mqtt import properties as prop
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
from drivers.mqtt.wire import MalformedPacket, Reader, decode_text

_TOPICS_KEPT: Final = 32_768
_TOPIC_KEPT_BYTES: Final = 256  # longer topics are decoded each time, so the cache stays under about 20 MB

_NAMES: Final = {
    0: "packet type 0", 1: "CONNECT", 5: "PUBREC", 6: "PUBREL", 7: "PUBCOMP", 8: "SUBSCRIBE", 10: "UNSUBSCRIBE",
    12: "PINGREQ", 15: "AUTH",
}  # fmt: skip
_QOS2: Final = frozenset({5, 6, 7})


def _publish_flags(first: int) -> tuple[int, bool, bool] | None:
    qos, dup = first >> 1 & 3, bool(first & 8)
    if first >> 4 != 3 or qos > 1 or (dup and not qos):
        return None
    return qos, dup, bool(first & 1)


# By first byte: (qos, dup, retain) of a PUBLISH we can take (3.3.1), None for every other byte
_PUBLISH_FLAGS: Final = tuple(_publish_flags(first) for first in range(256))


class Decoder:
    """Feed it the stream in any chunks; the packets and the error are the same for every chunking."""

    def __init__(self, version: Version, max_packet_size: int) -> None:
        """`max_packet_size`: bytes of a whole packet with its header; a longer one is malformed."""
        self._v5 = version == 5
        self._max = max_packet_size
        self._tail = bytearray()
        self._need = 0
        self._topics: dict[bytes, str] = {}
        self._readers: dict[int, Callable[[Reader], Packet]] = {
            2: self._connack,
            4: self._puback,
            9: self._suback,
            11: self._unsuback,
            13: _pingresp,
        }
        if self._v5:
            self._readers[14] = _disconnect

    def feed(self, data: bytes) -> list[Packet]:
        """Packets completed by `data`, in order.

        MalformedPacket, whose `before` holds the packets completed ahead of the bad one; the connection is then
        of no more use, and neither is this decoder.
        """
        tail = self._tail
        if tail:
            tail += data
            if len(tail) < self._need:
                return []
            data = bytes(tail)
            tail.clear()
        out: list[Packet] = []
        try:
            pos = self._run(data, out)
        except MalformedPacket as error:
            error.before.extend(out)
            raise
        if pos < len(data):
            tail += data[pos:]
        return out

    def _run(self, data: bytes, out: list[Packet]) -> int:
        """Append every whole packet in `data` to `out`; returns where the first incomplete one begins."""
        pos, end, limit = 0, len(data), self._max
        self._need = 2
        while end - pos >= 2:
            first = data[pos]
            length = data[pos + 1]
            body = pos + 2
            if length > 127:
                header = self._long_length(data, pos)
                if header is None:
                    self._need = end - pos + 1
                    break
                length, body = header
            stop = body + length
            if stop - pos > limit:
                raise MalformedPacket(f"a packet of {stop - pos} bytes is over the limit of {limit}")
            flags = _PUBLISH_FLAGS[first]
            if flags is None:
                self._check_first(first)
            if stop > end:
                self._need = stop - pos
                break
            out.append(self._publish(data, body, stop, flags) if flags else self._control(first, data, body, stop))
            pos = stop
        return pos

    def _publish(self, data: bytes, body: int, stop: int, flags: tuple[int, bool, bool]) -> Publish:
        qos, dup, retain = flags
        if body + 2 > stop:
            raise MalformedPacket("PUBLISH is cut short")
        at = body + 2 + (data[body] << 8 | data[body + 1])
        raw = data[body + 2 : at]
        packet_id = 0
        if qos:
            at += 2
            if at <= stop:
                packet_id = data[at - 2] << 8 | data[at - 1]
                if not packet_id:
                    raise MalformedPacket("packet id 0 in a QoS 1 PUBLISH")
        if at > stop:
            raise MalformedPacket("PUBLISH is cut short")
        if self._v5:
            if at < stop and not data[at]:
                at += 1
            else:
                at = _skip_publish_properties(data, at, stop)
        topic = self._topics.get(raw) or self._new_topic(raw)
        return Publish(topic, data[at:stop], qos, dup, retain, packet_id)

    def _long_length(self, data: bytes, pos: int) -> tuple[int, int] | None:
        """(remaining length, where the body begins) of a length of 2 to 4 bytes; None: not all here yet."""
        value = 0
        for index in range(4):
            if pos + 1 + index >= len(data):
                return None
            byte = data[pos + 1 + index]
            value |= (byte & 127) << 7 * index
            if byte < 128:
                if not byte and self._v5:  # 1.5.5 is new in 5.0
                    raise MalformedPacket("the remaining length is not in its shortest form")
                return value, pos + 2 + index
        raise MalformedPacket("the remaining length is longer than four bytes")

    def _check_first(self, first: int) -> None:
        kind = first >> 4
        if kind == 3:
            raise _bad_publish_flags(first)
        if kind in _QOS2:
            raise MalformedPacket(f"{_NAMES[kind]} belongs to QoS 2, which was never agreed")
        if kind not in self._readers:
            raise MalformedPacket(f"a server never sends {_NAMES.get(kind, 'DISCONNECT in MQTT 3.1.1')}")
        if first & 15:
            raise MalformedPacket(f"reserved flags 0x{first & 15:x} of packet type {kind} are set")

    def _control(self, first: int, data: bytes, body: int, stop: int) -> Packet:
        reader = Reader(data, body, stop)
        packet = self._readers[first >> 4](reader)
        if reader.left:
            raise MalformedPacket(f"{type(packet).__name__} has {reader.left} bytes too many")
        return packet

    def _new_topic(self, raw: bytes) -> str:
        topic = decode_text(raw, "topic")
        if not topic:
            raise MalformedPacket("the topic of a PUBLISH is empty")
        if "+" in topic or "#" in topic:
            raise MalformedPacket(f"wildcard in the topic of a PUBLISH: {topic[:100]!r}")
        if len(raw) <= _TOPIC_KEPT_BYTES:
            if len(self._topics) >= _TOPICS_KEPT:
                self._topics.clear()
            self._topics[raw] = topic
        return topic

    def _connack(self, reader: Reader) -> ConnAck:
        flags = reader.uint(1, "CONNACK flags")
        if flags > 1:
            raise MalformedPacket(f"reserved CONNACK flags 0x{flags:02x} are set")
        code = reader.uint(1, "CONNACK code")
        if flags and code:
            raise MalformedPacket(f"CONNACK refuses (0x{code:02x}) and has a session at once")
        if not self._v5 and code > 5:
            raise MalformedPacket(f"CONNACK return code {code} is reserved")
        return ConnAck(bool(flags), code, prop.read_properties(reader, prop.IN_CONNACK) if self._v5 else {})

    def _puback(self, reader: Reader) -> PubAck:
        packet_id = _packet_id(reader, "PUBACK")
        code = reader.uint(1, "PUBACK code") if self._v5 and reader.left else 0
        reason = _reason(reader, prop.IN_ACK) if self._v5 and reader.left else ""
        return PubAck(packet_id, code, reason)

    def _suback(self, reader: Reader) -> SubAck:
        packet_id = _packet_id(reader, "SUBACK")
        reason = _reason(reader, prop.IN_ACK) if self._v5 else ""
        codes = tuple(reader.take(reader.left, "SUBACK codes"))
        if not codes:
            raise MalformedPacket("SUBACK has no codes")
        for code in codes:
            if 2 < code < 128 or (code > 128 and not self._v5):
                raise MalformedPacket(f"SUBACK code 0x{code:02x} is reserved")
        return SubAck(packet_id, codes, reason)

    def _unsuback(self, reader: Reader) -> UnsubAck:
        packet_id = _packet_id(reader, "UNSUBACK")
        if not self._v5:
            return UnsubAck(packet_id, (), "")
        reason = _reason(reader, prop.IN_ACK)
        return UnsubAck(packet_id, tuple(reader.take(reader.left, "UNSUBACK codes")), reason)


def _pingresp(_reader: Reader) -> PingResp:
    return PingResp()


def _disconnect(reader: Reader) -> Disconnect:
    code = reader.uint(1, "DISCONNECT code") if reader.left else 0
    return Disconnect(code, _reason(reader, prop.IN_DISCONNECT) if reader.left else "")


def _packet_id(reader: Reader, what: str) -> int:
    packet_id = reader.uint(2, f"{what} packet id")
    if not packet_id:
        raise MalformedPacket(f"packet id 0 in {what}")
    return packet_id


def _reason(reader: Reader, allowed: frozenset[int]) -> str:
    return str(prop.read_properties(reader, allowed).get(prop.REASON, ""))


def _bad_publish_flags(first: int) -> MalformedPacket:
    qos = first >> 1 & 3
    if qos > 1:
        return MalformedPacket(f"PUBLISH at QoS {qos}: at most QoS 1 was agreed")
    return MalformedPacket("DUP is set in a QoS 0 PUBLISH")


def _skip_publish_properties(data: bytes, at: int, stop: int) -> int:
    """Check the property block at `at`; returns where the payload begins."""
    reader = Reader(data, at, stop)
    found = prop.read_properties(reader, prop.IN_PUBLISH)
    if prop.TOPIC_ALIAS in found:
        raise MalformedPacket("topic alias in a PUBLISH: our Topic Alias Maximum is 0")
    response_topic = str(found.get(prop.RESPONSE_TOPIC, ""))
    if "+" in response_topic or "#" in response_topic:
        raise MalformedPacket("wildcard in the response topic of a PUBLISH")
    return reader.pos
