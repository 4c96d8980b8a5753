"""A community's own words in a real browser: its people read them, those of the other community read the hub's."""

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest

from tests.e2e.desks import SHOTS, World
from tests.unit.demo_devices import demo_catalog

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]
DEVICE = """INSERT INTO hub.device (community_id, code, kind, profile, place, bus, name)
    VALUES (%s, 'barrier-x', 'barrier', 'p', 'x', 'b', '{"zh": "西门", "en": "West"}') RETURNING id"""
POINT = """INSERT INTO hub.point (community_id, device_id, name, unit, type)
    VALUES (%s, %s, 'position', '1', 'state') RETURNING id"""
LAST = "INSERT INTO telemetry.point_last VALUES (%s, %s, %s, 0, 0)"
SAID = {
    "zh-CN": {"guard": ("车行道闸", "落下"), "stranger": ("道闸", "关")},
    "en": {"guard": ("Vehicle barrier", "Lowered"), "stranger": ("Barrier", "Closed")},
}


@contextmanager
def barriers(world: World) -> Iterator[dict[str, int]]:
    """A barrier of each community that was down when it was heard last, by who sees it."""
    seeds, known = world.seeds, world.seeds.devices["barrier-out"]
    with seeds.link() as link:
        number = link.execute(DEVICE, [seeds.foreign]).fetchone()[0]  # type: ignore[index]
        point = link.execute(POINT, [seeds.foreign, number]).fetchone()[0]  # type: ignore[index]
        link.execute(LAST, [point, seeds.foreign, seeds.context.clock.now()])
    devices = seeds.context.devices
    assert isinstance(devices, dict)
    kind = demo_catalog().kinds["barrier"]
    devices[number] = msgspec.structs.replace(known, id=number, community_id=seeds.foreign, kind=kind)
    try:
        yield {"guard": known.id, "stranger": number}
    finally:
        del devices[number]
        with seeds.link() as link:
            for table, column, one in (("telemetry.point_last", "point_id", point), ("hub.point", "id", point),
                                       ("hub.device", "id", number)):  # fmt: skip
                link.execute(f"DELETE FROM {table} WHERE {column} = %s", [one])  # type: ignore[arg-type]


@pytest.mark.parametrize("language", list(SAID))
async def test_people_read_the_words_of_their_own_community(world: World, language: str) -> None:
    with barriers(world) as seen:
        for name, number in seen.items():
            kind, down = SAID[language][name]
            async with world.signed_in(name, language) as (page, complaints):
                await world.open(page, "/doors")
                told = (await page.locator(f"#door-{number}").inner_text()).split()
                assert down in told
                await page.screenshot(path=SHOTS / f"words-doors-{name}-{language}.png")
                await world.open(page, f"/devices/{number}")
                assert (await page.locator(".page-head p").inner_text()).split(" · ")[0] == kind
                assert await page.locator(".point", has_text=down).count() == 1
                await world.open(page, "/rules")
                row = page.locator("tr", has_text="barrier-obstructed").first
                assert kind in [cell.strip() for cell in await row.locator("td").all_inner_texts()]
                assert not complaints
