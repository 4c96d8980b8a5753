"""The small protocols by which rooms meet. One method each where it can be."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

from hub.clock import Clock
from hub.model import Arrival, Clip, CommandRequest, DeadLetter, Device, Frame, Receipt
from hub.vocabulary.sites import Bus


class Intake(Protocol):
    """The pipeline's front door as a driver sees it."""

    def offer(self, arrivals: Sequence[Arrival]) -> None:
        """Take arrivals. Never blocks. A driver with a source that can wait must heed `full`."""
        ...

    def full(self, urgent: bool = False) -> bool:
        """True while the queue is over its high mark: stop reading the source. `urgent`: one of life safety alone."""
        ...

    def on_room(self, callback: Callable[[], None], urgent: bool = False) -> None:
        """Call back (in the event loop) each time the queue falls below its low mark after having been full."""
        ...


class Decoder(Protocol):
    """Bytes to meaning for one bus."""

    def decode(self, arrival: Arrival) -> list[Frame | DeadLetter]:
        """Frames, and dead letters for parts of it; raises BadFrame when the whole arrival is unusable."""
        ...


class Driver(Protocol):
    """One bus of a site, in one protocol."""

    def decoder(self) -> Decoder: ...

    async def run(self, intake: Intake) -> None:
        """Work until cancelled or the connection is lost. Raises Unreachable, Rejected or Misconfigured; the
        supervisor starts it again."""
        ...

    async def execute(self, command: CommandRequest) -> Receipt:
        """Send a command now. Raises Unreachable, Rejected, or Misconfigured (the profile has no such command)."""
        ...

    async def read(self, device: Device) -> Sequence[Arrival]:
        """Ask one device now, for `hub read`. A protocol that only listens waits for the next message."""
        ...

    def update(self, devices: Sequence[Device]) -> None:
        """The bus's devices changed; those that did not change must not notice."""
        ...


@runtime_checkable
class TakesPictures(Protocol):
    """A driver whose devices are cameras."""

    async def picture(self, device: Device) -> tuple[bytes, int]:
        """An image as it now is, in any format, and when it was taken. Unreachable, Rejected, Misconfigured."""
        ...


class Tape(Protocol):
    """What a camera shows from a moment on."""

    async def cut(self, until: int) -> Clip:
        """A clip up to that moment (UTC microseconds), or to where the stream ended. Unreachable: nothing of that time
        is there; Rejected: it cannot be made a clip of; Misconfigured."""
        ...


@runtime_checkable
class RecordsClips(Protocol):
    """A driver whose cameras are held ready for clips."""

    def tape(self, device: Device, since: int, at: int) -> AbstractContextManager[Tape]:
        """Keep what the camera shows from `since` on (UTC microseconds) while the context is open; `at`: the moment it
        is about, which counts most where the stream breaks off. Unreachable: it is not held ready."""
        ...


class DriverFactory(Protocol):
    """Makes a driver for a bus."""

    def __call__(
        self, name: str, bus: Bus, devices: Sequence[Device], clock: Clock, report: "DeviceReport"
    ) -> Driver: ...


class DeviceReport(Protocol):
    """How a polling driver tells of a device's run state (`connected`, `silent`, `error`), once per change."""

    def __call__(self, device: Device, state: str, detail: str) -> None: ...
