"""The front door: a bounded queue that makes sources wait, and counts what it must let go."""

import asyncio
import heapq
from collections import Counter, deque
from collections.abc import Callable, Sequence

from hub.clock import Clock
from hub.model import Arrival
from hub.vocabulary.kinds import Delivery


class _Lane:
    """Arrivals that keep their order among themselves, bounded by number and by weight."""

    def __init__(self, size: int, most_bytes: int) -> None:
        self._size = size
        self._most_bytes = most_bytes
        self._bytes = 0
        self.waiting: deque[Arrival] = deque()
        self.on_room: list[Callable[[], None]] = []

    def __len__(self) -> int:
        return len(self.waiting)

    def add(self, arrivals: Sequence[Arrival]) -> None:
        self.waiting.extend(arrivals)
        self._bytes += sum(len(arrival.payload) for arrival in arrivals)

    def give_back(self, arrivals: Sequence[Arrival]) -> None:
        self.waiting.extendleft(reversed(arrivals))
        self._bytes += sum(len(arrival.payload) for arrival in arrivals)

    def take(self, most: int) -> list[Arrival]:
        taken = [self.waiting.popleft() for _ in range(min(most, len(self.waiting)))]
        self._bytes -= sum(len(arrival.payload) for arrival in taken)
        if len(self.waiting) * 2 <= self._size:
            for callback in self.on_room:
                callback()
        return taken

    def full(self, times: int = 1) -> bool:
        return len(self.waiting) >= times * self._size or self._bytes >= times * self._most_bytes


class ArrivalQueue:
    """Arrivals in order of coming, at most `size` by number and `most_bytes` by weight.

    What is `urgent` (life safety) has a lane of its own, of the same bounds. Where no more waits than one batch takes,
    that makes no difference; in an overload it goes ahead of the rest, every other batch at most. A device is in one
    lane, so its words stay in order (but for those that waited at the broker while its topics moved to the other).

    Over the high mark `full()` asks sources to wait. From a source that cannot or does not, what comes past twice the
    bound is dropped and counted by bus and delivery class, but for two things: what has something to acknowledge (its
    broker's window bounds it, and a drop would be a loss nobody sees), and life safety and security.
    """

    def __init__(
        self, clock: Clock, size: int, classify: Callable[[Arrival], Delivery], most_bytes: int = 64 * 1024 * 1024
    ) -> None:
        """`classify` is asked only past twice the bound; it must not raise."""
        self._clock = clock
        self._classify = classify
        self._urgent = _Lane(size, most_bytes)
        self._rest = _Lane(size, most_bytes)
        self._rest_is_due = False  # the urgent went ahead last time
        self._ready = asyncio.Event()
        self.dropped: Counter[tuple[str, Delivery]] = Counter()
        self._nudged = False

    def __len__(self) -> int:
        return len(self._urgent) + len(self._rest)

    def offer(self, arrivals: Sequence[Arrival]) -> None:
        """Take arrivals. Never blocks, never raises."""
        urgent = [arrival for arrival in arrivals if arrival.urgent]
        if urgent:
            self._urgent.add(urgent)
            arrivals = [arrival for arrival in arrivals if not arrival.urgent]
        if self._rest.full(2):
            arrivals = [arrival for arrival in arrivals if arrival.token or self._must_keep(arrival)]
        self._rest.add(arrivals)
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
        return min((lane.waiting[0].received for lane in (self._urgent, self._rest) if lane), default=None)

    def overtaken(self, batch: Sequence[Arrival]) -> int | None:
        """When the first of those that this batch goes ahead of was received."""
        passed = self._rest if batch and batch[0].urgent else self._urgent
        return passed.waiting[0].received if batch and passed else None

    def nudge(self) -> None:
        """Make the next `take` come back now, be it with nothing: there is something else to commit."""
        self._nudged = True
        self._ready.set()

    def give_back(self, arrivals: Sequence[Arrival]) -> None:
        """A batch that was taken and not brought to its end: it comes first again."""
        self._urgent.give_back([arrival for arrival in arrivals if arrival.urgent])
        self._rest.give_back([arrival for arrival in arrivals if not arrival.urgent])
        self._ready.set()

    def full(self, urgent: bool = False) -> bool:
        """True while sources that can wait must wait; those of `urgent` wait for each other only."""
        return (self._urgent if urgent else self._rest).full()

    def on_room(self, callback: Callable[[], None], urgent: bool = False) -> None:
        """Call back, once each time the lane has emptied to half after a batch was taken from it."""
        (self._urgent if urgent else self._rest).on_room.append(callback)

    async def take(self, most: int, window_s: float, until_us: int | None) -> list[Arrival]:
        """The next batch: what comes within `window_s` of the first arrival's receipt, at most `most`; empty at
        `until_us`."""
        if not len(self) and not self._nudged:
            self._ready.clear()
            left = None if until_us is None else max((until_us - self._clock.now_us()) / 1e6, 0.0)
            try:
                async with asyncio.timeout(left):  # wait_for of Python 3.11 can swallow a cancellation
                    await self._ready.wait()
            except TimeoutError:
                return []
        self._nudged = False
        oldest = self.oldest
        if oldest is not None and len(self) < most:
            waited = (self._clock.now_us() - oldest) / 1e6
            if 0 <= waited < window_s:  # below 0 the clock was set back
                await asyncio.sleep(window_s - waited)
        return self._pick(most)

    def _pick(self, most: int) -> list[Arrival]:
        urgent, rest = self._urgent, self._rest
        if len(self) <= most or not urgent or not rest:
            lanes = [lane for lane in (urgent, rest) if lane]
        else:
            lanes = [rest if self._rest_is_due else urgent]
        self._rest_is_due = lanes == [urgent]
        taken = [lane.take(most) for lane in lanes]
        return taken[0] if len(taken) == 1 else list(heapq.merge(*taken, key=_received))


def _received(arrival: Arrival) -> int:
    return arrival.received
