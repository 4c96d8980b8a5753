"""Notifications when things go rough: alarms that move up and down, combined messages, hostile answers, old rows."""

import asyncio
import gzip
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.catalog.paths import packaged_config
from hub.errors import Refused
from modules.notifications import channels
from modules.notifications.outgoing import MOST_BYTES, Gateway, NotSent, networks
from modules.notifications.spec import read_files
from tests.integration.notifications_ground import Ground, MailServer, Receiver, migrated
from tests.integration.postgres import new_database

LADDER = {"high": [{"channels": ["group"]}, {"after": "2m", "channels": ["group"]}]}


@pytest.fixture
def ground(postgres_url: str, tmp_path: Path) -> Ground:
    return Ground(new_database(postgres_url, migrated(postgres_url)), tmp_path)


def by_group(receiver: Receiver, **more: Any) -> dict[str, Any]:
    return {"id": "group", "url": receiver.url.replace("http", "json") + "/group", **more}


async def test_an_alarm_that_is_away_for_a_moment_goes_on_up_the_ladder(ground: Ground):
    async with Receiver() as group:
        ground.write([by_group(group)], LADDER)
        alarm = ground.alarm(active_since=ground.clock.now())
        async with ground.running() as parts:
            await ground.tell(parts, alarm)
            await ground.pass_time(parts, 115)
            away = "UPDATE hub.alarm SET state = 'returned_unacknowledged', returned_at = %s"
            ground.rows(away, ground.clock.now())  # chattering: it calls no second time
            await ground.pass_time(parts, 10)
            assert len(group.got) == 1  # nobody is disturbed for what is not so now
            ground.rows("UPDATE hub.alarm SET state = 'active_unacknowledged', returned_at = NULL")
            await ground.pass_time(parts, 60)
    assert [one.json["title"] for one in group.got] == ["【2级·高】强行开门"] * 2
    assert "第 1 次上报" in group.got[1].json["message"]


async def test_an_alarm_that_moves_up_and_down_all_the_time_is_held_up_for_a_minute_at_most(ground: Ground):
    async with Receiver() as group:
        ground.write([by_group(group)], LADDER)
        alarm = ground.alarm(active_since=ground.clock.now())
        async with ground.running() as parts:
            await ground.tell(parts, alarm)
            for _ in range(20):  # always away when it is looked at
                returned = "UPDATE hub.alarm SET state = 'returned_unacknowledged', returned_at = %s"
                ground.rows(returned, ground.clock.now() + timedelta(seconds=1))
                await ground.pass_time(parts, 10, each=5)
    assert len(group.got) == 2


@pytest.mark.parametrize("why", ["shelved", "suppressed_by_design", "out_of_service"])
async def test_a_suppressed_alarm_goes_no_further_up_and_calls_anew_when_released(ground: Ground, why: str):
    async with Receiver() as group:
        ground.write([by_group(group)], LADDER)
        alarm = ground.alarm()
        async with ground.running() as parts:
            await ground.tell(parts, alarm)
            ground.rows("UPDATE hub.alarm SET suppression = %s", why)
            await ground.pass_time(parts, 1200, 30)
            assert len(group.got) == 1
            ground.rows("UPDATE hub.alarm SET suppression = NULL, annunciated_at = %s", ground.clock.now())
            await ground.tell(parts, alarm)
            assert len(group.got) == 2
            await ground.pass_time(parts, 125, 5)
    assert ["逐级" in one.json["message"] or "上报" in one.json["message"] for one in group.got] == [False, False, True]


async def test_the_shipped_alarm_of_a_forced_door_climbs_to_the_top_while_nobody_answers(ground: Ground):
    """It is raised and returned in one instant: that is no answer."""
    async with Receiver() as group, Receiver() as sms:
        ladder = packaged_config() / "notifications" / "demo.yaml"
        [file] = read_files([packaged_config()], {})[0].values()
        steps = [{"channels": ["sms" if step.after else "group"], "after": f"{int(step.after.total_seconds())}s"}
                 for step in file.steps(2)]  # fmt: skip
        assert [step["after"] for step in steps] == ["0s", "300s", "900s"], ladder
        second = {"id": "sms", "url": sms.url.replace("http", "json") + "/sms"}
        ground.write([by_group(group), second], {"high": steps})
        alarm = await ground.forced()
        assert ground.rows("SELECT state, annunciated_at IS NOT NULL FROM hub.alarm") == [
            ("returned_unacknowledged", True)
        ]
        async with ground.running() as parts:
            await ground.tell(parts, alarm)
            await ground.pass_time(parts, 299, 13)
            assert (len(group.got), len(sms.got)) == (1, 0)
            await ground.pass_time(parts, 602, 7)
    assert [step in one.json["message"] for step, one in zip(("第 1 次", "第 2 次"), sms.got, strict=True)] == [
        True
    ] * 2


