"""What a device would say, and what it is told: the other direction of the same profiles.

Simulators write messages and read commands with it; the hub writes commands with it.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from hub.codecs.device_time import write_time
from hub.codecs.json_guard import load_json
from hub.codecs.json_pointer import put
from hub.codecs.mqtt_topics import concrete_topic
from hub.codecs.mqtt_values import as_text
from hub.codecs.numbers import encode_number, size_of
from hub.codecs.reasons import DeadReason
from hub.codecs.scaling import Raw, invert_scaling
from hub.errors import BadFrame, Misconfigured
from hub.model import CommandRequest, Device
from hub.vocabulary.mqtt import EventMap, MqttAddress, MqttCommand, MqttMessage, MqttSection
from hub.vocabulary.numbers import Scaling
from hub.vocabulary.profiles import MqttProfile

COMMAND_QOS: Final = 1

_HOLES: Final = re.compile(r"\$(command_id|expires_ms|ttl_s|reason)\b", re.ASCII)


def encode_message(
    device: Device,
    message: int | str,
    *,
    points: Mapping[str, float | str] | None = None,
    event: str | None = None,
    data: Mapping[str, Any] | None = None,
    ts_us: int | None = None,
    sequence: int | None = None,
    boot: int | str | None = None,
    wildcard: str = "sim",
) -> tuple[str, bytes]:
    """(topic, payload) of a message; `message` is its index in the profile or the last level of its topic.

    Points are canonical values or state words, `event` and `data` the kind's words, `ts_us` microseconds UTC.
    `wildcard` stands for `{any}`. ValueError where the profile cannot say it.
    """
    spec = _message(device, message)
    topic = concrete_topic(spec.topic, device.community, _address(device), wildcard)
    values = points or {}
    if spec.format == "text":
        [(name, scaling)] = spec.text.items()
        return topic, _shown(_raw(device, name, values[name], scaling)).encode()
    if spec.format != "json":
        return topic, _encode_bytes(device, spec, values)
    element = encode_element(
        device, message, points=points, event=event, data=data, ts_us=ts_us, sequence=sequence, boot=boot
    )
    return topic, encode_elements(spec, [element])


def encode_element(
    device: Device,
    message: int | str,
    *,
    points: Mapping[str, float | str] | None = None,
    event: str | None = None,
    data: Mapping[str, Any] | None = None,
    ts_us: int | None = None,
    sequence: int | None = None,
    boot: int | str | None = None,
) -> dict[str, Any]:
    """The JSON object of one device's message; a concentrator packs several with `encode_elements`."""
    spec = _message(device, message)
    root: dict[str, Any] = {}
    if spec.device is not None:
        put(root, spec.device, _address(device))
    if spec.time is not None and ts_us is not None:
        put(root, spec.time.pointer, write_time(spec.time, device.zone, ts_us))
    if spec.sequence is not None and sequence is not None:
        put(root, spec.sequence.pointer, sequence)
        if spec.sequence.boot is not None and boot is not None:
            put(root, spec.sequence.boot, boot)
    for name, value in (points or {}).items():
        if name not in spec.points:
            raise ValueError(f"{spec.topic} has no point {name!r}")
        point = spec.points[name]
        put(root, point.pointer, _raw(device, name, value, point))
    if event is not None:
        _put_event(root, spec, event, data or {})
    return root


def encode_elements(message: MqttMessage, elements: Sequence[dict[str, Any]]) -> bytes:
    """The payload around elements: an array where the message has `items`, else the one element itself."""
    if message.items is None:
        [root] = elements
    else:
        root = {}
        put(root, message.items, list(elements))
    return msgspec.json.encode(root)


def encode_status(device: Device, online: bool) -> tuple[str, bytes]:
    """(topic, payload) of birth or will; to be retained. ValueError if the profile has no status."""
    status = _section(device).status
    if status is None:
        raise ValueError(f"{device.profile.profile} has no status topic")
    word = status.online if online else status.offline
    topic = concrete_topic(status.topic, device.community, _address(device), "sim")
    if status.pointer is None:
        return topic, word.encode()
    root: dict[str, Any] = {}
    put(root, status.pointer, word)
    return topic, msgspec.json.encode(root)


def encode_command(command: CommandRequest, now_us: int) -> tuple[str, bytes, int]:
    """(topic, payload, QoS) of a command, to be sent now and never retained. Misconfigured: no such command.

    A payload value that is `$command_id`, `$expires_ms` (since 1970) or `$ttl_s` (seconds left, rounded up) as a
    whole becomes that text or number; inside a longer text it is written into it.
    """
    device = command.device
    spec = _section(device).commands.get(command.name)
    if spec is None:
        raise Misconfigured(f"{device.profile.profile} has no command {command.name!r}")
    values: dict[str, str | int] = {
        "command_id": command.id,
        "expires_ms": command.expires // 1000,
        "ttl_s": max(0, math.ceil((command.expires - now_us) / 1_000_000)),
        "reason": command.reason,
    }
    payload = {key: _filled(value, values) for key, value in spec.payload.items()}
    return _command_topic(device, spec), msgspec.json.encode(payload), COMMAND_QOS


