"""Values of other devices in one expression: of the one above, of those around, of all below."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from hub.catalog.paths import packaged_config
from hub.model import Device, Frame, Quality
from rules.binding import TooMany
from rules.examples import example_device
from rules.model import Rule
from rules.plugin import RulesPlugin
from rules.slots import make_slot
from rules.topology import Topology
from tests.unit.rule_harness import KINDS, T0, S, Store, actions, frame, make

METER, SENSOR = "electricity_meter", "environment_sensor"
MAIN = example_device(METER, KINDS[METER], 1, place="b1")
FLOOR = example_device(METER, KINDS[METER], 2, place="b1/u1", parent=1)
HOME, HOME2 = (example_device(METER, KINDS[METER], number, place="b1/u1/r1", parent=2) for number in (3, 4))
SUPPLY, BACK = (example_device(SENSOR, KINDS[SENSOR], number, place="b1/cellar") for number in (5, 6))
DEVICES = {one.id: one for one in (MAIN, FLOOR, HOME, HOME2, SUPPLY, BACK)}


def tell(rule: Rule, frames: list[Frame], killed: bool = False) -> list[Any]:
    store = Store([rule], DEVICES)
    evaluator, told = store.start(T0), []
    for each in frames:
        evaluator = store.start(each.received) if killed else evaluator
        told += actions(store.run(evaluator, [each], each.received))
    return [(action, at) for _, action, at in told]


def says(device: Device, at: float, value: float, **parts: Any) -> Frame:
    return frame(device, at, {"power" if device.kind_name == METER else "temperature": value}, **parts)


def of(kind: str, at: str, kinds: str, **parts: Any) -> Rule:
    return make("r", kind, expression={"others": {"other": {"at": at, "kinds": [kinds]}}, **parts})


@pytest.mark.parametrize("killed", [False, True])
def test_a_meter_against_the_one_above(killed: bool) -> None:
    rule = of(METER, "parent", METER, value="power - other.power", above=10, clear={"below": 0})
    frames = [says(HOME, 0, 500), says(FLOOR, 1, 495), says(HOME, 2, 520), says(HOME, 3, 497), says(FLOOR, 4, 700)]
    assert tell(rule, frames, killed) == [("raise", 2), ("return", 4)]


@pytest.mark.parametrize("killed", [False, True])
def test_two_sensors_of_a_place_are_compared(killed: bool) -> None:
    rule = of(
        SENSOR, "same_place", SENSOR, value="abs(temperature - avg(other.temperature))", below=5, **{"for": "10s"}
    )
    frames = [says(SUPPLY, 0, 60), says(BACK, 1, 58), says(BACK, 6, 59), says(SUPPLY, 12, 61), says(BACK, 13, 40)]
    told = tell(rule, frames, killed)
    assert sorted(told) == [("raise", 11), ("raise", 11), ("return", 13), ("return", 13)], "each of them"


def test_all_levels_below_and_the_whole_place() -> None:
    frames = [says(FLOOR, 0, 400), says(HOME, 1, 250), says(HOME2, 2, 100), says(HOME2, 3, 200)]
    below = of(METER, "descendants", METER, when="sum(other.power) > 800")
    assert tell(below, frames) == [("raise", 3)], "of the main meter; the floor's own two are 450"
    direct = of(METER, "children", METER, when="sum(other.power) > 400")
    assert tell(direct, frames) == [("raise", 3)], "of the floor's"
    topology = Topology(DEVICES)
    assert [one.id for one in topology.around(MAIN, "within_place", None)] == [2, 3, 4, 5, 6]
    assert [one.id for one in topology.around(FLOOR, "within_place", [METER])] == [3, 4]
    assert [one.id for one in topology.around(HOME, "within_place", None)] == [4]
    assert [one.id for one in topology.around(MAIN, "descendants", None)] == [2, 3, 4]


def test_what_hangs_in_a_circle_is_found_once() -> None:
    one, two = (example_device(METER, KINDS[METER], number, parent=3 - number) for number in (1, 2))
    assert [each.id for each in Topology({1: one, 2: two}).around(one, "descendants", None)] == [2]


def test_who_has_not_spoken_or_could_not_read_makes_nothing_of_it() -> None:
    rule = of(METER, "children", METER, when="sum(other.power) < 100")
    assert tell(rule, [says(HOME, 0, 20)]) == [], "the other home is not known"
    assert tell(rule, [says(HOME, 0, 20), says(HOME2, 1, 20)]) == [("raise", 1)]
    bad = says(HOME2, 1, 20, quality=int(Quality.BAD))
    assert tell(rule, [says(HOME, 0, 20), says(HOME2, 0.5, 900), bad, says(HOME, 2, 10)]) == []


def test_a_value_older_than_its_device_may_be_silent_counts_for_nothing() -> None:
    rule = of(METER, "parent", METER, value="power - other.power", above=10)
    patience = KINDS[METER].silent_after.total_seconds()
    kept = [says(FLOOR, 0, 100), says(HOME, patience, 150)]
    assert tell(rule, kept) == [("raise", patience)]
    assert tell(rule, [says(FLOOR, 0, 100), says(HOME, patience + 1, 150)]) == []
    assert tell(rule, [says(FLOOR, 0, 100), says(HOME, patience + 1, 150)], killed=True) == []


def test_a_slow_clock_is_not_taken_for_an_old_value() -> None:
    """The floor's clock is behind by more than it may be silent, always."""
    rule = of(METER, "parent", METER, value="power - other.power", above=10)
    behind = KINDS[METER].silent_after.total_seconds() + 100
    floor = [says(FLOOR, at, 100, said=at - behind) for at in range(0, 200, 10)]
    for killed in (False, True):
        store = Store([rule], DEVICES)
        evaluator = store.start(T0)
        for each in floor:
            store.run(evaluator, [each], each.received)
        evaluator = store.start(T0 + 199 * S) if killed else evaluator
        assert actions(store.run(evaluator, [says(HOME, 200, 150)], T0 + 200 * S)) == [("r", "raise", 200)]


