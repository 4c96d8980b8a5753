"""The rulebook on a real database: versions, what comes into force and what may not."""

from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

from hub.catalog.paths import packaged_config
from hub.errors import Refused
from hub.rulebook.service import Rulebook
from hub.store.database import NotThere
from rules.plugin import RulesPlugin
from tests.integration.module_hub import migrated
from tests.integration.postgres import new_database
from tests.integration.rulebook_ground import (
    FILE,
    FORCED,
    KINDS,
    LOWER,
    Ground,
    in_force,
    make_book,
    tried,
)


@pytest.fixture
def ground(postgres_url: str, tmp_path: Any) -> Ground:
    return Ground(new_database(postgres_url, migrated(postgres_url)), tmp_path)


@pytest.fixture
async def book(ground: Ground) -> AsyncIterator[Rulebook]:
    async for made in make_book(ground):
        yield made


# -- versions ------------------------------------------------------------------------------------------------------


async def test_a_version_comes_into_force_once_it_was_tried(ground: Ground, book: Rulebook) -> None:
    calls: list[dict[str, tuple[float | None, bool]]] = []

    async def changed(home: int) -> None:
        assert home == ground.here
        calls.append(await in_force(ground, book))

    book.on_change = changed
    saved = await book.save(ground.engineer, LOWER, "580 is enough")
    assert (saved["version"], saved["source"], saved["author"], saved["note"]) == (
        2,
        "page",
        "user:zhang",
        "580 is enough",
    )
    assert await in_force(ground, book) == {"pump-high": (600.0, True)}
    (row,) = await book.rules(ground.guard)
    assert (row["draft"], row["source"], row["enabled"]) == (2, "file", True)
    with pytest.raises(Refused, match="on stored history first"):
        await book.enable(ground.engineer, "pump-high", 2)
    await tried(book, ground.engineer, LOWER)
    shown = await book.enable(ground.engineer, "pump-high", 2)
    assert calls == [{"pump-high": (580.0, True)}]
    assert (shown["version"], shown["draft"], shown["source"]) == (2, None, "page")
    assert [version["version"] for version in shown["versions"]] == [2, 1]
    assert (await book.save(ground.engineer, LOWER + "\n"))["version"] == 2  # the same text is no new version
    assert shown["text"] == LOWER
    assert "-threshold: {point: pressure, above: 600" in await book.diff(ground.guard, "pump-high", 1, 2)


async def test_rolling_back_is_a_new_version_and_the_files_own_text_follows_the_file(
    ground: Ground, book: Rulebook
) -> None:
    for limit in ("580", "570"):
        text = FILE.replace("above: 600", f"above: {limit}")
        await tried(book, ground.engineer, text)
        saved = await book.save(ground.engineer, text)
        await book.enable(ground.engineer, "pump-high", saved["version"])
    back = await book.roll_back(ground.engineer, "pump-high", 2)
    assert await in_force(ground, book) == {"pump-high": (580.0, True)}
    assert (back["version"], back["versions"][0]["note"]) == (4, "roll back to version 2")
    rolled = await book.roll_back(ground.engineer, "pump-high", 1)
    assert (rolled["version"], rolled["draft"], rolled["source"]) == (None, None, "file")
    assert await in_force(ground, book) == {"pump-high": (600.0, True)}
    ground.file.write_text(FILE.replace("above: 600", "above: 610"), "utf-8")
    await book.read_files(KINDS, ground.communities)
    assert await in_force(ground, book) == {"pump-high": (610.0, True)}
    sources = ground.rows("SELECT version, source FROM hub.rule_version ORDER BY version")
    assert sources == [(1, "file"), (2, "page"), (3, "page"), (4, "page"), (5, "file")]


async def test_what_is_in_force_survives_a_restart_and_a_changed_file(ground: Ground, book: Rulebook) -> None:
    await tried(book, ground.engineer, LOWER)
    saved = await book.save(ground.engineer, LOWER)
    await book.enable(ground.engineer, "pump-high", saved["version"])
    ground.file.write_text(FILE.replace("above: 600", "above: 610"), "utf-8")
    async for again in make_book(ground):
        assert await in_force(ground, again) == {"pump-high": (580.0, True)}
        await again.read_files(KINDS, ground.communities)
    assert len(ground.rows("SELECT 1 FROM hub.rule_version")) == 3  # nothing twice


