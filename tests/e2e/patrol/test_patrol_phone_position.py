"""Where the guard's phone is, in a real browser: with leave and without it, with a connection and without one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Geolocation, Page

from modules.patrol.evidence import CheckIn
from modules.patrol.position import Position, distance
from modules.patrol.service import Patrols
from tests.e2e.patrol.patrol_world import PASSWORD, SHOTS, World
from tests.integration.patrol_ground import BEGIN, minutes, placed
from tests.unit.photographs import photograph

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]
GATE: Geolocation = {"latitude": 31.23041, "longitude": 121.47371, "accuracy": 12}
ELSEWHERE: Geolocation = {"latitude": 31.23328, "longitude": 121.4737, "accuracy": 15}


def kept(world: World, after: int) -> list[tuple[Any, ...]]:
    return world.here.rows(
        "SELECT checkpoint, lat, lon, accuracy, away FROM patrol.evidence WHERE id > %s ORDER BY id", after
    )


def last(world: World) -> int:
    [(number,)] = world.here.rows("SELECT coalesce(max(id), 0) FROM patrol.evidence")
    return int(number)


@asynccontextmanager
async def phone(world: World, where: Geolocation | None, language: str = "en") -> AsyncIterator[Page]:
    """A guard's phone that stands there and may say so; one whose guard refuses it (None)."""
    async with world.signed_in("li", language, "phone") as (page, complaints):
        if where is not None:
            await page.context.grant_permissions(["geolocation"], origin=world.address)
            await page.context.set_geolocation(where)
        yield page
        assert not [one for one in complaints if "geolocation" in one.lower() or "permission" in one.lower()]


async def press(page: Page) -> None:
    await page.get_by_role("button", name="Check in", exact=True).click()


@pytest.mark.parametrize(("where", "away", "said"), [
    (GATE, None, "Received"), (ELSEWHERE, 320, "Received; distance to the checkpoint: 320 m"),
])  # fmt: skip
async def test_a_check_in_says_where_the_phone_is(world: World, where: Geolocation, away: int | None, said: str):
    before = last(world)
    async with phone(world, where) as page:
        await world.open(page, f"/patrol/checkin#{await world.code('east-gate')}")
        await page.wait_for_selector("text=The phone's position is kept with the check-in")
        await press(page)
        await page.wait_for_selector(f"text=/{said}$/")
        found = await page.evaluate("JSON.stringify(localStorage)")
        assert "121.47" not in found, "what was sent is no longer on the phone"
    assert kept(world, before) == [("east-gate", where["latitude"], where["longitude"], where["accuracy"], away)]


async def test_kept_without_a_connection_it_is_where_it_was_captured(world: World):
    before = last(world)
    async with phone(world, ELSEWHERE) as page:
        await world.open(page, f"/patrol/checkin#{await world.code('east-gate')}")
        await page.context.set_offline(True)
        await press(page)
        await page.wait_for_function(
            "Object.entries(localStorage).some(([key, one]) => key.includes('checkin-') && JSON.parse(one).position)"
        )
        await page.context.set_geolocation(GATE)
        context = page.context
        await page.close()
        await context.set_offline(False)
        again = await context.new_page()
        await world.open(again, "/patrol/checkin")
        await again.wait_for_selector("text=Received; distance to the checkpoint: 320 m")
    assert kept(world, before) == [("east-gate", 31.23328, 121.4737, 15, 320)]


async def test_the_page_that_the_phone_kept_asks_too(world: World):
    before, code = last(world), await world.code("east-gate")
    async with phone(world, GATE) as page:
        await world.open(page, "/patrol/checkin")
        scanned = await world.scan_offline(page, code)
        await scanned.get_by_role("heading", name="East gate").wait_for()
        await press(scanned)
        await scanned.wait_for_function(
            "Object.entries(localStorage).some(([key, one]) => key.includes('checkin-') && JSON.parse(one).position)"
        )
        await page.context.set_offline(False)
        await scanned.wait_for_selector("text=Received")
    assert kept(world, before) == [("east-gate", 31.23041, 121.47371, 12, None)]


@pytest.mark.parametrize(("checkpoint", "said", "where"), [
    ("east-gate", "Received; distance to the checkpoint: 320 m", (31.23328, 121.4737, 15, 320)),
    ("garden", "Received", (None, None, None, None)),  # nobody knows before it is read that no position is needed
])  # fmt: skip
async def test_a_photographed_code_has_the_position_of_the_photograph(
    world: World, checkpoint: str, said: str, where: tuple[float | None, ...]
):
    before = last(world)
    async with phone(world, ELSEWHERE) as page:
        await world.open(page, "/patrol/checkin")
        await page.context.set_offline(True)
        shot = photograph(f"{world.address}/patrol/checkin#{await world.code(checkpoint)}")
        await page.locator("input[type=file]").first.set_input_files(
            {"name": "shot.jpg", "mimeType": "image/jpeg", "buffer": shot}
        )
        await page.wait_for_function("JSON.parse(localStorage['hub-patrol-draft'] || '{}').shot?.position")
        await page.context.set_geolocation(GATE)
        await press(page)
        await page.wait_for_selector("text=1 to be sent")
        await page.context.set_offline(False)
        await page.wait_for_selector(f"text=/{said}$/")
    assert kept(world, before) == [(checkpoint, *where)]


