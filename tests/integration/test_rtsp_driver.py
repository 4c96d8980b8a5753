"""Pictures of a real camera (GStreamer's RTSP server, H.264) by ffmpeg; and of cameras that refuse, freeze and go."""

import asyncio
import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PIL import Image

from drivers.rtsp import RtspDriver, driver, ffmpeg
from drivers.rtsp.ffmpeg import Stream, grab
from hub.clock import SystemClock
from hub.embedded.process import command_of
from hub.errors import DriverError, Misconfigured, Rejected, Unreachable
from hub.media.picture import read_picture
from hub.model import Arrival, Device, Frame
from hub.pipeline.intake import ArrivalQueue
from hub.tasks import end
from hub.vocabulary.kinds import Delivery
from hub.vocabulary.rtsp import RtspBus
from tests.integration.cameras import PASSWORD, SECRETS, USER, Server, children, make_camera
from tests.unit.camera_devices import camera_device

LONG_S = 30.0
ROOT = Path(__file__).parents[2]
OWNER = """
import sys, uvloop
from drivers.rtsp.ffmpeg import Stream, grab
uvloop.run(grab(Stream(*sys.argv[1:4]), 60.0))
"""


@pytest.fixture(scope="module", params=["digest", "basic"])
def either(request: pytest.FixtureRequest) -> Iterator[Server]:
    with make_camera(request.param) as server:
        yield server


@pytest.fixture
def camera() -> Iterator[Server]:
    with make_camera() as server:
        yield server


def stream(server: Server, path: str = "/live", password: str = PASSWORD) -> Stream:
    return Stream(server.url(path), USER, password)


def open_text(error: BaseException) -> str:
    """All that an error and its causes say."""
    said, seen = "", error
    while seen is not None:
        said += f"{seen!r} {seen} "
        seen = seen.__cause__ or seen.__context__  # type: ignore[assignment]
    return said


class Bus:
    """A driver with everything it says."""

    def __init__(self, *devices: Device, **options: Any) -> None:
        self.told: list[tuple[str, str, str]] = []
        self.queue = ArrivalQueue(SystemClock(), 1000, lambda _: Delivery.TELEMETRY)
        asked = {"protocol": "rtsp", "username": USER, "password": PASSWORD, "timeout": "20s", **options}
        self.driver = RtspDriver(
            "demo/cameras", RtspBus.model_validate(asked), devices, SystemClock(),
            lambda device, state, detail: self.told.append((device.code, state, detail)),
        )  # fmt: skip

    async def next(self) -> Arrival:
        [arrival] = await self.queue.take(1, 0.0, None)
        return arrival


async def test_a_picture_is_what_the_camera_shows(either: Server) -> None:
    picture = read_picture(await grab(stream(either), LONG_S))
    image = Image.open(io.BytesIO(picture.body))
    assert image.size == (640, 360)
    bars = [image.getpixel((int(640 * (n + 0.5) / 7), 80)) for n in range(7)]  # SMPTE: grey, yellow, … blue
    assert bars[1][0] > 150 > 60 > bars[1][2] and bars[6][2] > 150 > 60 > bars[6][0]


async def test_a_wrong_password_is_rejected_and_nowhere_shown(either: Server) -> None:
    with pytest.raises(Rejected, match="401") as caught:
        await grab(stream(either, password="pa:ssWRONG"), LONG_S)
    said = open_text(caught.value)
    assert f"127.0.0.1:{either.port}" in said
    assert not [word for word in (*SECRETS, "WRONG") if word in said]


async def test_a_path_that_is_not_there_is_rejected(camera: Server) -> None:
    with pytest.raises(Rejected, match="404"):
        await grab(stream(camera, "/nothing"), LONG_S)


async def test_nobody_there_is_unreachable_without_a_process(camera: Server) -> None:
    camera.end()
    with pytest.raises(Unreachable, match=rf"127\.0\.0\.1:{camera.port}: .*refused"):
        await grab(stream(camera), LONG_S)


