"""What the hub told its broker it has: an observer of the MQTT bytes between the two."""

import re
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator

Identity = tuple[str, int, int]
"""(device, boot, seq) of one message."""

_IDENTITY = re.compile(rb'"seq":(\d+),"boot":(\d+)')
_DEVICE = re.compile(rb"^community/[^/]+/[^/]+/([^/]+)/event$")


class MqttTap:
    """Reads both directions of MQTT 3.1.1 connections; `acknowledged` is what the receiving side sent PUBACK for.

    Only a journal's messages have an identity here; `pubacks` counts all. `moments`: monotonic time of every write that
    held a PUBACK, in order. `redelivered`: messages that came with DUP.
    """

    def __init__(self) -> None:
        self.acknowledged: set[Identity] = set()
        self.moments: list[float] = []
        self.redelivered = 0
        self.pubacks = 0
        self._buffers: dict[tuple[int, bool], bytearray] = {}
        # (connection, packet id) -> in order of arrival: a broker may use an id again before it is acknowledged
        self._under_way: defaultdict[tuple[int, int], deque[Identity | None]] = defaultdict(deque)
        self._lock = threading.Lock()

    def __call__(self, number: int, up: bool, data: bytes) -> None:
        buffer = self._buffers.setdefault((number, up), bytearray())
        buffer += data
        acknowledged, pubacks = [], 0
        for first, body in packets(buffer):
            if not up and first >> 4 == 3 and first & 6:
                self._delivered(number, first, body)
            elif up and first >> 4 == 4:
                pubacks += 1
                waiting = self._under_way[number, int.from_bytes(body[:2], "big")]
                if waiting and (identity := waiting.popleft()):
                    acknowledged.append(identity)
        if pubacks:
            with self._lock:
                self.pubacks += pubacks
                self.acknowledged.update(acknowledged)
                self.moments.append(time.monotonic())

    def first_after(self, moment: float) -> float | None:
        """When the first acknowledgement after `moment` came."""
        with self._lock:
            return next((at for at in self.moments if at > moment), None)

    def between(self, begin: float, end: float) -> int:
        """Writes with acknowledgements in that time."""
        with self._lock:
            return sum(begin < at < end for at in self.moments)

    def _delivered(self, number: int, first: int, body: bytes) -> None:
        length = int.from_bytes(body[:2], "big")
        device, found = _DEVICE.match(body[2 : 2 + length]), _IDENTITY.search(body, 4 + length)
        self.redelivered += first >> 3 & 1
        identity = (device[1].decode(), int(found[2]), int(found[1])) if device and found else None
        self._under_way[number, int.from_bytes(body[2 + length : 4 + length], "big")].append(identity)


def packets(buffer: bytearray) -> Iterator[tuple[int, bytes]]:
    """(first byte, body) of every whole packet, which are taken out of `buffer`."""
    at = 0
    while True:
        length, shift, pos = 0, 0, at + 1
        while pos < len(buffer):
            length |= (buffer[pos] & 127) << shift
            shift += 7
            pos += 1
            if buffer[pos - 1] < 128:
                break
        else:
            break
        if pos + length > len(buffer):
            break
        yield buffer[at], bytes(buffer[pos : pos + length])
        at = pos + length
    del buffer[:at]
