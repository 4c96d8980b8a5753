"""The driver of virtual buses: reads the outbox, and shows whether the other buses are connected."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import msgspec

from hub.clock import Clock
from hub.context import RunState
from hub.errors import BadFrame, Rejected
from hub.failpoint import failpoint
from hub.model import Arrival, CommandRequest, DeadLetter, Device, Event, Frame, Reading, Receipt, Verdict, event_id
from hub.model import frame_key as key_of
from hub.ports import Intake
from hub.reports.outbox import Reports, Signal, payload
from hub.vocabulary.base import Text
from hub.vocabulary.virtual import VirtualAddress

_MOST = 500
_EACH_S = 1.0
_AGAIN_US = 30_000_000  # a gateway's state is told at least so often: it must not look silent


class VirtualDecoder:
    """A report back to a frame."""

    def __init__(self, devices: Mapping[str, Device]) -> None:
        self._devices = devices

    def decode(self, arrival: Arrival) -> list[Frame | DeadLetter]:
        """One frame. BadFrame when the device is gone or the report cannot be read."""
        device = self._devices.get(arrival.source)
        if device is None:
            raise BadFrame("unknown_device", f"no device {arrival.source!r} any more")
        try:
            body = msgspec.json.decode(arrival.payload, type=_Body)
        except msgspec.DecodeError as error:
            raise BadFrame("malformed", str(error)) from error
        # A report is named by its key alone: said again in other words it is still the same one.
        key = key_of(device.code, str(body.at), body.key.encode())
        return [
            Frame(
                device=device, key=key, natural=True, timed=True, ts=body.at, received=arrival.received,
                source=arrival.source, raw=arrival.payload, readings=_readings(device, body.points),
                events=[Event(event_id(device, key, n, name), name, data)
                        for n, (name, data) in enumerate(body.events) if name in device.kind.events],
                verdicts=[_verdict(each) for each in body.verdicts],
            )
        ]  # fmt: skip


class _Body(msgspec.Struct):
    key: str
    at: int
    events: list[tuple[str, dict[str, Any]]] = []
    points: dict[str, float | None] = {}
    verdicts: list[dict[str, Any]] = []


def _readings(device: Device, points: Mapping[str, float | None]) -> list[Reading]:
    return [
        Reading(device.points[name], value, 0 if value is not None else 1)
        for name, value in points.items()
        if name in device.points
    ]


def _verdict(given: dict[str, Any]) -> Verdict:
    text = given.pop("text", None)
    return Verdict(**given, text=Text(**text) if text else None)


class VirtualDriver:
    """One virtual bus of a community. `parts`: how the running parts of the hub are, by name."""

    def __init__(
        self,
        name: str,
        devices: Sequence[Device],
        everyone: Callable[[], Mapping[int, Device]],
        reports: Reports,
        clock: Clock,
        parts: Mapping[str, RunState],
    ) -> None:
        self._name = name
        self._everyone = everyone
        self._reports = reports
        self._clock = clock
        self._parts = parts
        self._devices: dict[str, Device] = {}
        self._decoder = VirtualDecoder(self._devices)
        self._offered: set[int] = set()
        self._stored: list[int] = []
        self._told: dict[str, tuple[bool, int]] = {}
        self._signal = Signal()
        self.update(devices)

    def decoder(self) -> VirtualDecoder:
        return self._decoder

    def update(self, devices: Sequence[Device]) -> None:
        """Verdicts may speak of any device of the community, so all of them are known."""
        community = self._name.partition("/")[0]
        self._devices.clear()
        self._devices.update({d.code: d for d in self._everyone().values() if d.community == community})
        self._devices.update({d.code: d for d in devices})

    async def run(self, intake: Intake) -> NoReturn:
        """Work until cancelled. psycopg.OperationalError when the store is away."""
        self._offered.clear()  # what was offered to a pipeline that is gone is offered again; a second time is harmless
        self._stored.clear()
        self._reports.on_wake(self._signal.set)
        try:
            while True:
                self._show_gateways(intake)
                taken = await self._outbox(intake)
                if not taken:
                    await self._signal.wait(_EACH_S)
        finally:
            self._reports.off_wake(self._signal.set)

    async def _outbox(self, intake: Intake) -> int:
        community_id = next((device.community_id for device in self._devices.values()), None)
        if community_id is None:
            return 0
        if self._stored:
            failpoint("report_stored")
            done, self._stored = self._stored, []
            await self._reports.forget(community_id, done)
            self._offered.difference_update(done)
        if intake.full() or len(self._offered) >= _MOST:
            return 0
        rows = await self._reports.take(community_id, sorted(self._offered), _MOST - len(self._offered))
        now = self._clock.now_us()
        self._offered.update(row["id"] for row in rows)
        intake.offer(
            [Arrival(self._name, row["device"], payload(row), now, token=row["id"], acknowledger=self) for row in rows]
        )
        return len(rows)

    def acknowledge(self, _session: int, tokens: Sequence[int]) -> None:
        """They are committed: the rows can go."""
        self._stored.extend(tokens)
        self._signal.set()

    def _show_gateways(self, intake: Intake) -> None:
        now, community = self._clock.now_us(), self._name.partition("/")[0]
        for device in self._devices.values():
            address = device.spec.address
            if not isinstance(address, VirtualAddress) or address.bus is None or "connected" not in device.points:
                continue
            part = self._parts.get(f"bus:{community}/{address.bus}")
            connected = part is not None and part.state == "running"
            before, since = self._told.get(device.code, (None, 0))
            if connected != before or now - since >= _AGAIN_US:
                self._told[device.code] = (connected, now)
                body = {"key": f"connected:{now}", "at": now, "points": {"connected": float(connected)}}
                intake.offer([Arrival(self._name, device.code, msgspec.json.encode(body), now)])

    async def execute(self, command: CommandRequest) -> Receipt:
        """Nothing hears it. Rejected."""
        raise Rejected(f"{command.device.code} is a virtual device: it takes no commands")

    async def read(self, device: Device) -> Sequence[Arrival]:
        """Nothing to ask. Rejected."""
        raise Rejected(f"{device.code} is a virtual device: there is nothing to ask")
