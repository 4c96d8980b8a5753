"""Rosters and who is on now, on a real database: boundaries, midnight, clock changes, swaps, absences, versions."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import psycopg
import pytest

from hub.catalog.paths import packaged_config
from hub.errors import Refused
from hub.principal import Principal
from hub.store.database import NotThere
from modules.duty.desk import plain
from modules.duty.model import Limits
from modules.duty.seed import apply, load_duty
from modules.duty.watch import Watch
from tests.integration.duty_ground import DAY, NOW, Ground, grounded


@pytest.fixture
async def ground(postgres_url: str) -> AsyncIterator[Ground]:
    async with grounded(postgres_url) as found:
        yield found


def shanghai(day: int, hour: int, minute: int = 0, second: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, second, tzinfo=UTC) - timedelta(hours=8)


async def on(ground: Ground, at: datetime, post: str | None = None) -> dict[str, str]:
    rows = await ground.context.ports["duty.on_shift"](ground.here, post, at)
    return {row["post"]: row["name"] for row in rows}


# -- seed ----------------------------------------------------------------------------------------------------------


async def test_the_demonstration_is_staffed_once_however_often_it_starts(ground: Ground):
    files = load_duty([packaged_config()])
    assert await asyncio.gather(*(apply(ground.context, files, "demo") for _ in range(5))) == [False] * 5
    assert ground.rows("SELECT count(*) FROM duty.person") == [(12,)]
    assert ground.rows("SELECT version, origin, first, last FROM duty.roster") == [
        (1, "rotation", DAY - timedelta(days=7), DAY + timedelta(days=7))
    ]
    told = await ground.duty.rosters.days(ground.viewer, DAY - timedelta(days=7), DAY + timedelta(days=7))
    assert (len(told["slots"]), told["missing"], told["violations"]) == (135, [], [])


async def test_many_first_starts_at_once_staff_it_once(ground: Ground):
    with psycopg.connect(ground.url) as link:
        link.execute("UPDATE hub.community SET code = 'x' WHERE code = 'demo'")
        link.execute("UPDATE hub.community SET code = 'demo' WHERE code = 'other'")
    ground.context.communities = {"demo": ground.there}
    files = load_duty([packaged_config()])
    assert sorted(await asyncio.gather(*(apply(ground.context, files, "demo") for _ in range(5)))) == [False] * 4 + [
        True
    ]
    assert ground.rows("SELECT count(*) FROM duty.person") == [(24,)]


# -- ports -----------------------------------------------------------------------------------------------------------


async def test_who_is_on_changes_at_the_second_of_the_change(ground: Ground):
    before, after = shanghai(21, 22, 59, 59), shanghai(21, 23)
    afternoon, night = await on(ground, before), await on(ground, after)
    assert set(afternoon) == set(night) == {"gate", "control", "patrol"}
    assert not set(afternoon.values()) & set(night.values())
    assert await on(ground, shanghai(22, 0)) == await on(ground, shanghai(22, 6, 59, 59)) == night
    assert await on(ground, shanghai(22, 7)) != night
    shift_at = ground.context.ports["duty.shift_at"]
    assert (await shift_at(ground.here, before))["shift"] == "afternoon"
    assert await shift_at(ground.here, shanghai(22, 3)) == {
        "shift": "night", "begins": shanghai(21, 23), "ends": shanghai(22, 7),
    }  # fmt: skip
    [row] = await ground.context.ports["duty.on_shift"](ground.here, "gate", before)
    assert {"person", "name", "account", "phone", "post", "shift"} <= set(row)
    assert (row["post"], row["shift"], row["name"]) == ("gate", "afternoon", afternoon["gate"])
    assert await on(ground, before, "nowhere") == {}


async def test_shifts_follow_the_wall_clock_when_clocks_change(ground: Ground):
    """Berlin, 2026-10-25: the night from 23:00 to 07:00 has nine hours, in March seven."""
    register, there = ground.duty.register, ground.stranger
    await register.put_shift(there, "night", {"zh": "夜", "en": "Night"}, time(23), time(7))
    await register.put_post(there, "gate", {"zh": "门", "en": "Gate"})
    await register.put_need(there, "gate", "night", 1, [1, 2, 3, 4, 5, 6, 7])
    person = await register.put_person(there, "p1", "Schmidt")
    shift_at = ground.context.ports["duty.shift_at"]
    autumn, spring = (
        await shift_at(ground.there, datetime(2026, 10, 25, 3, tzinfo=UTC)),
        await shift_at(ground.there, datetime(2026, 3, 29, 3, tzinfo=UTC)),
    )
    assert [each["ends"] - each["begins"] for each in (autumn, spring)] == [timedelta(hours=9), timedelta(hours=7)]
    ground.clock.advance((datetime(2026, 3, 28, 12, tzinfo=UTC) - NOW).total_seconds())
    made = await ground.duty.rosters.generate(there, date(2026, 3, 28), date(2026, 3, 28))
    await ground.duty.rosters.publish(there, made["id"])
    on_shift = ground.context.ports["duty.on_shift"]
    assert [row["person"] for row in await on_shift(ground.there, None, datetime(2026, 3, 29, 4, 59, tzinfo=UTC))] == [
        person
    ]
    assert await on_shift(ground.there, None, datetime(2026, 3, 29, 5, tzinfo=UTC)) == []


async def test_who_is_absent_is_not_on_and_leaves_a_hole_that_is_told(ground: Ground):
    [gate] = await ground.context.ports["duty.on_shift"](ground.here, "gate", shanghai(22, 2))
    absence = await ground.duty.register.put_absence(
        ground.admin, gate["person"], "sick", DAY, DAY, since=shanghai(22, 2)
    )  # fmt: skip
    assert "gate" in await on(ground, shanghai(22, 1, 59, 59))
    assert "gate" not in await on(ground, shanghai(22, 2))
    told = await ground.duty.rosters.days(ground.guard, DAY, DAY)
    assert [(hole["day"], hole["post"], hole["lacking"]) for hole in told["missing"]] == [
        (DAY, ground.codes["post"]["gate"], 1)
    ]
    await ground.duty.register.cancel_absence(ground.admin, absence)
    assert "gate" in await on(ground, shanghai(22, 2))


async def test_a_stand_in_is_proposed_takes_the_place_and_keeps_to_the_rules(ground: Ground):
    make = type(ground.slot(DAY, "night", "gate", "g01"))
    for one in [each for day in range(22, 29) for each in await slots(ground, date(2026, 11, day))]:
        hole = make(one["day"], one["shift"], one["post"], one["person"])
        proposed = await ground.duty.rosters.stand_ins(ground.guard, hole)
        if not proposed[0]["breaks"]:
            break
    best, day = proposed[0], hole.day
    assert best["breaks"] == []
    assert proposed[-1]["breaks"] != []
    assert hole.person not in [each["person"] for each in proposed]
    await ground.duty.register.put_absence(ground.admin, hole.person, "leave", day, day)
    told = await ground.duty.rosters.change(
        ground.admin, remove=[hole], add=[make(day, hole.shift, hole.post, best["person"])], note="替班"
    )
    assert (told["version"], told["origin"], told["missing"], told["first"], told["last"]) == (
        2,
        "change",
        [],
        day,
        day,
    )
    assert best["person"] in [each["person"] for each in await slots(ground, day) if each["shift"] == hole.shift]
    begun = next(iter(ground.rows(f"SELECT begins_at FROM duty.slot WHERE roster_id = {told['id']}"
                                  f" AND shift_id = {hole.shift}")))[0]  # fmt: skip
    assert best["name"] in (await on(ground, begun)).values()
    with pytest.raises(Refused) as refused:  # a second tap, or a second desk
        await ground.duty.rosters.change(ground.admin, remove=[hole], note="again")
    assert refused.value.code == "roster_changed"


async def test_two_people_change_places_over_days(ground: Ground):
    first, second = date(2026, 11, 22), date(2026, 11, 24)
    one = next(s for s in await slots(ground, first) if s["post"] == ground.codes["post"]["gate"])
    other = next(s for s in await slots(ground, second) if s["post"] == ground.codes["post"]["gate"]
                 and s["shift"] == one["shift"] and s["person"] != one["person"])  # fmt: skip
    make = type(ground.slot(first, "night", "gate", "g01"))
    told = await ground.duty.rosters.swap(
        ground.admin, make(first, one["shift"], one["post"], one["person"]),
        make(second, other["shift"], other["post"], other["person"]), accept=True,
    )  # fmt: skip
    assert (told["first"], told["last"], len(told["slots"])) == (first, second, 27)
    after = {(s["day"], s["shift"]): s["person"] for s in told["slots"] if s["post"] == one["post"]}
    assert after[first, one["shift"]] == other["person"]
    assert after[second, one["shift"]] == one["person"]


async def slots(ground: Ground, day: date) -> list[dict[str, Any]]:
    return (await ground.duty.rosters.days(ground.viewer, day, day))["slots"]


# -- versions --------------------------------------------------------------------------------------------------------


async def test_changes_at_once_become_one_version_each(ground: Ground):
    chosen = (await slots(ground, DAY))[:6]
    make = type(ground.slot(DAY, "night", "gate", "g01"))

    async def take_out(each: dict[str, Any]) -> None:
        await ground.duty.rosters.change(
            ground.admin, remove=[make(DAY, each["shift"], each["post"], each["person"])], accept=True
        )  # fmt: skip

    await asyncio.gather(*(take_out(each) for each in chosen))
    assert len(await slots(ground, DAY)) == 3
    assert [row[0] for row in ground.rows("SELECT version FROM duty.roster ORDER BY version")] == [1, 2, 3, 4, 5, 6, 7]


async def test_a_published_roster_cannot_be_changed_even_in_the_store(ground: Ground):
    for statement in ("DELETE FROM duty.slot", "UPDATE duty.roster SET first = first - 1",
                      "INSERT INTO duty.slot SELECT community_id, roster_id, day + 100, shift_id, post_id, person_id,"
                      " begins_at, ends_at FROM duty.slot LIMIT 1"):  # fmt: skip
        with psycopg.connect(ground.url) as link, pytest.raises(psycopg.errors.InsufficientPrivilege):
            link.execute(statement)  # type: ignore[call-overload]


async def test_a_hole_or_a_broken_rule_is_never_published_silently(ground: Ground):
    one = (await slots(ground, DAY + timedelta(days=2)))[0]
    make = type(ground.slot(DAY, "night", "gate", "g01"))
    slot = make(one["day"], one["shift"], one["post"], one["person"])
    with pytest.raises(Refused) as refused:
        await ground.duty.rosters.change(ground.admin, remove=[slot])
    assert refused.value.code == "has_holes"
    lacking = ground.codes["person"]["g03"]  # has no qualification for the control room
    control = next(s for s in await slots(ground, one["day"]) if s["post"] == ground.codes["post"]["control"])
    with pytest.raises(Refused) as refused:
        await ground.duty.rosters.change(
            ground.admin, remove=[make(control["day"], control["shift"], control["post"], control["person"])],
            add=[make(control["day"], control["shift"], control["post"], lacking)],
        )  # fmt: skip
    assert refused.value.code == "breaks_rules"
    assert ground.rows("SELECT count(*) FROM duty.roster") == [(1,)]


async def test_the_solver_makes_a_draft_that_is_published_while_others_work(ground: Ground):
    first, last = date(2026, 11, 30), date(2026, 12, 13)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    other = asyncio.create_task(tick())
    solving = asyncio.create_task(ground.duty.rosters.generate(ground.admin, first, last))
    while not ground.duty.rosters._solving:
        await asyncio.sleep(0)
    with pytest.raises(Refused) as refused:
        await ground.duty.rosters.generate(ground.admin, first, last)
    assert refused.value.code == "busy_solving"
    made = await solving
    other.cancel()
    assert ticks > 10
    assert (made["state"], made["missing"], made["violations"], len(made["slots"])) == ("draft", [], [], 126)
    assert await on(ground, datetime(2026, 12, 1, 4, tzinfo=UTC)) == {}  # a draft does not count
    published = await ground.duty.rosters.publish(ground.admin, made["id"], note="十二月上旬")
    assert (published["version"], published["published_by"]) == (2, "user:admin")
    assert set(await on(ground, datetime(2026, 12, 1, 4, tzinfo=UTC))) == {"gate", "control", "patrol"}
    with pytest.raises(Refused):
        await ground.duty.rosters.publish(ground.admin, made["id"])
    again = await ground.duty.rosters.draft(ground.admin, first, last)
    assert len(again["slots"]) == 126
    await ground.duty.rosters.discard(ground.admin, again["id"])
    with pytest.raises(NotThere):
        await ground.duty.rosters.discard(ground.admin, again["id"])


async def test_what_cannot_be_covered_is_named(ground: Ground):
    for code in ("g01", "g02", "g04", "g05", "g07", "g08", "g10"):  # of eight who may watch the control room
        await ground.duty.register.put_absence(
            ground.admin, ground.codes["person"][code], "leave", date(2026, 12, 1), date(2026, 12, 7)
        )
    made = await ground.duty.rosters.generate(ground.admin, date(2026, 12, 1), date(2026, 12, 7))
    assert made["violations"] == []
    assert {hole["post"] for hole in made["missing"]} >= {ground.codes["post"]["control"]}
    with pytest.raises(Refused) as refused:
        await ground.duty.rosters.publish(ground.admin, made["id"])
    assert refused.value.code == "has_holes"
    assert (await ground.duty.rosters.publish(ground.admin, made["id"], accept=True))["state"] == "published"


# -- people, limits, rights ------------------------------------------------------------------------------------------


async def test_a_card_is_known_again_and_never_kept(ground: Ground):
    find = ground.context.ports["duty.person_of_card"]
    assert (await find(ground.here, "5a-00 0002"))["code"] == "g02"
    assert await find(ground.here, "5A00FFFF") is None
    assert await find(ground.there, "5A000002") is None
    assert await find(ground.here, "'; DROP TABLE duty.person; --" * 20) is None
    dumped = str(ground.rows("SELECT * FROM duty.person")) + str(ground.rows("SELECT detail FROM hub.audit"))
    assert "5A000002" not in dumped
    await ground.duty.register.put_person(ground.admin, "g02", "李志强", card="", account="guard")
    assert await find(ground.here, "5A000002") is None
    with pytest.raises(Refused) as refused:
        await ground.duty.register.put_person(ground.admin, "g02", "李志强", card="5A000003")
    assert refused.value.code == "card_taken"


async def test_numbers_are_in_full_only_for_who_supervises(ground: Ground):
    numbers = [
        {person["code"]: person["phone"] for person in await ground.duty.register.people(who)}["g01"]
        for who in (ground.viewer, ground.guard, ground.admin)
    ]
    assert numbers == ["138****0001", "138****0001", "13800000001"]
    assert all("card_hash" not in person for person in await ground.duty.register.people(ground.admin))


async def test_a_shift_under_a_roster_keeps_its_hours(ground: Ground):
    names = {"zh": "早班", "en": "Early"}
    with pytest.raises(Refused) as refused:
        await ground.duty.register.put_shift(ground.admin, "morning", names, time(8), time(15))
    assert refused.value.code == "shift_in_use"
    await ground.duty.register.put_shift(ground.admin, "morning", names, time(7), time(15))


async def test_equipment_is_with_one_person_at_a_time(ground: Ground):
    register, radio = ground.duty.register, ground.codes["equipment"]["radio-1"]
    one, other = ground.codes["person"]["g01"], ground.codes["person"]["g02"]
    outcomes = await asyncio.gather(*(register.issue(ground.guard, radio, each) for each in (one, other)),
                                    return_exceptions=True)  # fmt: skip
    assert sorted(type(each).__name__ for each in outcomes) == ["NoneType", "Refused"]
    await register.take_back(ground.guard, radio, "完好")
    with pytest.raises(Refused):
        await register.take_back(ground.guard, radio)
    assert [move["action"] for move in await register.equipment_moves(ground.guard, radio)] == ["return", "issue"]


async def test_another_community_sees_and_changes_nothing(ground: Ground):
    who, duty = ground.stranger, ground.duty
    assert await duty.register.people(who) == await duty.register.posts(who) == await duty.rosters.recent(who) == []
    person, radio = ground.codes["person"]["g01"], ground.codes["equipment"]["radio-1"]
    for attempt in (
        duty.register.person(who, person), duty.register.issue(who, radio, person), duty.rosters.show(who, 1),
        duty.register.put_absence(who, person, "leave", DAY, DAY), duty.rosters.publish(who, 1),
        duty.register.put_wish(who, person, DAY, "free"), duty.register.put_need(who, "gate", "night", 1, [1]),
    ):  # fmt: skip
        with pytest.raises(NotThere):
            await attempt
    with pytest.raises(Refused):
        await duty.rosters.change(who, add=[ground.slot(DAY, "night", "gate", "g01")], accept=True)
    tables = [row[0] for row in ground.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'duty'")]
    assert len(tables) == 17
    for communities in ([], [ground.there]):
        async with ground.context.database.session(communities) as connection:
            for table in tables:
                query = f"SELECT FROM duty.{table} WHERE community_id = {ground.here}"
                assert await (await connection.execute(query)).fetchall() == [], table  # type: ignore[arg-type]


@pytest.mark.parametrize("role", ["viewer", "guard", "engineer", "finance"])
async def test_only_who_supervises_makes_rosters(ground: Ground, role: Any):
    who, duty = Principal("user:x", ground.here, role), ground.duty
    for attempt in (
        duty.register.put_post(who, "x", {"zh": "x", "en": "x"}), duty.register.put_person(who, "x", "x"),
        duty.register.put_limits(who, Limits(), 15), duty.register.put_absence(who, 1, "sick", DAY, DAY),
        duty.register.put_wish(who, ground.codes["person"]["g01"], DAY, "free"),
        duty.rosters.generate(who, DAY, DAY), duty.rosters.draft(who, DAY, DAY), duty.rosters.publish(who, 1),
        duty.rosters.change(who, remove=[ground.slot(DAY, "night", "gate", "g01")]), duty.rosters.discard(who, 1),
    ):  # fmt: skip
        with pytest.raises(Refused) as refused:
            await attempt
        assert refused.value.status == 403


async def test_a_wish_of_ones_own_is_kept(ground: Ground):
    mine = ground.codes["person"]["g02"]
    await ground.duty.register.put_wish(ground.guard, mine, DAY, "free", ground.codes["shift"]["night"])
    [wish] = await ground.duty.register.wishes(ground.guard, DAY, DAY)
    assert (wish["person_id"], wish["want"]) == (mine, "free")
    await ground.duty.register.put_wish(ground.guard, mine, DAY, None)
    assert await ground.duty.register.wishes(ground.guard, DAY, DAY) == []


async def test_the_change_of_shifts_is_called_once(ground: Ground):
    screen = ground.context.live.subscribe(lambda change: change.topic == "duty")
    watch = Watch(ground.context, {})
    await watch.look()
    ground.clock.advance(3 * 3600)
    await watch.look()
    await watch.look()
    changes, _ = await screen.take()
    assert [change.data["what"] for change in changes] == ["shift"]
    assert plain(changes[0].data)["id"].startswith("2026-11-21 15:00")
