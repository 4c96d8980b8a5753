"""Patrols when things go rough: ends of the calendar, texts a database cannot keep, old codes, old rounds."""

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import psycopg
import pytest
from fastapi import Depends, FastAPI, Request

from api.problems import install
from modules.patrol import PatrolPlugin
from modules.patrol.evidence import CheckIn
from modules.patrol.phone import PhoneClock
from modules.patrol.service import plans_json
from tests.integration.patrol_ground import Ground, ground, printed_codes


@pytest.fixture
async def here(postgres_url: str) -> AsyncIterator[Ground]:
    async with ground(postgres_url) as found:
        yield found


@pytest.fixture
async def door(here: Ground) -> AsyncIterator[httpx.AsyncClient]:
    """The module's router in an app of its own, asked by an admin."""
    app = FastAPI()
    install(app)

    def carry(request: Request) -> None:
        request.state.principal = here.who("admin")

    app.include_router(PatrolPlugin().routes(here.context), dependencies=[Depends(carry)])
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://hub/patrol") as client:
        yield client


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "2026-02-30"])
async def test_days_at_the_ends_of_the_calendar_are_refused(door: httpx.AsyncClient, day: str):
    assert (await door.get(f"/days/{day}")).status_code == 422
    assert (await door.get("/log.csv", params={"since": day, "until": day})).status_code == 422


async def test_plans_tell_a_viewer_no_plate(here: Ground):
    file = here.patrols.file(here.who())
    assert file is not None
    seen = {role: str(plans_json(here.who(role), file)) for role in ("viewer", "finance", "guard")}
    assert "沪AXG001" in seen["guard"]
    for role in ("viewer", "finance"):
        assert "沪AXG001" not in seen[role] and "***01" in seen[role]


@pytest.mark.parametrize("note", ["a\u0000b", "\u001b[31m"])
async def test_a_note_that_is_no_text_is_refused(here: Ground, door: httpx.AsyncClient, note: str):
    here.clock.advance(90)
    codes = await printed_codes(here)
    file = here.patrols.file(here.who())
    assert file is not None
    one = next(one for one in file.checkpoints if one.items and one.id in codes)
    answers = {item.id: True if item.answer == "yes_no" else 1.0 for item in one.items}
    clock = {"wall_ms": int(here.clock.now().timestamp() * 1000), "monotonic_ms": 1.0, "boot": "b"}
    body = {"phone": "p", "clock": clock, "checkins": [
        {"counter": 1, "code": codes[one.id], "clock": clock, "answers": answers, "note": note},
        {"counter": 2, "code": codes[one.id], "clock": clock, "answers": answers, "note": "好"},
    ]}  # fmt: skip
    answer = await door.post("/checkins", json=body)
    assert answer.status_code == 200
    bad, good = answer.json()["results"]
    assert (bad["outcome"], bad["code"]) == ("refused", "bad_note")
    assert good["outcome"] == "accepted"


async def test_a_display_code_of_long_ago_proves_nothing_whatever_the_phone_says(here: Ground):
    file = here.patrols.file(here.who())
    assert file is not None
    one = next(one for one in file.checkpoints if any(proof.by == "display" for proof in one.proofs))
    _, code = await here.patrols.displayed(here.who("admin"), one.id)
    here.clock.advance(timedelta(days=11).total_seconds())  # who used it is forgotten by now
    captured = PhoneClock(here.clock.now() + timedelta(hours=5), 1e6, "one")  # clocks that contradict each other
    [told] = (await here.patrols.recorder.check_in(
        here.who(), "p", here.phone(), [CheckIn(1, code, captured)]
    ))["results"]  # fmt: skip
    assert (told["outcome"], told["code"]) == ("refused", "too_old")


def put(here: Ground, days_ago: int) -> None:
    """A round, evidence and an answer of so many days before the ground's own now."""
    at = here.clock.now() - timedelta(days=days_ago)
    with psycopg.connect(here.url) as link:
        link.execute(
            "INSERT INTO patrol.round (community_id, plan, route, device, opens, begins, ends, closes, checkpoints,"
            " spec, changed_at) SELECT %(home)s, 'p', 'r', 'd', at, at, at + '1 h', at + '2 h', '{c}', '{}', at"
            " FROM (SELECT %(at)s::timestamptz AS at) AS a", {"home": here.home, "at": at},
        )  # fmt: skip
        link.execute(
            "INSERT INTO patrol.evidence (community_id, key, checkpoint, sort, proof, weight, at, received)"
            " VALUES (%s, %s, 'c', 'qr', 'qr', 60, %s, %s)", [here.home, f"k{days_ago}", at, at],
        )  # fmt: skip
        link.execute(
            "INSERT INTO patrol.inspection (community_id, key, checkpoint, item, at, received, person, value, deviates)"
            " VALUES (%s, %s, 'c', 'i', %s, %s, 'user:li', 1, false)", [here.home, f"k{days_ago}", at, at],
        )  # fmt: skip


async def test_old_rounds_evidence_and_answers_are_forgotten_and_no_others(here: Ground):
    days = here.context.settings.event_days
    for days_ago in (days + 2, days - 2):
        put(here, days_ago)
    await here.patrols.keeper.plan_ahead()
    kept = here.clock.now() - timedelta(days=days - 2)
    for table, column in (("round", "begins"), ("evidence", "at"), ("inspection", "at")):
        past = f"SELECT {column} FROM patrol.{table} WHERE {column} < %s"
        assert here.rows(past, here.clock.now()) == [(kept,)], table


@pytest.mark.parametrize("table", ["evidence", "inspection"])
async def test_nobody_deletes_or_changes_what_is_to_be_kept(here: Ground, table: str):
    put(here, -36_500)  # long from now, whenever this runs
    with psycopg.connect(here.url) as link:  # a superuser at that
        for query in ("DELETE FROM patrol.{}", "UPDATE patrol.{} SET key = 'x'", "TRUNCATE patrol.{}"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                link.execute(query.format(table))  # type: ignore[call-overload]
            link.rollback()
