"""Clips of alarms over a real database: one for all of a time, never too many, kept so long, seen by those who may."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from api.app import make_api
from api.auth import COOKIE
from api.headers import SecurityHeaders
from api.hub import Hub
from api.routes.clips import MOST_PART
from hub.clock import FakeClock, from_us, to_us
from hub.errors import Refused, Unreachable
from hub.media import clips
from hub.media.clips import BUSY, FULL, FULL_BYTES, LONGEST, MOST_A_DAY, MOST_AT_ONCE, MOST_BYTES_A_DAY, Clips
from hub.media.snapshots import LATE, PATIENCE
from hub.model import Clip, Device
from hub.store.database import NotThere
from hub.store.upkeep import Upkeep
from hub.tasks import end
from hub.vocabulary.rtsp import ClipSpec
from tests.integration.seeded import PASSWORD, Seeded, add_accounts, seeded
from tests.integration.test_snapshots import Scene

NOW = datetime(2026, 11, 21, 12, 0, 30, tzinfo=UTC)
S, DAY = timedelta(seconds=1), timedelta(days=1)
SPEC = ClipSpec(before=10 * S, after=20 * S)


class Cameras:
    """A driver whose cameras are held ready: what is asked of each, and what they give when."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.asked: list[tuple[str, datetime, datetime]] = []  # code, since, until
        self.moments: list[datetime] = []  # of the alarms
        self.gives: dict[str, Exception] = {}
        self.frozen: dict[str, asyncio.Event] = {}
        self.open, self.waits = 0, False
        self.opened: Callable[[], None] = lambda: None

    @contextmanager
    def tape(self, device: Device, since: int, at: int) -> Iterator["_Tape"]:
        self.open += 1
        self.moments.append(from_us(at))
        self.opened()
        yield _Tape(self, device.code, since)
        self.open -= 1


class _Tape:
    def __init__(self, cameras: Cameras, code: str, since: int) -> None:
        self._cameras, self._code, self._since = cameras, code, since

    async def cut(self, until: int) -> Clip:
        if gate := self._cameras.frozen.get(self._code):
            self._cameras.waits = True
            await gate.wait()
        if error := self._cameras.gives.get(self._code):
            raise error
        self._cameras.asked.append((self._code, from_us(self._since), from_us(until)))
        return made(self._since, (until - self._since) / 1e6)


def made(begins: int, seconds: float = 30.0, body: bytes = b"") -> Clip:
    return Clip(body or f"{begins} {seconds}".encode(), begins, seconds, "h264", 640, 360)


class Ground:
    """Cameras that look at a door, and the part that takes clips."""

    def __init__(self, seeds: Seeded, clock: FakeClock) -> None:
        self.scene, self.clock, self.counters = Scene(seeds, clock), clock, Counter[str]()
        self.cameras = Cameras(clock)
        self.wake: Callable[[], None] = lambda: None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        context = self.scene.seeds.context
        desk = Clips(
            self.scene.store, self.clock, context.devices, context.communities, context.alarms,  # type: ignore[arg-type]
            lambda device: self.cameras, self.counters,  # type: ignore[arg-type, return-value]
        )  # fmt: skip
        self.wake = desk.wake
        part = asyncio.ensure_future(desk.run())
        try:
            yield
        finally:
            await end([part])

    async def ask(self, *alarms: int, in_s: float = 0.0) -> None:
        """What the job of a batch that was received then notes; there are no pictures in these tests."""
        desk = self.scene.desk(noted=self.wake)
        await desk.ask(self.scene.seeds.home, alarms, (self.clock.now() + timedelta(seconds=in_s)).isoformat())

    async def settled(self, *alarms: int, but: str = "") -> list[dict[str, Any]]:
        while True:
            rows = await self.scene.rows(*alarms)
            if all(row["clip_done_at"] is not None or row["device"] == but for row in rows):
                return rows
            await self.scene.changes.take()


@pytest.fixture
async def ground(database_url: str) -> AsyncIterator[Ground]:
    clock = FakeClock(NOW)
    async with seeded(database_url, clock, {"clip_days": 1}) as seeds:
        yield Ground(seeds, clock)