def command_topics(device: Device) -> dict[str, str]:
    """Command name to the topic a simulated device subscribes to."""
    return {name: _command_topic(device, spec) for name, spec in _section(device).commands.items()}


def decode_command(device: Device, topic: str, payload: bytes) -> tuple[str, str, int | None]:
    """(command name, command id, expiry in ms since 1970 or None) as the device understands it.

    BadFrame: unknown_topic, malformed, unmapped_value (no command of the profile looks like this).
    """
    specs = [(name, spec) for name, spec in _section(device).commands.items() if _command_topic(device, spec) == topic]
    if not specs:
        raise BadFrame(DeadReason.UNKNOWN_TOPIC, f"{device.code} takes no commands there")
    root = load_json(payload, _section(device).max_bytes)
    for name, spec in specs:
        holes = _matched(spec, root)
        if holes is not None:
            expires = holes.get("expires_ms", "")
            return name, holes.get("command_id", ""), int(expires) if expires.isdecimal() else None
    raise BadFrame(DeadReason.UNMAPPED_VALUE, "no command of the profile looks like this")


def _matched(spec: MqttCommand, root: Any) -> dict[str, str] | None:
    """What stands in the holes of a command's payload; None if the rest of it differs."""
    if type(root) is not dict or root.keys() != spec.payload.keys():
        return None
    found: dict[str, str] = {}
    for key, wanted in spec.payload.items():
        if not isinstance(wanted, str) or not _HOLES.search(wanted):
            if root[key] != wanted or type(root[key]) is not type(wanted):
                return None
            continue
        text = as_text(root[key])
        hole = re.escape(wanted).replace(r"\$", "$")
        match = None if text is None else re.fullmatch(_HOLES.sub(r"(?P<\1>.*)", hole), text, re.DOTALL)
        if match is None:
            return None
        found |= match.groupdict()
    return found


def _filled(value: str | int | bool, values: Mapping[str, str | int]) -> str | int | bool:
    if not isinstance(value, str):
        return value
    whole = _HOLES.fullmatch(value)
    return values[whole[1]] if whole else _HOLES.sub(lambda hole: str(values[hole[1]]), value)


def _put_event(root: dict[str, Any], spec: MqttMessage, event: str, data: Mapping[str, Any]) -> None:
    if spec.events is None:
        raise ValueError(f"{spec.topic} tells of no events")
    if spec.events.pointer is not None:
        words = [word for word, name in spec.events.map.items() if name == event]
        if not words:
            raise ValueError(f"{spec.topic} has no word for {event!r}")
        put(root, spec.events.pointer, words[0])
    elif event != spec.events.always:
        raise ValueError(f"{spec.topic} is always {spec.events.always!r}, never {event!r}")
    for field, value in data.items():
        if field not in spec.events.data:
            raise ValueError(f"{spec.topic} has no place for {field!r}")
        put(root, spec.events.data[field], _raw_word(spec.events, field, value))


def _raw_word(events: EventMap, field: str, value: Any) -> Any:
    words = events.values.get(field)
    if words is None:
        return value
    for raw, meaning in words.items():
        if meaning == value:
            return raw
    raise ValueError(f"`values` of {field} has nothing that means {value!r}")


def _encode_bytes(device: Device, spec: MqttMessage, values: Mapping[str, float | str]) -> bytes:
    ends = [layout.offset_bytes + size_of(layout, layout.order or spec.order) for layout in spec.fields.values()]
    data = bytearray(max(ends))
    for name, layout in spec.fields.items():
        raw = encode_number(layout, spec.order, _raw(device, name, values[name], layout))
        for i, byte in enumerate(raw, layout.offset_bytes):
            data[i] |= byte  # fields with `bit` share their bytes
    return data.hex().encode() if spec.format == "hex" else bytes(data)


def _raw(device: Device, name: str, value: float | str, scaling: Scaling) -> Raw:
    spec = device.points[name].spec
    number = float(spec.values[value]) if isinstance(value, str) else value
    raw = invert_scaling(scaling, number, spec)
    return int(raw) if isinstance(raw, float) and raw.is_integer() and abs(raw) < 1 << 53 else raw


def _shown(raw: Raw) -> str:
    return str(raw).lower() if isinstance(raw, bool) else str(raw)


def _message(device: Device, message: int | str) -> MqttMessage:
    messages = _section(device).messages
    if isinstance(message, int):
        return messages[message]
    for spec in messages:
        if spec.topic.rsplit("/", 1)[-1] == message:
            return spec
    raise ValueError(f"{device.profile.profile} has no topic that ends in {message!r}")


def _section(device: Device) -> MqttSection:
    if not isinstance(device.profile, MqttProfile):
        raise Misconfigured(f"{device.code}: {device.profile.profile} does not speak MQTT")
    return device.profile.mqtt


def _address(device: Device) -> str:
    if not isinstance(device.spec.address, MqttAddress):
        raise Misconfigured(f"{device.code}: its address is not one of MQTT")
    return device.spec.address.device


def _command_topic(device: Device, spec: MqttCommand) -> str:
    try:
        return concrete_topic(spec.topic, device.community, _address(device))
    except ValueError as error:
        raise Misconfigured(f"{device.profile.profile}: {error}") from None
