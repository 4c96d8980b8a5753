"""Hourly rules over the stored hours of a real database: what is found becomes one alarm with its price."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

from hub.analyses.model import Finding
from hub.analyses.runner import Analyses
from hub.errors import Misconfigured
from hub.model import Device
from hub.principal import Principal
from hub.store.upkeep import Upkeep
from rules.hourly import HourlyAnalysis
from tests.integration.pipeline_bench import NOON, Bench, make_bench
from tests.integration.test_reports import ROWS, forgotten, listening, pump

RULE = """\
rule: water-loss
title: {zh: 管网漏损, en: Water loss}
when: {kinds: [water_meter]}
hourly: {analysis: balance, point: volume, above: 0.2, ratio_above: 0.1, for: 2}
priority: medium
text: {zh: "$device 每小时漏损 $value。", en: "$device loses $value an hour."}
examples:
  - name: Two hours of loss in a row raise, one good hour returns
    steps:
      - {at: 0h, verdict: {active: true, value: 0.7}}
      - {at: 1h, verdict: {active: true, value: 0.7}, expect: [raised]}
      - {at: 2h, verdict: {active: false, value: 0.0}, expect: [returned]}
  - name: One hour alone is no alarm
    steps:
      - {at: 0h, verdict: {active: true, value: 0.7}}
      - {at: 1h, verdict: {active: false, value: 0.0}}
"""
ONCE = (
    RULE[: RULE.index("examples")].replace(", for: 2", "")
    + """\
examples:
  - {name: An hour of loss raises, steps: [{at: 0h, verdict: {active: true}, expect: [raised]}]}
  - {name: An hour without is none, steps: [{at: 0h, verdict: {active: false}}]}
"""
)
ALARMS = "SELECT state, count, cost_fen FROM hub.alarm WHERE rule = 'water-loss'"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "loss.yaml").write_text(RULE)
    return tmp_path


async def tell(bench: Bench) -> None:
    """Every report that waits goes through the pipeline and is forgotten."""
    if waiting := bench.query(ROWS)[0][0]:
        async with listening(bench):
            await pump(bench, waiting)
            await forgotten(bench)


class Hours:
    """The analyses of a bench, and rolled-up hours to judge."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.main = bench.device("wm-b1-main")
        self.homes = [device for device in bench.hub.devices.values() if device.parent == self.main.id]
        hub = bench.hub

        async def price_at(community: int, commodity: str, day: Any) -> Decimal | None:
            return Decimal("4.10") if commodity == "water" else None

        self.price_at = price_at
        self.runner = Analyses(
            hub.database, bench.clock, hub.reports, hub.devices, hub._analyses, lambda: price_at
        )  # fmt: skip

    def write(self, hour: datetime, registers: Mapping[str, float]) -> None:
        """What the registers read at the end of the hour that begins at `hour`."""
        with psycopg.connect(self.bench.url) as link:
            for code, value in registers.items():
                device = self.bench.device(code)
                link.execute(
                    "INSERT INTO telemetry.sample_1h (bucket, point_id, community_id, n, vsum, vmin, vmax, vfirst,"
                    " vlast) VALUES (%s, %s, %s, 1, %s, %s, %s, %s, %s)",
                    [hour, device.points["volume"].id, device.community_id, *[value] * 5],
                )

    def write_all(self, hour: datetime, number: int, loss: float) -> None:
        """Every home drew 0.01 m³ an hour up to here, and so much was lost each hour."""
        homes = {home.code: 0.01 * number for home in self.homes}
        self.write(hour, {**homes, "wm-b1-main": 0.01 * number * len(homes) + loss * number})

    async def roll_up(self) -> None:
        """As the part `upkeep` does every 30 s; it is stopped here."""
        hub = self.bench.hub
        await Upkeep(hub.settings.database_url, self.bench.clock, hub.settings).roll_up()

    def hear(self, hour: datetime, registers: Mapping[str, float]) -> None:
        """Readings at the end of an hour, as the pipeline stores them."""
        with psycopg.connect(self.bench.url) as link:
            link.execute("SELECT telemetry.ensure_day(%s)", [hour.date()])
            for code, value in registers.items():
                device = self.bench.device(code)
                link.execute(
                    "INSERT INTO telemetry.sample (ts, value, point_id, community_id) VALUES (%s, %s, %s, %s)",
                    [hour + timedelta(minutes=59), value, device.points["volume"].id, device.community_id],
                )
            values = [self.main.community_id, hour]
            link.execute("INSERT INTO telemetry.rollup_dirty (community_id, bucket) VALUES (%s, %s)", values)

    def verdicts(self) -> int:
        """Reports under way."""
        return int(self.bench.query("SELECT count(*) FROM hub.report WHERE key LIKE 'hour:%%'")[0][0])

    async def pass_hour(self) -> bool:
        self.bench.clock.advance(3600)
        await self.roll_up()
        stepped = await self.runner.step(self.main.community_id)
        await tell(self.bench)
        return stepped


