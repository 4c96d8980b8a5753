"""Modbus blocks: which registers to read together, and what their bytes mean. Pure, both directions.

Source: MODBUS Application Protocol Specification V1.1b3 (6.1 to 6.4: 125 registers or 2000 bits a request).
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, cast

import msgspec

from hub.codecs.numbers import compile_number, compile_scaling, encode_number, invert_scaling, size_of
from hub.codecs.reasons import DeadReason
from hub.errors import BadFrame, Misconfigured
from hub.model import Device, Quality, Reading
from hub.vocabulary.kinds import PointSpec
from hub.vocabulary.modbus import ModbusPoint, ModbusSection, Table
from hub.vocabulary.numbers import WordOrder

MAX_BITS: Final = 2000
LAST_ADDRESS: Final = 65_535

EXCEPTIONS: Final[Mapping[int, str]] = {
    1: "ILLEGAL FUNCTION",
    2: "ILLEGAL DATA ADDRESS",
    3: "ILLEGAL DATA VALUE",
    4: "SERVER DEVICE FAILURE",
    5: "ACKNOWLEDGE",
    6: "SERVER DEVICE BUSY",
    8: "MEMORY PARITY ERROR",
    10: "GATEWAY PATH UNAVAILABLE",
    11: "GATEWAY TARGET DEVICE FAILED TO RESPOND",
}
"""Exception codes by the specification's own names (section 7)."""

Read = Callable[[bytes, int], float]


def exception_name(code: int) -> str:
    """`ILLEGAL DATA ADDRESS (2)`, or `EXCEPTION 77` for a code the specification does not have."""
    return f"{EXCEPTIONS[code]} ({code})" if code in EXCEPTIONS else f"EXCEPTION {code}"


class Source(msgspec.Struct, frozen=True):
    """Where an arrival was read: `unit=3 holding 0+20`, or `unit=3 holding 0+20 error=2` for an exception."""

    unit: int
    table: Table
    address: int
    count: int
    error: int = 0

    def __str__(self) -> str:
        tail = f" error={self.error}" if self.error else ""
        return f"unit={self.unit} {self.table} {self.address}+{self.count}{tail}"


_SOURCE: Final = re.compile(
    r"unit=(\d{1,3}) (coil|discrete|holding|input) (\d{1,5})\+(\d{1,4})(?: error=(\d{1,3}))?", re.ASCII
)


def parse_source(text: str) -> Source:
    """The inverse of `str(Source)`. BadFrame unknown_source."""
    match = _SOURCE.fullmatch(text)
    if match is None:
        raise BadFrame(DeadReason.UNKNOWN_SOURCE, f"{text[:80]!r} is not like 'unit=3 holding 0+20'")
    return Source(int(match[1]), cast(Table, match[2]), int(match[3]), int(match[4]), int(match[5] or 0))


class BlockPoint(msgspec.Struct, frozen=True):
    """One point of a block. `at` counts bytes of the answer, or bits for coils and discrete inputs."""

    name: str
    layout: ModbusPoint
    spec: PointSpec
    order: WordOrder
    at: int
    read: Read

    def plausible(self, value: float) -> bool:
        low, high = self.spec.minimum, self.spec.maximum
        return (low is None or value >= low) and (high is None or value <= high)


class Block(msgspec.Struct, frozen=True):
    """One request: `count` registers or bits of `table` from `address`, every `poll_s` seconds."""

    table: Table
    address: int
    count: int
    poll_s: float
    points: tuple[BlockPoint, ...]

    @property
    def size(self) -> int:
        """Bytes of the answer's data."""
        return (self.count + 7) // 8 if is_bits(self.table) else 2 * self.count


def is_bits(table: str) -> bool:
    return table in ("coil", "discrete")


def width_of(point: ModbusPoint, order: WordOrder) -> int:
    """Registers (or bits) the point takes."""
    return 1 if is_bits(point.table) else (size_of(point, point.order or order) + 1) // 2


def plan_blocks(section: ModbusSection, points: Mapping[str, PointSpec]) -> list[Block]:
    """The fewest requests that read every point once: by table and poll period, by address, within the limits.

    `points` are the kind's. Misconfigured: a point the kind does not have, one past address 65535 or wider than
    `max_block`. A point is never split; a gap of more than `max_gap` begins a new block.
    """
    groups: dict[tuple[Table, float], list[tuple[int, int, str]]] = {}
    for name, point in section.points.items():
        if name not in points:
            raise Misconfigured(f"modbus.points.{name}: the kind has no such point")
        width = width_of(point, section.byte_order)
        _check_place(name, point, width, section)
        groups.setdefault((point.table, point.poll.total_seconds()), []).append((point.address, width, name))
    blocks = []
    for (table, poll_s), places in sorted(groups.items()):
        for address, count, names in _runs(sorted(places), section, table):
            blocks.append(_block(section, points, (table, address, count, poll_s), names))
    return blocks


def _check_place(name: str, point: ModbusPoint, width: int, section: ModbusSection) -> None:
    if point.address + width - 1 > LAST_ADDRESS:
        raise Misconfigured(f"modbus.points.{name}: {width} registers from {point.address} pass address 65535")
    if not is_bits(point.table) and width > section.max_block:
        raise Misconfigured(f"modbus.points.{name}: {width} registers are more than max_block {section.max_block}")


