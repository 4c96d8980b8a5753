"""The pages in a real browser: both languages, desk and phone; live alarms; hostile names."""

from datetime import UTC, datetime, time, timedelta

import pytest

from modules.workorders.service import WorkOrders
from tests.e2e.desks import SHOTS, SIZES, World, at_rest, by_form, healthy
from tests.integration.module_hub import add_samples
from tests.integration.seeded import Seeded
from tests.integration.seeded_rows import EVIL, add_alarm

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


def _paths(seeds: Seeded) -> dict[str, str]:
    return {
        "alarm": f"/alarms/{seeds.numbers['alarms'][1]}",
        "device": f"/devices/{seeds.devices['pump-1'].id}",
    }


@pytest.mark.parametrize("size", list(SIZES))
@pytest.mark.parametrize("language", ["zh-CN", "en"])
async def test_sign_in_page(world: World, language: str, size: str) -> None:
    width, height = SIZES[size]
    context = await world.browser.new_context(viewport={"width": width, "height": height})
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    await page.goto(f"{world.address}/login?lang={language}")
    assert await page.evaluate("document.documentElement.lang") == language
    await page.screenshot(path=SHOTS / f"login-{language}-{size}.png")
    assert complaints == []
    await page.fill("input[name=name]", "nobody")
    await page.fill("input[name=password]", "wrong password")
    await page.click("button[type=submit]")
    await page.wait_for_selector(".wrong")
    assert await page.locator("h1").count() == 1
    await context.close()


@pytest.mark.parametrize("name", ["alarm", "device"])
async def test_night_mode(world: World, name: str) -> None:
    async with world.signed_in("guard", dark=True) as (page, complaints):
        await world.open(page, _paths(world.seeds)[name])
        await at_rest(page)
        await page.screenshot(path=SHOTS / f"{name}-dark.png")
        assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 28)"
        assert not complaints


async def test_alarm_appears_live_and_is_acknowledged(world: World) -> None:
    seeds = world.seeds
    async with world.signed_in("guard") as (page, complaints):
        await world.open(page, "/alarms")
        with seeds.link() as link:
            door, now = seeds.devices["door-b2-u2"].id, world.hub.context.clock.now()
            words = ("door-forced", 1, "active_unacknowledged", "现场新报警", "Fresh alarm")
            number = add_alarm(link, seeds.home, door, *words, now, condition="live-1")
        who = await world.principal("guard")
        seeds.context.alarms.announce(await seeds.context.alarms.show(who, number))
        row = page.locator(f"#alarm-{number}")
        await row.wait_for()
        assert "现场新报警" in await row.inner_text()
        await row.click()
        await page.locator(".detail-pane .solid", has_text="确认").click()
        await page.locator(f"#alarm-{number}.active_acknowledged").wait_for()
        alarm = await seeds.context.alarms.show(who, number)
        assert (alarm["state"], alarm["acknowledged_by"]) == ("active_acknowledged", "user:guard")
        with seeds.link() as link:
            link.execute("UPDATE hub.alarm SET state = 'normal' WHERE id = %s", [number])
        seeds.context.alarms.announce(await seeds.context.alarms.show(who, number))
        await row.wait_for(state="detached")
        assert not complaints


@pytest.mark.parametrize("language", ["zh-CN", "en"])
async def test_empty_community(world: World, language: str) -> None:
    async with world.signed_in("newcomer", language) as (page, complaints):
        for name, path in (("alarms", "/alarms"), ("devices", "/devices"), ("system", "/system")):
            await world.open(page, path)
            if name != "system":
                await page.locator(".empty").wait_for()
            await page.screenshot(path=SHOTS / f"empty-{name}-{language}.png")
            await healthy(page, language, complaints)