async def test_a_clip_is_from_before_the_alarm_until_after_it(ground: Ground) -> None:
    ground.scene.install("cam-1", "b1/u1", clip=SPEC), ground.scene.install("cam-2", "b1/u1")
    alarm = ground.scene.alarm()
    await ground.ask(alarm)
    assert [row["clip_until"] for row in await ground.scene.rows(alarm)] == [NOW + 20 * S, None]
    async with ground.running():
        row = (await ground.settled(alarm, but="cam-2"))[0]
    assert ground.cameras.asked == [("cam-1", NOW - 10 * S, NOW + 20 * S)] and not ground.cameras.open
    assert ground.cameras.moments == [NOW]
    assert (row["clip_begins"], row["clip_seconds"], row["clip_codec"]) == (NOW - 10 * S, 30.0, "h264")
    assert (row["clip_done_at"], row["clip_reason"], row["clip_gone"]) == (NOW + 20 * S, None, False)
    async with ground.scene.seeds.context.database.session([ground.scene.seeds.home]) as connection:
        body = await clips.read(connection, ground.scene.seeds.home, row["clip_id"])
        assert await clips.read(connection, ground.scene.seeds.home, row["clip_id"], 3, 4) == body[3:7]
    assert (hashlib.sha256(body).digest(), len(body)) == (row["clip_sha256"], row["clip_size"])
    assert ground.counters == {"clips": 1, "clips_left_out": 0}


async def test_alarms_of_one_time_share_a_clip_that_grows_up_to_its_limit(ground: Ground) -> None:
    ground.scene.install("cam-1", "b1/u1", clip=SPEC)
    at = [0.0, 15.0, 30.0, 45.0, 60.0, 60.5]  # the last would see 19.5 s of its 20
    alarms = [ground.scene.alarm() for _ in at]
    for alarm, second in zip(alarms, at, strict=True):
        await ground.ask(alarm, in_s=second)  # as if it came while the clip of those before is taken
    ground.clock.advance(0.5)
    async with ground.running():
        first, cut_off = await ground.settled(*alarms[:-1]), (await ground.settled(alarms[-1]))[0]
        assert ground.cameras.asked == [
            ("cam-1", NOW - 10 * S, NOW - 10 * S + LONGEST), ("cam-1", NOW + 50.5 * S, NOW + 80.5 * S),
        ]  # fmt: skip
        assert len({row["clip_id"] for row in first}) == 1 and ground.counters["clips"] == 2
        assert cut_off["clip_id"] not in (None, first[0]["clip_id"])
        ground.clock.advance(1.0)
        alarm = ground.scene.alarm()
        await ground.ask(alarm)
        [later] = await ground.settled(alarm)
    assert later["clip_id"] not in (None, first[0]["clip_id"], cut_off["clip_id"])


async def test_one_that_a_long_clip_leaves_over_is_not_late(ground: Ground) -> None:
    """It is asked for more than a minute ago when that clip is there."""
    ground.scene.install("cam-1", "b1/u1", clip=ClipSpec(before=30 * S, after=60 * S))
    alarms = [ground.scene.alarm(), ground.scene.alarm()]
    await ground.ask(alarms[0])
    await ground.ask(alarms[1], in_s=1.0)
    gate = ground.cameras.frozen["cam-1"] = asyncio.Event()
    ground.clock.advance(1.0)
    async with ground.running():
        while not ground.cameras.waits:
            await asyncio.sleep(0)
        ground.clock.advance(35.0)
        gate.set()
        rows = await ground.settled(*alarms)
    assert [row["clip_reason"] for row in rows] == [None, None] and rows[0]["clip_id"] != rows[1]["clip_id"]


async def test_without_a_clip_the_reason_is_kept_and_counted(ground: Ground) -> None:
    for code in ("cam-1", "cam-2"):
        ground.scene.install(code, "b1/u1", clip=SPEC)
    gone = ground.scene.install("cam-3", "b1/u1", clip=SPEC)
    ground.cameras.gives |= {"cam-1": Unreachable("10.0.0.1: refused"), "cam-2": RuntimeError("secret words")}
    alarm = ground.scene.alarm()
    await ground.ask(alarm)
    del ground.scene.seeds.context.devices[gone.id]  # type: ignore[attr-defined]
    async with ground.running():
        rows = await ground.settled(alarm)
    assert [(row["clip_reason"], row["clip_id"]) for row in rows] == [
        ("10.0.0.1: refused", None), ("a fault of the hub: RuntimeError", None),
        ("the camera is no longer installed", None),
    ]  # fmt: skip
    assert ground.counters == {"clips": 0, "clips_left_out": 3}


