"""The one background part of duty: staff communities that have nobody yet, and call the change of shifts."""

from collections.abc import Mapping
from datetime import datetime

import structlog

from hub.context import Context
from modules.duty.desk import Desk
from modules.duty.rosters import OnDuty
from modules.duty.seed import DutyFile, apply

EVERY_S = 30.0
_log = structlog.get_logger()


class Watch(Desk):
    """Looks every half minute. What it calls is news for open pages only; the roster itself tells who is on."""

    def __init__(self, context: Context, files: Mapping[str, DutyFile]) -> None:
        super().__init__(context)
        self._files = files
        self._on = OnDuty(context)
        self._begun: dict[int, datetime | None] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.look()
            await self._context.clock.sleep(EVERY_S)

    async def look(self) -> None:
        """Once."""
        for code, community_id in list(self._context.communities.items()):
            if community_id not in self._begun and await apply(self._context, self._files, code):
                _log.info("people, posts and shifts taken from the file", community=code)
            shift = await self._on.shift_at(community_id, self.now())
            begins = shift["begins"] if shift else None
            if self._begun.get(community_id, begins) != begins:
                self.announce(community_id, "shift", begins or "")
            self._begun[community_id] = begins
