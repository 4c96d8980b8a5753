"""Site plan and floor plans: the drawings as images, and where things stand on them."""

from typing import Annotated

from fastapi import APIRouter, Header, Path, Request, Response

from api.auth import Who
from api.hub import hub_of
from api.problems import RESPONSES
from api.schemas import DrawingOut, PlanOut, SpotOut

router = APIRouter(tags=["plans"], responses=RESPONSES)
PREFIX = "/api/v1/drawings/"


@router.get("/plan")
async def plan(request: Request, who: Who) -> PlanOut:
    """The drawings of the community, and where devices and places stand on them."""
    found = hub_of(request).reads.plan(who)
    return PlanOut(
        drawings=[
            DrawingOut(place=place, href=PREFIX + drawing.name, width=drawing.width, height=drawing.height)
            for place, drawing in found.drawings.items()
        ],
        devices={code: SpotOut(x=x, y=y) for code, (x, y) in found.devices.items()},
        places={path: SpotOut(x=x, y=y) for path, (x, y) in found.places.items()},
    )


@router.get(
    "/drawings/{name}", response_class=Response,
    responses={200: {"content": {"image/svg+xml": {}, "image/jpeg": {}}}, 304: {"description": "Not changed"}},
)  # fmt: skip
async def drawing(
    request: Request, who: Who, name: Annotated[str, Path(pattern="^[0-9a-f]{64}$")],
    if_none_match: Annotated[str | None, Header(max_length=1000)] = None,
) -> Response:  # fmt: skip
    """One drawing. It never changes under its name, but whoever asks is asked for again each time."""
    found = hub_of(request).reads.drawing(who, name)
    headers = {"ETag": f'"{name}"', "Cache-Control": "private, no-cache"}
    if if_none_match is not None and headers["ETag"] in if_none_match:
        return Response(None, 304, headers)
    return Response(found.body, media_type=found.media, headers=headers)
