"""Drawings of the floor plan in a real browser: an alarm is seen where it is, and leads on; things are arranged."""

import csv
import io

import pytest
from playwright.async_api import Page

from hub.catalog.plans import SitePlan
from tests.e2e.desks import SHOTS, SMALL, World, healthy
from tests.e2e.test_pages_desk import fresh, over

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def drawn(page: Page) -> None:
    """The drawing is there, so nothing shifts any more."""
    await page.wait_for_function("document.querySelector('.sheet img')?.naturalWidth > 0")


@pytest.mark.parametrize(
    ("language", "size", "dark"),
    [("zh-CN", "desktop", False), ("zh-CN", "phone", True), ("en", "desktop", True), ("en", "phone", False)],
)
async def test_look(world: World, language: str, size: str, dark: bool) -> None:
    numbers = [fresh(world, "door-b2-u1", "Door forced", 1), fresh(world, "smoke-3", "Smoke", 1)]
    numbers.append(fresh(world, "pump-2", "Pump ran dry", 2))
    async with world.signed_in("engineer", language, size, dark) as (page, complaints):
        for name, path in (("site", ""), ("unit", "#b2/u1"), ("garage", "#garage"), ("plant", "#plant")):
            await page.goto("about:blank")
            await world.open(page, f"/plan{path}")
            await drawn(page)
            await page.screenshot(path=SHOTS / f"plan-{name}-{language}-{size}.png")
            await healthy(page, language, complaints)
            if size == "phone":
                assert await page.evaluate(SMALL) == []
    for number in numbers:
        over(world, number)


async def test_an_alarm_is_seen_where_it_is_and_leads_to_it(world: World) -> None:
    seeds = world.seeds
    smoke, number = seeds.devices["smoke-4"], 0
    async with world.signed_in("guard", "en") as (page, complaints):
        await world.open(page, "/plan")
        plant = page.locator(".pin[data-key='plant/']")
        before = await plant.get_attribute("aria-label") or ""
        number = fresh(world, "smoke-4", "Smoke seen", 1)
        alarm = await seeds.context.alarms.show(await world.principal("guard"), number)
        seeds.context.alarms.announce(alarm)
        await page.locator(".pin.hot.p1[data-key='plant/'] .badge").wait_for()
        assert await plant.get_attribute("aria-label") != before
        await plant.focus()
        await page.keyboard.press("Enter")
        pin = page.locator(".pin.hot.p1.active_unacknowledged[data-key='smoke-4']")
        await pin.wait_for()
        await drawn(page)
        assert "Critical, Smoke seen" in (await pin.get_attribute("aria-label") or "")
        sheet, mark = await page.locator(".sheet").bounding_box(), await pin.bounding_box()
        assert sheet is not None
        assert mark is not None
        share = (mark["x"] + mark["width"] / 2 - sheet["x"]) / sheet["width"]
        assert share == pytest.approx(seeds.context.plans[seeds.home].devices["smoke-4"][0], abs=0.005)
        normal = page.locator(".pin[data-key='gateway-plant']")
        assert await normal.locator(".badge").count() == 0
        assert await normal.get_attribute("href") == f"/devices/{seeds.devices['gateway-plant'].id}"
        await pin.click()
        await page.wait_for_url(f"**/alarms/{number}")
        await page.locator(".detail-pane", has_text="Smoke seen").wait_for()
        assert not complaints
    over(world, number)
    assert smoke.place_path == "plant"


async def test_an_alarm_without_a_spot_is_listed_beside_the_drawing(world: World) -> None:
    number = fresh(world, "em-b2-060", "Meter opened", 2)  # on the third floor, which has no drawing
    async with world.signed_in("guard", "en") as (page, _):
        await world.open(page, "/plan#b2/u2")
        line = page.locator(".drawn-side a", has_text="Meter opened")
        assert "not on the drawing" in await line.inner_text()
        await page.goto("about:blank")  # else another fragment is no new page
        await world.open(page, "/plan")  # its unit stands on the site plan
        line = page.locator(".drawn-side a", has_text="Meter opened")
        assert "not on the drawing" not in await line.inner_text()
        await page.locator(".pin.hot.p2[data-key='b2/u2/']").wait_for()
    over(world, number)


