"""What the rulebook and the rules engine say to each other. Pure; times are microseconds UTC."""

import difflib
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from hub.analyses.model import Analysis
from hub.catalog.problems import Problem
from hub.decisions import Priority
from hub.model import Device, Frame
from hub.vocabulary.base import Text
from hub.vocabulary.kinds import KindSpec

MAX_TEXT = 20_000
"""Characters of one rule's YAML, its examples included."""

MAX_DAYS = 31


class RuleText(msgspec.Struct, frozen=True):
    """One rule as it stands in YAML, and what lists show of it."""

    rule: str
    text: str
    title: Text
    kinds: list[str]
    priority: Priority
    enabled: bool
    life_safety: bool
    work_order: bool
    condition: str  # "threshold", "event", …
    file: str = ""
    line: int = 1
    shipped: bool = False  # it came with the release, and was proven with it
    pack: str = ""  # the rule pack it belongs to: "doors 1.2.0"
    procedure: Text | None = None

    @property
    def digest(self) -> str:
        return digest(self.text)


class Override(msgspec.Struct, frozen=True):
    """What is put over a rule of the files: another text, or only whether it is enabled."""

    rule: str
    text: str | None
    enabled: bool


class ExampleOutcome(msgspec.Struct, frozen=True):
    """One of a rule's own examples, run. `detail` says which step went otherwise."""

    name: str
    passed: bool
    detail: str = ""


BEYOND = 1e100
"""Greater numbers, and those below its negative, are never left out: with them a rule may fail."""


class Band(msgspec.Struct, frozen=True):
    """Only hours with readings within one of the ranges (from, to) or BEYOND matter, those so long `around` them (µs),
    and the one after."""

    ranges: tuple[tuple[float, float], ...]
    around: int = 0


class Moved(msgspec.Struct, frozen=True):
    """Only hours matter with readings further apart than this from one another, from those of so long before (`around`,
    µs), or of the last hour that has any; all these, and the one after."""

    by: float
    around: int


class Runs(msgspec.Struct, frozen=True):
    """Only readings in a row matter each of which lies as near to the one before as `still`, for `lasting` (µs) at
    least; or else each of which moved from the one before at a rate from `low` to `high` in `per` (µs). And the one
    after. Over a longer `gap` (µs) nothing is known to be still."""

    still: float | None = None
    per: int = 0
    low: float | None = None
    high: float | None = None
    lasting: int = 0
    gap: int = 0


class Wanted(msgspec.Struct, frozen=True):
    """The stored history a rule must see. `choice`: which hours of its points; None: all. `heard`: devices whose signs
    of life count, one at each end of every `heard_step` is enough. `analysis`: judges the stored hours, in place of all
    else.
    """

    points: Sequence[int] = ()
    choice: Band | Moved | Runs | None = None
    event_devices: Sequence[int] = ()
    event_names: Sequence[str] = ()
    heard: Sequence[int] = ()
    heard_step: int = 0
    analysis: Analysis | None = None


class Raised(msgspec.Struct, frozen=True):
    """An alarm that a rule would have raised. `until` None: it lasts to the end."""

    device_id: int
    device: str
    at: int
    until: int | None
    text: Text
    cost_fen: int | None = None


class Trial(Protocol):
    """A rule at work on stored history: frames in order of time, then the end."""

    @property
    def wanted(self) -> Wanted: ...

    def feed(self, frames: Sequence[Frame], now: int) -> None:
        """Judge frames that are no later than `now`, and whatever falls due until then."""
        ...

    def finish(self) -> list[Raised]:
        """What was raised, in order of time and device."""
        ...


def digest(text: str) -> str:
    """Names a rule's text: SHA-256 of it without blanks at line ends and at its end."""
    return hashlib.sha256(normal(text).encode()).hexdigest()


def normal(text: str) -> str:
    """The text as it is kept: one newline at its end, none of the blanks that nobody sees."""
    return "\n".join(line.rstrip() for line in text.replace("\r\n", "\n").strip("\n").split("\n")) + "\n"


class RuleTools(Protocol):
    """What the rules engine offers to the rulebook (`hub.plugins.OffersRuleTools`)."""

    def rule_texts(self, roots: Sequence[Any]) -> list[RuleText]:
        """Every rule of the files, each as a text of its own. CatalogError."""
        ...

    def parse_rule(self, text: str, kinds: Mapping[str, KindSpec]) -> tuple[RuleText | None, list[Problem]]:
        """One rule; None and all that is wrong with it, by line."""
        ...

    def run_rule_examples(self, text: str, kinds: Mapping[str, KindSpec]) -> list[ExampleOutcome]:
        """Its own examples. CatalogError where it cannot be read."""
        ...

    def trial(self, text: str, kinds: Mapping[str, KindSpec], devices: Mapping[int, Device], since: int) -> Trial:
        """The rule, switched on, over these devices from `since`. CatalogError."""
        ...

    def put_over(
        self, rules: Sequence[Any], overrides: Sequence[Override], kinds: Mapping[str, KindSpec]
    ) -> tuple[list[Any], list[Problem]]:
        """The evaluator's rules with others put over them; an override that no longer fits is left out and told."""
        ...


def unreadable(rule: str, text: str) -> RuleText:
    """Stands in a list for a text that no longer fits."""
    return RuleText(rule, text, Text(zh=rule, en=rule), [], "low", False, False, False, "unreadable")


def diff(old: str, new: str, old_name: str, new_name: str) -> str:
    """Unified diff of two texts."""
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), old_name, new_name, lineterm="")
    return "\n".join(lines)
