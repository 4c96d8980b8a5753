"""The hub's driver for a bus that is an MQTT broker (OASIS MQTT 3.1.1 and 5.0).

One connection receives and acknowledges after commit. Another, named `<client id>-commands`, sends commands, so that a
full queue, which stops the first from being read, never holds up a door. A third, `<client id>-urgent`, brings what
life-safety devices say on topics of their own: no flood of the rest, here or at the broker, holds it up. It is there
also where there are none, or what an earlier run left in its session would never be heard.
"""

import asyncio
import contextlib
import random
from collections.abc import Sequence
from typing import Final

from drivers.mqtt.bus_options import receiver_options, sender_options, urgent_options
from drivers.mqtt.client import MqttClient
from drivers.mqtt.connection import Unconfirmed
from drivers.mqtt.receiver import Receiver
from hub.clock import Clock
from hub.codecs.mqtt import MqttDecoder
from hub.codecs.mqtt_encode import encode_command
from hub.errors import BadFrame, Expired, Misconfigured, Unreachable
from hub.model import Arrival, CommandRequest, Device, Frame, Receipt
from hub.ports import DeviceReport, Intake
from hub.vocabulary.mqtt import MqttBus
from hub.vocabulary.sites import Bus

CONFIRM_S: Final = 5.0
"""How long a broker may take to confirm a command, at most its time to live."""

Subscriptions = tuple[tuple[str, int], ...]
"""(topic filter, QoS) pairs."""

_NOBODY_SUBSCRIBED: Final = 0x10  # PUBACK reason code, 5.0 section 3.4.2.1


class MqttDriver:
    """`hub.ports.Driver` over MQTT."""

    def __init__(
        self,
        name: str,
        bus: Bus,
        devices: Sequence[Device],
        clock: Clock,
        report: DeviceReport,  # noqa: ARG002 - a broker does not tell which device is there; births and wills do
    ) -> None:
        """Misconfigured: certificates that cannot be read, a URL that is none, topics that clash."""
        if not isinstance(bus, MqttBus):
            raise Misconfigured(f"{name}: a bus of protocol mqtt was expected")
        self._name = name
        self._clock = clock
        self._decoder = MqttDecoder(devices)
        rng = random.Random()
        rest, urgent = self._subscriptions()
        self._receiver = Receiver(name, receiver_options(name, bus, rest), clock, rng, self._answer)
        self._urgent = Receiver(name, urgent_options(name, bus, urgent), clock, rng, self._answer, urgent=True)
        self._sender = MqttClient(sender_options(name, bus), lambda _: None, clock, rng)
        self._expires = bus.version == "5"
        self._waiting: list[tuple[str, asyncio.Future[Arrival]]] = []
        self._changed = asyncio.Event()

    def decoder(self) -> MqttDecoder:
        """The decoder of this bus; `update` changes it in place."""
        return self._decoder

    async def run(self, intake: Intake) -> None:
        """Receive until the connection is lost or cancelled. Unreachable, Rejected, Misconfigured."""
        self._changed.set()
        tasks = [
            asyncio.ensure_future(work)
            for work in (
                self._receiver.run(intake), self._urgent.run(intake), self._sender.run(),
                self._follow_subscriptions(),
            )
        ]  # fmt: skip
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def execute(self, command: CommandRequest) -> Receipt:
        """Publish a command, QoS 1, never retained; on MQTT 5 the broker drops it when it expires undelivered.

        A receipt that is not acknowledged: sent, outcome unknown; never repeat it. Expired; Rejected: the broker said
        no. Unreachable: not sent, or nobody is subscribed to its topic (MQTT 5 brokers tell).
        Misconfigured: no such command.
        """
        topic, payload, qos = encode_command(command, self._clock.now_us())
        with contextlib.suppress(TimeoutError):  # a connection that comes back within the time to live is soon enough
            async with asyncio.timeout(min(CONFIRM_S, (command.expires - self._clock.now_us()) / 1_000_000)):
                await self._sender.wait_connected()
        left_s = (command.expires - self._clock.now_us()) / 1_000_000
        if left_s <= 0:
            raise Expired(f"command {command.id} expired {-left_s:.1f} s ago and was not sent")
        expiry_s = max(1, int(left_s)) if self._expires else None
        timeout_s = min(CONFIRM_S, left_s)
        try:
            code = await self._sender.publish(topic, payload, qos, False, expiry_s, timeout_s)
        except Unconfirmed as error:
            return Receipt(False, f"the outcome is unknown: {error}")
        if code == _NOBODY_SUBSCRIBED:
            raise Unreachable(f"{command.device.code} is not subscribed to its command topic")
        return Receipt(True, f"the broker took it on {topic}")

    async def read(self, device: Device) -> Sequence[Arrival]:
        """The device's next message; waits for as long as the caller lets it. `run` must be at work."""
        waiting = device.code, asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        try:
            return [await waiting[1]]
        finally:
            self._waiting.remove(waiting)

    def update(self, devices: Sequence[Device]) -> None:
        """Decode and subscribe for these devices from now on; the connection stays. Misconfigured: nothing changed."""
        self._decoder.update(devices)
        self._changed.set()

    def _subscriptions(self) -> tuple[Subscriptions, Subscriptions]:
        """Those of the receiving connection, and those of the urgent one."""
        every, urgent = self._decoder.subscriptions, self._decoder.urgent
        return tuple(pair for pair in every if pair[0] not in urgent), tuple(
            pair for pair in every if pair[0] in urgent
        )

    async def _follow_subscriptions(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            rest, urgent = self._subscriptions()
            sides = [(self._urgent.client, urgent, rest), (self._receiver.client, rest, urgent)]
            for client, wanted, _ in sides:  # what moves from one to the other must be there before it goes here
                await client.resubscribe([*(dict(client.subscriptions) | dict(wanted)).items()])
            for client, wanted, others in sides:
                await client.resubscribe(wanted, [topic for topic, _ in others])

    def _answer(self, arrivals: Sequence[Arrival]) -> None:
        for arrival in arrivals if self._waiting else ():
            try:
                found = self._decoder.decode(arrival)
            except BadFrame:
                continue  # the pipeline makes it a dead letter
            heard = {frame.device.code for frame in found if isinstance(frame, Frame)}
            for code, future in self._waiting:
                if code in heard and not future.done():
                    future.set_result(arrival)
