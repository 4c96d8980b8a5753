"""The pipeline over a real PostgreSQL: stopped and started again, and clocks that are set."""

from hub.clock import to_us
from tests.integration.pipeline_bench import NOON, BenchClock, make_bench


async def test_a_rules_memory_survives_a_restart_to_the_second(database_url: str) -> None:
    clock = BenchClock(NOON)
    async with make_bench(database_url, clock=clock) as bench:
        await bench.feed(bench.door_state(1, "open"))
        clock.advance(40)
        await bench.feed()
    async with make_bench(database_url, clock=clock) as bench:
        clock.advance(19)
        await bench.feed()
        assert bench.query("SELECT count(*) FROM hub.alarm WHERE rule = 'door-held-open'") == [(0,)]
        clock.advance(2)
        await bench.feed()
        [(raised_at, state)] = bench.query("SELECT raised_at, state FROM hub.alarm WHERE rule = 'door-held-open'")
        assert state == "active_unacknowledged"
        assert to_us(raised_at) == to_us(NOON) + 60_000_000


async def test_what_was_said_while_the_hub_was_away_is_heard_before_it_raises(database_url: str) -> None:
    clock = BenchClock(NOON)
    async with make_bench(database_url, clock=clock) as bench:
        await bench.feed(bench.door_state(1, "open"))
    clock.advance(300)
    async with make_bench(database_url, clock=clock) as bench:
        await bench.feed()
        clock.advance(1)
        await bench.feed(bench.door_state(2, "closed", ago_s=250))
        clock.advance(600)
        await bench.feed()
        assert bench.query("SELECT count(*) FROM hub.alarm WHERE rule = 'door-held-open'") == [(0,)]


async def test_j14_what_began_and_ended_while_the_hub_was_away_is_an_alarm_of_then(database_url: str) -> None:
    """Killed once more while it catches up; the second half of what was said comes after that."""
    clock = BenchClock(NOON)
    async with make_bench(database_url, clock=clock) as bench:
        await bench.feed(bench.door_state(1, "closed"))
    clock.advance(3600)
    opened = "SELECT raised_at, returned_at, historical FROM hub.alarm WHERE rule = 'door-held-open'"
    async with make_bench(database_url, clock=clock) as bench:
        clock.advance(1)
        await bench.feed(bench.door_state(2, "open", ago_s=3001))
        assert bench.query(opened) == [], "nobody knows yet how it went on"
        assert bench.query("SELECT until FROM hub.heard_until") == [(NOON,)], "not all is heard"
    clock.advance(5)
    async with make_bench(database_url, clock=clock) as bench:
        clock.advance(1)
        await bench.feed(bench.door_state(3, "closed", ago_s=1007))
        [(raised, returned, historical)] = bench.query(opened)
        assert (raised - NOON).total_seconds() == 600 + 60
        assert (returned - NOON).total_seconds() == 2600
        assert historical
        clock.advance(60)
        await bench.feed()
        assert bench.query("SELECT until FROM hub.heard_until") == [(clock.now(),)]


async def test_a14_a_quiet_site_knows_how_long_it_was_away(database_url: str) -> None:
    """Nothing is said for an hour but the clock goes on; then a short restart."""
    clock = BenchClock(NOON)
    async with make_bench(database_url, clock=clock) as bench:
        await bench.feed(bench.door_state(1, "closed"))
        door = bench.device("door-b1-u1")
        after = (door.profile.silent_after or door.kind.silent_after).total_seconds()
        clock.advance(after - 10)
        await bench.feed()
        assert bench.query("SELECT until FROM hub.heard_until") == [(clock.now(),)]
        clock.advance(6)
    async with make_bench(database_url, clock=clock) as bench:
        clock.advance(3)
        await bench.feed()
        silent = "SELECT count(*) FROM hub.alarm JOIN hub.device d ON d.id = device_id" \
                 " WHERE rule = 'device-silent' AND d.code = 'door-b1-u1'"  # fmt: skip
        assert bench.query(silent) == [(0,)]
        clock.advance(5)
        await bench.feed()
        assert bench.query(silent) == [(1,)]


async def test_n09_a_clock_set_forward_makes_nobody_silent(database_url: str) -> None:
    async with make_bench(database_url) as bench:
        await bench.feed(bench.door_state(1, "closed"))
        bench.clock.advance(1)
        await bench.feed()
        bench.clock.step(3600)
        for n in range(30):
            bench.clock.advance(1)
            await bench.feed(*([bench.door_state(2 + n, "closed")] if n % 10 == 0 else []))
        assert bench.query("SELECT count(*) FROM hub.alarm") == [(0,)]


async def test_n09_a_clock_set_back_makes_nothing_late(database_url: str) -> None:
    async with make_bench(database_url) as bench:
        await bench.feed(bench.door_state(1, "closed"))
        bench.clock.step(-3600)
        bench.clock.advance(5)
        await bench.feed()
        bench.clock.advance(5)
        await bench.feed(bench.door_state(2, "open"))
        bench.clock.advance(61)
        await bench.feed()
        point = bench.device("door-b1-u1").points["open"].id
        assert bench.query("SELECT value, quality FROM telemetry.point_last WHERE point_id = %s", point) == [(1.0, 0)]
        assert bench.query("SELECT count(*) FROM hub.alarm WHERE rule = 'door-held-open'") == [(1,)]
