"""What a pack is made of. Plain values, so that the same ones give the same bytes."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from hub.evidence.words import Words


class Entry(msgspec.Struct, frozen=True):
    """One line of the time line."""

    at: datetime
    sort: str  # a key of words.SORTS
    what: Words
    device: str = ""
    device_name: Words = {}
    place: str = ""
    actor: str = ""
    note: str = ""
    data: dict[str, Any] = {}  # an event's fields, masked for who may not see them
    fields: dict[str, Words] = {}  # what they are called
    words: dict[str, Words] = {}  # and what those say that are codes


class Series(msgspec.Struct, frozen=True):
    """The samples of one point of the alarm's device; a state's begin with the one that held before."""

    point: str
    label: Words
    unit: str
    values: dict[str, int]  # the codes of a state
    words: dict[str, Words]  # and what they are called
    rows: list[tuple[datetime, float, int]]  # time, value, quality bits


class Medium(msgspec.Struct, frozen=True):
    """A picture (JPEG) or clip (MP4) that goes into the pack."""

    name: str
    content: bytes
    number: UUID

    @property
    def is_clip(self) -> bool:
        return self.name.endswith(".mp4")


class Evidence(msgspec.Struct, frozen=True):
    """All that is known around one alarm, as its reader may see it."""

    alarm: dict[str, Any]  # the row of hub.alarm with device, kind, place, device_name, links
    community: str
    community_name: Words
    zone: str
    since: datetime
    until: datetime
    made_by: str
    made_at: datetime
    masked: bool
    head_seq: int
    head_hash: str
    entries: list[Entry]
    series: list[Series]
    media: list[Medium] = []  # snapshots, then clips
