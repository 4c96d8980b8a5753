"""The whole way with a real camera: a door is forced, the hub takes picture and clip, the sealed pack has them."""

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from drivers.plugin import DriversPlugin
from drivers.rtsp.boxes import facts
from hub.app import Hub
from hub.catalog.paths import packaged_config
from hub.cli.audit import seals
from hub.clock import SystemClock
from hub.evidence import service
from hub.evidence.check import read_pack
from hub.evidence.service import EvidenceDesk
from hub.live import Subscription
from hub.media.snapshots import of_alarm
from hub.model import Arrival
from hub.principal import Principal, Role
from hub.settings import Settings
from hub.store.upkeep import Upkeep
from rules.plugin import RulesPlugin
from tests.integration.cameras import PASSWORD, SECRETS, USER, Server, make_camera

BUS = """\
  cameras: {protocol: rtsp, username: !env CAMERA_USER, password: !env CAMERA_PASSWORD, timeout: 15s, probe: 5m}
"""
CAMERA = """\
  - {{id: {code}, name: {{zh: 大堂摄像机, en: Lobby camera}}, profile: any-rtsp, place: b1/u1, bus: cameras,
    address: {{url: "{url}"{more}}}}}
"""
CLIP = ", clip: {before: 2s, after: 2s}"


@pytest.fixture(scope="module")
def camera() -> Iterator[Server]:
    with make_camera() as server:
        yield server


