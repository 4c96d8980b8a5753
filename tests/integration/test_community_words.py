"""Two communities in one hub call the same things by names of their own: in the API, in alarms and the messages about
them, in evidence; a changed file holds at once, a wrong one is refused, and what was said stays as it was said."""

import io
import json
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.app import make_api
from api.auth import COOKIE
from api.hub import Hub
from hub.alarms.jobs import Happened
from hub.catalog.problems import CatalogError
from hub.evidence.service import EvidenceDesk
from hub.principal import Principal
from modules.notifications import NotificationsPlugin
from tests.integration.notifications_ground import Receiver
from tests.integration.pipeline_bench import NOON, Bench, BenchClock, make_bench

SITE = """\
community: {code: %(home)s, name: {zh: 测试, en: Test}, time_zone: Asia/Shanghai}
buses:
  mqtt-main: {protocol: mqtt, url: "mqtt://127.0.0.1:1", client_id: test-%(home)s}
places:
  - {path: b1, kind: building, name: {zh: 一栋, en: One}}
devices:
  - {id: door-1, name: {zh: 门, en: Door}, profile: heyue-dc200, place: b1, bus: mqtt-main, address: {device: door-1}}
"""
WORDS = """\
community: south
kinds:
  door:
    name: {zh: 单元门, en: Entrance}
    points: {open: {zh: 门扇, en: Leaf}}
    events: {access_granted: {zh: 放行, en: Let in}}
    fields: {access_granted: {method: {zh: 凭证, en: By}}}
    commands: {open: {zh: 远程放行, en: Let in from afar}}
    values: {open: {zh: 敞开, en: ajar}, card: {zh: 门卡, en: badge}}
"""
RULES = """\
rules:
  - rule: door-open-test
    title: {zh: 门未关, en: Door left open}
    when: {kinds: [door]}
    threshold: {point: open, equals: open, for: 1s}
    priority: high
    text: {zh: "$device：$value", en: "$device: $value"}
    examples:
      - {name: open, steps: [{at: 0s, point: {open: open}}, {at: 2s, expect: [raised]}]}
      - {name: closed, steps: [{at: 0s, point: {open: closed}}]}
  - rule: door-used-test
    title: {zh: 通行, en: Used}
    when: {kinds: [door]}
    event: {name: access_granted}
    priority: low
    text: {zh: "$device：$value", en: "$device: $value"}
    examples:
      - {name: used, steps: [{at: 0s, event: access_granted, expect: [raised, returned]}]}
      - {name: quiet, steps: [{at: 0s}]}
"""
NOTICES = """\
community: %(home)s
public_url: https://hub.example.com
gateways: [127.0.0.0/8]
people:
  - {person: wang, name: 王, phone: "13900000099"}
  - {person: lee, name: Lee, phone: "13900000001", language: en}
channels:
  - {id: sms, name: {zh: 短信, en: SMS}, url: "%(url)s/%(home)s?:to={phone}", recipients: [wang, lee]}
escalation: {high: [{channels: [sms]}]}
"""
SHIPPED = {"kind": ("门禁", "Door"), "open": ("开", "Open"), "card": ("刷卡", "card")}
OURS = {"kind": ("单元门", "Entrance"), "open": ("敞开", "ajar"), "card": ("门卡", "badge")}
BOTH = {"north": SHIPPED, "south": OURS}
ALARMS = """
SELECT c.code, a.id, a.rule, a.text, a.annunciated_at FROM hub.alarm a JOIN hub.community c ON c.id = a.community_id
ORDER BY a.rule, c.code
"""


@pytest.fixture
async def sms() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


@pytest.fixture
def config(tmp_path: Path, sms: Receiver) -> Path:
    for folder in ("sites", "rules", "words", "notifications"):
        (tmp_path / folder).mkdir()
    for home in ("north", "south"):
        (tmp_path / "sites" / f"{home}.yaml").write_text(SITE % {"home": home}, "utf-8")
        notices = NOTICES % {"home": home, "url": sms.url.replace("http", "json")}
        (tmp_path / "notifications" / f"{home}.yaml").write_text(notices, "utf-8")
    (tmp_path / "rules" / "words-test.yaml").write_text(RULES, "utf-8")
    (tmp_path / "words" / "south.yaml").write_text(WORDS, "utf-8")
    return tmp_path


async def opened(bench: Bench) -> None:
    """In both communities somebody is let in by card, and the door stays open."""
    said = []
    now = bench.clock.now_us() // 1000
    for home in BOTH:  # alike in all but the community, and yet two
        bench.bus, topic = f"{home}/mqtt-main", f"community/{home}/door/door-1"
        tap = {"type": "access_granted", "ts": now, "seq": 1, "boot": 1, "card": "A1B2", "method": "card"}
        state = {"ts": now, "seq": 2, "boot": 1, "door": "open", "lock": "unlocked"}
        said += [bench.arrival(f"{topic}/event", tap), bench.arrival(f"{topic}/state", state)]
    await bench.feed(*said)
    bench.clock.advance(2)
    await bench.feed()


async def read(bench: Bench, home: str, path: str) -> Any:
    """What the API answers a guard of a community."""
    hub, name = Hub(bench.hub.context), f"guard-{home}"
    if not bench.query("SELECT 1 FROM hub.account WHERE name = %s", name):
        await hub.accounts.create_account(name, "correct horse battery", {bench.hub.communities[home]: "guard"})
    token = (await hub.accounts.login(name, "correct horse battery", "test")).token
    transport = httpx.ASGITransport(make_api(hub, []))
    async with httpx.AsyncClient(transport=transport, base_url="http://hub", cookies={COOKIE: token}) as client:
        response = await client.get(f"/api/v1{path}")
    assert response.status_code == 200, response.text
    return response.json()


