"""What moves through the house: arrivals, frames, readings, events, commands. Times are integer microseconds UTC.

msgspec structs without GC tracking: at 20 000 messages a second the collector would otherwise walk them all.
"""

import hashlib
from collections.abc import Mapping, Sequence
from enum import IntFlag
from typing import Any, Protocol

import msgspec

from hub.vocabulary.base import Text
from hub.vocabulary.kinds import Delivery, EventSpec, KindSpec, PointSpec
from hub.vocabulary.profiles import AnyProfile
from hub.vocabulary.sites import DeviceSpec


class Quality(IntFlag):
    """Bits kept beside every value; 0 is good."""

    GOOD = 0
    BAD = 1  # the device could not tell; the value is the last known one
    CLOCK = 2  # the device's time is implausible; stamped with the time of receipt
    LATE = 4  # older than what was known when it came
    RANGE = 8  # outside the kind's plausible range
    RETAINED = 16  # the broker's memory, not fresh word


class Point(msgspec.Struct, frozen=True):
    """A point of one device as the store numbers it."""

    id: int
    name: str
    spec: PointSpec


class Device(msgspec.Struct, frozen=True):
    """One installed device with all a decoder, rule or page needs. Made anew when its configuration changes."""

    id: int
    code: str
    community_id: int
    community: str
    zone: str
    kind_name: str
    kind: KindSpec
    profile: AnyProfile
    spec: DeviceSpec
    points: Mapping[str, Point]
    place: Text  # name of the place it stands in
    parent: int | None = None  # the device above it: `parent` of the site file, else the gateway of its bus

    @property
    def place_path(self) -> str:
        return self.spec.place

    def event(self, name: str) -> EventSpec:
        return self.kind.events[name]


class Clip(msgspec.Struct, frozen=True):
    """A camera's stream for some seconds: an MP4, as the camera coded it and without sound."""

    body: bytes
    begins: int  # UTC microseconds
    seconds: float
    codec: str  # h264, hevc
    width: int
    height: int


class Acknowledger(Protocol):
    """Where an arrival came from, waiting to hear that it is safe."""

    def acknowledge(self, session: int, tokens: Sequence[int]) -> None:
        """Everything under `tokens` of that session is committed. Never raises, never blocks."""
        ...


class Arrival(msgspec.Struct, gc=False):
    """Raw bytes from outside, before anyone understood them. `hub decode` and dead-letter replay make the same."""

    bus: str
    source: str  # MQTT topic; "unit 3" of a Modbus server
    payload: bytes
    received: int
    retained: bool = False
    duplicate: bool = False  # MQTT DUP: perhaps a redelivery
    session: int = 0
    token: int = 0  # MQTT packet id; 0: nothing to acknowledge
    acknowledger: Acknowledger | None = None
    urgent: bool = False  # of a life-safety device: it does not wait behind others


class Reading(msgspec.Struct, gc=False):
    """A point's value in canonical units. `value` None with quality BAD: the device could not tell."""

    point: Point
    value: float | None
    quality: int = 0


class Event(msgspec.Struct, gc=False):
    """Something happened at a device. `id` is derived from its frame, so a replay gives the same one."""

    id: bytes
    name: str
    data: dict[str, Any]


class Verdict(msgspec.Struct, gc=False):
    """What a periodic analysis found of a device: an hourly rule's condition holds or not."""

    rule: str
    active: bool
    at: int  # end of the interval it was judged by
    value: float | None = None
    limit: float | None = None
    cost_fen: int | None = None
    text: Text | None = None  # in words, what was to be expected
    judged: int | None = None  # this interval was judged before, otherwise; the others are judged up to here


class Frame(msgspec.Struct, gc=False):
    """One device's share of one arrival: what it said, when, and the bytes that prove it.

    `key` is 16 bytes derived from device, its sequence or time, and payload. `natural` is False where the device gives
    neither time nor sequence; then only a flagged redelivery counts as a duplicate.
    """

    device: Device
    key: bytes
    natural: bool
    timed: bool  # `ts` is the device's own time, the same at every redelivery
    ts: int
    received: int
    source: str
    raw: bytes
    readings: list[Reading]
    events: list[Event]
    online: bool | None = None  # birth or will: the device's own word on being there
    retained: bool = False
    duplicate: bool = False
    token: int = 0
    sequence: int | None = None
    verdicts: list[Verdict] = []

    @property
    def heard(self) -> bool:
        """The device itself said something: a sign of life. What an analysis found of it is none."""
        return bool(self.readings or self.events) or not self.verdicts

    @property
    def alive(self) -> bool:
        """A sign of life: neither the broker's memory nor a last will."""
        return not self.retained and self.online is not False and self.heard

    @property
    def delivery(self) -> Delivery:
        return self.device.event(self.events[0].name).delivery if self.events else self.device.kind.delivery


class DeadLetter(msgspec.Struct, gc=False):
    """An arrival nobody can use, kept whole so that it can be looked at and replayed."""

    arrival: Arrival
    reason: str
    detail: str
    device: Device | None = None


def frame_key(device: str, stamp: str, payload: bytes) -> bytes:
    """16 bytes that name a message of a device for good: BLAKE2b of its code, sequence or time, and payload."""
    digest = hashlib.blake2b(payload, digest_size=16, key=device.encode())
    digest.update(stamp.encode())
    return digest.digest()


def event_id(device: Device, key: bytes, index: int, name: str) -> bytes:
    """16 bytes that name the `index`-th event of a frame in all communities, where codes and messages may be alike."""
    return hashlib.blake2b(f"{index}:{name}@{device.community}".encode(), digest_size=16, key=key).digest()


class CommandRequest(msgspec.Struct, frozen=True):
    """What a driver is told to do. `expires` is absolute: past it nothing is sent."""

    id: str
    device: Device
    name: str
    reason: str
    expires: int


class Receipt(msgspec.Struct, frozen=True):
    """What a driver can honestly say: the broker or device took it. Never that it had its effect."""

    acknowledged: bool
    detail: str = ""
