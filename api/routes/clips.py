"""Stored clips of alarms, for those who may see what cards and plates say; a player asks for them part by part."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Request, Response

from api.auth import Who
from api.hub import hub_of
from api.problems import RESPONSES
from api.ranges import asked_part
from hub.media import clips

MOST_PART = 1_000_000
"""Bytes of one answer to a range: a player asks for the next ones."""

router = APIRouter(prefix="/clips", tags=["clips"], responses=RESPONSES)


@router.get(
    "/{clip_id}", response_class=Response,
    responses={
        200: {"content": {"video/mp4": {}}}, 206: {"description": "The part that was asked for"},
        304: {"description": "Not changed"}, 416: {"description": "No such part"},
    },
)  # fmt: skip
async def clip(
    request: Request, who: Who, clip_id: UUID,
    if_none_match: Annotated[str | None, Header(max_length=1000)] = None,
    wanted: Annotated[str | None, Header(alias="range", max_length=1000)] = None,
) -> Response:  # fmt: skip
    """An MP4, whole or one range of it (at most 1 MB an answer). It never changes, but whoever asks is asked for again
    each time."""
    who.require("work")
    async with hub_of(request).context.database.session([who.community_id]) as connection:
        row = await clips.known(connection, who.community_id, clip_id)
        headers = {"ETag": f'"{row["sha256"].hex()}"', "Cache-Control": "private, no-cache", "Accept-Ranges": "bytes"}
        if if_none_match is not None and headers["ETag"] in if_none_match:
            return Response(None, 304, headers)
        try:
            part = asked_part(wanted, row["size"], MOST_PART)
        except ValueError:
            return Response(None, 416, {**headers, "Content-Range": f"bytes */{row['size']}"})
        body = await clips.read(connection, who.community_id, clip_id, *(part or ()))
    if part:
        headers["Content-Range"] = f"bytes {part[0]}-{part[0] + part[1] - 1}/{row['size']}"
    return Response(body, 206 if part else 200, headers, media_type="video/mp4")
