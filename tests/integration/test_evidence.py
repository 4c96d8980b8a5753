"""Evidence packs over a real database: what is in them, what is masked, that they are sealed, and what is refused."""

import asyncio
import csv
import io
import json
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb
from typer.testing import CliRunner

from hub.__main__ import app
from hub.cli.audit import examine, seals
from hub.clock import FakeClock
from hub.errors import Refused
from hub.evidence import service
from hub.evidence.check import MOST_BYTES, read_pack
from hub.evidence.model import Medium
from hub.evidence.pack import build, manifest_hash
from hub.evidence.service import EvidenceDesk
from hub.kpis.service import KpiDesk
from hub.principal import Principal, Role
from hub.store.database import NotThere
from modules.notifications import NotificationsPlugin
from tests.integration.pipeline_bench import make_bench
from tests.integration.seeded import Seeded, seeded
from tests.integration.seeded_rows import EVIL, add_alarm

NOW = datetime(2026, 11, 21, 12, 0, 30, tzinfo=UTC)
RAISED = NOW - timedelta(minutes=5)
CARD, PLATE = "10023344", "京A·81Q53"
RAW = f'{{"type":"forced","card":"{CARD}"}}'.encode()


class Scene:
    """A forced door with everything around it: a tap, a plate, a command, a reading, people's steps, its raw frame."""

    def __init__(self, seeds: Seeded) -> None:
        self.seeds = seeds
        self.desk = EvidenceDesk(seeds.context)
        self.cause = uuid4()
        self.door = seeds.devices["door-b1-u1"]
        with seeds.link() as link:
            self.alarm = add_alarm(
                link, seeds.home, self.door.id, "door-forced-again", 2, "active_acknowledged", EVIL, EVIL, RAISED,
                text="=cmd|' /C calc'!A0",
            )  # fmt: skip
            link.execute("UPDATE hub.alarm SET cause = %s, point = 'open' WHERE id = %s", [self.cause, self.alarm])
            self._history(link)
            self._frame(link)
            self._events(link)
            self._command(link)

    def _history(self, link: "psycopg.Connection[Any]") -> None:
        for action, step, done, note in (("step", 2, True, "已到现场"), ("comment", None, None, EVIL)):
            link.execute(
                "INSERT INTO hub.alarm_history (community_id, alarm_id, at, from_state, to_state, actor, note, action,"
                " step, done) VALUES (%s, %s, %s, %s, %s, 'user:li', %s, %s, %s, %s)",
                [self.seeds.home, self.alarm, RAISED + timedelta(minutes=2), *["active_acknowledged"] * 2, note, action,
                 step, done],
            )  # fmt: skip

    def _frame(self, link: "psycopg.Connection[Any]") -> None:
        link.execute(
            "INSERT INTO telemetry.frame (ts, received, key, device_id, community_id, source, raw)"
            " VALUES (%s, %s, %s, %s, %s, 'community/demo/door', %s)",
            [RAISED, RAISED, self.cause, self.door.id, self.seeds.home, RAW],
        )

    def _events(self, link: "psycopg.Connection[Any]") -> None:
        self.event(link, "door-b1-u2", "access_granted", {"card": CARD, "method": "card"}, -60)
        self.event(link, "cam-in", "plate_seen", {"plate": PLATE, "confidence": 97, "direction": "in"}, -30)
        self.event(link, "door-b2-u1", "access_granted", {"card": "99999999", "method": "card"}, -20)  # elsewhere
        self.event(link, "barrier-in", "obstructed", {}, 16 * 60)  # later than the pack
        self.event(link, "barrier-in", "opened", {"cause": "remote", "plate": PLATE, "command_id": "x"}, 10)

    def event(
        self, link: "psycopg.Connection[Any]", code: str, name: str, data: dict[str, Any], after_s: float
    ) -> None:
        ts = RAISED + timedelta(seconds=after_s)
        link.execute(
            "INSERT INTO telemetry.event (ts, received, id, frame_key, device_id, community_id, name, data)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            [ts, ts, uuid4(), uuid4(), self.seeds.devices[code].id, self.seeds.home, name, Jsonb(data)],
        )

    def _command(self, link: "psycopg.Connection[Any]") -> None:
        number, at = uuid4(), RAISED + timedelta(seconds=90)
        link.execute(
            "INSERT INTO hub.command (id, community_id, device_id, name, reason, requested_by, idempotency_key,"
            " requested_at, expires_at, state, changed_at)"
            " VALUES (%s, %s, %s, 'open', 'patrol', 'user:li', 'k', %s, %s, 'confirmed', %s)",
            [number, self.seeds.home, self.door.id, at, at, at],
        )
        for offset, state in enumerate(("requested", "authorised", "sent", "confirmed")):
            link.execute(
                "INSERT INTO hub.command_history (community_id, command_id, at, state) VALUES (%s, %s, %s, %s)",
                [self.seeds.home, number, at + timedelta(milliseconds=offset), state],
            )

    def who(self, role: Role = "guard") -> Principal:
        return Principal(f"user:{role}", self.seeds.home, role, "10.0.0.9")


