"""A patrol round: what its evidence proves, what is to be told of it and when to look again. Pure.

A round is its frozen plan, the set of its evidence and the set of what was told. What it comes to is computed from the
whole set each time, in order of when things happened: the order in which word of them arrived cannot matter. What is
told is the difference between what ought to be known by now and what was told already: a restart tells nothing twice.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

State = Literal["planned", "running", "overdue", "complete", "late", "incomplete", "missed"]
STATES: tuple[State, ...] = ("planned", "running", "overdue", "complete", "late", "incomplete", "missed")

PROVED = 100
"""A checkpoint is done when the weights of its proofs come to this."""

TIMELY = 40
"""What a code adds by being read in the checkpoint's own slot of the plan, at a time that can be relied on, by a phone
that does not say it is elsewhere."""

HOLD = timedelta(seconds=20)
"""Word of another checkpoint may still be on its way: order and speed are judged only so long afterwards."""

_TICK = timedelta(milliseconds=1)

Answered = Set[tuple[str, str]]
"""Checkpoints and the items that were inspected, or photographed, there in the time of a round."""


@dataclass(frozen=True)
class Stop:
    """A checkpoint of a round. `slot`: the earliest a guard who keeps to the plan can be there."""

    checkpoint: str
    slot: datetime
    due: datetime
    min_gap: timedelta = timedelta(0)  # since the stop visited before
    items: tuple[str, ...] = ()  # what must be inspected there
    photos: tuple[str, ...] = ()  # what must be photographed there


@dataclass(frozen=True)
class Round:
    """What was planned, frozen when it was planned. Evidence from [opens, closes) belongs to it."""

    opens: datetime
    begins: datetime
    ends: datetime
    closes: datetime
    stops: tuple[Stop, ...]
    ordered: bool
    late: timedelta
    remind: timedelta
    expected: frozenset[str] = frozenset()  # who was on duty at its post; empty: anybody

    @property
    def overdue_at(self) -> datetime:
        return self.ends + self.late


@dataclass(frozen=True)
class Evidence:
    """Something that speaks for a guard having been at a checkpoint. `key` names it for good.

    `proof` is what proves (a device, a code): of one proof only the strongest evidence counts, however often it comes.
    `person` is "" where nobody knows who. `timely`: the time can be relied on, for the server read the clock then
    or signed it, or (`offline`) the clock of the phone that kept it agreed with the server's when it was sent.
    `away`: metres from the checkpoint where the phone said to be, where that is too far.
    """

    key: str
    checkpoint: str
    sort: str
    proof: str
    weight: int
    at: datetime
    received: datetime
    person: str = ""
    timely: bool = False
    offline: bool = False
    away: int | None = None


@dataclass(frozen=True)
class Visit:
    """What is known of one stop."""

    checkpoint: str
    due: datetime
    score: int
    sorts: tuple[str, ...] = ()
    done_at: datetime | None = None
    known_at: datetime | None = None  # when the proof was complete here
    person: str = ""
    late: bool = False
    out_of_order: bool = False
    too_fast: bool = False
    unanswered: tuple[str, ...] = ()  # visited, but these were not inspected
    unphotographed: tuple[str, ...] = ()  # ... and of these a photograph is missing
    later: bool = False  # done, but only because of a check-in without a connection
    away: int | None = None  # the most metres from the checkpoint that a check-in was too far
    stand_in: bool = False  # by somebody who was not on duty at the round's post


@dataclass(frozen=True)
class Outcome:
    """What a round has come to by `now`."""

    state: State
    visits: tuple[Visit, ...]
    done: int
    proved_later: bool  # complete, but only by word that was sent later, or came after the round was closed
    finished_at: datetime | None

    @property
    def people(self) -> list[str]:
        return sorted({visit.person for visit in self.visits if visit.person})


@dataclass(frozen=True)
class Effect:
    """Something to tell, once: an event of the route, or (`reminder`) only a word to the guard."""

    key: str
    name: str
    at: datetime
    checkpoint: str | None = None
    result: str | None = None


@dataclass(frozen=True)
class Step:
    """What follows from looking at a round: what to tell, what has been told then, when to look again."""

    outcome: Outcome
    effects: tuple[Effect, ...]
    told: frozenset[str]
    wake_at: datetime | None


def assess(
    plan: Round, evidence: Iterable[Evidence], now: datetime, answered: Answered = frozenset(),
    photographed: Answered = frozenset(),
) -> Outcome:  # fmt: skip
    """What the evidence proves. The same for any order of it, and for any repetition."""
    by_stop: dict[str, dict[str, Evidence]] = {stop.checkpoint: {} for stop in plan.stops}
    for one in evidence:
        if one.checkpoint in by_stop and plan.opens <= one.at < plan.closes:
            by_stop[one.checkpoint][one.key] = one
    visits = [
        _inspected(stop, _visit(plan, stop, by_stop[stop.checkpoint].values(), now), answered, photographed)
        for stop in plan.stops
    ]
    visits = _judge_path(plan, visits, _walked(plan, visits, by_stop))
    done = [visit for visit in visits if visit.done_at is not None]
    complete = len(done) == len(visits)
    finished = max((visit.done_at for visit in done if visit.done_at), default=None) if complete else None
    later = complete and any(visit.later or (visit.known_at or plan.opens) >= plan.closes for visit in visits)
    return Outcome(_state(plan, visits, now), tuple(visits), len(done), later, finished)


def step(
    plan: Round, evidence: Iterable[Evidence], told: frozenset[str], now: datetime, answered: Answered = frozenset(),
    photographed: Answered = frozenset(),
) -> Step:  # fmt: skip
    """Look at a round. After it was closed nothing more is told: what arrives then only completes the record."""
    outcome = assess(plan, evidence, now, answered, photographed)
    if "closed" in told:
        return Step(outcome, (), told, None)
    due = [effect for effect in _due(plan, outcome, told, now) if effect.key not in told]
    after = told | {effect.key for effect in due}
    if now >= plan.closes:
        return Step(outcome, tuple(due), after | {"closed"}, None)
    return Step(outcome, tuple(due), after, _wake(plan, outcome, now))


# -- what is proved --------------------------------------------------------------------------------------------------


def _visit(plan: Round, stop: Stop, evidence: Iterable[Evidence], now: datetime) -> Visit:
    """Proofs of one person add up, and so do those that name nobody; two guards' halves are no whole."""
    found = sorted(evidence, key=lambda one: (one.at, one.key))
    people = sorted({one.person for one in found if one.person}) or [""]
    sorts = tuple(sorted({one.sort for one in found}))
    best = Visit(stop.checkpoint, stop.due, 0, sorts)
    for person in people:
        tried = _sum_up(plan, stop, [one for one in found if one.person in ("", person)], person, sorts)
        if _strength(tried) > _strength(best):
            best = tried
    late = now >= stop.due + plan.late if best.done_at is None else best.done_at > stop.due + plan.late
    stand_in = bool(best.person and plan.expected and best.person not in plan.expected)
    return _with(best, late=late, stand_in=stand_in)


