"""What the tests of the MQTT driver share: devices, an intake that keeps everything, a driver at work."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiomqtt

from drivers.mqtt.driver import MqttDriver
from hub.clock import SystemClock
from hub.codecs.mqtt_encode import encode_message
from hub.model import Arrival, Device, Frame
from hub.vocabulary.mqtt import MqttBus
from tests.integration.mosquitto import Mosquitto
from tests.unit.mqtt_devices import SIMPLE, inline, make_device

CLOCK = SystemClock()
DOOR = make_device("heyue-dc200", "door-1")
PATROL = make_device("heyue-pr10", "patrol-1", id=2)
SMOKE = make_device("heyue-sd5", "smoke-1", id=3)
MIXED = make_device(inline({**SIMPLE, "topic": "community/{community}/{any}/{device}/event"}), "env-1", id=4)


class Door:
    """An intake that keeps everything and can say that it is full."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.limit = 1_000_000
        self._room: list[Callable[[], None]] = []
        self._news = asyncio.Event()

    def offer(self, arrivals: Sequence[Arrival]) -> None:
        self.arrivals += arrivals
        self._news.set()

    def full(self, urgent: bool = False) -> bool:
        return len(self.arrivals) >= self.limit

    def on_room(self, callback: Callable[[], None], urgent: bool = False) -> None:
        self._room.append(callback)

    def open_wide(self) -> None:
        self.limit = 1_000_000
        for callback in self._room:
            callback()

    async def count(self, number: int) -> None:
        async with asyncio.timeout(100):
            while len(self.arrivals) < number:
                self._news.clear()
                await self._news.wait()

    def acknowledge_all(self) -> None:
        for arrival in self.arrivals:
            assert arrival.acknowledger is not None
            arrival.acknowledger.acknowledge(arrival.session, [arrival.token])


_ids = iter(range(1_000_000))


def make_bus(broker: Mosquitto, **changes: Any) -> MqttBus:
    fields = {"protocol": "mqtt", "url": f"mqtt://127.0.0.1:{broker.port}", "client_id": f"hub-{next(_ids)}"}
    return MqttBus.model_validate(fields | changes)


def make_driver(bus: MqttBus, devices: Sequence[Device] = (DOOR, PATROL)) -> MqttDriver:
    return MqttDriver("mqtt-main", bus, devices, CLOCK, lambda device, state, detail: None)


@asynccontextmanager
async def running(driver: MqttDriver, intake: Door) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.ensure_future(driver.run(intake))
    ready = asyncio.gather(driver._receiver.client.wait_connected(), driver._sender.wait_connected())
    await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED, timeout=20)
    try:
        if task.done():
            task.result()
        yield task
    finally:
        task.cancel()
        ready.cancel()
        await asyncio.gather(task, ready, return_exceptions=True)


def peer(broker: Mosquitto) -> aiomqtt.Client:
    return aiomqtt.Client("127.0.0.1", broker.port)


def forced(sequence: int) -> tuple[str, bytes]:
    return encode_message(DOOR, "event", event="door_forced", ts_us=CLOCK.now_us(), sequence=sequence, boot=1)


def frames(driver: MqttDriver, arrival: Arrival) -> list[Frame]:
    return [item for item in driver.decoder().decode(arrival) if isinstance(item, Frame)]


async def only_one_comes(
    device: aiomqtt.Client, intake: Door, wanted: tuple[str, bytes], unwanted: tuple[str, bytes]
) -> None:
    """Return once `unwanted` no longer comes before `wanted`, which is published after it."""
    sources: list[str] = []
    async with asyncio.timeout(100):
        while sources != [wanted[0]]:
            intake.arrivals.clear()
            await device.publish(*unwanted, qos=1)
            await device.publish(*wanted, qos=1)
            while wanted[0] not in (sources := [arrival.source for arrival in intake.arrivals]):
                await asyncio.sleep(0.01)
