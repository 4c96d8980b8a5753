"""Work orders over HTTP. No logic: each route is one call of the service."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, Field

from hub.principal import Principal
from modules.workorders.model import State
from modules.workorders.service import MOST, WorkOrders, order_json


def _principal(request: Request) -> Principal:
    """Whom the API found behind the request before it let it in here."""
    who = request.state.principal
    assert isinstance(who, Principal)
    return who


Who = Annotated[Principal, Depends(_principal)]
OrderId = Annotated[int, Path(ge=1, le=2**62)]


class Assignment(BaseModel, extra="forbid"):
    """Who shall do it."""

    assignee: str = Field(max_length=100, examples=["user:li"])


class Remark(BaseModel, extra="forbid"):
    """What was found and done, or why nothing needs to be."""

    note: str = Field(max_length=2000)


def make_router(orders: WorkOrders) -> APIRouter:
    """The routes under `/work-orders`; whoever mounts them sets `request.state.principal`."""
    router = APIRouter(prefix="/work-orders", tags=["work orders"])

    @router.get("")
    async def list_orders(
        who: Who,
        state: Annotated[list[State] | None, Query(max_length=5)] = None,
        cursor: Annotated[int | None, Query(ge=1, le=2**62)] = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
    ) -> dict[str, Any]:
        """Newest first; `next` is the cursor of the next page."""
        rows = await orders.recent(who, states=state, before=cursor, limit=limit)
        return {"items": [order_json(row) for row in rows], "next": str(rows[-1]["id"]) if len(rows) == limit else None}

    @router.get("/{order_id}")
    async def show_order(who: Who, order_id: OrderId) -> dict[str, Any]:
        """One order with its history."""
        return order_json(await orders.show(who, order_id))

    @router.post("/{order_id}/assign")
    async def assign_order(who: Who, order_id: OrderId, body: Assignment) -> dict[str, Any]:
        """Give it to somebody."""
        return order_json(await orders.assign(who, order_id, body.assignee))

    @router.post("/{order_id}/start")
    async def start_order(who: Who, order_id: OrderId) -> dict[str, Any]:
        """Begin the work."""
        return order_json(await orders.start(who, order_id))

    @router.post("/{order_id}/finish")
    async def finish_order(who: Who, order_id: OrderId, body: Remark) -> dict[str, Any]:
        """The work is done."""
        return order_json(await orders.finish(who, order_id, body.note))

    @router.post("/{order_id}/cancel")
    async def cancel_order(who: Who, order_id: OrderId, body: Remark) -> dict[str, Any]:
        """No work is needed."""
        return order_json(await orders.cancel(who, order_id, body.note))

    return router
