"""A13 by the whole way: readings, two rules that answer each other, jobs, the command desk, a driver, the device."""

import asyncio
import json
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from hub.jobs import job_app, run_jobs
from hub.model import Arrival, CommandRequest, Receipt
from tests.integration.pipeline_bench import Bench, make_bench

SITE = """\
community: {code: demo, name: {zh: 测试, en: Test}, time_zone: Asia/Shanghai}
buses:
  mqtt-main: {protocol: mqtt, url: "mqtt://127.0.0.1:1", client_id: test}
places:
  - {path: gate, kind: building, name: {zh: 门, en: Gate}}
devices:
  - {id: arm, name: {zh: 道闸, en: Barrier}, profile: heyue-bg100, place: gate, bus: mqtt-main, address: {device: arm}}
"""


def rule(name: str, shows: str, command: str) -> dict[str, object]:
    return {
        "rule": name, "title": {"zh": name, "en": name}, "when": {"kinds": ["barrier"]}, "priority": "low",
        "threshold": {"point": "position", "equals": shows}, "command": {"name": command, "reason": "it moved"},
        "text": {"zh": "$value", "en": "$value"},
        "examples": [{"name": "yes", "steps": [{"at": "0s", "point": {"position": shows}, "expect": ["raised"]}]},
                     {"name": "not", "steps": [{"at": "0s"}]}],
    }  # fmt: skip


class Barrier:
    """A driver whose device does at once what it is told."""

    def __init__(self) -> None:
        self.sent: asyncio.Queue[str] = asyncio.Queue()

    async def execute(self, command: CommandRequest) -> Receipt:
        await self.sent.put(command.name)
        return Receipt(True, "taken")


def shows(bench: Bench, number: int, arm: str) -> Arrival:
    now = datetime.fromtimestamp(bench.clock.now_us() / 1e6, ZoneInfo("Asia/Shanghai")).replace(tzinfo=None)
    said = {"time": now.isoformat(timespec="milliseconds"), "no": number, "arm": arm}
    return bench.arrival("community/demo/barrier/arm/state", said)


async def test_a13_two_rules_that_answer_each_other_move_a_barrier_ten_times(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "sites").mkdir()
    (tmp_path / "rules").mkdir()
    (tmp_path / "sites/demo.yaml").write_text(SITE, "utf-8")
    rules = {"rules": [rule("closes", "open", "close"), rule("opens", "closed", "open")]}
    (tmp_path / "rules/circle.yaml").write_text(json.dumps(rules), "utf-8")
    async with make_bench(database_url, config_dir=tmp_path) as bench:
        barrier = Barrier()
        bench.hub._drivers["demo/mqtt-main"] = barrier  # type: ignore[assignment]
        tasks = {"hub.command": bench.hub.context.commands.carry_out_wish}
        work = asyncio.create_task(run_jobs(job_app(database_url, tasks), bench.clock))
        arm, moves = "up", 0
        try:
            while True:
                bench.clock.advance(1)
                await bench.feed(shows(bench, moves + 1, arm))
                if bench.query("SELECT FROM hub.alarm WHERE rule = 'rule-disabled'"):
                    break
                async with asyncio.timeout(100):
                    arm = {"open": "up", "close": "down"}[await barrier.sent.get()]
                moves += 1
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
        assert (moves, barrier.sent.qsize()) == (10, 0)
        assert bench.query("SELECT count(*), min(count) FROM hub.alarm WHERE rule = 'rule-disabled'") == [(1, 1)]
        assert bench.query("SELECT count(*) FROM hub.command") == [(10,)]
