"""Photographs go with check-ins and incidents, and are seen by those who work here."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import FilePayload, Page, Route

from modules.duty.service import Duty
from tests.e2e.desks import SHOTS, World
from tests.e2e.photo_tools import accessible, code_of, evidence, keeps, last, own, press, rows, shown, stored, take
from tests.unit.photographs import photograph

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def add_photo(page: Page, name: str, picture: bytes) -> None:
    """A further photograph, by the button of this name."""
    file: FilePayload = {"name": "shot.jpg", "mimeType": "image/jpeg", "buffer": picture}
    before = await page.locator(".pictures li").count()
    await page.locator("label", has_text=name).locator("input[type=file]").set_input_files(file)
    await page.wait_for_function("(n) => document.querySelectorAll('.pictures li').length === n", arg=before + 1)


def photos(world: World, after: int) -> list[tuple[Any, ...]]:
    return rows(
        world, "SELECT p.item FROM patrol.photo p JOIN patrol.evidence e USING (key) WHERE e.id > %s ORDER BY 1", after
    )


@pytest.mark.parametrize("language", ["zh-CN", "en"])
async def test_photographs_go_with_a_check_in_also_without_a_connection(world: World, language: str):
    before, zh = last(world), language == "zh-CN"
    more, of_item = ("添加照片", "拍照：") if zh else ("Add a photograph", "Photograph: Barrier")
    wall = photograph(size=(800, 600))
    async with world.signed_in("guard", language, "phone", dark=not zh) as (page, complaints):
        await world.open(page, f"/patrol/checkin#{await code_of(world, 'east-gate')}")
        await page.wait_for_selector("text=缺照片：" if zh else "text=Photograph missing:")
        await page.context.set_offline(True)
        await add_photo(page, of_item, wall)
        await page.wait_for_selector("text=缺照片：" if zh else "text=Photograph missing:", state="detached")
        for _ in range(3):
            await add_photo(page, more, wall)
        assert await page.locator("label", has_text=more).count() == 0, "three are as many as may be"
        await page.locator(".pictures button").last.click()
        await page.locator("label", has_text=more).wait_for()
        await accessible(page, f"patrol-photos-form.phone.{language}")
        await press(page, "打卡" if zh else "Check in")
        await page.wait_for_selector("text=1 条待上传" if zh else "text=1 to be sent")
        assert (await stored(page), photos(world, before)) == (3, [])
        await page.context.set_offline(False)
        await page.wait_for_selector("text=已收到" if zh else "text=Received")
        await page.wait_for_function("document.querySelector('.chip.done i')?.innerText === '✓'")
        assert (await stored(page), photos(world, before)) == (0, [("",), ("",), ("barrier",)])
        assert own(complaints) == []


async def test_a_photograph_that_cannot_be_sent_now_holds_up_no_check_in_and_follows_later(world: World):
    before = last(world)
    async with world.signed_in("guard", "en", "phone") as (page, _):
        await page.route("**/photographs/**", lambda route: route.fulfill(status=503))
        await world.open(page, f"/patrol/checkin#{await code_of(world, 'garden')}")
        await add_photo(page, "Add a photograph", photograph(size=(800, 600)))
        await press(page)
        await page.wait_for_selector("text=Received · 1 photographs to be sent")
        assert (evidence(world, before), photos(world, before)) == (["garden"], [])
        other = await page.context.new_page()  # where it can: a second tab takes over what the first one keeps
        await world.open(other, "/patrol/checkin")
        await page.wait_for_function("document.querySelector('.chip.done i')?.innerText === '✓'")
        await keeps(page, 0)
        assert photos(world, before) == [("",)]


HELD = """const waits = window.setTimeout, held = [], asked = window.asked = [];
  window.setTimeout = (work, ms, ...rest) => {
    if (!String(work).includes("abort")) return waits(work, ms, ...rest);
    asked.push(ms);
    held.push(work);
    return 0;
  };
  window.lose = () => held.splice(0).forEach((work) => work());"""
"""The phone's patience with an upload ends when the test says so."""


async def test_an_upload_that_is_too_slow_holds_up_neither_other_photographs_nor_check_ins(world: World):
    before, hung = last(world), list[str]()

    async def hang(route: Route) -> None:
        if not hung or route.request.url in hung:
            hung.append(route.request.url)
        else:
            await route.continue_()

    async with world.signed_in("guard", "en", "phone") as (page, _):
        await page.add_init_script(HELD)
        await page.route("**/checkins/**/photographs/**", hang)
        await world.open(page, f"/patrol/checkin#{await code_of(world, 'garden')}")
        for _ in range(2):
            await add_photo(page, "Add a photograph", photograph(size=(800, 600)))
        async with page.expect_request("**/checkins/**/photographs/**"):
            await press(page)
        await page.evaluate("lose()")
        await page.wait_for_selector("text=Received · 1 photographs to be sent")
        assert (evidence(world, before), photos(world, before)) == (["garden"], [("",)])
        assert hung and min(await page.evaluate("asked")) > 30_000, "a larger one is given longer"
        await page.unroute("**/checkins/**/photographs/**")
        await page.evaluate("dispatchEvent(new Event('online'))")  # it would try again by itself in 15 s
        await page.wait_for_function("document.querySelector('.chip.done i')?.innerText === '✓'")
        await keeps(page, 0)


