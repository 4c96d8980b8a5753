"""Several devices read at once: as `device` gives each, nobody else's, masked as events are."""

from collections.abc import AsyncIterator

import pytest

from hub.clock import SystemClock
from hub.principal import Principal
from hub.readmodel.desk import ReadDesk
from tests.integration.postgres import new_database
from tests.integration.seeded import Seeded, seeded


@pytest.fixture
async def seeds(postgres_url: str) -> AsyncIterator[Seeded]:
    async with seeded(new_database(postgres_url), SystemClock()) as opened:
        yield opened


async def test_several_are_as_one_by_one(seeds: Seeded) -> None:
    desk, guard = ReadDesk(seeds.context), Principal("user:li", seeds.home, "guard")
    door, barrier = seeds.devices["door-b1-u1"].id, seeds.devices["barrier-out"].id
    rows = {row["id"]: row for row in await desk.several(guard, [door, barrier, seeds.numbers["foreign"]["device"]])}
    assert set(rows) == {door, barrier}
    for number, row in rows.items():
        events = row.pop("events")
        assert row == await desk.device(guard, number)
        assert events == (await desk.events(guard, device_id=number))[:3]
    assert len((await desk.several(guard, [door], events=5))[0]["events"]) == 5
    assert await desk.several(guard, []) == []


async def test_cards_are_masked_and_strangers_see_nothing(seeds: Seeded) -> None:
    desk, door = ReadDesk(seeds.context), seeds.devices["door-b1-u1"].id
    viewer = Principal("user:wu", seeds.home, "viewer")
    cards = [event["data"].get("card") for row in await desk.several(viewer, [door]) for event in row["events"]]
    assert cards == ["***44", "***11", "***34"]
    assert await desk.several(Principal("user:x", seeds.foreign, "admin"), [door]) == []
