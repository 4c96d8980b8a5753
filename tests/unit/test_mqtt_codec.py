"""The MQTT codec: both directions of every shipped profile, and hostile bytes by the thousand."""

import json
import tracemalloc
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hub.clock import from_us, to_us
from hub.codecs.device_time import compile_time, plausible, write_time
from hub.codecs.json_guard import MAX_DEPTH, MAX_ELEMENTS, load_json
from hub.codecs.mqtt import MAX_LETTERS, MqttDecoder
from hub.codecs.mqtt_encode import (
    command_topics,
    decode_command,
    encode_command,
    encode_element,
    encode_elements,
    encode_message,
    encode_status,
)
from hub.codecs.mqtt_topics import smallest_subscriptions
from hub.codecs.reasons import DeadReason
from hub.errors import BadFrame, Misconfigured
from hub.model import Arrival, CommandRequest, DeadLetter, Device, Frame, Quality
from hub.vocabulary.kinds import PointSpec
from hub.vocabulary.mqtt import DeviceTime, MqttMessage
from hub.vocabulary.numbers import Scaling
from hub.vocabulary.profiles import MqttProfile
from tests.unit.mqtt_devices import make_device, shipped_profiles

NOW = to_us(datetime(2026, 5, 1, tzinfo=UTC))
PROFILES = sorted(shipped_profiles())
MESSAGES = [(name, i) for name in PROFILES for i in range(len(shipped_profiles()[name].mqtt.messages))]


def arrive(topic: str, payload: bytes, received: int = NOW, **changes: Any) -> Arrival:
    return Arrival("mqtt-main", topic, payload, received, **changes)


def frames_of(decoder: MqttDecoder, arrival: Arrival) -> list[Frame]:
    found = decoder.decode(arrival)
    frames = [item for item in found if isinstance(item, Frame)]
    assert len(frames) == len(found), [item.detail for item in found if isinstance(item, DeadLetter)]
    return frames


def one(decoder: MqttDecoder, topic: str, payload: bytes, received: int = NOW, **changes: Any) -> Frame:
    [frame] = frames_of(decoder, arrive(topic, payload, received, **changes))
    return frame


def refusal(decoder: MqttDecoder, topic: str, payload: bytes) -> BadFrame:
    with pytest.raises(BadFrame) as caught:
        decoder.decode(arrive(topic, payload))
    return caught.value


def inline(message: dict[str, Any], kind: str = "environment_sensor", **section: Any) -> MqttProfile:
    return MqttProfile.model_validate(
        {
            "profile": "acme-x1",
            "kind": kind,
            "protocol": "mqtt",
            "names": [{"vendor": "Acme", "model": "X1"}],
            "source": "invented for a test",
            "mqtt": {"messages": [message], **section},
        }
    )


SIMPLE = {"topic": "acme/{device}/up", "points": {"temperature": {"pointer": "/t"}}}


# -- round trip ------------------------------------------------------------------------------------------------


def wire_values(scaling: Scaling, spec: PointSpec) -> st.SearchStrategy[float]:
    """Canonical values that a whole raw number of the wire can say."""
    if spec.type == "state":
        words = [str(word) for word in (scaling.map or spec.values).values()] if scaling.map else [*spec.values]
        return st.sampled_from([float(spec.values[word]) for word in words])
    per_unit = round(1 / scaling.scale) if scaling.scale < 1 else 1
    return st.integers(0, 60_000).map(lambda raw: raw / per_unit if scaling.scale < 1 else raw * scaling.scale)


@st.composite
def sayings(draw: st.DrawFn, device: Device, message: MqttMessage) -> dict[str, Any]:
    """Arguments of `encode_message` for something the device could say."""
    places: dict[str, Scaling] = {**message.points, **message.fields, **message.text}
    said: dict[str, Any] = {
        "points": {name: draw(wire_values(scaling, device.points[name].spec)) for name, scaling in places.items()},
        "ts_us": draw(st.integers(NOW - 86_400_000_000, NOW)) // 1_000_000 * 1_000_000,
        "sequence": draw(st.integers(0, 2**40)),
        "boot": draw(st.integers(0, 99)),
    }
    if message.events is not None:
        events = [message.events.always] if message.events.always else sorted(set(message.events.map.values()))
        said["event"] = name = draw(st.sampled_from(events))
        values = {
            "text": st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), max_size=30),
            "number": st.floats(0, 1),
            "boolean": st.booleans(),
        }
        said["data"] = {
            field: draw(st.sampled_from(spec.values) if spec.type == "code" else values[spec.type])
            for field, spec in device.kind.events[name].data.items()
            if field in message.events.data
        }
    return said


