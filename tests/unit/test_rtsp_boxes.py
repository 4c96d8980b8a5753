"""Boxes of MP4, the fragments held of a stream and the tapes of it, without a camera."""

import asyncio
import contextlib
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.rtsp import recorder
from drivers.rtsp.boxes import Facts, facts, head, inside
from drivers.rtsp.ffmpeg import Stream
from drivers.rtsp.recorder import Fragment, Recorder, Reel, ReelTape
from hub.clock import SystemClock
from hub.errors import Rejected, Unreachable

STREAM = Stream("rtsp://10.0.0.5/live")


def box(name: str, *content: bytes) -> bytes:
    body = b"".join(content)
    return (len(body) + 8).to_bytes(4, "big") + name.encode() + body


def movie(entry: bytes, duration: int = 90_000, scale: int = 1000, version: int = 0) -> bytes:
    wide = 8 if version else 4
    times = bytes(2 * wide) + scale.to_bytes(4, "big") + duration.to_bytes(wide, "big")
    stsd = box("stsd", bytes(4), (1).to_bytes(4, "big"), entry)
    track = box("trak", box("tkhd"), box("mdia", box("minf", box("stbl", stsd))))
    return box("ftyp", b"isom") + box("moov", box("mvhd", bytes([version, 0, 0, 0]), times), track)


def entry(name: str = "avc1", width: int = 1920, height: int = 1080) -> bytes:
    return box(name, bytes(24), width.to_bytes(2, "big"), height.to_bytes(2, "big"), bytes(50))


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize(("name", "codec"), [("avc1", "h264"), ("hev1", "hevc"), ("hvc1", "hevc"), ("mp4v", "mp4v")])
def test_a_file_says_what_it_is(name: str, codec: str, version: int) -> None:
    assert facts(movie(entry(name), version=version)) == Facts(codec, 1920, 1080, 90.0)


@given(st.binary(max_size=200))
def test_rubbish_is_a_value_error_and_nothing_else(data: bytes) -> None:
    for given_ in (data, box("moov", data), movie(data), movie(entry())[: len(data)]):
        with contextlib.suppress(ValueError):
            facts(given_)


def test_lengths_that_no_stream_has_are_refused() -> None:
    for size in (0, 1, 7):
        with pytest.raises(ValueError, match=f"length {size}"):
            head(size.to_bytes(4, "big") + b"mdat")
    with pytest.raises(ValueError, match="no box moov"):
        inside(box("ftyp") + box("free"), "moov")
    with pytest.raises(ValueError, match="no video"):
        facts(movie(b""))


async def read_boxes(data: bytes) -> list[tuple[str, bytes]]:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return [each async for each in recorder.boxes(STREAM, reader)]


async def test_a_stream_is_taken_box_by_box() -> None:
    whole = [("moof", box("moof", b"a")), ("mdat", box("mdat", b"bc"))]
    assert await read_boxes(b"".join(body for _, body in whole) + b"\0\0\0\x10mdat") == whole  # the last is cut off
    with pytest.raises(Rejected, match="from a key frame to the next"):
        await read_boxes((recorder.MOST_FRAGMENT + 9).to_bytes(4, "big") + b"mdat")
    with pytest.raises(Rejected, match="length 1"):
        await read_boxes((1).to_bytes(4, "big") + b"mdat")


@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(1, 40)), min_size=1), st.integers(0, 100))
def test_what_is_held_is_the_newest_within_time_and_size(steps: list[tuple[int, int]], span: int) -> None:
    """Also where the clock is set back: bounded by size then."""
    reel, at = Reel(), 1000
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recorder, "MOST_BYTES", 100)
        for step, size in steps:
            reel.add(Fragment(at, at + step, bytes(size)))
            at += step
            reel.keep(span)
            held = reel.fragments
            assert held and reel.size == sum(len(one.body) for one in held) <= 100
            assert held[-1].ends == at and held[0].ends >= at - span


def fragments(count: int, size: int = 1) -> list[Fragment]:
    return [Fragment(n * 10, n * 10 + 10, bytes(size)) for n in range(count)]


@pytest.fixture
def joined(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bytes, list[int]]]:
    made: list[tuple[bytes, list[int]]] = []

    async def join(_: Stream, began: bytes, chosen: list[Fragment]) -> None:
        made.append((began, [one.begins for one in chosen]))

    monkeypatch.setattr(recorder, "join", join)
    return made


