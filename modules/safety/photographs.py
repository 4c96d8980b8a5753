"""Photographs of what people wrote down themselves: records of equipment, drills."""

from collections.abc import AsyncIterable
from datetime import timedelta
from uuid import UUID

from hub import audit
from hub.context import Context
from hub.errors import Refused
from hub.media.intake import take
from hub.media.store import add
from hub.principal import Principal
from hub.store.database import Row
from modules.safety import store

MOST_PICTURES = 6
"""Photographs of one record or drill."""


async def add_photograph(context: Context, who: Principal, row: Row, subject: str, parts: AsyncIterable[bytes]) -> UUID:
    """Add a picture to what `row` {actor, noted_at} is, if one wrote it oneself within a day; its number. The same
    bytes again are the same picture.

    BadPicture; Refused: 403 for another's, 409 `too_many_pictures` above 6.
    """
    if row["actor"] != who.actor or context.clock.now() - row["noted_at"] > timedelta(days=1):
        raise Refused("forbidden", "photographs are added to what one wrote oneself, on the same day", 403)
    picture, now = await take(parts), context.clock.now()
    async with context.database.session([who.community_id]) as connection:
        await store.do(connection, "lock", who.community_id)
        number, new = await add(connection, who.community_id, picture, subject=subject, source=who.actor, at=now,
                                most=MOST_PICTURES)  # fmt: skip
        if not new:
            return number
        await audit.record(connection, who, "safety.photograph", subject, now, {"picture": str(number)})
    return number
