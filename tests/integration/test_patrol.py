"""Patrols on a real database: planned, proved, told exactly once, whatever comes late, twice or shuffled."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from hub.errors import Refused
from hub.plugins import OffersEventHandlers, OffersMigrations, OffersParts, OffersPorts, OffersRoutes, OffersTasks
from hub.principal import Principal
from hub.store.database import NotThere
from modules.patrol import PatrolPlugin
from modules.patrol.evidence import CheckIn
from tests.integration.patrol_ground import BEGIN, GUARD_CARD, Ground, ground, minutes, printed_codes


@pytest.fixture
async def here(postgres_url: str) -> AsyncIterator[Ground]:
    async with ground(postgres_url) as found:
        await found.patrols.keeper.plan_ahead()
        yield found


async def walk_garden(here: Ground) -> None:
    await here.until(BEGIN + minutes(1))
    await here.tap("door-b1-u1", "access_granted")
    await here.until(BEGIN + minutes(3))
    await here.tap("patrol-1")


async def test_the_plug_offers_what_it_says(here: Ground):
    plug = PatrolPlugin()
    for protocol in (OffersMigrations, OffersTasks, OffersRoutes, OffersPorts, OffersEventHandlers, OffersParts):
        assert isinstance(plug, protocol)
    handlers = plug.event_handlers(here.context)
    assert {handler.task for handler in handlers.values()} == set(plug.tasks(here.context))
    await plug.of(here.context).keeper.plan_ahead()
    wanted = {code for code in ("patrol-1", "door-b1-u1", "door-b2-u1") if handlers["door", "access_granted"].wants(
        SimpleNamespace(community="demo", code=code))}  # fmt: skip
    assert wanted == {"patrol-1", "door-b1-u1"}, "nobody patrols by the other door"


# -- planning --------------------------------------------------------------------------------------------------------


async def test_planning_again_changes_nothing_and_another_plan_replaces_only_what_is_to_come(here: Ground):
    before = here.rows("SELECT id FROM patrol.round ORDER BY id")
    assert len(before) == 2 * 26 * 6
    assert await here.patrols.keeper.plan_ahead() == 0
    assert here.rows("SELECT id FROM patrol.round ORDER BY id") == before
    await here.until(BEGIN)
    open_now = here.round()["id"]
    files = here.patrols.versions.files
    plan = files["demo"].plans[0]
    fewer = files["demo"].model_copy(update={"plans": [plan.model_copy(update={"every": minutes(60)})]})
    here.patrols.versions.files = {"demo": fewer}
    await here.patrols.keeper.plan_ahead()
    begins = here.rows("SELECT plan, count(*) FROM patrol.round WHERE opens > %s GROUP BY plan", here.clock.now())
    assert begins == [("garden-round", 25)]
    assert here.round()["id"] == open_now


# -- a round ---------------------------------------------------------------------------------------------------------


async def test_a_round_walked_as_planned_raises_nothing(here: Ground):
    screen = here.context.live.subscribe(lambda change: change.topic == "patrol")
    await walk_garden(here)
    assert here.told() == [
        "route-garden round_started", "route-garden checkpoint_done", "route-garden checkpoint_done",
        "route-garden round_finished",
    ]  # fmt: skip
    found = here.round()
    assert (found["state"], found["done"], found["people"]) == ("complete", 2, ["person:zhao"])
    [[body]] = here.rows("SELECT body FROM hub.report ORDER BY id LIMIT 1 OFFSET 1")
    assert body["events"] == [
        ["checkpoint_done", {"round": f"11-22 02:00 #{found['id']}", "checkpoint": "1栋1单元大堂"}]
    ]
    changes, _ = await screen.take()
    assert changes[-1].data["state"] == "complete"


async def test_a_missed_round_is_one_alarm_and_it_comes_while_there_is_time(here: Ground):
    when: dict[str, Any] = {}
    while here.clock.now() < BEGIN + minutes(12):
        await here.until(here.clock.now() + timedelta(seconds=10), 10)
        for name in here.told():
            when.setdefault(name, (here.clock.now() - BEGIN) / minutes(1))
    garden = {name.split()[1]: when[name] for name in when if name.startswith("route-garden")}
    assert garden == pytest.approx(
        {"checkpoint_late": 4, "round_overdue": 8, "round_settled": 9, "round_missed": 9}, abs=0.2
    )
    assert here.told().count("route-garden round_overdue") == 1
    assert here.told().count("route-garden checkpoint_late") == 1  # the last stop is late when all is overdue
    assert (here.round()["state"], here.round()["wake_at"]) == ("missed", None)


async def test_scans_late_early_twice_shuffled_and_uploaded_six_hours_later_are_one_missed_alarm(here: Ground):
    """A15: the guard's phone is three hours off and has no connection; the taps are handed in twice and shuffled."""
    printed = await printed_codes(here)
    checkins = []
    for counter, (minute, checkpoint) in enumerate([(-2, "b1-lobby"), (1, "b1-lobby"), (3, "garden"), (3.1, "garden")]):
        await here.until(BEGIN + minutes(minute)) if minute > 0 else None
        checkins.append((counter, printed[checkpoint], here.phone(ahead=timedelta(hours=3), boot="at night")))
    await here.until(BEGIN + minutes(9.5), 10)
    assert here.told().count("route-garden round_overdue") == 1
    told = here.told()
    here.clock.advance(6 * 3600)
    here.again()
    batch = [CheckIn(*one) for one in checkins] * 2
    random.Random(7).shuffle(batch)
    answer = await here.patrols.recorder.check_in(
        here.who(), "phone-1", here.phone(ahead=timedelta(hours=3), boot="next day"), batch
    )
    assert sorted(one["outcome"] for one in answer["results"]) == ["accepted"] * 4 + ["repeated"] * 4
    assert answer["clock_error"] == pytest.approx(3 * 3600)
    visits = here.round()["visits"]
    assert [visit["score"] for visit in visits] == [60, 60]  # printed codes alone, hours later, prove nothing
    here.clock.advance(1)
    at = [BEGIN + minutes(1.5), BEGIN + minutes(3.5)]  # the building's own word, held up on the way as well
    await here.tap("door-b1-u1", "access_granted", at=at[0])
    await here.tap("patrol-1", at=at[1])
    found = here.round()
    assert (found["state"], found["proved_later"], found["done"]) == ("complete", True, 2)
    assert [name for name in here.told() if name.startswith("route-garden")] == [
        name for name in told if name.startswith("route-garden")
    ]


