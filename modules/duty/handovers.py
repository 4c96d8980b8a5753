"""Shift hand-over (交接班): what is open is listed, the outgoing side signs it, then the incoming; then it is fixed."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import psycopg

from hub import audit
from hub.context import Context
from hub.errors import Refused
from hub.principal import Principal
from hub.store.database import Connection, NotThere, Row
from modules.duty import store
from modules.duty.desk import Desk, person_of, plain
from modules.duty.model import Shift, changes, text_of
from modules.duty.rosters import OnDuty
from modules.duty.rounds import FAILED, UNDER_WAY, rounds_of

MOST = 200
EARLY = timedelta(hours=1)
_BACK = timedelta(days=7)
_LATELY = timedelta(hours=12)  # rounds that failed before that were another shift's
_LONG_AGO, _FAR = timedelta(days=36_500), timedelta(days=1)


class HandOvers(Desk):
    """Use cases over hand-overs, for one principal at a time. Signing is for people, with the right `acknowledge`."""

    def __init__(self, context: Context, on_duty: OnDuty) -> None:
        super().__init__(context)
        self._on_duty = on_duty

    async def current(self, who: Principal) -> dict[str, Any]:
        """The hand-over at hand: the last change of shifts that is not fully signed, from an hour before the next.

        `change_at` None: there are no shifts, and of the rest only the `list`. `state`: due, early, signed_out, done.
        `list` is what would be signed now, or what was signed. `outgoing` and `incoming` are the people of the roster.
        """
        who.require("see")
        now = self.now()
        async with self.session(who) as connection:
            known = await store.shifts(connection, who.community_id, active=True)
            zone = await store.zone(connection, who.community_id)
            limits = await store.setting(connection, who.community_id)
            today = now.astimezone(zone).date()
            moments = changes(list(known.values()), today - timedelta(days=2), today + timedelta(days=2), zone)
            change_at = max((each for each in moments if each <= now + EARLY), default=None)
            made = await _made(connection, who.community_id, change_at) if change_at else None
            if made is not None and made["state"] == "done":
                change_at = min(each for each in moments if each > made["change_at"])
                made = await _made(connection, who.community_id, change_at)
        if change_at is None:
            return {"change_at": None, "list": await self._list(who)}
        told = made or {
            "id": None, "change_at": change_at, "note": "", "signatures": [],
            "state": "early" if change_at > now + EARLY else "due",
            "list": await self._list(who),
        }  # fmt: skip
        outgoing, incoming = await self._sides(who.community_id, change_at)
        late = told["state"] != "done" and now > change_at + timedelta(minutes=limits["late_minutes"])
        return {**told, "outgoing": outgoing, "incoming": incoming, "late": late}

    async def sign_out(self, who: Principal, change_at: datetime, note: str = "") -> dict[str, Any]:
        """The outgoing side makes the list and signs it. Refused for the role, for keys and rules, `no_change` when
        no shift begins then, `too_early`, `signed` when somebody already did."""
        _person(who)
        note = text_of(note, "note", 2000, least=0)
        now = self.now()
        listed = await self._list(who)
        async with self.session(who) as connection:
            outgoing, incoming = await self._shifts_at(connection, who.community_id, change_at)
            if change_at > now + EARLY:
                raise Refused("too_early", "a hand-over is signed from an hour before the change on")
            if now - change_at > _BACK:
                raise Refused("too_late", "this change is more than a week ago")
            made = await store.row(
                connection, "insert_hand_over", who.community_id, change_at=change_at, outgoing_shift=outgoing,
                incoming_shift=incoming, list=listed, note=note, at=now,
            )  # fmt: skip
            if made is None:
                raise Refused("signed", "the outgoing side has signed this hand-over")
            await self._sign(connection, who, made["id"], "outgoing", change_at - timedelta(microseconds=1), note)
        self.announce(who.community_id, "hand_over", made["id"])
        return await self.show(who, made["id"])

    async def sign_in(self, who: Principal, hand_over_id: int, note: str = "") -> dict[str, Any]:
        """The incoming side has read the list and takes over. NotThere; Refused for the role, for keys and rules,
        `same_person` for who signed the other side, `signed` when somebody already did."""
        _person(who)
        note = text_of(note, "note", 2000, least=0)
        async with self.session(who) as connection:
            row = await store.one(connection, "hand_over", who.community_id, f"hand-over {hand_over_id}",
                                  id=hand_over_id)  # fmt: skip
            await self._sign(connection, who, hand_over_id, "incoming", row["change_at"], note)
        self.announce(who.community_id, "hand_over", hand_over_id)
        return await self.show(who, hand_over_id)

    async def show(self, who: Principal, hand_over_id: int) -> dict[str, Any]:
        """One hand-over with its list and signatures. NotThere."""
        who.require("see")
        async with self.session(who) as connection:
            found = await _read(connection, who.community_id, self.now(), hand_over_id=hand_over_id, whole=True)
            if not found:
                raise NotThere(f"hand-over {hand_over_id}")
            limits = await store.setting(connection, who.community_id)
        return _timed(found[0], self.now(), limits["late_minutes"])

    async def recent(self, who: Principal, *, before: datetime | None = None, limit: int = 30) -> list[dict[str, Any]]:
        """Hand-overs newest first, without their lists; those of the last week that nobody made are `missed`."""
        who.require("see")
        now = self.now()
        async with self.session(who) as connection:
            made = await _read(connection, who.community_id, now, until=before, limit=max(1, min(limit, MOST)))
            missed = [] if before else await self._missed(connection, who.community_id, now - _BACK, now)
            limits = await store.setting(connection, who.community_id)
        told = [_timed(each, now, limits["late_minutes"]) for each in [*made, *missed]]
        return sorted(told, key=lambda each: each["change_at"], reverse=True)

    async def between(self, who: Principal, since: datetime, until: datetime) -> list[dict[str, Any]]:
        """The hand-overs of [since, until) in order, those that nobody made too, without their lists."""
        who.require("see")
        now = self.now()
        async with self.session(who) as connection:
            made = await _read(connection, who.community_id, now, until=until, limit=MOST)
            missed = await self._missed(connection, who.community_id, since, min(until, now))
            limits = await store.setting(connection, who.community_id)
        told = [_timed(each, now, limits["late_minutes"]) for each in [*made, *missed] if each["change_at"] >= since]
        return sorted(told, key=lambda each: each["change_at"])

    async def _missed(
        self, connection: Connection, community_id: int, since: datetime, until: datetime
    ) -> list[dict[str, Any]]:
        """Changes of [since, until) without a hand-over; only where one was made in the week before. The last change
        up to now is not missed yet."""
        rows = await store.rows(connection, "hand_overs", community_id, id=None, since=since - _BACK, until=until,
                                whole=False, limit=MOST)  # fmt: skip
        there = {row["change_at"] for row in rows}
        moments = await self._moments(connection, community_id, since, until)
        now = self.now()
        newest = max(await self._moments(connection, community_id, now - _FAR, now), default=now)
        return [
            {"id": None, "change_at": each, "state": "missed", "signatures": [], "note": "", "list": None}
            for each in moments if there and min(there) < each < newest and each not in there
        ]  # fmt: skip

    async def _moments(
        self, connection: Connection, community_id: int, since: datetime, until: datetime
    ) -> list[datetime]:
        """When shifts began in [since, until]: as it was published, for a shift's hours may have changed since; on
        days without a roster by the hours of the shifts."""
        zone = await store.zone(connection, community_id)
        first, last = since.astimezone(zone).date(), until.astimezone(zone).date()
        slots = await store.rows(connection, "slots", community_id, first=first, last=last)
        known = list((await store.shifts(connection, community_id, active=True)).values())
        planned = {slot["day"] for slot in slots}
        found = {slot["begins_at"] for slot in slots}
        found |= {each for each in changes(known, first, last, zone) if each.astimezone(zone).date() not in planned}
        return sorted(each for each in found if since <= each <= until)

    async def _shifts_at(
        self, connection: Connection, community_id: int, change_at: datetime
    ) -> tuple[int | None, int]:
        """The shift that ends or runs before the change, and the one that begins. Refused(422) `no_change`."""
        zone = await store.zone(connection, community_id)
        known = await store.shifts(connection, community_id, active=True)
        day = change_at.astimezone(zone).date()
        before: list[tuple[datetime, int]] = []
        begins: list[Shift] = []
        for shift in known.values():
            for each in (day - timedelta(days=1), day):
                begin, end = shift.span(each, zone)
                if begin == change_at:
                    begins.append(shift)
                elif begin < change_at <= end:
                    before.append((begin, shift.id))
        if not begins:
            raise Refused("no_change", f"no shift begins at {change_at.isoformat()}", 422)
        return (max(before)[1] if before else None), begins[0].id

    async def _sides(self, community_id: int, change_at: datetime) -> tuple[list[str], list[str]]:
        before = await self._on_duty.on_shift(community_id, None, change_at - timedelta(microseconds=1))
        after = await self._on_duty.on_shift(community_id, None, change_at)
        return [each["name"] for each in before], [each["name"] for each in after]

    async def _sign(
        self, connection: Connection, who: Principal, hand_over_id: int, side: str, at: datetime, note: str
    ) -> None:
        person = await person_of(connection, who)
        day = at.astimezone(await store.zone(connection, who.community_id)).date()
        stands = await store.rows(connection, "on_shift", who.community_id, post=None, at=at, last=day,
                                  first=day - timedelta(days=1))  # fmt: skip
        number = person["id"] if person else None
        try:
            await store.do(
                connection, "sign", who.community_id, id=hand_over_id, side=side, actor=who.actor, person_id=number,
                on_roster=any(each["person"] == number for each in stands), at=self.now(), note=note,
            )  # fmt: skip
        except psycopg.errors.UniqueViolation as error:
            if error.diag.constraint_name == "signature_pkey":
                raise Refused("signed", f"the {side} side has signed this hand-over") from None
            raise Refused("same_person", "one person cannot hand over to themselves") from None
        await audit.record(connection, who, f"duty.hand_over_{side}", f"hand_over:{hand_over_id}", self.now())

    async def _list(self, who: Principal) -> dict[str, Any]:
        """What the desk shows now, as JSON: what the next shift must know of. At most `MOST` of a sort, of alarms the
        most urgent; `cut` names the sorts of which there may be more."""
        alarms = self._context.alarms
        open_alarms = await alarms.urgent(who, view="desk", limit=MOST)
        silent = {"shelved": await alarms.recent(who, view="shelved", limit=MOST),
                  "suppressed": await alarms.urgent(who, view="suppressed", limit=MOST),
                  "out_of_service": await alarms.urgent(who, view="out_of_service", limit=MOST)}  # fmt: skip
        storm = await alarms.storm(who)
        recent_orders = self._context.ports.get("workorders.recent")
        pending = ("open", "assigned", "in_progress")
        orders = await recent_orders(who, states=pending, limit=MOST) if recent_orders else []
        async with self.session(who) as connection:
            incidents = await store.rows(connection, "incidents", who.community_id, id=None, state="open",
                                         since=self.now() - _LONG_AGO, until=self.now() + _FAR, before=2**62,
                                         words="", limit=MOST)  # fmt: skip
            today = self.now().astimezone(await store.zone(connection, who.community_id)).date()
            equipment = [each for each in await store.rows(connection, "equipment", who.community_id) if each["active"]]
        walked = [each for day in (today - timedelta(days=1), today)
                  for each in await rounds_of(self._context, who, day)]  # fmt: skip
        lately = self.now() - _LATELY
        rounds = [each for each in walked
                  if each["state"] in UNDER_WAY or (each["state"] in FAILED and each["begins"] > lately)]  # fmt: skip
        listed: dict[str, Any] = {
            "alarms": _kept(open_alarms, "id", "title", "priority", "state", "raised_at", "place", "device_id",
                            "assignee"),
            **{view: _kept(rows, "id", "title", "priority", "suppression", "suppressed_until", "suppression_reason",
                           "place", "device_id") for view, rows in silent.items()},
            "storm": _kept([storm], "id", "since", "counted")[0] if storm else None,
            "work_orders": _kept(orders, "id", "number", "title", "priority", "state", "assignee", "due_at"),
            "rounds": rounds[-MOST:],
            "incidents": _kept(incidents, "id", "number", "kind", "occurred_at", "place"),
            "equipment": _kept(equipment, "id", "code", "name", "holder", "holder_name", "since"),
        }  # fmt: skip
        bounded = {"alarms": open_alarms, **silent, "work_orders": orders, "rounds": rounds,
                   "incidents": incidents}  # fmt: skip
        listed["cut"] = [name for name, rows in bounded.items() if len(rows) >= MOST]
        told: dict[str, Any] = plain(listed)
        return told


def _person(who: Principal) -> None:
    who.require("acknowledge")
    if not who.actor.startswith("user:"):
        raise Refused("forbidden", "a hand-over is signed by people, each with their own account", 403)


def _kept(rows: Sequence[Row], *names: str) -> list[dict[str, Any]]:
    return [{name: row.get(name) for name in names} for row in rows]


async def _made(connection: Connection, community_id: int, change_at: datetime) -> dict[str, Any] | None:
    row = await store.row(connection, "hand_over_at", community_id, change_at=change_at)
    if row is None:
        return None
    return (await _read(connection, community_id, change_at, hand_over_id=row["id"], whole=True))[0]


async def _read(
    connection: Connection, community_id: int, now: datetime, *, hand_over_id: int | None = None,
    until: datetime | None = None, whole: bool = False, limit: int = 1,
) -> list[dict[str, Any]]:  # fmt: skip
    """Hand-overs with their signatures, newest first."""
    rows = await store.rows(
        connection, "hand_overs", community_id, id=hand_over_id, since=now - _LONG_AGO, until=until or now + _FAR,
        whole=whole, limit=limit,
    )  # fmt: skip
    signed = await store.rows(connection, "signatures", community_id, ids=[row["id"] for row in rows])
    found = []
    for row in rows:
        signatures = [{name: each[name] for name in each if name != "hand_over_id"}
                      for each in signed if each["hand_over_id"] == row["id"]]  # fmt: skip
        state = "done" if len(signatures) == 2 else "signed_out"
        found.append({**row, "state": state, "signatures": signatures})
    return found


def _timed(told: dict[str, Any], now: datetime, late_minutes: int) -> dict[str, Any]:
    """With `late`: taken over, or still not, later than allowed after the change."""
    taken = [each["at"] for each in told["signatures"] if each["side"] == "incoming"]
    ended = taken[0] if taken else now
    minutes = max(0, int((ended - told["change_at"]).total_seconds() // 60))
    return {**told, "late": minutes > late_minutes, "late_minutes": minutes if minutes > late_minutes else 0}
