"""The Modbus driver against pymodbus's own server and against one that misbehaves."""

import asyncio
import contextlib
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from drivers.modbus import ModbusDriver
from drivers.modbus.framer import StrictFramer
from hub.clock import SystemClock
from hub.codecs.modbus import EXCEPTIONS, exception_name
from hub.errors import Expired, Misconfigured, Rejected, Unreachable
from hub.model import CommandRequest, Device, Frame, Quality
from hub.vocabulary.kinds import PointSpec
from hub.vocabulary.modbus import ModbusBus
from tests.integration.modbus_servers import Inbox, Request, States, pymodbus_server, raw_server
from tests.unit.modbus_devices import NAME, make_device, make_section

CLOCK = SystemClock()
LEVEL = {"table": "holding", "address": 0, "type": "uint16", "poll": "100ms"}
FAR = {"table": "holding", "address": 100, "type": "uint16", "poll": "100ms"}
SECTION = make_section({"level": LEVEL})
MOTOR = make_section(
    {"running": {"table": "coil", "address": 0, "type": "bool", "poll": "10s"}},
    commands={
        "start": {"table": "coil", "address": 0, "type": "bool", "value": 1},
        "tune": {"table": "holding", "address": 4, "type": "float32", "value": 12.5},
        "limit": {"table": "holding", "address": 6, "value": 7},
        "odd": {"table": "holding", "address": 6, "value": -1},
    },
)
RUNNING = {"running": PointSpec(name=NAME, unit="1", type="state", values={"stopped": 0, "running": 1})}
COMMANDS = {
    name: {"name": NAME, "ttl": "10s", "confirm": {"point": "running", "equals": "running"}}
    for name in ("start", "tune", "limit", "odd", "fly")
}


# A code whose first poll comes within a tenth of a second, though the period is ten.
EARLY = next(code for code in (f"motor-{i}" for i in range(1000)) if zlib.crc32(code.encode()) < 2**32 / 100)


def motor(unit: int = 1, code: str = EARLY) -> Device:
    return make_device(MOTOR, unit, code, specs=RUNNING, commands=COMMANDS)


def make_driver(port: int, devices: list[Device], states: States | None = None, timeout: str = "300ms") -> ModbusDriver:
    bus = ModbusBus.model_validate({"protocol": "modbus", "host": "127.0.0.1", "port": port, "timeout": timeout})
    return ModbusDriver("bus-1", bus, devices, CLOCK, states or States())


def command(device: Device, name: str = "start", ttl_s: float = 10.0) -> CommandRequest:
    return CommandRequest("c1", device, name, "", CLOCK.now_us() + round(ttl_s * 1e6))


@contextlib.asynccontextmanager
async def running(driver: ModbusDriver, inbox: Inbox) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(driver.run(inbox))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def values(driver: ModbusDriver, inbox: Inbox, code: str) -> list[float | None]:
    """Everything the device said, decoded."""
    decoder = driver.decoder()
    frames = [frame for arrival in inbox.arrivals for frame in decoder.decode(arrival) if isinstance(frame, Frame)]
    return [reading.value for frame in frames if frame.device.code == code for reading in frame.readings]


def count_of(inbox: Inbox, unit: int) -> int:
    return sum(arrival.source.startswith(f"unit={unit} ") for arrival in inbox.arrivals)


async def test_polls_a_real_server() -> None:
    section = make_section(
        {
            "energy": {"table": "holding", "address": 0, "type": "uint32", "scale": 0.01, "poll": "100ms"},
            "level": {"table": "input", "address": 2, "type": "int16", "poll": "100ms"},
            "alarm": {"table": "coil", "address": 3, "type": "bool", "poll": "100ms"},
        }
    )
    devices, inbox, states = [make_device(section, unit) for unit in (1, 2, 3)], Inbox(), States()
    async with pymodbus_server([1, 2, 3], [0x0001, 0xE240, 0xFFFE, 0]) as port:
        driver = make_driver(port, devices, states)
        async with running(driver, inbox):
            await inbox.until(lambda found: all(count_of(inbox, unit) >= 9 for unit in (1, 2, 3)))
    for device in devices:
        assert set(values(driver, inbox, device.code)) == {1234.56, -2.0, 0.0}
        assert states.of(device.code) == ["connected"]
    assert driver.counters.timeouts == 0