@pytest.mark.parametrize("silenced", [
    "",  # nobody gave leave
    "delete Navigator.prototype.geolocation",  # an old browser
    "Object.defineProperty(window, 'isSecureContext', { value: false })",  # no HTTPS
    "Geolocation.prototype.getCurrentPosition = () => {}",  # it never answers
    "Geolocation.prototype.getCurrentPosition = (found) => found({ coords: { latitude: NaN, accuracy: 1 } })",
    "Geolocation.prototype.getCurrentPosition = () => { throw new Error('no') }",
])  # fmt: skip
async def test_where_there_is_no_position_the_check_in_goes_without(world: World, silenced: str):
    before = last(world)
    async with phone(world, GATE if silenced else None) as page:
        await page.add_init_script(silenced)
        await world.open(page, f"/patrol/checkin#{await world.code('east-gate')}")
        await press(page)
        await page.wait_for_selector("text=/Received$/")
    assert kept(world, before) == [("east-gate", None, None, None, None)]


async def test_a_phone_is_not_asked_where_the_checkpoint_has_no_position(world: World):
    before = last(world)
    async with phone(world, GATE) as page:
        await page.add_init_script(
            """window.asked = 0; const real = Geolocation.prototype.getCurrentPosition;
               Geolocation.prototype.getCurrentPosition = function (...all) { window.asked++; real.apply(this, all); };
               Geolocation.prototype.watchPosition = () => { throw new Error("followed"); };"""
        )
        await world.open(page, f"/patrol/checkin#{await world.code('garden')}")
        await press(page)
        await page.wait_for_selector("text=Received")
        assert await page.evaluate("asked") == 0
        await page.fill("input[maxlength='300']", await world.code("east-gate"))
        await press(page)
        await page.wait_for_function("document.querySelectorAll('.chip.done').length === 2")
        assert await page.evaluate("asked") == 1
    assert [(name, lat) for name, lat, *_ in kept(world, before)] == [("garden", None), ("east-gate", 31.23041)]


async def test_a_position_that_is_nowhere_is_refused_by_name_and_one_that_is_somewhere_is_kept(world: World):
    before, clock = last(world), {"wall_ms": 0, "monotonic_ms": 1, "boot": "b"}
    one = {"counter": 1, "code": await world.code("east-gate"), "clock": clock}
    async with httpx.AsyncClient(
        timeout=60, base_url=f"{world.address}/api/v1/patrol", headers={"sec-fetch-site": "same-origin"}
    ) as client:
        await client.post(f"{world.address}/login", data={"name": "li", "password": PASSWORD})
        for wrong, named in (
            ({"lat": 91, "lon": 121, "accuracy": 5}, "lat"), ({"lat": 31, "lon": "121", "accuracy": 5}, "lon"),
            ({"lat": 31, "lon": 121, "accuracy": 1e300}, "accuracy"), ({"lat": 31, "lon": 121}, "accuracy"),
        ):  # fmt: skip
            body = {"phone": "p", "clock": clock, "checkins": [one | {"position": wrong}]}
            answer = await client.post("/checkins", json=body)
            assert answer.status_code == 422 and f"position.{named}" in answer.text
        assert kept(world, before) == []
        body = {"phone": "p", "clock": clock, "checkins": [one | {"position": {"lat": 31, "lon": 121, "accuracy": 5}}]}
        [result] = (await client.post("/checkins", json=body)).json()["results"]
        assert (result["outcome"], result["away"]) == ("accepted", round(distance(31, 121, 31.2304, 121.4737)))
    assert kept(world, before) == [("east-gate", 31, 121, 5, result["away"])]


async def test_the_round_shows_the_distance_to_all_and_the_position_to_those_who_work_here(world: World):
    here = world.here
    begins = BEGIN + minutes(10 * ((here.clock.now() - BEGIN) // minutes(10) + 2))  # whatever the time of the others
    before, here.patrols = here.patrols, Patrols(here.context, {"demo": placed(here, "b1-lobby")})
    try:  # a round is walked by the file that it began with
        await here.patrols.keeper.plan_ahead()
        await here.until(begins + minutes(2), 10)
        one = CheckIn(1, await world.code("b1-lobby"), here.phone(), position=Position(31.23328, 121.4737, 15))
        await here.patrols.recorder.check_in(here.who(), "phone-8", here.phone(), [one])
    finally:
        here.patrols = before
    number = here.round(begins=begins)["id"]
    for name, language, said, seen in (
        ("li", "zh-CN", "距检查点 320 m", True), ("viewer", "en", "320 m from the checkpoint", False),
    ):  # fmt: skip
        async with world.signed_in(name, language, "phone") as (page, complaints):
            await world.open(page, f"/patrols/{number}")
            text = await page.locator("#main").inner_text()
            assert text.count(said) == 3, "at the head, the checkpoint and the evidence"
            assert ("31.23328, 121.47370 ±15 m" in text) is seen
            await page.screenshot(path=SHOTS / f"patrol-away.phone.{language}.png", full_page=True)
            found = await Axe().run(page)
            assert found.response["violations"] == [], found.generate_report()
            assert complaints == []
