"""Our MQTT client against a real mosquitto and against servers that misbehave."""

import asyncio
import contextlib
import random
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path

import pytest

from drivers.mqtt.client import MqttClient
from drivers.mqtt.connection import Unconfirmed
from drivers.mqtt.options import MqttOptions
from drivers.mqtt.packets import Publish, Version, Will
from hub.clock import SystemClock
from hub.errors import Misconfigured, Unreachable
from tests.integration.mosquitto import Mosquitto
from tests.integration.mqtt_receiver import BOTH, Receiver, numbered, receiver, send

ROOT = Path(__file__).parents[2]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path / "broker") as running:
        yield running


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("qos", [0, 1])
async def test_delivers_in_order_and_whole(broker: Mosquitto, version: Version, qos: int) -> None:
    async with receiver(broker.port, auto=True, version=version) as one:
        sent = numbered(300)
        await send(broker.port, sent, qos)
        await one.count(300)
        assert [(m.topic, m.payload) for m in one.messages] == sent
        assert {(m.qos, m.dup, m.retain) for m in one.messages} == {(qos, False, False)}
        assert all(bool(m.packet_id) == bool(qos) for m in one.messages)


@pytest.mark.parametrize("version", BOTH)
async def test_what_was_not_acknowledged_comes_again(broker: Mosquitto, version: Version) -> None:
    async with receiver(broker.port, version=version) as one:
        assert not one.client.session_present
        await send(broker.port, numbered(10))
        await one.count(10)
        one.client.ack(one.client.session_no, [m.packet_id for m in one.messages[:4]])
    async with receiver(broker.port, version=version) as two:
        await two.count(6)
        assert two.client.session_present
        assert [int(m.payload) for m in two.messages] == list(range(4, 10))
        assert all(m.dup for m in two.messages)
        two.ack_all()
    async with receiver(broker.port, version=version) as three:
        await send(broker.port, [("t/end", b"99")])
        await three.count(1)
        assert [int(m.payload) for m in three.messages] == [99]


async def test_an_acknowledgement_waits_for_earlier_ones(broker: Mosquitto) -> None:
    async with receiver(broker.port) as one:
        await send(broker.port, numbered(5))
        await one.count(5)
        ids = [m.packet_id for m in one.messages]
        one.client.ack(one.client.session_no, [ids[4], ids[2], ids[0], 0, 60_000])
    async with receiver(broker.port) as two:
        await two.count(4)
        assert [int(m.payload) for m in two.messages] == [1, 2, 3, 4]
        two.client.ack(two.client.session_no, [m.packet_id for m in reversed(two.messages)])
    async with receiver(broker.port) as three:
        await send(broker.port, [("t/end", b"99")])
        await three.count(1)
        assert [int(m.payload) for m in three.messages] == [99]


async def test_acknowledgements_of_an_earlier_connection_are_ignored(broker: Mosquitto) -> None:
    options = MqttOptions(host="127.0.0.1", port=broker.port, client_id="hub", subscriptions=(("t/#", 1),))
    one = Receiver(options)
    await one.client.wait_connected()
    await send(broker.port, numbered(3))
    await one.count(3)
    old_session, old_ids = one.client.session_no, [m.packet_id for m in one.messages]
    one.task.cancel()
    await asyncio.wait({one.task})
    one.client.ack(old_session, old_ids)
    for expected in (6, 9):  # still unacknowledged after the first pass, so the broker delivers once more
        one.task = asyncio.ensure_future(one.client.run())
        await one.count(expected)
        one.client.ack(old_session, old_ids)
        one.task.cancel()
        await asyncio.wait({one.task})
    assert one.client.session_no == old_session + 2


CHILD = """
import asyncio, random, sys
from drivers.mqtt.client import MqttClient
from drivers.mqtt.options import MqttOptions
from drivers.mqtt.packets import Will
from hub.clock import SystemClock
options = MqttOptions(host="127.0.0.1", port=int(sys.argv[1]), client_id="hub", version=int(sys.argv[2]),
    subscriptions=(("t/#", 1),), will=Will("t/will", b"hub is gone", 1))
async def main():
    client = MqttClient(options, lambda batch: print(len(batch), flush=True), SystemClock(), random.Random(1))
    await client.run()
asyncio.run(main())
"""


@pytest.mark.parametrize("version", BOTH)
async def test_kill_9_loses_nothing_and_the_will_speaks(broker: Mosquitto, version: Version) -> None:
    async with receiver(broker.port, client_id="watcher", subscriptions=(("t/will", 1),)) as watcher:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CHILD, str(broker.port), str(version), cwd=ROOT, stdout=subprocess.PIPE
        )
        assert child.stdout is not None
        try:
            while "hub" not in broker.log:
                await asyncio.sleep(0.02)
            sent = 0
            seen = 0
            async with asyncio.timeout(100):
                while not seen:  # the first may be published before it has subscribed
                    await send(broker.port, [("t/x", f"{sent}".encode())])
                    sent += 1
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(0.2):
                            seen = int(await child.stdout.readline())
        finally:
            child.kill()
            await child.communicate()
        await watcher.count(1)
        assert watcher.messages[0].payload == b"hub is gone"
    async with receiver(broker.port, version=version) as two:
        await two.until(lambda: any(m.topic == "t/will" for m in two.messages))
        again = [m for m in two.messages if m.topic == "t/x"]
        assert again
        assert any(m.dup for m in again)
        assert [int(m.payload) for m in again] == list(range(sent))[-len(again) :]


