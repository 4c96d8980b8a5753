"""The rulebook on a real database: versions, back-tests on stored history, what comes into force and what may not."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

from hub.errors import Refused
from hub.rulebook.service import Rulebook
from hub.store.database import NotThere
from rules.plugin import RulesPlugin
from tests.integration.module_hub import add_alarm, migrated
from tests.integration.postgres import new_database
from tests.integration.rulebook_ground import (
    FILE,
    FORCED,
    HOUR,
    KINDS,
    LOWER,
    NOW,
    SILENT,
    Ground,
    ended,
    in_force,
    make_book,
    tried,
)


@pytest.fixture
def ground(postgres_url: str, tmp_path: Any) -> Ground:
    return Ground(new_database(postgres_url, migrated(postgres_url)), tmp_path)


@pytest.fixture
async def book(ground: Ground) -> AsyncIterator[Rulebook]:
    async for made in make_book(ground, {"demo": ground.here}):
        yield made


# -- back-tests ----------------------------------------------------------------------------------------------------


async def test_a_back_test_tells_what_would_have_been_raised(ground: Ground, book: Rulebook) -> None:
    one, two = ground.pumps
    at = NOW - 20 * HOUR
    ground.say(one, (at, 500), (at + timedelta(minutes=1), 620), (at + timedelta(minutes=3), 630), (at + HOUR, 540))
    ground.say(
        two, (at, 590), (at + timedelta(minutes=1), 590), (at + 5 * HOUR, 650), (NOW - timedelta(minutes=5), 660)
    )
    with psycopg.connect(ground.url) as link:
        add_alarm(link, ground.here, one.id, at + timedelta(seconds=95), rule="pump-high")
        add_alarm(link, ground.here, two.id, at, rule="pump-high")
        add_alarm(link, ground.here, two.id, at, rule="another")
        for device, moment in ((one.id, at + timedelta(seconds=95)), (two.id, at + 5 * HOUR + timedelta(seconds=30))):
            link.execute(  # the first is the alarm above; the second came again while it waited
                "INSERT INTO hub.rule_decision (community_id, rule, device_id, at, outcome, reason)"
                " VALUES (%s, 'pump-high', %s, %s, 'raised', '')",
                [ground.here, device, moment],
            )
    found = (await tried(book, ground.engineer, FILE)).result
    assert (found["alarms"], found["really"], found["same"]) == (2, 3, 2)
    first, second = found["raised"]
    assert first["device"] == "pump-1"
    assert datetime.fromisoformat(first["from"]) == at + timedelta(seconds=90)
    assert datetime.fromisoformat(first["to"]) == at + HOUR
    assert "630" in first["text"]["en"] or "620" in first["text"]["en"]
    assert (second["device"], second["to"]) == ("pump-2", None)
    assert found["days"] == [{"day": "2026-11-21", "would": 2, "really": 3}]  # a day of the community's
    kept = ground.rows("SELECT rule, alarms, actor, result_hash FROM hub.rule_backtest")
    assert kept == [("pump-high", 2, "user:zhang", found["hash"])]


SPIKES = "threshold: {point: pressure, above: 600, for: 30s, clear: {below: 560}}"
NEVER = "\n  - threshold: {point: pressure, above: 99999}"


@pytest.mark.parametrize("rolled", [True, False])
@pytest.mark.parametrize(
    "condition",
    [SPIKES, "threshold: {point: pressure, below: 490}",
     "window: {point: pressure, aggregate: avg, size: 2h, above: 540}",
     "window: {point: pressure, aggregate: max, size: 90m, every: 30m, above: 600}"],
)  # fmt: skip
async def test_the_hours_that_cannot_matter_are_not_read_and_change_nothing(
    ground: Ground, book: Rulebook, rolled: bool, condition: str
) -> None:
    """The same alarms whether hours are chosen by the roll-ups, or every reading is read for a second condition."""
    start = NOW - 47 * HOUR
    for number, pump in enumerate(ground.pumps):
        values = [
            495 + 10 * ((n * 7 + number) % 5) + (130 if n % 80 in (5, 6, 7) else 85 if n % 80 == 8 else 0)
            for n in range(180)
        ]
        values[120 + number] = 480
        kept = ((start + n * timedelta(minutes=15), value) for n, value in enumerate(values) if not 40 < n < 55)
        ground.say(pump, *kept)
    if rolled:
        ground.roll_up()
    text = FILE.replace(SPIKES, condition)
    banded = (await tried(book, ground.engineer, text)).result
    whole = (await tried(book, ground.engineer, FILE.replace(SPIKES, f"any_of:\n  - {condition}{NEVER}"))).result
    spans = [[(a["device"], a["from"], a["to"]) for a in result["raised"]] for result in (banded, whole)]
    assert spans[0] == spans[1]
    assert spans[0]
    assert banded["rows"] <= whole["rows"] == 2 * 166
    assert not rolled or banded["rows"] < whole["rows"]


async def test_three_runs_give_the_same_hash(ground: Ground, book: Rulebook) -> None:
    """A16."""
    start = NOW - 30 * HOUR
    for pump in ground.pumps:
        ground.say(pump, *((start + n * timedelta(minutes=9), 560 + (n * 37 + pump.id) % 80) for n in range(150)))
    found = [(await tried(book, ground.engineer, FILE)).result for _ in range(3)]
    assert len({result["hash"] for result in found}) == 1
    assert found[0]["alarms"] > 0
    assert (await tried(book, ground.engineer, LOWER)).result["hash"] != found[0]["hash"]


async def test_events_and_silences_are_tried_too(ground: Ground, book: Rulebook) -> None:
    ground.event("door_forced", NOW - 9 * HOUR)
    ground.event("door_held", NOW - 8 * HOUR)
    ground.event("door_forced", NOW - 7 * HOUR)
    assert (await tried(book, ground.engineer, FORCED)).result["alarms"] == 2
    pump = ground.pumps[0]
    for other in ground.pumps:
        ground.say(other, *((NOW - 48 * HOUR + n * timedelta(minutes=10), 500) for n in range(48 * 6)
                            if other is not pump or not 100 <= n < 110))  # fmt: skip
    found = (await tried(book, ground.engineer, SILENT)).result
    assert [(a["device"], a["to"] is not None) for a in found["raised"]] == [("pump-1", True)]
    lost = NOW - 48 * HOUR + 99 * timedelta(minutes=10, seconds=0) + timedelta(seconds=1)  # received a second later
    assert datetime.fromisoformat(found["raised"][0]["from"]) == lost + timedelta(minutes=20)


async def test_one_at_a_time_and_it_can_be_cancelled(ground: Ground, book: Rulebook) -> None:
    one = await book.start_backtest(ground.engineer, FILE, 31)
    with pytest.raises(Refused, match="another back-test"):
        await book.start_backtest(ground.engineer, FILE, 1)
    with pytest.raises(NotThere):
        book.backtests.show(ground.stranger, one.id)
    assert book.backtests.cancel(ground.engineer, one.id).state == "cancelled"
    assert one.task is not None
    await asyncio.gather(one.task, return_exceptions=True)
    assert (await tried(book, ground.engineer, FILE, 1)).state == "done"
    assert ground.rows("SELECT count(*) FROM hub.rule_backtest") == [(1,)]


async def test_one_that_breaks_is_over_and_the_next_can_start(
    ground: Ground, book: Rulebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object) -> None:
        raise TypeError("a fault of ours")

    with monkeypatch.context() as broken:
        broken.setattr("rules.backtest.RuleTrial.feed", breaks)
        with capture_logs() as logs:
            one = await ended(book, ground.engineer, FILE)
    assert (one.state, one.error, logs[-1]["log_level"]) == ("failed", "TypeError", "error")
    assert (await tried(book, ground.engineer, FILE)).state == "done"


async def test_a_rule_that_would_be_stopped_counts_as_not_tried(ground: Ground, book: Rulebook) -> None:
    condition = FILE[FILE.index("threshold") : FILE.index("priority")]
    text = FILE.replace(condition, "expression: {when: 1.0 / (pressure - 500) > 0}\n")
    ground.say(ground.pumps[0], *((NOW - HOUR + n * timedelta(minutes=1), 500) for n in range(9)))
    one = await ended(book, ground.engineer, text)
    assert one.state == "failed"
    assert "division by zero" in one.error
    assert ground.rows("SELECT count(*) FROM hub.rule_backtest") == [(0,)]


@pytest.mark.parametrize("days", [0, 32])
async def test_a_back_test_covers_a_month_at_most(ground: Ground, book: Rulebook, days: int) -> None:
    with pytest.raises(Refused, match="1 to 31 days"):
        await book.start_backtest(ground.engineer, FILE, days)


async def test_another_communitys_history_is_not_seen(ground: Ground, book: Rulebook) -> None:
    ground.say(ground.pumps[0], (NOW - HOUR, 700), (NOW - HOUR / 2, 700))
    assert (await tried(book, ground.stranger, FILE)).result["alarms"] == 0


# -- versions ------------------------------------------------------------------------------------------------------


async def test_a_version_comes_into_force_once_it_was_tried(ground: Ground, book: Rulebook) -> None:
    calls: list[dict[str, tuple[float | None, bool]]] = []

    async def changed() -> None:
        calls.append(await in_force(book))

    book.on_change = changed
    saved = await book.save(ground.engineer, LOWER, "580 is enough")
    assert (saved["version"], saved["source"], saved["author"], saved["note"]) == (
        2,
        "page",
        "user:zhang",
        "580 is enough",
    )
    assert await in_force(book) == {"pump-high": (600.0, True)}
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
    assert await in_force(book) == {"pump-high": (580.0, True)}
    assert (back["version"], back["versions"][0]["note"]) == (4, "roll back to version 2")
    rolled = await book.roll_back(ground.engineer, "pump-high", 1)
    assert (rolled["version"], rolled["draft"], rolled["source"]) == (None, None, "file")
    assert await in_force(book) == {"pump-high": (600.0, True)}
    ground.file.write_text(FILE.replace("above: 600", "above: 610"), "utf-8")
    await book.read_files(KINDS)
    assert await in_force(book) == {"pump-high": (610.0, True)}
    sources = ground.rows("SELECT version, source FROM hub.rule_version ORDER BY version")
    assert sources == [(1, "file"), (2, "page"), (3, "page"), (4, "page"), (5, "file")]


async def test_what_is_in_force_survives_a_restart_and_a_changed_file(ground: Ground, book: Rulebook) -> None:
    await tried(book, ground.engineer, LOWER)
    saved = await book.save(ground.engineer, LOWER)
    await book.enable(ground.engineer, "pump-high", saved["version"])
    ground.file.write_text(FILE.replace("above: 600", "above: 610"), "utf-8")
    async for again in make_book(ground, {"demo": ground.here}):
        assert await in_force(again) == {"pump-high": (580.0, True)}
        await again.read_files(KINDS)
    assert len(ground.rows("SELECT 1 FROM hub.rule_version")) == 3  # nothing twice


async def test_a_rule_is_switched_off_with_a_reason_and_on_again(ground: Ground, book: Rulebook) -> None:
    with pytest.raises(Refused, match="say why"):
        await book.disable(ground.engineer, "pump-high", " ")
    await book.disable(ground.engineer, "pump-high", "pump under repair")
    assert await in_force(book) == {"pump-high": (600.0, False)}
    await book.enable(ground.engineer, "pump-high")
    assert await in_force(book) == {"pump-high": (600.0, True)}


async def test_a_new_rule_is_added_on_the_page(ground: Ground, book: Rulebook) -> None:
    await book.save(ground.engineer, FORCED)
    rows = {row["rule"]: row for row in await book.rules(ground.guard)}
    assert (rows["forced"]["source"], rows["forced"]["enabled"], rows["forced"]["draft"]) == ("draft", False, 1)
    assert "forced" not in await in_force(book)
    shown = await book.show(ground.guard, "forced")
    assert (shown["text"], shown["digest"]) == (FORCED, "")
    await tried(book, ground.engineer, FORCED)
    await book.enable(ground.engineer, "forced", 1)
    assert (await in_force(book))["forced"] == (None, True)


async def test_an_override_that_no_longer_fits_leaves_the_file_in_force(ground: Ground, book: Rulebook) -> None:
    await tried(book, ground.engineer, LOWER)
    await book.enable(ground.engineer, "pump-high", (await book.save(ground.engineer, LOWER))["version"])
    book.kinds = {name: kind for name, kind in KINDS.items() if name != "pump"}
    rules = RulesPlugin().rules(ground.roots, KINDS)
    assert [rule.threshold.above for rule in await book.compose(rules)] == [600.0]
    assert "pump" in book.problems[0].render()
    (row,) = await book.rules(ground.guard)
    assert "pump" in row["problem"]
    assert row["title"]["en"] == "Pump over pressure"  # of the file, which decides
    ground.file.unlink()
    (ground.file.parent / "other.yaml").write_text(FORCED, "utf-8")
    kinds = book.kinds
    await book.read_files(kinds)
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


async def test_a_hub_of_several_communities_leaves_rules_to_their_files(ground: Ground) -> None:
    async for book in make_book(ground, {"demo": ground.here, "other": ground.there}):
        with pytest.raises(Refused, match="several communities"):
            await book.enable(ground.engineer, "pump-high")
        assert await in_force(book) == {"pump-high": (600.0, True)}
