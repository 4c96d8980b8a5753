"""A hub that was away: what was said meanwhile is judged as it was said, and no alarm is raised for the time away.

Every story is told twice, without and with the time away; what the devices said meanwhile is delivered after it.
"""

from typing import Any

import pytest

from hub.model import Frame
from rules.examples import example_device
from rules.model import Rule
from tests.unit.rule_harness import KINDS, T0, S, Store, actions, frame, make

GATEWAY = example_device("gateway", KINDS["gateway"], 9, place="b1")
PUMP, PUMP2 = (example_device("pump", KINDS["pump"], number, parent=9) for number in (1, 2))
DOOR = example_device("door", KINDS["door"], 4, place="b1/u1")
CAMERA = example_device("plate_camera", KINDS["plate_camera"], 5)
DEVICES = {device.id: device for device in (PUMP, PUMP2, DOOR, CAMERA, GATEWAY)}

OVER = {"point": "pressure", "above": 600, "for": "30s"}


def tell(rule: Rule, frames: list[Frame], until: float, away: tuple[float, float] | None = None) -> list[Any]:
    """Actions and seconds; `away`: nobody listens from-to, what was sent meanwhile comes half a second later."""
    store = Store([rule], DEVICES)
    store.heard = dict.fromkeys(DEVICES, T0)
    evaluator, told, waiting = store.start(T0), [], []
    for each in frames:
        at = (each.received - T0) / S
        if away is not None and at >= away[0]:
            waiting.append(each)
            continue
        told += actions(store.run(evaluator, [each], each.received))
    if away is not None:
        told += actions(store.run(evaluator, [], T0 + round(away[0] * S)))
        evaluator = store.start(T0 + round(away[1] * S))
        told += actions(store.run(evaluator, [], T0 + round(away[1] * S)))
        for number, each in enumerate(waiting):
            received = max(each.received, T0 + round((away[1] + 0.5) * S) + number)
            late = frame_at(each, received)
            told += actions(store.run(evaluator, [late], received))
    told += actions(store.run(evaluator, [], T0 + round(until * S)))
    return [(action, at) for name, action, at in told if name == rule.rule]


def frame_at(each: Frame, received: int) -> Frame:
    each.received = received
    return each


def pump(at: float, pressure: float, device: Any = PUMP) -> Frame:
    return frame(device, at, {"pressure": pressure})


def door(at: float, event: str) -> Frame:
    return frame(DOOR, at, event=event)


RULES = {
    "threshold": make("r", "pump", threshold=OVER),
    "expression": make("r", "pump", expression={"when": "pressure > 600", "for": "30s"}),
    "any": make("r", "pump", any_of=[{"threshold": OVER}, {"change": {"point": "running"}}]),
    "during": make("r", "pump", threshold=OVER, during="daily"),
    "near": make("r", "gateway", near={"at": "children", "kinds": ["pump"], "at_least": 1, "threshold": OVER}),
    "near-lasting": make("r", "gateway", near={"at": "children", "kinds": ["pump"], "at_least": 1, "for": "30s",
                                               "threshold": {"point": "pressure", "above": 600}}),
}  # fmt: skip


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("up", [20, 31, 300])
def test_a_wait_that_ended_meanwhile_raises_nothing(name: str, up: float) -> None:
    def story() -> list[Frame]:
        return [pump(0, 650), pump(5, 400)]

    assert tell(RULES[name], story(), 900) == tell(RULES[name], story(), 900, (1, up)) == []


@pytest.mark.parametrize("name", RULES)
def test_a_wait_that_goes_on_is_an_alarm_after_the_time_away(name: str) -> None:
    told = tell(RULES[name], [pump(0, 650), pump(20, 660), pump(290, 650)], 900, (1, 280))
    assert [action for action, _ in told] == ["raise"]


def test_a_wait_is_over_on_time_after_a_short_time_away() -> None:
    assert tell(RULES["threshold"], [pump(0, 650)], 31, (1, 3)) == [("raise", 30)]
    assert tell(RULES["threshold"], [pump(0, 650)], 31, (28, 29)) == [("raise", 30)]


def test_what_must_not_follow_may_have_followed_meanwhile() -> None:
    steps = [{"event": "door_forced"}, {"not": {"event": "access_granted", "within": "20s"}}]
    rule = make("r", "door", sequence={"lateness": "0s", "steps": steps})
    assert tell(rule, [door(0, "door_forced"), door(10, "access_granted")], 900, (1, 300)) == []
    assert tell(rule, [door(0, "door_forced"), door(30, "access_granted")], 900, (1, 300)) == [
        ("raise", 20), ("return", 20)
    ]  # fmt: skip


SILENT = make("r", "pump", absence={"after": "10m"})
NEAR_SILENT = make("r", "gateway", near={"at": "children", "kinds": ["pump"], "at_least": 2,
                                         "absence": {"after": "10m"}})  # fmt: skip
