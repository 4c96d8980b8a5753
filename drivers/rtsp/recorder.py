"""The last seconds of a camera's stream, held in memory, and clips of them. Nothing of it is written to disk here.

ffmpeg turns the stream, as it is coded, into fragments of MP4: each begins with a key frame, so that a clip is the head
of the stream and the fragments of its time.
"""

import asyncio
import contextlib
import math
import random
import tempfile
from asyncio.subprocess import Process
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import NoReturn

import msgspec

from drivers.rtsp.boxes import HEAD, Facts, facts, head
from drivers.rtsp.ffmpeg import LISTED, Stream, child, failure, give, reach, tail, talk
from hub.backoff import full_jitter
from hub.clock import Clock
from hub.errors import DriverError, Misconfigured, Rejected, Unreachable
from hub.model import Clip

MOST_BYTES = 16_000_000
"""Of what is held of a camera, and of a clip."""

MOST_FRAGMENT = 8_000_000  # between two key frames
SPARE = timedelta(seconds=10)  # held longer than asked for: the alarm takes a while to get here
SILENT_S = 30.0  # no key frame for so long: the camera hangs, or what it sends is none
_US = timedelta(microseconds=1)
_AGAIN = timedelta(seconds=95)
"""Held longer still while a tape is open and `SPARE` after: an alarm may be left for the next one that came up to 60 s
before its end, and it ends `_LAST_KEY_S` and `_CUT_S` late. The tape holds the same fragments: it costs no memory."""

_CUT_S = 20.0
_LAST_KEY_S = 15.0
_MOST_WAIT_S = 60.0
_STEADY_S = 5.0  # a stream that flowed so long has recovered
_RECORD = (
    *LISTED, "-i", "pipe:0", "-map", "0:v:0", "-c", "copy", "-map_metadata", "-1", "-f", "mp4",
    "-movflags", "+frag_keyframe+empty_moov+default_base_moof", "-frag_size", str(MOST_FRAGMENT + 1_000_000),
    "-flush_packets", "1", "pipe:1",
)  # fmt: skip
# By the time of arrival: what a camera says of the time may jump by hours (as Frigate's presets do).
_BY_ARRIVAL = b"option use_wallclock_as_timestamps 1\n"
_CUT = ("-protocol_whitelist", "pipe", "-f", "mp4", "-i", "pipe:0", "-map", "0:v:0", "-c", "copy",
        "-map_metadata", "-1", "-fflags", "+bitexact", "-movflags", "+faststart", "-f", "mp4", "-y")  # fmt: skip


class Fragment(msgspec.Struct, frozen=True):
    """From a key frame to the next one; when it came, in UTC microseconds."""

    begins: int
    ends: int
    body: bytes


class Reel:
    """Fragments of one run of the stream, with the head that they need; the oldest go when there are too many."""

    def __init__(self, began: bytes = b"") -> None:
        self.began = began
        self.fragments: deque[Fragment] = deque()
        self.size = 0

    def add(self, fragment: Fragment) -> None:
        self.fragments.append(fragment)
        self.size += len(fragment.body)

    def keep(self, span: int) -> None:
        """Let go of what is over so many microseconds old, seen from the newest, and what is over the limit."""
        while self.size > MOST_BYTES or self.fragments[0].ends < self.fragments[-1].ends - span:
            self.size -= len(self.fragments.popleft().body)


class ReelTape:
    """What came from `since` on, up to the limit of a clip. Where the stream broke off, what came before that; where it
    broke off before `at` and was back in time, what came after it."""

    def __init__(self, stream: Stream, since: int, at: int, said: Callable[[], str]) -> None:
        self._stream, self._since, self._at, self._said = stream, since, at, said
        self._until: float = math.inf
        self._reel = Reel()
        self._over = False
        self._moved = asyncio.Event()

    def add(self, began: bytes, fragment: Fragment) -> None:
        """A fragment of the run with this head: the very same bytes, for the next run counts its time anew."""
        if self._over or fragment.ends <= self._since:
            return
        if began is not self._reel.began and self._begins_anew(fragment):
            self._reel = Reel(began)
        if began is not self._reel.began or self._reel.size + len(fragment.body) > MOST_BYTES:
            self._over = True
        else:
            self._reel.add(fragment)
        self._moved.set()

    def _begins_anew(self, fragment: Fragment) -> bool:
        """Whether a run that begins so is worth more than what is held."""
        held = self._reel.fragments
        return not held or (held[-1].ends < self._at and fragment.begins < self._until)

    async def cut(self, until: int) -> Clip:
        """As `hub.ports.Tape.cut`; waits a while for the key frame after `until`."""
        self._until = until
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_KEY_S):
                while not self._over and not (self._reel.fragments and self._reel.fragments[-1].ends >= until):
                    self._moved.clear()
                    await self._moved.wait()
        chosen = [one for one in self._reel.fragments if one.begins < until]
        if not chosen:
            raise Unreachable(self._said() or f"{self._stream.where}: nothing of that time was recorded")
        return await join(self._stream, self._reel.began, chosen)


