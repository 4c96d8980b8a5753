"""One device on a Modbus bus: its polls, its run state, and what was last reported."""

import random
import zlib
from collections.abc import Sequence

from pymodbus.pdu import ModbusPDU

from drivers.modbus.link import read_request
from hub.backoff import full_jitter
from hub.codecs.modbus import Block, Source, decode_block, exception_name
from hub.errors import BadFrame, Misconfigured
from hub.model import Device
from hub.ports import DeviceReport
from hub.vocabulary.modbus import ModbusAddress, ModbusSection
from hub.vocabulary.profiles import ModbusProfile

FIRST_WITHIN_S = 10.0  # a long poll period still gives its first value this soon
PARK_CAP_S = 60.0
PROBES_PER_SILENT = 10  # silent devices may use a tenth of a bus's time


def modbus_of(device: Device) -> tuple[int, ModbusSection]:
    """(unit, the profile's Modbus section). Misconfigured where the device is of another protocol."""
    if not isinstance(device.spec.address, ModbusAddress) or not isinstance(device.profile, ModbusProfile):
        raise Misconfigured(f"{device.code}: a Modbus bus needs `address: {{unit: N}}` and a Modbus profile")
    return device.spec.address.unit, device.profile.modbus


class Poll:
    """One block of one device, read again and again."""

    def __init__(self, station: "Station", block: Block) -> None:
        self.station = station
        self.block = block
        self.place = Source(station.unit, block.table, block.address, block.count)
        self.source = str(self.place)
        self.request: ModbusPDU = read_request(self.place)
        self.due = 0.0  # seconds of the clock's monotonic time
        self.error = 0  # last exception code, 0 after a good answer
        self._reports = [entry.layout.report for entry in block.points]
        self._sparse = all(report is not None for report in self._reports)
        self._told: list[tuple[float | None, int, float]] = []  # value, quality and time last emitted, per point
        self._payload = b""

    def failed(self, code: int) -> str:
        """The source of an exception answer."""
        return str(Source(self.place.unit, self.place.table, self.place.address, self.place.count, code))

    def forget(self) -> None:
        """A new connection: the next answer is emitted whatever it says."""
        self._told = []
        self._payload = b""
        self.error = 0

    def worth_telling(self, payload: bytes, now: float, force: bool = False) -> bool:
        """Whether a point of the block changed beyond its deadband or is due by `every`; then all of it is told."""
        if not self._sparse:
            return True
        if payload == self._payload and not force and not self._overdue(now):
            return False
        try:
            readings = decode_block(self.station.device, self.block, payload)
        except BadFrame:
            return True  # the pipeline shall see it and set it aside
        if not (
            force or not self._told or self._overdue(now) or self._changed([(r.value, r.quality) for r in readings])
        ):
            return False
        self._told = [(reading.value, reading.quality, now) for reading in readings]
        self._payload = payload
        return True

    def _overdue(self, now: float) -> bool:
        return any(
            report is not None and now - at >= report.every.total_seconds()
            for report, (_, _, at) in zip(self._reports, self._told, strict=False)
        )

    def _changed(self, values: Sequence[tuple[float | None, int]]) -> bool:
        for report, (value, quality), (old, old_quality, _) in zip(self._reports, values, self._told, strict=True):
            if quality != old_quality or (value is None) != (old is None):
                return True
            deadband = report.deadband if report else 0.0
            if value is not None and old is not None and abs(value - old) > deadband:
                return True
        return False


class Station:
    """A device as its bus sees it."""

    def __init__(self, device: Device, unit: int, blocks: Sequence[Block], report: DeviceReport) -> None:
        self.device = device
        self.unit = unit
        self.polls = [Poll(self, block) for block in blocks]
        self.attempts = 0
        self.parked_until = 0.0
        self.alive = True
        self._report = report
        self._told = ("", "")

    @property
    def silent(self) -> bool:
        return self.attempts > 0

    def begin(self, now: float) -> None:
        """Lay out the polls from `now` on: spread by the device's code, the same at every start."""
        phase = zlib.crc32(self.device.code.encode()) / 2**32
        self.parked_until = 0.0
        for poll in self.polls:
            poll.due = now + phase * min(poll.block.poll_s, FIRST_WITHIN_S)

    def answered(self, poll: Poll, error: int = 0) -> bool:
        """It spoke, with data or with an exception. True where the exception is news."""
        news = error != poll.error
        poll.error = error
        self.attempts = 0
        bad = next((other for other in self.polls if other.error), None)
        if bad is None:
            self.tell("connected", "")
        else:
            self.tell("error", f"{exception_name(bad.error)} at {bad.place}")
        return news

    def park(self, now: float, timeout_s: float, silent_count: int, rng: random.Random) -> None:
        """Leave it alone for a while, so that the others on the bus keep their interval."""
        floor_s = min(PARK_CAP_S, PROBES_PER_SILENT * timeout_s * max(1, silent_count))
        self.parked_until = now + floor_s + full_jitter(self.attempts, timeout_s, PARK_CAP_S - floor_s, rng)
        self.attempts += 1

    def tell(self, state: str, detail: str) -> None:
        """Report the run state, once per change."""
        if (state, detail) != self._told:
            self._told = (state, detail)
            self._report(self.device, state, detail)

    def take_over(self, old: "Station") -> None:
        """The same device with new configuration: what was told of it stays told."""
        self._told = old._told
