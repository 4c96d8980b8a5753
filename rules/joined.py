"""Conditions over several devices, as they stand in the file: sequences, and what the devices around show."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from hub.vocabulary.base import Model, Name
from rules.terms import (
    DEFAULT_LATENESS,
    Absence,
    Finite,
    Lasting,
    Lateness,
    Level,
    Mention,
    Positive,
    Scalar,
    Threshold,
)

MOST_STEPS = 8

Scope = Literal[
    "same_device", "same_place", "within_place", "same_unit", "same_building", "parent", "children", "descendants"
]  # fmt: skip
"""Which other devices: of the same place path, of it and all places in it, of its first two parts, its first part; or
above, below or at all levels below in the topology."""


class Occasion(Model):
    """Something that happens at a device: an event, or a sample of a point that shows a level."""

    event: Name | None = None
    where: dict[Name, Scalar] = {}
    point: Name | None = None
    above: Finite | None = None
    below: Finite | None = None
    equals: Level | list[Level] | None = None
    at: Scope = "same_device"
    kinds: Annotated[list[Name], Field(min_length=1)] | None = None

    def check_occasion(self) -> None:
        """ValueError where it names no single thing."""
        if (self.event is None) == (self.point is None):
            raise ValueError("give exactly one of `event` and `point`")
        limits = sum(limit is not None for limit in (self.above, self.below, self.equals))
        if limits != (1 if self.point is not None else 0):
            raise ValueError("a `point` needs exactly one of `above`, `below` and `equals`, an `event` none")
        if self.where and self.event is None:
            raise ValueError("`where` is about the fields of an `event`")
        if (self.at == "same_device") != (self.kinds is None):
            raise ValueError("`at` another device needs the `kinds` that are meant, the same device none")

    def mentions(self) -> Iterator[Mention]:
        kinds = tuple(self.kinds) if self.kinds is not None else None
        if self.event is not None:
            yield Mention(("event",), self.event, "event", kinds, where=dict(self.where))
        if self.point is not None:
            words = self.equals if isinstance(self.equals, list) else [] if self.equals is None else [self.equals]
            yield Mention(("point",), self.point, "point", kinds, tuple(words), ordered=self.equals is None)


_DAY = timedelta(days=1)


class Missing(Occasion):
    """What must not have happened: so long `before` the step above it, or `within` so long after it."""

    before: Positive | None = None
    within: Positive | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> "Missing":
        self.check_occasion()
        if (self.before is None) == (self.within is None):
            raise ValueError("give exactly one of `before` and `within`: the time around the step above it")
        if max(self.before or _DAY * 0, self.within or _DAY * 0) > _DAY:
            raise ValueError("a sequence looks back and forth a day at most")
        return self


class SequenceStep(Occasion):
    """One step: what happens, or what must `not`."""

    within: Positive | None = Field(default=None, description="at most so long after the step before it")
    absent: Missing | None = Field(default=None, alias="not")

    @model_validator(mode="after")
    def _makes_sense(self) -> "SequenceStep":
        if self.absent is not None:
            if self.model_fields_set != {"absent"}:
                raise ValueError("a `not` step says nothing else")
            return self
        self.check_occasion()
        if self.within is not None and self.within > _DAY:
            raise ValueError("a sequence looks back and forth a day at most")
        return self


class Sequence(Model):
    """First this, then that within some time, and not the other. The first step happens at the rule's own device."""

    steps: list[SequenceStep] = Field(min_length=2, max_length=MOST_STEPS)
    lateness: Lateness = DEFAULT_LATENESS
    clear_after: Positive | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> "Sequence":
        happening = [step for step in self.steps if step.absent is None]
        if self.steps[0].absent is not None or self.steps[0].at != "same_device" or self.steps[0].within is not None:
            raise ValueError("the first step is something that happens at the rule's own device")
        if any(step.within is None for step in happening[1:]):
            raise ValueError("every further step needs `within`")
        for earlier, later in pairwise(self.steps):
            if later.absent is None and earlier.absent is not None and earlier.absent.within is not None:
                raise ValueError("`not … within` ends a sequence; between two steps there is only `not … before`")
        return self

    def mentions(self) -> Iterator[Mention]:
        for index, step in enumerate(self.steps):
            occasion, path = (step, ()) if step.absent is None else (step.absent, ("not",))
            for mention in occasion.mentions():
                yield mention.under("steps", index, *path)


class Other(Model):
    """Other devices whose points an expression names: the one above by its value, any others by the list of theirs."""

    at: Scope
    kinds: Annotated[list[Name], Field(min_length=1, max_length=20)]

    @field_validator("at")
    @classmethod
    def _others(cls, at: Scope) -> Scope:
        if at == "same_device":
            raise ValueError("its own points need no `others`: name them alone")
        return at


class Near(Model):
    """How many of the devices around show something: of the same place, building, or below in the topology."""

    at: Scope
    kinds: list[Name] | Literal["all"]
    threshold: Threshold | None = None
    absence: Absence | None = None
    at_least: int | Literal["all"] | None = None
    at_most: int | None = Field(default=None, ge=0)
    lasting: Lasting = timedelta(0)

    @model_validator(mode="after")
    def _makes_sense(self) -> "Near":
        if self.at == "same_device" or not self.kinds:
            raise ValueError("`near` looks at other devices: name the kinds and where they are")
        if (self.threshold is None) == (self.absence is None):
            raise ValueError("give exactly one of `threshold` and `absence`")
        if self.kinds == "all" and self.absence is None:
            raise ValueError("`kinds: all` goes with `absence` only")
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("give exactly one of `at_least` and `at_most`")
        if isinstance(self.at_least, int) and self.at_least < 1:
            raise ValueError("`at_least` is 1 or more")
        if self.at_most is not None and self.absence is not None:
            raise ValueError("count what is silent with `at_least`")
        if self.threshold is not None and self.threshold.repeat is not None:
            raise ValueError("`repeat` does not apply to what other devices show")
        return self

    def mentions(self) -> Iterator[Mention]:
        if self.threshold is not None and self.kinds != "all":
            for mention in self.threshold.mentions(tuple(self.kinds)):
                yield mention.under("threshold")