async def join(stream: Stream, began: bytes, fragments: list[Fragment]) -> Clip:
    """One MP4 that plays while it is loaded. Rejected when ffmpeg makes none of it; Misconfigured without ffmpeg."""
    with tempfile.TemporaryFile() as made:  # it has no name: nothing stays when we are killed
        codec = ("-tag:v", "hvc1") if facts(began).codec == "hevc" else ()
        try:
            async with (
                asyncio.timeout(_CUT_S),
                child((*_CUT, *codec, f"/dev/fd/{made.fileno()}"), [made.fileno()]) as one,
            ):
                _, said = await talk(one, began + b"".join(fragment.body for fragment in fragments), 0)
                code = await one.wait()
        except TimeoutError:
            raise Rejected(f"{stream.where}: no clip within {_CUT_S:g} s") from None
        body = made.read(2 * MOST_BYTES)
    try:
        found = facts(body)
    except ValueError as error:
        raise Rejected(f"{stream.where}: no clip can be made of the stream: {error}") from None
    if code != 0 or not found.seconds:
        raise Rejected(str(failure(stream, said, "no clip can be made of the stream")))
    begins = fragments[-1].ends - round(found.seconds * 1e6)  # the first one may have come late
    return Clip(body, begins, found.seconds, found.codec, found.width, found.height)


class Recorder:
    """Holds one camera's stream ready."""

    def __init__(
        self, stream: Stream, before: timedelta, refused_s: float, clock: Clock, said: Callable[[], None]
    ) -> None:
        """`refused_s`: until a camera that said no is asked again; `said` is called when `trouble` changed."""
        self._stream, self._refused_s, self._clock, self._said = stream, refused_s, clock, said
        self._span = (before + SPARE) // _US
        self._reel = Reel()
        self._tapes: set[ReelTape] = set()
        self._taped = 0  # when a tape was open last
        self._random = random.Random()
        self.trouble = ""
        self.flows = False

    async def run(self) -> NoReturn:
        """Record until cancelled; after a failure again, with growing waits."""
        attempts = 0
        while True:
            started = self._clock.monotonic()
            try:
                await self._record()
            except DriverError as error:
                attempts = 0 if self._clock.monotonic() - started >= _STEADY_S else attempts + 1
                self._tell(str(error))
                refused = isinstance(error, Rejected | Misconfigured)
                await self._clock.sleep(
                    self._refused_s if refused else 0.2 + full_jitter(attempts, 0.5, _MOST_WAIT_S, self._random)
                )

    @contextmanager
    def tape(self, since: int, at: int) -> Iterator[ReelTape]:
        """As `hub.ports.RecordsClips.tape`."""
        tape = ReelTape(self._stream, since, at, lambda: self.trouble)
        for fragment in self._reel.fragments:
            tape.add(self._reel.began, fragment)
        self._tapes.add(tape)
        try:
            yield tape
        finally:
            self._tapes.discard(tape)

    def _tell(self, trouble: str) -> None:
        if trouble != self.trouble:
            self.trouble = trouble
            self._said()

    async def _record(self) -> NoReturn:
        """One run of the stream. Unreachable, Rejected, Misconfigured."""
        await reach(self._stream)
        async with child(_RECORD) as process:
            assert process.stderr
            complaints = asyncio.ensure_future(tail(process.stderr))
            try:
                await give(process, self._stream.script() + _BY_ARRIVAL)
                await self._fill(process)
                raise failure(self._stream, await complaints, "the stream ended")
            except TimeoutError:
                raise Unreachable(f"{self._stream.where}: no key frame within {SILENT_S:g} s") from None
            finally:
                complaints.cancel()
                self.flows = False

    async def _fill(self, process: Process) -> None:
        """Take fragments until the stream ends. TimeoutError; Rejected."""
        assert process.stdout
        parts: list[bytes] = []
        at = self._clock.now_us()  # at its start a stream comes in one gush
        async for name, box in boxes(self._stream, process.stdout):
            parts.append(box)
            if name == "moov":
                self._reel = Reel(b"".join(parts))
                check(self._stream, self._reel.began)
                parts.clear()
            elif name == "mdat":
                begins, at = at, self._clock.now_us()
                self._take(Fragment(begins, at, b"".join(parts)))
                parts.clear()

    def _take(self, fragment: Fragment) -> None:
        self.flows = True
        self._tell("")
        self._reel.add(fragment)
        self._taped = fragment.ends if self._tapes else self._taped
        longer = _AGAIN if fragment.ends - self._taped < SPARE // _US else timedelta(0)
        self._reel.keep(self._span + longer // _US)
        for tape in self._tapes:
            tape.add(self._reel.began, fragment)


async def boxes(stream: Stream, reader: asyncio.StreamReader) -> AsyncIterator[tuple[str, bytes]]:
    """Name and bytes of each box, until the stream ends. TimeoutError: it hangs; Rejected: more than is taken."""
    while True:
        try:
            async with asyncio.timeout(SILENT_S):
                begin = await reader.readexactly(HEAD)
                name, size = head(begin)
                if size > MOST_FRAGMENT:
                    raise Rejected(f"{stream.where}: more than {MOST_FRAGMENT} bytes from a key frame to the next")
                box = begin + await reader.readexactly(size)
        except asyncio.IncompleteReadError:
            return
        except ValueError as error:
            raise Rejected(f"{stream.where}: ffmpeg wrote {error}") from None
        yield name, box


def check(stream: Stream, began: bytes) -> Facts:
    """What the head of a stream says of it. Rejected: no video that a clip can be made of."""
    try:
        found = facts(began)
    except ValueError as error:
        raise Rejected(f"{stream.where}: {error}") from None
    if found.codec not in ("h264", "hevc"):
        raise Rejected(f"{stream.where}: clips need H.264 or H.265, found {found.codec[:16]!r}")
    return found
