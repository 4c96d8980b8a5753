"""What a person does with alarms: list, read, acknowledge, shelve … Used alike by the REST API and the pages."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from hub import audit
from hub.alarms.annunciation import BUDGET, WINDOW_S
from hub.alarms.deskbase import alarm_json
from hub.alarms.jobs import Happened, queue
from hub.alarms.maintenance import MaintenanceDesk
from hub.alarms.model import ACTIVE, transition
from hub.alarms.shelving import NotShelvable, unshelvable
from hub.alarms.suppression import encode
from hub.alarms.words import moment, numbers, words
from hub.errors import Refused
from hub.principal import Principal
from hub.store.database import Connection, Row
from hub.store.queries import load_queries

__all__ = ["AlarmDesk", "View", "alarm_json"]

_SQL = load_queries("hub.alarms")
_END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)
SHELF, SHELF_ENGINEER = timedelta(hours=8), timedelta(hours=24)

View = Literal["desk", "shelved", "suppressed", "out_of_service", "stale", "all"]
_SUPPRESSION = {"suppressed": "suppressed_by_design", "out_of_service": "out_of_service"}


class AlarmDesk(MaintenanceDesk):
    """Use cases over the alarm book, for one principal at a time.

    Every method: NotThere where the object does not exist or belongs to another community; Refused(403) for a role
    without the right, Refused(422) naming the field for values out of bounds, Refused(409) where the state forbids it.
    """

    # -- reading -------------------------------------------------------------------------------------------------

    async def recent(
        self,
        who: Principal,
        *,
        live: bool = True,
        view: View = "desk",
        device_id: int | None = None,
        place: str | None = None,
        before: tuple[datetime, int] | None = None,
        limit: int = 100,
    ) -> list[Row]:
        """Alarms newest first, at most `limit`; `before` is (raised_at, id) of the last one already seen.

        `view`: desk (what people must see), shelved (also conditions on the shelf whose alarm is over), suppressed (by
        design), out_of_service, stale (active for over 24 h), all. `live` False adds those that are over. `place`: its
        whole subtree. `hides` of a row: how many alarms it suppresses by design.
        """
        moment_, number = before or (_END_OF_TIME, 2**62)
        values = {
            "live": live, "view": view, "suppression": _SUPPRESSION.get(view), "device_id": device_id, "place": place,
            "before": moment_, "before_id": number, "limit": limit, "stale": self._stale(),
        }  # fmt: skip
        async with self._database.session([who.community_id]) as connection:
            cursor = await connection.execute(_SQL["shelf" if view == "shelved" else "list"], values)
            return await cursor.fetchall()

    async def urgent(
        self, who: Principal, *, view: Literal["desk", "suppressed", "out_of_service", "all"] = "all",
        devices: Collection[int] | None = None, limit: int = 2000,
    ) -> list[Row]:  # fmt: skip
        """Live alarms, at most `limit`: life safety first, then by priority, then the newest. Whatever a flood brings,
        what may kill is not pushed off the list. `view` and `hides` as for `recent`; `devices`: only of these."""
        values = {
            "view": view, "suppression": _SUPPRESSION.get(view), "limit": limit, "stale": self._stale(),
            "devices": None if devices is None else list(devices),
        }  # fmt: skip
        async with self._database.session([who.community_id]) as connection:
            return await (await connection.execute(_SQL["urgent"], values)).fetchall()

    async def show(self, who: Principal, alarm_id: int) -> Row:
        """One alarm with `history`, `comments` (history rows with action comment) and `steps` of its procedure:
        {step, text, done, note, by, at}."""
        async with self._database.session([who.community_id]) as connection:
            return await self._show(connection, alarm_id)

    async def storm(self, who: Principal) -> Row | None:
        """The storm that goes on: {id, since, counted, annunciated, groups: [{rule, title, place, count}]}, the largest
        20 groups first; None: there is none."""
        async with self._database.session([who.community_id]) as connection:
            return await self._storm(connection, who.community_id)

    async def budget(self, who: Principal) -> Row:
        """{annunciated, limit, window_s}: how often the desk was called in the last ten minutes, life safety apart."""
        now = self._clock.now()
        values = {"community_id": who.community_id, "since": now - timedelta(seconds=WINDOW_S), "at": now}
        async with self._database.session([who.community_id]) as connection:
            row = await (await connection.execute(_SQL["budget"], values)).fetchone()
        return {"annunciated": row["annunciated"] if row else 0, "limit": BUDGET, "window_s": WINDOW_S}

    # -- the alarm's own states ----------------------------------------------------------------------------------

    async def acknowledge(self, who: Principal, alarm_id: int, note: str = "") -> Row:
        """Say "seen, mine". A second acknowledgement changes nothing and gives the alarm as it is."""
        [row] = await self.acknowledge_many(who, [alarm_id], note)
        return await self.show(who, row["id"])

    async def acknowledge_many(self, who: Principal, ids: Sequence[int], note: str = "") -> list[Row]:
        """Acknowledge up to 500 alarms, all or none; those that are acknowledged already stay as they are. Gives them
        as they now stand, newest first."""
        who.require("acknowledge")
        wanted, note = numbers(ids), words("note", note)
        async with self._database.session([who.community_id]) as connection:
            entries = []
            for row in await self._lock_many(connection, who, wanted):
                after = transition(row["state"], "acknowledge", row["latch"])
                if after != row["state"]:
                    entries.append(self._entry(who, row, "acknowledge", note) | {"state": after})
            await self._write_many(connection, who, "acknowledge", entries, {})
            alarms = await self._rows(connection, wanted)
        self._announce_all(alarms)
        return alarms

    async def reset(self, who: Principal, alarm_id: int, note: str = "") -> Row:
        """End a latched alarm. It must have returned and be acknowledged (OPC 10000-9 §5.8.5); one that is over stays
        so."""
        who.require("acknowledge")
        note = words("note", note)
        async with self._database.session([who.community_id]) as connection:
            row = await self._lock(connection, who, alarm_id)
            if row["state"] == "latched_unacknowledged":
                raise Refused("unacknowledged", "acknowledge the alarm before it is reset")
            if row["state"] in ACTIVE:
                raise Refused("still_active", "the condition still holds; it cannot be reset")
            after = transition(row["state"], "reset", row["latch"])
            if after != row["state"]:
                values = self._entry(who, row, "reset", note) | {"state": after}
                await connection.execute(_SQL["reset"], values)
                await connection.execute(_SQL["history"], values)
                await audit.record(connection, who, "alarm.reset", f"alarm:{alarm_id}", values["at"])
                await queue(connection, [Happened("alarm_changed", who.community_id, alarm_id)], self._handlers)
            alarm = await self._show(connection, alarm_id)
        self.announce(alarm)
        return alarm

    # -- beside the state ----------------------------------------------------------------------------------------

    async def shelve(self, who: Principal, alarm_id: int, until: datetime, reason: str) -> Row:
        """Put an alarm's condition on the shelf until then: 8 h at most, 24 h for engineers. Never life safety."""
        await self.shelve_many(who, [alarm_id], until, reason)
        return await self.show(who, alarm_id)

    async def shelve_many(self, who: Principal, ids: Sequence[int], until: datetime, reason: str) -> list[Row]:
        """Shelve up to 500 alarms, all or none. NotShelvable(409) names those that cannot be. Gives them as they now
        stand, newest first."""
        who.require("acknowledge")
        wanted, reason, now = numbers(ids), words("reason", reason, 1), self._clock.now()
        moment("until", until, now, SHELF_ENGINEER if who.role in ("engineer", "admin") else SHELF)
        async with self._database.session([who.community_id]) as connection:
            rows = await self._lock_many(connection, who, wanted)
            if refused := {row["id"]: why for row in rows if (why := unshelvable(row))}:
                raise NotShelvable(refused)
            entries = [
                {**self._entry(who, row, "shelved", reason), "condition": row["condition"], "until": until}
                for row in rows
            ]
            detail = {"until": until.isoformat(), "reason": reason}
            await connection.execute(_SQL["put_shelf"], {"rows": encode(entries)})
            await self._write_many(connection, who, "shelve", entries, detail)
            alarms = await self._rows(connection, wanted)
        self._announce_all(alarms)
        return alarms

    async def unshelve(self, who: Principal, alarm_id: int) -> Row:
        """Take a condition off the shelf before its time. One that is not on the shelf stays as it is."""
        who.require("acknowledge")
        now = self._clock.now()
        async with self._database.session([who.community_id]) as connection:
            row = await self._lock(connection, who, alarm_id)
            values = {"community_id": who.community_id, "condition": row["condition"]}
            live = await (await connection.execute(_SQL["shelved_live"], values)).fetchall()
            if await (await connection.execute(_SQL["drop_shelf"], values)).fetchone():
                await audit.record(connection, who, "alarm.unshelve", f"alarm:{alarm_id}", now)
            changed = await self._reconsider(connection, who, [row["id"] for row in live])
            alarm = await self._show(connection, alarm_id)
        self._announce_all(changed)
        return alarm

    # -- who does it, and what was done --------------------------------------------------------------------------

    async def assign(self, who: Principal, alarm_id: int, assignee: str) -> Row:
        """Give the alarm to somebody with an account here (`user:NAME`); an empty name takes it back. Refused(422)
        where there is no such account."""
        who.require("acknowledge")
        assignee = words("assignee", assignee, 0, 100)
        return await self._note(who, alarm_id, "assign", assignee, more={"assignee": assignee or None})

    async def comment(self, who: Principal, alarm_id: int, text: str) -> Row:
        """Write something down beside the alarm, for good."""
        who.require("acknowledge")
        return await self._note(who, alarm_id, "comment", words("text", text, 1))

    async def log_step(self, who: Principal, alarm_id: int, step: int, note: str = "", done: bool = True) -> Row:
        """Log a step of the response procedure, by its number from 1. Said twice it is logged once."""
        who.require("acknowledge")
        return await self._note(who, alarm_id, "step", words("note", note), more={"step": step, "done": done})

    async def _note(
        self, who: Principal, alarm_id: int, action: str, note: str, more: Mapping[str, Any] | None = None
    ) -> Row:
        async with self._database.session([who.community_id]) as connection:
            row = await self._lock(connection, who, alarm_id)
            values = self._entry(who, row, action, note) | dict(more or {})
            fresh = action != "step" or await self._fresh_step(connection, alarm_id, values)
            if action == "assign":
                await self._check_assignee(connection, who, values["assignee"])
                fresh = row["assignee"] != values["assignee"]
                await connection.execute(_SQL["assign"], values)
            if fresh:
                await connection.execute(_SQL["history"], values)
                await audit.record(
                    connection, who, f"alarm.{action}", f"alarm:{alarm_id}", values["at"], dict(more or {})
                )
                happened = [Happened("alarm_changed", who.community_id, alarm_id)]
                await queue(connection, happened, self._handlers)
            alarm = await self._show(connection, alarm_id)
        self.announce(alarm)
        return alarm

    async def _check_assignee(self, connection: Connection, who: Principal, assignee: str | None) -> None:
        values = {"community_id": who.community_id, "name": (assignee or "").removeprefix("user:")}
        known = assignee is None or (
            assignee.startswith("user:") and await (await connection.execute(_SQL["account"], values)).fetchone()
        )
        if not known:
            raise Refused("no_account", f"assignee: {assignee!r} is no account of this community", 422)

    async def _fresh_step(self, connection: Connection, alarm_id: int, values: Row) -> bool:
        steps = (await self._show(connection, alarm_id))["steps"]
        if not 1 <= values["step"] <= len(steps):
            raise Refused("no_step", f"step: {values['step']} given; the procedure has {len(steps)} steps", 422)
        known = steps[values["step"] - 1]
        return known["by"] is None or (known["done"], known["note"]) != (values["done"], values["note"])
