"""MQTT data types on the wire (OASIS MQTT 5.0 and 3.1.1, section 1.5) and the rules for topics (4.7)."""

from typing import Any

from hub.errors import DriverError

MAX_REMAINING = 268_435_455
"""Largest remaining length four bytes can say (2.2.3 in 3.1.1, 2.1.4 in 5.0)."""


class MalformedPacket(DriverError):
    """The peer sent bytes that are not MQTT as agreed. `before`: the packets understood before it in this feed."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.before: list[Any] = []


def encode_varint(value: int) -> bytes:
    """Variable byte integer, 1 to 4 bytes (5.0 1.5.5). ValueError if it does not fit."""
    if not 0 <= value <= MAX_REMAINING:
        raise ValueError(f"{value} does not fit a variable byte integer")
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode_binary(value: bytes) -> bytes:
    """Two-byte length and the bytes (5.0 1.5.6). ValueError over 65 535 bytes."""
    if len(value) > 65_535:
        raise ValueError(f"{len(value)} bytes do not fit a two-byte length")
    return len(value).to_bytes(2, "big") + value


def encode_text(value: str) -> bytes:
    """UTF-8 string with its two-byte length (1.5.4). ValueError on NUL, lone surrogates or over 65 535 bytes."""
    if "\0" in value:
        raise ValueError("a string holds NUL")
    return encode_binary(value.encode())


def decode_text(raw: bytes, what: str) -> str:
    """The str of UTF-8 bytes without their length (1.5.4); `what` names the field in the error."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise MalformedPacket(f"{what} is not UTF-8: {error.reason} at byte {error.start}") from None
    if "\0" in text:
        raise MalformedPacket(f"{what} holds NUL")
    return text


class Reader:
    """A cursor over one packet's body; every read past its end is a MalformedPacket naming the field."""

    __slots__ = ("_data", "pos", "stop")

    def __init__(self, data: bytes, pos: int, stop: int) -> None:
        self._data = data
        self.pos = pos
        self.stop = stop

    @property
    def left(self) -> int:
        """Bytes not read yet."""
        return self.stop - self.pos

    def take(self, count: int, what: str) -> bytes:
        """The next `count` bytes."""
        start = self.pos
        if start + count > self.stop:
            raise MalformedPacket(f"{what} is cut short: {count} bytes needed, {self.left} left")
        self.pos = start + count
        return self._data[start : start + count]

    def uint(self, size: int, what: str) -> int:
        """An unsigned big-endian integer of `size` bytes."""
        return int.from_bytes(self.take(size, what), "big")

    def binary(self, what: str) -> bytes:
        """Length-prefixed bytes."""
        return self.take(self.uint(2, what), what)

    def text(self, what: str) -> str:
        """Length-prefixed UTF-8."""
        return decode_text(self.binary(what), what)

    def varint(self, what: str) -> int:
        """Variable byte integer in its shortest form (5.0 1.5.5)."""
        value = 0
        for shift in (0, 7, 14, 21):
            byte = self.uint(1, what)
            value |= (byte & 127) << shift
            if byte < 128:
                if shift and not byte:
                    raise MalformedPacket(f"{what} is not in its shortest form")
                return value
        raise MalformedPacket(f"{what} is longer than four bytes")


def check_topic(topic: str) -> None:
    """ValueError unless messages can be published to `topic` (4.7.1-1, 4.7.3): not empty, no wildcard, no NUL."""
    if not topic:
        raise ValueError("the topic is empty")
    if "+" in topic or "#" in topic:
        raise ValueError(f"the topic {topic!r} holds a wildcard")
    encode_text(topic)


def check_filter(topic_filter: str) -> None:
    """ValueError unless `topic_filter` can be subscribed to (4.7.1; `$share/group/filter`: 5.0 4.8.2)."""
    levels = topic_filter.split("/")
    if levels[0] == "$share":
        if len(levels) < 3 or not levels[1] or "+" in levels[1] or "#" in levels[1]:
            raise ValueError(f"{topic_filter!r} is not $share/group/filter")
        levels = levels[2:]
    if levels == [""]:
        raise ValueError("the topic filter is empty")
    for index, level in enumerate(levels):
        if "#" in level and (level != "#" or index != len(levels) - 1):
            raise ValueError(f"'#' must stand alone at the end of {topic_filter!r}")
        if "+" in level and level != "+":
            raise ValueError(f"'+' must fill a whole level of {topic_filter!r}")
    encode_text(topic_filter)
