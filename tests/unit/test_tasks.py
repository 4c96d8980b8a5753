"""Tasks that are ended have ended, whoever else is in a hurry."""

import asyncio

import pytest

from hub import tasks
from hub.tasks import end


async def test_who_is_ended_while_ending_others_still_waits_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "_AGAIN_S", 0.02)
    asked: list[int] = []
    may_end = asyncio.Event()

    async def slow() -> None:
        while not may_end.is_set():
            try:
                await may_end.wait()
            except asyncio.CancelledError:
                asked.append(len(asked))
        raise ValueError("what it held is gone")

    async def owner() -> None:
        parts = [asyncio.ensure_future(slow()), asyncio.ensure_future(asyncio.sleep(60))]
        try:
            await asyncio.wait(parts)
        finally:
            await end(parts)
            assert all(part.done() for part in parts)

    task = asyncio.create_task(owner())
    ending = asyncio.create_task(end([task]))
    while len(asked) < 3:
        await asyncio.sleep(0.01)
    assert not task.done()
    may_end.set()
    async with asyncio.timeout(10):
        await ending
    assert task.cancelled()