@pytest.mark.parametrize(("profile", "index"), MESSAGES)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_what_a_simulated_device_says_is_what_the_hub_understands(
    profile: str, index: int, data: st.DataObject
) -> None:
    device = make_device(profile)
    message = shipped_profiles()[profile].mqtt.messages[index]
    said = data.draw(sayings(device, message))
    topic, payload = encode_message(device, index, **said)
    frame = one(MqttDecoder([device]), topic, payload)
    assert {reading.point.name: reading.value for reading in frame.readings} == said["points"]
    assert [(event.name, event.data) for event in frame.events] == (
        [(said["event"], said["data"])] if "event" in said else []
    )
    if message.time is not None:
        assert (frame.ts, frame.timed) == (said["ts_us"], True)
    if message.sequence is not None:
        assert frame.sequence == said["sequence"]
    assert frame.natural == (message.time is not None or message.sequence is not None)
    assert frame.raw == payload or message.items is not None


@pytest.mark.parametrize("profile", [name for name in PROFILES if shipped_profiles()[name].mqtt.status])
@pytest.mark.parametrize("online", [True, False])
def test_birth_and_will(profile: str, online: bool) -> None:
    device = make_device(profile)
    topic, payload = encode_status(device, online)
    frame = one(MqttDecoder([device]), topic, payload, retained=True)
    assert (frame.online, frame.readings, frame.events, frame.natural) == (online, [], [], False)
    error = refusal(MqttDecoder([device]), topic, b"perhaps")
    assert error.reason in (DeadReason.UNMAPPED_VALUE, DeadReason.MALFORMED)


# -- hostile bytes ---------------------------------------------------------------------------------------------

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
        assert all(reading.value is not None and abs(reading.value) < 1e300 for reading in item.readings)


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
    "payload", [b"[" * 60_000, b'{"a":' * 12_000, b"[" * 17 + b"]" * 17, b'{"a":[' * 9 + b"]}" * 9]
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


def test_too_many_elements() -> None:
    with pytest.raises(BadFrame) as caught:
        load_json(b"[" + b"0," * (MAX_ELEMENTS + 1) + b"0]", 1 << 20)
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


# -- values ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "value"), [("1", 1.0), ("-0.0", 0.0), ("1e2", 100.0), ("9223372036854775808", 2.0**63), ("0.1", 0.1)]
)
def test_numbers(raw: str, value: float) -> None:
    frame = one(MqttDecoder([make_device(inline(SIMPLE))]), "acme/d1/up", b'{"t":%s}' % raw.encode())
    assert str(frame.readings[0].value) == str(value)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ('"12.5"', "wrong_type"),
        ('"12,5"', "wrong_type"),
        ("true", "wrong_type"),
        ("[1]", "wrong_type"),
        ("{}", "wrong_type"),
        ("null", "missing_field"),
        ("1e400", "not_finite"),
        ("NaN", "not_finite"),
        ("-Infinity", "not_finite"),
        ("9223372036854775809", "wrong_type"),
        ("1" * 5000, "not_finite"),
        ("01", "malformed"),
        ("'1'", "malformed"),
    ],
)
def test_what_is_no_number(raw: str, reason: str) -> None:
    assert (
        refusal(MqttDecoder([make_device(inline(SIMPLE))]), "acme/d1/up", b'{"t":%s}' % raw.encode()).reason == reason
    )


def test_a_detail_never_shows_a_private_value() -> None:
    decoder = MqttDecoder([make_device("heyue-dc200")])
    payload = b'{"ts":1777593600000,"seq":1,"type":"access_granted","card":["04SECRET"],"method":"04SECRET"}'
    assert "SECRET" not in str(refusal(decoder, "community/demo/door/d1/event", payload))


def test_usable_readings_beside_an_unknown_event() -> None:
    message = SIMPLE | {"events": {"pointer": "/e", "map": {}}}
    found = MqttDecoder([make_device(inline(message))]).decode(arrive("acme/d1/up", b'{"t":1,"e":"boom"}'))
    frame, letter = found
    assert isinstance(frame, Frame)
    assert len(frame.readings) == 1
    assert isinstance(letter, DeadLetter)
    assert letter.reason == DeadReason.UNKNOWN_EVENT


# -- identity and keys -----------------------------------------------------------------------------------------


def door(payload: dict[str, Any], received: int = NOW, **changes: Any) -> Frame:
    decoder = MqttDecoder([make_device("heyue-dc200")])
    return one(decoder, "community/demo/door/d1/event", json.dumps(payload).encode(), received, **changes)


