"""Rules that would hurt: refused where they are written, or stopped while they run with one alarm; others go on."""

from pathlib import Path
from time import sleep
from typing import Any

import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from hub.model import Frame
from hub.vocabulary.base import Text
from rules.binding import MOST_NEIGHBOURS, MOST_WATCHERS
from rules.engine import Step, step
from rules.evaluator import RuleEvaluator
from rules.examples import example_device
from rules.load import load_rules
from rules.overlay import MOST_FAILURES, MOST_SECONDS
from tests.unit.rule_harness import KINDS, T0, S, Store, actions, frame, make

PUMP, PUMP2, PUMP3 = (example_device("pump", KINDS["pump"], number) for number in (1, 2, 3))
DEVICES = {device.id: device for device in (PUMP, PUMP2)}
SUM = make("sum", "pump", expression={"when": "pressure + flow > 100"})
OVER = make("over", "pump", threshold={"point": "pressure", "above": 600})


def pressures(*values: float, begin: float = 0, device: Any = PUMP) -> list[Frame]:
    return [frame(device, begin + second, {"pressure": value, "flow": 0}) for second, value in enumerate(values)]


@pytest.mark.parametrize(
    ("condition", "complaint"),
    [
        ({"window": {"point": "p", "aggregate": "avg", "size": "1d", "every": "1m", "above": 1}},
         "1440 parts; at most 120"),
        ({"window": {"point": "p", "aggregate": "avg", "size": "10m", "every": "7m", "above": 1}},
         "a multiple of `every`"),
        ({"window": {"point": "p", "aggregate": "avg", "every": "7m", "gap": "1m", "above": 1}},
         "`every` goes with `size`"),
        ({"window": {"point": "p", "aggregate": "avg", "above": 1}}, "`samples` and `while`"),
        ({"window": {"point": "p", "aggregate": "avg", "samples": 10**9, "above": 1}}, "less than or equal to 10000"),
        ({"window": {"point": "p", "aggregate": "avg", "size": "1m", "lateness": "3h", "above": 1}},
         "less than or equal"),
        ({"window": {"point": "p", "aggregate": "avg", "size": "1m", "lateness": "30m", "above": 1}},
         "not be longer than"),
        ({"window": {"point": "p", "aggregate": "avg", "size": "1m"}}, "exactly one of `above` and `below`"),
        ({"window": {"event": "e", "aggregate": "avg", "size": "1m", "above": 1}}, "only a `count`"),
        ({"window": {"point": "p", "event": "e", "aggregate": "count", "size": "1m", "above": 1}},
         "`point` and `event`"),
        ({"window": {"point": "p", "aggregate": "median", "size": "1m", "above": 1}}, "'avg', 'min'"),
        ({"change": {"point": "p", "within": "1m"}}, "`within` needs `by`"),
        ({"change": {"point": "p", "by": 1, "rate": {"above": 1}}}, "`rate` stands alone"),
        ({"change": {"point": "p", "rate": {}}}, "exactly one of `above` and `below`"),
        ({"stuck": {"point": "p", "for": "0s"}}, "above 0"),
        ({"stuck": {"point": "p"}}, "Field required"),
        ({"sequence": {"steps": [{"event": "a"}]}}, "at least 2 items"),
        ({"sequence": {"steps": [{"event": "a"}] + [{"event": "b", "within": "1s"}] * 8}}, "at most 8 items"),
        ({"sequence": {"steps": [{"event": "a"}, {"event": "b"}]}}, "every further step needs `within`"),
        ({"sequence": {"steps": [{"event": "a"}, {"event": "b", "within": "2d"}]}}, "a day at most"),
        ({"sequence": {"steps": [{"not": {"event": "a", "before": "1s"}}, {"event": "b"}]}}, "the first step"),
        ({"sequence": {"steps": [{"event": "a"}, {"not": {"event": "b"}}]}}, "`before` and `within`"),
        ({"sequence": {"steps": [{"event": "a"}, {"event": "b", "within": "1s", "at": "same_unit"}]}}, "the `kinds`"),
        ({"sequence": {"steps": [{"event": "a", "point": "b"}, {"event": "b", "within": "1s"}]}},
         "`event` and `point`"),
        ({"sequence": {"steps": [{"event": "a"}, {"point": "b", "within": "1s"}]}}, "exactly one of `above`"),
        ({"sequence": {"steps": [{"event": "a"}, {"not": {"event": "b", "within": "1s"}},
                                 {"event": "c", "within": "1s"}]}},
         "ends a sequence"),
        ({"near": {"at": "same_place", "kinds": ["pump"], "at_least": 1}}, "`threshold` and `absence`"),
        ({"near": {"at": "same_place", "kinds": "all", "at_least": 1, "threshold": {"point": "p", "above": 1}}},
         "goes with `absence` only"),
        ({"near": {"at": "same_device", "kinds": ["pump"], "at_least": 1, "absence": {"after": "1m"}}},
         "other devices"),
        ({"near": {"at": "same_place", "kinds": ["pump"], "absence": {"after": "1m"}}}, "`at_least` and `at_most`"),
        ({"near": {"at": "same_place", "kinds": ["pump"], "at_least": 0, "absence": {"after": "1m"}}}, "1 or more"),
        ({"any_of": [{"stuck": {"point": "p", "for": "1m"}}]}, "at least 2 items"),
        ({"any_of": [{"stuck": {"point": "p", "for": "1m"}, "threshold": {"point": "p", "above": 1}}] * 2},
         "exactly one of"),
        ({"all_of": [{"event": {"name": "e"}}, {"threshold": {"point": "p", "above": 1}}]}, "to hold beside the rest"),
        ({"expression": {"when": "1 == 1 " * 100}}, "at most 500 characters"),
        ({"hourly": {"analysis": "balance", "point": "p"}}, "at least one of `above`"),
        ({"hourly": {"analysis": "balance", "point": "p", "above": 1, "between": ["2:00", "25:00"]}}, "pattern"),
        ({"threshold": {"point": "p", "above": 1}, "stuck": {"point": "p", "for": "1m"}}, "exactly one of `threshold`"),
        ({"threshold": {"point": "p", "above": 1}, "during": "sometimes"}, "during"),
        ({"threshold": {"point": "p", "above": 1}, "suppresses": "all"}, "'children'"),
        ({"threshold": {"point": "p", "above": 1}, "command": {"name": "stop"}}, "Field required"),
        ({"threshold": {"point": "p", "above": 1}, "life_safety": True, "shelvable": True}, "cannot be shelved"),
    ],
)  # fmt: skip
def test_a_rule_that_makes_no_sense_is_refused(condition: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        make("r", "pump", **condition)


HEAD = """\
rule: x
title: {zh: 题, en: t}
when: {kinds: [%s]}
priority: high
text: {zh: 文, en: t}
examples:
  - {name: raises, steps: [{at: 0s, expect: [raised]}]}
  - {name: stays quiet, steps: [{at: 0s}]}
"""


@pytest.mark.parametrize(
    ("kind", "condition", "complaint"),
    [
        ("elevator", "threshold: {point: load, above: 1}\ncommand: {name: open, reason: let out}",
         "elevator takes none"),
        ("pump", "threshold: {point: flow, above: 1}\ncommand: {name: halt, reason: let out}", "one of: start, stop"),
        ("pump", "expression: {when: presure > 1}", "did you mean"),
        ("pump", "expression: {when: 'pressure > '}", "at character"),
        ("pump", "expression: {when: pressure + 1}", "true or false"),
        ("pump", "any_of: [{expression: {when: nought == 1}}, {threshold: {point: flow, above: 1}}]",
         "any_of[0].expression.when"),
        ("pump", "all_of: [{threshold: {point: flo, above: 1}}, {stuck: {point: flow, for: 1m}}]",
         "all_of[0].threshold.point"),
        ("pump", "window: {point: running, aggregate: avg, size: 1m, above: 0}", "the point is a state"),
        ("door", "window: {event: opened, aggregate: count, size: 1m, above: 1}", "an event of door"),
        ("door", "window: {event: access_denied, where: {cause: dunno}, aggregate: count, size: 1m, above: 1}",
         "a word of cause"),
        ("door", "sequence: {steps: [{event: door_forced}, {point: direction, equals: fast, kinds: [elevator], "
                 "at: same_unit, within: 1m}]}", "a state word of direction"),
        ("door", "sequence: {steps: [{event: door_forced}, {not: {event: open, kinds: [lift], at: same_unit, "
                 "within: 1m}}]}",
         "a kind of kinds.yaml"),
        ("gateway", "near: {at: children, kinds: [pomp], at_least: 1, absence: {after: 1m}}", "did you mean 'pump'"),
    ],
)  # fmt: skip
def test_the_file_says_where(tmp_path: Path, kind: str, condition: str, complaint: str) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "x.yaml").write_text(HEAD % kind + condition + "\n", encoding="utf-8")
    problems = [problem.render() for problem in load_rules([tmp_path], KINDS)[1]]
    assert len(problems) == 1 and complaint in problems[0], problems


