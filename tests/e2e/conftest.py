"""What the page tests share: one server and one browser a run."""

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Playwright, async_playwright, expect

from tests import parsed_once
from tests.e2e.desks import PATIENCE_MS, World, desk_world

expect.set_options(timeout=PATIENCE_MS)
parsed_once.install()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def playwright() -> AsyncIterator[Playwright]:
    async with async_playwright() as started:
        yield started


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def opened(playwright: Playwright) -> AsyncIterator[World]:
    async with desk_world(playwright) as world:
        yield world


@pytest_asyncio.fixture(loop_scope="session")
async def world(opened: World) -> AsyncIterator[World]:
    """The world as it was at first: what a test raised ends with it, even with one that failed."""
    yield opened
    opened.tidy()
