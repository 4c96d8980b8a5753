"""The pages in a real browser on a really listening server. Screenshots go to var/screenshots/."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Playwright, Request

from api.auth import COOKIE
from api.hub import Hub
from api.pages.view import dark_cookie
from api.plugin import ApiPlugin
from hub.catalog.paths import packaged_config
from hub.clock import SystemClock
from hub.context import Context
from hub.principal import Principal
from hub.rulebook.service import Rulebook
from modules.billing import BillingPlugin
from modules.duty import DutyPlugin
from modules.notifications import NotificationsPlugin
from modules.patrol import PatrolPlugin
from modules.safety import SafetyPlugin
from modules.workorders import WorkOrdersPlugin
from rules.plugin import RulesPlugin
from tests.e2e.desk_rows import fill_desk
from tests.integration.mosquitto import free_port
from tests.integration.postgres import make_server, new_database
from tests.integration.seeded import PASSWORD, Seeded, add_accounts, seeded
from tests.unit.demo_devices import demo_catalog

SHOTS = Path("var/screenshots")
PATIENCE_MS = 90_000  # nothing is proved by it: a machine with other work takes ten times as long as one without
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
CHROMIUM = {"executable_path": "/usr/bin/chromium", "args": ["--no-sandbox"]}
SOUND = "--autoplay-policy=no-user-gesture-required"  # else the desk asks for a touch, over what is tested


class World:
    """The server, the browser and the rows behind them."""

    def __init__(self, seeds: Seeded, browser: Browser, address: str) -> None:
        self.seeds = seeds
        self.browser = browser
        self.address = address
        self.hub = Hub(seeds.context)
        self.made = fill_desk(seeds, seeds.context.clock.now())
        self._sessions: dict[str, str] = {}
        with seeds.link() as link:
            link.execute("CREATE SCHEMA first")
            for table in ("alarm", "alarm_shelf", "maintenance"):
                link.execute(f"CREATE TABLE first.{table} AS TABLE hub.{table}")  # type: ignore[call-overload]
            written = link.execute(
                "SELECT string_agg(attname, ', ') FROM pg_attribute WHERE attrelid = 'hub.alarm'::regclass"
                " AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attname <> 'id'"
            ).fetchone()
            assert written is not None
            self._alarm: str = written[0]

    def tidy(self) -> None:
        """The desk as it was at first: alarms, shelf, maintenance; no storm; no command was given lately."""
        columns = self._alarm
        with self.seeds.link() as link:
            for query in (
                "UPDATE hub.alarm SET state = 'normal', suppression = NULL"
                " WHERE id NOT IN (SELECT id FROM first.alarm)",
                f"UPDATE hub.alarm a SET ({columns}) = (SELECT {columns} FROM first.alarm f WHERE f.id = a.id)"
                " FROM first.alarm f WHERE f.id = a.id AND ROW(f.*) IS DISTINCT FROM ROW(a.*)",
                "DELETE FROM hub.alarm_shelf",
                "INSERT INTO hub.alarm_shelf TABLE first.alarm_shelf",
                "DELETE FROM hub.maintenance WHERE id NOT IN (SELECT id FROM first.maintenance)",
                "UPDATE hub.maintenance SET ended_at = f.ended_at FROM first.maintenance f WHERE f.id = maintenance.id",
                "UPDATE hub.alarm_storm SET ended_at = last_at WHERE ended_at IS NULL",
                "UPDATE hub.command SET requested_at = requested_at - interval '1 hour'",
            ):
                link.execute(query)  # type: ignore[call-overload]
        self.seeds.driver.executed.clear()

    @asynccontextmanager
    async def signed_in(
        self,
        name: str = "engineer",
        language: str = "zh-CN",
        size: str = "desktop",
        dark: bool = False,
        **options: Any,
    ) -> AsyncIterator[tuple[Page, list[str]]]:
        """A page of its own browser profile, signed in, nothing opened yet; and everything the browser complains of."""
        await self.hub.accounts.set_language(name, language)
        width, height = SIZES[size]
        context = await self.browser.new_context(
            viewport={"width": width, "height": height}, locale=language, has_touch=size == "phone", **options
        )
        context.set_default_timeout(PATIENCE_MS)
        page = await context.new_page()
        complaints: list[str] = []
        page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda r: complaints.append(f"failed: {r.url}") if self._missed(r) else None)
        await context.add_cookies([{"name": COOKIE, "value": await self._session(name), "url": self.address}])
        if dark:
            await context.add_cookies([{"name": dark_cookie(name), "value": "1", "url": self.address}])
        try:
            yield page, complaints
        finally:
            await context.close()

    def _missed(self, request: Request) -> bool:
        """Whether something of ours did not come; navigating away cuts requests short, and may be told later."""
        return self.address in request.url and request.failure != "net::ERR_ABORTED"

    async def _session(self, name: str) -> str:
        """The one session of this account that is begun without the form; a check of its password is dear."""
        if name not in self._sessions:
            self._sessions[name] = (await self.hub.accounts.login(name, PASSWORD, "test")).token
        return self._sessions[name]

    async def open(self, page: Page, path: str) -> None:
        await page.goto(self.address + path)
        await settled(page)

    async def principal(self, name: str) -> Principal:
        """Who a page of this account asks for."""
        identity = await self.hub.accounts.identify(await self._session(name))
        assert identity is not None
        return identity.principal()


@asynccontextmanager
async def desk_world(playwright: Playwright) -> AsyncIterator[World]:
    """One server, one browser. NiceGUI keeps its pages by process, so a test run has one."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    with make_server() as url:
        port = free_port()
        plugs = [DutyPlugin(), NotificationsPlugin(), PatrolPlugin(), SafetyPlugin()]
        async with seeded(new_database(url), SystemClock(), {"http_port": port}, plugs) as seeds:
            await add_accounts(Hub(seeds.context).accounts, seeds)
            book = seeds.context.rulebook = await open_rulebook(seeds.context)
            server = asyncio.create_task(
                ApiPlugin().serve(seeds.context, [WorkOrdersPlugin(), BillingPlugin(), *plugs])
            )
            browser = await playwright.chromium.launch(**CHROMIUM | {"args": [*CHROMIUM["args"], SOUND]})
            await listens(port)
            yield World(seeds, browser, f"http://127.0.0.1:{port}")
            await browser.close()
            server.cancel()
            with pytest.raises(asyncio.CancelledError):
                await server
            await book.close()