@pytest.mark.parametrize(
    "text",
    [
        "pressure.matches('(a+)+$')",
        "[1, 2, 3].map(a, [1, 2, 3].map(b, [1, 2, 3].map(c, a * b * c))).size() > 0",
        "''.__class__.__mro__[1].__subclasses__().size() > 0",
        "__import__('os').system('true') == 0",
        "'a' * 1000000000 == pressure",
        f"{'(' * 50}1{')' * 50} == pressure",
    ],
)
def test_hostile_expressions_are_refused_when_they_are_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "rules").mkdir()
    condition = f"expression:\n  when: |-\n    {text}\n"
    (tmp_path / "rules" / "x.yaml").write_text(HEAD % "pump" + condition, encoding="utf-8")
    problems = load_rules([tmp_path], KINDS)[1]
    assert [problem.field for problem in problems] == ["expression.when"]


def test_an_expression_that_fails_is_stopped_with_one_alarm_and_the_rest_goes_on() -> None:
    broken = make("broken", "pump", expression={"when": "pressure / flow > 1"})
    store = Store([OVER, broken], DEVICES)
    evaluator = store.start(T0)
    told = [store.run(evaluator, [each], each.received) for each in pressures(*range(10))]
    alarms = [change for decision in told for change in decision.alarms]
    assert [(change.rule, change.device.id, change.action) for change in alarms] == [("rule-disabled", 1, "raise")]
    assert "broken" in alarms[0].text.en and "division by zero" in alarms[0].text.en
    assert told[4].alarms, "the fifth failure"
    assert actions(store.run(evaluator, pressures(700, begin=20), T0 + 20 * S)) == [("over", "raise", 20)]
    good = [frame(PUMP, 30, {"pressure": 5, "flow": 1})]
    assert actions(store.run(evaluator, good, T0 + 30 * S)) == [("over", "return", 30)], "it is not asked any more"
    evaluator.replace_rules([broken, OVER], T0 + 31 * S)
    assert [change.action for change in store.run(evaluator, [], T0 + 31 * S).alarms] == ["return"]
    assert actions(store.run(evaluator, good, T0 + 32 * S)) == [("broken", "raise", 30)], "another chance"


