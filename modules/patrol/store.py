"""The SQL of patrols. Every function runs inside the caller's transaction."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from hub.store.database import Connection, NotThere, Row
from hub.store.queries import load_queries
from modules.patrol.codes import CodeBook
from modules.patrol.model import Evidence, Step, Visit
from modules.patrol.plans import Planned, after
from modules.patrol.position import Position
from modules.patrol.stored import plan_json, visits_json

_SQL = load_queries("modules.patrol")
MOST_SHOWN = 200
POSITION = ("lat", "lon", "accuracy")
"""Columns of evidence that say where a person was."""


async def _all(connection: Connection, name: str, **values: Any) -> list[Row]:
    return await (await connection.execute(_SQL[name], values)).fetchall()


async def _one(connection: Connection, name: str, **values: Any) -> Row | None:
    return await (await connection.execute(_SQL[name], values)).fetchone()


async def community(connection: Connection, community_id: int) -> Row:
    """`id`, `code` and `time_zone`. NotThere."""
    found = await _all(connection, "communities", ids=[community_id])
    if not found:
        raise NotThere(f"community {community_id}")
    return found[0]


# -- rounds ----------------------------------------------------------------------------------------------------------


async def plan_ahead(
    connection: Connection, community_id: int, planned: Sequence[Planned], now: datetime, version: str | None
) -> int:
    """Make the rounds that have not begun those that are planned by the file `version`; those already right stay, and
    so do those that have begun. How many are new."""
    found = after(planned, await begun(connection, community_id, now), now)
    wanted = {(one.plan.id, one.round.begins): _values(one) for one in found}
    wrong = []
    for row in await _all(connection, "ahead", community_id=community_id, now=now):
        values = wanted.get((row["plan"], row["begins"]))
        if values is not None and all(row[name] == values[name] for name in values):
            del wanted[row["plan"], row["begins"]]
        else:
            wrong.append(row["id"])
    if wrong:
        await connection.execute(_SQL["drop"], {"community_id": community_id, "ids": wrong})
    for (plan, _), values in wanted.items():
        names = [stop["checkpoint"] for stop in values["spec"]["stops"]]
        row_values = {**values, "spec": Jsonb(values["spec"]), "plan": plan, "checkpoints": names, "at": now}
        await connection.execute(
            _SQL["put_round"], {**row_values, "community_id": community_id, "version": version}
        )  # fmt: skip
    await connection.execute(_SQL["adopt"], {"community_id": community_id, "now": now, "version": version})
    return len(wanted)


async def begun(connection: Connection, community_id: int, now: datetime) -> list[Row]:
    """`plan`, `device` and `closes` of the rounds that have begun and are not closed yet."""
    return await _all(connection, "begun", community_id=community_id, now=now)


def _values(planned: Planned) -> dict[str, Any]:
    plan = planned.round
    return {
        "route": planned.plan.route, "device": planned.plan.device, "post": planned.plan.post, "opens": plan.opens,
        "begins": plan.begins, "ends": plan.ends, "closes": plan.closes, "spec": plan_json(plan),
    }  # fmt: skip


async def put_version(
    connection: Connection, community_id: int, digest: str, file: Mapping[str, Any], at: datetime
) -> None:
    """Keep a patrol file, once, as the newest."""
    await connection.execute(_SQL["outdated"], {"community_id": community_id, "digest": digest})
    await connection.execute(
        _SQL["put_version"], {"community_id": community_id, "digest": digest, "file": Jsonb(file), "at": at}
    )


async def version(connection: Connection, community_id: int, digest: str) -> dict[str, Any] | None:
    """A patrol file that was kept."""
    row = await _one(connection, "version", community_id=community_id, digest=digest)
    return row["file"] if row else None


async def newest_version(connection: Connection, community_id: int) -> dict[str, Any] | None:
    """The patrol file that was in force last."""
    row = await _one(connection, "newest_version", community_id=community_id)
    return row["file"] if row else None


async def versions_open(connection: Connection, community_id: int, now: datetime) -> list[Row]:
    """`version` of every file that a round not closed yet refers to."""
    return await _all(connection, "versions_open", community_id=community_id, now=now)


async def versions_at(connection: Connection, community_id: int, at: datetime) -> list[Row]:
    """`version` of the files of the rounds that are open at an instant, each with the `names` of their checkpoints."""
    return await _all(connection, "versions_at", community_id=community_id, at=at)


async def unexpected(connection: Connection, community_id: int, now: datetime, limit: int) -> list[Row]:
    """`id`, `post`, `begins` and `ends` of rounds of which it is time to say who is expected."""
    return await _all(connection, "unexpected", community_id=community_id, now=now, limit=limit)


async def expect(connection: Connection, community_id: int, round_id: int, people: Sequence[str], at: datetime) -> None:
    """Write down who is expected on a round."""
    values = {"community_id": community_id, "id": round_id, "expected": list(people), "at": at}
    await connection.execute(_SQL["expect"], values)


async def due(
    connection: Connection, community_id: int, now: datetime, *, heard: datetime, waited: datetime, limit: int
) -> list[Row]:
    """Rounds to be looked at now, held until the transaction ends. Left out, unless due since `waited`: those due after
    `heard`, and those that a stored event of their time may still speak for."""
    return await _all(
        connection, "due", community_id=community_id, now=now, heard=heard, waited=waited, limit=limit
    )  # fmt: skip


async def unheard(connection: Connection, row: Row) -> datetime | None:
    """When the first event of a round's time happened that is stored but not put away as evidence yet."""
    found = await _one(connection, "unheard", **_window(row))
    return found["at"] if found else None


