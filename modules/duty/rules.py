"""Does a roster keep to the rules? The judge of every roster, by hand or by machine; it knows nothing of the solver."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from modules.duty.model import Absence, Limits, Need, Person, Shift, Slot, Wish, demands, is_free_day


@dataclass(frozen=True)
class Plan:
    """What a roster of `days` is made from and judged by. `around`: slots of neighbouring days, already decided."""

    zone: ZoneInfo
    days: tuple[date, ...]
    shifts: Mapping[int, Shift]
    needs: tuple[Need, ...]
    people: Mapping[int, Person]
    limits: Limits = field(default_factory=Limits)
    absences: tuple[Absence, ...] = ()
    wishes: tuple[Wish, ...] = ()
    around: tuple[Slot, ...] = ()
    carried: Mapping[int, tuple[int, int]] = field(default_factory=dict)  # person -> nights, free days stood lately
    retired: Mapping[int, Person] = field(default_factory=dict)  # who stood days before `today` all the same
    today: date = date.min

    def span(self, slot: Slot) -> tuple[datetime, datetime]:
        return self.shifts[slot.shift].span(slot.day, self.zone)

    def absent(self, person: int, day: date) -> bool:
        return any(absence.person == person and absence.covers(day) for absence in self.absences)

    def able(self, person: int, need: Need) -> bool:
        return need.qualifications <= self.people[person].qualifications

    def stood(self, person: int, day: date, need: Need) -> bool:
        """Whether somebody who is known, on days gone by also since retired, can have filled the need."""
        who = self.people.get(person) or (self.retired.get(person) if day < self.today else None)
        return who is not None and need.qualifications <= who.qualifications and not self.absent(person, day)

    def hours(self, slot: Slot) -> float:
        begin, end = self.span(slot)
        return (end - begin).total_seconds() / 3600


@dataclass(frozen=True, order=True)
class Missing:
    """A cover nobody stands: `lacking` people at a post in a shift of a day."""

    day: date
    shift: int
    post: int
    lacking: int


@dataclass(frozen=True, order=True)
class Violation:
    """A rule a person's slots break, and the day it shows."""

    day: date
    person: int
    rule: str  # absent, unqualified, overlap, rest, weekly_hours, nights, days, unknown
    detail: str = ""


@dataclass(frozen=True)
class Tally:
    """What somebody has in a roster: the figures of fairness."""

    shifts: int
    nights: int
    free_days: int
    hours: float


def missing(plan: Plan, slots: Collection[Slot]) -> list[Missing]:
    """Every cover of the plan's days that is not filled, by somebody who is able and not absent."""
    found = []
    for day, need in demands(plan.needs, plan.days):
        stood = {
            slot.person for slot in slots
            if (slot.day, slot.shift, slot.post) == (day, need.shift, need.post)
            and plan.stood(slot.person, day, need)
        }  # fmt: skip
        if len(stood) < need.people:
            found.append(Missing(day, need.shift, need.post, need.people - len(stood)))
    return found


def violations(plan: Plan, slots: Collection[Slot]) -> list[Violation]:
    """Every rule the slots break, judged together with those around them; of those around alone nothing is said."""
    mine = set(slots)
    stood: dict[int, list[Slot]] = defaultdict(list)
    found: set[Violation] = set()
    for slot in {*slots, *plan.around}:
        if slot.person not in plan.people:
            if slot in mine and not (slot.day < plan.today and slot.person in plan.retired):
                found.add(Violation(slot.day, slot.person, "unknown"))
            continue
        stood[slot.person].append(slot)
    for slot in mine:
        found.update(_of_slot(plan, slot))
    for person, theirs in stood.items():
        theirs.sort(key=plan.span)
        found.update(_rest(plan, person, theirs, mine))
        found.update(_weeks(plan, person, theirs, mine))
        found.update(_rows(plan, person, theirs, mine))
    return sorted(found)


