"""The page of plans in a real browser: changed by mouse and keyboard, tried, put in force, two at once, and back."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from unittest.mock import AsyncMock

import httpx
import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Locator, Page, expect

from hub.catalog.problems import CatalogError, Problem
from hub.live import Change
from hub.principal import Principal
from modules.patrol.planbook import InForce, PlanBook, Preview
from modules.patrol.stored import file_json
from tests.e2e.desks import SMALL
from tests.e2e.patrol.patrol_world import PASSWORD, SHOTS, SIZES, World

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def accessible(page: Page) -> None:
    await page.wait_for_function(
        "[...document.querySelectorAll('.q-loading-bar')].every((bar) => bar.style.opacity === '0')"
    )
    found = await Axe().run(page)
    assert found.response["violations"] == [], found.generate_report()


@pytest_asyncio.fixture(loop_scope="session")
async def plans(world: World) -> AsyncIterator[PlanBook]:
    """The plans of the server; what a test put in force ends with it."""
    book = world.plugin.of(world.here.context).book
    yield book
    who = world.here.who("admin", "wang")
    if (now := book.in_force(who)).number is not None:
        await book.follow_file(who, now.digest)


def panel(page: Page, title: str) -> Locator:
    return page.locator("section.panel", has=page.get_by_role("heading", name=title, exact=True))


def row(page: Page, part: str, text: str) -> Locator:
    return panel(page, part).locator("tbody tr", has_text=text)


async def done(page: Page) -> None:
    await page.locator(".dialog .solid").click()
    await expect(page.locator(".q-dialog .dialog")).to_have_count(0)


async def test_a_route_is_put_in_another_order_by_keyboard_and_comes_into_force(world: World, plans: PlanBook):
    async with world.signed_in("wang", "en") as (page, complaints):
        await world.open(page, "/patrols")
        await page.get_by_role("link", name="Plans", exact=True).click()
        await page.locator("text=The file config/patrols/demo.yaml").wait_for()
        await row(page, "Routes", "Garden route").get_by_role("button", name="Edit").click()
        stops = page.locator(".dialog .rows > div")
        await expect(stops).to_have_count(2)
        await stops.first.locator("select").focus()
        await page.keyboard.press("Alt+ArrowDown")
        await expect(stops.last.locator("select")).to_have_value("b1-lobby")
        await expect(stops.last.locator("select")).to_be_focused()
        await stops.last.get_by_role("button", name="Move up").press("Enter")
        await expect(stops.first.locator("select")).to_have_value("b1-lobby")
        await stops.first.get_by_role("button", name="Move down").click()
        await page.locator(".dialog").get_by_role("button", name="Add a stop").click()
        await stops.last.locator("select").select_option("garage-exit")
        await stops.last.locator("label", has_text="Not after").locator("input").fill("0:30")
        await page.screenshot(path=SHOTS / "patrol-plans-route.en.png")
        await accessible(page)
        await done(page)
        await row(page, "Routes", "Central garden 4′ → Lobby of building 1 unit 1 3′ → Garage door 2 0:30′").wait_for()
        assert plans.in_force(world.here.who()).number is None, "nothing holds before it is saved"
        await page.get_by_role("button", name="Preview").click()
        await page.locator(".plan-preview .chip", has_text="Changed").first.wait_for()
        await expect(page.locator(".plan-preview .diff .add", has_text="checkpoint: garage-exit")).to_be_visible()
        await page.screenshot(path=SHOTS / "patrol-plans-preview.en.png", full_page=True)
        await accessible(page)
        await page.get_by_role("button", name="Save and put in force").click()
        await page.fill(".dialog input", "the lobby last")
        await done(page)
        await panel(page, "In force").locator("text=Version 1 · wang").wait_for()
        history = panel(page, "History of versions")
        await history.locator("td", has_text="the lobby last").wait_for()
        await history.get_by_role("button", name="Compare").click()
        await history.locator(".diff .del").first.wait_for()
        href = await history.get_by_role("link", name="YAML").get_attribute("href")
        answer = await page.request.get(world.address + str(href))
        assert answer.ok and "checkpoint: garage-exit, max: 30s" in await answer.text()
        await page.get_by_role("button", name="Follow the file again").click()
        await done(page)
        await page.locator("text=The file config/patrols/demo.yaml").wait_for()
        assert complaints == []
    assert [stop.checkpoint for stop in plans.in_force(world.here.who()).file.routes[0].stops] == ["b1-lobby", "garden"]


async def test_of_two_editors_the_second_is_told_and_keeps_what_was_made(world: World, plans: PlanBook):
    chen = world.here.who("engineer", "chen")
    async with world.signed_in("wang", "en") as (page, complaints):
        await world.open(page, "/patrol/plans")
        await row(page, "Plans", "Garden round").get_by_role("button", name="Edit").click()
        await page.locator(".dialog label", has_text="Or every so many minutes").locator("input").fill("20")
        before = plans.in_force(chen)
        plain = file_json(before.file)
        plain["plans"][1]["every"] = "30m"
        await plans.save(chen, plain, before.digest, "the garage less")
        await panel(page, "In force").locator("text=chen").wait_for()
        await done(page)
        await page.locator(".plan-newer", has_text="chen").wait_for()
        await row(page, "Plans", "every 20 min").wait_for()
        await page.screenshot(path=SHOTS / "patrol-plans-newer.en.png")
        await accessible(page)
        await page.get_by_role("button", name="Compare mine with the newer").click()
        await page.locator(".plan-preview .diff .del", has_text="every: 30m").wait_for()
        await row(page, "Plans", "Garage round").get_by_role("button", name="Edit").click()
        await page.locator(".dialog label", has_text="Or every so many minutes").locator("input").fill("30")
        await done(page)
        await page.get_by_role("button", name="Preview").click()
        await page.get_by_role("button", name="Save and put in force").click()
        await done(page)
        await panel(page, "In force").locator("text=wang").wait_for()
        assert complaints == []
    made = plans.in_force(chen)
    assert [str(plan.every) for plan in made.file.plans] == ["0:20:00", "0:30:00"]
    assert made.number == (await plans.versions(chen))[0]["number"]


async def paced(plans: PlanBook, who: Principal, every: str) -> InForce:
    """The garage's rounds at another pace, saved by somebody else."""
    before = plans.in_force(who)
    plain = file_json(before.file)
    plain["plans"][1]["every"] = every
    return await plans.save(who, plain, before.digest)


