"""Stored pictures: pixels to look at, for those who may see what cards and plates say."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Request, Response

from api.auth import Who
from api.hub import hub_of
from api.problems import RESPONSES
from hub.media import store

router = APIRouter(prefix="/pictures", tags=["pictures"], responses=RESPONSES)


@router.get(
    "/{picture_id}", response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}, 304: {"description": "Not changed"}},
)  # fmt: skip
async def picture(
    request: Request, who: Who, picture_id: UUID,
    if_none_match: Annotated[str | None, Header(max_length=1000)] = None,
) -> Response:  # fmt: skip
    """A JPEG. It never changes, but whoever asks is asked for again each time."""
    who.require("work")
    async with hub_of(request).context.database.session([who.community_id]) as connection:
        row = await store.known(connection, who.community_id, picture_id)
        headers = {"ETag": f'"{row["sha256"].hex()}"', "Cache-Control": "private, no-cache"}
        if if_none_match is not None and headers["ETag"] in if_none_match:
            return Response(None, 304, headers)
        body = await store.read(connection, who.community_id, picture_id)
    return Response(body, media_type="image/jpeg", headers={**headers, "X-Content-Type-Options": "nosniff"})
