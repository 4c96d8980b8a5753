"""The simulator on real wires: mosquitto and paho on one side, pymodbus's client on the other."""

import asyncio
import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, timedelta
from itertools import groupby
from pathlib import Path
from zoneinfo import ZoneInfo

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from pymodbus.client import AsyncModbusTcpClient

from hub.clock import SystemClock, to_us
from hub.codecs.modbus import decode_block, plan_blocks
from hub.codecs.mqtt import MqttDecoder
from hub.codecs.mqtt_encode import encode_command
from hub.errors import Misconfigured
from hub.model import Arrival, CommandRequest, Device, Frame
from hub.truth import TruthCounter, TruthEvent, TruthRun, read_truth
from hub.verify.compare import Stored, StoredEvent, StoredSample, compare
from hub.vocabulary.mqtt import MqttAddress
from hub.vocabulary.profiles import ModbusProfile
from simulators.community import Community
from simulators.faults import Fault
from simulators.plant import Plant
from simulators.station import Broker, Outgoing, Station
from simulators.timeline import SECOND
from simulators.truth_log import TruthLog
from tests.integration.mosquitto import Mosquitto, free_port
from tests.unit.demo_devices import demo_catalog, demo_devices

SPEED = 60.0
ZONE = ZoneInfo("Asia/Shanghai")
PORTS = ("HUB_DEMO_MODBUS_PORT_B1", "HUB_DEMO_MODBUS_PORT_B2", "HUB_DEMO_MODBUS_PORT_PLANT")


class Reader:
    """A paho client that hears everything, in the order of arrival; no code of ours on its way."""

    def __init__(self, port: int, name: str = "reader") -> None:
        self.heard: list[tuple[str, bytes, bool]] = []
        self.client = paho.Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=False)
        self.client.on_message = self._hear
        listening = threading.Event()
        self.client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self.client.on_subscribe = lambda *_: listening.set()
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert listening.wait(30)

    def _hear(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        heard = (message.topic, message.payload, message.retain)
        if not (message.dup and heard in self.heard):  # the broker was cut before it saw our PUBACK
            self.heard.append(heard)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def commands(self, topic: str) -> list[dict[str, object]]:
        return [json.loads(payload) for heard, payload, _ in self.heard if heard == topic]


class Run:
    """A community on a broker and free Modbus ports, moved along in the background."""

    def __init__(self, broker: Mosquitto, folder: Path, speed: float, modbus: bool) -> None:
        self.environment = {name: str(free_port()) for name in PORTS}
        self.clock = SystemClock()
        self.devices = {device.code: device for device in demo_devices(self.environment)}
        self.truth_path = folder / "truth.jsonl"
        self.file = self.truth_path.open("a", encoding="utf-8")
        start = self.clock.now_us() if speed == 1.0 else yesterday_evening(self.clock)
        self.plant = Plant(self.devices.values(), 7, start)
        self.told: list[str] = []
        site = demo_catalog(tuple(sorted(self.environment.items()))).sites["demo"]
        self.buses = {name: bus for name, bus in site.buses.items() if bus.protocol == "modbus" and modbus}
        self.community = Community(
            self.plant,
            self.clock,
            TruthLog(self.file, start, 7),
            lambda _at, _zh, en: self.told.append(en),
            broker=Broker.parse(f"mqtt://127.0.0.1:{broker.port}"),
            buses=self.buses,
            speed=speed,
        )
        self.stop = asyncio.Event()
        self.task: asyncio.Task[int] | None = None

    async def begin(self) -> None:
        self.task = asyncio.create_task(self.community.run(self.stop, None))
        assert self.community.mqtt is not None
        stations = self.community.mqtt.stations.values()
        await until(lambda: all(one.connected for one in stations) or self.task is None or self.task.done())

    async def end(self) -> int:
        self.stop.set()
        assert self.task is not None
        left = await self.task
        self.file.close()
        return left


def yesterday_evening(clock: SystemClock) -> int:
    """18:00 in Shanghai, when people come home; far enough back for a fast plant to stay in the past."""
    local = clock.now().astimezone(ZONE) - timedelta(days=1)
    return to_us(local.replace(hour=18, minute=0, second=0, microsecond=0).astimezone(UTC))


async def until(true: Callable[[], object], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.02)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path / "broker", persistence=True) as running:
        yield running


