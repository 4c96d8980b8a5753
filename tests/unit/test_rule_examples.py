"""Every shipped rule proves itself by its examples, and rule files that are wrong say where."""

import re
from pathlib import Path

import pytest

from hub.catalog.load import load_catalog
from hub.catalog.paths import packaged_config
from hub.catalog.problems import CatalogError
from hub.vocabulary.kinds import KindSpec
from rules.examples import Failure, example_device, run_examples
from rules.model import CONDITIONS, Rule
from rules.observations import Effect
from rules.plugin import RulesPlugin
from rules.slots import alarm, make_slot
from rules.texts import render, span

CONFIG = packaged_config()
KINDS: dict[str, KindSpec] = dict(load_catalog([CONFIG], {}).kinds)
RULES = RulesPlugin().rules([CONFIG], KINDS)


def test_the_shipped_rules_are_right() -> None:
    assert RulesPlugin().check([CONFIG], KINDS) == []
    assert {rule.rule for rule in RULES} >= {
        "door-forced", "door-held-open", "pump-over-pressure", "device-silent", "elevator-trapped", "smoke-alarm",
        "barrier-obstructed", "water-leak-flow",
    }  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.rule)
def test_examples(rule: Rule) -> None:
    assert run_examples(rule, KINDS) == []
    assert len(rule.examples) >= 2
    assert any(example.negative for example in rule.examples)
    assert any(not example.negative for example in rule.examples)
    assert rule.procedure is not None, "a guard at 3 a.m. needs to know what to do"


def test_an_example_can_fail() -> None:
    pump = next(rule for rule in RULES if rule.rule == "pump-over-pressure")
    assert pump.threshold is not None
    deaf = pump.model_copy(update={"threshold": pump.threshold.model_copy(update={"above": 630.0})})
    assert run_examples(deaf, KINDS)[0] == Failure(0, 3, ("raised",), ())


def test_messages_in_both_languages() -> None:
    pump = next(rule for rule in RULES if rule.rule == "pump-over-pressure")
    device = example_device("pump", KINDS["pump"])
    slot = make_slot(pump, device)
    assert slot is not None
    text = render(pump, device, slot.condition, Effect("raise", 0, None, 680.0))
    assert text.zh == "示例设备（示例地点）出口压力达 680 kPa，超过 600 kPa 已 30 秒。"
    assert text.en == "Example device (example place) shows 680 kPa at its discharge, over 600 kPa for 30 s."
    assert [span(micros).zh for micros in (90_000_000, 600_000_000, 3_600_000_000, 250_000)] == [
        "90 秒", "10 分钟", "1 小时", "0.25 秒"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "kind"), [("water-balance", "water_meter"), ("electricity-balance", "electricity_meter")]
)
def test_a_loss_opens_a_work_order_and_says_what_it_costs(name: str, kind: str) -> None:
    rule = next(rule for rule in RULES if rule.rule == name)
    device = example_device(kind, KINDS[kind])
    slot = make_slot(rule, device)
    assert slot is not None
    told = alarm(slot, Effect("raise", 0, None, 0.7, limit=0.2, cost_fen=294))
    assert told.work_order
    assert "2.94 元" in told.text.zh
    assert "2.94 yuan" in told.text.en