async def test_an_alarm_that_came_back_and_called_again_has_one_escalation(ground: Ground):
    async with Receiver() as group:
        ground.write([by_group(group)], LADDER)
        alarm = ground.alarm()
        async with ground.running() as parts:
            await ground.tell(parts, alarm)
            await ground.pass_time(parts, 90)
            ground.rows("UPDATE hub.alarm SET annunciated_at = %s", ground.clock.now())
            await ground.tell(parts, alarm)
            await ground.pass_time(parts, 60)
            assert len(group.got) == 2  # the second call's own two minutes are not over
            await ground.pass_time(parts, 65)
    assert len(group.got) == 3
    assert ground.rows("SELECT count(*) FROM notifications.escalation WHERE settled_at IS NULL") == [(1,)]


async def test_jobs_that_run_late_end_no_escalation_but_their_own(ground: Ground):
    """Called, shelved, released and called again before the first job had its turn."""
    async with Receiver() as group:
        ground.write([by_group(group, events=["settled"])], LADDER)
        alarm = ground.alarm()
        first = ground.job(alarm)
        ground.clock.advance(60)
        ground.rows("UPDATE hub.alarm SET annunciated_at = %s", ground.clock.now())
        second = ground.job(alarm)
        async with ground.running() as parts:
            await parts.telling.annunciated(**first)
            await parts.telling.settled(**first)
            await parts.telling.annunciated(**second)
            await parts.pump.settle()
            await ground.pass_time(parts, 125, 5)
            assert [one.json["title"][:2] for one in group.got] == ["【2", "【2"]  # called, and one step up
            ground.rows("UPDATE hub.alarm SET state = 'active_acknowledged'")
            await parts.telling.settled(**first)
            open_ = "SELECT began_at FROM notifications.escalation WHERE settled_at IS NULL"
            assert ground.rows(open_) == [(ground.clock.now() - timedelta(seconds=125),)]
            await parts.telling.settled(**second)
            assert not ground.rows(open_)


async def test_an_escalation_without_an_alarm_stops_nobody_else(ground: Ground):
    async with Receiver() as group:
        ground.write([by_group(group)])
        ground.rows(
            "INSERT INTO notifications.escalation (community_id, alarm_id, began_at, started_at, next_at)"
            " VALUES (%s, 999999, %s, %s, %s)",
            ground.here, ground.clock.now(), ground.clock.now(), ground.clock.now(),
        )  # fmt: skip
        async with ground.running() as parts:
            await ground.tell(parts, ground.alarm())
    assert len(group.got) == 1
    assert ground.rows("SELECT settled_at IS NULL FROM notifications.escalation WHERE alarm_id = 999999") == [(False,)]


async def test_a_combined_message_counts_once_against_the_rate(ground: Ground):
    async with Receiver() as group:
        ground.write([by_group(group, rate={"messages": 2, "per": "60s"})])
        async with ground.running() as parts:
            for _ in range(6):
                await parts.telling.annunciated(**ground.job(ground.alarm()))
                await parts.pump._ladder.climb()
            await parts.pump.settle()
            assert len(group.got) == 2
            await ground.pass_time(parts, 61)
            assert "4" in group.got[2].json["title"]  # the other four as one
            await ground.tell(parts, ground.alarm())
    assert len(group.got) == 4  # two messages in this minute, not five


async def test_what_came_later_does_not_die_with_the_oldest_of_its_message(ground: Ground):
    async with Receiver() as group:
        ground.write([by_group(group, digest="1m")])
        group.usual = 500
        async with ground.running() as parts:
            await ground.tell(parts, ground.alarm())
            await ground.pass_time(parts, 90)
            ground.clock.advance(23 * 3600 + 3500)
            await ground.tell(parts, ground.alarm())
            await ground.pass_time(parts, 400, each=20)
            assert ground.rows("SELECT state FROM notifications.delivery ORDER BY id") == [("dead",), ("queued",)]


def by_mail(server: MailServer, *to: str) -> dict[str, Any]:
    boxes = ",".join(f"{one}@example.com" for one in to)
    url = f"mailto://mail.local:{server.port}/?smtp=127.0.0.1&from=hub@example.com&to={boxes}"
    return {"id": "mail", "url": url}


