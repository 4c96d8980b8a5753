"""One server and one browser for the files of this folder: NiceGUI allows one server a process."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.e2e.patrol.patrol_world import World, served


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def world() -> AsyncIterator[World]:
    async with served() as found:
        yield found
