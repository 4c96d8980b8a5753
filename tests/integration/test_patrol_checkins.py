"""Check-ins by phone and what was inspected: signed codes, each taken once, readings held against the sensor's."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from hub.errors import Refused
from hub.store.database import NotThere
from modules.patrol.evidence import CheckIn
from tests.integration.patrol_ground import BEGIN, NOW, Ground, ground, minutes, printed_codes


@pytest.fixture
async def here(postgres_url: str) -> AsyncIterator[Ground]:
    async with ground(postgres_url) as found:
        await found.patrols.keeper.plan_ahead()
        yield found


async def check_in(here: Ground, code: str, counter: int = 1, **more: Any) -> dict[str, Any]:
    one = CheckIn(counter, code, here.phone(), **more)
    answer = await here.patrols.recorder.check_in(here.who(), "phone-1", here.phone(), [one])
    [result] = answer["results"]
    return dict(result)


async def test_a_printed_code_read_in_its_slot_counts_and_out_of_it_needs_a_second_proof(here: Ground):
    printed = await printed_codes(here)
    await here.until(BEGIN + minutes(2))
    assert (await check_in(here, printed["b1-lobby"]))["outcome"] == "accepted"
    assert here.round()["visits"][0]["score"] == 100
    await here.until(BEGIN + minutes(5.5))  # the garage round opened at 02:04; its free stop is due by 02:10
    assert (await check_in(here, printed["garage"], 2))["outcome"] == "accepted"
    assert here.round("garage-round", BEGIN + minutes(5))["visits"][0]["score"] == 100
    await here.until(BEGIN + minutes(12.5))
    await check_in(here, printed["garage"], 3)
    assert here.rows("SELECT count(*), max(weight) FROM patrol.evidence") == [(3, 60)]
    assert here.rows("SELECT DISTINCT actor, action FROM hub.audit") == [("user:li", "patrol.check_in")]


async def test_a_displayed_code_works_once_and_for_a_minute(here: Ground):
    _, code = await here.patrols.displayed(here.who("admin"), "east-gate")
    here.clock.advance(50)
    assert (await check_in(here, code))["outcome"] == "accepted"
    assert (await check_in(here, code))["outcome"] == "repeated"
    replayed = await here.patrols.recorder.check_in(
        here.who(name="wang"), "phone-2", here.phone(), [CheckIn(1, code, here.phone())]
    )
    assert replayed["results"][0]["code"] == "used_code"
    _, stale = await here.patrols.displayed(here.who("admin"), "east-gate")
    here.clock.advance(61)
    assert (await check_in(here, stale, 2))["code"] == "stale_code"
    assert here.rows("SELECT weight FROM patrol.evidence") == [(100,)]


async def test_renewed_codes_take_the_place_of_the_old_ones_and_it_is_audited(here: Ground):
    admin = here.who("admin")
    old, [token] = (await printed_codes(here))["east-gate"], (await here.patrols.screens(admin)).values()
    _, shown = await here.patrols.shown_on(token)
    with pytest.raises(Refused):
        await here.patrols.renew(here.who("guard"), "east-gate")
    assert await here.patrols.renew(admin, "east-gate") == 2
    assert [(await check_in(here, code, n))["code"] for n, code in enumerate((old, shown))] == ["old_code"] * 2
    with pytest.raises(Refused, match="replaced"):
        await here.patrols.shown_on(token)
    assert (await check_in(here, (await printed_codes(here))["east-gate"], 3))["outcome"] == "accepted"
    assert here.rows("SELECT actor, object, detail FROM hub.audit WHERE action = 'patrol.renew_code'") == [
        ("user:li", "checkpoint:east-gate", {"generation": 2})
    ]
    assert await here.patrols.renew(admin, "east-gate") == 3


async def test_a_screens_token_gives_codes_of_its_checkpoint_and_nothing_else(here: Ground):
    [(checkpoint, token)] = (await here.patrols.screens(here.who("admin"))).items()
    found, code = await here.patrols.shown_on(token)
    assert (checkpoint, found.id, code.split(":")[0]) == ("east-gate", "east-gate", "d")
    assert (await check_in(here, token))["code"] == "bad_code"
    printed = (await printed_codes(here))["east-gate"]
    for wrong in ("", "::", "t:demo:east-gate:1~x", printed, code, f"{token}x", "t:other:east-gate:1~x", "x" * 9999):
        with pytest.raises((Refused, NotThere)):
            await here.patrols.shown_on(wrong)


async def test_the_same_check_in_sent_five_times_at_once_is_one(here: Ground):
    _, code = await here.patrols.displayed(here.who("admin"), "east-gate")
    answers = await asyncio.gather(*(check_in(here, code) for _ in range(5)))
    assert sorted(answer["outcome"] for answer in answers) == ["accepted"] + ["repeated"] * 4
    assert here.rows("SELECT count(*) FROM hub.audit") == [(1,)]


async def test_a_displayed_code_handed_in_later_proves_when_it_was_shown_but_counts_as_printed(here: Ground):
    _, code = await here.patrols.displayed(here.who("admin"), "east-gate")
    captured = here.phone(boot="in the cellar")
    here.clock.advance(4 * 3600)
    answer = await here.patrols.recorder.check_in(
        here.who(), "p", here.phone(boot="above"), [CheckIn(1, code, captured)]
    )
    assert answer["results"][0]["outcome"] == "accepted"
    assert here.rows("SELECT at, weight, timely, offline FROM patrol.evidence") == [(NOW, 60, True, True)]


async def test_what_is_refused_leaves_nothing_and_does_not_hold_up_the_others(here: Ground):
    printed = await printed_codes(here)
    old = here.phone(back=timedelta(days=8), boot="last week")
    batch = [
        CheckIn(1, "s:demo:garden~forged", here.phone()),
        CheckIn(2, printed["garden"], here.phone(), {"nothing": True}),
        CheckIn(3, printed["garden"], here.phone(), {"temperature": True}),
        CheckIn(4, printed["garden"], here.phone(), {"temperature": float("nan")}),
        CheckIn(5, printed["garden"], old),
        CheckIn(6, printed["garden"], here.phone(), {"temperature": 18.0}),
    ]
    answer = await here.patrols.recorder.check_in(here.who(), "phone-1", here.phone(), batch)
    assert [one.get("code", one["outcome"]) for one in answer["results"]] == [
        "bad_code", "bad_answer", "bad_answer", "bad_answer", "too_old", "accepted",
    ]  # fmt: skip
    assert here.rows("SELECT count(*) FROM patrol.evidence") == [(1,)]


@pytest.mark.parametrize("role", ["viewer", "finance"])
async def test_who_may_not_work_may_look_but_not_check_in(here: Ground, role: Any):
    with pytest.raises(Refused) as refused:
        await here.patrols.recorder.check_in(here.who(role), "p", here.phone(), [])
    assert refused.value.status == 403
    for attempt in (here.patrols.printed(here.who(role)), here.patrols.displayed(here.who("guard"), "east-gate")):
        with pytest.raises(Refused):
            await attempt
    assert len(await here.patrols.rounds(here.who(role))) > 0


async def test_more_than_two_hundred_at_once_are_too_many(here: Ground):
    with pytest.raises(Refused, match="200"):
        await here.patrols.recorder.check_in(
            here.who(), "p", here.phone(), [CheckIn(n, "x", here.phone()) for n in range(201)]
        )


# -- inspections -----------------------------------------------------------------------------------------------------


def sensor(here: Ground, code: str, point: str, value: float) -> None:
    found = here.devices[code]
    with psycopg.connect(here.url) as link:
        link.execute(
            "INSERT INTO telemetry.sample (ts, value, point_id, community_id) VALUES (%s, %s, %s, %s)",
            [here.clock.now() - minutes(2), value, found.points[point].id, here.home],
        )


async def test_readings_are_held_against_the_sensor_at_that_time(here: Ground):
    printed = await printed_codes(here)
    sensor(here, "env-1", "temperature", 18.0)
    fine = await check_in(here, printed["garden"], 1, answers={"temperature": 22.5})
    off = await check_in(here, printed["garden"], 2, answers={"temperature": 23.5})
    assert (fine["deviations"], off["deviations"]) == ([], ["temperature"])
    assert (await check_in(here, printed["garden"], 2, answers={"temperature": 23.5}))["outcome"] == "repeated"
    assert here.rows("SELECT value, sensor, deviates FROM patrol.inspection ORDER BY id") == [
        (22.5, 18.0, False), (23.5, 18.0, True),
    ]  # fmt: skip
    [[device, body]] = here.rows("SELECT device, body FROM hub.report WHERE body::text LIKE '%%deviation%%'")
    assert device == "route-garden"
    assert body["events"][0][1] | {"round": ""} == {
        "round": "",
        "item": "中心花园 · 花园气温",
        "value": 23.5,
        "sensor": 18.0,
    }


async def test_a_fault_that_is_seen_is_told_and_an_old_reading_is_no_comparison(here: Ground):
    printed = await printed_codes(here)
    answers = {"fire-lane": False, "extinguisher": True}
    assert (await check_in(here, printed["b1-lobby"], 1, answers=answers))["deviations"] == ["fire-lane"]
    sensor(here, "env-2", "temperature", 18.0)
    here.clock.advance(7200)
    found = await check_in(here, printed["garage"], 2, answers={"temperature": 60.0, "extinguisher": True})
    assert found["deviations"] == []
    assert here.rows("SELECT sensor FROM patrol.inspection WHERE item = 'temperature'") == [(None,)]
    assert here.rows("SELECT uncompared FROM patrol.inspection WHERE item = 'temperature'") == [(True,)]


async def test_a_visit_without_answers_is_shown_counted_and_exported_as_not_inspected(here: Ground):
    asked = [
        one.model_copy(update={"items": [item.model_copy(update={"required": True}) for item in one.items]})
        for one in here.patrols.file(here.who()).checkpoints  # type: ignore[union-attr]
    ]
    file = here.patrols.file(here.who()).model_copy(update={"checkpoints": asked})  # type: ignore[union-attr]
    here.patrols.versions.files = {"demo": file}
    await here.patrols.keeper.plan_ahead()
    printed = await printed_codes(here)
    await here.until(BEGIN + minutes(2))
    await check_in(here, printed["b1-lobby"], answers={"fire-lane": True})
    await here.tap("patrol-1")
    row = here.round()
    assert [visit["unanswered"] for visit in row["visits"]] == [["extinguisher"], ["temperature"]]
    assert row["state"] == "complete"
    await check_in(here, printed["b1-lobby"], 2, answers={"extinguisher": True})
    assert [len(visit["unanswered"]) for visit in here.round()["visits"]] == [0, 1]
    await here.until(BEGIN + minutes(10))
    logged = await here.patrols.log(here.who(), BEGIN.date(), BEGIN.date() + timedelta(days=1))
    assert [one["unanswered"] for one in logged if one["id"] == row["id"]] == [[], ["temperature"]]
    covered = {one.checkpoint.id: one.unanswered for one in await here.patrols.coverage(here.who(), 1)}
    assert (covered["b1-lobby"], covered["garden"]) == (0, 1)


# -- without a connection --------------------------------------------------------------------------------------------


async def kept_on_the_phone(here: Ground, ahead: timedelta = timedelta()) -> list[CheckIn]:
    """Both stops of the garden round read in their time by a phone in a cellar."""
    printed, found = await printed_codes(here), []
    for counter, (minute, checkpoint) in enumerate([(1, "b1-lobby"), (3, "garden")], 1):
        await here.until(BEGIN + minutes(minute))
        found.append(CheckIn(counter, printed[checkpoint], here.phone(ahead=ahead, boot="in the cellar")))
    return found


async def hand_in(here: Ground, found: list[CheckIn], ahead: timedelta = timedelta()) -> None:
    answer = await here.patrols.recorder.check_in(here.who(), "p", here.phone(ahead=ahead, boot="above"), found)
    assert [one["outcome"] for one in answer["results"]] == ["accepted"] * len(found)


async def test_what_an_honest_phone_sends_hours_later_proves_the_round_later_and_tells_nothing(here: Ground):
    found = await kept_on_the_phone(here)
    await here.until(BEGIN + minutes(9.5))
    told = [name for name in here.told() if name.startswith("route-garden")]
    assert told.count("route-garden round_missed") == 1
    here.clock.advance(6 * 3600)
    before = here.told()
    await hand_in(here, found)
    row = here.round()
    assert (row["state"], row["done"], row["proved_later"], row["people"]) == ("complete", 2, True, ["user:li"])
    assert here.told() == before


async def test_what_is_sent_while_the_round_is_open_saves_it_and_is_still_marked(here: Ground):
    found = await kept_on_the_phone(here)
    await here.until(BEGIN + minutes(8.3))
    await hand_in(here, found)
    await here.until(BEGIN + minutes(9.5))
    row = here.round()
    assert (row["state"], row["proved_later"], [visit["later"] for visit in row["visits"]]) == (
        "complete", True, [True, True],
    )  # fmt: skip
    assert here.told().count("route-garden round_overdue") == here.told().count("route-garden round_settled") == 1


async def test_a_phone_whose_clock_is_wrong_proves_nothing_by_itself(here: Ground):
    found = await kept_on_the_phone(here, ahead=timedelta(minutes=3))
    await here.until(BEGIN + minutes(9.5))
    await hand_in(here, found, ahead=timedelta(minutes=3))
    assert [visit["score"] for visit in here.round()["visits"]] == [60, 60]
    assert (here.round()["state"], here.round()["proved_later"]) == ("missed", False)
