"""The alarm desk by keyboard alone."""

import pytest

from tests.e2e.desks import World
from tests.e2e.test_pages_desk import fresh, over, state_of

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def test_keys_go_through_the_list_whatever_becomes_of_the_chosen_one(world: World) -> None:
    """Acknowledged it goes behind the others, over it is gone: the next is still the one that stood beside it."""
    numbers = [fresh(world, "env-1", f"Row {one}", 2) for one in range(5)]
    first, second, third, fourth, last = reversed(numbers)  # the newest stands first
    desk, who = world.seeds.context.alarms, await world.principal("guard")
    async with world.signed_in("guard", "en") as (page, complaints):
        await world.open(page, "/alarms")
        await page.fill(".search[type=search]", "row ")
        await page.locator(f"#alarm-{last}").wait_for()
        await page.keyboard.press("Escape")
        await page.locator(f"#alarm-{first} .open").click()
        for number, following in ((first, second), (second, third)):
            await page.keyboard.press("a")
            await page.locator(f"#alarm-{number}.chosen.active_acknowledged").wait_for()
            await page.keyboard.press("j")
            await page.locator(f"#alarm-{following}.chosen").wait_for()
        over(world, third)
        desk.announce(await desk.show(who, third))
        await page.locator(f"#alarm-{third}").wait_for(state="detached")
        await page.keyboard.press("a")  # nothing is chosen any more: nothing to acknowledge
        await page.keyboard.press("j")
        await page.locator(f"#alarm-{fourth}.chosen").wait_for()
        assert (await state_of(world, third))[0] == "normal"
        await page.keyboard.press("j")
        await page.locator(f"#alarm-{last}.chosen").wait_for()
        await page.keyboard.press("k")
        await page.locator(f"#alarm-{fourth}.chosen").wait_for()
        await page.fill(".search[type=search]", "row 0")
        await page.locator(f"#alarm-{fourth}").wait_for(state="detached")
        await page.keyboard.press("Escape")
        await page.keyboard.press("a")  # hidden by the filter
        await page.keyboard.press("j")  # the smoke, which no filter hides
        await page.keyboard.press("j")
        await page.locator(f"#alarm-{last}.chosen").wait_for()
        await page.keyboard.press("a")
        await page.locator(f"#alarm-{last}.active_acknowledged").wait_for()
        assert (await state_of(world, fourth))[0] == "active_unacknowledged"
        assert not complaints
    over(world, *numbers)


async def test_keys_do_what_the_help_says(world: World) -> None:
    async with world.signed_in("engineer", "en") as (page, complaints):
        await world.open(page, "/alarms")
        await page.keyboard.press("j")
        await page.locator("li.alarm.chosen").wait_for()
        for key, title in (("s", "cannot be shelved"), ("d", "Assign"), ("c", "Comment")):
            await page.keyboard.press(key)
            await page.locator(".q-notification, .q-dialog h2", has_text=title).first.wait_for()
            if key != "s":
                await page.keyboard.press("Escape")
                await page.locator(".q-dialog .dialog").wait_for(state="detached")
        await page.keyboard.press("/")
        await page.keyboard.type("forced")
        await page.keyboard.press("Escape")
        door = world.seeds.numbers["alarms"][1]
        await page.locator(f"#alarm-{door} .open").click()
        await page.locator(".detail-pane h2", has_text="Door forced open").wait_for()
        await page.keyboard.press("o")
        await page.locator(".q-dialog h2", has_text="Open the door").wait_for()
        await page.keyboard.press("Escape")
        await page.locator(".q-dialog .dialog").wait_for(state="detached")
        await page.keyboard.press("w")
        await page.wait_for_url("**/work-orders#*")
        assert not complaints