def test_the_message_says_how_far_they_are_apart() -> None:
    rule = of(METER, "parent", METER, value="power / other.power", above=1.5)
    store = Store([rule], DEVICES)
    evaluator = store.start(T0)
    store.run(evaluator, [says(FLOOR, 0, 300)], T0)
    told = store.run(evaluator, [says(HOME, 1, 500)], T0 + S).alarms
    assert [(one.text.en, one.limit) for one in told] == [("1.667", 1.5)]
    assert "1.667 1.5" in told[0].text.zh


def test_a_device_without_the_others_is_not_watched_and_too_many_are_refused() -> None:
    rule = of(METER, "parent", METER, value="power - other.power", above=10)
    assert make_slot(rule, MAIN, Topology(DEVICES)) is None
    many = {1: MAIN, **{n: example_device(METER, KINDS[METER], n, parent=1) for n in range(2, 300)}}
    with pytest.raises(TooMany, match="298 devices"):
        make_slot(of(METER, "descendants", METER, when="sum(other.power) > 1"), MAIN, Topology(many))


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"when": "true", "value": "1"}, "exactly one of `when` and `value`"),
        ({"value": "power"}, "exactly one of `above` and `below`"),
        ({"when": "power > 1", "above": 3}, "a limit goes with `value`"),
        ({"when": "power > 1", "others": {"me": {"at": "same_device", "kinds": [METER]}}}, "name them alone"),
    ],
)
def test_what_cannot_be_meant_is_refused(parts: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        make("r", METER, expression=parts)


def test_a_word_means_one_thing_in_a_rule() -> None:
    parts = [
        {"expression": {"when": "o.power > 1", "others": {"o": {"at": at, "kinds": [METER]}}}}
        for at in ("parent", "children")
    ]
    with pytest.raises(ValidationError, match="the same devices throughout"):
        make("r", METER, any_of=parts)


TEXT = """rule: more-than-above
title: {zh: 题, en: More than above}
when: {kinds: [electricity_meter]}
expression:
  value: power - above.power
  above: 10
  others: {above: {at: parent, kinds: [electricity_meter]}}
priority: low
text: {zh: $value $limit, en: $value $limit}
examples:
  - name: more than the one above raises
    others: {main: {kind: electricity_meter, at: parent}}
    steps: [{at: 0s, device: main, point: {power: 100}}, {at: 1s, point: {power: 150}, expect: [raised]}]
  - name: less is fine
    others: {main: {kind: electricity_meter, at: parent}}
    steps: [{at: 0s, device: main, point: {power: 100}}, {at: 1s, point: {power: 90}}]
"""


@pytest.mark.parametrize(
    ("old", "new", "line", "complaint"),
    [
        ("power - above.power", "power - above.powr", 5, "did you mean 'above.power'?"),
        ("power - above.power", "power > above.power", 5, "an expression that is a number"),
        ("power - above.power", "power", 7, "a word the expression uses: above.…"),
        ("kinds: [electricity_meter]}}", "kinds: [electricity_metre]}}", 7, "did you mean 'electricity_meter'?"),
        ("kinds: [electricity_meter]}}", "kinds: [electricity_meter, pump]}}", 5, "'above.power' is unknown"),
        ("at: parent, kinds", "at: children, kinds", 5, "number"),
        ("at: parent, kinds", "at: below, kinds", 7, "descendants"),
        ("", "", 0, ""),
    ],
)
def test_hub_check_says_what_is_wrong(tmp_path: Path, old: str, new: str, line: int, complaint: str) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/mine.yaml").write_text(TEXT.replace(old, new, 1), "utf-8")
    problems = RulesPlugin().check([packaged_config(), tmp_path], KINDS)
    assert [problem.line for problem in problems][:1] == ([line] if line else [])
    assert complaint in "".join(problem.render() for problem in problems)


def test_examples_place_devices_below_others(tmp_path: Path) -> None:
    """`descendants` hang below the example's child, `within_place` stand in a part of the rule's own place."""
    for at, below in (("descendants", "sum"), ("within_place", "max")):
        text = (
            TEXT.replace("at: parent", f"at: {at}").replace("above.power", f"{below}(above.power)")
            .replace("others: {main:", "others: {floor: {kind: pump, at: children}, main:")
        )  # fmt: skip
        (tmp_path / "rules").mkdir(exist_ok=True)
        (tmp_path / "rules/mine.yaml").write_text(text, "utf-8")
        assert RulesPlugin().check([packaged_config(), tmp_path], KINDS) == []
