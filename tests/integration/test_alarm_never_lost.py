"""Nobody keeps silent for want of somebody who asks: whatever is unacknowledged was heard, or will be."""

from tests.integration.alarm_bench import make_alarms

METERS = [f"em-b1-{n:03d}" for n in range(1, 31)]


async def test_a_latched_alarm_that_comes_back_after_it_was_acknowledged_calls_at_once(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        for code, safety in (("smoke-1", True), ("pump-1", False)):
            await bench.apply(bench.change("raise", code, "fire", latch=True, life_safety=safety))
            [(number,)] = bench.query("SELECT max(id) FROM hub.alarm")
            bench.clock.advance(20)
            await bench.desk.acknowledge(bench.person(), number)
            bench.clock.advance(10)
            await bench.apply(bench.change("return", code, "fire", latch=True))
            bench.clock.advance(15)
            outcome = await bench.apply(bench.change("raise", code, "fire", latch=True))
            assert outcome.urgent == {number}
            assert len([job for job in bench.jobs("alarm_annunciated") if job["alarm_id"] == number]) == 2
