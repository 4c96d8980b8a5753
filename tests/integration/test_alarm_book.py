"""The alarm book under concurrency and over batches, over a real PostgreSQL."""

import asyncio

import psycopg
import pytest

from hub.alarms.model import transition
from hub.clock import from_us, to_us
from hub.errors import Refused
from hub.principal import Principal, Role
from hub.store.database import NotThere
from tests.integration.alarm_bench import NOON, make_alarms


async def test_i10_the_same_condition_from_many_sides_at_once_is_one_live_alarm(database_url: str) -> None:
    async with make_alarms(database_url) as bench:

        async def raise_until_it_is_in() -> None:
            while True:
                try:
                    await bench.apply(bench.change("raise"))
                except (psycopg.errors.UniqueViolation, psycopg.errors.DeadlockDetected):
                    continue
                return

        await asyncio.gather(*(raise_until_it_is_in() for _ in range(12)))
        assert bench.query("SELECT count, state FROM hub.alarm") == [(12, "active_unacknowledged")]
        assert bench.query("SELECT count(*) FROM hub.alarm_history") == [(1,)]
        assert bench.calls() == 1


async def test_a02_a_thousand_times_from_three_sources_is_one_alarm_with_the_right_count(database_url: str) -> None:
    async with make_alarms(database_url) as bench:

        async def source(batches: int, each: int) -> None:
            for _ in range(batches):
                while True:
                    try:
                        await bench.apply(*(bench.change("raise") for _ in range(each)))
                    except (psycopg.errors.UniqueViolation, psycopg.errors.DeadlockDetected):
                        continue
                    break

        await asyncio.gather(source(1, 333), source(9, 37), source(2, 167))
        assert bench.query("SELECT count, state FROM hub.alarm") == [(1000, "active_unacknowledged")]


async def test_an_alarm_lives_until_it_is_both_returned_and_acknowledged_and_then_a_new_one_may_come(
    database_url: str,
) -> None:
    async with make_alarms(database_url) as bench:
        await bench.apply(bench.change("raise"), bench.change("return"), bench.change("raise"))
        [(number, count)] = bench.query("SELECT id, count FROM hub.alarm")
        assert count == 2
        alarm = await bench.desk.acknowledge(bench.person(), number, "seen")
        assert alarm["state"] == "active_acknowledged"
        await bench.apply(bench.change("return"))
        assert bench.query("SELECT state FROM hub.alarm") == [("normal",)]
        await bench.apply(bench.change("return"), bench.change("raise"))
        assert [state for (state,) in bench.query("SELECT state FROM hub.alarm ORDER BY id")] == [
            "normal", "active_unacknowledged"
        ]  # fmt: skip
        shown = await bench.desk.show(bench.person(), number)
        rule, li = "rule:over", "user:li"
        assert [(step["to_state"], step["actor"], step["action"]) for step in shown["history"]] == [
            ("active_unacknowledged", rule, "raise"), ("returned_unacknowledged", rule, "return"),
            ("active_unacknowledged", rule, "raise"), ("active_acknowledged", li, "acknowledge"),
            ("normal", rule, "return"),
        ]  # fmt: skip


