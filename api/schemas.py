"""What goes in and out of /api/v1: bounded, closed on the way in, complete on the way out."""

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

Limit = Annotated[int, Query(ge=1, le=500, description="rows at most")]
Cursor = Annotated[
    str | None, Query(max_length=200, pattern=r"^[A-Za-z0-9_-]*$", description="`next` of the last page")
]
Id = Annotated[int, Field(ge=1, le=2**31 - 1)]
BigId = Annotated[int, Field(ge=1, le=2**62)]
Role = Literal["viewer", "guard", "engineer", "finance", "admin"]
Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)]
TwoLanguages = dict[str, str]

Item = TypeVar("Item")


class In(BaseModel):
    """A request body: unknown fields are an error, zero bytes in text too."""

    model_config = ConfigDict(extra="forbid")

    @field_validator("*")
    @classmethod
    def _storable(cls, value: object) -> object:
        if isinstance(value, str) and "\0" in value:
            raise ValueError("text without NUL is expected")
        return value


class Page(BaseModel, Generic[Item]):
    """Part of a list. `next` is the cursor of the following part; none: this is the end."""

    items: list[Item]
    next: str | None = None


class Login(In):
    name: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    password: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class MembershipOut(BaseModel):
    code: str
    name: TwoLanguages
    time_zone: str
    role: Role


class Me(BaseModel):
    actor: str
    name: str
    language: str
    community: str
    role: Role
    communities: list[MembershipOut]
    expires_at: datetime | None


class LanguageIn(In):
    language: Literal["zh-CN", "en"]


class PlaceOut(BaseModel):
    path: str
    kind: str
    name: TwoLanguages


class DrawingOut(BaseModel):
    """Of the place `place` ("": the community); `href` gives the image, width and height are in its own units."""

    place: str
    href: str
    width: float
    height: float


class SpotOut(BaseModel):
    """Shares (0 to 1) of the drawing's width from the left and height from the top."""

    x: float
    y: float


class PlanOut(BaseModel):
    """What stands in a place stands on the drawing of the nearest place above that has one; devices by code."""

    drawings: list[DrawingOut]
    devices: dict[str, SpotOut]
    places: dict[str, SpotOut]


class DeviceRow(BaseModel):
    """`state` null: nothing heard yet. `kind_label`: what this community calls its kind."""

    id: int
    code: str
    kind: str
    kind_label: TwoLanguages
    profile: str
    place: str
    bus: str
    name: TwoLanguages
    multiplier: int
    state: Literal["connected", "silent", "offline", "error"] | None
    since: datetime | None
    detail: str | None
    seen: datetime | None
    alarms: int


class PointOut(BaseModel):
    """`quality` is a bit set: 0 good, 1 bad, 2 clock, 4 late, 8 range, 16 retained. `values` are the codes of a
    state, `words` what people call them."""

    id: int
    device_id: int
    name: str
    label: TwoLanguages
    unit: str
    type: Literal["gauge", "counter", "state"]
    values: dict[str, int]
    words: dict[str, TwoLanguages]
    value: float | None
    quality: int | None
    ts: datetime | None


class CommandAbility(BaseModel):
    name: str
    label: TwoLanguages
    allowed: bool
    reason_required: bool
    ttl_s: float


class DeviceOut(DeviceRow):
    points: list[PointOut]
    commands: list[CommandAbility]


class EventOut(BaseModel):
    """`fields`: what the fields of `data` are called; `words`: what those say that are codes."""

    id: UUID
    ts: datetime
    received: datetime
    device_id: int
    device: str
    kind: str
    place: str
    name: str
    label: TwoLanguages
    data: dict[str, Any]
    fields: dict[str, TwoLanguages]
    words: dict[str, TwoLanguages]


class FrameOut(BaseModel):
    key: UUID
    ts: datetime
    received: datetime
    source: str
    hex: str


class TrendRowOut(BaseModel):
    ts: datetime
    value: float
    quality: int
    low: float | None
    high: float | None


