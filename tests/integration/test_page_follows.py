"""An open page that could not read, or failed at it, is not left behind while it says that it is connected."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from nicegui import Client, ui
from psycopg_pool import PoolTimeout

from hub.live import Change
from hub.principal import Principal
from tests.integration.duty_ground import Ground, grounded
from tests.integration.test_module_pages import OpenView, view_of


@pytest.fixture
async def ground(postgres_url: str) -> AsyncIterator[Ground]:
    async with grounded(postgres_url) as found:
        yield found


@pytest.fixture
async def view(ground: Ground) -> AsyncIterator[OpenView]:
    tasks: set[asyncio.Task[None]] = set()
    yield view_of(ground.context, Principal("user:guard", ground.here, "guard", language="en"), tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("trouble", [PoolTimeout("busy"), ValueError("a fault of ours")], ids=["busy", "fault"])
async def test_a_page_that_could_not_read_reads_again_by_itself(ground: Ground, view: OpenView, trouble: Exception):
    troubles: list[Exception] = [trouble, trouble]
    whole = asyncio.Event()
    changes: list[Any] = []

    async def changed(some: list[Change]) -> None:
        if troubles:
            raise troubles.pop()
        changes.extend(some)

    async def reload() -> None:
        if troubles:
            raise troubles.pop()
        whole.set()

    with Client(ui.page("/")):
        view.follow(["alarm"], changed, reload)
    ground.context.live.publish(Change("alarm", ground.here, "1", {}))
    async with asyncio.timeout(10):
        await whole.wait()  # nothing else was published
        ground.context.live.publish(Change("alarm", ground.here, "2", {}))
        while not changes:
            await asyncio.sleep(0.01)
    assert [change.key for change in changes] == ["2"]
