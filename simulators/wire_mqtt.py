"""The plant's MQTT side: its words as messages of the devices' own profiles, and the commands they are given.

Every device with a birth topic has a connection of its own, with a will; water meters share that of their concentrator,
the rest one to each kind. States and births are retained, events and counters never.
"""

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Sequence

from hub.clock import Clock
from hub.codecs.device_time import compile_time, write_time
from hub.codecs.mqtt_encode import (
    command_topics,
    decode_command,
    encode_element,
    encode_elements,
    encode_message,
    encode_status,
)
from hub.codecs.mqtt_topics import concrete_topic
from hub.errors import BadFrame
from hub.model import Device
from hub.vocabulary.mqtt import DeviceTime, MqttAddress, MqttMessage
from hub.vocabulary.profiles import MqttProfile
from simulators.plant import Plant, concentrator
from simulators.station import Broker, Outgoing, Station
from simulators.timeline import SECOND, Said
from simulators.truth_log import TruthLog, counters

REMEMBERED = 10_000
"""Command ids kept to do nothing twice."""

_SEQUENCE_EPOCH = 1_577_836_800  # 2020-01-01: a device without boot counter must not begin at 1 again

Executed = Callable[[Device, str, str], None]
"""(device, command or reason not to, command id), for the progress lines."""


class Speaker:
    """One MQTT device: which message carries what, and its running number."""

    def __init__(self, device: Device, messages: Sequence[MqttMessage], boot: int) -> None:
        self.device = device
        self.messages = messages
        self.boot = boot
        has_boot = any(one.sequence and one.sequence.boot for one in messages)
        self._sequence = 0 if has_boot else boot - _SEQUENCE_EPOCH

    def next_sequence(self, message: MqttMessage) -> int | None:
        if message.sequence is None:
            return None
        self._sequence += 1
        return self._sequence

    def choose(self, said: Said) -> list[int]:
        """The messages that carry an event or all these points; a point alone may have a topic of its own."""
        if said.event is not None:
            return [index for index, one in enumerate(self.messages) if _tells(one, said.event)]
        return [index for index, one in enumerate(self.messages) if _points(one) and _points(one) <= said.points.keys()]

    def stamp(self, message: MqttMessage, us: int) -> int:
        """The instant as the device writes it: finer digits are lost."""
        return us if message.time is None else _written(message.time, self.device.zone, us)


def _points(message: MqttMessage) -> set[str]:
    return {*message.points, *message.text, *message.fields}


def _tells(message: MqttMessage, event: str) -> bool:
    return message.events is not None and event in (message.events.always, *message.events.map.values())


def _written(time: DeviceTime, zone: str, us: int) -> int:
    return compile_time(time, zone)(write_time(time, zone, us))