def _inspected(stop: Stop, visit: Visit, answered: Answered, photographed: Answered) -> Visit:
    left = tuple(item for item in stop.items if (stop.checkpoint, item) not in answered)
    unseen = tuple(item for item in stop.photos if (stop.checkpoint, item) not in photographed)
    return visit if visit.done_at is None else _with(visit, unanswered=left, unphotographed=unseen)


def _sum_up(plan: Round, stop: Stop, found: Sequence[Evidence], person: str, sorts: tuple[str, ...]) -> Visit:
    def weight(one: Evidence) -> int:
        in_slot = one.timely and one.away is None and stop.slot <= one.at <= stop.due + plan.late
        return one.weight + (TIMELY if in_slot else 0)

    score, done_at = _until_proved([(one.at, one.proof, weight(one)) for one in found])
    _, known_at = _until_proved(
        [(one.received, one.proof, weight(one)) for one in sorted(found, key=lambda one: (one.received, one.key))]
    )
    _, live_at = _until_proved([(one.at, one.proof, weight(one)) for one in found if not one.offline])
    later = done_at is not None and (live_at is None or live_at > done_at)
    away = max((one.away for one in found if one.away is not None), default=None)
    name = person if found else ""
    return Visit(stop.checkpoint, stop.due, score, sorts, done_at, known_at, name, later=later, away=away)


def _until_proved(proofs: Iterable[tuple[datetime, str, int]]) -> tuple[int, datetime | None]:
    """The score, and the instant at which it was enough."""
    best: dict[str, int] = {}
    for moment, proof, weight in proofs:
        best[proof] = max(weight, best.get(proof, 0))
        if sum(best.values()) >= PROVED:
            return PROVED, moment
    return sum(best.values()), None


def _strength(visit: Visit) -> tuple[int, float]:
    """Proved beats half proved, and of two who proved it the first."""
    return visit.score, -visit.done_at.timestamp() if visit.done_at else 0.0


