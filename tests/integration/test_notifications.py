"""Notifications on a real database to real HTTP receivers: each told once, none lost, second channel, links."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.integration.notifications_ground import Ground, Receiver, migrated, roster
from tests.integration.postgres import new_database
from tests.unit.demo_devices import demo_devices

LI = {"person": 2, "code": "g02", "name": "李志强", "account": "guard", "phone": "13800000002", "post": "control"}
ZHAO = {"person": 7, "code": "g07", "name": "赵立新", "account": "", "phone": "13800000007", "post": "patrol"}


@pytest.fixture
def ground(postgres_url: str, tmp_path: Path) -> Ground:
    return Ground(new_database(postgres_url, migrated(postgres_url)), tmp_path)


@pytest.fixture
async def sms() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


@pytest.fixture
async def group() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


def by_sms(receiver: Receiver, **more: Any) -> dict[str, Any]:
    return {"id": "sms", "url": receiver.url.replace("http", "json") + "/send?:to={phone}", **more}


def by_group(receiver: Receiver, **more: Any) -> dict[str, Any]:
    return {"id": "group", "url": receiver.url.replace("http", "json") + "/group", **more}


async def test_an_alarm_goes_once_to_the_group_and_to_who_is_on_shift(ground: Ground, sms: Receiver, group: Receiver):
    ground.write([by_sms(sms), by_group(group)], {"high": [{"post": "control", "channels": ["sms", "group"]}]})
    alarm = ground.alarm(text={"zh": "卡 5A00001122 京A·12345 强行开门", "en": "card 5A00001122"})
    async with ground.running(ports=roster(LI, ZHAO)) as parts:
        for _ in range(3):  # jobs may run twice
            await ground.tell(parts, alarm)
        rows = await parts.service.deliveries(ground.engineer, alarm)
    [told] = sms.got
    assert told.json["to"] == "13800000002"
    text = told.json["message"]
    assert "值班：李志强" in text and "https://hub.example.com/notice/demo/" in text
    assert "5A00001122" not in text and "A·12345" not in text and "***22" in text
    [to_all] = group.got
    assert f"https://hub.example.com/alarms/{alarm}" in to_all.json["message"]
    assert "/notice/" not in to_all.json["message"]  # nobody acknowledges in a group's name
    assert {(row["target"], row["state"], row["name"]) for row in rows} == {
        ("channel:sms", "delivered", "李志强"), ("channel:group", "delivered", ""),
    }  # fmt: skip
    assert {row["address"] for row in rows} == {"", "***02"}


async def test_a_push_is_as_loud_as_the_alarm_and_a_tap_on_it_leads_to_acknowledge(ground: Ground, sms: Receiver):
    url = sms.url.replace("http", "bark") + "/{push}"
    ground.write([{"id": "app", "url": url, "events": ["settled"], "recipients": ["li"]}])
    async with ground.running(ports=roster(LI, ZHAO)) as parts:
        alarm = ground.alarm(life_safety=True)
        await ground.tell(parts, alarm)
        [call] = sms.got
        link = call.json["url"]
        assert (call.json["device_key"], call.json["level"]) == ("KeyOfLi", "critical")
        await parts.service.acknowledge("demo", link.rpartition("/")[2], "")
        await parts.telling.settled(**ground.job(alarm))
        await parts.pump.settle()
    assert link.startswith("https://hub.example.com/notice/demo/")
    over = sms.got[1].json
    assert (over["level"], over["url"]) == ("active", f"https://hub.example.com/alarms/{alarm}")


@pytest.mark.parametrize("ports", [{}, roster(ZHAO)], ids=["no roster module", "nobody at the post"])
async def test_nobody_on_shift_means_the_fixed_list_and_it_is_said(ground: Ground, sms: Receiver, ports: Any):
    ground.write([by_sms(sms, recipients=["boss", "lee"])], {"high": [{"post": "control", "channels": ["sms"]}]})
    async with ground.running(ports=ports) as parts:
        await ground.tell(parts, ground.alarm())
    assert {one.json["to"]: one.json["message"] for one in sms.got}.keys() == {"13900000099", "13900000001"}
    [zh, en] = sorted((one.json for one in sms.got), key=lambda one: one["to"], reverse=True)
    assert "固定名单" in zh["message"] and zh["title"] == "【2级·高】强行开门"
    assert "sent to the fixed list" in en["message"] and en["title"] == "[2 high] Door forced open"


async def test_only_what_a_channel_wants(ground: Ground, group: Receiver):
    ground.write([by_group(group, priority="critical")])
    async with ground.running() as parts:
        await ground.tell(parts, ground.alarm())
        assert not ground.states()
        ground.write([by_group(group, kinds=["pump"])])
        await ground.tell(parts, ground.alarm())
        assert not ground.states()
        ground.write([by_group(group, places=["b1"], kinds=["door"])])
        await parts.pump.settle()  # the file is read anew
        await ground.tell(parts, ground.alarm())
        assert ground.states() == {"delivered": 1}


async def test_a_broken_file_leaves_the_old_one_in_force(ground: Ground, group: Receiver):
    ground.write([by_group(group)])
    async with ground.running() as parts:
        (ground.folder / "notifications" / "demo.yaml").write_text("community: demo\nchannels: 7\n")
        await ground.tell(parts, ground.alarm())
    assert ground.states() == {"delivered": 1}


@pytest.mark.parametrize(
    "answer", [500, 404, (302, {"Location": "/elsewhere"}, b""), (429, {}, b""), (200, {}, b"x" * 200_000)],
    ids=["500", "404", "redirect", "429", "large"],
)  # fmt: skip
async def test_what_a_gateway_answers(ground: Ground, group: Receiver, answer: Any):
    ground.write([by_group(group)])
    group.answers = [answer]
    async with ground.running() as parts:
        await ground.tell(parts, ground.alarm())
        good = isinstance(answer, tuple) and answer[0] == 200
        assert ground.states() == ({"delivered": 1} if good else {"queued": 1})
        await ground.pass_time(parts, 5)
    assert ground.states() == {"delivered": 1}
    assert {one.path for one in group.got} == {"/group"}  # a redirect is not followed
    assert len(group.got) == (1 if good else 2)


async def test_retry_after_is_honoured(ground: Ground, group: Receiver):
    ground.write([by_group(group)])
    group.answers = [(429, {"Retry-After": "120"}, b"")]
    async with ground.running() as parts:
        await ground.tell(parts, ground.alarm())
        await ground.tell(parts, ground.alarm())  # nor is the next one sent before
        await ground.pass_time(parts, 118, 2)
        assert len(group.got) == 1
        await ground.pass_time(parts, 4)
    assert ground.states() == {"delivered": 2}


async def test_while_a_gateway_asks_to_wait_the_second_channel_takes_over(
    ground: Ground, group: Receiver, sms: Receiver
):
    """A17: told within 60 s, life safety at once, also when it was the channel's first message that was refused."""
    ground.write([by_group(group, fallback="sms"), by_sms(sms, recipients=["boss"])],
                 {"high": [{"channels": ["group"]}]})  # fmt: skip
    group.usual = (429, {"Retry-After": "7200"}, b"")
    async with ground.running() as parts:
        await ground.tell(parts, ground.alarm())
        assert len(sms.got) == 1
        await ground.pass_time(parts, 60, 20)
        await ground.tell(parts, ground.alarm())
        assert (len(group.got), len(sms.got)) == (1, 2)
        await ground.pass_time(parts, 7120, 89)  # the wait is all but over
        await ground.tell(parts, ground.alarm())
        assert len(sms.got) == 2
        await ground.tell(parts, ground.alarm(life_safety=True))
        assert len(sms.got) == 4  # and the gateway asked anew: the one before it goes too


