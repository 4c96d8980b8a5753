"""Snapshots of alarms over a real database: who is asked, once, together in a flood, and never in place of others."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from psycopg.types.json import Jsonb
from psycopg_pool import PoolTimeout

from hub.clock import FakeClock
from hub.errors import Unreachable
from hub.live import Subscription
from hub.media import store
from hub.media.snapshots import FRESH_S, FULL, LATE, MOST_A_DAY, MOST_A_MINUTE, PATIENCE, Snapshots, of_alarm
from hub.model import Device
from hub.store.database import Connection, Database
from hub.tasks import end
from hub.vocabulary.rtsp import ClipSpec
from tests.integration.seeded import Seeded, seeded
from tests.integration.seeded_rows import add_alarm
from tests.unit.camera_devices import camera_device
from tests.unit.test_picture import encoded, two_halves

NOW = datetime(2026, 11, 21, 12, 0, 30, tzinfo=UTC)
JPEG = encoded(two_halves())


class Cameras:
    """A driver whose cameras show what the test wants, when it wants."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.asked: dict[str, int] = defaultdict(int)
        self.gives: dict[str, bytes | Exception] = {}
        self.frozen: dict[str, asyncio.Event] = {}

    async def picture(self, device: Device) -> tuple[bytes, int]:
        self.asked[device.code] += 1
        if gate := self.frozen.get(device.code):
            await gate.wait()
        given = self.gives.get(device.code, JPEG)
        if isinstance(given, Exception):
            raise given
        return given, self.clock.now_us()


class Store:
    """The database, with none free for so many times; knows how many sessions there were at once."""

    def __init__(self, database: Database) -> None:
        self._database, self.busy, self.inside, self.most = database, 0, 0, 0

    @asynccontextmanager
    async def session(self, communities: Collection[int]) -> AsyncIterator[Connection]:
        if self.busy:
            self.busy -= 1
            raise PoolTimeout("none free")
        async with self._database.session(communities) as connection:
            self.inside += 1
            self.most = max(self.most, self.inside)
            try:
                yield connection
            finally:
                self.inside -= 1


class Scene:
    """A door with an alarm, and cameras that look at it."""

    def __init__(self, seeds: Seeded, clock: FakeClock) -> None:
        self.seeds, self.clock, self.cameras = seeds, clock, Cameras(clock)
        self.store = Store(seeds.context.database)
        self.door = seeds.devices["door-b1-u1"]
        self.changes: Subscription = seeds.context.live.subscribe(lambda change: change.topic == "alarm")
        self._count = 0

    def install(self, code: str, place: str, sees: tuple[str, ...] = (), clip: ClipSpec | None = None) -> Device:
        made = camera_device(f"rtsp://10.0.0.1/{code}", code, place, sees, clip)
        with self.seeds.link() as link:
            row = link.execute(
                "INSERT INTO hub.device (community_id, code, kind, profile, place, bus, name)"
                " VALUES (%s, %s, 'camera', 'any-rtsp', %s, 'cameras', %s) RETURNING id",
                [self.seeds.home, code, place, Jsonb({"zh": "大堂摄像机", "en": "Lobby camera"})],
            ).fetchone()
        assert row is not None
        device = msgspec.structs.replace(made, id=row[0], community_id=self.seeds.home)
        self.seeds.context.devices[device.id] = device  # type: ignore[index]
        return device

    def alarm(self, **columns: Any) -> int:
        self._count += 1
        with self.seeds.link() as link:
            number = add_alarm(
                link, self.seeds.home, self.door.id, f"rule-{self._count}", 2, "active_unacknowledged", "门", "door",
                columns.pop("raised_at", self.clock.now()),
            )  # fmt: skip
            for name, value in columns.items():
                link.execute(f"UPDATE hub.alarm SET {name} = %s WHERE id = %s", [value, number])  # type: ignore[arg-type]
        return number

    def desk(self, noted: Callable[[], None] = lambda: None) -> Snapshots:
        context = self.seeds.context
        return Snapshots(
            self.store, self.clock, context.devices, context.communities, context.alarms,  # type: ignore[arg-type]
            lambda device: self.cameras, noted,  # type: ignore[arg-type, return-value]
        )  # fmt: skip

    async def ask(self, desk: Snapshots, alarms: Sequence[int], ago: timedelta = timedelta(0)) -> None:
        """The job of a batch that was received so long ago."""
        await desk.ask(self.seeds.home, alarms, (self.clock.now() - ago).isoformat())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Snapshots]:
        desk = self.desk()
        part = asyncio.ensure_future(desk.run())
        try:
            yield desk
        finally:
            await end([part])

    async def rows(self, *alarms: int) -> list[dict[str, Any]]:
        async with self.seeds.context.database.session([self.seeds.home]) as connection:
            found = [await of_alarm(connection, self.seeds.home, alarm) for alarm in alarms]
        return [row for rows in found for row in rows]

    async def settled(self, *alarms: int, but: str = "") -> list[dict[str, Any]]:
        """The rows of these alarms when every camera (but one) has answered."""
        while True:
            rows = await self.rows(*alarms)
            if all(row["done_at"] is not None or row["device"] == but for row in rows):
                return rows
            await self.changes.take()


