"""Photographs of what people wrote down themselves: records of equipment, drills."""

from collections.abc import AsyncIterable
from datetime import timedelta
from uuid import UUID

from hub import audit
from hub.context import Context
from hub.errors import Refused
from hub.media.intake import take
from hub.media.store import keep, of_subjects
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
        there = await of_subjects(connection, who.community_id, [subject])
        again: list[UUID] = [one["id"] for one in there if one["sha256"] == picture.sha256]
        if again:
            return again[0]
        if len(there) >= MOST_PICTURES:
            raise Refused("too_many_pictures", f"at most {MOST_PICTURES} pictures")
        number = await keep(connection, who.community_id, picture, subject=subject, source=who.actor, taken_at=now,
                            received_at=now)  # fmt: skip
        await audit.record(connection, who, "safety.photograph", subject, now, {"picture": str(number)})
    return number
