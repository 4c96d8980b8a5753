"""Bill lines over HTTP. No logic: each route is one call of the service."""

from dataclasses import asdict
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, Field

from hub.principal import Principal
from modules.billing.model import COMMODITIES, Commodity
from modules.billing.service import MOST, Billing, line_json, tariff_json


def _principal(request: Request) -> Principal:
    """Whom the API found behind the request before it let it in here."""
    who = request.state.principal
    assert isinstance(who, Principal)
    return who


Who = Annotated[Principal, Depends(_principal)]
LineId = Annotated[int, Path(ge=1, le=2**62)]


class BillRun(BaseModel, extra="forbid"):
    """The community's local days [start, end)."""

    start: date
    end: date
    kinds: Annotated[list[Commodity], Field(min_length=1, max_length=len(COMMODITIES))] = list(COMMODITIES)
    dry_run: bool = False


def make_router(billing: Billing) -> APIRouter:
    """The routes of bill lines; whoever mounts them sets `request.state.principal`."""
    router = APIRouter(tags=["billing"])

    @router.post("/bill-runs")
    async def draft_bill_lines(who: Who, body: BillRun) -> dict[str, Any]:
        """Draft a period; the same again gives the same lines. Amounts are fen."""
        return asdict(await billing.draft_period(who, body.start, body.end, body.kinds, dry_run=body.dry_run))

    @router.get("/bill-lines")
    async def list_bill_lines(
        who: Who,
        state: Literal["drafted", "held"] | None = None,
        cursor: Annotated[int | None, Query(ge=1, le=2**62)] = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
    ) -> dict[str, Any]:
        """Newest first; `next` is the cursor of the next page."""
        rows = await billing.recent(who, state=state, before=cursor, limit=limit)
        following = str(rows[-1]["id"]) if len(rows) == limit else None
        return {"items": [line_json(row) for row in rows], "next": following}

    @router.get("/bill-lines/{line_id}")
    async def show_bill_line(who: Who, line_id: LineId) -> dict[str, Any]:
        """One line."""
        return line_json(await billing.show(who, line_id))

    @router.get("/bill-lines/{line_id}/explain")
    async def explain_bill_line(who: Who, line_id: LineId) -> dict[str, Any]:
        """The line, its sum, and at each end the reading and the raw bytes it came in."""
        return await billing.walk_back(who, line_id)

    @router.get("/tariffs")
    async def list_tariffs(who: Who) -> dict[str, Any]:
        """Every version of the community's prices, by kind and day."""
        return {"items": [tariff_json(tariff) for tariff in await billing.tariffs(who)], "next": None}

    return router