async def test_a_job_that_runs_again_changes_nothing(here: Ground):
    await here.until(BEGIN + minutes(1))
    arguments = await here.tap("door-b1-u1", "access_granted")
    told, found = here.told(), here.round()
    await asyncio.gather(*(here.patrols.recorder.hear(**arguments) for _ in range(5)))
    assert (here.told(), here.round()) == (told, found)
    assert here.rows("SELECT count(*) FROM patrol.evidence") == [(1,)]


async def test_two_taps_of_a_reader_are_two_events_and_one_visit(here: Ground):
    await here.until(BEGIN + minutes(1))
    await here.tap("patrol-1")
    await here.tap("patrol-1")
    assert here.rows("SELECT count(*) FROM patrol.evidence") == [(2,)]
    assert here.told().count("route-garden checkpoint_done") == 1
    await here.until(BEGIN + minutes(8.1))
    assert here.told().count("route-garden checkpoint_out_of_order") == 1


async def test_a_residents_card_proves_nothing_and_no_card_is_kept_in_full(here: Ground):
    await here.until(BEGIN + minutes(1))
    await here.tap("door-b1-u1", "access_granted", card="99887766")
    assert here.rows("SELECT count(*) FROM patrol.evidence") == [(0,)]
    await here.tap("door-b1-u1", "access_granted")
    await here.tap("patrol-1", card="12345678")
    assert here.rows("SELECT sort, person, card FROM patrol.evidence ORDER BY id") == [
        ("door", "person:zhao", "…C3D4"), ("reader", "", "…5678"),
    ]  # fmt: skip
    for (text,) in here.rows("SELECT body::text FROM hub.report UNION ALL SELECT detail::text FROM hub.audit"):
        assert GUARD_CARD not in text


async def test_without_a_duty_roster_readers_count_and_doors_do_not(here: Ground):
    here.context.ports.clear()
    await walk_garden(here)
    assert [visit["done_at"] is not None for visit in here.round()["visits"]] == [False, True]


async def test_many_rounds_that_fell_due_while_the_hub_was_away_end_and_are_told_once(here: Ground):
    here.clock.advance(3 * 3600)
    while await here.again().keeper.tick():
        pass
    assert here.told().count("route-garden round_overdue") == 18
    assert here.told().count("route-garden round_settled") == 17  # the last one can still be walked
    assert here.told().count("route-garden checkpoint_late") <= 2  # of a round still open; of those over as a whole
    told = here.told()
    await here.again().keeper.tick()
    assert here.told() == told


async def test_the_part_plans_and_looks_by_itself_and_begins_again_where_it_was_stopped(here: Ground):
    for minute in (5, 10):
        part = asyncio.create_task(PatrolPlugin().parts(here.context)["patrol"]())  # type: ignore[arg-type]
        async with asyncio.timeout(100):
            while here.clock.now() < BEGIN + minutes(minute):
                await asyncio.sleep(0.01)
        part.cancel()
        await asyncio.gather(part, return_exceptions=True)
    names = [name.split()[1] for name in here.told() if name.startswith("route-garden")]
    assert names == ["checkpoint_late", "round_overdue", "round_settled", "round_missed"]


async def test_a_community_that_breaks_stops_no_other(here: Ground, monkeypatch: pytest.MonkeyPatch):
    from modules.patrol import store

    original = store.due

    async def due(connection: Any, community_id: int, *rest: Any, **more: Any) -> Any:
        if community_id == here.foreign:
            raise ValueError("a fault of ours")
        return await original(connection, community_id, *rest, **more)

    communities = {"other": here.foreign, "demo": here.home}
    monkeypatch.setattr(here.context, "communities", communities)
    monkeypatch.setattr(store, "due", due)
    part = asyncio.create_task(PatrolPlugin().parts(here.context)["patrol"]())  # type: ignore[arg-type]
    async with asyncio.timeout(100):
        while here.clock.now() < BEGIN + minutes(9.5):
            await asyncio.sleep(0.01)
    assert not part.done()
    part.cancel()
    await asyncio.gather(part, return_exceptions=True)
    assert "route-garden round_missed" in here.told()