async def test_a_mailbox_that_is_refused_floods_no_other(ground: Ground):
    async with MailServer(refused={"gone@example.com"}) as server:
        ground.write([by_mail(server, "office", "gone", "boss")])
        async with ground.running() as parts:
            alarm = ground.alarm()
            await ground.tell(parts, alarm)
            await ground.pass_time(parts, 3600, 60)
            rows = await parts.service.deliveries(ground.engineer, alarm)
    assert [to for to, _ in server.got] == ["office@example.com", "boss@example.com"]
    assert f"https://hub.example.com/alarms/{alarm}" in server.got[0][1].get_content()  # a box acknowledges nothing
    assert {(row["name"], row["state"], row["detail"]) for row in rows} == {
        ("of***@example.com", "delivered", ""), ("bo***@example.com", "delivered", ""),
        ("go***@example.com", "queued", "the mail server refuses the address (550)"),
    }  # fmt: skip


async def test_mail_that_may_have_left_is_marked_when_it_is_sent_again(ground: Ground):
    async with MailServer(dropping=1) as server:
        ground.write([by_mail(server, "office")])
        async with ground.running() as parts:
            await ground.tell(parts, ground.alarm())
            await ground.pass_time(parts, 30, 5)
    first, second = (mail.get_content() for _, mail in server.got)
    assert "可能重复" not in first and "可能重复" in second
    assert ground.states() == {"delivered": 1}


async def test_an_answer_that_unpacks_to_a_flood_is_not_unpacked():
    async with Receiver() as receiver:
        receiver.usual = (200, {"Content-Encoding": "gzip"}, gzip.compress(b"x" * 200_000_000))
        seen: list[int] = []
        import tracemalloc

        tracemalloc.start()
        answer = await Gateway().send("POST", receiver.url, {"Accept-Encoding": "gzip"}, b"", networks(["127.0.0.0/8"]))
        seen.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert answer.status == 200 and len(answer.body) <= MOST_BYTES
    assert seen[0] < 8_000_000
    assert receiver.got[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("begins", [b"HTTP/1.1 200 OK\r\nX-", b"HTTP/1.1 200 OK\r\n\r\n"])
async def test_an_answer_that_never_ends_is_cut_off(begins: bytes, monkeypatch: pytest.MonkeyPatch):
    """A byte now and then keeps every wait for the next one short: all of them together have an end."""
    monkeypatch.setattr("modules.notifications.outgoing.TOTAL_S", 0.5)
    ended = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(begins)
        with suppress(ConnectionError):
            while not writer.is_closing():
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.01)
        ended.set()

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with asyncio.timeout(20):
            with pytest.raises(NotSent, match="no answer in time") as caught:
                await Gateway().send("POST", url, {}, b"", networks(["127.0.0.0/8"]))
            await ended.wait()
    assert caught.value.perhaps


async def test_old_deliveries_and_escalations_are_forgotten(ground: Ground):
    async with Receiver() as group:
        ground.write([by_group(group)])
        async with ground.running() as parts:
            await ground.tell(parts, ground.alarm())
            days = parts.context.settings.event_days
            ground.clock.advance(timedelta(days=days - 1).total_seconds())
            await parts.pump.settle()
            assert ground.rows("SELECT count(*) FROM notifications.escalation") == [(1,)]
            ground.clock.advance(timedelta(days=2).total_seconds())
            await parts.pump.settle()
    for table in ("delivery", "attempt", "escalation"):
        assert ground.rows(f"SELECT count(*) FROM notifications.{table}") == [(0,)], table


async def test_the_second_channel_has_quiet_hours_of_its_own(ground: Ground):
    async with Receiver() as group, Receiver() as sms:
        group.usual = 503
        second = {"id": "sms", "url": sms.url.replace("http", "json") + "/sms"}
        second |= {"quiet": {"begins": "11:00", "ends": "12:30"}}
        ground.write([by_group(group, fallback="sms"), second], {"high": [{"channels": ["group"]}]})
        async with ground.running() as parts:
            await ground.tell(parts, ground.alarm())
            await ground.pass_time(parts, 120, 10)
            assert not sms.got
            await ground.tell(parts, ground.alarm(life_safety=True))
            assert len(sms.got) == 1
            await ground.pass_time(parts, 1800, 60)
    assert len(sms.got) == 2


async def test_a_replay_is_bounded_and_gives_a_webhook_its_own_time(ground: Ground):
    ground.write([])
    ground.rows(
        "INSERT INTO notifications.delivery (uid, community_id, target, event, event_key, body, happened_at, state,"
        " created_at, due_at, expires_at) SELECT gen_random_uuid(), %s, 'webhook:1', 'test', n::text, '{}', at,"
        " 'delivered', at, at, at FROM generate_series(1, 5001) AS n, (SELECT %s::timestamptz AS at) AS a",
        ground.here, ground.clock.now(),
    )  # fmt: skip
    async with ground.running() as parts:
        since = ground.clock.now() - timedelta(hours=1)
        with pytest.raises(Refused, match="5000"):
            await parts.service.replay_since(ground.engineer, "webhook:1", since, delivered=True)
        assert ground.states() == {"delivered": 5001}
        ground.rows("DELETE FROM notifications.delivery WHERE event_key <> '7'")
        assert await parts.service.replay_since(ground.engineer, "webhook:1", since, delivered=True) == 1
        ground.rows("UPDATE notifications.delivery SET state = 'dead'")
        [(number,)] = ground.rows("SELECT id FROM notifications.delivery")
        assert await parts.service.replay(ground.engineer, number) == 1
    assert ground.rows("SELECT expires_at FROM notifications.delivery") == [(ground.clock.now() + timedelta(hours=28),)]