async def test_frames_of_one_reading_are_named_alike_and_of_two_apart() -> None:
    inbox = Inbox()
    async with pymodbus_server([1], [7] * 8) as port:
        driver = make_driver(port, [make_device(SECTION)])
        async with running(driver, inbox):
            await inbox.until(lambda found: len(found) >= 2)
    decode = driver.decoder().decode
    one, again, other = (decode(inbox.arrivals[i])[0] for i in (0, 0, 1))
    assert isinstance(one, Frame)
    assert isinstance(again, Frame)
    assert isinstance(other, Frame)
    assert one.key == again.key != other.key
    assert (one.natural, one.timed, one.ts) == (False, False, one.received)


@pytest.mark.parametrize("code", [*EXCEPTIONS, 77])
async def test_an_exception_is_a_bad_reading_and_a_named_state(code: int) -> None:
    inbox, states = Inbox(), States()
    async with raw_server() as fake:

        async def refuse(request: Request) -> None:
            await (request.refuse(code) if request.unit == 1 else request.answer())

        fake.behaviour = refuse
        driver = make_driver(fake.port, [make_device(SECTION, 1), make_device(SECTION, 2)], states)
        async with running(driver, inbox):
            detail = await states.until("dev-1", "error")
            await inbox.until(lambda _: count_of(inbox, 2) >= 5)
    assert exception_name(code) in detail
    assert [(a.source, a.payload) for a in inbox.arrivals if a.source.startswith("unit=1 ")] == [
        (f"unit=1 holding 0+1 error={code}", b"")
    ]
    (frame,) = driver.decoder().decode(next(a for a in inbox.arrivals if "error" in a.source))
    assert isinstance(frame, Frame)
    assert [(reading.value, reading.quality) for reading in frame.readings] == [(None, Quality.BAD)]
    assert states.of("dev-1") == ["error"]
    assert states.of("dev-2") == ["connected"]


async def test_busy_backs_off() -> None:
    async with raw_server() as fake:

        async def busy(request: Request) -> None:
            await (request.refuse(6) if request.unit == 1 else request.answer())

        fake.behaviour = busy
        inbox = Inbox()
        async with running(make_driver(fake.port, [make_device(SECTION, u) for u in (1, 2)], timeout="1s"), inbox):
            await inbox.until(lambda _: count_of(inbox, 2) >= 8)
        assert sum(request.unit == 1 for request in fake.requests) == 1


async def test_one_bad_block_does_not_flap() -> None:
    inbox, states = Inbox(), States()
    async with raw_server() as fake:

        async def half(request: Request) -> None:
            await (request.refuse(2) if request.address == 100 else request.answer())

        fake.behaviour = half
        driver = make_driver(fake.port, [make_device(make_section({"level": LEVEL, "far": FAR}))], states)
        async with running(driver, inbox):
            await inbox.until(lambda found: len(found) >= 6)
            fake.behaviour = Request.answer
            await inbox.until(lambda found: any(a.source == "unit=1 holding 100+1" for a in found))
    assert [state for state in states.of("dev-1") if state != "connected"] == ["error"]
    assert states.of("dev-1")[-1] == "connected"


async def cut(request: Request) -> None:
    await request.send(request.wrap(request.pdu)[:-1])


async def merged(request: Request) -> None:
    """An old answer, a foreign one and the right one in a single segment."""
    old, foreign = request.wrap(b"\x03\x02\x66\x66", tid=request.tid - 1), request.wrap(b"\x03\x02\x77\x77", tid=999)
    await request.send(old + foreign + request.wrap(request.pdu))


async def trailing(request: Request) -> None:
    await request.send(request.wrap(request.pdu) + b"\0\x01\0")


async def doubled(request: Request) -> None:
    await request.send(request.wrap(request.pdu) * 2)


async def protocol(request: Request) -> None:
    await request.send(request.frame[:2] + b"\0\x07" + request.wrap(request.pdu)[4:])


