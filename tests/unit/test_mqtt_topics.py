"""Topics of a bus: subscriptions, look-up, clashes."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.codecs.mqtt import MqttDecoder
from hub.codecs.mqtt_topics import separable, smallest_subscriptions
from hub.codecs.reasons import DeadReason
from hub.errors import Misconfigured
from tests.unit.mqtt_devices import NOW, SIMPLE, arrive, frames_of, inline, make_device, one, refusal, shipped_profiles


def test_subscriptions_of_everything_shipped() -> None:
    decoder = MqttDecoder(
        [*(make_device(name) for name in sorted(shipped_profiles())), make_device("heyue-dc200", "another")]
    )
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


SORTS = st.dictionaries(st.frozensets(LEVELS, min_size=1, max_size=3), st.booleans(), max_size=5)


@given(SORTS)
@settings(max_examples=300, deadline=None)
def test_what_is_told_apart_brings_all_of_the_chosen_and_nothing_else(
    speakers: dict[frozenset[tuple[str, ...]], bool],
) -> None:
    every = [topic for topic, _ in smallest_subscriptions((levels, 1) for said in speakers for levels in said)]
    apart = separable(every, speakers)
    for said, chosen in speakers.items():
        heard = {one for one in every for levels in said if covers_some(one, levels)}
        assert not heard & apart or (chosen and heard <= apart)


def covers_some(topic_filter: str, levels: tuple[str, ...]) -> bool:
    mine = topic_filter.split("/")
    return len(mine) == len(levels) and all(a == b or "+" in (a, b) for a, b in zip(mine, levels, strict=True))


def test_life_safety_is_told_apart_where_it_has_topics_of_its_own() -> None:
    smoke = {"community/demo/smoke/+/event", "community/demo/smoke/+/state"}
    devices = [make_device(name) for name in sorted(shipped_profiles())]
    assert MqttDecoder(devices).urgent == smoke
    message = SIMPLE | {"topic": "community/{community}/{any}/{device}/state"}  # one that speaks on the same topics
    assert MqttDecoder([make_device("heyue-sd5"), make_device(inline(message), "d2")]).urgent == frozenset()
    assert MqttDecoder([make_device("heyue-dc200")]).urgent == frozenset()


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
