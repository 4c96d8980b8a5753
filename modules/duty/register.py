"""Posts, shifts, needs, people, equipment, absences and wishes: what rosters are made from."""

from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Any

import psycopg

from hub import audit
from hub.errors import Refused
from hub.principal import Principal
from hub.store.database import NotThere, Row
from modules.duty import store
from modules.duty.desk import Desk, may, person_of
from modules.duty.model import AbsenceKind, Limits, card_hash, check_phone, days_of, mask_phone, text_of

_TWICE = {"person_community_id_account_key": "account", "person_community_id_card_hash_key": "card"}
MOST_LEAVE = 366
LIMITS = {"weekly_hours": (1, 84), "rest_hours": (0, 24), "nights_in_a_row": (1, 14), "days_in_a_row": (1, 14),
          "late_minutes": (0, 240)}  # fmt: skip


class Register(Desk):
    """Use cases over the basic data of duty, for one principal at a time. Writing needs the right `supervise`."""

    # -- posts, shifts, needs, limits ------------------------------------------------------------------------------

    async def posts(self, who: Principal) -> list[Row]:
        """Posts (岗位), the active ones first."""
        return await self._list(who, "posts")

    async def shifts(self, who: Principal) -> list[Row]:
        """Shifts (班次) by their beginning, the active ones first."""
        return await self._list(who, "shifts")

    async def needs(self, who: Principal) -> list[Row]:
        """How many people each active post needs in each active shift."""
        return await self._list(who, "needs")

    async def limits(self, who: Principal) -> Row:
        """What rosters must keep to, and after how many minutes a hand-over is late."""
        who.require("see")
        async with self.session(who) as connection:
            found = await store.setting(connection, who.community_id)
        return {name: value for name, value in found.items() if name not in ("card_key", "community_id")}

    async def put_limits(self, who: Principal, limits: Limits, late_minutes: int) -> Row:
        """Other limits; they hold for rosters from now on. Refused."""
        who.require("supervise")
        for name, (least, most) in LIMITS.items():
            if not least <= (late_minutes if name == "late_minutes" else getattr(limits, name)) <= most:
                raise Refused("bad_limit", f"{name} must be {least} to {most}", 422)
        async with self.session(who) as connection:
            await store.setting(connection, who.community_id)
            values = {**vars(limits), "late_minutes": late_minutes}
            await store.do(connection, "update_setting", who.community_id, **values)
            await audit.record(connection, who, "duty.limits", "duty:limits", self.now(), values)
        return await self.limits(who)

    async def put_post(
        self, who: Principal, code: str, name: dict[str, str], *, place: str = "", qualifications: Sequence[str] = (),
        active: bool = True,
    ) -> int:  # fmt: skip
        """Add or change a post; its id. Refused."""
        values = {"code": code, "name": name, "place": place, "qualifications": sorted(set(qualifications)),
                  "active": active}  # fmt: skip
        return await self._put(who, "post", values)

    async def put_shift(
        self, who: Principal, code: str, name: dict[str, str], begins: time, ends: time, *, active: bool = True
    ) -> int:
        """Add or change a shift; its id. Refused(409) `shift_in_use` when its hours would change under a roster."""
        if begins == ends:
            raise Refused("bad_shift", "a shift begins and ends at different times", 422)
        who.require("supervise")
        async with self.session(who) as connection:
            used = await store.one(connection, "shift_in_use", who.community_id, code, code=code, begins=begins,
                                   ends=ends, at=self.now())  # fmt: skip
        if used["used"]:
            raise Refused("shift_in_use", f"rosters to come stand on the hours of {code}: retire it, add another")
        return await self._put(
            who, "shift", {"code": code, "name": name, "begins": begins, "ends": ends, "active": active}
        )

    async def put_need(self, who: Principal, post: str, shift: str, people: int, weekdays: Sequence[int]) -> int:
        """How many people a post needs in a shift on these weekdays (1 Monday … 7 Sunday). NotThere; Refused."""
        values = {"post": post, "shift": shift, "people": people, "weekdays": sorted(set(weekdays))}
        return await self._put(who, "need", values, f"{post}/{shift}")

    # -- people ----------------------------------------------------------------------------------------------------

    async def people(self, who: Principal) -> list[Row]:
        """Everybody on the register. Telephone numbers in full for the right `supervise` only; cards never."""
        return [_seen_by(who, each) for each in await self._list(who, "people")]

    async def person(self, who: Principal, person_id: int) -> Row:
        """One of them. NotThere."""
        who.require("see")
        async with self.session(who) as connection:
            found = await store.one(connection, "person", who.community_id, f"person {person_id}", id=person_id)
        return _seen_by(who, found)

    async def put_person(
        self, who: Principal, code: str, name: str, *, account: str | None = None, phone: str | None = None,
        card: str | None = None, qualifications: Sequence[str] = (), weekly_hours: int | None = None,
        active: bool = True,
    ) -> int:  # fmt: skip
        """Add or change a person; the id. `phone` and `card` None keep what is there, "" takes it away.

        Refused(422) for a text, number or card; Refused(409) `account_taken`, `card_taken`.
        """
        who.require("supervise")
        async with self.session(who) as connection:
            key = (await store.setting(connection, who.community_id))["card_key"]
        values = {
            "code": code, "name": text_of(name, "name", 60), "account": account or None,
            "phone": check_phone(phone or ""), "keep_phone": phone is None,
            "card_hash": card_hash(key, card) if card else None, "keep_card": card is None,
            "qualifications": sorted(set(qualifications)), "weekly_hours": weekly_hours, "active": active,
        }  # fmt: skip
        try:
            return await self._put(who, "person", values)
        except psycopg.errors.UniqueViolation as error:
            what = _TWICE.get(error.diag.constraint_name or "", "code")
            raise Refused(f"{what}_taken", f"another person of this community has this {what}") from None

    # -- equipment (警械设备) ----------------------------------------------------------------------------------------

    async def equipment(self, who: Principal) -> list[Row]:
        """Guard equipment and keys, and who has them since when."""
        return await self._list(who, "equipment")

    async def put_equipment(self, who: Principal, code: str, name: dict[str, str], *, active: bool = True) -> int:
        """Add or change a piece; its id. Refused."""
        return await self._put(who, "equipment", {"code": code, "name": name, "active": active})

    async def issue(self, who: Principal, equipment_id: int, person_id: int, note: str = "") -> None:
        """Hand a piece out. NotThere; Refused(409) `issued` when somebody has it."""
        await self._move(who, equipment_id, person_id, note)

    async def take_back(self, who: Principal, equipment_id: int, note: str = "") -> None:
        """Take a piece back. NotThere; Refused(409) `not_issued`."""
        await self._move(who, equipment_id, None, note)

    async def equipment_moves(self, who: Principal, equipment_id: int) -> list[Row]:
        """Who had it when, the newest first."""
        return await self._list(who, "equipment_moves", id=equipment_id)

    async def _move(self, who: Principal, equipment_id: int, person_id: int | None, note: str) -> None:
        who.require("work")
        now, action = self.now(), "issue" if person_id else "return"
        note = text_of(note, "note", 200, least=0)
        async with self.session(who) as connection:
            piece = await store.one(connection, "lock_equipment", who.community_id, f"equipment {equipment_id}",
                                    id=equipment_id)  # fmt: skip
            if person_id:
                person = await store.one(connection, "person", who.community_id, f"person {person_id}", id=person_id)
                if piece["holder"] is not None or not piece["active"] or not person["active"]:
                    raise Refused("issued", "it is issued already, or it or the person is retired")
            elif piece["holder"] is None:
                raise Refused("not_issued", "nobody has it")
            await store.do(connection, "move_equipment", who.community_id, id=equipment_id, holder=person_id,
                           since=now if person_id else None)  # fmt: skip
            await store.do(connection, "equipment_move", who.community_id, id=equipment_id, at=now, action=action,
                           person_id=person_id or piece["holder"], actor=who.actor, note=note)  # fmt: skip
            await audit.record(connection, who, f"duty.equipment_{action}", f"equipment:{equipment_id}", now)
        self.announce(who.community_id, "equipment", equipment_id)

    # -- absences and wishes ---------------------------------------------------------------------------------------

    async def absences(self, who: Principal, first: date, last: date) -> list[Row]:
        """Who is away on these days. Why is for the right `supervise`."""
        days_of(first, last, MOST_LEAVE)
        found = await self._list(who, "absences", first=first, last=last)
        return found if may(who, "supervise") else [{**each, "kind": "absent", "note": ""} for each in found]

    async def put_absence(
        self, who: Principal, person_id: int, kind: AbsenceKind, first: date, last: date, *,
        since: datetime | None = None, note: str = "",
    ) -> int:  # fmt: skip
        """Somebody stands no shift that begins on these days; of one already begun, none from `since` on.

        NotThere; Refused for the role, the days, or a `since` that lies in no shift of them.
        """
        who.require("supervise")
        days_of(first, last, MOST_LEAVE)
        if since is not None and not -2 <= (since.date() - first).days <= (last - first).days + 2:
            raise Refused("bad_since", f"`since` lies in a shift of the days {first} to {last}", 422)
        now, note = self.now(), text_of(note, "note", 500, least=0)
        async with self.session(who) as connection:
            await store.one(connection, "person", who.community_id, f"person {person_id}", id=person_id)
            made = await store.one(
                connection, "insert_absence", who.community_id, "absence", person_id=person_id, kind=kind, first=first,
                last=last, since=since, note=note, actor=who.actor, at=now,
            )  # fmt: skip
            detail = {"person": person_id, "first": first.isoformat(), "last": last.isoformat()}
            await audit.record(connection, who, "duty.absence", f"absence:{made['id']}", now, detail)
        self.announce(who.community_id, "absence", made["id"])
        return int(made["id"])

    async def cancel_absence(self, who: Principal, absence_id: int) -> None:
        """They are there after all. NotThere."""
        who.require("supervise")
        now = self.now()
        async with self.session(who) as connection:
            await store.one(connection, "cancel_absence", who.community_id, f"absence {absence_id}", id=absence_id,
                            actor=who.actor, at=now)  # fmt: skip
            await audit.record(connection, who, "duty.absence_cancel", f"absence:{absence_id}", now)
        self.announce(who.community_id, "absence", absence_id)

    async def wishes(self, who: Principal, first: date, last: date) -> list[Row]:
        """What people wish for these days."""
        days_of(first, last, MOST_LEAVE)
        return await self._list(who, "wishes", first=first, last=last)

    async def put_wish(
        self, who: Principal, person_id: int, day: date, want: str | None, shift_id: int | None = None
    ) -> None:
        """One's own wish for a day (None takes it back), or anybody's for the right `supervise`. NotThere; Refused."""
        who.require("see")
        async with self.session(who) as connection:
            mine = await person_of(connection, who)
            if not may(who, "supervise") and (mine is None or mine["id"] != person_id):
                raise Refused("forbidden", "a wish is one's own", 403)
            await store.one(connection, "person", who.community_id, f"person {person_id}", id=person_id)
            if shift_id is not None and shift_id not in await store.shifts(connection, who.community_id):
                raise NotThere(f"shift {shift_id}")
            values = {"person_id": person_id, "day": day}
            if want is None:
                await store.do(connection, "drop_wish", who.community_id, **values)
            else:
                await store.do(connection, "put_wish", who.community_id, **values, shift_id=shift_id, want=want)
            await audit.record(connection, who, "duty.wish", f"person:{person_id}", self.now(), {"day": str(day)})
        self.announce(who.community_id, "wish", person_id)

    # -- both ------------------------------------------------------------------------------------------------------

    async def _list(self, who: Principal, query: str, **values: Any) -> list[Row]:
        who.require("see")
        async with self.session(who) as connection:
            return await store.rows(connection, query, who.community_id, **values)

    async def _put(self, who: Principal, what: str, values: dict[str, Any], key: str = "") -> int:
        who.require("supervise")
        key = key or str(values["code"])
        async with self.session(who) as connection:
            made = await store.one(connection, f"put_{what}", who.community_id, f"{what} {key}", **values)
            await audit.record(connection, who, f"duty.put_{what}", f"{what}:{key}", self.now())
        self.announce(who.community_id, what, made["id"])
        return int(made["id"])


def _seen_by(who: Principal, person: Row) -> Row:
    return person if may(who, "supervise") else {**person, "phone": mask_phone(person["phone"])}