@pytest.mark.parametrize("host", ["cam:99999", "a..b", "a" * 64, "[1:2]"])
async def test_an_address_that_cannot_be_is_unreachable(host: str) -> None:
    with pytest.raises(Unreachable) as caught:
        await grab(Stream(f"rtsp://{host}/"), LONG_S)
    assert str(caught.value).startswith(f"{host}: no such address: ")


@pytest.mark.parametrize("how", ["frozen", "dark"])
async def test_a_camera_that_gives_nothing_is_given_up_and_no_process_stays(camera: Server, how: str) -> None:
    if how == "frozen":
        camera.freeze()
    with pytest.raises(Unreachable, match="no picture within 2 s"):
        await grab(stream(camera, "/live" if how == "frozen" else "/dark"), 2.0)
    assert children() == set()


async def test_a_frozen_camera_holds_no_other_up(camera: Server) -> None:
    with make_camera() as good:
        frozen, fine = camera_device(camera.url(), "cam-frozen"), camera_device(good.url(), "cam-fine")
        bus = Bus(frozen, fine, at_once=2)
        camera.freeze()
        stuck = asyncio.ensure_future(bus.driver.picture(frozen))
        body, taken = await bus.driver.picture(fine)
        assert not stuck.done() and body[:2] == b"\xff\xd8" and taken > 0
        stuck.cancel()
        await asyncio.wait({stuck})
        assert children() == set()  # whoever stops waiting leaves nothing behind
        assert bus.told == [("cam-fine", "connected", "")]


async def test_name_and_password_are_in_no_argument_and_no_environment(camera: Server) -> None:
    camera.freeze()
    asked = asyncio.ensure_future(grab(stream(camera), 20.0))
    while not (pids := {pid for pid in children() if b"concat" in Path(f"/proc/{pid}/cmdline").read_bytes()}):
        assert not asked.done()
        await asyncio.sleep(0.01)
    for pid in pids:
        seen = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
        assert not [word for word in SECRETS if word.encode() in seen]
    await end([asked])
    assert children() == set()


async def test_a_hub_that_is_killed_takes_ffmpeg_with_it(camera: Server) -> None:
    """On the loop the hub runs on (uvloop)."""
    camera.freeze()
    owner = subprocess.Popen([sys.executable, "-c", OWNER, camera.url(), USER, PASSWORD], cwd=ROOT)
    try:
        while not (found := children(owner.pid)):
            assert owner.poll() is None
            await asyncio.sleep(0.01)
    finally:
        owner.kill()
        owner.wait()
    while any(command_of(pid) for pid in found):
        await asyncio.sleep(0.01)


async def test_without_ffmpeg_it_says_what_to_do(camera: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ffmpeg._ENVIRONMENT, "PATH", "/nowhere")
    with pytest.raises(Misconfigured, match="apt-get install ffmpeg"):
        await grab(stream(camera), LONG_S)


async def test_more_than_a_picture_is_refused(camera: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ffmpeg, "MOST_BYTES", 1000)
    with pytest.raises(Rejected, match="more than 1000 bytes"):
        await grab(stream(camera), LONG_S)
    assert children() == set()


def test_what_a_camera_says_cannot_carry_secrets_or_control_characters() -> None:
    known = Stream("rtsp://10.0.0.5/live", USER, PASSWORD)
    said = known.clean(f"rtsp://{USER}:pa%3Ass%40%2Fw%27rd%25@10.0.0.5/live {PASSWORD} \x1b[2J{USER}\u202e")
    assert said == "rtsp://10.0.0.5/live *** [2J***"


