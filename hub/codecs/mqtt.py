"""Bytes to meaning for one MQTT bus, compiled from its devices' profiles.

A topic that belongs to one device is one dictionary look-up; patterns (`{any}`, addresses inside the payload) are
searched only where that finds nothing. Everything from outside is bounded before it is parsed (`json_guard`).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import msgspec

from hub.codecs.json_guard import load_json
from hub.codecs.json_pointer import compile_pointer, pointer_keys
from hub.codecs.mqtt_message import BytesDecoder, JsonDecoder, StatusDecoder, TextDecoder
from hub.codecs.mqtt_topics import Family, Levels, pattern_levels, separable, smallest_subscriptions, topic_filter
from hub.codecs.mqtt_values import as_text, json_type
from hub.codecs.reasons import DeadReason
from hub.errors import BadFrame, Misconfigured
from hub.model import Arrival, DeadLetter, Device, Frame
from hub.vocabulary.kinds import Delivery
from hub.vocabulary.mqtt import MqttAddress, MqttMessage
from hub.vocabulary.profiles import MqttProfile

MAX_LETTERS = 8
"""Dead letters one arrival may make; the last one counts the rest."""


class Target(Protocol):
    """What a topic leads to."""

    def decode(self, arrival: Arrival) -> list[Frame | DeadLetter]: ...


class Envelope:
    """A topic whose payload says whose word it is: one JSON object, or an array of them under `items`."""

    def __init__(self, message: MqttMessage, stranger: DeadReason) -> None:
        assert message.device is not None
        self.form = (message.items, message.device)
        self._items = message.items
        self._items_at = compile_pointer(message.items) if message.items else None
        self._pointer = message.device
        self._device_at = compile_pointer(message.device)
        self._stranger = stranger
        self._max_bytes = 0
        self._by_address: dict[str, JsonDecoder] = {}

    def add(self, address: str, decoder: JsonDecoder, max_bytes: int) -> bool:
        """False if the address is taken."""
        self._max_bytes = max(self._max_bytes, max_bytes)
        return self._by_address.setdefault(address, decoder) is decoder

    def decode(self, arrival: Arrival) -> list[Frame | DeadLetter]:
        """A frame for each element that can be used, a dead letter for each that cannot. BadFrame if none can."""
        root = load_json(arrival.payload, self._max_bytes)
        found: list[Frame | DeadLetter] = []
        failed: list[DeadLetter] = []
        for index, (element, raw) in enumerate(self._elements(root, arrival.payload)):
            decoder = None
            try:
                decoder = self._owner(element)
                found += decoder.frames(arrival, element, raw, index)
            except BadFrame as error:
                detail = error.detail if self._items is None else f"{self._items}/{index}: {error.detail}"
                failed.append(DeadLetter(arrival, error.reason, detail, decoder.device if decoder else None))
        if failed and not found:
            raise BadFrame(failed[0].reason, failed[0].detail + _more(len(failed) - 1))
        if len(failed) > MAX_LETTERS:
            failed[MAX_LETTERS - 1].detail += _more(len(failed) - MAX_LETTERS)
        return found + failed[:MAX_LETTERS]

    def _elements(self, root: Any, payload: bytes) -> Iterator[tuple[Any, bytes]]:
        if self._items_at is None or self._items is None:
            return iter([(root, payload)])
        elements = self._items_at(root)
        if type(elements) is not list:
            reason = DeadReason.MISSING_FIELD if elements is None else DeadReason.WRONG_TYPE
            raise BadFrame(reason, f"{self._items}: an array was expected, not {json_type(elements)}")
        return zip(elements, element_bytes(payload, self._items), strict=True)

    def _owner(self, element: Any) -> JsonDecoder:
        address = as_text(self._device_at(element))
        if address is None:
            raise BadFrame(DeadReason.MISSING_FIELD, f"{self._pointer}: a device address was expected")
        decoder = self._by_address.get(address)
        if decoder is None:
            raise BadFrame(self._stranger, f"{self._pointer}: {address[:64]!r} is not a device of this topic")
        return decoder


def element_bytes(payload: bytes, items: str) -> list[bytes]:
    """The bytes of each element of the array at `items`, as they came. The payload has passed `load_json`."""
    for key in pointer_keys(items):
        members = msgspec.json.decode(payload, type=dict[str, msgspec.Raw] | list[msgspec.Raw])
        payload = bytes(members[key] if isinstance(members, dict) else members[int(key)])
    return [bytes(raw) for raw in msgspec.json.decode(payload, type=list[msgspec.Raw])]


def _more(count: int) -> str:
    return f" (and {count} more elements)" if count > 0 else ""


class TopicRouter:
    """The topics of a bus. Misconfigured where two devices claim one topic or a profile contradicts its kind."""

    def __init__(self, devices: Sequence[Device]) -> None:
        self._exact: dict[str, Target] = {}
        self._families: dict[Levels, Family[Target]] = {}
        wanted: dict[Levels, int] = {}
        speakers: dict[frozenset[Levels], bool] = {}
        for device in devices:
            own: set[Levels] = set()
            for pattern, qos, target in self._topics(device):
                levels = pattern_levels(pattern, device.community)
                self._place(device, levels, target)
                own.add(topic_filter(levels))
                wanted[topic_filter(levels)] = max(qos, wanted.get(topic_filter(levels), 0))
            vital = device.kind.delivery is Delivery.LIFE_SAFETY
            speakers[frozenset(own)] = vital and speakers.get(frozenset(own), True)
        self.subscriptions = smallest_subscriptions(wanted.items())
        """(topic filter, QoS) pairs; no two match the same topic."""
        self.urgent = separable([topic for topic, _ in self.subscriptions], speakers)
        """Those filters that bring what life-safety devices say, all of it and nothing else."""

    def find(self, topic: str) -> Target:
        """What decodes a message of this topic. BadFrame: unknown_device, unknown_topic."""
        target = self._exact.get(topic)
        return target if target is not None else self._search(topic)

    def _search(self, topic: str) -> Target:
        levels = tuple(topic.split("/"))
        matching = [family for family in self._families.values() if family.matches(levels)]
        for family in matching:
            target = family.target(levels)
            if target is not None:
                return target
        if matching:
            raise BadFrame(DeadReason.UNKNOWN_DEVICE, "no installed device has the address in this topic")
        raise BadFrame(DeadReason.UNKNOWN_TOPIC, "no profile of this bus has this topic")

    def _topics(self, device: Device) -> Iterable[tuple[str, int, Target]]:
        """(pattern, QoS, decoder) for each message of a device; the envelope many share is found or begun."""
        profile = device.profile
        if not isinstance(profile, MqttProfile) or not isinstance(device.spec.address, MqttAddress):
            raise Misconfigured(f"{device.code}: profile and address must be of protocol mqtt")
        section = profile.mqtt
        try:
            for message in section.messages:
                yield message.topic, message.qos, self._target(device, message, section.max_bytes)
            if section.status is not None:
                yield section.status.topic, 1, StatusDecoder(device, section.status, section.max_bytes)
        except KeyError as error:
            raise Misconfigured(f"{profile.profile}: the kind {device.kind_name} has no point {error}") from None
        except Misconfigured as error:
            raise Misconfigured(f"{profile.profile}: {error}") from None

    def _target(self, device: Device, message: MqttMessage, max_bytes: int) -> Target:
        if message.format == "text":
            return TextDecoder(device, message)
        if message.format != "json":
            return BytesDecoder(device, message, max_bytes)
        assert isinstance(device.spec.address, MqttAddress)
        decoder = JsonDecoder(device, device.spec.address.device, message, max_bytes)
        own_topic = "{device}" in message.topic.split("/")
        if own_topic and message.items is None:
            return decoder
        stranger = DeadReason.IDENTITY_MISMATCH if own_topic else DeadReason.UNKNOWN_DEVICE
        family = None if own_topic else self._families.get(pattern_levels(message.topic, device.community))
        envelope = family.shared if family is not None else Envelope(message, stranger)
        if not isinstance(envelope, Envelope) or envelope.form != (message.items, message.device):
            raise Misconfigured(f"{message.topic}: another profile has this topic with another `items` or `device`")
        if not envelope.add(device.spec.address.device, decoder, max_bytes):
            raise Misconfigured(
                f"{device.code}: its address {device.spec.address.device!r} is taken on {message.topic}"
            )
        return envelope

    def _place(self, device: Device, levels: Levels, target: Target) -> None:
        assert isinstance(device.spec.address, MqttAddress)
        address = device.spec.address.device
        family = self._families.setdefault(levels, Family(levels, {}))
        if "{device}" not in levels:
            taken = family.shared is not None and family.shared is not target
            family.shared = target
        else:
            taken = address in family.by_address
            family.by_address[address] = target
        topic = "/".join([address if level == "{device}" else level for level in levels])
        if "{any}" not in levels:
            taken = taken or self._exact.get(topic, target) is not target
            self._exact[topic] = target
        if taken:
            raise Misconfigured(f"{device.code}: another message has its topic {topic} already")


class MqttDecoder:
    """`hub.ports.Decoder` of one bus."""

    def __init__(self, devices: Sequence[Device]) -> None:
        self._router = TopicRouter(devices)

    @property
    def subscriptions(self) -> tuple[tuple[str, int], ...]:
        """(topic filter, QoS) pairs that bring everything the devices say, each message once."""
        return self._router.subscriptions

    @property
    def urgent(self) -> frozenset[str]:
        """Those of its filters that bring what life-safety devices say and nothing else; no device is in both."""
        return self._router.urgent

    def update(self, devices: Sequence[Device]) -> None:
        """Decode for these devices from now on. Misconfigured: nothing changed."""
        self._router = TopicRouter(devices)

    def decode(self, arrival: Arrival) -> list[Frame | DeadLetter]:
        """Frames and, for parts nobody can use, dead letters. BadFrame if nothing of the arrival can be used.

        An empty list is possible: an array of no elements.
        """
        return self._router.find(arrival.source).decode(arrival)
