"""The MQTT part of profiles and sites (OASIS MQTT 3.1.1 and 5.0)."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from hub.vocabulary.base import Duration, Model, Name
from hub.vocabulary.numbers import NumberLayout, Scaling, WordOrder

Pointer = Annotated[str, StringConstraints(pattern=r"^(/([^/~]|~0|~1)+)+$", max_length=200)]
"""A JSON pointer (RFC 6901) into the payload."""

TopicPattern = Annotated[str, StringConstraints(pattern=r"^[^#+\x00]+$", max_length=300)]
"""A topic with `{community}`, `{device}` and `{any}` (one level, ignored) as whole levels."""


class DeviceTime(Model):
    """Where the device's own time stands and how it is written."""

    pointer: Pointer
    format: Literal["epoch_s", "epoch_ms", "epoch_us", "iso8601"]
    zone: str = Field(default="", description="iso8601 without offset: IANA zone; empty: the community's")


class Sequence(Model):
    """Where the device's message number stands; `boot` tells restarts apart."""

    pointer: Pointer
    boot: Pointer | None = None


class JsonPoint(Scaling):
    """A point in a JSON payload."""

    pointer: Pointer
    optional: bool = Field(default=False, description="absent or null is no error")


class BytesPoint(NumberLayout):
    """A point in a binary payload."""

    offset_bytes: int = Field(ge=0, le=4096)


class EventMap(Model):
    """Which event a message tells of."""

    pointer: Pointer | None = Field(default=None, description="the discriminator; absent: `always`")
    map: dict[str, Name] = Field(default={}, description="raw discriminator -> event of the kind")
    always: Name | None = Field(default=None, description="every message of this topic is this event")
    ignore: list[str] = Field(default=[], description="known discriminators that mean nothing to us")
    data: dict[Name, Pointer] = Field(default={}, description="event field -> where")
    values: dict[Name, dict[str, str]] = Field(default={}, description="event field -> raw word -> our word")

    @model_validator(mode="after")
    def _one_way(self) -> "EventMap":
        if (self.pointer is None) == (self.always is None):
            raise ValueError("give `pointer` with `map`, or `always`")
        return self


class MqttMessage(Model):
    """One topic of a device model and what its payloads mean."""

    topic: TopicPattern
    qos: Literal[0, 1] = 1
    format: Literal["json", "text", "hex", "bytes"] = "json"
    device: Pointer | None = Field(default=None, description="the address stands in the payload, not the topic")
    items: Pointer | None = Field(default=None, description="a JSON array; each element is a device's message")
    time: DeviceTime | None = None
    sequence: Sequence | None = None
    order: WordOrder = "ABCD"
    points: dict[Name, JsonPoint] = {}
    fields: dict[Name, BytesPoint] = Field(default={}, description="formats hex and bytes")
    text: dict[Name, Scaling] = Field(default={}, description="format text: the payload is this one point")
    events: EventMap | None = None

    @model_validator(mode="after")
    def _format_fits(self) -> "MqttMessage":
        if self.format != "json" and (self.points or self.events or self.device or self.items or self.time):
            raise ValueError("pointers, events, device, items and time need format json")
        if bool(self.fields) != (self.format in ("hex", "bytes")):
            raise ValueError("`fields` belong to formats hex and bytes, and to them always")
        if (len(self.text) == 1) != (self.format == "text"):
            raise ValueError("format text has exactly one point under `text`")
        if self.items is not None and self.device is None:
            raise ValueError("`items` needs `device`: the address inside each element")
        if self.device is None and "{device}" not in self.topic.split("/"):
            raise ValueError("the topic needs a {device} level, or `device` must point into the payload")
        return self


class MqttStatus(Model):
    """Birth and will: the device's own word on being there. Retained; state, never an event."""

    topic: TopicPattern
    pointer: Pointer | None = Field(default=None, description="absent: the payload is the word itself")
    online: str
    offline: str


class MqttCommand(Model):
    """A command as one message. Values may be `$command_id`, `$expires_ms`, `$ttl_s`, `$reason`."""

    topic: TopicPattern
    payload: dict[str, str | int | bool]


class MqttSection(Model):
    """`mqtt:` of a profile."""

    messages: list[MqttMessage] = Field(min_length=1)
    status: MqttStatus | None = None
    commands: dict[Name, MqttCommand] = {}
    max_bytes: int = Field(default=65_536, ge=1, le=1_048_576)


class MqttBus(Model):
    """A broker of a site."""

    protocol: Literal["mqtt"]
    url: str = Field(description="mqtt://user@host:1883 or mqtts://host:8883; the password by `password: !env`")
    username: str = ""
    password: str = Field(default="", repr=False)
    client_id: str = "community-hub"
    persistent: bool = Field(default=True, description="the broker keeps messages while the hub is away")
    version: Literal["3.1.1", "5"] = "3.1.1"
    keepalive: Duration = timedelta(seconds=30)
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""


class MqttAddress(Model):
    """Which device of its broker it is: the `{device}` level of its topics."""

    device: str = Field(min_length=1, max_length=64, pattern=r"^[^/+#\x00]+$")