def _walked(
    plan: Round, visits: Sequence[Visit], by_stop: Mapping[str, Mapping[str, Evidence]]
) -> list[datetime | None]:
    """When each stop was visited. Who passes by before its turn and comes in its turn again has kept the order."""
    found: list[datetime | None] = []
    before: datetime | None = None
    for stop, visit in zip(plan.stops, visits, strict=True):
        at = visit.done_at
        if plan.ordered and at is not None and before is not None and at < before:
            again = [one for one in by_stop[stop.checkpoint].values() if one.at >= before]
            at = _visit(plan, stop, again, plan.closes).done_at or at
        found.append(at)
        before = at or before
    return found


def _judge_path(plan: Round, visits: Sequence[Visit], walked: Sequence[datetime | None]) -> list[Visit]:
    """Mark stops visited before their turn, and those reached sooner than anybody can walk. Going back for what was
    left out is no fault: the fault was to leave it out."""
    judged = list(visits)
    path = sorted((at, index) for index, at in enumerate(walked) if at is not None)
    turn, before = 0, None
    for at, index in path:
        fast = before is not None and at - before < plan.stops[index].min_gap
        judged[index] = _with(visits[index], out_of_order=plan.ordered and index > turn, too_fast=fast)
        turn, before = max(turn, index + 1), at
    return judged


def _state(plan: Round, visits: Sequence[Visit], now: datetime) -> State:
    done = sum(visit.done_at is not None for visit in visits)
    if done == len(visits):
        return "late" if any(visit.late for visit in visits) else "complete"
    if now >= plan.closes:
        return "incomplete" if done else "missed"
    if now >= plan.overdue_at:
        return "overdue"
    return "running" if now >= plan.opens else "planned"


# -- what is told ----------------------------------------------------------------------------------------------------


def _due(plan: Round, outcome: Outcome, told: frozenset[str], now: datetime) -> Iterable[Effect]:
    over = now >= plan.closes
    started = min((visit.done_at for visit in outcome.visits if visit.done_at), default=None)
    if started is not None:
        yield Effect("started", "round_started", started)
    for visit in outcome.visits:
        yield from _due_of_stop(plan, visit, now)
    complete = outcome.done == len(outcome.visits)
    overdue = "overdue" in told
    if not complete and now >= plan.overdue_at:
        overdue = True
        yield Effect("overdue", "round_overdue", plan.overdue_at)
    if overdue and (complete or over):
        at = max(outcome.finished_at or plan.closes, plan.overdue_at + _TICK)
        yield Effect("settled", "round_settled", at)
    if complete and outcome.finished_at is not None:
        yield Effect("finished", "round_finished", outcome.finished_at, result="complete")
    elif over and outcome.done:
        yield Effect("finished", "round_finished", plan.closes, result="incomplete")
    elif over:
        yield Effect("missed", "round_missed", plan.closes)


def _due_of_stop(plan: Round, visit: Visit, now: datetime) -> Iterable[Effect]:
    name = visit.checkpoint
    if visit.done_at is not None:
        yield Effect(f"done:{name}", "checkpoint_done", visit.done_at, name)
        decided = min(_order_judged_at(plan, visit), plan.closes)  # told as of the visit it would be history
        if visit.out_of_order and now >= decided:
            yield Effect(f"out_of_order:{name}", "checkpoint_out_of_order", decided, name)
        if visit.too_fast and now >= min(_judged_at(visit), plan.closes):
            yield Effect(f"too_fast:{name}", "checkpoint_too_fast", visit.done_at, name)
    elif now < plan.overdue_at:  # from then on the round is told of as a whole
        deadline = visit.due + plan.late
        if now >= deadline:
            yield Effect(f"late:{name}", "checkpoint_late", deadline, name)
        elif plan.remind and now >= max(visit.due - plan.remind, plan.begins):
            yield Effect(f"remind:{name}", "reminder", visit.due - plan.remind, name)


def _judged_at(visit: Visit) -> datetime:
    assert visit.known_at is not None, "a stop that is done has a time when that was known"
    return visit.known_at + HOLD


def _order_judged_at(plan: Round, visit: Visit) -> datetime:
    """Until it is late, the guard may only have passed by and come again in its turn."""
    return max(_judged_at(visit), visit.due + plan.late)


def _wake(plan: Round, outcome: Outcome, now: datetime) -> datetime:
    """The next instant at which something may be due even if nothing arrives; the closing at the latest."""
    moments = [plan.opens, plan.overdue_at]
    for visit in outcome.visits:
        if visit.done_at is None:
            moments += [max(visit.due - plan.remind, plan.begins), visit.due + plan.late]
        else:
            moments += [_order_judged_at(plan, visit)] if visit.out_of_order else []
            moments += [_judged_at(visit)] if visit.too_fast else []
    return min((moment for moment in moments if moment > now), default=plan.closes)


def _with(visit: Visit, **changes: Any) -> Visit:
    return Visit(**{**visit.__dict__, **changes})
