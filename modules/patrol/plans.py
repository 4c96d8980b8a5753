"""What a patrol file says: checkpoints and their proofs, routes, plans; and the rounds that follow from it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from itertools import zip_longest
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from hub.vocabulary.base import Code, Duration, Model, Name, Text
from hub.vocabulary.sites import PlacePath
from modules.patrol.calendars import DaySort, Weekday, beginnings, offsets
from modules.patrol.model import PROVED, TIMELY, Round, Stop
from modules.patrol.position import MOST_LAT, MOST_LON, Position, away

ProofSort = Literal["reader", "qr", "display", "door", "camera"]
EVENTS: dict[ProofSort, tuple[str, str]] = {
    "reader": ("patrol_reader", "checkpoint_read"),
    "door": ("door", "access_granted"),
    "camera": ("plate_camera", "plate_seen"),
}
"""What a proof listens to: kind of device and its event."""

_WEIGHTS: dict[ProofSort, float] = {"reader": 1.0, "display": 1.0, "qr": 0.6, "door": 0.5, "camera": 0.4}
_LONGEST = timedelta(hours=12)


def _local_time(value: object) -> object:
    try:
        if isinstance(value, str) and len(value) == 5:
            return time.fromisoformat(value)
        if value == "24:00":
            return time()
    except ValueError:
        pass
    raise ValueError('a local time in quotes, such as "22:00"')


def _some(span: timedelta) -> timedelta:
    if not span:
        raise ValueError("a duration above 0s is expected")
    return span


Span = Annotated[Duration, Field(le=_LONGEST)]
SomeSpan = Annotated[Span, AfterValidator(_some)]
LocalTime = Annotated[time, BeforeValidator(_local_time, json_schema_input_type=str)]
Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,47}$")]


class ProofSpec(Model):
    """What proves that a guard was at the checkpoint, and how much of a proof it is (1: by itself)."""

    by: ProofSort = Field(description="a reader's tap, a printed code, a display's code, a door's tap, a camera")
    device: Code | None = Field(default=None, description="of reader, door and camera; its own checkpoint of a reader")
    word: Annotated[str, Field(min_length=1, max_length=100)] | None = Field(
        default=None, description="what the reader calls the checkpoint; default: every tap of that reader"
    )
    where: dict[Name, str | int | float] = Field(default={}, description="event fields that must equal these")
    weight: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None, description="default: reader 1, display 1, qr 0.6, door 0.5, camera 0.4"
    )

    @model_validator(mode="after")
    def _fits(self) -> "ProofSpec":
        coded = self.by in ("qr", "display")
        if coded == (self.device is not None):
            raise ValueError(f"a proof by {self.by} {'has no' if coded else 'needs a'} `device`")
        if self.word is not None and self.by != "reader":
            raise ValueError("only a reader has a `word`")
        if coded and self.where:
            raise ValueError(f"a proof by {self.by} has no `where`")
        return self

    @property
    def percent(self) -> int:
        return round(100 * (self.weight if self.weight is not None else _WEIGHTS[self.by]))


class ItemSpec(Model):
    """Something to look at there: in order or not, or a reading that a sensor's value is held against."""

    id: Id
    name: Text
    answer: Literal["yes_no", "reading"]
    required: bool = Field(default=True, description="a visit without an answer to it is shown as not inspected")
    photo: Literal["required"] | None = Field(
        default=None, description="required: a visit without a photograph of it is shown so"
    )
    equipment: Annotated[str, Field(min_length=1, max_length=40)] | None = Field(
        default=None, description="number of a piece of fire equipment: the answer is its inspection (yes_no only)"
    )
    unit: str | None = Field(default=None, description="UCUM code of the point, for a reading")
    device: Code | None = Field(default=None, description="the sensor; default: nothing to compare with")
    point: Name | None = None
    tolerance: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        default=None, description="a difference from the sensor above this is told, in the same unit"
    )

    @model_validator(mode="after")
    def _fits(self) -> "ItemSpec":
        given = [one is not None for one in (self.device, self.point, self.tolerance)]
        if any(given) and not all(given):
            raise ValueError("give `device`, `point` and `tolerance` together")
        if self.answer == "yes_no" and (any(given) or self.unit is not None):
            raise ValueError("only a reading has `unit`, `device`, `point` and `tolerance`")
        if self.answer == "reading" and self.equipment is not None:
            raise ValueError("only a yes_no is the inspection of a piece of `equipment`")
        if self.answer == "reading" and self.unit is None:
            raise ValueError("a reading needs a `unit`")
        return self


