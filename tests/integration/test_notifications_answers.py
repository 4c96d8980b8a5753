"""Answers by SMS and by key, from a gateway's HTTP call to the alarm book: the right alarm, the right person, once."""

import json
import re
from pathlib import Path

import pytest
import structlog
from standardwebhooks import Webhook

from hub.principal import Principal
from tests.integration.notifications_gateway import FIELDS, SECRET, TOKEN, book, world
from tests.integration.notifications_ground import Ground, migrated
from tests.integration.postgres import new_database


@pytest.fixture
def ground(postgres_url: str, tmp_path: Path) -> Ground:
    return Ground(new_database(postgres_url, migrated(postgres_url)), tmp_path)


async def test_one_acknowledges_the_alarm_and_it_is_said_back(ground: Ground) -> None:
    async with world(ground) as (parts, gateway):
        alarm = ground.alarm()
        await ground.tell(parts, alarm)
        assert "回复 1 确认" in gateway.sent.got[0].json["message"]
        ground.clock.advance(60)
        said = await gateway.says(" １。")
        assert said["result"] == "acknowledged" and said["text"].startswith("已确认：【2级·高】强行开门 · ")
        await parts.pump.settle()
        back = gateway.sent.got[-1].json
        assert back["to"] == "13800000002" and "已确认" in back["message"] and "http" not in back["message"]
        assert len(gateway.sent.got) == 3  # two guards were told, one was answered
        alone = await parts.context.alarms.show(ground.engineer, alarm)
        rows = await parts.service.deliveries(ground.engineer, alarm)
        told = next(row for row in rows if row["name"] == "李志强" and row["event"] == "annunciated")
        shown = await parts.service.show(ground.engineer, told["id"])
    assert book(ground) == [("active_acknowledged", "notice:guard")]
    assert [row["note"] for row in alone["history"] if row["action"] == "acknowledge"] == [
        "由短信回复确认 · acknowledged by SMS"
    ]
    assert told["acknowledged_at"] == ground.clock.now() and shown["replies"][0]["result"] == "acknowledged"
    audit = ground.rows("SELECT actor, detail->>'by' FROM hub.audit WHERE action = 'notification.acknowledge'")
    assert audit == [("notice:guard", "sms")]


async def test_with_two_open_one_alone_acknowledges_neither_and_asks(ground: Ground) -> None:
    async with world(ground) as (parts, gateway):
        for title in ("强行开门", "水泵停"):
            await ground.tell(parts, ground.alarm(title={"zh": title, "en": title}))
        first = gateway.code(0)
        said = await gateway.says("1")
        assert said["result"] == "which" and "强行开门" in said["text"] and "水泵停" in said["text"]
        assert f"回复 1 {first}：" in said["text"]
        assert [state for state, _ in book(ground)] == ["active_unacknowledged"] * 2
        assert (await gateway.says("1 2222"))["result"] == "wrong_code"
        assert (await gateway.says(f"1{first.lower()}"))["result"] == "acknowledged"
        assert (await gateway.says("1"))["result"] == "acknowledged"  # one is left
    assert book(ground) == [("active_acknowledged", "notice:guard")] * 2


async def test_without_its_time_one_means_nothing_where_two_were_told(ground: Ground) -> None:
    """A guard answers the first; it takes long; by then a colleague had that one, and there is a second."""
    async with world(ground) as (parts, gateway):
        first = ground.alarm()
        await ground.tell(parts, first)
        written = ground.clock.now()
        ground.clock.advance(20)
        await parts.context.alarms.acknowledge(Principal("user:wang", ground.here, "guard"), first)
        await ground.tell(parts, ground.alarm())
        ground.clock.advance(20)
        late = await gateway.says("1", at=written.isoformat())
        assert late["result"] == "already" and "wang" in late["text"]
        assert (await gateway.says("1", at=""))["result"] == "which"
        assert book(ground)[1] == ("active_unacknowledged", None)
        assert (await gateway.says("1"))["result"] == "acknowledged"


