"""When a message may go, is tried again, or goes another way: pure decisions, and what may be sent to at all."""

import random
from datetime import UTC, datetime, time, timedelta
from ipaddress import ip_address
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.notifications import model
from modules.notifications.channels import Outcome, addressed, hint, judge, known_scheme
from modules.notifications.model import Limits, Quiet, Rate, Wants, first_due, masked, quiet_until, slot
from modules.notifications.outgoing import Answer, Forbidden, Gateway, NotSent, is_public, networks
from modules.notifications.texts import alarm_message, finished

ZONE = "Asia/Shanghai"
NOW = datetime(2026, 11, 21, 4, tzinfo=UTC)
moments = st.integers(0, 366 * 86_400).map(
    lambda seconds: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)
clocks = st.times().map(lambda t: t.replace(second=0, microsecond=0))
zones = st.sampled_from([ZONE, "Europe/Berlin", "America/St_Johns", "UTC"])


def inside(quiet: Quiet, clock: time) -> bool:
    if quiet.begins <= quiet.ends:
        return quiet.begins <= clock < quiet.ends
    return clock >= quiet.begins or clock < quiet.ends


@given(moments, clocks, clocks, zones)
def test_quiet_hours_end_outside_themselves_and_within_a_day(now: datetime, begins: time, ends: time, zone: str):
    quiet = Quiet(begins, ends)
    until = quiet_until(quiet, zone, now)
    assert (until is not None) == inside(quiet, now.astimezone(ZoneInfo(zone)).time())
    if until is not None:
        assert now - timedelta(hours=1) < until <= now + timedelta(hours=25)  # an hour may be given twice
        assert until.astimezone(ZoneInfo(zone)).time().replace(second=0, microsecond=0, fold=0) == ends or zone != ZONE


@pytest.mark.parametrize(
    ("hour", "expected"), [(21, None), (22, "07:00 22"), (23, "07:00 22"), (0, "07:00 21"), (6, "07:00 21"), (7, None)]
)
def test_quiet_over_midnight(hour: int, expected: str | None):
    now = datetime(2026, 11, 21, hour, 30 if hour != 7 else 0, tzinfo=ZoneInfo(ZONE)).astimezone(UTC)
    until = quiet_until(Quiet(time(22), time(7)), ZONE, now)
    assert (until and until.astimezone(ZoneInfo(ZONE)).strftime("%H:%M %d")) == expected


@given(moments, clocks, clocks, st.none() | st.timedeltas(timedelta(minutes=1), timedelta(days=1)))
def test_life_safety_never_waits(now: datetime, begins: time, ends: time, digest: timedelta | None):
    limits = Limits(Quiet(begins, ends), Rate(1, timedelta(days=1)), digest)
    assert first_due(limits, ZONE, now, life_safety=True) == now
    assert slot(limits.rate, [now] * 50, now, life_safety=True) == now
    due = first_due(limits, ZONE, now, life_safety=False)
    assert due >= now and quiet_until(Quiet(begins, ends), ZONE, due) is None
    assert due <= now + timedelta(days=2)


@given(moments, st.timedeltas(timedelta(minutes=1), timedelta(days=1)))
def test_a_digest_is_soon_and_the_same_for_all_of_its_time(now: datetime, every: timedelta):
    due = model.digest_at(every, now)
    assert now < due <= now + every
    assert model.digest_at(every, due - timedelta(microseconds=1)) == due


@given(st.integers(1, 20), st.integers(1, 600), st.lists(st.integers(0, 900), max_size=60))
def test_the_rate_is_kept_in_every_window(most: int, per: int, waits: list[int]):
    """Sending whenever the slot says so never puts more than `most` into any window."""
    rate, now, sent = Rate(most, timedelta(seconds=per)), NOW, []
    for wait in waits:
        now = slot(rate, sent, now + timedelta(seconds=wait), life_safety=False)
        sent.append(now)
        assert sum(moment > now - rate.per for moment in sent) <= most


@given(st.integers(1, 60), st.randoms(use_true_random=False))
def test_delays_grow_and_stay_bounded(attempts: int, rng: random.Random):
    channel, webhook = (model.retry_delay(sort, attempts, rng).total_seconds() for sort in ("channel", "webhook"))
    assert 2 <= channel <= 300 and 5 <= webhook <= 43_200
    assert 5 <= model.probe_delay(attempts + 2, rng).total_seconds() <= 300


@given(st.randoms(use_true_random=False))
def test_a_webhook_is_tried_for_a_day_at_least(rng: random.Random):
    elapsed, attempts = timedelta(0), 1
    while elapsed < model.GIVE_UP["webhook"]:
        last = elapsed
        elapsed += model.retry_delay("webhook", attempts, rng)
        attempts += 1
    assert elapsed >= timedelta(hours=24) and last >= timedelta(hours=14) and attempts >= 8


@given(st.integers(0, 20), st.timedeltas(timedelta(0), timedelta(hours=2)))
def test_the_second_channel_comes_in_time(failures: int, wait: timedelta):
    """Whoever is not to be reached within half a minute is told otherwise, at the latest after three failures."""
    second = model.needs_second(failures, NOW, NOW + wait, life_safety=False)
    assert second == (failures >= 3 or wait >= timedelta(seconds=30))
    assert model.needs_second(1, NOW, NOW, life_safety=True)


