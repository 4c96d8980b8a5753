"""The plant's Modbus side: a real TCP gateway for each Modbus bus, its devices behind their unit numbers.

Registers are encoded from the same profiles the hub reads them with. A write to a command's coil or register acts on
the plant; what it did can be read back.
"""

from collections.abc import Callable, Collection, Iterable, Mapping

from pymodbus.constants import ExcCodes
from pymodbus.exceptions import NoSuchIdException
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator.simcore import SimCore

from hub.clock import Clock
from hub.codecs.modbus import Block, encode_block, is_bits, plan_blocks
from hub.codecs.numbers import encode_number
from hub.errors import Misconfigured
from hub.model import Device
from hub.vocabulary.modbus import ModbusAddress, ModbusBus, ModbusWrite, Table
from hub.vocabulary.numbers import NumberLayout
from hub.vocabulary.profiles import ModbusProfile
from simulators.plant import Plant
from simulators.timeline import Said
from simulators.truth_log import TruthLog, counters

_TABLES: dict[int, Table] = {1: "coil", 2: "discrete", 3: "holding", 4: "input", 5: "coil", 6: "holding"}
_TABLES |= {15: "coil", 16: "holding"}

Command = Callable[[Device, str], bool]
"""Does a command now; False: the device refuses."""


class Unit:
    """One device behind a gateway: its tables, by address, as 16-bit words or bits."""

    def __init__(self, device: Device, profile: ModbusProfile) -> None:
        self.device = device
        self._profile = profile
        self._blocks = plan_blocks(profile.modbus, device.kind.points)
        self._tables: dict[Table, dict[int, int]] = {"coil": {}, "discrete": {}, "holding": {}, "input": {}}
        self._values: dict[str, float] = {}
        for write in profile.modbus.commands.values():
            for offset in range(_width(write)):
                self._tables[write.table][write.address + offset] = 0

    def update(self, said: Said) -> None:
        """The plant's word becomes registers at once."""
        self._values.update(said.points)
        for block in self._blocks:
            if any(point.name in said.points for point in block.points):
                self._store(block)

    def read(self, table: Table, address: int, count: int) -> list[int] | None:
        """Words or bits; None where one address does not exist."""
        cells = self._tables[table]
        found = [cells.get(address + offset) for offset in range(count)]
        return None if None in found else [cell for cell in found if cell is not None]

    def write(self, table: Table, address: int, values: list[int]) -> str | None:
        """Store what is written and name the command it means. KeyError: nothing may be written there."""
        for name, command in self._profile.modbus.commands.items():
            if (command.table, command.address) == (table, address) and values == _raw(command, self._profile):
                for offset, value in enumerate(values):
                    self._tables[table][address + offset] = value
                return name
        cells = self._tables[table]
        if any(address + offset not in cells for offset in range(len(values))):
            raise KeyError(address)
        return None

    def _store(self, block: Block) -> None:
        cells, data = self._tables[block.table], encode_block(block, self._values)
        if is_bits(block.table):
            for index in range(block.count):
                cells[block.address + index] = data[index >> 3] >> (index & 7) & 1
        else:
            for index in range(block.count):
                cells[block.address + index] = int.from_bytes(data[2 * index : 2 * index + 2], "big")


def _width(write: ModbusWrite) -> int:
    return 2 if write.type in ("uint32", "int32", "float32") else 1


def _raw(write: ModbusWrite, profile: ModbusProfile) -> list[int]:
    """What stands on the wire when the command is written: one bit, or one or two words."""
    if write.table == "coil":
        return [int(bool(write.value))]
    data = encode_number(NumberLayout(type=write.type), profile.modbus.byte_order, write.value)
    return [int.from_bytes(data[index : index + 2], "big") for index in range(0, len(data), 2)]


