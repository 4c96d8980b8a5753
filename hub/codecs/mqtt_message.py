"""One message of a profile, made ready for one device: payload to frames. The hot path of the MQTT side.

A message is refused whole (BadFrame) where a point it must have is missing or wrong. A retained message is the
broker's memory: its readings carry Quality.RETAINED, its events are dropped. A time that is absent, null or
implausible is replaced by the time of receipt, with Quality.CLOCK: an alarm is not lost for a lost clock.
"""

import math
from collections.abc import Callable
from typing import Any, Final

from hub.codecs.device_time import compile_time, names, plausible
from hub.codecs.json_guard import load_json
from hub.codecs.json_pointer import compile_pointer
from hub.codecs.mqtt_events import EventReader
from hub.codecs.mqtt_values import as_text, compile_json_value, parse_number_text
from hub.codecs.numbers import compile_number
from hub.codecs.reasons import DeadReason
from hub.codecs.scaling import compile_scaling
from hub.errors import BadFrame
from hub.model import Arrival, DeadLetter, Device, Event, Frame, Point, Quality, Reading, event_id, frame_key
from hub.vocabulary.kinds import PointSpec
from hub.vocabulary.mqtt import DeviceTime, JsonPoint, MqttMessage, MqttStatus, Sequence

CLOCK: Final = int(Quality.CLOCK)
RANGE: Final = int(Quality.RANGE)
RETAINED: Final = int(Quality.RETAINED)

_MAX_SEQUENCE = 1 << 63


class _JsonPointReader:
    """Where a point stands in the payload and what its number means."""

    __slots__ = ("at", "high", "low", "optional", "point", "pointer", "read")

    def __init__(self, point: Point, spec: JsonPoint) -> None:
        self.point = point
        self.pointer = spec.pointer
        self.optional = spec.optional
        self.at = compile_pointer(spec.pointer)
        self.read = compile_json_value(spec, point.spec)
        self.low, self.high = _range(point.spec)


class JsonDecoder:
    """A JSON message of one device."""

    def __init__(self, device: Device, address: str, message: MqttMessage, max_bytes: int) -> None:
        self.device = device
        self._address = address
        self._max_bytes = max_bytes
        self._identity = compile_pointer(message.device) if message.device else None
        self._time = _time_reader(message.time, device.zone) if message.time else None
        self._sequence = _sequence_reader(message.sequence) if message.sequence else None
        self._points = [_JsonPointReader(device.points[name], spec) for name, spec in message.points.items()]
        self._events = EventReader(device.kind, message.events) if message.events else None

    def decode(self, arrival: Arrival) -> list[Frame | DeadLetter]:
        """The device's frame. BadFrame as `load_json`, identity_mismatch and as `frames`."""
        root = load_json(arrival.payload, self._max_bytes)
        if self._identity is not None and as_text(self._identity(root)) != self._address:
            raise BadFrame(DeadReason.IDENTITY_MISMATCH, "the payload names another device than the topic")
        return self.frames(arrival, root, arrival.payload)

    def frames(self, arrival: Arrival, root: Any, raw: bytes, index: int = 0) -> list[Frame | DeadLetter]:
        """The frame of the decoded JSON `root`, whose bytes are `raw`; `index` tells equal elements apart.

        An unknown event beside usable readings comes as a dead letter of its own. BadFrame: missing_field,
        wrong_type, unmapped_value, not_finite, clock, unknown_event.
        """
        received, retained = arrival.received, arrival.retained
        told = self._time(root) if self._time is not None else None
        timed = told is not None and plausible(told, received)
        sequence, boot = self._sequence(root) if self._sequence is not None else (None, None)
        # Without a boot number a sequence starts over unseen: then only a time beside it makes a message unique
        named = told is not None and names(told, received)
        natural = named or (sequence is not None and boot is not None)
        if natural:
            stamp = f"t{told}" if sequence is None else f"{boot or ''}:{sequence}"
        else:
            stamp = f"r{received}:{arrival.token}:{index}"
        # The broker's copy has no events, so it must not pass for the live message
        key = frame_key(self.device.code, f"retained:{stamp}" if retained else stamp, raw)
        quality = (RETAINED if retained else 0) | (CLOCK if self._time is not None and not timed else 0)
        readings = self._readings(root, quality) if self._points else []
        events: list[Event] = []
        found: list[Frame | DeadLetter] = [
            Frame(
                self.device, key, natural, timed, told if timed and told is not None else received, received,
                arrival.source, raw, readings, events, None, retained, arrival.duplicate, arrival.token, sequence,
            )
        ]  # fmt: skip
        if self._events is not None and not retained:
            try:
                happened = self._events.read(root)
            except BadFrame as error:
                if not readings:
                    raise
                found.append(DeadLetter(arrival, error.reason, error.detail, self.device))
            else:
                if happened is not None:
                    events.append(Event(event_id(self.device, key, 0, happened[0]), *happened))
        return found

    def _readings(self, root: Any, quality: int) -> list[Reading]:
        readings = []
        for point in self._points:
            raw = point.at(root)
            if raw is None:
                if point.optional:
                    continue
                raise BadFrame(DeadReason.MISSING_FIELD, f"{point.pointer} is absent or null")
            try:
                value = point.read(raw)
            except BadFrame as error:
                raise BadFrame(error.reason, f"{point.pointer}: {error.detail}") from None
            inside = point.low <= value <= point.high
            readings.append(Reading(point.point, value, quality if inside else quality | RANGE))
        return readings


