"""One receiving connection of a bus: messages in, arrivals to the pipeline, PUBACKs once they are committed."""

import random
from collections.abc import Callable, Iterable, Sequence
from typing import NoReturn

from drivers.mqtt.client import MqttClient
from drivers.mqtt.options import MqttOptions
from drivers.mqtt.packets import Publish
from hub.clock import Clock
from hub.model import Arrival
from hub.ports import Intake


class Receiver:
    """The acknowledger of what it received. `urgent`: it waits only for its like when the pipeline is full."""

    def __init__(
        self,
        bus: str,
        options: MqttOptions,
        clock: Clock,
        rng: random.Random,
        heard: Callable[[Sequence[Arrival]], None],
        urgent: bool = False,
    ) -> None:
        """`heard` is told of everything that came; it must not block nor raise."""
        self._bus = bus
        self._clock = clock
        self._heard = heard
        self._urgent = urgent
        self._intake: Intake | None = None
        self._last_received = 0
        self.client = MqttClient(options, self._take, clock, rng)

    async def run(self, intake: Intake) -> NoReturn:
        """Receive until the connection is lost or cancelled. Unreachable, Rejected, Misconfigured."""
        if intake is not self._intake:
            self._intake = intake
            intake.on_room(self._resume, self._urgent)
        self._resume()
        await self.client.run()

    def acknowledge(self, session: int, tokens: Iterable[int]) -> None:
        """PUBACK what is committed; tokens of an earlier connection are passed over."""
        self.client.ack(session, tokens)

    def _resume(self) -> None:
        if self._intake is not None and not self._intake.full(self._urgent):
            self.client.resume()

    def _take(self, batch: list[Publish]) -> None:
        intake = self._intake
        assert intake is not None
        bus, session, received, urgent = self._bus, self.client.session_no, self._stamps(len(batch)), self._urgent
        arrivals = [
            Arrival(bus, got.topic, got.payload, at, got.retain, got.dup, session, got.packet_id, self, urgent)
            for at, got in enumerate(batch, received)
        ]
        intake.offer(arrivals)
        if intake.full(urgent):
            self.client.pause()
        self._heard(arrivals)

    def _stamps(self, count: int) -> int:
        """The time of receipt of the first of `count` messages, each a microsecond after the one before.

        So two equal messages without time, sequence or packet id still have different names.
        """
        now = self._clock.now_us()
        if now <= self._last_received < now + 1_000_000:
            now = self._last_received + 1
        self._last_received = now + count - 1
        return now
