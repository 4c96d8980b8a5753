"""The patrol pages in a real browser: a night of rounds, a check-in by phone with and without a connection, the log.

Screenshots go to var/screenshots/.
"""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

from modules.patrol.evidence import CheckIn
from tests.e2e.patrol.patrol_world import PASSWORD, SHOTS, World
from tests.integration.patrol_ground import BEGIN, minutes
from tests.unit.photographs import photograph

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def accessible(page: Page) -> None:
    found = await Axe().run(page)
    assert found.response["violations"] == [], found.generate_report()


PAGES = {
    "patrols": "/patrols",
    "patrol-log": "/patrol/log",
    "patrol-plans": "/patrol/plans",
    "patrol-checkin": "/patrol/checkin",
    "patrol-codes": "/patrol/codes",
}


@pytest.mark.parametrize(("language", "size", "dark"), [
    ("zh-CN", "desktop", False), ("en", "desktop", True), ("en", "phone", False), ("zh-CN", "phone", True),
])  # fmt: skip
async def test_every_page_in_both_languages_at_desk_and_phone(world: World, language: str, size: str, dark: bool):
    round_id = world.here.round(begins=BEGIN + minutes(30))["id"]
    async with world.signed_in("wang", language, size, dark) as (page, complaints):
        for name, path in {
            **PAGES,
            "patrol-round": f"/patrols/{round_id}",
        }.items():
            await world.open(page, path)
            assert await page.locator("h1").count() == 1
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is too wide"
            suffix = f"{size}.{language}{'.dark' if dark else ''}"
            await page.screenshot(path=SHOTS / f"{name}.{suffix}.png", full_page=True)
            await accessible(page)
        assert complaints == []


async def test_the_day_is_live_and_leads_to_a_round(world: World):
    async with world.signed_in("viewer", "en") as (page, complaints):
        await world.open(page, "/patrols")
        before = await page.locator(".hub-table tbody tr").first.inner_text()
        assert "Under way" in before and "1/2" not in before.split("Garage")[0]
        await world.here.tap("patrol-2")
        await page.wait_for_function("document.querySelector('.hub-table tbody tr')?.innerText.includes('1/2')")
        await page.locator(".hub-table tbody tr a").first.click()
        await page.wait_for_selector("text=Evidence")
        assert "tap" in await page.locator("#main").inner_text()
        assert complaints == []


async def test_who_is_expected_and_who_stood_in_is_shown(world: World):
    kept = world.here.round(begins=BEGIN + minutes(30))["id"], world.here.round(begins=BEGIN + minutes(70))["id"]
    async with world.signed_in("li", "en", "phone") as (page, complaints):
        for number, name, marked in ((kept[0], "赵强", False), (kept[1], "钱进", True)):
            await world.open(page, f"/patrols/{number}")
            text = await page.locator("#main").inner_text()
            assert f"Patrol · {name}" in text and ("Stand-in" in text) is marked
        await world.open(page, "/patrols")
        assert "Patrol · 钱进" in await page.locator(".hub-table").inner_text()
        await world.open(page, "/patrol/checkin")
        await page.wait_for_selector("text=Expected: Patrol · 钱进")
        assert complaints == []


async def test_a_guard_checks_in_by_phone_with_and_without_a_connection(world: World):
    here, [(last,)] = world.here, world.here.rows("SELECT coalesce(max(id), 0) FROM patrol.evidence")
    async with world.signed_in("li", "en", "phone") as (page, complaints):
        await world.open(page, f"/patrol/checkin#{await world.code('b1-lobby')}")
        await page.wait_for_selector("text=Lobby of building 1 unit 1")
        assert "#" not in page.url
        await page.get_by_role("group", name="Fire lane is clear").get_by_text("Fault").click()
        await page.screenshot(path=SHOTS / "patrol-checkin-filled.phone.en.png", full_page=True)
        await page.get_by_role("button", name="Check in").click()
        await page.wait_for_selector("text=Received, with a fault")
        await page.context.set_offline(True)
        await page.fill("input[maxlength='300']", await world.code("garage"))
        await page.get_by_role("button", name="Check in").click()
        await page.wait_for_selector("text=To be sent")
        await page.wait_for_selector("text=check-ins are kept on the phone")
        await page.screenshot(path=SHOTS / "patrol-checkin-offline.phone.en.png", full_page=True)
        assert len(here.rows("SELECT FROM patrol.evidence WHERE sort = 'qr' AND id > %s", last)) == 1
        await page.context.set_offline(False)
        await page.wait_for_selector("text=To be sent", state="detached")
        await page.fill("input[maxlength='300']", "s:demo:garage~forged")
        await page.get_by_role("button", name="Check in").click()
        await page.wait_for_selector("text=Not a valid code")
    found = here.rows("SELECT checkpoint, person FROM patrol.evidence WHERE sort = 'qr' AND id > %s ORDER BY id", last)
    assert found == [("b1-lobby", "user:li"), ("garage", "user:li")]
    assert here.rows("SELECT item, value, deviates FROM patrol.inspection") == [("fire-lane", 0.0, True)]
    assert [one for one in complaints if "ERR_INTERNET_DISCONNECTED" not in one and "WebSocket" not in one] == []


async def test_a_guard_is_reminded_before_a_stop_is_late(world: World):
    here = world.here
    async with world.signed_in("li", "zh-CN", "phone") as (page, _):
        await world.open(page, "/patrol/checkin")
        await here.until(BEGIN + minutes(109.5), 10)  # stop one of the round that begins at 110 is due at 113
        await here.until(BEGIN + minutes(112.1), 10)
        await page.wait_for_selector("text=快到时间了：1栋1单元大堂")


