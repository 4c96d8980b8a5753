"""Pictures that people send: gathered within bounds, and only so many at once."""

from collections.abc import AsyncIterable
from typing import Any

from hub.errors import Refused
from hub.media.picture import MOST_BYTES, BadPicture, Picture, prepare

MOST_WAITING = 20
PICTURE_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {
        kind: {"schema": {"type": "string", "format": "binary"}} for kind in ("image/jpeg", "image/png", "image/webp")
    }}
}  # fmt: skip
"""What OpenAPI says of a request whose body is a picture."""


class Intake:
    """The way in. One for each process: what waits here is held in memory."""

    def __init__(self) -> None:
        self._waiting = 0

    async def take(self, parts: AsyncIterable[bytes]) -> Picture:
        """A picture from the parts of a request. BadPicture; Refused(503) `busy` when 20 wait for their turn."""
        given = bytearray()
        async for part in parts:
            given += part
            if len(given) > MOST_BYTES:
                raise BadPicture("picture_too_large", f"at most {MOST_BYTES} bytes")
        if self._waiting >= MOST_WAITING:
            raise Refused("busy", "too many pictures at once; try again", 503)
        self._waiting += 1
        try:
            return await prepare(bytes(given))
        finally:
            self._waiting -= 1


take = Intake().take
