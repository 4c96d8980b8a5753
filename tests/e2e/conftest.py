"""What the page tests share: one server and one browser a run."""

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Playwright, async_playwright

from tests.e2e.desks import World, desk_world


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def playwright() -> AsyncIterator[Playwright]:
    async with async_playwright() as started:
        yield started


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def world(playwright: Playwright) -> AsyncIterator[World]:
    async with desk_world(playwright) as opened:
        yield opened