@pytest.mark.parametrize(
    ("since", "until", "begins"),
    [(20, 40, [20, 30]), (25, 31, [20, 30]), (20, 40.5, [20, 30, 40]), (0, 10, [0])],
)
async def test_a_clip_has_each_fragment_of_its_time(
    joined: list[tuple[bytes, list[int]]], since: int, until: int, begins: list[int]
) -> None:
    tape = ReelTape(STREAM, since, since, str)
    for one in fragments(9):
        tape.add(b"head", one)
    await tape.cut(until)
    assert joined == [(b"head", begins)]


async def test_a_clip_waits_for_the_fragment_in_which_it_ends(joined: list[tuple[bytes, list[int]]]) -> None:
    tape = ReelTape(STREAM, 0, 0, str)
    cut = asyncio.ensure_future(tape.cut(25))
    for one in fragments(3):
        for _ in range(3):
            await asyncio.sleep(0)
        assert not cut.done()
        tape.add(b"head", one)
    await cut
    assert joined == [(b"head", [0, 10, 20])]


async def test_a_clip_is_of_one_run_and_not_longer_than_the_limit(
    joined: list[tuple[bytes, list[int]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, again = bytes(bytearray(b"head")), bytes(bytearray(b"head"))  # equal, and not the same
    tape = ReelTape(STREAM, 0, 0, str)
    tape.add(first, fragments(3)[0])
    tape.add(again, fragments(3)[1])
    tape.add(first, fragments(3)[2])
    await tape.cut(1000)
    monkeypatch.setattr(recorder, "MOST_BYTES", 5)
    large = ReelTape(STREAM, 0, 0, str)
    for one in fragments(9, size=2):
        large.add(first, one)
    await large.cut(1000)
    assert joined == [(b"head", [0]), (b"head", [0, 10])]


@pytest.mark.parametrize(("ends", "back", "clip"), [(92, 101, [101, 111]), (92, 125, [90]), (101, 105, [90])])
async def test_a_stream_that_breaks_off_before_the_alarm_gives_what_came_after_it_in_time(
    joined: list[tuple[bytes, list[int]]], monkeypatch: pytest.MonkeyPatch, ends: int, back: int, clip: list[int]
) -> None:
    """An alarm at 100, of which 90 to 120 is wanted; the run that ended at `ends` is all that is held when it comes."""
    monkeypatch.setattr(recorder, "_LAST_KEY_S", 0.05)
    tape = ReelTape(STREAM, 90, 100, str)
    tape.add(b"first", Fragment(90, ends, b"1"))
    cut = asyncio.ensure_future(tape.cut(120)) if back > 120 else None
    await asyncio.sleep(0)
    for begins in (back, back + 10):
        tape.add(b"again", Fragment(begins, begins + 12, b"1"))
    await (cut or tape.cut(120))
    assert joined == [(b"first" if clip == [90] else b"again", clip)]


def test_while_a_clip_is_taken_enough_is_held_for_the_one_after_it() -> None:
    """A clip of 90 s that is done 35 s late, and an alarm that came 60 s before its end and wants 10 s before that."""
    made = Recorder(STREAM, timedelta(seconds=10), 60.0, SystemClock(), lambda: None)
    made._reel = Reel(b"head")

    def flow(first: int, last: int) -> None:
        for second in range(first, last):
            made._take(Fragment(second * 1_000_000, (second + 1) * 1_000_000, b"1"))

    flow(1000, 1100)
    assert made._reel.fragments[0].begins == 1079_000_000
    with made.tape(1090_000_000, 1100_000_000):
        flow(1100, 1215)
    flow(1215, 1217)
    with made.tape(1110_000_000, 1120_000_000) as again:
        assert again._reel.fragments[0].begins <= 1110_000_000
    flow(1217, 1300)
    assert made._reel.fragments[0].begins == 1279_000_000


async def test_nothing_of_that_time_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "_LAST_KEY_S", 0.0)
    for trouble, said in (("", "10.0.0.5: nothing of that time was recorded"), ("refused", "refused")):
        tape = ReelTape(STREAM, 1000, 1000, lambda trouble=trouble: trouble)  # type: ignore[misc]
        tape.add(b"head", fragments(1)[0])
        with pytest.raises(Unreachable, match=said):
            await tape.cut(2000)
