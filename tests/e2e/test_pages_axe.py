"""Every page there is: healthy, and nothing that axe-core finds; both languages, desk and phone, by day and by night.

Each language, size and theme meets each other once; all eight would cost CI four minutes more.
"""

import json

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

from modules.duty.service import Duty
from tests.e2e.desks import SHOTS, SMALL, World, at_rest, healthy

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(600)]
LOOKS = [("zh-CN", "desktop", "light"), ("zh-CN", "phone", "dark"), ("en", "desktop", "dark"), ("en", "phone", "light")]
WEIGHTS = ("minor", "moderate", "serious", "critical")


async def _violations(page: Page) -> list[str]:
    """What axe found, a line each. It is told to look as people without motion see the page: nothing blinks away."""
    await page.wait_for_function(
        "[...document.querySelectorAll('.q-loading-bar')].every((bar) => bar.style.opacity === '0')"
    )
    found = (await Axe().run(page, options={"resultTypes": ["violations"]})).response["violations"]
    return [
        f"{one['id']} ({one['impact']}): {node['target']} {node['html'][:160]}"
        for one in found
        if one["impact"] in WEIGHTS
        for node in one["nodes"][:5]
    ]


async def _registered(page: Page) -> list[str]:
    """Every page of the navigation, as an administrator sees it."""
    links = "[...new Set([...document.querySelectorAll('.nav a, .nav-more a')].map(a => a.getAttribute('href')))]"
    return list(await page.evaluate(links))


@pytest.mark.parametrize(("language", "size", "theme"), LOOKS)
async def test_every_page_is_healthy_and_axe_finds_nothing(world: World, language: str, size: str, theme: str) -> None:
    seeds, made, found = world.seeds, world.made, {}
    async with world.signed_in("admin", language, size, theme == "dark", reduced_motion="reduce") as (page, complaints):
        await world.open(page, "/")
        paths = await _registered(page)
        assert {"/alarms", "/overview", "/doors", "/plan", "/maintenance", "/devices", "/system"} <= set(paths)
        paths += [f"/alarms/{made[name]}" for name in ("smoke", "latched", "shelved", "gateway", "em-b2-001")]
        paths += [f"/alarms/{number}" for number in seeds.numbers["alarms"][1:3]]
        paths += [f"/devices/{seeds.devices[code].id}" for code in ("pump-1", "door-b1-u1")]
        paths += ["/plan#b1", "/plan#b1/u1", "/plan#b1/u1/f03", "/plan#gate-east", "/plan#garage"]
        day = world.seeds.context.clock.now()
        paths += [
            "/roster/people",
            "/duty-log/incidents",
            f"/duty-log/{day:%Y%m%d}",
            f"/hand-over/{await _signed(world)}",
        ]
        paths += ["/patrol/log", "/patrol/plans", "/patrol/codes", "/patrol/checkin"]
        for path in paths:
            await page.goto("about:blank")  # else another fragment is no new page
            await world.open(page, path)
            await at_rest(page)
            name = path.strip("/").replace("/", "-").replace("#", "-") or "desk"
            await page.screenshot(path=SHOTS / f"axe-{name}-{language}-{size}-{theme}.png")
            await healthy(page, language, complaints)
            problems = await _violations(page)
            if size == "phone":
                problems += [f"too small for a thumb: {one}" for one in await page.evaluate(SMALL)]
            if problems:
                found[path] = problems
    assert found == {}


@pytest.mark.parametrize(("language", "size", "theme"), LOOKS)
async def test_axe_finds_nothing_in_an_open_rule(world: World, language: str, size: str, theme: str) -> None:
    async with world.signed_in("admin", language, size, theme == "dark", reduced_motion="reduce") as (page, _):
        await world.open(page, "/rules")
        await page.locator(".hub-table .acts button").first.click()
        await page.locator(".rule-editor textarea").first.wait_for()
        await page.screenshot(path=SHOTS / f"axe-rule-{language}-{size}-{theme}.png")
        assert await _violations(page) == []


async def _signed(world: World) -> int:
    """The number of a hand-over that was signed out, with the desk's list as it is."""
    now = world.seeds.context.clock.now()
    listed = (await Duty(world.seeds.context).hand_overs.current(await world.principal("guard")))["list"]
    with world.seeds.link() as link:
        row = link.execute(
            "INSERT INTO duty.hand_over (community_id, change_at, list, note, made_at) VALUES (%s, %s, %s, %s, %s)"
            " RETURNING id",
            [world.seeds.home, now, json.dumps(listed), "钥匙在柜中 / keys in the box", now],
        ).fetchone()
        assert row is not None
        link.execute(
            "INSERT INTO duty.signature (community_id, hand_over_id, side, actor, on_roster, at)"
            " VALUES (%s, %s, 'outgoing', 'user:guard', true, %s)",
            [world.seeds.home, row[0], now],
        )
    return int(row[0])


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_axe_finds_nothing_in_dialogs(world: World, dark: bool) -> None:
    found = {}
    async with world.signed_in("engineer", "en", "desktop", dark, reduced_motion="reduce") as (page, _):
        await world.open(page, f"/alarms/{world.seeds.numbers['alarms'][1]}")
        for key in ("s", "d", "c", "o", "?"):
            await page.keyboard.press(key)
            await page.locator(".q-dialog .dialog").wait_for()
            await at_rest(page)
            await page.screenshot(path=SHOTS / f"axe-dialog-{ord(key)}-{'dark' if dark else 'light'}.png")
            if problems := await _violations(page):
                found[key] = problems
            await page.keyboard.press("Escape")
            await page.locator(".q-dialog .dialog").wait_for(state="detached")
    assert found == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_at_the_door(world: World, scheme: str) -> None:
    context = await world.browser.new_context(color_scheme=scheme)  # type: ignore[arg-type]
    page = await context.new_page()
    await page.goto(f"{world.address}/login?lang=en")
    assert await page.evaluate("document.body.classList.contains('body--dark')") is (scheme == "dark")
    assert await _violations(page) == []
    await page.goto(f"{world.address}/nowhere")
    assert await _violations(page) == []
    await context.close()