class MqttWire:
    """All MQTT devices of a site on one broker. `run` until cancelled, then `drain` first for a clean end."""

    def __init__(
        self,
        plant: Plant,
        devices: Iterable[Device],
        broker: Broker,
        clock: Clock,
        truth: TruthLog,
        executed: Executed,
    ) -> None:
        self._plant, self._clock, self._truth, self._executed = plant, clock, truth, executed
        boot = clock.now_us() // SECOND
        self._speakers = {
            device.code: Speaker(device, device.profile.mqtt.messages, boot)
            for device in devices
            if isinstance(device.profile, MqttProfile)
        }
        self._commands: dict[str, list[Device]] = defaultdict(list)
        self._done: OrderedDict[str, None] = OrderedDict()
        self.stations = {name: self._station(name, broker, members) for name, members in self._members().items()}
        self._station_of = {code: self.stations[name] for name, members in self._members().items() for code in members}

    def say(self, words: Sequence[Said]) -> None:
        """Queue what MQTT devices say in one step, in order; a concentrator's meters go in one message."""
        packed: dict[tuple[str, int, int], list[Said]] = {}
        for said in words:
            speaker = self._speakers.get(said.device)
            if speaker is None or said.fault is not None:
                continue
            for index in speaker.choose(said):
                if speaker.messages[index].items is not None:
                    packed.setdefault((concentrator(speaker.device), index, said.at), []).append(said)
                else:
                    self._say(speaker, index, said)
        for (name, index, at), group in packed.items():
            self._say_packed(name, index, at, group)

    async def run(self) -> None:
        """Keep every connection until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for station in self.stations.values():
                tasks.create_task(station.run(), name=station.name)

    async def drain(self, seconds: float) -> int:
        """Wait until all is acknowledged, at most so long; returns how many messages are not."""
        waiting = [asyncio.ensure_future(station.drained()) for station in self.stations.values()]
        _, late = await asyncio.wait(waiting, timeout=seconds)
        for task in late:
            task.cancel()
        return sum(len(station.pending()) for station in self.stations.values())

    def _say(self, speaker: Speaker, index: int, said: Said) -> None:
        device, message = speaker.device, speaker.messages[index]
        number, sequence = self._truth.number(), speaker.next_sequence(message)
        at, timed = speaker.stamp(message, said.at), message.time is not None
        points = {name: value for name, value in said.points.items() if name in _points(message)}
        if said.event is not None:
            self._truth.event(
                device, said.event, at, data=dict(said.data), sequence=sequence, timed=timed, message=number
            )
        if timed:
            for name in counters(device, list(points)):
                self._truth.counter(device, name, at, points[name], number)
        topic, payload = encode_message(
            device,
            index,
            points=points or None,
            event=said.event,
            data=said.data,
            ts_us=said.at,
            sequence=sequence,
            boot=str(speaker.boot),
        )
        natural = timed or sequence is not None
        retain = any(device.points[name].spec.type == "state" for name in points)
        self._station_of[device.code].send(Outgoing(number, topic, payload, retain, natural))

    def _say_packed(self, name: str, index: int, at: int, group: list[Said]) -> None:
        number, elements = self._truth.number(), []
        first = self._speakers[group[0].device]
        message = first.messages[index]
        for said in group:
            speaker = self._speakers[said.device]
            points = {point: value for point, value in said.points.items() if point in message.points}
            for point in counters(speaker.device, list(points)):
                self._truth.counter(speaker.device, point, speaker.stamp(message, at), points[point], number)
            sequence = speaker.next_sequence(message)
            elements.append(
                encode_element(
                    speaker.device, index, points=points, ts_us=at, sequence=sequence, boot=str(speaker.boot)
                )
            )
        topic = concrete_topic(message.topic, first.device.community, _address(first.device), name)
        self._station_of[first.device.code].send(Outgoing(number, topic, encode_elements(message, elements)))

    # --- commands

    def _command(self, topic: str, payload: bytes) -> None:
        """Do a command once, if it is still alive; the answer is the device's own event."""
        for device in self._commands.get(topic, ()):
            try:
                name, command_id, expires_ms = decode_command(device, topic, payload)
            except BadFrame as error:
                self._executed(device, error.reason, "")
                continue
            self._executed(device, self._execute(device, name, command_id, expires_ms), command_id)

    def _execute(self, device: Device, name: str, command_id: str, expires_ms: int | None) -> str:
        if self._plant.silent(device.code):
            return "silent"
        if expires_ms is not None and self._clock.now_us() > expires_ms * 1000:
            return "expired"
        if command_id and command_id in self._done:
            return "repeated"
        self._done[command_id] = None
        if len(self._done) > REMEMBERED:
            self._done.popitem(last=False)
        return name if self._plant.command(device.code, name, command_id) else "refused"

    # --- connections

    def _members(self) -> dict[str, list[str]]:
        members: dict[str, list[str]] = defaultdict(list)
        for code, speaker in self._speakers.items():
            device = speaker.device
            assert isinstance(device.profile, MqttProfile)
            if device.profile.mqtt.status is not None:
                members[code].append(code)
            elif any(message.items is not None for message in speaker.messages):
                members[concentrator(device)].append(code)
            else:
                members[device.kind_name].append(code)
        return members

    def _station(self, name: str, broker: Broker, members: Sequence[str]) -> Station:
        devices = [self._speakers[code].device for code in members]
        topics = {topic: device for device in devices for topic in command_topics(device).values()}
        for topic, device in topics.items():
            self._commands[topic].append(device)
        with_status = [device for device in devices if _has_status(device)]
        return Station(
            name,
            broker,
            self._clock,
            settled=self._truth.settled,
            incoming=self._command,
            topics=tuple(topics),
            births=tuple(encode_status(device, True) for device in with_status),
            deaths=tuple(encode_status(device, False) for device in with_status),
        )


def _has_status(device: Device) -> bool:
    return isinstance(device.profile, MqttProfile) and device.profile.mqtt.status is not None


def _address(device: Device) -> str:
    assert isinstance(device.spec.address, MqttAddress)
    return device.spec.address.device
