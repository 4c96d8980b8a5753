"""The driver of a bus of cameras: pictures when an alarm asks for them, now and then one to see that they work, and for
those with `clip` their stream held ready."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

import msgspec

from drivers.rtsp.ffmpeg import Stream, grab
from drivers.rtsp.recorder import Recorder
from hub.clock import Clock
from hub.codecs.reasons import DeadReason
from hub.errors import BadFrame, Expired, Misconfigured, Rejected, Unreachable
from hub.model import Arrival, CommandRequest, DeadLetter, Device, Frame, Reading, Receipt, frame_key
from hub.ports import Decoder, DeviceReport, Intake, Tape
from hub.tasks import end
from hub.vocabulary.rtsp import RtspAddress, RtspBus, is_stream
from hub.vocabulary.sites import Bus


class _Told(msgspec.Struct):
    """What the driver says after each picture."""

    took_ms: int


class _Held(msgspec.Struct):
    """A camera whose stream is held ready, as it was installed when that began."""

    device: Device
    recorder: Recorder
    task: asyncio.Task[None]


class RtspDecoder:
    """How long a picture took: the camera's sign of life."""

    def __init__(self, cameras: Mapping[str, Device]) -> None:
        self._cameras = cameras

    def decode(self, arrival: Arrival) -> list[Frame | DeadLetter]:
        """One frame. BadFrame unknown_device, malformed."""
        device = self._cameras.get(arrival.source)
        if device is None:
            raise BadFrame(DeadReason.UNKNOWN_DEVICE, f"no camera {arrival.source[:64]!r} on this bus")
        try:
            told = msgspec.json.decode(arrival.payload, type=_Told)
        except (msgspec.MsgspecError, UnicodeError) as error:
            raise BadFrame(DeadReason.MALFORMED, str(error)) from error
        point, at = device.points.get("answer_time"), arrival.received
        return [
            Frame(
                device=device, key=frame_key(device.code, str(at), arrival.payload), natural=False, timed=False, ts=at,
                received=at, source=arrival.source, raw=arrival.payload,
                readings=[Reading(point, told.took_ms / 1000)] if point else [], events=[],
                duplicate=arrival.duplicate, token=arrival.token,
            )
        ]  # fmt: skip


