"""What modules say of virtual devices: in the pipeline exactly once, or not at all."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hub import reports
from hub.clock import to_us
from hub.model import Arrival, Verdict
from hub.tasks import end
from tests.integration.pipeline_bench import NOON, Bench, make_bench

RULE = """\
rule: route-missed
title: {zh: 缺巡, en: Round missed}
when: {kinds: [patrol_route]}
event: {name: round_overdue, clear_event: round_settled}
priority: high
text: {zh: "$device 缺巡。", en: "$device was not walked."}
examples:
  - name: An overdue round stands until it is settled
    steps:
      - {at: 0s, event: round_overdue, data: {round: r1}, expect: [raised]}
      - {at: 9m, event: round_settled, data: {round: r1}, expect: [returned]}
  - name: A round in time is no alarm
    steps:
      - {at: 0s, event: round_started, data: {round: r1}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "route.yaml").write_text(RULE)
    return tmp_path


async def say(bench: Bench, key: str, *events: str, fail: bool = False, **more: Any) -> None:
    device = bench.device("route-garden")
    async with bench.hub.database.session([device.community_id]) as connection:
        told = [(name, {"round": "r1"}) for name in events]
        await reports.put(connection, device, key=key, at=more.pop("at", NOON), events=told, **more)
        if fail:
            raise RuntimeError("the module broke")


@asynccontextmanager
async def listening(bench: Bench) -> Any:
    driver = bench.hub._drivers["demo/virtual"]
    task = asyncio.create_task(driver.run(bench.hub.queue))
    try:
        yield
    finally:
        await end([task])


async def offered(bench: Bench, reports: int = 1) -> list[Arrival]:
    """What the driver offers, once there are so many reports; with 0 of them, once it says how the gateways are."""
    found: list[Arrival] = []
    async with asyncio.timeout(100):
        while sum(bool(one.token) for one in found) < reports or not found:
            await asyncio.sleep(0.01)
            found += await bench.hub.queue.take(500, 0, bench.clock.now_us())
    return found


async def pump(bench: Bench, reports: int = 1) -> None:
    """Let what is offered go through the pipeline, exactly so many reports."""
    arrivals = await offered(bench, reports)
    await bench.feed(*arrivals)
    assert len([arrival for arrival in arrivals if arrival.token]) == reports


async def forgotten(bench: Bench) -> None:
    """The outbox is empty, once the driver has seen that all is stored."""
    async with asyncio.timeout(100):
        while bench.query(ROWS) != [(0,)]:
            await asyncio.sleep(0.02)


ROWS = "SELECT count(*) FROM hub.report"
ALARMS = "SELECT state, count FROM hub.alarm WHERE rule = 'route-missed'"
EVENTS = "SELECT count(*) FROM telemetry.event WHERE name LIKE 'round_%%'"


async def test_a_report_becomes_event_and_alarm_and_is_forgotten(database_url: str, config: Path) -> None:
    async with make_bench(database_url, config_dir=config) as bench:
        await say(bench, "r1:overdue", "round_overdue")
        async with listening(bench):
            await pump(bench)
            await forgotten(bench)
        assert bench.query(ALARMS) == [("active_unacknowledged", 1)]
        assert bench.query("SELECT data FROM telemetry.event") == [({"round": "r1"},)]


async def test_what_a_failed_transaction_said_is_never_heard(database_url: str, config: Path) -> None:
    async with make_bench(database_url, config_dir=config) as bench:
        with pytest.raises(RuntimeError, match="broke"):
            await say(bench, "r1:overdue", "round_overdue", fail=True)
        async with listening(bench):
            await pump(bench, 0)
            await asyncio.sleep(0.2)  # what would be heard would be there now
            assert not [one for one in await bench.hub.queue.take(500, 0, bench.clock.now_us()) if one.token]
        assert bench.query(EVENTS) == [(0,)]


