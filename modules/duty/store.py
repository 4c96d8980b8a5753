"""The SQL of duty: named queries of `queries.sql`, and rows as the pure parts want them. All inside the caller's
transaction."""

import secrets
from collections.abc import Collection, Mapping
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from psycopg.types.json import Jsonb

from hub.errors import Refused
from hub.store.database import Connection, NotThere, Row
from hub.store.queries import load_queries
from modules.duty.model import Absence, Limits, Need, Person, Shift, Slot, Wish, card_hash, days_of, is_free_day
from modules.duty.rules import Plan

_SQL = load_queries("modules.duty")
_AROUND = timedelta(days=14)
_LATELY = timedelta(days=28)


async def rows(connection: Connection, query: str, community_id: int, /, **values: Any) -> list[Row]:
    """What a named query gives."""
    return await (await connection.execute(_SQL[query], _values(community_id, values))).fetchall()


async def row(connection: Connection, query: str, community_id: int, /, **values: Any) -> Row | None:
    """Its first row."""
    return await (await connection.execute(_SQL[query], _values(community_id, values))).fetchone()


async def one(connection: Connection, query: str, community_id: int, what: str, /, **values: Any) -> Row:
    """Its first row. NotThere(`what`)."""
    found = await row(connection, query, community_id, **values)
    if found is None:
        raise NotThere(what)
    return found


async def do(connection: Connection, query: str, community_id: int, /, **values: Any) -> None:
    """Run it."""
    await connection.execute(_SQL[query], _values(community_id, values))


def _values(community_id: int, values: Mapping[str, Any]) -> dict[str, Any]:
    packed = {name: Jsonb(value) if isinstance(value, dict) else value for name, value in values.items()}
    return {**packed, "community_id": community_id}


async def zone(connection: Connection, community_id: int) -> ZoneInfo:
    """The community's time zone. NotThere."""
    return ZoneInfo((await one(connection, "community", community_id, f"community {community_id}"))["time_zone"])


async def setting(connection: Connection, community_id: int) -> Row:
    """Limits and card key, made at their first use."""
    found = await row(connection, "setting", community_id)
    if found is None:
        await do(connection, "insert_setting", community_id, card_key=secrets.token_bytes(32))
        found = await one(connection, "setting", community_id, f"community {community_id}")
    return found


async def shifts(connection: Connection, community_id: int, *, active: bool = False) -> dict[int, Shift]:
    """The shifts by number."""
    found = await rows(connection, "shifts", community_id)
    return {each["id"]: Shift(each["id"], each["code"], each["begins"], each["ends"])
            for each in found if each["active"] or not active}  # fmt: skip


async def slots(connection: Connection, community_id: int, first: date, last: date) -> list[Slot]:
    """Who stands where on these days by what is published."""
    return [slot_of(each) for each in await rows(connection, "slots", community_id, first=first, last=last)]


def slot_of(found: Row) -> Slot:
    return Slot(found["day"], found["shift_id"], found["post_id"], found["person_id"])


async def plan(
    connection: Connection, community_id: int, first: date, last: date, today: date = date.min
) -> Plan:  # fmt: skip
    """Everything a roster of [first, last] is made from and judged by; what was before `today` by who was there then.
    Refused `bad_period`."""
    days = days_of(first, last)
    limits = await setting(connection, community_id)
    known = await shifts(connection, community_id)
    people = await rows(connection, "people", community_id)
    known_people = {p["id"]: Person(p["id"], frozenset(p["qualifications"]), p["weekly_hours"]) for p in people}
    active = {p["id"] for p in people if p["active"]}
    needs = await rows(connection, "needs", community_id)
    lately = await slots(connection, community_id, first - _LATELY, last + _AROUND)
    carried: dict[int, tuple[int, int]] = {}
    for slot in lately:
        if slot.day < first:
            nights, free_days = carried.get(slot.person, (0, 0))
            carried[slot.person] = (nights + known[slot.shift].night, free_days + is_free_day(slot.day))
    wide = {"first": first - _AROUND, "last": last + _AROUND}
    return Plan(
        await zone(connection, community_id), tuple(days), known,
        tuple(Need(n["post_id"], n["shift_id"], n["people"], frozenset(n["weekdays"]), frozenset(n["qualifications"]))
              for n in needs),
        {number: person for number, person in known_people.items() if number in active},
        Limits(limits["weekly_hours"], limits["rest_hours"], limits["nights_in_a_row"], limits["days_in_a_row"]),
        tuple(Absence(a["person_id"], a["first"], a["last"], a["since"])
              for a in await rows(connection, "absences", community_id, **wide)),
        tuple(Wish(w["person_id"], w["day"], w["shift_id"], w["want"])
              for w in await rows(connection, "wishes", community_id, first=first, last=last)),
        tuple(slot for slot in lately if not first <= slot.day <= last and slot.day >= first - _AROUND),
        carried, {number: person for number, person in known_people.items() if number not in active}, today,
    )  # fmt: skip


async def put_slots(
    connection: Connection, community_id: int, roster_id: int, plan: Plan, new: Collection[Slot]
) -> None:
    """Put slots into a draft, with the instants they stand for."""
    ordered = sorted(set(new))
    spans = [plan.span(slot) for slot in ordered]
    await do(
        connection, "insert_slots", community_id, id=roster_id, days=[slot.day for slot in ordered],
        shifts=[slot.shift for slot in ordered], posts=[slot.post for slot in ordered],
        persons=[slot.person for slot in ordered], begins=[span[0] for span in spans], ends=[span[1] for span in spans],
    )  # fmt: skip


async def person_of_card(connection: Connection, community_id: int, card: str) -> Row | None:
    """Whose card this is, retired people too."""
    key = (await setting(connection, community_id))["card_key"]
    try:
        hashed = card_hash(key, card)
    except Refused:
        return None
    return await row(connection, "person_of_card", community_id, card_hash=hashed)
