"""How the hub is, what it could not use, and who did what."""

from fastapi import APIRouter, Request

from api import cursors
from api.auth import Who
from api.hub import hub_of
from api.problems import RESPONSES
from api.schemas import (
    AuditOut,
    BigId,
    Cursor,
    DeadLetterDetail,
    DeadLetterOut,
    Limit,
    Page,
    ReplayIn,
    ReplayOut,
    SectionOut,
    SystemOut,
)
from hub.overview.service import OverviewDesk

router = APIRouter(responses=RESPONSES)


@router.get("/dead-letters", tags=["system"])
async def dead_letters(request: Request, who: Who, limit: Limit = 100, cursor: Cursor = None) -> Page[DeadLetterOut]:
    """What nobody could use, last seen first."""
    rows = await hub_of(request).reads.dead_letters(who, before=cursors.read(cursor, int), limit=limit)
    items = [DeadLetterOut.model_validate(row) for row in rows]
    return Page(items=items, next=cursors.after(rows, limit, "last_at"))


@router.get("/dead-letters/{letter_id}", tags=["system"])
async def dead_letter(request: Request, who: Who, letter_id: BigId) -> DeadLetterDetail:
    """One with its bytes (engineer, admin)."""
    row = await hub_of(request).reads.dead_letter(who, letter_id)
    return DeadLetterDetail.model_validate({**row, "hex": row["raw"].hex()})


@router.post("/dead-letters/replay", tags=["system"])
async def replay(request: Request, who: Who, body: ReplayIn) -> ReplayOut:
    """Through the pipeline again (engineer, admin): after a profile was mended."""
    return ReplayOut(replayed=await hub_of(request).reads.replay(who, body.ids))


@router.get("/system", tags=["system"])
async def system(request: Request, who: Who) -> SystemOut:
    """Parts and their run states, queue, lag, counters, drops."""
    return SystemOut.model_validate(await hub_of(request).reads.system(who))


@router.get("/overview", tags=["system"])
async def overview(request: Request, who: Who) -> list[SectionOut]:
    """A few figures of every room the asker may see, as the overview page shows them."""
    sections = await OverviewDesk(hub_of(request).context).sections(who)
    return [SectionOut.model_validate(section) for section in sections]


@router.get("/audit", tags=["system"])
async def audit(request: Request, who: Who, limit: Limit = 100, cursor: Cursor = None) -> Page[AuditOut]:
    """Who did what, newest first (admin)."""
    rows = await hub_of(request).reads.audit(who, before=cursors.read(cursor, int), limit=limit)
    items = [AuditOut.model_validate(row) for row in rows]
    return Page(items=items, next=cursors.after(rows, limit, "at"))
