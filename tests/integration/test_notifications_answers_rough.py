"""Answers by SMS and by key when things go wrong: killed in between, repeated late, unreadable, too many, strangers."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from hub.errors import Refused
from tests.integration.notifications_gateway import FIELDS, TOKEN, book, world
from tests.integration.notifications_ground import Ground, migrated
from tests.integration.postgres import new_database


@pytest.fixture
def ground(postgres_url: str, tmp_path: Path) -> Ground:
    return Ground(new_database(postgres_url, migrated(postgres_url)), tmp_path)


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
