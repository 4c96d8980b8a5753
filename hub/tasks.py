"""Ending asyncio tasks for certain."""

import asyncio
from collections.abc import Collection
from typing import Any

_AGAIN_S = 1.0


async def end(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel tasks and come back when they have ended, whatever they raised.

    Asked again each second: `asyncio.wait_for` of Python 3.11, which libraries of ours use, can swallow a cancellation
    that comes together with the result it waits for (CPython issue 86296).
    """
    waiting = set(tasks)
    while waiting:
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=_AGAIN_S)
