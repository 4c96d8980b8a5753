"""The alarm book against its reference, and under concurrency, over a real PostgreSQL."""

import asyncio
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.alarms import book
from hub.alarms.model import Action, State, transition
from hub.decisions import AlarmChange
from hub.errors import Refused
from hub.principal import Principal, Role
from hub.store.database import NotThere, connect_ingest
from hub.vocabulary.base import Text
from tests.integration.pipeline_bench import Bench, make_bench

STATES: list[State] = ["normal", "active_unacknowledged", "active_acknowledged", "returned_unacknowledged"]


def reference(active: bool, acknowledged: bool) -> State:
    """ISA-18.2 by its two facts: is the condition there, has somebody seen it."""
    if active:
        return "active_acknowledged" if acknowledged else "active_unacknowledged"
    return "normal" if acknowledged else "returned_unacknowledged"


@given(st.lists(st.sampled_from(["raise", "return", "acknowledge"]), max_size=60))
def test_a01_the_state_machine_agrees_with_the_two_facts(actions: list[Action]) -> None:
    state: State = "normal"
    active, acknowledged = False, True
    for action in actions:
        if action == "raise" and not active:
            active, acknowledged = True, False
        elif action == "return":
            active = False
        elif action == "acknowledge":
            acknowledged = True
        state = transition(state, action)
        assert state == reference(active, acknowledged)


def change(bench: Bench, action: Any, code: str = "pump-1") -> AlarmChange:
    word = Text(zh="超压", en="over")
    return AlarmChange(action, "pump-over-pressure", bench.device(code), "high", word, bench.clock.now_us(), word, None)


def guard(bench: Bench, role: Role = "guard", name: str = "li") -> Principal:
    return Principal(f"user:{name}", bench.hub.communities["demo"], role)


async def apply(bench: Bench, *changes: AlarmChange) -> None:
    connection = await connect_ingest(bench.url, bench.hub.communities.values())
    async with connection.transaction():
        await book.apply(connection, changes)
    await connection.close()


async def test_i10_the_same_condition_from_many_sides_at_once_is_one_live_alarm(database_url: str) -> None:
    async with make_bench(database_url) as bench:

        async def raise_until_it_is_in() -> None:
            while True:
                try:
                    await apply(bench, change(bench, "raise"))
                except psycopg.errors.UniqueViolation:
                    continue
                return

        await asyncio.gather(*(raise_until_it_is_in() for _ in range(12)))
        assert bench.query("SELECT count, state FROM hub.alarm") == [(12, "active_unacknowledged")]
        assert bench.query("SELECT count(*) FROM hub.alarm_history") == [(1,)]


async def test_an_alarm_lives_until_it_is_both_returned_and_acknowledged_and_then_a_new_one_may_come(
    database_url: str,
) -> None:
    async with make_bench(database_url) as bench:
        await apply(bench, change(bench, "raise"), change(bench, "return"), change(bench, "raise"))
        [(number, count)] = bench.query("SELECT id, count FROM hub.alarm")
        assert count == 2
        alarm = await bench.hub.context.alarms.acknowledge(guard(bench), number, "seen")
        assert alarm["state"] == "active_acknowledged"
        await apply(bench, change(bench, "return"))
        assert bench.query("SELECT state FROM hub.alarm") == [("normal",)]
        await apply(bench, change(bench, "return"), change(bench, "raise"))
        assert [state for (state,) in bench.query("SELECT state FROM hub.alarm ORDER BY id")] == [
            "normal", "active_unacknowledged"
        ]  # fmt: skip
        shown = await bench.hub.context.alarms.show(guard(bench), number)
        rule, li = "rule:pump-over-pressure", "user:li"
        assert [(step["to_state"], step["actor"]) for step in shown["history"]] == [
            ("active_unacknowledged", rule), ("returned_unacknowledged", rule), ("active_unacknowledged", rule),
            ("active_acknowledged", li), ("normal", rule),
        ]  # fmt: skip


async def test_a10_two_guards_at_once_one_wins_and_both_are_told_who(database_url: str) -> None:
    async with make_bench(database_url) as bench:
        await apply(bench, change(bench, "raise"))
        [(number,)] = bench.query("SELECT id FROM hub.alarm")
        desk = bench.hub.context.alarms
        answers = await asyncio.gather(*(desk.acknowledge(guard(bench, name=f"g{n}"), number) for n in range(8)))
        assert len({answer["acknowledged_by"] for answer in answers}) == 1
        assert bench.query("SELECT count(*) FROM hub.alarm_history WHERE to_state = 'active_acknowledged'") == [(1,)]
        assert bench.query("SELECT count(*) FROM hub.audit WHERE action = 'alarm.acknowledge'") == [(1,)]


@pytest.mark.parametrize("role", ["viewer", "finance"])
async def test_who_may_not_acknowledge_is_refused(database_url: str, role: Role) -> None:
    async with make_bench(database_url) as bench:
        await apply(bench, change(bench, "raise"))
        [(number,)] = bench.query("SELECT id FROM hub.alarm")
        with pytest.raises(Refused, match="acknowledge"):
            await bench.hub.context.alarms.acknowledge(guard(bench, role), number)
        assert bench.query("SELECT state FROM hub.alarm") == [("active_unacknowledged",)]


async def test_another_communitys_alarm_is_not_there(database_url: str) -> None:
    async with make_bench(database_url) as bench:
        await apply(bench, change(bench, "raise"))
        [(number,)] = bench.query("SELECT id FROM hub.alarm")
        stranger = Principal("user:x", 4711, "admin")
        with pytest.raises(NotThere):
            await bench.hub.context.alarms.acknowledge(stranger, number)
        with pytest.raises(NotThere):
            await bench.hub.context.alarms.show(stranger, number)
        assert await bench.hub.context.alarms.recent(stranger, live=False) == []
