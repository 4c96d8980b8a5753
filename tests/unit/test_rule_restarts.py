"""A hub that was away: what was said meanwhile is judged when it comes, and no alarm is raised for the time away.

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
