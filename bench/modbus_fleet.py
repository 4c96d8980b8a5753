"""Modbus: a fleet polled every second, and the driver's ceiling beside the bare pymodbus client's.

`python -m bench.modbus_fleet` prints one JSON object. The server is a process of its own and answers at once. A poll is
on time when it comes 0.9 to 1.1 s after the one before; a missing poll is not on time. Every arrival is decoded.
"""

import argparse
import asyncio
import json
import multiprocessing
import struct
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import pairwise
from multiprocessing.connection import Connection
from typing import Any, cast

import uvloop
from pymodbus.client import AsyncModbusTcpClient

from drivers.modbus import ModbusDriver
from hub.clock import SystemClock
from hub.model import Arrival, Device, Frame, Point
from hub.ports import Decoder
from hub.vocabulary.base import Text
from hub.vocabulary.kinds import KindSpec
from hub.vocabulary.modbus import ModbusAddress, ModbusBus
from hub.vocabulary.profiles import ModbusProfile
from hub.vocabulary.sites import DeviceSpec

REGISTERS = 20
WARM_UP_S = 3.0
CLOCK = SystemClock()
NAME = Text(zh="测试", en="bench")


class Responder(asyncio.Protocol):
    """Answers any read with zeros."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._write = cast(asyncio.Transport, transport).write  # uvloop's is none by class

    def data_received(self, data: bytes) -> None:
        for at in range(0, len(data), 12):
            tid, protocol, _, unit, function, _, count = struct.unpack_from(">HHHBBHH", data, at)
            size = 2 * count
            self._write(struct.pack(">HHHBBB", tid, protocol, 3 + size, unit, function, size) + bytes(size))


def serve(pipe: Connection) -> None:
    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Responder, "127.0.0.1", 0, backlog=4096)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(main())


def make_devices(amount: int, poll: str) -> list[Device]:
    """`amount` devices of REGISTERS points each, units from 1."""
    names = [f"p{i}" for i in range(REGISTERS)]
    points = {
        name: {"table": "holding", "address": i, "type": "uint16", "scale": 0.1, "poll": poll}
        for i, name in enumerate(names)
    }
    spec = {"name": NAME, "unit": "1", "type": "gauge", "minimum": 0, "maximum": 7000}
    kind = KindSpec.model_validate(
        {"name": NAME, "delivery": "telemetry", "silent_after": "1m", "points": dict.fromkeys(names, spec)}
    )
    profile = ModbusProfile.model_validate(
        {
            "profile": "bench", "kind": "bench", "protocol": "modbus", "source": "bench",
            "names": [{"vendor": "Bench", "model": "1"}], "modbus": {"points": points},
        }
    )  # fmt: skip
    numbered = {name: Point(i, name, kind.points[name]) for i, name in enumerate(names)}
    return [
        Device(
            id=unit,
            code=f"bench-{unit}",
            community_id=1,
            community="demo",
            zone="UTC",
            kind_name="bench",
            kind=kind,
            profile=profile,
            spec=DeviceSpec(
                id=f"bench-{unit}", name=NAME, profile="bench", place="b1", bus="b", address=ModbusAddress(unit=unit)
            ),
            place=NAME,
            points=numbered,
        )
        for unit in range(1, amount + 1)
    ]


def ignore(device: Device, state: str, detail: str) -> None:
    """A device report nobody reads."""


class Sink:
    """Notes when every arrival came, and decodes it unless told not to."""

    def __init__(self, decode: bool = True) -> None:
        self.decode = decode
        self.times: dict[tuple[str, str], list[float]] = defaultdict(list)
        self.readings = 0
        self.decoders: dict[str, Decoder] = {}

    def offer(self, arrivals: Sequence[Arrival]) -> None:
        for arrival in arrivals:
            self.times[arrival.bus, arrival.source].append(time.perf_counter())
            for frame in self.decoders[arrival.bus].decode(arrival) if self.decode else ():
                assert isinstance(frame, Frame)
                self.readings += len(frame.readings)

    def full(self, urgent: bool = False) -> bool:  # noqa: ARG002
        return False

    def on_room(self, callback: Callable[[], None], urgent: bool = False) -> None:
        pass


def fleet(port: int, devices: int, per_bus: int, poll: str) -> tuple[list[ModbusDriver], Sink]:
    bus = ModbusBus(protocol="modbus", host="127.0.0.1", port=port)
    sink, drivers = Sink(), []
    for number in range(devices // per_bus):
        name = f"bus-{number}"
        # the phase comes from the code, so codes differ from bus to bus
        members = [_renamed(device, f"{name}-{device.code}") for device in make_devices(per_bus, poll)]
        driver = ModbusDriver(name, bus, members, CLOCK, ignore)
        sink.decoders[name] = driver.decoder()
        drivers.append(driver)
    return drivers, sink


def _renamed(device: Device, code: str) -> Device:
    return Device(**{field: getattr(device, field) for field in device.__struct_fields__} | {"code": code})


async def during(drivers: Sequence[ModbusDriver], sink: Sink, seconds: float) -> tuple[float, float, float, float]:
    """Run the drivers; (begin, end, answers a second, CPU seconds) of the time after the warm-up."""
    tasks = [asyncio.create_task(driver.run(sink)) for driver in drivers]
    await asyncio.sleep(WARM_UP_S)
    begin, cpu, answers = time.perf_counter(), time.process_time(), sum(d.counters.answers for d in drivers)
    await asyncio.sleep(seconds)
    end, cpu = time.perf_counter(), time.process_time() - cpu
    rate = (sum(d.counters.answers for d in drivers) - answers) / (end - begin)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return begin, end, rate, cpu


async def measure_fleet(port: int, devices: int, per_bus: int, seconds: float) -> dict[str, Any]:
    drivers, sink = fleet(port, devices, per_bus, "1s")
    begin, end, rate, cpu = await during(drivers, sink, seconds)
    gaps = [
        after - before for times in sink.times.values() for before, after in pairwise(times) if begin < after <= end
    ]
    on_time = sum(0.9 <= gap <= 1.1 for gap in gaps)
    expected = devices * (end - begin)
    late = sorted(abs(gap - 1.0) for gap in gaps)
    return {
        "devices": devices,
        "devices_per_bus": per_bus,
        "registers": REGISTERS,
        "seconds": round(end - begin, 1),
        "on_time_percent": round(min(100.0, 100 * on_time / expected), 3),
        "polls": len(gaps),
        "expected": round(expected),
        "jitter_p99_ms": round(1000 * late[int(len(late) * 0.99)], 1) if late else None,
        "skipped": sum(driver.counters.skipped for driver in drivers),
        "timeouts": sum(driver.counters.timeouts for driver in drivers),
        "requests_per_s": round(rate),
        "cpu_s_per_s": round(cpu / (end - begin), 3),
    }


async def driver_ceiling(port: int, buses: int, seconds: float, decode: bool) -> dict[str, float]:
    """Asked for far more than can be: 100 devices a bus, ten times a second."""
    drivers, sink = fleet(port, buses * 100, 100, "100ms")
    sink.decode = decode
    _, _, rate, cpu = await during(drivers, sink, seconds)
    return {"requests_per_s": round(rate), "per_cpu_s": round(rate * seconds / cpu)}


async def bare_ceiling(port: int, buses: int, seconds: float) -> dict[str, float]:
    """The same reads by pymodbus's client alone: nothing decoded, nothing kept."""
    clients = [AsyncModbusTcpClient("127.0.0.1", port=port) for _ in range(buses)]
    await asyncio.gather(*(client.connect() for client in clients))
    done, stop = 0, time.perf_counter() + seconds

    async def loop(client: AsyncModbusTcpClient) -> None:
        nonlocal done
        while time.perf_counter() < stop:
            await client.read_holding_registers(0, count=REGISTERS, device_id=1)
            done += 1

    begin, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(loop(client) for client in clients))
    took, cpu = time.perf_counter() - begin, time.process_time() - cpu
    for client in clients:
        client.close()
    return {"requests_per_s": round(done / took), "per_cpu_s": round(done / cpu)}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--devices", type=int, default=1000)
    options.add_argument("--per-bus", type=int, nargs="*", default=[1, 20])
    options.add_argument("--seconds", type=float, default=10.0)
    options.add_argument("--buses", type=int, default=50, help="connections of the ceiling runs")
    args = options.parse_args()
    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(there,), daemon=True)
    server.start()
    port = here.recv()

    async def measure() -> dict[str, Any]:
        part = args.seconds / 4
        bare = await bare_ceiling(port, args.buses, part)
        polling = await driver_ceiling(port, args.buses, part, decode=False)
        decoding = await driver_ceiling(port, args.buses, part, decode=True)
        again = await bare_ceiling(port, args.buses, part)
        best = max(bare, again, key=lambda run: run["requests_per_s"])
        return {
            "fleets": [await measure_fleet(port, args.devices, per_bus, args.seconds) for per_bus in args.per_bus],
            "bare_pymodbus": best,
            "driver": polling,
            "driver_decoding": decoding,
            "driver_to_bare_percent": round(100 * polling["requests_per_s"] / best["requests_per_s"]),
        }

    try:
        print(json.dumps(uvloop.run(measure()), indent=2))
    finally:
        server.terminate()
        server.join()


if __name__ == "__main__":
    main()
