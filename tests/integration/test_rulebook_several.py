"""One hub, several communities: each has its own versions of a rule, tried on its own history, in force for itself."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

from hub.analyses.runner import Analyses
from hub.errors import Refused
from hub.model import Arrival, Device
from hub.principal import Principal
from hub.rulebook.service import Rulebook
from hub.store.database import NotThere
from tests.integration.module_hub import migrated
from tests.integration.pipeline_bench import NOON, Bench, BenchClock, make_bench
from tests.integration.postgres import new_database
from tests.integration.rulebook_ground import FILE, FORCED, HOUR, LOWER, NOW, Ground, in_force, make_book, tried
from tests.integration.test_analyses import ONCE

OTHERS = FILE.replace("above: 600", "above: 570")


@pytest.fixture
def ground(postgres_url: str, tmp_path: Any) -> Ground:
    return Ground(new_database(postgres_url, migrated(postgres_url)), tmp_path)


@pytest.fixture
def pump(ground: Ground) -> Device:
    """Of the second community, which the hub serves, too."""
    return ground.serve_both()


@pytest.fixture
async def book(ground: Ground, pump: Device) -> AsyncIterator[Rulebook]:
    async for made in make_book(ground):
        yield made


async def test_each_community_has_its_own_versions_and_what_is_in_force(ground: Ground, book: Rulebook) -> None:
    told: list[int] = []

    async def changed(home: int) -> None:
        told.append(home)

    book.on_change = changed
    await tried(book, ground.engineer, LOWER)
    await book.enable(ground.engineer, "pump-high", (await book.save(ground.engineer, LOWER))["version"])
    assert await in_force(ground, book) == {"pump-high": (580.0, True)}
    assert await in_force(ground, book, ground.there) == {"pump-high": (600.0, True)}
    (row,) = await book.rules(ground.stranger)
    assert (row["source"], row["version"], row["draft"], row["changed_by"]) == ("file", None, None, None)
    saved = await book.save(ground.stranger, OTHERS)
    assert saved["version"] == 2, "numbers are a community's own"
    assert "above: 580" in (await book.version(ground.engineer, "pump-high", 2))["text"]
    await tried(book, ground.stranger, OTHERS)
    await book.enable(ground.stranger, "pump-high", 2, unseen=True)
    await book.roll_back(ground.engineer, "pump-high", 1)
    assert await in_force(ground, book) == {"pump-high": (600.0, True)}
    assert await in_force(ground, book, ground.there) == {"pump-high": (570.0, True)}
    await book.disable(ground.engineer, "pump-high", "repair")
    assert await in_force(ground, book) == {"pump-high": (600.0, False)}
    assert await in_force(ground, book, ground.there) == {"pump-high": (570.0, True)}
    assert told == [ground.here, ground.there, ground.here, ground.here]
    audited = ground.rows("SELECT DISTINCT community_id, actor FROM hub.audit WHERE action LIKE 'rule.%%' ORDER BY 1")
    assert audited == [(ground.here, "user:zhang"), (ground.there, "user:wang")]


async def test_a_rule_of_one_communitys_own_is_not_there_for_others(ground: Ground, book: Rulebook) -> None:
    await tried(book, ground.engineer, FORCED)
    await book.enable(ground.engineer, "forced", (await book.save(ground.engineer, FORCED))["version"])
    assert set(await in_force(ground, book)) == {"pump-high", "forced"}
    assert set(await in_force(ground, book, ground.there)) == {"pump-high"}
    who = ground.stranger
    for look in (book.show(who, "forced"), book.version(who, "forced", 1), book.enable(who, "forced"),
                 book.enable(who, "forced", 1), book.disable(who, "forced", "noise"),
                 book.roll_back(who, "forced", 1)):  # fmt: skip
        with pytest.raises(NotThere):
            await look
    assert (await book.show(ground.guard, "forced"))["enabled"]


async def test_a_back_test_sees_its_own_community_and_counts_for_it_alone(
    ground: Ground, book: Rulebook, pump: Device
) -> None:
    for one, value in ((ground.pumps[0], 640.0), (pump, 590.0)):
        ground.say(one, *((NOW - 2 * HOUR + timedelta(seconds=step), value) for step in range(0, 120, 10)))
    here = await tried(book, ground.engineer, LOWER)
    assert [one["device_id"] for one in here.result["raised"]] == [ground.pumps[0].id]
    saved = await book.save(ground.stranger, LOWER)
    with pytest.raises(Refused, match="on stored history first"):
        await book.enable(ground.stranger, "pump-high", saved["version"])
    with pytest.raises(NotThere):
        book.backtests.cancel(ground.stranger, here.id)
    there = await tried(book, ground.stranger, LOWER)
    assert [one["device_id"] for one in there.result["raised"]] == [pump.id]
    assert here.result["hash"] != there.result["hash"]
    assert len((await book.show(ground.stranger, "pump-high"))["backtests"]) == 1
    await book.enable(ground.stranger, "pump-high", saved["version"])


# -- a running hub ---------------------------------------------------------------------------------------------------

SITE = """\
community: {code: %(home)s, name: {zh: 测试, en: Test}, time_zone: Asia/Shanghai}
buses:
  mqtt-main: {protocol: mqtt, url: "mqtt://127.0.0.1:1", client_id: test-%(home)s}
  virtual: {protocol: virtual}
