"""The front door: a bounded queue that makes sources wait, and counts what it must let go."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence

from hub.clock import Clock
from hub.model import Arrival
from hub.vocabulary.kinds import Delivery


class ArrivalQueue:
    """Arrivals in order of coming, at most `size` by number and `most_bytes` by weight.

    Over the high mark `full()` asks sources to wait. From a source that cannot or does not, what comes past twice the
    bound is dropped and counted by bus and delivery class, but for two things: what has something to acknowledge (its
    broker's window bounds it, and a drop would be a loss nobody sees), and life safety and security.
    """

    def __init__(
        self, clock: Clock, size: int, classify: Callable[[Arrival], Delivery], most_bytes: int = 64 * 1024 * 1024
    ) -> None:
        """`classify` is asked only past twice the bound; it must not raise."""
        self._clock = clock
        self._size = size
        self._classify = classify
        self._most_bytes = most_bytes
        self._queue: deque[Arrival] = deque()
        self._bytes = 0
        self._ready = asyncio.Event()
        self._waiting: list[Callable[[], None]] = []
        self.dropped: Counter[tuple[str, Delivery]] = Counter()
        self._nudged = False

    def __len__(self) -> int:
        return len(self._queue)

    def offer(self, arrivals: Sequence[Arrival]) -> None:
        """Take arrivals. Never blocks, never raises."""
        if len(self._queue) >= 2 * self._size or self._bytes >= 2 * self._most_bytes:
            arrivals = [arrival for arrival in arrivals if arrival.token or self._must_keep(arrival)]
        self._queue.extend(arrivals)
        self._bytes += sum(len(arrival.payload) for arrival in arrivals)
        self._ready.set()

    def _must_keep(self, arrival: Arrival) -> bool:
        delivery = self._classify(arrival)
        if delivery in (Delivery.LIFE_SAFETY, Delivery.SECURITY):
            return True
        self.dropped[arrival.bus, delivery] += 1
        return False

    @property
    def oldest(self) -> int | None:
        """When the first of those that wait was received, microseconds UTC."""
        return self._queue[0].received if self._queue else None

    def nudge(self) -> None:
        """Make the next `take` come back now, be it with nothing: there is something else to commit."""
        self._nudged = True
        self._ready.set()

    def give_back(self, arrivals: Sequence[Arrival]) -> None:
        """A batch that was taken and not brought to its end: it comes first again."""
        self._queue.extendleft(reversed(arrivals))
        self._bytes += sum(len(arrival.payload) for arrival in arrivals)
        self._ready.set()

    def full(self) -> bool:
        """True while sources that can wait must wait."""
        return len(self._queue) >= self._size or self._bytes >= self._most_bytes

    def on_room(self, callback: Callable[[], None]) -> None:
        """Call back, once each time the queue has emptied to half after a batch was taken."""
        self._waiting.append(callback)

    async def take(self, most: int, window_s: float, until_us: int | None) -> list[Arrival]:
        """The next batch: what comes within `window_s` of the first arrival's receipt, at most `most`; empty at
        `until_us`."""
        if not self._queue and not self._nudged:
            self._ready.clear()
            left = None if until_us is None else max((until_us - self._clock.now_us()) / 1e6, 0.0)
            try:
                async with asyncio.timeout(left):  # wait_for of Python 3.11 can swallow a cancellation
                    await self._ready.wait()
            except TimeoutError:
                return []
        self._nudged = False
        if self._queue and len(self._queue) < most:
            waited = (self._clock.now_us() - self._queue[0].received) / 1e6
            if 0 <= waited < window_s:  # below 0 the clock was set back
                await asyncio.sleep(window_s - waited)
        batch = [self._queue.popleft() for _ in range(min(most, len(self._queue)))]
        self._bytes -= sum(len(arrival.payload) for arrival in batch)
        if len(self._queue) * 2 <= self._size:
            for callback in self._waiting:
                callback()
        return batch