class House:
    """A running hub with its buses; the door's controller is ours."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.home = hub.communities["demo"]
        self.changes: Subscription = hub.live.subscribe(lambda change: change.topic in ("alarm", "device"))
        self._seq = 0

    async def force_door(self, slow_s: int = 0) -> None:
        """`slow_s`: so far the controller's clock is behind."""
        self._seq += 1
        now = self.hub.clock.now_us()
        said = {"type": "forced", "ts": now // 1000 - slow_s * 1000, "seq": self._seq, "boot": 1}
        topic = "community/demo/door/door-b1-u1/event"
        self.hub.queue.offer([Arrival("demo/mqtt-main", topic, json.dumps(said).encode(), now)])

    async def snapshots(self, count: int) -> tuple[int, list[dict[str, Any]]]:
        """The alarm of the forced door when so many cameras have answered for it."""
        while True:
            async with self.hub.database.session([self.home]) as connection:
                cursor = await connection.execute(
                    "SELECT id FROM hub.alarm WHERE rule = 'door-forced' ORDER BY id DESC"
                )
                row = await cursor.fetchone()
                rows = await of_alarm(connection, self.home, row["id"]) if row else []
            if row and len(rows) == count and all(one["done_at"] for one in rows):
                return row["id"], rows
            await self.changes.take()

    async def recording(self) -> None:
        """Until the stream of the camera that makes clips is held."""
        while not (held := getattr(self.hub._drivers["demo/cameras"], "_held")) or not held["cam-lobby"].recorder.flows:  # noqa: B009
            await asyncio.sleep(0.01)

    async def clip(self) -> dict[str, Any]:
        """The row of the camera that makes clips, when it has answered."""
        while True:
            _, [_, row] = await self.snapshots(2)
            if row["clip_done_at"]:
                return row
            await self.changes.take()

    def who(self, role: Role = "guard") -> Principal:
        return Principal(f"user:{role}", self.home, role)

    def link(self) -> "psycopg.Connection[Any]":
        return psycopg.connect(self.hub.settings.database_url, autocommit=True)


@pytest.fixture
async def house(database_url: str, camera: Server, tmp_path: Path) -> AsyncIterator[House]:
    sites, shipped = tmp_path / "sites", packaged_config() / "sites"
    sites.mkdir()
    for table in shipped.glob("*.csv"):
        (sites / table.name).write_bytes(table.read_bytes())
    text = (shipped / "demo.yaml").read_text("utf-8").replace("buses:\n", "buses:\n" + BUS, 1)
    text += CAMERA.format(code="cam-lobby", url=camera.url(), more=CLIP)
    text += CAMERA.format(code="cam-gone", url="rtsp://127.0.0.1:1/live", more="")
    (sites / "demo.yaml").write_text(text, "utf-8")
    hub = Hub(
        Settings(database_url=database_url, config_dir=tmp_path, picture_days=180),
        {"CAMERA_USER": USER, "CAMERA_PASSWORD": PASSWORD}, clock=SystemClock(), plugs=[DriversPlugin(), RulesPlugin()],
    )  # fmt: skip
    await hub.start()
    try:
        yield House(hub)
    finally:
        await hub.stop()


def files_of(packed: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed_again(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


async def test_a_forced_door_has_its_picture_in_a_pack_that_holds(
    house: House, capfd: pytest.CaptureFixture[str]
) -> None:
    await house.force_door(slow_s=61)
    alarm, rows = await house.snapshots(2)
    assert [(row["device"], row["picture_id"] is None) for row in rows] == [("cam-gone", True), ("cam-lobby", False)]
    gone, lobby = rows
    assert "127.0.0.1:1" in gone["reason"] and "refused" in gone["reason"]
    desk = EvidenceDesk(house.hub.context)
    _, packed = await desk.pack(house.who(), alarm)
    files = files_of(packed)
    [name] = [name for name in files if name.endswith(".jpg")]
    assert name.endswith("-cam-lobby.jpg") and files[name][:2] == b"\xff\xd8"
    manifest = json.loads(files["manifest.json"])
    assert manifest["files"][name] == lobby["sha256"].hex()
    entries = [entry for entry in json.loads(files["timeline.json"])["entries"] if entry["sort"] == "snapshot"]
    said = {
        entry["device"]: (entry["note"], entry["data"].get("file"), entry["data"].get("sha256")) for entry in entries
    }
    assert said == {"cam-gone": (gone["reason"], None, None), "cam-lobby": ("", name, lobby["sha256"].hex())}
    assert b"data:image/jpeg;base64," in files["index.html"] and gone["reason"].encode() in files["index.html"]
    read = read_pack(packed)
    assert read.problems == [] and len(seals(house.hub.settings.database_url, read.manifest)) == 1
    altered = files[name][:-20] + bytes(10) + files[name][-10:]
    found = read_pack(packed_again({**files, name: altered}))
    assert found.problems == [f"{name}: 内容已变 altered"]
    with house.link() as link:
        dumped = str(link.execute("SELECT * FROM hub.device_state").fetchall()) + str(rows)
    seen = "".join(capfd.readouterr()) + dumped + str(files["timeline.json"])
    assert not [word for word in SECRETS if word in seen]


async def test_pictures_are_for_those_who_may_and_a_sealed_one_stays(house: House) -> None:
    await house.force_door()
    alarm, rows = await house.snapshots(2)
    with house.link() as link:  # rang twice within moments: both calls share the picture
        link.execute(
            "INSERT INTO hub.alarm_snapshot SELECT community_id, alarm_id, device_id, asked_at + '1 ms', done_at,"
            " picture_id, reason FROM hub.alarm_snapshot"
        )
    desk = EvidenceDesk(house.hub.context)
    _, masked = await desk.pack(house.who("viewer"), alarm)
    assert rows[0]["reason"].encode() not in b"".join(files_of(masked).values())
    assert not [name for name in files_of(masked) if name.startswith("media/")]
    with house.link() as link:
        link.execute("UPDATE hub.picture SET received_at = received_at - interval '181 days'")
    upkeep = Upkeep(house.hub.settings.database_url, house.hub.clock, house.hub.settings)
    _, packed = await desk.pack(house.who(), alarm)
    assert len([name for name in files_of(packed) if name.endswith(".jpg")]) == 1
    assert files_of(packed)["index.html"].count(b"data:image/jpeg;base64,") == 1
    await upkeep.prune()
    assert [row["gone"] for row in await desk.snapshots(house.who(), alarm)] == [False] * 4
    with house.link() as link:
        link.execute("UPDATE hub.picture SET held = false")
    await upkeep.prune()
    assert [row["gone"] for row in await desk.snapshots(house.who(), alarm)] == [False, False, True, True]
    _, later = await desk.pack(house.who(), alarm)
    assert not [name for name in files_of(later) if name.endswith(".jpg")]
    assert "快照已过保存期" in files_of(later)["timeline.json"].decode()


async def test_a_picture_altered_in_the_store_is_told_and_left_out(house: House) -> None:
    await house.force_door()
    alarm, _ = await house.snapshots(2)
    with house.link() as link:
        link.execute("UPDATE hub.picture SET body = body || '\\x00'")
    desk = EvidenceDesk(house.hub.context)
    assert [row["altered"] for row in await desk.snapshots(house.who(), alarm)] == [False, True]
    _, packed = await desk.pack(house.who(), alarm)
    assert not [name for name in files_of(packed) if name.endswith(".jpg")]
    assert "快照已被改动" in files_of(packed)["timeline.json"].decode()


async def test_the_hub_tells_how_each_camera_is(house: House) -> None:
    states: dict[str, str] = {}
    while states.keys() != {"cam-lobby", "cam-gone"}:
        with house.link() as link:
            states = dict(link.execute(
                "SELECT d.code, s.state FROM hub.device_state s JOIN hub.device d ON d.id = s.device_id"
                " WHERE d.kind = 'camera'"
            ).fetchall())  # fmt: skip
        if states.keys() != {"cam-lobby", "cam-gone"}:
            await house.changes.take()
    assert states == {"cam-lobby": "connected", "cam-gone": "silent"}


async def test_the_clip_of_a_forced_door_is_in_the_pack_and_one_that_was_altered_is_not(house: House) -> None:
    await house.recording()
    await house.force_door()
    alarm, _ = await house.snapshots(2)
    row = await house.clip()
    assert (row["clip_reason"], row["clip_codec"]) == (None, "h264")
    assert row["clip_begins"] + timedelta(seconds=row["clip_seconds"]) >= row["clip_until"]
    desk = EvidenceDesk(house.hub.context)
    _, packed = await desk.pack(house.who(), alarm)
    files = files_of(packed)
    [name] = [name for name in files if name.endswith("-cam-lobby.mp4")]
    assert facts(files[name]).seconds == pytest.approx(row["clip_seconds"], abs=0.01)
    assert json.loads(files["manifest.json"])["files"][name] == row["clip_sha256"].hex()
    [entry] = [entry for entry in json.loads(files["timeline.json"])["entries"] if entry["sort"] == "clip"]
    assert (entry["device"], entry["data"]["file"]) == ("cam-lobby", name)
    assert f'<a href="{name}">'.encode() in files["index.html"]
    read = read_pack(packed)
    assert read.problems == [] and len(seals(house.hub.settings.database_url, read.manifest)) == 1
    found = read_pack(packed_again({**files, name: files[name][:-1] + b"\0"}))
    assert found.problems == [f"{name}: 内容已变 altered"]
    _, masked = await desk.pack(house.who("viewer"), alarm)
    assert not [name for name in files_of(masked) if name.startswith("media/")]
    with house.link() as link:
        assert link.execute("SELECT held FROM hub.clip").fetchall() == [(True,)]
        link.execute("UPDATE hub.clip SET body = body || '\\x00'")
    _, later = await desk.pack(house.who(), alarm)
    assert not [name for name in files_of(later) if name.endswith(".mp4")]
    assert "视频片段已被改动" in files_of(later)["timeline.json"].decode()


async def test_clips_that_do_not_fit_are_left_out_of_the_pack_and_named(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.recording()
    await house.force_door()
    alarm, _ = await house.snapshots(2)
    row = await house.clip()
    monkeypatch.setattr(service, "MOST_CLIP_BYTES", row["clip_size"] - 1)
    _, packed = await EvidenceDesk(house.hub.context).pack(house.who(), alarm)
    files = files_of(packed)
    assert not [name for name in files if name.endswith(".mp4")]
    [entry] = [entry for entry in json.loads(files["timeline.json"])["entries"] if entry["sort"] == "clip"]
    assert (
        entry["what"]["en"] == "clip left out: the pack is full" and entry["data"]["sha256"] == row["clip_sha256"].hex()
    )
    assert "file" not in entry["data"]
