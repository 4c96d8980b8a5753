"""Life safety over MQTT: a connection of its own on a real mosquitto, whatever waits on the other."""

import asyncio

import aiomqtt
import pytest

from drivers.mqtt.driver import MqttDriver
from hub.codecs.mqtt_encode import encode_message
from hub.model import Frame
from hub.vocabulary.mqtt import MqttBus
from tests.integration.mosquitto import Mosquitto
from tests.integration.mqtt_door import (
    CLOCK,
    DOOR,
    MIXED,
    SMOKE,
    Door,
    forced,
    frames,
    make_bus,
    make_driver,
    only_one_comes,
    peer,
    running,
)


def alight(number: int) -> tuple[str, bytes]:
    return encode_message(SMOKE, "event", event="smoke_alarm", ts_us=CLOCK.now_us(), sequence=number)


class Flooded(Door):
    """An intake that is full, but not of life safety."""

    def full(self, urgent: bool = False) -> bool:
        return not urgent and super().full()


@pytest.mark.parametrize("version", ["3.1.1", "5"])
async def test_life_safety_is_received_while_all_else_must_wait(broker: Mosquitto, version: str) -> None:
    bus, intake = make_bus(broker, version=version), Flooded()
    driver = make_driver(bus, [DOOR, SMOKE])
    intake.limit = 1
    async with running(driver, intake), peer(broker) as device:
        await driver._urgent.client.wait_connected()
        for number in range(300):
            await device.publish(*forced(number), qos=1)
        await device.publish(*alight(1), qos=1)
        async with asyncio.timeout(100):
            while not any(arrival.urgent for arrival in intake.arrivals):
                await asyncio.sleep(0.01)
        assert [a.source for a in intake.arrivals if a.urgent] == [alight(1)[0]]
        intake.open_wide()
        await intake.count(301)
        assert [frame.sequence for a in intake.arrivals for frame in frames(driver, a) if not a.urgent] == [*range(300)]
        intake.acknowledge_all()
    intake.arrivals.clear()
    async with running(make_driver(bus, [DOOR, SMOKE]), intake), peer(broker) as device:
        await device.publish(*alight(2), qos=1)
        await device.publish(*forced(301), qos=1)
        await intake.count(2)  # nothing that was acknowledged comes again before them
        assert sorted(frame.sequence or 0 for a in intake.arrivals for frame in frames(driver, a)) == [2, 301]


async def test_a_session_of_before_life_safety_had_its_own_brings_nothing_twice(broker: Mosquitto) -> None:
    bus, intake = make_bus(broker), Door()
    async with aiomqtt.Client("127.0.0.1", broker.port, identifier=bus.client_id, clean_session=False) as old:
        await old.subscribe("community/demo/smoke/+/event", qos=1)
    async with running(make_driver(bus, [DOOR, SMOKE]), intake), peer(broker) as device, asyncio.timeout(100):
        await until_told(device, intake, [True])


async def test_what_an_earlier_run_left_in_the_urgent_session_is_heard(broker: Mosquitto) -> None:
    bus, intake = make_bus(broker), Door()
    async with running(make_driver(bus, [DOOR, SMOKE]), intake), peer(broker) as device, asyncio.timeout(100):
        await until_told(device, intake, [True])
    intake.arrivals.clear()
    async with peer(broker) as device:
        await device.publish(*alight(7), qos=1)
    async with running(make_driver(bus, [DOOR, SMOKE, MIXED]), intake), asyncio.timeout(100):  # it has no filter now
        while not any(frame.sequence == 7 for frame in heard(intake)):
            await asyncio.sleep(0.01)


def heard(intake: Door) -> list[Frame]:
    decoder = MqttDriver("m", MqttBus(protocol="mqtt", url="mqtt://h"), [DOOR, SMOKE], CLOCK, lambda *_: None).decoder()
    return [item for a in intake.arrivals for item in decoder.decode(a) if isinstance(item, Frame)]


async def until_told(device: aiomqtt.Client, intake: Door, told: list[bool]) -> None:
    """Return once an alarm comes as often as `told` is long, and as urgent as it says."""
    found: list[bool] | None = None
    while found != told:
        intake.arrivals.clear()
        await device.publish(*alight(1), qos=1)
        await device.publish(*forced(1), qos=1)
        while len({arrival.source for arrival in intake.arrivals}) < 2:
            await asyncio.sleep(0.01)
        found = [arrival.urgent for arrival in intake.arrivals if arrival.source == alight(1)[0]]
        intake.acknowledge_all()  # or the broker's window would be full at last


async def test_topics_move_between_the_connections_at_a_reload(broker: Mosquitto) -> None:
    driver, intake = make_driver(make_bus(broker), [DOOR]), Door()
    async with running(driver, intake), peer(broker) as device:
        for devices, told in (([DOOR, SMOKE], [True]), ([DOOR, SMOKE, MIXED], [False]), ([DOOR, SMOKE], [True])):
            driver.update(devices)
            async with asyncio.timeout(100):
                await until_told(device, intake, told)
        driver.update([DOOR])
        await only_one_comes(device, intake, forced(1), alight(2))