async def length_zero(request: Request) -> None:
    await request.send(request.frame[:2] + b"\0\0\0\0" + b"\x01\x03\x02\x66\x66")


async def length_huge(request: Request) -> None:
    await request.send(request.frame[:2] + b"\0\0\xff\xff" + b"\x01" * 64)


async def noise(request: Request) -> None:
    await request.send(bytes(range(255, 200, -1)))


async def wrong_unit(request: Request) -> None:
    await request.send(request.wrap(b"\x03\x02\x66\x66", unit=9))


async def zero_tid(request: Request) -> None:
    await request.send(request.wrap(b"\x03\x02\x66\x66", tid=0))


async def late(request: Request) -> None:
    await request.send(request.wrap(b"\x03\x02\x66\x66", tid=request.tid - 1))


async def wrong_function(request: Request) -> None:
    await request.send(request.wrap(b"\x04\x02\x66\x66"))


async def too_long(request: Request) -> None:
    await request.send(request.wrap(b"\x03\x04\x66\x66\x66\x66"))


async def lying_count(request: Request) -> None:
    await request.send(request.wrap(b"\x03\x04\x66\x66"))


async def other_exception(request: Request) -> None:
    await request.send(request.wrap(b"\x84\x02"))


async def slow(request: Request) -> None:
    for byte in request.wrap(request.pdu):
        await request.send(bytes((byte,)))
        await asyncio.sleep(0.1)


async def nothing(request: Request) -> None:
    pass


BAD = [
    cut, protocol, length_zero, length_huge, noise, wrong_unit, zero_tid, late, wrong_function, too_long, lying_count,
    other_exception, slow, nothing,
]  # fmt: skip
ODD = [merged, trailing, doubled]


@pytest.mark.parametrize("bad", BAD + ODD)
async def test_bad_answers_give_no_wrong_value_and_are_overcome(bad: Any) -> None:
    """One device answers badly, the other well: no false value of either, and the first comes back."""
    inbox, states = Inbox(), States()
    async with raw_server() as fake:
        tries = 0

        async def sometimes(request: Request) -> None:
            nonlocal tries
            tries += request.unit == 1
            await (bad(request) if request.unit == 1 and tries == 1 else request.answer())

        fake.behaviour = sometimes
        driver = make_driver(fake.port, [make_device(SECTION, u) for u in (1, 2)], states, timeout="200ms")
        async with running(driver, inbox):
            await inbox.until(lambda _: count_of(inbox, 1) >= 2 and count_of(inbox, 2) >= 3)
    assert set(values(driver, inbox, "dev-1")) == {256.0}
    assert set(values(driver, inbox, "dev-2")) == {512.0}
    assert states.of("dev-1")[-1] == "connected"
    assert states.of("dev-2") == ["connected"]
    if bad in BAD:
        assert states.of("dev-1")[0] in ("silent", "error")


async def test_a_late_answer_is_never_taken_for_the_next() -> None:
    """The server answers each request only when the next one comes: off by one for ever."""
    inbox = Inbox()
    held: list[bytes] = []

    async def behind(request: Request) -> None:
        held.append(request.wrap(request.pdu))
        if len(held) > 1:
            await request.send(held.pop(0))

    async with raw_server() as fake:
        fake.behaviour = behind
        devices = [make_device(make_section({"level": LEVEL | {"address": u}}), u) for u in (1, 2, 3)]
        driver = make_driver(fake.port, devices, timeout="100ms")
        async with running(driver, inbox) as task:
            with pytest.raises(Unreachable, match="none of its devices"):
                await asyncio.wait_for(task, 100)
    assert inbox.arrivals == []
    assert driver.counters.strays >= 2


async def test_a_silent_device_among_good_ones_is_parked() -> None:
    inbox, states = Inbox(), States()
    async with raw_server() as fake:

        async def mute(request: Request) -> None:
            if request.unit != 3:
                await request.answer()

        fake.behaviour = mute
        driver = make_driver(fake.port, [make_device(SECTION, u) for u in (1, 2, 3)], states, timeout="1s")
        async with running(driver, inbox):
            await states.until("dev-3", "silent")
            seen = count_of(inbox, 1)
            await inbox.until(lambda _: count_of(inbox, 1) >= seen + 10)
            assert sum(request.unit == 3 for request in fake.requests) == 1
    assert states.of("dev-3") == ["silent"]
    assert states.of("dev-1") == states.of("dev-2") == ["connected"]
    assert count_of(inbox, 3) == 0