class TrendOut(BaseModel):
    """`step` tells how coarse the rows are, `total` how many stood behind them before thinning."""

    point_id: int
    device: str
    name: str
    label: TwoLanguages
    unit: str
    type: Literal["gauge", "counter", "state"]
    values: dict[str, int]
    words: dict[str, TwoLanguages]
    since: datetime
    until: datetime
    step: Literal["raw", "hour", "day"]
    total: int
    rows: list[TrendRowOut]


class CommandIn(In):
    device_id: Id
    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,47}$")]
    reason: Words = ""


class CommandOut(BaseModel):
    id: UUID
    device_id: int
    name: str
    reason: str
    requested_by: str
    requested_at: datetime
    expires_at: datetime
    state: Literal[
        "requested", "authorised", "sent", "acknowledged", "confirmed", "refused", "expired", "failed", "unknown"
    ]
    detail: str
    proof: UUID | None
    changed_at: datetime


class CommandStep(BaseModel):
    at: datetime
    state: str
    detail: str


class CommandDetail(CommandOut):
    history: list[CommandStep]


class DeadLetterOut(BaseModel):
    id: int
    bus: str
    source: str
    reason: str
    detail: str
    size: int
    count: int
    first_at: datetime
    last_at: datetime
    replayed_at: datetime | None


class DeadLetterDetail(DeadLetterOut):
    hash: str
    hex: str


class ReplayIn(In):
    ids: Annotated[list[BigId], Field(min_length=1, max_length=500)]


class ReplayOut(BaseModel):
    replayed: int


class PartOut(BaseModel):
    """Times in microseconds UTC."""

    part: str
    state: str
    since: int
    attempts: int
    last_error: str
    next_attempt: int | None


class CountsOut(BaseModel):
    devices: int
    not_connected: int
    live_alarms: int
    unacknowledged: int
    alarm_rate: Annotated[int, Field(description="alarms raised in the last 10 minutes")]
    dead_letters: int
    drops: int


class DropOut(BaseModel):
    bus: str
    delivery: str
    count: int
    last_at: datetime


class TileOut(BaseModel):
    """`value`: a number, an amount or share as text, or a word in both languages. `ill`: somebody has to look."""

    model_config = ConfigDict(from_attributes=True)

    title: TwoLanguages
    value: int | str | TwoLanguages
    href: str
    ill: bool
    note: TwoLanguages | None


class SectionOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    title: TwoLanguages
    tiles: list[TileOut]


class WrongOut(BaseModel):
    """One thing wrong in a file."""

    model_config = ConfigDict(from_attributes=True)

    file: str
    line: int
    field: str
    found: str
    expected: str
    suggestion: str | None


class RefusedOut(BaseModel):
    """Changed files that are not in force. `since`: when what is in force in their place was read; null: at the start.
    `hidden`: how many more problems are in files of other communities."""

    model_config = ConfigDict(from_attributes=True)

    what: str
    at: datetime
    since: datetime | None
    problems: list[WrongOut]
    hidden: int


class SystemOut(BaseModel):
    """`refused`: for who may configure."""

    now: datetime
    parts: list[PartOut]
    counters: dict[str, int]
    queue: int
    queue_size: int
    lag_us: int
    last_commit: int | None
    readers: int
    counts: CountsOut
    drops: list[DropOut]
    refused: list[RefusedOut]


class AuditOut(BaseModel):
    id: int
    at: datetime
    actor: str
    action: str
    object: str
    detail: dict[str, Any]
    remote: str


class KeyIn(In):
    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$")]
    role: Role


class KeyOut(BaseModel):
    id: int
    name: str
    role: Role
    created_at: datetime
    created_by: str
    revoked_at: datetime | None


class KeyMade(BaseModel):
    """`key` is shown this once."""

    id: int
    key: str


class Health(BaseModel):
    status: Literal["ok"]