@pytest.fixture
async def scene(database_url: str) -> AsyncIterator[Scene]:
    clock = FakeClock(NOW)
    async with seeded(database_url, clock) as seeds:
        yield Scene(seeds, clock)


async def test_every_camera_that_looks_there_gives_a_picture_once(scene: Scene) -> None:
    scene.install("cam-1", "b1/u1"), scene.install("cam-2", "gate-east", ("b1",)), scene.install("cam-3", "garden")
    alarm = scene.alarm()
    async with scene.running() as desk:
        await scene.ask(desk, [alarm])
        rows = await scene.settled(alarm)
        await scene.ask(desk, [alarm], scene.clock.now() - rows[0]["asked_at"])  # a job may run again
        assert await scene.settled(alarm) == rows
    assert [(row["device"], row["reason"], row["width"], row["height"]) for row in rows] == [
        ("cam-1", None, 400, 200), ("cam-2", None, 400, 200),
    ]  # fmt: skip
    assert dict(scene.cameras.asked) == {"cam-1": 1, "cam-2": 1}
    async with scene.seeds.context.database.session([scene.seeds.home]) as connection:
        known = await store.known(connection, scene.seeds.home, rows[0]["picture_id"])
        body = await store.read(connection, scene.seeds.home, rows[0]["picture_id"])
    assert (known["source"], known["subject"]) == ("device:cam-1", "device:cam-1")
    assert NOW <= known["taken_at"] <= scene.clock.now() and body[:2] == b"\xff\xd8"
    async with scene.seeds.context.database.session([scene.seeds.foreign]) as connection:
        assert await of_alarm(connection, scene.seeds.home, alarm) == []


async def test_an_alarm_that_calls_again_gets_another_picture(scene: Scene) -> None:
    scene.install("cam-1", "b1/u1")
    alarm = scene.alarm()
    async with scene.running() as desk:
        for _ in range(2):
            await scene.ask(desk, [alarm])
            rows = await scene.settled(alarm)
            scene.clock.advance(5.0)
    assert len({row["picture_id"] for row in rows}) == scene.cameras.asked["cam-1"] == len(rows) == 2
    assert rows[0]["taken_at"] < rows[1]["taken_at"]


async def test_a_camera_that_gives_nothing_leaves_the_reason(scene: Scene) -> None:
    for code in ("cam-1", "cam-2", "cam-3"):
        scene.install(code, "b1/u1")
    gone = scene.install("cam-4", "b1/u1")
    scene.cameras.gives |= {"cam-1": Unreachable("10.0.0.1: no picture within 10 s"), "cam-2": b"<svg/>"}
    alarm = scene.alarm()
    desk = scene.desk()
    await scene.ask(desk, [alarm])
    del scene.seeds.context.devices[gone.id]  # type: ignore[attr-defined]
    async with scene.running():
        rows = await scene.settled(alarm)
    assert {row["clip_until"] for row in rows} == {None}
    assert [(row["device"], row["reason"]) for row in rows] == [
        ("cam-1", "10.0.0.1: no picture within 10 s"),
        ("cam-2", "picture: a JPEG, PNG or WebP picture is expected"), ("cam-3", None),
        ("cam-4", "the camera is no longer installed"),
    ]  # fmt: skip


async def test_a_fault_with_one_camera_ends_nothing(scene: Scene) -> None:
    scene.install("cam-1", "b1/u1"), scene.install("cam-2", "b1/u1")
    scene.cameras.gives["cam-1"] = RuntimeError("secret words")
    async with scene.running() as desk:
        for _ in range(2):
            alarm = scene.alarm()
            await scene.ask(desk, [alarm])
            rows = await scene.settled(alarm)
            assert [row["reason"] for row in rows] == ["a fault of the hub: RuntimeError", None]


