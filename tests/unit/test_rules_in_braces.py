"""Rules written in braces instead of lines: each is still a text of its own that reads back as the same rule."""

import json
from pathlib import Path
from typing import Any

import pytest

from hub.catalog.load import load_catalog
from hub.catalog.paths import packaged_config
from rules.load import load_rules
from rules.tools import RuleToolbox


def rule(number: int) -> dict[str, Any]:
    return {
        "rule": f"forced-{number}", "title": {"zh": "强行", "en": "Forced"}, "when": {"kinds": ["door"]},
        "priority": "high", "event": {"name": "door_forced"}, "text": {"zh": "$device", "en": "$device"},
        "examples": [
            {"name": "Forced", "steps": [{"at": "0s", "event": "door_forced", "expect": ["raised", "returned"]}]},
            {"name": "Not", "steps": [{"at": "0s", "heard": True}]},
        ],
    }  # fmt: skip


@pytest.mark.parametrize("indent", [None, 2])
def test_rules_in_braces_are_texts_of_their_own(tmp_path: Path, indent: int | None) -> None:
    (tmp_path / "rules").mkdir()
    body = json.dumps({"rules": [rule(1), rule(2)]}, ensure_ascii=False, indent=indent)
    (tmp_path / "rules/own.yaml").write_text(body, "utf-8")
    kinds = load_catalog([packaged_config()], {}).kinds
    loaded, problems = load_rules([tmp_path], kinds)
    assert not problems
    texts = RuleToolbox().rule_texts([tmp_path])
    assert [one.rule for one in texts] == ["forced-1", "forced-2"]
    for text, one in zip(texts, loaded, strict=True):
        shown, wrong = RuleToolbox().parse_rule(text.text, kinds)
        assert not wrong
        assert shown is not None and shown.rule == one.rule
