"""Photographs of check-ins on a real database: kept once, bounded, asked for by items, and never changed."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from hub.errors import Refused
from modules.patrol.evidence import CheckIn
from modules.patrol.service import Patrols
from tests.integration.patrol_ground import BEGIN, Ground, ground, minutes, printed_codes
from tests.unit.photographs import bomb, photograph

PICTURE = photograph(size=(400, 300))


@pytest.fixture
async def here(postgres_url: str) -> AsyncIterator[Ground]:
    """The lobby's extinguisher is to be photographed."""
    async with ground(postgres_url) as found:
        file = found.patrols.file(found.who())
        assert file is not None
        lobby = file.checkpoints[0]
        items = [lobby.items[0], lobby.items[1].model_copy(update={"photo": "required"})]
        asking = file.model_copy(
            update={"checkpoints": [lobby.model_copy(update={"items": items}), *file.checkpoints[1:]]}
        )
        found.patrols = Patrols(found.context, {"demo": asking})
        await found.patrols.keeper.plan_ahead()
        yield found


async def sent(picture: bytes) -> AsyncIterator[bytes]:
    """As a connection brings it."""
    for begin in range(0, len(picture), 10_000):
        yield picture[begin : begin + 10_000]


async def add(
    here: Ground, *, photo: str = "", item: str = "", counter: int = 1, name: str = "li", given: bytes = PICTURE
) -> dict[str, Any]:
    return await here.patrols.photos.add(
        here.who(name=name), photo or uuid4().hex, phone="phone-1", counter=counter, item=item, parts=sent(given)
    )


async def check_in(here: Ground, checkpoint: str = "b1-lobby", counter: int = 1) -> None:
    one = CheckIn(counter, (await printed_codes(here))[checkpoint], here.phone(), {"extinguisher": True})
    answer = await here.patrols.recorder.check_in(here.who(), "phone-1", here.phone(), [one])
    assert answer["results"][0]["outcome"] == "accepted"


async def test_a_photograph_that_is_asked_for_is_missing_until_it_comes_also_after_the_round(here: Ground):
    await here.until(BEGIN + minutes(2))
    await check_in(here)
    await add(here)
    visit = here.round()["visits"][0]
    assert (visit["unphotographed"], visit["done_at"] is not None) == (["extinguisher"], True), "one of something else"
    [row] = here.rows("SELECT flags FROM patrol.round WHERE id = %s", here.round()["id"])
    assert row == (1,)
    await here.until(BEGIN + minutes(30), 30)
    await add(here, item="extinguisher")
    assert here.round()["visits"][0]["unphotographed"] == []
    shown = await here.patrols.show(here.who(), here.round()["id"])
    assert sorted((one["item"], one["gone"]) for one in shown["photos"]) == [("", False), ("extinguisher", False)]
    log = await here.patrols.log(here.who(), BEGIN.date(), (BEGIN + minutes(600)).date())
    assert [one["unphotographed"] for one in log if one["checkpoint"] == "b1-lobby" and one["done_at"]] == [[]]


async def test_sent_again_and_five_times_at_once_it_is_one(here: Ground):
    await check_in(here)
    name = uuid4().hex
    answers = await asyncio.gather(*(add(here, photo=name) for _ in range(5)))
    assert sorted(one["outcome"] for one in answers) == ["accepted"] + ["repeated"] * 4
    assert len({one["picture"] for one in answers}) == 1
    assert here.rows("SELECT count(*), count(DISTINCT picture) FROM patrol.photo") == [(1, 1)]
    assert here.rows("SELECT subject, source FROM hub.picture") == [
        (f"check_in:{here.rows('SELECT id FROM patrol.evidence')[0][0]}", "user:li")
    ]
    [(actor, detail)] = here.rows("SELECT actor, detail FROM hub.audit WHERE action = 'patrol.photograph'")
    assert (actor, detail["picture"]) == ("user:li", answers[0]["picture"])


async def test_there_are_three_a_check_in_and_three_of_an_item_even_at_once(here: Ground):
    await check_in(here)

    async def attempt(number: int, item: str) -> str:
        try:
            return str((await add(here, item=item, given=photograph(size=(40 + number, 40))))["outcome"])
        except Refused as error:
            return error.code

    outcomes = await asyncio.gather(*(attempt(number, "") for number in range(5)))
    assert sorted(outcomes) == ["accepted"] * 3 + ["too_many_pictures"] * 2
    assert await attempt(9, "extinguisher") == "accepted"


async def test_what_belongs_to_no_own_check_in_or_is_no_picture_leaves_nothing(here: Ground):
    with pytest.raises(Refused) as refused:
        await add(here)
    assert (refused.value.code, refused.value.status) == ("no_check_in", 404)
    await check_in(here)
    used = uuid4().hex
    await add(here, photo=used)
    await check_in(here, "garage", 2)
    for attempt, code in (
        (add(here, name="wang"), "no_check_in"), (add(here, item="fire-lane"), "bad_item"),
        (add(here, item="nothing"), "bad_item"), (add(here, photo=used, counter=2), "other_check_in"),
        (add(here, given=b"<svg>"), "picture_unknown"), (add(here, given=bomb()), "picture_too_large"),
        (add(here, given=b"\xff\xd8" + bytes(6_000_000)), "picture_too_large"),
    ):  # fmt: skip
        with pytest.raises(Refused) as refused:
            await attempt
        assert refused.value.code == code
    with pytest.raises(Refused) as refused:
        await here.patrols.photos.add(
            here.who("viewer"), uuid4().hex, phone="phone-1", counter=1, item="", parts=sent(PICTURE)
        )
    assert refused.value.status == 403
    assert here.rows("SELECT count(*) FROM patrol.photo") == here.rows("SELECT count(*) FROM hub.picture") == [(1,)]


async def test_a_photograph_is_never_changed_and_not_deleted_for_half_a_year(here: Ground):
    await check_in(here)
    await add(here)
    with psycopg.connect(here.url, autocommit=True) as link:
        for wrong in ("UPDATE patrol.photo SET item = 'x'", "DELETE FROM patrol.photo", "TRUNCATE patrol.photo"):
            with pytest.raises(psycopg.Error, match="photo is append-only"):
                link.execute(wrong)  # type: ignore[call-overload]
    async with here.context.database.session([here.foreign]) as connection:
        assert await (await connection.execute("SELECT * FROM patrol.photo")).fetchall() == []
