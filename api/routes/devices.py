"""Places, devices, points and events."""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime

from api import cursors
from api.auth import Who
from api.hub import hub_of
from api.problems import RESPONSES
from api.schemas import (
    Cursor,
    DeviceOut,
    DeviceRow,
    EventOut,
    FrameOut,
    Id,
    Limit,
    Page,
    PlaceOut,
    PointOut,
    TrendOut,
)
from hub.errors import Refused

router = APIRouter(tags=["devices"], responses=RESPONSES)
_LONGEST = timedelta(days=3700)

Since = Annotated[AwareDatetime | None, Query(description="begin; default: 24 h before `until`")]
Until = Annotated[AwareDatetime | None, Query(description="end; default: now")]
Most = Annotated[int, Query(ge=3, le=2000, description="rows at most; more are thinned, keeping the shape")]


@router.get("/places")
async def places(request: Request, who: Who) -> list[PlaceOut]:
    """The asset tree; a place's parent is its path without the last part."""
    return [PlaceOut.model_validate(row) for row in await hub_of(request).reads.places(who)]


@router.get("/devices")
async def devices(request: Request, who: Who, limit: Limit = 100, cursor: Cursor = None) -> Page[DeviceRow]:
    """Devices by code, with state, last word and live alarms."""
    after = _code(cursor)
    rows = await hub_of(request).reads.devices(who, after=after, limit=limit)
    following = rows[-1]["code"].encode().hex() if len(rows) == limit else None
    return Page(items=[DeviceRow.model_validate(row) for row in rows], next=following)


@router.get("/devices/{device_id}")
async def device(request: Request, who: Who, device_id: Id) -> DeviceOut:
    """One device: points with last values, and what may be asked of it."""
    return DeviceOut.model_validate(await hub_of(request).reads.device(who, device_id))


@router.get("/devices/{device_id}/events")
async def device_events(
    request: Request, who: Who, device_id: Id, limit: Limit = 100, cursor: Cursor = None
) -> Page[EventOut]:
    """What happened at a device, newest first."""
    return await _events(request, who, device_id, limit, cursor)


@router.get("/events", tags=["events"])
async def events(request: Request, who: Who, limit: Limit = 100, cursor: Cursor = None) -> Page[EventOut]:
    """What happened in the community, newest first."""
    return await _events(request, who, None, limit, cursor)


async def _events(request: Request, who: Who, device_id: int | None, limit: int, cursor: str | None) -> Page[EventOut]:
    before = cursors.read(cursor, UUID)
    rows = await hub_of(request).reads.events(who, device_id=device_id, before=before, limit=limit)
    items = [EventOut.model_validate(row) for row in rows]
    return Page(items=items, next=cursors.after(rows, limit, "ts"))


@router.get("/devices/{device_id}/frames")
async def frames(
    request: Request, who: Who, device_id: Id, since: Since = None, until: Until = None, limit: Limit = 50
) -> list[FrameOut]:
    """The bytes a device said, newest first (roles with the right `work`)."""
    begin, end = _span(request, since, until)
    rows = await hub_of(request).reads.frames(who, device_id, begin, end, limit)
    return [FrameOut(hex=row["raw"].hex(), **{k: v for k, v in row.items() if k != "raw"}) for row in rows]


@router.get("/points/last")
async def points_last(
    request: Request, who: Who, device: Annotated[Id, Query(description="device number")]
) -> list[PointOut]:
    """Last values of a device's points."""
    row = await hub_of(request).reads.device(who, device)
    return [PointOut.model_validate(point) for point in row["points"]]


@router.get("/points/{point_id}/trend")
async def trend(
    request: Request, who: Who, point_id: Id, since: Since = None, until: Until = None, most: Most = 500
) -> TrendOut:
    """A point's line: raw up to 26 h, hours up to 62 days, then days."""
    begin, end = _span(request, since, until)
    line = await hub_of(request).reads.trend(who, point_id, begin, end, most)
    return TrendOut.model_validate(msgspec.to_builtins(line, builtin_types=(datetime,)))


def _span(request: Request, since: datetime | None, until: datetime | None) -> tuple[datetime, datetime]:
    end = until or hub_of(request).context.clock.now()
    try:
        begin = since or end - timedelta(hours=24)
        short = timedelta(0) < end - begin <= _LONGEST
    except OverflowError:
        short = False
    if not short:
        raise Refused("bad_span", "`since` must be before `until`, by ten years at most", 422)
    return begin, end


def _code(cursor: str | None) -> str:
    try:
        code = bytes.fromhex(cursor or "").decode()
    except ValueError:
        code = "\0"
    if "\0" in code:
        raise Refused("bad_cursor", "the cursor was not given by this list", 422)
    return code