async def test_a_rule_is_switched_off_with_a_reason_and_on_again(ground: Ground, book: Rulebook) -> None:
    with pytest.raises(Refused, match="say why"):
        await book.disable(ground.engineer, "pump-high", " ")
    await book.disable(ground.engineer, "pump-high", "pump under repair")
    assert await in_force(ground, book) == {"pump-high": (600.0, False)}
    await book.enable(ground.engineer, "pump-high")
    assert await in_force(ground, book) == {"pump-high": (600.0, True)}


async def test_a_new_rule_is_added_on_the_page(ground: Ground, book: Rulebook) -> None:
    await book.save(ground.engineer, FORCED)
    rows = {row["rule"]: row for row in await book.rules(ground.guard)}
    assert (rows["forced"]["source"], rows["forced"]["enabled"], rows["forced"]["draft"]) == ("draft", False, 1)
    assert "forced" not in await in_force(ground, book)
    shown = await book.show(ground.guard, "forced")
    assert (shown["text"], shown["digest"]) == (FORCED, "")
    await tried(book, ground.engineer, FORCED)
    await book.enable(ground.engineer, "forced", 1)
    assert (await in_force(ground, book))["forced"] == (None, True)


async def test_an_override_that_no_longer_fits_leaves_the_file_in_force(ground: Ground, book: Rulebook) -> None:
    await tried(book, ground.engineer, LOWER)
    await book.enable(ground.engineer, "pump-high", (await book.save(ground.engineer, LOWER))["version"])
    book.kinds = {name: kind for name, kind in KINDS.items() if name != "pump"}
    rules = RulesPlugin().rules(ground.roots, KINDS)
    with capture_logs() as logs:
        composed = await book.compose(rules, ground.communities)
    assert [rule.threshold.above for rule in composed[ground.here]] == [600.0]
    assert [(line["community"], "pump" in line["problem"]) for line in logs] == [("demo", True)]
    (row,) = await book.rules(ground.guard)
    assert "pump" in row["problem"]
    assert row["title"]["en"] == "Pump over pressure"  # of the file, which decides
    ground.file.unlink()
    (ground.file.parent / "other.yaml").write_text(FORCED, "utf-8")
    kinds = book.kinds
    await book.read_files(kinds, ground.communities)
    rows = {row["rule"]: row for row in await book.rules(ground.guard)}
    assert rows["pump-high"]["condition"] == "unreadable"


BROKEN = LOWER.replace("expect: [raised]", "expect: []")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LOWER.replace("pressure, above", "presure, above"), "did you mean 'pressure'"),
        ("rule: [", "rule:"),
        ("rules:\n  - rule: a", "one rule"),
        ("rule: !file /etc/hostname", "no !file"),
        ("x" * 20_001, "20000 characters"),
        (BROKEN, "at least one example"),
    ],
)
async def test_what_cannot_be_read_is_not_kept(ground: Ground, book: Rulebook, text: str, said: str) -> None:
    with pytest.raises(Refused) as caught:
        await book.save(ground.engineer, text)
    assert caught.value.status == 422
    assert said in caught.value.detail
    assert ground.rows("SELECT count(*) FROM hub.rule_version") == [(1,)]


async def test_a_rule_whose_own_example_fails_does_not_come_into_force(ground: Ground, book: Rulebook) -> None:
    text = LOWER.replace("{at: 0s, point: {pressure: 500}}", "{at: 0s, point: {pressure: 700}}, {at: 40s}")
    await tried(book, ground.engineer, text)
    saved = await book.save(ground.engineer, text)
    assert [one.passed for one in await book.examples(text)] == [True, False]
    with pytest.raises(Refused, match="its own example fails: below it: step 2: expected nothing, found raised"):
        await book.enable(ground.engineer, "pump-high", saved["version"])