def test_an_expression_that_fails_now_and_then_goes_on() -> None:
    broken = make("broken", "pump", expression={"when": "pressure / flow > 1"})
    store = Store([broken], DEVICES)
    evaluator = store.start(T0)
    for at in range(0, 30 * 200, 200):
        store.run(evaluator, pressures(1, begin=at), T0 + at * S)
    assert store.alarms == []


def test_an_expression_that_fails_on_one_device_goes_on_elsewhere_and_then_nowhere() -> None:
    broken = make("broken", "pump", expression={"when": "pressure / flow > 1"})
    store = Store([broken], DEVICES | {3: PUMP3})
    evaluator = store.start(T0)
    store.run(evaluator, pressures(*range(6)), T0 + 6 * S)
    assert [(rule, device) for rule, device, *_ in store.alarms] == [("rule-disabled", 1)]
    good = [frame(PUMP2, 7, {"pressure": 5, "flow": 1})]
    assert actions(store.run(evaluator, good, T0 + 7 * S)) == [("broken", "raise", 7)]
    store.run(evaluator, pressures(*range(6), begin=10, device=PUMP2), T0 + 20 * S)
    assert [(rule, device) for rule, device, *_ in store.alarms if rule == "rule-disabled"] == [
        ("rule-disabled", 1)
    ] * 2
    good = [frame(PUMP3, 30, {"pressure": 5, "flow": 1})]
    assert store.run(evaluator, good, T0 + 30 * S).alarms == [], "it is stopped everywhere"


