"""Commands over HTTP: asked for here, confirmed by the device's own word later (read it again, or listen)."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request

from api import cursors
from api.auth import Who
from api.hub import hub_of
from api.problems import RESPONSES
from api.schemas import CommandDetail, CommandIn, CommandOut, Cursor, Id, Limit, Page

router = APIRouter(prefix="/commands", tags=["commands"], responses=RESPONSES)

IdempotencyKey = Annotated[
    str,
    Header(alias="Idempotency-Key", min_length=8, max_length=100, pattern=r"^[!-~]+$",
           description="chosen by the asker; the same key gives the same command and sends nothing again"),
]  # fmt: skip


@router.post("", status_code=202)
async def request_command(request: Request, who: Who, body: CommandIn, key: IdempotencyKey) -> CommandOut:
    """Ask for a command. 202: it is on its way; its end is `confirmed`, `expired`, `failed` or `unknown`."""
    row = await hub_of(request).context.commands.request(who, body.device_id, body.name, body.reason, key)
    return CommandOut.model_validate(row)


@router.get("")
async def commands(
    request: Request,
    who: Who,
    device: Annotated[Id | None, Query(description="only of this device")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[CommandOut]:
    """Commands, newest first."""
    before = cursors.read(cursor, UUID)
    rows = await hub_of(request).context.commands.recent(who, device_id=device, before=before, limit=limit)
    items = [CommandOut.model_validate(row) for row in rows]
    return Page(items=items, next=cursors.after(rows, limit, "requested_at"))


@router.get("/{command_id}")
async def command(request: Request, who: Who, command_id: UUID) -> CommandDetail:
    """One command with every step it took."""
    return CommandDetail.model_validate(await hub_of(request).context.commands.show(who, command_id))