async def test_a_stop_that_comes_with_an_answer_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.11's wait_for returns the answer and forgets the cancellation; then the driver would never stop."""
    plain = StrictFramer.handleFrame
    async with raw_server() as fake:
        driver, inbox = make_driver(fake.port, [make_device(SECTION)]), Inbox()
        task = asyncio.create_task(driver.run(inbox))

        def cancelling(self: StrictFramer, data: bytes, unit: int, tid: int) -> Any:
            used, answer = plain(self, data, unit, tid)
            if answer is not None:
                asyncio.get_running_loop().call_soon(task.cancel)
            return used, answer

        monkeypatch.setattr(StrictFramer, "handleFrame", cancelling)
        await asyncio.wait({task}, timeout=20)
        assert task.cancelled()
        assert len(fake.requests) == 1


async def test_reset_and_refusal_end_the_run() -> None:
    async with raw_server() as fake:

        async def reset(request: Request) -> None:
            request.reset()

        fake.behaviour = reset
        driver = make_driver(fake.port, [make_device(SECTION)])
        with pytest.raises(Unreachable, match="closed by the other end"):
            await driver.run(Inbox())
        port = fake.port
    with pytest.raises(Unreachable, match="cannot connect"):
        await make_driver(port, [make_device(SECTION)]).run(Inbox())


async def test_an_idle_bus_notices_the_loss() -> None:
    async with raw_server() as fake:
        driver, inbox = make_driver(fake.port, [motor()]), Inbox()
        async with running(driver, inbox) as task:
            await inbox.until(lambda found: len(found) >= 1)
            fake.requests[0].reset()
            with pytest.raises(Unreachable, match="closed by the other end"):
                await asyncio.wait_for(task, 100)


async def test_reconnecting_leaks_nothing() -> None:
    async with raw_server() as fake:

        async def reset(request: Request) -> None:
            request.reset()

        fake.behaviour = reset
        driver, inbox = make_driver(fake.port, [make_device(SECTION, code=EARLY)]), Inbox()
        before = 0
        for cycle in range(200):
            with pytest.raises(Unreachable):
                await driver.read(make_device(SECTION)) if cycle % 2 else await driver.run(inbox)
            if cycle == 9:
                before = len(list(Path("/proc/self/fd").iterdir()))
        await asyncio.sleep(0)
        assert len(list(Path("/proc/self/fd").iterdir())) <= before
        assert fake.connections == 200


async def test_a_write_is_read_back_at_once() -> None:
    inbox = Inbox()
    async with pymodbus_server([1], [0] * 8) as port:
        device = motor()
        driver = make_driver(port, [device])
        async with running(driver, inbox):
            await inbox.until(lambda found: len(found) >= 1)
            assert values(driver, inbox, EARLY) == [0.0]
            receipt = await driver.execute(command(device))
            assert receipt.acknowledged
            assert values(driver, inbox, EARLY) == [0.0, 1.0]
            assert (await driver.execute(command(device, "tune"))).acknowledged
            assert (await driver.execute(command(device, "limit"))).acknowledged
        tuned = make_section({"tuned": {"table": "holding", "address": 4, "type": "float32"}})
        (arrival,) = await make_driver(port, [other := make_device(tuned)]).read(other)
    assert arrival.payload.hex() == "41480000"


async def test_writes_go_ahead_of_polls() -> None:
    gate = asyncio.Event()
    async with raw_server() as fake:

        async def gated(request: Request) -> None:
            await gate.wait()
            await request.answer()

        fake.behaviour = gated
        device, others = motor(), [make_device(SECTION, unit) for unit in range(2, 30)]
        driver = make_driver(fake.port, [device, *others], timeout="10s")
        async with running(driver, Inbox()):
            async with asyncio.timeout(100):
                while not fake.requests:
                    await asyncio.sleep(0.01)
                write = asyncio.create_task(driver.execute(command(device)))
                await asyncio.sleep(0.3)  # all 28 devices are due by now
                gate.set()
                await write
        assert [request.function for request in fake.requests[:3]] == [fake.requests[0].function, 5, 1]