async def test_a_process_that_dies_before_the_row_is_deleted_says_it_once(database_url: str, config: Path) -> None:
    async with make_bench(database_url, config_dir=config) as bench:
        await say(bench, "r1:overdue", "round_overdue")
        for _ in range(3):  # each time the row is offered, committed, and the driver dies before it forgets it
            async with listening(bench):
                arrivals = await offered(bench)
            await bench.feed(*arrivals)
        assert bench.query(ROWS) == [(1,)]
        async with listening(bench):
            await pump(bench)
            await forgotten(bench)
        assert bench.query(EVENTS) == [(1,)]
        assert bench.query(ALARMS) == [("active_unacknowledged", 1)]


async def test_the_same_key_is_the_same_report(database_url: str, config: Path) -> None:
    async with make_bench(database_url, config_dir=config) as bench:
        for _ in range(2):
            await say(bench, "r1:overdue", "round_overdue")
        assert bench.query(ROWS) == [(1,)]


async def test_a_gateway_shows_whether_its_bus_is_connected(database_url: str) -> None:
    async with make_bench(database_url) as bench:
        sql = ("SELECT l.value FROM telemetry.point_last l JOIN hub.point p ON p.id = l.point_id"
               " JOIN hub.device d ON d.id = p.device_id WHERE d.code = 'gateway-b1'")  # fmt: skip
        part = bench.hub.status.parts["bus:demo/gw-b1"]
        async with listening(bench):
            part.state = "running"
            bench.hub.reports.wake()
            await pump(bench, 0)
            assert bench.query(sql) == [(1.0,)]
            part.state = "retrying"
            bench.clock.advance(1)
            bench.hub.reports.wake()
            await pump(bench, 0)
            assert bench.query(sql) == [(0.0,)]
        assert bench.device("em-b1-001").parent == bench.device("gateway-b1").id


@pytest.mark.parametrize(
    ("code", "more", "why"),
    [
        ("route-garden", {"events": [("door_forced", {})]}, "no event 'door_forced'"),
        ("route-garden", {"events": [("round_missed", {"rond": "r"})]}, "fields rond"),
        ("route-garden", {"points": {"connected": 1.0}}, "no point connected"),
        ("door-b1-u1", {"events": [("door_forced", {})]}, "no virtual device"),
    ],
)
async def test_what_the_kind_does_not_know_cannot_be_said(
    database_url: str, code: str, more: dict[str, Any], why: str
) -> None:
    async with make_bench(database_url) as bench:
        device = bench.device(code)
        async with bench.hub.database.session([device.community_id]) as connection:
            with pytest.raises(ValueError, match=why):
                await reports.put(connection, device, key="k", at=NOON, **more)


async def test_a_verdict_may_be_told_of_any_device(database_url: str) -> None:
    async with make_bench(database_url) as bench:
        device = bench.device("wm-b1-001")
        async with bench.hub.database.session([device.community_id]) as connection:
            verdict = Verdict("night-flow", True, 1, value=0.2, limit=0.1, cost_fen=340)
            at = NOON - timedelta(hours=1)
            await reports.put(connection, device, key="night-flow:1", at=at, verdicts=[verdict])
        async with listening(bench):
            await pump(bench)
        assert bench.query("SELECT count(*) FROM hub.dead_letter") == [(0,)]


async def test_a_verdict_is_no_sign_of_life(database_url: str) -> None:
    silent = "SELECT state FROM hub.alarm WHERE rule = 'device-silent' AND device_id = %s"
    async with make_bench(database_url) as bench:
        meter = bench.device("wm-b1-001")
        bench.clock.advance(3 * 3600)
        await bench.feed()
        assert bench.query(silent, meter.id) == [("active_unacknowledged",)]
        verdict = Verdict("water-night-flow", True, to_us(bench.clock.now()), value=0.2)
        async with bench.hub.database.session([meter.community_id]) as connection:
            await reports.put(connection, meter, key="hour:1", at=bench.clock.now(), verdicts=[verdict])
        async with listening(bench):
            await pump(bench)
        assert bench.query(silent, meter.id) == [("active_unacknowledged",)], (
            "an analysis found something; it is silent"
        )
        assert bench.query("SELECT count(*) FROM telemetry.device_last WHERE device_id = %s", meter.id) == [(0,)]