async def open_rulebook(context: Context) -> Rulebook:
    """The rules of the package, as a hub has them."""
    kinds = demo_catalog().kinds
    book = Rulebook(
        context.database, context.clock, context.live, RulesPlugin(), roots=[packaged_config()], kinds=kinds,
        devices=context.devices,
    )  # fmt: skip
    await book.read_files(kinds, context.communities)
    return book


async def listens(port: int) -> None:
    for _ in range(1200):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
    raise AssertionError("the server does not listen")


async def settled(page: Page) -> None:
    """The page is there and listens."""
    await page.wait_for_selector("#main h1")
    await page.wait_for_function("window.did_handshake === true")


async def by_form(world: World, page: Page, name: str, language: str = "en") -> None:
    """Sign in as people do, with a session of one's own."""
    await page.context.clear_cookies(name=COOKIE)
    await page.goto(f"{world.address}/login?lang={language}")
    await page.fill("input[name=name]", name)
    await page.fill("input[name=password]", PASSWORD)
    await page.click("button[type=submit]")
    await settled(page)


async def at_rest(page: Page) -> None:
    """Nothing moves any more but what blinks for good; letters have their shapes."""
    await page.wait_for_function(
        """() => document.fonts.status === "loaded"
           && !document.querySelector('[class*="-enter-active"], [class*="-leave-active"]')
           && document.getAnimations().every((one) => one.playState !== "running"
             || one.effect.getComputedTiming().endTime === Infinity)"""
    )


async def healthy(page: Page, language: str, complaints: list[str]) -> None:
    """One h1, the right language, nothing wider than the window, no key instead of a word, no word of complaint."""
    assert await page.locator("h1").count() == 1
    assert await page.evaluate("document.documentElement.lang") == {"zh-CN": "zh-CN", "en": "en-US"}[language]
    wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, f"{wide} px too wide"
    assert await page.evaluate(CUT) == []
    text = await page.inner_text("body")
    groups = (
        "nav|overview|alarms?|alarm_[a-z]+|devices?|doors?|door_state|plan|maintenance|system|command|value|kind|quality|priority"
        "|span|part|counter"
    )
    assert not re.search(rf"\b({groups})\.[a-z_0-9]+\b", text), text
    assert not complaints


CUT = """[...document.querySelectorAll('.segmented')].filter(e => e.scrollWidth > e.clientWidth + 1)
   .map(e => e.textContent.slice(0, 60))"""
"""Choices that are wider than what is shown of them."""
SMALL = """[...document.querySelectorAll('button, a, input:not([type=hidden]), select, label:has(input.sr)')]
   .filter(e => e.getClientRects().length && e.type !== 'checkbox')
   .filter(e => !e.matches('.skip, .sr') && !e.closest('p, dd, td.link, td a, .door-head, figcaption, .table-box'))
   .map(e => [e.textContent.slice(0, 30), e.getBoundingClientRect()])
   .filter(([, r]) => r.height < 43.5 || r.width < 43.5).map(([t, r]) => [t, r.width, r.height])"""
"""What a thumb would miss."""
