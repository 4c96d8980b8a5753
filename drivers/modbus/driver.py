"""The Modbus TCP driver: one connection a bus, one request at a time, commands ahead of polls."""

import asyncio
import heapq
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from itertools import count
from typing import Any, TypeVar

from drivers.modbus.counters import Counters
from drivers.modbus.decoder import ModbusDecoder
from drivers.modbus.link import BadAnswer, Link, NoAnswer, NotSent, Refusal, write_request
from drivers.modbus.station import Poll, Station, modbus_of
from hub.clock import Clock
from hub.codecs.modbus import Block, plan_blocks
from hub.errors import DriverError, Expired, Misconfigured, OutcomeUnknown, Unreachable
from hub.model import Arrival, CommandRequest, Device, Receipt
from hub.ports import Decoder, DeviceReport, Intake
from hub.vocabulary.modbus import ModbusBus, ModbusWrite
from hub.vocabulary.sites import Bus

T = TypeVar("T")
Work = Callable[[Link], Awaitable[Any]]

_ACKNOWLEDGE = 5  # accepted, takes long (V1.1b3 section 7)
_TARGET_SILENT = 11  # the gateway passed it on and heard nothing: it may have worked
_PARKING = frozenset({6, 10, 11})  # busy or behind a broken path: asking at once again makes it worse


