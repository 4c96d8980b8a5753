"""The solver's rosters against a judge that knows nothing of it, and against a second judge written here."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from time import perf_counter
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.duty.model import Absence, Limits, Need, Person, Shift, Slot, Wish
from modules.duty.roster import make_roster
from modules.duty.rules import Missing, Plan, missing, stand_ins, tallies, violations

ZONE = ZoneInfo("Asia/Shanghai")
MONDAY = date(2026, 11, 23)
THREE = {1: Shift(1, "m", time(7), time(15)), 2: Shift(2, "a", time(15), time(23)), 3: Shift(3, "n", time(23), time(7))}
FIRE = frozenset({"fire_control"})


def plan(days: int, people: int, *, posts: int = 2, **more: object) -> Plan:
    """Posts 1 … with one person a shift; post 1 needs a qualification that every second person has."""
    needs = tuple(Need(post, shift, qualifications=FIRE if post == 1 else frozenset())
                  for post in range(1, posts + 1) for shift in THREE)  # fmt: skip
    staff = {n: Person(n, FIRE if n % 2 else frozenset()) for n in range(1, people + 1)}
    values = {"zone": ZONE, "days": tuple(MONDAY + timedelta(days=n) for n in range(days)), "shifts": THREE,
              "needs": needs, "people": staff, **more}  # fmt: skip
    return Plan(**values)  # type: ignore[arg-type]


def solve(made: Plan):
    return make_roster(made, clock=perf_counter)


def by_hand(made: Plan, slots: tuple[Slot, ...]) -> list[str]:
    """The rules again, minute by minute instead of by intervals: slow, and of another making than `violations`."""
    wrong = []
    for person in made.people:
        theirs = [slot for slot in (*slots, *made.around) if slot.person == person]
        spans = [made.shifts[slot.shift].span(slot.day, made.zone) for slot in theirs]
        busy: set[datetime] = set()
        for begin, end in sorted(spans):
            quarter = {begin + timedelta(minutes=15) * n for n in range(int((end - begin).total_seconds() // 900))}
            rest = timedelta(hours=made.limits.rest_hours)
            near = {begin - timedelta(minutes=15) * n for n in range(1, int(rest.total_seconds() // 900) + 1)}
            if busy & (quarter | near):
                wrong.append(f"rest {person} {begin}")
            busy |= quarter
        for first in {slot.day - timedelta(days=slot.day.weekday()) for slot in theirs}:
            week = [span for slot, span in zip(theirs, spans, strict=True) if 0 <= (slot.day - first).days < 7]
            hours = sum((end - begin).total_seconds() / 3600 for begin, end in week)
            if hours > (made.people[person].weekly_hours or made.limits.weekly_hours):
                wrong.append(f"hours {person} {first}")
        worked, nights = {slot.day for slot in theirs}, {slot.day for slot in theirs if slot.shift == 3}
        for days, most in ((worked, made.limits.days_in_a_row), (nights, made.limits.nights_in_a_row)):
            if any(all(day + timedelta(days=n) in days for n in range(most + 1)) for day in days):
                wrong.append(f"row {person}")
    return wrong


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    days, people = draw(st.integers(1, 9)), draw(st.integers(0, 8))
    some = st.integers(1, max(1, people))
    day = st.integers(-1, days).map(lambda n: MONDAY + timedelta(days=n))
    absences = tuple(Absence(draw(some), first, first + timedelta(days=draw(st.integers(0, 3))))
                     for first in draw(st.lists(day, max_size=4)))  # fmt: skip
    wishes = tuple(Wish(draw(some), on, draw(st.sampled_from([None, 1, 3])), draw(st.sampled_from(["duty", "free"])))
                   for on in draw(st.lists(day, max_size=4)))  # fmt: skip
    limits = Limits(draw(st.sampled_from([16, 40, 48, 60])), draw(st.sampled_from([0, 8, 11, 16])),
                    draw(st.integers(1, 3)), draw(st.integers(1, 6)))  # fmt: skip
    before = tuple({Slot(MONDAY - timedelta(days=n), draw(st.sampled_from([1, 2, 3])), 2, draw(some))
                    for n in range(1, draw(st.integers(1, 4)))}) if people else ()  # fmt: skip
    return plan(days, people, absences=absences, wishes=wishes, limits=limits, around=before)


@settings(max_examples=60, deadline=None)
@given(plans())
def test_every_roster_keeps_to_every_rule_and_names_what_it_lacks(made: Plan):
    result = solve(made)
    assert violations(made, result.slots) == []
    assert set(by_hand(made, result.slots)) <= set(by_hand(made, ()))
    assert all(
        made.people[slot.person].qualifications >= (FIRE if slot.post == 1 else frozenset()) for slot in result.slots
    )
    assert not [slot for slot in result.slots if made.absent(slot.person, slot.day)]
    demanded = {(day, need.shift, need.post) for day in made.days for need in made.needs}
    stood = [(slot.day, slot.shift, slot.post) for slot in result.slots]
    assert len(set(stood)) == len(stood)
    assert sorted(demanded) == sorted([*stood, *((hole.day, hole.shift, hole.post) for hole in result.missing)])


@settings(max_examples=25, deadline=None)
@given(plans())
def test_no_hole_is_left_that_somebody_could_fill(made: Plan):
    result = solve(made)
    busy = {(slot.person, slot.day) for slot in (*result.slots, *made.around)}
    for hole in result.missing:
        need = next(each for each in made.needs if (each.post, each.shift) == (hole.post, hole.shift))
        for person in made.people:
            if (person, hole.day) not in busy and made.able(person, need) and not made.absent(person, hole.day):
                assert violations(made, [*result.slots, Slot(hole.day, hole.shift, hole.post, person)])


def test_the_same_plan_gives_the_same_roster():
    made = plan(7, 9, wishes=(Wish(2, MONDAY, None, "free"),), absences=(Absence(3, MONDAY, MONDAY),))
    assert solve(made).slots == solve(made).slots


def test_nights_and_weekends_are_spread():
    result = solve(plan(14, 8))
    assert result.missing == ()
    assert result.settled
    nights = [tally.nights for tally in result.tallies.values()]
    free_days = [tally.free_days for tally in result.tallies.values()]
    assert max(nights) - min(nights) <= 1
    assert max(free_days) - min(free_days) <= 1


def test_who_had_the_nights_lately_gets_fewer():
    carried = {1: (6, 0), 3: (6, 0)}
    nights = {person: tally.nights for person, tally in solve(plan(7, 8, carried=carried)).tallies.items()}
    assert nights[1] + nights[3] < nights[5] + nights[7]


def test_wishes_are_granted_where_they_cost_nobody():
    wishes = tuple(Wish(person, MONDAY + timedelta(days=person % 5), None, "free") for person in range(1, 9))
    assert solve(plan(7, 8, wishes=wishes)).wishes == (8, 8)


def test_nobody_is_told_as_a_hole_everywhere():
    result = solve(plan(1, 0))
    assert result.missing == tuple(sorted(Missing(MONDAY, shift, post, 1) for shift in THREE for post in (1, 2)))
    assert solve(plan(1, 3, needs=())).slots == ()


# -- the judge -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("slots", "expected"), [
    ([Slot(MONDAY, 1, 2, 1)], []),
    ([Slot(MONDAY, 1, 1, 2)], ["unqualified"]),
    ([Slot(MONDAY, 1, 2, 1), Slot(MONDAY, 1, 1, 1)], ["overlap"]),
    ([Slot(MONDAY, 2, 2, 1), Slot(MONDAY + timedelta(days=1), 1, 2, 1)], ["rest"]),
    ([Slot(MONDAY, 1, 2, 1), Slot(MONDAY, 2, 2, 1)], ["rest"]),
    ([Slot(MONDAY, 1, 2, 99)], ["unknown"]),
    ([Slot(MONDAY + timedelta(days=n), 3, 2, 1) for n in range(4)], ["nights"]),
    ([Slot(MONDAY + timedelta(days=n), 1, 2, 1) for n in range(7)], ["days", "weekly_hours"]),
    ([Slot(MONDAY + timedelta(days=n), 1, 2, 1) for n in range(6)], []),
])  # fmt: skip
def test_each_rule_is_seen(slots: list[Slot], expected: list[str]):
    assert sorted(each.rule for each in violations(plan(7, 4), slots)) == expected


def test_neighbouring_days_count_but_are_not_blamed():
    last_night = Slot(MONDAY - timedelta(days=1), 3, 2, 1)
    made = plan(7, 4, around=(last_night, Slot(MONDAY - timedelta(days=1), 2, 2, 1)))
    assert violations(made, []) == []
    assert {each.rule for each in violations(made, [Slot(MONDAY, 1, 2, 1)])} == {"rest"}


def test_who_is_absent_or_unable_covers_nothing():
    made = plan(1, 2, posts=1, absences=(Absence(1, MONDAY, MONDAY),))
    slots = [Slot(MONDAY, 1, 1, 1), Slot(MONDAY, 2, 1, 2)]
    assert [(hole.shift, hole.lacking) for hole in missing(made, slots)] == [(1, 1), (2, 1), (3, 1)]
    assert [each.rule for each in violations(made, slots)] == ["absent", "unqualified"]


def test_stand_ins_who_break_nothing_come_first_the_least_burdened_first():
    hole = Slot(MONDAY, 1, 2, 1)
    slots = [hole, Slot(MONDAY, 2, 2, 2), Slot(MONDAY + timedelta(days=2), 1, 2, 3)]
    found = stand_ins(plan(7, 4, absences=(Absence(4, MONDAY, MONDAY),)), slots, hole)
    assert [(person, [each.rule for each in broken]) for person, broken in found] == [(3, []), (2, ["rest"])]


def test_a_tally_counts_hours_of_the_clock():
    berlin = replace(plan(1, 1), zone=ZoneInfo("Europe/Berlin"), days=(date(2026, 10, 24),))
    night = [Slot(date(2026, 10, 24), 3, 2, 1)]
    assert tallies(berlin, night)[1].hours == 9.0
    begin, end = berlin.span(night[0])
    assert (begin, end) == (datetime(2026, 10, 24, 21, tzinfo=UTC), datetime(2026, 10, 25, 6, tzinfo=UTC))
