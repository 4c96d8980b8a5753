"""The rulebook of a running hub: a version that is enabled judges from the next batch on, and after a restart."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hub.errors import Refused
from hub.principal import Principal
from hub.rulebook.service import Rulebook
from tests.integration.pipeline_bench import NOON, Bench, BenchClock, make_bench

RULE = """\
rule: door-open-test
title: {zh: 门未关, en: Door open}
when: {kinds: [door]}
threshold: {point: open, equals: open, for: %s}
priority: medium
text: {zh: "$device 未关。", en: "$device is open."}
examples:
  - name: Open for long enough raises
    steps:
      - {at: 0s, point: {open: open}}
      - {at: 10m, expect: [raised]}
  - name: A closed door is no alarm
    steps:
      - {at: 0s, point: {open: closed}}
"""
ALARMS = "SELECT count(*) FROM hub.alarm WHERE rule = 'door-open-test'"


async def enable(bench: Bench, text: str) -> None:
    book = bench.hub.context.rulebook
    assert isinstance(book, Rulebook)
    who = Principal("user:li", next(iter(bench.hub.communities.values())), "engineer")
    saved = await book.save(who, text)
    test = await book.start_backtest(who, text, 1)
    async with asyncio.timeout(100):
        while book.backtests.show(who, test.id).state == "running":
            await asyncio.sleep(0.05)
    await book.enable(who, "door-open-test", saved["version"])


async def test_an_enabled_version_judges_at_once_and_after_a_restart(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "door.yaml").write_text(RULE % "5m")
    clock = BenchClock(NOON)
    async with make_bench(database_url, clock=clock, config_dir=tmp_path) as bench:
        await bench.feed(bench.door_state(1, "open"))
        clock.advance(31)
        await bench.feed()
        assert bench.query(ALARMS) == [(0,)], "the file's rule waits five minutes"
        await enable(bench, RULE % "30s")
        await bench.feed()
        assert bench.query(ALARMS) == [(1,)], "the open door's time counts on under the new version"
        await bench.hub.reload()
        await bench.feed(bench.door_state(2, "closed"))
    async with make_bench(database_url, clock=clock, config_dir=tmp_path) as bench:
        await bench.feed(bench.door_state(3, "open", code="door-b1-u2"))
        clock.advance(31)
        await bench.feed()
        assert bench.query(ALARMS) == [(2,)]


async def test_a_life_safety_rule_is_for_supervisors(database_url: str) -> None:
    async with make_bench(database_url) as bench:
        book = bench.hub.context.rulebook
        assert isinstance(book, Rulebook)
        engineer = Principal("user:li", next(iter(bench.hub.communities.values())), "engineer")
        for act in (book.disable(engineer, "smoke-alarm", "noisy"), book.roll_back(engineer, "smoke-alarm", 1)):
            with pytest.raises(Refused, match="supervise"):
                await act
        chief = Principal("user:chief", engineer.community_id, "admin")
        assert not (await book.disable(chief, "smoke-alarm", "detectors are exchanged today"))["enabled"]


QUIET = """\
rule: %s
title: {zh: 门, en: Door}
when: {kinds: [door]}
%s
priority: low
text: {zh: $device, en: $device}
examples:
  - {name: told, steps: [%s]}
  - {name: nothing, steps: [{at: 0s, heard: true}]}
"""
SILENT = QUIET % ("silent", "absence: {after: 10m}", "{at: 0s, heard: true}, {at: 11m, expect: [raised]}")
MOVED = QUIET % (
    "moved", "change: {point: open}",
    "{at: 0s, point: {open: closed}}, {at: 1s, point: {open: open}, expect: [raised, returned]}",
)  # fmt: skip


async def test_a_back_test_hears_what_the_hub_heard(database_url: str, tmp_path: Path) -> None:
    """Neither the broker's memory nor a last will is a sign of life, and what is remembered has not moved."""
    (tmp_path / "rules").mkdir()
    for text in (SILENT, MOVED):
        (tmp_path / "rules" / f"{text.split()[1]}.yaml").write_text(text)
    async with make_bench(database_url, config_dir=tmp_path) as bench:
        door, clock = bench.device("door-b1-u1"), bench.clock
        clock.advance(60)
        await bench.feed(bench.door_state(1, "closed"))
        clock.advance(240)
        await bench.feed(bench.door_state(2, "open"))
        clock.advance(120)
        await bench.feed(msgspec.structs.replace(bench.door_state(3, "closed"), retained=True))
        clock.advance(60)
        await bench.feed(bench.arrival(f"community/demo/door/{door.code}/status", b"offline"))
        clock.advance(600)
        await bench.feed()
        clock.advance(60)
        await bench.feed(bench.door_state(4, "closed"))
        clock.advance(10)
        await bench.feed(bench.door_state(5, "open"))
        clock.advance(1)
        real = "SELECT at, outcome FROM hub.rule_decision WHERE rule = %s AND device_id = %s AND outcome = 'raised'"
        for text in (SILENT, MOVED):
            live = [at.isoformat() for at, _ in bench.query(real, text.split()[1], door.id) if at > NOON]
            found = [one["from"] for one in (await trial(bench, text))["raised"] if one["device"] == door.code]
            assert len(live) == 1 + (text is MOVED)
            assert [at for at in found if at > NOON.isoformat()] == live


async def trial(bench: Bench, text: str) -> dict[str, Any]:
    book = bench.hub.context.rulebook
    assert isinstance(book, Rulebook)
    one = await book.start_backtest(Principal("user:li", bench.device("door-b1-u1").community_id, "engineer"), text, 1)
    assert one.task is not None
    await one.task
    assert one.state == "done", one.error
    return one.result
