"""The alarm book over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from api import cursors
from api.alarm_schemas import (
    Acknowledgement,
    AlarmDetail,
    AlarmOut,
    Assignment,
    BudgetOut,
    BulkAcknowledgement,
    BulkShelving,
    Comment,
    MaintenanceOut,
    OutOfService,
    Shelving,
    StepLog,
    StormOut,
    Window,
)
from api.auth import Who
from api.hub import hub_of
from api.problems import RESPONSES
from api.schemas import BigId, Cursor, Id, Limit, Page
from hub.alarms.desk import AlarmDesk, View

router = APIRouter(prefix="/alarms", tags=["alarms"], responses=RESPONSES)

StepNumber = Annotated[int, Path(ge=1, le=99, description="numbered line of the response procedure")]


def _desk(request: Request) -> AlarmDesk:
    return hub_of(request).context.alarms


@router.get("")
async def alarms(
    request: Request,
    who: Who,
    live: Annotated[bool, Query(description="only those that still need somebody")] = True,
    view: Annotated[View, Query(description="desk: what people must see; the others: what is kept from it")] = "desk",
    device: Annotated[Id | None, Query(description="only of this device")] = None,
    place: Annotated[str | None, Query(max_length=200, description="only of this place and those within it")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[AlarmOut]:
    """Alarms, newest first."""
    before = cursors.read(cursor, int)
    rows = await _desk(request).recent(
        who, live=live, view=view, device_id=device, place=place, before=before, limit=limit
    )
    items = [AlarmOut.model_validate(row) for row in rows]
    return Page(items=items, next=cursors.after(rows, limit, "raised_at"))


@router.get("/storm")
async def alarm_storm(request: Request, who: Who) -> StormOut | None:
    """The storm that goes on, with its largest groups; null: none."""
    row = await _desk(request).storm(who)
    return StormOut.model_validate(row) if row else None


@router.get("/budget")
async def alarm_budget(request: Request, who: Who) -> BudgetOut:
    """How much of the desk's budget of annunciations is used."""
    return BudgetOut.model_validate(await _desk(request).budget(who))


@router.post("/acknowledge")
async def acknowledge_alarms(request: Request, who: Who, body: BulkAcknowledgement) -> list[AlarmOut]:
    """Seen, mine: up to 500 alarms, all or none. Those acknowledged already stay as they are."""
    rows = await _desk(request).acknowledge_many(who, body.ids, body.note)
    return [AlarmOut.model_validate(row) for row in rows]


@router.post("/shelve")
async def shelve_alarms(request: Request, who: Who, body: BulkShelving) -> list[AlarmOut]:
    """Up to 500 alarms on the shelf, all or none: the refusal names those that cannot be shelved."""
    rows = await _desk(request).shelve_many(who, body.ids, body.until, body.reason)
    return [AlarmOut.model_validate(row) for row in rows]


# -- maintenance (before /{alarm_id}, which would catch these) -----------------------------------------------------


@router.get("/maintenance")
async def alarm_maintenance(request: Request, who: Who) -> list[MaintenanceOut]:
    """Maintenance windows and devices out of service, planned or going on."""
    return [MaintenanceOut.model_validate(row) for row in await _desk(request).maintenance(who)]


@router.post("/maintenance")
async def plan_maintenance(request: Request, who: Who, body: Window) -> MaintenanceOut:
    """Plan a window in which a place's subtree, or a device, is out of service: 30 days at most. A device needs its
    work order."""
    row = await _desk(request).plan_maintenance(
        who, place=body.place, device_id=body.device_id, since=body.since, until=body.until, reason=body.reason,
        work_order=body.work_order,
    )  # fmt: skip
    return MaintenanceOut.model_validate(row)


@router.post("/maintenance/{maintenance_id}/end")
async def end_maintenance(request: Request, who: Who, maintenance_id: BigId) -> MaintenanceOut:
    """End a window early, or call it off. A second time changes nothing."""
    return MaintenanceOut.model_validate(await _desk(request).end_maintenance(who, maintenance_id))


@router.put("/out-of-service/{device_id}")
async def take_out_of_service(request: Request, who: Who, device_id: Id, body: OutOfService) -> MaintenanceOut:
    """Silence a device while it is worked on; it ends by itself. Never silences life safety."""
    row = await _desk(request).take_out_of_service(who, device_id, body.until, body.reason, body.work_order)
    return MaintenanceOut.model_validate(row)


@router.delete("/out-of-service/{device_id}")
async def return_to_service(request: Request, who: Who, device_id: Id) -> MaintenanceOut:
    """The device is watched again from now on."""
    return MaintenanceOut.model_validate(await _desk(request).return_to_service(who, device_id))


# -- one alarm ---------------------------------------------------------------------------------------------------


@router.get("/{alarm_id}")
async def alarm(request: Request, who: Who, alarm_id: BigId) -> AlarmDetail:
    """One alarm with its history, comments and the steps of its response procedure."""
    return AlarmDetail.model_validate(await _desk(request).show(who, alarm_id))


@router.post("/{alarm_id}/acknowledge")
async def acknowledge(request: Request, who: Who, alarm_id: BigId, body: Acknowledgement | None = None) -> AlarmDetail:
    """Seen, mine. A second time changes nothing."""
    note = body.note if body else ""
    return AlarmDetail.model_validate(await _desk(request).acknowledge(who, alarm_id, note))


@router.post("/{alarm_id}/reset")
async def reset_alarm(request: Request, who: Who, alarm_id: BigId, body: Acknowledgement | None = None) -> AlarmDetail:
    """End a latched alarm that has returned and is acknowledged. A second time changes nothing."""
    note = body.note if body else ""
    return AlarmDetail.model_validate(await _desk(request).reset(who, alarm_id, note))


@router.post("/{alarm_id}/shelve")
async def shelve_alarm(request: Request, who: Who, alarm_id: BigId, body: Shelving) -> AlarmDetail:
    """Put the condition on the shelf: 8 hours at most, 24 for engineers; never life safety."""
    return AlarmDetail.model_validate(await _desk(request).shelve(who, alarm_id, body.until, body.reason))


@router.post("/{alarm_id}/unshelve")
async def unshelve_alarm(request: Request, who: Who, alarm_id: BigId) -> AlarmDetail:
    """Take it off the shelf before its time. A second time changes nothing."""
    return AlarmDetail.model_validate(await _desk(request).unshelve(who, alarm_id))


@router.put("/{alarm_id}/assignee")
async def assign_alarm(request: Request, who: Who, alarm_id: BigId, body: Assignment) -> AlarmDetail:
    """Give the alarm to somebody; an empty name takes it back."""
    return AlarmDetail.model_validate(await _desk(request).assign(who, alarm_id, body.assignee))


@router.post("/{alarm_id}/comments")
async def comment_alarm(request: Request, who: Who, alarm_id: BigId, body: Comment) -> AlarmDetail:
    """Write something down beside the alarm, for good."""
    return AlarmDetail.model_validate(await _desk(request).comment(who, alarm_id, body.text))


@router.put("/{alarm_id}/steps/{step}")
async def log_alarm_step(
    request: Request, who: Who, alarm_id: BigId, step: StepNumber, body: StepLog | None = None
) -> AlarmDetail:
    """Log a step of the response procedure. Said twice it is logged once."""
    said = body or StepLog()
    return AlarmDetail.model_validate(await _desk(request).log_step(who, alarm_id, step, said.note, said.done))
