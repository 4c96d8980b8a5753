"""The conditions a rule may state, as they stand in the file: the older ones. The wider ones are in `rules.wider`."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from hub.vocabulary.base import Duration, Model, Name


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

Lasting = Annotated[
    Duration,
    Field(alias="for", description="it must last so long; default: at once", json_schema_extra={"default": "0s"}),
]


DEFAULT_LATENESS = timedelta(seconds=30)

Lateness = Annotated[
    Duration,
    Field(
        le=timedelta(hours=1),
        description="a reading so much older than the newest still counts; later ones do not",
        json_schema_extra={"default": "30s"},
    ),
]


@dataclass(frozen=True)
class Mention:
    """A point or event a condition needs of a kind; `rules.load` looks it up."""

    path: tuple[str | int, ...]
    name: str
    sort: Literal["point", "event"] = "point"
    kinds: tuple[str, ...] | None = None  # None: the rule's own kinds
    levels: tuple[float | str, ...] = ()  # state words or numbers it is compared with
    ordered: bool = False  # it is compared by size, which says nothing of a state
    where: dict[str, Scalar] = field(default_factory=dict)

    def under(self, *path: str | int) -> "Mention":
        """The same, of a condition that stands at `path`."""
        return replace(self, path=(*path, *self.path))


class Clear(Model):
    """Where an alarm returns: away from the limit, so that a value wavering around it is one alarm."""

    below: Finite | None = None
    above: Finite | None = None


class Repeat(Model):
    """Only so many occurrences within so long are an alarm."""

    times: int = Field(ge=2, le=100)
    within: Positive


class Limits(Model):
    """`above` or `below` a number, with hysteresis."""

    above: Finite | None = None
    below: Finite | None = None
    clear: Clear | None = Field(default=None, description="hysteresis; default: returns when the limit is not passed")

    def check_limits(self) -> None:
        """ValueError where `clear` does not fit the limit."""
        if self.clear is None:
            return
        if self.above is not None and (self.clear.below is None or self.clear.above is not None):
            raise ValueError("a limit `above` clears `below` some value")
        if self.below is not None and (self.clear.above is None or self.clear.below is not None):
            raise ValueError("a limit `below` clears `above` some value")
        if self.above is not None and self.clear.below is not None and self.clear.below > self.above:
            raise ValueError(f"`clear.below` must not lie over the limit {self.above:g}")
        if self.below is not None and self.clear.above is not None and self.clear.above < self.below:
            raise ValueError(f"`clear.above` must not lie under the limit {self.below:g}")

    def check_one_limit(self) -> None:
        """ValueError unless there is exactly one limit, and `clear` fits it."""
        if (self.above is None) == (self.below is None):
            raise ValueError("give exactly one of `above` and `below`")
        self.check_limits()


class Threshold(Limits):
    """A point is past a limit, or shows a state, for some time."""

    point: Name
    equals: Level | None = None
    lasting: Lasting = timedelta(0)
    repeat: Repeat | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> "Threshold":
        if sum(limit is not None for limit in (self.above, self.below, self.equals)) != 1:
            raise ValueError("give exactly one of `above`, `below` and `equals`")
        if self.clear is not None and self.equals is not None:
            raise ValueError("`equals` returns when the state is another one; `clear` does not apply")
        self.check_limits()
        return self

    def mentions(self, kinds: tuple[str, ...] | None = None) -> Iterator[Mention]:
        if self.equals is None:
            yield Mention(("point",), self.point, kinds=kinds, ordered=True)
        else:
            yield Mention(("point",), self.point, kinds=kinds, levels=(self.equals,))


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

    def mentions(self) -> Iterator[Mention]:
        yield Mention(("name",), self.name, "event", where=dict(self.where))
        if self.clear_event is not None:
            yield Mention(("clear_event",), self.clear_event, "event")


class Absence(Model):
    """Nothing was heard from the device: no reading, no event, no birth."""

    after: Positive | Literal["silent_after"] = Field(description="a duration, or the profile's or kind's own")

    @field_validator("after", mode="wrap")
    @classmethod
    def _word_or_duration(cls, value: object, handler: object) -> object:
        return value if value == "silent_after" else handler(value)  # type: ignore[operator]

    def mentions(self) -> Iterator[Mention]:
        return iter(())