class PositionSpec(Model):
    """Degrees WGS-84, as phones give them; positions read off a Chinese map are GCJ-02, some hundred metres off."""

    lat: Annotated[float, Field(ge=-MOST_LAT, le=MOST_LAT, allow_inf_nan=False, strict=True)]
    lon: Annotated[float, Field(ge=-MOST_LON, le=MOST_LON, allow_inf_nan=False, strict=True)]


class CheckpointSpec(Model):
    id: Id
    name: Text
    place: PlacePath
    position: PositionSpec | None = Field(
        default=None, description="where it is; a check-in by a phone that is elsewhere is shown so"
    )
    proofs: Annotated[list[ProofSpec], Field(min_length=1, max_length=20)]
    items: Annotated[list[ItemSpec], Field(max_length=50)] = []

    def away(self, position: Position | None) -> int | None:
        """Metres from here where a phone surely is elsewhere; None where it is here, or nobody can tell."""
        if self.position is None or position is None:
            return None
        return away(position, self.position.lat, self.position.lon)

    @model_validator(mode="after")
    def _can_be_done(self) -> "CheckpointSpec":
        most = sum(proof.percent for proof in self.proofs) + (TIMELY if any(p.by == "qr" for p in self.proofs) else 0)
        if most < PROVED:
            raise ValueError(f"proofs: all of them together come to {most / 100:g}; a checkpoint is done at 1")
        return self


class StopSpec(Model):
    """A checkpoint on a route. `max` is counted from the stop before, on a route in free order from the beginning."""

    checkpoint: Id
    min: Span = Field(default=timedelta(0), description="sooner after the stop before, nobody can be here")
    max: SomeSpan = Field(description="later than this it is late")


class RouteSpec(Model):
    id: Id
    name: Text
    order: Literal["fixed", "free"] = "fixed"
    stops: Annotated[list[StopSpec], Field(min_length=1, max_length=100)]

    def dues(self) -> list[timedelta]:
        """When each stop is due, from the beginning of the round."""
        if self.order == "free":
            return [stop.max for stop in self.stops]
        return [sum((one.max for one in self.stops[: n + 1]), timedelta()) for n in range(len(self.stops))]

    @property
    def duration(self) -> timedelta:
        return max(self.dues())


class Between(Model):
    since: LocalTime = Field(default=time(), alias="from")
    until: LocalTime = Field(default=time(), alias="to", description="a night may reach into the next morning")


class PlanSpec(Model):
    """When a route is walked, and on which device of kind `patrol_route` its alarms stand."""

    id: Id
    name: Text
    route: Id
    device: Code
    days: DaySort | Annotated[list[Weekday], Field(min_length=1, max_length=7)] = "every_day"
    times: Annotated[list[LocalTime], Field(max_length=288)] = []
    every: Annotated[Duration, Field(ge=timedelta(minutes=1), le=timedelta(days=1))] | None = None
    between: Between = Between()
    post: Code | None = Field(
        default=None, description="the post of the duty roster (岗位) whose people walk it; default: anybody"
    )
    shift: Text | None = Field(default=None, description="what the shift that walks it is called")
    early: Span = Field(default=timedelta(minutes=5), description="so long before the beginning proofs count")
    late: Span = Field(default=timedelta(minutes=5), description="so long after it is due a stop is late")
    remind: Span = Field(default=timedelta(minutes=3), description="so long before it is due the guard is reminded")
    grace: SomeSpan = Field(default=timedelta(minutes=30), description="so long an overdue round can still be finished")

    @model_validator(mode="after")
    def _has_times(self) -> "PlanSpec":
        if bool(self.times) == (self.every is not None):
            raise ValueError("give `times` or `every`, one of them")
        return self

    @property
    def offsets(self) -> list[timedelta]:
        return offsets(self.times, self.every, self.between.since, self.between.until)


