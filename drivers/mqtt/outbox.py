"""What a connection has sent and not heard back about: packet ids, their answers, the broker's window."""

import asyncio
from typing import Final

from drivers.mqtt import properties as prop
from drivers.mqtt.packets import ConnAck, Packet, Publish, Version, encode_publish
from hub.errors import Rejected

WINDOW: Final = 1000
"""Our own limit of unconfirmed QoS 1 messages: these are commands, not a stream."""


def encode_within(connack: ConnAck, version: Version, message: Publish, expiry_s: int | None, where: str) -> bytes:
    """PUBLISH within what the broker said it takes (5.0 3.2.2.3), else Rejected. ValueError as `encode_publish`."""
    limits = connack.properties
    if message.qos > int(limits.get(prop.MAXIMUM_QOS, 1)):
        raise Rejected(f"{where} takes no QoS 1")
    if message.retain and not limits.get(prop.RETAIN_AVAILABLE, 1):
        raise Rejected(f"{where} retains nothing")
    raw = encode_publish(version, message, expiry_s)
    if len(raw) > int(limits.get(prop.MAX_PACKET_SIZE, len(raw))):
        raise Rejected(f"{where} takes no packet of {len(raw)} bytes")
    return raw


class Outbox:
    """Packet ids from `first_id` on and one awaited answer per id; `end` wakes everybody with None."""

    def __init__(self, first_id: int) -> None:
        self._first_id = first_id
        self._last_id = first_id - 1
        self._answers: dict[int, asyncio.Future[Packet | None]] = {}
        self._window = asyncio.Semaphore(WINDOW)
        self._ended = False

    def limit(self, receive_maximum: int) -> None:
        """Narrow the window to the broker's Receive Maximum (5.0 3.2.2.3.3). Before the first `reserve`."""
        self._window = asyncio.Semaphore(min(receive_maximum, WINDOW))

    async def reserve(self) -> int:
        """A packet id nothing else uses, once the window allows one more message."""
        await self._window.acquire()
        while True:  # ends: the window is far smaller than the 65 535 ids
            self._last_id = self._last_id + 1 if self._last_id < 65_535 else self._first_id
            if self._last_id not in self._answers:
                return self._last_id

    def release(self) -> None:
        """One message less is under way."""
        self._window.release()

    async def wait(self, key: int) -> Packet | None:
        """The packet that answers `key`; None if the connection ends first.

        A cancelled wait leaves the id taken until its answer comes: a late PUBACK must confirm nothing else.
        """
        if self._ended:
            return None
        future: asyncio.Future[Packet | None] = asyncio.get_running_loop().create_future()
        self._answers[key] = future
        return await future

    def resolve(self, key: int, packet: Packet) -> bool:
        """Hand an answer to whoever waits for it. False if nothing was sent under `key`."""
        future = self._answers.pop(key, None)
        if future is None:
            return False
        if not future.done():
            future.set_result(packet)
        return True

    def end(self) -> None:
        """The connection is gone."""
        self._ended = True
        for future in self._answers.values():
            if not future.done():
                future.set_result(None)