@pytest.mark.parametrize(
    ("old", "new", "line", "complaint"),
    [
        ("kinds: [pump]", "kinds: [pumpe]", 5, "did you mean 'pump'?"),
        ("point: pressure,", "point: presure,", 6, "did you mean 'pressure'?"),
        ("priority: high", "priority: hihg", 7, "did you mean 'high'?"),
        ("above: 600", "above: true", 6, "true or false"),
        ("above: 600, for: 30s, clear: {below: 560}", "equals: high, for: 30s", 6, "a state word"),
        ("{pressure: 500}", "{presure: 500}", 15, "did you mean 'pressure'?"),
        (
            "expect: [raised]",
            "expect: [raised, returned]",
            14,
            "found raised, expected raised, returned, as the example",
        ),
        ("at: 30s", "at: 29s", 14, "found nothing, expected raised, as the example “raises” says"),
        ("work_order", "workorder", 8, "the field 'workorder'"),
        ("$limit", "$limits", 9, "$limits is unknown"),
        ("rule: x-over", "rule: pump-over-pressure", 3, "an id no other rule has"),
    ],
)
def test_a_wrong_file_says_where(tmp_path: Path, old: str, new: str, line: int, complaint: str) -> None:
    text = GOOD.replace(old, new)
    assert text != GOOD
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "x.yaml").write_text(text, encoding="utf-8")
    problems = RulesPlugin().check([CONFIG, tmp_path], KINDS)
    assert [problem.line for problem in problems] == [line], [problem.render() for problem in problems]
    assert complaint in problems[0].render()
    assert problems[0].file.endswith("x.yaml")


def test_the_good_file_is_good_and_overlays_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "pumps.yaml").write_text(GOOD, encoding="utf-8")
    ids = {rule.rule for rule in RulesPlugin().rules([CONFIG, tmp_path], KINDS)}
    assert "x-over" in ids and "pump-over-pressure" not in ids
    (folder / "doors.yaml").write_text("rules: []\n", encoding="utf-8")
    with pytest.raises(CatalogError, match="at least 1"):
        RulesPlugin().evaluator([CONFIG, tmp_path], KINDS)


@pytest.mark.parametrize(("page", "language"), [("add-a-rule.md", "en"), ("add-a-rule.zh-CN.md", "zh")])
def test_the_how_to_does_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str, language: str
) -> None:
    text = (Path(__file__).parents[2] / "docs" / "how-to" / page).read_text(encoding="utf-8")
    rule, misspelt, failing, _ = re.findall(r"^```(?:yaml|text)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    file = tmp_path / "site" / "rules" / "pump-low-pressure.yaml"
    file.parent.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)

    def check(written: str) -> list[str]:
        file.write_text(written, encoding="utf-8")
        return [problem.render(language) for problem in RulesPlugin().check([CONFIG, Path("site")], KINDS)]

    assert check(rule) == []
    assert check(rule.replace("point: pressure,", "point: presure,")) == [misspelt.strip()]
    assert check(rule.replace("for: 1m", "for: 2m")) == [failing.strip()]
    names = "|".join((*CONDITIONS, "any_of", "all_of"))
    conditions = re.findall(rf"^\| `((?:{names}): (?:\{{.*?\}}|\[.*?\]))` ", text, re.MULTILINE)
    assert {condition.split(":")[0] for condition in conditions} == {*CONDITIONS, "any_of", "all_of"}
    assert len(conditions) == 23
    for condition in conditions:
        for kind in ("pump", "elevator", "door", "smoke_detector", "barrier", "electricity_meter", "gateway"):
            written = rule.replace(re.findall(r"^threshold: .*$", rule, re.MULTILINE)[0], condition)
            problems = check(written.replace("when: {kinds: [pump]}", f"when: {{kinds: [{kind}]}}"))
            if all(": examples[" in problem for problem in problems):  # its examples are about pumps, and fail
                break
        else:
            pytest.fail(f"{condition}: {problems}")


GOOD = """\
# a rule of this site's own
# 本小区自己的规则
rule: x-over
title: {zh: 超压, en: Over}
when: {kinds: [pump]}
threshold: {point: pressure, above: 600, for: 30s, clear: {below: 560}}
priority: high
work_order: true
text: {zh: $value 超过 $limit, en: $value over $limit}
examples:
  - name: raises
    steps:
      - {at: 0s, point: {pressure: 620}}
      - {at: 30s, expect: [raised]}
  - {name: stays quiet, steps: [{at: 0s, point: {pressure: 500}}]}
"""
