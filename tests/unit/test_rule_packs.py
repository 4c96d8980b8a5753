"""Rule packs: a file of rules with a name and a version, and what its rules say of where they come from."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from hub.catalog.paths import packaged_config
from hub.cli.rules import app
from hub.model import Frame
from rules.evaluator import RuleEvaluator
from rules.examples import example_device
from rules.load import load_rules
from rules.model import Rule
from rules.tools import RuleToolbox, read_rule
from tests.unit.rule_harness import KINDS, T0, frame

RULE = """rule: high
title: {zh: 高, en: High}
when: {kinds: [pump]}
threshold: {point: pressure, above: 600}
priority: high
text: {zh: 高, en: High}
examples:
  - {name: raises, steps: [{at: 0s, point: {pressure: 650}, expect: [raised]}]}
  - {name: does not, steps: [{at: 0s, point: {pressure: 500}}]}
"""
HEAD = """pack:
  name: mine
  version: 1.2.0
  title: {zh: 我的, en: Mine}
  requires: [pump]
"""
FILE = HEAD + "rules:\n  - " + RULE.replace("\n", "\n    ").rstrip() + "\n"


def load(folder: Path, **files: str) -> tuple[list[Rule], list[str]]:
    (folder / "rules").mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / "rules" / f"{name}.yaml").write_text(text, "utf-8")
    rules, problems = load_rules([folder], KINDS)
    return rules, [f"{problem.line}: {problem.render()}" for problem in problems]


@pytest.mark.parametrize(
    ("old", "new", "line", "complaint"),
    [
        ("1.2.0", "1.2", 3, "in quotes"),
        ("1.2.0", "1.02.0", 3, "text matching"),
        ("name: mine", "name: My pack", 2, "text matching"),
        ("requires: [pump]", "requires: [pumpe]", 5, "did you mean 'pump'?"),
        ("requires: [pump]", "requires: [door]", 5, "its rules know these, too: pump"),
        ("requires: [pump]", "requires: all", 0, ""),
        ("  title", "  owner: me\n  title", 4, "the field 'owner'"),
    ],
)
def test_a_wrong_pack_says_where(tmp_path: Path, old: str, new: str, line: int, complaint: str) -> None:
    _, problems = load(tmp_path, mine=FILE.replace(old, new, 1))
    assert [problem.partition(":")[0] for problem in problems][:1] == ([str(line)] if line else [])
    assert complaint in "".join(problems)


def test_a_name_stands_for_one_pack(tmp_path: Path) -> None:
    _, problems = load(tmp_path, mine=FILE, other=FILE.replace("rule: high", "rule: other"))
    assert len(problems) == 1
    assert "a name no other pack has (first in" in problems[0]


def test_a_raise_says_by_which_pack_and_text_it_was_judged(tmp_path: Path) -> None:
    (packed,), _ = load(tmp_path, mine=FILE)
    (alone,), _ = load(tmp_path, mine=RULE)
    (text,) = RuleToolbox().rule_texts([tmp_path])
    of_page, _ = read_rule(RULE, KINDS)
    assert of_page is not None
    assert (packed.origin, alone.origin, of_page.origin) == (
        f"mine 1.2.0 {text.digest[:12]}", text.digest[:12], text.digest[:12]
    )  # fmt: skip
    pump = example_device("pump", KINDS["pump"])

    def reasons(rule: Rule, story: Frame) -> list[str]:
        evaluator = RuleEvaluator([rule])
        evaluator.configure({1: pump}, T0)
        return [reason.text for reason in evaluator.evaluate([story], T0).reasons]

    over = frame(pump, 0, {"pressure": 650})
    assert reasons(packed, over) == [f"650 is past the limit 600 for 0 s [mine 1.2.0 {text.digest[:12]}]"]
    switched = packed.model_copy(update={"enabled": True})
    assert reasons(switched, over) == reasons(packed, over), "what a person switched on is the same text"


def test_every_shipped_rule_belongs_to_a_pack() -> None:
    texts = RuleToolbox().rule_texts([packaged_config()])
    assert all(one.pack.startswith(one.file.removesuffix(".yaml") + " ") for one in texts)


def test_a_pack_is_tested_by_its_name_or_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load(tmp_path, mine=FILE)
    monkeypatch.setenv("HUB_CONFIG_DIR", str(tmp_path))
    for name in ("mine", "mine 1.2.0", "mine.yaml"):
        done = CliRunner().invoke(app, ["test", name])
        assert (done.exit_code, done.stdout) == (0, "✓ high: raises\n✓ high: does not\n")
    load(tmp_path, mine=FILE.replace("{pressure: 650}", "{pressure: 550}"))
    failed = CliRunner().invoke(app, ["test", "mine"])
    assert failed.exit_code == 1
    assert "✕ high: raises: step 1: expected raised, found nothing" in failed.stdout
    assert CliRunner().invoke(app, ["test", "yours"]).exit_code == 1
