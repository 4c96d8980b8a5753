"""Calculated points: what a virtual device shows is computed from other devices' points, in the batch that moved them.

At most one frame a batch comes from each calculated device, whatever the number of inputs that moved. Like the rules it
works on an overlay until `accept`, so a batch that fails is computed again with the same answer.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import msgspec
import structlog

from hub.catalog.problems import closest
from hub.model import Device, Frame, Quality, Reading, frame_key
from hub.vocabulary.profiles import VirtualProfile
from hub.vocabulary.sites import DeviceSpec
from hub.vocabulary.virtual import VirtualAddress
from rules.expressions import Compiled, ExpressionError, Kind, compile_expression

_log = structlog.get_logger()
_UNUSABLE = int(Quality.BAD | Quality.LATE | Quality.RANGE)

Known = tuple[int, float | None]
"""Device time in microseconds UTC, value; None: the device cannot tell."""


@dataclass(frozen=True)
class Input:
    """One point of another device."""

    point: int
    patience: int  # µs after which its last word counts for nothing


@dataclass(eq=False)
class Formula:
    """One calculated point."""

    device: Device
    point: str
    compiled: Compiled
    inputs: Mapping[str, Input | list[Input]]  # by name of the expression
    failed: bool = False  # said in the log already

    @property
    def label(self) -> str:
        return f"{self.device.code}.{self.point}"

    @property
    def id(self) -> int:
        return self.device.points[self.point].id

    def needs(self) -> Iterator[Input]:
        for one in self.inputs.values():
            yield from one if isinstance(one, list) else [one]


class Calculator:
    """Computes the calculated points of all virtual devices. One owner calls it."""

    def __init__(self) -> None:
        self._formulas: list[Formula] = []  # each after those it needs
        self._watching: dict[int, list[Formula]] = {}
        self._known: dict[int, Known] = {}
        self._told: dict[int, int] = {}  # device -> ts of its newest frame
        self._overlay: tuple[dict[int, Known], dict[int, int]] = ({}, {})

    def configure(self, devices: Mapping[int, Device], last: Mapping[int, Known]) -> list[str]:
        """Begin with these devices; `last`: point id -> newest reading, of every point. Gives what is wrong, by device
        and point: what is wrong is left out, the rest is computed."""
        codes = {(device.community_id, device.code): device for device in devices.values()}
        problems: list[str] = []
        formulas = [formula for device in devices.values() for formula in _formulas(device, codes, problems)]
        self._formulas = _in_order(formulas, problems)
        needed = {one.point for formula in self._formulas for one in formula.needs()}
        own = {formula.id for formula in self._formulas}
        self._known = {point: known for point, known in last.items() if point in needed | own}
        self._told = {}
        self._watching = {}
        for formula in self._formulas:
            for point in {one.point for one in formula.needs()}:
                self._watching.setdefault(point, []).append(formula)
            newest = self._known.get(formula.id, (0, None))[0]
            self._told[formula.device.id] = max(newest, self._told.get(formula.device.id, 0))
        self._overlay = ({}, {})
        return problems

    def calculate(self, frames: Sequence[Frame]) -> list[Frame]:
        """The frames that follow from these (new ones, late readings marked), to be stored and judged after them.

        Source "calculated", raw the inputs as JSON. An input that is unknown, or silent for longer than its device may
        be, makes the value unknown: a reading of quality BAD without value, said once.
        """
        moved: dict[int, Known] = {}
        self._overlay = (moved, {})
        if not self._watching:
            return []
        received = 0
        for frame in frames:
            for reading in frame.readings:
                point = reading.point.id
                if point in self._watching and self._usable(reading, frame.ts, moved):
                    moved[point] = (frame.ts, None if reading.quality & Quality.BAD else reading.value)
                    received = max(received, frame.received)
        if not moved:
            return []
        touched = {formula for point in moved for formula in self._watching[point]}
        return list(self._results(touched, received))

    def accept(self) -> None:
        """The batch of the last `calculate` is committed."""
        moved, told = self._overlay
        self._known.update(moved)
        self._told.update(told)
        self._overlay = ({}, {})

    def _usable(self, reading: Reading, ts: int, moved: Mapping[int, Known]) -> bool:
        if reading.quality & _UNUSABLE & ~Quality.BAD:
            return False
        before = moved.get(reading.point.id) or self._known.get(reading.point.id)
        return before is None or ts >= before[0]

    def _results(self, touched: set[Formula], received: int) -> Iterator[Frame]:
        """One frame a device, in the order in which they need each other."""
        moved, told = self._overlay
        found: dict[int, tuple[Device, int, dict[str, object], list[Reading]]] = {}
        for formula in self._formulas:
            if formula not in touched:
                continue
            values, ts = self._values(formula, moved)
            value = self._evaluate(formula, values)
            if value is None and self._known.get(formula.id, (0, 0.0))[1] is None:
                continue
            device = formula.device
            _, old, inputs, readings = found.get(device.id, (device, 0, {}, []))
            ts = max(ts, old, self._told[device.id] + 1)
            moved[formula.id] = (ts, value)
            touched.update(self._watching.get(formula.id, ()))
            quality = int(Quality.BAD) if value is None else _plausible(formula, value)
            reading = Reading(device.points[formula.point], value, quality)
            found[device.id] = (device, ts, inputs | values, [*readings, reading])
        for device, ts, inputs, readings in found.values():
            raw = msgspec.json.encode(inputs, order="sorted")
            told[device.id] = ts
            yield Frame(
                device, frame_key(device.code, str(ts), raw), True, True, ts, received, "calculated", raw, readings, []
            )

    def _values(self, formula: Formula, moved: Mapping[int, Known]) -> tuple[dict[str, object], int]:
        """What its inputs say, and the newest of their times."""
        known = {one.point: moved.get(one.point) or self._known.get(one.point) or (0, None) for one in formula.needs()}
        newest = max(ts for ts, _ in known.values())

        def value(one: Input) -> float | None:
            ts, said = known[one.point]
            return said if newest - ts <= one.patience else None

        values: dict[str, object] = {
            name: [value(each) for each in one] if isinstance(one, list) else value(one)
            for name, one in formula.inputs.items()
        }
        return values, newest

    def _evaluate(self, formula: Formula, values: Mapping[str, object]) -> float | None:
        if any(None in value if isinstance(value, list) else value is None for value in values.values()):
            return None
        try:
            result = formula.compiled.evaluate(values)
        except ExpressionError as error:
            if not formula.failed:
                formula.failed = True
                _log.warning("a calculated point has no value", point=formula.label, why=error.why)
            return None
        formula.failed = False
        return None if result is None or isinstance(result, str) else float(result)


def _plausible(formula: Formula, value: float) -> int:
    spec = formula.device.points[formula.point].spec
    low, high = spec.minimum, spec.maximum
    return int(Quality.RANGE) if (low is not None and value < low) or (high is not None and value > high) else 0


def _formulas(device: Device, codes: Mapping[tuple[int, str], Device], problems: list[str]) -> Iterator[Formula]:
    if not isinstance(device.profile, VirtualProfile) or not device.profile.virtual.calculated:
        return
    known = len(problems)
    inputs = _inputs(device, codes, problems)
    if len(problems) > known:  # a sum over the rest would be a wrong sum
        return
    names: dict[str, Kind] = {name: "numbers" if isinstance(one, list) else "number" for name, one in inputs.items()}
    for point, calculated in device.profile.virtual.calculated.items():
        if point not in device.points:
            problems.append(f"{device.code}.{point}: a {device.kind_name} has no such point")
            continue
        try:
            compiled = compile_expression(calculated.expression, names)
        except ExpressionError as error:
            problems.append(f"{device.code}.{point}: {error}")
            continue
        if not compiled.names:
            problems.append(f"{device.code}.{point}: it uses no input, so nothing ever makes it be computed")
            continue
        yield Formula(device, point, compiled, {name: inputs[name] for name in sorted(compiled.names)})


def _inputs(
    device: Device, codes: Mapping[tuple[int, str], Device], problems: list[str]
) -> dict[str, Input | list[Input]]:
    """`word.point` of everything an expression of the device may name."""
    found: dict[str, Input | list[Input]] = {}
    for word, given in _address(device.spec).inputs.items():
        several = [given] if isinstance(given, str) else given
        known = [other for code in several if (other := codes.get((device.community_id, code))) is not None]
        for code in several:
            if (device.community_id, code) not in codes:
                mine = [name for community, name in codes if community == device.community_id]
                near = closest(code, mine)
                hint = f"; did you mean {near!r}?" if near else ""
                problems.append(f"{device.code}: inputs.{word}: there is no device {code!r}{hint}")
        for point in {point for other in known for point in other.points}:
            having = [Input(other.points[point].id, _patience(other)) for other in known if point in other.points]
            found[f"{word}.{point}"] = having[0] if isinstance(given, str) else having
    return found


def _address(spec: DeviceSpec) -> VirtualAddress:
    return spec.address if isinstance(spec.address, VirtualAddress) else VirtualAddress()


def _patience(device: Device) -> int:
    return (device.profile.silent_after or device.kind.silent_after) // timedelta(microseconds=1)


def _in_order(formulas: Sequence[Formula], problems: list[str]) -> list[Formula]:
    """Each after those it needs. Circles, and what needs them, are left out and named."""
    by_point = {formula.id: formula for formula in formulas}
    order: list[Formula] = []
    state: dict[int, bool | None] = {}  # None: being looked at; True: fine; False: left out

    def visit(formula: Formula, way: list[Formula]) -> bool:
        if formula.id in state:
            fine = state[formula.id]
            if fine is None:
                circle = [*way[way.index(formula) :], formula]
                problems.append(f"{formula.label}: it needs itself: {' → '.join(one.label for one in circle)}")
            return bool(fine)
        state[formula.id] = None
        needed = sorted({one.point for one in formula.needs()} & by_point.keys())
        fine = True
        for point in needed:
            fine = visit(by_point[point], [*way, formula]) and fine
        state[formula.id] = fine
        if fine:
            order.append(formula)
        return fine

    for formula in sorted(formulas, key=lambda formula: (formula.device.id, formula.point)):
        visit(formula, [])
    return order
