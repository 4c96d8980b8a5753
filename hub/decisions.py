"""What the rules say to the pipeline: pure data that one transaction makes true, or nothing does."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol

import msgspec

from hub.model import Device, Frame
from hub.vocabulary.base import Text

Priority = Literal["critical", "high", "medium", "low"]
"""Alarm priority (ISA-18.2); 1 to 4 on the screens."""


class RuleState(msgspec.Struct, frozen=True):
    """What a rule remembers of one device. Stored in the batch's transaction, loaded at start."""

    rule: str
    device_id: int
    state: dict[str, Any]  # JSON object, small; empty: forget the row
    wake_at: int | None  # microseconds UTC; evaluate again then, whatever comes


class AlarmChange(msgspec.Struct, frozen=True):
    """A condition began or ended. The alarm book turns it into a state transition, exactly once."""

    action: Literal["raise", "return"]
    rule: str
    device: Device
    priority: Priority
    title: Text
    at: int  # when the condition became true or false, microseconds UTC
    text: Text  # what was seen: value, limit, duration
    cause: bytes | None  # key of the frame that decided; None: time alone
    life_safety: bool = False
    work_order: bool = False
    procedure: Text | None = None  # response procedure (应急预案), shown with the alarm
    latch: bool = False  # returned, it stays until a person resets it
    suppresses: bool = False  # while it is active, alarms of devices below this one are suppressed by design
    historical: bool = False  # it happened long before it could be heard: history, not noise
    limit: float | None = None  # canonical unit of `point`
    point: str | None = None  # the point whose trend tells of it
    cost_fen: int | None = None  # what the anomaly costs, by the tariff in force
    group: str = ""  # first-out group; "": none
    shelvable: bool = True


class CommandWish(msgspec.Struct, frozen=True):
    """A rule wants a command given. It is queued with the batch and goes the way of every command."""

    rule: str
    device: Device
    name: str
    reason: str
    at: int  # when the rule decided; the command's time to live counts from here


class Reason(msgspec.Struct, frozen=True):
    """Why a rule moved: kept for `hub explain`."""

    rule: str
    device_id: int
    at: int
    cause: bytes | None
    outcome: str  # "pending", "raised", "returned", "cancelled", "waiting"
    text: str


class Decision(msgspec.Struct):
    """The whole outcome of one batch."""

    states: list[RuleState]
    alarms: list[AlarmChange]
    reasons: list[Reason]
    commands: list[CommandWish] = []


class Calculator(Protocol):
    """The calculated points of virtual devices as the pipeline sees them."""

    def configure(self, devices: Mapping[int, Device], last: Mapping[int, tuple[int, float | None]]) -> list[str]:
        """Begin with these devices; `last`: point id -> newest (ts, value). Gives what is wrong and left out."""
        ...

    def calculate(self, frames: Sequence[Frame]) -> list[Frame]:
        """The frames that follow from these. Changes nothing that `accept` does not make permanent."""
        ...

    def accept(self) -> None:
        """The batch of the last `calculate` is committed."""
        ...


class NoCalculator:
    """Where no plug brings one: virtual devices show nothing but what is told of them."""

    def configure(self, devices: Mapping[int, Device], last: Mapping[int, tuple[int, float | None]]) -> list[str]:
        del devices, last
        return []

    def calculate(self, frames: Sequence[Frame]) -> list[Frame]:
        del frames
        return []

    def accept(self) -> None:
        """Nothing was computed."""


class Evaluator(Protocol):
    """The rules as the pipeline sees them."""

    def load(
        self,
        states: Iterable[RuleState],
        last_seen: Mapping[int, int] | None = None,
        last_points: Mapping[int, int] | None = None,
        last_values: Mapping[int, float] | None = None,
        heard_until: int | None = None,
    ) -> None:
        """Begin from what the store remembers, forgetting all else; `configure` comes next.

        `last_seen`: device id -> when something fresh was last received from it, so that a restart does not begin the
        window of silence anew. `last_points`: point id -> newest device time, so that late readings are known as late.
        `last_values`: point id -> newest usable value. `heard_until`: up to when all was heard, where that is known.
        """
        ...

    def configure(self, devices: Mapping[int, Device], now: int) -> None:
        """The devices changed (start, reload). State of devices that stay is kept."""
        ...

    def set_back(self, now: int) -> None:
        """The clock was set back to `now`: nothing was heard later than that."""
        ...

    @property
    def rules(self) -> Sequence[Any]:
        """Those of every community that has no other ones, as `replace_rules` of another evaluator of this sort takes
        them."""
        ...

    def rules_of(self, community_id: int) -> Sequence[Any]:
        """The rules one community is judged by."""
        ...

    def replace_rules(self, rules: Sequence[Any], now: int, own: Mapping[int, Sequence[Any]] = ...) -> None:
        """Other rules from now on; what unchanged rules remember is kept. Never between `evaluate` and `accept`.

        `own`: community id -> all the rules it is judged by, in place of `rules`.
        """
        ...

    def replace_rules_of(self, community_id: int, rules: Sequence[Any], now: int) -> None:
        """The same in one community alone; in others nothing changes."""
        ...

    def evaluate(self, frames: Sequence[Frame], now: int, overtaken: int | None = None) -> Decision:
        """Judge frames, then every wake-up due at `now`. Changes nothing that `accept` does not make permanent.

        `overtaken`: when the first of those that these frames went ahead of was received, if any."""
        ...

    def accept(self, decision: Decision) -> None:
        """The decision is committed."""
        ...

    def deaf(self, since: int, until: int, stepped: bool = False) -> None:
        """Nothing could be heard from `since` to `until` (the store was away): that is no device's silence, and no
        wait is over for it. `stepped`: the clock was set forward by so much."""
        ...

    def heard_until(self, now: int) -> int:
        """Up to when all was heard, at `now`: what was said while nobody listened may still be on its way."""
        ...

    def next_wake(self) -> int | None:
        """When `evaluate` must be called again even if nothing comes."""
        ...
