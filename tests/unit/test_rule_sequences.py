"""Sequences by stories: steps in order, over two devices, with what must not come between."""

import json
from typing import Any

import pytest

from hub.model import Frame
from rules.model import Rule
from tests.unit.rule_harness import T0, S, Store, make
from tests.unit.test_rule_wider import (
    DEVICES,
    DOOR,
    INTRUDER,
    OTHER,
    door,
    lift,
    tell,
)

UNANSWERED = make("r", "door", sequence={"lateness": "0s", "clear_after": "30s", "steps": [
    {"event": "door_forced"}, {"not": {"event": "access_granted", "within": "20s"}}]})  # fmt: skip
PAIR = make("r", "door", sequence={"lateness": "10s", "steps": [
    {"event": "access_denied"}, {"event": "door_forced", "within": "20s"}]})  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "frames", "told"),
    [
        (INTRUDER, [door(10, "door_forced"), lift(30, 1)], [("raise", 30), ("return", 30)]),
        (INTRUDER, [door(10, "door_forced"), lift(15, 1)], [("raise", 15), ("return", 15)]),
        (INTRUDER, [door(6, "access_granted"), door(10, "door_forced"), lift(30, 1)], []),
        (INTRUDER, [door(4, "access_granted"), door(10, "door_forced"), lift(30, 1)], [("raise", 30), ("return", 30)]),
        (INTRUDER, [door(10, "door_forced"), lift(15, 1), door(18, "access_granted", 7)], []),
        (INTRUDER, [door(10, "door_forced"), lift(15, 1), door(18, "access_granted")],
         [("raise", 15), ("return", 15)]),
        (INTRUDER, [door(10, "door_forced"), lift(71, 1)], []),
        (INTRUDER, [lift(11, 1), door(11.5, "door_forced", 10)], [("raise", 11), ("return", 11)]),
        (INTRUDER, [lift(2, 1), lift(11, 1), door(11.5, "door_forced", 10)], []),  # it moved before
        (INTRUDER, [lift(9, 1), door(10, "door_forced"), lift(30, 0)], []),
        (INTRUDER, [door(10, "door_forced"), lift(30, 1, OTHER)], []),
        (INTRUDER, [door(10, "door_forced"), door(12, "door_forced"), lift(30, 1), lift(31, 1)],
         [("raise", 30), ("return", 30)]),
        (UNANSWERED, [door(10, "door_forced")], [("raise", 30), ("return", 60)]),
        (UNANSWERED, [door(10, "door_forced"), door(29, "access_granted")], []),
        (UNANSWERED, [door(10, "door_forced"), door(31, "access_granted")], [("raise", 30), ("return", 60)]),
        (PAIR, [door(10, "access_denied"), door(15, "door_forced")], [("raise", 15), ("return", 15)]),
        (PAIR, [door(15, "door_forced"), door(17, "access_denied", 10)], [("raise", 15), ("return", 15)]),
        (PAIR, [door(15, "door_forced"), door(17, "access_denied")], []),
    ],
)  # fmt: skip
def test_sequences(rule: Rule, frames: list[Frame], told: list[Any]) -> None:
    assert tell(rule, frames, 200) == told


def test_a_sequence_keeps_little_however_often_it_begins() -> None:
    store = Store([PAIR], DEVICES)
    evaluator = store.start(T0)
    for number in range(500):
        store.run(evaluator, [door(number / 100, "access_denied")], T0 + number * S // 100)
    assert len(store.states["r", 4]) < 1500


def test_a_sequence_that_nobody_here_can_finish_remembers_nothing() -> None:
    for devices, kept in ((DEVICES, 1), ({DOOR.id: DOOR}, 0)):
        store = Store([INTRUDER], devices)
        store.run(store.start(T0), [door(1, "door_forced")], T0 + S)
        assert (len(store.states), len(store.reasons)) == (kept, kept)
        assert all(state["matches"] for state in map(json.loads, store.states.values()))
