"""MQTT client for acknowledgement after commit: nothing is acknowledged until the caller says it is safe."""

import asyncio
import dataclasses
import random
import ssl
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NoReturn

from drivers.mqtt.connection import Connection
from drivers.mqtt.options import MqttOptions
from drivers.mqtt.packets import Publish, check_qos
from hub.backoff import full_jitter
from hub.clock import Clock
from hub.errors import Misconfigured, Unreachable

BACKOFF_BASE_S: Final = 0.5
BACKOFF_CAP_S: Final = 60.0


class MqttClient:
    """One client id on one broker, over as many connections as it takes.

    `on_batch` gets every message of one read of the socket at once, in order, before anything is acknowledged; it
    is a plain function and must not block. Hand the ids back with `ack` once they are safe. What it raises ends
    `run` with that error, and the broker delivers the batch again.
    """

    def __init__(
        self, options: MqttOptions, on_batch: Callable[[list[Publish]], None], clock: Clock, rng: random.Random
    ) -> None:
        self._options = options
        self._on_batch = on_batch
        self._clock = clock
        self._rng = rng
        self._connection: Connection | None = None
        self._running = False
        self._session_no = 0
        self._dropped: set[str] = set()  # filters the broker's session may still hold
        self._ready = asyncio.Event()
        self._reading = asyncio.Event()
        self._reading.set()

    @property
    def session_no(self) -> int:
        """Number of the present (or last) connection, from 1; what `on_batch` delivers now belongs to it."""
        return self._session_no

    @property
    def session_present(self) -> bool:
        """True if the broker kept our session: its DUP packet ids then mean the messages of the last connection."""
        return self._connection is not None and self._connection.connack.session_present

    @property
    def unacked(self) -> int:
        """QoS 1 messages delivered and not acknowledged yet. At the broker's window it sends no more: watch it."""
        return self._connection.unacked if self._connection is not None else 0

    @property
    def connected(self) -> bool:
        """True while connected and subscribed."""
        return self._ready.is_set()

    @property
    def subscriptions(self) -> tuple[tuple[str, int], ...]:
        """(filter, QoS) pairs it has or will have once connected."""
        return self._options.subscriptions

    async def wait_connected(self) -> None:
        """Return once connected and subscribed; `run` must be under way, and its failure does not end this wait."""
        await self._ready.wait()

    async def run(self) -> NoReturn:
        """Connect, subscribe and receive until the connection ends; waits first while paused.

        Raises Unreachable (try again), Rejected (a subscription refused), Misconfigured (credentials, identifier,
        rights, certificate) or whatever `on_batch` raised. When cancelled it says DISCONNECT, so the will is not
        published; the session stays.
        """
        if self._running:
            raise RuntimeError("run() is already running")
        self._running = True
        try:
            await self._reading.wait()
            connection = await self._connect()
            self._session_no += 1
            self._connection = connection
            try:
                await self._serve(connection)
            finally:
                self._ready.clear()
                self._connection = None
                await connection.close()
        finally:
            self._running = False

    async def run_forever(self, on_state: Callable[[str], None] | None = None) -> NoReturn:
        """`run` again and again while the broker is Unreachable, with full jitter (0.5 s doubling up to 60 s).

        `on_state` hears "connecting" and the text of each failure. Rejected and Misconfigured are raised. The
        waits start over after a try that lasted longer than the longest wait.
        """
        attempt = 0
        while True:
            started = self._clock.monotonic()
            if on_state:
                on_state("connecting")
            try:
                await self.run()
            except Unreachable as error:
                if on_state:
                    on_state(str(error))
            if self._clock.monotonic() - started > BACKOFF_CAP_S:
                attempt = 0
            await self._clock.sleep(full_jitter(attempt, BACKOFF_BASE_S, BACKOFF_CAP_S, self._rng))
            attempt += 1

    def ack(self, session_no: int, packet_ids: Iterable[int]) -> None:
        """Acknowledge messages that are safe now, in one write; QoS 0 (id 0) and unknown ids are passed over.

        PUBACKs leave in arrival order (4.6): an id acknowledged early waits for the ones that arrived before it.
        Ids of an earlier connection are ignored, for the broker delivers those messages again.
        """
        if self._connection is not None and session_no == self._session_no:
            self._connection.ack(packet_ids)

    def pause(self) -> None:
        """Stop reading: the broker keeps what comes. No connection is opened while paused, either.

        PUBACKs cannot be read then, so send commands through a client of their own.
        """
        self._reading.clear()
        if self._connection is not None and self._ready.is_set():
            self._connection.set_reading(False)

    def resume(self) -> None:
        """Read again."""
        self._reading.set()
        if self._connection is not None:
            self._connection.set_reading(True)

    async def publish(
        self,
        topic: str,
        payload: bytes,
        qos: int,
        retain: bool = False,
        expiry_s: int | None = None,
        timeout_s: float = 5.0,
    ) -> int:
        """Send one message; at QoS 1 return when the broker has it.

        Returns the broker's code: 0, or 0x10 if it told that nobody subscribes to `topic` (MQTT 5). `expiry_s`:
        seconds until the broker drops it undelivered. Raises Unreachable (not sent), Unconfirmed (an Unreachable:
        sent, outcome unknown), Rejected (the broker refused), Misconfigured (QoS 2, wildcard in the topic, expiry
        on MQTT 3.1.1: a command that must expire is not sent where it could not). Nothing is ever sent twice.
        """
        connection = self._connection
        if connection is None or not self._ready.is_set():
            raise Unreachable(f"{self._options.where} is not connected")
        try:
            check_qos(qos)
            return await connection.publish(topic, payload, qos, retain, expiry_s, timeout_s)
        except ValueError as error:
            raise Misconfigured(f"cannot publish: {error}") from error

    async def resubscribe(self, subscriptions: Sequence[tuple[str, int]], former: Iterable[str] = ()) -> None:
        """Subscribe to these filters from now on: at once where connected, and at every later connection.

        Only the difference is sent, what is new first; returns when the broker confirmed. `former`: filters that a
        session of an earlier run may hold. Not to be called twice at once. Rejected, Unreachable; Misconfigured for
        what is no filter.
        """
        self._dropped |= {*former}
        self._dropped |= {topic_filter for topic_filter, _ in self._options.subscriptions}
        self._options = dataclasses.replace(self._options, subscriptions=tuple(subscriptions))
        wanted = dict(subscriptions)
        while (connection := self._connection) is None or not self._ready.is_set():
            await self._ready.wait()
        await connection.subscribe([pair for pair in wanted.items() if pair not in connection.subscribed])
        await connection.unsubscribe(sorted(self._dropped - wanted.keys()))
        connection.subscribed = set(wanted.items())
        self._dropped.clear()

    async def _connect(self) -> Connection:
        options = self._options
        try:
            async with asyncio.timeout(options.connect_timeout_s):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: Connection(options, self._on_batch, self._clock),
                    options.host,
                    options.port,
                    ssl=options.tls,
                    server_hostname=(options.server_name or options.host) if options.tls else None,
                )
        except ssl.SSLCertVerificationError as error:
            raise Misconfigured(f"{options.where}: its certificate is not trusted: {error.verify_message}") from error
        except TimeoutError as error:
            raise Unreachable(f"{options.where} did not answer in {options.connect_timeout_s} s") from error
        except OSError as error:
            raise Unreachable(f"{options.where}: {error}") from error
        except UnicodeError as error:
            raise Misconfigured(f"{options.where}: no host name: {error}") from error
        return connection

    async def _serve(self, connection: Connection) -> NoReturn:
        timeout_s = self._options.connect_timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                await connection.handshake()
        except TimeoutError:
            raise Unreachable(f"{self._options.where} left CONNECT or SUBSCRIBE unanswered for {timeout_s} s") from None
        self._ready.set()
        if not self._reading.is_set():
            connection.set_reading(False)
        await connection.watch()
