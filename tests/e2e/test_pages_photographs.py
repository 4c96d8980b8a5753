"""Codes that are photographed because the phone's browser can read none: at once, or kept until there is a connection.

Screenshots go to var/screenshots/.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import httpx
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import FilePayload, Page, Route

from hub.media.picture import MOST_BYTES
from modules.duty.service import Duty
from modules.patrol import make_patrols
from tests.e2e.desks import SHOTS, World
from tests.integration.seeded import PASSWORD
from tests.unit.photographs import bomb, photograph

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]
READER = "/patrol/codes/photographs"
JPEG = {"content-type": "image/jpeg"}


def client(world: World) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=f"{world.address}/api/v1", headers={"sec-fetch-site": "same-origin"}, timeout=60
    )  # fmt: skip


async def code_of(world: World, checkpoint: str) -> str:
    printed = await make_patrols(world.seeds.context).printed(await world.principal("admin"))
    return next(code for one, code in printed if one.id == checkpoint)


async def shown(world: World, checkpoint: str) -> bytes:
    """A photograph of the code that is put up there."""
    return photograph(f"{world.address}/patrol/checkin#{await code_of(world, checkpoint)}")


async def take(page: Page, picture: bytes) -> None:
    """What the phone's camera hands to the page."""
    file: FilePayload = {"name": "shot.jpg", "mimeType": "image/jpeg", "buffer": picture}
    await page.locator("input[type=file]").first.set_input_files(file)


async def press(page: Page, name: str = "Check in") -> None:
    await page.get_by_role("button", name=name, exact=True).click()


def rows(world: World, query: str, *values: object) -> list[tuple[Any, ...]]:
    with world.seeds.link() as link:
        return link.execute(query, values).fetchall()  # type: ignore[call-overload, no-any-return]


def evidence(world: World, after: int = 0) -> list[str]:
    found = rows(world, "SELECT checkpoint FROM patrol.evidence WHERE id > %s ORDER BY checkpoint", after)
    return [name for (name,) in found]


def last(world: World) -> int:
    [(number,)] = rows(world, "SELECT coalesce(max(id), 0) FROM patrol.evidence")
    return int(number)


async def stored(page: Page) -> int:
    """How many photographs the phone keeps."""
    return int(await page.evaluate(
        """() => new Promise((done) => { const request = indexedDB.open("hub-patrol", 1);
             request.onsuccess = () => { const store = request.result.transaction("pictures").objectStore("pictures");
               store.count().onsuccess = (event) => { request.result.close(); done(event.target.result); }; }; })"""
    ))  # fmt: skip


async def accessible(page: Page, name: str) -> None:
    await page.screenshot(path=SHOTS / f"{name}.png", full_page=True)
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is too wide"
    found = await Axe().run(page, {"exclude": ["#q-loading-bar", "#popup"]})  # not ours: that there is no connection
    assert found.response["violations"] == [], found.generate_report()


def own(complaints: Sequence[str]) -> list[str]:
    """What the browser said beside that there was no connection."""
    offline = ("ERR_INTERNET_DISCONNECTED", "WebSocket", "failed: ")
    return [one for one in complaints if not any(word in one for word in offline)]


async def test_a_photographed_code_fills_in_the_form_at_once(world: World):
    before = last(world)
    async with world.signed_in("guard", "en", "phone") as (page, complaints):
        await world.open(page, "/patrol/checkin")
        await accessible(page, "patrol-photo.phone.en")
        await take(page, await shown(world, "garage"))
        await page.get_by_role("heading", name="Garage", exact=True).wait_for()
        await press(page)
        await page.wait_for_selector("text=Received")
        assert await stored(page) == 0
        assert complaints == []
    assert evidence(world, before) == ["garage"]


@pytest.mark.parametrize(("texts", "word"), [
    ((), "No code in the photograph"), (("https://pay.example",), "Not a valid code"),
])  # fmt: skip
async def test_a_photograph_without_a_code_of_ours_is_told_at_once(world: World, texts: tuple[str, ...], word: str):
    async with world.signed_in("guard", "en", "phone") as (page, _):
        await world.open(page, "/patrol/checkin")
        await take(page, photograph(*texts))
        await page.wait_for_selector(f"text={word}")
        assert await page.get_by_role("button", name="Check in", exact=True).count() == 0
        await take(page, await shown(world, "garden"))
        await page.get_by_role("heading", name="Central garden").wait_for()
        assert await page.locator(f"text={word}").count() == 0


