"""The one background part: takes in the list a community begins with, and tells what fell due since the last look."""

from collections.abc import Mapping

import structlog

from hub.context import Context
from hub.live import Change
from hub.principal import Principal
from modules.safety import store, telling
from modules.safety.service import BadList, Equipment

EVERY_S = 60.0
_log = structlog.get_logger()


class Watch:
    """Looks every minute; a new day makes pieces due without anybody doing anything. `lists`: community code -> rows
    of the list it begins with."""

    def __init__(self, context: Context, lists: Mapping[str, list[list[str]]]) -> None:
        self._context = context
        self._lists = dict(lists)
        self._equipment = Equipment(context)

    async def run(self) -> None:
        """Until cancelled. psycopg.OperationalError or PoolTimeout when the store is away."""
        while True:
            await self.look()
            await self._context.clock.sleep(EVERY_S)

    async def look(self) -> None:
        """Once."""
        for code, community_id in list(self._context.communities.items()):
            await self._begin(code, community_id)
            async with self._context.database.session([community_id]) as connection:
                await store.do(connection, "lock", community_id)
                zone = await store.zone(connection, community_id)
                today = self._context.clock.now().astimezone(zone).date()
                told = await telling.tell(self._context, connection, community_id, today)
            if told:
                self._context.reports.wake()
                self._context.live.publish(Change("safety", community_id, "0", {"equipment": 0}))

    async def _begin(self, code: str, community_id: int) -> None:
        """Take in the list of a community whose register is empty; once a start."""
        rows = self._lists.get(code)
        if rows is None:
            return
        async with self._context.database.session([community_id]) as connection:
            known = await store.one(connection, "how_many", community_id, "count")
        try:
            if not known["total"]:
                done = await self._equipment.take_rows(Principal("config:safety", community_id, "admin"), rows)
                _log.info("fire equipment taken from the list", community=code, pieces=done["added"])
        except BadList as error:
            _log.error("the list of fire equipment is refused", community=code, problems=error.detail)
        del self._lists[code]