async def test_no_will_after_a_clean_end(broker: Mosquitto) -> None:
    async with receiver(broker.port, client_id="watcher", auto=True) as watcher:
        async with receiver(broker.port, subscriptions=(), will=Will("t/will", b"gone", 1)):
            pass
        await send(broker.port, [("t/end", b"")])
        await watcher.count(1)
        assert [m.topic for m in watcher.messages] == ["t/end"]


@pytest.mark.parametrize("version", BOTH)
async def test_session_outlives_a_broker_restart(tmp_path: Path, version: Version) -> None:
    with Mosquitto(tmp_path / "broker", persistence=True) as broker:
        async with receiver(broker.port, version=version) as one:
            await send(broker.port, numbered(20))
            await one.count(20)
            broker.restart()
            error = await one.error()
            assert isinstance(error, Unreachable)
        async with receiver(broker.port, version=version, auto=True) as two:
            await two.count(20)
            assert two.client.session_present
            assert [int(m.payload) for m in two.messages[:20]] == list(range(20))


async def test_run_forever_comes_back_by_itself(broker: Mosquitto) -> None:
    states: list[str] = []
    got = asyncio.Event()
    options = MqttOptions(host="127.0.0.1", port=broker.port, client_id="hub", subscriptions=(("t/#", 1),))
    client = MqttClient(options, lambda batch: got.set(), SystemClock(), random.Random(1))
    task = asyncio.ensure_future(client.run_forever(states.append))
    async with asyncio.timeout(100):
        await client.wait_connected()
        broker.kill9()
        while client.connected:
            await asyncio.sleep(0.01)
        broker.start()
        await client.wait_connected()
        await send(broker.port, [("t/x", b"back")])
        await got.wait()
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert client.session_no >= 2
    assert any("closed the connection" in state or "Connect" in state for state in states), states


async def test_pause_leaves_messages_with_the_broker(broker: Mosquitto) -> None:
    async with receiver(broker.port, keepalive_s=1, auto=True) as one:
        await send(broker.port, [("t/x", b"before")])
        await one.count(1)
        one.client.pause()
        await send(broker.port, numbered(1500, size=2000))  # 3 MB, more than sockets hold here unread
        await asyncio.sleep(2.5)  # several dead-peer deadlines: pings go out, their answers cannot be read
        assert len(one.messages) == 1
        assert not one.task.done()
        one.client.resume()
        await one.count(1501)
        assert [int(m.payload) for m in one.messages[1:]] == list(range(1500))


async def test_no_connection_while_paused(broker: Mosquitto) -> None:
    async with receiver(broker.port, wait=False) as one:
        one.client.pause()
        await asyncio.sleep(0.1)
        assert one.client.session_no == 0
        one.client.resume()
        async with asyncio.timeout(100):
            await one.client.wait_connected()


async def test_publish(broker: Mosquitto) -> None:
    async with receiver(broker.port, auto=True) as one:
        assert await one.client.publish("nobody/listens", b"", 1) == 0x10
        assert await one.client.publish("t/x", b"kept", 1, retain=True, expiry_s=60) == 0
        assert await one.client.publish("t/x", b"quick", 0) == 0
        for wrong in ({"topic": "t/#"}, {"topic": ""}, {"qos": 2}, {"expiry_s": -1}, {"topic": "a\0"}):
            with pytest.raises(Misconfigured):
                await one.client.publish(**{"topic": "t/x", "payload": b"", "qos": 1, **wrong})
        await asyncio.gather(*(one.client.publish("t/x", b"many", 1) for _ in range(2500)))
        await one.count(2502)
        broker.freeze()
        with pytest.raises(Unconfirmed):
            await one.client.publish("t/x", b"lost?", 1, timeout_s=0.1)
        broker.thaw()
        assert await one.client.publish("t/x", b"on", 1) == 0
    with pytest.raises(Unreachable, match="not connected"):
        await one.client.publish("t/x", b"", 1)
    async with receiver(broker.port, version=4) as old:
        with pytest.raises(Misconfigured, match="expiry"):
            await old.client.publish("t/x", b"", 1, expiry_s=5)
        assert await old.client.publish("t/x", b"", 1) == 0


async def test_a_publish_in_flight_ends_with_the_connection(broker: Mosquitto) -> None:
    async with receiver(broker.port) as one:
        broker.freeze()
        waiting = asyncio.ensure_future(one.client.publish("t/x", b"", 1, timeout_s=30))
        await asyncio.sleep(0.05)
        broker.kill9()
        with pytest.raises(Unconfirmed, match="lost"):
            await waiting


async def test_an_error_of_the_receiver_ends_run_and_keeps_the_message(broker: Mosquitto) -> None:
    options = MqttOptions(host="127.0.0.1", port=broker.port, client_id="hub", subscriptions=(("t/#", 1),))

    def explode(batch: list[Publish]) -> None:
        raise LookupError("bug")

    client = MqttClient(options, explode, SystemClock(), random.Random(1))
    task = asyncio.ensure_future(client.run())
    await client.wait_connected()
    await send(broker.port, [("t/x", b"1")])
    with pytest.raises(LookupError, match="bug"):
        await task
    async with receiver(broker.port) as one:
        await one.count(1)


@pytest.mark.parametrize(
    "scenario",
    [
        lambda broker: test_delivers_in_order_and_whole(broker, 5, 1),
        lambda broker: test_what_was_not_acknowledged_comes_again(broker, 4),
        lambda broker: test_pause_leaves_messages_with_the_broker(broker),
        lambda broker: test_a_publish_in_flight_ends_with_the_connection(broker),
    ],
)
def test_the_same_under_uvloop(broker: Mosquitto, scenario: Callable[[Mosquitto], Coroutine[None, None, None]]) -> None:
    uvloop = pytest.importorskip("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario(broker))
