"""Raw bytes to numbers and back: Modbus registers and binary payloads. Pure. Scaling stands in `scaling.py`."""

import math
import struct
from collections.abc import Callable
from operator import itemgetter
from typing import Final

from hub.codecs.reasons import DeadReason
from hub.codecs.scaling import Raw, apply_scaling, compile_scaling, invert_scaling
from hub.errors import BadFrame, Misconfigured
from hub.vocabulary.kinds import PointSpec
from hub.vocabulary.numbers import BYTES, NumberLayout, WordOrder

__all__ = [
    "apply_scaling", "byte_order", "compile_number", "compile_reader", "compile_scaling", "decode_number",
    "encode_number", "invert_scaling", "size_of",
]  # fmt: skip

Reader = Callable[[bytes, int], Raw]
Writer = Callable[[Raw], bytes]

_FORMATS: Final = {
    "int8": "b", "uint8": "B", "int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q", "uint64": "Q",
    "float32": "f", "float64": "d",
}  # fmt: skip


def size_of(layout: NumberLayout, order: WordOrder) -> int:
    """Bytes the layout takes. A string whose bytes are swapped takes whole 16-bit words."""
    if layout.length is None:
        return BYTES[layout.type]
    return layout.length + layout.length % 2 if order in ("BADC", "DCBA") else layout.length


