"""Nobody keeps silent for want of somebody who asks: whatever is unacknowledged was heard, or will be."""

from datetime import timedelta
from typing import Any

import pytest

from hub.alarms import book
from hub.store.database import connect_ingest
from tests.integration.alarm_bench import AlarmBench, make_alarms

HOUR = timedelta(hours=1)
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


async def test_a_window_that_begins_does_not_close_what_returned_before_it(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        for latch in (False, True):
            code = "door-b1-u2" if latch else "door-b1-u1"
            await bench.apply(bench.change("raise", code, latch=latch), bench.change("return", code, latch=latch))
            for start in (0, 60):  # at once, and by the upkeep
                since = bench.clock.now() + timedelta(seconds=start)
                await bench.desk.plan_maintenance(
                    bench.person("engineer"), device_id=bench.device(code).id, since=since, until=since + HOUR,
                    reason="x", work_order="WO-1",
                )  # fmt: skip
        await bench.apply(bench.change("raise", "door-b1-u1", "other"))
        await bench.pass_time(65, 5)
        seen = {row["rule"] for row in await bench.desk.recent(bench.person())}
        assert seen == {"over"}
        await bench.apply(bench.change("return", "door-b1-u1", "other"))
        await bench.pass_time(3700, 100)
        assert bench.query("SELECT rule, state, suppression FROM hub.alarm ORDER BY id") == [
            ("over", "returned_unacknowledged", None), ("over", "latched_unacknowledged", None),
            ("other", "normal", None),
        ]  # fmt: skip


async def test_what_had_returned_when_it_was_shelved_is_there_again_after_the_shelf(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        await bench.apply(bench.change("raise"), bench.change("return"))
        [(number,)] = bench.query("SELECT id FROM hub.alarm")
        await bench.desk.shelve(bench.person(), number, bench.clock.now() + HOUR, "x")
        row = await bench.desk.unshelve(bench.person(), number)
        assert (row["state"], row["suppression"]) == ("returned_unacknowledged", None)


async def test_a_latched_alarm_that_came_and_went_in_a_window_is_heard_after_it(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        now = bench.clock.now()
        await bench.desk.plan_maintenance(
            bench.person("engineer"), device_id=bench.device("pump-1").id, since=now, until=now + HOUR, reason="x",
            work_order="WO-1",
        )  # fmt: skip
        await bench.apply(bench.change("raise", latch=True), bench.change("return", latch=True))
        assert bench.calls() == 0
        await bench.pass_time(3700, 100)
        assert bench.query("SELECT state, suppression FROM hub.alarm") == [("latched_unacknowledged", None)]
        assert bench.calls() == 1


async def storm(bench: AlarmBench) -> None:
    await bench.apply(*(bench.change("raise", code, priority="low") for code in METERS))
    assert await bench.desk.storm(bench.person()) is not None


@pytest.mark.parametrize("priority", ["critical", "high"])
async def test_what_was_over_the_moment_it_came_in_a_storm_is_heard_in_its_turn(
    database_url: str, priority: str
) -> None:
    async with make_alarms(database_url) as bench:
        await storm(bench)
        bench.clock.advance(5)
        await bench.apply(
            bench.change("raise", "door-b1-u1", "door-forced", priority=priority),
            bench.change("return", "door-b1-u1", "door-forced", priority=priority),
        )
        [(number,)] = bench.query("SELECT max(id) FROM hub.alarm")
        await bench.pass_time(1300, 10)
        assert bench.calls([number]) == 1
        assert [job["alarm_id"] for job in bench.jobs("alarm_annunciated")].count(number) == 1


@pytest.mark.parametrize(
    ("more", "calls"), [({"priority": "critical"}, 1), ({"latch": True}, 1), ({}, 0)], ids=["critical", "latched", "no"]
)  # fmt: skip
async def test_what_returned_before_its_turn_in_a_storm_is_heard_if_it_is_grave(
    database_url: str, more: dict[str, Any], calls: int
) -> None:
    async with make_alarms(database_url) as bench:
        await storm(bench)
        await bench.apply(bench.change("raise", **more))
        bench.clock.advance(5)
        await bench.apply(bench.change("return", **more))
        [(number,)] = bench.query("SELECT max(id) FROM hub.alarm")
        await bench.pass_time(1300, 10)
        assert bench.calls([number]) == calls


async def test_nobody_is_called_for_what_was_acknowledged_while_it_waited(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        await storm(bench)
        await bench.apply(bench.change("raise", latch=True), bench.change("return", latch=True))
        [(number,)] = bench.query("SELECT max(id) FROM hub.alarm")
        await bench.desk.acknowledge(bench.person(), number)
        await bench.pass_time(1300, 10)
        assert bench.calls([number]) == 0


async def test_what_chattered_in_a_storm_is_heard_once_it_is_quiet(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        await storm(bench)
        for _ in range(4):
            await bench.apply(bench.change("raise"), bench.change("return"))
            bench.clock.advance(2)
        [(number,)] = bench.query("SELECT max(id) FROM hub.alarm")
        await bench.pass_time(1300, 10)
        assert bench.calls([number]) == 1


async def test_a_window_called_off_while_a_batch_reads_it_leaves_nobody_out_of_service(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        engineer, now = bench.person("engineer"), bench.clock.now()
        window = await bench.desk.plan_maintenance(
            engineer,
            device_id=bench.device("pump-1").id,
            since=now,
            until=now + 24 * HOUR,
            reason="x",
            work_order="WO-1",
        )
        connection = await connect_ingest(bench.url, [bench.community])
        async with connection.transaction():
            await book.apply(connection, [bench.change("raise")], now, bench.devices)
            await bench.desk.end_maintenance(engineer, window["id"])
        await connection.close()
        assert bench.query("SELECT suppression FROM hub.alarm") == [("out_of_service",)]
        await bench.pass_time(3)
        assert bench.query("SELECT suppression FROM hub.alarm") == [(None,)]
        assert bench.calls() == 1


async def test_a_parent_on_the_shelf_hides_nobody_and_one_that_is_back_does(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        bench.below("env-1", *METERS[:3])
        children = "SELECT suppression FROM hub.alarm WHERE NOT suppresses ORDER BY id"
        await bench.apply(bench.change("raise", "env-1", "lost", suppresses=True), bench.change("raise", METERS[0]))
        [(parent,)] = bench.query("SELECT id FROM hub.alarm WHERE suppresses")
        assert bench.query(children) == [("suppressed_by_design",)]
        await bench.desk.shelve(bench.person(), parent, bench.clock.now() + HOUR, "known")
        await bench.apply(bench.change("raise", METERS[1]))
        await bench.pass_time(6)
        await bench.apply(bench.change("raise", METERS[2]))
        assert bench.query(children) == [(None,)] * 3
        assert bench.calls() == 1 + 3
        row = await bench.desk.unshelve(bench.person(), parent)
        assert row["hides"] == 3
        assert bench.query(children) == [("suppressed_by_design",)] * 3


async def test_a_parent_that_is_raised_into_its_shelf_hides_nobody_of_its_batch(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        bench.below("env-1", METERS[0])
        await bench.apply(bench.change("raise", "env-1", "lost", suppresses=True))
        [(parent,)] = bench.query("SELECT id FROM hub.alarm")
        await bench.desk.acknowledge(bench.person(), parent)
        await bench.desk.shelve(bench.person(), parent, bench.clock.now() + HOUR, "known")
        await bench.apply(bench.change("return", "env-1", "lost", suppresses=True))
        await bench.apply(bench.change("raise", "env-1", "lost", suppresses=True), bench.change("raise", METERS[0]))
        rows = bench.query("SELECT suppression FROM hub.alarm WHERE state <> 'normal' ORDER BY id")
        assert rows == [("shelved",), (None,)]


async def test_a_chattering_child_is_heard_only_when_it_is_quiet_and_its_parent_back(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        bench.below("env-1", METERS[0])
        for _ in range(4):
            await bench.apply(bench.change("raise", METERS[0]))
            bench.clock.advance(2)
            await bench.apply(bench.change("return", METERS[0]))
            bench.clock.advance(2)
        await bench.apply(bench.change("raise", METERS[0]))
        [(number,)] = bench.query("SELECT id FROM hub.alarm")
        await bench.apply(bench.change("raise", "env-1", "lost", suppresses=True))
        await bench.apply(bench.change("return", "env-1", "lost", suppresses=True))
        await bench.pass_time(10)
        assert bench.query("SELECT suppression, chattering FROM hub.alarm WHERE id = %s", number) == [(None, True)]
        assert bench.calls([number]) == 1
        await bench.pass_time(60)
        assert bench.calls([number]) == 2


async def test_a_child_that_hangs_elsewhere_now_is_heard(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        bench.below("env-1", *METERS[:2])
        await bench.apply(bench.change("raise", "env-1", "lost", suppresses=True))
        await bench.apply(*(bench.change("raise", code) for code in METERS[:2]))
        await bench.pass_time(2)
        bench.below("env-2", METERS[0])
        await bench.pass_time(2)
        rows = bench.query("SELECT d.code, a.suppression FROM hub.alarm a JOIN hub.device d ON d.id = a.device_id"
                           " WHERE NOT a.suppresses ORDER BY 1")  # fmt: skip
        assert rows == [(METERS[0], None), (METERS[1], "suppressed_by_design")]
        await bench.upkeep.close()
        bench.upkeep = bench.make_upkeep()  # the site changed while the hub was down
        bench.below("env-2", METERS[1])
        await bench.pass_time(2)
        assert bench.query("SELECT count(*) FROM hub.alarm WHERE suppression IS NOT NULL") == [(0,)]


async def test_a_latched_alarm_that_comes_again_after_its_acknowledgement_wants_work_again(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        more = {"latch": True, "work_order": True}
        await bench.apply(bench.change("raise", **more), bench.change("return", **more), bench.change("raise", **more))
        [(number,)] = bench.query("SELECT id FROM hub.alarm")
        await bench.apply(bench.change("return", **more))
        await bench.desk.acknowledge(bench.person(), number)
        assert len(bench.jobs("work_order_wanted")) == 1
        await bench.apply(bench.change("raise", **more))
        assert bench.jobs("work_order_wanted") == [{"community_id": bench.community, "alarm_id": number}] * 2
