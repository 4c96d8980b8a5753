"""The one background part of duty: staff communities that have nobody yet, go on with their rotation, call the change
of shifts, and say when posts will stand empty."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog

from hub.context import Context
from hub.reports import put_own
from modules.duty import store
from modules.duty.desk import Desk
from modules.duty.rosters import OnDuty
from modules.duty.rules import missing
from modules.duty.seed import DutyFile, apply, extend

EVERY_S = 30.0
_AHEAD = timedelta(hours=48)
_CHECK = timedelta(minutes=5)
_log = structlog.get_logger()


class Watch(Desk):
    """Looks every half minute. What it calls is news for open pages only; the roster itself tells who is on."""

    def __init__(self, context: Context, files: Mapping[str, DutyFile]) -> None:
        super().__init__(context)
        self._files = files
        self._on = OnDuty(context)
        self._begun: dict[int, datetime | None] = {}
        self._checked: dict[int, datetime] = {}
        self._covered: dict[int, bool] = {}

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
            now = self.now()
            if not now - _CHECK < self._checked.get(community_id, now - _CHECK) <= now:
                self._checked[community_id] = now
                if await extend(self._context, self._files, code):
                    _log.info("the rotation goes on", community=code)
                    self.announce(community_id, "roster")
                await self._look_ahead(community_id, now)

    async def _look_ahead(self, community_id: int, now: datetime) -> None:
        """Say of the hub's own device that posts will stand empty, and when they do no more; after a start again."""
        async with self._context.database.session([community_id]) as connection:
            if not (await store.one(connection, "rotation", community_id, "rosters"))["published"]:
                return  # nobody works by rosters here
            zone = await store.zone(connection, community_id)
            first, last = now.astimezone(zone).date() - timedelta(days=1), (now + _AHEAD).astimezone(zone).date()
            plan = await store.plan(connection, community_id, first, last)
            slots = await store.slots(connection, community_id, first, last)
            spans = [(each, *plan.shifts[each.shift].span(each.day, zone)) for each in missing(plan, slots)]
            holes = [each for each, begins, ends in spans if begins < now + _AHEAD and ends > now]
            if self._covered.get(community_id) == (not holes):
                return
            lacking = str(sum(each.lacking for each in holes))
            data = {"day": holes[0].day.isoformat(), "lacking": lacking} if holes else {}
            event = "roster_ends" if holes else "roster_covered"
            await put_own(connection, self._context.devices, community_id, event, data, now)
        self._covered[community_id] = not holes
