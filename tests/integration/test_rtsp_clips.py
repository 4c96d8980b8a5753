"""Clips of a real camera (GStreamer's RTSP server, H.264): whole, or up to where it died; cameras that send rubbish."""

import asyncio
import errno
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from drivers.rtsp import recorder
from drivers.rtsp.boxes import facts
from drivers.rtsp.ffmpeg import Stream, child
from drivers.rtsp.recorder import Recorder
from hub.clock import SystemClock
from hub.embedded.process import command_of
from hub.errors import Unreachable
from hub.model import Clip
from hub.tasks import end
from hub.vocabulary.rtsp import ClipSpec
from tests.integration.cameras import PASSWORD, SECRETS, USER, Server, children, make_camera
from tests.integration.test_rtsp_driver import Bus
from tests.unit.camera_devices import camera_device

ROOT = Path(__file__).parents[2]
RATE = 10  # frames a second of the camera; a key frame each second
S = 1_000_000
SPEC = ClipSpec(before=timedelta(seconds=3), after=timedelta(seconds=2))
OWNER = """
import sys, uvloop
from datetime import timedelta
from drivers.rtsp.ffmpeg import Stream, child
from drivers.rtsp.recorder import Recorder
from hub.clock import SystemClock
made = Recorder(Stream(*sys.argv[1:4]), timedelta(seconds=3), 60.0, SystemClock(), lambda: None)
made._take = lambda fragment: print(len(fragment.body), flush=True)
uvloop.run(made.run())
"""


@pytest.fixture
def camera() -> Iterator[Server]:
    with make_camera() as server:
        yield server


class Held:
    """A recorder at work, with what it says."""

    def __init__(self, url: str, password: str = PASSWORD, refused_s: float = 3600.0) -> None:
        self.said: asyncio.Queue[str] = asyncio.Queue()
        self.clock = SystemClock()
        self.recorder = Recorder(
            Stream(url, USER, password), SPEC.before, refused_s, self.clock,
            lambda: self.said.put_nowait(self.recorder.trouble),
        )  # fmt: skip

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Held"]:
        task = asyncio.ensure_future(self.recorder.run())
        try:
            yield self
        finally:
            await end([task])
            assert children() == set()

    @property
    def span(self) -> int:
        fragments = self.recorder._reel.fragments
        return fragments[-1].ends - fragments[0].begins if fragments else 0

    async def filled(self, seconds: float) -> int:
        """Until so much is held; now."""
        while self.span < seconds * S:
            await asyncio.sleep(0.01)
        return self.clock.now_us()