async def test_an_unanswered_write_is_unknown_and_not_repeated() -> None:
    inbox = Inbox()
    async with raw_server() as fake:

        async def swallow(request: Request) -> None:
            if request.function != 5:
                await request.answer()

        fake.behaviour = swallow
        driver = make_driver(fake.port, [motor()], timeout="500ms")
        async with running(driver, inbox):
            await inbox.until(lambda found: len(found) >= 1)
            with pytest.raises(Unreachable, match="outcome of the write is unknown"):
                await driver.execute(command(motor()))
        assert [request.function for request in fake.requests] == [1, 5, 1]
    assert len(inbox.arrivals) == 2


@pytest.mark.parametrize("damage", ["echo", "reset", "target_silent"])
async def test_a_write_without_a_true_echo_is_unknown(damage: str) -> None:
    async with raw_server() as fake:

        async def spoil(request: Request) -> None:
            if request.function != 5:
                await request.answer()
            elif damage == "echo":
                await request.send(request.wrap(b"\x05\x00\x00\x00\x00"))
            elif damage == "reset":
                request.reset()
            else:
                await request.refuse(11)

        fake.behaviour = spoil
        driver, inbox = make_driver(fake.port, [motor()]), Inbox()
        async with running(driver, inbox):
            await inbox.until(lambda found: len(found) >= 1)
            with pytest.raises(Unreachable, match="unknown"):
                await driver.execute(command(motor()))


async def test_commands_that_cannot_be() -> None:
    async with raw_server() as fake:
        driver = make_driver(fake.port, [motor()])
        with pytest.raises(Misconfigured, match="no command 'fly'"):
            await driver.execute(command(motor(), "fly"))
        with pytest.raises(Misconfigured, match="does not fit"):
            await driver.execute(command(motor(), "odd"))
        with pytest.raises(Misconfigured, match="not on bus"):
            await driver.execute(command(motor(5, "elsewhere")))
        with pytest.raises(Expired, match="nothing was sent"):
            await driver.execute(command(motor(), ttl_s=-1))

        async def refuse(request: Request) -> None:
            await request.refuse(2)

        fake.behaviour = refuse
        with pytest.raises(Rejected, match=r"ILLEGAL DATA ADDRESS \(2\)"):
            await driver.execute(command(motor()))
        assert fake.written == []
        port = fake.port
    with pytest.raises(Unreachable, match="cannot connect"):
        await make_driver(port, [motor()]).execute(command(motor()))


async def test_what_waits_when_the_bus_is_lost_is_told_so() -> None:
    async with raw_server() as fake:

        async def hang_up(request: Request) -> None:
            if request.function == 5:
                request.reset()
            else:
                await request.answer()

        fake.behaviour = hang_up
        driver, inbox = make_driver(fake.port, [motor()], timeout="10s"), Inbox()
        async with running(driver, inbox):
            await inbox.until(lambda found: len(found) >= 1)
            writes = [driver.execute(command(motor())) for _ in range(3)]
            results = await asyncio.gather(*writes, return_exceptions=True)
        assert all(isinstance(result, Unreachable) for result in results)
        assert ["unknown" in str(result) for result in results] == [True, False, False]
        assert sum(request.function == 5 for request in fake.requests) == 1


async def test_reads_on_demand_with_and_without_a_running_bus() -> None:
    section = make_section({"level": LEVEL | {"poll": "10s"}, "far": FAR | {"poll": "10s"}})
    device, inbox = make_device(section), Inbox()
    async with raw_server() as fake:
        driver = make_driver(fake.port, [device])
        alone = await driver.read(device)
        async with running(driver, inbox):
            within = await driver.read(device)
        assert [a.source for a in alone] == [a.source for a in within]
        assert [a.source for a in alone] == ["unit=1 holding 0+1", "unit=1 holding 100+1"]

        async def refuse(request: Request) -> None:
            await request.refuse(4)

        fake.behaviour = refuse
        assert next(a.source for a in await driver.read(device)).endswith("error=4")
        fake.behaviour = nothing
        with pytest.raises(Unreachable, match="no answer"):
            await driver.read(device)


