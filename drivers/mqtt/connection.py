"""One TCP connection to an MQTT broker: an asyncio.Protocol around the decoder. `client.py` owns it."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NoReturn, cast

from drivers.mqtt import properties as prop
from drivers.mqtt.decoder import Decoder
from drivers.mqtt.inbox import Inbox
from drivers.mqtt.options import SUBSCRIBE_ID, MqttOptions
from drivers.mqtt.outbox import Outbox, encode_within
from drivers.mqtt.packets import (
    PINGREQ,
    ConnAck,
    Disconnect,
    Packet,
    PingResp,
    PubAck,
    Publish,
    SubAck,
    UnsubAck,
    encode_disconnect,
    encode_pubacks,
    encode_subscribe,
    encode_unsubscribe,
)
from drivers.mqtt.reasons import connect_refusal, describe, disconnect_error, subscribe_refusal
from drivers.mqtt.wire import MalformedPacket
from hub.clock import Clock
from hub.errors import Rejected, Unreachable

_CONNACK: Final = 0  # its key among the awaited answers: no packet has id 0
_WRITE_LIMIT: Final = 1 << 20  # bytes a broker may leave unread before we hold it for dead
_CLOSE_S: Final = 1.0


class Unconfirmed(Unreachable):
    """A QoS 1 message was sent and not confirmed: it may have arrived or not. It is never sent again by itself."""


class Connection(asyncio.Protocol):
    """From CONNECT to the end of the socket; never used again. `error` says why it ended."""

    def __init__(self, options: MqttOptions, on_batch: Callable[[list[Publish]], None], clock: Clock) -> None:
        self._options = options
        self._on_batch = on_batch
        self._clock = clock
        self._decoder = Decoder(options.version, options.max_packet_size)
        self._transport: asyncio.Transport | None = None
        self._closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._outbox = Outbox(SUBSCRIBE_ID + 1)
        self._inbox = Inbox()
        self._writable = asyncio.Event()
        self._writable.set()
        self._paused = False
        self._established = False
        self._last_received = clock.monotonic()
        self.subscribed = set(options.subscriptions)  # (filter, QoS) the broker confirmed once connected
        self.connack = ConnAck(False, 0, {})
        self.error: BaseException | None = None

    @property
    def unacked(self) -> int:
        """QoS 1 messages received on this connection whose PUBACK is not written yet."""
        return len(self._inbox)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.error is not None:
            return
        self._last_received = self._clock.monotonic()
        malformed: MalformedPacket | None = None
        try:
            packets = self._decoder.feed(data)
        except MalformedPacket as error:
            malformed, packets = error, error.before
        batch = []
        for packet in packets:
            if type(packet) is Publish:
                if packet.packet_id:
                    self._inbox.take(packet.packet_id)
                batch.append(packet)
            else:
                self._take(packet)
        if batch:
            self._deliver(batch)
        if malformed is not None:
            self._break_off(f"sent what is not MQTT: {malformed}", 0x81)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.error is None:
            why = f": {exc}" if exc else ""
            text = f"{self._options.where} closed the connection{why}"
            # Anything but an OSError is a bug on this side and must be seen as one
            self.error = exc if exc and not isinstance(exc, OSError) else Unreachable(text)
        self._established = False
        self._outbox.end()
        self._writable.set()
        if not self._closed.done():
            self._closed.set_result(None)

    def _deliver(self, batch: list[Publish]) -> None:
        if not self._established:
            self._break_off("sent PUBLISH before CONNACK", 0x82)
            return
        if self._options.version == 5 and len(self._inbox) > self._options.receive_maximum:
            self._break_off(f"went over our Receive Maximum of {self._options.receive_maximum}", 0x93)
            return
        try:
            self._on_batch(batch)
        except Exception as error:  # noqa: BLE001 - not swallowed: run() ends with this very error
            self._fail(error)

    def _take(self, packet: Packet) -> None:
        if isinstance(packet, PingResp):
            return
        if isinstance(packet, Disconnect):
            self._fail(disconnect_error(packet.code, packet.reason, self._options.where))
            return
        key = packet.packet_id if isinstance(packet, PubAck | SubAck | UnsubAck) else _CONNACK
        if self._established == (key == _CONNACK):
            self._break_off(f"sent {type(packet).__name__} out of turn", 0x82)
            return
        if isinstance(packet, ConnAck):
            self.connack = packet
            self._established = packet.code == 0
        # An answer nobody waits for is harmless, and brokers do repeat acknowledgements
        if self._outbox.resolve(key, packet) and isinstance(packet, PubAck):
            self._outbox.release()

    async def handshake(self) -> None:
        """Await CONNACK and SUBACK. Misconfigured, Unreachable or Rejected by the broker's answer."""
        where = self._options.where
        self._write(self._options.connect_packet())
        answer = await self._outbox.wait(_CONNACK)
        if not isinstance(answer, ConnAck):
            raise self._end()
        if answer.code:
            reason = str(answer.properties.get(prop.REASON, ""))
            raise connect_refusal(self._options.version, answer.code, reason, where)
        self._outbox.limit(self._limit(prop.RECEIVE_MAXIMUM, 65_535))
        await self.subscribe(self._options.subscriptions)

    async def subscribe(self, wanted: Sequence[tuple[str, int]]) -> None:
        """SUBSCRIBE and await SUBACK; one at a time. Rejected if a filter is refused or gets a lower QoS."""
        if not wanted:
            return
        where = self._options.where
        self._write(encode_subscribe(self._options.version, SUBSCRIBE_ID, wanted))
        granted = await self._outbox.wait(SUBSCRIBE_ID)
        if granted is None:
            raise self._end()
        if not isinstance(granted, SubAck):
            raise Unreachable(f"{where} answered SUBSCRIBE with {type(granted).__name__}")
        refusal = subscribe_refusal(wanted, granted, where)
        if refusal is not None:
            raise refusal

    async def unsubscribe(self, filters: Sequence[str]) -> None:
        """UNSUBSCRIBE and await UNSUBACK; never beside `subscribe`. A filter the broker did not have is no error."""
        if not filters:
            return
        self._write(encode_unsubscribe(self._options.version, SUBSCRIBE_ID, filters))
        answer = await self._outbox.wait(SUBSCRIBE_ID)
        if not isinstance(answer, UnsubAck):
            raise self._end()

    def ack(self, packet_ids: Iterable[int]) -> None:
        """Acknowledge; PUBACKs leave in arrival order (4.6), so one waits for those that arrived before it."""
        ready = self._inbox.release(packet_ids)
        if ready:
            self._write(encode_pubacks(ready))

    async def publish(
        self, topic: str, payload: bytes, qos: int, retain: bool, expiry_s: int | None, timeout_s: float
    ) -> int:
        """Send; at QoS 1 await the PUBACK and return its code. See `MqttClient.publish`."""
        where = self._options.where
        try:
            async with asyncio.timeout(timeout_s):
                await self._writable.wait()
                packet_id = await self._outbox.reserve() if qos else 0
        except TimeoutError:
            raise Unreachable(f"{where} leaves too many of our messages unread or unconfirmed") from None
        if self.error is not None:
            raise Unreachable(f"{where} was lost before the message was sent") from self.error
        try:
            message = Publish(topic, payload, qos, False, retain, packet_id)
            self._write(encode_within(self.connack, self._options.version, message, expiry_s, where))
        except (ValueError, Rejected):
            if qos:
                self._outbox.release()
            raise
        if not qos:
            return 0
        try:
            async with asyncio.timeout(timeout_s):
                answer = await self._outbox.wait(packet_id)
        except TimeoutError:
            raise Unconfirmed(f"{where} did not confirm within {timeout_s} s") from None
        if not isinstance(answer, PubAck):
            raise Unconfirmed(f"{where} was lost before it confirmed") from self.error
        if answer.code >= 0x80:
            raise Rejected(f"{where} refused: {describe(answer.code, answer.reason)}")
        return answer.code

    def _limit(self, key: int, default: int) -> int:
        """A limit the broker set in CONNACK (5.0 3.2.2.3)."""
        return cast(int, self.connack.properties.get(key, default))

    def _write(self, data: bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return  # connection_lost is on its way and says why
        if transport.get_write_buffer_size() > _WRITE_LIMIT:
            self._fail(Unreachable(f"{self._options.where} does not read what it is sent"))
            return
        transport.write(data)

    def set_reading(self, reading: bool) -> None:
        """Start or stop reading the socket. Pings go on, and a silent broker is not held for dead meanwhile."""
        transport = self._transport
        if transport is None or transport.is_closing() or self._paused != reading:
            return
        self._paused = not reading
        if reading:
            self._last_received = self._clock.monotonic()
            transport.resume_reading()
        else:
            transport.pause_reading()

    async def watch(self) -> NoReturn:
        """Keep the connection alive until it ends, then raise why."""
        pinger = asyncio.ensure_future(self._keep_alive())
        try:
            await asyncio.wait({pinger, self._closed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            pinger.cancel()
        if pinger.done():
            pinger.result()  # it only ends by a bug or by failing the connection
            await asyncio.wait({self._closed})
        raise self._end()

    async def _keep_alive(self) -> None:
        """Ping every half keepalive; give up once the broker was silent for 1.5 keepalives (3.1.2.10)."""
        own = self._options.keepalive_s
        keepalive = min(own, self._limit(prop.SERVER_KEEP_ALIVE, own) or own)
        tick, ticks, woken = keepalive / 4, 0, self._clock.monotonic()
        while True:
            await self._clock.sleep(tick)
            before, woken, ticks = woken, self._clock.monotonic(), ticks + 1
            if woken - before > 2 * tick:
                self._last_received = woken  # we were stopped or starved ourselves: no evidence against the broker
            if not self._paused and woken - self._last_received > 1.5 * keepalive:
                silent = woken - self._last_received
                self._fail(Unreachable(f"{self._options.where} was silent for {silent:.1f} s in spite of pings"))
                return
            if ticks % 2 == 0:
                self._write(PINGREQ)

    async def close(self) -> None:
        """End the connection, with DISCONNECT if it stands; at most two seconds."""
        transport = self._transport
        if transport is None:
            return
        try:
            if self._established and self.error is None:
                self._write(encode_disconnect(self._options.version))
                self.error = Unreachable("closed from this side")  # what still comes in is not delivered
                # The broker closes first, so it has read our last PUBACKs before a successor takes the session over
                self.set_reading(True)
                await asyncio.wait({self._closed}, timeout=_CLOSE_S)
            transport.close()
            await asyncio.wait({self._closed}, timeout=_CLOSE_S)
        finally:
            transport.abort()

    def _break_off(self, what: str, code: int) -> None:
        """The broker broke the protocol: tell it (5.0 4.13), drop it."""
        if self._options.version == 5 and self._established:
            self._write(encode_disconnect(5, code))
        self._fail(Unreachable(f"{self._options.where} {what}"))

    def _fail(self, error: BaseException) -> None:
        if self.error is None:
            self.error = error
        if self._transport is not None:
            self._transport.abort()

    def _end(self) -> BaseException:
        return self.error or Unreachable(f"{self._options.where} closed the connection")
