"""An open page that could not read, or failed at it, is not left behind while it says that it is connected."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest
from nicegui import Client, ui
from psycopg_pool import PoolTimeout

from api.pages.view import MOST_MEANWHILE, REREAD_S
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
    async with asyncio.timeout(100):
        await whole.wait()  # nothing else was published
        ground.context.live.publish(Change("alarm", ground.here, "2", {}))
        while not changes:
            await asyncio.sleep(0.01)
    assert [change.key for change in changes] == ["2"]


async def test_what_happens_while_a_page_is_built_is_told_to_it(ground: Ground, view: OpenView):
    """It has read its list, and follows only then."""
    told: list[str] = []
    there = asyncio.Event()

    async def changed(some: list[Change]) -> None:
        told.extend(change.key for change in some)
        there.set()

    async def reload() -> None:
        raise AssertionError("nothing was lost")

    for topic, key in (("alarm", "fire"), ("device", "door"), ("alarm", "gas")):
        ground.context.live.publish(Change(topic, ground.here, key, {}))  # type: ignore[arg-type]
    ground.context.live.publish(Change("alarm", ground.here + 1, "elsewhere", {}))
    with Client(ui.page("/")):
        view.follow(["alarm"], changed, reload)
    view.built()
    async with asyncio.timeout(100):
        await there.wait()
    assert told == ["fire", "gas"]
    assert ground.context.live.readers == 1


async def test_more_than_can_be_kept_while_a_page_is_built_is_read_again(ground: Ground, view: OpenView):
    whole = asyncio.Event()

    async def changed(_: list[Change]) -> None:
        raise AssertionError("all is read again")

    async def reload() -> None:
        whole.set()

    for number in range(MOST_MEANWHILE + 1):
        ground.context.live.publish(Change("alarm", ground.here, str(number), {}))
    with Client(ui.page("/")):
        view.follow(["alarm"], changed, reload)
    async with asyncio.timeout(100):
        await whole.wait()


async def test_asked_to_read_all_again_a_page_does_so_after_the_change_it_is_at(ground: Ground, view: OpenView):
    """Else an older list, read before, would stand there in the end."""
    did: list[str] = []
    at_it, go_on, whole = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def changed(_: list[Change]) -> None:
        at_it.set()
        await go_on.wait()
        did.append("change")

    async def reload() -> None:
        did.append("all")
        whole.set()

    with Client(ui.page("/")):
        again = view.follow(["alarm"], changed, reload)
    ground.context.live.publish(Change("alarm", ground.here, "1", {}))
    async with asyncio.timeout(100):
        await at_it.wait()
        again()
        for _ in range(10):
            await asyncio.sleep(0)
        go_on.set()
        await whole.wait()
    assert did == ["change", "all"]


async def test_in_a_flood_a_page_reads_all_seldom_and_is_told_the_urgent_at_once(ground: Ground, view: OpenView):
    clock, live, here = ground.context.clock, ground.context.live, ground.here
    said: list[str] = []
    readings: list[int] = []  # microseconds: differences of floats are not exact

    async def changed(some: list[Change]) -> None:
        said.extend(change.key for change in some if change.urgent)

    async def reload() -> None:
        readings.append(clock.now_us())

    with Client(ui.page("/")):
        view.follow(["alarm"], changed, reload)
    burned = 0

    def flood() -> None:
        for number in range(300):  # more than a mailbox holds
            live.publish(Change("alarm", here, f"meter-{number}", {}))

    async with asyncio.timeout(100):
        while len(readings) < 3:
            flood()
            burned += 1
            live.publish(Change("alarm", here, f"fire-{burned}", {}, urgent=True))
            ground.clock.advance(0.1)
            await asyncio.sleep(0.02)
        flood()
        while len(said) < burned:
            await asyncio.sleep(0.01)
        assert len(readings) == 3
        ground.clock.advance(REREAD_S)
        while len(readings) < 4:  # what came after the last reading is read as well
            await asyncio.sleep(0.01)
    assert said == [f"fire-{n}" for n in range(1, burned + 1)]
    assert all(later - earlier >= REREAD_S * 1e6 for earlier, later in itertools.pairwise(readings))