async def test_unchanged_values_are_not_repeated() -> None:
    report = {"deadband": 3, "every": "1h"}
    section = make_section({"level": LEVEL | {"report": report}, "far": FAR})
    inbox = Inbox()
    async with raw_server() as fake:
        shift = 0

        async def moving(request: Request) -> None:
            value = 50 + shift
            await request.send(request.wrap(bytes((3, 2, 0, value))))

        fake.behaviour = moving
        driver = make_driver(fake.port, [make_device(section)])

        def levels() -> list[int]:
            return [a.payload[1] for a in inbox.arrivals if a.source == "unit=1 holding 0+1"]

        async def rounds(amount: int) -> None:
            seen = count_of(inbox, 1)
            await inbox.until(lambda _: count_of(inbox, 1) >= seen + amount)

        async with running(driver, inbox):
            await rounds(4)
            assert levels() == [50]
            shift = 3
            await rounds(4)
            assert levels() == [50]
            shift = 4
            await rounds(4)
            assert levels() == [50, 54]
        async with running(driver, inbox):
            await rounds(4)
            assert levels() == [50, 54, 54]


async def test_a_full_hub_is_left_in_peace() -> None:
    inbox = Inbox()
    async with raw_server() as fake:
        driver = make_driver(fake.port, [make_device(SECTION, 1), motor(2)])
        async with running(driver, inbox):
            await inbox.until(lambda found: len(found) >= 2)
            inbox.closed = True
            await driver.execute(command(motor(2), "limit"))  # commands still pass; the poll under way has ended
            asked = len(fake.requests)
            await asyncio.sleep(0.5)
            assert len(fake.requests) == asked
            seen = len(inbox.arrivals)
            inbox.reopen()
            await inbox.until(lambda found: len(found) >= seen + 3)
    assert driver.counters.skipped >= 1


async def test_only_changed_devices_notice_an_update() -> None:
    inbox, states = Inbox(), States()
    async with raw_server() as fake:
        one, two = make_device(SECTION, 1), make_device(SECTION, 2)
        driver = make_driver(fake.port, [one, two], states)
        async with running(driver, inbox):
            await inbox.until(lambda _: count_of(inbox, 1) >= 1 and count_of(inbox, 2) >= 1)
            changed = make_device(make_section({"level": FAR}), 2)
            driver.update([make_device(SECTION, 1), changed, make_device(SECTION, 3)])
            await inbox.until(
                lambda found: count_of(inbox, 3) >= 1 and any(a.source == "unit=2 holding 100+1" for a in found)
            )
            asked = len(fake.requests)
            driver.update([one])
            seen = count_of(inbox, 1)
            await inbox.until(lambda _: count_of(inbox, 1) >= seen + 4)
            assert {request.unit for request in fake.requests[asked + 1 :]} == {1}
            with pytest.raises(Misconfigured, match="both have unit 1"):
                driver.update([one, make_device(SECTION, 1, code="twin")])
            seen = count_of(inbox, 1)
            await inbox.until(lambda _: count_of(inbox, 1) >= seen + 1)
        assert fake.connections == 1
    assert states.of("dev-1") == states.of("dev-2") == states.of("dev-3") == ["connected"]


async def test_a_bus_that_cannot_keep_up_skips() -> None:
    inbox = Inbox()
    async with raw_server() as fake:

        async def slowly(request: Request) -> None:
            await asyncio.sleep(0.03)
            await request.answer()

        fake.behaviour = slowly
        driver = make_driver(fake.port, [make_device(SECTION, unit) for unit in range(1, 21)])
        async with running(driver, inbox):
            await inbox.until(lambda _: all(count_of(inbox, unit) >= 2 for unit in range(1, 21)))
    counts = [count_of(inbox, unit) for unit in range(1, 21)]
    assert driver.counters.skipped > 0
    assert max(counts) - min(counts) <= 2
