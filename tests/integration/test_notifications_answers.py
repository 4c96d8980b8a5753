"""Answers by SMS and by key, from a gateway's HTTP call to the alarm book: the right alarm, the right person, once."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from fastapi import FastAPI
from standardwebhooks import Webhook

from hub.errors import Refused
from hub.principal import Principal
from modules.notifications import Parts, answers
from modules.notifications.callbacks import make_callbacks
from tests.integration.notifications_ground import Ground, Receiver, migrated, roster
from tests.integration.postgres import new_database

LI = {"person": 2, "code": "g02", "name": "李志强", "account": "guard", "phone": "13800000002", "post": "control"}
ZHAO = {"person": 7, "code": "g07", "name": "赵立新", "account": "", "phone": "13800000007", "post": "control"}
TOKEN = "token-of-the-sms-gateway"
SECRET = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo="
FIELDS = {"phone": "mobile", "text": "content", "id": "sn", "time": "at"}


@dataclass
class Gateway:
    """A stand-in of an SMS or voice gateway: what it was told to send, and its calls back."""

    ground: Ground
    sent: Receiver
    browser: httpx.AsyncClient
    channel: str = "sms"
    headers: dict[str, str] = field(default_factory=lambda: {"Authorization": f"Bearer {TOKEN}"})
    number: int = 0

    async def says(
        self, text: str, phone: str = "+8613800000002", *, again: bool = False, **more: Any
    ) -> dict[str, Any]:
        """Bring an answer; with `again` the last one once more."""
        self.number += 0 if again else 1
        body = {"mobile": phone, "content": text, "sn": self.number, "at": self.ground.clock.now().isoformat(), **more}
        answer = await self.browser.post(f"/replies/demo/{self.channel}", json=body, headers=self.headers)
        assert answer.status_code == 200, answer.text
        [result] = answer.json()["results"]
        return dict(result)

    async def dies(self, monkeypatch: pytest.MonkeyPatch, where: str, text: str = "1") -> None:
        """Bring an answer, and the hub dies there."""

        def dies(name: str) -> None:
            if name == where:
                raise ConnectionError

        with monkeypatch.context() as patch:
            patch.setattr(answers, "failpoint", dies)
            with pytest.raises(ConnectionError):
                await self.says(text)

    def code(self, index: int = -1) -> str:
        """The code in a message that was sent."""
        return re.findall(r"1 ([2-9A-Z]{4})", self.sent.got[index].json["message"])[0]


@pytest.fixture
def ground(postgres_url: str, tmp_path: Path) -> Ground:
    return Ground(new_database(postgres_url, migrated(postgres_url)), tmp_path)


@asynccontextmanager
async def world(ground: Ground, **channel: Any) -> AsyncIterator[tuple[Parts, Gateway]]:
    """The module with an SMS channel that people answer, two guards on shift, and its gateway."""
    async with Receiver() as sent:
        url = sent.url.replace("http", "json") + "/send?:to={phone}"
        more = {"replies": {"secret": TOKEN, "fields": FIELDS}, **channel}
        ground.write([{"id": "sms", "url": url, **more}], {"high": [{"post": "control", "channels": ["sms"]}]})
        async with ground.running(ports=roster(LI, ZHAO)) as parts:
            app = FastAPI()
            app.include_router(make_callbacks(parts.answers))
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://hub") as browser:
                yield parts, Gateway(ground, sent, browser)


def book(ground: Ground) -> list[tuple[Any, ...]]:
    return ground.rows("SELECT state, acknowledged_by FROM hub.alarm ORDER BY id")


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


@pytest.mark.parametrize("where", ["reply_decided", "reply_acknowledged"])
async def test_killed_in_between_the_repetition_finishes_what_was_decided(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    async with world(ground) as (parts, gateway):
        await ground.tell(parts, ground.alarm())
        await gateway.dies(monkeypatch, where)
        await ground.tell(parts, ground.alarm())  # decided anew, "1" would now mean none, or this one
        assert (await gateway.says("1", again=True))["result"] == "acknowledged"
    assert book(ground) == [("active_acknowledged", "notice:guard"), ("active_unacknowledged", None)]
    assert ground.rows("SELECT count(*) FROM hub.audit WHERE action = 'notification.acknowledge'") == [(1,)]


@pytest.mark.parametrize("where", ["reply_decided", "reply_acknowledged"])
async def test_killed_in_between_it_is_finished_though_the_gateway_does_not_repeat(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    async with world(ground) as (parts, gateway):
        await ground.tell(parts, ground.alarm())
        await gateway.dies(monkeypatch, where)
        sent = len(gateway.sent.got)
        await parts.pump.settle()
        assert len(gateway.sent.got) == sent  # a request may still be at it
        await ground.pass_time(parts, 16, 8)
        assert ["已确认" in one.json["message"] for one in gateway.sent.got[sent:]] == [True]
        assert (await gateway.says("1", again=True))["result"] == "acknowledged"
    assert book(ground) == [("active_acknowledged", "notice:guard")]
    assert ground.rows("SELECT result, done FROM notifications.reply") == [("acknowledged", True)]
    assert ground.rows("SELECT count(*) FROM hub.audit WHERE action = 'notification.acknowledge'") == [(1,)]


async def test_one_that_cannot_be_finished_holds_up_no_other(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    async with world(ground) as (parts, gateway):
        for index in range(2):
            await ground.tell(parts, ground.alarm())
            await gateway.dies(monkeypatch, "reply_decided", f"1 {gateway.code()}")
            ground.rows("UPDATE notifications.delivery SET body = '' WHERE %s = 0", index)  # no message of ours is so
        await ground.pass_time(parts, 16, 16)
    assert ground.rows("SELECT done FROM notifications.reply ORDER BY id") == [(False,), (True,)]


@pytest.mark.parametrize("since", ["too long ago", "called anew", "about to call anew"])
async def test_killed_in_between_a_late_repetition_acknowledges_nothing(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, since: str
) -> None:
    async with world(ground) as (parts, gateway):
        await ground.tell(parts, ground.alarm())
        await gateway.dies(monkeypatch, "reply_decided")
        written = {"at": ground.clock.now().isoformat()}
        ground.clock.advance(31 * 60 if since == "too long ago" else 60)
        if since == "too long ago":
            await parts.pump.settle()
            assert ground.rows("SELECT done FROM notifications.reply") == [(False,)]
        else:  # it ended, and came again
            ground.rows(
                "UPDATE hub.alarm SET annunciated_at = %s", ground.clock.now() if since == "called anew" else None
            )
        late = await gateway.says("1", again=True, **written)
        assert late["result"] == "expired" and "尚未确认" in late["text"]
    assert book(ground) == [("active_unacknowledged", None)]


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


async def test_who_is_not_the_gateway_is_told_nothing(ground: Ground) -> None:
    async with world(ground) as (parts, gateway):
        await ground.tell(parts, ground.alarm())
        body = {"mobile": "13800000002", "content": "1", "sn": 1}
        bad = {"Authorization": "Bearer wrong"}
        tries = [("sms", bad), ("sms", {}), ("none", gateway.headers), ("../sms", gateway.headers)]
        found = [await gateway.browser.post(f"/replies/demo/{name}", json=body, headers=sent) for name, sent in tries]
        found.append(await gateway.browser.post("/replies/other/sms", json=body, headers=gateway.headers))
        assert {one.status_code for one in found} <= {401, 404} and found[0].text == found[1].text == found[2].text
        ground.write([{"id": "sms", "url": "json://127.0.0.1/?:to={phone}",
                       "replies": {"secret": TOKEN, "fields": FIELDS, "sources": ["10.1.2.3"]}}])  # fmt: skip
        await parts.pump.settle()
        with pytest.raises(Refused, match="gateway"):
            parts.answers.gate("demo", "sms", "127.0.0.1")
        assert parts.answers.gate("demo", "sms", "10.1.2.3").channel.id == "sms"
    assert book(ground) == [("active_unacknowledged", None)]


async def test_what_is_too_large_unreadable_or_too_much(ground: Ground) -> None:
    async with world(ground) as (parts, gateway):
        await ground.tell(parts, ground.alarm())

        async def post(body: bytes, kind: str = "application/json") -> httpx.Response:
            sent = {**gateway.headers, "Content-Type": kind}
            return await gateway.browser.post("/replies/demo/sms", content=body, headers=sent)

        assert (await post(b"x" * 65_537)).status_code == 413
        unread = await post(b'{"mobile": "13800000002", "content": ["1"], "sn": 1}')
        assert unread.status_code == 422 and "content:" in unread.json()["detail"]
        assert (
            await post(b'{"mobile": "1380000\\u00000002", "content": "\\u0000\\ud800", "sn": 2}')
        ).status_code == 200
        for _ in range(29):
            await gateway.says("收到")
        most = {"mobile": "13800000002", "content": "1", "sn": "more", "at": ""}
        assert (await post(json.dumps(most).encode())).status_code == 429
        assert (await gateway.says("1", "13800000007"))["result"] == "acknowledged"  # another is not held up
        ground.clock.advance(601)
        assert (await gateway.says("1"))["result"] == "already"


async def test_strangers_take_nothing_from_whom_we_told_and_no_answer_waits_for_another(ground: Ground) -> None:
    async with world(ground) as (parts, gateway):
        await ground.tell(parts, ground.alarm())

        async def post(*items: dict[str, Any]) -> httpx.Response:
            return await gateway.browser.post("/replies/demo/sms", json=items, headers=gateway.headers)

        strangers = [{"mobile": f"139{number:08}", "content": "1", "sn": number} for number in range(61)]
        assert (await post(*strangers[:60])).status_code == 200
        ground.rows(
            "INSERT INTO notifications.reply (community_id, target, key, at, sender, said, result, done) SELECT %s,"
            " 'channel:sms', 'flood' || n, %s, '', '', 'unknown', true FROM generate_series(1, 300) AS n",
            ground.here, ground.clock.now(),
        )  # fmt: skip
        guard = {"mobile": "13800000002", "content": "1", "sn": 100}
        refused = await post(strangers[60], guard)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_replies")
        assert book(ground) == [("active_acknowledged", "notice:guard")]
        assert (await post(guard)).json()["results"][0]["result"] == "acknowledged"
        ground.clock.advance(61)
        again = (await post(strangers[60], guard)).json()["results"]
    assert [one["result"] for one in again] == ["unknown", "acknowledged"]
    assert ground.rows("SELECT count(*) FROM hub.audit WHERE action = 'notification.acknowledge'") == [(1,)]


async def test_what_cannot_be_read_is_passed_over(ground: Ground) -> None:
    with structlog.testing.capture_logs() as logs:
        async with world(ground) as (parts, gateway):
            await ground.tell(parts, ground.alarm())
            bad = [{"mobile": "CMCC", "content": "余额不足", "sn": 1}, {"mobile": "13800000007", "content": "长" * 501}]
            body = [*bad, {"mobile": "13800000002", "content": "1", "sn": 2}]
            answer = await gateway.browser.post("/replies/demo/sms", json=body, headers=gateway.headers)
            none = await gateway.browser.post("/replies/demo/sms", json=bad, headers=gateway.headers)
    assert [one["result"] for one in answer.json()["results"]] == ["unreadable", "unreadable", "acknowledged"]
    assert none.status_code == 422 and "mobile:" in none.json()["detail"]
    assert book(ground) == [("active_acknowledged", "notice:guard")]
    [log] = [one for one in logs if one["event"] == "some answers cannot be read"]
    assert (log["unread"], log["of"]) == (2, 3) and "CMCC" not in repr(logs) and "13800000007" not in repr(logs)


async def test_old_answers_go_however_many_there_are(ground: Ground) -> None:
    async with world(ground) as (parts, _):
        await parts.pump.look()
        ground.rows(
            "INSERT INTO notifications.reply (community_id, target, key, at, sender, said, result, done)"
            " SELECT %s, 'channel:sms', n::text, %s, '', '', 'unknown', true FROM generate_series(1, 12000) AS n",
            ground.here, ground.clock.now(),
        )  # fmt: skip
        ground.clock.advance(timedelta(days=parts.context.settings.event_days + 1).total_seconds())
        for _ in range(3):
            await parts.pump.look()
    assert ground.rows("SELECT count(*) FROM notifications.reply") == [(0,)]


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