def test_a_machine_that_stalls_is_not_the_expressions_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def stalls(condition: Any, state: Any, observation: Any, now: int) -> Step:
        sleep(MOST_SECONDS * 1.2)
        return step(condition, state, observation, now)

    monkeypatch.setattr("rules.overlay.step", stalls)
    evaluator = Store([SUM], DEVICES).start(T0)
    assert actions(evaluator.evaluate(pressures(*range(MOST_FAILURES + 1)), T0 + 10 * S)) == []


def test_a_fault_of_the_engine_costs_no_other_rule_its_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(condition: Any, state: Any, observation: Any, now: int) -> Step:
        if condition.lasting:
            raise KeyError("a fault of ours")
        return step(condition, state, observation, now)

    waits = make("waits", "pump", threshold={"point": "pressure", "above": 600, "for": "9s"})
    store = Store([OVER, waits], DEVICES)
    evaluator = store.start(T0)
    first = store.run(evaluator, pressures(700), T0)
    monkeypatch.setattr("rules.evaluator.step", breaks)
    with capture_logs() as logs:
        told = [store.run(evaluator, frames, at) for frames, at in (
            (pressures(500, begin=5), T0 + 9 * S), ([], T0 + 20 * S), (pressures(700, begin=30), T0 + 30 * S),
        )]  # fmt: skip
    assert actions(first) == [("over", "raise", 0)]
    assert [actions(decision) for decision in told] == [
        [("over", "return", 5), ("rule-disabled", "raise", 5)], [], [("over", "raise", 30)],
    ]  # fmt: skip
    assert [(line["rule"], line["log_level"]) for line in logs] == [("waits", "error")], "told once"


def test_a_stopped_rule_is_as_grave_as_its_own_rule_says() -> None:
    own = make("rule-disabled", "hub", event={"name": "rule_disabled"}, work_order=True, priority="critical")
    broken = make("broken", "pump", expression={"when": "pressure / flow > 1"})
    evaluator = Store([own, broken], DEVICES).start(T0)
    [alarm] = evaluator.evaluate(pressures(*range(5)), T0 + 5 * S).alarms
    assert (alarm.priority, alarm.work_order) == ("critical", True)


def test_the_alarm_of_a_stopped_rule_ends_when_the_hub_starts_again() -> None:
    broken = make("broken", "pump", expression={"when": "pressure / flow > 1"})
    store = Store([broken], DEVICES)
    store.run(store.start(T0), pressures(*range(6)), T0 + 6 * S)
    assert list(store.states) == [("rule-disabled", 1)]
    told = store.run(store.start(T0 + 7 * S), [], T0 + 7 * S)
    assert [(change.rule, change.action) for change in told.alarms] == [("rule-disabled", "return")]
    assert store.states == {}


