"""Days gone by stay as they were: missed hand-overs on their sheet, people retired and shift hours changed since."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest

from modules.duty.sheet import HAND_OVER_STATES, to_csv
from tests.integration.duty_ground import DAY, Ground, grounded

CHANGE = datetime(2026, 11, 21, 7, tzinfo=UTC)  # 15:00 in Shanghai


@pytest.fixture
async def ground(postgres_url: str) -> AsyncIterator[Ground]:
    async with grounded(postgres_url) as found:
        yield found


async def test_a_hand_over_that_nobody_made_stands_on_the_sheet_of_its_day(ground: Ground):
    desk = ground.duty.hand_overs
    await desk.sign_out(ground.guard, CHANGE)
    ground.clock.advance(30 * 86_400)  # long ago by now
    sheet = await ground.duty.diary.sheet(ground.viewer, DAY)
    assert [(row["state"], row["change_at"]) for row in sheet["hand_overs"]] == [
        ("signed_out", CHANGE), ("missed", CHANGE + timedelta(hours=8)),
    ]  # fmt: skip
    rows = list(csv.reader(io.StringIO(to_csv(sheet, "en").decode("utf-8-sig"))))
    assert any(any(word in cell for word in HAND_OVER_STATES["missed"].values()) for row in rows for cell in row)


async def test_who_was_retired_since_stood_there_all_the_same(ground: Ground):
    rosters = ground.duty.rosters
    before = await rosters.days(ground.viewer, DAY, DAY)
    assert not before["missing"] and not before["violations"]
    ground.clock.advance(2 * 86_400)
    with psycopg.connect(ground.url) as link:
        link.execute("UPDATE duty.person SET active = false")
    after = await rosters.days(ground.viewer, DAY, DAY)
    assert (after["missing"], after["violations"]) == ([], [])
    ahead = DAY + timedelta(days=3)
    assert len((await rosters.days(ground.viewer, ahead, ahead))["missing"]) == 9  # of what is to come it counts


async def test_other_hours_of_shifts_make_no_hand_over_missed(ground: Ground):
    ground.clock.advance(7 * 86_400)
    with psycopg.connect(ground.url) as link:
        link.execute(
            "INSERT INTO duty.hand_over (community_id, change_at, incoming_shift, list, note, made_at)"
            " SELECT DISTINCT ON (begins_at) community_id, begins_at, shift_id, '{}'::jsonb, '', begins_at"
            " FROM duty.slot WHERE begins_at <= %s", [ground.clock.now()],
        )  # fmt: skip
    assert not [row for row in await ground.duty.hand_overs.recent(ground.viewer) if row["state"] == "missed"]
    with psycopg.connect(ground.url) as link:
        link.execute("UPDATE duty.shift SET begins = begins - interval '1 hour', ends = ends - interval '1 hour'")
    assert not [row for row in await ground.duty.hand_overs.recent(ground.viewer) if row["state"] == "missed"]
    day = date(2026, 11, 25)
    assert {row["state"] for row in (await ground.duty.diary.sheet(ground.viewer, day))["hand_overs"]} == {"signed_out"}
