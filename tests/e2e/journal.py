"""Door controllers that write down every message they say: real MQTT 3.1.1, QoS 1, kept until the broker confirms."""

import contextlib
import itertools
import random
import select
import socket
import threading
import time
from collections import Counter
from typing import Self

from drivers.mqtt.packets import Publish, encode_connect, encode_disconnect, encode_publish
from tests.e2e.mqtttap import Identity, packets

WINDOW = 20_000
"""Unconfirmed messages at most; at the window the doors wait, as controllers with a full memory do."""

_TICK_S = 0.01


class Journal:
    """Doors that say `rate` events a second to the broker, one in `forced_every` a forced opening.

    `said`: everything ever written to a socket; `confirmed`: what the broker acknowledged. What is in `said` only has
    the outcome *unknown*: it may be stored once or not at all. Unconfirmed messages are said again, with DUP, after
    every lost connection. `most`: so many messages in all, then silence.
    """

    def __init__(
        self, port: int, community: str, doors: list[str], *, rate: float = 2000.0, forced_every: int = 200,
        seed: int = 1, credentials: tuple[str, str] | None = None, most: int | None = None,
    ) -> None:  # fmt: skip
        self.said: set[Identity] = set()
        self.forced: set[Identity] = set()
        self.confirmed: set[Identity] = set()
        self.connections = 0
        self.behind = 0  # messages the window held back
        self._port, self._community, self._doors = port, community, doors
        self._rate, self._every = rate, forced_every
        self._boot = random.Random(seed).randrange(10**6, 10**9)
        self._credentials = credentials
        self._most = most
        self._sequence: Counter[str] = Counter()
        self._pending: dict[int, tuple[Identity, Publish]] = {}
        self._ids = itertools.cycle(range(1, 65_536))
        self._number = itertools.count()
        self._speaking = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self.error: BaseException | None = None

    def __enter__(self) -> Self:
        self._speaking.set()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def silence(self) -> None:
        """Say nothing new; what is unconfirmed is still brought home."""
        self._speaking.clear()

    def settle(self, seconds: float = 180.0) -> int:
        """Silence, then wait until everything is confirmed; gives how many messages are not."""
        self.silence()
        deadline = time.monotonic() + seconds
        while self._pending and time.monotonic() < deadline and self._thread.is_alive():
            time.sleep(0.05)
        if self.error:
            raise self.error
        return len(self._pending)

    def say(self, kind: str, door: str, confirmed_s: float = 180.0) -> Identity:
        """One message at once, out of the flow (call it only while silent); returns when the broker has it."""
        identity, message = self._message(door, kind)
        self._pending[message.packet_id] = (identity, message)
        self._single = message
        deadline = time.monotonic() + confirmed_s
        while identity not in self.confirmed and time.monotonic() < deadline:
            time.sleep(0.01)
        assert identity in self.confirmed, f"{identity} was not confirmed"
        return identity

    _single: Publish | None = None

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                with contextlib.suppress(OSError):
                    self._connection()
                time.sleep(0.1)
        except BaseException as error:  # the test must hear of it
            self.error = error
            raise

    def _connection(self) -> None:
        with socket.create_connection(("127.0.0.1", self._port), timeout=5) as link:
            name, word = self._credentials or (None, None)
            link.sendall(encode_connect(4, f"doors-{self._boot}", clean_start=True, keepalive_s=600, username=name,
                                        password=word))  # fmt: skip
            if link.recv(4)[3:] != b"\0":
                raise OSError("the broker refuses us")
            self.connections += 1
            again = [
                encode_publish(4, Publish(m.topic, m.payload, 1, True, False, m.packet_id))
                for _, m in list(self._pending.values())
            ]
            link.sendall(b"".join(again))
            self._talk(link)
            with contextlib.suppress(OSError):
                link.sendall(encode_disconnect(4))

    def _talk(self, link: socket.socket) -> None:
        buffer, due, last = bytearray(), 0.0, time.monotonic()
        while not self._stop.is_set():
            now = time.monotonic()
            due, last = due + (now - last) * self._rate, now
            count, due = int(due), due % 1.0
            if self._speaking.is_set():
                free = max(WINDOW - len(self._pending), 0)
                count = count if self._most is None else min(count, self._most - len(self.said))
                self.behind += max(count - free, 0)
                self._speak(link, min(count, free))
            if self._single is not None:
                message, self._single = self._single, None
                link.sendall(encode_publish(4, message))
            if select.select([link], [], [], _TICK_S)[0]:
                data = link.recv(65_536)
                if not data:
                    raise OSError("the broker closed the connection")
                self._hear(buffer, data)

    def _speak(self, link: socket.socket, count: int) -> None:
        out = bytearray()
        for _ in range(count):
            number = next(self._number)
            turn, step = divmod(number, self._every)
            door = self._doors[(number if step else turn) % len(self._doors)]
            identity, message = self._message(door, "access_granted" if step else "forced")
            self._pending[message.packet_id] = (identity, message)
            out += encode_publish(4, message)
        link.sendall(out)

    def _message(self, door: str, kind: str) -> tuple[Identity, Publish]:
        self._sequence[door] += 1
        identity = door, self._boot, self._sequence[door]
        self.said.add(identity)
        if kind == "forced":
            self.forced.add(identity)
        packet_id = next(number for number in self._ids if number not in self._pending)
        payload = (
            f'{{"type":"{kind}","ts":{time.time_ns() // 1_000_000},"seq":{identity[2]},"boot":{self._boot},'
            f'"method":"card","card":"{identity[2]:08d}"}}'
        )
        topic = f"community/{self._community}/door/{door}/event"
        return identity, Publish(topic, payload.encode(), 1, False, False, packet_id)

    def _hear(self, buffer: bytearray, data: bytes) -> None:
        buffer += data
        for first, body in packets(buffer):
            if first >> 4 == 4:
                known = self._pending.pop(int.from_bytes(body[:2], "big"), None)
                if known is not None:
                    self.confirmed.add(known[0])
