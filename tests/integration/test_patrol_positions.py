"""Where phones are at check-ins on a real database: kept with the evidence, judged, and seen by those who work here."""

from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from hub.errors import Refused
from modules.patrol.evidence import CheckIn
from modules.patrol.export import lines
from modules.patrol.position import Position
from modules.patrol.service import Patrols, round_json
from tests.integration.patrol_ground import BEGIN, Ground, ground, minutes, placed, printed_codes

HERE = Position(31.23042, 121.47372, 15)
AWAY = Position(31.23328, 121.4737, 15)  # 320 m to the north


@pytest.fixture
async def here(postgres_url: str) -> AsyncIterator[Ground]:
    """The lobby's place is known, the garden's is not."""
    async with ground(postgres_url) as found:
        found.patrols = Patrols(found.context, {"demo": placed(found, "b1-lobby", "east-gate")})
        await found.patrols.keeper.plan_ahead()
        yield found


async def check_in(here: Ground, code: str, position: Position | None, counter: int = 1) -> dict[str, Any]:
    one = CheckIn(counter, code, here.phone(), position=position)
    answer = await here.patrols.recorder.check_in(here.who(), "phone-1", here.phone(), [one])
    [result] = answer["results"]
    return dict(result)


async def test_a_check_in_elsewhere_is_taken_flagged_and_no_proof_by_itself(here: Ground):
    code = (await printed_codes(here))["b1-lobby"]
    await here.until(BEGIN + minutes(2))
    answer = await check_in(here, code, AWAY)
    assert (answer["outcome"], answer["away"]) == ("accepted", 320)
    [visit, _] = here.round()["visits"]
    assert (visit["score"], visit["away"], visit["done_at"]) == (60, 320, None)
    assert here.rows("SELECT lat, lon, accuracy, away FROM patrol.evidence") == [(31.23328, 121.4737, 15, 320)]
    assert here.rows("SELECT flags FROM patrol.round WHERE id = %s", here.round()["id"]) == [(1,)]
    again = await check_in(here, code, HERE)
    assert (again["outcome"], again["away"]) == ("repeated", 320), "it stays what it was first"
    here.clock.advance(30)
    assert (await check_in(here, code, HERE, 2))["away"] is None
    [visit, _] = here.round()["visits"]
    assert (visit["score"], visit["away"], visit["done_at"] is not None) == (100, 320, True)
    log = await here.patrols.log(here.who(), BEGIN.date(), (BEGIN + minutes(600)).date())
    assert {(one["checkpoint"], one["away"]) for one in log if one["id"] == here.round()["id"]} == {
        ("b1-lobby", 320), ("garden", None),
    }  # fmt: skip
    table = lines(log, {}, "en")
    assert [line[16] for line in table if line[16]] == ["Metres from the checkpoint", "320"]


async def test_without_a_position_or_where_the_place_is_not_known_a_check_in_counts_as_before(here: Ground):
    printed = await printed_codes(here)
    await here.until(BEGIN + minutes(2))
    assert (await check_in(here, printed["b1-lobby"], None))["away"] is None
    assert (await check_in(here, printed["garden"], AWAY, 2))["away"] is None
    assert [(one["score"], one["away"]) for one in here.round()["visits"]] == [(100, None), (100, None)]
    assert here.rows("SELECT lat IS NULL, away FROM patrol.evidence ORDER BY id") == [(True, None), (False, None)]


async def test_a_displays_code_used_elsewhere_counts_as_a_printed_one(here: Ground):
    weights = []
    for counter, position in enumerate((AWAY, HERE, None)):
        _, code = await here.patrols.displayed(here.who("admin"), "east-gate")
        assert (await check_in(here, code, position, counter))["outcome"] == "accepted"
        weights += here.rows("SELECT weight, away FROM patrol.evidence ORDER BY id DESC LIMIT 1")
    assert weights == [(60, 320), (100, None), (100, None)]


async def test_where_a_guard_was_is_seen_only_by_those_who_work_here_and_is_in_no_audit(here: Ground):
    await here.until(BEGIN + minutes(2))
    await check_in(here, (await printed_codes(here))["b1-lobby"], AWAY)
    number = here.round()["id"]
    for role, seen in (("guard", True), ("admin", True), ("viewer", False), ("finance", False)):
        [one] = round_json(await here.patrols.show(here.who(role), number))["evidence"]
        assert [name in one for name in ("lat", "lon", "accuracy")] == [seen] * 3
        assert one["away"] == 320
    assert here.rows("SELECT count(*) FROM hub.audit WHERE detail::text LIKE '%%31.2%%'") == [(0,)]


async def test_the_store_takes_no_half_position_and_none_that_is_nowhere(here: Ground):
    insert = (
        "INSERT INTO patrol.evidence (community_id, key, checkpoint, sort, proof, weight, at, received, lat, lon,"
        " accuracy) VALUES (%s, 'k', 'garden', 'qr', 'qr', 60, now(), now(), %s, %s, %s)"
    )
    with psycopg.connect(here.url, autocommit=True) as link:
        for wrong in ((31, None, None), (31, 121, None), (91, 121, 5), (31, float("nan"), 5), (31, 121, -1)):
            with pytest.raises(psycopg.errors.CheckViolation):
                link.execute(insert, [here.home, *wrong])
    with pytest.raises(Refused, match="WGS-84"):
        Position(31, 181, 5)