async def test_a_loss_is_one_alarm_with_its_price_and_returns(database_url: str, config: Path) -> None:
    async with make_bench(database_url, config_dir=config) as bench:
        hours = Hours(bench)
        for number in range(4):
            hours.write_all(NOON + timedelta(hours=number - 1), number, loss=0.7)
        bench.clock.advance(600)
        await hours.runner.step(hours.main.community_id)  # the hour before noon: nothing to compare it with
        assert bench.query(ALARMS) == []
        await hours.pass_hour()
        assert bench.query(ALARMS) == [], "one hour of loss"
        await hours.pass_hour()
        assert bench.query(ALARMS) == [("active_unacknowledged", 1, 287)], "0.7 m³ at 4.10 yuan"
        await hours.pass_hour()
        assert bench.query(ALARMS)[0][:2] == ("active_unacknowledged", 1)
        hours.write(
            NOON + timedelta(hours=3),
            {**{home.code: 0.04 for home in hours.homes}, "wm-b1-main": 0.01 * 4 * len(hours.homes) + 0.7 * 3},
        )
        await hours.pass_hour()
        assert bench.query(ALARMS)[0][0] == "returned_unacknowledged"


async def test_an_hour_is_judged_once_and_hours_missed_are_made_up_for(database_url: str, config: Path) -> None:
    async with make_bench(database_url, config_dir=config) as bench:
        hours = Hours(bench)
        for number in range(5):
            hours.write_all(NOON + timedelta(hours=number - 1), number, loss=0.7)
        bench.clock.advance(600)
        community = hours.main.community_id
        assert await hours.runner.step(community)
        assert not await hours.runner.step(community)
        bench.clock.advance(4 * 3600)  # nobody was there for four hours
        steps = 0
        while await hours.runner.step(community):
            steps += 1
        assert steps == 4
        await tell(bench)
        assert bench.query(ALARMS)[0][:2] == ("active_unacknowledged", 1)


async def test_a_home_that_was_not_heard_leaves_the_balance_open(database_url: str, config: Path) -> None:
    async with make_bench(database_url, config_dir=config) as bench:
        hours = Hours(bench)
        for number in range(4):
            hour = NOON + timedelta(hours=number - 1)
            silent = {home.code: 0.01 * number for home in hours.homes[1:]}
            hours.write(hour, {**silent, "wm-b1-main": 5.0 * number})
        bench.clock.advance(600)
        await hours.runner.step(hours.main.community_id)
        for _ in range(3):
            await hours.pass_hour()
        assert bench.query(ALARMS) == []


async def test_a_register_that_rolls_over_goes_on_and_one_set_back_says_nothing(
    database_url: str, config: Path
) -> None:
    async with make_bench(database_url, config_dir=config) as bench:
        hours = Hours(bench)
        homes = [home.code for home in hours.homes]
        readings = {0: 99_999.5, 1: 0.2, 2: 0.9}  # over 100 000 m³
        for number, main in readings.items():
            hours.write(NOON + timedelta(hours=number - 1), {**dict.fromkeys(homes, 0.0), "wm-b1-main": main})
        bench.clock.advance(600)
        await hours.runner.step(hours.main.community_id)
        await hours.pass_hour()
        await hours.pass_hour()
        assert bench.query(ALARMS) == [("active_unacknowledged", 1, 287)]


