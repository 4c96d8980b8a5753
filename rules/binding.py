"""From a rule as it is written to the plain numbers it works with on one device."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hub.model import Device
from hub.vocabulary.kinds import KindSpec
from rules.conditions import (
    Analysis,
    Change,
    Condition,
    During,
    Expression,
    Input,
    Near,
    Occasion,
    Occurrence,
    Sequence,
    Several,
    Silence,
    Single,
    Source,
    Stuck,
    Threshold,
    Window,
)
from rules.expressions import Kind, compile_expression
from rules.joined import Missing as MissingTerm
from rules.joined import Near as NearTerm
from rules.joined import Other, SequenceStep
from rules.joined import Sequence as SequenceTerm
from rules.model import AnyCondition, Repeat, Rule
from rules.parts import LISTS
from rules.terms import Absence, EventCondition, Limits
from rules.terms import Threshold as ThresholdTerm
from rules.topology import Topology
from rules.wider import Change as ChangeTerm
from rules.wider import ExpressionCondition, Hourly
from rules.wider import Stuck as StuckTerm
from rules.wider import Window as WindowTerm

MOST_NEIGHBOURS = 256
"""So many other devices at most does a rule look at from one device."""

MOST_WATCHERS = 1000
"""From so many devices at most does a rule go by the values of one: all of them are asked at each of its words."""


class TooMany(ValueError):
    """A rule would look at too many devices from one, or at one from too many."""


def micros(duration: timedelta) -> int:
    return duration // timedelta(microseconds=1)


def bind(rule: Rule, device: Device, topology: Topology) -> Condition | None:
    """The rule on one device; None where it has nothing to watch: the model or installation lacks a point.

    TooMany: more than MOST_NEIGHBOURS devices. KeyError where the kind lacks an event or word; `rules.load` reports
    that to people beforehand.
    """
    if rule.when.kinds == "all" and device.profile.protocol == "virtual":
        return None  # what has no wire speaks when there is something to say
    if rule.when.main is not None and rule.when.main != topology.is_main(device):
        return None
    parts = []
    for condition in rule.conditions:
        bound = _bind(condition, device, topology)
        if bound is None:
            return None
        parts.append(bound)
    whole: Single | Several
    if rule.any_of is not None or rule.all_of is not None:
        need = 1 if rule.any_of is not None else len(parts)
        whole = Several(device.id, tuple(parts), _at_least(need))
    else:
        whole = parts[0]
    if rule.during is None:
        return whole
    return During(rule.during, device.zone, whole)


def _bind(condition: AnyCondition, device: Device, topology: Topology) -> Single | None:
    points = [mention.name for mention in condition.mentions() if mention.sort == "point" and mention.kinds is None]
    if any(point not in device.points for point in points):
        return None
    match condition:
        case ThresholdTerm():
            return _threshold(condition, device.kind)
        case EventCondition():
            after = micros(condition.clear_after) if condition.clear_after else 0
            where = tuple(condition.where.items())
            return Occurrence(condition.name, where, condition.clear_event, after, *_repeat(condition.repeat))
        case Absence():
            return _silence(condition, device)
        case ChangeTerm():
            return _change(condition, device)
        case StuckTerm():
            lasting, gap = micros(condition.lasting), stuck_gap(condition, device)
            return Stuck(device.id, condition.point, condition.deadband, lasting, gap)
        case WindowTerm():
            return _window(condition, device)
        case SequenceTerm():
            return _sequence(condition, device, topology)
        case NearTerm():
            return _near(condition, device, topology)
        case ExpressionCondition():
            return _expression(condition, device, topology)
        case Hourly():
            return Analysis(condition.lasting, micros(condition.every))


def _repeat(repeat: Repeat | None) -> tuple[int, int]:
    return (1, 0) if repeat is None else (repeat.times, micros(repeat.within))


def _at_least(number: int, lasting: int = 0) -> Threshold:
    return Threshold(1, number - 0.5, None, lasting, 1, 0)


def _limits(limits: Limits, lasting: int = 0, times: int = 1, within: int = 0, point: str = "") -> Threshold:
    if limits.above is not None:
        clear = limits.clear.below if limits.clear is not None else None
        return Threshold(1, limits.above, clear, lasting, times, within, point)
    assert limits.below is not None
    clear = limits.clear.above if limits.clear is not None else None
    return Threshold(-1, limits.below, clear, lasting, times, within, point)


def _threshold(term: ThresholdTerm, kind: KindSpec) -> Threshold:
    rest = (micros(term.lasting), *_repeat(term.repeat), term.point)
    if term.equals is None:
        return _limits(term, *rest)
    return Threshold(0, _number(kind, term.point, term.equals), None, *rest)


def _number(kind: KindSpec, point: str, level: float | str) -> float:
    return float(kind.points[point].values[level] if isinstance(level, str) else level)


def _silence(term: Absence, device: Device) -> Silence:
    return Silence(_silent_after(device) if isinstance(term.after, str) else micros(term.after))


def _silent_after(device: Device) -> int:
    return micros(device.profile.silent_after or device.kind.silent_after)


def stuck_gap(term: StuckTerm, device: Device) -> int:
    """µs: what is not told for longer is not known to stand still."""
    return max(_silent_after(device), micros(term.lasting))


def _change(term: ChangeTerm, device: Device) -> Change:
    direction = {"any": 0, "up": 1, "down": -1}[term.direction]
    if term.rate is not None:
        return Change(device.id, term.point, 0, 0.0, 0, micros(term.rate.per), _limits(term.rate))
    by = term.by or 0.0
    if term.within is None:
        return Change(device.id, term.point, direction, by, 0, 0, None)
    return Change(device.id, term.point, direction, by, micros(term.within), 0, Threshold(1, by, None, 0, 1, 0))


def _window(term: WindowTerm, device: Device) -> Window:
    length = term.size if term.holding is None else term.longest
    size = micros(length) if length is not None else 0
    gap = micros(term.gap) if term.gap is not None else 0
    lateness = micros(term.lateness)
    return Window(
        own=device.id,
        point=term.point or "",
        event=term.event or "",
        where=tuple(term.where.items()),
        aggregate=term.aggregate,
        size=size,
        every=micros(term.every) if term.every is not None else size,
        gap=gap,
        samples=term.samples or 0,
        lateness=min(lateness, gap) if gap else lateness,
        origin=_midnight(device.zone),
        level=_limits(term),
        holds=None if term.holding is None else _threshold(term.holding, device.kind),
    )


def _midnight(zone: str) -> int:
    """A midnight of the community's standard time, so that windows of a day are its days."""
    offset = datetime(2026, 1, 1, tzinfo=UTC).astimezone(ZoneInfo(zone)).utcoffset()
    return -micros(offset or timedelta(0))


