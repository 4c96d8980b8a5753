"""Who calls the desk: the budget, storms, chatter, what is stale and what is long past."""

import asyncio
from datetime import timedelta

from hub.alarms.annunciation import BUDGET
from hub.live import Change
from tests.integration.alarm_bench import AlarmBench, make_alarms

HEARD = "FROM hub.alarm WHERE annunciated_at IS NOT NULL"
METERS = [f"em-b1-{n:03d}" for n in range(1, 101)]


async def test_a_few_alarms_each_call_the_desk_once(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        for code in METERS[: BUDGET - 1]:
            await bench.apply(bench.change("raise", code), bench.change("raise", code))
        assert bench.calls() == BUDGET - 1 == len(bench.jobs("alarm_annunciated"))
        assert await bench.desk.storm(bench.person()) is None
        assert await bench.desk.budget(bench.person()) == {"annunciated": 9, "limit": 10, "window_s": 600}
        await bench.pass_time(700, 100)
        assert bench.calls() == BUDGET - 1
        assert (await bench.desk.budget(bench.person()))["annunciated"] == 0


async def test_a04_past_the_budget_a_storm_counts_all_and_calls_once(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        low = [bench.change("raise", code, priority="low") for code in METERS]
        grave = [bench.change("raise", code, "grave", priority="critical") for code in METERS[:3]]
        await bench.apply(*low, *grave, bench.change("raise", "smoke-1", "smoke-alarm", life_safety=True))
        for code in METERS:
            await bench.apply(bench.change("return", code), bench.change("raise", code))
        storm = await bench.desk.storm(bench.person())
        assert storm is not None
        assert storm["counted"] == 100 + 3 + 1 + 100
        assert {(group["rule"], group["count"]) for group in storm["groups"]} == {
            ("over", 200), ("grave", 3), ("smoke-alarm", 1)
        }  # fmt: skip
        called = bench.query(f"SELECT rule, count(*) {HEARD} GROUP BY 1 ORDER BY 1")
        assert called == [("grave", 3), ("over", 6), ("smoke-alarm", 1)]
        assert (await bench.desk.budget(bench.person()))["annunciated"] == BUDGET
        assert len(bench.jobs("storm_began")) == 1
        assert bench.query("SELECT count(*) FROM hub.alarm WHERE storm_id IS NOT NULL") == [(103,)]


async def test_a04_life_safety_is_heard_at_once_in_a_storm(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        await bench.apply(*(bench.change("raise", code) for code in METERS))
        for code in ("smoke-1", "smoke-2", "smoke-3"):
            outcome = await bench.apply(bench.change("raise", code, "smoke-alarm", life_safety=True))
            assert len(outcome.urgent) == 1


async def test_after_the_storm_what_still_stands_is_offered_by_priority_within_the_budget(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        await bench.apply(*(bench.change("raise", code, priority="low") for code in METERS[:30]))
        await bench.apply(*(bench.change("raise", code, "high-flow") for code in METERS[:4]))
        await bench.apply(*(bench.change("return", code, priority="low") for code in METERS[:20]))
        assert bench.query(f"SELECT count(*) {HEARD} AND rule = 'high-flow'") == [(0,)]
        await bench.pass_time(590, 10)
        assert await bench.desk.storm(bench.person()) is not None  # the budget of these ten minutes is used
        await bench.pass_time(30, 5)
        assert await bench.desk.storm(bench.person()) is None
        assert len(bench.jobs("storm_ended")) == 1
        assert bench.query(f"SELECT count(*) {HEARD} AND rule = 'high-flow'") == [(4,)]
        assert (await bench.desk.budget(bench.person()))["annunciated"] <= BUDGET - 1 - 3
        outcome = await bench.apply(bench.change("raise", "door-b1-u1"))
        assert len(outcome.urgent) == 1  # there is room for what is new


async def test_in_a_storm_the_critical_take_what_the_budget_gives_back(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        await bench.apply(*(bench.change("raise", code, priority="low") for code in METERS[:30]))
        await bench.pass_time(300, 60)
        await bench.apply(bench.change("raise", "pump-1", "grave", priority="critical"))
        assert bench.query("SELECT annunciated_at FROM hub.alarm WHERE rule = 'grave'") == [(None,)]
        for _ in range(8):
            bench.clock.advance(40)
            await bench.upkeep.tick()
            await bench.apply(bench.change("return", "pump-2"), bench.change("raise", "pump-2"))
        [(called,)] = bench.query("SELECT annunciated_at IS NOT NULL FROM hub.alarm WHERE rule = 'grave'")
        assert called
        await never_over_budget(bench)


async def never_over_budget(bench: AlarmBench) -> None:
    """In no ten minutes was the desk called more often than it may be."""
    [(most,)] = bench.query(
        "SELECT max(n) FROM (SELECT count(*) OVER (ORDER BY at RANGE BETWEEN CURRENT ROW AND '599 seconds' FOLLOWING) n"
        " FROM hub.annunciation WHERE NOT life_safety) x"
    )
    assert most <= BUDGET


async def test_a_restart_forgets_neither_budget_nor_storm(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        await bench.apply(*(bench.change("raise", code) for code in METERS[:20]))
        before = bench.calls()
        await bench.upkeep.close()
        bench.upkeep = bench.make_upkeep()
        await bench.apply(*(bench.change("raise", code) for code in METERS[20:40]))
        await bench.pass_time(60, 10)
        assert bench.calls() == before
        assert bench.query("SELECT count(*) FROM hub.alarm_storm") == [(1,)]


async def test_two_hubs_never_spend_one_slot_twice(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        batches = [[bench.change("raise", code)] for code in METERS[:20]]
        await asyncio.gather(*(bench.apply(*batch) for batch in batches))
        second = bench.make_upkeep()
        try:
            for _ in range(20):
                bench.clock.advance(60)
                await asyncio.gather(bench.upkeep.tick(), second.tick())
        finally:
            await second.close()
        await never_over_budget(bench)
        assert bench.query("SELECT count(*) FROM hub.annunciation WHERE storm_id IS NOT NULL") == [(1,)]
        assert bench.calls() == len({alarm for (alarm,) in bench.query(
            "SELECT alarm_id FROM hub.annunciation WHERE alarm_id IS NOT NULL")})  # fmt: skip


# -- chatter, stale, historical ----------------------------------------------------------------------------------


async def test_a05_ten_hertz_is_one_call_and_a_flag_that_falls(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        for _ in range(100):
            await bench.apply(bench.change("raise"))
            bench.clock.advance(0.05)
            await bench.apply(bench.change("return"))
            bench.clock.advance(0.05)
        assert bench.query("SELECT count(*), bool_and(chattering), max(count) FROM hub.alarm") == [(1, True, 100)]
        assert bench.calls() == 1
        await bench.pass_time(62)
        assert bench.query("SELECT chattering FROM hub.alarm") == [(False,)]
        await bench.apply(bench.change("raise"))
        assert bench.calls() == 2


async def test_a05_acknowledging_does_not_make_a_chattering_alarm_call_again(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        for turn in range(30):
            await bench.apply(bench.change("raise"))
            if turn % 5 == 4:
                [(number,)] = bench.query("SELECT id FROM hub.alarm WHERE state <> 'normal'")
                await bench.desk.acknowledge(bench.person(), number)
            bench.clock.advance(0.5)
            await bench.apply(bench.change("return"))
            bench.clock.advance(0.5)
        assert bench.query("SELECT count(*) FROM hub.alarm") == [(6,)]
        assert bench.calls() == 1


async def test_a05_a_chattering_alarm_that_comes_to_rest_active_is_heard(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        for turn in range(6):
            await bench.apply(bench.change("raise"))
            if turn == 4:
                [(number,)] = bench.query("SELECT id FROM hub.alarm WHERE state <> 'normal'")
                await bench.desk.acknowledge(bench.person(), number)
            bench.clock.advance(1)
            await bench.apply(bench.change("return"))
        await bench.apply(bench.change("raise"))
        assert bench.calls() == 1
        await bench.pass_time(70, 5)
        assert bench.calls() == 2
        assert bench.query("SELECT state, chattering FROM hub.alarm ORDER BY id DESC LIMIT 1") == [
            ("active_unacknowledged", False)
        ]


async def test_three_cycles_in_a_minute_chatter_and_three_in_an_hour_do_not(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        for code, pause in (("pump-1", 12.0), ("pump-2", 600.0)):
            for _ in range(3):
                await bench.apply(bench.change("raise", code))
                bench.clock.advance(pause)
                await bench.apply(bench.change("return", code))
                bench.clock.advance(pause)
        for code, chatters in (("pump-1", True), ("pump-2", False)):
            rows = bench.query("SELECT chattering FROM hub.alarm WHERE device_id = %s", bench.device(code).id)
            assert rows == [(chatters,)]
        assert bench.calls() == 1 + 3


async def test_a06_stale_after_a_day_listed_and_called_again_each_day(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        await bench.apply(bench.change("raise"), bench.change("raise", "pump-2"))
        [(number,)] = bench.query("SELECT min(id) FROM hub.alarm")
        await bench.desk.acknowledge(bench.person(), number)
        assert await bench.desk.recent(bench.person(), view="stale") == []
        await bench.pass_time(86_400 + 120, 3600)
        await bench.apply(bench.change("return", "pump-2"))
        [row] = await bench.desk.recent(bench.person(), view="stale")
        assert (row["id"], row["stale"]) == (number, True)
        assert bench.calls([number]) == 2
        await bench.pass_time(86_400 + 7200, 3600)
        assert bench.calls([number]) == 3


async def test_i18_what_happened_long_ago_is_history_and_not_noise(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        ago = bench.clock.now_us() - 7_200_000_000
        await bench.apply(
            bench.change("raise", at=ago, historical=True),
            bench.change("return", at=ago + 60_000_000, historical=True),
            bench.change("raise", "pump-2", at=ago, historical=True, work_order=True),
        )  # fmt: skip
        assert bench.calls() == 0
        assert bench.jobs("work_order_wanted") == []
        await bench.pass_time(9)
        assert bench.calls() == 0
        await bench.pass_time(3)
        rows = bench.query("SELECT d.code FROM hub.alarm a JOIN hub.device d ON d.id = a.device_id"
                           " WHERE annunciated_at IS NOT NULL")  # fmt: skip
        assert rows == [("pump-2",)]
        assert len(bench.jobs("work_order_wanted")) == 1
        assert bench.query("SELECT bool_and(historical) FROM hub.alarm") == [(True,)]


async def test_i18_life_safety_of_long_ago_calls_at_once(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        ago = bench.clock.now_us() - 7_200_000_000
        outcome = await bench.apply(
            bench.change("raise", at=ago, historical=True, life_safety=True, work_order=True),
            bench.change("return", at=ago + 60_000_000, historical=True, life_safety=True),
        )
        assert len(outcome.urgent) == 1
        await bench.pass_time(30)
        assert bench.query("SELECT count(*) FROM hub.annunciation WHERE life_safety") == [(1,)]
        assert len(bench.jobs("work_order_wanted")) == 1


async def test_i18_chatter_of_long_ago_does_not_keep_what_happens_now_silent(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        ago = bench.clock.now_us() - 7_200_000_000
        for n in range(5):
            await bench.apply(
                bench.change("raise", at=ago + n * 2_000_000, historical=True),
                bench.change("return", at=ago + n * 2_000_000 + 1_000_000, historical=True),
            )
        assert bench.query("SELECT chattering FROM hub.alarm") == [(True,)]
        outcome = await bench.apply(bench.change("raise"))
        assert len(outcome.urgent) == 1


async def test_the_part_works_by_itself_until_it_is_stopped(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        await bench.apply(bench.change("raise", historical=True))
        work = asyncio.create_task(bench.upkeep.run())
        bench.clock.advance(11)
        while not bench.calls():
            assert not work.done()
            await asyncio.sleep(0.02)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


async def test_a_clock_set_back_silences_nobody(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        await bench.apply(*(bench.change("raise", code) for code in METERS[:20]))
        bench.clock.advance(-86_400)
        await bench.pass_time(3)
        assert await bench.desk.storm(bench.person()) is None
        outcome = await bench.apply(bench.change("raise", "door-b1-u1"))
        assert len(outcome.urgent) == 1


# -- jobs and screens --------------------------------------------------------------------------------------------


async def test_only_what_was_heard_is_told_to_have_settled(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        bench.below("env-1", METERS[0])
        await bench.apply(bench.change("raise", "env-1", suppresses=True), bench.change("raise", METERS[0]))
        [(parent,)] = bench.query("SELECT id FROM hub.alarm WHERE suppresses")
        await bench.apply(bench.change("return", METERS[0]), bench.change("return", "env-1"))
        await bench.pass_time(6)
        await bench.desk.acknowledge(bench.person(), parent)
        assert [job["alarm_id"] for job in bench.jobs("alarm_settled")] == [parent]
        assert [job["alarm_id"] for job in bench.jobs("alarm_annunciated")] == [parent]


async def test_a_flood_is_told_in_few_words_and_the_screens_read_again(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        reader = bench.live.subscribe(lambda change: True, bound=100_000)
        told: list[Change] = []

        async def read_until_lost() -> None:
            lost = False
            while not lost:
                changes, lost = await reader.take()
                told.extend(changes)

        reading = asyncio.create_task(read_until_lost())
        for _ in range(5):
            changes = [bench.change("raise", code, f"r{n}") for code in METERS for n in range(4)]
            outcome = await bench.apply(*changes, *(bench.change("return", c.device.code, c.rule) for c in changes))
            bench.desk.tell(outcome.changed, outcome.urgent, outcome.storms)
            await asyncio.sleep(0.02)
            bench.clock.advance(0.3)
        await asyncio.wait_for(reading, 100)
        assert {change.topic for change in told} == {"alarm", "storm"}
        assert sum(change.topic == "alarm" for change in told) <= 400
        first = next(change.data["storm"] for change in told if change.topic == "storm")
        assert first["counted"] % 400 == 0 < first["counted"]


async def test_the_urgent_are_told_first(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        reader = bench.live.subscribe(lambda change: change.topic == "alarm", bound=100_000)
        fire = bench.change("raise", "smoke-1", "smoke-alarm", life_safety=True)
        outcome = await bench.apply(fire, *(bench.change("raise", code, f"r{n}") for code in METERS for n in range(4)))
        bench.desk.tell(outcome.changed, outcome.urgent, outcome.storms)
        changes, _ = await asyncio.wait_for(reader.take(), 100)
        assert any(change.data["rule"] == "smoke-alarm" for change in changes)


async def test_steps_comments_and_assignment_are_kept_for_good(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        await bench.apply(bench.change("raise"))
        [(number,)] = bench.query("SELECT id FROM hub.alarm")
        guard = bench.person()
        await bench.desk.log_step(guard, number, 1)
        await bench.desk.log_step(guard, number, 1)
        await bench.desk.log_step(guard, number, 2, "nobody there", False)
        await bench.desk.comment(guard, number, "看过了")
        bench.account("wang")
        row = await bench.desk.assign(guard, number, "user:wang")
        assert row["assignee"] == "user:wang"
        assert [(step["step"], step["done"], step["note"], step["by"]) for step in row["steps"]] == [
            (1, True, "", "user:li"), (2, False, "nobody there", "user:li"), (3, False, "", None)
        ]  # fmt: skip
        assert row["steps"][0]["text"] == {"zh": "看。", "en": "Look."}
        assert [comment["note"] for comment in row["comments"]] == ["看过了"]
        assert (await bench.desk.assign(guard, number, ""))["assignee"] is None
        actions = [entry["action"] for entry in (await bench.desk.show(guard, number))["history"]]
        assert actions == ["raise", "step", "step", "comment", "assign", "assign"]
        assert bench.clock.now() - row["raised_at"] < timedelta(seconds=1)
