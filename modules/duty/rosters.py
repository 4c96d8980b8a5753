"""Rosters: made by hand or by the solver, published in versions, changed by further versions; and who is on now."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from datetime import date, datetime, timedelta
from typing import Any, ClassVar

from hub import audit
from hub.errors import Refused
from hub.principal import Principal
from hub.store.database import Connection, Row
from modules.duty import store
from modules.duty.desk import Desk
from modules.duty.model import Slot, days_of, text_of
from modules.duty.roster import MOST_SECONDS, Result, make_roster
from modules.duty.rules import Missing, Plan, Violation, missing, stand_ins, tallies, violations
from modules.duty.store import slot_of

MOST = 200
_BACK = timedelta(days=7)


class Rosters(Desk):
    """Use cases over rosters, for one principal at a time. Making and changing them needs the right `supervise`."""

    _solving: ClassVar[set[int]] = set()  # one solver a process: it takes a whole core

    # -- reading -----------------------------------------------------------------------------------------------------

    async def days(self, who: Principal, first: date, last: date) -> dict[str, Any]:
        """What is published for these days: slots with names, what is not covered, rules broken, figures a person."""
        who.require("see")
        async with self.session(who) as connection:
            today = self.now().astimezone(await store.zone(connection, who.community_id)).date()
            plan = await store.plan(connection, who.community_id, first, last, today)
            found = await store.rows(connection, "slots", who.community_id, first=first, last=last)
            return await _told(connection, who.community_id, plan, [slot_of(each) for each in found])

    async def recent(
        self, who: Principal, *, states: Sequence[str] = ("draft", "published"), before: int | None = None,
        limit: int = 50,
    ) -> list[Row]:  # fmt: skip
        """Rosters newest first; `before` is the id of the last one already seen."""
        who.require("see")
        async with self.session(who) as connection:
            return await store.rows(connection, "rosters", who.community_id, states=list(states),
                                    before=before or 2**31 - 1, limit=max(1, min(limit, MOST)))  # fmt: skip

    async def show(self, who: Principal, roster_id: int) -> dict[str, Any]:
        """One roster, drafts too, told like `days`. NotThere."""
        who.require("see")
        async with self.session(who) as connection:
            roster, plan, slots = await _roster(connection, who.community_id, roster_id)
            return {**roster, **await _told(connection, who.community_id, plan, slots)}

    async def stand_ins(self, who: Principal, slot: Slot) -> list[dict[str, Any]]:
        """Who could stand a published slot instead, the best first, each with the rules it would break."""
        who.require("see")
        async with self.session(who) as connection:
            plan = await store.plan(
                connection, who.community_id, slot.day - timedelta(days=7), slot.day + timedelta(days=7)
            )
            slots = await store.slots(connection, who.community_id, plan.days[0], plan.days[-1])
            names = await _names(connection, who.community_id)
        return [
            {"person": person, "name": names[person], "breaks": [asdict(each) for each in broken]}
            for person, broken in stand_ins(plan, slots, slot)
        ]

    # -- making ------------------------------------------------------------------------------------------------------

    async def generate(
        self, who: Principal, first: date, last: date, *, seconds: float = MOST_SECONDS
    ) -> dict[str, Any]:
        """A draft for [first, last] by the solver. What cannot be covered stands in `missing`, never silently.

        Refused for the role, the days, or while another one is being made; NoRoster.
        """
        who.require("supervise")
        async with self.session(who) as connection:
            plan = await store.plan(connection, who.community_id, first, last)
        if self._solving:
            raise Refused("busy_solving", "another roster is being made; try again in a moment")
        self._solving.add(who.community_id)
        try:
            clock = self._context.clock.monotonic
            result = await asyncio.to_thread(make_roster, plan, seconds=seconds, clock=clock)
        finally:
            self._solving.discard(who.community_id)
        async with self.session(who) as connection:
            roster_id = await self._insert(connection, who, plan, result.slots, "automatic", _detail(result))
        self.announce(who.community_id, "roster", roster_id)
        return await self.show(who, roster_id)

    async def draft(self, who: Principal, first: date, last: date) -> dict[str, Any]:
        """A draft that begins as what is published for these days. Refused."""
        who.require("supervise")
        async with self.session(who) as connection:
            plan = await store.plan(connection, who.community_id, first, last)
            slots = await store.slots(connection, who.community_id, first, last)
            slots = [slot for slot in slots if slot.person in plan.people]
            roster_id = await self._insert(connection, who, plan, slots, "manual", {})
        self.announce(who.community_id, "roster", roster_id)
        return await self.show(who, roster_id)

    async def publish(self, who: Principal, roster_id: int, *, note: str = "", accept: bool = False) -> dict[str, Any]:
        """From now on its days are as it says. With `accept` also when it has holes or breaks rules.

        NotThere; Refused(409) `wrong_state`, `has_holes`, `breaks_rules`, `too_late`.
        """
        who.require("supervise")
        note = text_of(note, "note", 200, least=0)
        async with self.session(who) as connection:
            await store.do(connection, "lock", who.community_id, subject="roster")
            roster, plan, slots = await _roster(connection, who.community_id, roster_id)
            if roster["state"] != "draft":
                raise Refused("wrong_state", f"the roster is {roster['state']}, not a draft")
            self._in_time(plan)
            _accepted(plan, slots, [], accept)
            await self._publish(connection, who, roster_id, note)
        self.announce(who.community_id, "roster", roster_id)
        return await self.show(who, roster_id)

    async def discard(self, who: Principal, roster_id: int) -> None:
        """A draft is not wanted. NotThere, also for what is no draft."""
        who.require("supervise")
        async with self.session(who) as connection:
            await store.one(connection, "discard_roster", who.community_id, f"draft {roster_id}", id=roster_id)
            await audit.record(connection, who, "duty.roster_discard", f"roster:{roster_id}", self.now())
        self.announce(who.community_id, "roster", roster_id)

    # -- changing ----------------------------------------------------------------------------------------------------

    async def change(
        self, who: Principal, *, remove: Collection[Slot] = (), add: Collection[Slot] = (), note: str = "",
        roster_id: int | None = None, accept: bool = False,
    ) -> dict[str, Any]:  # fmt: skip
        """Take slots out and put slots in: of a draft in place, of what is published as a further version.

        Refused(409) `roster_changed` when a slot is not as the caller saw it, `breaks_rules` and `has_holes` for what
        is new unless `accept`, `too_late` for days more than a week ago. NotThere.
        """
        who.require("supervise")
        note = text_of(note, "note", 200, least=0)
        touched = sorted({slot.day for slot in (*remove, *add)})
        if not touched:
            raise Refused("nothing", "nothing is to be changed", 422)
        days_of(touched[0], touched[-1])
        async with self.session(who) as connection:
            await store.do(connection, "lock", who.community_id, subject="roster")
            if roster_id is None:
                plan = await store.plan(connection, who.community_id, touched[0], touched[-1])
                before = await store.slots(connection, who.community_id, touched[0], touched[-1])
                self._in_time(plan)
            else:
                roster, plan, before = await _roster(connection, who.community_id, roster_id)
                if roster["state"] != "draft" or not set(touched) <= set(plan.days):
                    raise Refused("wrong_state", "the roster is no draft of these days")
            after = await _edited(connection, who.community_id, before, remove, add)
            _accepted(plan, after, before, accept)
            if roster_id is None:
                roster_id = await self._insert(connection, who, plan, after, "change", {})
                await self._publish(connection, who, roster_id, note)
            else:
                await store.do(connection, "delete_slots", who.community_id, id=roster_id)
                await store.put_slots(connection, who.community_id, roster_id, plan, after)
                await audit.record(connection, who, "duty.roster_edit", f"roster:{roster_id}", self.now())
        self.announce(who.community_id, "roster", roster_id)
        return await self.show(who, roster_id)

    async def swap(
        self, who: Principal, one: Slot, other: Slot, *, note: str = "", roster_id: int | None = None,
        accept: bool = False,
    ) -> dict[str, Any]:  # fmt: skip
        """Two people change places (换班). Refused and NotThere as `change`."""
        add = [replace(one, person=other.person), replace(other, person=one.person)]
        return await self.change(who, remove=[one, other], add=add, note=note, roster_id=roster_id, accept=accept)

    def _in_time(self, plan: Plan) -> None:
        if plan.days[0] < self.now().astimezone(plan.zone).date() - _BACK:
            raise Refused("too_late", "days more than a week ago stay as they are")

    async def _insert(
        self, connection: Connection, who: Principal, plan: Plan, slots: Collection[Slot], origin: str,
        detail: dict[str, Any],
    ) -> int:  # fmt: skip
        made = await store.one(
            connection, "insert_roster", who.community_id, "roster", first=plan.days[0], last=plan.days[-1],
            origin=origin, note="", detail=detail, actor=who.actor, at=self.now(),
        )  # fmt: skip
        await store.put_slots(connection, who.community_id, made["id"], plan, slots)
        await audit.record(connection, who, "duty.roster_make", f"roster:{made['id']}", self.now(), {"origin": origin})
        return int(made["id"])

    async def _publish(self, connection: Connection, who: Principal, roster_id: int, note: str) -> None:
        made = await store.one(connection, "publish_roster", who.community_id, f"draft {roster_id}", id=roster_id,
                               actor=who.actor, at=self.now(), note=note)  # fmt: skip
        await audit.record(connection, who, "duty.roster_publish", f"roster:{roster_id}", self.now(), dict(made))


async def _roster(connection: Connection, community_id: int, roster_id: int) -> tuple[Row, Plan, list[Slot]]:
    roster = await store.one(connection, "roster", community_id, f"roster {roster_id}", id=roster_id)
    plan = await store.plan(connection, community_id, roster["first"], roster["last"])
    slots = [slot_of(each) for each in await store.rows(connection, "slots_of", community_id, id=roster_id)]
    return roster, plan, slots


async def _edited(
    connection: Connection, community_id: int, before: Collection[Slot], remove: Collection[Slot],
    add: Collection[Slot],
) -> set[Slot]:  # fmt: skip
    """Refused(422) for a post, shift or person that is not here."""
    after = set(before)
    if not set(remove) <= after:
        raise Refused("roster_changed", "the roster was changed meanwhile: look again")
    after -= set(remove)
    known = {
        name: {each["id"] for each in await store.rows(connection, name, community_id) if each["active"]}
        for name in ("posts", "shifts", "people")
    }
    for slot in add:
        there = slot.post in known["posts"] and slot.shift in known["shifts"] and slot.person in known["people"]
        if slot in after or not there:
            raise Refused("bad_slot", f"{slot.day}: no such post, shift or person, or there already", 422)
        after.add(slot)
    return after


def _accepted(plan: Plan, after: Collection[Slot], before: Collection[Slot], accept: bool) -> None:
    """Refused for what is wrong and was not so before, unless the person accepts it."""
    if accept:
        return
    known = set(violations(plan, before)) if before else set()
    broken = [each for each in violations(plan, after) if each not in known]
    if broken:
        first = broken[0]
        raise Refused(
            "breaks_rules", f"{len(broken)} rules broken, first: {first.rule} {first.day} {first.detail}".strip()
        )
    known_holes = set(missing(plan, before)) if before else set()
    holes = [each for each in missing(plan, after) if each not in known_holes]
    if holes:
        raise Refused("has_holes", f"{len(holes)} places are not covered, first: {holes[0].day} post {holes[0].post}")


def _detail(result: Result) -> dict[str, Any]:
    return {"settled": result.settled, "wishes_granted": result.wishes[0], "wishes": result.wishes[1]}


async def _names(connection: Connection, community_id: int) -> dict[int, str]:
    return {each["id"]: each["name"] for each in await store.rows(connection, "people", community_id)}


async def _told(connection: Connection, community_id: int, plan: Plan, slots: Collection[Slot]) -> dict[str, Any]:
    """Slots as people read them, with all that is wrong and the figures of fairness."""
    names = await _names(connection, community_id)
    away = {(slot.person, slot.day) for slot in slots if plan.absent(slot.person, slot.day)}
    holes: list[Missing] = missing(plan, slots)
    broken: list[Violation] = violations(plan, slots)
    return {
        "first": plan.days[0], "last": plan.days[-1],
        "slots": [{**asdict(slot), "name": names.get(slot.person, ""), "absent": (slot.person, slot.day) in away}
                  for slot in sorted(slots)],
        "missing": [asdict(each) for each in holes],
        "violations": [{**asdict(each), "name": names.get(each.person, "")} for each in broken],
        "tallies": [{"person": person, "name": names[person], **asdict(tally)}
                    for person, tally in tallies(plan, slots).items()],
    }  # fmt: skip


class OnDuty(Desk):
    """Who is on now: the ports `duty.…`. For other modules, which answer for what they show: nothing is masked."""

    async def on_shift(self, community_id: int, post: str | None, at: datetime) -> list[dict[str, Any]]:
        """Who stands at a post (None: all) at an instant, swaps and absences counted; ordered by post and person.

        Of each: person (id), code, name, account, phone, post and shift (codes), post_name, shift_name, begins, ends.
        """
        async with self._context.database.session([community_id]) as connection:
            day = at.astimezone(await store.zone(connection, community_id)).date()
            days = {"first": day - timedelta(days=1), "last": day}
            return await store.rows(connection, "on_shift", community_id, post=post, at=at, **days)

    async def shift_at(self, community_id: int, at: datetime) -> dict[str, Any] | None:
        """The shift an instant belongs to, by code, with its [begins, ends); of several the one begun last."""
        async with self._context.database.session([community_id]) as connection:
            zone = await store.zone(connection, community_id)
            known = (await store.shifts(connection, community_id, active=True)).values()
        day = at.astimezone(zone).date()
        spans = [(*shift.span(each, zone), shift.code) for shift in known for each in (day - timedelta(days=1), day)]
        begun = [span for span in spans if span[0] <= at < span[1]]
        if not begun:
            return None
        begins, ends, code = max(begun)
        return {"shift": code, "begins": begins, "ends": ends}

    async def posts(self, community_id: int) -> list[dict[str, Any]]:
        """Every post that is active: code, name."""
        async with self._context.database.session([community_id]) as connection:
            found = await store.rows(connection, "posts", community_id)
        return [{"code": each["code"], "name": each["name"]} for each in found if each["active"]]

    async def people(self, community_id: int) -> list[dict[str, Any]]:
        """Everybody active: person (id), code, name, account, phone, qualifications."""
        async with self._context.database.session([community_id]) as connection:
            found = await store.rows(connection, "people", community_id)
        kept = ("code", "name", "account", "phone", "qualifications")
        return [{"person": each["id"], **{key: each[key] for key in kept}} for each in found if each["active"]]

    async def person_of_card(self, community_id: int, card: str) -> dict[str, Any] | None:
        """Whose card this is: person (id), code, name, account. None for a strange card, an odd one, or one retired."""
        async with self._context.database.session([community_id]) as connection:
            found = await store.person_of_card(connection, community_id, card)
        if found is None or not found["active"]:
            return None
        return {"person": found["id"], "code": found["code"], "name": found["name"], "account": found["account"]}
