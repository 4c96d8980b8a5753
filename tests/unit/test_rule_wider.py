"""The wider conditions by stories: what they raise, when, and what they leave alone."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.model import Device, Frame, Quality, Verdict
from hub.vocabulary.base import Text
from hub.vocabulary.profiles import ModelName, VirtualProfile
from rules.examples import example_device
from rules.model import Rule
from tests.unit.rule_harness import KINDS, T0, S, Store, actions, frame, make

GATEWAY = example_device("gateway", KINDS["gateway"], 9, place="b1")
PUMP, PUMP2 = (example_device("pump", KINDS["pump"], number, parent=9) for number in (1, 2))
DOOR = example_device("door", KINDS["door"], 4, place="b1/u1")
LIFT = example_device("elevator", KINDS["elevator"], 5, place="b1/u1/el")
OTHER = example_device("elevator", KINDS["elevator"], 6, place="b2/u1/el")
DEVICES = {device.id: device for device in (PUMP, PUMP2, DOOR, LIFT, OTHER, GATEWAY)}


def tell(rule: Rule, frames: list[Frame], until: float = 0, devices: dict[int, Device] | None = None) -> list[Any]:
    """What the rule does of its device 1, 4 or 9, as (action, second)."""
    store = Store([rule], DEVICES if devices is None else devices)
    store.heard = dict.fromkeys(store.devices, T0)
    evaluator, told = store.start(T0), []
    for each in frames:
        told += actions(store.run(evaluator, [each], each.received))
    told += actions(store.run(evaluator, [], max([T0 + round(until * S), *(each.received for each in frames)])))
    return [(action, at) for name, action, at in told if name == rule.rule]


OVER = {"point": "pressure", "above": 600}


def pressures(*points: tuple[float, float]) -> list[Frame]:
    return [frame(PUMP, at, {"pressure": value}) for at, value in points]


def late(at: float, said: float, value: float) -> Frame:
    return frame(PUMP, at, {"pressure": value}, said=said)


def pump(**condition: Any) -> Rule:
    return make("r", "pump", **condition)


def window(**parts: Any) -> Rule:
    return pump(window={"point": "pressure", **parts})


@pytest.mark.parametrize(
    ("rule", "frames", "told"),
    [
        (pump(change={"point": "pressure"}), pressures((0, 5), (1, 5), (2, 6)), [("raise", 2), ("return", 2)]),
        (pump(change={"point": "pressure", "by": 10, "direction": "down"}),
         pressures((0, 50), (1, 80), (2, 75), (3, 60)), [("raise", 3), ("return", 3)]),
        (pump(change={"point": "pressure", "by": 10, "within": "10s"}),
         pressures((0, 50), (4, 56), (8, 61), (20, 64)), [("raise", 8), ("return", 20)]),
        (pump(change={"point": "pressure", "by": 10, "within": "10s"}), pressures((0, 50), (20, 90)), []),
        (pump(change={"point": "pressure", "rate": {"above": 2, "per": "1s", "clear": {"below": 1}}}),
         pressures((0, 0), (10, 20), (11, 23), (12, 24.5), (13, 25)), [("raise", 11), ("return", 13)]),
        (pump(change={"point": "pressure", "rate": {"below": -60, "per": "1m"}}),
         pressures((0, 100), (60, 50), (120, -20)), [("raise", 120)]),
        (pump(stuck={"point": "pressure", "for": "30s"}),
         pressures((0, 5), (10, 5), (29, 5), (30, 5), (40, 6)), [("raise", 30), ("return", 40)]),
        (pump(stuck={"point": "pressure", "for": "30s", "deadband": 1}),
         pressures((0, 5), (10, 5.8), (20, 6.6), (45, 7.4)), []),  # it drifts out of the band
        (pump(stuck={"point": "pressure", "for": "20m"}),  # not told for half an hour: it begins anew
         pressures((0, 5), (10, 5), (1800, 5), (1810, 5), (2100, 5)), []),
        (pump(stuck={"point": "pressure", "for": "20m"}),
         pressures((0, 5), (10, 5), (1800, 5), (1810, 5), (2990, 5), (3010, 5)), [("raise", 3000)]),
        (pump(stuck={"point": "pressure", "for": "30s"}),  # the device may be quiet for a while
         pressures((0, 5), (10, 5), (65, 5)), [("raise", 30)]),
        (pump(stuck={"point": "pressure", "for": "30s"}), pressures((0, 5)), []),  # nothing comes: not stuck
    ],
)  # fmt: skip
def test_what_moves_and_what_does_not(rule: Rule, frames: list[Frame], told: list[Any]) -> None:
    assert tell(rule, frames, 300) == told


def test_a_value_that_could_not_be_read_is_compared_with_nothing() -> None:
    jump = pump(change={"point": "pressure", "by": 10})
    gap = frame(PUMP, 1, {"pressure": 0}, quality=int(Quality.BAD))
    assert tell(jump, [*pressures((0, 5)), gap, *pressures((2, 50), (3, 50))]) == []


# windows of 20 s begin at T0, for T0 is a multiple of 20 s
@pytest.mark.parametrize(
    ("rule", "frames", "told"),
    [
        # tumbling: judged when the lateness is over, at the end of the window
        (window(aggregate="avg", size="20s", above=100, lateness="5s"),
         pressures((1, 90), (10, 130), (24, 0), (26, 0), (46, 0)), [("raise", 20), ("return", 40)]),
        (window(aggregate="avg", size="20s", above=100, lateness="5s"), pressures((1, 90), (10, 130)), [("raise", 20)]),
        (window(aggregate="avg", size="20s", above=120, lateness="5s"), pressures((1, 90), (10, 130)), []),
        # what can only be confirmed is told at once
        (window(aggregate="max", size="20s", above=100), pressures((1, 90), (10, 130)), [("raise", 10)]),
        (window(aggregate="min", size="20s", above=100), pressures((1, 190), (10, 130)), [("raise", 20)]),
        (window(aggregate="sum", size="20s", above=200), pressures((1, 190), (10, 130)), [("raise", 20)]),
        (window(aggregate="spread", size="20s", above=30), pressures((1, 90), (10, 130)), [("raise", 10)]),
        (window(aggregate="increase", size="20s", above=30), pressures((1, 90), (10, 95), (19, 121)), [("raise", 19)]),
        (window(aggregate="count", size="20s", above=1), pressures((1, 9), (19, 9), (21, 9), (39.5, 9)),
         [("raise", 19), ("return", 60)]),
        # sliding: 40 s in steps of 20 s
        (window(aggregate="avg", size="40s", every="20s", above=100, lateness="0s"),
         pressures((1, 90), (21, 130), (41, 130), (61, 0), (81, 0)), [("raise", 40), ("return", 80)]),
        # sessions end when nothing comes for the gap, and their alarm with them
        (window(aggregate="count", gap="10s", above=2, lateness="0s"),
         pressures((1, 9), (5, 9), (12, 9), (40, 9), (45, 9)), [("raise", 12), ("return", 22)]),
        (window(aggregate="avg", gap="10s", above=100, lateness="0s"), pressures((1, 190), (5, 30)),
         [("raise", 15), ("return", 15)]),
        (window(aggregate="avg", samples=3, above=100), pressures((1, 100), (2, 100), (90, 130), (91, 1), (92, 1)),
         [("raise", 90)]),
        (window(aggregate="avg", samples=2, above=100), pressures((1, 100), (2, 101), (90, 1), (91, 1)),
         [("raise", 2), ("return", 91)]),
    ],
)  # fmt: skip
def test_windows(rule: Rule, frames: list[Frame], told: list[Any]) -> None:
    assert tell(rule, frames, 300) == told


@given(st.lists(st.tuples(st.integers(1, 25), st.integers(0, 200)), min_size=1, max_size=30), st.sampled_from([1, 2]))
def test_windows_against_a_list_of_all_samples(steps: list[tuple[int, int]], parts: int) -> None:
    """An independent reading of the rule: keep every sample, and look at every window when it is over."""
    at, samples = 0, []
    for delta, value in steps:
        at += delta
        samples.append((at, value))
    raised, expected = False, []
    for end in range(20, at + 60, 20):
        inside = [value for second, value in samples if end - 20 * parts <= second < end]
        if inside and (sum(inside) / len(inside) > 100) != raised:
            raised = not raised
            expected.append(("raise" if raised else "return", end))
    size = {"size": f"{20 * parts}s", "every": "20s"} if parts > 1 else {"size": "20s"}
    assert tell(window(aggregate="avg", above=100, lateness="3s", **size), pressures(*samples), at + 100) == expected


def test_late_readings_count_inside_the_lateness_and_not_beyond() -> None:
    rule = window(aggregate="avg", size="20s", above=100, lateness="10s")
    in_time = [*pressures((1, 90), (21, 0)), late(24, 15, 150), *pressures((31, 0))]
    assert tell(rule, in_time, 35) == [("raise", 20)]
    too_late = [*pressures((1, 90), (31, 0)), late(32, 15, 150), late(33, 16, 150)]
    assert tell(rule, too_late, 100) == []
    store = Store([rule], DEVICES)
    evaluator = store.start(T0)
    for each in too_late:
        store.run(evaluator, [each], each.received)
    assert [reason.outcome for reason in store.reasons] == ["late"], "told once, not for each"
    assert "too late" in store.reasons[0].text


def test_a_window_in_which_nothing_came_counts_nought() -> None:
    none = make("r", "door", window={"event": "access_granted", "aggregate": "count", "size": "20s", "below": 1})
    tap = frame(DOOR, 25, event="access_granted")
    assert tell(none, [tap], 95) == [("raise", 60)]
    assert tell(none, [tap, frame(DOOR, 65, event="access_granted")], 115) == [("raise", 60), ("return", 80)]


def test_a_window_is_bounded_however_much_comes() -> None:
    rule = window(aggregate="max", size="10m", every="10s", above=1e6)
    store = Store([rule], DEVICES)
    evaluator = store.start(T0)
    sizes = []
    for second in range(2000):
        store.run(evaluator, pressures((second, second)), T0 + second * S)
        sizes.append(len(json.loads(store.states["r", 1])["buckets"]))
    assert max(sizes) == 63, "ten minutes, and what may still come late"
    assert len(store.states["r", 1]) < 8000


def test_wake_ups_are_few_however_often_a_state_moves() -> None:
    rules = [window(aggregate="avg", size="1d", above=700), make("o", "pump", threshold={**OVER, "for": "1h"})]
    store = Store(rules, DEVICES)
    evaluator = store.start(T0)
    for second in range(5000):
        store.run(evaluator, pressures((second, 650 if second % 2 else 400)), T0 + second * S)
    assert len(evaluator._heap) <= 1100


def door(at: float, name: str, said: float | None = None) -> Frame:
    return frame(DOOR, at, event=name, said=said)


def lift(at: float, direction: float, device: Device = LIFT) -> Frame:
    return frame(device, at, {"direction": direction})


INTRUDER = make("r", "door", sequence={"lateness": "10s", "steps": [
    {"event": "door_forced"},
    {"not": {"event": "access_granted", "before": "5s"}},
    {"point": "direction", "equals": ["up", "down"], "kinds": ["elevator"], "at": "same_building", "within": "60s"},
]})  # fmt: skip


def test_neighbours() -> None:
    def others(at: float, running: float) -> Frame:
        return frame(PUMP2, at, {"running": running})

    low = {"threshold": {"point": "pressure", "below": 150}}
    running = {"point": "running", "equals": "running"}
    backed = pump(all_of=[low, {"near": {"at": "same_place", "kinds": ["pump"], "at_least": 1, "threshold": running}}])
    alone = pump(all_of=[low, {"near": {"at": "same_place", "kinds": ["pump"], "at_most": 0, "threshold": running}}])
    story = [others(1, 0), *pressures((2, 90)), others(5, 1), others(9, 0)]
    assert tell(backed, story) == [("raise", 5), ("return", 9)]
    assert tell(alone, story) == [("raise", 2), ("return", 5), ("raise", 9)]
    assert tell(alone, pressures((2, 90))) == [], "of the other pump nothing is known"
    assert tell(alone, [*pressures((2, 90)), frame(LIFT, 3, {"direction": 0})]) == []


def test_silent_children() -> None:
    def silent(number: int | str) -> Rule:
        near = {"at": "children", "kinds": "all", "absence": {"after": "40s"}, "at_least": number}
        return make("r", "gateway", near=near)

    heard = [*pressures((10, 1)), frame(PUMP2, 20, {"pressure": 1})]
    back = frame(PUMP, 70, {"pressure": 1})
    assert tell(silent(1), heard, 100) == [("raise", 50)]
    assert tell(silent("all"), [*heard, back], 100) == [("raise", 60), ("return", 70)]
    assert tell(silent(3), heard, 100) == []


def test_main_meters_and_those_below_them() -> None:
    over = {"threshold": {"point": "flow", "above": 2}, "when": {"kinds": ["water_meter"], "main": False}}
    main = example_device("water_meter", KINDS["water_meter"], 1)
    home = example_device("water_meter", KINDS["water_meter"], 2, parent=1)
    devices = {1: main, 2: home}
    mains = {**over, "when": {"kinds": ["water_meter"], "main": True}}
    store = Store([make("home", "pump", **over), make("main", "pump", **mains)], devices)
    words = [frame(main, 1, {"flow": 3}), frame(home, 1, {"flow": 3})]
    told = store.run(store.start(T0), words, T0 + S).alarms
    assert [(change.rule, change.device.id) for change in told] == [("main", 1), ("home", 2)]


def test_a_gone_neighbour_is_counted_no_more() -> None:
    near = {"at": "children", "kinds": ["pump"], "threshold": {"point": "pressure", "above": 600}, "at_least": 2}
    rule = make("r", "gateway", near=near)
    store = Store([rule], DEVICES)
    evaluator = store.start(T0)
    store.run(evaluator, [*pressures((1, 700)), frame(PUMP2, 1, {"pressure": 700})], T0 + S)
    evaluator.configure({key: device for key, device in DEVICES.items() if device is not PUMP2}, T0 + 2 * S)
    assert [(name, action) for name, action, _ in actions(store.run(evaluator, [], T0 + 2 * S))] == [("r", "return")]


def test_any_and_all() -> None:
    over, fault = ({"threshold": {"point": "pressure", "above": 600, "for": "10s"}},
                   {"threshold": {"point": "fault", "equals": "fault"}})  # fmt: skip
    story = [frame(PUMP, 0, {"pressure": 700, "fault": 0}), frame(PUMP, 20, {"fault": 1}),
             frame(PUMP, 30, {"pressure": 1}), frame(PUMP, 40, {"fault": 0})]  # fmt: skip
    assert tell(pump(any_of=[over, fault]), story) == [("raise", 10), ("return", 40)]
    assert tell(pump(all_of=[over, fault]), story) == [("raise", 20), ("return", 30)]


def test_the_part_that_decided_is_told() -> None:
    rule = pump(
        any_of=[{"threshold": {"point": "pressure", "above": 600}}, {"threshold": {"point": "flow", "above": 9}}]
    )
    store = Store([rule], DEVICES)
    told = store.run(store.start(T0), [frame(PUMP, 1, {"pressure": 1, "flow": 12})], T0 + S).alarms[0]
    assert (told.point, told.limit, told.text.en) == ("flow", 9, "12 m³/h")


def test_expressions() -> None:
    rule = pump(expression={"when": 'pressure < 150.0 && running == "running"', "for": "10s"})
    story = [*pressures((0, 90)), frame(PUMP, 5, {"running": 1}), *pressures((20, 400))]
    assert tell(rule, story) == [("raise", 15), ("return", 20)]
    together = [frame(PUMP, 0, {"pressure": 400, "running": 0}), frame(PUMP, 5, {"pressure": 90, "running": 1})]
    assert tell(pump(expression={"when": 'running == "running" && pressure > 150'}), together) == []


def test_calendars() -> None:
    night = pump(threshold={"point": "pressure", "above": 600}, during="daily 23:08-23:10")  # T0 is 23:06:40
    assert tell(night, pressures((10, 700)), 400) == [("raise", 80), ("return", 200)]
    assert tell(night, pressures((10, 700), (60, 1)), 400) == []
    assert tell(night, pressures((90, 700), (100, 1)), 400) == [("raise", 90), ("return", 100)]
    event = make("r", "door", event={"name": "door_forced"}, during="daily 23:08-23:10")
    assert tell(event, [door(10, "door_forced"), door(90, "door_forced")]) == [("raise", 90), ("return", 90)]
    quiet = make("r", "door", absence={"after": "20s"}, during="daily 23:08-23:10")
    assert tell(quiet, [door(10, "unlocked")], 100) == [("raise", 80)]
    counted = pump(
        window={"point": "pressure", "aggregate": "max", "size": "20s", "above": 600}, during="daily 23:08-23:10"
    )
    assert tell(counted, pressures((10, 700)), 400) == [], "what a window found before is not told when the time comes"


def test_hourly_verdicts() -> None:
    rule = pump(
        hourly={"analysis": "night_flow", "point": "flow", "above": 1, "for": 2}, text={"zh": "$value", "en": "$value"}
    )

    def found(at: float, active: bool) -> Frame:
        verdict = Verdict("r", active, T0 + round((at - 5) * S), 3.0, 1.0, 250)
        return frame(PUMP, at, verdicts=[verdict])

    assert tell(rule, [found(10, True), found(20, True), found(30, True), found(40, False)]) == [
        ("raise", 15),
        ("return", 35),
    ]
    assert tell(rule, [found(10, True), found(20, False), found(30, True)]) == []
    store = Store([rule], DEVICES)
    evaluator = store.start(T0)
    told = store.run(evaluator, [found(10, True), found(20, True)], T0 + 20 * S).alarms[0]
    assert (told.cost_fen, told.limit, told.point, told.text) == (250, 1.0, "flow", Text(zh="3 m³/h", en="3 m³/h"))
    assert store.run(evaluator, [frame(PUMP2, 30, verdicts=[Verdict("other", True, T0)])], T0 + 30 * S).alarms == []


@pytest.mark.parametrize(
    ("rule", "frames"),
    [
        (pump(threshold={"point": "pressure", "above": 600}), lambda delay: [late(300, 300 - delay, 700)]),
        (make("r", "door", event={"name": "door_forced"}), lambda delay: [door(300, "door_forced", 300 - delay)]),
        (window(aggregate="max", size="20s", above=100), lambda delay: [late(300, 300 - delay, 700)]),
        (INTRUDER, lambda delay: [door(300, "door_forced", 300 - delay),
                                  frame(LIFT, 300, {"direction": 1}, said=305 - delay)]),
    ],
)  # fmt: skip
def test_what_was_heard_of_long_after_is_history(rule: Rule, frames: Any) -> None:
    for delay, historical in ((119, False), (121 + 5, True)):
        store = Store([rule], DEVICES)
        evaluator = store.start(T0)
        alarms = store.run(evaluator, frames(delay), T0 + 320 * S).alarms
        assert [change.historical for change in alarms if change.action == "raise"] == [historical]


def test_what_the_alarm_carries() -> None:
    rule = pump(
        threshold={"point": "pressure", "above": 600}, latch=True, suppresses="children", group="g", shelvable=False
    )
    store = Store([rule], DEVICES)
    told = store.run(store.start(T0), pressures((1, 700)), T0 + S).alarms[0]
    assert (told.latch, told.suppresses, told.group, told.shelvable) == (True, True, "g", False)
    assert (told.limit, told.point, told.historical) == (600, "pressure", False)


def test_a_clock_set_back_does_not_make_all_readings_late() -> None:
    rule = window(aggregate="max", size="20s", above=600)
    store = Store([rule], DEVICES)
    evaluator = store.start(T0)
    store.run(evaluator, [frame(PUMP, 1, {"pressure": 1}, said=1000)], T0 + S)
    evaluator.set_back(T0 + 2 * S)
    assert actions(store.run(evaluator, pressures((30, 700)), T0 + 30 * S)) == [("r", "raise", 30)]


def test_virtual_devices_are_never_called_silent_by_a_rule_for_all() -> None:
    names = [ModelName(vendor="x", model="y")]
    profile = VirtualProfile(profile="v", kind="gateway", names=names, source="made up", protocol="virtual")
    virtual = msgspec.structs.replace(GATEWAY, profile=profile)
    devices = {9: virtual, 1: PUMP}
    rule = make("r", "all", absence={"after": "20s"})
    assert tell(rule, [], 60, devices) == [("raise", 20)], "only the pump"


def test_an_alarm_that_the_changed_rule_cannot_hold_ends() -> None:
    store = Store([pump(threshold={"point": "pressure", "above": 600})], DEVICES)
    evaluator = store.start(T0)
    store.run(evaluator, pressures((1, 700)), T0 + S)
    evaluator.replace_rules([pump(change={"point": "pressure", "by": 50})], T0 + 2 * S)
    assert actions(store.run(evaluator, [], T0 + 2 * S)) == [("r", "return", 2)]
    assert store.states == {}