async def test_what_is_asked_late_or_ahead_of_the_clock_is_told(ground: Ground) -> None:
    ground.scene.install("cam-1", "b1/u1", clip=SPEC)
    alarms = [ground.scene.alarm(), ground.scene.alarm()]
    for alarm, sign in zip(alarms, (-1, 1), strict=True):
        await ground.ask(alarm, in_s=sign * (PATIENCE + S).total_seconds())
    async with ground.running():
        rows = await ground.settled(*alarms)
    assert {row["clip_reason"] for row in rows} == {LATE} and not ground.cameras.asked


async def test_so_many_are_taken_at_once_and_no_more(ground: Ground) -> None:
    """Four cameras look at each of three places; none of them gives anything yet."""
    places = ["b1/u1", "gate-east", "b2/u1"]
    for place in places:
        for number in range(4):
            code = f"{place.replace('/', '-')}-{number}"
            ground.scene.install(code, place, clip=SPEC)
            ground.cameras.frozen[code] = asyncio.Event()
    by_place = {device.place_path: device for device in ground.scene.seeds.devices.values()}
    alarms = [ground.scene.alarm(device_id=by_place[place].id) for place in places]
    await ground.ask(*alarms)
    async with ground.running():
        while ground.counters["clips_left_out"] < 4:
            await ground.scene.changes.take()
        rows = await ground.scene.rows(*alarms)
        assert [row["clip_reason"] for row in rows if row["clip_done_at"]] == [BUSY] * 4
        assert ground.cameras.open == MOST_AT_ONCE
        for gate in ground.cameras.frozen.values():
            gate.set()
        await ground.settled(*alarms)
    assert ground.counters == {"clips": MOST_AT_ONCE, "clips_left_out": 4}