class RtspDriver:
    """The cameras of one bus, at most `at_once` pictures at a time; those to see that they work one by one."""

    def __init__(self, name: str, bus: Bus, devices: Sequence[Device], clock: Clock, report: DeviceReport) -> None:
        """Misconfigured: not a bus of cameras, or a device without a stream."""
        if not isinstance(bus, RtspBus):
            raise Misconfigured(f"bus {name} is not a bus of cameras (protocol rtsp)")
        self._name, self._bus, self._clock, self._report = name, bus, clock, report
        self._slots = asyncio.Semaphore(bus.at_once)
        self._cameras: dict[str, Device] = {}
        self._decoder = RtspDecoder(self._cameras)
        self._due: dict[str, float] = {}  # monotonic time of the next look at each
        self._silent: set[str] = set()  # cameras that did not answer the last time
        self._told: dict[str, tuple[str, str]] = {}
        self._held: dict[str, _Held] = {}
        self._wake = asyncio.Event()
        self._intake: Intake | None = None
        self.update(devices)

    def decoder(self) -> Decoder:
        return self._decoder

    def update(self, devices: Sequence[Device]) -> None:
        """New and changed cameras are looked at first. Misconfigured changes nothing."""
        for device in devices:
            self._stream(device)
        before = dict(self._cameras)
        self._cameras.clear()
        self._cameras.update({device.code: device for device in devices})
        self._due = {d.code: self._due.get(d.code, 0.0) if before.get(d.code) == d else 0.0 for d in devices}
        self._silent = {code for code in self._silent if code in self._cameras and self._cameras[code] == before[code]}
        self._wake.set()

    def _stream(self, device: Device) -> Stream:
        address = device.spec.address
        if not isinstance(address, RtspAddress) or not is_stream(address.url):
            raise Misconfigured(f"{device.code}: a camera needs `address: {{url: rtsp://host:554/path}}`")
        return Stream(address.url, self._bus.username, self._bus.password)

    async def run(self, intake: Intake) -> None:
        """Look at each camera every `probe` until cancelled, and hold the streams of those with `clip` ready.

        Unreachable when none of them gives picture or stream; Misconfigured without ffmpeg.
        """
        if self._intake is not intake:
            intake.on_room(self._wake.set)
            self._intake = intake
        self._due = dict.fromkeys(self._cameras, self._clock.monotonic())
        self._silent.clear()
        try:
            while True:
                await self._turn(intake)
        finally:
            await end([held.task for held in self._held.values()])
            self._held.clear()

    async def _turn(self, intake: Intake) -> None:
        self._wake.clear()
        await self._hold()
        code = self._next()
        if code is None or intake.full():
            left = min(self._due.values(), default=math.inf) - self._clock.monotonic()
            await self._rest(min(max(left, 1.0), 3600.0))
            return
        device = self._cameras[code]
        try:
            await self.picture(device)
        except Unreachable:
            if len(self._silent) == len(self._cameras) and not any(held.recorder.flows for held in self._held.values()):
                raise
        except Rejected:
            pass  # told as the camera's state; asked again at once and again, it would lock the account
        self._looked(device)

    async def _hold(self) -> None:
        """Record those with `clip` as they are installed now, and nobody else."""
        gone = [code for code, held in self._held.items() if self._cameras.get(code) != held.device]
        for held in self._held.values():
            if held.task.done():
                held.task.result()  # a fault of ours: the supervisor tells it
        await end([self._held.pop(code).task for code in gone])
        for code, device in self._cameras.items():
            address = device.spec.address
            assert isinstance(address, RtspAddress)
            if address.clip is not None and code not in self._held:
                stream = msgspec.structs.replace(self._stream(device), url=address.clip.url or address.url)
                recorder = Recorder(stream, address.clip.before, self._bus.probe.total_seconds(), self._clock,
                                    lambda device=device: self._recording(device))  # type: ignore[misc]  # fmt: skip
                task = asyncio.create_task(recorder.run(), name=f"clip:{code}")
                task.add_done_callback(lambda _: self._wake.set())
                self._held[code] = _Held(device, recorder, task)

    def _recording(self, device: Device) -> None:
        """Whether it records changed: that stands beside its state, where it works at all."""
        if self._same(device) and self._told.get(device.code, ("",))[0] == "connected":
            self._tell_works(device)

    def _tell_works(self, device: Device) -> None:
        held = self._held.get(device.code)
        trouble = held.recorder.trouble if held else ""
        self._tell(device, "connected", f"no clips: {trouble}" if trouble else "")

    def tape(self, device: Device, since: int, at: int) -> AbstractContextManager[Tape]:
        """What it shows from `since` on, of the moment `at`. Unreachable: its stream is not held ready."""
        held = self._held.get(device.code)
        if held is None or held.device != device:
            raise Unreachable(f"{device.code}: its stream is not held ready")
        return held.recorder.tape(since, at)

    async def _rest(self, seconds: float) -> None:
        timer = asyncio.get_running_loop().call_later(seconds, self._wake.set)
        await self._wake.wait()
        timer.cancel()

    def _next(self) -> str | None:
        """Of the cameras that are due the one to look at. Those of an address that gave nothing the last time wait for
        the others, a probe at most: a recorder that hangs makes no other camera silent."""
        now, probe_s = self._clock.monotonic(), self._bus.probe.total_seconds()
        hung = {self._stream(self._cameras[code]).where for code in self._silent}

        def turn(code: str) -> tuple[bool, bool, float]:
            late = now - self._due[code] > probe_s
            behind = not late and self._stream(self._cameras[code]).where in hung
            return behind, not late and code in self._silent, self._due[code]

        return min((code for code, at in self._due.items() if at <= now), key=turn, default=None)

    def _looked(self, device: Device) -> None:
        if self._same(device):
            self._due[device.code] = self._clock.monotonic() + self._bus.probe.total_seconds()

    def _same(self, device: Device) -> bool:
        """Whether it is still installed as it was when it was asked."""
        return self._cameras.get(device.code) == device

    async def picture(self, device: Device) -> tuple[bytes, int]:
        """A JPEG and when it was taken; how the camera is goes into the pipeline. Unreachable, Rejected,
        Misconfigured."""
        stream = self._stream(device)
        async with self._slots:
            began = self._clock.monotonic()
            try:
                body = await grab(stream, self._bus.timeout.total_seconds())
            except Unreachable as error:
                self._silent |= {device.code} if self._same(device) else set()
                self._tell(device, "silent", str(error))
                raise
            except Rejected as error:
                self._silent.discard(device.code)
                self._tell(device, "error", str(error))
                raise
            taken, took_s = self._clock.now_us(), self._clock.monotonic() - began
        self._silent.discard(device.code)
        self._tell_works(device)
        self._looked(device)
        if self._intake is not None:
            self._intake.offer([self._arrival(device, taken, took_s)])
        return body, taken

    def _arrival(self, device: Device, taken: int, took_s: float) -> Arrival:
        return Arrival(self._name, device.code, msgspec.json.encode(_Told(round(took_s * 1000))), taken)

    def _tell(self, device: Device, state: str, detail: str) -> None:
        """Report the run state, once per change."""
        if self._told.get(device.code) != (state, detail):
            self._told[device.code] = (state, detail)
            self._report(device, state, detail)

    async def execute(self, command: CommandRequest) -> Receipt:
        """A camera takes no commands. Expired, Misconfigured."""
        if self._clock.now_us() >= command.expires:
            raise Expired(f"command {command.id} expired before its turn; nothing was sent")
        raise Misconfigured(f"{command.device.code} is a camera: it has no command {command.name!r}")

    async def read(self, device: Device) -> Sequence[Arrival]:
        """Take a picture and tell how long it took. Unreachable, Rejected, Misconfigured."""
        began = self._clock.monotonic()
        _, taken = await self.picture(device)
        return [self._arrival(device, taken, self._clock.monotonic() - began)]