# -- exactly once ----------------------------------------------------------------------------------------------------


class Died(Exception):
    pass


@pytest.mark.parametrize("dies_at", ["put", "settle", "commit"])
async def test_dying_at_any_step_leaves_the_round_and_what_was_told_in_agreement(
    here: Ground, dies_at: str, monkeypatch: pytest.MonkeyPatch
):
    from hub import reports
    from modules.patrol import store

    await here.until(BEGIN + minutes(7.9))
    before = (here.told(), here.round())
    here.clock.advance(30)

    async def die(*arguments: Any, **more: Any) -> None:
        raise Died

    async def run_then_die(*arguments: Any, **more: Any) -> None:
        await original(*arguments, **more)
        raise Died

    target, name = {"put": (reports, "put"), "settle": (store, "settle"), "commit": (store, "settle")}[dies_at]
    original = getattr(target, name)
    with monkeypatch.context() as patch:
        patch.setattr(target, name, run_then_die if dies_at == "commit" else die)
        for _ in range(3):
            with pytest.raises(Died):
                await here.again().keeper.tick()
    assert (here.told(), here.round()) == before
    await here.again().keeper.tick()
    assert here.told() == [*before[0], "route-garden round_overdue"]


async def test_two_keepers_and_a_flood_of_evidence_at_once_tell_everything_once(here: Ground):
    await here.until(BEGIN + minutes(1))
    here.clock.advance(1)
    taps = [here.tap("door-b1-u1", "access_granted") for _ in range(20)] + [here.tap("patrol-1") for _ in range(20)]
    await asyncio.gather(*taps, *(here.patrols.keeper.tick() for _ in range(5)))
    names = [name.split()[1] for name in here.told()]
    assert sorted(names) == ["checkpoint_done", "checkpoint_done", "round_finished", "round_started"]
    keys = here.rows("SELECT count(*), count(DISTINCT key) FROM hub.report")
    assert keys[0][0] == keys[0][1]


# -- looking ---------------------------------------------------------------------------------------------------------


async def test_another_community_sees_nothing(here: Ground):
    await walk_garden(here)
    stranger = Principal("user:x", here.foreign, "admin")
    assert await here.patrols.rounds(stranger) == []
    assert await here.patrols.coverage(stranger, 7) == []
    with pytest.raises(NotThere):
        await here.patrols.show(stranger, here.round()["id"])
    async with here.context.database.session([here.foreign]) as connection:
        for table in ("round", "evidence", "inspection", "used_code", "signing_key"):
            count = await (await connection.execute(f"SELECT count(*) AS n FROM patrol.{table}")).fetchone()
            assert count == {"n": 0}


async def test_evidence_can_only_grow(here: Ground):
    await walk_garden(here)
    for command in ("UPDATE patrol.evidence SET weight = 1", "DELETE FROM patrol.evidence"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with here.context.database.session([here.home]) as connection:
                await connection.execute(command)
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        here.rows("TRUNCATE patrol.evidence")


async def test_coverage_says_which_checkpoints_nobody_saw(here: Ground):
    await walk_garden(here)
    await here.until(BEGIN + minutes(9.5))
    covered = {one.checkpoint.id: one for one in await here.patrols.coverage(here.who(), 7)}
    assert [name for name, one in covered.items() if one.unseen] == ["garage", "garage-exit", "east-gate"]
    garden = covered["garden"]
    assert (garden.planned, garden.done, garden.percent, garden.days_seen, garden.last_at) == (
        1, 1, 100.0, 1, BEGIN + minutes(3),
    )  # fmt: skip
    assert (await here.patrols.results(here.who(), 7))["garden-round"] == {"proved_later": 0, "complete": 1}
    with pytest.raises(Refused):
        await here.patrols.coverage(here.who(), 93)


async def test_one_round_with_its_evidence_and_the_log(here: Ground):
    await walk_garden(here)
    shown = await here.patrols.show(here.who(), here.round()["id"])
    assert [(one["checkpoint"], one["sort"], one["person"]) for one in shown["evidence"]] == [
        ("b1-lobby", "door", "person:zhao"), ("garden", "reader", "person:zhao"),
    ]  # fmt: skip
    day = BEGIN.astimezone().date()
    lines = await here.patrols.log(here.who(), day, day + timedelta(days=1))
    walked = [line for line in lines if line["id"] == shown["id"]]
    assert [(line["checkpoint"], line["done_at"], line["sorts"]) for line in walked] == [
        ("b1-lobby", BEGIN + minutes(1), ["door"]), ("garden", BEGIN + minutes(3), ["reader"]),
    ]  # fmt: skip
