"""A12: rules are replaced while events pour in; each event is judged by exactly one version, failed batches or not, and
by its own community's where one hub serves several."""

from collections.abc import Mapping
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.catalog.load import load_catalog
from hub.catalog.paths import packaged_config
from hub.model import Device, Event, Frame, event_id, frame_key
from hub.rulebook.model import Override, digest, normal
from rules.evaluator import RuleEvaluator
from rules.examples import example_device
from rules.plugin import RulesPlugin
from rules.tools import read_rule

S = 1_000_000
T0 = 1_750_000_000 * S
KINDS = load_catalog([packaged_config()], {}).kinds
DOORS = {number: example_device("door", KINDS["door"], number) for number in (1, 2, 3)}
HOMES = (1, 2)
BOTH = {number: msgspec.structs.replace(door, community_id=HOMES[number % 2]) for number, door in DOORS.items()}
TEXT = """rule: forced
title: {zh: 第 N 版, en: version N}
when: {kinds: [door]}
event: {name: door_forced}
priority: high
text: {zh: $device, en: $device}
examples:
  - {name: forced, steps: [{at: 0s, event: door_forced, expect: [raised, returned]}]}
  - {name: quiet, steps: [{at: 0s}]}
"""


def version(number: int) -> list[Any]:
    """The rules with this version put over them, as the running hub composes them."""
    base, _ = read_rule(TEXT.replace("N", "0"), KINDS)
    assert base is not None
    override = Override("forced", TEXT.replace("N", str(number)), True)
    rules, problems = RulesPlugin().put_over([base], [override], KINDS)
    assert problems == []
    return rules


def forced(number: int, doors: Mapping[int, Device] = DOORS) -> Frame:
    at = T0 + number * S
    key = frame_key("door", str(number), b"")
    door = doors[number % len(doors) + 1]
    return Frame(
        door,
        key,
        True,
        True,
        at,
        at,
        "test",
        b"",
        [],
        [Event(event_id(door, key, 0, "door_forced"), "door_forced", {})],
    )


STEPS = st.lists(
    st.tuples(st.integers(1, 5), st.sampled_from(["commit", "fail", "fail and replace"]), st.booleans()), min_size=1,
    max_size=25,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_each_event_is_judged_by_exactly_one_version(steps: list[tuple[int, str, bool]]) -> None:
    evaluator, now, number = RuleEvaluator(version(1)), 0, 1
    evaluator.configure(DOORS, T0)
    judged: dict[bytes, list[str]] = {}
    expected: dict[bytes, str] = {}
    for size, outcome, replace in steps:
        if replace:
            number += 1
            evaluator.replace_rules(version(number), T0 + now * S)
        batch = [forced(now + index) for index in range(size)]
        now += size
        if outcome != "commit":
            evaluator.evaluate(batch, batch[-1].received)  # the commit fails: nothing of it is true
        if outcome == "fail and replace":
            number += 1
            evaluator.replace_rules(version(number), T0 + now * S)
        decision = evaluator.evaluate(batch, batch[-1].received)
        evaluator.accept(decision)
        expected |= {frame.key: f"version {number}" for frame in batch}
        for change in decision.alarms:
            if change.action == "raise" and change.cause is not None:
                judged.setdefault(change.cause, []).append(change.title.en)
    assert judged == {key: [title] for key, title in expected.items()}


@settings(max_examples=60, deadline=None)
@given(st.lists(
    st.tuples(st.integers(1, 5), st.booleans(), st.sampled_from([None, "all", *HOMES])), min_size=1, max_size=25
))  # fmt: skip
def test_each_event_is_judged_by_the_version_of_its_community(steps: list[tuple[int, bool, Any]]) -> None:
    evaluator, now, number = RuleEvaluator(version(0)), 0, 0
    evaluator.configure(BOTH, T0)
    in_force = dict.fromkeys(HOMES, 0)
    judged: dict[bytes, list[str]] = {}
    expected: dict[bytes, str] = {}
    for size, fails, replaced in steps:
        batch = [forced(now + index, BOTH) for index in range(size)]
        if fails:
            evaluator.evaluate(batch, batch[-1].received)  # the commit fails, and meanwhile another version is enabled
        if replaced is not None:
            number += 1
        if replaced == "all":  # the files changed; the second community has a version of its own
            in_force = {1: number, 2: -number}
            evaluator.replace_rules(version(number), T0 + now * S, {2: version(-number)})
        elif replaced is not None:
            in_force[replaced] = number
            evaluator.replace_rules_of(replaced, version(number), T0 + now * S)
        now += size
        decision = evaluator.evaluate(batch, batch[-1].received)
        evaluator.accept(decision)
        expected |= {frame.key: f"version {in_force[frame.device.community_id]}" for frame in batch}
        for change in decision.alarms:
            if change.action == "raise" and change.cause is not None:
                judged.setdefault(change.cause, []).append(change.title.en)
    assert judged == {key: [title] for key, title in expected.items()}


def test_an_override_switches_a_rule_off_or_adds_one() -> None:
    base = version(1)
    tools = RulesPlugin()
    (off,), _ = tools.put_over(base, [Override("forced", None, False)], KINDS)
    assert not off.enabled
    assert tools.put_over([], [Override("forced", TEXT, True)], KINDS)[0][0].enabled
    same, problems = tools.put_over(base, [Override("forced", "rule: forced", True)], KINDS)
    assert same == base
    assert problems


def test_every_packaged_rule_stands_alone_as_a_text() -> None:
    tools = RulesPlugin()
    rules = {rule.rule: rule for rule in tools.rules([packaged_config()], KINDS)}
    texts = {one.rule: one for one in tools.rule_texts([packaged_config()])}
    assert texts.keys() == rules.keys()
    for name, one in texts.items():
        rule, problems = read_rule(one.text, KINDS)
        assert problems == []
        assert rule is not None
        assert rule.model_dump() == rules[name].model_dump()
        assert rules[name].origin == f"{one.pack} {rule.origin}"
        assert one.text.startswith(("rule:", "#"))


def test_a_texts_digest_does_not_see_blanks_that_nobody_sees() -> None:
    assert digest("a: 1 \r\nb: 2\n\n") == digest("a: 1\nb: 2")
    assert digest("a: 1\nb: 2") != digest("a: 1\n b: 2")
    assert normal("\n\na: 1  \n") == "a: 1\n"
