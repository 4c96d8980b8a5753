"""What a rule file may say: `config/rules/<name>.yaml`. Closed and typed; a rule knows kinds, never brands."""

import string
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, PrivateAttr, RootModel, StringConstraints, field_validator, model_validator

from hub.decisions import Priority
from hub.vocabulary.base import Duration, Model, Name, Text
from rules.calendars import During
from rules.joined import Near, Other, Scope, Sequence
from rules.terms import (
    Absence,
    Clear,
    EventCondition,
    Level,
    Mention,
    Repeat,
    Scalar,
    Threshold,
)
from rules.wider import (
    Change,
    ExpressionCondition,
    Hourly,
    Part,
    Stuck,
    Window,
)

__all__ = [
    "Absence", "AnyCondition", "Change", "Clear", "CommandAction", "EventCondition", "Example", "ExampleStep",
    "ExpressionCondition", "Hourly", "Near", "Pack", "Part", "Repeat", "Rule", "RuleDocument", "RuleFile", "RuleId",
    "Sequence", "Stuck", "Threshold", "When", "Window",
]  # fmt: skip

RuleId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,47}$")]
"""A rule's name for good: alarms, stored state and reports refer to it."""

_SEMVER = r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$"

TEXT_FIELDS = ("value", "limit", "duration", "device", "place", "expected", "cost")
"""What a message may show, as `$value` or `${value}`; `$$` is a dollar sign."""

CONDITIONS = (
    "threshold", "event", "absence", "change", "stuck", "window", "sequence", "near", "expression", "hourly",
)  # fmt: skip
"""The fields of a rule that hold one condition; `any_of` and `all_of` hold several."""

Outcome = Literal["raised", "returned", "commanded"]

AnyCondition = (
    Threshold | EventCondition | Absence | Change | Stuck | Window | Sequence | Near | ExpressionCondition | Hourly
)


class When(Model):
    """Which devices a rule watches."""

    kinds: list[Name] | Literal["all"]
    main: bool | None = Field(
        default=None, description="true: only those with others below them (a main meter); false: only those without"
    )

    @field_validator("kinds")
    @classmethod
    def _some(cls, value: list[str] | str) -> list[str] | str:
        if not value or (value != "all" and len(set(value)) != len(value)):
            raise ValueError("at least one kind is expected, each once, or the word all")
        return value


class CommandAction(Model):
    """A command the hub gives when the alarm is raised: with the checks, time to live and audit of a person's."""

    name: Name
    reason: str = Field(min_length=3, max_length=200)
    on: Literal["raise"] = "raise"


class ExampleDevice(Model):
    """Another device of an example, standing where a rule's `at` would look for it."""

    kind: Name
    at: Scope | Literal["elsewhere"] = "same_place"


class ExampleVerdict(Model):
    """What the analysis of an `hourly` rule found for the interval that ends now."""

    active: bool
    value: float | None = None


class ExampleStep(Model):
    """One moment of an example: what is heard, then everything the rule did since the step before."""

    at: Duration
    time: Duration | None = Field(default=None, description="the device's own time, where it differs from `at`")
    device: Name | None = Field(default=None, description="who says it: one of `others`; default: the rule's device")
    point: dict[Name, Level] = {}
    event: Name | None = None
    data: dict[Name, Scalar] = {}
    verdict: ExampleVerdict | None = None
    heard: bool = Field(default=False, description="a message that says nothing the rule looks at")
    retained: bool = Field(default=False, description="the broker's memory")
    expect: list[Outcome] = []


class Example(Model):
    """A short story that proves the rule; runs in `hub check` and in the tests."""

    name: str = Field(min_length=3, max_length=120)
    kind: Name | None = Field(default=None, description="default: the rule's first kind")
    begins: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}$")] | None = Field(
        default=None, description="local time of the first moment, for calendars and windows: 2026-02-17 03:00"
    )
    others: dict[Name, ExampleDevice] = Field(default={}, max_length=20)
    steps: list[ExampleStep] = Field(min_length=1, max_length=200)

    @model_validator(mode="after")
    def _in_order(self) -> "Example":
        times = [step.at for step in self.steps]
        if times != sorted(times):
            raise ValueError("`at` must not step back; use `time` for a late message")
        return self

    @property
    def negative(self) -> bool:
        """It shows a case in which no alarm may come."""
        return not any("raised" in step.expect for step in self.steps)


class Pack(Model):
    """What a file of rules is as a whole: a rule pack with a name and a version of its own."""

    name: RuleId
    version: Annotated[str, StringConstraints(pattern=_SEMVER, max_length=48)] = Field(description="SemVer: 1.2.0")
    title: Text
    description: Text | None = None
    requires: Annotated[list[Name], Field(min_length=1, max_length=50)] | Literal["all"] = Field(
        description="the kinds its rules know; `all` where a rule is about all"
    )

    @property
    def label(self) -> str:
        """As lists and reasons say it: `doors 1.2.0`."""
        return f"{self.name} {self.version}"


