"""Our MQTT client against refusals, broken servers and broken calls."""

import asyncio
import contextlib
import random
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from drivers.mqtt.client import MqttClient
from drivers.mqtt.connection import Unconfirmed
from drivers.mqtt.options import MqttOptions
from drivers.mqtt.packets import PINGREQ, Version
from hub.backoff import full_jitter
from hub.clock import FakeClock
from hub.errors import DriverError, Misconfigured, Rejected, Unreachable
from tests.integration.mosquitto import Mosquitto, free_port, make_certificates
from tests.integration.mqtt_receiver import BOTH, numbered, receiver


@pytest.mark.parametrize("version", BOTH)
async def test_tls_with_a_client_certificate(tmp_path: Path, version: Version) -> None:
    certificates = make_certificates(tmp_path / "certificates")
    trusting = ssl.create_default_context(cafile=str(certificates.authority))
    bare = ssl.create_default_context(cafile=str(certificates.authority))
    trusting.load_cert_chain(certificates.client, certificates.client_key)
    with Mosquitto(tmp_path / "broker", tls=certificates) as broker:
        # the plain probe of start() is the only client without TLS
        async with (
            receiver(broker.port, version=version, tls=trusting, auto=True) as one,
            receiver(broker.port, client_id="s", version=version, tls=trusting, subscriptions=()) as sender,
        ):
            for topic, payload in numbered(50, size=4000):
                await sender.client.publish(topic, payload, 1)
            await one.count(50)
            assert [int(m.payload) for m in one.messages] == list(range(50))
            one.client.pause()
            await sender.client.publish("t/x", b"51", 1)
            one.client.resume()
            await one.count(51)
            one.client.pause()  # and closing must work while paused
        async with receiver(broker.port, tls=bare, wait=False) as refused:
            assert isinstance(await refused.error(), Unreachable)
        async with receiver(broker.port, tls=ssl.create_default_context(), wait=False) as distrusting:
            error = await distrusting.error()
            assert isinstance(error, Misconfigured)
            assert "not trusted" in str(error)


@pytest.mark.parametrize("version", BOTH)
async def test_refusals(tmp_path: Path, version: Version) -> None:
    acl = "user hub\ntopic read t/#\ntopic write commands/#\n"
    with Mosquitto(tmp_path / "broker", users={"hub": "right"}, acl=acl) as broker:
        for login in ({"username": "hub", "password": "wrong"}, {}):
            async with receiver(broker.port, version=version, wait=False, **login) as one:
                error = await one.error()
                assert isinstance(error, Misconfigured), error
                assert "wrong" not in str(error)
        login = {"username": "hub", "password": "right"}
        async with receiver(broker.port, version=version, **login) as one:
            assert await one.client.publish("commands/door", b"open", 1) in (0, 0x10)
            if version == 5:
                with pytest.raises(Rejected, match="not authorized"):
                    await one.client.publish("elsewhere", b"", 1)


async def test_a_frozen_broker_is_found_out(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker") as broker:
        async with receiver(broker.port, keepalive_s=1) as one:
            broker.freeze()
            error = await one.error()
            broker.thaw()
            assert isinstance(error, Unreachable)
            assert "silent" in str(error)


CONNACK = b"\x20\x03\x00\x00\x00"
SUBACK = b"\x90\x04\x00\x01\x00\x01"


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ([b"HTTP/1.1 400 Bad Request\r\n\r\n"], "not MQTT"),
        ([b"\x20\xff\xff\xff\xff\x01"], "longer than four bytes"),
        ([b"\x20\xff\xff\xff\x7f"], "over the limit"),
        ([SUBACK], "out of turn"),
        ([b"\x30\x04\x00\x01t\x00"], "before CONNACK"),
        ([CONNACK + CONNACK], "out of turn"),
        ([b"\x20\x03\x00\x88\x00"], "server unavailable"),
        ([CONNACK, b"\x90\x05\x00\x01\x00\x01\x01"], "1 topic filters with 2 codes"),
        ([CONNACK, b"\x40\x02\x00\x01"], "SUBSCRIBE with PubAck"),
        ([CONNACK, SUBACK + b"\x34\x06\x00\x01t\x00\x01\x00"], "QoS 2"),
        ([CONNACK, SUBACK + b"\xe0\x01\x8b"], "shutting down"),
        ([CONNACK, SUBACK + b"\xe0\x01\x8e"], "taken over"),
        ([CONNACK, SUBACK + b"\x32\x06\x00\x01t\x00\x01\x00" + b"\x32\x06\x00\x01t\x00\x02\x00"], "Receive Maximum"),
        ([b""], "closed the connection"),
        ([b"\x20\x03\x00\x95\x00"], "packet too large"),
    ],
)
async def test_a_server_that_talks_garbage(answers: list[bytes], says: str) -> None:
    closed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await reader.read(1000)
            writer.write(answer)
            if not answer:
                writer.close()
        with contextlib.suppress(ConnectionError):
            while await reader.read(1000):
                pass
        writer.close()
        closed.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, receiver(server.sockets[0].getsockname()[1], wait=False, receive_maximum=1) as one:
        error = await one.error()
        assert isinstance(error, Unreachable)
        assert not isinstance(error, Unconfirmed)
        assert says in str(error)
        async with asyncio.timeout(100):
            await closed.wait()