def probed(clip: Clip, tmp_path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """(the stream, its frames) as ffprobe reads them, every frame decoded; the file plays while it is loaded."""
    file = tmp_path / "clip.mp4"
    file.write_bytes(clip.body)
    asked = ["ffprobe", "-v", "error", "-of", "json", "-show_streams", "-show_frames", str(file)]
    done = subprocess.run(asked, capture_output=True, check=True, text=True)
    assert done.stderr == ""
    assert clip.body.index(b"moov") < clip.body.index(b"mdat")
    told = json.loads(done.stdout)
    [stream] = told["streams"]
    return stream, told["frames"]


async def test_a_clip_has_what_was_before_and_after(camera: Server, tmp_path: Path) -> None:
    async with Held(camera.url()).running() as held:
        now = await held.filled(5)
        with held.recorder.tape(now - 3 * S, now) as tape:
            await asyncio.sleep(2)
            clip = await tape.cut(now + 2 * S)
    stream, frames = probed(clip, tmp_path)
    assert (clip.codec, clip.width, clip.height) == (stream["codec_name"], stream["width"], stream["height"])
    assert (clip.codec, clip.width, clip.height) == ("h264", 640, 360)
    assert clip.begins <= now - 3 * S and clip.begins + clip.seconds * S >= now + 2 * S
    assert clip.seconds == pytest.approx(float(stream["duration"]), abs=0.01)
    assert len(frames) >= 4 * RATE and frames[0]["key_frame"] == 1
    assert facts(clip.body).seconds == clip.seconds


async def test_name_and_password_are_in_no_argument_and_no_environment(camera: Server) -> None:
    async with Held(camera.url()).running() as held:
        await held.filled(1)
        [pid] = children()
        seen = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
        assert b"frag_keyframe" in seen and not [word for word in SECRETS if word.encode() in seen]


async def test_a_camera_that_dies_leaves_what_it_showed(camera: Server, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(recorder, "_LAST_KEY_S", 1.0)
    async with Held(camera.url()).running() as held:
        now = await held.filled(3)
        with held.recorder.tape(now - 3 * S, now) as tape:
            camera.end()
            assert f"127.0.0.1:{camera.port}" in await held.said.get()
            clip = await tape.cut(now + 2 * S)
        with held.recorder.tape(now - 3 * S, now) as late:  # the alarm gets here when the camera is gone
            assert (await late.cut(now + 2 * S)).body == clip.body
        with held.recorder.tape(held.clock.now_us(), 0) as tape, pytest.raises(Unreachable, match="refused"):
            await tape.cut(held.clock.now_us())
    assert clip.begins <= now - 2 * S and clip.seconds >= 2
    assert len(probed(clip, tmp_path)[1]) >= 2 * RATE


async def test_a_camera_that_hangs_is_given_up_and_recorded_again_when_it_is_back(
    camera: Server, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(recorder, "SILENT_S", 4.0)
    async with Held(camera.url()).running() as held:
        before = await held.filled(2)
        with held.recorder.tape(before - 2 * S, before - 2 * S) as across:
            camera.freeze()
            while "no key frame within 4 s" not in await held.said.get():
                pass
            camera.thaw()
            while await held.said.get() != "":
                pass
            now = await held.filled(2)
            clip = await across.cut(now)  # the stream's next run counts its time anew: it is no part of this clip
        with held.recorder.tape(now - S, now) as tape:
            assert (await tape.cut(now)).begins > before
    assert clip.begins + clip.seconds * S < now and len(probed(clip, tmp_path)[1]) >= 2 * RATE


@pytest.mark.parametrize(
    ("path", "password", "said"),
    [("/live", "WRONG", "401"), ("/nothing", PASSWORD, "404"), ("/jpeg", PASSWORD, "need H.264 or H.265")],
)
async def test_a_camera_that_refuses_or_gives_no_h264_is_not_asked_at_once_again(
    camera: Server, path: str, password: str, said: str
) -> None:
    async with Held(camera.url(path), password).running() as held:
        assert said in await held.said.get()
        assert not [word for word in (*SECRETS, "WRONG") if word in held.recorder.trouble]
        await asyncio.sleep(1)
        assert children() == set() and held.said.empty()


async def test_rubbish_is_told_and_tried_again_with_growing_waits() -> None:
    asked = 0

    async def rubbish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += bool(await reader.read(1))
        writer.write(b"RTSP/1.0 200 OK\r\nContent-Length: 99999999\r\n\r\n" + bytes(range(256)) * 400)
        writer.close()

    server = await asyncio.start_server(rubbish, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Held(f"rtsp://127.0.0.1:{port}/live").running() as held:
        assert await held.said.get() != ""
        while asked < 2:
            await asyncio.sleep(0.01)
        assert held.span == 0 and not held.recorder.flows


async def test_a_stream_without_key_frames_is_cut_off(camera: Server, monkeypatch: Any) -> None:
    monkeypatch.setattr(recorder, "SILENT_S", 5.0)
    async with Held(camera.url("/once")).running() as held:
        assert "no key frame within 5 s" in await held.said.get()


async def test_more_between_two_key_frames_than_is_taken_is_refused(camera: Server, monkeypatch: Any) -> None:
    monkeypatch.setattr(recorder, "MOST_FRAGMENT", 100_000)
    async with Held(camera.url()).running() as held:
        assert "more than 100000 bytes from a key frame to the next" in await held.said.get()


async def test_a_process_whose_words_nobody_took_is_ended_all_the_same() -> None:
    noise = ("-f", "lavfi", "-i", "testsrc=size=1920x1080", "-f", "rawvideo", "pipe:1")
    async with asyncio.timeout(100), child(noise) as process:
        assert process.stdout is not None
        while len(process.stdout._buffer) <= 2 * 65_536:  # type: ignore[attr-defined]  # asyncio reads no further now
            await asyncio.sleep(0.01)
    assert process.returncode is not None and children() == set()


async def test_what_is_held_stays_bounded(camera: Server, monkeypatch: Any) -> None:
    monkeypatch.setattr(recorder, "SPARE", timedelta(0))
    async with Held(camera.url()).running() as held:
        now = await held.filled(4)
        while held.clock.now_us() < now + 4 * S:
            reel = held.recorder._reel
            assert reel.fragments[0].ends >= reel.fragments[-1].ends - 3 * S
            await asyncio.sleep(0.1)
        assert reel.size == sum(len(one.body) for one in reel.fragments)


async def test_a_hub_that_is_killed_leaves_neither_process_nor_file(camera: Server, tmp_path: Path) -> None:
    """On the loop the hub runs on (uvloop)."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, camera.url(), USER, PASSWORD], cwd=ROOT, stdout=subprocess.PIPE,
        env={"TMPDIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    try:
        assert owner.stdout is not None and owner.stdout.readline()
        found = children(owner.pid)
        assert found
    finally:
        owner.kill()
        owner.communicate()
    while any(command_of(pid) for pid in found):
        await asyncio.sleep(0.01)
    assert list(tmp_path.iterdir()) == []


async def test_a_bus_records_those_with_a_clip_as_long_as_they_have_it(camera: Server, tmp_path: Path) -> None:
    film, plain = camera_device(camera.url(), "cam-film", clip=SPEC), camera_device(camera.url(), "cam-plain")
    bus = Bus(film, plain, probe="1h")
    running = asyncio.ensure_future(bus.driver.run(bus.queue))
    with pytest.raises(Unreachable, match="cam-plain: its stream is not held ready"):
        bus.driver.tape(plain, 0, 0)
    await bus.next(), await bus.next()  # both have given a picture
    clock = SystemClock()
    with bus.driver.tape(film, clock.now_us() - S, clock.now_us()) as tape:
        assert (await tape.cut(clock.now_us() + S)).seconds >= 1
    assert {told[:2] for told in bus.told} == {("cam-film", "connected"), ("cam-plain", "connected")}
    assert len(children()) == 1
    bus.driver.update([camera_device(camera.url(), "cam-film"), plain])
    while children():
        assert not running.done()
        await asyncio.sleep(0.01)
    with pytest.raises(Unreachable):
        bus.driver.tape(film, 0, 0)
    bus.driver.update([film, plain])
    while not children():
        assert not running.done()
        await asyncio.sleep(0.01)
    await end([running])
    assert children() == set()


async def test_a_machine_without_room_for_a_process_ends_no_recording(
    camera: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, left = asyncio.create_subprocess_exec, [errno.EMFILE, errno.EAGAIN]

    async def full(*arguments: Any, **options: Any) -> Any:
        if left:
            raise OSError(left[0], os.strerror(left.pop(0)))
        return await start(*arguments, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", full)
    async with asyncio.timeout(100), Held(camera.url()).running() as held:
        assert await held.said.get() == "ffmpeg cannot be started: Too many open files"
        await held.filled(1)
        assert held.recorder.trouble == ""


async def test_that_nothing_is_recorded_stands_beside_the_state(camera: Server) -> None:
    wrong = ClipSpec(url=camera.url("/nothing"))
    bus = Bus(camera_device(camera.url(), clip=wrong), probe="1h")
    running = asyncio.ensure_future(bus.driver.run(bus.queue))
    while not (bus.told and bus.told[-1][2]):
        assert not running.done()
        await asyncio.sleep(0.01)
    code, state, detail = bus.told[-1]
    assert (code, state) == ("cam-lobby", "connected") and detail.startswith("no clips: ") and "404" in detail
    await end([running])