def test_the_key_of_a_numbered_message_is_the_same_at_every_delivery() -> None:
    said = {"ts": NOW // 1000, "seq": 4, "boot": 9, "type": "forced"}
    first, again = door(said, token=3), door(said, NOW + 5_000_000, token=8, duplicate=True)
    assert first.natural
    assert first.key == again.key
    assert [event.id for event in first.events] == [event.id for event in again.events]
    others = [said | {"boot": 10}, said | {"seq": 5}, said | {"type": "held"}]
    assert len({first.key, *(door(other).key for other in others)}) == 4


def test_a_retained_copy_never_stands_for_the_live_message() -> None:
    said = {"ts": NOW // 1000, "seq": 4, "boot": 9, "type": "forced"}
    copy, live = door(said, retained=True), door(said)
    assert (copy.events, len(live.events)) == ([], 1)
    assert copy.key != live.key
    assert copy.key == door(said, NOW + 1, retained=True).key


def test_two_messages_of_one_millisecond_stay_two() -> None:
    decoder = MqttDecoder([make_device("heyue-pc300")])
    topic = "community/demo/camera/d1/plate"
    one_plate = one(decoder, topic, b'{"captured":%d,"plate":{"number":"A"}}' % NOW)
    other = one(decoder, topic, b'{"captured":%d,"plate":{"number":"B"}}' % NOW)
    assert one_plate.natural
    assert one_plate.ts == other.ts
    assert one_plate.key != other.key


def test_two_equal_taps_are_two() -> None:
    decoder = MqttDecoder([make_device("heyue-pr10")])
    tap = ("community/demo/patrol/d1/tap", b'{"card":"1","checkpoint":"G"}')
    first, second = one(decoder, *tap, token=1), one(decoder, *tap, token=2)
    third = one(decoder, *tap, received=NOW + 1, token=1)
    assert not first.natural
    assert len({first.key, second.key, third.key}) == 3


def test_equal_elements_without_time_or_number_stay_two() -> None:
    message = {"topic": "acme/all", "items": "/i", "device": "/d", "points": {"temperature": {"pointer": "/t"}}}
    decoder = MqttDecoder([make_device(inline(message))])
    first, second = frames_of(decoder, arrive("acme/all", b'{"i":[{"d":"d1","t":1},{"d":"d1","t":1}]}'))
    assert first.raw == second.raw == b'{"d":"d1","t":1}'
    assert first.key != second.key


def test_a_dead_clock_names_nothing() -> None:
    message = SIMPLE | {"time": {"pointer": "/ts", "format": "epoch_s"}}
    decoder = MqttDecoder([make_device(inline(message))])
    first = one(decoder, "acme/d1/up", b'{"t":1,"ts":0}', token=1)
    second = one(decoder, "acme/d1/up", b'{"t":1,"ts":0}', received=NOW + 60_000_000, token=2)
    assert (first.natural, first.timed, first.ts) == (False, False, NOW)
    assert first.readings[0].quality == Quality.CLOCK
    assert first.key != second.key


def test_an_array_keeps_dead_letters_few() -> None:
    device = make_device("heyue-wm15")
    good = encode_element(device, 0, points={"volume": 1.0, "flow": 0.0, "battery": 3.6}, ts_us=NOW, sequence=1)
    spec = shipped_profiles()["heyue-wm15"].mqtt.messages[0]
    payload = encode_elements(spec, [good, *[{"addr": f"x{i}"} for i in range(1000)]])
    found = MqttDecoder([device]).decode(arrive("community/demo/concentrator/c1/data", payload))
    letters = [item for item in found if isinstance(item, DeadLetter)]
    assert len(letters) == MAX_LETTERS
    assert len(found) == MAX_LETTERS + 1
    assert "992 more" in letters[-1].detail


@pytest.mark.parametrize(("payload", "reason"), [(b"{}", "missing_field"), (b'{"items":{}}', "wrong_type")])
def test_an_array_that_is_none(payload: bytes, reason: str) -> None:
    decoder = MqttDecoder([make_device("heyue-wm15")])
    assert refusal(decoder, "community/demo/concentrator/c1/data", payload).reason == reason
    assert decoder.decode(arrive("community/demo/concentrator/c1/data", b'{"items":[]}')) == []


# -- time ------------------------------------------------------------------------------------------------------


@given(st.integers(0, 2**52), st.sampled_from(["epoch_s", "epoch_ms", "epoch_us", "iso8601"]))
@settings(max_examples=500, deadline=None)
def test_times_are_exact(us: int, form: Any) -> None:
    spec = DeviceTime(pointer="/t", format=form, zone="UTC")
    unit = {"epoch_s": 1_000_000, "epoch_ms": 1000}.get(form, 1)
    assert compile_time(spec, "Asia/Shanghai")(write_time(spec, "Asia/Shanghai", us)) == us // unit * unit


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-05-01T08:00:00", "2026-05-01T00:00:00+00:00"),
        ("2026-05-01 08:00", "2026-05-01T00:00:00+00:00"),
        ("2026-05-01T08:00:00,5", "2026-05-01T00:00:00.500000+00:00"),
        ("2026-05-01T08:00:00.1234567", "2026-05-01T00:00:00.123456+00:00"),
        ("2026-05-01T08:00:00Z", "2026-05-01T08:00:00+00:00"),
        ("2026-05-01T08:00:00-0330", "2026-05-01T11:30:00+00:00"),
    ],
)
def test_iso_forms(text: str, utc: str) -> None:
    read = compile_time(DeviceTime(pointer="/t", format="iso8601"), "Asia/Shanghai")
    assert from_us(read(text)).isoformat() == utc


