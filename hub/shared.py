"""One reading for all who ask for the same at the same time."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Shared(Generic[Value]):
    """Twenty desks that read one list again cost one query, not twenty.

    Who asks while a reading is under way shares the next one: what is told is never older than the question.
    """

    def __init__(self) -> None:
        self._running: dict[Hashable, asyncio.Task[Value]] = {}
        self._next: dict[Hashable, asyncio.Task[Value]] = {}

    async def read(self, key: Hashable, work: Callable[[], Awaitable[Value]]) -> Value:
        """What `work` gives, or what it raises; all who ask for `key` meanwhile get the same object: do not change it.
        `work` goes on when an asker is cancelled."""
        task = self._next.get(key)
        if task is None:
            task = self._next[key] = asyncio.create_task(self._run(key, self._running.get(key), work))
        return await asyncio.shield(task)

    async def _run(
        self, key: Hashable, before: asyncio.Task[Value] | None, work: Callable[[], Awaitable[Value]]
    ) -> Value:
        if before is not None:
            await asyncio.wait([before])
        mine = self._running[key] = self._next.pop(key)
        try:
            return await work()
        finally:
            if self._running.get(key) is mine:
                del self._running[key]