@pytest.mark.parametrize(
    ("number", "size", "full"), [(MOST_A_DAY - 1, 1, FULL), (20, (MOST_BYTES_A_DAY - 1) // 20, FULL_BYTES)]
)
async def test_a_camera_keeps_so_many_a_day(ground: Ground, number: int, size: int, full: str) -> None:
    ground.scene.install("cam-1", "b1/u1", clip=SPEC)
    with ground.scene.seeds.link() as link:
        link.execute(
            "INSERT INTO hub.clip (id, community_id, subject, begins, seconds, received_at, codec, width, height, size,"
            " sha256) SELECT gen_random_uuid(), %s, 'device:cam-1', %s, 1, %s, '', 1, 1, %s, ''"
            " FROM generate_series(1, %s)",
            [ground.scene.seeds.home, NOW, NOW, size, number],
        )
    reasons = []
    async with ground.running():
        for wait_s in (0.0, 90.0, 86_400.0):
            ground.clock.advance(wait_s)
            alarm = ground.scene.alarm()
            await ground.ask(alarm)
            [row] = await ground.settled(alarm)
            reasons.append(row["clip_reason"])
    assert reasons == [None, full, None]


async def test_a_camera_that_hangs_holds_no_other_up(ground: Ground) -> None:
    for code in ("cam-1", "cam-2"):
        ground.scene.install(code, "b1/u1", clip=SPEC)
    gate = ground.cameras.frozen["cam-1"] = asyncio.Event()
    alarm = ground.scene.alarm()
    await ground.ask(alarm)
    async with ground.running():
        assert [row["clip_id"] is None for row in await ground.settled(alarm, but="cam-1")] == [True, False]
        gate.set()
        assert [row["clip_id"] is None for row in await ground.settled(alarm)] == [False, False]


async def test_a_store_that_is_away_for_a_moment_ends_nothing(ground: Ground) -> None:
    ground.scene.install("cam-1", "b1/u1", clip=SPEC)
    gate = ground.cameras.frozen["cam-1"] = asyncio.Event()
    alarm = ground.scene.alarm()
    await ground.ask(alarm)
    async with asyncio.timeout(100), ground.running():
        while not ground.cameras.waits:
            await asyncio.sleep(0)
        ground.scene.store.busy = 50
        gate.set()
        [row] = await ground.settled(alarm)
    assert row["clip_id"] is not None and len(ground.cameras.asked) == 1  # it was not taken twice


async def test_a_store_that_is_away_while_a_clip_is_taken_drops_nothing(ground: Ground) -> None:
    ground.scene.install("cam-1", "b1/u1", clip=SPEC)
    alarms = [ground.scene.alarm(), ground.scene.alarm()]
    for alarm, second in zip(alarms, (0.0, 15.0), strict=True):
        await ground.ask(alarm, in_s=second)

    def away() -> None:
        ground.scene.store.busy = len(ground.cameras.moments) == 1  # for the news of the second

    ground.cameras.opened = away
    async with asyncio.timeout(100), ground.running():
        rows = await ground.settled(*alarms)
    assert [row["clip_reason"] for row in rows] == [None, None]
    assert ground.cameras.moments == [NOW, NOW + 15 * S]


# -- what is kept ------------------------------------------------------------------------------------------------------


async def keep(seeds: Seeded, clip: Clip, community: int | None = None, age: timedelta = timedelta(0)) -> UUID:
    home = community or seeds.home
    async with seeds.context.database.session([home]) as connection:
        return await clips.keep(connection, home, "cam-1", clip, received_at=seeds.context.clock.now() - age)


async def test_another_community_sees_nothing_and_gives_nothing(ground: Ground) -> None:
    seeds, clip = ground.scene.seeds, made(to_us(NOW))
    number = await keep(seeds, clip)
    assert await keep(seeds, clip) == number != await keep(seeds, made(to_us(NOW), 29.0))
    async with seeds.context.database.session([seeds.foreign]) as connection:
        for asked in (seeds.foreign, seeds.home):  # row security says no even where the query asks for it
            with pytest.raises(NotThere):
                await clips.read(connection, asked, number)
            with pytest.raises(NotThere):
                await clips.known(connection, asked, number)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with seeds.context.database.session([seeds.foreign]) as connection:
            await clips.keep(connection, seeds.home, "cam-1", clip, received_at=NOW)
    for change in ("DELETE FROM hub.clip", "UPDATE hub.clip SET body = ''", "UPDATE hub.clip SET sha256 = ''"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with seeds.context.database.session([seeds.home]) as connection:
                await connection.execute(change)


async def test_after_its_days_the_row_stays_and_a_sealed_one_whole(ground: Ground) -> None:
    seeds = ground.scene.seeds
    old, sealed, young = [
        await keep(seeds, made(n, body=b"clip"), age=age) for n, age in enumerate([1.1 * DAY, 1.1 * DAY, 0.9 * DAY])
    ]
    async with seeds.context.database.session([seeds.home]) as connection:
        await clips.hold(connection, seeds.home, [sealed])
    await Upkeep(seeds.url, seeds.context.clock, seeds.context.settings).prune()
    async with seeds.context.database.session([seeds.home]) as connection:
        with pytest.raises(Refused) as gone:
            await clips.read(connection, seeds.home, old)
        assert (gone.value.code, gone.value.status) == ("clip_gone", 410)
        row = await clips.known(connection, seeds.home, old)
        assert (row["gone"], row["size"], row["sha256"]) == (True, 4, hashlib.sha256(b"clip").digest())
        for number in (sealed, young):
            assert await clips.read(connection, seeds.home, number) == b"clip"


async def test_over_http_whole_and_in_parts(ground: Ground) -> None:
    seeds, body = ground.scene.seeds, bytes(n % 251 for n in range(MOST_PART + 1000))
    number, foreign = await keep(seeds, made(1, body=body)), await keep(seeds, made(1, body=body), seeds.foreign)
    hub = Hub(seeds.context)
    await add_accounts(hub.accounts, seeds)
    app = SecurityHeaders(make_api(hub), pages=False, tls=False)

    async def get(name: str | None, path: object, **headers: str) -> httpx.Response:
        cookies = {COOKIE: (await hub.accounts.login(name, PASSWORD, "test")).token} if name else {}
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://hub", cookies=cookies) as client:
            return await client.get(f"/api/v1/clips/{path}", headers=headers)

    seen = await get("guard", number)
    assert (seen.status_code, seen.content) == (200, body)
    assert (seen.headers["content-type"], seen.headers["accept-ranges"]) == ("video/mp4", "bytes")
    assert (seen.headers["cache-control"], seen.headers["x-content-type-options"]) == ("private, no-cache", "nosniff")
    assert (await get("guard", number, **{"If-None-Match": seen.headers["etag"]})).status_code == 304
    for asked, first, last in (("bytes=0-", 0, MOST_PART - 1), ("bytes=100-199", 100, 199), ("bytes=-5", -5, -1)):
        part = await get("guard", number, Range=asked)
        first, last = (first % len(body), last % len(body))
        assert part.status_code == 206 and part.content == body[first : last + 1]
        assert part.headers["content-range"] == f"bytes {first}-{last}/{len(body)}"
    beyond = await get("guard", number, Range=f"bytes={len(body)}-")
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(body)}")
    assert (await get(None, number, Range="bytes=0-")).status_code == 401
    assert (await get("viewer", number, Range="bytes=0-")).status_code == 403
    for path in (foreign, uuid4()):
        assert (await get("guard", path)).status_code == 404
