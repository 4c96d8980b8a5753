"""Tells the live screens of alarms that moved, without melting in a flood: coalesced, bounded, the urgent first."""

import asyncio
from collections.abc import Awaitable, Callable, Collection

import structlog

from hub.clock import Clock
from hub.live import Live

_log = structlog.get_logger()
_SPACING_S = 0.1
_STORM_S = 0.25
_AGAIN_S = 10.0
MOST = 200  # alarms told at once; a screen reads the whole again afterwards
IN_FLOOD = 10  # so many besides the urgent where there are more: nobody reads faster, and the storm counts them all

Pairs = Collection[tuple[int, int]]


class Announcer:
    """Collects what changed and tells it at most ten times a second."""

    def __init__(
        self, clock: Clock, live: Live, tell_alarms: Callable[[Pairs], Awaitable[None]],
        tell_storm: Callable[[int], Awaitable[None]],
    ) -> None:  # fmt: skip
        self._clock = clock
        self._live = live
        self._tell_alarms = tell_alarms
        self._tell_storm = tell_storm
        self._changed: dict[tuple[int, int], None] = {}
        self._urgent: set[int] = set()
        self._storms: set[int] = set()
        self._missed: float | None = None
        self._storm_told = float("-inf")
        self._task: asyncio.Task[None] | None = None

    def tell(self, changed: Pairs, urgent: Collection[int] = (), storms: Collection[int] = ()) -> None:
        """Alarms by (community id, alarm id); those of `urgent` first; communities whose storm moved. Never blocks."""
        if not self._live.readers or not (changed or storms):
            return
        for pair in changed:
            self._changed.pop(pair, None)
            self._changed[pair] = None
        self._urgent.update(urgent)
        self._storms.update(storms)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())

    async def settled(self) -> None:
        """Wait until everything is told (tests, and the end of the process)."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _work(self) -> None:
        try:
            while self._changed or self._storms:
                await self._round()
                await self._clock.sleep(_SPACING_S)
        except Exception as error:  # noqa: BLE001 the screens are told, never the record
            _log.warning("live screens were not told of an alarm; they read it again by themselves", error=str(error))
            self._missed = self._clock.monotonic()
        if self._missed is not None:
            self._resync()

    async def _round(self) -> None:
        waiting, urgent = list(self._changed), self._urgent
        self._changed, self._urgent = {}, set()
        chosen = [pair for pair in waiting if pair[1] in urgent][:MOST]
        rest = min(MOST - len(chosen), MOST if len(waiting) <= MOST else IN_FLOOD)
        chosen += [pair for pair in reversed(waiting) if pair[1] not in urgent][:rest]
        now = self._clock.monotonic()
        if len(chosen) < len(waiting) and self._missed is None:
            self._missed = now
        if chosen:
            await self._tell_alarms(chosen)
        if self._storms and now - self._storm_told >= _STORM_S:
            storms, self._storms, self._storm_told = self._storms, set(), now
            for community in sorted(storms):
                await self._tell_storm(community)
        if self._missed is not None and now - self._missed >= _AGAIN_S:
            self._resync()

    def _resync(self) -> None:
        self._missed = None
        self._live.resync()
