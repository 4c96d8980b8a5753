"""A running MqttClient that remembers what it received, for tests."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable

import pytest

from drivers.mqtt.client import MqttClient
from drivers.mqtt.options import MqttOptions
from drivers.mqtt.packets import Publish, Version
from hub.clock import SystemClock
from hub.errors import DriverError

BOTH: list[Version] = [4, 5]


class Receiver:
    """A client with its `run()` task and what it received; acknowledges at once if `auto`."""

    def __init__(self, options: MqttOptions, auto: bool = False) -> None:
        self.client = MqttClient(options, self._take, SystemClock(), random.Random(1))
        self.messages: list[Publish] = []
        self.batches = 0
        self._auto = auto
        self._news = asyncio.Event()
        self.task = asyncio.ensure_future(self.client.run())

    def _take(self, batch: list[Publish]) -> None:
        self.messages += batch
        self.batches += 1
        self._news.set()
        if self._auto:
            self.client.ack(self.client.session_no, [message.packet_id for message in batch])

    def ack_all(self) -> None:
        self.client.ack(self.client.session_no, [message.packet_id for message in self.messages])

    async def until(self, test: Callable[[], bool]) -> None:
        """Wait for messages until `test` holds; the error of `run()` if that ends first."""
        async with asyncio.timeout(100):
            while not test():
                self._news.clear()
                news = asyncio.ensure_future(self._news.wait())
                await asyncio.wait({news, self.task}, return_when=asyncio.FIRST_COMPLETED)
                news.cancel()
                if self.task.done() and not test():
                    self.task.result()

    async def count(self, number: int) -> None:
        await self.until(lambda: len(self.messages) >= number)

    async def error(self) -> BaseException:
        async with asyncio.timeout(100):
            with pytest.raises(Exception) as caught:
                await self.task
        return caught.value


@contextlib.asynccontextmanager
async def receiver(port: int, auto: bool = False, wait: bool = True, **options: object) -> AsyncIterator[Receiver]:
    """A connected receiver of `t/#` at QoS 1; cancelled (clean DISCONNECT) at the end."""
    settings: dict[str, object] = {
        "host": "127.0.0.1", "port": port, "client_id": "hub", "subscriptions": (("t/#", 1),), **options
    }  # fmt: skip
    one = Receiver(MqttOptions(**settings), auto)  # type: ignore[arg-type]
    connected = asyncio.ensure_future(one.client.wait_connected())
    try:
        if wait:
            async with asyncio.timeout(100):
                await asyncio.wait({connected, one.task}, return_when=asyncio.FIRST_COMPLETED)
            if one.task.done():
                one.task.result()
        yield one
    finally:
        connected.cancel()
        one.task.cancel()
        with contextlib.suppress(asyncio.CancelledError, DriverError):
            await one.task


async def send(port: int, messages: list[tuple[str, bytes]], qos: int = 1) -> None:
    """Publish over a connection of its own."""
    async with receiver(port, client_id="sender", subscriptions=(), clean_start=True) as sender:
        for start in range(0, len(messages), 500):
            part = messages[start : start + 500]
            await asyncio.gather(*(sender.client.publish(topic, payload, qos) for topic, payload in part))


def numbered(count: int, size: int = 8) -> list[tuple[str, bytes]]:
    return [(f"t/{i % 7}", f"{i}".encode().rjust(size, b"0")) for i in range(count)]