def test_a_batch_that_is_judged_again_counts_failures_once() -> None:
    broken = make("broken", "pump", expression={"when": "pressure / flow > 1"})
    evaluator = RuleEvaluator([broken])
    evaluator.configure(DEVICES, T0)
    for _ in range(3):
        assert evaluator.evaluate(pressures(1, 2, 3, 4), T0 + 4 * S).alarms == []
    evaluator.accept(evaluator.evaluate(pressures(1, 2, 3, 4), T0 + 4 * S))
    assert len(evaluator.evaluate(pressures(5, begin=5), T0 + 5 * S).alarms) == 1


def test_an_expression_that_takes_too_long_is_stopped() -> None:
    ticks = iter(range(10**6))
    evaluator = RuleEvaluator([make("slow", "pump", expression={"when": "pressure > 600"})], lambda: next(ticks) * 0.1)
    evaluator.configure(DEVICES, T0)
    decision = evaluator.evaluate(pressures(1, 2, 3, 4, 5, 700), T0 + 9 * S)
    assert [(change.rule, change.action) for change in decision.alarms] == [("rule-disabled", "raise")]
    assert "100 ms > 50 ms" in decision.alarms[0].text.en


COMMANDING = make(
    "loop", "pump", threshold={"point": "pressure", "above": 600}, command={"name": "stop", "reason": "over"}
)


def _waver(times: int, begin: float = 0) -> list[Frame]:
    return pressures(*(700 if second % 2 == 0 else 1 for second in range(2 * times)), begin=begin)


def test_a_rule_that_commands_in_a_circle_commands_no_more() -> None:
    store = Store([COMMANDING], DEVICES)
    evaluator = store.start(T0)
    for each in _waver(30):
        store.run(evaluator, [each], each.received)
    assert store.commands == [("loop", 1, "stop")] * 10
    disabled = [alarm for alarm in store.alarms if alarm[0] == "rule-disabled"]
    assert len(disabled) == 1 and "circle" not in disabled[0][5] and "循环" in disabled[0][5]
    assert len([alarm for alarm in store.alarms if alarm[0] == "loop"]) == 60, "it goes on telling"
    store.run(evaluator, pressures(700, begin=100, device=PUMP2), T0 + 100 * S)
    assert store.commands[-1] == ("loop", 2, "stop"), "another device is another circle"


STOPS = make(
    "stops", "pump", threshold={"point": "running", "equals": "running"}, command={"name": "stop", "reason": "aaa"}
)
STARTS = make(
    "starts", "pump", threshold={"point": "running", "equals": "stopped"}, command={"name": "start", "reason": "bbb"}
)


@pytest.mark.parametrize(("every", "most"), [(1, 10), (65, 100), (600, 100)])
@pytest.mark.parametrize("restarts", [False, True])
def test_two_rules_that_answer_each_other_are_stopped(every: int, most: int, restarts: bool) -> None:
    store = Store([STOPS, STARTS], DEVICES)
    evaluator, running = store.start(T0), True
    for number in range(1, most + 40):
        at = number * every
        if restarts and number == 7:
            evaluator = store.start(T0 + (at - 1) * S)
        decision = store.run(evaluator, [frame(PUMP, at, {"running": float(running)})], T0 + at * S)
        if not decision.commands:
            break
        running = not running
    assert len(store.commands) == most
    told = [alarm for alarm in store.alarms if alarm[0] == "rule-disabled"]
    assert len(told) == 1 and "starts, stops" in told[0][5]
    store.run(evaluator, [frame(PUMP2, at, {"running": 1.0})], T0 + at * S)
    assert store.commands[-1] == ("stops", 2, "stop"), "another device is another circle"


def test_the_number_of_commands_survives_a_restart() -> None:
    store = Store([COMMANDING], DEVICES)
    for each in _waver(12):
        store.run(store.start(each.received - 1), [each], each.received)
    assert len(store.commands) == 10
    later = T0 + 700 * S
    store.run(store.start(later), pressures(700, begin=700), later)
    assert len(store.commands) == 11, "ten minutes later it may again"


