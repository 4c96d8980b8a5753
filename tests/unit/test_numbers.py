"""Numbers in bytes: vectors worked out by hand, and round trips."""

import math
import struct
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.codecs.numbers import (
    apply_scaling,
    compile_number,
    decode_number,
    encode_number,
    invert_scaling,
    size_of,
)
from hub.codecs.reasons import REASON_TEXTS, DeadReason
from hub.errors import BadFrame, Misconfigured
from hub.vocabulary.base import Text
from hub.vocabulary.kinds import PointSpec
from hub.vocabulary.numbers import BYTES, NumberLayout, NumberType, Scaling, WordOrder

ORDERS: tuple[WordOrder, ...] = get_args(WordOrder)
GAUGE = PointSpec(name=Text(zh="值", en="value"), unit="1", type="gauge")
STATE = PointSpec(name=Text(zh="门", en="door"), unit="1", type="state", values={"closed": 0, "open": 1})

# type, value, then the bytes in orders ABCD, CDAB, BADC, DCBA
VECTORS = [
    ("bool", 1, "01", "01", "01", "01"),
    ("int8", -5, "fb", "fb", "fb", "fb"),
    ("uint8", 251, "fb", "fb", "fb", "fb"),
    ("int16", -2, "fffe", "fffe", "feff", "feff"),
    ("uint16", 4660, "1234", "1234", "3412", "3412"),
    ("int32", -123456, "fffe1dc0", "1dc0fffe", "feffc01d", "c01dfeff"),
    ("uint32", 287454020, "11223344", "33441122", "22114433", "44332211"),
    ("int64", -2, "fffffffffffffffe", "fffeffffffffffff", "fffffffffffffeff", "feffffffffffffff"),
    ("uint64", 72623859790382856, "0102030405060708", "0708050603040102", "0201040306050807", "0807060504030201"),
    ("float32", 12.5, "41480000", "00004148", "48410000", "00004841"),
    ("float32", -0.15625, "be200000", "0000be20", "20be0000", "000020be"),
    ("float64", 12.5, "4029000000000000", "0000000000004029", "2940000000000000", "0000000000002940"),
    ("bcd16", 1234, "1234", "1234", "3412", "3412"),
    ("bcd32", 12345678, "12345678", "56781234", "34127856", "78563412"),
    ("bcd48", 123456789012, "123456789012", "901256781234", "341278561290", "129078563412"),
    ("bcd64", 1234567890123456, "1234567890123456", "3456901256781234", "3412785612905634", "5634129078563412"),
    ("string", "AB12", "41423132", "41423132", "42413231", "42413231"),
]


def layout_of(kind: str, **more: object) -> NumberLayout:
    if kind == "string":
        more.setdefault("length", 4)
    return NumberLayout(type=kind, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: f"{v[0]}={v[1]}")
def test_vectors_by_hand(vector: tuple[str, float | str, str, str, str, str], order: WordOrder) -> None:
    kind, value = vector[0], vector[1]
    wire = bytes.fromhex(vector[2 + ORDERS.index(order)])  # type: ignore[arg-type]
    layout = layout_of(kind)
    assert decode_number(layout, order, wire) == value
    assert encode_number(layout, order, value) == wire
    assert size_of(layout, order) == len(wire)


def test_every_type_has_a_vector() -> None:
    assert {vector[0] for vector in VECTORS} == set(get_args(NumberType))


def test_the_layouts_own_order_wins() -> None:
    assert decode_number(layout_of("uint32", order="CDAB"), "ABCD", bytes.fromhex("33441122")) == 0x11223344