def _runs(
    places: Sequence[tuple[int, int, str]], section: ModbusSection, table: Table
) -> Iterator[tuple[int, int, list[str]]]:
    """(address, count, names) of each request over places sorted by address."""
    limit = MAX_BITS if is_bits(table) else section.max_block
    first, end, names = places[0][0], places[0][0], list[str]()
    for address, width, name in places:
        if names and (address - end > section.max_gap or max(end, address + width) - first > limit):
            yield first, end - first, names
            first, end, names = address, address, []
        end = max(end, address + width)
        names.append(name)
    yield first, end - first, names


def _block(
    section: ModbusSection,
    specs: Mapping[str, PointSpec],
    place: tuple[Table, int, int, float],
    names: Sequence[str],
) -> Block:
    table, address, count, poll_s = place
    points = tuple(_block_point(section, specs[name], name, address) for name in names)
    return Block(table, address, count, poll_s, points)


def _block_point(section: ModbusSection, spec: PointSpec, name: str, first: int) -> BlockPoint:
    point = section.points[name]
    order = point.order or section.byte_order
    at = point.address - first
    try:
        if is_bits(point.table):
            return BlockPoint(name, point, spec, order, at, _bit_reader(point, spec))
        low_byte = size_of(point, order) == 1 and order in ("ABCD", "CDAB")  # 8 bits stand in a register's low byte
        return BlockPoint(name, point, spec, order, 2 * at + low_byte, compile_number(point, order, spec))
    except Misconfigured as error:
        raise Misconfigured(f"modbus.points.{name}: {error}") from error


def _bit_reader(point: ModbusPoint, spec: PointSpec) -> Read:
    """Coils stand eight to a byte, the lowest address in the lowest bit (6.1)."""
    scale = compile_scaling(point, spec)

    def bit(data: bytes, at: int) -> float:
        return scale(data[at >> 3] >> (at & 7) & 1)

    return bit


def block_at(section: ModbusSection, specs: Mapping[str, PointSpec], source: Source) -> Block:
    """The block an old or foreign reading of that place would be: every point that lies wholly inside it.

    BadFrame unknown_source: no point does.
    """
    end = source.address + source.count
    names = [
        name
        for name, point in section.points.items()
        if name in specs
        and point.table == source.table
        and source.address <= point.address
        and point.address + width_of(point, section.byte_order) <= end
    ]
    if not names:
        raise BadFrame(DeadReason.UNKNOWN_SOURCE, f"no point of the profile lies in {source}")
    return _block(section, specs, (source.table, source.address, source.count, 0.0), names)


def decode_block(device: Device, block: Block, data: bytes) -> list[Reading]:
    """A reading of each point. BadFrame truncated or malformed where the length is not the block's.

    A point that cannot be read (NaN, bad BCD, unmapped) is a BAD reading of its own: a meter says "not available" that
    way, and its other registers are still true. A value outside the kind's limits keeps its value, with RANGE.
    """
    if len(data) != block.size:
        reason = DeadReason.TRUNCATED if len(data) < block.size else DeadReason.MALFORMED
        raise BadFrame(reason, f"{block.table} {block.address}+{block.count} has {block.size} bytes, not {len(data)}")
    readings, points = [], device.points
    for entry in block.points:
        point = points[entry.name]
        try:
            value = entry.read(data, entry.at)
        except BadFrame:
            readings.append(Reading(point, None, Quality.BAD))
        else:
            readings.append(Reading(point, value, 0 if entry.plausible(value) else Quality.RANGE))
    return readings


def bad_readings(device: Device, block: Block) -> list[Reading]:
    """What an exception answer means: none of the block's points could be told."""
    return [Reading(device.points[entry.name], None, Quality.BAD) for entry in block.points]


def encode_block(block: Block, values: Mapping[str, float]) -> bytes:
    """The bytes a device answers with when its points have these canonical values; unnamed points and gaps are 0.

    ValueError names the point whose value does not fit.
    """
    out = bytearray(block.size)
    for entry in block.points:
        if entry.name in values:
            put_point(out, entry, values[entry.name])
    return bytes(out)


def put_point(data: bytearray, entry: BlockPoint, value: float) -> None:
    """Write one point's canonical value into a block's bytes; the other bits of its register or byte stay."""
    try:
        raw = invert_scaling(entry.layout, value, entry.spec)
        if is_bits(entry.layout.table):
            index, mask = entry.at >> 3, 1 << (entry.at & 7)
            data[index] = data[index] | mask if float(raw) else data[index] & ~mask
            return
        wire = encode_number(entry.layout, entry.order, raw)
    except ValueError as error:
        raise ValueError(f"{entry.name}: {error}") from error
    stop = entry.at + len(wire)
    if entry.layout.bit is not None:
        mask_bytes = encode_number(entry.layout, entry.order, 1)
        wire = bytes(old & ~mask | new for old, mask, new in zip(data[entry.at : stop], mask_bytes, wire, strict=True))
    data[entry.at : stop] = wire