async def slower(page: Page) -> None:
    """The garden's rounds every 20 minutes, not in force yet."""
    await row(page, "Plans", "Garden round").get_by_role("button", name="Edit").click()
    await page.locator(".dialog label", has_text="Or every so many minutes").locator("input").fill("20")
    await done(page)
    await row(page, "Plans", "every 20 min").wait_for()


async def test_what_is_being_made_is_not_dropped_without_a_word(
    world: World, plans: PlanBook, monkeypatch: pytest.MonkeyPatch
):
    chen = world.here.who("engineer", "chen")
    old = await paced(plans, chen, "30m")
    now = await paced(plans, chen, "40m")
    async with world.signed_in("wang", "en") as (page, complaints):
        await world.open(page, "/patrol/plans")
        await slower(page)
        lost = page.locator(".dialog p", has_text="Changes that are not in force are lost.")
        history = panel(page, "History of versions").locator("tbody tr")
        again = history.nth(1).get_by_role("button", name="Put in force again")
        for button in (page.get_by_role("button", name="Follow the file again"), again):
            await button.click()
            await lost.wait_for()
            await page.keyboard.press("Escape")
            await expect(page.locator(".q-dialog .dialog")).to_have_count(0)
        wrong = [Problem("demo", 1, "plans[0].device", "'x'", "a device of the site")]
        monkeypatch.setattr(plans._files, "check", AsyncMock(return_value=(None, wrong)))
        await again.click()
        await done(page)
        await page.locator(".plan-preview li", has_text="Plans · Garden round: plans[0].device: found 'x'").wait_for()
        await row(page, "Plans", "every 20 min").wait_for()
        monkeypatch.undo()
        await again.click()
        await done(page)
        await panel(page, "In force").locator(f"text=version {old.number}").wait_for()
        await page.get_by_role("button", name="Preview").wait_for(state="detached")
        assert complaints == []
    assert (plans.in_force(chen).digest, now.number) == (old.digest, (old.number or 0) + 1)