@pytest.fixture
async def scene(database_url: str) -> AsyncIterator[Scene]:
    async with seeded(database_url, FakeClock(NOW)) as seeds:
        yield Scene(seeds)


def files_of(packed: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


async def test_one_time_line_of_everything_around_the_alarm(scene: Scene):
    rows = await scene.desk.timeline(scene.who(), scene.alarm)
    mine = [row for row in rows if row["at"] >= RAISED - timedelta(seconds=61)]
    said = [(row["sort"], row["what"]["en"], row["device"]) for row in mine if row["sort"] not in ("alarm", "step")]
    around = [("access", "door-b1-u2"), ("vehicle", "cam-in"), ("frame", "door-b1-u1"), ("vehicle", "barrier-in")]
    told = [(sort, device) for sort, _, device in said if sort != "command" and device != "door-b1-u1"]
    assert told == [one for one in around if one[1] != "door-b1-u1"]
    assert [what for sort, what, _ in said if sort == "frame"] == ["frame that caused it"]
    assert [what.partition(": ")[2] for sort, what, _ in said if sort == "command"] == [
        "requested", "authorised", "sent", "confirmed",
    ]  # fmt: skip
    assert [(row["sort"], row["what"]["zh"], row["note"]) for row in mine if row["sort"] in ("alarm", "step")] == [
        ("alarm", "未确认", ""), ("step", "已确认", ""), ("step", "处置步骤 2: 完成", "已到现场"),
        ("step", "备注", EVIL),
    ]  # fmt: skip
    assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)
    assert "99999999" not in repr(rows)


async def test_the_line_of_a_raise_says_by_which_pack_and_text_the_rule_judged(scene: Scene):
    with scene.seeds.link() as link:
        for outcome, text in (
            ("pending", "over [doors 0.9.0 000000000000]"),
            ("raised", "over [doors 1.2.0 3f2a9c81d0e4]"),
        ):
            link.execute(
                "INSERT INTO hub.rule_decision (community_id, rule, device_id, at, cause, outcome, reason)"
                " VALUES (%s, 'door-forced-again', %s, %s, %s, %s, %s)",
                [scene.seeds.home, scene.door.id, RAISED, scene.cause, outcome, text],
            )
        link.execute(
            "INSERT INTO hub.alarm_history (community_id, alarm_id, at, from_state, to_state, actor, note, cause,"
            " action) VALUES (%s, %s, %s, 'normal', 'active_unacknowledged', 'rule', 'forced', %s, 'raise')",
            [scene.seeds.home, scene.alarm, RAISED, scene.cause],
        )
    rows = await scene.desk.timeline(scene.who(), scene.alarm)
    assert [row["note"] for row in rows if row["actor"] == "rule"] == ["forced [doors 1.2.0 3f2a9c81d0e4]"]


async def test_the_pack_says_the_same_to_people_and_machines_and_escapes_everything(scene: Scene):
    name, packed = await scene.desk.pack(scene.who(), scene.alarm)
    assert name == f"evidence-demo-alarm-{scene.alarm}-20261121T120030Z.zip"
    files = files_of(packed)
    assert sorted(files) == ["index.html", "manifest.json", "samples.csv", "timeline.csv", "timeline.json"]
    page = files["index.html"].decode()
    assert "<img" not in page
    assert "&lt;img src=x" in page
    assert "default-src 'none'" in page
    assert not any(word in page for word in ("http://", "https://", "<script", 'src="', "url("))
    assert RAW.hex() in page
    assert CARD in page
    assert PLATE in page
    told = json.loads(files["timeline.json"])
    assert told["alarm"]["id"] == scene.alarm
    table = list(csv.DictReader(io.StringIO(files["timeline.csv"].decode("utf-8-sig"))))
    assert len(table) == len(told["entries"])
    assert {row["time_local"][-6:] for row in table} == {"+08:00"}
    samples = list(csv.DictReader(io.StringIO(files["samples.csv"].decode("utf-8-sig"))))
    assert ("open", "1.0") in {(row["point"], row["value"]) for row in samples}


async def test_the_pack_holds_who_was_told_and_whether_it_arrived_with_addresses_masked(database_url: str):
    async with seeded(database_url, FakeClock(NOW), plugs=[NotificationsPlugin()]) as seeds:
        await told_of(Scene(seeds))


