"""The pipeline, the upkeep of two hubs and guards at work on the same alarms: the book stays right."""

import asyncio
import random
from collections import Counter
from typing import Any

import psycopg

from hub.alarms.annunciation import BUDGET
from hub.alarms.model import transition
from tests.integration.alarm_bench import AlarmBench, make_alarms

CODES = [f"em-b1-{n:03d}" for n in range(1, 31)]
_CONFLICT = (psycopg.errors.UniqueViolation, psycopg.errors.DeadlockDetected)


async def until_it_is_in(work: Any) -> Any:
    """As the pipeline and people do: try again after a conflict."""
    while True:
        try:
            return await work()
        except _CONFLICT:
            continue


async def flood(bench: AlarmBench, seed: int, batches: int, counts: Counter[str]) -> None:
    chance = random.Random(seed)
    for _ in range(batches):
        picked = chance.sample(CODES, 12)
        changes = [bench.change(chance.choice(["raise", "raise", "return"]), code) for code in picked]
        parent = bench.change(chance.choice(["raise", "return"]), "env-1", "lost", suppresses=True)
        await until_it_is_in(lambda changes=changes, parent=parent: bench.apply(*changes, parent))
        counts.update(change.device.code for change in changes if change.action == "raise")
        bench.clock.advance(1)


async def guard(bench: AlarmBench, name: str, stop: asyncio.Event) -> None:
    who = bench.person(name=name)
    while not stop.is_set():
        rows = await bench.desk.recent(who, view="all")
        if ids := [row["id"] for row in rows][:20]:
            await until_it_is_in(lambda ids=ids: bench.desk.acknowledge_many(who, ids))
        await asyncio.sleep(0.01)


async def test_many_hands_at_once_leave_the_book_right(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        bench.below("env-1", *CODES[:10])
        counts: Counter[str] = Counter()
        stop, second = asyncio.Event(), bench.make_upkeep()

        async def tick(upkeep: Any) -> None:
            while not stop.is_set():
                await until_it_is_in(upkeep.tick)
                await asyncio.sleep(0.01)

        helpers = [asyncio.create_task(work) for work in (
            tick(bench.upkeep), tick(second), guard(bench, "li", stop), guard(bench, "wang", stop))]  # fmt: skip
        await asyncio.gather(*(flood(bench, seed, 25, counts) for seed in range(3)))
        stop.set()
        await asyncio.gather(*helpers)
        await second.close()
        rows = bench.query("SELECT d.code, sum(a.count)::int FROM hub.alarm a JOIN hub.device d ON d.id = a.device_id"
                           " WHERE a.rule = 'over' GROUP BY 1")  # fmt: skip
        assert dict(rows) == dict(counts)
        history_is_a_walk(bench)
        assert all(used <= BUDGET for (used,) in bench.query(
            "SELECT count(*) OVER (ORDER BY at RANGE BETWEEN CURRENT ROW AND '599 seconds' FOLLOWING)"
            " FROM hub.annunciation WHERE NOT life_safety"))  # fmt: skip


def history_is_a_walk(bench: AlarmBench) -> None:
    """Each alarm's history is a walk of the state machine that ends where the alarm stands."""
    standing = dict(bench.query("SELECT id, state FROM hub.alarm"))
    state: dict[int, Any] = {}
    for alarm, action, before, after in bench.query(
        "SELECT alarm_id, action, from_state, to_state FROM hub.alarm_history ORDER BY id"
    ):
        assert (before or "normal") == state.get(alarm, "normal"), (alarm, action)
        if action in ("raise", "return", "acknowledge"):
            assert after == transition(before or "normal", action)
        state[alarm] = after
    assert state == standing
