"""Consumption by the outdoor temperature over the stored hours of a real database: a cold wave and a waste."""

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.integration.pipeline_bench import NOON, Bench, make_bench
from tests.integration.test_analyses import Hours, settle, tried

RULE = """\
rule: weather-unusual
title: {zh: 用电异常, en: Unusual use}
when: {kinds: [electricity_meter]}
hourly:
  analysis: unusual
  point: energy_import
  weather: {kinds: [environment_sensor], point: temperature}
  above: 3
  sigma: 6
priority: low
text: {zh: "$device 用电 $value，预期 $expected，$cost。", en: "$device used $value, expected $expected, $cost."}
examples:
  - {name: One odd hour raises, steps: [{at: 0h, verdict: {active: true}, expect: [raised]}]}
  - {name: One that is right does not, steps: [{at: 0h, verdict: {active: false}}]}
"""
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HEATED, WASTES = "em-b1-001", "em-b1-002"
TOLD = """SELECT d.code, a.state, a.cost_fen, a.text FROM hub.alarm a JOIN hub.device d ON d.id = a.device_id
          WHERE a.rule = 'weather-unusual' ORDER BY d.code"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "weather.yaml").write_text(RULE, encoding="utf-8")
    return tmp_path


class Winter(Hours):
    """Eight weeks of noons in which homes are heated below 16 ℃: mild Saturdays, and today it is 6 ℃."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench)

        async def price_at(community: int, commodity: str, day: Any) -> Decimal | None:
            return Decimal("0.50") if commodity == "electricity" else None

        self.price_at = price_at
        self.runner._price_at = lambda: price_at

    def fill(self, today: dict[str, float]) -> None:
        """What was stored; today's noon has the uses given and, for now, no temperature."""
        for back in range(1, 57):
            warm = 4.0 + back * 5 % 17 if back % 7 else 16.0 + back % 3
            self._noon(back, dict.fromkeys(today, 5 + 0.8 * max(16 - warm, 0)))
            self._hour(NOON - back * DAY, "env-1", "temperature", warm)
            self._hour(NOON - back * DAY, "env-2", "temperature", 18.0)
        self._noon(0, today)

    def warm(self, value: float, code: str = "env-1") -> None:
        self._hear(NOON, code, value)

    def _noon(self, back: int, uses: dict[str, float]) -> None:
        for code, use in uses.items():
            register = 100_000.0 - back * 100
            self._hour(NOON - back * DAY - HOUR, code, "energy_import", register)
            self._hour(NOON - back * DAY, code, "energy_import", register + use)

    def _hour(self, hour: datetime, code: str, point: str, value: float) -> None:
        device = self.bench.device(code)
        with psycopg.connect(self.bench.url) as link:
            link.execute(
                "INSERT INTO telemetry.sample_1h (bucket, point_id, community_id, n, vsum, vmin, vmax, vfirst, vlast)"
                " VALUES (%s, %s, %s, 1, %s, %s, %s, %s, %s)",
                [hour, device.points[point].id, device.community_id, *[value] * 5],
            )

    def _hear(self, hour: datetime, code: str, value: float) -> None:
        """Half-hourly readings around a mean, as the pipeline stores them."""
        device = self.bench.device(code)
        with psycopg.connect(self.bench.url) as link:
            link.execute("SELECT telemetry.ensure_day(%s)", [hour.date()])
            for minute, off in ((10, -0.5), (40, 0.5)):
                link.execute(
                    "INSERT INTO telemetry.sample (ts, value, point_id, community_id) VALUES (%s, %s, %s, %s)",
                    [hour + timedelta(minutes=minute), value + off, device.points["temperature"].id,
                     device.community_id],
                )  # fmt: skip
            values = [device.community_id, hour]
            link.execute("INSERT INTO telemetry.rollup_dirty (community_id, bucket) VALUES (%s, %s)", values)

    def told(self) -> dict[str, tuple[str, int, dict[str, str]]]:
        return {code: (state.split("_")[0], cost, text) for code, state, cost, text in self.bench.query(TOLD)}


async def test_a_cold_wave_is_no_anomaly_and_a_waste_in_it_is(database_url: str, config: Path) -> None:
    async with make_bench(database_url, config_dir=config) as bench:
        hours = Winter(bench)
        bench.hub.context.ports["billing.price_at"] = hours.price_at
        hours.fill({HEATED: 13.0, WASTES: 19.0})
        hours.warm(6.0)
        hours.warm(30.0, "env-2")  # the garage says nothing of the weather
        bench.clock.advance(600)
        await settle(hours)
        assert await hours.pass_hour()
        told = hours.told()
        assert told.keys() == {WASTES}
        state, cost, text = told[WASTES]
        assert (state, cost) == ("active", 300), "6 kWh at 0.50 yuan"
        assert "用电 19 kWh，预期 13 ± " in text["zh"] and "室外 6.0 ℃" in text["zh"] and "3.00 元" in text["zh"]
        result = await tried(bench, RULE)
        assert [(one["device"], one["cost_fen"], one["text"]) for one in result["raised"]] == [(WASTES, 300, text)]
        assert result["same"] == 1


async def test_a_temperature_that_comes_late_ends_what_was_only_the_weather(database_url: str, config: Path) -> None:
    async with make_bench(database_url, config_dir=config) as bench:
        hours = Winter(bench)
        hours.fill({HEATED: 13.0, WASTES: 19.0})
        bench.clock.advance(600)
        await settle(hours)
        assert await hours.pass_hour()
        told = hours.told()
        assert {code: (state, cost) for code, (state, cost, _) in told.items()} == {
            HEATED: ("active", 400), WASTES: ("active", 700),
        }  # fmt: skip
        assert "未按气温修正：本小时没有气温" in told[HEATED][2]["zh"]
        hours.warm(6.0)
        await settle(hours)
        assert {code: state for code, (state, *_) in hours.told().items()} == {HEATED: "returned", WASTES: "active"}


async def test_a_site_without_an_outdoor_sensor_is_judged_as_before(database_url: str, config: Path) -> None:
    site = (Path(__file__).parents[2] / "config" / "sites" / "demo.yaml").read_text(encoding="utf-8")
    (config / "sites").mkdir()
    for name in ("demo.places.csv", "demo.devices.csv"):
        (config / "sites" / name).write_bytes((Path(__file__).parents[2] / "config" / "sites" / name).read_bytes())
    (config / "sites" / "demo.yaml").write_text(site.replace("outdoors: true, ", ""), encoding="utf-8")
    async with make_bench(database_url, config_dir=config) as bench:
        hours = Winter(bench)
        hours.fill({HEATED: 13.0, WASTES: 5.0})
        hours.warm(6.0)
        bench.clock.advance(600)
        await settle(hours)
        assert await hours.pass_hour()
        told = hours.told()
        assert told.keys() == {HEATED}
        assert "未按气温修正：没有室外温度传感器" in told[HEATED][2]["zh"]