async def test_a_photograph_is_seen_at_its_round_and_in_the_log_by_those_who_work_here(world: World):
    here = world.here

    async def sent() -> AsyncIterator[bytes]:
        yield photograph(size=(800, 600))

    await here.until(BEGIN + minutes(112), 10)
    one = CheckIn(1, await world.code("b1-lobby"), here.phone())
    await here.patrols.recorder.check_in(here.who(), "phone-9", here.phone(), [one])
    await here.patrols.photos.add(here.who(), "f" * 24, phone="phone-9", counter=1, item="", parts=sent())
    number = here.round(begins=BEGIN + minutes(110))["id"]
    async with world.signed_in("li", "zh-CN", "phone") as (page, complaints):
        for name, path in (("round", f"/patrols/{number}"), ("log", "/patrol/log")):
            await world.open(page, path)
            await page.locator(".pictures").scroll_into_view_if_needed()
            await page.wait_for_function("document.querySelector('.pictures img')?.naturalWidth === 800")
            assert "1栋1单元大堂" in await page.locator(".pictures").inner_text()
            await page.screenshot(path=SHOTS / f"patrol-photos-{name}.phone.zh-CN.png")
            await accessible(page)
        await page.locator(".pictures button").click()
        await page.wait_for_selector("dialog.large[open]")
        await accessible(page)
        assert complaints == []
    async with world.signed_in("viewer", "en") as (page, _):
        await world.open(page, f"/patrols/{number}")
        assert await page.get_by_role("heading", name="Evidence").count() == 1
        assert await page.get_by_role("heading", name="Photographs").count() == 0


async def test_only_who_supervises_sees_codes(world: World):
    async with world.signed_in("li", "en") as (page, _):
        answer = await page.goto(f"{world.address}/patrol/codes")
        assert answer is not None and answer.status == 403


async def test_the_api(world: World):
    async with httpx.AsyncClient(
        timeout=60, base_url=f"{world.address}/api/v1", headers={"sec-fetch-site": "same-origin"}
    ) as client:
        assert (await client.get("/patrol/rounds")).status_code == 401
        await client.post(f"{world.address}/login", data={"name": "li", "password": PASSWORD})
        first = (await client.get("/patrol/rounds", params={"limit": 3})).json()
        rest = (await client.get("/patrol/rounds", params={"limit": 500, "cursor": first["next"]})).json()
        numbers = [one["id"] for one in first["items"] + rest["items"]]
        assert len(numbers) == len(set(numbers)) > 20
        assert not {"spec", "told", "wake_at"} & first["items"][0].keys()
        shown = (await client.get(f"/patrol/rounds/{numbers[-1]}")).json()
        assert [one["sort"] for one in shown["evidence"]] == ["door", "reader"]
        assert (await client.get("/patrol/rounds/999999999")).status_code == 404
        day = (await client.get("/patrol/days/2026-11-22")).json()["items"]
        assert [one["begins"] for one in day] == sorted(one["begins"] for one in day)
        covered = (await client.get("/patrol/coverage", params={"days": 7})).json()
        assert covered["items"][0]["checkpoint"] == "east-gate" and covered["items"][0]["unseen"]
        assert (await client.get("/patrol/coverage", params={"days": 900})).status_code == 422
        span = {"since": "2026-11-21", "until": "2026-11-22"}
        log = await client.get("/patrol/log.csv", params=span)
        assert log.headers["content-disposition"].endswith('.csv"') and "2026-11-22 02:00:00" in log.text
        assert (await client.get("/patrol/log.xlsx", params=span)).content.startswith(b"PK")
        assert (await client.get("/patrol/codes")).status_code == 403
        clock: dict[str, Any] = {"wall_ms": 0, "monotonic_ms": 1, "boot": "x"}
        body = {"phone": "p", "clock": clock, "checkins": []}
        assert (await client.post("/patrol/checkins", json=body)).json() == {
            "results": [], "clock_error": -world.here.clock.now().timestamp()
        }  # fmt: skip
        one = {"counter": 1, "code": "x", "clock": clock}
        for wrong in ({"checkins": [one] * 201}, {"phone": "a b"}, {"by": "me"}, {"clock": {**clock, "wall_ms": 2**60}},
                      {"checkins": [{**one, "code": "x" * 301}]}):  # fmt: skip
            assert (await client.post("/patrol/checkins", json=body | wrong)).status_code == 422
        cross = await client.post("/patrol/checkins", json=body, headers={"sec-fetch-site": "cross-site"})
        assert cross.status_code == 403


async def test_an_open_page_follows_the_day_and_cuts_nothing_off_silently(world: World):
    here = world.here
    midnight = BEGIN + minutes(22 * 60)
    here.clock.advance((midnight - minutes(1) - here.clock.now()).total_seconds())
    await here.patrols.keeper.plan_ahead()
    while await here.patrols.keeper.tick():
        pass
    async with world.signed_in("viewer", "en") as (page, complaints):
        await world.open(page, "/patrols")
        rows = page.locator(".hub-table tbody tr")
        await page.wait_for_selector("text=2026-11-22")
        total = int((await page.locator("text=/^60 \\/ /").inner_text()).split("/")[1])
        assert (await rows.count(), total > 120) == (60, True)
        await page.locator("#main").get_by_role("button", name="More").click()
        await page.wait_for_selector(f"text=120 / {total}")
        href = await page.get_by_role("link", name="Export CSV").get_attribute("href")
        assert href == "/api/v1/patrol/log.csv?since=2026-11-22&until=2026-11-22"
        here.clock.advance(240)
        await here.patrols.keeper.tick()
        await page.wait_for_selector("text=2026-11-23")
        assert "23:55" in await rows.last.inner_text(), "it is still under way"
        assert complaints == []
