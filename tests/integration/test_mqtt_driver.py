"""The MQTT driver on a real mosquitto; devices are played by aiomqtt, an implementation that is not ours."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from drivers.mqtt.driver import MqttDriver
from drivers.mqtt.packets import Publish
from hub.clock import FakeClock
from hub.codecs.mqtt_encode import command_topics, decode_command, encode_message, encode_status
from hub.errors import BadFrame, Misconfigured, Rejected, Unreachable
from hub.model import CommandRequest
from hub.vocabulary.mqtt import MqttBus
from tests.integration.mosquitto import Mosquitto, free_port, make_certificates
from tests.integration.mqtt_door import (
    CLOCK,
    DOOR,
    PATROL,
    Door,
    forced,
    frames,
    make_bus,
    make_driver,
    only_one_comes,
    peer,
    running,
)


@pytest.mark.parametrize("version", ["3.1.1", "5"])
async def test_what_is_not_acknowledged_comes_again(broker: Mosquitto, version: str) -> None:
    driver, intake = make_driver(make_bus(broker, version=version)), Door()
    async with peer(broker) as device:
        async with running(driver, intake):
            for sequence in range(5):
                await device.publish(*forced(sequence), qos=1)
            await intake.count(5)
            first = list(intake.arrivals)
            assert [arrival.duplicate for arrival in first] == [False] * 5
            assert len({arrival.received for arrival in first}) == 5
            first[0].acknowledger.acknowledge(first[0].session, [first[0].token, first[1].token])  # type: ignore[union-attr]
        intake.arrivals.clear()
        async with running(driver, intake):
            await intake.count(3)
            assert all(arrival.duplicate for arrival in intake.arrivals)
            keys = [[frame.key for frame in frames(driver, arrival)] for arrival in intake.arrivals]
            assert keys == [[frame.key for frame in frames(driver, arrival)] for arrival in first[2:]]
            first[2].acknowledger.acknowledge(first[2].session, [first[2].token])  # type: ignore[union-attr]
            intake.acknowledge_all()
        intake.arrivals.clear()
        async with running(driver, intake):
            await device.publish(*forced(99), qos=1)
            await intake.count(1)
            assert [frame.sequence for frame in frames(driver, intake.arrivals[0])] == [99]


async def test_retained_words_are_state(broker: Mosquitto) -> None:
    async with peer(broker) as device:
        await device.publish(*encode_status(DOOR, True), qos=1, retain=True)
        driver, intake = make_driver(make_bus(broker)), Door()
        async with running(driver, intake):
            await intake.count(1)
            [frame] = frames(driver, intake.arrivals[0])
            assert (frame.retained, frame.online) == (True, True)
        await device.publish(encode_status(DOOR, True)[0], b"", qos=1, retain=True)


async def test_a_full_intake_is_not_read_for_and_commands_still_go(broker: Mosquitto) -> None:
    driver, intake = make_driver(make_bus(broker)), Door()
    intake.limit = 10
    topic = command_topics(DOOR)["open"]
    async with peer(broker) as device, running(driver, intake):
        await device.subscribe(topic, qos=1)
        for sequence in range(10):
            await device.publish(*forced(sequence), qos=1)
        await intake.count(10)
        for sequence in range(10, 3000):
            await device.publish(*forced(sequence), qos=0)
        held = len(intake.arrivals)
        receipt = await driver.execute(CommandRequest("c1", DOOR, "open", "", CLOCK.now_us() + 10_000_000))
        assert receipt.acknowledged
        message = await anext(aiter(device.messages))
        assert len(intake.arrivals) == held < 3000
        intake.open_wide()
        await intake.count(3000)
        assert isinstance(message.payload, bytes)
        assert decode_command(DOOR, str(message.topic), message.payload)[:2] == ("open", "c1")


@pytest.mark.parametrize("version", ["3.1.1", "5"])
async def test_a_command_is_never_retained_and_never_late(broker: Mosquitto, version: str) -> None:
    driver, intake = make_driver(make_bus(broker, version=version)), Door()
    topic = command_topics(DOOR)["open"]
    async with running(driver, intake), peer(broker) as device:
        await device.subscribe(topic, qos=1)
        with pytest.raises(Rejected, match="expired"):
            await driver.execute(CommandRequest("late", DOOR, "open", "", CLOCK.now_us() - 1))
        await driver.execute(CommandRequest("good", DOOR, "open", "", CLOCK.now_us() + 10_000_000))
        message = await anext(aiter(device.messages))
        assert isinstance(message.payload, bytes)
        assert decode_command(DOOR, topic, message.payload)[1] == "good"
        async with peer(broker) as later:
            await later.subscribe(topic, qos=1)
            await later.publish(topic, b"live", qos=1)
            news = await anext(aiter(later.messages))
            assert (news.payload, news.retain) == (b"live", False)
        with pytest.raises(Misconfigured):
            await driver.execute(CommandRequest("c", PATROL, "open", "", CLOCK.now_us() + 10_000_000))


async def test_a_command_nobody_listens_to_fails_at_once(broker: Mosquitto) -> None:
    driver, intake = make_driver(make_bus(broker, version="5")), Door()
    command = CommandRequest("c", DOOR, "open", "", CLOCK.now_us() + 10_000_000)
    async with running(driver, intake):
        with pytest.raises(Unreachable, match="not subscribed"):
            await driver.execute(command)
    with pytest.raises(Unreachable):
        await driver.execute(command)


async def test_a_command_without_answer_has_an_unknown_outcome(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as mosquitto:
        driver = make_driver(make_bus(mosquitto))
        async with running(driver, Door()):
            mosquitto.freeze()
            receipt = await driver.execute(CommandRequest("c", DOOR, "open", "", CLOCK.now_us() + 2_000_000))
            assert not receipt.acknowledged
            assert "unknown" in receipt.detail
            mosquitto.thaw()


@pytest.mark.parametrize("version", ["3.1.1", "5"])
async def test_new_devices_are_heard_without_a_new_connection(broker: Mosquitto, version: str) -> None:
    driver, intake = make_driver(make_bus(broker, version=version), [DOOR]), Door()
    tap = encode_message(PATROL, "tap", event="checkpoint_read", data={"card": "1", "checkpoint": "G"})
    async with running(driver, intake), peer(broker) as device:
        session = driver._receiver.client.session_no
        driver.update([DOOR, PATROL])
        while not intake.arrivals:  # until the broker has the new subscription
            await device.publish(*tap, qos=1)
            await asyncio.sleep(0.01)
        assert frames(driver, intake.arrivals[0])[0].device.code == "patrol-1"
        driver.update([PATROL])
        await only_one_comes(device, intake, tap, forced(1))
        driver.update([DOOR, PATROL])
        intake.arrivals.clear()
        while not intake.arrivals:  # what was dropped can come back
            await device.publish(*forced(2), qos=1)
            await asyncio.sleep(0.01)
        assert driver._receiver.client.session_no == session


async def test_filters_dropped_while_away_are_dropped_at_the_broker(broker: Mosquitto) -> None:
    driver, intake = make_driver(make_bus(broker)), Door()
    async with running(driver, intake):
        pass
    driver.update([PATROL])
    tap = encode_message(PATROL, "tap", event="checkpoint_read", data={})
    async with running(driver, intake), peer(broker) as device:
        await only_one_comes(device, intake, tap, forced(1))


async def test_reading_a_device_waits_for_its_next_message(broker: Mosquitto) -> None:
    driver, intake = make_driver(make_bus(broker)), Door()
    async with running(driver, intake), peer(broker) as device:
        reading = asyncio.ensure_future(driver.read(DOOR))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(driver.read(PATROL), 0.05)
        await device.publish("community/demo/door/door-1/event", b"not JSON", qos=1)
        await device.publish(*forced(7), qos=1)
        [arrival] = await asyncio.wait_for(reading, 100)
        assert frames(driver, arrival)[0].sequence == 7
        assert len(intake.arrivals) == 2
        assert driver._waiting == []


async def test_a_stranger_is_a_dead_letter(broker: Mosquitto) -> None:
    driver, intake = make_driver(make_bus(broker)), Door()
    async with running(driver, intake), peer(broker) as device:
        await device.publish("community/demo/door/door-666/event", forced(1)[1], qos=1)
        await intake.count(1)
        with pytest.raises(BadFrame) as caught:
            driver.decoder().decode(intake.arrivals[0])
        assert caught.value.reason == "unknown_device"


async def test_a_lost_broker_is_unreachable(tmp_path: Path) -> None:
    mosquitto = Mosquitto(tmp_path)
    with mosquitto:
        driver, intake = make_driver(make_bus(mosquitto)), Door()
        async with running(driver, intake) as task:
            mosquitto.kill9()
            mosquitto.start()
            with pytest.raises(Unreachable):
                await asyncio.wait_for(task, 100)
        async with running(driver, intake):
            assert driver._receiver.client.connected
    with pytest.raises(Unreachable):
        await make_driver(MqttBus(protocol="mqtt", url=f"mqtt://127.0.0.1:{free_port()}")).run(Door())


async def test_credentials_and_certificates(tmp_path: Path) -> None:
    files = make_certificates(tmp_path / "pki")
    with Mosquitto(tmp_path / "broker", tls=files, users={"hub": "s3cret"}) as mosquitto:
        tls = {
            "url": f"mqtts://localhost:{mosquitto.port}",
            "username": "hub",
            "password": "s3cret",
            "ca_file": str(files.authority),
            "certificate_file": str(files.client),
            "key_file": str(files.client_key),
        }
        async with running(make_driver(make_bus(mosquitto, **tls)), Door()) as task:
            assert not task.done()
        for wrong in ({"password": "guess"}, {"ca_file": ""}):
            with pytest.raises(Misconfigured):
                await asyncio.wait_for(make_driver(make_bus(mosquitto, **(tls | wrong))).run(Door()), 100)
        for wrong in ({"ca_file": "/nowhere.pem"}, {"key_file": ""}):
            with pytest.raises(Misconfigured):
                make_driver(make_bus(mosquitto, **(tls | wrong)))


async def test_no_two_arrivals_have_one_time_of_receipt() -> None:
    clock = FakeClock(datetime(2026, 5, 1, tzinfo=UTC))
    driver, intake = MqttDriver("m", MqttBus(protocol="mqtt", url="mqtt://h"), [PATROL], clock, lambda *_: None), Door()
    taking = driver._receiver
    taking._intake = intake
    tap = Publish("community/demo/patrol/patrol-1/tap", b"{}", 0, False, False, 0)
    taking._take([tap, tap])
    taking._take([tap])
    keys = [frames(driver, arrival)[0].key for arrival in intake.arrivals]
    assert len(set(keys)) == 3
    clock.advance(-3600)  # set back by an administrator: followed, not outrun
    taking._take([tap])
    assert intake.arrivals[-1].received == clock.now_us()


@pytest.mark.parametrize("url", ["http://host", "mqtt://", "mqtt://host:99999", "mqtt://host:1883/path", "host"])
def test_a_url_that_is_none(url: str) -> None:
    with pytest.raises(Misconfigured, match="mqtt-main"):
        make_driver(MqttBus(protocol="mqtt", url=url))