async def test_a_repetition_changes_nothing_and_says_the_same(ground: Ground) -> None:
    async with world(ground) as (parts, gateway):
        await ground.tell(parts, ground.alarm())
        first = await gateway.says("1")
        await ground.tell(parts, ground.alarm())
        assert await gateway.says("1", again=True) == first
        await parts.pump.settle()
        answers_ = [one for one in gateway.sent.got if "已确认" in one.json["message"]]
    assert book(ground) == [("active_acknowledged", "notice:guard"), ("active_unacknowledged", None)]
    assert len(answers_) == 1 and ground.rows("SELECT count(*) FROM notifications.reply") == [(1,)]


async def test_late_answers(ground: Ground) -> None:
    async with world(ground) as (parts, gateway):
        alarm = ground.alarm()
        await ground.tell(parts, alarm)
        code = gateway.code()
        assert (await gateway.says("收到"))["result"] == "not_understood"
        ground.clock.advance(31 * 60)
        for text in ("1", f"1 {code}"):
            late = await gateway.says(text)
            assert late["result"] == "expired" and "30 分钟" in late["text"]
        assert book(ground) == [("active_unacknowledged", None)]
        ground.rows("UPDATE hub.alarm SET state = 'normal'")
        assert (await gateway.says("1"))["result"] == "over"
        ground.clock.advance(25 * 3600)
        assert (await gateway.says("1"))["result"] == "unknown"


async def test_a_telephone_that_answers_every_message_by_itself_is_answered_once(ground: Ground) -> None:
    async with world(ground) as (parts, gateway):
        await ground.tell(parts, ground.alarm())
        sent = len(gateway.sent.got)
        for _ in range(3):
            assert (await gateway.says("我正在开车"))["result"] == "not_understood"
            await parts.pump.settle()
        assert len(gateway.sent.got) == sent + 1
        assert (await gateway.says("1"))["result"] == "acknowledged"


async def test_in_the_language_of_the_person(ground: Ground) -> None:
    async with world(ground) as (parts, gateway):
        await ground.tell(parts, ground.alarm())
        ground.rows("UPDATE notifications.delivery SET language = 'en' WHERE person = 'guard'")
        assert (await gateway.says("hello"))["text"].startswith("Not understood")


async def test_a_number_that_nobody_told_is_nobody(ground: Ground) -> None:
    async with world(ground) as (parts, gateway):
        await ground.tell(parts, ground.alarm())
        sent = len(gateway.sent.got)
        assert await gateway.says("1", "13999999999") == {"result": "unknown", "text": ""}
        assert await gateway.says(f"1 {gateway.code()}", "13999999999") == {"result": "unknown", "text": ""}
        await parts.pump.settle()
        assert len(gateway.sent.got) == sent
    assert book(ground) == [("active_unacknowledged", None)]


async def test_several_in_one_call_and_the_word_a_gateway_waits_for(ground: Ground) -> None:
    replies = {"secret": TOKEN, "fields": FIELDS, "answer": '{"code":0}'}
    async with world(ground, replies=replies) as (parts, gateway):
        await ground.tell(parts, ground.alarm())
        body = [{"mobile": "13999999999", "content": "1", "sn": 1}, {"mobile": "13800000007", "content": "1", "sn": 2}]
        answer = await gateway.browser.post("/replies/demo/sms", json=body, headers=gateway.headers)
        assert (answer.status_code, answer.text) == (200, '{"code":0}')
    assert book(ground) == [("active_acknowledged", "notice:赵立新 g07")]


async def test_a_gateway_that_signs(ground: Ground) -> None:
    async with world(ground, replies={"secret": SECRET, "fields": {"phone": "mobile", "text": "content"}}) as (
        parts,
        gateway,
    ):
        await ground.tell(parts, ground.alarm())
        body, at = json.dumps({"mobile": "13800000002", "content": "1"}), ground.clock.now()
        headers = {"webhook-id": "m1", "webhook-timestamp": str(int(at.timestamp())),
                   "webhook-signature": Webhook(SECRET).sign("m1", at, body)}  # fmt: skip

        async def post(content: str) -> int:
            sent = {**headers, "Content-Type": "application/json"}
            return (await gateway.browser.post("/replies/demo/sms", content=content, headers=sent)).status_code

        assert await post(body.replace("2", "7", 1)) == 401
        assert [await post(body), await post(body)] == [200, 200]
        assert book(ground) == [("active_acknowledged", "notice:guard")]
        ground.clock.advance(301)
        assert await post(body) == 401  # recorded by somebody, and played again


