"""Hostile bytes by the thousand: frames, dead letters or BadFrame, never anything else."""

import json
import math
import tracemalloc
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hub.codecs.json_guard import MAX_DEPTH, MAX_ELEMENTS, load_json
from hub.codecs.mqtt import MqttDecoder
from hub.codecs.mqtt_encode import (
    encode_message,
    encode_status,
)
from hub.codecs.reasons import DeadReason
from hub.errors import BadFrame
from hub.model import DeadLetter, Device
from tests.unit.mqtt_devices import NOW, arrive, frames_of, make_device, refusal, shipped_profiles

PROFILES = sorted(shipped_profiles())
MESSAGES = [(name, i) for name in PROFILES for i in range(len(shipped_profiles()[name].mqtt.messages))]

ALL = [make_device(name, f"{name}-1", id=i) for i, name in enumerate(PROFILES, 1)]
EVERYTHING = MqttDecoder(ALL)


def sample(device: Device, index: int) -> tuple[str, bytes]:
    """One valid message with everything in it."""
    message = shipped_profiles()[device.profile.profile].mqtt.messages[index]
    points = dict.fromkeys((*message.points, *message.fields, *message.text), 1.0)
    if message.events is None:
        return encode_message(device, index, points=points, ts_us=NOW, sequence=5, boot=1)
    event = message.events.always or next(iter(message.events.map.values()))
    samples: dict[str, Any] = {"text": "x1", "number": 0.5, "boolean": True}
    data = {
        field: spec.values[0] if spec.type == "code" else samples[spec.type]
        for field, spec in device.kind.events[event].data.items()
    }
    return encode_message(device, index, points=points, event=event, data=data, ts_us=NOW, sequence=5, boot=1)


GOOD = [sample(make_device(name, f"{name}-1"), i) for name, i in MESSAGES]
GOOD += [encode_status(device, True) for device in ALL if shipped_profiles()[device.profile.profile].mqtt.status]


def judge(topic: str, payload: bytes) -> None:
    """Frames, dead letters or BadFrame with a reason of the list; anything else is a bug."""
    try:
        found = EVERYTHING.decode(arrive(topic, payload))
    except BadFrame as error:
        assert DeadReason(error.reason)
        return
    for item in found:
        if isinstance(item, DeadLetter):
            assert DeadReason(item.reason)
            continue
        assert len(item.key) == 16
        assert all(reading.value is not None and math.isfinite(reading.value) for reading in item.readings)


def test_the_good_ones_are_good() -> None:
    for topic, payload in GOOD:
        assert frames_of(EVERYTHING, arrive(topic, payload)), topic


@given(st.sampled_from(GOOD), st.binary(max_size=200))
@settings(max_examples=3000, deadline=None)
def test_random_bytes(good: tuple[str, bytes], payload: bytes) -> None:
    judge(good[0], payload)


@given(
    st.sampled_from(GOOD),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 3), st.binary(max_size=4)), min_size=1, max_size=6),
)
@settings(max_examples=4000, deadline=None)
def test_mutated_payloads(good: tuple[str, bytes], edits: list[tuple[int, int, bytes]]) -> None:
    topic, payload = good
    for place, cut, put in edits:
        at = place % (len(payload) + 1)
        payload = payload[:at] + put + payload[at + cut :]
    judge(topic, payload)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from([good for good in GOOD if good[1].startswith(b"{")]), st.data())
@settings(max_examples=3000, deadline=None)
def test_any_json_value_in_any_place(good: tuple[str, bytes], data: st.DataObject) -> None:
    topic, payload = good
    root = json.loads(payload)
    place = root["items"][0] if "items" in root else root
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(ANYTHING)
    judge(topic, json.dumps(root).encode())


@given(st.text(max_size=60))
@settings(max_examples=500, deadline=None)
@example("community/demo/door/#/event")
@example("community/demo/door/+/event")
@example("community/demo/door//event")
@example("community/other/door/heyue-dc200-1/event")
def test_strange_topics_are_nobodys(topic: str) -> None:
    with pytest.raises(BadFrame) as caught:
        EVERYTHING.decode(arrive(topic, b"{}"))
    assert caught.value.reason in (DeadReason.UNKNOWN_TOPIC, DeadReason.UNKNOWN_DEVICE)


@pytest.mark.parametrize("length", [100_000, 50_000_000])
@pytest.mark.parametrize("unit", ['{"a":', "[", '"', "1", ",", "\\u0000", " "])
def test_huge_payloads_are_refused_before_they_cost_anything(unit: str, length: int) -> None:
    payload = (unit * (length // len(unit))).encode()
    tracemalloc.start()
    try:
        error = refusal(EVERYTHING, GOOD[0][0], payload)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert error.reason == DeadReason.TOO_LARGE
    assert peak < 1 << 20


@pytest.mark.parametrize(
    "payload", [b"[" * 15_000, b'{"a":' * 12_000, b"[" * 17 + b"]" * 17, b'{"a":[' * 9 + b"]}" * 9]
)
def test_deep_payloads(payload: bytes) -> None:
    with pytest.raises(BadFrame) as caught:
        load_json(payload, 1 << 20)
    assert caught.value.reason == DeadReason.TOO_DEEP


@pytest.mark.parametrize(("opened", "closed"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_the_deepest_allowed(opened: bytes, closed: bytes) -> None:
    load_json(opened * MAX_DEPTH + (b"0" if opened != b"[" else b"") + closed * MAX_DEPTH, 1 << 20)
    # A leaf that is a container is a level too, hidden behind as many brackets as the quick check allows
    with pytest.raises(BadFrame):
        load_json(b'{"a":' + b"[" * (MAX_DEPTH - 1) + b"{}" + b"]" * (MAX_DEPTH - 1) + b"}", 1 << 20)


@pytest.mark.parametrize("element", [b"0", b"{}", b'{"a":{"a":{}}}', b"[[]]"])
def test_too_many_elements(element: bytes) -> None:
    load_json(b"[" + (element + b",") * 1000 + b"0]", 1 << 20)
    with pytest.raises(BadFrame) as caught:
        load_json(b"[" + (element + b",") * MAX_ELEMENTS + b"0]", 1 << 20)
    assert caught.value.reason == DeadReason.TOO_LARGE


@given(ANYTHING)
@settings(max_examples=500, deadline=None)
def test_the_guard_lets_every_decent_value_through(value: Any) -> None:
    try:
        payload = msgspec.json.encode(value)
        expected = msgspec.json.decode(payload)
    except (msgspec.MsgspecError, UnicodeEncodeError, OverflowError):
        return
    assert load_json(payload, 1 << 20) == expected


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", "c:d", 'e"', "é"]), ANYTHING), min_size=1, max_size=5),
    st.sampled_from(["{}", '{{"x":{}}}', "[{}]", '[1,{{"y":[{}]}}]']),
    st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_duplicate_keys_are_always_found(pairs: list[tuple[str, Any]], around: str, ascii_only: bool) -> None:
    inner = ",".join(
        f"{json.dumps(key, ensure_ascii=ascii_only)}:{json.dumps(value, ensure_ascii=ascii_only)}"
        for key, value in pairs
    )
    try:
        payload = around.format("{" + inner + "}").encode()
        json.loads(payload)
        msgspec.json.decode(payload)
    except (ValueError, msgspec.MsgspecError):
        return
    twice = len({key for key, _ in pairs}) < len(pairs)
    try:
        load_json(payload, 1 << 20)
    except BadFrame as error:
        assert twice, error
        assert error.reason == DeadReason.MALFORMED
    else:
        assert not twice
