"""What is known around an alarm: as a time line, and as a sealed pack to hand out."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from api.auth import Who
from api.hub import hub_of
from api.problems import RESPONSES
from api.schemas import BigId, In, TwoLanguages
from hub.evidence.service import LONGEST_S, QUARTER_S, EvidenceDesk

router = APIRouter(prefix="/alarms", tags=["alarms"], responses=RESPONSES)

_Before = Annotated[int, Query(ge=0, le=LONGEST_S, description="seconds before the alarm")]
_After = Annotated[int, Query(ge=0, le=LONGEST_S, description="seconds after it was raised")]


class EvidenceIn(In):
    """Together at most 24 hours."""

    before_s: Annotated[int, Field(ge=0, le=LONGEST_S)] = QUARTER_S
    after_s: Annotated[int, Field(ge=0, le=LONGEST_S)] = QUARTER_S


class TimelineEntry(BaseModel):
    """`data` holds an event's fields, with cards and plates masked for roles that may not see them."""

    at: datetime
    sort: str
    what: TwoLanguages
    device: str
    device_name: TwoLanguages
    place: str
    actor: str
    note: str
    data: dict[str, Any]


@router.get("/{alarm_id}/timeline")
async def alarm_timeline(
    request: Request, who: Who, alarm_id: BigId, before_s: _Before = QUARTER_S, after_s: _After = QUARTER_S
) -> list[TimelineEntry]:
    """Alarm, responses, taps, plates, commands and raw frames around it, by time."""
    rows = await EvidenceDesk(hub_of(request).context).timeline(who, alarm_id, before_s, after_s)
    return [TimelineEntry.model_validate(row) for row in rows]


class SnapshotOut(BaseModel):
    """`picture` null: `reason` says why there is none, or `done_at` is null and it is on its way. `gone`: past its
    days; `altered`: no longer what was taken. The pixels: `/pictures/{picture}`. `clip_until` null: the camera makes no
    clips; else the same again for its clip, at `/clips/{clip}`."""

    device_id: int
    device: str
    device_name: TwoLanguages
    place: str
    asked_at: datetime
    done_at: datetime | None
    reason: str | None
    picture: UUID | None
    taken_at: datetime | None
    sha256: str | None
    width: int | None
    height: int | None
    gone: bool
    altered: bool
    clip_until: datetime | None
    clip_done_at: datetime | None
    clip_reason: str | None
    clip: UUID | None
    clip_begins: datetime | None
    clip_seconds: float | None
    clip_codec: str | None
    clip_sha256: str | None
    clip_size: int | None
    clip_gone: bool


@router.get("/{alarm_id}/snapshots")
async def alarm_snapshots(request: Request, who: Who, alarm_id: BigId) -> list[SnapshotOut]:
    """The picture and the clip that each camera of the place gave when the alarm was raised."""
    rows = await EvidenceDesk(hub_of(request).context).snapshots(who, alarm_id)
    hashes = [{name: row[name].hex() for name in ("sha256", "clip_sha256") if row[name]} for row in rows]
    return [
        SnapshotOut.model_validate({**row, "picture": row["picture_id"], "clip": row["clip_id"], **each})
        for row, each in zip(rows, hashes, strict=True)
    ]


@router.post("/{alarm_id}/evidence", response_class=Response, responses={200: {"content": {"application/zip": {}}}})
async def alarm_evidence(request: Request, who: Who, alarm_id: BigId, body: EvidenceIn | None = None) -> Response:
    """An evidence pack (ZIP), sealed by the audit chain: `hub audit verify-pack` proves it later."""
    asked = body or EvidenceIn()
    name, packed = await EvidenceDesk(hub_of(request).context).pack(who, alarm_id, asked.before_s, asked.after_s)
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(packed, media_type="application/zip", headers=headers)
