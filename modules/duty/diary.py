"""The duty log (值班记录), incidents (治安情况记录), and the sheet of a day."""

from collections.abc import AsyncIterable
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from hub import audit
from hub.context import Context
from hub.errors import Refused
from hub.media.intake import take
from hub.media.store import add, hold, of_subjects
from hub.principal import Principal
from hub.store.database import Connection, NotThere, Row
from modules.duty import store
from modules.duty.desk import Desk, may
from modules.duty.handovers import HandOvers
from modules.duty.model import IncidentKind, LogKind, incident_number, instant, text_of
from modules.duty.rosters import Rosters
from modules.duty.rounds import rounds_of

MOST = 2000
MOST_PICTURES = 20
_ALL_TIME = datetime.fromisoformat("2000-01-01T00:00:00+00:00"), datetime.fromisoformat("9000-01-01T00:00:00+00:00")
_AHEAD = timedelta(minutes=5)
_BACK = timedelta(days=31)


class Diary(Desk):
    """Use cases over what guards write down, for one principal at a time. Writing needs the right `work`."""

    def __init__(self, context: Context, rosters: Rosters, hand_overs: HandOvers) -> None:
        super().__init__(context)
        self._rosters = rosters
        self._hand_overs = hand_overs

    # -- duty log --------------------------------------------------------------------------------------------------

    async def entries(
        self, who: Principal, *, since: datetime | None = None, until: datetime | None = None,
        before: int | None = None, kind: str | None = None, words: str = "", limit: int = 100,
    ) -> list[Row]:  # fmt: skip
        """Entries newest first, those of [since, until); `before` is the id of the last one already seen. `words`: only
        those with them in text, place or writer."""
        who.require("see")
        async with self.session(who) as connection:
            return await store.rows(
                connection, "entries", who.community_id, since=since or _ALL_TIME[0], until=until or _ALL_TIME[1],
                before=before or 2**62, kind=kind, words=_sought(words), limit=max(1, min(limit, MOST)),
            )  # fmt: skip

    async def count_entries(self, who: Principal, *, kind: str | None = None, words: str = "") -> int:
        """How many there are of these."""
        who.require("see")
        async with self.session(who) as connection:
            found = await store.one(connection, "entry_count", who.community_id, "count", kind=kind,
                                    words=_sought(words))  # fmt: skip
        return int(found["total"])

    async def write(
        self, who: Principal, kind: LogKind, text: str, *, at: datetime | None = None, place: str = "",
        corrects: int | None = None, alarm_id: int | None = None,
    ) -> int:  # fmt: skip
        """A further entry; its id. What it `corrects` stays and is marked; an entry is corrected once, then its
        correction. NotThere; Refused `corrected`, `bad_time`."""
        who.require("work")
        now, text, place = self.now(), text_of(text, "text", 2000), text_of(place, "place", 100, least=0)
        moment = self._in_time(at or now, now)
        async with self.session(who) as connection:
            if corrects is not None:
                await store.do(connection, "lock", who.community_id, subject="entry")
                found = await store.one(connection, "entry", who.community_id, f"entry {corrects}", id=corrects)
                if found["corrected_by"] is not None:
                    raise Refused("corrected", f"entry {corrects} was corrected by {found['corrected_by']}")
            await _alarm_there(connection, who, alarm_id)
            made = await store.one(
                connection, "insert_entry", who.community_id, "entry", at=moment, noted_at=now, kind=kind, text=text,
                place=place, actor=who.actor, corrects=corrects, alarm_id=alarm_id,
            )  # fmt: skip
            await audit.record(connection, who, "duty.log", f"entry:{made['id']}", now, {"corrects": corrects})
        self.announce(who.community_id, "entry", made["id"])
        return int(made["id"])

    # -- incidents -------------------------------------------------------------------------------------------------

    async def incidents(
        self, who: Principal, *, state: str | None = None, since: datetime | None = None,
        until: datetime | None = None, before: int | None = None, words: str = "", limit: int = 100,
    ) -> list[Row]:  # fmt: skip
        """Incidents newest first. `persons` is for who noted it and for the right `supervise`, else None. `words`: only
        those with them in number, place, what happened or writer; never in who was involved."""
        who.require("see")
        async with self.session(who) as connection:
            rows = await store.rows(
                connection, "incidents", who.community_id, id=None, state=state, since=since or _ALL_TIME[0],
                until=until or _ALL_TIME[1], before=before or 2**62, words=_sought(words),
                limit=max(1, min(limit, MOST)),
            )  # fmt: skip
        return [_seen_by(who, row) for row in rows]

    async def count_incidents(self, who: Principal, *, state: str | None = None, words: str = "") -> int:
        """How many there are of these."""
        who.require("see")
        async with self.session(who) as connection:
            found = await store.one(connection, "incident_count", who.community_id, "count", state=state,
                                    words=_sought(words))  # fmt: skip
        return int(found["total"])

    async def incident(self, who: Principal, incident_id: int) -> Row:
        """One incident with its steps and pictures (id, taken_at, source, gone). NotThere."""
        who.require("see")
        async with self.session(who) as connection:
            found = await store.rows(
                connection, "incidents", who.community_id, id=incident_id, state=None, since=_ALL_TIME[0],
                until=_ALL_TIME[1], before=2**62, words="", limit=1,
            )  # fmt: skip
            if not found:
                raise NotThere(f"incident {incident_id}")
            steps = await store.rows(connection, "incident_steps", who.community_id, id=incident_id)
            pictures = await of_subjects(connection, who.community_id, [f"incident:{incident_id}"])
        shown = [{name: one[name] for name in ("id", "taken_at", "source", "gone")} for one in pictures]
        return {**_seen_by(who, found[0]), "steps": steps, "pictures": shown}

    async def open_incident(
        self, who: Principal, kind: IncidentKind, what: str, place: str, *, occurred_at: datetime | None = None,
        persons: str = "", measures: str = "", police_number: str | None = None, alarm_id: int | None = None,
    ) -> Row:  # fmt: skip
        """A new record. `police_number` None: not handed to the police. NotThere for the alarm; Refused."""
        who.require("work")
        now = self.now()
        values = {
            "kind": kind, "occurred_at": self._in_time(occurred_at or now, now), "place": text_of(place, "place", 100),
            "what": text_of(what, "what", 4000), "persons": text_of(persons, "persons", 1000, least=0),
            "measures": text_of(measures, "measures", 2000, least=0), "police": police_number is not None,
            "police_number": text_of(police_number or "", "police number", 60, least=0), "alarm_id": alarm_id,
        }  # fmt: skip
        async with self.session(who) as connection:
            await _alarm_there(connection, who, alarm_id)
            day = now.astimezone(await store.zone(connection, who.community_id)).date()
            counted = await store.one(connection, "next_number", who.community_id, "number", day=day)
            number = incident_number(day, counted["last"])
            made = await store.one(connection, "insert_incident", who.community_id, number, **values, number=number,
                                   actor=who.actor, at=now)  # fmt: skip
            await self._step(connection, who, made["id"], "open", "")
        self.announce(who.community_id, "incident", made["id"])
        return await self.incident(who, made["id"])

    async def add_to_incident(self, who: Principal, incident_id: int, text: str) -> Row:
        """What was done or found since. NotThere; Refused(409) `wrong_state` for a closed one."""
        return await self._further(who, incident_id, "add", text_of(text, "text", 2000), "work")

    async def photograph(self, who: Principal, incident_id: int, parts: AsyncIterable[bytes]) -> UUID:
        """Add a picture to an open incident; its number. The same bytes again are the same picture.

        BadPicture; NotThere; Refused(409) `wrong_state` for a closed one, `too_many_pictures` above 20.
        """
        who.require("work")
        async with self.session(who) as connection:
            await store.one(connection, "incident_there", who.community_id, f"incident {incident_id}", id=incident_id)
        picture, subject = await take(parts), f"incident:{incident_id}"
        now = self.now()
        async with self.session(who) as connection:
            found = await self._lock_open(connection, who, incident_id)
            number, new = await add(connection, who.community_id, picture, subject=subject, source=who.actor, at=now,
                                    most=MOST_PICTURES)  # fmt: skip
            if not new:
                return number
            if found["police"]:
                await hold(connection, who.community_id, [number])
            await self._step(connection, who, incident_id, "photograph", "")
        self.announce(who.community_id, "incident", incident_id)
        return number

    async def hand_to_police(self, who: Principal, incident_id: int, number: str) -> Row:
        """Handed to the police under their number; its photographs are kept for good. NotThere; Refused as above."""
        return await self._further(who, incident_id, "police", text_of(number, "police number", 60), "work")

    async def close_incident(self, who: Principal, incident_id: int, conclusion: str) -> Row:
        """What came of it; nothing is added any more. Needs the right `supervise`. NotThere; Refused as above."""
        return await self._further(who, incident_id, "close", text_of(conclusion, "conclusion", 2000), "supervise")

    async def _further(self, who: Principal, incident_id: int, action: str, text: str, right: str) -> Row:
        who.require(right)
        async with self.session(who) as connection:
            await self._lock_open(connection, who, incident_id)
            if action in ("police", "close"):
                await store.do(connection, f"{action}_incident", who.community_id, id=incident_id, text=text,
                               actor=who.actor, at=self.now())  # fmt: skip
            if action == "police":
                pictures = await of_subjects(connection, who.community_id, [f"incident:{incident_id}"])
                await hold(connection, who.community_id, [one["id"] for one in pictures])
            await self._step(connection, who, incident_id, action, text)
        self.announce(who.community_id, "incident", incident_id)
        return await self.incident(who, incident_id)

    async def _lock_open(self, connection: Connection, who: Principal, incident_id: int) -> Row:
        found = await store.one(connection, "lock_incident", who.community_id, f"incident {incident_id}",
                                id=incident_id)  # fmt: skip
        if found["state"] == "closed":
            raise Refused("wrong_state", "the incident is closed")
        return found

    async def _step(self, connection: Connection, who: Principal, incident_id: int, action: str, text: str) -> None:
        now = self.now()
        await store.do(connection, "incident_step", who.community_id, id=incident_id, at=now, actor=who.actor,
                       action=action, text=text)  # fmt: skip
        await audit.record(connection, who, f"duty.incident_{action}", f"incident:{incident_id}", now)

    # -- the sheet of a day ----------------------------------------------------------------------------------------

    async def sheet(self, who: Principal, day: date) -> dict[str, Any]:
        """Everything of a local day on one sheet: who stood, hand-overs, log, incidents, alarms, patrols."""
        who.require("see")
        async with self.session(who) as connection:
            zone = await store.zone(connection, who.community_id)
            since, until = instant(day, time(), zone), instant(day + timedelta(days=1), time(), zone)
            alarms = await store.rows(connection, "alarm_counts", who.community_id, since=since, until=until)
            posts = {row["id"]: row["name"] for row in await store.rows(connection, "posts", who.community_id)}
            shifts = {row["id"]: row for row in await store.rows(connection, "shifts", who.community_id)}
        roster = await self._rosters.days(who, day, day)
        order = {number: place for place, number in enumerate(shifts)}
        stood = sorted(roster["slots"], key=lambda slot: (order[slot["shift"]], slot["post"], slot["name"]))
        return {
            "day": day, "zone": str(zone), "alarms": alarms, "rounds": await rounds_of(self._context, who, day),
            "missing": roster["missing"],
            "roster": [{"shift": shifts[slot["shift"]]["name"], "begins": shifts[slot["shift"]]["begins"],
                        "ends": shifts[slot["shift"]]["ends"], "post": posts[slot["post"]], "name": slot["name"],
                        "absent": slot["absent"]} for slot in stood],
            "hand_overs": await self._hand_overs.between(who, since, until),
            "entries": sorted(await self.entries(who, since=since, until=until, limit=MOST),
                              key=lambda entry: (entry["at"], entry["id"])),
            "incidents": sorted(await self.incidents(who, since=since, until=until, limit=MOST),
                                key=lambda each: (each["occurred_at"], each["id"])),
        }  # fmt: skip

    async def note_export(self, who: Principal, subject: str, form: str) -> None:
        """Write down that the sheet of a day (`day:2026-11-21`), the `log` or the `incidents` left the house."""
        async with self.session(who) as connection:
            await audit.record(connection, who, "duty.export", subject, self.now(), {"form": form})

    def _in_time(self, at: datetime, now: datetime) -> datetime:
        """Refused(422) `bad_time` for what is yet to come, or more than a month ago."""
        if not now - _BACK <= at <= now + _AHEAD:
            raise Refused("bad_time", "a time of the last 31 days is needed", 422)
        return at


async def _alarm_there(connection: Connection, who: Principal, alarm_id: int | None) -> None:
    if alarm_id is not None:
        await store.one(connection, "alarm_there", who.community_id, f"alarm {alarm_id}", id=alarm_id)


def _sought(words: str) -> str:
    """What a person typed into a search, as the store takes it."""
    return words.replace("\x00", " ").strip()[:100]


def _seen_by(who: Principal, incident: Row) -> Row:
    mine = may(who, "supervise") or incident["noted_by"] == who.actor
    return incident if mine else {**incident, "persons": None if incident["persons"] else ""}