def _sequence(term: SequenceTerm, device: Device, topology: Topology) -> Sequence | None:
    steps: list[Occasion] = []
    absent: list[tuple[Occasion, ...]] = []
    for step in term.steps:
        if step.absent is None:
            steps.append(_occasion(step, device, topology))
            absent.append(())
        else:
            absent[-1] = (*absent[-1], _occasion(step.absent, device, topology))
    if not all(step.devices for step in steps):
        return None  # nobody here can take that step: the sequence never comes to its end
    after = micros(term.clear_after) if term.clear_after is not None else 0
    done = Occurrence("sequence", (), None, after, 1, 0)
    return Sequence(tuple(steps), tuple(absent), micros(term.lateness), done)


def _occasion(term: SequenceStep | MissingTerm, device: Device, topology: Topology) -> Occasion:
    devices = _few(topology.around(device, term.at, term.kinds))
    words = term.equals if isinstance(term.equals, list) else [] if term.equals is None else [term.equals]
    values: dict[int, tuple[float, ...]] = {}
    if term.point is not None and words:
        values = {one.id: tuple(_number(one.kind, term.point, word) for word in words) for one in devices}
    return Occasion(
        devices=frozenset(one.id for one in devices),
        event=term.event or "",
        where=tuple(term.where.items()),
        point=term.point or "",
        above=term.above,
        below=term.below,
        values=values,
        within=micros(term.within) if term.within is not None else 0,
        before=micros(term.before) if isinstance(term, MissingTerm) and term.before is not None else 0,
    )


def _near(term: NearTerm, device: Device, topology: Topology) -> Near:
    kinds = None if term.kinds == "all" else term.kinds
    found = _few(topology.around(device, term.at, kinds))
    members: dict[int, Threshold | Silence] = {}
    for one in found:
        if term.absence is not None:
            members[one.id] = _silence(term.absence, one)
        elif term.threshold is not None and term.threshold.point in one.points:
            members[one.id] = _threshold(term.threshold, one.kind)
    lasting = micros(term.lasting)
    patient = term.threshold is not None and bool(term.threshold.lasting)
    if term.at_most is not None:
        return Near(members, Threshold(-1, term.at_most + 0.5, None, lasting, 1, 0), patient)
    number = term.at_least if isinstance(term.at_least, int) else max(len(members), 1)
    return Near(members, _at_least(number, lasting), patient)


def _few(devices: list[Device]) -> list[Device]:
    if len(devices) > MOST_NEIGHBOURS:
        raise TooMany(f"it would look at {len(devices)} devices from one; at most {MOST_NEIGHBOURS} are allowed")
    return devices


def names_of(kind: KindSpec) -> Mapping[str, Kind]:
    """What an expression may name of a kind: its points, states as texts."""
    return {name: "text" if point.values else "number" for name, point in kind.points.items()}


def names_around(others: Mapping[str, Other], kinds: Mapping[str, KindSpec]) -> Mapping[str, Kind]:
    """What it may name of other devices: the points that all kinds meant have, in lists but of the one above."""
    found: dict[str, Kind] = {}
    for word, other in others.items():
        shared = set.intersection(*({*names_of(kinds[name]).items()} for name in other.kinds))
        found |= {f"{word}.{point}": kind if other.at == "parent" else LISTS[kind] for point, kind in shared}
    return found


def _expression(term: ExpressionCondition, device: Device, topology: Topology) -> Expression | None:
    around = {word: _few(topology.around(device, other.at, other.kinds)) for word, other in term.others.items()}
    if not all(around.values()):
        return None
    kinds = {one.kind_name: one.kind for some in around.values() for one in some}
    here = {
        word: other.model_copy(update={"kinds": [name for name in other.kinds if name in kinds]})
        for word, other in term.others.items()
    }
    field, text = term.written
    compiled = compile_expression(text, {**names_of(device.kind), **names_around(here, kinds)})
    inputs = []
    for name in sorted(compiled.names):
        word, _, point = name.rpartition(".")
        sources = tuple(_source(one, point) for one in (around[word] if word else [device]) if point in one.points)
        if not sources:
            return None
        inputs.append(Input(name, sources, not word or term.others[word].at == "parent"))
    if field == "value":
        return Expression(compiled, tuple(inputs), _limits(term, micros(term.lasting)), number=True)
    return Expression(compiled, tuple(inputs), Threshold(1, 0.5, None, micros(term.lasting), 1, 0))


def _source(device: Device, name: str) -> Source:
    point = device.points[name]
    words = {float(number): word for word, number in point.spec.values.items()}
    return Source(device.id, name, point.id, words, _silent_after(device))
