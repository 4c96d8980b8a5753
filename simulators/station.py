"""One real MQTT connection of the simulated community: it keeps what is not acknowledged and sends it again.

By aiomqtt on paho-mqtt, an implementation that is not ours, so that the hub's own receiver is held against another.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from random import Random
from urllib.parse import unquote, urlsplit

import aiomqtt
import msgspec

from hub.backoff import full_jitter
from hub.clock import Clock
from hub.errors import Misconfigured

MEMORY = 50_000
"""Messages a connection keeps while the broker is away; then the oldest is lost, and the truth says so."""

WINDOW = 8
"""Messages in flight at once on a connection; in order, like a small device."""

ANSWER_S = 10.0
"""No PUBACK for so long means the connection is lost."""

RETRY_BASE_S, RETRY_CAP_S = 0.2, 5.0


class Broker(msgspec.Struct, frozen=True):
    """Where to connect; made from `mqtt://user:password@host:port`."""

    host: str
    port: int
    username: str | None
    password: str | None
    tls: bool

    @classmethod
    def parse(cls, url: str) -> "Broker":
        """Misconfigured: not mqtt:// or mqtts:// with a host; the message never shows the password."""
        parts = urlsplit(url)
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
            raise Misconfigured("the broker must be given as mqtt://user:password@host:1883")
        tls = parts.scheme == "mqtts"
        username = unquote(parts.username) if parts.username else None
        password = unquote(parts.password) if parts.password else None
        return cls(parts.hostname, parts.port or (8883 if tls else 1883), username, password, tls)


class Outgoing(msgspec.Struct, frozen=True):
    """A message to publish with QoS 1. `natural`: a second copy is recognised as one, so it may be sent again."""

    number: int
    topic: str
    payload: bytes
    retain: bool = False
    natural: bool = True


Settled = Callable[[int, str], None]
"""(message number, `ok` after PUBACK or `unknown` when cut and not sent again)."""

Incoming = Callable[[str, bytes], None]


class Station:
    """A connection with its queue. `run` until cancelled; `send` never blocks; `drained` when all is acknowledged."""

    def __init__(
        self,
        name: str,
        broker: Broker,
        clock: Clock,
        *,
        settled: Settled,
        incoming: Incoming,
        topics: tuple[str, ...] = (),
        births: tuple[tuple[str, bytes], ...] = (),
        deaths: tuple[tuple[str, bytes], ...] = (),
    ) -> None:
        self.name = name
        self.connections = 0
        self.connected = False
        self.error = ""
        self._broker, self._clock = broker, clock
        self._settled, self._incoming = settled, incoming
        self._topics, self._births, self._deaths = topics, births, deaths
        self._queue: deque[Outgoing] = deque()
        self._inflight: dict[int, Outgoing] = {}
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def send(self, message: Outgoing) -> None:
        """Queue a message behind the others."""
        if len(self._queue) >= MEMORY:
            self._settled(self._queue.popleft().number, "unknown")
        self._queue.append(message)
        self._idle.clear()
        self._wake.set()

    async def drained(self) -> None:
        """Wait until nothing is queued or unacknowledged."""
        await self._idle.wait()

    def pending(self) -> Mapping[int, Outgoing]:
        """What is not acknowledged yet, by number."""
        return self._inflight | {message.number: message for message in self._queue}

    async def run(self) -> None:
        """Stay connected; a lost connection is tried again with full-jitter backoff, for ever."""
        rng, attempt = Random(self.name), 0
        while True:
            before = self.connections
            try:
                await self._session()
            except* (aiomqtt.MqttError, OSError) as errors:
                self.error = str(errors.exceptions[0])
                attempt = 0 if self.connections > before else attempt + 1
            self.connected = False
            self._requeue()
            await self._clock.sleep(full_jitter(attempt, RETRY_BASE_S, RETRY_CAP_S, rng))

    async def _session(self) -> None:
        will = None
        if self._deaths:
            topic, payload = self._deaths[0]
            will = aiomqtt.Will(topic, payload, qos=1, retain=True)
        broker = self._broker
        client = aiomqtt.Client(
            broker.host,
            broker.port,
            username=broker.username,
            password=broker.password,
            identifier=f"sim-{self.name}",
            will=will,
            timeout=ANSWER_S,
            keepalive=20,
            max_inflight_messages=WINDOW,
            tls_params=aiomqtt.TLSParameters() if broker.tls else None,
        )
        async with client:
            self.connections += 1
            for topic in self._topics:
                await client.subscribe(topic, qos=1)
            self.connected = True  # not before: a command sent to a device that does not listen yet is lost
            for topic, payload in self._births:
                await client.publish(topic, payload, qos=1, retain=True)
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._listen(client))
                    tasks.create_task(self._publish_all(client, tasks))
            except asyncio.CancelledError:
                await self._farewell(client)
                raise

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            if not message.retain and isinstance(message.payload, bytes):
                self._incoming(message.topic.value, message.payload)

    async def _publish_all(self, client: aiomqtt.Client, tasks: asyncio.TaskGroup) -> None:
        room = asyncio.Semaphore(WINDOW)
        while True:
            await room.acquire()
            while not self._queue:
                self._wake.clear()
                await self._wake.wait()
            message = self._queue.popleft()
            self._inflight[message.number] = message
            tasks.create_task(self._publish(client, message)).add_done_callback(lambda _: room.release())

    async def _publish(self, client: aiomqtt.Client, message: Outgoing) -> None:
        await client.publish(message.topic, message.payload, qos=1, retain=message.retain)
        del self._inflight[message.number]
        self._settled(message.number, "ok")
        self._rest()

    def _requeue(self) -> None:
        """After a cut: what may be sent twice goes to the front again; the rest is settled as unknown."""
        for message in reversed(self._inflight.values()):
            if message.natural:
                self._queue.appendleft(message)
            else:
                self._settled(message.number, "unknown")
        self._inflight.clear()
        self._rest()

    def _rest(self) -> None:
        if not self._queue and not self._inflight:
            self._idle.set()

    async def _farewell(self, client: aiomqtt.Client) -> None:
        """A device that is switched off in good order says so; the will is for the others."""
        for topic, payload in self._deaths:
            await client.publish(topic, payload, qos=1, retain=True, timeout=2)
