"""Which registers are read together, and what their bytes mean."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.codecs.modbus import (
    Source,
    block_at,
    decode_block,
    encode_block,
    exception_name,
    is_bits,
    parse_source,
    plan_blocks,
    width_of,
)
from hub.errors import BadFrame, Misconfigured
from hub.model import Quality
from hub.vocabulary.kinds import PointSpec
from hub.vocabulary.modbus import ModbusSection
from tests.unit.modbus_devices import NAME, gauges, make_device, make_section

REGISTERS = ["uint16", "int32", "float64", "bcd48", "int8", "string"]


def register(address: int, kind: str = "uint16", **more: Any) -> dict[str, Any]:
    return {"table": "holding", "address": address, "type": kind, **more}


@st.composite
def sections(draw: st.DrawFn) -> ModbusSection:
    points = {}
    for index in range(draw(st.integers(1, 25))):
        table = draw(st.sampled_from(["coil", "discrete", "holding", "input"]))
        kind = "bool" if is_bits(table) else draw(st.sampled_from(REGISTERS))
        point = {"table": table, "address": draw(st.integers(0, 400)), "type": kind}
        point["poll"] = draw(st.sampled_from(["1s", "10s"]))
        if kind == "string":
            point |= {"length": draw(st.integers(1, 20)), "map": {"A": 1}}
        points[f"p{index}"] = point
    return make_section(points, max_gap=draw(st.integers(0, 124)), max_block=draw(st.integers(10, 125)))


@given(sections())
def test_every_point_once_and_no_limit_broken(section: ModbusSection) -> None:
    blocks = plan_blocks(section, gauges(section))
    assert sorted(entry.name for block in blocks for entry in block.points) == sorted(section.points)
    for block in blocks:
        assert 1 <= block.count <= (2000 if is_bits(block.table) else section.max_block)
        used = set()
        for entry in block.points:
            point = section.points[entry.name]
            width = width_of(point, section.byte_order)
            assert point.table == block.table
            assert point.poll.total_seconds() == block.poll_s
            assert block.address <= point.address
            assert point.address + width <= block.address + block.count
            used |= set(range(point.address, point.address + width))
        assert {block.address, block.address + block.count - 1} <= used
        ordered = sorted(used)
        assert all(after - before - 1 <= section.max_gap for before, after in itertools.pairwise(ordered))


@given(st.integers(1, 500), st.integers(1, 125))
def test_neighbours_take_the_fewest_requests(amount: int, max_block: int) -> None:
    section = make_section({f"p{i}": register(i) for i in range(amount)}, max_block=max_block)
    assert len(plan_blocks(section, gauges(section))) == -(-amount // max_block)


def test_gap_and_poll_and_table_divide() -> None:
    section = make_section(
        {
            "a": register(0),
            "b": register(5),
            "c": register(10),
            "d": register(1, poll="1s"),
            "e": {"table": "input", "address": 0, "type": "uint16"},
        },
        max_gap=4,
    )
    blocks = plan_blocks(section, gauges(section))
    assert [(b.table, b.address, b.count, b.poll_s, [p.name for p in b.points]) for b in blocks] == [
        ("holding", 1, 1, 1.0, ["d"]),
        ("holding", 0, 11, 10.0, ["a", "b", "c"]),
        ("input", 0, 1, 10.0, ["e"]),
    ]
    tight = make_section({"a": register(0), "b": register(6)}, max_gap=4)
    assert len(plan_blocks(tight, gauges(tight))) == 2


@pytest.mark.parametrize(
    ("point", "limits", "words"),
    [
        (register(65535, "uint32"), {}, "65535"),
        (register(0, "float64"), {"max_block": 3}, "max_block"),
        (register(0, "string", length=4), {}, "map"),
        (register(0, map={"1": "open"}), {}, "open"),
    ],
)
def test_impossible_profiles_are_refused_by_name(point: dict[str, Any], limits: dict[str, int], words: str) -> None:
    section = make_section({"odd": point}, **limits)
    with pytest.raises(Misconfigured, match=words) as caught:
        plan_blocks(section, gauges(section))
    assert "modbus.points.odd" in str(caught.value)
    with pytest.raises(Misconfigured, match="no such point"):
        plan_blocks(section, {})


def test_bytes_by_hand() -> None:
    section = make_section(
        {
            "energy": register(0, "uint32", scale=0.01),
            "power": register(2, "int32", scale=0.1, order="CDAB"),
            "low": register(4, "uint8"),
            "trip": register(5, bit=3),
            "warm": register(5, bit=0),
        }
    )
    device = make_device(section)
    (block,) = plan_blocks(section, device.kind.points)
    data = bytes.fromhex("0001e240 fff6ffff 12ab 0008")
    assert {r.point.name: r.value for r in decode_block(device, block, data)} == {
        "energy": 1234.56,
        "power": -1.0,
        "low": 0xAB,
        "trip": 1.0,
        "warm": 0.0,
    }
    again = encode_block(block, {"energy": 1234.56, "power": -1.0, "low": 0xAB, "trip": 1, "warm": 0})
    assert again == bytes.fromhex("0001e240 fff6ffff 00ab 0008")


def test_coils_by_hand() -> None:
    section = make_section(
        {f"c{i}": {"table": "coil", "address": 20 + i, "type": "bool"} for i in range(11)}
    )  # the first byte is that of the specification's own example (6.1), coils 20 to 27
    device = make_device(section)
    (block,) = plan_blocks(section, device.kind.points)
    values = [reading.value for reading in decode_block(device, block, bytes.fromhex("cd03"))]
    assert values == [1, 0, 1, 1, 0, 0, 1, 1, 1, 1, 0]
    assert encode_block(block, {f"c{i}": value for i, value in enumerate(values) if value is not None}) == b"\xcd\x03"


def test_one_bad_point_leaves_the_others_true() -> None:
    section = make_section({"a": register(0, "float32"), "b": register(2), "c": register(3, "bcd16"), "d": register(4)})
    specs = gauges(section)
    specs["d"] = PointSpec(name=NAME, unit="1", type="gauge", minimum=0, maximum=100)
    device = make_device(section, specs=specs)
    (block,) = plan_blocks(section, specs)
    readings = decode_block(device, block, bytes.fromhex("7fc00000 0007 00ff 0065"))
    assert [(r.value, r.quality) for r in readings] == [
        (None, Quality.BAD),
        (7.0, Quality.GOOD),
        (None, Quality.BAD),
        (101.0, Quality.RANGE),
    ]


def test_wrong_length_is_no_reading() -> None:
    section = make_section({"a": register(0, "uint32")})
    device = make_device(section)
    (block,) = plan_blocks(section, device.kind.points)
    for data, reason in ((b"\0\0\0", "truncated"), (b"\0" * 5, "malformed")):
        with pytest.raises(BadFrame) as caught:
            decode_block(device, block, data)
        assert caught.value.reason == reason


@given(sections(), st.data())
def test_encode_then_decode(section: ModbusSection, data: st.DataObject) -> None:
    device = make_device(section)
    taken: set[tuple[str, int]] = set()
    for block in plan_blocks(section, device.kind.points):
        values = {}
        for entry in block.points:
            point = section.points[entry.name]
            cells = {(point.table, point.address + i) for i in range(width_of(point, section.byte_order))}
            if not cells & taken:
                taken |= cells
                values[entry.name] = float(data.draw(st.integers(0, 1 if point.type in ("bool", "string") else 100)))
                if point.type == "string":
                    values[entry.name] = 1.0
        found = {r.point.name: r.value for r in decode_block(device, block, encode_block(block, values))}
        overlapping = {n for n in values if any(o is not n and _overlap(section, n, o) for o in section.points)}
        assert {name: found[name] for name in values if name not in overlapping} == {
            name: value for name, value in values.items() if name not in overlapping
        }


def _overlap(section: ModbusSection, one: str, other: str) -> bool:
    a, b = section.points[one], section.points[other]
    end_a, end_b = a.address + width_of(a, section.byte_order), b.address + width_of(b, section.byte_order)
    return a.table == b.table and a.address < end_b and b.address < end_a


def test_what_does_not_fit_names_the_point() -> None:
    section = make_section({"level": register(0, scale=0.1)})
    (block,) = plan_blocks(section, gauges(section))
    with pytest.raises(ValueError, match="level"):
        encode_block(block, {"level": 1e6})


@pytest.mark.parametrize("text", ["unit=3 holding 0+20", "unit=0 coil 65535+1", "unit=255 input 7+125 error=11"])
def test_sources_round_trip(text: str) -> None:
    assert str(parse_source(text)) == text


@pytest.mark.parametrize("text", ["", "unit 3", "unit=3 holding 0+20 ", "unit=３ holding 0+20", "unit=3 memory 0+1"])
def test_other_sources_are_unknown(text: str) -> None:
    with pytest.raises(BadFrame) as caught:
        parse_source(text)
    assert caught.value.reason == "unknown_source"


def test_an_old_block_still_gives_its_points() -> None:
    section = make_section({"a": register(0), "b": register(3, "uint32"), "c": register(5)})
    device = make_device(section)
    block = block_at(section, device.kind.points, Source(1, "holding", 2, 3))
    assert [(r.point.name, r.value) for r in decode_block(device, block, bytes.fromhex("ffff00010000"))] == [
        ("b", 65536.0)
    ]
    with pytest.raises(BadFrame) as caught:
        block_at(section, device.kind.points, Source(1, "input", 0, 9))
    assert caught.value.reason == "unknown_source"


def test_exceptions_have_the_specifications_names() -> None:
    assert exception_name(2) == "ILLEGAL DATA ADDRESS (2)"
    assert exception_name(11) == "GATEWAY TARGET DEVICE FAILED TO RESPOND (11)"
    assert exception_name(77) == "EXCEPTION 77"