async def test_only_who_may_configure_writes_and_everything_is_audited(ground: Ground, book: Rulebook) -> None:
    for attempt in (
        book.save(ground.guard, LOWER), book.enable(ground.guard, "pump-high"),
        book.disable(ground.guard, "pump-high", "x"), book.roll_back(ground.guard, "pump-high", 1),
        book.start_backtest(ground.guard, FILE, 1),
    ):  # fmt: skip
        with pytest.raises(Refused, match="may not configure"):
            await attempt
    await tried(book, ground.engineer, LOWER, 1)
    await book.enable(ground.engineer, "pump-high", (await book.save(ground.engineer, LOWER))["version"])
    await book.disable(ground.engineer, "pump-high", "noise")
    await book.roll_back(ground.engineer, "pump-high", 1)
    actions = ground.rows("SELECT action, object, actor FROM hub.audit WHERE action LIKE 'rule.%%' ORDER BY id")
    assert actions == [
        (f"rule.{action}", "rule:pump-high", "user:zhang")
        for action in ("backtest", "save", "enable", "disable", "roll_back")
    ]


async def test_another_community_sees_none_of_it_and_versions_are_append_only(ground: Ground, book: Rulebook) -> None:
    await book.save(ground.engineer, LOWER)
    with pytest.raises(NotThere):
        await book.version(ground.stranger, "pump-high", 1)
    with psycopg.connect(ground.url) as link, pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        link.execute("UPDATE hub.rule_version SET text = ''")


async def test_a_changed_file_is_marked_until_its_text_was_tried(ground: Ground, book: Rulebook) -> None:
    await tried(book, ground.engineer, FILE)
    (row,) = await book.rules(ground.guard)
    assert not row["untested"]
    ground.file.write_text(LOWER, "utf-8")
    with capture_logs() as logs:
        await book.read_files(KINDS, ground.communities)
        await book.read_files(KINDS, ground.communities)
    assert [line["rule"] for line in logs if "not tried" in line["event"]] == ["pump-high"]
    (row,) = await book.rules(ground.guard)
    assert row["untested"]
    await tried(book, ground.engineer, LOWER)
    (row,) = await book.rules(ground.guard)
    assert not row["untested"]


PACK = "pack: {{name: mine, version: {}, title: {{zh: 我, en: Mine}}, requires: [pump]}}\nrules:\n"


def _packed(text: str, version: str) -> str:
    lines = text.splitlines()
    return "\n".join([PACK.format(version), "  - " + lines[0], *("    " + line for line in lines[1:])]) + "\n"


async def test_a_pack_that_changed_without_a_new_version_is_told(ground: Ground, book: Rulebook) -> None:
    async def read(text: str, version: str) -> list[str]:
        ground.file.write_text(_packed(text, version), "utf-8")
        with capture_logs() as logs:
            await book.read_files(KINDS, ground.communities)
            await book.read_files(KINDS, ground.communities)
        return [line["pack"] for line in logs if "without a new version" in line["event"]]

    async def shown() -> tuple[str, bool]:
        (row,) = await book.rules(ground.guard)
        return row["pack"], row["pack_changed"]

    assert await read(FILE, "1.0.0") == []
    assert await read(LOWER, "1.1.0") == []
    assert await shown() == ("mine 1.1.0", False)
    assert await read(FILE, "1.1.0") == ["mine 1.1.0"], "once"
    assert await shown() == ("mine 1.1.0", True)
    assert await read(FILE, "1.1.1") == []
    assert await shown() == ("mine 1.1.1", False)
    notes = [row["note"] for row in (await book.show(ground.guard, "pump-high"))["versions"]]
    assert notes == ["mine 1.1.1", "mine 1.1.0", "mine 1.1.0", "mine 1.0.0", ""]


async def test_what_came_with_the_release_counts_as_tried(ground: Ground, book: Rulebook) -> None:
    book._roots = [packaged_config()]
    await book.read_files(KINDS, ground.communities)
    assert not any(row["untested"] for row in await book.rules(ground.guard) if row["source"] == "file")


async def test_a_life_safety_rule_of_the_page_is_for_supervisors_too(ground: Ground, book: Rulebook) -> None:
    text = FORCED.replace("priority: high", "priority: critical\nlife_safety: true")
    saved = await book.save(ground.engineer, text)
    await tried(book, ground.engineer, text)
    await book.enable(ground.engineer, "forced", saved["version"])
    for act in (book.disable(ground.engineer, "forced", "noisy"), book.enable(ground.engineer, "forced"),
                book.roll_back(ground.engineer, "forced", 1)):  # fmt: skip
        with pytest.raises(Refused, match="supervise"):
            await act
