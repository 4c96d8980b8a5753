"""The patrol pages served over the ground, and a browser before them."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright

from api.auth import COOKIE
from api.hub import Hub
from api.pages.view import dark_cookie
from api.plugin import ApiPlugin
from modules.patrol import PatrolPlugin
from tests.e2e.desks import PATIENCE_MS, listens, settled
from tests.integration.mosquitto import free_port
from tests.integration.patrol_ground import BEGIN, Ground, ground, minutes
from tests.integration.postgres import make_server

SHOTS = Path("var/screenshots")
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
PASSWORD = "correct horse battery"


class World:
    """The server, the browser and a night behind them."""

    def __init__(self, here: Ground, browser: Browser, address: str, plugin: PatrolPlugin) -> None:
        self.here, self.browser, self.address, self.plugin = here, browser, address, plugin
        self.hub = Hub(here.context)

    @asynccontextmanager
    async def signed_in(
        self, name: str, language: str = "zh-CN", size: str = "desktop", dark: bool = False
    ) -> AsyncIterator[tuple[Page, list[str]]]:
        """A page of its own browser profile, signed in, whose clock is the hub's; and everything the browser complains
        of."""
        await self.hub.accounts.set_language(name, language)
        width, height = SIZES[size]
        context = await self.browser.new_context(
            viewport={"width": width, "height": height}, locale=language, has_touch=size == "phone"
        )
        context.set_default_timeout(PATIENCE_MS)
        await context.clock.set_fixed_time(self.here.clock.now())
        page = await context.new_page()
        complaints: list[str] = []
        page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        session = await self.hub.accounts.login(name, PASSWORD, "test")  # the clock moves: one ends with its hours
        await context.add_cookies([{"name": COOKIE, "value": session.token, "url": self.address}])
        if dark:
            await context.add_cookies([{"name": dark_cookie(name), "value": "1", "url": self.address}])
        try:
            yield page, complaints
        finally:
            await context.close()

    async def open(self, page: Page, path: str) -> None:
        await page.goto(self.address + path)
        await settled(page)

    async def scan_offline(self, page: Page, code: str) -> Page:
        """The check-in page is closed and the connection lost; a code is scanned: the page that the phone kept."""
        await page.evaluate("navigator.serviceWorker.ready")
        await page.wait_for_function("navigator.serviceWorker.controller !== null")
        await page.close()
        await page.context.set_offline(True)
        scanned = await page.context.new_page()
        await scanned.goto(f"{self.address}/patrol/checkin#{code}")
        return scanned

    async def code(self, checkpoint: str) -> str:
        return next(
            code for one, code in await self.here.patrols.printed(self.here.who("admin")) if one.id == checkpoint
        )


def rostered(here: Ground) -> None:
    """Zhao stands the patrol post for an hour, then qian ought to; zhao walks on."""
    people = {"zhao": "赵强", "qian": "钱进"}

    async def on_shift(_: int, post: str | None, at: datetime) -> list[dict[str, Any]]:
        return [{"person": "zhao" if at < BEGIN + minutes(60) else "qian", "account": None}] if post == "patrol" else []

    async def posts(_: int) -> list[dict[str, Any]]:
        return [{"code": "patrol", "name": {"zh": "巡逻", "en": "Patrol"}}]

    async def known(_: int) -> list[dict[str, Any]]:
        return [{"person": code, "name": name, "account": None} for code, name in people.items()]

    here.context.ports |= {"duty.on_shift": on_shift, "duty.posts": posts, "duty.people": known}


async def a_night(here: Ground) -> None:
    """Ten rounds of each route, some late, some half, one missed."""
    chance = random.Random(3)
    await here.patrols.keeper.plan_ahead()
    for number in range(10):
        begin = BEGIN + minutes(10 * number)
        for minute, device, name in (
            (1, "door-b1-u1", "access_granted"), (3.5, "patrol-1", "checkpoint_read"),
            (6, "patrol-2", "checkpoint_read"), (6.5, "door-garage-1", "access_granted"),
            (8, "door-garage-2", "access_granted"),
        ):  # fmt: skip
            late = 2.5 if number in (3, 7) and device == "door-b1-u1" else 0
            await here.until(begin + minutes(minute + late), 30)
            skipped = (number == 5 and device != "door-garage-1") or (number == 8 and device == "patrol-2")
            if not skipped and chance.random() < 0.98:
                await here.tap(device, name)
    await here.until(BEGIN + minutes(102), 30)
    await here.tap("door-b1-u1", "access_granted")
    await here.until(BEGIN + minutes(104.5), 30)


@asynccontextmanager
async def served() -> AsyncIterator[World]:
    """A guard li, an admin wang and a viewer may sign in; a night lies behind them. NiceGUI allows one a process."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    with make_server() as url:
        port = free_port()
        async with ground(url, http_port=port) as here, async_playwright() as playwright:
            accounts = Hub(here.context).accounts
            for name, role in (("li", "guard"), ("wang", "admin"), ("viewer", "viewer")):
                await accounts.create_account(name, PASSWORD, {here.home: role})  # type: ignore[dict-item]
            plugin = PatrolPlugin()
            server = asyncio.create_task(ApiPlugin().serve(here.context, [plugin]))
            browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            await listens(port)
            rostered(here)
            await a_night(here)
            yield World(here, browser, f"http://127.0.0.1:{port}", plugin)
            await browser.close()
            server.cancel()
            with pytest.raises(asyncio.CancelledError):
                await server