places:
  - {path: b1, kind: building, name: {zh: 一栋, en: One}}
devices:
  - {id: door-1, name: {zh: 门, en: Door}, profile: heyue-dc200, place: b1, bus: mqtt-main, address: {device: door-1}}
  - {id: main, name: {zh: 总, en: Main}, profile: heyue-wm15, place: b1, bus: mqtt-main, address: {device: "1"}}
  - id: home
    name: {zh: 户, en: Home}
    profile: heyue-wm15
    place: b1
    bus: mqtt-main
    address: {device: "2"}
    parent: main
"""
RULE = """\
rule: door-open-test
title: {zh: 门未关, en: Open for %(time)s}
when: {kinds: [door]}
threshold: {point: open, equals: open, for: %(time)s}
priority: medium
text: {zh: "$device 未关。", en: "$device is open."}
examples:
  - name: Open for long enough raises
    steps:
      - {at: 0s, point: {open: open}}
      - {at: 20m, expect: [raised]}
  - name: A closed door is no alarm
    steps:
      - {at: 0s, point: {open: closed}}
"""
ALARMS = """
SELECT c.code, a.title->>'en', a.state FROM hub.alarm a JOIN hub.community c ON c.id = a.community_id
WHERE a.rule = 'door-open-test' ORDER BY a.id
"""


def text(time: str) -> str:
    return RULE % {"time": time}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    for folder in ("sites", "rules"):
        (tmp_path / folder).mkdir()
    for home in ("north", "south"):
        (tmp_path / "sites" / f"{home}.yaml").write_text(SITE % {"home": home}, "utf-8")
    (tmp_path / "rules" / "door.yaml").write_text(text("5m"), "utf-8")
    (tmp_path / "rules" / "loss.yaml").write_text(ONCE, "utf-8")
    return tmp_path


def doors(bench: Bench, seq: int, door: str) -> list[Arrival]:
    """The door of either community says how it is."""
    said = []
    for home in ("north", "south"):
        bench.bus = f"{home}/mqtt-main"
        state = {"ts": bench.clock.now_us() // 1000, "seq": seq, "boot": 1, "door": door, "lock": "locked"}
        said.append(bench.arrival(f"community/{home}/door/door-1/state", state))
    return said


def engineer(bench: Bench, home: str) -> Principal:
    return Principal("user:li", bench.hub.communities[home], "engineer")


def rulebook(bench: Bench) -> Rulebook:
    book = bench.hub.context.rulebook
    assert book is not None
    return book


async def put_in_force(bench: Bench, home: str, rule: str) -> int:
    """Save, try, enable; gives the version."""
    book, who = rulebook(bench), engineer(bench, home)
    saved = await book.save(who, rule)
    await tried(book, who, rule, 1)
    await book.enable(who, "door-open-test", saved["version"], unseen=True)
    return int(saved["version"])


async def test_each_community_is_judged_by_its_own_version_through_roll_back_reload_and_restart(
    database_url: str, config: Path
) -> None:
    clock = BenchClock(NOON)
    async with make_bench(database_url, clock=clock, config_dir=config) as bench:
        await bench.feed(*doors(bench, 1, "open"))
        clock.advance(31)
        assert await put_in_force(bench, "north", text("30s")) == 2
        await bench.feed()
        assert bench.query(ALARMS) == [("north", "Open for 30s", "active_unacknowledged")]
        clock.advance(270)
        await bench.feed()
        raised = [*bench.query(ALARMS)]
        assert raised[1:] == [("south", "Open for 5m", "active_unacknowledged")], "its own five minutes went on"
        await rulebook(bench).roll_back(engineer(bench, "north"), "door-open-test", 1)
        await bench.feed(*doors(bench, 2, "closed"))
        assert {state for _, _, state in bench.query(ALARMS)} == {"returned_unacknowledged"}
        assert await put_in_force(bench, "south", text("10s")) == 2
        (config / "rules" / "door.yaml").write_text(text("1m"), "utf-8")
        await bench.hub.reload()
        versions = await rulebook(bench).show(engineer(bench, "south"), "door-open-test")
        assert [(one["version"], one["source"]) for one in versions["versions"]] == [
            (3, "file"), (2, "page"), (1, "file"),
        ]  # fmt: skip
    async with make_bench(database_url, clock=clock, config_dir=config) as bench:
        clock.advance(1)
        await bench.feed(*doors(bench, 3, "open"))
        clock.advance(11)
        await bench.feed()
        assert [state for _, _, state in bench.query(ALARMS)] == ["returned_unacknowledged", "active_unacknowledged"]
        clock.advance(50)
        await bench.feed()
        decided = bench.query(
            "SELECT c.code, d.outcome FROM hub.rule_decision d JOIN hub.community c ON c.id = d.community_id"
            " WHERE d.rule = 'door-open-test' AND d.outcome IN ('raised', 'returned') ORDER BY d.at, c.code"
        )
        assert decided == [
            ("north", "raised"), ("south", "raised"), ("north", "returned"), ("south", "returned"),
            ("south", "raised"), ("north", "raised"),
        ]  # fmt: skip


async def test_a_community_that_comes_back_has_its_version_again(database_url: str, config: Path) -> None:
    async with make_bench(database_url, config_dir=config) as bench:
        await put_in_force(bench, "south", text("10s"))
        south = bench.hub.communities["south"]
        (config / "sites" / "south.yaml").rename(config / "south.kept")
        await bench.hub.reload()
        assert "south" not in bench.hub.communities
        (config / "south.kept").rename(config / "sites" / "south.yaml")
        await bench.hub.reload()
        assert bench.hub.communities["south"] == south
        await bench.feed(*doors(bench, 1, "open"))
        bench.clock.advance(11)
        await bench.feed()
        assert [row[:2] for row in bench.query(ALARMS)] == [("south", "Open for 10s")]


async def test_a_rule_by_the_hour_is_switched_off_in_one_community_alone(database_url: str, config: Path) -> None:
    async with make_bench(database_url, config_dir=config) as bench:
        hub = bench.hub
        await rulebook(bench).disable(engineer(bench, "north"), "water-loss", "the main meter is exchanged")
        with psycopg.connect(bench.url) as link:
            for device in hub.devices.values():
                for number in range(2) if "volume" in device.points else ():
                    hour = NOON - timedelta(hours=2 - number)
                    value = number * (1.0 if device.code == "main" else 0.1)
                    link.execute(
                        "INSERT INTO telemetry.sample_1h (bucket, point_id, community_id, n, vsum, vmin, vmax, vfirst,"
                        " vlast) VALUES (%s, %s, %s, 1, %s, %s, %s, %s, %s)",
                        [hour, device.points["volume"].id, device.community_id, *[value] * 5],
                    )
        bench.clock.advance(600)
        runner = Analyses(hub.database, bench.clock, hub.reports, hub.devices, hub._analyses, lambda: None)
        for home in hub.communities.values():
            assert await runner.step(home)
        bodies = "SELECT c.code, r.body::text FROM hub.report r JOIN hub.community c ON c.id = r.community_id"
        found = {home: "water-loss" in body for home, body in bench.query(bodies) if "verdicts" in body}
        assert found == {"north": False, "south": True}


async def test_what_a_community_decided_long_ago_is_logged_at_the_start(ground: Ground, book: Rulebook) -> None:
    await tried(book, ground.engineer, LOWER)
    await book.enable(ground.engineer, "pump-high", (await book.save(ground.engineer, LOWER))["version"])
    await book.disable(ground.stranger, "pump-high", "repair")
    with capture_logs() as logs:
        await book.tell(ground.communities)
    codes = {number: code for code, number in ground.communities.items()}
    assert sorted((one["event"], one["community"], one["rule"], one["version"], one["log_level"]) for one in logs) == [
        ("a community's own version of a rule is in force", codes[ground.here], "pump-high", 2, "warning"),
        ("a rule is switched off", codes[ground.there], "pump-high", None, "warning"),
    ]
    await book.enable(ground.stranger, "pump-high")
    await book.roll_back(ground.engineer, "pump-high", 1)
    with capture_logs() as logs:
        await book.tell(ground.communities)
    assert logs == [], "the files' own texts are in force"