def guard(bench: Bench, home: str) -> Principal:
    return Principal("user:li", bench.hub.communities[home], "guard")


def sides(text: dict[str, str]) -> tuple[str, str]:
    return text["zh"], text["en"]


async def test_each_community_reads_its_own_words_in_the_api(database_url: str, config: Path) -> None:
    async with make_bench(
        database_url, clock=BenchClock(NOON), config_dir=config, plugs=[NotificationsPlugin({})]
    ) as bench:
        await opened(bench)
        for home, called in BOTH.items():
            [row] = (await read(bench, home, "/devices"))["items"]
            device = await read(bench, home, f"/devices/{row['id']}")
            assert sides(row["kind_label"]) == sides(device["kind_label"]) == called["kind"]
            point = next(one for one in device["points"] if one["name"] == "open")
            assert (point["value"], point["values"]) == (1, {"closed": 0, "open": 1}), "what is stored is the same"
            assert sides(point["words"]["open"]) == called["open"]
            assert sides(point["words"]["closed"]) == ("关", "Closed"), "what nobody named keeps the shipped word"
            trend = await read(bench, home, f"/points/{point['id']}/trend?until=2026-11-21T04:00:10Z")
            assert trend["words"] == point["words"]
            [event] = (await read(bench, home, "/events"))["items"]
            assert event["name"] == "access_granted" and event["data"]["method"] == "card"
            assert sides(event["words"]["method"]) == called["card"]
        assert sides(point["label"]) == ("门扇", "Leaf")
        assert (sides(event["label"]), sides(event["fields"]["method"])) == (("放行", "Let in"), ("凭证", "By"))
        assert sides(device["commands"][0]["label"]) == ("远程放行", "Let in from afar")


async def test_alarms_and_messages_say_it_in_the_words_of_their_community(
    database_url: str, config: Path, sms: Receiver
) -> None:
    plug = NotificationsPlugin({})
    async with make_bench(database_url, clock=BenchClock(NOON), config_dir=config, plugs=[plug]) as bench:
        await opened(bench)
        said = {(home, rule): sides(text) for home, _, rule, text, _ in bench.query(ALARMS)}
        assert said == {
            ("north", "door-open-test"): ("门：开", "Door: Open"),
            ("south", "door-open-test"): ("门：敞开", "Door: ajar"),
            ("north", "door-used-test"): ("门：通行", "Door: Access granted"),
            ("south", "door-used-test"): ("门：放行", "Door: Let in"),
        }
        parts = plug.of(bench.hub.context)
        for home, number, rule, _, at in bench.query(ALARMS):
            if rule == "door-open-test":
                happened = Happened("alarm_annunciated", bench.hub.communities[home], number, at)
                await parts.telling.annunciated(**happened.arguments)
        await parts.pump.settle()
        told = {(one.path.partition("?")[0], one.json["to"]): one.json["message"] for one in sms.got}
        assert len(told) == 4
        for home, called in BOTH.items():
            zh, en = called["open"]
            assert f"门：{zh}\n" in told[f"/{home}", "13900000099"], "each reads it in their own language"
            assert f"Door: {en}\n" in told[f"/{home}", "13900000001"]


async def test_an_evidence_pack_speaks_the_words_of_its_community(database_url: str, config: Path) -> None:
    async with make_bench(
        database_url, clock=BenchClock(NOON), config_dir=config, plugs=[NotificationsPlugin({})]
    ) as bench:
        await opened(bench)
        desk = EvidenceDesk(bench.hub.context)
        for home, number, rule, _, _ in bench.query(ALARMS):
            if rule == "door-open-test":
                called = BOTH[home]
                _, packed = await desk.pack(guard(bench, home), number)
                with zipfile.ZipFile(io.BytesIO(packed)) as pack:
                    page, line = pack.read("index.html").decode(), json.loads(pack.read("timeline.json"))
                assert f"1 = {' '.join(called['open'])}" in page
                assert f"{' '.join(called['card'])}" in page
                [tap] = [one for one in line["entries"] if one["sort"] == "access"]
                assert tap["data"]["method"] == "card", "the code is kept beside the word"


async def test_changed_words_hold_at_once_and_what_was_said_stays(database_url: str, config: Path) -> None:
    file = config / "words" / "south.yaml"
    async with make_bench(
        database_url, clock=BenchClock(NOON), config_dir=config, plugs=[NotificationsPlugin({})]
    ) as bench:
        await opened(bench)
        before = bench.query(ALARMS)
        file.write_text(WORDS.replace("敞开", "未关").replace("单元门", "大门"), "utf-8")
        await bench.hub.reload()
        [row] = (await read(bench, "south", "/devices"))["items"]
        points = {one["name"]: one for one in await read(bench, "south", f"/points/last?device={row['id']}")}
        assert (row["kind_label"]["zh"], points["open"]["words"]["open"]["zh"]) == ("大门", "未关")
        await bench.feed()
        assert bench.query(ALARMS) == before, "an alarm keeps what it said, and the reload raises nothing anew"
        file.write_text(WORDS.replace("card:", "crad:"), "utf-8")
        with pytest.raises(CatalogError, match=r"words/south.yaml:9: kinds.door.values.crad: .*did you mean 'card'"):
            await bench.hub.reload()
        [row] = (await read(bench, "south", "/devices"))["items"]
        assert row["kind_label"]["zh"] == "大门", "the last good words stay"
        file.unlink()
        await bench.hub.reload()
        [row] = (await read(bench, "south", "/devices"))["items"]
        assert sides(row["kind_label"]) == SHIPPED["kind"]