async def test_the_browser_takes_the_own_code_and_leaves_foreign_ones_to_the_hub(world: World):
    code = await code_of(world, "garden")
    async with world.signed_in("guard", "en", "phone") as (page, _):
        await page.add_init_script(
            "window.BarcodeDetector = class { detect() { return read.map((rawValue) => ({ rawValue })); } }"
        )
        await page.add_init_script(f"window.read = ['https://pay.example', '{world.address}/patrol/checkin#{code}'];")
        await page.route("**/codes/photographs", lambda route: route.abort())
        await world.open(page, "/patrol/checkin")
        await take(page, photograph())
        await page.get_by_role("heading", name="Central garden").wait_for()
        await page.unroute("**/codes/photographs")
        await page.add_init_script("read.pop()")
        await world.open(page, "/patrol/checkin")
        await take(page, await shown(world, "garage"))
        await page.get_by_role("heading", name="Garage", exact=True).wait_for()


@pytest.mark.parametrize("language", ["zh-CN", "en"])
async def test_without_a_connection_the_photograph_is_kept_and_read_later(world: World, language: str):
    before, zh = last(world), language == "zh-CN"
    async with world.signed_in("guard", language, "phone", dark=zh) as (page, complaints):
        await world.open(page, "/patrol/checkin")
        await page.context.set_offline(True)
        await take(page, await shown(world, "b1-lobby"))
        await page.wait_for_selector("text=照片已存在手机里" if zh else "text=The photograph is kept on the phone")
        await page.get_by_role("combobox").select_option("b1-lobby")
        await page.get_by_role("button", name="异常" if zh else "Fault").first.click()
        await accessible(page, f"patrol-photo-kept.phone.{language}")
        await press(page, "打卡" if zh else "Check in")
        await page.wait_for_selector("text=1 条待上传" if zh else "text=1 to be sent")
        await take(page, photograph())
        await press(page, "打卡" if zh else "Check in")
        await page.wait_for_selector("text=2 条待上传" if zh else "text=2 to be sent")
        await accessible(page, f"patrol-photo-waiting.phone.{language}")
        assert (evidence(world, before), await stored(page)) == ([], 2)
        await page.context.set_offline(False)
        await page.wait_for_selector("text=已收到，有异常" if zh else "text=Received, with a fault")
        await page.wait_for_selector("text=照片中没有二维码" if zh else "text=No code in the photograph")
        await accessible(page, f"patrol-photo-failed.phone.{language}")
        assert await stored(page) == 1, "the one that shows no code is there to be looked at"
        await press(page, "删除" if zh else "Dismiss")
        await page.wait_for_selector("li img", state="detached")
        assert await stored(page) == 0
        [refused] = own(complaints)
        assert "422" in refused
    assert evidence(world, before) == ["b1-lobby"]
    [(offline, value)] = rows(
        world,
        "SELECT e.offline, i.value FROM patrol.evidence e JOIN patrol.inspection i USING (key) WHERE e.id > %s",
        before,
    )
    assert (offline, value) == (False, 0.0), "it was captured just now"


async def test_a_photograph_counts_as_of_when_it_was_taken(world: World):
    before, now = last(world), world.seeds.context.clock.now()
    taken_at = now - timedelta(minutes=40)
    async with world.signed_in("guard", "en", "phone") as (page, _):
        await world.open(page, "/patrol/checkin")
        await page.context.set_offline(True)
        await page.context.clock.set_fixed_time(taken_at)
        await take(page, await shown(world, "garden"))
        await page.wait_for_selector("text=The photograph is kept")
        await page.context.clock.set_fixed_time(now)
        await press(page)
        await page.wait_for_selector("text=1 to be sent")
        await page.context.set_offline(False)
        await page.wait_for_selector("text=Received")
    [(at, offline)] = rows(world, "SELECT at, offline FROM patrol.evidence WHERE id > %s", before)
    assert abs((at - taken_at).total_seconds()) < 60 and offline