async def told_of(scene: Scene) -> None:
    with scene.seeds.link() as link:
        for person, state, event in (("li", "delivered", "annunciated"), ("wang", "dead", "escalated")):
            link.execute(
                "INSERT INTO notifications.delivery (uid, community_id, target, event, event_key, alarm_id, person,"
                " name, address, body, happened_at, state, created_at, due_at, finished_at, expires_at)"
                " VALUES (%s, %s, 'channel:sms', %s, 'k', %s, %s, %s, '13800001234', 'x', %s, %s, %s, %s, %s, %s)",
                [uuid4(), scene.seeds.home, event, scene.alarm, person, person.title(), RAISED, state,
                 *[RAISED + timedelta(seconds=5)] * 4],
            )  # fmt: skip
    rows = [row for row in await scene.desk.timeline(scene.who(), scene.alarm) if row["sort"] == "notice"]
    assert {(row["what"]["en"], row["what"]["zh"]) for row in rows} == {
        ("Li told: delivered", "告知 Li: 已送达"), ("Wang told: not delivered", "告知 Wang: 未送达")
    }  # fmt: skip
    _, packed = await scene.desk.pack(scene.who(), scene.alarm)
    files = files_of(packed)
    told = [entry for entry in json.loads(files["timeline.json"])["entries"] if entry["sort"] == "notice"]
    assert [entry["data"]["channel"] for entry in told] == ["channel:sms"] * 2
    assert "Wang told: not delivered" in files["index.html"].decode()
    everything = b"".join(files.values()).decode()
    assert "***34" in everything and "13800001234" not in everything


async def test_what_a_spreadsheet_would_run_is_text(scene: Scene):
    with scene.seeds.link() as link:
        link.execute(
            "INSERT INTO hub.alarm_history (community_id, alarm_id, at, from_state, to_state, actor, note, action)"
            " VALUES (%s, %s, %s, 'normal', 'normal', 'user:li', '=1+1', 'comment')",
            [scene.seeds.home, scene.alarm, RAISED],
        )
    _, packed = await scene.desk.pack(scene.who(), scene.alarm)
    text = files_of(packed)["timeline.csv"].decode("utf-8-sig")
    assert ",'=1+1," in text


@pytest.mark.parametrize(("role", "full"), [
    ("viewer", False), ("finance", False), ("guard", True), ("engineer", True), ("admin", True),
])  # fmt: skip
async def test_p02_cards_and_plates_only_for_who_works_with_them(scene: Scene, role: Role, full: bool):
    who = scene.who(role)
    _, packed = await scene.desk.pack(who, scene.alarm)
    seen = b"".join(files_of(packed).values()).decode() + repr(await scene.desk.timeline(who, scene.alarm))
    for secret in (CARD, PLATE, RAW.hex()):
        assert (secret in seen) is full, secret
    assert ("***44" in seen) is not full
    assert json.loads(files_of(packed)["manifest.json"])["masked"] is not full