async def test_a_frozen_camera_holds_no_other_up(scene: Scene) -> None:
    scene.install("cam-1", "b1/u1"), scene.install("cam-2", "b1/u1")
    scene.cameras.frozen["cam-1"] = gate = asyncio.Event()
    first, second = scene.alarm(), scene.alarm()
    async with scene.running() as desk:
        await scene.ask(desk, [first])
        assert [row["done_at"] is None for row in await scene.settled(first, but="cam-1")] == [True, False]
        await scene.ask(desk, [second])
        assert [row["done_at"] is None for row in await scene.settled(second, but="cam-1")] == [True, False]
        gate.set()
        assert all(row["picture_id"] for row in await scene.settled(first, second))


async def test_history_and_suppressed_alarms_ask_nobody(scene: Scene) -> None:
    scene.install("cam-1", "b1/u1")
    alarms = [scene.alarm(historical=True), scene.alarm(suppression="shelved")]
    await scene.ask(scene.desk(), alarms)
    await scene.desk().ask(scene.seeds.foreign, [scene.alarm()], NOW.isoformat())  # another community's job
    assert await scene.rows(*alarms) == []


async def test_a_device_whose_clock_is_slow_gets_its_picture(scene: Scene) -> None:
    scene.install("cam-1", "b1/u1")
    alarm = scene.alarm(raised_at=NOW - PATIENCE - timedelta(seconds=1))
    async with scene.running() as desk:
        await scene.ask(desk, [alarm])
        [row] = await scene.settled(alarm)
    assert row["picture_id"] is not None


async def test_a_job_that_comes_late_leaves_the_reason(scene: Scene) -> None:
    scene.install("cam-1", "b1/u1")
    alarm = scene.alarm()
    async with scene.running() as desk:
        await scene.ask(desk, [alarm], PATIENCE + timedelta(seconds=1))
        [row] = await scene.settled(alarm)
    assert (row["picture_id"], row["reason"]) == (None, LATE) and not scene.cameras.asked


async def test_all_that_wait_for_a_camera_share_the_next_picture(scene: Scene) -> None:
    scene.install("cam-1", "b1/u1")
    scene.cameras.frozen["cam-1"] = gate = asyncio.Event()
    first, rest = scene.alarm(), [scene.alarm() for _ in range(20)]
    async with scene.running() as desk:
        await scene.ask(desk, [first])
        while not scene.cameras.asked:
            await asyncio.sleep(0)
        scene.clock.advance(0.5)
        await scene.ask(desk, rest)
        gate.set()
        rows = await scene.settled(first, *rest)
    assert scene.cameras.asked["cam-1"] == 2
    assert all(row["picture_id"] for row in rows) and len({row["picture_id"] for row in rows[1:]}) == 1


async def test_in_a_storm_the_newest_picture_serves_for_a_while(scene: Scene) -> None:
    scene.install("cam-1", "b1/u1")
    with scene.seeds.link() as link:
        link.execute("DELETE FROM hub.alarm_storm_group")
        link.execute("UPDATE hub.alarm_storm SET ended_at = since")
        link.execute("INSERT INTO hub.alarm_storm (community_id, since, last_at) VALUES (%s, %s, %s)",
                     [scene.seeds.home, NOW, NOW])  # fmt: skip
    async with scene.running() as desk:
        taken = []
        for wait_s in (0.0, 2.0, FRESH_S + 1):
            scene.clock.advance(wait_s)
            alarm = scene.alarm()
            await scene.ask(desk, [alarm])
            [row] = await scene.settled(alarm)
            taken.append(row["picture_id"])
    assert taken[0] == taken[1] != taken[2] and scene.cameras.asked["cam-1"] == 2


async def test_outside_a_storm_a_camera_is_asked_for_each_until_it_is_too_often(scene: Scene) -> None:
    scene.install("cam-1", "b1/u1")
    async with scene.running() as desk:
        for _ in range(MOST_A_MINUTE + 3):
            scene.clock.advance(1.0)
            alarm = scene.alarm()
            await scene.ask(desk, [alarm])
            [row] = await scene.settled(alarm)
            assert row["picture_id"] is not None
        assert scene.cameras.asked["cam-1"] == MOST_A_MINUTE
        scene.clock.advance(61.0)
        alarm = scene.alarm()
        await scene.ask(desk, [alarm])
        await scene.settled(alarm)
    assert scene.cameras.asked["cam-1"] == MOST_A_MINUTE + 1