async def test_a_hanging_gateway_is_left_and_the_repetition_is_marked(
    ground: Ground, group: Receiver, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("modules.notifications.outgoing.TOTAL_S", 0.3)
    ground.write([by_group(group)])
    group.answers = ["hang"]
    async with ground.running() as parts:
        await ground.tell(parts, ground.alarm())
        [(state, detail)] = ground.rows("SELECT state, detail FROM notifications.delivery")
        assert (state, detail) == ("queued", "no answer in time")
        await ground.pass_time(parts, 5)
    first, second = (one.json["message"] for one in group.got)
    assert "可能重复" not in first and "可能重复" in second


async def test_notifier_down_two_hours_loses_nothing(ground: Ground, group: Receiver, sms: Receiver):
    """A17: the second channel within 60 s; after two hours everything has arrived, and nothing twice by one channel."""
    ground.write([by_group(group, fallback="sms"), by_sms(sms, recipients=["boss"])],
                 {"high": [{"channels": ["group"]}]})  # fmt: skip
    group.usual = 503
    began = ground.clock.now()
    async with ground.running() as parts:
        await ground.tell(parts, ground.alarm())
        while not sms.got:
            await ground.pass_time(parts, 1)
        assert (ground.clock.now() - began).total_seconds() <= 60
        assert "经备用通道" in sms.got[0].json["message"]
        for _ in range(24):
            await ground.tell(parts, ground.alarm())
            await ground.pass_time(parts, 300, 30)
        assert len(sms.got) == 25
        channels = await parts.service.channels(ground.engineer)
        assert {one["id"]: one["failing"] for one in channels} == {"group": True, "sms": False}
        tries = len(group.got)
        group.usual = 200
        await ground.tell(parts, ground.alarm())
        await ground.pass_time(parts, 330, 30)
        assert {one["id"]: one["failing"] for one in await parts.service.channels(ground.engineer)}["group"] is False
    assert tries < 60  # a gateway that is down is asked now and then, not for each message
    found = ground.rows("SELECT target, state, count(*) FROM notifications.delivery GROUP BY 1, 2")
    states = {(target, state): count for target, state, count in found}
    told = states.get(("channel:group", "delivered"), 0) + states[("channel:group", "rerouted")]
    assert told == 26 and {state for _, state in states} <= {"delivered", "rerouted", "cancelled"}


async def test_without_a_second_channel_two_hours_down_lose_nothing(ground: Ground, group: Receiver):
    ground.write([by_group(group)])
    group.usual = 503
    async with ground.running() as parts:
        for _ in range(12):
            await ground.tell(parts, ground.alarm())
            await ground.pass_time(parts, 600, 30)
    group.usual, group.got = 200, []
    async with ground.running() as parts:  # and a restart in between
        await ground.pass_time(parts, 330, 10)
    assert ground.states() == {"delivered": 12}
    assert len(group.got) == 12 and all("延迟送达" in one.json["message"] for one in group.got)


async def test_what_cannot_be_delivered_in_a_day_is_kept_and_replayed(ground: Ground, group: Receiver):
    ground.write([by_group(group)])
    group.usual = 503
    async with ground.running() as parts:
        alarm = ground.alarm()
        await ground.tell(parts, alarm)
        await ground.pass_time(parts, 25 * 3600, 1500)
        assert ground.states() == {"dead": 1}
        group.usual = 200
        [row] = await parts.service.recent(ground.engineer, states=["dead"])
        assert await parts.service.replay(ground.engineer, row["id"]) == 1
        await parts.pump.settle()
        shown = await parts.service.show(ground.engineer, row["id"])
    assert (shown["state"], shown["attempts_made"][0]["outcome"]) == ("delivered", "delivered")
    assert shown["attempts_made"][-1]["detail"] == "HTTP 503"


async def test_quiet_hours_wait_and_life_safety_does_not(ground: Ground, group: Receiver):
    ground.write([by_group(group, quiet={"begins": "11:00", "ends": "13:00"})])
    async with ground.running() as parts:
        await ground.tell(parts, ground.alarm())
        over = ground.alarm()
        await ground.tell(parts, over)
        assert ground.states() == {"held": 2} and not group.got
        await ground.tell(parts, ground.alarm(life_safety=True))
        assert len(group.got) == 1
        ground.rows("UPDATE hub.alarm SET state = 'normal' WHERE id = %s", over)
        await parts.telling.settled(**ground.job(over))  # nobody is woken for what is over
        await ground.pass_time(parts, 3700, 300)
    assert ground.states() == {"delivered": 2, "cancelled": 1} and len(group.got) == 2


async def test_a_digest_is_one_message(ground: Ground, group: Receiver):
    ground.write([by_group(group, digest="15m")])
    async with ground.running() as parts:
        for _ in range(5):
            await ground.tell(parts, ground.alarm())
        assert not group.got
        await ground.tell(parts, ground.alarm(life_safety=True))
        assert len(group.got) == 1
        await ground.pass_time(parts, 16 * 60, 60)
    assert ground.states() == {"delivered": 6} and len(group.got) == 2
    assert group.got[1].json["title"] == "5 条通知" and group.got[1].json["message"].count("强行开门") == 5


async def test_over_the_rate_messages_come_as_one(ground: Ground, group: Receiver):
    ground.write([by_group(group, rate={"messages": 3, "per": "60s"})])
    async with ground.running() as parts:
        for _ in range(10):
            await ground.tell(parts, ground.alarm())
        assert len(group.got) == 3
        await ground.tell(parts, ground.alarm(life_safety=True))
        assert len(group.got) == 4
        await ground.pass_time(parts, 70)
    assert ground.states() == {"delivered": 11} and len(group.got) == 5
    assert group.got[-1].json["title"] == "7 条通知"


async def test_the_escalation_climbs_until_somebody_acknowledges(ground: Ground, sms: Receiver, group: Receiver):
    steps = [{"post": "control", "channels": ["group"]}, {"after": "5m", "post": "patrol", "channels": ["sms"]},
             {"after": "15m", "channels": ["sms"]}]  # fmt: skip
    ground.write([by_sms(sms), by_group(group)], {"high": steps})
    alarm = ground.alarm()
    async with ground.running(ports=roster(LI, ZHAO)) as parts:
        await ground.tell(parts, alarm)
        await ground.pass_time(parts, 290, 10)
        assert (len(group.got), len(sms.got)) == (1, 0)
    async with ground.running(ports=roster(LI, ZHAO)) as parts:  # timers survive a restart
        await ground.pass_time(parts, 20, 5)
        assert [one.json["to"] for one in sms.got] == ["13800000007"]
        assert "第 1 次上报" in sms.got[0].json["message"]
        assert ground.rows("SELECT escalation_level FROM hub.alarm") == [(1,)]
        ground.rows("UPDATE hub.alarm SET state = 'active_acknowledged'")
        await parts.telling.settled(**ground.job(alarm))
        await ground.pass_time(parts, 1200, 60)
    assert len(sms.got) == 1
    assert ground.rows("SELECT level, next_at, settled_at IS NULL FROM notifications.escalation") == [(1, None, False)]


async def test_an_acknowledgement_nobody_told_of_stops_it_too(ground: Ground, group: Receiver):
    ground.write([by_group(group)], {"high": [{"channels": ["group"]}, {"after": "5m", "channels": ["group"]}]})
    async with ground.running() as parts:
        await ground.tell(parts, ground.alarm())
        ground.rows("UPDATE hub.alarm SET state = 'active_acknowledged'")
        await ground.pass_time(parts, 600, 60)
    assert len(group.got) == 1


async def test_two_pumps_at_once_tell_once(ground: Ground, group: Receiver):
    ground.write([by_group(group)], {"high": [{"channels": ["group"]}, {"after": "1m", "channels": ["group"]}]})
    async with ground.running() as one, ground.running() as two:
        await one.telling.annunciated(**ground.job(ground.alarm()))
        await asyncio.gather(one.pump.settle(), two.pump.settle(), one.pump.settle())
        ground.clock.advance(61)
        await asyncio.gather(one.pump.settle(), two.pump.settle(), two.pump.settle())
    assert len(group.got) == 2 and ground.states() == {"delivered": 2}


async def test_a_test_is_tried_once_and_its_state_is_seen(ground: Ground, group: Receiver):
    ground.write([by_group(group), {"id": "off", "url": "off"}])
    group.usual = 500
    async with ground.running() as parts:
        screen = parts.context.live.subscribe(lambda change: change.topic == "notice")
        [number] = await parts.service.test_channel(ground.engineer, "group")
        await parts.pump.settle()
        assert (await parts.service.show(ground.engineer, number))["state"] == "dead"
        assert str(number) in {change.key for change in (await screen.take())[0]}
    assert len(group.got) == 1


async def test_at_night_a_failing_group_reaches_who_is_on_shift(ground: Ground, sms: Receiver, group: Receiver):
    """Life safety: after the first failure. And the failure is reported once, the recovery once."""
    hub = next(one for one in demo_devices() if one.kind_name == "hub")
    device = msgspec.structs.replace(hub, community_id=ground.here)
    ground.write([by_group(group, fallback="sms"), by_sms(sms)], {"high": [{"channels": ["group"]}]})
    group.usual = 503
    async with ground.running(ports=roster(LI), devices={device.id: device}) as parts:
        await ground.tell(parts, ground.alarm(life_safety=True))
        assert [one.json["to"] for one in sms.got] == ["13800000002"]
        assert ground.states() == {"rerouted": 1, "delivered": 1}
        for _ in range(6):
            await ground.tell(parts, ground.alarm())
            await ground.pass_time(parts, 60, 10)
        group.usual = 200
        await ground.pass_time(parts, 300, 30)
        await ground.tell(parts, ground.alarm())
    told = ground.rows("SELECT device, body -> 'events' FROM hub.report ORDER BY id")
    assert told == [("hub", [["channel_failed", {"channel": "group"}]]),
                    ("hub", [["channel_recovered", {"channel": "group"}]])]  # fmt: skip
    assert len(sms.got) == 7
