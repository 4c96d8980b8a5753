"""The plant's own time: actions at instants, in order, whatever the size of the steps in which it is advanced."""

import heapq
import itertools
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

import msgspec

from hub.truth import TruthFault

MILLISECOND = 1_000
SECOND = 1_000_000
DAY = 86_400 * SECOND

Action = Callable[[], None]


class Said(msgspec.Struct, frozen=True):
    """What a device has to say at an instant of the plant: values, an event, or that a fault began.

    `points` are canonical values, state points their stored number. `at` is microseconds UTC, whole milliseconds.
    """

    at: int
    device: str
    points: Mapping[str, float] = {}
    event: str | None = None
    data: Mapping[str, Any] = {}
    fault: TruthFault | None = None


class Timeline:
    """Runs actions in the order of their instants; equal instants in the order in which they were planned."""

    def __init__(self, start_us: int) -> None:
        self.now = -(-start_us // SECOND) * SECOND
        self.start = self.now
        self.silent: set[str] = set()
        self._plan: list[tuple[int, int, Action]] = []
        self._order = itertools.count()
        self._said: list[Said] = []

    def at(self, when: int, action: Action) -> None:
        """Plan an action; one in the past runs at once, now. `when` is rounded to whole milliseconds."""
        aligned = -(-max(when, self.now) // MILLISECOND) * MILLISECOND
        heapq.heappush(self._plan, (aligned, next(self._order), action))

    def after(self, seconds: float, action: Action) -> None:
        """Plan an action `seconds` from now."""
        self.at(self.now + round(seconds * SECOND), action)

    def every(self, seconds: float, action: Action, first: float = 0.0) -> None:
        """Repeat an action for good, the first time `first` seconds from now."""
        period = round(seconds * SECOND)

        def repeat() -> None:
            self.at(self.now + period, repeat)
            action()

        self.after(first, repeat)

    def say(self, said: Said) -> None:
        """A device speaks, unless it has fallen silent; a fault is noted in any case."""
        if said.fault is not None or said.device not in self.silent:
            self._said.append(said)

    def advance(self, to_us: int) -> list[Said]:
        """Everything said up to and including `to_us`, in order of time."""
        while self._plan and self._plan[0][0] <= to_us:
            self.now, _, action = heapq.heappop(self._plan)
            action()
        self.now = max(self.now, to_us)
        said, self._said = self._said, []
        return said


def stream(seed: int, name: str) -> Random:
    """A random stream of its own for each thing, so that one thing's story does not change another's."""
    return Random(f"{seed}/{name}")
