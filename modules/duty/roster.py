"""The automatic roster (自动排班): an integer program for HiGHS, every rule of `rules` a row.

First as few uncovered places as can be, then, with that number held, fairness and wishes. It always gives a roster:
what could not be covered is named in it. One person gets at most one shift a day. Same plan, same roster: one thread,
a fixed seed, and limits counted in nodes; only a plan so hard that it meets the time limit may come out otherwise.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from math import ceil, floor
from typing import Any

import highspy

from hub.errors import HubError
from modules.duty.model import Need, Slot, demands, is_free_day
from modules.duty.rules import Missing, Plan, Tally, missing, monday, tallies, violations

MOST_SECONDS = 14.0  # HiGHS looks at its clock now and then only: together below 20
_NODES = 50
_WEIGHTS = {"nights": 4.0, "free_days": 3.0, "hours": 0.5}
_WISH = 1.0

Key = tuple[int, int]  # number of the demand, person


class NoRoster(HubError):
    """The solver gave something that breaks the rules, or nothing at all: a fault of ours, and nothing is kept."""


@dataclass(frozen=True)
class Result:
    """A roster that keeps to every rule. `settled`: the solver ended by itself, not by its limits."""

    slots: tuple[Slot, ...]
    missing: tuple[Missing, ...]
    tallies: dict[int, Tally]
    settled: bool
    wishes: tuple[int, int]  # granted, of


def make_roster(plan: Plan, *, seconds: float = MOST_SECONDS, clock: Callable[[], float]) -> Result:
    """The roster of a plan in at most `seconds`, about. Blocks; to be run in a thread. NoRoster."""
    seconds = min(seconds, MOST_SECONDS)
    deadline = clock() + seconds
    program = _Program(plan)
    program.cover()
    program.begin(first_guess(plan, program.demands))
    first = program.solve(seconds * 0.4)
    program.weigh()
    second = program.solve(max(0.5, deadline - clock()))
    slots = program.slots()
    broken = violations(plan, slots)
    if broken:
        raise NoRoster(f"the solver's roster breaks a rule: {broken[0]}")
    return Result(tuple(slots), tuple(missing(plan, slots)), tallies(plan, slots), first and second,
                  _granted(plan, slots))  # fmt: skip


def first_guess(plan: Plan, places: Sequence[tuple[date, Need]]) -> list[Slot]:
    """A roster by going through the days: the places that few can stand first, each by the least burdened who may.

    Not fair and not the fullest, but it keeps to the rules: the solver only ever improves on it, stopped or not.
    """
    own = {person: replace(plan, around=tuple(slot for slot in plan.around if slot.person == person))
           for person in sorted(plan.people)}  # fmt: skip
    stood: dict[int, list[Slot]] = {person: [] for person in own}
    able = {need: sum(plan.able(person, need) for person in own) for _, need in places}
    for day, need in sorted(places, key=lambda place: (place[0], able[place[1]], place[1].shift, place[1].post)):
        lacking = need.people
        for person in sorted(own, key=lambda person: (len(stood[person]), person)):
            slot = Slot(day, need.shift, need.post, person)
            free = all(other.day != day for other in (*stood[person], *own[person].around))
            if lacking and free and not violations(own[person], [*stood[person], slot]):
                stood[person].append(slot)
                lacking -= 1
    return [slot for theirs in stood.values() for slot in theirs]


def _granted(plan: Plan, slots: Iterable[Slot]) -> tuple[int, int]:
    stood = {(slot.person, slot.day, slot.shift) for slot in slots}
    days = set(plan.days)
    granted = of = 0
    for wish in plan.wishes:
        if wish.person in plan.people and wish.day in days:
            has = any(p == wish.person and d == wish.day and wish.shift in (None, s) for p, d, s in stood)
            granted += has == (wish.want == "duty")
            of += 1
    return granted, of


class _Program:
    """The rows and columns. Columns: who stands which demand (binary), what stays uncovered, what is unfair."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.demands: list[tuple[date, Need]] = list(demands(plan.needs, plan.days))
        self.people = sorted(plan.people)
        make: Any = highspy.Highs
        self._highs = make()
        for name, value in (("output_flag", False), ("threads", 1), ("random_seed", 0), ("mip_rel_gap", 1e-4),
                            ("mip_max_nodes", _NODES)):  # fmt: skip
            self._highs.setOptionValue(name, value)
        self._columns = 0
        self._values: list[float] = []
        self.stands: dict[Key, int] = {}
        self._short: list[int] = []

    # -- what must be --------------------------------------------------------------------------------------------

    def cover(self) -> None:
        """The columns, every demand covered or counted as short, and every rule of `rules`."""
        for number, (day, need) in enumerate(self.demands):
            for person in self.people:
                if self._free(person, day, need):
                    self.stands[number, person] = self._column(0.0, 1.0, whole=True)
        for number, (_, need) in enumerate(self.demands):
            short = self._column(0.0, need.people, cost=1.0, whole=True)
            self._short.append(short)
            self._row(need.people, need.people, [*self._of(number), short])
        for person in self.people:
            self._rest(person)
            self._weeks(person)
            self._rows_of_days(person, self.plan.limits.days_in_a_row, lambda _: True)
            self._rows_of_days(person, self.plan.limits.nights_in_a_row, lambda shift: self.plan.shifts[shift].night)

    def begin(self, slots: Iterable[Slot]) -> None:
        """A roster to begin with."""
        places = {(day, need.shift, need.post): number for number, (day, need) in enumerate(self.demands)}
        self._values = [0.0] * self._columns
        for number, (_, need) in enumerate(self.demands):
            self._values[self._short[number]] = need.people
        for slot in slots:
            number = places[slot.day, slot.shift, slot.post]
            if (number, slot.person) in self.stands:
                self._values[self.stands[number, slot.person]] = 1.0
                self._values[self._short[number]] -= 1.0

    def _free(self, person: int, day: date, need: Need) -> bool:
        plan = self.plan
        if not plan.able(person, need) or plan.absent(person, day):
            return False
        rest = timedelta(hours=plan.limits.rest_hours)
        begin, end = plan.shifts[need.shift].span(day, plan.zone)
        for slot in plan.around:
            if slot.person == person:
                other_begin, other_end = plan.span(slot)
                if slot.day == day or (begin < other_end + rest and other_begin < end + rest):
                    return False
        return True

    def _of(self, number: int) -> list[int]:
        return [self.stands[number, person] for person in self.people if (number, person) in self.stands]

    def _theirs(self, person: int) -> list[tuple[int, date, Need]]:
        return [(self.stands[n, person], day, need) for n, (day, need) in enumerate(self.demands)
                if (n, person) in self.stands]  # fmt: skip

    def _rest(self, person: int) -> None:
        """Shifts lengthened by the rest overlap just where they conflict; those that hold one instant exclude each
        other, and every conflict shows at the beginning of a shift. A day holds one shift at most."""
        rest = timedelta(hours=self.plan.limits.rest_hours)
        spans = [(column, day, *self.plan.shifts[need.shift].span(day, self.plan.zone))
                 for column, day, need in self._theirs(person)]  # fmt: skip
        groups = {tuple(c for c, _, begin, end in spans if begin <= at < end + rest) for _, _, at, _ in spans}
        groups |= {tuple(c for c, other, _, _ in spans if other == day) for _, day, _, _ in spans}
        for group in sorted(groups):
            if len(group) > 1:
                self._row(0, 1, list(group))

    def _weeks(self, person: int) -> None:
        plan = self.plan
        most = plan.people[person].weekly_hours or plan.limits.weekly_hours
        before: dict[date, float] = defaultdict(float)
        for slot in plan.around:
            if slot.person == person:
                before[monday(slot.day)] += plan.hours(slot)
        weeks: dict[date, list[tuple[int, float]]] = defaultdict(list)
        for column, day, need in self._theirs(person):
            weeks[monday(day)].append((column, plan.hours(Slot(day, need.shift, need.post, person))))
        for week, terms in sorted(weeks.items()):
            self._row(0, max(0.0, most - before[week]), [c for c, _ in terms], [hours for _, hours in terms])

    def _rows_of_days(self, person: int, most: int, counts: Callable[[int], bool]) -> None:
        """No more than `most` such days in any `most` + 1 days in a row."""
        stood = {slot.day for slot in self.plan.around if slot.person == person and counts(slot.shift)}
        columns: dict[date, list[int]] = defaultdict(list)
        for column, day, need in self._theirs(person):
            if counts(need.shift):
                columns[day].append(column)
        starts = {day - timedelta(days=back) for day in columns for back in range(most + 1)}
        for start in sorted(starts):
            window = [start + timedelta(days=n) for n in range(most + 1)]
            inside = [column for day in window for column in columns.get(day, ())]
            already = sum(day in stood for day in window)
            if inside and len(inside) + already > most:
                self._row(0, max(0, most - already), inside)

    # -- what would be good --------------------------------------------------------------------------------------

    def weigh(self) -> None:
        """Hold the number of uncovered places; from now on fairness and wishes count."""
        lacking = round(sum(self._values[column] for column in self._short))
        self._row(0, lacking, self._short)
        for column in self._short:
            self._highs.changeColCost(column, 0.0)
        self._fairness()
        for wish in self.plan.wishes:
            for column, day, need in self._theirs(wish.person):
                if day == wish.day and wish.shift in (None, need.shift):
                    self._highs.changeColCost(column, _WISH if wish.want == "free" else -_WISH)

    def _fairness(self) -> None:
        """Nights, free days and hours by share of presence; only what is beyond one shift of the share costs."""
        plan = self.plan
        presence = {
            person: sum(not plan.absent(person, day) for day in plan.days)
            * (plan.people[person].weekly_hours or plan.limits.weekly_hours)
            for person in self.people
        }
        all_presence = sum(presence.values())
        if not all_presence or not self.demands:
            return
        longest = max(plan.hours(Slot(day, need.shift, need.post, 0)) for day, need in self.demands)
        for name in _WEIGHTS:
            unit = longest if name == "hours" else 1.0
            carried = {person: self._carried(name, person) for person in self.people}
            total = sum(self._worth(name, day, need) * need.people for day, need in self.demands) + sum(
                carried.values()
            )
            for person in self.people:
                share = total * presence[person] / all_presence - carried[person]
                terms = [(c, self._worth(name, day, need)) for c, day, need in self._theirs(person)]
                self._band(name, unit, share, [(c, worth) for c, worth in terms if worth])

    def _worth(self, name: str, day: date, need: Need) -> float:
        if name == "nights":
            return float(self.plan.shifts[need.shift].night)
        if name == "free_days":
            return float(is_free_day(day))
        return self.plan.hours(Slot(day, need.shift, need.post, 0))

    def _carried(self, name: str, person: int) -> float:
        nights, free_days = self.plan.carried.get(person, (0, 0))
        return float({"nights": nights, "free_days": free_days}.get(name, 0))

    def _band(self, name: str, unit: float, share: float, terms: list[tuple[int, float]]) -> None:
        if not terms:
            return
        cost = _WEIGHTS[name] / unit
        low, high = floor(share / unit + 1e-9) * unit, ceil(share / unit - 1e-9) * unit
        under, over = self._column(0.0, highspy.kHighsInf, cost=cost), self._column(0.0, highspy.kHighsInf, cost=cost)
        columns, worths = [c for c, _ in terms], [worth for _, worth in terms]
        self._row(low, highspy.kHighsInf, [*columns, under], [*worths, 1.0])
        self._row(-highspy.kHighsInf, max(0.0, high), [*columns, over], [*worths, -1.0])

    # -- the solver ----------------------------------------------------------------------------------------------

    def _column(self, low: float, high: float, *, cost: float = 0.0, whole: bool = False) -> int:
        self._highs.addVar(low, high)
        column, self._columns = self._columns, self._columns + 1
        if cost:
            self._highs.changeColCost(column, cost)
        if whole:
            self._highs.changeColIntegrality(column, highspy.HighsVarType.kInteger)
        return column

    def _row(self, low: float, high: float, columns: list[int], factors: list[float] | None = None) -> None:
        self._highs.addRow(low, high, len(columns), columns, factors or [1.0] * len(columns))

    def solve(self, seconds: float) -> bool:
        """Find the best in `seconds`; whether it was found. NoRoster."""
        if not self._columns:
            return True
        if self._values:
            start = highspy.HighsSolution()
            start.col_value = [*self._values, *[0.0] * (self._columns - len(self._values))]
            self._highs.setSolution(start)
        # HiGHS counts the time of all its runs together.
        self._highs.setOptionValue("time_limit", self._highs.getRunTime() + seconds)
        self._highs.run()
        status, info = self._highs.getModelStatus(), self._highs.getInfo()
        if info.primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
            raise NoRoster(f"the solver found no roster: {self._highs.modelStatusToString(status)}")
        self._values = list(self._highs.getSolution().col_value)
        return bool(status == highspy.HighsModelStatus.kOptimal)

    def slots(self) -> list[Slot]:
        return sorted(
            Slot(self.demands[number][0], self.demands[number][1].shift, self.demands[number][1].post, person)
            for (number, person), column in self.stands.items()
            if self._values[column] > 0.5
        )