def in_range(kind: str) -> st.SearchStrategy[float]:
    bits = BYTES[kind] * 8
    if kind == "bool":
        return st.integers(0, 1)
    if kind.startswith("float"):
        return st.floats(width=32 if kind == "float32" else 64, allow_nan=False, allow_infinity=False)
    if kind.startswith("bcd"):
        return st.integers(0, 10 ** (bits // 4) - 1)
    return st.integers(0, 2**bits - 1) if kind.startswith("u") else st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


@given(st.data(), st.sampled_from(sorted(BYTES)), st.sampled_from(ORDERS))
def test_round_trip(data: st.DataObject, kind: str, order: WordOrder) -> None:
    value = data.draw(in_range(kind))
    layout = layout_of(kind)
    wire = encode_number(layout, order, value)
    assert decode_number(layout, order, wire) == value


@given(
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=9), st.integers(9, 12), st.sampled_from(ORDERS)
)
def test_string_round_trip(text: str, length: int, order: WordOrder) -> None:
    layout = layout_of("string", length=length)
    wire = encode_number(layout, order, text)
    assert len(wire) == size_of(layout, order)
    assert decode_number(layout, order, wire) == text


@given(st.binary(max_size=9), st.sampled_from(sorted(get_args(NumberType))), st.sampled_from(ORDERS))
def test_any_bytes_give_a_value_or_a_bad_frame(data: bytes, kind: str, order: WordOrder) -> None:
    try:
        value = decode_number(layout_of(kind), order, data)
    except BadFrame as error:
        assert error.reason in set(DeadReason)
    else:
        assert isinstance(value, str) or math.isfinite(value)


@pytest.mark.parametrize("order", ORDERS)
def test_bits(order: WordOrder) -> None:
    wire = encode_number(layout_of("uint32"), order, 1 << 17 | 1)
    bits = [decode_number(layout_of("uint32", bit=bit), order, wire) for bit in range(32)]
    assert [index for index, bit in enumerate(bits) if bit] == [0, 17]
    assert encode_number(layout_of("uint32", bit=17), order, 1) == encode_number(layout_of("uint32"), order, 1 << 17)
    assert decode_number(layout_of("int16", bit=15), order, b"\xff\xff") == 1


@pytest.mark.parametrize(
    ("kind", "wire", "reason"),
    [
        ("bcd16", "12a4", "invalid_bcd"),
        ("bcd64", "123456789012345f", "invalid_bcd"),
        ("float32", "7fc00000", "not_finite"),
        ("float32", "ff800000", "not_finite"),
        ("float64", "7ff0000000000000", "not_finite"),
        ("uint32", "112233", "truncated"),
        ("bcd48", "1234", "truncated"),
        ("bool", "", "truncated"),
        ("string", "414243", "truncated"),
        ("string", "41ff4243", "malformed"),
    ],
)
def test_bad_bytes_are_named(kind: str, wire: str, reason: str) -> None:
    with pytest.raises(BadFrame) as caught:
        decode_number(layout_of(kind), "ABCD", bytes.fromhex(wire))
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("uint16", 65536), ("uint16", -1), ("int16", 32768), ("bcd16", 10000), ("bcd16", -1), ("float32", 1e39),
        ("uint16", math.nan), ("int32", math.inf), ("string", "ABCDE"), ("uint16", "7"), ("string", "门"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(kind: str, value: float | str) -> None:
    with pytest.raises(ValueError, match=r"fit|longer|not a number|ascii"):
        encode_number(layout_of(kind), "ABCD", value)


@pytest.mark.parametrize(
    ("scale", "offset", "raw", "shown"),
    [
        (0.01, 0, 123456, "1234.56"),
        (0.1, 0, 3, "0.3"),
        (0.001, 0, 1001, "1.001"),
        (0.1, -40, 655, "25.5"),
        (0.01, 0, 2**53 + 2, "90071992547409.94"),
        (1000, 0, 7, "7000.0"),
        (0.05, 0, 7, "0.35"),
        (1, 0, 2**53, "9007199254740992.0"),
    ],
)
def test_scaling_shows_the_registers_digits(scale: float, offset: float, raw: int, shown: str) -> None:
    assert repr(apply_scaling(Scaling(scale=scale, offset=offset), raw, GAUGE)) == shown


@given(st.integers(0, 2**32 - 1), st.integers(0, 6))
def test_powers_of_ten_are_exact(raw: int, places: int) -> None:
    digits = f"{raw:0{places + 1}d}"
    shown = f"{digits[:-places]}.{digits[-places:]}" if places else digits
    scaling = Scaling(scale=float(f"1e-{places}"))
    assert apply_scaling(scaling, raw, GAUGE) == float(shown)
    assert invert_scaling(scaling, float(shown), GAUGE) == raw


@given(st.integers(-(2**31), 2**31), st.sampled_from([0.5, 0.1, 0.25, 10.0, -0.01]), st.sampled_from([0.0, -40.0, 0.5]))
def test_scaling_inverts(raw: int, scale: float, offset: float) -> None:
    scaling = Scaling(scale=scale, offset=offset)
    back = invert_scaling(scaling, apply_scaling(scaling, raw, GAUGE), GAUGE)
    assert not isinstance(back, str)
    assert round(back) == raw


def test_maps_and_states() -> None:
    scaling = Scaling(map={"0": "closed", "2": "open"})
    assert apply_scaling(scaling, 2, STATE) == 1.0
    assert apply_scaling(scaling, 2.0, STATE) == 1.0
    assert invert_scaling(scaling, 1.0, STATE) == 2
    assert apply_scaling(Scaling(map={"true": "open", "false": "closed"}), True, STATE) == 1.0
    assert apply_scaling(Scaling(map={"1": "open", "0": "closed"}), False, STATE) == 0.0
    assert apply_scaling(Scaling(), "open", STATE) == 1.0
    assert apply_scaling(Scaling(), True, STATE) == 1.0
    assert invert_scaling(Scaling(map={"OPEN": "open", "SHUT": "closed"}), 0.0, STATE) == "SHUT"
    with pytest.raises(ValueError, match="nothing that means"):
        invert_scaling(Scaling(map={"1": "open"}), 0.0, STATE)


@pytest.mark.parametrize(
    ("scaling", "raw", "spec", "reason"),
    [
        (Scaling(map={"0": "closed"}), 1, STATE, "unmapped_value"),
        (Scaling(), 7, STATE, "unmapped_value"),
        (Scaling(), "7", GAUGE, "wrong_type"),
        (Scaling(), math.nan, GAUGE, "not_finite"),
        (Scaling(scale=1e300), 1e300, GAUGE, "not_finite"),
        (Scaling(), 10**400, GAUGE, "not_finite"),
    ],
)
def test_raw_values_without_meaning(scaling: Scaling, raw: float | str, spec: PointSpec, reason: str) -> None:
    with pytest.raises(BadFrame) as caught:
        apply_scaling(scaling, raw, spec)
    assert caught.value.reason == reason


def test_profiles_that_cannot_work_are_refused_when_compiled() -> None:
    with pytest.raises(Misconfigured, match="opened"):
        compile_number(layout_of("uint16", map={"1": "opened"}), "ABCD", STATE)
    with pytest.raises(Misconfigured, match="map"):
        compile_number(layout_of("string"), "ABCD", GAUGE)


def test_compiled_reads_at_an_offset() -> None:
    read = compile_number(layout_of("float32", scale=0.5), "CDAB", GAUGE)
    assert read(b"\xff\xff" + struct.pack(">HH", 0x0000, 0x4148), 2) == 6.25


def test_every_reason_has_words_in_both_languages() -> None:
    assert set(REASON_TEXTS) == set(DeadReason)
    assert all(text.zh and text.en for text in REASON_TEXTS.values())