@pytest.fixture
def reader(broker: Mosquitto) -> Iterator[Reader]:
    reader = Reader(broker.port)
    yield reader
    reader.close()


@contextlib.asynccontextmanager
async def running(broker: Mosquitto, folder: Path, speed: float = 1.0, modbus: bool = True) -> AsyncIterator[Run]:
    run = Run(broker, folder, speed, modbus)
    await run.begin()
    try:
        yield run
    finally:
        if run.task is not None and not run.task.done():
            await run.end()


def decoded(devices: list[Device], reader: Reader) -> list[Frame]:
    """What the hub's own decoder makes of everything that was heard; an arrival it refuses fails the test."""
    decoder, frames = MqttDecoder(devices), []
    for number, (topic, payload, retained) in enumerate(reader.heard):
        if not topic.endswith("/command"):
            arrival = Arrival("mqtt-main", topic, payload, SystemClock().now_us(), retained, token=number + 1)
            for frame in decoder.decode(arrival):
                assert isinstance(frame, Frame), frame
                frames.append(frame)
    return frames


def as_stored(frames: list[Frame]) -> Stored:
    """As the pipeline would keep them: one frame a key, counters of the frames as samples."""
    unique = {frame.key: frame for frame in frames}.values()
    events = [StoredEvent(f.device.code, e.name, f.ts, e.data) for f in unique for e in f.events]
    samples = [
        StoredSample(f.device.code, r.point.name, f.ts, r.value)
        for f in unique
        for r in f.readings
        if r.point.spec.type == "counter" and r.value is not None
    ]
    return Stored(events=events, samples=samples)


async def test_everything_said_is_valid_and_equal_to_the_truth(
    broker: Mosquitto, reader: Reader, tmp_path: Path
) -> None:
    async with running(broker, tmp_path, SPEED, modbus=False) as run:
        mqtt = [one for one in run.devices.values() if isinstance(one.spec.address, MqttAddress)]
        run.community.schedule([Fault("door_forced", "door-b1-u1", run.devices["door-b1-u1"].spec.name, 20, 10)])
        await until(lambda: run.plant.now > run.plant.time.start + 240 * SECOND)
        assert await run.end() == 0
    await until(lambda: any(payload == b"offline" for _, payload, _ in reader.heard))
    frames = decoded(mqtt, reader)
    truths = list(read_truth(run.truth_path))
    report = compare(truths, as_stored(frames))
    alarms = [report.missing_alarms]  # nobody raised one here
    assert [found for _, found in report.findings() if found and found not in alarms] == [], report.render("en")
    assert report.events > 10
    assert report.counters == 202
    assert {frame.device.kind_name for frame in frames} == {device.kind_name for device in mqtt}
    assert {frame.online for frame in frames} == {None, True, False}


async def test_birth_and_state_are_retained_and_a_lost_connection_leaves_the_will(
    broker: Mosquitto, reader: Reader, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "simulators", "--mqtt", f"mqtt://127.0.0.1:{broker.port}", "--only", "mqtt"]
    state, status = "community/demo/door/door-b1-u1/state", "community/demo/door/door-b1-u1/status"
    with subprocess.Popen([*command, "--truth", str(tmp_path / "t")], stdout=subprocess.PIPE, text=True) as process:
        await asyncio.to_thread(_read_until, process, "20/20")
        await until(lambda: any(topic == state for topic, _, _ in reader.heard))
        late = Reader(broker.port, "late")
        try:
            await until(lambda: (status, b"online", True) in late.heard)
            await until(lambda: any(topic == state and kept for topic, _, kept in late.heard))
            assert not [topic for topic, _, kept in late.heard if kept and not topic.endswith(("state", "status"))]
            process.kill()
            await until(lambda: (status, b"offline", False) in late.heard)
        finally:
            late.close()