async def test_a_preview_stays_while_nothing_of_it_changes_and_goes_when_something_does(
    world: World, plans: PlanBook, monkeypatch: pytest.MonkeyPatch
):
    chen, put = world.here.who("engineer", "chen"), "Save and put in force"
    before = await paced(plans, chen, "30m")
    async with world.signed_in("wang", "en") as (page, complaints):
        await world.open(page, "/patrol/plans")
        await slower(page)
        await page.get_by_role("button", name="Preview").click()
        await page.get_by_role("button", name=put).wait_for()
        home = world.here.home
        world.here.context.live.publish(Change("patrol", home, f"plans:{home}", {"plans": "changed"}))
        await page.wait_for_timeout(500)
        await expect(page.get_by_role("button", name=put)).to_be_visible()
        newer = await paced(plans, chen, "40m")
        await page.locator(".plan-newer").wait_for()
        await plans.restore(chen, before.number or 0, newer.digest)
        await expect(page.locator(".plan-newer")).to_have_count(0)
        begun, go, preview = asyncio.Event(), asyncio.Event(), plans.preview

        async def slow(who: Principal, given: dict[str, Any]) -> Preview:
            begun.set()
            await go.wait()
            return await preview(who, given)

        monkeypatch.setattr(plans, "preview", slow)
        await page.get_by_role("button", name="Preview").click()
        await begun.wait()
        await row(page, "Plans", "Garage round").get_by_role("button", name="Remove").click()
        await done(page)
        go.set()
        await page.wait_for_timeout(1500)
        await expect(page.get_by_role("button", name=put)).to_have_count(0)
        assert complaints == []


async def test_what_is_wrong_is_said_in_the_dialog_and_before_it_is_saved(world: World, plans: PlanBook):
    async with world.signed_in("wang", "en") as (page, complaints):
        await world.open(page, "/patrol/plans")
        await row(page, "Plans", "Garden round").get_by_role("button", name="Edit").click()
        await page.locator(".dialog label", has_text="Or every so many minutes").locator("input").fill("3")
        await page.locator(".dialog .solid").click()
        await page.locator(".dialog p", has_text="from one round to the next").wait_for()
        await page.locator(".dialog label", has_text="Or every so many minutes").locator("input").fill("soon")
        await page.locator(".dialog .solid").click()
        await page.locator(".dialog p", has_text="Please look at: Or every so many minutes").wait_for()
        await page.keyboard.press("Escape")
        await page.get_by_role("button", name="New plan").click()
        await page.locator(".q-notification", has_text="No device is free").wait_for()
        await row(page, "Routes", "Garden route").get_by_role("button", name="Remove").click()
        await done(page)
        await page.get_by_role("button", name="Preview").click()
        await page.locator(".plan-preview li", has_text="Plans · Garden round").wait_for()
        assert await page.get_by_role("button", name="Save and put in force").count() == 0
        await row(page, "Plans", "Garden round").get_by_role("button", name="Remove").click()
        await done(page)
        await page.get_by_role("button", name="Preview").click()
        await page.locator(
            ".plan-preview li", has_text="Lobby of building 1 unit 1"
        ).wait_for()  # its item is inspected
        await page.get_by_role("button", name="Drop changes").click()
        await done(page)
        await row(page, "Routes", "Garden route").get_by_role("button", name="Edit").click()
        await page.locator(".dialog .rows > div").last.get_by_role("button", name="Remove").click()
        await done(page)
        await page.get_by_role("button", name="Preview").click()
        await page.locator(".plan-preview .chip.ill", has_text="New blind spot").first.wait_for()
        await row(page, "Plans", "Garden round").get_by_role("button", name="Remove").click()
        await done(page)
        await page.get_by_role("button", name="New plan").click()
        dialog = page.locator(".dialog")
        await dialog.locator("label", has_text="Name in Chinese").locator("input").fill("夜巡")
        await dialog.locator("label", has_text="Name in English").locator("input").fill("Night")
        await (
            dialog.locator("label", has=page.get_by_text("Route", exact=True)).locator("select").select_option("garden")
        )
        await dialog.locator("label", has_text="Device on which").locator("select").select_option("route-garden")
        await dialog.locator("label", has_text="Days").first.locator("select").select_option("chosen")
        await dialog.get_by_label("Sat").check()
        await dialog.get_by_label("Sun").check()
        await dialog.locator("label", has_text="Begins at").locator("input").fill("22:00 02:00")
        await done(page)
        await row(page, "Plans", "Sat Sun").locator("text=22:00 02:00").wait_for()
        await page.get_by_role("button", name="Drop changes").click()
        await done(page)
        await row(page, "Plans", "Garden round").wait_for()
        assert complaints == []
    assert await plans.versions(world.here.who()) is not None