def test_what_a_channel_wants():
    wants = Wants(2, frozenset({"pump"}), ("b1",))
    assert wants.takes(1, "pump", "b1/u1") and wants.takes(2, "pump", "b1")
    assert not wants.takes(3, "pump", "b1") and not wants.takes(1, "door", "b1")
    assert not wants.takes(1, "pump", "b10") and Wants().takes(4, "x", "y")


@pytest.mark.parametrize(
    ("text", "shown"),
    [("车牌 京A12345 驶入", "车牌 ***45 驶入"), ("粤BD12345", "***45"), ("苏E·88888 等待", "***88 等待"),
     ("卡 04A1B2C3D4", "卡 ***D4"), ("13800138000", "***00"), ("110101199001011234", "***34"),
     ("压力 612.5 kPa 超过 600", "压力 612.5 kPa 超过 600"), ("b1/u1/f03/0301", "b1/u1/f03/0301"),
     ("2026-11-21 12:00:00", "2026-11-21 12:00:00"), ("deadbeef", "deadbeef"), ("3 层 A 座", "3 层 A 座")],
)  # fmt: skip
def test_private_parts_are_masked(text: str, shown: str):
    assert masked(text) == shown


# -- what may be sent to --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "public"),
    [("8.8.8.8", True), ("2606:4700::1111", True), ("127.0.0.1", False), ("10.1.2.3", False), ("0.0.0.0", False),
     ("172.16.0.1", False), ("192.168.1.1", False), ("169.254.169.254", False), ("100.64.0.1", False), ("::1", False),
     ("224.0.0.1", False), ("255.255.255.255", False), ("fe80::1", False), ("fc00::1", False), ("ff02::1", False),
     ("::ffff:10.0.0.1", False), ("::ffff:8.8.8.8", True), ("2002:0a00:0001::", False), ("64:ff9b::a00:1", False),
     ("198.18.0.1", False), ("240.0.0.1", False), ("::127.0.0.1", False), ("::10.0.0.1", False), ("fec0::1", False),
     ("64:ff9b:1::a00:1", False), ("::ffff:0:7f00:1", False)],
)  # fmt: skip
def test_public_addresses(address: str, public: bool):
    assert is_public(ip_address(address)) is public


async def test_one_private_address_among_public_ones_is_enough_to_refuse():
    async def resolver(host: str, port: int) -> list[str]:
        return {"good": ["8.8.8.8"], "mixed": ["8.8.8.8", "10.0.0.1"], "own": ["10.0.0.1"], "none": []}[host]

    gateway, own = Gateway(resolver), networks(["10.0.0.0/24"])
    assert await gateway.address("good", 443, ()) == ("8.8.8.8", False)
    assert await gateway.address("own", 80, own) == ("10.0.0.1", True)
    for host in ("mixed", "own"):
        with pytest.raises(Forbidden):
            await gateway.address(host, 443, ())
    with pytest.raises(NotSent):
        await gateway.address("none", 443, ())
    for url in ("http://good/", "file:///etc/passwd", "gopher://own/", "http:///"):
        with pytest.raises(Forbidden):
            await gateway.send("POST", url, {}, b"", own)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("120", 120), ("0", 0), ("99999999999", 7200), ("Sat, 21 Nov 2026 04:01:00 GMT", 60), ("soon", None), ("", None),
     ("-5", None), ("Sat, 21 Nov 2020 04:01:00 GMT", 0), ("١٢", None),
     ("Thu, 99999999999999999999 Jan 2026 00:00:00 GMT", None), ("Thu, 01 Jan 2026 00:00:00 +99999999999999", None)],
)  # fmt: skip
def test_retry_after(value: str, seconds: int | None):
    found = Answer(429, {"retry-after": value}).retry_after(NOW)
    assert found == (timedelta(seconds=seconds) if seconds is not None else None)


# -- what a service said --------------------------------------------------------------------------------------------


def said(scheme: str, status: int, body: bytes, accepted: bool = True) -> Outcome:
    return judge(scheme, accepted=accepted, outlet_answers=[Answer(status, {}, body)], trouble=[], now=NOW)


def test_a_refusal_under_http_200_is_a_refusal():
    assert said("wecombot", 200, b'{"errcode":0,"errmsg":"ok"}').delivered
    assert said("feishu", 200, b'{"code":0,"msg":"success"}').delivered
    assert said("wecombot", 200, b"[" * 60_000).delivered  # no code can be read in it
    refused = said("wecombot", 200, b'{"errcode":93000,"errmsg":"invalid webhook url"}')
    assert (refused.delivered, refused.detail, refused.retry_after) == (False, "the service says code 93000", None)
    for scheme, body in (("wecombot", b'{"errcode":45009}'), ("dingtalk", b'{"errcode":130101}'),
                         ("feishu", b'{"code":9499}'), ("feishu", b'{"StatusCode":11232}')):  # fmt: skip
        busy = said(scheme, 200, body)
        assert (busy.delivered, busy.retry_after) == (False, timedelta(minutes=1))
    assert said("json", 200, b'{"code": 7}').delivered  # a gateway of one's own may mean anything by it


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'{"errcode":"x"}', b"\xff", b"[" * 500])
def test_odd_bodies_of_services(body: bytes):
    assert said("wecombot", 200, body).delivered