async def test_neither_wrong_tariffs_nor_a_fault_at_one_meter_keep_a_loss_from_being_told(
    database_url: str, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_price(*_: object) -> Decimal | None:
        raise Misconfigured("the tariff file contradicts what was billed")

    judge = HourlyAnalysis.judge

    def breaks(self: HourlyAnalysis, device: Device, *rest: Any) -> Finding | None:
        if device.code == "wm-b2-main":
            raise TypeError("a fault of ours")
        return judge(self, device, *rest)

    monkeypatch.setattr(HourlyAnalysis, "judge", breaks)
    async with make_bench(database_url, config_dir=config) as bench:
        hours = Hours(bench)
        hours.runner._price_at = lambda: no_price
        for number in range(4):
            hours.write_all(NOON + timedelta(hours=number - 1), number, loss=0.7)
        bench.clock.advance(600)
        with capture_logs() as logs:
            await hours.runner.step(hours.main.community_id)
            for _ in range(2):
                assert await hours.pass_hour()
        assert bench.query(ALARMS) == [("active_unacknowledged", 1, None)]
        assert {line["device"] for line in logs if line["log_level"] == "error"} == {"wm-b2-main"}


async def test_a_back_test_judges_stored_hours_as_the_hub_did(database_url: str, config: Path) -> None:
    """The same alarms, beginnings, ends and prices as live, for a rule nobody has enabled too."""
    async with make_bench(database_url, config_dir=config) as bench:
        hours = Hours(bench)
        bench.hub.context.ports["billing.price_at"] = hours.price_at
        for number in range(6):
            hours.write_all(NOON + timedelta(hours=number - 1), number, loss=0.7)
        flow = {home.code: 0.06 for home in hours.homes}
        hours.write(NOON + timedelta(hours=5), flow | {"wm-b1-main": 0.06 * len(flow) + 0.7 * 5})
        bench.clock.advance(600)
        await hours.runner.step(hours.main.community_id)
        for _ in range(6):
            await hours.pass_hour()
        live = bench.query(
            "SELECT raised_at, returned_at, cost_fen FROM hub.alarm WHERE rule = 'water-loss' ORDER BY raised_at"
        )
        result = await tried(bench, RULE)
        found = [(one["from"], one["to"], one["cost_fen"]) for one in result["raised"]]
        assert [(begin.isoformat(), end.isoformat(), cost) for begin, end, cost in live] == found
        assert (found[0][2], result["cost_fen"], result["same"]) == (287, 287, 1)
        assert (await tried(bench, RULE.replace("above: 0.2", "above: 0.8")))["raised"] == []


async def tried(bench: Bench, text: str) -> dict[str, Any]:
    book = bench.hub.context.rulebook
    assert book is not None
    one = await book.start_backtest(Principal("user:li", bench.device("wm-b1-main").community_id, "engineer"), text, 1)
    assert one.task is not None
    await one.task
    assert one.state == "done", one.error
    return one.result


async def settle(hours: Hours) -> None:
    """Whatever is due is judged, and what it says is stored."""
    await hours.roll_up()
    while await hours.runner.step(hours.main.community_id):
        pass
    await tell(hours.bench)


async def test_a_loss_in_readings_that_came_late_is_history_and_told_once(database_url: str, config: Path) -> None:
    (config / "rules" / "loss.yaml").write_text(ONCE)
    async with make_bench(database_url, config_dir=config) as bench:
        hours = Hours(bench)
        for number in range(8):
            homes = {home.code: 0.01 * number for home in hours.homes}
            lost = 0.7 if number in (2, 3) else 0.0  # drawn from nobody in hour 2, given back in hour 4
            main = {"wm-b1-main": 0.01 * number * len(homes) + lost}
            hours.hear(NOON + timedelta(hours=number - 1), homes | (main if number not in (2, 3) else {}))
        bench.clock.advance(600)
        await hours.roll_up()
        await settle(hours)
        for _ in range(6):
            await hours.pass_hour()
        assert bench.query(ALARMS) == [], "two hours of the main meter are not known"
        at = NOON + timedelta(hours=1)
        hours.hear(at, {"wm-b1-main": 0.02 * len(hours.homes) + 0.7})
        hours.hear(at + timedelta(hours=1), {"wm-b1-main": 0.03 * len(hours.homes) + 0.7})
        await settle(hours)
        told = "SELECT state, count, cost_fen, historical, raised_at FROM hub.alarm WHERE rule = 'water-loss'"
        found = bench.query(told)
        assert [row[:4] for row in found] == [("returned_unacknowledged", 1, 287, True)]
        assert found[0][4] == at + timedelta(hours=1)
        hours.hear(at + timedelta(hours=2), {})  # rolled up again, all as it was
        await settle(hours)
        assert bench.query(told) == found
        assert hours.verdicts() == 0, "nothing is said twice"


async def test_an_hour_is_not_judged_while_it_still_fills(database_url: str, config: Path) -> None:
    async with make_bench(database_url, config_dir=config) as bench:
        hours = Hours(bench)
        bench.clock.advance(600)
        await hours.roll_up()
        assert await hours.runner.step(hours.main.community_id)
        bench.clock.advance(3600)
        hours.hear(NOON, {"wm-b1-main": 1.0})
        assert not await hours.runner.step(hours.main.community_id), "its roll-up has not followed"
        await hours.roll_up()
        assert await hours.runner.step(hours.main.community_id)
        bench.clock.advance(3600)
        hours.hear(NOON + timedelta(hours=1), {"wm-b1-main": 1.0})
        assert not await hours.runner.step(hours.main.community_id)
        bench.clock.advance(1900)
        assert await hours.runner.step(hours.main.community_id), "one wrong clock does not hold it up for ever"


async def test_a_hub_that_just_began_lets_the_backlog_come_in_first(database_url: str, config: Path) -> None:
    async with make_bench(database_url, config_dir=config) as bench:
        hours = Hours(bench)
        bench.clock.advance(600)
        await hours.roll_up()
        running = asyncio.create_task(hours.runner.run())
        await asyncio.sleep(0)
        assert not await hours.runner.step(hours.main.community_id)
        running.cancel()
        bench.clock.advance(301)
        assert await hours.runner.step(hours.main.community_id)
