"""Back-tests on a real database: what a rule would have raised on stored history, and whether that can be trusted."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

from hub.errors import Refused
from hub.model import Device
from hub.rulebook.service import Rulebook
from hub.store.database import NotThere
from rules.choosing import choice
from rules.model import Rule
from tests.integration.module_hub import add_alarm, migrated
from tests.integration.postgres import new_database
from tests.integration.rulebook_ground import (
    FILE,
    FORCED,
    HOUR,
    LOWER,
    NOW,
    SILENT,
    Ground,
    ended,
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


async def test_what_a_rule_must_see_is_found_beside_the_hubs_work(
    ground: Ground, book: Rulebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a long expression that takes seconds."""
    threads: list[int] = []

    def noted(rule: Rule, devices: Sequence[Device]) -> Any:
        threads.append(threading.get_ident())
        return choice(rule, devices)

    monkeypatch.setattr("rules.backtest.choice", noted)
    await tried(book, ground.engineer, FILE)
    assert threads
    assert threading.get_ident() not in threads


EXAMPLES = """examples:
  - {name: one, steps: [{at: 0s, expect: [raised]}]}
  - {name: none, steps: [{at: 0s}]}
"""
SPIKES = "threshold: {point: pressure, above: 600, for: 30s, clear: {below: 560}}"
NEVER = "\n  - threshold: {point: pressure, above: 99999}"


@pytest.mark.parametrize("rolled", [True, False])
@pytest.mark.parametrize(
    "condition",
    [SPIKES, "threshold: {point: pressure, below: 490}",
     "window: {point: pressure, aggregate: avg, size: 2h, above: 540}",
     "window: {point: pressure, aggregate: max, size: 90m, every: 30m, above: 600}",
     "change: {point: pressure, by: 60}", "change: {point: pressure, by: 60, within: 40m, direction: down}",
     "window: {point: pressure, aggregate: spread, size: 2h, above: 90, clear: {below: 45}}"],
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


CHANGES = "change: {point: pressure, by: 60}"
SORTS = [
    SPIKES,
    CHANGES,
    "stuck: {point: pressure, for: 5h}",
    "window: {point: pressure, aggregate: spread, size: 6h, above: 60}",
    "expression: {when: pressure > 600 && pressure < 630, for: 10m}",
    "near: {at: same_building, kinds: [pump], threshold: {point: pressure, above: 600}, at_least: 1}",
    "any_of:\n  - threshold: {point: pressure, below: 505}\n  - change: {point: pressure, by: 90}",
    "absence: {after: 100m}",
]


@pytest.mark.parametrize("condition", SORTS)
async def test_three_runs_over_a_month_give_the_same_hash(ground: Ground, book: Rulebook, condition: str) -> None:
    """A16: a month of two pumps, every half hour, with hours in which nothing came."""
    ground.fill_month()
    text = FILE.replace(SPIKES, condition)
    text = text if condition == SPIKES else text[: text.index("examples")] + EXAMPLES
    found = [(await tried(book, ground.engineer, text, 31)).result for _ in range(3)]
    assert len({result["hash"] for result in found}) == 1
    assert len({str(result["raised"]) for result in found}) == 1
    assert found[0]["alarms"] > 1, "not for want of alarms"


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


NEAR = """rule: dark
title: {zh: 楼内失联, en: Building dark}
when: {kinds: [door]}
near: {at: same_building, kinds: [pump], absence: {after: 20m}, at_least: 2}
priority: low
text: {zh: $device, en: $device}
examples:
  - name: both pumps fall silent
    others: {one: {kind: pump, at: same_building}, two: {kind: pump, at: same_building}}
    steps: [{at: 0s, device: one, heard: true}, {at: 1s, device: two, heard: true}, {at: 22m, expect: [raised]}]
  - name: one talks on
    others: {one: {kind: pump, at: same_building}, two: {kind: pump, at: same_building}}
    steps: [{at: 0s, device: one, heard: true}, {at: 15m, device: two, heard: true}, {at: 22m}]
"""


@pytest.mark.parametrize("parts", [False, True])
async def test_the_silence_of_devices_around_is_tried_on_their_signs_of_life(
    ground: Ground, book: Rulebook, parts: bool
) -> None:
    near = NEAR[NEAR.index("near") : NEAR.index("\npriority")]
    text = NEAR.replace(near, f"any_of:\n  - {near}\n  - event: {{name: door_forced}}") if parts else NEAR
    for number in range(47 * 6):
        for pump in ground.pumps:
            if not 100 <= number < 110:
                ground.frame(pump, NOW - 47 * HOUR + number * timedelta(minutes=10), alive=True)
    found = (await tried(book, ground.engineer, text)).result
    lost = NOW - 47 * HOUR + 99 * timedelta(minutes=10)
    spans = [(datetime.fromisoformat(a["from"]), a["to"] is None) for a in found["raised"]]
    assert spans[-1:] == [(lost + timedelta(minutes=20), False)]


async def test_what_is_no_sign_of_life_to_the_hub_is_none_in_a_back_test(ground: Ground, book: Rulebook) -> None:
    """The broker's memory and last wills are frames, too."""
    for number in range(47 * 6):
        for pump in ground.pumps:
            at = NOW - 47 * HOUR + number * timedelta(minutes=10)
            ground.frame(pump, at, alive=pump is not ground.pumps[0] or not 100 <= number < 110)
    found = (await tried(book, ground.engineer, SILENT)).result
    assert [(a["device"], a["to"] is not None) for a in found["raised"]][-1:] == [("pump-1", True)]


async def test_a_trial_without_history_counts_only_where_somebody_says_so(ground: Ground, book: Rulebook) -> None:
    ground.execute("DELETE FROM telemetry.sample_1h")
    assert not (await tried(book, ground.engineer, LOWER)).result["seen"]
    saved = await book.save(ground.engineer, LOWER)
    with pytest.raises(Refused, match="no history exists"):
        await book.enable(ground.engineer, "pump-high", saved["version"])
    await book.enable(ground.engineer, "pump-high", saved["version"], unseen=True)
    told = "SELECT detail->>'note' FROM hub.audit WHERE action = 'rule.enable' ORDER BY id"
    assert ground.rows(told) == [("no history to try it on",)]
    await book.disable(ground.engineer, "pump-high", "repair")
    await book.enable(ground.engineer, "pump-high")  # it was in force
    ground.say(ground.pumps[0], (NOW - HOUR, 500))
    assert (await tried(book, ground.engineer, LOWER)).result["seen"]


async def test_events_that_never_happened_are_history_where_the_device_was_heard(
    ground: Ground, book: Rulebook
) -> None:
    found = (await tried(book, ground.engineer, FORCED)).result
    assert (found["rows"], found["seen"]) == (0, True)
    ground.execute("DELETE FROM telemetry.frame")
    assert not (await tried(book, ground.engineer, FORCED)).result["seen"]