@pytest.mark.parametrize(
    "text", ["", "now", "2026-13-01T00:00:00", "2026-05-01", "0000-01-01T00:00:00", "٢026-05-01T08:00"]
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(BadFrame) as caught:
        compile_time(DeviceTime(pointer="/t", format="iso8601"), "UTC")(text)
    assert caught.value.reason == DeadReason.CLOCK


def test_the_hour_that_comes_twice_is_the_first() -> None:
    read = compile_time(DeviceTime(pointer="/t", format="iso8601", zone="Europe/Berlin"), "UTC")
    first = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    assert read("2026-10-25T02:30:00") == to_us(first)
    assert from_us(read("2026-10-25T02:30:00")).hour == 0


def test_what_is_plausible() -> None:
    day = 86_400_000_000
    assert plausible(NOW, NOW)
    assert plausible(NOW + day, NOW)
    assert not plausible(NOW + day + 1, NOW)
    assert plausible(NOW - 400 * day, NOW)
    assert not plausible(NOW - 400 * day - 1, NOW)
    early = to_us(datetime(2020, 1, 1, tzinfo=UTC))
    assert plausible(early, early)
    assert not plausible(early - 1, early)


# -- topics ----------------------------------------------------------------------------------------------------


def test_subscriptions_of_everything_shipped() -> None:
    decoder = MqttDecoder([*ALL, make_device("heyue-dc200", "another")])
    assert ("community/demo/door/+/event", 1) in decoder.subscriptions
    assert ("community/demo/concentrator/+/data", 1) in decoder.subscriptions
    assert not any("command" in topic for topic, _ in decoder.subscriptions)
    assert len({topic for topic, _ in decoder.subscriptions}) == len(decoder.subscriptions)


LEVELS = st.lists(st.sampled_from(["a", "b", "+"]), min_size=1, max_size=4).map(tuple)


def covers(topic_filter: str, topic: str) -> bool:
    mine, levels = topic_filter.split("/"), topic.split("/")
    return len(mine) == len(levels) and all(a in ("+", b) for a, b in zip(mine, levels, strict=True))


@given(st.lists(st.tuples(LEVELS, st.integers(0, 1)), max_size=8), LEVELS)
@settings(max_examples=300, deadline=None)
def test_no_message_comes_twice_and_none_is_missed(
    wanted: list[tuple[tuple[str, ...], int]], some: tuple[str, ...]
) -> None:
    topic = "/".join(level.replace("+", "c") for level in some)
    wishes = [qos for levels, qos in wanted if covers("/".join(levels), topic)]
    got = [qos for topic_filter, qos in smallest_subscriptions(wanted) if covers(topic_filter, topic)]
    assert len(got) <= 1
    assert not wishes or got[0] >= max(wishes)


def test_two_devices_with_one_address_are_a_mistake_of_the_site() -> None:
    for profile in ("heyue-dc200", "heyue-wm15"):
        with pytest.raises(Misconfigured, match="other"):
            MqttDecoder([make_device(profile, "one", "a7"), make_device(profile, "other", "a7")])


def test_one_address_may_serve_two_communities() -> None:
    decoder = MqttDecoder(
        [make_device("heyue-dc200", "one", "a7"), make_device("heyue-dc200", "two", "a7", community="east")]
    )
    payload = b'{"ts":1777593600000,"seq":1,"type":"forced"}'
    assert one(decoder, "community/east/door/a7/event", payload).device.code == "two"
    assert one(decoder, "community/demo/door/a7/event", payload).device.code == "one"


def test_any_and_device_in_one_topic() -> None:
    message = SIMPLE | {"topic": "gw/{any}/{device}/up"}
    decoder = MqttDecoder([make_device(inline(message), code) for code in ("d1", "d2")])
    assert decoder.subscriptions == (("gw/+/+/up", 1),)
    assert one(decoder, "gw/anything/d2/up", b'{"t":1}').device.code == "d2"
    assert refusal(decoder, "gw/anything/d3/up", b'{"t":1}').reason == DeadReason.UNKNOWN_DEVICE
    assert refusal(decoder, "gw//d1/up", b'{"t":1}').reason == DeadReason.UNKNOWN_TOPIC


def test_two_profiles_share_a_concentrator() -> None:
    water = make_device("heyue-wm15", "w1")
    message = shipped_profiles()["heyue-wm15"].mqtt.messages[0].model_dump(exclude={"points"})
    gas = make_device(inline(message | {"points": {"volume": {"pointer": "/vol"}}}, kind="gas_meter"), "g1")
    elements = [{"addr": code, "ts": NOW // 1_000_000, "seq": 1, "vol": 5, "flow": 0} for code in ("w1", "g1")]
    topic, payload = "community/demo/concentrator/c/data", json.dumps({"items": elements}).encode()
    first, second = frames_of(MqttDecoder([water, gas]), arrive(topic, payload))
    assert (first.device.code, first.readings[0].value) == ("w1", 0.005)
    assert (second.device.code, second.readings[0].value) == ("g1", 5.0)


@pytest.mark.parametrize(
    "message",
    [
        {"points": {"salinity": {"pointer": "/t"}}},
        {"events": {"always": "eruption"}},
        {"points": {"temperature": {"pointer": "/t", "map": {"a": "warm"}}}},
        {"time": {"pointer": "/ts", "format": "iso8601", "zone": "Asia/Atlantis"}},
        {"events": {"pointer": "/e", "map": {}, "data": {"card": "/c"}}},
    ],
)
def test_a_profile_that_contradicts_its_kind(message: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured, match="acme-x1"):
        MqttDecoder([make_device(inline({"topic": "acme/{device}/up"} | message))])


def test_an_update_that_fails_changes_nothing() -> None:
    decoder = MqttDecoder([make_device("heyue-dc200")])
    before = decoder.subscriptions
    with pytest.raises(Misconfigured):
        decoder.update([make_device("heyue-pr10", "one", "a"), make_device("heyue-pr10", "two", "a")])
    assert decoder.subscriptions == before
    decoder.update([make_device("heyue-pr10")])
    assert refusal(decoder, "community/demo/door/d1/event", b"{}").reason == DeadReason.UNKNOWN_TOPIC


# -- commands --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("profile", "name"), [("heyue-dc200", "open"), ("heyue-bg100", "open"), ("heyue-bg100", "close")]
)
def test_commands_go_down_and_are_understood(profile: str, name: str) -> None:
    device = make_device(profile)
    command = CommandRequest("c-17", device, name, "visitor", NOW + 10_000_000)
    topic, payload, qos = encode_command(command, NOW)
    assert qos == 1
    assert topic == command_topics(device)[name]
    assert decode_command(device, topic, payload) == (name, "c-17", NOW // 1000 + 10_000)
    with pytest.raises(BadFrame):
        decode_command(device, topic, b'{"cmd":"explode"}')
    with pytest.raises(BadFrame):
        decode_command(device, "elsewhere", payload)


def test_every_hole_of_a_command() -> None:
    holes = {"a": "$ttl_s", "b": "$reason", "c": "id=$command_id;$expires_ms", "d": 7, "e": True}
    commands = {"open": {"topic": "acme/{device}/cmd", "payload": holes}}
    message = {"topic": "acme/{device}/up", "points": {"open": {"pointer": "/o"}}}
    device = make_device(inline(message, kind="door", commands=commands))
    command = CommandRequest("c1", device, "open", 'say "hi"', NOW + 2_500_000)
    topic, payload, _ = encode_command(command, NOW)
    expires = NOW // 1000 + 2500
    assert json.loads(payload) == {"a": 3, "b": 'say "hi"', "c": f"id=c1;{expires}", "d": 7, "e": True}
    assert decode_command(device, topic, payload) == ("open", "c1", expires)


def test_a_command_the_profile_lacks() -> None:
    with pytest.raises(Misconfigured):
        encode_command(CommandRequest("c", make_device("heyue-pr10"), "open", "", NOW), NOW)
