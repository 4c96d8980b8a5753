"""Photographs of a check-in: sent after it, each by itself, for a phone's connection may not carry all at once."""

from collections.abc import AsyncIterable
from typing import Any

from hub import audit
from hub.context import Context
from hub.errors import Refused
from hub.media.intake import take
from hub.media.store import keep
from hub.principal import Principal
from modules.patrol import store
from modules.patrol.keeper import Keeper
from modules.patrol.versions import Versions

MOST_PHOTOS = 3
"""So many a check-in, and so many for each item that asks for one."""


class Photos:
    """Keeps photographs and has the rounds they belong to looked at, for an item may ask for one."""

    def __init__(self, context: Context, versions: Versions, keeper: Keeper) -> None:
        self._context = context
        self._versions = versions
        self._keeper = keeper

    async def add(
        self, who: Principal, photo: str, *, phone: str, counter: int, item: str, parts: AsyncIterable[bytes]
    ) -> dict[str, Any]:
        """Keep one of the principal's own check-in: {"outcome": "accepted" or "repeated", "picture": id}.

        `photo` names it for good; `item`: what is to be seen, or "". BadPicture. Refused: 404 `no_check_in` before that
        was taken, 422 `bad_item`, 409 `too_many_pictures`, `other_check_in`.
        """
        who.require("work")
        key = f"{who.actor}/{phone}/{counter}"
        await self._versions.ready()
        async with self._context.database.session([who.community_id]) as connection:
            known = await store.known(connection, who.community_id, key)
            row = await store.community(connection, who.community_id)
            if known is None:
                raise Refused("no_check_in", "this check-in was not taken", 404)
            there = await self._versions.checkpoints(connection, who.community_id, row["code"], known["at"])
        file = self._versions.files.get(row["code"])
        checkpoints = [*there, *(file.checkpoints if file else ())]
        asking = {one.id for each in checkpoints if each.id == known["checkpoint"] for one in each.items if one.photo}
        if item and item not in asking:
            raise Refused("bad_item", f"no item {item[:48]!r} there asks for a photograph", 422)
        picture = await take(parts)
        now = self._context.clock.now()
        async with self._context.database.session([who.community_id]) as connection:
            await store.lock(connection, who.community_id, key)
            kept = await store.photos_of(connection, who.community_id, key)
            before = await store.photo(connection, who.community_id, photo)
            if before is not None:
                if before["key"] != key:
                    raise Refused("other_check_in", "a photograph of another check-in has this name", 409)
                return {"outcome": "repeated", "picture": str(before["picture"])}
            if sum(one["item"] == item for one in kept) >= MOST_PHOTOS:
                raise Refused("too_many_pictures", f"at most {MOST_PHOTOS} photographs", 409)
            number = await keep(
                connection, who.community_id, picture, subject=f"check_in:{known['id']}", source=who.actor,
                taken_at=known["at"], received_at=now,
            )  # fmt: skip
            await store.put_photo(connection, {
                "community_id": who.community_id, "id": photo, "key": key, "checkpoint": known["checkpoint"],
                "item": item, "at": known["at"], "received": now, "person": who.actor, "picture": number,
            })  # fmt: skip
            detail = {"picture": str(number), "sha256": picture.sha256.hex(), "item": item}
            await audit.record(connection, who, "patrol.photograph", f"checkpoint:{known['checkpoint']}", now, detail)
            changes = await self._keeper.settle(connection, who.community_id, known["checkpoint"], known["at"])
        self._keeper.announce(changes)
        return {"outcome": "accepted", "picture": str(number)}
