"""The Rules page in a browser: what is wrong by line, a trial on history, a version in force, and back again."""

import pytest
from playwright.async_api import Page, expect

from tests.e2e.desks import SHOTS, SIZES, SMALL, World, at_rest, healthy
from tests.integration.seeded import PASSWORD

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]
RULE = "pump-over-pressure"


async def _open_rule(world: World, page: Page, rule: str = RULE) -> None:
    await world.open(page, "/rules")
    await page.locator("tr", has_text=f"({rule})").locator("td.acts button").click()
    await page.wait_for_selector(".rule-editor textarea")


async def _retype(page: Page, old: str, new: str) -> None:
    area = page.locator(".rule-editor textarea")
    text = await area.input_value()
    assert old in text
    await area.fill(text.replace(old, new))


async def _enable(page: Page, said: str) -> None:
    """Try the text, then put it in force."""
    enable = page.locator("button", has_text="Save and enable").first
    await expect(enable).to_have_attribute("aria-disabled", "true")
    await page.locator("button", has_text="Try on history").click()
    await expect(page.locator(".rule-said")).to_contain_text(said)
    await expect(enable).to_have_attribute("aria-disabled", "false")
    await enable.click()
    await page.fill(".dialog input", "first the pumps")
    await page.locator(".dialog button.solid").click()


async def _go_to(page: Page, community: str) -> None:
    """Choose a community in the page's head, unless it is the one shown."""
    button = page.locator(".top form button", has_text=community)
    if await button.count():
        await button.click()
        await expect(button).to_have_count(0)
        await page.wait_for_function("window.did_handshake === true")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", list(SIZES))
@pytest.mark.parametrize("language", ["zh-CN", "en"])
async def test_list_and_rule_are_healthy(world: World, language: str, size: str, dark: bool) -> None:
    theme = "dark" if dark else "light"
    async with world.signed_in("engineer", language, size, dark) as (page, complaints):
        await world.open(page, "/rules")
        await at_rest(page)
        await page.screenshot(path=SHOTS / f"rules-{language}-{size}-{theme}.png")
        await healthy(page, language, complaints)
        await _open_rule(world, page)
        await at_rest(page)
        await page.screenshot(path=SHOTS / f"rule-{language}-{size}-{theme}.png", full_page=True)
        await healthy(page, language, complaints)
        if size == "phone":
            assert await page.evaluate(SMALL) == []


async def test_a_wrong_word_is_told_by_line_with_what_was_meant(world: World) -> None:
    async with world.signed_in("engineer", "en") as (page, _):
        await _open_rule(world, page)
        await _retype(page, "point: pressure, above", "point: presure, above")
        told = page.locator(".rule-problems li")
        await expect(told).to_contain_text("did you mean 'pressure'?")
        await told.locator("button").click()
        selected = "(a) => a.value.slice(a.selectionStart, a.selectionEnd)"
        assert "presure" in await page.locator(".rule-editor textarea").evaluate(selected)
        await _retype(page, "presure", "pressure")
        await expect(page.locator(".rule-problems .fine")).to_be_visible()


async def test_a_version_is_tried_put_in_force_compared_and_rolled_back(world: World) -> None:
    book = world.hub.rulebook
    who = await world.principal("engineer")
    async with world.signed_in("engineer", "en") as (page, complaints):
        await _open_rule(world, page)
        await _retype(page, "priority: high", "priority: critical")
        await page.locator("button", has_text="Run examples").first.click()
        await expect(page.locator(".chip", has_text="passed").first).to_be_visible()
        await _enable(page, "Alarms in the last 30 days")
        await expect(page.locator(".rule-marks")).to_contain_text("Version 2")
        assert (await book.show(who, RULE))["priority"] == "critical"
        await page.locator("button", has_text="Compare").first.click()
        await expect(page.locator(".diff .add", has_text="priority: critical")).to_be_visible()
        await page.locator("button", has_text="Roll back").last.click()
        await page.locator(".dialog button.solid").click()
        await expect(page.locator(".rule-marks")).to_contain_text("Rule file pumps")
        assert (await book.show(who, RULE))["priority"] == "high"
        assert complaints == []


async def test_each_community_of_a_hub_has_its_own_versions(world: World) -> None:
    """A person with rights in two enables in one; the other keeps the file's rule until it is switched off there."""
    seeds, rule = world.seeds, "door-held-open"
    await world.hub.accounts.create_account("both", PASSWORD, {seeds.home: "engineer", seeds.foreign: "engineer"})
    async with world.signed_in("both", "en") as (page, complaints):
        await world.open(page, "/")
        await _go_to(page, "Heyue Garden")
        await _open_rule(world, page, rule)
        await _retype(page, "priority: medium", "priority: low")
        await _enable(page, "Alarms in the last 30 days")
        await expect(page.locator(".rule-marks")).to_contain_text("Version 2")
        await _go_to(page, "Another community")
        await _open_rule(world, page, rule)
        await expect(page.locator(".rule-marks")).to_contain_text("Rule file doors")
        assert "priority: medium" in await page.locator(".rule-editor textarea").input_value()
        assert await page.locator("button", has_text="Roll back").count() == 0
        await page.screenshot(path=SHOTS / "rule-other-community.png")
        await page.locator("button", has_text="Switch off").click()
        await page.fill(".dialog input", "its door is rebuilt")
        await page.locator(".dialog button.solid").click()
        await expect(page.locator(".rule-marks")).to_contain_text("Off")
        await _go_to(page, "Heyue Garden")
        await _open_rule(world, page, rule)
        await expect(page.locator(".rule-marks")).to_contain_text("Enabled")
        await expect(page.locator(".rule-marks")).to_contain_text("Version 2")
        await page.locator("button", has_text="Roll back").last.click()
        await page.locator(".dialog button.solid").click()
        await expect(page.locator(".rule-marks")).to_contain_text("Rule file doors")
        await _go_to(page, "Another community")
        await _open_rule(world, page, rule)
        await expect(page.locator(".rule-marks")).to_contain_text("Off")
        assert complaints == []


async def test_who_may_not_configure_reads_only(world: World) -> None:
    async with world.signed_in("guard", "en") as (page, _):
        await _open_rule(world, page)
        assert await page.locator(".rule-editor textarea").get_attribute("readonly") is not None
        for word in ("Save", "Switch", "Try on history", "Roll back"):
            assert await page.locator("#main button", has_text=word).count() == 0
