"""The browser's own notices of alarms, while another page is in front of the desk."""

from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.e2e.desks import SHOTS, World
from tests.e2e.test_pages_desk import fresh, over

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]
# Chromium's own notices, watched: which are shown, which are closed.
WATCH = """(() => {
  const Real = window.Notification;
  window.seen = [];
  window.Notification = class extends Real {
    constructor(title, options) { super(title, options); seen.push({ title, ...options, open: true, notice: this }); }
    close() { seen.find((one) => one.notice === this).open = false; super.close(); }
  };
})()"""
SEEN = "seen.map(({ title, body, requireInteraction, silent, open }) => ({ title, body, requireInteraction, silent, open }))"  # noqa: E501 - one line of the page


async def tell(world: World, number: int) -> None:
    desk = world.seeds.context.alarms
    desk.announce(await desk.show(await world.principal("guard"), number))


async def behind(page: Page) -> Page:
    """Put another page in front; Playwright would have every page believe that it is in front."""
    session = await page.context.new_cdp_session(page)
    await session.send("Emulation.setFocusEmulationEnabled", {"enabled": False})
    other = await page.context.new_page()
    await other.bring_to_front()
    await page.wait_for_function("document.hidden || !document.hasFocus()", polling=100)
    return other


async def seen(page: Page, number: int) -> list[dict[str, Any]]:
    await page.wait_for_function("n => seen.length >= n", arg=number, polling=100)
    found: list[dict[str, Any]] = await page.evaluate(SEEN)
    return found


async def test_an_alarm_is_shown_by_the_browser_once_a_call_until_somebody_has_it(world: World) -> None:
    numbers: list[int] = []
    async with world.signed_in("guard", "en", permissions=["notifications"]) as (page, complaints):
        await page.add_init_script(WATCH)
        await world.open(page, "/alarms")
        await page.get_by_role("button", name="Desktop notices off").click()
        await page.get_by_role("button", name="Desktop notices on", pressed=True).wait_for()
        await page.screenshot(path=SHOTS / "notices-en-desktop.png")
        numbers.append(fresh(world, "env-1", "In front of the guard"))
        await tell(world, numbers[-1])
        await page.locator(f"#alarm-{numbers[-1]}").wait_for()
        assert await page.evaluate("seen.length") == 0  # the desk is looked at
        other = await behind(page)
        for title, columns in (
            ("Door forced", {}),
            ("Smoke", {"life_safety": True}),
            ("Silent", {"annunciated_at": None}),
        ):
            numbers.append(fresh(world, "env-1", title, 2, **columns))
            await tell(world, numbers[-1])
            await tell(world, numbers[-1])  # a change of it is not another call
            await page.wait_for_function("id => document.getElementById('alarm-' + id)", arg=numbers[-1], polling=100)
        door, smoke = await seen(page, 2)
        assert (door["title"], door["requireInteraction"], door["silent"], door["open"]) == (
            "▲ 2 Door forced",
            False,
            True,
            True,
        )
        assert smoke["title"] == "▲ 2 Smoke" and smoke["requireInteraction"] is True and smoke["body"]
        await world.seeds.context.alarms.acknowledge(await world.principal("engineer"), numbers[1])
        await page.wait_for_function("!seen[0].open", polling=100)
        assert [one["open"] for one in await seen(page, 2)] == [False, True]
        await page.evaluate("seen[1].notice.dispatchEvent(new Event('click'))")
        await other.close()
        await page.locator(".detail-pane h2", has_text="Smoke").wait_for()
        assert [one["open"] for one in await seen(page, 2)] == [False, False]
        assert await page.evaluate("localStorage.getItem('hub.notices')") == "on"
        await page.locator("button.notices").click()
        await page.locator("button.notices[aria-pressed=false]").wait_for()
        assert not complaints
    over(world, *numbers)


async def test_a_browser_that_says_no_is_not_asked_again(world: World) -> None:
    async with world.signed_in("guard", "zh-CN") as (page, complaints):
        await page.add_init_script("Object.defineProperty(Notification, 'permission', { get: () => 'denied' })")
        await world.open(page, "/alarms")
        await expect(page.get_by_role("button", name="桌面通知：被浏览器阻止")).to_be_disabled()
        await page.screenshot(path=SHOTS / "notices-zh-desktop.png")
        await page.set_viewport_size({"width": 390, "height": 844})
        await page.screenshot(path=SHOTS / "notices-zh-phone.png")
        assert not complaints


async def test_a_stranger_at_the_gateways_door_is_told_nothing(world: World) -> None:
    """The door stands in the running site, beside its pages."""
    async with world.signed_in("guard") as (page, _):
        answer = await page.request.post(f"{world.address}/replies/demo/sms", data={"mobile": "1", "content": "1"})
        assert answer.status == 401 and (await answer.json())["code"] == "not_the_gateway"
