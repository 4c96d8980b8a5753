"""A guard photographs the code of a checkpoint where the browser cannot scan, with and without a connection."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from hub.media.picture import MOST_BYTES
from tests.e2e.desks import World
from tests.e2e.photo_tools import (
    JPEG,
    READER,
    accessible,
    client,
    code_of,
    evidence,
    keeps,
    last,
    own,
    press,
    rows,
    shown,
    stored,
    take,
)
from tests.integration.seeded import PASSWORD
from tests.unit.photographs import bomb, photograph

KEPT = """() => Object.keys(localStorage).filter((key) => key.startsWith("hub-patrol-checkin-"))
    .map((key) => JSON.parse(localStorage.getItem(key)))"""

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


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
    assert timedelta(0) <= at - taken_at <= world.seeds.context.clock.now() - now and offline


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
        await keeps(page, 0)
    assert evidence(world, before) == ["garage", "garden"] == sorted(set(evidence(world, before)))


async def test_two_tabs_that_see_late_what_the_other_kept_hand_in_each_check_in_once(world: World):
    """Each draws a name for the phone and the same number for its check-in; none overwrites the other's."""
    before = last(world)
    async with world.signed_in("guard", "en", "phone") as (page, _):
        other = await page.context.new_page()
        await other.add_init_script("""window.late = true; const read = Storage.prototype.getItem, own = new Set();
            Storage.prototype.getItem = function (key) {
              return late && key.startsWith("hub-patrol-") && !own.has(key) ? null : read.call(this, key); };
            Storage.prototype.setItem = new Proxy(Storage.prototype.setItem, { apply(write, store, [key, value]) {
              own.add(key); write.call(store, key, value); } });""")
        for tab in (page, other):
            await world.open(tab, "/patrol/checkin")
        await page.context.set_offline(True)
        for tab, checkpoint in ((page, "garden"), (other, "garage")):
            await tab.get_by_role("textbox", name="Code").fill(await code_of(world, checkpoint))
            await press(tab)
            await tab.wait_for_selector("text=1 to be sent")
        await other.evaluate("late = false; dispatchEvent(new StorageEvent('storage'))")
        for tab in (page, other):
            await tab.wait_for_selector("text=2 to be sent")
        await page.context.set_offline(False)
        for tab in (page, other):
            await tab.wait_for_selector("text=To be sent", state="detached")
            assert await tab.locator("text=Received").count() == 2
        assert len({one["phone"] for one in await page.evaluate(KEPT)}) == 2
    assert evidence(world, before) == ["garage", "garden"]


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
    answers = "SELECT count(*) FROM patrol.inspection JOIN patrol.evidence e USING (key) WHERE e.id > %s"
    assert rows(world, answers, before) == [(0,)]


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
