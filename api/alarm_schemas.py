"""What goes in and out of /api/v1/alarms."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, StringConstraints

from api.schemas import BigId, Id, In, TwoLanguages, Words

State = Literal[
    "normal", "active_unacknowledged", "active_acknowledged", "returned_unacknowledged", "latched_unacknowledged",
    "latched_acknowledged",
]  # fmt: skip
Suppression = Literal["shelved", "suppressed_by_design", "out_of_service"]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class AlarmOut(BaseModel):
    """`suppression` stands beside the state (ISA-18.2): the alarm is recorded, and nobody is called."""

    id: int
    rule: str
    condition: str
    device_id: int
    device: str
    device_name: TwoLanguages
    kind: str
    place: str
    priority: Annotated[int, Field(ge=1, le=4)]
    life_safety: bool
    state: State
    title: TwoLanguages
    text: TwoLanguages
    procedure: TwoLanguages | None
    raised_at: datetime
    active_since: datetime | None
    returned_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    count: int
    cause: UUID | None
    changed_at: datetime
    links: dict[str, str] | None
    suppression: Suppression | None
    suppressed_until: datetime | None
    suppressed_by: str | None
    suppression_reason: str | None
    parent_alarm_id: int | None
    hides: Annotated[int, Field(description="alarms below its device that it suppresses by design")]
    assignee: str | None
    first_out: bool
    chattering: bool
    stale: Annotated[bool, Field(description="active for over 24 hours")]
    historical: Annotated[bool, Field(description="happened long before it could be heard")]
    annunciated_at: Annotated[datetime | None, Field(description="when it last called the desk")]
    storm_id: int | None
    limit_value: float | None
    point: str | None
    cost_fen: int | None
    escalation_level: int
    latch: bool
    shelvable: bool


class AlarmStep(BaseModel):
    """A line of an alarm's history. `step` and `done`: of action `step` only."""

    at: datetime
    from_state: str | None
    to_state: str
    actor: str
    action: str
    note: str
    step: int | None
    done: bool | None
    cause: str | None


class ProcedureStep(BaseModel):
    step: int
    text: TwoLanguages
    done: bool
    note: str
    by: str | None
    at: datetime | None


class AlarmDetail(AlarmOut):
    history: list[AlarmStep]
    comments: list[AlarmStep]
    steps: list[ProcedureStep]


class Acknowledgement(In):
    note: Words = ""


class BulkAcknowledgement(In):
    ids: Annotated[list[BigId], Field(min_length=1, max_length=500)]
    note: Words = ""


class Shelving(In):
    until: AwareDatetime
    reason: Reason


class BulkShelving(Shelving):
    ids: Annotated[list[BigId], Field(min_length=1, max_length=500)]


class Assignment(In):
    assignee: Annotated[str, StringConstraints(strip_whitespace=True, max_length=100)] = ""


class Comment(In):
    text: Reason


class StepLog(In):
    note: Words = ""
    done: bool = True


WorkOrder = Annotated[str, StringConstraints(strip_whitespace=True, max_length=64)]


class OutOfService(In):
    until: AwareDatetime
    reason: Reason
    work_order: Annotated[WorkOrder, StringConstraints(min_length=1)]


class Window(In):
    """Give either `place`, for its whole subtree, or `device_id`, which needs its `work_order`."""

    place: Annotated[str, StringConstraints(max_length=200)] | None = None
    device_id: Id | None = None
    since: AwareDatetime
    until: AwareDatetime
    reason: Reason
    work_order: WorkOrder = ""


class MaintenanceOut(BaseModel):
    id: int
    kind: Literal["out_of_service", "window"]
    device_id: int | None
    device: str | None
    device_name: TwoLanguages | None
    place: str | None
    place_name: TwoLanguages | None
    since: datetime
    until: datetime
    reason: str
    work_order: str | None
    planned_by: str
    planned_at: datetime
    active: bool
    ended_at: datetime | None
    ended_by: str | None


class StormGroup(BaseModel):
    rule: str
    title: TwoLanguages
    place: str
    count: int


class StormOut(BaseModel):
    id: int
    since: datetime
    counted: int
    annunciated: int
    groups: list[StormGroup]


class BudgetOut(BaseModel):
    """How often the desk was called within the window, life safety apart."""

    annunciated: int
    limit: int
    window_s: int