class PatrolFile(Model):
    """The patrols of a community."""

    community: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
    checkpoints: Annotated[list[CheckpointSpec], Field(max_length=1000)]
    routes: Annotated[list[RouteSpec], Field(max_length=200)]
    plans: Annotated[list[PlanSpec], Field(max_length=200)]

    def checkpoint(self, name: str) -> CheckpointSpec | None:
        return next((one for one in self.checkpoints if one.id == name), None)

    def plan(self, name: str) -> PlanSpec | None:
        return next((one for one in self.plans if one.id == name), None)

    def route(self, name: str) -> RouteSpec | None:
        return next((one for one in self.routes if one.id == name), None)


@dataclass(frozen=True)
class Planned:
    """A round to come."""

    plan: PlanSpec
    round: Round


def rounds(file: PatrolFile, zone: ZoneInfo, since: datetime, until: datetime) -> list[Planned]:
    """The rounds of every plan that begin in [since, until)."""
    found = []
    wanted = {one.id: _wanted(one) for one in file.checkpoints}
    for plan in file.plans:
        route = file.route(plan.route)
        assert route is not None, "the file was checked"
        reach = plan.early + route.duration + plan.late + plan.grace
        begins = list(beginnings(plan.offsets, plan.days, zone, since, until + reach))
        found += [
            Planned(plan, _round(plan, route, begin, after, wanted))
            for begin, after in zip_longest(begins, begins[1:])
            if begin < until
        ]
    return found


def after(planned: Sequence[Planned], begun: Sequence[Mapping[str, Any]], now: datetime) -> list[Planned]:
    """Those planned rounds that can still come after what has `begun` (plan, device and closes of each): of a plan, and
    of a device, no two rounds are open at once. One that would open too soon opens later; one that would begin too soon
    is left out, for what is under way is walked to its end."""
    busy: dict[tuple[str, str], datetime] = {}
    for row in begun:
        for key in (("plan", row["plan"]), ("device", row["device"])):
            busy[key] = max(row["closes"], busy.get(key, row["closes"]))
    found = []
    for one in planned:
        free = [busy.get(key, now) for key in (("plan", one.plan.id), ("device", one.plan.device))]
        opens = max(one.round.opens, *free)
        if now < opens <= one.round.begins:
            found.append(replace(one, round=replace(one.round, opens=opens)))
    return found


_Wanted = tuple[tuple[str, ...], tuple[str, ...]]


def _wanted(one: CheckpointSpec) -> _Wanted:
    """The items that must be answered there, and those that must be photographed."""
    required = tuple(item.id for item in one.items if item.required)
    return required, tuple(item.id for item in one.items if item.photo == "required")


def _round(
    plan: PlanSpec, route: RouteSpec, begins: datetime, after: datetime | None, wanted: Mapping[str, _Wanted]
) -> Round:
    ends = begins + route.duration
    closes = ends + plan.late + plan.grace
    if after is not None:
        closes = min(closes, after - plan.early)
    slot = begins - plan.early
    stops = []
    for stop, due in zip(route.stops, route.dues(), strict=True):
        if route.order == "fixed":
            slot += stop.min
        items, photos = wanted.get(stop.checkpoint, ((), ()))
        stops.append(Stop(stop.checkpoint, slot, begins + due, stop.min, items, photos))
    return Round(
        begins - plan.early, begins, ends, closes, tuple(stops), route.order == "fixed", plan.late, plan.remind
    )
