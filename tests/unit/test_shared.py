"""One reading for all who ask at the same time, and never one that began before the question."""

import asyncio

import pytest

from hub.shared import Shared


class Source:
    """Something that changes while it is read."""

    def __init__(self) -> None:
        self.now, self.readings = 0, 0
        self.go = asyncio.Event()

    async def read(self) -> int:
        self.readings += 1
        seen = self.now
        await self.go.wait()
        return seen


async def test_who_asks_during_a_reading_shares_the_next_one() -> None:
    source, shared = Source(), Shared[int]()
    first = [asyncio.create_task(shared.read("list", source.read)) for _ in range(3)]
    await asyncio.sleep(0.01)
    source.now = 1
    later = [asyncio.create_task(shared.read("list", source.read)) for _ in range(20)]
    await asyncio.sleep(0.01)
    assert source.readings == 1
    source.go.set()
    assert await asyncio.gather(*first) == [0] * 3
    assert await asyncio.gather(*later) == [1] * 20
    assert source.readings == 2
    assert await shared.read("list", source.read) == 1 and source.readings == 3
    assert not shared._running and not shared._next


async def test_other_things_are_read_apart() -> None:
    source, shared = Source(), Shared[int]()
    source.go.set()
    await asyncio.gather(shared.read("one", source.read), shared.read("other", source.read))
    assert source.readings == 2


async def test_an_asker_who_leaves_takes_nobody_along_and_a_failure_reaches_all() -> None:
    source, shared = Source(), Shared[int]()
    leaves, stays = (asyncio.create_task(shared.read("list", source.read)) for _ in range(2))
    await asyncio.sleep(0.01)
    leaves.cancel()
    source.go.set()
    assert await stays == 0 and leaves.cancelled()

    async def fails() -> int:
        await asyncio.sleep(0)
        raise OSError("the store is away")

    told = await asyncio.gather(*(shared.read("x", fails) for _ in range(3)), return_exceptions=True)
    assert [str(error) for error in told] == ["the store is away"] * 3
    with pytest.raises(OSError, match="away"):
        await shared.read("x", fails)
