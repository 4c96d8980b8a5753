"""What people may write, the steps of a procedure, and what stands above a device."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from hub.alarms.topology import ancestors, descendants
from hub.alarms.words import MOST_IDS, moment, numbers, step_log, steps, words
from hub.errors import Refused

NOW = datetime(2026, 11, 21, 4, tzinfo=UTC)


def devices(**parents: int | None) -> Any:
    return {int(name[1:]): SimpleNamespace(id=int(name[1:]), parent=parent) for name, parent in parents.items()}


def test_numbered_lines_are_the_steps() -> None:
    text = {"zh": "先看。\n1. 关阀。\n2、通知。\n（3）记录。\n", "en": "1. Close.\n2) Tell.\n(3) Note."}
    assert steps(text) == [
        {"zh": "关阀。", "en": "Close."}, {"zh": "通知。", "en": "Tell."}, {"zh": "记录。", "en": "Note."}
    ]  # fmt: skip
    assert steps({"zh": "看。\n\n去。", "en": "Look."}) == [{"zh": "看。", "en": "Look."}, {"zh": "去。", "en": "去。"}]
    assert steps(None) == []


def test_a_line_without_a_number_goes_on_with_its_step() -> None:
    text = {"zh": "1. 关阀。\n2. 通知。", "en": "1. Close the valve,\n   then lock it.\n2. Tell."}
    assert [step["en"] for step in steps(text)] == ["Close the valve, then lock it.", "Tell."]


def test_the_latest_word_on_a_step_counts() -> None:
    history = [
        {"action": "step", "step": 1, "done": True, "note": "", "actor": "a", "at": NOW},
        {"action": "comment", "step": None, "done": None, "note": "x", "actor": "a", "at": NOW},
        {"action": "step", "step": 1, "done": False, "note": "again", "actor": "b", "at": NOW},
    ]
    log = step_log({"zh": "1. 关。\n2. 记。", "en": "1. Close.\n2. Note."}, history)
    assert [(step["step"], step["done"], step["note"], step["by"]) for step in log] == [
        (1, False, "again", "b"), (2, False, "", None)
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", " \n ", "x" * 501, "a\x1bb", "a\u202eb", "a\x00"])
def test_words_nobody_may_write(text: str) -> None:
    with pytest.raises(Refused, match="reason"):
        words("reason", text, 1)


def test_words_anybody_may_write() -> None:
    assert words("reason", "  换阀门 🔧\n第二行 ", 1) == "换阀门 🔧\n第二行"
    assert words("note", "") == ""


def test_moments_are_bounded() -> None:
    hour = timedelta(hours=1)
    assert moment("until", NOW + hour, NOW, hour) == NOW + hour
    for wrong in (NOW, NOW + hour + timedelta(seconds=1), NOW - hour, NOW.replace(tzinfo=None)):
        with pytest.raises(Refused, match="until"):
            moment("until", wrong, NOW, hour)


def test_ids_are_bounded_and_ascending() -> None:
    assert numbers([3, 1, 3]) == [1, 3]
    for wrong in ([], [0], [-1], list(range(1, MOST_IDS + 2)), [2**63]):
        with pytest.raises(Refused, match="ids"):
            numbers(wrong)


def test_what_stands_above_the_nearest_first() -> None:
    site = devices(d1=None, d2=1, d3=2, d4=3, d5=99)
    assert ancestors(site, 4) == [3, 2, 1]
    assert ancestors(site, 5) == [99]
    assert ancestors(site, 7) == []
    assert descendants(site, {1, 2}) == {2: 1, 3: 1, 4: 1}
    assert descendants(site, {3}) == {4: 3}


def test_a_circle_has_nobody_above_it_and_neither_has_who_hangs_on_it() -> None:
    site = devices(d1=2, d2=1, d3=1, d4=4)
    assert [ancestors(site, number) for number in (1, 2, 3, 4)] == [[], [], [], []]
    assert descendants(site, {1, 2, 4}) == {}