class TextDecoder:
    """A plain-text payload that is one point: `23.5`, or a word that `map` knows. White space around it is dropped."""

    def __init__(self, device: Device, message: MqttMessage) -> None:
        self._device = device
        [(name, spec)] = message.text.items()
        self._point = device.points[name]
        self._words = spec.map is not None or self._point.spec.type == "state"
        self._scale = compile_scaling(spec, self._point.spec)

    def decode(self, arrival: Arrival) -> list[Frame | DeadLetter]:
        """One frame with one reading. BadFrame: too_large (over 64 bytes), malformed, wrong_type, not_finite, ..."""
        text = _short_text(arrival.payload)
        try:
            raw: int | float | str = parse_number_text(text)
        except BadFrame:
            if not self._words:
                raise
            raw = text
        value = self._scale(raw) + 0.0
        return [untimed_frame(self._device, arrival, [_judged(self._point, value, arrival.retained)])]


class BytesDecoder:
    """A binary payload, as it is or written in hexadecimal digits."""

    def __init__(self, device: Device, message: MqttMessage, max_bytes: int) -> None:
        self._device = device
        self._max_bytes = max_bytes
        self._hex = message.format == "hex"
        self._fields = [
            (device.points[name], layout.offset_bytes, compile_number(layout, message.order, device.points[name].spec))
            for name, layout in message.fields.items()
        ]

    def decode(self, arrival: Arrival) -> list[Frame | DeadLetter]:
        """One frame. BadFrame: too_large, malformed (no hex digits), truncated, invalid_bcd, not_finite, ..."""
        data = arrival.payload
        if len(data) > self._max_bytes:
            raise BadFrame(DeadReason.TOO_LARGE, f"{len(data)} bytes; the profile allows {self._max_bytes}")
        if self._hex:
            try:
                data = bytes.fromhex(data.decode("ascii"))
            except ValueError:
                raise BadFrame(DeadReason.MALFORMED, "the payload is not hexadecimal digits in pairs") from None
        readings = [_judged(point, read(data, offset) + 0.0, arrival.retained) for point, offset, read in self._fields]
        return [untimed_frame(self._device, arrival, readings)]


class StatusDecoder:
    """Birth and will: a frame that says only whether the device is there."""

    def __init__(self, device: Device, status: MqttStatus, max_bytes: int) -> None:
        self._device = device
        self._max_bytes = max_bytes
        self._at = compile_pointer(status.pointer) if status.pointer else None
        self._words = {status.online: True, status.offline: False}

    def decode(self, arrival: Arrival) -> list[Frame | DeadLetter]:
        """One frame without readings. BadFrame unmapped_value for a word that is neither."""
        if self._at is None:
            word: str | None = _short_text(arrival.payload)
        else:
            word = as_text(self._at(load_json(arrival.payload, self._max_bytes)))
        online = self._words.get(word) if word is not None else None
        if online is None:
            raise BadFrame(DeadReason.UNMAPPED_VALUE, f"{(word or '')[:40]!r} is none of {', '.join(self._words)}")
        frame = untimed_frame(self._device, arrival, [])
        frame.online = online
        return [frame]


def untimed_frame(device: Device, arrival: Arrival, readings: list[Reading]) -> Frame:
    """The frame of a payload that has neither time nor sequence: named by its receipt."""
    key = frame_key(device.code, f"r{arrival.received}:{arrival.token}:0", arrival.payload)
    return Frame(
        device, key, False, False, arrival.received, arrival.received, arrival.source, arrival.payload, readings, [],
        None, arrival.retained, arrival.duplicate, arrival.token,
    )  # fmt: skip


def _judged(point: Point, value: float, retained: bool) -> Reading:
    low, high = _range(point.spec)
    quality = RETAINED if retained else 0
    return Reading(point, value, quality if low <= value <= high else quality | RANGE)


def _range(spec: PointSpec) -> tuple[float, float]:
    low = -math.inf if spec.minimum is None else spec.minimum
    return low, math.inf if spec.maximum is None else spec.maximum


def _short_text(payload: bytes) -> str:
    if len(payload) > 64:
        raise BadFrame(DeadReason.TOO_LARGE, f"{len(payload)} bytes where a word or number was expected")
    try:
        text = payload.decode()
    except UnicodeDecodeError as error:
        raise BadFrame(DeadReason.MALFORMED, f"not UTF-8 ({error.reason})") from None
    if text.startswith("\ufeff"):
        raise BadFrame(DeadReason.MALFORMED, "a byte order mark stands before the text")
    return text.strip()


def _time_reader(spec: DeviceTime, zone: str) -> Callable[[Any], int | None]:
    """Microseconds UTC as the device tells; None where it left its time out."""
    at, read = compile_pointer(spec.pointer), compile_time(spec, zone)

    def told(root: Any) -> int | None:
        value = at(root)
        return None if value is None else read(value)

    return told


def _sequence_reader(spec: Sequence) -> Callable[[Any], tuple[int | None, str | None]]:
    """(sequence, boot) of a message; None where the device left them out. BadFrame wrong_type."""
    at = compile_pointer(spec.pointer)
    boot_at = compile_pointer(spec.boot) if spec.boot else None

    def read(root: Any) -> tuple[int | None, str | None]:
        sequence = at(root)
        boot = boot_at(root) if boot_at is not None else None
        if sequence is not None and (type(sequence) is not int or not 0 <= sequence < _MAX_SEQUENCE):
            raise BadFrame(DeadReason.WRONG_TYPE, f"{spec.pointer}: a whole number from 0 on was expected")
        if boot is not None:
            boot = as_text(boot)
            if boot is None or len(boot) > 64:
                raise BadFrame(DeadReason.WRONG_TYPE, f"{spec.boot}: a short text or whole number was expected")
        return sequence, boot

    return read