async def test_a_session_taken_over(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker") as broker:
        async with receiver(broker.port) as one, receiver(broker.port):
            assert isinstance(await one.error(), Unreachable)


async def test_the_keepalive_of_the_server_counts() -> None:
    pinged = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(b"\x20\x06\x00\x00\x03\x13\x00\x01")
        await reader.readuntil(PINGREQ)
        pinged.set()
        writer.write(b"\xd0\x00")
        assert await reader.readuntil(b"\xe0\x00")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, receiver(port, keepalive_s=600, subscriptions=()), asyncio.timeout(100):
        await pinged.wait()


async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that listens and never answers."""
    await reader.read()
    writer.close()


async def test_limits_of_the_server_are_kept() -> None:
    most = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal most
        await reader.read(1000)  # receive maximum 2, maximum packet size 50, no retain
        writer.write(b"\x20\x0d\x00\x00\x0a\x21\x00\x02\x27\x00\x00\x00\x32\x25\x00")
        while data := await reader.read(1000):
            ids = [data[i + 5 : i + 7] for i in range(0, len(data) - 7, 8)]
            most = max(most, len(ids))
            await asyncio.sleep(0.01)
            writer.write(b"".join(b"\x40\x02" + one for one in ids))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, receiver(server.sockets[0].getsockname()[1], subscriptions=()) as one:
        await asyncio.gather(*(one.client.publish("t", b"", 1) for _ in range(20)))
        with pytest.raises(Rejected, match="60 bytes"):
            await one.client.publish("t", b"x" * 52, 1)
        with pytest.raises(Rejected, match="retains nothing"):
            await one.client.publish("t", b"", 0, retain=True)
        await asyncio.gather(*(one.client.publish("t", b"", 1) for _ in range(4)))
    assert 1 <= most <= 2


async def test_a_server_that_does_not_read() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(CONNACK)
        writer.transport.pause_reading()
        await gone.wait()
        writer.transport.abort()

    gone = asyncio.Event()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, receiver(server.sockets[0].getsockname()[1], subscriptions=()) as one:
        with pytest.raises(Unreachable, match="unread"):
            for _ in range(1000):
                await one.client.publish("t", b"x" * 100_000, 0, timeout_s=0.1)
        one.task.cancel()
        await asyncio.wait({one.task})
        assert one.task.cancelled()
        gone.set()


@pytest.mark.parametrize("moment", ["paused", "connecting", "handshake"])
async def test_cancelling_early(moment: str) -> None:
    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    async with server, receiver(server.sockets[0].getsockname()[1], wait=False) as one:
        if moment == "paused":
            one.client.pause()
        if moment != "connecting":
            await asyncio.sleep(0.05)
        one.task.cancel()
        await asyncio.wait({one.task})
        assert one.task.cancelled()


class RecordingClock(FakeClock):
    """Notes every sleep; stops the one who sleeps too often."""

    def __init__(self) -> None:
        super().__init__(datetime(2026, 1, 1, tzinfo=UTC))
        self.sleeps: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        if len(self.sleeps) == 12:
            raise LookupError("enough")
        await super().sleep(seconds)


async def test_run_forever_backs_off_with_full_jitter() -> None:
    clock, states = RecordingClock(), []
    options = MqttOptions(host="127.0.0.1", port=free_port(), client_id="hub")
    client = MqttClient(options, lambda batch: None, clock, random.Random(5))
    with pytest.raises(LookupError):
        await client.run_forever(states.append)
    rng = random.Random(5)
    assert clock.sleeps == [full_jitter(attempt, 0.5, 60.0, rng) for attempt in range(12)]
    assert states[0] == "connecting"
    assert f"mqtt://127.0.0.1:{options.port}" in states[1]


async def test_a_server_that_says_nothing_and_one_that_is_not_there() -> None:
    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with receiver(port, wait=False, connect_timeout_s=0.2) as one:
        error = await one.error()
        assert isinstance(error, Unreachable)
        assert "unanswered" in str(error)
    server.close()
    async with receiver(free_port(), wait=False) as one:
        assert isinstance(await one.error(), Unreachable)
    async with receiver(1883, wait=False, host="no-such-host.invalid") as one:
        assert isinstance(await one.error(), Unreachable)


@pytest.mark.parametrize(
    ("version", "answers", "kind", "says"),
    [
        (4, [b"\x20\x02\x00\x02"], Misconfigured, "identifier rejected"),
        (4, [b"\x20\x02\x00\x05"], Misconfigured, "not authorized"),
        (4, [b"\x20\x02\x00\x03"], Unreachable, "server unavailable"),
        (5, [b"\x20\x03\x00\x85\x00"], Misconfigured, "identifier not valid"),
        (5, [b"\x20\x07\x00\x87\x04\x1f\x00\x01x"], Misconfigured, "(0x87): x"),
        (4, [b"\x20\x02\x00\x00", b"\x90\x03\x00\x01\x80"], Rejected, "refused 't/#'"),
        (5, [CONNACK, b"\x90\x04\x00\x01\x00\x87"], Rejected, "not authorized"),
        (5, [CONNACK, b"\x90\x04\x00\x01\x00\x00"], Rejected, "grants QoS 0"),
        (5, [CONNACK, SUBACK + b"\xe0\x01\x87"], Misconfigured, "not authorized"),
    ],
)
async def test_a_server_that_says_no(
    version: Version, answers: list[bytes], kind: type[DriverError], says: str
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await reader.read(1000)
            writer.write(answer)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, receiver(server.sockets[0].getsockname()[1], wait=False, version=version) as one:
        error = await one.error()
        assert type(error) is kind
        assert says in str(error)