def byte_order(order: WordOrder, width: int) -> tuple[int, ...]:
    """Where each byte of the big-endian value stands on the wire; its own inverse. `width` is 1 or even."""
    if width == 1:
        return (0,)
    words = range(width // 2)
    pairs = [(2 * word, 2 * word + 1) for word in (reversed(words) if order in ("CDAB", "DCBA") else words)]
    return tuple(i for pair in pairs for i in (reversed(pair) if order in ("BADC", "DCBA") else pair))


def decode_number(layout: NumberLayout, order: WordOrder, data: bytes) -> float | str:
    """The raw value at the start of `data`, unscaled; `layout.order` wins over `order`. BadFrame as `compile_reader`.

    Integers stay int, so 64-bit counters lose nothing here.
    """
    return compile_reader(layout, order)(data, 0)


def encode_number(layout: NumberLayout, order: WordOrder, value: float | str) -> bytes:
    """The wire bytes of a raw value; integers are rounded to the nearest. With `bit`, only that bit may be set.

    ValueError where the value does not fit the type.
    """
    order = layout.order or order
    if layout.type == "string":
        return _encode_string(layout, order, str(value))
    if isinstance(value, str):
        raise ValueError(f"{value!r} is not a number, and {layout.type} needs one")
    big = _encode_big_endian(layout, value)
    return bytes(itemgetter(*byte_order(order, len(big)))(big)) if len(big) > 1 else big


def _encode_string(layout: NumberLayout, order: WordOrder, value: str) -> bytes:
    text = value.encode("ascii")
    if len(text) > (layout.length or 0):
        raise ValueError(f"{value!r} is longer than {layout.length} bytes")
    text = text.ljust(size_of(layout, order), b"\0")
    return _swap_pairs(text) if order in ("BADC", "DCBA") else text


def _encode_big_endian(layout: NumberLayout, value: float) -> bytes:
    kind = layout.type
    width = BYTES[kind]
    if kind == "bool":
        return b"\1" if value else b"\0"
    if layout.bit is not None:
        return (1 << layout.bit if value else 0).to_bytes(width, "big")
    if kind.startswith("float"):
        try:
            return struct.pack(">" + _FORMATS[kind], value)
        except OverflowError as error:
            raise ValueError(f"{value!r} does not fit {kind}") from error
    if not math.isfinite(value):
        raise ValueError(f"{value!r} does not fit {kind}")
    whole = value if isinstance(value, int) else round(value)
    if kind.startswith("bcd"):
        if not 0 <= whole < 10 ** (2 * width):
            raise ValueError(f"{value!r} does not fit {kind}")
        return bytes.fromhex(f"{whole:0{2 * width}d}")
    try:
        return whole.to_bytes(width, "big", signed=kind.startswith("int"))
    except OverflowError as error:
        raise ValueError(f"{value!r} does not fit {kind}") from error


def compile_reader(layout: NumberLayout, order: WordOrder) -> Reader:
    """A function (data, offset in bytes) -> raw value.

    It raises BadFrame: truncated (too few bytes), invalid_bcd, not_finite (NaN or infinity), malformed (not ASCII).
    """
    order = layout.order or order
    if layout.type == "string":
        return _string_reader(layout, order)
    if layout.type == "bool":
        return _bool_reader
    if layout.type.startswith("bcd"):
        return _bcd_reader(BYTES[layout.type], order)
    read = _plain_reader(layout.type, order)
    if layout.type.startswith("float"):
        return _finite(read)
    if layout.bit is None:
        return read
    bit = layout.bit

    def one_bit(data: bytes, offset: int) -> Raw:
        value = read(data, offset)
        assert isinstance(value, int)
        return value >> bit & 1

    return one_bit


def _truncated(data: bytes, offset: int, width: int) -> BadFrame:
    return BadFrame(DeadReason.TRUNCATED, f"{width} bytes are needed at {offset}, the payload has {len(data)}")


def _take(data: bytes, offset: int, width: int) -> bytes:
    part = data[offset : offset + width]
    if len(part) < width:
        raise _truncated(data, offset, width)
    return part


def _plain_reader(kind: str, order: WordOrder) -> Reader:
    width = BYTES[kind]
    places = byte_order(order, width)
    swapped = places == tuple(reversed(range(width))) and width > 1
    if swapped or places == tuple(range(width)):
        unpack_from = struct.Struct(("<" if swapped else ">") + _FORMATS[kind]).unpack_from

        def straight(data: bytes, offset: int) -> Raw:
            try:
                value: Raw = unpack_from(data, offset)[0]
            except struct.error:
                raise _truncated(data, offset, width) from None
            return value

        return straight
    unpack, pick = struct.Struct(">" + _FORMATS[kind]).unpack, itemgetter(*places)

    def permuted(data: bytes, offset: int) -> Raw:
        value: Raw = unpack(bytes(pick(_take(data, offset, width))))[0]
        return value

    return permuted


def _finite(read: Reader) -> Reader:
    def finite(data: bytes, offset: int) -> Raw:
        value = read(data, offset)
        assert isinstance(value, float)
        if not math.isfinite(value):
            raise BadFrame(DeadReason.NOT_FINITE, f"{value} at byte {offset}")
        return value

    return finite


def _bool_reader(data: bytes, offset: int) -> Raw:
    return _take(data, offset, 1) != b"\0"


def _bcd_reader(width: int, order: WordOrder) -> Reader:
    pick = itemgetter(*byte_order(order, width))

    def bcd(data: bytes, offset: int) -> Raw:
        digits = bytes(pick(_take(data, offset, width))).hex()
        if not digits.isdecimal():
            raise BadFrame(DeadReason.INVALID_BCD, f"0x{digits} at byte {offset} has a nibble above 9")
        return int(digits)

    return bcd


def _swap_pairs(text: bytes) -> bytes:
    out = bytearray(text)
    out[0::2], out[1::2] = text[1::2], text[0::2]
    return bytes(out)


def _string_reader(layout: NumberLayout, order: WordOrder) -> Reader:
    """Strings keep their word order in every WordOrder; only the bytes within a word may be swapped."""
    width, length, swap = size_of(layout, order), layout.length, order in ("BADC", "DCBA")

    def string(data: bytes, offset: int) -> Raw:
        part = _take(data, offset, width)
        text = (_swap_pairs(part) if swap else part)[:length].split(b"\0", 1)[0]
        if not text.isascii():
            raise BadFrame(DeadReason.MALFORMED, f"the string at byte {offset} is not ASCII")
        return text.decode("ascii").strip()

    return string


def compile_number(layout: NumberLayout, order: WordOrder, spec: PointSpec) -> Callable[[bytes, int], float]:
    """A function (data, offset in bytes) -> canonical value; the hot path. Raises Misconfigured here, BadFrame there.

    A string needs a `map`, for a reading is a number.
    """
    if layout.type == "string" and layout.map is None:
        raise Misconfigured("a point of type string needs `map`: a reading is a number")
    read, scale = compile_reader(layout, order), compile_scaling(layout, spec)

    def number(data: bytes, offset: int) -> float:
        return scale(read(data, offset))

    return number