class Gateway(SimCore):
    """The memory of a gateway as pymodbus asks for it. A silent unit gives no answer at all, as a dead wire does."""

    def __init__(self, units: dict[int, Unit], silent: Callable[[str], bool], command: Command) -> None:
        super().__init__([])
        self._units, self._silent, self._command = units, silent, command

    def device_ids(self) -> list[int]:
        return list(self._units)

    async def async_getValues(
        self, device_id: int, func_code: int, address: int, count: int = 1
    ) -> list[int] | list[bool] | ExcCodes:
        unit = self._unit(device_id)
        if unit is None:
            return ExcCodes.GATEWAY_NO_RESPONSE
        table = _TABLES.get(func_code)
        if table is None:
            return ExcCodes.ILLEGAL_FUNCTION
        cells = unit.read(table, address, count)
        if cells is None:
            return ExcCodes.ILLEGAL_ADDRESS
        return [bool(cell) for cell in cells] if is_bits(table) else cells

    async def async_setValues(
        self, device_id: int, func_code: int, address: int, values: list[int] | list[bool]
    ) -> ExcCodes | None:
        unit = self._unit(device_id)
        if unit is None:
            return ExcCodes.GATEWAY_NO_RESPONSE
        table = _TABLES.get(func_code)
        if table is None:
            return ExcCodes.ILLEGAL_FUNCTION
        try:
            name = unit.write(table, address, [int(value) for value in values])
        except KeyError:
            return ExcCodes.ILLEGAL_ADDRESS
        if name is None:
            return ExcCodes.ILLEGAL_VALUE
        return None if self._command(unit.device, name) else ExcCodes.DEVICE_FAILURE

    def _unit(self, number: int) -> Unit | None:
        unit = self._units.get(number)
        if unit is not None and self._silent(unit.device.code):
            raise NoSuchIdException(f"unit {number} is silent")  # the server then sends nothing
        return unit


class ModbusWire:
    """The gateways of a site. `say` renews registers and writes the counters down; `start` and `stop` the servers."""

    def __init__(
        self,
        plant: Plant,
        devices: Iterable[Device],
        clock: Clock,
        truth: TruthLog,
        executed: Callable[[Device, str, str], None],
    ) -> None:
        self._plant, self._clock, self._truth, self._executed = plant, clock, truth, executed
        self._units: dict[str, Unit] = {}
        self._buses: dict[str, dict[int, Unit]] = {}
        self._servers: dict[str, ModbusTcpServer] = {}
        self._addresses: Mapping[str, ModbusBus] = {}
        for device in devices:
            if isinstance(device.profile, ModbusProfile) and isinstance(device.spec.address, ModbusAddress):
                unit = self._units[device.code] = Unit(device, device.profile)
                self._buses.setdefault(device.spec.bus, {})[device.spec.address.unit] = unit

    def say(self, said: Said) -> None:
        """Take a word of the plant, if it is one of ours; the truth first, then the register."""
        unit = self._units.get(said.device)
        if unit is None or not said.points:
            return
        for point in counters(unit.device, list(said.points)):
            self._truth.counter(unit.device, point, self._clock.now_us(), said.points[point])
        unit.update(said)

    async def start(self, buses: Mapping[str, ModbusBus]) -> None:
        """Listen on every bus that has devices. Misconfigured: a port is taken."""
        self._addresses = buses
        for name in self._buses:
            await self._listen(name)

    async def cut(self, lost: Collection[str]) -> None:
        """Gateways of these buses are off; all others are on."""
        for name in list(self._servers):
            if name in lost:
                await self._servers.pop(name).shutdown()  # type: ignore[no-untyped-call]
        for name in self._buses:
            if name not in lost and name not in self._servers:
                await self._listen(name)

    async def _listen(self, name: str) -> None:
        bus = self._addresses[name]
        server = ModbusTcpServer([], address=(bus.host, bus.port), ignore_missing_devices=True)
        server.context = Gateway(self._buses[name], self._plant.silent, self._command)
        try:
            await server.serve_forever(background=True)
        except RuntimeError as error:
            await self.stop()
            raise Misconfigured(f"{name}: cannot listen on {bus.host}:{bus.port}") from error
        self._servers[name] = server

    async def stop(self) -> None:
        """Close every listener and connection."""
        for server in self._servers.values():
            await server.shutdown()  # type: ignore[no-untyped-call]
        self._servers.clear()

    def _command(self, device: Device, name: str) -> bool:
        done = self._plant.command(device.code, name, "")
        self._executed(device, name if done else "refused", "")
        return done
