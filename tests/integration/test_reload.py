"""A changed configuration is applied without a restart; a wrong one is refused whole."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from drivers.plugin import DriversPlugin
from hub.app import Hub
from hub.catalog import folders
from hub.catalog.problems import CatalogError
from hub.errors import Misconfigured
from hub.principal import Principal
from hub.settings import Settings
from rules.plugin import RulesPlugin
from tests.integration.pipeline_bench import make_bench

SITE = """\
community: {code: demo, name: {zh: 测试, en: Test}, time_zone: Asia/Shanghai}
buses:
  mqtt-main: {protocol: mqtt, url: "mqtt://127.0.0.1:1", client_id: test}
places:
  - {path: b1, kind: building, name: {zh: 一栋, en: One}}
devices:
"""
DOOR = (
    "  - {id: %s, name: {zh: 门, en: Door}, profile: heyue-dc200, place: b1, bus: mqtt-main, address: {device: %s}}\n"
)


def write_site(folder: Path, *doors: str, extra: str = "", drawing: str = "") -> None:
    (folder / "sites").mkdir(exist_ok=True)
    site = SITE.replace("Asia/Shanghai}", f"Asia/Shanghai, drawing: {drawing}}}") if drawing else SITE
    text = site + "".join(DOOR % (door, door) for door in doors) + extra
    (folder / "sites" / "demo.yaml").write_text(text)


async def test_a_new_device_is_heard_and_the_others_do_not_notice(database_url: str, tmp_path: Path) -> None:
    write_site(tmp_path, "door-b1-u1")
    async with make_bench(database_url, config_dir=tmp_path) as bench:
        await bench.feed(bench.door_state(1, "open"))
        old, driver = bench.device("door-b1-u1"), bench.hub._drivers["demo/mqtt-main"]
        write_site(tmp_path, "door-b1-u1", "door-new")
        await bench.hub.reload()
        assert bench.device("door-b1-u1") is old and bench.hub._drivers["demo/mqtt-main"] is driver
        bench.clock.advance(59)
        await bench.feed(bench.door("forced", 1, code="door-new"))
        assert bench.query("SELECT count(*) FROM telemetry.event") == [(1,)]
        bench.clock.advance(2)
        await bench.feed()
        assert bench.query("SELECT count(*) FROM hub.alarm WHERE rule = 'door-held-open'") == [(1,)], (
            "the open door's minute went on through the reload"
        )


async def test_a_device_that_was_moved_stands_elsewhere_on_its_drawing(database_url: str, tmp_path: Path) -> None:
    spot = "positions:\n  - {device: door-b1-u1, x: %s, y: 0.4}\n"
    write_site(tmp_path, "door-b1-u1", extra=spot % 0.2, drawing="drawings/demo-site.svg")
    async with make_bench(database_url, config_dir=tmp_path) as bench:
        home = bench.hub.communities["demo"]
        assert bench.hub.context.plans[home].devices == {"door-b1-u1": (0.2, 0.4)}
        write_site(tmp_path, "door-b1-u1", extra=spot % 0.3, drawing="drawings/demo-site.svg")
        open_page = bench.hub.live.subscribe(lambda change: False)
        await bench.hub.reload()
        assert open_page.lost, "an open page reads again"
        assert bench.hub.context.plans[home].devices == {"door-b1-u1": (0.3, 0.4)}
        write_site(tmp_path, "door-b1-u1", extra=spot % 0.3)
        with pytest.raises(CatalogError):  # without its drawing
            await bench.hub.reload()
        assert bench.hub.context.plans[home].devices == {"door-b1-u1": (0.3, 0.4)}


async def test_a_removed_device_is_no_longer_heard_and_keeps_its_history(database_url: str, tmp_path: Path) -> None:
    write_site(tmp_path, "door-b1-u1", "door-old")
    async with make_bench(database_url, config_dir=tmp_path) as bench:
        await bench.feed(bench.door("forced", 1, code="door-old"))
        write_site(tmp_path, "door-b1-u1")
        await bench.hub.reload()
        await bench.feed(bench.door("forced", 2, code="door-old"))
        assert bench.query("SELECT count(*) FROM telemetry.event") == [(1,)]
        assert bench.query("SELECT reason FROM hub.dead_letter") in ([("unknown_device",)], [("unknown_topic",)])
        assert bench.query("SELECT removed_at IS NOT NULL FROM hub.device WHERE code = 'door-old'") == [(True,)]


async def test_a_removed_device_takes_its_alarm_with_it_and_the_others_go_on(database_url: str, tmp_path: Path) -> None:
    write_site(tmp_path, "door-b1-u1", "door-old")
    async with make_bench(database_url, config_dir=tmp_path) as bench:
        await bench.feed(bench.door_state(1, "open", code="door-old"))
        bench.clock.advance(61)
        await bench.feed()
        raised = "SELECT state FROM hub.alarm WHERE rule = 'door-held-open'"
        assert bench.query(raised) == [("active_unacknowledged",)]
        write_site(tmp_path, "door-b1-u1")
        await bench.hub.reload()
        await bench.feed(bench.door("forced", 1))
        assert bench.query("SELECT count(*) FROM telemetry.event") == [(1,)]
        assert bench.query("SELECT count(*) FROM hub.dead_letter") == [(0,)]
        assert bench.query(raised) == [("returned_unacknowledged",)]


async def test_a_device_removed_while_the_hub_was_down_leaves_no_alarm_for_ever(
    database_url: str, tmp_path: Path
) -> None:
    write_site(tmp_path, "door-b1-u1", "door-old")
    async with make_bench(database_url, config_dir=tmp_path) as bench:
        await bench.feed(bench.door_state(1, "open", code="door-old"))
        bench.clock.advance(61)
        await bench.feed()
    write_site(tmp_path, "door-b1-u1")
    async with make_bench(database_url, config_dir=tmp_path) as bench:
        history = bench.query("SELECT to_state, actor FROM hub.alarm_history h JOIN hub.alarm a ON a.id = h.alarm_id "
                              "WHERE rule = 'door-held-open' ORDER BY h.id")  # fmt: skip
        assert history == [("active_unacknowledged", "rule:door-held-open"), ("returned_unacknowledged", "system")]


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (DOOR.replace("dc200", "dc20") % ("x", "x"), "heyue-dc200"),
        ("surprise: 1\n", "surprise"),
        ("  - [\n", "demo.yaml"),
    ],
)  # fmt: skip
async def test_a_wrong_site_is_refused_whole_and_the_old_one_keeps_running(
    database_url: str, tmp_path: Path, extra: str, said: str
) -> None:
    write_site(tmp_path, "door-b1-u1")
    async with make_bench(database_url, config_dir=tmp_path) as bench:
        write_site(tmp_path, "door-b1-u1", "door-new", extra=extra)
        with pytest.raises(CatalogError, match=said):
            await bench.hub.reload()
        assert [device.code for device in bench.hub.devices.values()] == ["door-b1-u1"]
        await bench.feed(bench.door("forced", 1))
        assert bench.query("SELECT count(*) FROM telemetry.event") == [(1,)]
        assert bench.query("SELECT code FROM hub.device") == [("door-b1-u1",)]


async def test_a_bus_that_cannot_be_made_refuses_the_whole_change(database_url: str, tmp_path: Path) -> None:
    write_site(tmp_path, "door-b1-u1")
    async with make_bench(database_url, config_dir=tmp_path) as bench:
        driver = bench.hub._drivers["demo/mqtt-main"]
        write_site(tmp_path, "door-b1-u1", "door-new")
        site = tmp_path / "sites" / "demo.yaml"
        secure = 'mqtts://127.0.0.1:1", ca_file: /nowhere/ca.pem'
        site.write_text(site.read_text().replace('mqtt://127.0.0.1:1"', secure))
        with pytest.raises(Misconfigured, match="certificate"):
            await bench.hub.reload()
        assert bench.hub._drivers["demo/mqtt-main"] is driver and len(bench.hub.devices) == 1
        await bench.feed(bench.door("forced", 1))
        assert bench.query("SELECT count(*) FROM telemetry.event") == [(1,)]


async def test_a_wrong_rule_refuses_the_whole_change(database_url: str, tmp_path: Path) -> None:
    write_site(tmp_path, "door-b1-u1")
    async with make_bench(database_url, config_dir=tmp_path) as bench:
        (tmp_path / "rules").mkdir()
        (tmp_path / "rules" / "mine.yaml").write_text("rule: mine\nwhen: {kinds: [doors]}\n")
        write_site(tmp_path, "door-b1-u1", "door-new")
        with pytest.raises(CatalogError, match="mine"):
            await bench.hub.reload()
        assert len(bench.hub.devices) == 1


@pytest.mark.parametrize("early", [False, True], ids=["watched", "before the watch begins"])
async def test_the_hub_notices_a_changed_file_by_itself(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, early: bool
) -> None:
    write_site(tmp_path, "door-b1-u1")
    begun, watch = asyncio.Event(), folders.awatch

    async def watching(*given: Any, **more: Any) -> AsyncIterator[Any]:
        if early:
            write_site(tmp_path, "door-b1-u1", "door-new")
        async for changes in watch(*given, **more, rust_timeout=200):
            begun.set()
            yield changes

    monkeypatch.setattr(folders, "awatch", watching)
    running = Hub(Settings(database_url=database_url, config_dir=tmp_path), {}, plugs=[DriversPlugin(), RulesPlugin()])
    await running.start()
    try:
        await begun.wait()
        if not early:
            assert len(running.devices) == 1
            write_site(tmp_path, "door-b1-u1", "door-new")
        async with asyncio.timeout(100):
            while len(running.devices) < 2:
                await asyncio.sleep(0.05)
            write_site(tmp_path, "door-b1-u1", extra="surprise: 1\n")
            while not (refused := running.context.refusals.seen_in("demo", running.communities)):
                await asyncio.sleep(0.05)
            assert (refused[0].what, refused[0].problems[0].field) == ("configuration", "surprise")
            write_site(tmp_path, "door-b1-u1")
            while len(running.devices) > 1:
                await asyncio.sleep(0.05)
            assert running.context.refusals.seen_in("demo", running.communities) == []
    finally:
        await running.stop()


async def test_a_hub_that_cannot_start_leaves_nothing_running(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "broken.yaml").write_text("rule: broken")
    before = asyncio.all_tasks()
    hub = Hub(Settings(database_url=database_url, config_dir=tmp_path), {}, plugs=[DriversPlugin(), RulesPlugin()])
    with pytest.raises(CatalogError, match="broken"):
        await hub.start()
    assert asyncio.all_tasks() == before


async def test_a_device_removed_while_the_hub_was_down_leaves_an_alarm_that_can_be_closed(
    database_url: str, tmp_path: Path
) -> None:
    write_site(tmp_path, "door-b1-u1", "door-old")
    async with make_bench(database_url, config_dir=tmp_path) as bench:
        await bench.feed(bench.door_state(1, "open", code="door-old"))
        bench.clock.advance(61)
        await bench.feed()
    write_site(tmp_path, "door-b1-u1")
    async with make_bench(database_url, config_dir=tmp_path) as bench:
        [(number, state)] = bench.query("SELECT id, state FROM hub.alarm WHERE rule = 'door-held-open'")
        assert state == "returned_unacknowledged"
        who = Principal("user:li", bench.hub.communities["demo"], "guard")
        assert (await bench.hub.context.alarms.acknowledge(who, number))["state"] == "normal"
