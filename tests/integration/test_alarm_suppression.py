"""Shelves, maintenance and parents: an alarm keeps silent for a reason, is always recorded, and comes back on time."""

from datetime import timedelta
from typing import Any

import pytest

from hub.errors import Refused
from hub.store.database import NotThere
from tests.integration.alarm_bench import AlarmBench, make_alarms

HOUR = timedelta(hours=1)
METERS = [f"em-b1-{n:03d}" for n in range(1, 21)]


async def raised(bench: AlarmBench, code: str = "pump-1", **more: Any) -> int:
    await bench.apply(bench.change("raise", code, **more))
    [(number,)] = bench.query("SELECT max(id) FROM hub.alarm WHERE state <> 'normal'")
    return int(number)


def standing(bench: AlarmBench, number: int) -> tuple[Any, ...]:
    [row] = bench.query("SELECT state, suppression FROM hub.alarm WHERE id = %s", number)
    return row


# -- shelves -----------------------------------------------------------------------------------------------------


async def test_a07_a_shelf_returns_on_time_after_a_restart_and_says_who_and_why(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        number = await raised(bench)
        row = await bench.desk.shelve(bench.person(), number, bench.clock.now() + HOUR, "valve is being changed")
        assert (row["suppression"], row["suppressed_by"], row["suppression_reason"], row["suppressed_until"]) == (
            "shelved", "user:li", "valve is being changed", bench.clock.now() + HOUR,
        )  # fmt: skip
        assert [r["id"] for r in await bench.desk.recent(bench.person())] == []
        assert [r["id"] for r in await bench.desk.recent(bench.person(), view="shelved")] == [number]
        assert [r["id"] for r in await bench.desk.recent(bench.person(), view="all")] == [number]
        await bench.upkeep.close()
        bench.upkeep = bench.make_upkeep()  # all it knows is in the store
        bench.clock.advance(3595)
        await bench.upkeep.tick()
        assert standing(bench, number) == ("active_unacknowledged", "shelved")
        await bench.pass_time(7)
        assert standing(bench, number) == ("active_unacknowledged", None)
        assert bench.calls() == 2  # when it was raised, and when it came back
        assert bench.query("SELECT action, actor FROM hub.alarm_history ORDER BY id") == [
            ("raise", "rule:over"), ("shelved", "user:li"), ("unsuppressed", "system")
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("jump_s", "still"), [(1800, True), (3601, False), (-7200, True), (-86_400, False)],
    ids=["forward within", "forward past the end", "back", "back by a day, further than any shelf"],
)  # fmt: skip
async def test_a07_a_clock_that_jumps(database_url: str, jump_s: int, still: bool) -> None:
    """A shelf ends at the instant that was named; set back so far that no shelf could last until then, at once."""
    async with make_alarms(database_url) as bench:
        number = await raised(bench)
        await bench.desk.shelve(bench.person(), number, bench.clock.now() + HOUR, "x")
        bench.clock.advance(jump_s)
        await bench.upkeep.tick()
        assert (standing(bench, number)[1] == "shelved") is still


async def test_a_shelved_condition_that_comes_again_is_recorded_and_silent(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        number = await raised(bench)
        await bench.desk.shelve(bench.person(), number, bench.clock.now() + HOUR, "x")
        await bench.desk.acknowledge(bench.person(), number)
        await bench.apply(bench.change("return"))
        assert standing(bench, number)[0] == "normal"
        bench.clock.advance(120)
        again = await raised(bench)
        assert again != number
        assert standing(bench, again) == ("active_unacknowledged", "shelved")
        assert bench.calls() == 1
        row = await bench.desk.unshelve(bench.person(), again)
        assert row["suppression"] is None
        await bench.pass_time(1)
        assert bench.calls() == 2
        assert (await bench.desk.unshelve(bench.person(), again))["suppression"] is None


async def test_what_returned_on_the_shelf_is_over_when_it_is_taken_off(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        number = await raised(bench)
        await bench.desk.shelve(bench.person(), number, bench.clock.now() + HOUR, "x")
        await bench.apply(bench.change("return"))
        assert standing(bench, number) == ("returned_unacknowledged", "shelved")
        await bench.desk.unshelve(bench.person(), number)
        assert standing(bench, number) == ("normal", None)


async def test_a_shelf_is_seen_after_its_alarm_ended(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        number = await raised(bench)
        await bench.desk.shelve(bench.person(), number, bench.clock.now() + HOUR, "x")
        await bench.desk.acknowledge(bench.person(), number)
        await bench.apply(bench.change("return"))
        [row] = await bench.desk.recent(bench.person(), view="shelved")
        assert (row["id"], row["state"], row["suppression"]) == (number, "normal", "shelved")


async def test_what_cannot_be_shelved(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        guard, engineer, now = bench.person(), bench.person("engineer"), bench.clock.now()
        fire = await raised(bench, "smoke-1", life_safety=True)
        fixed = await raised(bench, "pump-2", shelvable=False)
        number = await raised(bench)
        with pytest.raises(Refused, match="life-safety"):
            await bench.desk.shelve(engineer, fire, now + HOUR, "x")
        with pytest.raises(Refused, match="does not let"):
            await bench.desk.shelve(engineer, fixed, now + HOUR, "x")
        for until in (now, now - HOUR, now + 9 * HOUR, (now + HOUR).replace(tzinfo=None)):
            with pytest.raises(Refused, match="until"):
                await bench.desk.shelve(guard, number, until, "x")
        with pytest.raises(Refused, match="until"):
            await bench.desk.shelve(engineer, number, now + 25 * HOUR, "x")
        for reason in ("", "   ", "x" * 501, "a\x00b", "a\u202eb"):
            with pytest.raises(Refused, match="reason"):
                await bench.desk.shelve(guard, number, now + HOUR, reason)
        with pytest.raises(Refused, match="may not"):
            await bench.desk.shelve(bench.person("viewer"), number, now + HOUR, "x")
        assert (await bench.desk.shelve(engineer, number, now + 24 * HOUR, "x"))["suppression"] == "shelved"
        assert bench.query("SELECT count(*) FROM hub.alarm WHERE suppression IS NOT NULL") == [(1,)]


# -- out of service, maintenance ---------------------------------------------------------------------------------


async def test_a09_out_of_service_needs_a_work_order_ends_itself_and_is_still_logged(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        engineer, pump, now = bench.person("engineer"), bench.device("pump-1").id, bench.clock.now()
        before = await raised(bench)
        with pytest.raises(Refused, match="work_order"):
            await bench.desk.take_out_of_service(engineer, pump, now + HOUR, "bearing", " ")
        with pytest.raises(Refused, match="until"):
            await bench.desk.take_out_of_service(engineer, pump, now + 31 * 24 * HOUR, "bearing", "7")
        with pytest.raises(Refused, match="may not"):
            await bench.desk.take_out_of_service(bench.person(), pump, now + HOUR, "bearing", "7")
        with pytest.raises(NotThere):
            await bench.desk.take_out_of_service(engineer, 999_999, now + HOUR, "bearing", "7")
        row = await bench.desk.take_out_of_service(engineer, pump, now + HOUR, "bearing", "WO-7")
        assert (row["device"], row["work_order"], row["active"]) == ("pump-1", "WO-7", True)
        assert standing(bench, before) == ("active_unacknowledged", "out_of_service")
        during = await raised(bench, rule="other", work_order=True)
        assert standing(bench, during) == ("active_unacknowledged", "out_of_service")
        fire = await raised(bench, rule="smoke", life_safety=True)
        assert standing(bench, fire) == ("active_unacknowledged", None)
        assert bench.jobs("work_order_wanted") == []
        assert len(await bench.desk.recent(engineer, view="out_of_service")) == 2
        bench.clock.advance(3590)
        await bench.upkeep.tick()
        assert len(await bench.desk.maintenance(engineer)) == 1
        await bench.pass_time(12)
        assert await bench.desk.maintenance(engineer) == []
        assert standing(bench, before)[1] is standing(bench, during)[1] is None
        assert [job["alarm_id"] for job in bench.jobs("work_order_wanted")] == [during]
        actions = [step["action"] for step in (await bench.desk.show(engineer, before))["history"]]
        assert actions == ["raise", "out_of_service", "unsuppressed"]


async def test_a_device_is_taken_back_into_service_early_and_only_once(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        engineer, pump, now = bench.person("engineer"), bench.device("pump-1").id, bench.clock.now()
        number = await raised(bench)
        await bench.desk.take_out_of_service(engineer, pump, now + HOUR, "bearing", "7")
        row = await bench.desk.take_out_of_service(engineer, pump, now + 2 * HOUR, "bearing and seal", "7")
        assert row["until"] == now + 2 * HOUR
        assert len(await bench.desk.maintenance(engineer)) == 1
        await bench.desk.return_to_service(engineer, pump)
        assert standing(bench, number)[1] is None
        with pytest.raises(Refused, match="in service"):
            await bench.desk.return_to_service(engineer, pump)


async def test_a_maintenance_window_silences_a_subtree_while_it_lasts(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        engineer, now = bench.person("engineer"), bench.clock.now()
        plant = bench.device("pump-1").place_path.split("/")[0]
        with pytest.raises(NotThere):
            await bench.desk.plan_maintenance(engineer, place="nowhere", since=now, until=now + HOUR, reason="x")
        with pytest.raises(Refused, match="exactly one"):
            await bench.desk.plan_maintenance(engineer, since=now, until=now + HOUR, reason="x")
        with pytest.raises(Refused, match="since"):
            await bench.desk.plan_maintenance(engineer, place=plant, since=now - HOUR, until=now + HOUR, reason="x")
        window = {"device_id": bench.device("pump-1").id, "since": now, "until": now + HOUR, "reason": "x"}
        with pytest.raises(Refused, match="work_order"):  # one device, by whatever way: never without its order
            await bench.desk.plan_maintenance(engineer, **window)
        own = await bench.desk.plan_maintenance(engineer, **window, work_order="WO-7")
        assert (own["work_order"], own["active"]) == ("WO-7", True)
        await bench.desk.end_maintenance(engineer, own["id"])
        row = await bench.desk.plan_maintenance(
            engineer, place=plant, since=now + HOUR, until=now + 2 * HOUR, reason="yearly test"
        )
        assert row["active"] is False
        inside, outside = await raised(bench), await raised(bench, "door-b1-u1")
        assert standing(bench, inside)[1] is None
        bench.clock.advance(3601)
        await bench.upkeep.tick()
        assert (standing(bench, inside)[1], standing(bench, outside)[1]) == ("out_of_service", None)
        also = await raised(bench, "pump-2")
        assert standing(bench, also)[1] == "out_of_service"
        ended = await bench.desk.end_maintenance(engineer, row["id"])
        assert ended["ended_by"] == "user:li"
        assert standing(bench, inside)[1] is standing(bench, also)[1] is None
        assert (await bench.desk.end_maintenance(engineer, row["id"]))["ended_at"] == ended["ended_at"]
        with pytest.raises(NotThere):
            await bench.desk.end_maintenance(bench.person("admin", community=4711), row["id"])


# -- parents -----------------------------------------------------------------------------------------------------


def lost(bench: AlarmBench, action: str = "raise", code: str = "env-1") -> Any:
    return bench.change(action, code, "gateway-lost", suppresses=True, priority="medium")


async def test_a08_a_parent_hides_its_children_says_how_many_and_gives_them_back(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        bench.below("env-1", *METERS)
        early = await raised(bench, METERS[0], rule="silent")
        await bench.apply(lost(bench), *(bench.change("raise", code, "silent") for code in METERS[1:]))
        assert bench.calls() == 2  # the one that was first, and the parent
        [shown] = await bench.desk.recent(bench.person())
        assert (shown["device"], shown["hides"]) == ("env-1", len(METERS))
        assert standing(bench, early) == ("active_unacknowledged", "suppressed_by_design")
        assert len(await bench.desk.recent(bench.person(), view="suppressed")) == len(METERS)
        await bench.apply(lost(bench, "return"))
        bench.clock.advance(1)
        await bench.apply(*(bench.change("return", code, "silent") for code in METERS[1:]))
        await bench.pass_time(4)
        assert bench.query("SELECT count(*) FROM hub.alarm WHERE suppression IS NOT NULL") == [(0,)]
        assert bench.query("SELECT count(*) FROM hub.alarm WHERE state = 'normal'") == [(len(METERS) - 1,)]
        assert standing(bench, early) == ("active_unacknowledged", None)
        assert bench.calls([early]) == 2  # before the parent, and once after it
        assert bench.calls() == 3
        await bench.pass_time(10)
        assert bench.calls() == 3


async def test_a08_a_parent_that_comes_again_within_the_grace_keeps_its_children_silent(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        bench.below("env-1", *METERS)
        await bench.apply(lost(bench))
        await bench.apply(bench.change("raise", METERS[0], "silent"))
        await bench.apply(lost(bench, "return"))
        await bench.pass_time(2)
        await bench.apply(lost(bench))
        await bench.pass_time(10)
        rows = bench.query("SELECT suppression FROM hub.alarm WHERE rule = 'silent'")
        assert rows == [("suppressed_by_design",)]
        assert bench.calls() == 1


async def test_a08_a_circle_of_parents_silences_nobody(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        bench.below("env-1", "env-2", "pump-1")
        bench.below("env-2", "env-1")
        await bench.apply(lost(bench, code="env-1"), lost(bench, code="env-2"), bench.change("raise"))
        assert bench.query("SELECT count(*) FROM hub.alarm WHERE suppression IS NOT NULL") == [(0,)]
        assert bench.calls() == 3


async def test_a08_life_safety_is_heard_below_a_lost_gateway(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        bench.below("env-1", "smoke-1")
        await bench.apply(lost(bench), bench.change("raise", "smoke-1", "smoke-alarm", life_safety=True))
        assert bench.query("SELECT suppression, annunciated_at IS NOT NULL FROM hub.alarm WHERE life_safety") == [
            (None, True)
        ]


async def test_a08_of_two_parents_the_topmost_explains_and_the_other_takes_over(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        bench.below("env-1", "env-2")
        bench.below("env-2", *METERS[:3])
        await bench.apply(*(bench.change("raise", code, "silent") for code in METERS[:3]))
        await bench.apply(lost(bench, code="env-2"))
        await bench.apply(lost(bench, code="env-1"))
        [row] = await bench.desk.recent(bench.person())
        assert (row["device"], row["hides"]) == ("env-1", 4)
        await bench.apply(lost(bench, "return", "env-1"))
        await bench.pass_time(5)
        rows = await bench.desk.recent(bench.person())
        assert {(row["device"], row["state"], row["hides"]) for row in rows} == {
            ("env-1", "returned_unacknowledged", 0), ("env-2", "active_unacknowledged", 3)
        }  # fmt: skip


async def test_a08_a_parent_that_is_gone_without_a_word_frees_its_children(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        bench.below("env-1", METERS[0])
        await bench.apply(lost(bench), bench.change("raise", METERS[0], "silent"))
        bench.query("UPDATE hub.alarm SET state = 'returned_unacknowledged' WHERE suppresses RETURNING id")
        await bench.pass_time(5)
        assert bench.query("SELECT suppression FROM hub.alarm WHERE rule = 'silent'") == [(None,)]


async def test_a_shelf_that_ends_below_a_lost_parent_stays_silent_for_the_other_reason(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        bench.below("env-1", METERS[0])
        number = await raised(bench, METERS[0])
        await bench.desk.shelve(bench.person(), number, bench.clock.now() + HOUR, "x")
        await bench.apply(lost(bench))
        assert standing(bench, number)[1] == "shelved"
        row = await bench.desk.unshelve(bench.person(), number)
        assert row["suppression"] == "suppressed_by_design"