@pytest.mark.parametrize("size", list(SIZES))
@pytest.mark.parametrize("language", ["zh-CN", "en"])
async def test_the_page_and_its_dialogs_are_healthy(world: World, plans: PlanBook, language: str, size: str):
    refusals = world.here.context.refusals
    wrong = CatalogError([Problem("config/patrols/demo.yaml", 67, "plans[0].every", "'2m'", "more than 9 minutes")])
    refusals.tell("patrols", wrong, world.here.clock.now())
    async with world.signed_in("wang", language, size) as (page, complaints):
        await world.open(page, "/patrol/plans")
        await page.locator(".refused li", has_text="demo.yaml:67: plans[0].every").wait_for()
        await page.screenshot(path=SHOTS / f"patrol-plans.{size}.{language}.png", full_page=True)
        await accessible(page)
        assert size != "phone" or await page.evaluate(SMALL) == []
        for part, name in (("checkpoints", "garage"), ("routes", "garage"), ("plans", "garage-round")):
            titles = {"checkpoints": "巡更点", "routes": "路线", "plans": "计划"} if language == "zh-CN" else {
                "checkpoints": "Checkpoints", "routes": "Routes", "plans": "Plans"}  # fmt: skip
            rows = panel(page, titles[part]).locator("tbody tr")
            index = {"garage": 2 if part == "checkpoints" else 1, "garage-round": 1}[name]
            await rows.nth(index).locator("button").first.click()
            await page.locator(".q-dialog .dialog h2").wait_for()
            await page.wait_for_timeout(300)  # the dialog fades in
            await page.screenshot(path=SHOTS / f"patrol-plans-{part}.{size}.{language}.png")
            await accessible(page)
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{part} is too wide"
            assert size != "phone" or await page.evaluate(SMALL) == []
            await page.keyboard.press("Escape")
            await expect(page.locator(".q-dialog .dialog")).to_have_count(0)
        assert complaints == []
    refusals.mend("patrols", world.here.clock.now())


async def test_a_viewer_looks_and_changes_nothing(world: World, plans: PlanBook):
    async with world.signed_in("viewer", "en") as (page, complaints):
        await world.open(page, "/patrol/plans")
        await row(page, "Plans", "Garden round").wait_for()
        for name in ("Edit", "Remove", "New plan", "Preview", "Follow the file again"):
            assert await page.get_by_role("button", name=name, exact=True).count() == 0
        assert await page.get_by_role("link", name="Download YAML").count() == 0
        assert "沪AXG001" not in await page.inner_text("#main")
        assert complaints == []