class Rule(Model):
    """One rule: when, what condition, how bad, what to tell and what to do."""

    rule: RuleId
    enabled: bool = True
    title: Text
    when: When
    threshold: Threshold | None = None
    event: EventCondition | None = None
    absence: Absence | None = None
    change: Change | None = None
    stuck: Stuck | None = None
    window: Window | None = None
    sequence: Sequence | None = None
    near: Near | None = None
    expression: ExpressionCondition | None = None
    hourly: Hourly | None = None
    any_of: Annotated[list[Part], Field(min_length=2, max_length=8)] | None = None
    all_of: Annotated[list[Part], Field(min_length=2, max_length=8)] | None = None
    during: During | None = Field(default=None, description="a calendar; outside it the rule is at rest")
    priority: Priority
    life_safety: bool = False
    work_order: bool = False
    latch: bool = Field(default=False, description="returned, the alarm stays until a person resets it")
    suppresses: Literal["children"] | None = Field(
        default=None, description="while active, alarms of the devices below are suppressed by design"
    )
    group: str = Field(default="", max_length=48, description="first-out group: which of these alarms was first")
    shelvable: bool = True
    command: CommandAction | None = None
    text: Text = Field(
        description="what was seen; may hold $value $limit $duration $device $place, of an hourly rule $cost, "
        "of its analysis `unusual` $expected"
    )
    procedure: Text | None = Field(default=None, description="response procedure (应急预案)")
    examples: list[Example] = Field(min_length=2)
    _origin: str = PrivateAttr(default="")

    @property
    def origin(self) -> str:
        """By what it judges, for reasons: its pack, if it has one, and the beginning of its text's SHA-256."""
        return self._origin

    def made_of(self, text_digest: str, pack: Pack | None = None) -> None:
        """Say where it comes from."""
        self._origin = " ".join([*([pack.label] if pack is not None else []), text_digest[:12]])

    @field_validator("text")
    @classmethod
    def _known_fields(cls, text: Text) -> Text:
        for message in (text.zh, text.en):
            template = string.Template(message)
            if not template.is_valid():
                raise ValueError("a lone $ stands in the message; write $$ for a dollar sign")
            for name in template.get_identifiers():
                if name not in TEXT_FIELDS:
                    raise ValueError(f"${name} is unknown; messages know {', '.join('$' + f for f in TEXT_FIELDS)}")
        return text

    @model_validator(mode="after")
    def _whole(self) -> "Rule":
        given = [name for name in (*CONDITIONS, "any_of", "all_of") if getattr(self, name) is not None]
        if len(given) != 1:
            names = ", ".join(f"`{name}`" for name in (*CONDITIONS, "any_of"))
            raise ValueError(f"give exactly one of {names} and `all_of`")
        if self.when.kinds == "all" and self.absence is None:
            raise ValueError("`kinds: all` is for absence rules; name the kinds that have the point or event")
        fields = {name for text in (self.text.zh, self.text.en) for name in string.Template(text).get_identifiers()}
        if "cost" in fields and self.hourly is None:
            raise ValueError("$cost is known of an `hourly` rule only")
        if "expected" in fields and (self.hourly is None or self.hourly.analysis != "unusual"):
            raise ValueError("$expected is known of the hourly analysis `unusual` only")
        if any(part.event is not None and not _stands(part.event) for part in self.all_of or ()):
            raise ValueError("an event in `all_of` needs `clear_event` or `clear_after` to hold beside the rest")
        words: dict[str, Other] = {}
        for one in self.conditions:
            for word, other in (one.others if isinstance(one, ExpressionCondition) else {}).items():
                if words.setdefault(word, other) != other:
                    raise ValueError(f"the word {word!r} of `others` must mean the same devices throughout a rule")
        if self.life_safety and self.shelvable and "shelvable" in self.model_fields_set:
            raise ValueError("a life-safety alarm cannot be shelved")
        if not any(example.negative for example in self.examples):
            raise ValueError("at least one example must show a case without an alarm")
        if all(example.negative for example in self.examples):
            raise ValueError("at least one example must show the alarm being raised")
        return self

    def watches(self, kind: str) -> bool:
        return self.enabled and (self.when.kinds == "all" or kind in self.when.kinds)

    @property
    def conditions(self) -> list[AnyCondition]:
        """The condition, or each of several."""
        parts = self.any_of or self.all_of
        if parts is not None:
            return [part.condition for part in parts if part.condition is not None]
        return [getattr(self, name) for name in CONDITIONS if getattr(self, name) is not None]

    def mentions(self) -> Iterator[Mention]:
        """Every point and event it needs, with its place in the file."""
        for name in CONDITIONS:
            condition: AnyCondition | None = getattr(self, name)
            if condition is not None:
                yield from (mention.under(name) for mention in condition.mentions())
        for name in ("any_of", "all_of"):
            for index, part in enumerate(getattr(self, name) or ()):
                yield from (mention.under(name, index) for mention in part.mentions())


def _stands(event: EventCondition) -> bool:
    return event.clear_event is not None or event.clear_after is not None


class RuleFile(Model):
    """A file with several rules, as a rule pack or without name. A file with one may be the rule itself."""

    pack: Pack | None = None
    rules: list[Rule] = Field(min_length=1)


class RuleDocument(RootModel[RuleFile | Rule]):
    """Either form, for the JSON Schema of editors."""
