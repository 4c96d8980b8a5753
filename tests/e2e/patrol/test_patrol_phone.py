"""The guard's phone in a real browser: several tabs, a check-in that the hub cannot read, no connection."""

import json

import pytest
from playwright.async_api import Page

from tests.e2e.patrol.patrol_world import World
from tests.integration.patrol_ground import Ground

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def check_in(page: Page, code: str) -> None:
    await page.fill("input[maxlength='300']", code)
    await page.get_by_role("button", name="Check in").click()


def kept(here: Ground) -> list[str]:
    return [name for (name,) in here.rows("SELECT checkpoint FROM patrol.evidence WHERE sort = 'qr' ORDER BY id")]


async def test_two_tabs_lose_no_check_in_of_one_another(world: World):
    before = len(kept(world.here))
    async with world.signed_in("li", "en", "phone") as (page, _):
        other = await page.context.new_page()
        for tab in (page, other):
            await world.open(tab, "/patrol/checkin")
        await page.context.set_offline(True)
        for tab, checkpoint in ((page, "b1-lobby"), (other, "garden"), (page, "garage")):
            await check_in(tab, await world.code(checkpoint))
        for tab in (page, other):
            await tab.wait_for_selector("text=3 to be sent")
        await page.context.set_offline(False)
        for tab in (page, other):
            await tab.wait_for_selector("text=To be sent", state="detached")
            assert await tab.locator("text=Received").count() == 3
    assert sorted(kept(world.here)[before:]) == ["b1-lobby", "garage", "garden"]


async def test_a_check_in_that_the_hub_cannot_read_holds_up_no_other(world: World):
    before = len(kept(world.here))
    async with world.signed_in("li", "en", "phone") as (page, _):
        await world.open(page, "/patrol/checkin")
        await page.context.set_offline(True)
        for checkpoint in ("b1-lobby", "garden", "garage"):
            await check_in(page, await world.code(checkpoint))
        await page.wait_for_selector("text=3 to be sent")
        await page.evaluate(
            """() => { const key = Object.keys(localStorage).filter((one) => one.startsWith("hub-patrol-checkin-"))[1];
                       const one = JSON.parse(localStorage.getItem(key));
                       localStorage.setItem(key, JSON.stringify({ ...one, note: "x".repeat(501) }));
                       dispatchEvent(new StorageEvent("storage", { key })); }"""
        )
        await page.context.set_offline(False)
        await page.wait_for_selector("text=to be sent", state="detached")
        assert await page.locator("text=Received").count() == 2
        assert "at most 500 characters" in await page.locator(".chip.ill").inner_text()
    assert len(kept(world.here)) == before + 2


async def test_what_is_too_long_to_be_sent_is_said_before_it_is_kept(world: World):
    async with world.signed_in("li", "en", "phone") as (page, _):
        await world.open(page, f"/patrol/checkin#{await world.code('garden')}{'x' * 300}")
        await page.wait_for_selector("text=This is no code of a checkpoint here.")
        await page.fill("input[maxlength='300']", await world.code("garden"))
        await page.get_by_role("spinbutton").fill("1e300")
        await page.get_by_role("button", name="Check in").click()
        await page.wait_for_selector("text=An answer is not usable")
        names = json.loads(await page.evaluate("JSON.stringify(Object.keys(localStorage))"))
        assert not [name for name in names if name.startswith("hub-patrol-checkin-")]


async def test_a_phone_whose_clock_stands_before_1970_is_understood(world: World):
    before = len(kept(world.here))
    async with world.signed_in("li", "en", "phone") as (page, _):
        await page.context.clock.set_fixed_time(-86_400_000)
        await world.open(page, "/patrol/checkin")
        await check_in(page, await world.code("garage"))
        await page.wait_for_selector("text=Received")
    assert len(kept(world.here)) == before + 1


async def test_a_screen_shows_codes_with_nobody_signed_in_and_none_rather_than_an_old_one(world: World):
    here = world.here
    [token] = (await here.patrols.screens(here.who("admin"))).values()
    context = await world.browser.new_context(viewport={"width": 800, "height": 600})
    await context.clock.install()
    page = await context.new_page()
    await page.goto(f"{world.address}/patrol/screen#{token}")
    await page.wait_for_selector("h1:has-text('East gate')")
    code = page.locator("#code")
    first = await code.get_attribute("src")
    assert await code.is_visible() and await page.locator("a, button, nav").count() == 0
    await page.clock.run_for(21_000)
    await page.wait_for_function("(old) => document.getElementById('code')?.src !== old", arg=first)
    await context.set_offline(True)
    await page.clock.run_for(61_000)
    assert not await code.is_visible() and await page.locator("#none").is_visible()
    await context.set_offline(False)
    await page.clock.run_for(21_000)
    await code.wait_for(state="visible")
    await here.patrols.renew(here.who("admin"), "east-gate")
    await page.clock.run_for(21_000)
    await page.locator("#none").wait_for(state="visible")
    await context.close()


async def test_a_supervisor_renews_a_code_after_being_asked(world: World):
    before = await world.code("garage")
    async with world.signed_in("wang", "en") as (page, complaints):
        await world.open(page, "/patrol/codes")
        card = page.locator("section", has=page.get_by_role("heading", name="Garage", exact=True))
        await card.get_by_role("button", name="Renew").click()
        await page.locator(".dialog").get_by_role("button", name="Renew").click()
        await page.wait_for_function("(old) => !document.querySelector('.dialog button')", arg=None)
        assert complaints == []
    assert await world.code("garage") != before


async def test_a_code_scanned_without_a_connection_opens_a_page_that_keeps_the_check_in(world: World):
    here = world.here
    code = await world.code("garden")
    async with world.signed_in("li", "en", "phone") as (page, _):
        await world.open(page, "/patrol/checkin")
        scanned = await world.scan_offline(page, code)
        await scanned.wait_for_selector("text=Central garden")
        await scanned.wait_for_selector("text=check-ins are kept on the phone")
        await scanned.get_by_role("button", name="Check in").click()
        await scanned.wait_for_selector("text=1 to be sent")
        before = len(kept(here))
        await scanned.context.set_offline(False)
        await scanned.wait_for_selector("text=Received")
        await scanned.wait_for_selector("text=Rounds under way")
    assert kept(here)[before:] == ["garden"]


async def test_the_kept_page_tells_nothing_of_anybody_who_never_signed_in(world: World):
    context = await world.browser.new_context()
    page = await context.new_page()
    await page.goto(f"{world.address}/patrol/offline")
    await page.wait_for_selector("text=Sign in and open this page once")
    assert "Garage" not in await page.content()
    await context.close()