def _of_slot(plan: Plan, slot: Slot) -> Iterator[Violation]:
    if slot.person not in plan.people:
        return
    if plan.absent(slot.person, slot.day):
        yield Violation(slot.day, slot.person, "absent")
    for need in plan.needs:
        if (need.post, need.shift) == (slot.post, slot.shift) and not plan.able(slot.person, need):
            lacks = need.qualifications - plan.people[slot.person].qualifications
            yield Violation(slot.day, slot.person, "unqualified", ", ".join(sorted(lacks)))


def _rest(plan: Plan, person: int, theirs: list[Slot], mine: set[Slot]) -> Iterator[Violation]:
    rest = timedelta(hours=plan.limits.rest_hours)
    for number, before in enumerate(theirs):
        end = plan.span(before)[1]
        for after in theirs[number + 1 :]:
            pause = plan.span(after)[0] - end
            if pause >= rest and pause >= timedelta():
                break
            if before in mine or after in mine:
                rule, detail = (
                    ("overlap", "") if pause < timedelta() else ("rest", f"{pause.total_seconds() / 3600:g} h")
                )
                yield Violation(after.day, person, rule, detail)


def _weeks(plan: Plan, person: int, theirs: list[Slot], mine: set[Slot]) -> Iterator[Violation]:
    most = plan.people[person].weekly_hours or plan.limits.weekly_hours
    weeks: dict[date, float] = defaultdict(float)
    ours = {monday(slot.day) for slot in theirs if slot in mine}
    for slot in theirs:
        weeks[monday(slot.day)] += plan.hours(slot)
    for week in sorted(ours):
        if weeks[week] > most + 1e-6:
            yield Violation(week, person, "weekly_hours", f"{weeks[week]:g} h")


def _rows(plan: Plan, person: int, theirs: list[Slot], mine: set[Slot]) -> Iterator[Violation]:
    nights = {slot.day for slot in theirs if plan.shifts[slot.shift].night}
    worked = {slot.day for slot in theirs}
    ours = {slot.day for slot in theirs if slot in mine}
    limits = plan.limits
    for rule, days, most in (("nights", nights, limits.nights_in_a_row), ("days", worked, limits.days_in_a_row)):
        for run in _runs(days):
            if len(run) > most and ours.intersection(run):
                yield Violation(run[most], person, rule, str(len(run)))


def _runs(days: Collection[date]) -> Iterator[list[date]]:
    run: list[date] = []
    for day in sorted(days):
        if run and (day - run[-1]).days > 1:
            yield run
            run = []
        run.append(day)
    if run:
        yield run


def monday(day: date) -> date:
    """The Monday of its week: the week that weekly hours are counted by."""
    return day - timedelta(days=day.isoweekday() - 1)


def tallies(plan: Plan, slots: Collection[Slot]) -> dict[int, Tally]:
    """What every person of the plan has in these slots."""
    found = {}
    for person in sorted(plan.people):
        theirs = [slot for slot in slots if slot.person == person]
        found[person] = Tally(
            len(theirs),
            sum(plan.shifts[slot.shift].night for slot in theirs),
            sum(is_free_day(slot.day) for slot in theirs),
            sum(plan.hours(slot) for slot in theirs),
        )
    return found


def stand_ins(plan: Plan, slots: Collection[Slot], hole: Slot) -> list[tuple[int, list[Violation]]]:
    """Who could stand `hole` instead: first those who break no rule, the least burdened first; then the others with
    what they would break. `slots` are the period's; the one of who is replaced is left out."""
    rest = [slot for slot in slots if slot != hole]
    burden = tallies(plan, rest)
    found = []
    for person in sorted(plan.people):
        if person == hole.person or plan.absent(person, hole.day):
            continue
        theirs = [slot for slot in rest if slot.person == person]
        one = Slot(hole.day, hole.shift, hole.post, person)
        already = set(violations(plan, theirs))
        found.append((person, [each for each in violations(plan, [*theirs, one]) if each not in already]))
    return sorted(found, key=lambda each: (len(each[1]), burden[each[0]].hours, each[0]))