async def test_one_batch_ends_a_life_and_begins_the_next(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        await bench.apply(bench.change("raise"))
        [(number,)] = bench.query("SELECT id FROM hub.alarm")
        await bench.desk.acknowledge(bench.person(), number)
        outcome = await bench.apply(bench.change("return"), bench.change("raise"), bench.change("raise"))
        assert bench.query("SELECT state, count FROM hub.alarm ORDER BY id") == [
            ("normal", 1), ("active_unacknowledged", 2)
        ]  # fmt: skip
        assert [(one.from_state, one.to_state) for one in outcome.transitions] == [
            ("active_acknowledged", "normal"), ("normal", "active_unacknowledged")
        ]  # fmt: skip


async def test_a_batch_of_thousands_is_what_its_changes_are_one_by_one(database_url: str) -> None:
    """Every device flaps in its own rhythm; the book must say of each what the state machine says."""
    async with make_alarms(database_url) as bench:
        codes = sorted(device.code for device in bench.devices.values())[:150]
        changes, expected, counts = [], dict.fromkeys(codes, "normal"), dict.fromkeys(codes, 0)
        for turn in range(30):
            for place, code in enumerate(codes):
                action = "raise" if (turn * 7 + place * 13) % 5 < 3 else "return"
                changes.append(bench.change(action, code, at=to_us(NOON) + turn))
                if action == "raise":
                    counts[code] += 1
                expected[code] = transition(expected[code], action)  # type: ignore[arg-type]
        half = len(changes) // 2
        first, second = await bench.apply(*changes[:half]), await bench.apply(*changes[half:])
        rows = bench.query("SELECT d.code, a.state, a.count FROM hub.alarm a JOIN hub.device d ON d.id = a.device_id")
        assert {code: (state, count) for code, state, count in rows} == {
            code: (expected[code], counts[code]) for code in codes
        }
        written = bench.query("SELECT count(*) FROM hub.alarm_history WHERE action IN ('raise', 'return')")
        assert written == [(len(first.transitions) + len(second.transitions),)]


async def test_a_latched_alarm_stays_until_it_is_acknowledged_and_reset(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        await bench.apply(bench.change("raise", latch=True))
        [(number,)] = bench.query("SELECT id FROM hub.alarm")
        with pytest.raises(Refused, match="still holds"):
            await bench.desk.reset(bench.person(), number)
        await bench.apply(bench.change("return", latch=True))
        assert bench.query("SELECT state FROM hub.alarm") == [("latched_unacknowledged",)]
        with pytest.raises(Refused, match="acknowledge"):
            await bench.desk.reset(bench.person(), number)
        assert (await bench.desk.acknowledge(bench.person(), number))["state"] == "latched_acknowledged"
        assert (await bench.desk.reset(bench.person(), number, "checked"))["state"] == "normal"
        assert (await bench.desk.reset(bench.person(), number))["state"] == "normal"
        assert bench.query("SELECT action FROM hub.alarm_history ORDER BY id") == [
            ("raise",), ("return",), ("acknowledge",), ("reset",)
        ]  # fmt: skip


async def test_a_latched_alarm_that_rings_again_after_it_was_acknowledged_calls_anew(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        rings = [bench.change(action, latch=True) for action in ("raise", "return", "raise", "return")]
        first = await bench.apply(*rings)
        [(number,)] = bench.query("SELECT id FROM hub.alarm")
        await bench.desk.acknowledge(bench.person(), number)
        again = await bench.apply(bench.change("raise", latch=True))
        assert [(one.to_state, one.anew) for one in (*first.transitions, *again.transitions)] == [
            ("active_unacknowledged", True), ("latched_unacknowledged", False), ("active_unacknowledged", False),
            ("latched_unacknowledged", False), ("active_unacknowledged", True),
        ]  # fmt: skip


async def test_the_earliest_by_device_time_of_a_group_is_the_first_out(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        now = bench.clock.now_us()
        await bench.apply(
            bench.change("raise", "pump-2", at=now + 3_000_000, group="water"),
            bench.change("raise", "pump-3", at=now + 5_000_000, group="water"),
            bench.change("raise", "pump-4", at=now + 4_000_000),
        )
        first = "SELECT d.code FROM hub.alarm a JOIN hub.device d ON d.id = a.device_id WHERE first_out ORDER BY d.code"
        assert bench.query(first) == [("pump-2",)]
        await bench.apply(bench.change("raise", "pump-1", at=now, group="water"))  # it was the cause, and came late
        await bench.apply(bench.change("raise", "env-1", at=now + 60_000_000, group="water"))
        assert bench.query(first) == [("env-1",), ("pump-1",)]


async def test_a10_two_guards_at_once_one_wins_and_both_are_told_who(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        await bench.apply(bench.change("raise"))
        [(number,)] = bench.query("SELECT id FROM hub.alarm")
        answers = await asyncio.gather(*(bench.desk.acknowledge(bench.person(name=f"g{n}"), number) for n in range(8)))
        assert len({answer["acknowledged_by"] for answer in answers}) == 1
        assert bench.query("SELECT count(*) FROM hub.alarm_history WHERE to_state = 'active_acknowledged'") == [(1,)]
        assert bench.query("SELECT count(*) FROM hub.audit WHERE action = 'alarm.acknowledge'") == [(1,)]
        call = {"community_id": bench.community, "alarm_id": number, "annunciated_at": NOON.isoformat()}
        assert bench.jobs("alarm_annunciated") == bench.jobs("alarm_settled") == [call]


@pytest.mark.parametrize("role", ["viewer", "finance"])
async def test_who_may_not_acknowledge_is_refused(database_url: str, role: Role) -> None:
    async with make_alarms(database_url) as bench:
        await bench.apply(bench.change("raise"))
        [(number,)] = bench.query("SELECT id FROM hub.alarm")
        with pytest.raises(Refused, match="acknowledge"):
            await bench.desk.acknowledge(bench.person(role), number)
        assert bench.query("SELECT state FROM hub.alarm") == [("active_unacknowledged",)]


async def test_another_communitys_alarm_is_not_there(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        await bench.apply(bench.change("raise"))
        [(number,)] = bench.query("SELECT id FROM hub.alarm")
        stranger = Principal("user:x", 4711, "admin")
        until = from_us(bench.clock.now_us() + 60_000_000)
        for attempt in (
            bench.desk.acknowledge(stranger, number), bench.desk.show(stranger, number),
            bench.desk.acknowledge_many(stranger, [number]), bench.desk.reset(stranger, number),
            bench.desk.shelve(stranger, number, until, "x"), bench.desk.unshelve(stranger, number),
            bench.desk.assign(stranger, number, "x"), bench.desk.comment(stranger, number, "x"),
            bench.desk.log_step(stranger, number, 1),
        ):  # fmt: skip
            with pytest.raises(NotThere):
                await attempt
        assert await bench.desk.recent(stranger, live=False) == []