DAY_SILENT = make("r", "pump", absence={"after": "10m"}, during="daily")


@pytest.mark.parametrize("rule", [SILENT, NEAR_SILENT, DAY_SILENT])
@pytest.mark.parametrize("up", [598, 602, 3000])
def test_a_silence_that_falls_due_around_a_start_is_listened_for(rule: Rule, up: float) -> None:
    story = [pump(at, 400, device) for at in range(0, 7200, 300) for device in (PUMP, PUMP2)]
    assert tell(rule, story, 7400, (1, up)) == []


@pytest.mark.parametrize("rule", [SILENT, NEAR_SILENT, DAY_SILENT])
def test_a_second_start_does_not_cut_the_listening_short(rule: Rule) -> None:
    store = Store([rule], DEVICES)
    store.heard = dict.fromkeys(DEVICES, T0)
    store.run(store.start(T0), [], T0 + S)
    for up in (900, 905):
        evaluator = store.start(T0 + up * S)
        assert actions(store.run(evaluator, [], T0 + (up + 3) * S)) == []
    assert actions(store.run(evaluator, [], T0 + 1400 * S)) == []
    assert {action for _, action, _ in actions(store.run(evaluator, [], T0 + 1510 * S))} == {"raise"}


NO_CARS = make("r", "plate_camera", window={"event": "plate_seen", "aggregate": "count", "size": "1h", "below": 1})


def cars(*at: float) -> list[Frame]:
    return [frame(CAMERA, moment, event="plate_seen") for moment in at]


def test_the_time_away_is_no_window_in_which_nothing_came() -> None:
    busy = list(range(60, 7200, 600))
    assert tell(NO_CARS, cars(*busy, 30060, *range(31000, 40000, 600)), 40000, (7200, 30000)) == []
    quiet = tell(NO_CARS, cars(*busy), 45000, (7200, 30000))
    assert [action for action, _ in quiet] == ["raise"]
    assert quiet[0][1] > 30000 + 3600, "the first whole window"


def test_a_short_time_away_costs_no_window() -> None:
    assert tell(NO_CARS, cars(60), 12000, (5000, 5200)) == tell(NO_CARS, cars(60), 12000) != []


def test_a_window_waits_for_what_was_said_meanwhile() -> None:
    rule = make("r", "pump", window={"point": "pressure", "aggregate": "avg", "size": "60s", "above": 600})
    story = [(0, 700), (20, 700), (40, 100), (70, 100)]
    assert tell(rule, [pump(*one) for one in story], 900, (21, 300)) == tell(rule, [pump(*one) for one in story], 900)


def test_what_began_and_ended_meanwhile_is_history_and_commands_nobody() -> None:
    rule = make("r", "pump", threshold=OVER, command={"name": "stop", "reason": "over pressure"})
    store = Store([rule], DEVICES)
    store.heard = dict.fromkeys(DEVICES, T0)
    store.run(store.start(T0), [], T0 + S)
    evaluator = store.start(T0 + 1000 * S)
    said = [(100, 650), (150, 400), (600, 650), (700, 400), (900, 650)]
    came = [frame_at(pump(*one), T0 + 1001 * S + number) for number, one in enumerate(said)]
    told = store.run(evaluator, came, T0 + 1002 * S)
    assert actions(told) == [("r", "raise", 130), ("r", "return", 150), ("r", "raise", 630), ("r", "return", 700)]
    assert [one.historical for one in told.alarms if one.action == "raise"] == [True, True]
    assert store.commands == []
    last = store.run(evaluator, [], T0 + 1100 * S)
    assert [(one.at, one.historical) for one in last.alarms] == [(T0 + 930 * S, False)], "it lasts"
    assert len(store.commands) == 1


def test_what_lasts_after_a_short_time_away_is_no_history() -> None:
    rule = make("r", "pump", threshold=OVER, command={"name": "stop", "reason": "over pressure"})
    store = Store([rule], DEVICES)
    store.run(store.start(T0), [pump(0, 650)], T0 + S)
    told = store.run(store.start(T0 + 60 * S), [], T0 + 120 * S)
    assert [(one.at, one.historical) for one in told.alarms] == [(T0 + 30 * S, False)]
    assert len(store.commands) == 1


def test_while_words_of_then_keep_coming_nothing_falls_due() -> None:
    """The return waits at the end of a long queue, behind what all others said."""
    store = Store([RULES["threshold"]], DEVICES)
    store.run(store.start(T0), [pump(0, 650)], T0 + S)
    evaluator = store.start(T0 + 1000 * S)
    for number in range(40):
        at = T0 + (1005 + 9 * number) * S
        assert actions(store.run(evaluator, [frame_at(door(500 + number, "unlocked"), at)], at)) == []
        assert store.until == T0 + S, "not all is heard yet"
    at = T0 + 1362 * S
    assert actions(store.run(evaluator, [frame_at(pump(20, 400), at)], at)) == []
    store.run(evaluator, [], T0 + 2000 * S)
    assert store.until == T0 + 2000 * S
    assert store.alarms == []