async def test_the_hub_sees_that_a_camera_works_stops_and_works_again(camera: Server) -> None:
    device = camera_device(camera.url())
    bus = Bus(device, probe="500ms", timeout="10s")
    running = asyncio.ensure_future(bus.driver.run(bus.queue))
    arrival = await bus.next()
    [frame] = bus.driver.decoder().decode(arrival)
    assert isinstance(frame, Frame) and frame.alive and frame.device == device
    [reading] = frame.readings
    assert reading.point.name == "answer_time" and reading.value is not None and 0 < reading.value < 20
    assert bus.told == [("cam-lobby", "connected", "")]
    camera.freeze()
    with pytest.raises(Unreachable):
        await running
    assert bus.told[-1][:2] == ("cam-lobby", "silent") and "no picture within 10 s" in bus.told[-1][2]
    camera.thaw()
    running = asyncio.ensure_future(bus.driver.run(bus.queue))
    heard = asyncio.ensure_future(bus.next())
    await asyncio.wait({running, heard}, return_when=asyncio.FIRST_COMPLETED)
    assert heard.done() and bus.told[-1] == ("cam-lobby", "connected", "")
    await end([running])


async def test_a_refusing_camera_is_in_error_and_asked_no_more_than_agreed(camera: Server) -> None:
    bus = Bus(camera_device(camera.url()), password="WRONG", probe="1h")
    running = asyncio.ensure_future(bus.driver.run(bus.queue))
    while not bus.told:
        await asyncio.sleep(0.01)
    [(code, state, detail)] = bus.told
    assert (code, state) == ("cam-lobby", "error") and "401" in detail
    assert not [word for word in (*SECRETS, "WRONG") if word in detail]
    assert not running.done()
    await end([running])


async def test_a_recorder_that_hangs_waits_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def grabbed(stream: Stream, seconds: float) -> bytes:
        asked.append(stream.url.removeprefix("rtsp://"))
        if stream.where == "recorder":
            raise Unreachable("recorder: no picture")
        return b"picture"

    monkeypatch.setattr(driver, "grab", grabbed)
    hosts = ["recorder/1", "recorder/2", "10.0.0.1/1", "recorder/3", "10.0.0.2/1"]
    bus = Bus(*(camera_device(f"rtsp://{host}", f"cam-{n}") for n, host in enumerate(hosts)), probe="1h")
    running = asyncio.ensure_future(bus.driver.run(bus.queue))
    while len(asked) < 5:
        assert not running.done()
        await asyncio.sleep(0)
    await end([running])
    assert asked == ["recorder/1", "10.0.0.1/1", "10.0.0.2/1", "recorder/2", "recorder/3"]


async def test_a_camera_changed_while_it_is_asked_is_asked_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, gate = asyncio.Queue[str](), asyncio.Event()

    async def grabbed(stream: Stream, seconds: float) -> bytes:
        asked.put_nowait(stream.url)
        await gate.wait()
        return b"picture"

    monkeypatch.setattr(driver, "grab", grabbed)
    bus = Bus(camera_device("rtsp://10.0.0.1/"), probe="1h")
    running = asyncio.ensure_future(bus.driver.run(bus.queue))
    assert await asked.get() == "rtsp://10.0.0.1/"
    bus.driver.update([camera_device("rtsp://10.0.0.2/")])
    gate.set()
    async with asyncio.timeout(LONG_S):
        assert await asked.get() == "rtsp://10.0.0.2/"
    await end([running])


async def test_read_asks_one_camera_now(camera: Server) -> None:
    device = camera_device(camera.url())
    bus = Bus(device)
    [arrival] = await bus.driver.read(device)
    assert bus.driver.decoder().decode(arrival)[0].device == device  # type: ignore[union-attr]
    with pytest.raises(DriverError):
        camera.end()
        await bus.driver.read(device)


def test_another_configuration_is_taken_over_and_a_wrong_one_changes_nothing() -> None:
    one, other = camera_device("rtsp://10.0.0.5/live"), camera_device("rtsp://10.0.0.6/live", "cam-2")
    bus = Bus(one)
    wrong = msgspec.structs.replace(other, spec=other.spec.model_copy(update={"address": "nonsense"}))
    with pytest.raises(Misconfigured):
        bus.driver.update([one, wrong])
    assert bus.driver.decoder().decode(Arrival("demo/cameras", "cam-lobby", b'{"took_ms":900}', 1))
    bus.driver.update([other])
    assert bus.driver.decoder().decode(Arrival("demo/cameras", "cam-2", b'{"took_ms":900}', 1))