async def test_cut_in_the_middle_what_has_a_name_is_sent_again_and_the_rest_is_unknown(broker: Mosquitto) -> None:
    settled: dict[int, str] = {}
    station = Station(
        "cut",
        Broker.parse(f"mqtt://127.0.0.1:{broker.port}"),
        SystemClock(),
        settled=settled.__setitem__,
        incoming=lambda _topic, _payload: None,
    )
    task = asyncio.create_task(station.run())
    await until(lambda: station.connected)
    broker.freeze()
    station.send(Outgoing(1, "cut/named", b"1", retain=True))
    station.send(Outgoing(2, "cut/nameless", b"2", retain=True, natural=False))
    await asyncio.sleep(0.2)
    assert (settled, set(station.pending())) == ({}, {1, 2})
    await asyncio.to_thread(broker.kill9)
    await until(lambda: not station.connected)
    station.send(Outgoing(3, "cut/nameless-but-not-sent", b"3", retain=True, natural=False))
    await asyncio.to_thread(broker.start)
    await asyncio.wait_for(station.drained(), 100)
    task.cancel()
    assert settled == {1: "ok", 2: "unknown", 3: "ok"}
    late = Reader(broker.port, "late")
    await until(lambda: len(late.heard) >= 2)
    assert sorted(late.heard) == [("cut/named", b"1", True), ("cut/nameless-but-not-sent", b"3", True)]
    late.close()


async def test_command_is_done_once_and_not_after_its_time(broker: Mosquitto, reader: Reader, tmp_path: Path) -> None:
    async with running(broker, tmp_path, modbus=False) as run:
        door = run.devices["door-b1-u2"]

        def send(command_id: str, expires_in_s: float) -> None:
            now = run.clock.now_us()
            request = CommandRequest(command_id, door, "open", "test", now + round(expires_in_s * SECOND))
            topic, payload, qos = encode_command(request, now)
            reader.client.publish(topic, payload, qos)

        topic = "community/demo/door/door-b1-u2/event"
        send("late", -1)
        send("once", 10)
        send("once", 10)
        reader.client.publish("community/demo/door/door-b1-u2/command", b"{not json", 1)
        send("next", 10)
        await until(lambda: any(one.get("id") == "next" for one in reader.commands(topic)))
        await run.end()
    unlocked = [one.get("id") for one in reader.commands(topic) if one["type"] == "unlock"]
    assert [one for one in unlocked if one] == ["once", "next"]
    assert [line.split(": ")[1].split(" (")[0] for line in run.told if "told" in line] == [
        "expired",
        "open",
        "repeated",
        "malformed",
        "open",
    ]
    events = [one for one in read_truth(run.truth_path) if isinstance(one, TruthEvent)]
    assert [one.data["command_id"] for one in events if "command_id" in one.data] == ["once", "next"]


async def test_barrier_moves_and_answers(broker: Mosquitto, reader: Reader, tmp_path: Path) -> None:
    async with running(broker, tmp_path, modbus=False) as run:
        barrier = run.devices["barrier-out"]
        request = CommandRequest("b-1", barrier, "open", "test", run.clock.now_us() + 5 * SECOND)
        topic, payload, qos = encode_command(request, run.clock.now_us())
        reader.client.publish(topic, payload, qos)
        event = "community/demo/barrier/barrier-out/event"
        await until(lambda: any(one.get("cmd_id") == "b-1" for one in reader.commands(event)))
    [answer] = [one for one in reader.commands(event) if one.get("cmd_id") == "b-1"]
    assert (answer["event"], answer["by"]) == ("arm_up", "remote")
    states = reader.commands("community/demo/barrier/barrier-out/state")
    arms = [arm for arm, _ in groupby(one["arm"] for one in states)]
    assert arms[arms.index("moving") :][:2] == ["moving", "up"]


async def test_broker_restart_loses_and_doubles_nothing_that_has_a_name(
    broker: Mosquitto, reader: Reader, tmp_path: Path
) -> None:
    async with running(broker, tmp_path, SPEED, modbus=False) as run:
        mqtt = [one for one in run.devices.values() if isinstance(one.spec.address, MqttAddress)]
        assert run.community.mqtt is not None
        stations = run.community.mqtt.stations.values()
        for _ in range(2):
            await asyncio.sleep(0.5)
            await asyncio.to_thread(broker.stop)
            await until(lambda: not any(one.connected for one in stations))
            await asyncio.sleep(0.5)
            await asyncio.to_thread(broker.start)
            await until(lambda: all(one.connected for one in stations))
        assert await run.end() == 0
        said = sum(isinstance(one, TruthEvent) for one in read_truth(run.truth_path))
        await until(lambda: reader.client.is_connected())
    await until(lambda: sum(payload == b"offline" for _, payload, _ in reader.heard) >= 12)
    report = compare(read_truth(run.truth_path), as_stored(decoded(mqtt, reader)))
    assert report.ok, report.render("en")
    assert report.events == said > 5


