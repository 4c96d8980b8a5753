"""A rule bound to one device in plain numbers, and what it remembers. Pure data; times in microseconds UTC."""

from collections.abc import Mapping
from typing import Any, Literal, Protocol

import msgspec

Phase = Literal["idle", "pending", "counted", "raised", "cleared", "armed"]


class Bucket(msgspec.Struct, frozen=True, array_like=True):
    """Samples of one stretch of time, in short."""

    start: int
    first_ts: int
    last_ts: int
    count: int
    total: float
    low: float
    high: float
    first: float
    last: float


class Match(msgspec.Struct, frozen=True, array_like=True):
    """A sequence that has begun: when each step so far happened, and when it was heard of."""

    times: tuple[int, ...]
    heard: tuple[int, ...]
    lag: int = 0  # of the device that said the newest step


class Run(msgspec.Struct, frozen=True, omit_defaults=True):
    """A state that holds, or held until `end`, device time. `judged`: its window is, and waits for its end only."""

    start: int
    end: int | None = None
    judged: bool = False


class State(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a rule remembers of one device. None instead of it: nothing.

    idle: only what is beside it matters; pending: true since `since`, not yet long enough; counted: one occurrence of
    a repeat, still standing; raised; cleared: a clear event was the last word; armed: an absence counts from `began`.
    """

    phase: Phase
    since: int = 0  # device time: when it became true; raised: when the alarm began
    began: int = 0  # time of receipt of the same moment
    lag: int = 0  # how late the device that told of it usually is
    value: float | None = None  # the worst value while pending
    recent: tuple[int, ...] = ()  # occurrences that count towards a repeat; analyses: intervals that were wrong
    buckets: tuple[Bucket, ...] = ()  # windows: what is not judged for good
    mark: int = (
        0  # windows: device time up to which all is judged; absence of others: counted from here; during: last turn
    )
    wake: int = 0  # absence of others: look again at this time of receipt
    skew: int = 0  # windows: receipt less device time of what came fastest
    late: bool = False  # windows: the last reading came too late, and that was told
    parts: dict[str, "State"] = {}  # several conditions by number, other devices by id
    matches: tuple[Match, ...] = ()  # sequences that have begun
    seen: dict[str, tuple[int, ...]] = {}  # sequences: occurrences by step
    streak: int = 0  # analyses: intervals in a row
    run: Run | None = None  # state windows: the one that is not over, `buckets` what was said in it
    deaf: tuple[int, int] | None = None  # absences: nobody listened from then to then, times of receipt


class Threshold(msgspec.Struct, frozen=True):
    """A point against a limit."""

    sign: int  # 1 above, -1 below, 0 equals
    limit: float
    clear: float | None
    lasting: int
    times: int
    within: int
    point: str = ""

    def trips(self, value: float) -> bool:
        sign = self.sign
        return value > self.limit if sign > 0 else value < self.limit if sign < 0 else value == self.limit

    def clears(self, value: float) -> bool:
        if self.clear is None:
            return not self.trips(value)
        return value < self.clear if self.sign > 0 else value > self.clear


class Occurrence(msgspec.Struct, frozen=True):
    """An event."""

    name: str
    where: tuple[tuple[str, Any], ...]
    clear_event: str | None
    clear_after: int
    times: int
    within: int


class Silence(msgspec.Struct, frozen=True):
    """An absence, by one device's patience."""

    after: int


class Change(msgspec.Struct, frozen=True):
    """A point that moves. `level` judges the extent within `within`, or the rate; without it each move is an alarm."""

    own: int
    point: str
    direction: int  # 1 up, -1 down, 0 any
    by: float
    within: int
    per: int  # of a rate; 0: none
    level: Threshold | None


class Stuck(msgspec.Struct, frozen=True):
    """A point that does not move."""

    own: int
    point: str
    deadband: float
    lasting: int
    gap: int  # what is not told for longer is not known to stand still


class Window(msgspec.Struct, frozen=True):
    """An aggregate over time. Exactly one of `size`, `gap` and `samples` is not 0. `holds`: over the time in which this
    does, `size` of it at most."""

    own: int
    point: str
    event: str
    where: tuple[tuple[str, Any], ...]
    aggregate: str
    size: int
    every: int
    gap: int
    samples: int
    lateness: int
    origin: int  # windows begin at origin + n · every
    level: Threshold
    holds: Threshold | None = None

    @property
    def judges_nothing(self) -> bool:
        """A window in which nothing came is judged too: its count is 0."""
        return self.aggregate == "count" and self.size > 0


class Occasion(msgspec.Struct, frozen=True):
    """One step of a sequence, or what must not happen around it."""

    devices: frozenset[int]
    event: str
    where: tuple[tuple[str, Any], ...]
    point: str
    above: float | None
    below: float | None
    values: Mapping[int, tuple[float, ...]]  # device -> numbers of the words meant
    within: int  # a step: after the one before; what must not happen: after its step, 0: before it
    before: int = 0

    def shows(self, device: int, value: float) -> bool:
        if self.above is not None:
            return value > self.above
        if self.below is not None:
            return value < self.below
        return value in self.values.get(device, ())


class Sequence(msgspec.Struct, frozen=True):
    """Steps in order; `absent[i]` must not happen around step i."""

    steps: tuple[Occasion, ...]
    absent: tuple[tuple[Occasion, ...], ...]
    lateness: int
    done: Occurrence  # what its completion is: an event that ends at once or by itself


class Near(msgspec.Struct, frozen=True):
    """How many of the devices around show something; `level` judges the number."""

    members: Mapping[int, Threshold | Silence]
    level: Threshold
    patient: bool = False  # what they show must last

    @property
    def silent(self) -> bool:
        return any(type(one) is Silence for one in self.members.values())


class Evaluates(Protocol):
    """A compiled expression: `rules.expressions.Compiled`."""

    def evaluate(self, values: Mapping[str, object]) -> object: ...


class Source(msgspec.Struct, frozen=True):
    """One point of one device. `patience`: after so long without word of the point its value counts for nothing."""

    device: int
    name: str
    point: int
    words: Mapping[float, str]
    patience: int


class Input(msgspec.Struct, frozen=True):
    """What an expression calls a value (`single`), or a list of them."""

    name: str
    sources: tuple[Source, ...]
    single: bool


class Expression(msgspec.Struct, frozen=True):
    """An expression over points; `level` judges 1 (true) and 0, or where it is a `number` that."""

    compiled: Evaluates
    inputs: tuple[Input, ...]
    level: Threshold
    number: bool = False


class Analysis(msgspec.Struct, frozen=True):
    """The outcome of a periodic analysis, so many intervals in a row."""

    intervals: int
    every: int  # from the end of one interval to that of the next


class Several(msgspec.Struct, frozen=True):
    """Several conditions on one device; `level` judges how many hold."""

    own: int
    parts: tuple["Single", ...]
    level: Threshold


class Hours(Protocol):
    """A calendar: `rules.calendars.Calendar`."""

    def active(self, at: int, zone: str) -> bool: ...

    def next_change(self, at: int, zone: str) -> int | None: ...


class During(msgspec.Struct, frozen=True):
    """A condition that counts only while a calendar is active."""

    calendar: Hours
    zone: str
    inner: "Single | Several"


Single = Threshold | Occurrence | Silence | Change | Stuck | Window | Sequence | Near | Expression | Analysis

Condition = Single | Several | During


def level_of(state: State | None) -> State | None:
    """The part of a state that tells of a level: raised, pending or nothing."""
    if state is None or (state.phase in ("idle", "armed") and not state.recent):
        return None
    return State(state.phase, state.since, state.began, state.lag, state.value, state.recent)


def join(memory: State, level: State | None) -> State | None:
    """The memory with another level; None where nothing is left to remember."""
    if level is None:
        joined = msgspec.structs.replace(memory, phase="idle", since=0, began=0, lag=0, value=None, recent=())
        return None if joined == IDLE else joined
    return msgspec.structs.replace(
        memory, phase=level.phase, since=level.since, began=level.began, lag=level.lag, value=level.value,
        recent=level.recent,
    )  # fmt: skip


IDLE = State("idle")
