"""Life safety goes ahead of a flood, with the real rules, alarm book and store."""

from typing import Any

from hub.model import Arrival
from tests.integration.pipeline_bench import NOON, Bench, make_bench

FLOOD = 60


def smoke(bench: Bench, kind: str, number: int, code: str = "smoke-1") -> Arrival:
    payload: dict[str, Any] = {"event": kind, "t": int(NOON.timestamp()), "n": number}
    return bench.arrival(f"community/demo/smoke/{code}/event", payload, urgent=True)


async def test_fire_is_stored_before_the_flood_that_came_first(database_url: str) -> None:
    async with make_bench(database_url) as bench:
        queue, told = bench.hub.queue, []
        queue.offer([bench.door("forced", n) for n in range(FLOOD)])
        bench.clock.advance(3)
        queue.offer([smoke(bench, "ALARM", 1)])
        while batch := await queue.take(20, 0.0, bench.clock.now_us()):
            await bench.hub.pipeline.settle(batch)
            told.append([rule for (rule,) in bench.query("SELECT rule FROM hub.alarm ORDER BY id")])
        assert told[0] == ["smoke-alarm"]
        assert told[-1] == ["smoke-alarm", "door-forced"] and len(told) == 4
        assert bench.query("SELECT count(*) FROM telemetry.event") == [(FLOOD + 1,)]
        assert sorted(token for _, token in bench.ears.heard) == list(range(1, FLOOD + 2))