def test_apprise_and_trouble_have_the_last_word():
    assert not said("json", 204, b"", accepted=False).delivered
    assert not said("json", 302, b"").delivered
    lost = judge("json", accepted=False, outlet_answers=[], trouble=[NotSent("x", perhaps=True)], now=NOW)
    assert (lost.delivered, lost.perhaps) == (False, True)
    barred = judge("json", accepted=False, outlet_answers=[], trouble=[Forbidden("no")], now=NOW)
    assert (barred.detail, barred.perhaps) == ("no", False)
    assert judge("mailtos", accepted=True, outlet_answers=[], trouble=[], now=NOW).delivered


@pytest.mark.parametrize(
    ("body", "said"),
    [(b'{"code": 0}', "0"), (b'{"code": "0"}', "0"), (b'{"code": true}', "true"), (b'{"code": null}', "null"),
     (b'{"result": {"code": 0}}', ""), (b"OK", ""), (b"[0]", ""), (b"[" * 9000, "")],
)  # fmt: skip
def test_what_a_gateway_must_say_beside_200(body: bytes, said: str):
    outcome = judge("json", accepted=True, outlet_answers=[Answer(200, {}, body)], trouble=[], now=NOW,
                    success=("code", "0"))  # fmt: skip
    assert outcome == (Outcome(True, 200) if said == "0" else Outcome(False, 200, f"the gateway says code {said!r}"))


def test_channel_urls():
    assert known_scheme("off") and known_scheme("wecombot://k") and known_scheme("jsons://h/x?:to={phone}")
    assert not any(known_scheme(url) for url in ("", "exec://x", "file:///etc", "https://x", "dbus://", "windows://"))
    assert hint("wecombot://very-secret-key") == "wecombot://…"
    assert addressed("json://h/?:to={phone}", "+86 1&x={email}") == "json://h/?:to=%2B86%201%26x%3D%7Bemail%7D"


# -- texts ----------------------------------------------------------------------------------------------------------


@given(st.lists(st.text(max_size=400), min_size=2, max_size=50))
def test_several_in_one_fit_a_wecom_message_and_say_how_many(bodies: list[str]):
    messages = [
        {"title": "【2级·高】门", "body": f"x{body}", "language": "zh-CN", "happened_at": NOW, "repeated": True,
         "fallback_of": 1} for body in bodies
    ]  # fmt: skip
    title, text = finished(messages, NOW + timedelta(hours=2), ZONE, "https://hub.example.com/", None)
    assert title == f"{len(bodies)} 条通知" and len(text.encode()) <= 2048
    shown = sum(line.startswith(tuple(f"{n}. " for n in range(1, 51))) for line in text.split("\n"))
    assert shown == len(bodies) or "另有" in text


def test_marks_of_any_message_are_those_of_the_combined_one():
    """The first is the most urgent, not the one that came late or may be there already."""
    plain = {"title": "门", "body": "x", "language": "en", "happened_at": NOW, "repeated": False, "fallback_of": None}
    marked = {"happened_at": NOW - timedelta(hours=1)}, {"repeated": True}, {"fallback_of": 7}
    for mark, word in zip(marked, ("11-21 11:00:00", "Possibly a repetition", "second channel"), strict=True):
        assert word in finished([plain, {**plain, **mark}], NOW, ZONE, "", None)[1]
        assert word not in finished([plain, plain], NOW, ZONE, "", None)[1]


def test_templates_and_masks_in_both_languages():
    alarm = {
        "priority": 1, "title": {"zh": "烟雾", "en": "Smoke"}, "text": {"zh": "京A12345 " + "长" * 400, "en": "x"},
        "place": "b1", "place_name": {"zh": "1栋", "en": "Building 1"}, "device": "smoke-1", "raised_at": NOW,
        "device_name": {"zh": "烟感 $title", "en": "Smoke detector"}, "community_name": {"zh": "和悦", "en": "Heyue"},
    }  # fmt: skip
    title, body = alarm_message(alarm, "annunciated", "zh-CN", ZONE, {}, ["李"], 0)
    assert title == "【1级·危急】烟雾" and "***45" in body and "京A" not in body and body.endswith("值班：李")
    assert "烟感 $title" in body and "11-21 12:00:00" in body and len(body) < 400  # a name is never a template
    mine = {"title": {"zh": "$place 的 $title", "en": "$title at $place"}}
    assert alarm_message(alarm, "escalated", "en", ZONE, mine, [], 2)[0] == "Smoke at Building 1"
    assert "Escalation 2" in alarm_message(alarm, "escalated", "en", ZONE, mine, [], 2)[1]
    assert alarm_message(alarm, "settled", "en", ZONE, {}, None, 0)[0].startswith("Alarm settled")
