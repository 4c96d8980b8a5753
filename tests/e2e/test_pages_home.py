"""Where each role begins, and the manager's overview, in a real browser."""

import pytest
from playwright.async_api import Page, expect

from hub.errors import Refused
from modules.workorders.service import WorkOrders
from tests.e2e.desks import SHOTS, SIZES, SMALL, World, by_form, healthy
from tests.e2e.test_pages_desk import fresh, over

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]
HOMES = {"guard": "/alarms", "engineer": "/work-orders", "finance": "/bill-lines", "admin": "/overview",
         "viewer": "/overview"}  # fmt: skip


async def tiles(page: Page) -> dict[str, str]:
    """Title of each figure -> what it says."""
    told: list[list[str]] = await page.eval_on_selector_all(
        "a.tile", "all => all.map(e => [e.children[0].textContent, e.children[1].textContent])"
    )
    return dict(told)


@pytest.mark.parametrize("role", list(HOMES))
async def test_each_role_begins_at_its_own_desk(world: World, role: str) -> None:
    async with world.signed_in(role, "en") as (page, complaints):
        await by_form(world, page, role)
        complaints.clear()
        assert page.url == world.address + HOMES[role]
        await world.open(page, "/")
        assert page.url == world.address + HOMES[role]
        first = page.locator(".nav a").first
        assert await first.get_attribute("href") == HOMES[role]
        assert await first.get_attribute("aria-current") == "page"
        assert not complaints


async def test_who_asked_for_a_page_is_brought_there_and_not_home(world: World) -> None:
    context = await world.browser.new_context()
    page = await context.new_page()
    await page.goto(world.address + "/plan")
    await page.fill("input[name=name]", "finance")
    await page.fill("input[name=password]", "wrong")
    await page.click("button[type=submit]")
    await page.locator(".wrong").wait_for()
    assert await page.input_value("input[name=next]") == "/plan"
    await context.close()


async def test_overview_counts_what_the_desks_hold_and_follows(world: World) -> None:
    async with world.signed_in("admin", "en") as (page, complaints):
        await world.open(page, "/overview")
        counts = await world.hub.reads.counts(await world.principal("admin"))
        told = await tiles(page)
        assert told["Unacknowledged"] == str(counts["unacknowledged"])
        assert told["Not connected"] == str(counts["not_connected"])
        assert (told["Cost of anomalies, 30 days"][0], told["On duty"]) == ("¥", "0")
        before = int(told["Pending"])
        number = fresh(world, "pump-4", "Pump hums")
        await WorkOrders(world.seeds.context).open(await world.principal("engineer"), number)
        pending = page.locator("a.tile", has_text="Pending").locator("b")
        await expect(pending).to_have_text(str(before + 1))
        await pending.click()
        await page.wait_for_url("**/work-orders")
        assert not complaints
    async with world.signed_in("viewer", "en") as (page, _):
        await world.open(page, "/overview")
        assert not {"Newest period", "Lines held", "Bill lines"} & set(await tiles(page))
    over(world, number)


async def test_one_room_that_fails_leaves_the_others_standing(world: World) -> None:
    async def broken(_: object) -> None:
        raise Refused("busy", "not now", 503)

    world.seeds.context.ports["a.overview"] = broken
    try:
        async with world.signed_in("admin", "en") as (page, complaints):
            await world.open(page, "/overview")
            told = await tiles(page)
            assert told["A part could not be read"] == "—"
            assert {"Unacknowledged", "Pending", "Drills overdue"} <= set(told)
            assert not complaints
    finally:
        del world.seeds.context.ports["a.overview"]


@pytest.mark.parametrize("size", list(SIZES))
@pytest.mark.parametrize("language", ["zh-CN", "en"])
async def test_overview_is_healthy(world: World, language: str, size: str) -> None:
    async with world.signed_in("admin", language, size) as (page, complaints):
        await world.open(page, "/overview")
        await page.locator("a.tile").first.wait_for()
        await page.screenshot(path=SHOTS / f"overview-{language}-{size}.png", full_page=True)
        await healthy(page, language, complaints)
        if size == "phone":
            assert await page.evaluate(SMALL) == []