async def rounds_at(connection: Connection, community_id: int, checkpoint: str, at: datetime) -> list[Row]:
    """Rounds that evidence of this time and checkpoint belongs to, held until the transaction ends."""
    return await _all(connection, "rounds_at", community_id=community_id, checkpoint=checkpoint, at=at)


async def evidence_of(connection: Connection, row: Row) -> list[Evidence]:
    """All that speaks for a round."""
    return [Evidence(**found) for found in await _all(connection, "evidence_of", **_window(row))]


async def answered(connection: Connection, row: Row) -> set[tuple[str, str]]:
    """Checkpoints and the items that were inspected there in a round's time."""
    return {(one["checkpoint"], one["item"]) for one in await _all(connection, "answered", **_window(row))}


async def photographed(connection: Connection, row: Row) -> set[tuple[str, str]]:
    """Checkpoints and the items that were photographed there in a round's time."""
    return {(one["checkpoint"], one["item"]) for one in await _all(connection, "photographed", **_window(row))}


async def settle(connection: Connection, row: Row, step: Step, at: datetime) -> None:
    """What a round has come to, and what was told of it."""
    outcome = step.outcome
    flags = sum(_flags(visit) for visit in outcome.visits)
    values = {
        "id": row["id"], "community_id": row["community_id"], "state": outcome.state, "told": sorted(step.told),
        "visits": Jsonb(visits_json(outcome)), "done": outcome.done, "flags": flags, "people": outcome.people,
        "proved_later": outcome.proved_later, "finished_at": outcome.finished_at, "wake_at": step.wake_at, "at": at,
    }  # fmt: skip
    await connection.execute(_SQL["settle"], values)


def _flags(visit: Visit) -> int:
    left = len(visit.unanswered) + len(visit.unphotographed)
    return visit.late + visit.out_of_order + visit.too_fast + visit.stand_in + (visit.away is not None) + left


# -- evidence --------------------------------------------------------------------------------------------------------


async def put_evidence(
    connection: Connection, community_id: int, one: Evidence, *, device_id: int | None = None, card: str = "",
    doubtful: bool = False, position: Position | None = None,
) -> bool:  # fmt: skip
    """Keep evidence; False when it was there already."""
    values = {**one.__dict__, "community_id": community_id, "device_id": device_id, "card": card, "doubtful": doubtful}
    values |= position.__dict__ if position else dict.fromkeys(POSITION)
    return await _one(connection, "put_evidence", **values) is not None


async def known(connection: Connection, community_id: int, key: str) -> Row | None:
    """`id`, `checkpoint`, `at` and `away` of evidence that was taken before."""
    return await _one(connection, "known", community_id=community_id, key=key)


async def use_code(connection: Connection, community_id: int, nonce: str, key: str, at: datetime) -> bool:
    """Take a display's code for one check-in; False when another one took it before."""
    if await _one(connection, "use_code", community_id=community_id, nonce=nonce, key=key, at=at) is not None:
        return True
    row = await _one(connection, "used_by", community_id=community_id, nonce=nonce)
    return row is not None and row["key"] == key


async def forget_codes(connection: Connection, community_id: int, before: datetime) -> None:
    """Codes so old that they are refused anyway."""
    await connection.execute(_SQL["forget_codes"], {"community_id": community_id, "before": before})


async def forget(connection: Connection, community_id: int, before: datetime, version: str | None) -> None:
    """Rounds closed, evidence, answers and photographs received before then; but for rounds nothing of 180 days. And
    the patrol files that no round refers to, other than the present `version`."""
    for name in ("forget_rounds", "forget_evidence", "forget_inspections", "forget_photos"):
        await connection.execute(_SQL[name], {"community_id": community_id, "before": before})
    await connection.execute(_SQL["forget_versions"], {"community_id": community_id, "current": version})


async def signing_key(connection: Connection, community_id: int) -> bytes:
    """The community's own key, made when it is first needed."""
    row = await _one(connection, "key", community_id=community_id)
    if row is None:
        fresh = secrets.token_bytes(32)
        await connection.execute(_SQL["make_key"], {"community_id": community_id, "key": fresh})
        row = await _one(connection, "key", community_id=community_id)
    assert row is not None
    return bytes(row["key"])


