"""A round by hand-made examples, and by properties that must hold for any evidence in any order."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from modules.patrol.model import (
    HOLD,
    Effect,
    Evidence,
    Round,
    Stop,
    assess,
    step,
)
from modules.patrol.stored import plan_json, plan_of

START = datetime(2026, 11, 21, 18, tzinfo=UTC)  # 02:00 in Shanghai


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def at(count: float) -> datetime:
    return START + minutes(count)


def make_round(*, ordered: bool = True, remind: float = 2) -> Round:
    """Three stops due after 10, 20 and 30 minutes, five minutes of tolerance, an hour to be finished late."""
    stops = tuple(Stop(name, at(-5 + n), at(10 + 10 * n), minutes(2)) for n, name in enumerate("abc"))
    return Round(at(-5), START, at(30), at(95), stops, ordered, minutes(5), minutes(remind))


def tap(checkpoint: str, moment: float, *, received: float | None = None, **more: object) -> Evidence:
    come = at(moment if received is None else received)
    one = Evidence(f"{checkpoint}{moment}", checkpoint, "reader", f"reader-{checkpoint}", 100, at(moment), come)
    return replace(one, **more)  # type: ignore[arg-type]


class Watch:
    """A round as the keeper keeps it: evidence comes, time passes, what is told is remembered."""

    def __init__(self, plan: Round) -> None:
        self.plan = plan
        self.evidence: list[Evidence] = []
        self.told: frozenset[str] = frozenset()
        self.effects: list[Effect] = []
        self.wake_at: datetime | None = plan.opens
        self.now = plan.opens - minutes(1)

    def until(self, moment: datetime) -> "Watch":
        while self.wake_at is not None and self.wake_at <= moment:
            self.now = max(self.now, self.wake_at)
            self.look()
        self.now = max(self.now, moment)
        return self

    def hear(self, one: Evidence) -> None:
        self.until(one.received)
        self.evidence.append(one)
        self.look()

    def look(self) -> None:
        done = step(self.plan, self.evidence, self.told, self.now)
        self.effects += done.effects
        self.told, self.wake_at, self.outcome = done.told, done.wake_at, done.outcome

    def names(self) -> list[str]:
        return [effect.key for effect in self.effects]


def walk(plan: Round, taps: Sequence[Evidence]) -> Watch:
    watch = Watch(plan)
    for one in sorted(taps, key=lambda one: one.received):
        watch.hear(one)
    return watch.until(plan.closes + minutes(600))


def test_a_round_as_planned_is_told_from_start_to_finish_without_an_alarm():
    watch = walk(make_round(), [tap("a", 5), tap("b", 15), tap("c", 25)])
    assert watch.names() == ["started", "done:a", "done:b", "done:c", "finished"]
    assert watch.effects[-1] == Effect("finished", "round_finished", at(25), result="complete")
    assert (watch.outcome.state, watch.outcome.done, watch.outcome.finished_at) == ("complete", 3, at(25))


def test_nobody_comes_and_it_is_told_while_there_is_time_to_act():
    watch = Watch(make_round())
    seen = {}
    for minute in range(-5, 100):
        before = len(watch.effects)
        watch.until(at(minute))
        seen |= {effect.key: minute for effect in watch.effects[before:]}
    assert seen == {
        "remind:a": 8, "late:a": 15, "remind:b": 18, "late:b": 25, "remind:c": 28, "overdue": 35,
        "settled": 95, "missed": 95,
    }  # fmt: skip
    assert watch.outcome.state == "missed"
    assert watch.wake_at is None


def test_an_overdue_round_that_is_walked_after_all_is_settled_by_it():
    watch = walk(make_round(), [tap("a", 5), tap("b", 15), tap("c", 50)])
    assert watch.names() == [
        "started",
        "done:a",
        "done:b",
        "remind:c",
        "overdue",
        "done:c",
        "settled",
        "finished",
    ]
    assert watch.outcome.state == "late"
    assert [effect.at for effect in watch.effects if effect.key == "settled"] == [at(50)]


def test_a_round_half_walked_is_incomplete_when_it_is_closed():
    watch = walk(make_round(), [tap("a", 5), tap("c", 22)])
    assert watch.outcome.state == "incomplete"
    assert watch.effects[-1] == Effect("finished", "round_finished", at(95), result="incomplete")


def test_evidence_uploaded_six_hours_later_completes_the_record_and_tells_nothing():
    taps = [tap(name, moment, received=moment + 360) for name, moment in (("a", 5), ("b", 15), ("c", 25))]
    watch = walk(make_round(), taps)
    assert watch.names().count("overdue") == 1
    assert watch.names()[-1] == "missed"
    assert (watch.outcome.state, watch.outcome.proved_later) == ("complete", True)


def test_a_stop_before_its_turn_is_told_only_when_word_of_the_other_may_no_longer_be_on_its_way():
    watch = Watch(make_round())
    watch.hear(tap("b", 6))
    assert "out_of_order:b" not in watch.told
    watch.until(at(24))
    assert "out_of_order:b" not in watch.told, "he may only have passed by"
    watch.until(at(25))
    assert "out_of_order:b" in watch.told
    hasty = Watch(make_round())
    hasty.hear(tap("a", 3))
    hasty.hear(tap("b", 4))
    assert "too_fast:b" not in hasty.told
    hasty.until(at(4) + HOLD)
    assert "too_fast:b" in hasty.told
    shuffled = Watch(make_round())
    shuffled.hear(tap("b", 6))
    shuffled.hear(tap("a", 3, received=6.1))
    shuffled.until(at(8))
    assert shuffled.names() == ["started", "done:b", "done:a"]


def test_only_what_came_before_its_turn_is_out_of_order():
    order = {"abc": "", "acb": "c", "bac": "b", "cab": "c", "bca": "b", "cba": "c"}
    for path, wrong in order.items():
        outcome = assess(make_round(), [tap(name, 5.0 + 5 * n) for n, name in enumerate(path)], at(96))
        assert {visit.checkpoint for visit in outcome.visits if visit.out_of_order} == set(wrong), path
    free = assess(make_round(ordered=False), [tap("c", 5), tap("a", 9), tap("b", 13)], at(96))
    assert not any(visit.out_of_order for visit in free.visits)


def test_a_stop_that_was_only_passed_by_before_its_turn_is_in_order():
    watch = walk(make_round(), [tap("c", 1), tap("a", 5), tap("b", 15), tap("c", 25)])
    assert watch.names() == ["started", "done:c", "done:a", "done:b", "finished"]
    halves = [tap("b", 2, weight=60), tap("b", 3, weight=60, proof="door"), tap("b", 15, weight=60)]
    outcome = assess(make_round(), [*halves, tap("a", 5), tap("c", 25)], at(96))
    assert [visit.out_of_order for visit in outcome.visits] == [False, True, False]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-5, 90))))
def test_who_walks_the_route_in_order_is_in_order_whatever_else_he_passes_by(others):
    taps = [tap("a", 5), tap("b", 15), tap("c", 25), *(tap(name, moment) for name, moment in others)]
    assert not any(visit.out_of_order for visit in assess(make_round(), taps, at(96)).visits)


def test_sooner_than_anybody_can_walk():
    outcome = assess(make_round(), [tap("a", 5), tap("b", 6.9), tap("c", 8.9)], at(40))
    assert [visit.too_fast for visit in outcome.visits] == [False, True, False]


def test_two_taps_are_two_events_and_one_proof():
    half = [tap("a", 5, weight=60), tap("a", 6, weight=60)]
    assert assess(make_round(), half, at(7)).visits[0].score == 60
    door = tap("a", 7, weight=50, proof="door", sort="door")
    visit = assess(make_round(), [*half, door], at(8)).visits[0]
    assert (visit.score, visit.done_at, visit.sorts) == (100, at(7), ("door", "reader"))


def test_two_guards_halves_are_no_whole_but_a_camera_speaks_for_either():
    code = tap("a", 5, weight=60, proof="qr", sort="qr", person="user:li")
    other = tap("a", 6, weight=50, proof="door", sort="door", person="user:wang")
    camera = tap("a", 7, weight=40, proof="cam", sort="camera")
    assert assess(make_round(), [code, other], at(8)).visits[0].done_at is None
    visit = assess(make_round(), [code, other, camera], at(8)).visits[0]
    assert (visit.done_at, visit.person) == (at(7), "user:li")


def test_a_printed_code_counts_for_more_in_its_own_slot_and_only_when_the_server_saw_the_time():
    code = tap("a", 5, weight=60, proof="qr", sort="qr", person="user:li", timely=True)
    assert assess(make_round(), [code], at(6)).visits[0].done_at == at(5)
    assert assess(make_round(), [replace(code, timely=False)], at(6)).visits[0].score == 60
    assert assess(make_round(), [replace(code, at=at(16))], at(17)).visits[0].score == 60


def test_a_code_kept_on_the_phone_proves_in_its_slot_and_the_proof_is_marked():
    code = tap("a", 5, received=200, weight=60, proof="qr", sort="qr", person="user:li", timely=True, offline=True)
    visit = assess(make_round(), [code], at(201)).visits[0]
    assert (visit.done_at, visit.later) == (at(5), True)
    live = replace(code, key="live", offline=False, received=at(5))
    assert not assess(make_round(), [code, live], at(201)).visits[0].later
    assert assess(make_round(), [replace(code, at=at(16))], at(201)).visits[0].done_at is None


def test_evidence_of_another_time_or_place_is_none():
    stray = [tap("a", -5.1), tap("a", 95), tap("z", 5)]
    assert assess(make_round(), stray, at(96)).done == 0


def test_a_round_first_looked_at_when_all_is_over_is_one_alarm_that_ends():
    done = step(make_round(), [], frozenset(), at(500))
    assert [effect.key for effect in done.effects] == ["overdue", "settled", "missed"]
    assert done.wake_at is None


def test_no_reminder_where_none_is_wanted():
    assert not any("remind" in key for key in walk(make_round(remind=0), []).names())


def test_a_plan_survives_being_stored():
    plan = make_round()
    row = {
        "opens": plan.opens,
        "begins": plan.begins,
        "ends": plan.ends,
        "closes": plan.closes,
        "spec": plan_json(plan),
        "expected": sorted(plan.expected),
    }
    assert plan_of(row) == plan


# -- properties ------------------------------------------------------------------------------------------------------

PROOFS = [("reader", 100), ("qr", 60), ("door", 50), ("camera", 40)]


@st.composite
def evidence(draw: st.DrawFn) -> Evidence:
    sort, weight = draw(st.sampled_from(PROOFS))
    moment = draw(st.integers(-6, 100))
    delay = draw(st.sampled_from([0, 0, 0, 1, 7, 40, 360]))
    person = "" if sort == "camera" else draw(st.sampled_from(["", "user:li", "user:wang"]))
    name = draw(st.sampled_from("abc"))
    return Evidence(
        f"{name}{sort}{moment}{delay}{person}", name, sort, sort, weight, at(moment), at(moment + delay), person,
        sort == "qr" and delay == 0,
    )  # fmt: skip


heaps = st.lists(evidence(), max_size=12, unique_by=lambda one: one.key)


@given(heaps, st.randoms(use_true_random=False), st.booleans())
@settings(max_examples=200, deadline=None)
def test_the_order_of_arrival_and_repetition_never_change_what_a_round_comes_to(heap, random, ordered):
    plan = make_round(ordered=ordered)
    shuffled = [*heap, *heap[:3]]
    random.shuffle(shuffled)
    assert assess(plan, shuffled, at(700)) == assess(plan, heap, at(700))
    watch = Watch(plan)
    watch.until(at(random.randrange(-5, 100)))
    for one in shuffled:  # all known from now on, whenever it was said to have come
        watch.evidence.append(one)
        watch.look()
        watch.until(watch.now + minutes(random.choice([0, 0.1, 5, 40])))
    watch.until(at(700))
    watch.look()
    assert watch.outcome == assess(plan, heap, at(700))
    keys = watch.names()
    assert len(keys) == len(set(keys)), "nothing is told twice"
    assert keys.count("settled") == keys.count("overdue") <= 1


@given(heaps)
@settings(max_examples=100, deadline=None)
def test_a_restart_at_any_moment_changes_nothing(heap):
    plan = make_round()
    straight = walk(plan, heap)
    broken = Watch(plan)
    for one in sorted(heap, key=lambda one: one.received):
        broken.until(one.received)
        broken.evidence.append(one)
        broken.look()
        stored = frozenset(sorted(broken.told))
        row = {"opens": plan.opens, "begins": plan.begins, "ends": plan.ends, "closes": plan.closes,
               "spec": plan_json(plan), "expected": None}  # fmt: skip
        broken.plan, broken.told, broken.evidence = plan_of(row), stored, broken.evidence[::-1]
        assert step(broken.plan, broken.evidence, stored, broken.now).effects == ()
    broken.until(plan.closes + minutes(600))
    assert broken.effects == straight.effects
    assert broken.outcome == straight.outcome


@given(heaps)
@settings(max_examples=100, deadline=None)
def test_looking_more_often_than_needed_tells_nothing_else(heap):
    plan = make_round()
    eager = Watch(plan)
    for one in sorted(heap, key=lambda one: one.received):
        while eager.now < one.received:
            eager.until(min(eager.now + minutes(3), one.received))
            eager.look()
        eager.hear(one)
    eager.until(plan.closes + minutes(600))
    assert sorted(eager.names()) == sorted(walk(plan, heap).names())


def test_every_order_of_five_taps_gives_one_round():
    taps = [tap("a", 5), tap("b", 14), tap("b", 16), tap("c", 24), tap("c", 31)]
    assert len({repr(assess(make_round(), order, at(700))) for order in permutations(taps)}) == 1