async def test_a_code_whose_upload_is_too_slow_holds_up_none_behind_it(world: World):
    before, hung = last(world), list[str]()

    async def hang(route: Route) -> None:
        hung.append(route.request.url)
        if len(hung) > 1:
            await route.continue_()

    async with world.signed_in("guard", "en", "phone") as (page, _):
        await page.add_init_script(HELD)
        await world.open(page, "/patrol/checkin")
        await page.context.set_offline(True)
        for number, checkpoint in enumerate(("garage", "garden"), 1):
            await take(page, await shown(world, checkpoint))
            await press(page)
            await page.wait_for_selector(f"text={number} to be sent")
        await page.route("**/codes/photographs", hang)
        async with page.expect_request("**/codes/photographs"):
            await page.context.set_offline(False)
        await page.evaluate("lose()")
        await page.wait_for_selector("text=1 to be sent")
        assert evidence(world, before) == ["garden"]
        await page.wait_for_function("[...document.querySelectorAll('.chip.done')].length === 2")
    assert evidence(world, before) == ["garage", "garden"]


async def test_a_picture_that_the_hub_cannot_read_is_shown_and_kept_until_it_is_dismissed(world: World):
    async with world.signed_in("guard", "en", "phone") as (page, _):
        await page.add_init_script("delete window.createImageBitmap")
        await world.open(page, f"/patrol/checkin#{await code_of(world, 'garden')}")
        await add_photo(page, "Add a photograph", b"no picture")
        await press(page)
        await page.wait_for_selector("text=A photograph was not taken: Not a JPEG, PNG or WebP picture")
        assert await stored(page) == 1
        await press(page, "Dismiss")
        await page.wait_for_selector("text=A photograph was not taken", state="detached")
        assert await stored(page) == 0


@pytest.mark.parametrize(("language", "size"), [("zh-CN", "phone"), ("en", "desktop")])
async def test_an_incident_gets_photographs_that_open_large(world: World, language: str, size: str):
    diary, zh = Duty(world.seeds.context).diary, language == "zh-CN"
    await diary.open_incident(
        await world.principal("guard"), "other", "x", "y"
    )  # the seeds have a picture of the first
    made = await diary.open_incident(await world.principal("guard"), "theft", "电动车被盗", "3号楼下")
    async with world.signed_in("guard", language, size) as (page, complaints):
        await world.open(page, "/duty-log/incidents")
        await page.locator(".hub-table tbody tr").first.get_by_role("button", name="查看" if zh else "Show").click()
        button = page.locator("label", has_text="添加照片" if zh else "Add photographs").locator("input[type=file]")
        file: FilePayload = {
            "name": "a.png",
            "mimeType": "image/png",
            "buffer": photograph(size=(900, 700), sort="PNG"),
        }
        await button.set_input_files(file)
        await page.wait_for_function(
            """() => { const image = document.querySelector(".pictures li:last-child img");
                       image?.scrollIntoView(); return image?.naturalWidth > 0; }"""
        )
        await accessible(page, f"incident-photo.{size}.{language}")
        await page.locator(".pictures button").last.click()
        await page.wait_for_function("document.querySelector('dialog.large[open] img')?.naturalWidth === 900")
        await page.screenshot(path=SHOTS / f"incident-photo-large.{size}.{language}.png")
        await page.keyboard.press("Escape")
        await page.wait_for_selector("dialog.large[open]", state="detached")
        await button.set_input_files({"name": "b.jpg", "mimeType": "image/jpeg", "buffer": b"nothing"})
        await page.wait_for_selector("text=需要 JPEG" if zh else "text=A JPEG, PNG or WebP picture is needed")
        [refused] = own(complaints)
        assert "422" in refused
    assert len((await diary.incident(await world.principal("admin"), made["id"]))["pictures"]) == 1


async def test_a_picture_that_could_not_be_loaded_is_tried_again_and_gone_only_when_the_hub_says_so(world: World):
    diary, guard = Duty(world.seeds.context).diary, await world.principal("guard")
    made = await diary.open_incident(guard, "other", "x", "北门")

    async def parts() -> AsyncIterator[bytes]:
        yield photograph(size=(300, 200))

    await diary.photograph(guard, made["id"], parts())
    said = 503

    async def answer(route: Route) -> None:
        await (route.continue_() if said == 200 else route.fulfill(status=said))

    async with world.signed_in("guard", "en", "desktop") as (page, _):
        await page.route("**/api/v1/pictures/*", answer)
        await world.open(page, "/duty-log/incidents")
        await page.locator(".hub-table tbody tr").first.get_by_role("button", name="Show").click()
        button = page.locator(".pictures button").last  # the seeds have a picture of the first incident
        await button.get_by_text("Could not be loaded").wait_for()
        assert await button.is_enabled() and await page.locator("text=Past its days").count() == 0
        said = 200
        await button.click()
        await page.wait_for_function("document.querySelector('.pictures li:last-child img')?.naturalWidth === 300")
        said = 410
        await page.reload()
        await page.locator(".hub-table tbody tr").first.get_by_role("button", name="Show").click()
        await button.get_by_text("Past its days").wait_for()
        assert await button.is_disabled()
