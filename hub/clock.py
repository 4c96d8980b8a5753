"""Time as a dependency: nothing else in the product calls now(), sleep() or time()."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol

from hub.instants import from_us, to_us

__all__ = ["Clock", "FakeClock", "SystemClock", "from_us", "to_us"]


class Clock(Protocol):
    """Wall clock for stamps, monotonic clock for timeouts."""

    def now(self) -> datetime:
        """The present instant, UTC-aware."""
        ...

    def now_us(self) -> int:
        """The present instant in microseconds since 1970-01-01T00:00:00Z."""
        ...

    def monotonic(self) -> float:
        """Seconds that never step back; only differences mean anything."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait `seconds` of this clock."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def now_us(self) -> int:
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class FakeClock:
    """A clock that moves only when told; `sleep` returns at once and moves it."""

    def __init__(self, start: datetime) -> None:
        self._us = to_us(start)
        self._start = self._us

    def now(self) -> datetime:
        return from_us(self._us)

    def now_us(self) -> int:
        return self._us

    def monotonic(self) -> float:
        return (self._us - self._start) / 1e6

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)
        await asyncio.sleep(0)

    def advance(self, seconds: float) -> None:
        self._us += round(seconds * 1e6)