async def test_the_api(world: World, plans: PlanBook):
    async with httpx.AsyncClient(
        timeout=60, base_url=f"{world.address}/api/v1", headers={"sec-fetch-site": "same-origin"}
    ) as client:
        await client.post(f"{world.address}/login", data={"name": "wang", "password": PASSWORD})
        found = (await client.get("/patrol/plans")).json()
        body = {part: found[part] for part in ("checkpoints", "routes", "plans")}
        base = found["in_force"]["digest"]
        same = await client.put("/patrol/plans", json={**body, "base": base})
        assert same.json()["in_force"] == found["in_force"], "what was read may be put back, and is no version"
        body["plans"][0]["every"] = "20m"
        seen = (await client.post("/patrol/plans/preview", json=body)).json()
        assert seen["problems"] == [] and seen["counts"]["gone"] > 400 and seen["blind"][0]["sort"] == "still"
        saved = await client.put("/patrol/plans", json={**body, "base": base, "note": "by programme"})
        number = saved.json()["in_force"]["version"]
        assert (saved.status_code, saved.json()["in_force"]["source"]) == (200, "api")
        stale = await client.put("/patrol/plans", json={**body, "base": base})
        assert (stale.status_code, stale.json()["code"]) == (409, "newer_plans")
        wrong = {**body, "plans": [{**body["plans"][0], "route": "gardn"}]}
        problems = (await client.post("/patrol/plans/preview", json=wrong)).json()["problems"]
        told = {each["field"]: each for each in problems}["plans[0].route"]
        assert told["suggestion"] == "garden" and told["message"]["zh"]
        refused = await client.put("/patrol/plans", json={**wrong, "base": saved.json()["in_force"]["digest"]})
        assert refused.status_code == 422 and "plans[0].route" in refused.json()["detail"]
        for hostile in ({"plans": 1}, {"plans": [None]}, {"routes": [{"id": {}}]}, {"checkpoints": [[[]]]}):
            answer = await client.put("/patrol/plans", json={**body, **hostile, "base": base})
            assert answer.status_code == 422
        assert (await client.put("/patrol/plans", json={**body, "base": "x"})).status_code == 422
        listed = (await client.get("/patrol/plans/versions")).json()
        assert (listed[0]["number"], listed[0]["author"], listed[0]["note"]) == (number, "user:wang", "by programme")
        one = (await client.get(f"/patrol/plans/versions/{number}")).json()
        assert one["file"]["plans"][0]["every"] == "20m"
        difference = (await client.get(f"/patrol/plans/versions/{number}/diff", params={"other": 0})).json()["diff"]
        assert "+    every: 20m" in difference
        for path in ("/patrol/plans.yaml", f"/patrol/plans/versions/{number}.yaml"):
            answer = await client.get(path)
            assert answer.headers["content-disposition"].endswith('.yaml"') and "every: 20m" in answer.text
        assert (await client.get("/patrol/plans/versions/999")).status_code == 404
        now = saved.json()["in_force"]["digest"]
        followed = await client.post("/patrol/plans/follow-file", json={"base": now})
        assert followed.json()["in_force"]["source"] == "file"
        back = await client.post(f"/patrol/plans/versions/{number}/restore", json={"base": base})
        assert back.json()["in_force"]["digest"] == now
    async with httpx.AsyncClient(
        timeout=60, base_url=f"{world.address}/api/v1", headers={"sec-fetch-site": "same-origin"}
    ) as client:
        await client.post(f"{world.address}/login", data={"name": "viewer", "password": PASSWORD})
        assert "沪AXG001" not in (await client.get("/patrol/plans")).text
        assert (await client.put("/patrol/plans", json={**body, "base": now})).status_code == 403
        assert (await client.get("/patrol/plans.yaml")).status_code == 403
        assert (await client.get("/system")).json()["refused"] == []