async def test_a_message_that_is_refused_does_not_go_out_with_every_success(ground: Ground):
    async with Receiver(refusing=b"unwanted") as group:
        ground.write([by_group(group)])
        async with ground.running() as parts:
            await ground.tell(parts, ground.alarm(text={"zh": "unwanted", "en": "unwanted"}))
            for _ in range(10):
                await ground.tell(parts, ground.alarm())
    assert len([one for one in group.got if b"unwanted" in one.body]) == 1
    assert ground.states() == {"delivered": 10, "queued": 1}


async def test_a_gateway_that_refuses_under_200_has_not_taken_the_message(ground: Ground):
    async with Receiver() as group:
        ground.write([by_group(group, success={"field": "result.code", "equals": "0"})])
        group.answers = [(200, {}, b'{"result": {"code": 7, "message": "no credit"}}')]
        group.usual = (200, {}, b'{"result": {"code": 0}}')
        async with ground.running() as parts:
            await ground.tell(parts, ground.alarm())
            assert ground.rows("SELECT state, detail FROM notifications.delivery") == [
                ("queued", "the gateway says result.code '7'")
            ]
            await ground.pass_time(parts, 5)
    assert ground.states() == {"delivered": 1}


async def test_channels_that_hang_hold_up_no_other(ground: Ground, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("modules.notifications.outgoing.TOTAL_S", 12.0)
    async with Receiver(usual="hang") as hanging, Receiver() as group:
        url = hanging.url.replace("http", "json")
        many = [{"id": f"a{n}", "url": f"{url}/{n}"} for n in range(12)]
        ground.write([*many, by_group(group)])
        async with ground.running() as parts:
            await parts.telling.annunciated(**ground.job(ground.alarm()))
            await parts.pump.look()
            while "delivered" not in ground.states():
                await asyncio.sleep(0.05)
            assert ground.states() == {"sending": 12, "delivered": 1}
            await parts.pump.settle()


async def test_a_sender_that_breaks_after_sending_is_one_failure_and_no_flood(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
):
    plain = channels._notify

    def breaks(*given: Any) -> bool:
        plain(*given)
        raise AttributeError("'str' object has no attribute 'get'")

    monkeypatch.setattr(channels, "_notify", breaks)
    async with Receiver() as group:
        ground.write([by_group(group)])
        async with ground.running() as parts:
            await ground.tell(parts, ground.alarm())
            [(state, attempts, repeated, detail)] = ground.rows(
                "SELECT state, attempts, repeated, detail FROM notifications.delivery"
            )
            assert (state, attempts, repeated) == ("queued", 1, True) and "AttributeError" in detail
    assert len(group.got) == 1


async def test_a_clock_that_was_a_year_ahead_for_a_while_silences_no_channel(ground: Ground):
    year = timedelta(days=365).total_seconds()
    async with Receiver() as group:
        ground.write([by_group(group, rate={"messages": 1, "per": "60s"})])
        async with ground.running() as parts:
            ground.clock.advance(year)
            await ground.tell(parts, ground.alarm())
            ground.clock.advance(-year)
            await ground.tell(parts, ground.alarm())
            assert len(group.got) == 2
            group.usual = 503
            ground.clock.advance(year)
            await ground.tell(parts, ground.alarm())
            await ground.pass_time(parts, 300, 10)
            ground.rows("UPDATE notifications.delivery SET state = 'sending' WHERE state = 'queued'")  # and killed
            ground.clock.advance(-year)
            group.usual = 200
            await ground.pass_time(parts, 60, 10)
            assert ground.states() == {"delivered": 3}


async def test_a_clock_that_was_a_year_ahead_stops_no_escalation(ground: Ground):
    year = timedelta(days=365).total_seconds()
    async with Receiver() as group:
        ground.write([by_group(group)], LADDER)
        async with ground.running() as parts:
            ground.clock.advance(year)
            await ground.tell(parts, ground.alarm())
            ground.clock.advance(-year)
            await ground.pass_time(parts, 130, 10)
    assert len(group.got) == 2
