"""Doors, floor plan, maintenance and the look of the desk, in a real browser."""

import pytest

from hub.live import Change
from tests.e2e.desks import SHOTS, World, by_form
from tests.e2e.test_pages_desk import fresh, over, state_of

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def test_door_is_shown_unknown_live_and_opened_with_proof(world: World) -> None:
    seeds = world.seeds
    door = seeds.devices["door-b2-u1"]  # no other test of the pages has to do with it
    assert await seeds.context.alarms.urgent(await world.principal("guard"), devices=[door.id]) == []
    async with world.signed_in("guard", "en") as (page, complaints):
        await world.open(page, "/doors")
        card, lost = page.locator(f"#door-{door.id}"), page.locator(f"#door-{seeds.devices['barrier-out'].id}")
        assert "Closed" in await card.locator(".word").inner_text()
        assert "Unknown" in await lost.locator(".word").inner_text()
        assert "Last known Lowered" in await lost.inner_text()
        _stands(world, door.points["open"].id, 1)
        try:
            await card.locator(".word", has_text="Open").wait_for()
            await page.locator(".segmented button", has_text="Abnormal").click()
            await card.wait_for(state="detached")
            await page.locator(".segmented button", has_text="All").click()
            await card.locator("button").click()
            await page.locator(".dialog input").fill("a delivery")
            await page.locator(".dialog .solid").click()
            await page.locator(".progress.acknowledged").wait_for()
        finally:
            _stands(world, door.points["open"].id, 0)
        assert [(c.name, c.reason, c.device.id) for c in seeds.driver.executed] == [("open", "a delivery", door.id)]
        assert not complaints


def _stands(world: World, point: int, value: float) -> None:
    """A door says how it stands."""
    with world.seeds.link() as link:
        link.execute("UPDATE telemetry.point_last SET value = %s WHERE point_id = %s", [value, point])
    world.seeds.context.live.publish(Change("point", world.seeds.home, str(point), {"value": value}))


async def test_plan_counts_alarms_up_the_tree_and_leads_to_the_device(world: World) -> None:
    seeds = world.seeds
    meter = seeds.devices["em-b1-009"]
    number = fresh(world, "em-b1-009", "Meter opened", 1)
    async with world.signed_in("guard", "en") as (page, complaints):
        await world.open(page, "/plan")
        label = await page.locator(".plot", has_text="Building 1").get_attribute("aria-label")
        await page.locator(".plot", has_text="Building 1").click()
        floor = "/".join(meter.place_path.split("/")[:3])
        cell = page.locator(f"a.cell[href='#{floor}']")
        assert "1 alarms" in (await cell.get_attribute("aria-label") or "")
        await cell.focus()
        await page.keyboard.press("Enter")
        await page.locator(".crumbs a[aria-current]", has_text="floor 3").wait_for()
        await page.locator(".plan-alarms a", has_text="Meter opened").wait_for()
        await page.locator("summary").click()
        await page.locator(".hub-table td", has_text="room 0301").first.wait_for()
        await page.go_back()
        await page.go_back()
        over(world, number)
        seeds.context.alarms.announce(await seeds.context.alarms.show(await world.principal("guard"), number))
        await page.wait_for_function(
            "old => ![...document.querySelectorAll('.plot')].some(e => e.ariaLabel === old)",
            arg=label,
        )
        await page.goto(f"{world.address}/plan#{meter.place_path}")
        await page.locator(f"a[href='/devices/{meter.id}']").click()
        await page.wait_for_url(f"**/devices/{meter.id}")
        assert not complaints


async def test_maintenance_is_planned_and_ended(world: World) -> None:
    desk = world.seeds.context.alarms
    who = await world.principal("engineer")
    number = fresh(world, "elevator-b2-u2", "Lift noisy")
    async with world.signed_in("engineer", "en") as (page, complaints):
        await world.open(page, "/maintenance")
        before = len(await desk.maintenance(who))
        await page.locator("button", has_text="Plan for a place").click()
        await page.locator(".dialog select").select_option("b2/u2")
        await page.locator(".dialog input[type=text]").first.fill("shaft cleaning")
        await page.locator(".dialog .solid").click()
        row = page.locator("tr", has_text="shaft cleaning")
        await row.locator(".chip", has_text="Active").wait_for()
        await page.screenshot(path=SHOTS / "maintenance-planned-en-desktop.png")
        assert len(await desk.maintenance(who)) == before + 1
        assert (await state_of(world, number))[1] == "out_of_service"
        await row.locator("button").click()
        await page.locator(".dialog .solid").click()
        await row.wait_for(state="detached")
        assert (await state_of(world, number))[1] is None
        assert not complaints
    async with world.signed_in("guard", "en") as (page, _):
        await world.open(page, "/maintenance")
        assert await page.locator("button", has_text="Plan for a place").count() == 0
        assert await page.locator(".hub-table .acts button").count() == 0
    over(world, number)


async def test_device_is_taken_out_of_service_from_its_alarm(world: World) -> None:
    number = fresh(world, "pump-4", "Pump serviced")
    async with world.signed_in("engineer", "en") as (page, complaints):
        await world.open(page, f"/alarms/{number}")
        await page.locator(".detail-pane button", has_text="Take out of service").click()
        fields = page.locator(".dialog input[type=text]")
        await fields.nth(0).fill("bearing change")
        await page.locator(".dialog .solid").click()
        await page.locator(".dialog .wrong", has_text="work order is needed").wait_for()
        assert await fields.nth(0).input_value() == "bearing change"  # what was typed stays
        await fields.nth(1).fill("WO-1")
        await page.locator(".dialog .solid").click()
        await page.locator(".q-notification", has_text="no work order of this number").wait_for()
        order = await world.seeds.context.ports["workorders.open"](await world.principal("engineer"), number)
        await fields.nth(1).fill(order["number"])
        await page.locator(".dialog .solid").click()
        await page.locator(".detail-pane .strip", has_text="bearing change").wait_for()
        assert (await state_of(world, number))[1] == "out_of_service"
        assert not complaints
    await world.seeds.context.alarms.return_to_service(
        await world.principal("engineer"), world.seeds.devices["pump-4"].id
    )
    over(world, number)


async def test_night_follows_the_browser_until_the_person_chooses(world: World) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    async with world.signed_in("guard", color_scheme="dark") as (page, _):
        await by_form(world, page, "guard")  # where the hub learns what the browser likes
        await world.open(page, "/doors")
        assert await page.evaluate(background) == "rgb(20, 24, 28)"
        await page.click('form:has(input[name="dark"]) button')
        await page.wait_for_function(f"document.body && {background} === 'rgb(243, 244, 245)'")
        await world.open(page, "/plan")
        assert await page.evaluate(background) == "rgb(243, 244, 245)"


async def test_blink_is_a_border_for_who_wants_no_motion(world: World) -> None:
    look = """e => { const s = getComputedStyle(e.querySelector('.badge'));
              return [s.animationName, s.animationDuration, s.borderStyle, s.boxShadow !== 'none']; }"""
    for motion, wanted in (("no-preference", ["blink", "1s"]), ("reduce", ["none", True])):
        async with world.signed_in("guard", reduced_motion=motion) as (page, _):
            await world.open(page, "/alarms")
            new = await page.locator(f"#alarm-{world.made['smoke']}").evaluate(look)
            assert (new[:2] if motion == "no-preference" else [new[0], new[3]]) == wanted
            assert (await page.locator(f"#alarm-{world.made['unlatched']}").evaluate(look))[::2] == ["none", "dashed"]
