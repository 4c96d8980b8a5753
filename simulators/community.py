"""One run of the simulated community: the plant, its two wires and the truth, moved along by a clock."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from hub.clock import Clock
from hub.model import Device
from hub.vocabulary.modbus import ModbusBus
from simulators.faults import SPECS, Scenario, describe
from simulators.plant import Plant
from simulators.station import Broker
from simulators.timeline import SECOND, Said
from simulators.truth_log import TruthLog
from simulators.wire_modbus import ModbusWire
from simulators.wire_mqtt import MqttWire

TICK_S = 0.05
DRAIN_S = 15.0

Progress = Callable[[float, str, str], None]
"""(seconds since the start, zh, en): one line for people."""


class Community:
    """Plant and wires. `run` ends when told to or when the time is over, with everything said acknowledged."""

    def __init__(
        self,
        plant: Plant,
        clock: Clock,
        truth: TruthLog,
        progress: Progress,
        *,
        broker: Broker | None,
        buses: Mapping[str, ModbusBus],
        speed: float = 1.0,
    ) -> None:
        """`broker` None: no MQTT; `buses` empty: no Modbus. Misconfigured comes from `run`."""
        self.plant, self._clock, self._truth, self._progress = plant, clock, truth, progress
        self._buses, self._speed = buses, speed
        devices = list(plant.devices.values())
        polled = [device for device in devices if device.spec.bus in buses]
        self.mqtt = MqttWire(plant, devices, broker, clock, truth, self._executed) if broker else None
        self.modbus = ModbusWire(plant, polled, clock, truth, self._executed)
        self._faults: dict[tuple[str, str], tuple[str, str]] = {}
        self._linked: bool | None = None

    def schedule(self, scenario: Scenario) -> None:
        """Plan faults, and their lines for people."""
        self.plant.schedule(scenario)
        for fault in scenario:
            [(_, zh)], [(_, en)] = describe([fault], "zh"), describe([fault], "en")
            self._faults[fault.device, SPECS[fault.kind].rule] = zh, en

    async def run(self, stop: asyncio.Event, seconds: float | None) -> int:
        """Live until `stop` or `seconds` are over; returns how many messages no broker took. Misconfigured: ports."""
        begun = self._clock.monotonic()
        await self.modbus.start(self._buses)
        wire = asyncio.create_task(self.mqtt.run()) if self.mqtt else None
        try:
            while not stop.is_set() and not (wire and wire.done()):
                elapsed = self._clock.monotonic() - begun
                if seconds is not None and elapsed >= seconds:
                    break
                self._say(self.plant.advance(self.plant.time.start + round(elapsed * self._speed * SECOND)))
                self._tell_links()
                await self.modbus.cut(self.plant.lost)
                await self._clock.sleep(TICK_S)
            left = await self._drain(wire)
        finally:
            await self.modbus.stop()
            self._truth.end(max(self._clock.now_us(), self.plant.now))
        return left

    async def _drain(self, wire: "asyncio.Task[None] | None") -> int:
        """No new happenings: wait for the acknowledgements, then go offline in good order."""
        if wire is None or self.mqtt is None:
            return 0
        if wire.done():
            wire.result()
        left = await self.mqtt.drain(DRAIN_S)
        wire.cancel()
        await asyncio.gather(wire, return_exceptions=True)
        return left

    def _say(self, words: Sequence[Said]) -> None:
        for said in words:
            if said.fault is not None:
                self._truth.fault(said.fault)
                if told := self._faults.get((said.device, said.fault.rule)):
                    self._progress(self._seconds(said.at), *told)
            else:
                self.modbus.say(said)
        if self.mqtt is not None:
            self.mqtt.say(words)

    def _executed(self, device: Device, what: str, command_id: str) -> None:
        name, tail = device.spec.name, f" ({command_id[:12]})" if command_id else ""
        at = self._seconds(self.plant.now)
        self._progress(at, f"{name.zh}收到命令：{what}{tail}", f"{name.en} was told: {what}{tail}")

    def _tell_links(self) -> None:
        """One line when all connections stand, one when the broker is lost."""
        if self.mqtt is None:
            return
        stations = self.mqtt.stations.values()
        count = sum(station.connected for station in stations)
        errors = [station.error for station in stations if station.error]
        linked = True if count == len(stations) else False if errors and not count else self._linked
        if linked != self._linked:
            self._linked = linked
            tail = f"{count}/{len(stations)}" + ("" if linked else f": {errors[0]}")
            self._progress(self._seconds(self.plant.now), f"MQTT 连接 {tail}", f"MQTT connections {tail}")

    def _seconds(self, us: int) -> float:
        return (us - self.plant.time.start) / SECOND