async def test_keyboard(world: World) -> None:
    async with world.signed_in("guard") as (page, complaints):
        await world.open(page, "/alarms")
        await page.keyboard.press("j")
        await page.locator(".alarm.chosen").wait_for()
        first = await page.locator(".alarm.chosen").get_attribute("id")
        await page.keyboard.press("j")
        await page.wait_for_function(f"(document.querySelector('.alarm.chosen')?.id ?? '{first}') !== '{first}'")
        await page.keyboard.press("k")
        await page.wait_for_function(f"document.querySelector('.alarm.chosen')?.id === '{first}'")
        await page.keyboard.press("?")
        await page.locator(".keys").wait_for()
        await at_rest(page)
        await page.screenshot(path=SHOTS / "keys-zh-CN-desktop.png")
        assert not complaints


async def test_door_is_opened_with_a_reason(world: World) -> None:
    seeds = world.seeds
    async with world.signed_in("guard") as (page, complaints):
        await world.open(page, _paths(seeds)["alarm"])
        await page.locator(".detail-pane button", has_text="开门").click()
        await page.locator(".dialog input").fill("送快递的在门口")
        await at_rest(page)
        await page.screenshot(path=SHOTS / "command-zh-CN-desktop.png")
        await page.locator(".dialog .solid").dblclick()
        await page.locator(".progress.acknowledged").wait_for()
        await at_rest(page)
        await page.screenshot(path=SHOTS / "progress-zh-CN-desktop.png")
        assert [(c.name, c.reason) for c in seeds.driver.executed] == [("open", "送快递的在门口")]
        assert not complaints


async def test_viewer_cannot_give_commands(world: World) -> None:
    async with world.signed_in("viewer") as (page, _):
        await world.open(page, _paths(world.seeds)["alarm"])
        assert await page.locator(".detail-pane button", has_text="开门").is_disabled()
        assert await page.locator(".detail-pane .solid", has_text="确认").count() == 0


async def test_markup_in_a_device_name_is_text(world: World) -> None:
    async with world.signed_in("guard", "en") as (page, complaints):
        number = world.seeds.devices["door-garage-2"].id
        for path in ("/alarms", f"/devices/{number}", "/devices", f"/alarms/{world.seeds.numbers['alarms'][3]}"):
            await world.open(page, path)
            if path == "/devices":
                await page.fill(".search", "garage-2")
            await page.get_by_text(EVIL).first.wait_for()
            assert await page.locator("img[src=x]").count() == 0
            assert await page.title() != "pwned"
        assert not complaints


async def test_sign_out_ends_the_session(world: World) -> None:
    async with world.signed_in("finance") as (page, _):
        await by_form(world, page, "finance")
        await page.click('form[action="/logout"] button')
        await page.wait_for_url("**/login*")
        await page.goto(world.address + "/devices")
        assert "/login?next=/devices" in page.url


async def test_language_is_kept_with_the_account(world: World) -> None:
    async with world.signed_in("finance", "zh-CN") as (page, _):
        await world.open(page, "/")
        await page.click('form:has(input[name="language"]) button')
        await page.wait_for_selector('html[lang="en-US"]', state="attached")
        await world.open(page, "/system")
        assert await page.inner_text("h1") == "System"


async def test_missing_page_and_device(world: World) -> None:
    async with world.signed_in("guard", "en") as (page, _):
        for path in ("/nowhere", f"/devices/{world.seeds.numbers['foreign']['device']}", "/devices/abc"):
            response = await page.goto(world.address + path)
            assert response is not None
            assert response.status == 404
            assert await page.locator("h1").count() == 1
            assert "SECRET" not in await page.content()
        await page.screenshot(path=SHOTS / "missing-en-desktop.png")


async def test_dead_letter_is_seen_and_replayed(world: World) -> None:
    async with world.signed_in("engineer", "en") as (page, complaints):
        await world.open(page, "/system")
        await page.locator(".hub-table button").first.click()
        await page.locator(".hex").wait_for()
        await at_rest(page)
        await page.screenshot(path=SHOTS / "letter-en-desktop.png")
        await page.locator(".dialog .solid").click()
        await page.locator(".dialog").wait_for(state="hidden")
        assert world.seeds.replayed[-1][1]
        assert not complaints