def test_a_command_is_not_given_for_what_happened_long_ago() -> None:
    store = Store([COMMANDING], DEVICES)
    decision = store.run(store.start(T0), [frame(PUMP, 300, {"pressure": 700}, said=10)], T0 + 300 * S)
    assert (len(decision.alarms), decision.commands) == (1, [])
    assert "no command" in [reason.outcome for reason in decision.reasons]


def test_a_command_says_who_what_why_and_when() -> None:
    store = Store([COMMANDING], DEVICES)
    (wish,) = store.run(store.start(T0), pressures(700), T0).commands
    assert (wish.rule, wish.device, wish.name, wish.reason, wish.at) == ("loop", PUMP, "stop", "over", T0)


def test_a_rule_that_looks_at_too_many_devices_is_not_applied() -> None:
    pumps = {n: example_device("pump", KINDS["pump"], n) for n in range(1, MOST_NEIGHBOURS + 3)}
    near = {"at": "same_place", "kinds": ["pump"], "at_least": 1, "threshold": {"point": "flow", "above": 1}}
    store = Store([OVER, make("crowd", "pump", near=near)], pumps)
    evaluator = store.start(T0)
    told = store.run(evaluator, [], T0).alarms
    assert [(change.rule, change.device.id) for change in told] == [("rule-disabled", 1)]
    assert told[0].text.en.startswith("The rule “title” (crowd) was disabled: it would look at 257 devices")
    assert actions(store.run(evaluator, [frame(PUMP, 1, {"pressure": 700, "flow": 9})], T0 + S)) == [
        ("over", "raise", 1)
    ]
    evaluator.configure(dict(list(pumps.items())[:3]), T0 + 2 * S)
    assert [change.rule for change in store.run(evaluator, [], T0 + 2 * S).alarms] == ["rule-disabled"]
    told = store.run(evaluator, [frame(pumps[3], 3, {"flow": 9})], T0 + 3 * S).alarms
    assert {change.rule for change in told} == {"crowd"}


def test_a_rule_that_looks_at_one_device_from_too_many_is_not_applied() -> None:
    above = example_device("gateway", KINDS["gateway"], 9_999)
    below = {n: example_device("pump", KINDS["pump"], n, parent=9_999) for n in range(1, MOST_WATCHERS + 2)}
    others = {"gateway": {"kinds": ["gateway"], "at": "parent"}}
    lost = {"when": "gateway.connected == 'lost' && pressure > 600", "others": others}
    near = {"at": "parent", "kinds": ["gateway"], "at_least": 1, "absence": {"after": "5m"}}
    rules = [OVER, make("crowd", "pump", expression=lost), make("silent", "pump", near=near)]
    store = Store(rules, {9_999: above, **below})
    evaluator = store.start(T0)
    (told,) = store.run(evaluator, [], T0).alarms
    assert (told.rule, told.device.id) == ("rule-disabled", 1)
    assert f"would look at {above.code} from {MOST_WATCHERS + 1} devices; at most {MOST_WATCHERS}" in told.text.en
    words = frame(above, 1, {"connected": 0})
    assert evaluator.interested(words) == 0
    del below[MOST_WATCHERS + 1]
    evaluator.configure({9_999: above, **below}, T0 + 2 * S)
    assert [(one.rule, one.action) for one in store.run(evaluator, [], T0 + 2 * S).alarms] == [
        ("rule-disabled", "return")
    ]
    assert evaluator.interested(words) == MOST_WATCHERS


def test_the_file_of_the_community_words_the_alarm() -> None:
    own = make(
        "rule-disabled", "hub", event={"name": "rule_disabled"}, title={"zh": "停", "en": "stopped"}, priority="low"
    )
    broken = make("broken", "pump", expression={"when": "pressure / flow > 1"})
    evaluator = RuleEvaluator([own, broken])
    evaluator.configure(DEVICES, T0)
    (change,) = evaluator.evaluate(pressures(*range(5)), T0 + 9 * S).alarms
    assert (change.title, change.priority) == (Text(zh="停", en="stopped"), "low")