async def code_book(connection: Connection, community_id: int, community: str) -> CodeBook:
    """What makes and judges the codes of a community, by its key and the generations in force."""
    rows = await _all(connection, "generations", community_id=community_id)
    generations = {row["checkpoint"]: row["generation"] for row in rows}
    return CodeBook(community, await signing_key(connection, community_id), generations)


async def renew_code(connection: Connection, community_id: int, checkpoint: str) -> int:
    """Begin a new generation of a checkpoint's codes; its number."""
    row = await _one(connection, "renew_code", community_id=community_id, checkpoint=checkpoint)
    assert row is not None
    return int(row["generation"])


async def reading_at(connection: Connection, point_id: int, at: datetime) -> Row | None:
    """`ts` and `value` of a point's newest usable reading at or before a moment."""
    return await _one(connection, "reading_at", point=point_id, at=at)


async def put_inspection(connection: Connection, values: Mapping[str, Any]) -> int | None:
    """Keep an answer; its id, None when it was there already."""
    row = await _one(connection, "put_inspection", **values)
    return int(row["id"]) if row else None


async def lock(connection: Connection, community_id: int, subject: str) -> None:
    """Hold a name until the transaction ends."""
    await connection.execute(_SQL["lock"], {"community_id": community_id, "subject": subject})


async def photo(connection: Connection, community_id: int, name: str) -> Row | None:
    """`key` and `picture` of a photograph that was taken before."""
    return await _one(connection, "photo", community_id=community_id, id=name)


async def photos_of(connection: Connection, community_id: int, key: str) -> list[Row]:
    """`id`, `item` and `picture` of a check-in's photographs."""
    return await _all(connection, "photos_of", community_id=community_id, key=key)


async def put_photo(connection: Connection, values: Mapping[str, Any]) -> None:
    """Keep which picture belongs to which check-in."""
    await connection.execute(_SQL["put_photo"], values)


async def photos(connection: Connection, community_id: int, since: datetime, until: datetime, limit: int) -> list[Row]:
    """The photographs of check-ins of [since, until), newest first; `gone`: past their days."""
    values = {"checkpoints": None, "opens": since, "closes": until, "limit": limit}
    return await _all(connection, "photos", community_id=community_id, **values)


# -- what people look at ---------------------------------------------------------------------------------------------


async def page(
    connection: Connection, community_id: int, since: datetime, until: datetime, *, plan: str | None,
    states: Sequence[str] | None, before: tuple[datetime, int], limit: int, open_at: datetime | None = None,
) -> list[Row]:  # fmt: skip
    """Rounds that begin in [since, until), or began before and are still open at `open_at`; newest first, below the
    cursor."""
    return await _all(
        connection, "page", community_id=community_id, since=since, until=until, plan=plan,
        states=list(states) if states is not None else None, before=before[0], before_id=before[1], limit=limit,
        open_at=open_at or until,
    )  # fmt: skip


async def one(connection: Connection, community_id: int, round_id: int) -> Row:
    """A round with its evidence, inspections and photographs. NotThere."""
    row = await _one(connection, "one", community_id=community_id, id=round_id)
    if row is None:
        raise NotThere(f"round {round_id}")
    window = _window(row)
    return {
        **row, "evidence": await _all(connection, "evidence_list", **window),
        "inspections": await _all(connection, "inspections", **window),
        "photos": await _all(connection, "photos", **window, limit=MOST_SHOWN),
    }  # fmt: skip


async def coverage(connection: Connection, community_id: int, zone: str, since: datetime, now: datetime) -> list[Row]:
    """By checkpoint: visits planned, done and late, days planned and seen, of the rounds closed since."""
    return await _all(connection, "coverage", community_id=community_id, zone=zone, since=since, now=now)


async def last_seen(connection: Connection, community_id: int, checkpoints: Sequence[str]) -> dict[str, Row]:
    """Checkpoint -> when and how anybody was last noticed there."""
    rows = await _all(connection, "last_seen", community_id=community_id, checkpoints=list(checkpoints))
    return {row["checkpoint"]: row for row in rows}


async def results(connection: Connection, community_id: int, since: datetime, now: datetime) -> list[Row]:
    """By plan and state: how many rounds closed since, and how many of them were proved later."""
    return await _all(connection, "results", community_id=community_id, since=since, now=now)


async def log(connection: Connection, community_id: int, since: datetime, until: datetime, limit: int) -> list[Row]:
    """One row a visit, in order of rounds and route."""
    return await _all(connection, "log", community_id=community_id, since=since, until=until, limit=limit)


def _window(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in ("community_id", "checkpoints", "opens", "closes")}
