"""The conditions that look further: changes, windows, expressions, analyses, several at once."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from hub.vocabulary.base import Model, Name
from hub.vocabulary.virtual import Expression
from rules.joined import Near, Other
from rules.terms import (
    DEFAULT_LATENESS,
    EventCondition,
    Finite,
    Lasting,
    Lateness,
    Limits,
    Mention,
    Positive,
    Scalar,
    Threshold,
)

MOST_BUCKETS = 120
"""A window is kept in so many parts at most; each is one small row of numbers in the stored state."""


class Rate(Limits):
    """So much more or less in so much time, from one sample to the next."""

    per: Positive = timedelta(hours=1)

    @model_validator(mode="after")
    def _makes_sense(self) -> "Rate":
        self.check_one_limit()
        return self


class Change(Model):
    """A point moved: at all, by more than `by` (since the sample before, or within some time), or too fast."""

    point: Name
    by: Annotated[Finite, Field(gt=0)] | None = None
    direction: Literal["any", "up", "down"] = "any"
    within: Positive | None = Field(default=None, description="kept in 32 parts; default: since the sample before")
    rate: Rate | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> "Change":
        if self.rate is not None and (self.by, self.within, self.direction) != (None, None, "any"):
            raise ValueError("`rate` stands alone; `by`, `within` and `direction` are for a step")
        if self.within is not None and self.by is None:
            raise ValueError("`within` needs `by`: by how much it must not move in that time")
        return self

    def mentions(self) -> Iterator[Mention]:
        yield Mention(("point",), self.point, ordered=self.by is not None or self.rate is not None)


class Stuck(Model):
    """A value that does not move any more while samples keep coming."""

    point: Name
    deadband: Annotated[Finite, Field(ge=0)] = 0.0
    lasting: Annotated[Positive, Field(alias="for")]

    def mentions(self) -> Iterator[Mention]:
        yield Mention(("point",), self.point)


Aggregate = Literal["avg", "min", "max", "sum", "count", "spread", "increase"]


class Window(Limits):
    """An aggregate of a point, or a count of events, over a window of the device's own time.

    `size`: tumbling; with `every`: sliding in such steps; `gap`: a session ends when so long nothing came; `samples`:
    so many each; `while`: as long as a state holds. Tumbling and sliding windows begin with the clock of the community.
    """

    point: Name | None = None
    event: Name | None = None
    where: dict[Name, Scalar] = {}
    aggregate: Aggregate
    size: Positive | None = None
    every: Positive | None = None
    gap: Positive | None = None
    samples: int | None = Field(default=None, ge=2, le=10_000)
    holding: Threshold | None = Field(
        default=None, alias="while", description="a state window: from when this point shows this until it does not"
    )
    longest: Positive = Field(
        default=timedelta(days=1), le=timedelta(days=31), description="so much of a state window counts at most",
        json_schema_extra={"default": "1d"},
    )  # fmt: skip
    lateness: Lateness = DEFAULT_LATENESS

    @model_validator(mode="after")
    def _makes_sense(self) -> "Window":
        self.check_one_limit()
        if (self.point is None) == (self.event is None):
            raise ValueError("give exactly one of `point` and `event`")
        if self.event is not None and self.aggregate != "count":
            raise ValueError("of events there is only a `count`")
        if self.where and self.event is None:
            raise ValueError("`where` is about the fields of an `event`")
        if sum(part is not None for part in (self.size, self.gap, self.samples, self.holding)) != 1:
            raise ValueError("give exactly one of `size`, `gap`, `samples` and `while`")
        if self.holding is None and "longest" in self.model_fields_set:
            raise ValueError("`longest` goes with `while`")
        if self.holding is not None and {"lasting", "repeat"} & self.holding.model_fields_set:
            raise ValueError("the state of a `while` has neither `for` nor `repeat`")
        self._check_parts()
        return self

    def _check_parts(self) -> None:
        if self.every is not None:
            if self.size is None:
                raise ValueError("`every` goes with `size`")
            if self.size % self.every or self.size <= self.every:
                raise ValueError("`size` must be a multiple of `every`")
            if (buckets := self.size // self.every) > MOST_BUCKETS:
                raise ValueError(f"the window would be kept in {buckets} parts; at most {MOST_BUCKETS} are allowed")
        length = self.longest if self.holding is not None else self.size or self.gap or self.lateness
        if self.lateness > DEFAULT_LATENESS and self.lateness > length:
            raise ValueError("`lateness` must not be longer than the window")

    def mentions(self) -> Iterator[Mention]:
        if self.point is not None:
            yield Mention(("point",), self.point, ordered=self.aggregate != "count")
        if self.event is not None:
            yield Mention(("event",), self.event, "event", where=dict(self.where))
        if self.holding is not None:
            yield from (mention.under("while") for mention in self.holding.mentions())


class ExpressionCondition(Limits):
    """A CEL expression over the device's own points, and those of `others`, is true or past a limit for some time.
    States are their words."""

    when: Expression | None = None
    value: Expression | None = Field(default=None, description="a number, against `above` or `below`")
    others: dict[Name, Other] = Field(
        default={}, max_length=4, description="a word for other devices: `word.point` is their value or list of values"
    )
    lasting: Lasting = timedelta(0)

    @model_validator(mode="after")
    def _makes_sense(self) -> "ExpressionCondition":
        if (self.when is None) == (self.value is None):
            raise ValueError("give exactly one of `when` and `value`")
        if self.value is not None:
            self.check_one_limit()
        elif (self.above, self.below, self.clear) != (None, None, None):
            raise ValueError("`when` is true or false by itself; a limit goes with `value`")
        return self

    @property
    def written(self) -> tuple[Literal["when", "value"], str]:
        """The expression and its field."""
        return ("when", self.when) if self.when is not None else ("value", self.value or "")

    def mentions(self) -> Iterator[Mention]:
        """None: which of its words are points the compiler knows."""
        return iter(())


TimeOfDay = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class Weather(Model):
    """The outdoor temperature: of the device of these kinds nearest by place that the site says stands `outdoors`."""

    kinds: Annotated[list[Name], Field(min_length=1, max_length=20)]
    point: Name


class Hourly(Model):
    """The outcome of an analysis that runs by itself over stored history: `rules/hourly.py`."""

    analysis: Literal["balance", "night_flow", "always_on", "unusual", "efficiency"]
    point: Name
    above: Finite | None = Field(default=None, description="canonical unit of the point")
    ratio_above: Finite | None = None
    sigma: Annotated[Finite, Field(gt=0)] | None = Field(default=None, description="robust z-score")
    between: Annotated[list[TimeOfDay], Field(min_length=2, max_length=2)] | None = None
    children_point: Name | None = Field(default=None, description="balance: the point of the devices below")
    over_point: Name | None = Field(default=None, description="efficiency: what `point` is divided by")
    weather: Weather | None = Field(
        default=None, description="unusual: what is to be expected depends on this outdoor temperature"
    )
    lasting: int = Field(default=1, alias="for", ge=1, le=336, description="so many intervals in a row")

    @model_validator(mode="after")
    def _makes_sense(self) -> "Hourly":
        if all(limit is None for limit in (self.above, self.ratio_above, self.sigma)):
            raise ValueError("give at least one of `above`, `ratio_above` and `sigma`")
        if (self.over_point is not None) != (self.analysis == "efficiency"):
            raise ValueError("`over_point` belongs to the analysis `efficiency`, and to it always")
        if self.between is not None and self.analysis != "night_flow":
            raise ValueError("`between` belongs to the analysis `night_flow`")
        if self.weather is not None and self.analysis != "unusual":
            raise ValueError("`weather` belongs to the analysis `unusual`")
        if any(not moment.endswith(":00") for moment in self.between or ()):
            raise ValueError('`between` is whole hours, as the stored sums are: write "02:00"')
        return self

    @property
    def every(self) -> timedelta:
        """From the end of one interval to that of the next."""
        return timedelta(hours=1 if self.analysis in ("balance", "unusual") else 24)

    def mentions(self) -> Iterator[Mention]:
        yield Mention(("point",), self.point)
        if self.over_point is not None:
            yield Mention(("over_point",), self.over_point)
        if self.weather is not None:
            yield Mention(("weather", "point"), self.weather.point, kinds=tuple(self.weather.kinds))


class Part(Model):
    """One of several conditions of a rule."""

    threshold: Threshold | None = None
    event: EventCondition | None = None
    change: Change | None = None
    stuck: Stuck | None = None
    window: Window | None = None
    near: Near | None = None
    expression: ExpressionCondition | None = None

    @model_validator(mode="after")
    def _one(self) -> "Part":
        if len(self.model_fields_set) != 1 or self.condition is None:
            raise ValueError(f"give exactly one of {', '.join(f'`{name}`' for name in Part.model_fields)}")
        return self

    @property
    def condition(self) -> "Threshold | EventCondition | Change | Stuck | Window | Near | ExpressionCondition | None":
        name = next(iter(self.model_fields_set), "")
        return getattr(self, name, None)

    def mentions(self) -> Iterator[Mention]:
        assert self.condition is not None
        for mention in self.condition.mentions():
            yield mention.under(next(iter(self.model_fields_set)))
