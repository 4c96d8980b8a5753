"""Ending asyncio tasks for certain."""

import asyncio
from collections.abc import Collection
from typing import Any

_AGAIN_S = 1.0


async def end(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel tasks and come back when they have ended, whatever they raised.

    Asked again each second: `asyncio.wait_for` of Python 3.11, which libraries of ours use, can swallow a cancellation
    that comes together with the result it waits for (CPython issue 86296). CancelledError, where we were cancelled
    meanwhile, only when they have ended.
    """
    waiting, asked = set(tasks), False
    while waiting:
        for task in waiting:
            task.cancel()
        try:
            await asyncio.wait(waiting, timeout=_AGAIN_S)
        except asyncio.CancelledError:
            asked = True  # whoever ends us asks again, too: what we hold open must outlast those who use it
        waiting = {task for task in waiting if not task.done()}
    for task in tasks:
        if not task.cancelled():
            task.exception()  # nobody else asks for it
    if asked:
        raise asyncio.CancelledError
