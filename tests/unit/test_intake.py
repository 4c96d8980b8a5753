"""The front door: what waits, what is let go, and that nothing is let go unseen."""

import asyncio
from datetime import UTC, datetime

import pytest

from hub.clock import FakeClock, SystemClock
from hub.model import Arrival
from hub.pipeline.intake import ArrivalQueue
from hub.vocabulary.kinds import Delivery

START = datetime(2026, 5, 1, tzinfo=UTC)


def queue(size: int = 10, most_bytes: int = 1_000_000) -> ArrivalQueue:
    return ArrivalQueue(FakeClock(START), size, lambda arrival: Delivery(arrival.source), most_bytes)


def arrivals(count: int, source: str = "telemetry", token: int = 0, payload: bytes = b"x") -> list[Arrival]:
    return [Arrival("demo/b", source, payload, 0, token=token) for _ in range(count)]


async def test_sources_are_asked_to_wait_and_called_back_when_there_is_room() -> None:
    waiting, called = queue(), []
    waiting.on_room(lambda: called.append(len(waiting)))
    waiting.offer(arrivals(10))
    assert waiting.full()
    await waiting.take(3, 0.0, None)
    assert not called, "seven still wait"
    await waiting.take(3, 0.0, None)
    assert called == [4] and not waiting.full()


async def test_bytes_fill_it_as_well_as_numbers() -> None:
    waiting = queue(most_bytes=100)
    waiting.offer(arrivals(1, payload=b"x" * 100))
    assert waiting.full()
    await waiting.take(1, 0.0, None)
    assert not waiting.full()


@pytest.mark.parametrize("delivery", [Delivery.STATE, Delivery.TELEMETRY, Delivery.MEDIA])
def test_past_twice_the_bound_what_nobody_can_ask_for_again_is_dropped_and_counted(delivery: Delivery) -> None:
    waiting = queue()
    waiting.offer(arrivals(20, delivery))
    waiting.offer(arrivals(7, delivery))
    assert len(waiting) == 20
    assert waiting.dropped == {("demo/b", delivery): 7}


@pytest.mark.parametrize("delivery", [Delivery.LIFE_SAFETY, Delivery.SECURITY])
def test_life_safety_and_security_are_never_dropped(delivery: Delivery) -> None:
    waiting = queue()
    waiting.offer(arrivals(20))
    waiting.offer(arrivals(500, delivery))
    assert len(waiting) == 520 and not waiting.dropped


def test_what_can_be_acknowledged_is_always_taken() -> None:
    waiting = queue()
    waiting.offer(arrivals(50, token=1))
    waiting.offer(arrivals(50, token=1))
    assert len(waiting) == 100 and not waiting.dropped


async def test_a_batch_ends_with_the_window_of_its_first_arrival() -> None:
    clock = SystemClock()
    waiting = ArrivalQueue(clock, 100, lambda _: Delivery.TELEMETRY)
    old = Arrival("b", "telemetry", b"", clock.now_us() - 7_200_000_000)
    waiting.offer([old])
    async with asyncio.timeout(10):  # not an hour: its window was over before it was looked at
        assert await waiting.take(10, 3600.0, None) == [old]


async def test_take_comes_back_empty_at_its_time_and_when_nudged() -> None:
    clock = SystemClock()
    waiting = ArrivalQueue(clock, 100, lambda _: Delivery.TELEMETRY)
    assert await waiting.take(10, 0.0, clock.now_us() + 1000) == []
    waiting.nudge()
    async with asyncio.timeout(10):
        assert await waiting.take(10, 0.0, None) == []


def coming(*words: tuple[int, bool]) -> list[Arrival]:
    """Arrivals by their time of receipt, urgent or not."""
    return [Arrival("demo/b", "telemetry", b"x", at, urgent=urgent) for at, urgent in words]


async def times(waiting: ArrivalQueue, most: int) -> list[int]:
    return [arrival.received for arrival in await waiting.take(most, 0.0, None)]


async def test_nothing_goes_ahead_where_all_that_waits_is_one_batch() -> None:
    waiting = queue()
    waiting.offer(coming((1, False), (3, False)))
    waiting.offer(coming((2, True), (4, True)))
    assert waiting.oldest == 1
    assert await times(waiting, 4) == [1, 2, 3, 4]


async def test_in_an_overload_the_urgent_goes_ahead_every_other_batch() -> None:
    waiting = queue(size=100)
    waiting.offer(coming(*((at, False) for at in range(10)), *((at, True) for at in range(20, 26))))
    taken = [await times(waiting, 2) for _ in range(8)]
    assert taken == [[20, 21], [0, 1], [22, 23], [2, 3], [24, 25], [4, 5], [6, 7], [8, 9]]


async def test_who_goes_ahead_knows_who_waits() -> None:
    waiting = queue(size=100)
    waiting.offer(coming(*((at, False) for at in range(10)), (20, True)))
    first = await waiting.take(2, 0.0, None)
    assert [arrival.received for arrival in first] == [20] and waiting.overtaken(first) == 0
    second = await waiting.take(2, 0.0, None)
    assert waiting.overtaken(second) is None and waiting.overtaken([]) is None


async def test_a_batch_that_failed_goes_back_to_the_head_of_its_lane() -> None:
    waiting = queue(size=100)
    waiting.offer(coming((1, False), (2, True)))
    batch = await waiting.take(9, 0.0, None)
    waiting.offer(coming((3, False), (4, True)))
    waiting.give_back(batch)
    assert await times(waiting, 4) == [1, 2, 3, 4]


def test_the_urgent_wait_for_each_other_only() -> None:
    waiting = queue(size=3)
    waiting.offer(coming(*((at, False) for at in range(5))))
    assert waiting.full() and not waiting.full(urgent=True)
    waiting.offer(coming(*((at, True) for at in range(30))))
    assert waiting.full(urgent=True) and len(waiting) == 35 and not waiting.dropped
