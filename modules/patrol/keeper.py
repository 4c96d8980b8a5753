"""Keeps the rounds: plans them ahead, looks at each when it is due, and tells what is to be told, exactly once.

What is decided of a round, what is told of it and the evidence that caused it are one transaction: the report stands in
the hub's outbox if and only if the round says it was told.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from hub import reports
from hub.context import Context
from hub.instants import from_us
from hub.live import Change
from hub.model import Device
from hub.store.database import Connection, Row
from modules.patrol import store
from modules.patrol.calendars import known_year
from modules.patrol.model import Effect, step
from modules.patrol.plans import rounds
from modules.patrol.stored import plan_of
from modules.patrol.versions import Versions

AHEAD = timedelta(hours=26)
_REPLAN_S = 600.0
_EACH_S = 1.0
_FIRST_S = 15.0  # after a start: what waited in the broker is heard before anything is called missed
_PATIENCE = timedelta(seconds=90)  # ... and what is stored already; in time, for rules take two minutes for history
_AT_ONCE = 50
_INSTANT = timedelta(microseconds=1)
_CODES_KEPT = timedelta(days=10)
_log = structlog.get_logger()


class Keeper:
    """The rounds of every community that has a patrol file. `refresh`: reads the files again where they changed, and
    says whether they did."""

    def __init__(
        self, context: Context, versions: Versions, refresh: Callable[[], Awaitable[bool]] | None = None
    ) -> None:
        self._context = context
        self._versions = versions
        self._refresh = refresh
        self._warned: set[object] = set()

    async def run(self) -> NoReturn:
        """Work until cancelled. psycopg.OperationalError or PoolTimeout when the store is away."""
        clock = self._context.clock
        await self._go_on(self.reread)  # before anything is planned by a file that is to be refused
        await self._go_on(self.plan_ahead)
        await clock.sleep(_FIRST_S)
        planned = clock.monotonic()
        while True:
            if not await self._go_on(self.reread) and clock.monotonic() - planned >= _REPLAN_S:
                await self._go_on(self.plan_ahead)
                planned = clock.monotonic()
            if not await self._go_on(self.tick):
                await clock.sleep(_EACH_S)

    async def reread(self) -> bool:
        """Apply files that changed to the rounds that have not begun; whether there were any."""
        if self._refresh is None or not await self._refresh():
            return False
        await self.plan_ahead()
        for community_id in self._context.communities.values():
            self._context.live.publish(Change("patrol", community_id, f"plans:{community_id}", {"plans": "changed"}))
        return True

    async def _go_on(self, work: Callable[[], Awaitable[int]]) -> int:
        """Do it; a fault at one community is written down, and the others go on."""
        try:
            return await work()
        except (psycopg.OperationalError, PoolTimeout):
            raise
        except Exception as error:  # noqa: BLE001 a fault of ours at one community must not end all patrols for good
            self._warn(repr(error)[:200], "the patrols of a community broke; those of the others go on", exc_info=error)
            return 0

    async def plan_ahead(self) -> int:
        """Write down the rounds of the coming day; how many are new. Rounds that have begun stay as they are. What is
        older than `HUB_EVENT_DAYS` is forgotten."""
        return await self._each(self._plan)

    async def tick(self) -> int:
        """Look at what is due now; how many rounds that were."""
        await self._go_on(lambda: self._each(self._expect))  # a fault of the roster's ends no patrol
        return await self._each(self._tick)

    async def _each(self, work: Callable[[str, int], Awaitable[int]]) -> int:
        """The sum over all communities. What breaks at one is raised after the others had their turn."""
        total, broken = 0, None
        for code, community_id in self._context.communities.items():
            try:
                total += await work(code, community_id)
            except (psycopg.OperationalError, PoolTimeout):
                raise
            except Exception as error:  # noqa: BLE001 see below
                error.add_note(f"community {code}")
                broken = broken or error
        if broken is not None:
            raise broken
        return total

    async def _plan(self, code: str, community_id: int) -> int:
        now = self._context.clock.now()
        async with self._context.database.session([community_id]) as connection:
            row = await store.community(connection, community_id)
            file = self._versions.files.get(code)
            found = rounds(file, ZoneInfo(row["time_zone"]), now, now + AHEAD) if file else []
            version = await self._versions.keep(connection, community_id, code, now)
            new = await store.plan_ahead(connection, community_id, found, now, version)
            await store.forget_codes(connection, community_id, now - _CODES_KEPT)
            kept = timedelta(days=self._context.settings.event_days)
            await store.forget(connection, community_id, now - kept, version)
        for year in {one.round.begins.year for one in found if not known_year(one.round.begins.year)}:
            self._warn(year, "holidays of the year are unknown; Monday to Friday count as workdays", year=year)
        return new

    async def _tick(self, _: str, community_id: int) -> int:
        async with self._context.database.session([community_id]) as connection:
            now = self._context.clock.now()
            rows = await store.due(
                connection, community_id, now, heard=self._heard(now), waited=now - _PATIENCE, limit=_AT_ONCE
            )
            changed = [await self._look(connection, row) for row in rows]
        self._announce(changed)
        return len(changed)

    async def _expect(self, _: str, community_id: int) -> int:
        """Write down who is on duty at the posts of the rounds that open or begin now: by the roster of that moment, so
        that what is changed in it afterwards accuses nobody. In a change of shifts both sides are expected."""
        port = self._context.ports.get("duty.on_shift")
        if port is None:
            return 0
        now = self._context.clock.now()
        async with self._context.database.session([community_id]) as connection:
            rows = await store.unexpected(connection, community_id, now, _AT_ONCE)
        for row in rows:
            last = row["ends"] - _INSTANT  # those who come when it ends do not walk it
            stood = [one for at in (row["begins"], last) for one in await port(community_id, row["post"], at)]
            people = dict.fromkeys(person_key(one) for one in stood)
            async with self._context.database.session([community_id]) as connection:
                await store.expect(connection, community_id, row["id"], list(people), now)
        return len(rows)

    async def settle(self, connection: Connection, community_id: int, checkpoint: str, at: datetime) -> list[Change]:
        """Look at the rounds that evidence just kept belongs to; the changes to `announce` after the commit."""
        found = await store.rounds_at(connection, community_id, checkpoint, at)
        return [await self._look(connection, row) for row in found]

    def announce(self, changes: Iterable[Change]) -> None:
        """To the open screens, and to the pipeline that there may be a report. After the commit."""
        self._announce(list(changes))

    def _announce(self, changes: list[Change]) -> None:
        for change in changes:
            self._context.live.publish(change)
        if changes:
            self._context.reports.wake()

    async def _look(self, connection: Connection, row: Row) -> Change:
        now = await self._present(connection, row)
        evidence, answered = await store.evidence_of(connection, row), await store.answered(connection, row)
        photographed = await store.photographed(connection, row)
        done = step(plan_of(row), evidence, frozenset(row["told"]), now, answered, photographed)
        for effect in done.effects:
            if effect.name != "reminder":
                await self._tell(connection, row, effect)
        await store.settle(connection, row, done, now)
        reminders = [effect.checkpoint for effect in done.effects if effect.name == "reminder"]
        data: dict[str, Any] = {
            "id": row["id"], "plan": row["plan"], "begins": row["begins"].isoformat(), "state": done.outcome.state,
            "done": done.outcome.done, "stops": len(done.outcome.visits), "remind": reminders,
        }  # fmt: skip
        return Change("patrol", row["community_id"], str(row["id"]), data)

    async def _present(self, connection: Connection, row: Row) -> datetime:
        """How far time has come for a round: nothing is called late while what was received may still prove the
        contrary. It never goes back, and never stays behind for longer than `_PATIENCE`."""
        now = self._context.clock.now()
        unheard = await store.unheard(connection, row)
        looked_at: datetime = row["changed_at"]
        return max(looked_at, now - _PATIENCE, min(self._heard(now), unheard or now))

    def _heard(self, now: datetime) -> datetime:
        """Until when all that was received is stored."""
        unstored = self._context.status.unstored
        return min(now, from_us(unstored)) if unstored is not None else now

    async def _tell(self, connection: Connection, row: Row, effect: Effect) -> None:
        device = self.device(row["community_id"], row["device"])
        if device is None:
            self._warn(row["device"], "a patrol route's device is not installed; nothing is told", device=row["device"])
            return
        data = {"round": self.label(row, device)}
        if effect.checkpoint is not None:
            file = await self._versions.of(connection, row["community_id"], device.community, row["version"])
            found = file.checkpoint(effect.checkpoint) if file else None
            data["checkpoint"] = found.name.zh if found else effect.checkpoint
        if effect.result is not None:
            data["result"] = effect.result
        key = f"patrol:{row['id']}:{effect.key}"
        await reports.put(connection, device, key=key, at=effect.at, events=[(effect.name, data)])

    def device(self, community_id: int, code: str) -> Device | None:
        """An installed device by its code."""
        devices = self._context.devices.values()
        return next((one for one in devices if one.code == code and one.community_id == community_id), None)

    def label(self, row: Row, device: Device) -> str:
        """What a round is called in events: its local beginning and its number."""
        begins = row["begins"].astimezone(ZoneInfo(device.zone))
        return f"{begins:%m-%d %H:%M} #{row['id']}"

    def _warn(self, what: object, text: str, **more: object) -> None:
        if what not in self._warned:
            self._warned.add(what)
            _log.warning(text, **more)


def person_key(person: Mapping[str, Any]) -> str:
    """How evidence names somebody whom the duty roster knows: "user:li" with an account, else "person:17"."""
    account = person.get("account")
    return f"user:{account}" if account else f"person:{person['person']}"
