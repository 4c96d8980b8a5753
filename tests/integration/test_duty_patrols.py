"""What duty tells of patrols, by the real port over real rounds: in the hand-over list and on the sheet of a day."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import psycopg
import pytest

from hub.store.migrate import migrate
from modules.duty import DutyPlugin
from modules.duty.sheet import blocks
from modules.patrol import PatrolPlugin
from tests.integration.duty_ground import DAY, NOW, Ground, grounded
from tests.integration.module_hub import insert

HOUR = timedelta(hours=1)


@pytest.fixture
async def ground(postgres_url: str) -> AsyncIterator[Ground]:
    async with grounded(postgres_url) as found:
        await asyncio.to_thread(migrate, found.url, [DutyPlugin().migrations(), PatrolPlugin().migrations()])
        found.context.ports |= PatrolPlugin().ports(found.context)  # type: ignore[operator]
        yield found


def walk(ground: Ground, state: str, ago: timedelta, done: int, community: int = 0) -> int:
    begins = NOW - ago
    with psycopg.connect(ground.url) as link:
        return insert(
            link, "patrol.round", community_id=community or ground.here, plan=f"plan-{state}", route="garden",
            device="patrol-garden", opens=begins, begins=begins, ends=begins + HOUR, closes=begins + 2 * HOUR,
            checkpoints=["gate", "pond", "garage"], spec={}, state=state, done=done, changed_at=NOW,
        )  # fmt: skip


async def test_rounds_under_way_or_not_walked_are_handed_over(ground: Ground):
    old = walk(ground, "missed", 20 * HOUR, 0)  # another shift has heard of it
    missed, part = walk(ground, "missed", 5 * HOUR, 0), walk(ground, "incomplete", 4 * HOUR, 2)
    for state in ("complete", "late", "planned"):
        walk(ground, state, 3 * HOUR, 3)
    runs = walk(ground, "running", HOUR / 2, 1)
    walk(ground, "missed", 5 * HOUR, 0, ground.there)
    told = (await ground.duty.hand_overs.current(ground.guard))["list"]
    assert [each["id"] for each in told["rounds"]] == [missed, part, runs]
    assert old not in [each["id"] for each in told["rounds"]]
    assert [(each["state"], each["done"], each["stops"]) for each in told["rounds"]] == [
        ("missed", 0, 3), ("incomplete", 2, 3), ("running", 1, 3),
    ]  # fmt: skip


async def test_the_sheet_of_a_day_tells_its_rounds(ground: Ground):
    walk(ground, "missed", 5 * HOUR, 0)
    walk(ground, "complete", 2 * HOUR, 3)
    walk(ground, "complete", 30 * HOUR, 3)
    sheet = await ground.duty.diary.sheet(ground.viewer, DAY)
    title, heads, rows = blocks(sheet, "en")[-1]
    assert (title, heads[2:]) == ("Patrols", ["State", "Checkpoints done", "Expected", "Walked by"])
    assert rows == [
        ["2026-11-21 15:00", "plan-missed", "Missed", "0/3", "", ""],
        ["2026-11-21 18:00", "plan-complete", "Complete", "3/3", "", ""],
    ]