async def test_alarm_is_acknowledged_with_a_note(world: World) -> None:
    seeds = world.seeds
    with seeds.link() as link:
        door, now = seeds.devices["door-b2-u2"].id, world.hub.context.clock.now()
        number = add_alarm(link, seeds.home, door, "door-forced", 2, "active_unacknowledged", "备注", "Note", now)
    async with world.signed_in("guard", "en") as (page, complaints):
        await world.open(page, f"/alarms/{number}")
        await page.locator(".detail-pane button", has_text="with a note").click()
        await page.locator(".dialog input").fill("seen on the camera")
        await page.locator(".dialog .solid").click()
        await page.locator(".steps", has_text="seen on the camera").wait_for()
        assert not complaints


async def test_order_from_its_alarm_to_done(world: World) -> None:
    seeds = world.seeds
    alarm = seeds.numbers["alarms"][0]
    orders = WorkOrders(seeds.context)
    await orders.open_for_alarm(community_id=seeds.home, alarm_id=alarm)
    number = (await orders.recent(await world.principal("guard")))[0]["number"]
    async with world.signed_in("guard", "en") as (page, complaints):
        await world.open(page, f"/alarms/{alarm}")
        await page.locator(".detail-pane a", has_text=number).click()
        row = page.locator(f"tr#{number}.hot")
        for button, state in (("Assign to me", "Assigned"), ("Start", "In progress")):
            await row.locator("button", has_text=button).click()
            await page.locator(".dialog .solid").click()
            await row.locator(".chip", has_text=state).wait_for()
        assert "guard" in await row.inner_text()
        await row.locator("button", has_text="Finish").click()
        await page.locator(".dialog .solid").click()
        await page.locator(".dialog .wrong", has_text="A note is needed").wait_for()
        await page.locator(".dialog input").fill("closer adjusted")
        await page.locator(".dialog .solid").click()
        await row.locator(".chip", has_text="Done").wait_for()
        assert "closer adjusted" in await row.inner_text()
        assert await row.locator("button").count() == 0
        await row.locator("td.link a").first.click()
        await page.wait_for_url(f"**/alarms/{alarm}")
        assert not complaints


async def test_period_is_tried_drafted_and_explained(world: World) -> None:
    seeds = world.seeds
    meter = seeds.devices["em-b1-001"]
    start = (world.hub.context.clock.now() + timedelta(hours=8)).date() - timedelta(days=20)
    end = start + timedelta(days=10)
    midnights = [datetime.combine(day, time(), UTC) - timedelta(hours=8, minutes=1) for day in (start, end)]
    point = meter.points["energy_import"].id
    with seeds.link() as link:
        add_samples(link, seeds.home, meter.id, point, [(midnights[0], 1000.0), (midnights[1], 4500.0)])
    async with world.signed_in("finance", "zh-CN") as (page, complaints):
        await world.open(page, "/bill-lines")
        await page.get_by_text("还没有账单明细").wait_for()
        draft = page.locator("button.solid", has_text="起草")
        assert await draft.is_disabled()
        for line, day in enumerate((start, end)):
            await page.locator("input[type=date]").nth(line).fill(day.isoformat())
        await page.get_by_role("button", name="试算").click()
        await page.get_by_text("试算结果").wait_for()
        await page.get_by_text("还没有账单明细").wait_for()
        await draft.click()
        await page.locator(".dialog .solid").click()
        await page.get_by_text("起草结果").wait_for()
        assert await page.locator("input[type=date]").first.input_value() == start.isoformat()
        await page.get_by_role("button", name="草稿").click()
        await page.locator("tr", has_text="3,500 kWh").locator("button").click()
        shown = page.locator(".dialog.wide")
        await shown.locator(".mono", has_text="34 35 30 30 2e 30").wait_for()  # "4500.0", as the frame holds it
        assert "¥0.5283/kWh" in await shown.inner_text()
        assert "¥1,849.05" in await shown.inner_text()
        await at_rest(page)
        await page.screenshot(path=SHOTS / "bill-explained-zh-CN-desktop.png")
        assert not complaints