async def test_the_same_evidence_gives_the_same_bytes(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    made: list[Any] = []
    monkeypatch.setattr(service, "build", lambda evidence: made.append(evidence) or build(evidence))
    _, packed = await scene.desk.pack(scene.who(), scene.alarm)
    _, again = await scene.desk.pack(scene.who(), scene.alarm)
    assert build(made[0]) == packed
    assert manifest_hash(packed) != manifest_hash(again)  # the chain has moved on by the first one's seal
    with_picture = build(service.msgspec.structs.replace(made[0], media=[Medium("door.jpg", b"\xff\xd8", uuid4())]))
    assert files_of(with_picture)["media/door.jpg"] == b"\xff\xd8"
    assert "media/door.jpg" in json.loads(files_of(with_picture)["manifest.json"])["files"]


async def test_making_one_is_its_seal(scene: Scene):
    _, first = await scene.desk.pack(scene.who(), scene.alarm)
    _, second = await scene.desk.pack(scene.who("admin"), scene.alarm)
    [row] = seals(scene.seeds.url, manifest_hash(second))
    assert (row["object"], row["actor"], row["seq"]) == (f"alarm:{scene.alarm}", "user:admin", 2)
    told = read_pack(second).told
    [before] = seals(scene.seeds.url, manifest_hash(first))
    assert told["audit"] == {"seq": 1, "hash": before["hash"].hex()}
    assert examine(scene.seeds.url).ok


def change(packed: bytes, name: str, content: bytes | None) -> bytes:
    files = files_of(packed)
    if content is None:
        del files[name]
    else:
        files[name] = content
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for one, value in files.items():
            archive.writestr(one, value)
    return out.getvalue()


async def test_verify_pack_believes_the_chain_and_nothing_else(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HUB_DATABASE_URL", scene.seeds.url)
    monkeypatch.setattr("hub.logs.configure_logging", lambda _: None)  # the runner's stderr is closed afterwards
    _, packed = await scene.desk.pack(scene.who(), scene.alarm)
    manifest = json.loads(files_of(packed)["manifest.json"])
    forged = {**manifest, "made_by": "user:mallory"}

    async def verdict(content: bytes) -> tuple[int, str]:
        file = tmp_path / "pack.zip"
        file.write_bytes(content)
        done = await asyncio.to_thread(CliRunner().invoke, app, ["audit", "verify-pack", str(file)])
        return done.exit_code, done.output

    code, said = await verdict(packed)
    assert (code, "genuine" in said) == (0, True), said
    assert f"alarm:{scene.alarm}" in said
    for name, content, problem in (
        ("timeline.csv", b"nothing happened", "timeline.csv: 内容已变 altered"),
        ("samples.csv", None, "samples.csv: 缺少 missing"),
        ("extra.txt", b"x", "extra.txt: 多出"),
        ("manifest.json", json.dumps(forged).encode(), "names this manifest"),
    ):
        code, said = await verdict(change(packed, name, content))
        assert (code, problem in said) == (1, True), said
    with scene.seeds.link() as link:
        link.execute("SET session_replication_role = replica")
        link.execute("UPDATE hub.audit SET at = at - interval '1 day'")
    code, said = await verdict(packed)
    assert (code, "broken" in said) == (1, True), said


@pytest.mark.parametrize("junk", [b"", b"PK", b"hello", b"PK\x03\x04" + bytes(100)])
def test_what_is_no_pack_is_refused(junk: bytes):
    with pytest.raises(ValueError, match="ZIP"):
        read_pack(junk)


def test_a_bomb_is_refused_before_it_is_unpacked():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", bytes(MOST_BYTES + 1))
    with pytest.raises(ValueError, match="larger"):
        read_pack(out.getvalue())


@pytest.mark.parametrize(("before_s", "after_s"), [(-1, 900), (900, -1), (0, 0), (86_400, 1)])
async def test_a_span_that_is_none_or_too_long_is_refused(scene: Scene, before_s: int, after_s: int):
    for work in (scene.desk.pack, scene.desk.timeline):
        with pytest.raises(Refused, match="86400"):
            await work(scene.who(), scene.alarm, before_s, after_s)


async def test_more_than_a_pack_holds_is_a_clear_error_and_no_seal(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    for name, most in (("MOST_ENTRIES", 5), ("MOST_SAMPLES", 0)):
        with monkeypatch.context() as patch:
            patch.setattr(service, name, most)
            with pytest.raises(Refused, match="choose a shorter") as refused:
                await scene.desk.pack(scene.who(), scene.alarm)
        assert (refused.value.code, refused.value.status) == ("evidence_too_large", 422)
    assert examine(scene.seeds.url).sound == {}


async def test_another_communitys_alarm_is_not_there(scene: Scene):
    stranger = Principal("user:x", scene.seeds.foreign, "admin")
    for work in (scene.desk.pack, scene.desk.timeline):
        with pytest.raises(NotThere):
            await work(stranger, scene.alarm)
    foreign = scene.seeds.numbers["foreign"]
    assert "SECRET" not in repr(await scene.desk.timeline(scene.who(), scene.alarm, 43_200, 43_200)), foreign


async def test_from_the_wire_to_the_pack(database_url: str):
    """A forced door through the real pipeline and desk: its raw bytes, its history and its sound are all told."""
    async with make_bench(database_url) as bench:
        arrival = bench.door("forced", 1)
        await bench.feed(bench.door("opened", 0, card=CARD), arrival)
        [(number,)] = bench.query("SELECT id FROM hub.alarm")
        who = Principal("user:li", bench.hub.communities["demo"], "guard")
        bench.clock.advance(20)
        await bench.hub.context.alarms.acknowledge(who, number, "去看看")
        _, packed = await EvidenceDesk(bench.hub.context).pack(who, number)
        entries = json.loads(files_of(packed)["timeline.json"])["entries"]
        assert [entry["data"]["hex"] for entry in entries if entry["sort"] == "frame"] == [arrival.payload.hex()]
        assert [entry["actor"] for entry in entries if entry["sort"] == "step"] == ["user:li"]
        report = await KpiDesk(bench.hub.context).report(who, "day")
        assert report.annunciated == 1
        assert {figure.id: figure.value for figure in report.figures}["acknowledged_p50"] == pytest.approx(20, abs=1)
        assert examine(bench.url).ok


async def test_no_more_packs_are_made_at_once_than_memory_takes(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(EvidenceDesk, "_making", service.MOST_AT_ONCE)
    with pytest.raises(Refused, match="too many"):
        await scene.desk.pack(Principal("user:li", scene.seeds.home, "guard"), scene.alarm)