async def test_what_waits_outlives_the_page_and_a_form_not_handed_in_is_there_again(world: World):
    before = last(world)
    async with world.signed_in("guard", "en", "phone") as (page, _):
        await world.open(page, "/patrol/checkin")
        await page.context.set_offline(True)
        await take(page, await shown(world, "garage"))
        await press(page)
        await page.wait_for_selector("text=1 to be sent")
        await take(page, await shown(world, "garden"))
        await page.get_by_role("combobox").select_option("garden")
        context = page.context
        await page.close()
        await context.set_offline(False)
        again = await context.new_page()
        await world.open(again, "/patrol/checkin")
        await again.wait_for_selector("text=Received")
        await again.get_by_role("heading", name="Central garden").wait_for()
        await press(again)
        await again.wait_for_function("[...document.querySelectorAll('.chip.done')].length === 2")
        assert await stored(again) == 0
        assert await again.evaluate("localStorage.getItem('hub-patrol-draft')") is None
    assert evidence(world, before) == ["garage", "garden"]


async def test_two_tabs_keep_each_others_photographs_and_each_counts_once(world: World):
    before = last(world)
    async with world.signed_in("guard", "en", "phone") as (page, _):
        other = await page.context.new_page()
        for tab in (page, other):
            await world.open(tab, "/patrol/checkin")
        await page.context.set_offline(True)
        for tab, checkpoint in ((page, "garden"), (other, "garage")):
            await take(tab, await shown(world, checkpoint))
            await press(tab)
        for tab in (page, other):
            await tab.wait_for_selector("text=2 to be sent")
        await page.context.set_offline(False)
        for tab in (page, other):
            await tab.wait_for_selector("text=To be sent", state="detached")
            assert await tab.locator("text=Received").count() == 2
        assert await stored(page) == 0
    assert evidence(world, before) == ["garage", "garden"] == sorted(set(evidence(world, before)))


async def test_answers_for_another_checkpoint_than_the_photographed_one_are_not_taken_and_it_is_said(world: World):
    before = last(world)
    async with world.signed_in("guard", "en", "phone") as (page, _):
        await world.open(page, "/patrol/checkin")
        await page.context.set_offline(True)
        await take(page, await shown(world, "garage-exit"))
        await page.get_by_role("combobox").select_option("garden")
        await page.get_by_role("spinbutton").fill("12")
        await press(page)
        await page.wait_for_selector("text=1 to be sent")
        await page.context.set_offline(False)
        await page.wait_for_selector("text=the answers were for another checkpoint")
    assert evidence(world, before) == ["garage-exit"]
    assert rows(world, "SELECT count(*) FROM patrol.inspection WHERE checkpoint = 'garden'") == [(0,)]


async def test_a_full_phone_refuses_a_photograph_and_drops_none(world: World):
    async with world.signed_in("guard", "en", "phone") as (page, _):
        await world.open(page, "/patrol/checkin")
        await page.evaluate(
            """async () => { const { keep } = await import("/patrol/static/pictures.js");
                 for (let n = 0; n < 60; n++) await keep({ type: "image/jpeg", bytes: new ArrayBuffer(10) }); }"""
        )
        await page.context.set_offline(True)
        await take(page, await shown(world, "garden"))
        await page.wait_for_selector("text=Too many photographs wait on this phone")
        assert await stored(page) == 60


async def test_a_phone_that_cannot_draw_sends_the_original(world: World):
    async with world.signed_in("guard", "en", "phone") as (page, _):
        await page.add_init_script("delete window.createImageBitmap")
        await world.open(page, "/patrol/checkin")
        await take(page, await shown(world, "garden"))
        await page.get_by_role("heading", name="Central garden").wait_for()
        await world.open(page, "/patrol/checkin")
        await take(page, bytes(MOST_BYTES + 1))
        await page.wait_for_selector("text=The photograph is too large")
        await take(page, b"GIF89a")
        await page.wait_for_selector("text=Not a JPEG, PNG or WebP picture")


