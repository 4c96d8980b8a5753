"""Sound after a page was loaded again, and in a browser that nobody has touched yet.

Asking a page anything counts as a touch in Playwright, so these pages are only listened to, by what they log.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Page

from tests.e2e.desks import CHROMIUM, PATIENCE_MS, SOUND, World
from tests.e2e.test_pages_desk import fresh, over
from tests.integration.seeded import PASSWORD

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]
STRICT = "--autoplay-policy=document-user-activation-required"
TELL = """(() => {
  let strip = null, ready = false;
  import('/static/siren.js').then(({ Siren }) => { Siren.prototype.repeat = () => {}; }, () => {});
  const sound = OscillatorNode.prototype, start = sound.start;
  sound.start = function (at) { console.log('rung ' + Math.round(this.frequency.value)); return start.call(this, at); };
  setInterval(() => {
    const told = document.querySelector('.soundless')?.textContent || '';
    if (told !== strip) console.log('strip ' + (strip = told));
    if (window.did_handshake && document.querySelector('.alarm-list') && !ready) console.log('ready ' + (ready = true));
  }, 50);
})()"""


@asynccontextmanager
async def untouched(world: World, policy: str) -> AsyncIterator[tuple[Page, list[str]]]:
    """A guard's desk in a browser with this policy for sound; and what the page logged."""
    await world.hub.accounts.set_language("guard", "en")
    browser = await world.browser.browser_type.launch(**CHROMIUM | {"args": [*CHROMIUM["args"], policy]})  # type: ignore[arg-type]
    context = await browser.new_context(viewport={"width": 1440, "height": 900})
    page = await context.new_page()
    logged: list[str] = []
    page.on("console", lambda message: logged.append(message.text))
    await page.goto(f"{world.address}/login?lang=en")
    await page.fill("input[name=name]", "guard")
    await page.fill("input[name=password]", PASSWORD)
    await page.add_init_script(TELL)
    await page.click("button[type=submit]")
    try:
        yield page, logged
    finally:
        await browser.close()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while not true():
            await asyncio.sleep(0.05)


async def told(world: World, number: int) -> None:
    desk = world.seeds.context.alarms
    desk.announce(await desk.show(await world.principal("guard"), number))


async def test_a_desk_that_may_sound_does_so_after_it_was_loaded_again(world: World) -> None:
    async with untouched(world, SOUND) as (page, logged):
        await until(lambda: "ready true" in logged)
        logged.clear()
        await page.reload()  # as it does itself when the server has forgotten it
        await until(lambda: "ready true" in logged)
        number = fresh(world, "env-1", "After the restart")
        await told(world, number)
        await until(lambda: "rung 660" in logged)
    over(world, number)


async def test_a_browser_nobody_touched_says_so_and_sounds_at_the_first_touch(world: World) -> None:
    async with untouched(world, STRICT) as (first, logged):
        await until(lambda: "ready true" in logged)
        page = await first.context.new_page()
        await first.close()
        logged.clear()
        page.on("console", lambda message: logged.append(message.text))
        await page.add_init_script(TELL)
        await page.goto(world.address)
        await until(lambda: "ready true" in logged)
        await until(lambda: any(line.startswith("strip volume_offNo sound yet") for line in logged))
        number = fresh(world, "env-1", "While silent")
        await told(world, number)
        await told(world, number)
        assert not [line for line in logged if line.startswith("rung")]
        await page.keyboard.press("k")
        await until(lambda: "rung 660" in logged and [one for one in logged if one.startswith("strip")][-1] == "strip ")
    over(world, number)
