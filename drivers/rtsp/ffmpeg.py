"""ffmpeg as a child process that cannot outlast its owner, and one frame of a stream by it.

The address with name and password goes in on standard input (a list of the concat demuxer): arguments of a process can
be read by everybody on the machine. What ffmpeg complains of is bounded and told without them.
"""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import quote, urlsplit

import msgspec

from hub.embedded import launch
from hub.errors import Misconfigured, Rejected, Unreachable

MOST_BYTES = 5_000_000
_TAIL = 4096
_CONNECT_S = 3.0
_PORT = 554
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"}
_QUIET = ("-hide_banner", "-nostats", "-loglevel", "error")
LISTED = ("-protocol_whitelist", "pipe,rtp,tcp", "-f", "concat", "-safe", "0")
"""How ffmpeg is told to read `Stream.script` on standard input."""
_ARGUMENTS = (
    *LISTED, "-skip_frame", "nokey", "-i", "pipe:0",  # a key frame is whole; what follows one that was missed is grey
    "-map", "0:v:0", "-frames:v", "1", "-vf", "scale='min(1920,iw)':-2", "-c:v", "mjpeg", "-q:v", "3",
    "-f", "image2pipe", "pipe:1",
)  # fmt: skip
_PREFIX = re.compile(r"^(\[[^\]]* @ 0x[0-9a-f]+\] )+|^pipe:0: ")
_NOISE = ("Impossible to open", "Last message repeated")


class Stream(msgspec.Struct, frozen=True):
    """A camera's stream; `url` was written as `hub.vocabulary.rtsp.STREAM` says."""

    url: str
    username: str = ""
    password: str = ""

    @property
    def where(self) -> str:
        """Host and port, as people write them."""
        return self.url.removeprefix("rtsp://").partition("/")[0]

    def script(self) -> bytes:
        """What ffmpeg reads on standard input."""
        who = f"{quote(self.username, safe='')}:{quote(self.password, safe='')}@" if self.username else ""
        address = self.url.replace("rtsp://", f"rtsp://{who}", 1)
        # fpsprobesize: nobody needs the frame rate, and to find it takes two seconds
        return f"ffconcat version 1.0\nfile '{address}'\noption rtsp_transport tcp\noption fpsprobesize 0\n".encode()

    def clean(self, text: str) -> str:
        """The text without name, password and what a screen cannot show."""
        text = re.sub(r"//[^/\s']*@", "//", text)
        for secret in (self.password, quote(self.password, safe=""), self.username, quote(self.username, safe="")):
            if secret:
                text = text.replace(secret, "***")
        return "".join(letter for letter in text if letter.isprintable())


async def grab(stream: Stream, seconds: float) -> bytes:
    """A JPEG of at most 1920 pixels across.

    Unreachable: no answer, or none within `seconds`; Rejected: the camera said no, or more than 5 MB came;
    Misconfigured: there is no ffmpeg.
    """
    try:
        async with asyncio.timeout(seconds):
            await reach(stream)
            async with child(_ARGUMENTS) as process:
                body, said = await talk(process, stream.script(), MOST_BYTES)
                code = await process.wait()
    except TimeoutError:
        raise Unreachable(f"{stream.where}: no picture within {seconds:g} s") from None
    if len(body) > MOST_BYTES:
        raise Rejected(f"{stream.where}: more than {MOST_BYTES} bytes for one picture")
    if code != 0 or not body:
        raise failure(stream, said, "the stream held no picture")
    return body


async def reach(stream: Stream) -> None:
    """Nobody starts a process for a camera whose network is down. Unreachable."""
    try:
        parts = urlsplit(stream.url)
        async with asyncio.timeout(_CONNECT_S):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port or _PORT)
    except TimeoutError:
        raise Unreachable(f"{stream.where}: no connection within {_CONNECT_S:g} s") from None
    except OSError as error:
        raise Unreachable(f"{stream.where}: {os.strerror(error.errno) if error.errno else error}") from None
    except ValueError as error:
        raise Unreachable(f"{stream.where}: no such address: {error}") from None
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


@asynccontextmanager
async def child(arguments: Sequence[str], files: Sequence[int] = ()) -> AsyncIterator[Process]:
    """ffmpeg while the context is open, with these open files handed to it; the kernel kills it when we die.

    Misconfigured: it is not installed. Unreachable: the machine has no room for it now.
    """
    program = shutil.which("ffmpeg", path=_ENVIRONMENT["PATH"])
    if program is None:
        raise Misconfigured("ffmpeg is not installed: cameras need it (apt-get install ffmpeg)")
    owner = (str(os.getpid()), str(int(signal.SIGKILL)), "-1", "-1")
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", launch.__file__, *owner, program, *_QUIET, *arguments,
            stdin=PIPE, stdout=PIPE, stderr=PIPE, cwd="/", env=_ENVIRONMENT, start_new_session=True, pass_fds=files,
        )  # fmt: skip
    except OSError as error:  # EAGAIN, ENOMEM, EMFILE: over when others let go
        raise Unreachable(f"ffmpeg cannot be started: {error.strerror or error}") from None
    try:
        yield process
    finally:
        if process.returncode is None:
            _kill(process)
        assert process.stdout
        while await process.stdout.read(65_536):  # asyncio's wait() comes back only when all that it said is taken
            pass
        await process.wait()


async def talk(process: Process, given: bytes, most: int) -> tuple[bytes, bytes]:
    """Give it all of `given`; (what came out, up to a byte over `most`; the end of what was complained of)."""
    assert process.stdout and process.stderr
    complaints = asyncio.ensure_future(tail(process.stderr))
    try:
        await give(process, given)
        body = bytearray()
        while len(body) <= most and (part := await process.stdout.read(65_536)):
            body += part
        if len(body) > most:
            _kill(process)
        return bytes(body[: most + 1]), await complaints
    finally:
        complaints.cancel()


async def give(process: Process, given: bytes) -> None:
    """All that it will ever read."""
    assert process.stdin
    with contextlib.suppress(OSError):  # it ended already: its complaint says why
        process.stdin.write(given)
        await process.stdin.drain()
        process.stdin.close()


def _kill(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


async def tail(reader: asyncio.StreamReader) -> bytes:
    """The end of what it complains of."""
    kept = b""
    while part := await reader.read(65_536):
        kept = (kept + part)[-_TAIL:]
    return kept


def failure(stream: Stream, said: bytes, silent: str) -> Rejected | Unreachable:
    """What to raise for a process that complained so; `silent`: the words where it said nothing of use."""
    told = [_PREFIX.sub("", stream.clean(line)) for line in said.decode("utf-8", "replace").splitlines()]
    useful = [line for line in told if line.strip() and not any(word in line for word in _NOISE)]
    why = useful[-1][:300] if useful else silent
    kind = Rejected if re.search(r"returned 4\d\d", why) else Unreachable
    return kind(f"{stream.where}: {why}")
