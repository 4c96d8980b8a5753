"""Answers of people as gateways bring them: who may bring them, how they are read, and which alarm is meant."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from standardwebhooks import Webhook

from modules.notifications.replies import (
    LETTERS,
    BadReply,
    Call,
    RepliesSpec,
    Reply,
    code_of,
    plain_number,
    proven,
    read,
    sender_of,
)
from modules.notifications.spec import read_files
from modules.notifications.wishes import Wish, choose, wish_of

NOW = datetime(2026, 11, 21, 4, tzinfo=UTC)
ZONE = "Asia/Shanghai"
TOKEN = "a-token-of-20-letters"
SECRET = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo="


def spec(secret: str = TOKEN, **more: Any) -> RepliesSpec:
    return RepliesSpec.model_validate({"secret": secret, "fields": {"id": "id", "time": "time"}, **more})


def call(body: Any, token: str = TOKEN, **headers: str) -> Call:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Call({"authorization": f"Bearer {token}", **named}, "", content)


def good(spec: RepliesSpec, call: Call) -> list[Reply]:
    return [one for one in read(spec, call, ZONE, NOW) if isinstance(one, Reply)]


def test_a_token_is_needed_whole() -> None:
    assert proven(spec(), call({}), NOW)
    for wrong in ("", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "令牌"):
        assert not proven(spec(), call({}, wrong), NOW)
    assert not proven(spec(), Call({"authorization": f"Basic {TOKEN}"}, TOKEN, b""), NOW)


def test_a_token_in_the_address_only_where_it_is_said() -> None:
    bare = Call({}, TOKEN, b"")
    assert not proven(spec(), bare, NOW)
    assert proven(spec(token_in_url=True, sources=["10.0.0.1"]), bare, NOW)
    assert not proven(spec(token_in_url=True, sources=["10.0.0.1"]), call({}), NOW)


def signed(body: bytes, at: datetime = NOW, name: str = "msg_1", secret: str = SECRET) -> Call:
    signature = Webhook(secret).sign(name, at, body.decode())
    headers = {
        "webhook-id": name,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": f"v1,x {signature}",
    }
    return Call(headers, "", body)


def test_a_signature_is_of_this_body_id_and_time() -> None:
    good = signed(b'{"phone": "13800000002", "text": "1"}')
    assert proven(spec(SECRET), good, NOW)
    late, early = NOW + timedelta(minutes=5, seconds=1), NOW - timedelta(minutes=5, seconds=1)
    assert not proven(spec(SECRET), good, late) and not proven(spec(SECRET), good, early)
    for changed in ({"webhook-id": "msg_2"}, {"webhook-timestamp": str(int(NOW.timestamp()) + 1)},
                    {"webhook-signature": "v1,"}, {"webhook-timestamp": "x"}, {"webhook-id": ""}):  # fmt: skip
        assert not proven(spec(SECRET), Call({**good.headers, **changed}, "", good.body), NOW)
    assert not proven(spec(SECRET), Call(good.headers, "", good.body + b" "), NOW)
    assert not proven(spec(SECRET), Call(good.headers, "", b"\xff"), NOW)
    assert not proven(spec(SECRET), call({}, SECRET), NOW)  # the secret itself is no proof


@pytest.mark.parametrize("secret", ["short", "whsec_QUJD", "whsec_***", "令" * 30, ""])
def test_a_secret_that_could_be_guessed_is_refused(secret: str) -> None:
    with pytest.raises(ValidationError) as error:
        spec(secret)
    assert secret == "" or secret not in str(error.value.errors(include_input=False))


BODY = {"phone": "+86 138-0000-0002", "text": "1", "id": 7, "time": "2026-11-21 11:59:30"}


def test_json_arrays_and_forms_of_any_names() -> None:
    [one] = good(spec(), call(BODY))
    assert (one.number, one.text, one.at) == ("13800000002", "1", NOW - timedelta(seconds=30))
    assert [one.key for one in good(spec(), call([BODY, BODY]))] == [one.key, one.key]
    other = spec(fields={"phone": "data.mobile", "text": "data.content", "id": "sn", "reference": "outId"})
    uid = UUID(int=7)
    nested = {"data": {"mobile": "13800000002", "content": "１"}, "sn": "x", "outId": uid.hex}
    [two] = good(other, call(nested))
    assert (two.number, two.text, two.reference) == ("13800000002", "１", uid)
    form = spec(fields={"phone": "mobile", "text": "content", "id": "sn"})
    body = urlencode({"mobile": "008613800000002", "content": "1 4f7k", "sn": "9"}).encode()
    [three] = good(form, call(body, content_type="application/x-www-form-urlencoded; charset=utf-8"))
    assert (three.number, three.text) == ("13800000002", "1 4f7k")


@pytest.mark.parametrize(
    "stamp", ["2026-11-21T03:59:00Z", "2026-11-21 11:59:00", "2026/11/21 11:59:00", "20261121115900", "1795233540",
              "1795233540000", 1795233540],
)  # fmt: skip
def test_times_as_gateways_write_them(stamp: Any) -> None:
    assert good(spec(), call({**BODY, "time": stamp}))[0].at == NOW - timedelta(minutes=1)


def test_a_time_that_is_yet_to_come_is_none() -> None:
    assert good(spec(), call({**BODY, "time": "2026-11-21T04:02:00Z"}))[0].at is None


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"", "body"), (b"[]", "body"), (b"7", "body"), (b"[[]]", "body"), (b"[" * 9000, "body"), (b"\xff", "body"),
        ([{}] * 101, "body"), ({}, "phone"), ({**BODY, "phone": "x"}, "phone"), ({**BODY, "phone": True}, "phone"),
        ({**BODY, "text": "1" * 501}, "text"), ({**BODY, "text": ["1"]}, "text"), ({**BODY, "time": "noon"}, "time"),
        ({**BODY, "time": "9" * 13 + "Z"}, "time"), ({**BODY, "id": None, "time": ""}, "id"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_names_the_field_and_nothing_that_was_given(body: Any, what: str) -> None:
    with pytest.raises(BadReply) as error:
        read(spec(), call(body), ZONE, NOW)
    assert str(error.value).startswith(f"{what}:") and "noon" not in str(error.value)


def test_one_that_cannot_be_read_keeps_none_of_the_others_from_being_read() -> None:
    bad = [{**BODY, "phone": "CMCC"}, {**BODY, "text": "1" * 501}, 7]
    first, *why, last = read(spec(), call([BODY, *bad, BODY]), ZONE, NOW)
    assert isinstance(first, Reply) and last == first
    assert [str(one).partition(":")[0] for one in why] == ["phone", "text", "body"]
    assert all(isinstance(one, BadReply) and "CMCC" not in str(one) for one in why)
    with pytest.raises(BadReply, match="phone"):
        read(spec(), call(bad), ZONE, NOW)


def test_a_repetition_has_the_same_key_and_another_answer_another() -> None:
    def key(**more: Any) -> str:
        return good(spec(), call({**BODY, **more}))[0].key

    assert key() == key(time="2026-11-21 11:59:59")  # its number names it
    others = [key(id=8), key(text="1 4F7K"), key(phone="13800000003"), key(id=None), key(id=None, time="1795233000")]
    assert len({key(), *others}) == 6


@pytest.mark.parametrize(
    ("text", "code"),
    [("1", ""), (" １ ", ""), ("1#", ""), ("“1”。", ""), ("1 4F7K", "4F7K"), ("14f7k", "4F7K"), ("4f7k", "4F7K"),
     ("１，４Ｆ７Ｋ", "4F7K"), ("1\n4F7K", "4F7K")],
)  # fmt: skip
def test_what_counts_as_an_answer(text: str, code: str) -> None:
    assert wish_of(text) == Wish(code)


@pytest.mark.parametrize(
    "text", ["", "2", "11", "收到", "1 4F7", "1 4F7K9", "10", "1 4F7O", "no 1", " " * 500 + "x", "0"]
)
def test_what_does_not(text: str) -> None:
    assert wish_of(text) is None


@given(st.binary(min_size=32, max_size=32), st.integers(1, 2**60))
def test_a_code_can_be_read_typed_and_is_the_alarms_own(key: bytes, alarm: int) -> None:
    code = code_of(key, alarm)
    assert len(code) == 4 and set(code) <= set(LETTERS) and code == code_of(key, alarm)
    assert wish_of(f"1 {code.lower()}") == Wish(code)


def test_numbers() -> None:
    assert {plain_number(one) for one in ("13800000002", "+8613800000002", "86 138 0000 0002", "008613800000002")} == {
        "13800000002"
    }
    assert sender_of(b"k", "13800000002") != sender_of(b"l", "13800000002")


SINCE = NOW - timedelta(minutes=30)
row = st.fixed_dictionaries({
    "alarm_id": st.integers(1, 6), "open": st.booleans(), "age": st.integers(0, 60),
    "state": st.sampled_from(["normal", "active_acknowledged"]),
})  # fmt: skip


@given(st.lists(row, max_size=6, unique_by=lambda one: one["alarm_id"]), st.none() | st.integers(0, 40),
       st.sampled_from([None, "", *(f"C00{n}" for n in range(1, 8))]), st.none() | st.integers(1, 7))  # fmt: skip
def test_never_another_alarm_than_the_one_that_was_meant(rows: Any, written_ago: Any, said: Any, referred: Any) -> None:
    told = sorted(({**one, "code": f"C00{one['alarm_id']}", "started_at": NOW - timedelta(minutes=one["age"])}
                   for one in rows), key=lambda one: one["started_at"], reverse=True)  # fmt: skip
    written = None if written_ago is None else NOW - timedelta(minutes=written_ago)
    found, result = choose(None if said is None else Wish(said), told, referred, written, SINCE)
    assert (found is None) == (not told) == (result == "unknown")
    if result != "acknowledged" or found is None:
        return
    assert said is not None and found["open"] and found["started_at"] >= SINCE
    if said:
        assert found["code"] == said
    elif referred in {one["alarm_id"] for one in told}:
        assert found["alarm_id"] == referred
    else:
        could = [
            one for one in told if one["started_at"] >= SINCE and (written is None or one["started_at"] <= written)
        ]
        assert [one for one in could if one["open"]] == [found]  # the only one that waits
        assert written is not None or could == [found]  # and where nobody knows when it was written, the only one


CHANNEL = """
community: demo
public_url: https://hub.example.com
channels:
  - {id: sms, name: {zh: 短信, en: SMS}, url: "jsons://g.example.com/?:to={phone}&:ref={reference}",
     replies: {secret: a-token-of-20-letters, fields: {id: sn, reference: ref}}}
"""


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("", "", ""),
        ("a-token-of-20-letters", "off", ""),
        ("a-token-of-20-letters", "short", "channels[0].replies.secret"),
        ("&:ref={reference}", "", "channels[0].replies.fields.reference"),
        ("?:to={phone}&", "?", "channels[0].replies"),
        ("id: sn, ", "", "channels[0].replies.fields"),
        ("replies: {", "replies: {token_in_url: true, ", "channels[0].replies.token_in_url"),
        ("replies: {", "replies: {token_in_url: true, sources: [10.0.0.0/8], ", ""),
        ("replies: {", "replies: {sources: [here], ", "channels[0].replies.sources[0]"),
        ("id: sn, ", "id: s n, ", "channels[0].replies.fields.id"),
    ],
)
def test_the_file_says_what_is_missing(tmp_path: Path, old: str, new: str, where: str) -> None:
    (tmp_path / "notifications").mkdir()
    (tmp_path / "notifications" / "demo.yaml").write_text(CHANNEL.replace(old, new, 1), encoding="utf-8")
    _, problems = read_files([tmp_path], {})
    assert [one.field for one in problems] == ([where] if where else [])
