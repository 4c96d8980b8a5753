"""What makes a message one message: frame keys, times, elements of an array."""

import json
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.clock import from_us, to_us
from hub.codecs.device_time import compile_time, names, plausible, write_time
from hub.codecs.mqtt import MAX_LETTERS, MqttDecoder
from hub.codecs.mqtt_encode import (
    encode_element,
    encode_elements,
)
from hub.codecs.reasons import DeadReason
from hub.errors import BadFrame
from hub.model import DeadLetter, Frame, Quality
from hub.vocabulary.mqtt import DeviceTime
from tests.unit.mqtt_devices import NOW, SIMPLE, arrive, frames_of, inline, make_device, one, refusal, shipped_profiles


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


def test_two_communities_that_are_alike_in_all_say_two_things() -> None:
    said = json.dumps({"ts": NOW // 1000, "seq": 4, "boot": 9, "type": "forced"}).encode()
    homes = [make_device("heyue-dc200", id=n, community_id=n, community=f"home-{n}") for n in (1, 2)]
    first, other = (one(MqttDecoder([home]), f"community/{home.community}/door/d1/event", said) for home in homes)
    assert first.events[0].id != other.events[0].id


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


def test_a_clock_far_ahead_names_its_messages_and_is_not_believed() -> None:
    message = SIMPLE | {"time": {"pointer": "/ts", "format": "epoch_us"}}
    decoder = MqttDecoder([make_device(inline(message))])
    said = b'{"t":1,"ts":%d}' % (NOW + 12 * 3_600_000_000)
    first, again = (one(decoder, "acme/d1/up", said, received=NOW + delay, token=1) for delay in (0, 60_000_000))
    assert (first.natural, first.timed, first.ts) == (True, False, NOW)
    assert first.readings[0].quality == Quality.CLOCK
    assert (again.ts, again.key) == (NOW + 60_000_000, first.key)


def test_a_number_that_starts_over_names_nothing_without_time_or_boot() -> None:
    decoder = MqttDecoder([make_device("heyue-sd5")])
    alarm = ("community/demo/smoke/d1/event", b'{"t":0,"n":1,"event":"ALARM"}')
    first, after_restart = one(decoder, *alarm, token=1), one(decoder, *alarm, received=NOW + 60_000_000, token=1)
    assert (first.natural, first.sequence) == (False, 1)
    assert first.key != after_restart.key
    timed = one(decoder, alarm[0], b'{"t":%d,"n":1,"event":"ALARM"}' % (NOW // 1_000_000))
    assert timed.natural


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
    minutes = 300_000_000
    assert plausible(NOW + minutes, NOW)
    assert not plausible(NOW + minutes + 1, NOW)
    assert names(NOW + day, NOW)
    assert not names(NOW + day + 1, NOW)
    assert plausible(NOW - 400 * day, NOW)
    assert not plausible(NOW - 400 * day - 1, NOW)
    early = to_us(datetime(2020, 1, 1, tzinfo=UTC))
    assert plausible(early, early)
    assert not plausible(early - 1, early)
