"""What a rule file may say: `config/rules/<name>.yaml`. Closed and typed; a rule knows kinds, never brands."""

import string
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    RootModel,
    StringConstraints,
    field_validator,
    model_validator,
)

from hub.decisions import Priority
from hub.vocabulary.base import Duration, Model, Name, Text

RuleId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,47}$")]
"""A rule's name for good: alarms, stored state and reports refer to it."""

TEXT_FIELDS = ("value", "limit", "duration", "device", "place")
"""What a message may show, as `$value` or `${value}`; `$$` is a dollar sign."""

Outcome = Literal["raised", "returned"]


def _positive(value: timedelta) -> timedelta:
    if not timedelta(0) < value <= timedelta(days=366):
        raise ValueError("a duration above 0 and up to 366d is expected")
    return value


def _not_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a number or a state word is expected; write the word of the kind, not true or false")
    return value


Positive = Annotated[Duration, AfterValidator(_positive)]

Finite = Annotated[float, Field(allow_inf_nan=False), BeforeValidator(_not_boolean)]

Level = Annotated[Finite | Name, BeforeValidator(_not_boolean)]
"""A number in the point's unit, or a state word of the kind."""

Scalar = str | int | float | bool


class Clear(Model):
    """Where a threshold alarm returns: away from the limit, so that a value wavering around it is one alarm."""

    below: Finite | None = None
    above: Finite | None = None


class Repeat(Model):
    """Only so many occurrences within so long are an alarm."""

    times: int = Field(ge=2, le=100)
    within: Positive


class Threshold(Model):
    """A point is past a limit, or shows a state, for some time."""

    point: Name
    above: Finite | None = None
    below: Finite | None = None
    equals: Level | None = None
    lasting: Annotated[
        Duration,
        Field(alias="for", description="it must last so long; default: at once", json_schema_extra={"default": "0s"}),
    ] = timedelta(0)
    clear: Clear | None = Field(default=None, description="hysteresis; default: returns when the limit is not passed")
    repeat: Repeat | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> "Threshold":
        if sum(limit is not None for limit in (self.above, self.below, self.equals)) != 1:
            raise ValueError("give exactly one of `above`, `below` and `equals`")
        if self.clear is None:
            return self
        if self.above is not None and (self.clear.below is None or self.clear.above is not None):
            raise ValueError("a limit `above` clears `below` some value")
        if self.below is not None and (self.clear.above is None or self.clear.below is not None):
            raise ValueError("a limit `below` clears `above` some value")
        if self.equals is not None:
            raise ValueError("`equals` returns when the state is another one; `clear` does not apply")
        if self.above is not None and self.clear.below is not None and self.clear.below > self.above:
            raise ValueError(f"`clear.below` must not lie over the limit {self.above:g}")
        if self.below is not None and self.clear.above is not None and self.clear.above < self.below:
            raise ValueError(f"`clear.above` must not lie under the limit {self.below:g}")
        return self


class EventCondition(Model):
    """A device's event is the alarm. Without `clear_event` or `clear_after` it returns at once and waits to be seen."""

    name: Name
    where: dict[Name, Scalar] = Field(default={}, description="event fields that must equal these")
    clear_event: Name | None = None
    clear_after: Positive | None = None
    repeat: Repeat | None = None

    @model_validator(mode="after")
    def _one_end(self) -> "EventCondition":
        if self.clear_event is not None and self.clear_after is not None:
            raise ValueError("give `clear_event` or `clear_after`, not both")
        if self.clear_event == self.name:
            raise ValueError("`clear_event` must be another event than `name`")
        return self


class Absence(Model):
    """Nothing was heard from the device: no reading, no event, no birth."""

    after: Positive | Literal["silent_after"] = Field(description="a duration, or the profile's or kind's own")

    @field_validator("after", mode="wrap")
    @classmethod
    def _word_or_duration(cls, value: object, handler: object) -> object:
        return value if value == "silent_after" else handler(value)  # type: ignore[operator]


class When(Model):
    """Which devices a rule watches."""

    kinds: list[Name] | Literal["all"]

    @field_validator("kinds")
    @classmethod
    def _some(cls, value: list[str] | str) -> list[str] | str:
        if not value or (value != "all" and len(set(value)) != len(value)):
            raise ValueError("at least one kind is expected, each once, or the word all")
        return value


class ExampleStep(Model):
    """One moment of an example: what is heard, then everything the rule did since the step before."""

    at: Duration
    time: Duration | None = Field(default=None, description="the device's own time, where it differs from `at`")
    point: dict[Name, Level] = {}
    event: Name | None = None
    data: dict[Name, Scalar] = {}
    heard: bool = Field(default=False, description="a message that says nothing the rule looks at")
    retained: bool = Field(default=False, description="the broker's memory")
    expect: list[Outcome] = []


class Example(Model):
    """A short story that proves the rule; runs in `hub check` and in the tests."""

    name: str = Field(min_length=3, max_length=120)
    kind: Name | None = Field(default=None, description="default: the rule's first kind")
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


class Rule(Model):
    """One rule: when, what condition, how bad, what to tell and what to do."""

    rule: RuleId
    version: int = Field(default=1, ge=1)
    enabled: bool = True
    title: Text
    when: When
    threshold: Threshold | None = None
    event: EventCondition | None = None
    absence: Absence | None = None
    priority: Priority
    life_safety: bool = False
    work_order: bool = False
    text: Text = Field(description="what was seen; may hold $value $limit $duration $device $place")
    procedure: Text | None = Field(default=None, description="response procedure (应急预案)")
    examples: list[Example] = Field(min_length=2)

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
        if sum(part is not None for part in (self.threshold, self.event, self.absence)) != 1:
            raise ValueError("give exactly one of `threshold`, `event` and `absence`")
        if self.when.kinds == "all" and self.absence is None:
            raise ValueError("`kinds: all` is for absence rules; name the kinds that have the point or event")
        if not any(example.negative for example in self.examples):
            raise ValueError("at least one example must show a case without an alarm")
        if all(example.negative for example in self.examples):
            raise ValueError("at least one example must show the alarm being raised")
        return self

    def watches(self, kind: str) -> bool:
        return self.enabled and (self.when.kinds == "all" or kind in self.when.kinds)

    def names(self) -> Iterator[tuple[str, str]]:
        """The points and events it needs of a kind, as (field path, name)."""
        if self.threshold is not None:
            yield "threshold.point", self.threshold.point
        if self.event is not None:
            yield "event.name", self.event.name
            if self.event.clear_event is not None:
                yield "event.clear_event", self.event.clear_event


class RuleFile(Model):
    """A file with several rules. A file with one may be the rule itself."""

    rules: list[Rule] = Field(min_length=1)


class RuleDocument(RootModel[RuleFile | Rule]):
    """Either form, for the JSON Schema of editors."""