# -- over HTTP -------------------------------------------------------------------------------------------------------


async def test_the_reader_takes_pictures_only_within_bounds_and_of_those_who_work_here(world: World):
    picture = await shown(world, "garden")
    async with client(world) as http:
        assert (await http.post(READER, content=picture, headers=JPEG)).status_code == 401
        await http.post(f"{world.address}/login", data={"name": "viewer", "password": PASSWORD})
        assert (await http.post(READER, content=picture, headers=JPEG)).status_code == 403
        await http.post(f"{world.address}/login", data={"name": "guard", "password": PASSWORD})
        read = await http.post(READER, content=picture, headers=JPEG)
        assert (read.status_code, read.json()) == (200, {"code": await code_of(world, "garden")})
        for given, status, code in (
            (b"", 422, "picture_unknown"), (b"GIF89a" + bytes(100), 422, "picture_unknown"),
            (picture[: len(picture) // 2], 422, "picture_broken"), (bomb(), 413, "picture_too_large"),
            (bytes(MOST_BYTES + 1), 413, "too_large"), (photograph(), 422, "no_code"),
        ):  # fmt: skip
            answer = await http.post(READER, content=given, headers=JPEG)
            assert (answer.status_code, answer.json()["code"]) == (status, code)

        async def endless() -> AsyncIterator[bytes]:
            for _ in range(70):
                yield bytes(100_000)

        assert (await http.post(READER, content=endless(), headers=JPEG)).status_code == 413
        large = await http.post(
            "/patrol/checkins", content=bytes(2_000_000), headers={"content-type": "application/json"}
        )
        assert large.status_code == 413, "a picture's bound is for pictures"
        cross = await http.post(READER, content=picture, headers=JPEG | {"sec-fetch-site": "cross-site"})
        assert cross.status_code == 403


# -- photographs of what was seen ------------------------------------------------------------------------------------


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
        assert (await stored(page), photos(world, before)) == (0, [("",)])


IMPATIENT = """const waits = window.setTimeout, asked = window.asked = [];
  window.setTimeout = (work, ms, ...rest) => {
    if (!String(work).includes("abort")) return waits(work, ms, ...rest);
    asked.push(ms);
    return waits(work, 1000);
  };"""


async def test_an_upload_that_is_too_slow_holds_up_neither_other_photographs_nor_check_ins(world: World):
    before, hung = last(world), list[str]()

    async def hang(route: Route) -> None:
        if not hung or route.request.url in hung:
            hung.append(route.request.url)
        else:
            await route.continue_()

    async with world.signed_in("guard", "en", "phone") as (page, _):
        await page.add_init_script(IMPATIENT)
        await page.route("**/checkins/**/photographs/**", hang)
        await world.open(page, f"/patrol/checkin#{await code_of(world, 'garden')}")
        for _ in range(2):
            await add_photo(page, "Add a photograph", photograph(size=(800, 600)))
        await press(page)
        await page.wait_for_selector("text=Received · 1 photographs to be sent")
        assert (evidence(world, before), photos(world, before)) == (["garden"], [("",)])
        assert hung and min(await page.evaluate("asked")) > 30_000, "a larger one is given longer"
        await page.unroute("**/checkins/**/photographs/**")
        await page.wait_for_function("document.querySelector('.chip.done i')?.innerText === '✓'")
        assert await stored(page) == 0


async def test_a_code_whose_upload_is_too_slow_holds_up_none_behind_it(world: World):
    before, hung = last(world), list[str]()

    async def hang(route: Route) -> None:
        hung.append(route.request.url)
        if len(hung) > 1:
            await route.continue_()

    async with world.signed_in("guard", "en", "phone") as (page, _):
        await page.add_init_script(IMPATIENT)
        await world.open(page, "/patrol/checkin")
        await page.context.set_offline(True)
        for number, checkpoint in enumerate(("garage", "garden"), 1):
            await take(page, await shown(world, checkpoint))
            await press(page)
            await page.wait_for_selector(f"text={number} to be sent")
        await page.route("**/codes/photographs", hang)
        await page.context.set_offline(False)
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
