"""Photographs of incidents on a real database."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from hub.errors import Refused
from hub.principal import Principal
from hub.store.database import NotThere
from modules.duty.diary import MOST_PICTURES
from tests.integration.duty_ground import Ground, grounded
from tests.unit.photographs import photograph

PICTURE = photograph(size=(300, 200))


@pytest.fixture
async def ground(postgres_url: str) -> AsyncIterator[Ground]:
    async with grounded(postgres_url) as found:
        yield found


async def sent(picture: bytes) -> AsyncIterator[bytes]:
    yield picture


async def add(ground: Ground, incident: int, given: bytes = PICTURE, who: Principal | None = None) -> str:
    """The picture's number, or the code of the refusal."""
    try:
        return str(await ground.duty.diary.photograph(who or ground.guard, incident, sent(given)))
    except Refused as error:
        return error.code


async def test_an_incident_has_photographs_once_each_and_a_step_for_each(ground: Ground):
    diary = ground.duty.diary
    incident = (await diary.open_incident(ground.guard, "theft", "电动车被盗", "3号楼下"))["id"]
    [number] = set(await asyncio.gather(*(add(ground, incident) for _ in range(4))))
    ground.clock.advance(60)
    other = await add(ground, incident, photograph(size=(310, 200)))
    shown = await diary.incident(ground.admin, incident)
    assert [(str(one["id"]), one["source"], one["gone"]) for one in shown["pictures"]] == [
        (number, ground.guard.actor, False), (other, ground.guard.actor, False),
    ]  # fmt: skip
    assert [step["action"] for step in shown["steps"]] == ["open", "photograph", "photograph"]


async def test_who_may_not_and_what_may_not_leave_nothing(ground: Ground):
    diary = ground.duty.diary
    incident = (await diary.open_incident(ground.guard, "other", "x", "东门"))["id"]
    assert await add(ground, incident, b"GIF89a") == "picture_unknown"
    assert await add(ground, incident, bytes(5_000_001)) == "picture_too_large"
    assert await add(ground, incident, who=ground.viewer) == "forbidden"
    for who, number in ((ground.guard, incident + 1), (Principal("user:x", ground.there, "admin"), incident)):
        with pytest.raises(NotThere):
            await add(ground, number, who=who)
    codes = [await add(ground, incident, photograph(size=(20 + n, 20))) for n in range(MOST_PICTURES + 1)]
    assert codes[-1] == "too_many_pictures" and "too_many_pictures" not in codes[:-1]
    await diary.close_incident(ground.admin, incident, "x")
    assert await add(ground, incident) == "wrong_state"
    assert ground.rows("SELECT count(*) FROM hub.picture") == [(MOST_PICTURES,)]


async def test_photographs_of_what_the_police_have_are_kept_for_good(ground: Ground):
    diary = ground.duty.diary
    handed = (await diary.open_incident(ground.guard, "theft", "x", "东门"))["id"]
    other = (await diary.open_incident(ground.guard, "other", "x", "东门"))["id"]
    born = (await diary.open_incident(ground.guard, "theft", "x", "东门", police_number="A1"))["id"]
    before, not_held = await add(ground, handed), await add(ground, other)
    await diary.hand_to_police(ground.guard, handed, "A2")
    ground.clock.advance(60)
    after, at_once = await add(ground, handed, photograph(size=(310, 200))), await add(ground, born)
    held = {str(number): kept for number, kept in ground.rows("SELECT id, held FROM hub.picture")}
    assert held == {before: True, after: True, at_once: True, not_held: False}
