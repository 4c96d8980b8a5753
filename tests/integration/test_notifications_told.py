"""What its receiver took is not told again, though the store goes away, the hub stops or the disk is full (A03)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg_pool import PoolTimeout

from modules.notifications import Parts, channels
from tests.e2e.harness import Server
from tests.integration.notifications_ground import Ground, MailServer, Receiver, killed_at, migrated
from tests.integration.postgres import new_database, open_folder

ANNUNCIATED = "cn.communityhub.alarm.annunciated.v1"
AWAY = (psycopg.OperationalError, PoolTimeout)


@pytest.fixture
def ground(postgres_url: str, tmp_path: Path) -> Ground:
    return Ground(new_database(postgres_url, migrated(postgres_url)), tmp_path)


@pytest.fixture
async def group() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


def by_group(receiver: Receiver, **more: Any) -> dict[str, Any]:
    return {"id": "group", "url": receiver.url.replace("http", "json") + "/group", **more}


def notes(ground: Ground) -> list[Path]:
    return list(ground.folder.glob("data/told/*"))


def tries(ground: Ground) -> list[tuple[Any, ...]]:
    return ground.rows("SELECT outcome, detail FROM notifications.attempt ORDER BY id")


def lose_one_record(parts: Parts) -> None:
    """The store is away when the next outcome is to be recorded."""
    record, away = parts.pump._record, [psycopg.OperationalError("gone")]

    async def once(*arguments: Any) -> None:
        if away:
            raise away.pop()
        await record(*arguments)

    parts.pump._record = once  # type: ignore[method-assign]


async def settled(parts: Parts) -> None:
    """All that is due is worked off, once the store is back."""
    async with asyncio.timeout(30):
        while True:
            with suppress(*AWAY):
                return await parts.pump.settle()


@pytest.mark.parametrize(("failpoint", "told"), [("notification_sent", 2), ("notification_noted", 1)])
async def test_a_hub_killed_after_its_note_tells_once(ground: Ground, group: Receiver, failpoint: str, told: int):
    ground.write([by_group(group)])
    async with ground.running() as parts:
        await parts.telling.annunciated(**ground.job(ground.alarm()))
        await parts.pump._ladder.climb()
    assert await asyncio.to_thread(killed_at, ground, failpoint) == 137
    assert len(group.got) == 1 and ground.states() == {"sending": 1}
    ground.clock.advance(30)
    async with ground.running() as parts:
        await parts.pump.settle()
    assert len(group.got) == told and ["可能重复" in one.json["message"] for one in group.got[1:]] == [True] * (
        told - 1
    )
    assert ground.states() == {"delivered": 1} and not notes(ground)


async def test_a_store_that_goes_away_after_the_sending_repeats_nothing(tmp_path: Path, group: Receiver):
    """A real server, killed while the receiver has the message and has not answered."""
    with open_folder() as folder:
        server = Server(folder)
        try:
            ground = Ground(new_database(server.embedded.url(), migrated(server.embedded.url())), tmp_path)
            ground.write([by_group(group)])
            group.before = lambda: asyncio.to_thread(server.kill9)
            async with ground.running() as parts:
                await parts.telling.annunciated(**ground.job(ground.alarm()))
                with pytest.raises(AWAY):
                    await parts.pump.settle()
                assert len(group.got) == 1 and len(notes(ground)) == 1
                group.before = None
                await asyncio.to_thread(server.start)
                await settled(parts)
                assert ground.states() == {"sending": 1}  # it is left to whoever sends it, for a while
                ground.clock.advance(30)
                await settled(parts)
            assert len(group.got) == 1
            assert ground.states() == {"delivered": 1} and not notes(ground)
            assert tries(ground) == [("delivered", "taken, as the hub had noted; recorded late")]
        finally:
            server.embedded.stop()


@pytest.mark.parametrize("target", ["channel", "webhook"])
async def test_a_hub_that_stops_before_the_answer_is_there_hears_it_all_the_same(
    ground: Ground, group: Receiver, target: str
):
    ground.write([by_group(group)] if target == "channel" else [])
    got, may_answer = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        got.set()
        await may_answer.wait()

    group.before = hold
    async with ground.running() as parts:
        if target == "webhook":
            await parts.service.endpoints.create(ground.engineer, "erp", f"{group.url}/in", [ANNUNCIATED])
        await parts.telling.annunciated(**ground.job(ground.alarm()))
        pump = asyncio.create_task(parts.pump.run())
        await asyncio.wait_for(got.wait(), 10)
        pump.cancel()
        await asyncio.wait([pump])
        assert not notes(ground)
        may_answer.set()
        async with asyncio.timeout(10):
            while not notes(ground):
                await asyncio.sleep(0.01)
    ground.clock.advance(30)
    async with ground.running() as parts:
        await parts.pump.settle()
    assert len(group.got) == 1 and ground.states() == {"delivered": 1} and not notes(ground)


async def test_a_yes_that_comes_after_the_hub_gave_up_counts(
    ground: Ground, group: Receiver, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(channels, "TOTAL_S", 0.05)  # what it waits for the whole way, not the thread for its answer
    ground.write([by_group(group)])
    may_answer = asyncio.Event()
    group.before = may_answer.wait
    async with ground.running() as parts:
        await ground.tell(parts, ground.alarm())
        assert ground.states() == {"queued": 1} and tries(ground) == [("failed", "no answer in time")]
        may_answer.set()
        async with asyncio.timeout(10):
            while not notes(ground):
                await asyncio.sleep(0.01)
        ground.clock.advance(30)
        await parts.pump.settle()
    assert len(group.got) == 1 and ground.states() == {"delivered": 1} and not notes(ground)


async def test_what_was_taken_goes_with_no_later_message(
    ground: Ground, group: Receiver, monkeypatch: pytest.MonkeyPatch
):
    """Three as one message, whose yes came late; a more urgent one is due before these are recorded."""
    ground.write([by_group(group, digest="1m")])
    may_answer = asyncio.Event()
    group.before = may_answer.wait
    async with ground.running() as parts:
        for _ in range(3):
            await ground.tell(parts, ground.alarm())
        assert ground.states() == {"held": 3} and not group.got
        ground.clock.advance(61)
        with monkeypatch.context() as patience:
            patience.setattr(channels, "TOTAL_S", 0.05)
            await parts.pump.settle()
        assert ground.states() == {"queued": 3} and not notes(ground)
        may_answer.set()
        async with asyncio.timeout(10):
            while len(notes(ground)) < 3:
                await asyncio.sleep(0.01)
        await ground.tell(parts, ground.alarm())
        ground.rows("UPDATE notifications.delivery SET priority = 1 WHERE attempts = 0")
        ground.clock.advance(61)
        await parts.pump.settle()
        assert ground.rows("SELECT count(*) FROM notifications.attempt WHERE outcome = 'delivered' AND leads") == [(1,)]
    assert len(group.got) == 2 and ground.states() == {"delivered": 4} and not notes(ground)
    assert "3" in group.got[0].json["title"] and "可能重复" not in group.got[1].json["message"]


async def test_mail_is_sent_when_its_server_says_so_not_when_it_says_good_bye(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(channels, "_MAIL_S", 1.0)
    async with MailServer(leaving=asyncio.Event()) as server:
        url = f"mailto://mail.local:{server.port}/?smtp=127.0.0.1&from=hub@example.com&to=office@example.com"
        ground.write([{"id": "mail", "url": url}])
        async with ground.running() as parts:
            await ground.tell(parts, ground.alarm())
            assert ground.states() == {"delivered": 1} and len(server.got) == 1
            assert server.leaving is not None
            server.leaving.set()
            ground.clock.advance(30)
            await parts.pump.settle()
    assert len(server.got) == 1 and not notes(ground)


async def test_what_is_only_recorded_uses_up_no_rate(ground: Ground, group: Receiver):
    ground.write([by_group(group, digest="1m", rate={"messages": 2, "per": "60s"})])
    async with ground.running() as parts:
        for _ in range(4):
            await parts.telling.annunciated(**ground.job(ground.alarm()))
            await parts.pump.settle()
        ground.clock.advance(61)
        lose_one_record(parts)
        await parts.pump.settle()
        assert len(group.got) == 1 and ground.states() == {"sending": 4}
        ground.clock.advance(30)
        await parts.pump.settle()
        assert ground.states() == {"delivered": 4}
        assert ground.rows("SELECT count(*) FROM notifications.attempt WHERE leads") == [(0,)]


async def test_a_message_of_several_that_was_taken_is_recorded_for_each(ground: Ground, group: Receiver):
    ground.write([by_group(group, digest="1m")])
    async with ground.running() as parts:
        for _ in range(3):
            await parts.telling.annunciated(**ground.job(ground.alarm()))
            await parts.pump.settle()
        ground.clock.advance(61)
        lose_one_record(parts)
        await parts.pump.settle()
        assert len(group.got) == 1 and ground.states() == {"sending": 3} and len(notes(ground)) == 3
        ground.clock.advance(30)
        await parts.pump.settle()
    assert len(group.got) == 1 and ground.states() == {"delivered": 3} and not notes(ground)


async def test_a_note_of_an_earlier_sending_holds_back_none_that_is_wanted_again(ground: Ground, group: Receiver):
    """Replayed by a person, and then the hub is killed in the middle: the old yes is not one to the new message."""
    ground.write([by_group(group)])
    async with ground.running() as parts:
        parts.pump._told.forget = lambda deliveries: None  # type: ignore[method-assign] # as if killed before it
        await ground.tell(parts, ground.alarm())
        assert ground.states() == {"delivered": 1} and len(notes(ground)) == 1
        ground.clock.advance(10)
        ground.rows("UPDATE notifications.delivery SET state = 'sending', started_at = %s", ground.clock.now())
        ground.clock.advance(30)
        await parts.pump.settle()
    assert len(group.got) == 2 and "可能重复" in group.got[1].json["message"]
    assert ground.states() == {"delivered": 1}


async def test_an_old_yes_does_not_say_that_a_failing_channel_is_well(ground: Ground, group: Receiver):
    ground.write([by_group(group)])
    async with ground.running() as parts:
        parts.pump._told.forget = lambda deliveries: None  # type: ignore[method-assign]
        await ground.tell(parts, ground.alarm())
        ground.rows("UPDATE notifications.delivery SET state = 'sending'")
        ground.rows("UPDATE notifications.target SET failures = 4")
        ground.clock.advance(30)
        await parts.pump.settle()
    assert len(group.got) == 1 and ground.states() == {"delivered": 1}
    assert ground.rows("SELECT failures FROM notifications.target") == [(4,)]


async def test_a_folder_that_cannot_be_written_stops_no_message(ground: Ground, group: Receiver):
    (ground.folder / "data").write_text("not a folder")
    ground.write([by_group(group)])
    async with ground.running() as parts:
        for _ in range(2):
            await ground.tell(parts, ground.alarm())
    assert len(group.got) == 2 and ground.states() == {"delivered": 2}
