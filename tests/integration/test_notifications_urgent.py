"""Life safety waits for nobody: not for a gateway that asks to wait, nor for what is, or was, on its way."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.notifications_ground import Ground, Receiver, migrated
from tests.integration.postgres import new_database


@pytest.fixture
def ground(postgres_url: str, tmp_path: Path) -> Ground:
    return Ground(new_database(postgres_url, migrated(postgres_url)), tmp_path)


@pytest.fixture
async def group() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


def by_group(receiver: Receiver, **more: Any) -> dict[str, Any]:
    return {"id": "group", "url": receiver.url.replace("http", "json") + "/group", **more}


async def test_life_safety_without_a_second_channel_does_not_wait_for_hours(ground: Ground, group: Receiver):
    ground.write([by_group(group)])
    group.answers = [(429, {"Retry-After": "7200"}, b"")] * 2
    async with ground.running() as parts:
        await ground.tell(parts, ground.alarm())
        await ground.tell(parts, ground.alarm(life_safety=True))
        assert len(group.got) == 2
        await ground.pass_time(parts, 40, 5)
    assert ground.rows("SELECT life_safety, state FROM notifications.delivery ORDER BY id")[1] == (True, "delivered")


async def test_after_a_kill_life_safety_does_not_wait_for_what_was_in_flight(ground: Ground, group: Receiver):
    ground.write([by_group(group)])
    async with ground.running() as parts:
        await ground.tell(parts, ground.alarm())
        ground.rows("UPDATE notifications.delivery SET state = 'sending'")  # as if killed in the middle of it
        group.got.clear()
        ground.clock.advance(1)
        await ground.tell(parts, ground.alarm(life_safety=True))
        assert len(group.got) == 1
        await ground.pass_time(parts, 30, 5)
    assert len(group.got) == 2 and ground.states() == {"delivered": 2}


async def test_life_safety_does_not_wait_behind_an_answer_that_does_not_come(
    ground: Ground, group: Receiver, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("modules.notifications.outgoing.TOTAL_S", 5.0)
    ground.write([by_group(group)])
    group.answers = ["hang"]
    async with ground.running() as parts:
        await parts.telling.annunciated(**ground.job(ground.alarm()))
        await parts.pump.look()
        while not group.got:
            await asyncio.sleep(0.01)
        await parts.telling.annunciated(**ground.job(ground.alarm(life_safety=True)))
        await parts.pump.look()
        while ground.states() != {"sending": 1, "delivered": 1}:
            await asyncio.sleep(0.01)
        await parts.pump.settle()