async def test_it_is_zoomed_by_keys_and_buttons_within_its_box(world: World) -> None:
    wide = "document.querySelector('.sheet').offsetWidth"
    async with world.signed_in("guard", "en", "phone") as (page, complaints):
        await world.open(page, "/plan#garage")
        await drawn(page)
        first = await page.evaluate(wide)
        await page.get_by_label("Zoom in").click()
        await page.wait_for_function(f"{wide} > {first}")
        await page.locator(".drawn-box").focus()
        await page.keyboard.press("+")
        await page.wait_for_function(f"{wide} > {first} * 1.9")
        await healthy(page, "en", complaints)  # the page itself does not scroll sideways
        assert await page.locator(".drawn-box").evaluate("e => e.scrollWidth > e.clientWidth && e.scrollLeft > 0")
        await page.keyboard.press("0")
        await page.wait_for_function(f"{wide} === {first}")


async def test_who_configures_arranges_and_takes_the_table(world: World) -> None:
    site = world.seeds.context.plans[world.seeds.home]
    async with world.signed_in("guard", "en") as (page, _):
        await world.open(page, "/plan#garage")
        await page.locator(".pin").first.wait_for()
        assert await page.locator(".arrange").count() == 0
    async with world.signed_in("engineer", "en") as (page, complaints):
        await world.open(page, "/plan#b1/u1")
        await drawn(page)
        await page.locator(".arrange").click()
        await page.locator("label", has_text="Room 0201").first.click()  # a place of the tree without a spot
        box = await page.locator(".sheet").bounding_box()
        assert box is not None
        await page.mouse.click(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.9)
        await page.locator(".pin[data-key='b1/u1/f02/0201/']").wait_for()
        door = page.locator(".pin[data-key='door-b1-u1']")
        mark = await door.bounding_box()
        assert mark is not None
        await page.mouse.move(mark["x"] + mark["width"] / 2, mark["y"] + mark["height"] / 2)
        await page.mouse.down()
        await page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.7, steps=4)
        await page.mouse.up()
        await page.locator(".drawn-box").focus()
        await page.keyboard.press("ArrowRight")
        rows = list(csv.DictReader(io.StringIO(await page.locator(".drawn-side textarea").input_value())))
        devices = {row["device"]: (float(row["x"]), float(row["y"])) for row in rows if row["device"]}
        places = {row["place"]: (float(row["x"]), float(row["y"])) for row in rows if row["place"]}
        assert places.pop("b1/u1/f02/0201") == pytest.approx((0.3, 0.9), abs=0.003)
        assert devices["door-b1-u1"] == pytest.approx((0.605, 0.7), abs=0.003)
        assert places == site.places  # nothing else moved, nothing is lost
        assert set(devices) == set(site.devices)
        async with page.expect_download() as waiting:
            await page.locator(".drawn-side a.solid").click()
        got = await waiting.value
        assert got.suggested_filename == "demo.positions.csv"
        assert list(csv.DictReader((await got.path()).open(encoding="utf-8"))) == rows
        await page.screenshot(path=SHOTS / "plan-arrange-en-desktop.png")
        assert not complaints


async def test_the_drawer_leads_to_the_drawing_on_which_the_alarm_stands(world: World) -> None:
    placed, loose = fresh(world, "smoke-3", "Smoke seen", 1), fresh(world, "em-b2-060", "Meter opened", 2)
    async with world.signed_in("guard", "en", "phone") as (page, complaints):
        await world.open(page, f"/alarms/{placed}")
        await page.get_by_role("link", name="On the plan").click()
        await page.locator(".drawn .pin.hot[data-key='smoke-3']").wait_for()
        await world.open(page, f"/alarms/{loose}")  # it stands on no drawing: its place in the tree
        await page.get_by_role("link", name="On the plan").click()
        await page.locator(f"a.cell[href='/devices/{world.seeds.devices['em-b2-060'].id}']").wait_for()
        assert not complaints
    over(world, placed)
    over(world, loose)


async def test_an_open_plan_follows_the_site_file(world: World) -> None:
    context, home = world.seeds.context, world.seeds.home
    plan = context.plans[home]
    async with world.signed_in("guard", "en") as (page, complaints):
        await world.open(page, "/plan#garage")
        pin = page.locator(".pin[data-key='smoke-3']")
        await pin.wait_for()
        await page.get_by_label("Zoom in").click()
        try:
            spots = {**plan.devices, "smoke-3": (0.25, 0.75)}
            context.plans[home] = SitePlan({"garage": plan.drawings["plant"]}, spots, plan.places)
            context.live.resync()
            await page.locator(".pin[data-key='smoke-3'][style*='left: 25%']").wait_for()
            assert plan.drawings["plant"].name in (await page.locator(".sheet img").get_attribute("src") or "")
            assert await page.get_by_label("Zoom out").is_enabled(), "it is still as large as it was"
        finally:
            context.plans[home] = plan
        assert not complaints
