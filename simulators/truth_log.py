"""Writing the truth down: before it is said, and once more when the broker has taken it."""

import itertools
from collections.abc import Sequence
from typing import Any, TextIO

from hub.model import Device
from hub.truth import TruthCounter, TruthEvent, TruthFault, TruthOutcome, TruthRun, write_truth


class TruthLog:
    """The truth file of one run. Message numbers begin at the run's start, so that runs in one file do not collide."""

    def __init__(self, file: TextIO, start_us: int, seed: int) -> None:
        self._file = file
        self._seed = seed
        self._numbers = itertools.count(start_us)
        self._registers: dict[tuple[str, str], str] = {}
        write_truth(file, TruthRun(start_us, "begins", seed))

    def number(self) -> int:
        """A number for a message about to be sent."""
        return next(self._numbers)

    def event(
        self,
        device: Device,
        name: str,
        at: int,
        *,
        data: dict[str, Any],
        sequence: int | None,
        timed: bool,
        message: int,
    ) -> None:
        """An event that will be sent in `message`; unknown until `settled`."""
        write_truth(self._file, TruthEvent(device.code, name, at, sequence, "unknown", data, timed, message))

    def counter(self, device: Device, point: str, at: int, value: float, message: int | None = None) -> None:
        """A register's digits: told in `message`, or (None) readable from `at` on; written only when they change."""
        digits = format(value, ".10g") if value < 1e9 else repr(value)
        if message is None:
            if self._registers.get((device.code, point)) == digits:
                return
            self._registers[device.code, point] = digits
        write_truth(self._file, TruthCounter(device.code, point, at, digits, message is not None, message))

    def fault(self, fault: TruthFault) -> None:
        write_truth(self._file, fault)

    def settled(self, message: int, outcome: str) -> None:
        """The broker has taken the message (`ok`), or it was cut and will not be sent again (`unknown`)."""
        write_truth(self._file, TruthOutcome(message, "ok" if outcome == "ok" else "unknown"))

    def end(self, at: int) -> None:
        write_truth(self._file, TruthRun(at, "ends", self._seed))


def counters(device: Device, points: Sequence[str]) -> list[str]:
    """Those of the points that only grow."""
    return [name for name in points if device.points[name].spec.type == "counter"]
