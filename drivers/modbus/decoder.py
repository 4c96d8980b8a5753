"""Arrivals of a Modbus bus to frames; also for dead letters replayed after the profile changed."""

from collections.abc import Mapping

from drivers.modbus.station import Station, modbus_of
from hub.codecs.modbus import Block, Source, bad_readings, block_at, decode_block, parse_source
from hub.codecs.reasons import DeadReason
from hub.errors import BadFrame
from hub.model import Arrival, DeadLetter, Device, Frame, frame_key


class ModbusDecoder:
    """Knows the bus's devices by unit; `install` changes them."""

    def __init__(self) -> None:
        self._stations: Mapping[int, Station] = {}
        self._known: dict[str, tuple[Device, Block]] = {}

    def install(self, stations: Mapping[int, Station]) -> None:
        """These devices are on the bus now."""
        known: dict[str, tuple[Device, Block]] = {}
        for station in stations.values():
            for poll in station.polls:
                if poll.source in known:  # two poll periods, one place: all points that lie there
                    known[poll.source] = (station.device, _block_at(station.device, poll.place))
                else:
                    known[poll.source] = (station.device, poll.block)
        self._stations, self._known = stations, known

    def decode(self, arrival: Arrival) -> list[Frame | DeadLetter]:
        """One frame. BadFrame unknown_source, unknown_device, truncated, malformed."""
        found = self._known.get(arrival.source)
        if found is not None:
            device, block = found
            readings = decode_block(device, block, arrival.payload)
        else:
            source = parse_source(arrival.source)
            device, block = self._find(source)
            readings = bad_readings(device, block) if source.error else decode_block(device, block, arrival.payload)
        received = arrival.received
        return [
            Frame(
                device=device,
                key=frame_key(device.code, f"{received}|{arrival.source}", arrival.payload),
                natural=False,
                timed=False,
                ts=received,
                received=received,
                source=arrival.source,
                raw=arrival.payload,
                readings=readings,
                events=[],
                duplicate=arrival.duplicate,
                token=arrival.token,
            )
        ]

    def _find(self, source: Source) -> tuple[Device, Block]:
        plain = str(Source(source.unit, source.table, source.address, source.count))
        if plain in self._known:
            return self._known[plain]
        station = self._stations.get(source.unit)
        if station is None:
            raise BadFrame(DeadReason.UNKNOWN_DEVICE, f"no device with unit {source.unit} on this bus")
        return station.device, _block_at(station.device, source)


def _block_at(device: Device, source: Source) -> Block:
    _, section = modbus_of(device)
    return block_at(section, device.kind.points, source)
