"""The documents say what the program has: names, links, numbers, both languages."""

import re
from functools import cache
from pathlib import Path
from typing import get_args
from urllib.parse import unquote

import pytest
import typer

from hub.__main__ import app
from hub.alarms.model import State as AlarmState
from hub.catalog.load import load_catalog
from hub.catalog.paths import packaged_config
from hub.cli.docs import render_cli, render_settings
from hub.codecs.reasons import DeadReason
from hub.commands.model import State as CommandState
from hub.settings import PREFIX, Settings
from hub.vocabulary.kinds import Delivery

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
MARKDOWN = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
PAIRS = sorted(
    (path.with_name(path.name.replace(".zh-CN", "")), path) for path in MARKDOWN if path.name.endswith(".zh-CN.md")
)
# Pictures that are made by looking at the running pages; the only links that may still lead nowhere.
PICTURES = {"docs/images/alarm-desk.zh-CN.png", "docs/images/alarm-desk.en.png"}
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(<?([^)\s>]+)>?\)")
_HEADING = re.compile(r"^(#{1,6}) (.+)$", re.MULTILINE)


@cache
def text(path: Path) -> str:
    return path.read_text("utf-8")


@cache
def prose(path: Path) -> str:
    return _FENCE.sub("", text(path))


@cache
def anchors(path: Path) -> frozenset[str]:
    """The fragments a web view of the file offers: words of a heading, punctuation dropped, blanks as dashes."""
    names = (
        re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for _, title in _HEADING.findall(prose(path))
    )
    return frozenset(names)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def named_in(words: list[str], *pages: str) -> None:
    """Every word stands in each page as code."""
    for page in pages:
        said = text(DOCS / page)
        assert [word for word in words if f"`{word}`" not in said] == [], page


def test_every_setting() -> None:
    settings = [PREFIX + name.upper() for name in Settings.model_fields]
    named_in(settings, "reference/settings.md")
    assert text(DOCS / "reference/settings.md") == render_settings()


def test_every_setting_that_is_named_exists() -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    demo = re.compile(r"HUB_(DEMO|NOTIFY|PUBLIC)_\w+")  # named by `!env` in configuration files
    for path in MARKDOWN:
        said = {name for name in re.findall(r"\bHUB_[A-Z_]+[A-Z0-9]\b", text(path)) if not demo.fullmatch(name)}
        assert said <= known, name_of(path)


def test_every_command_of_the_program() -> None:
    commands = sorted(getattr(typer.main.get_command(app), "commands", {}))
    reference = text(DOCS / "reference/cli.md")
    assert reference == render_cli()
    assert sorted(set(re.findall(r"^## hub (\S+)", reference, re.MULTILINE))) == commands
    for readme in ("README.md", "README.zh-CN.md"):
        said = text(ROOT / readme)
        assert [name for name in commands if f"hub {name}" not in said and name not in ("run", "demo")] == [], readme
        assert set(re.findall(r"`hub ([a-z]+)[ `]", said)) <= set(commands), readme


def test_every_kind() -> None:
    named_in(list(load_catalog([packaged_config()], {}).kinds), "reference/kinds.md")


def test_every_delivery_class() -> None:
    named_in([each.value for each in Delivery], "architecture.md", "architecture.zh-CN.md", "glossary.md")


def test_every_reason_of_a_dead_letter() -> None:
    reasons = [reason.value for reason in DeadReason]
    named_in(reasons, "architecture.md", "architecture.zh-CN.md", "operations.md", "operations.zh-CN.md")


def test_every_alarm_and_command_state() -> None:
    states = [*get_args(AlarmState), *get_args(CommandState)]
    named_in(states, "architecture.md", "architecture.zh-CN.md", "glossary.md")


def test_every_term_of_the_glossary_stands_once() -> None:
    # 确认 of an alarm and 设备已收到 of a command share an English word on purpose; the Chinese word is the key.
    terms = [row.split("|")[1].strip() for row in text(DOCS / "glossary.md").splitlines() if row.startswith("| ")]
    terms = [term for term in terms if term not in ("中文", "---")]
    assert len(terms) > 50
    assert sorted(set(terms)) == sorted(terms)


@pytest.mark.parametrize("path", MARKDOWN, ids=name_of)
def test_links_lead_somewhere(path: Path) -> None:
    broken = []
    for link in _LINK.findall(prose(path)):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, fragment = unquote(link).partition("#")
        place = (path.parent / target).resolve() if target else path
        inside = place.is_relative_to(ROOT)
        if inside and name_of(place) in PICTURES:
            continue
        if (
            not inside
            or not place.exists()
            or (
                fragment
                and place.suffix == ".md"
                and "reference/" not in name_of(place)
                and fragment not in anchors(place)
            )
        ):
            broken.append(link)
    assert broken == []


def test_numbers_of_decisions_are_used_once() -> None:
    names = [path.name for path in (DOCS / "adr").glob("*.md")]
    assert [name for name in names if not re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", name)] == []
    numbers = [name[:4] for name in names]
    assert sorted(set(numbers)) == sorted(numbers)
    for path in (DOCS / "adr").glob("*.md"):
        assert text(path).startswith(f"# {path.name[:4]} "), path.name


@pytest.mark.parametrize(("english", "chinese"), PAIRS, ids=lambda path: path.name)
def test_both_languages_have_the_same_parts(english: Path, chinese: Path) -> None:
    assert english.is_file()
    levels = [[len(marks) for marks, _ in _HEADING.findall(prose(page))] for page in (english, chinese)]
    assert levels[0] == levels[1]
    rows = [len(re.findall(r"^ *\|", prose(page), re.MULTILINE)) for page in (english, chinese)]
    assert rows[0] == rows[1]


def test_the_readmes_are_there_in_both_languages() -> None:
    assert (ROOT / "README.md", ROOT / "README.zh-CN.md") in PAIRS
    assert "README.zh-CN.md" in text(ROOT / "README.md").splitlines()[2]


@pytest.mark.parametrize("path", MARKDOWN, ids=name_of)
def test_no_path_of_one_machine(path: Path) -> None:
    assert re.findall(r"/(?:work|home|tmp)/\S*", text(path)) == []
