"""What the tests of photographs on a phone share: the form, the picture, what the store then holds."""

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import FilePayload, Page

from modules.patrol import make_patrols
from tests.e2e.desks import PATIENCE_MS, SHOTS, World
from tests.unit.photographs import photograph

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


async def keeps(page: Page, number: int) -> None:
    """The phone keeps so many photographs, once the tab that sent them is done."""
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while await stored(page) != number:
            await asyncio.sleep(0.05)


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
