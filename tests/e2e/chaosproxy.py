"""A TCP proxy that breaks what passes through it: latency, reset, black hole; and listens in.

Runs in a thread with an event loop of its own, so that a test which waits for a process does not stop it. The kernel
of this machine has no `netem`; what a network can do to a connection is done here instead.
"""

import asyncio
import contextlib
import struct
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET
from typing import Any, Self

from tests.integration.mosquitto import free_port

Tap = Callable[[int, bool, bytes], None]
"""(connection number, True from the client, bytes), called before the bytes are sent on."""


class ChaosProxy:
    """Listens on 127.0.0.1:`port` and passes to `upstream`: a TCP port of this machine or a Unix socket.

    `black_hole`: nothing passes in either direction, while new connections are taken and old ones stay (a frozen
    server, a switch that drops); what was sent meanwhile passes when it ends. `latency_s`: each way. `reset`: every
    connection ends with RST.
    """

    def __init__(self, upstream: int | Path, tap: Tap | None = None) -> None:
        self.port = free_port()
        self.latency_s = 0.0
        self.accepted = 0
        self.lost_replies = 0
        self._lose: tuple[bytes, bytes] | None = None
        self._known: set[int] = set()  # connections that sent what `lose_reply` asks for
        self._doomed: set[int] = set()
        self._upstream = upstream
        self._tap = tap
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="chaosproxy", daemon=True)
        self._started = threading.Event()
        self._stopping = asyncio.Event()
        self._open = asyncio.Event()
        self._open.set()

    def black_hole(self, on: bool) -> None:
        """Begin or end the hole."""
        self._call(self._set_hole(on))

    def lose_reply(self, to: bytes, of: bytes) -> None:
        """Pass on the next bytes that hold `to` from a connection that ever sent `of`; end it instead of the reply."""
        self._lose = (to, of)

    def reset(self) -> None:
        """RST to both sides of every connection."""
        self._call(self._reset())

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._started.wait(10):
            raise RuntimeError("the proxy does not listen")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(10)

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def _run(self) -> None:
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._take, "127.0.0.1", self.port)
        self._started.set()
        await self._stopping.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()

    async def _set_hole(self, on: bool) -> None:
        (self._open.clear if on else self._open.set)()

    async def _reset(self) -> None:
        for writer in self._writers:
            writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._accept(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        number = self.accepted
        self._writers.add(writer)
        other: asyncio.StreamWriter | None = None
        try:
            await self._open.wait()
            if isinstance(self._upstream, Path):
                back, other = await asyncio.open_unix_connection(str(self._upstream))
            else:
                back, other = await asyncio.open_connection("127.0.0.1", self._upstream)
            self._writers.add(other)
            ways = [
                asyncio.ensure_future(self._pass(number, True, reader, other)),
                asyncio.ensure_future(self._pass(number, False, back, writer)),
            ]
            _, left = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in left:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        except OSError:
            pass  # nobody upstream: the client sees a closed connection
        finally:
            for end in (writer, other):
                if end is not None:
                    self._writers.discard(end)
                    end.close()

    async def _pass(self, number: int, up: bool, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            if self.latency_s:
                await asyncio.sleep(self.latency_s)
            await self._open.wait()
            if self._tap:
                self._tap(number, up, data)
            if up and self._lose:
                self._judge(number, data, *self._lose)
            elif not up and number in self._doomed:
                self.lost_replies += 1
                return
            writer.write(data)
            await writer.drain()

    def _judge(self, number: int, data: bytes, to: bytes, of: bytes) -> None:
        if of in data:
            self._known.add(number)
        if to in data and number in self._known:
            self._lose = None
            self._doomed.add(number)
