"""Notifications over HTTP. No logic: each route is one call of the service."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import AwareDatetime, BaseModel, Field

from hub.principal import Principal
from modules.notifications.model import State
from modules.notifications.service import MOST, Notifications, plain
from modules.notifications.webhooks import TYPES


def _principal(request: Request) -> Principal:
    """Whom the API found behind the request before it let it in here."""
    who = request.state.principal
    assert isinstance(who, Principal)
    return who


Who = Annotated[Principal, Depends(_principal)]
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]
Long = Annotated[int, Path(ge=1, le=2**62)]
ChannelId = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Types = Annotated[list[str], Field(min_length=1, max_length=20, examples=[[TYPES["annunciated"]]])]
Url = Annotated[str, Field(max_length=2000, examples=["https://example.com/hooks/hub"])]


class NewEndpoint(BaseModel, extra="forbid"):
    """Where CloudEvents go."""

    name: str = Field(max_length=60)
    url: Url
    types: Types


class EndpointChange(BaseModel, extra="forbid"):
    """What of an endpoint changes."""

    url: Url
    types: Types


class Replay(BaseModel, extra="forbid"):
    """Which deliveries go again. `delivered`: of a webhook those that arrived too (same ids)."""

    target: str = Field(pattern=r"^(webhook:[0-9]{1,10}|channel:[A-Za-z0-9][A-Za-z0-9_.-]{0,63})$")
    since: AwareDatetime
    delivered: bool = False


def make_router(service: Notifications) -> APIRouter:
    """The routes under `/notifications`; whoever mounts them sets `request.state.principal`."""
    router = APIRouter(prefix="/notifications", tags=["notifications"])
    _channels(router, service)
    _webhooks(router, service)
    _deliveries(router, service)
    return router


def _channels(router: APIRouter, service: Notifications) -> None:
    @router.get("/channels")
    async def list_channels(who: Who) -> dict[str, Any]:
        """The channels and how they are; no secrets."""
        return {"items": [plain(row) for row in await service.channels(who)]}

    @router.post("/channels/{channel}/test")
    async def test_channel(who: Who, channel: ChannelId) -> dict[str, Any]:
        """Send a test by a channel."""
        return {"deliveries": await service.test_channel(who, channel)}


def _webhooks(router: APIRouter, service: Notifications) -> None:
    @router.get("/webhooks")
    async def list_webhooks(who: Who) -> dict[str, Any]:
        """The endpoints, without their secrets."""
        return {"items": [plain(row) for row in await service.endpoints.recent(who)], "types": sorted(TYPES.values())}

    @router.post("/webhooks", status_code=201)
    async def create_webhook(who: Who, body: NewEndpoint) -> dict[str, Any]:
        """A new endpoint; its signing secret is shown this once."""
        number, secret = await service.endpoints.create(who, body.name, body.url, body.types)
        return {"id": number, "secret": secret}

    @router.put("/webhooks/{endpoint_id}", status_code=204)
    async def change_webhook(who: Who, endpoint_id: Number, body: EndpointChange) -> None:
        """Another address or other events."""
        await service.endpoints.change(who, endpoint_id, body.url, body.types)

    @router.delete("/webhooks/{endpoint_id}", status_code=204)
    async def remove_webhook(who: Who, endpoint_id: Number) -> None:
        """No more deliveries."""
        await service.endpoints.remove(who, endpoint_id)

    @router.post("/webhooks/{endpoint_id}/secret")
    async def rotate_webhook_secret(who: Who, endpoint_id: Number) -> dict[str, Any]:
        """A new signing secret, shown this once; for a day both sign."""
        return {"secret": await service.endpoints.rotate(who, endpoint_id)}

    @router.post("/webhooks/{endpoint_id}/{action}")
    async def do_webhook(who: Who, endpoint_id: Number, action: Literal["pause", "resume", "test"]) -> dict[str, Any]:
        """Hold its deliveries back, go on, or send a test event."""
        if action == "test":
            return {"delivery": await service.endpoints.test(who, endpoint_id)}
        await (service.endpoints.pause if action == "pause" else service.endpoints.resume)(who, endpoint_id)
        return {}


def _deliveries(router: APIRouter, service: Notifications) -> None:
    @router.get("/deliveries")
    async def list_deliveries(
        who: Who,
        state: Annotated[list[State] | None, Query(max_length=7)] = None,
        target: Annotated[str | None, Query(max_length=80)] = None,
        alarm: Annotated[int | None, Query(ge=1, le=2**62)] = None,
        cursor: Annotated[int | None, Query(ge=1, le=2**62)] = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
    ) -> dict[str, Any]:
        """Newest first; `next` is the cursor of the next page."""
        rows = await service.recent(who, states=state, target=target, alarm_id=alarm, before=cursor, limit=limit)
        return {"items": [plain(row) for row in rows], "next": str(rows[-1]["id"]) if len(rows) == limit else None}

    @router.get("/deliveries/{delivery_id}")
    async def show_delivery(who: Who, delivery_id: Long) -> dict[str, Any]:
        """One delivery with its text, its attempts and what was answered."""
        return plain(await service.show(who, delivery_id))

    @router.post("/deliveries/{delivery_id}/replay")
    async def replay_delivery(who: Who, delivery_id: Long) -> dict[str, Any]:
        """Send a dead delivery again, to a webhook with the same id."""
        return {"replayed": await service.replay(who, delivery_id)}

    @router.post("/replay")
    async def replay_deliveries(who: Who, body: Replay) -> dict[str, Any]:
        """Send a target's dead deliveries since a time again."""
        since: datetime = body.since
        return {"replayed": await service.replay_since(who, body.target, since, delivered=body.delivered)}
