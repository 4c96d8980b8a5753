"""The alarm book over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from api import cursors
from api.auth import Who
from api.hub import hub_of
from api.problems import RESPONSES
from api.schemas import Acknowledgement, AlarmDetail, AlarmOut, BigId, Cursor, Id, Limit, Page

router = APIRouter(prefix="/alarms", tags=["alarms"], responses=RESPONSES)


@router.get("")
async def alarms(
    request: Request,
    who: Who,
    live: Annotated[bool, Query(description="only those that still need somebody")] = True,
    device: Annotated[Id | None, Query(description="only of this device")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[AlarmOut]:
    """Alarms, newest first."""
    before = cursors.read(cursor, int)
    rows = await hub_of(request).context.alarms.recent(who, live=live, device_id=device, before=before, limit=limit)
    items = [AlarmOut.model_validate(row) for row in rows]
    return Page(items=items, next=cursors.after(rows, limit, "raised_at"))


@router.get("/{alarm_id}")
async def alarm(request: Request, who: Who, alarm_id: BigId) -> AlarmDetail:
    """One alarm with its history and response procedure."""
    return AlarmDetail.model_validate(await hub_of(request).context.alarms.show(who, alarm_id))


@router.post("/{alarm_id}/acknowledge")
async def acknowledge(request: Request, who: Who, alarm_id: BigId, body: Acknowledgement | None = None) -> AlarmDetail:
    """Seen, mine. A second time changes nothing."""
    note = body.note if body else ""
    return AlarmDetail.model_validate(await hub_of(request).context.alarms.acknowledge(who, alarm_id, note))
