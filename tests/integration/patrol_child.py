"""The keeper in a process of its own, to be killed: `python -m tests.integration.patrol_child URL EPOCH SPEED`.

Its clock stands at NOW at the epoch (seconds since 1970 of the machine) and runs `SPEED` times as fast.
"""

import asyncio
import sys
import time
from datetime import datetime, timedelta

from hub.instants import to_us
from tests.integration.patrol_ground import NOW, opened


class FastClock:
    """The machine's clock, faster."""

    def __init__(self, epoch: float, speed: float) -> None:
        self._epoch, self._speed = epoch, speed

    def now(self) -> datetime:
        return NOW + timedelta(seconds=(time.time() - self._epoch) * self._speed)

    def now_us(self) -> int:
        return to_us(self.now())

    def monotonic(self) -> float:
        return time.monotonic() * self._speed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._speed)


async def keep(url: str, epoch: float, speed: float) -> None:
    async with opened(url, FastClock(epoch, speed)) as here:
        here.patrols.keeper._refresh = None  # no file changes here, and to check them takes longer than it lives
        print("ready", flush=True)
        await here.patrols.keeper.run()


if __name__ == "__main__":
    asyncio.run(keep(sys.argv[1], float(sys.argv[2]), float(sys.argv[3])))
