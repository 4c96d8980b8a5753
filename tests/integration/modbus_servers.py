"""Two Modbus TCP servers for tests: pymodbus's own, and a raw one that can be made to misbehave."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from hub.model import Arrival, Device

Behaviour = Callable[["Request"], Awaitable[None]]


class Request:
    """One request as the raw server got it, with ways to answer it well or badly."""

    def __init__(self, server: "RawServer", writer: asyncio.StreamWriter, frame: bytes) -> None:
        self.server, self.writer, self.frame = server, writer, frame
        self.tid, _, _, self.unit, self.function = struct.unpack_from(">HHHBB", frame)
        self.address, self.count = struct.unpack_from(">HH", frame, 8)

    @property
    def pdu(self) -> bytes:
        """The right answer: each register holds unit * 256 + its address; writes are echoed."""
        if self.function in (5, 6, 16):
            self.server.written.append((self.unit, self.function, self.address, self.count))
            return self.frame[7:12]
        data = b"".join(struct.pack(">H", self.unit * 256 + self.address + i & 0xFFFF) for i in range(self.count))
        if self.function in (1, 2):
            data = bytes((self.count + 7) // 8)
        return struct.pack(">BB", self.function, len(data)) + data

    def wrap(self, pdu: bytes, tid: int | None = None, unit: int | None = None) -> bytes:
        tid, unit = self.tid if tid is None else tid, self.unit if unit is None else unit
        return struct.pack(">HHHB", tid, 0, len(pdu) + 1, unit) + pdu

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> None:
        await self.send(self.wrap(self.pdu))

    async def refuse(self, code: int) -> None:
        await self.send(self.wrap(bytes((self.function | 0x80, code))))

    def reset(self) -> None:
        """RST instead of FIN."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SOL_SOCKET, SO_LINGER
        self.writer.transport.abort()


class RawServer:
    """Answers by `behaviour`, which a test may replace at any time."""

    def __init__(self) -> None:
        self.behaviour: Behaviour = Request.answer
        self.port = 0
        self.connections = 0
        self.requests: list[Request] = []
        self.written: list[tuple[int, int, int, int]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readexactly(6)
                body = await reader.readexactly(int.from_bytes(head[4:6], "big"))
                request = Request(self, writer, head + body)
                self.requests.append(request)
                await self.behaviour(request)
        writer.close()


@contextlib.asynccontextmanager
async def raw_server() -> AsyncIterator[RawServer]:
    fake = RawServer()
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(asyncio.CancelledError):
            await fake.serve(reader, writer)
        tasks.discard(task)
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    fake.port = server.sockets[0].getsockname()[1]
    try:
        yield fake
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def pymodbus_server(units: Iterable[int], registers: list[int], coils: int = 16) -> AsyncIterator[int]:
    """A real server on a free port: holding registers and coils from 0, the same for every unit."""
    devices = [
        SimDevice(
            unit,
            simdata=(
                [SimData(0, values=[False] * coils, datatype=DataType.BITS)],
                [SimData(0, values=[False] * coils, datatype=DataType.BITS)],
                [SimData(0, values=list(registers), datatype=DataType.REGISTERS)],
                [SimData(0, values=list(registers), datatype=DataType.REGISTERS)],
            ),
        )
        for unit in units
    ]
    server = ModbusTcpServer(devices, address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    try:
        yield server.transport.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    finally:
        await server.shutdown()


class Inbox:
    """An intake that keeps what it is offered."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.closed = False
        self._callbacks: list[Callable[[], None]] = []
        self._news = asyncio.Event()

    def offer(self, arrivals: Iterable[Arrival]) -> None:
        self.arrivals.extend(arrivals)
        self._news.set()

    def full(self, urgent: bool = False) -> bool:
        return self.closed

    def on_room(self, callback: Callable[[], None], urgent: bool = False) -> None:
        self._callbacks.append(callback)

    def reopen(self) -> None:
        self.closed = False
        for callback in self._callbacks:
            callback()

    async def until(self, wanted: Callable[[list[Arrival]], bool], timeout: float = 100.0) -> None:
        """Wait until the arrivals satisfy `wanted`."""
        async with asyncio.timeout(timeout):
            while not wanted(self.arrivals):
                self._news.clear()
                await self._news.wait()


class States:
    """A device report that keeps every change."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, str]] = []
        self._news = asyncio.Event()

    def __call__(self, device: Device, state: str, detail: str) -> None:
        self.told.append((device.code, state, detail))
        self._news.set()

    def of(self, code: str) -> list[str]:
        return [state for device, state, _ in self.told if device == code]

    async def until(self, code: str, state: str, timeout: float = 100.0) -> str:
        """Wait for the state; its detail."""
        async with asyncio.timeout(timeout):
            while not (found := [d for c, s, d in self.told if (c, s) == (code, state)]):
                self._news.clear()
                await self._news.wait()
        return found[-1]
