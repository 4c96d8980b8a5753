"""Many alarms at one gesture: all or none, and in no more statements than for one."""

from datetime import timedelta
from typing import Any

import psycopg
import pytest

from hub.alarms.shelving import NotShelvable
from hub.live import Change
from hub.store.database import NotThere
from tests.integration.alarm_bench import AlarmBench, make_alarms

METERS = [f"em-b1-{n:03d}" for n in range(1, 101)]


async def raised(bench: AlarmBench, codes: list[str], *rules: str, **more: Any) -> list[int]:
    await bench.apply(*(bench.change("raise", code, rule, **more) for code in codes for rule in rules))
    rows = bench.query("SELECT id FROM hub.alarm WHERE rule = ANY (%s) AND state <> 'normal' ORDER BY id", list(rules))
    return [number for (number,) in rows]


class Statements:
    """How many statements are sent while it counts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        original = psycopg.AsyncCursor.execute

        async def execute(cursor: Any, *args: Any, **kwargs: Any) -> Any:
            self.count += 1
            return await original(cursor, *args, **kwargs)

        monkeypatch.setattr(psycopg.AsyncCursor, "execute", execute)


async def test_acknowledging_hundreds_takes_as_many_statements_as_one(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with make_alarms(database_url) as bench:
        [one] = await raised(bench, ["pump-1"], "one")
        many = await raised(bench, METERS, "a", "b", "c")
        statements = Statements(monkeypatch)
        await bench.desk.acknowledge_many(bench.person(), [one])
        for_one, statements.count = statements.count, 0
        alarms = await bench.desk.acknowledge_many(bench.person(), many, "power cut")
        assert statements.count == for_one
        assert [alarm["id"] for alarm in alarms] == sorted(many, reverse=True)
        assert {alarm["state"] for alarm in alarms} == {"active_acknowledged"}
        done = bench.query("SELECT count(DISTINCT alarm_id), count(*), min(note) FROM hub.alarm_history"
                           " WHERE action = 'acknowledge' AND alarm_id = ANY (%s)", many)  # fmt: skip
        assert done == [(300, 300, "power cut")]
        assert bench.query("SELECT count(DISTINCT object) FROM hub.audit WHERE action = 'alarm.acknowledge'") == [
            (301,)
        ]
        assert bench.query("SELECT count(*) FROM hub.audit_chain") == [(301,)]
        assert len(bench.jobs("alarm_settled")) == len(bench.jobs("alarm_annunciated"))
        await bench.desk.acknowledge_many(bench.person(), many)  # once more changes nothing
        assert bench.query("SELECT count(*) FROM hub.audit WHERE action = 'alarm.acknowledge'") == [(301,)]


async def test_the_screens_are_told_of_hundreds_in_bounded_form(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        many = await raised(bench, METERS, "a", "b", "c")
        reader = bench.live.subscribe(lambda change: change.topic == "alarm", bound=1000)
        await bench.desk.acknowledge_many(bench.person(), many)
        told: list[Change] = []
        lost = False
        while not lost:  # of the rest the screens read again
            changes, lost = await reader.take()
            told += changes
            bench.clock.advance(1)
        assert 0 < len({change.key for change in told}) <= 200


async def test_many_are_shelved_at_once_or_none_and_it_is_said_which_cannot(database_url: str) -> None:
    async with make_alarms(database_url) as bench:
        who, until = bench.person(), bench.clock.now() + timedelta(hours=1)
        many = await raised(bench, METERS, "a")
        [fire] = await raised(bench, ["smoke-1"], "fire", life_safety=True)
        [fixed] = await raised(bench, ["pump-1"], "fixed", shelvable=False)
        with pytest.raises(NotShelvable, match=f"alarm {fire}: a life-safety.*alarm {fixed}: the rule") as refused:
            await bench.desk.shelve_many(who, [*many, fixed, fire], until, "x")
        assert refused.value.why == {fire: "life_safety", fixed: "not_shelvable"}
        with pytest.raises(NotThere):
            await bench.desk.shelve_many(who, [*many, 2**40], until, "x")
        assert bench.query("SELECT count(*) FROM hub.alarm WHERE suppression IS NOT NULL") == [(0,)]
        assert bench.query("SELECT count(*) FROM hub.alarm_shelf") == [(0,)]
        alarms = await bench.desk.shelve_many(who, many, until, "power cut")
        assert {(row["suppression"], row["suppression_reason"], row["suppressed_until"]) for row in alarms} == {
            ("shelved", "power cut", until)
        }
        assert bench.query("SELECT count(*), min(reason) FROM hub.alarm_shelf") == [(100, "power cut")]
        assert bench.query("SELECT count(DISTINCT object) FROM hub.audit WHERE action = 'alarm.shelve'") == [(100,)]
        assert bench.query("SELECT count(*) FROM hub.alarm_history WHERE action = 'shelved'") == [(100,)]
        await bench.pass_time(3605, 600)
        assert bench.query("SELECT count(*) FROM hub.alarm WHERE suppression IS NOT NULL") == [(0,)]
