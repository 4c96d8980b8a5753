"""Patrol rounds as duty tells of them: by the port `patrol.rounds`, where there are patrols."""

from datetime import date
from typing import Any

from hub.context import Context
from hub.principal import Principal
from hub.store.database import Row
from modules.duty import store

UNDER_WAY = ("running", "overdue")
FAILED = ("missed", "incomplete")
_KEPT = ("id", "plan", "state", "begins", "ends", "done")


async def rounds_of(context: Context, who: Principal, day: date) -> list[dict[str, Any]]:
    """The rounds that begin on a local day, in order of time: id, plan, state, begins, ends, done, `stops` (how many
    checkpoints), `name` (of the route's device, else the plan's), `expected` and `walked` (names of who was on duty at
    their post when they were due, and of who was seen), `stand_in` (somebody else was)."""
    port = context.ports.get("patrol.rounds")
    rows: list[Row] = await port(who, day) if port is not None else []
    people = await _people(context, who) if rows else {}
    names = {device.code: {"zh": device.spec.name.zh, "en": device.spec.name.en}
             for device in context.devices.values() if device.community_id == who.community_id}  # fmt: skip
    return [{**{key: row[key] for key in _KEPT}, "stops": len(row["checkpoints"]),
             "expected": [_called(one, people) for one in row["expected"] or ()],
             "walked": [_called(one, people) for one in row["people"]],
             "stand_in": any(visit.get("stand_in") for visit in row["visits"]),
             "name": names.get(row["device"], {"zh": row["plan"], "en": row["plan"]})} for row in rows]  # fmt: skip


async def _people(context: Context, who: Principal) -> dict[str, str]:
    """What patrol calls people, by account or by number, -> name."""
    async with context.database.session([who.community_id]) as connection:
        found = await store.rows(connection, "people", who.community_id)
    return {f"person:{each['id']}": each["name"] for each in found} | {
        f"user:{each['account']}": each["name"] for each in found if each["account"]
    }


def _called(person: str, people: dict[str, str]) -> str:
    return people.get(person) or person.partition(":")[2]