async def test_a_camera_keeps_so_many_pictures_a_day(scene: Scene) -> None:
    scene.install("cam-1", "b1/u1")
    with scene.seeds.link() as link:
        link.execute(
            "INSERT INTO hub.picture (id, community_id, subject, source, taken_at, received_at, sha256, width, height)"
            " SELECT gen_random_uuid(), %(home)s, 'device:cam-1', 'device:cam-1', %(now)s, %(now)s, '', 1, 1"
            " FROM generate_series(1, %(count)s)",
            {"home": scene.seeds.home, "now": NOW, "count": MOST_A_DAY - 1},
        )
    given = []
    async with scene.running() as desk:
        for wait_s in (0.0, 5.0, FRESH_S, 86_400.0):
            scene.clock.advance(wait_s)
            alarm = scene.alarm()
            await scene.ask(desk, [alarm])
            given += await scene.settled(alarm)
    first, shared, none, later = given
    assert first["picture_id"] == shared["picture_id"] is not None
    assert (none["picture_id"], none["reason"]) == (None, FULL)
    assert later["picture_id"] not in (None, first["picture_id"]) and scene.cameras.asked["cam-1"] == 2


async def test_after_a_restart_what_is_young_is_asked_and_what_is_old_is_told(scene: Scene) -> None:
    scene.install("cam-1", "b1/u1")
    old = scene.alarm()
    await scene.ask(scene.desk(), [old])  # and the process ends
    scene.clock.advance(PATIENCE.total_seconds() + 1)
    young = scene.alarm(raised_at=scene.clock.now())
    await scene.ask(scene.desk(), [young])
    scene.clock.advance(5.0)
    async with scene.running():
        rows = await scene.settled(old, young)
    assert [(row["reason"], row["picture_id"] is None) for row in rows] == [(LATE, True), (None, False)]
    assert rows[1]["taken_at"] - rows[1]["asked_at"] >= timedelta(seconds=5)  # the time it was really taken


async def test_a_clock_set_back_gives_up_what_is_far_ahead(scene: Scene) -> None:
    scene.install("cam-1", "b1/u1")
    alarm = scene.alarm()
    await scene.ask(scene.desk(), [alarm])
    scene.clock.advance(-7200.0)
    async with scene.running():
        [row] = await scene.settled(alarm)
    assert row["reason"] == LATE and not scene.cameras.asked


async def test_a_clock_set_back_a_little_is_waited_for_without_spinning(scene: Scene) -> None:
    scene.install("cam-1", "b1/u1")
    alarm = scene.alarm()
    await scene.ask(scene.desk(), [alarm])
    scene.clock.advance(-30.0)
    async with scene.running():  # each turn without an answer waits a second of the clock: thirty turns, no more
        [row] = await scene.settled(alarm)
    assert row["picture_id"] is not None and scene.cameras.asked["cam-1"] == 1


async def test_a_busy_store_ends_no_picture_under_way(scene: Scene) -> None:
    scene.install("cam-1", "b1/u1")
    other = scene.install("cam-2", "gate-east")
    scene.cameras.frozen["cam-1"] = first_gate = asyncio.Event()
    first = scene.alarm()
    async with scene.running() as desk:
        await scene.ask(desk, [first])
        while not scene.cameras.asked["cam-1"]:
            await asyncio.sleep(0)
        second = scene.alarm(device_id=other.id)
        scene.install("cam-3", "gate-east")
        scene.cameras.frozen["cam-3"] = gate = asyncio.Event()
        await scene.ask(desk, [second])
        scene.store.busy = 3  # for the look at what is open
        while not scene.cameras.asked["cam-3"]:
            await asyncio.sleep(0)
        scene.store.busy = 1  # for keeping what it gave: it is asked again
        gate.set()
        assert [row["picture_id"] is None for row in await scene.settled(second)] == [False]
        first_gate.set()
        assert (await scene.settled(first))[0]["picture_id"] is not None
    assert dict(scene.cameras.asked) == {"cam-1": 1, "cam-3": 2}


async def test_many_cameras_leave_sessions_to_people(scene: Scene) -> None:
    for number in range(4):
        scene.install(f"cam-{number}", "b1/u1")
    for number in range(4, 8):
        scene.install(f"cam-{number}", "gate-east")
    gate = scene.install("cam-9", "gate-east")
    alarms = [scene.alarm(), scene.alarm(device_id=gate.id)]
    async with scene.running() as desk:
        await scene.ask(desk, alarms)
        assert len(await scene.settled(*alarms)) == 8
    assert scene.store.most <= 3  # two that answer, one that looks for open ones