async def test_a_call_whose_gateway_tells_the_key_that_was_pressed(ground: Ground) -> None:
    """The contract of a voice gateway: it brings back which call it was, so 1 means the alarm that was read out."""
    fields = {"phone": "callee", "text": "dtmf", "reference": "out_id", "id": "call_id"}
    async with world(ground) as (parts, gateway):
        url = gateway.sent.url.replace("http", "json") + "/call?:to={phone}&:outId={reference}"
        ground.write([{"id": "call", "url": url, "voice": True, "replies": {"secret": TOKEN, "fields": fields}}],
                     {"high": [{"post": "control", "channels": ["call"]}]})  # fmt: skip
        await parts.pump.settle()
        for _ in range(2):
            await ground.tell(parts, ground.alarm())
        first = gateway.sent.got[0].json
        assert "请按 1 确认" in first["message"] and re.fullmatch("[0-9a-f]{32}", first["outId"])
        gateway.channel, sent = "call", len(gateway.sent.got)
        names = {"callee": first["to"], "out_id": first["outId"], "call_id": "c1"}
        assert (await gateway.says("", **names, dtmf="2"))["result"] == "not_understood"
        foreign = {**names, "callee": "13999999999"}
        assert (await gateway.says("", **foreign, dtmf="1"))["result"] == "unknown"
        assert (await gateway.says("", **names, dtmf="1"))["result"] == "acknowledged"
        await parts.pump.settle()
        assert len(gateway.sent.got) == sent  # nobody is called to hear it
        [(note,)] = ground.rows("SELECT note FROM hub.alarm_history WHERE action = 'acknowledge'")
    assert note == "由电话按键确认 · acknowledged by telephone"
    assert [state for state, _ in book(ground)] == ["active_acknowledged", "active_unacknowledged"]


async def test_life_safety_by_the_rules_of_the_desk(ground: Ground) -> None:
    """An answer is the desk's own acknowledgement: a latched alarm is not ended by it, nor the ladder's end skipped."""
    async with world(ground) as (parts, gateway):
        await ground.tell(parts, ground.alarm(life_safety=True, latch=True, priority=2, state="latched_unacknowledged"))
        assert (await gateway.says("1"))["result"] == "acknowledged"
    assert book(ground) == [("latched_acknowledged", "notice:guard")]


async def test_several_alarms_in_one_message_have_a_code_each(ground: Ground) -> None:
    async with world(ground, rate={"messages": 2, "per": "60s"}) as (parts, gateway):
        for _ in range(3):
            await ground.tell(parts, ground.alarm())
        await ground.pass_time(parts, 61, 20)
        together = next(one.json["message"] for one in gateway.sent.got if "1. 【" in one.json["message"])
        codes = re.findall(r"\[([2-9A-Z]{4})\]", together)
        assert len(codes) == 2 and "回复 1 和编号" in together
        assert (await gateway.says(f"1 {codes[1]}"))["result"] == "acknowledged"


async def test_no_number_is_in_the_log(ground: Ground) -> None:
    with structlog.testing.capture_logs() as logs:
        async with world(ground) as (parts, gateway):
            await ground.tell(parts, ground.alarm())
            await gateway.says("1")
            await gateway.browser.post("/replies/demo/sms", json={"mobile": "13800000002"}, headers={})
            await gateway.browser.post("/replies/demo/sms", json={"mobile": "13800000002"}, headers=gateway.headers)
    assert logs and "13800000002" not in repr(logs) and TOKEN not in repr(logs)
    kept = ground.rows("SELECT r::text FROM notifications.reply r")
    assert len(kept) == 1 and "13800000002" not in repr(kept)