def test_a_device_that_goes_on_about_then_holds_nobody_up_for_ever() -> None:
    store = Store([RULES["threshold"]], DEVICES)
    store.run(store.start(T0), [pump(0, 650)], T0 + S)
    evaluator = store.start(T0 + 9000 * S)
    for number in range(200):
        at = T0 + (9001 + 9 * number) * S
        store.run(evaluator, [frame_at(door(100 + number, "unlocked"), at)], at)
    assert {action for _, _, action, *_ in store.alarms} == {"raise"}


def test_a_second_start_does_not_cut_a_wait_short_that_is_listened_for() -> None:
    """A device that speaks each quarter of an hour, and whose words nobody keeps."""
    rule = make("r", "pump", threshold={**OVER, "for": "1h"})
    store = Store([rule], DEVICES)
    store.run(store.start(T0), [pump(0, 650)], T0 + S)
    store.run(store.start(T0 + 4000 * S), [], T0 + 4020 * S)
    evaluator = store.start(T0 + 4023 * S)
    assert actions(store.run(evaluator, [], T0 + 4700 * S)) == []
    assert actions(store.run(evaluator, [pump(4800, 400)], T0 + 4800 * S)) == [
        ("r", "raise", 3600), ("r", "return", 4800)
    ]  # fmt: skip


def test_a_clock_that_is_set_back_does_not_wait_for_the_end_of_the_listening() -> None:
    store = Store([RULES["threshold"]], DEVICES)
    store.run(store.start(T0), [pump(0, 650)], T0 + S)
    evaluator = store.start(T0 + 1000 * S)
    evaluator.set_back(T0 + 500 * S)
    assert evaluator.heard_until(T0 + 500 * S) == T0 + 500 * S
    assert actions(store.run(evaluator, [], T0 + 501 * S)) == [("r", "raise", 30)]


NIGHT = make("r", "pump", threshold={"point": "pressure", "above": 600}, during="daily 23:07-23:08")
"""From second 20 to second 80."""


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ([(5, 700), (15, 400)], []),
        ([(5, 700), (30, 400)], [("raise", 20), ("return", 30)]),
        ([(5, 700), (90, 400)], [("raise", 20), ("return", 80)]),
        ([(30, 700), (90, 400)], [("raise", 30), ("return", 80)]),
        ([(85, 700), (90, 400)], []),
    ],
)
def test_a_calendar_judges_what_was_held_up_by_when_it_was_said(said: Any, told: Any) -> None:
    """Of a device that had no connection; the hub was there all the time, and is killed while it comes."""
    for restarted in (False, True):
        store = Store([NIGHT], DEVICES)
        evaluator = store.start(T0)
        store.run(evaluator, [], T0 + 500 * S)
        for number, one in enumerate(said):
            at = T0 + (501 + number) * S
            store.run(evaluator, [frame(PUMP, 501 + number, {"pressure": one[1]}, said=one[0])], at)
            evaluator = store.start(at) if restarted else evaluator
        store.run(evaluator, [], T0 + 600 * S)
        assert [(action, (at - T0) / S) for _, _, action, at, *_ in store.alarms] == told


def test_a_calendar_that_was_changed_counts_from_now_on() -> None:
    store = Store([NIGHT], DEVICES)
    evaluator = store.start(T0)
    store.run(evaluator, [pump(90, 700)], T0 + 90 * S)
    store.run(evaluator, [], T0 + 300 * S)
    other = make("r", "pump", threshold={"point": "pressure", "above": 600}, during=["23:09-23:10", "23:12-23:13"])
    evaluator.replace_rules([other], T0 + 300 * S)
    assert actions(store.run(evaluator, [pump(310, 700)], T0 + 310 * S)) == []
    assert actions(store.run(evaluator, [], T0 + 400 * S)) == [("r", "raise", 320), ("r", "return", 380)]


def test_a_calendar_turn_that_was_still_listened_for_is_not_lost_with_a_second_start() -> None:
    """The window's alarm ends with the night; the turn fell into the time away, and the hub was killed again before."""
    mean = {"point": "pressure", "aggregate": "avg", "size": "40s", "every": "20s", "above": 600}
    rule = make("r", "pump", during="daily 23:07-23:09", window=mean)
    store = Store([rule], DEVICES)
    store.run(store.start(T0), [pump(1, 620)], T0 + S)
    evaluator = store.start(T0 + S)
    assert actions(store.run(evaluator, [], T0 + 91 * S)) == [("r", "raise", 20)]
    store.run(evaluator, [], T0 + 100 * S)
    store.run(store.start(T0 + 152 * S), [], T0 + 176 * S)
    evaluator = store.start(T0 + 181 * S)
    assert actions(store.run(evaluator, [], T0 + 600 * S)) == [("r", "return", 140)]