class ModbusDriver:
    """Polls the devices of one bus. State of devices and report strategy live here, so they outlast a reconnect."""

    def __init__(self, name: str, bus: Bus, devices: Sequence[Device], clock: Clock, report: DeviceReport) -> None:
        """Misconfigured: not a Modbus bus, two devices with one unit, or a profile that does not fit its kind."""
        if not isinstance(bus, ModbusBus):
            raise Misconfigured(f"bus {name} is not a Modbus bus")
        self.counters = Counters()
        self._name, self._bus, self._clock, self._report = name, bus, clock, report
        self._timeout_s = bus.timeout.total_seconds()
        self._rng = random.Random(name)
        self._decoder = ModbusDecoder()
        self._stations: dict[int, Station] = {}
        self._polls: list[tuple[float, int, Poll]] = []
        self._order = count()
        self._jobs: deque[tuple[Work, asyncio.Future[Any]]] = deque()
        self._wake = asyncio.Event()
        self._alone = asyncio.Lock()
        self._intake: Intake | None = None
        self._running = False
        self._misses = 0  # requests without an answer in a row
        self.update(devices)

    def decoder(self) -> Decoder:
        return self._decoder

    def update(self, devices: Sequence[Device]) -> None:
        """Plan the devices that are new or changed; the others keep their rhythm. Misconfigured changes nothing."""
        plans: dict[tuple[int, int], list[Block]] = {}
        stations: dict[int, Station] = {}
        for device in devices:
            unit, section = modbus_of(device)
            if unit in stations:
                raise Misconfigured(f"{device.code} and {stations[unit].device.code} both have unit {unit}")
            old = self._stations.get(unit)
            if old is not None and (old.device is device or old.device == device):
                stations[unit] = old
                continue
            plan = plans.get((id(section), id(device.kind)))
            if plan is None:
                plan = plans[id(section), id(device.kind)] = plan_blocks(section, device.kind.points)
            stations[unit] = Station(device, unit, plan, self._report)
            if old is not None and old.device.code == device.code:
                stations[unit].take_over(old)
        self._install(stations)

    def _install(self, stations: dict[int, Station]) -> None:
        before, self._stations = self._stations, stations
        for unit, old in before.items():
            old.alive = stations.get(unit) is old
        if self._running:
            now = self._clock.monotonic()
            for unit, station in stations.items():
                if before.get(unit) is not station:
                    self._begin(station, now)
        self._decoder.install(stations)
        self._wake.set()

    def _begin(self, station: Station, now: float) -> None:
        station.begin(now)
        for poll in station.polls:
            poll.forget()
            heapq.heappush(self._polls, (poll.due, next(self._order), poll))

    async def run(self, intake: Intake) -> None:
        """Poll until cancelled. Unreachable when the server cannot be reached, goes away, or nobody answers."""
        if self._intake is not intake:
            intake.on_room(self._wake.set)
            self._intake = intake
        link = Link(self._bus, self._wake.set)
        try:
            await link.connect()
            self._running = True
            self._restart()
            while True:
                await self._serve(link, intake)
                self._close(link)
                self.counters.resyncs += 1
                link = Link(self._bus, self._wake.set)
                await link.connect()
        finally:
            self._running = False
            self._close(link)
            while self._jobs:
                _, result = self._jobs.popleft()
                if not result.done():
                    result.set_exception(NotSent(f"the connection of bus {self._name} was lost; nothing was sent"))

    def _restart(self) -> None:
        self._polls, self._misses = [], 0
        now = self._clock.monotonic()
        for station in self._stations.values():
            self._begin(station, now)

    def _close(self, link: Link) -> None:
        self.counters.strays += link.strays
        link.close()

    async def _serve(self, link: Link, intake: Intake) -> None:
        """One request after the other; returns when the stream must be renewed."""
        task = asyncio.current_task()
        while not link.torn:
            if task is not None and task.cancelling():  # Python 3.11's wait_for may swallow it when an answer came, too
                raise asyncio.CancelledError
            self._wake.clear()
            if link.lost:
                raise Unreachable(f"{self._bus.host}:{self._bus.port}: {link.lost}")
            if self._misses >= max(3, len(self._stations)):
                raise Unreachable(f"{self._bus.host}:{self._bus.port} is connected, but none of its devices answers")
            if self._jobs:
                await self._do(link)
            elif intake.full():
                await self._wake.wait()
            elif (wait_s := self._next_due() - self._clock.monotonic()) > 0:
                await self._sleep(wait_s)
            else:
                await self._poll(link, intake)

    async def _sleep(self, seconds: float) -> None:
        timer = asyncio.get_running_loop().call_later(min(seconds, 3600.0), self._wake.set)
        await self._wake.wait()
        timer.cancel()

    def _next_due(self) -> float:
        while self._polls and not self._polls[0][2].station.alive:
            heapq.heappop(self._polls)
        return self._polls[0][0] if self._polls else float("inf")

    async def _poll(self, link: Link, intake: Intake) -> None:
        """Read the block that is most overdue and set its next turn; turns already missed are left out."""
        poll = self._polls[0][2]
        station, now = poll.station, self._clock.monotonic()
        period, parked = poll.block.poll_s, station.parked_until > now
        turns = int((max(station.parked_until, now) - poll.due) / period) + 1
        if not parked:
            self.counters.skipped += turns - 1
        poll.due += turns * period
        heapq.heapreplace(self._polls, (poll.due, next(self._order), poll))
        if parked:
            return
        with suppress(NoAnswer, Refusal):  # told as the device's run state
            await self._read(link, poll, intake)

    async def _read(self, link: Link, poll: Poll, intake: Intake, force: bool = False) -> None:
        """Read a block, keep the device's run state, emit what is worth it. Raises as `Link.read`."""
        station, self.counters.requests = poll.station, self.counters.requests + 1
        try:
            payload = await link.read(poll.request, poll.block.size)
        except NoAnswer as error:
            self._missed(station, error)
            raise
        except Refusal as error:
            self._misses = 0
            if station.answered(poll, error.code):
                self._emit(intake, poll.failed(error.code), b"")
            if error.code in _PARKING:
                station.park(self._clock.monotonic(), self._timeout_s, 1, self._rng)
            raise
        self._misses = 0
        self.counters.answers += 1
        recovered = station.answered(poll)
        if poll.worth_telling(payload, self._clock.monotonic(), force or recovered):
            self._emit(intake, poll.source, payload)

    def _missed(self, station: Station, error: NoAnswer) -> None:
        self.counters.timeouts += 1
        self._misses += 1
        silent = sum(other.silent for other in self._stations.values())
        station.park(self._clock.monotonic(), self._timeout_s, silent, self._rng)
        if isinstance(error, BadAnswer):
            station.tell("error", str(error))
        else:
            station.tell("silent", str(error))

    def _emit(self, intake: Intake, source: str, payload: bytes) -> None:
        intake.offer([Arrival(self._name, source, payload, self._clock.now_us())])

    async def execute(self, command: CommandRequest) -> Receipt:
        """Write, then read the confirming point back at once; the read-back goes into the pipeline like any poll.

        Misconfigured: no such command. Rejected: a Modbus exception. Unreachable: nothing was sent, or the text says
        that the outcome is unknown (then never repeat it blindly).
        """
        unit, section = modbus_of(command.device)
        write = section.commands.get(command.name)
        station = self._stations.get(unit)
        if write is None:
            raise Misconfigured(f"profile {command.device.profile.profile} has no command {command.name!r}")
        if station is None or station.device.code != command.device.code:
            raise Misconfigured(f"{command.device.code} is not on bus {self._name}")
        self._refuse_expired(command)
        return await self._submit(lambda link: self._write(link, station, write, command))

    def _refuse_expired(self, command: CommandRequest) -> None:
        if self._clock.now_us() >= command.expires:
            raise Expired(f"command {command.id} expired before its turn on the bus; nothing was sent")

    async def _write(self, link: Link, station: Station, write: ModbusWrite, command: CommandRequest) -> Receipt:
        request = write_request(station.unit, write, modbus_of(station.device)[1].byte_order)
        self._refuse_expired(command)
        detail = ""
        try:
            await link.write(request)
        except NotSent:
            raise
        except Refusal as error:
            if error.code == _TARGET_SILENT:
                raise OutcomeUnknown(f"the outcome of the write is unknown: {error}") from error
            if error.code != _ACKNOWLEDGE:
                raise
            detail = "the device took it and is still working (ACKNOWLEDGE)"
        except Unreachable as error:
            await self._read_back(link, station, command)
            raise OutcomeUnknown(f"the outcome of the write is unknown: {error}") from error
        return Receipt(True, detail or await self._read_back(link, station, command))

    async def _read_back(self, link: Link, station: Station, command: CommandRequest) -> str:
        """Read what proves the command; returns why that failed, or nothing."""
        point = command.device.kind.commands[command.name].confirm.point
        poll = next((p for p in station.polls if any(entry.name == point for entry in p.block.points)), None)
        if point is None or poll is None or self._intake is None:
            return ""
        try:
            await self._read(link, poll, self._intake, force=True)
        except DriverError as error:
            return f"read-back failed: {error}"
        return ""

    async def read(self, device: Device) -> Sequence[Arrival]:
        """All blocks of the device now. Unreachable: it does not answer; an exception becomes an error arrival."""
        unit, section = modbus_of(device)
        polls = Station(device, unit, plan_blocks(section, device.kind.points), self._report).polls
        arrivals: list[Arrival] = await self._submit(lambda link: self._read_all(link, polls))
        return arrivals

    async def _read_all(self, link: Link, polls: Sequence[Poll]) -> list[Arrival]:
        arrivals = []
        for poll in polls:
            try:
                source, payload = poll.source, await link.read(poll.request, poll.block.size)
            except Refusal as error:
                source, payload = poll.failed(error.code), b""
            arrivals.append(Arrival(self._name, source, payload, self._clock.now_us()))
        return arrivals

    async def _submit(self, work: Callable[[Link], Awaitable[T]]) -> T:
        """Do something on the bus ahead of all polls; on a connection of its own while `run` has none."""
        if self._running:
            result: asyncio.Future[T] = asyncio.get_running_loop().create_future()
            self._jobs.append((work, result))
            self._wake.set()
            return await result
        async with self._alone:
            link = Link(self._bus, lambda: None)
            try:
                await link.connect()
                return await work(link)
            finally:
                link.close()

    async def _do(self, link: Link) -> None:
        work, result = self._jobs.popleft()
        if result.done():
            return  # whoever asked has gone
        try:
            value = await work(link)
            if not result.done():
                result.set_result(value)
        except DriverError as error:
            if not result.done():
                result.set_exception(error)
        finally:
            if not result.done():
                result.set_exception(OutcomeUnknown("the driver stopped meanwhile: the outcome is unknown"))