async def test_modbus_meter_shows_the_plant_and_the_truth(broker: Mosquitto, tmp_path: Path) -> None:
    async with running(broker, tmp_path) as run:
        for code in ("em-b1-001", "em-b1-104", "em-b2-096"):
            device = run.devices[code]
            assert isinstance(device.profile, ModbusProfile)
            client = AsyncModbusTcpClient("127.0.0.1", port=run.buses[device.spec.bus].port)
            assert await client.connect()
            [block] = plan_blocks(device.profile.modbus, device.kind.points)
            answer = await client.read_holding_registers(
                block.address, count=block.count, device_id=device.spec.address.unit
            )
            data = b"".join(word.to_bytes(2, "big") for word in answer.registers)
            values = {one.point.name: one.value for one in decode_block(device, block, data)}
            assert values == run.plant.values[code]
            client.close()
        await run.end()
    last = {one.device: one.value for one in read_truth(run.truth_path) if isinstance(one, TruthCounter)}
    assert len([code for code in last if code.startswith("em-")]) == 200
    assert float(last["em-b1-001"]) == run.plant.values["em-b1-001"]["energy_import"]


async def test_coil_starts_the_pump_and_the_feedback_shows_it(broker: Mosquitto, tmp_path: Path) -> None:
    async with running(broker, tmp_path) as run:
        client = AsyncModbusTcpClient("127.0.0.1", port=run.buses["gw-plant"].port, timeout=2, retries=0)
        assert await client.connect()
        for wanted in (True, False):
            assert not (await client.write_coil(0, wanted, device_id=3)).isError()
            while (await client.read_discrete_inputs(0, count=2, device_id=3)).bits[0] != wanted:
                await asyncio.sleep(0.02)
        assert (await client.write_coil(5, True, device_id=3)).exception_code == 2
        assert (await client.read_input_registers(0, count=3, device_id=99)).exception_code == 11
        assert (await client.read_input_registers(40, count=3, device_id=3)).exception_code == 2
        assert (await client.write_coil(0, True, device_id=11)).exception_code == 2  # an elevator takes no orders
        client.close()


async def test_silent_unit_gives_no_answer_and_the_others_do(broker: Mosquitto, tmp_path: Path) -> None:
    async with running(broker, tmp_path) as run:
        run.plant.time.silent.add("pump-4")
        client = AsyncModbusTcpClient("127.0.0.1", port=run.buses["gw-plant"].port, timeout=2, retries=0)
        assert await client.connect()
        with pytest.raises(Exception, match="No response"):
            await client.read_input_registers(0, count=3, device_id=4)
        client.close()
        assert await client.connect()
        assert not (await client.read_input_registers(0, count=3, device_id=1)).isError()
        client.close()


async def test_port_that_is_taken_is_said_and_nothing_is_left_open(broker: Mosquitto, tmp_path: Path) -> None:
    run = Run(broker, tmp_path, 1.0, modbus=True)
    with socket.create_server(("127.0.0.1", run.buses["gw-b1"].port)):
        with pytest.raises(Misconfigured, match=r"gw-b1: cannot listen on 127\.0\.0\.1"):
            await run.community.run(run.stop, None)
        for name in ("gw-b2", "gw-plant"):
            socket.create_server(("127.0.0.1", run.buses[name].port)).close()
    run.file.close()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
async def test_program_ends_in_good_order(broker: Mosquitto, tmp_path: Path, how: signal.Signals) -> None:
    truth = tmp_path / "var" / "truth.jsonl"
    command = [sys.executable, "-m", "simulators", "--mqtt", f"mqtt://127.0.0.1:{broker.port}", "--truth", str(truth)]
    environment = {name: str(free_port()) for name in PORTS}
    with subprocess.Popen(
        [*command, "--language", "en"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        lines = await asyncio.to_thread(_read_until, process, "20/20")
        process.send_signal(how)
        out, err = await asyncio.to_thread(process.communicate)
    assert (process.returncode, err) == (0, "")
    assert "ended, unacknowledged: 0" in out
    assert any("will happen: Door of building 1 unit 1 is forced open" in line for line in lines)
    runs = [one.phase for one in read_truth(truth) if isinstance(one, TruthRun)]
    assert runs == ["begins", "ends"]


def _read_until(process: "subprocess.Popen[str]", word: str) -> list[str]:
    lines: list[str] = []
    assert process.stdout is not None
    for line in iter(process.stdout.readline, ""):
        lines.append(line)
        if word in line:
            break
    return lines
