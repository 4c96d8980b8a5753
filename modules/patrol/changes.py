"""What other plans would change: rounds to come, and checkpoints that nobody walks to any more. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from modules.patrol.plans import CheckpointSpec, PatrolFile, Planned, after, rounds

AHEAD = timedelta(days=7)
MOST_ROUNDS = 20_000
"""So many are looked at; of more than these a day is looked at."""

Sort = Literal["added", "gone", "moved", "changed"]


@dataclass(frozen=True)
class RoundChange:
    """A round that would be another. `begins`: when it begins by the other plans, of one that is gone when it did;
    `was`: when it began before, where it moved to another time of its day."""

    sort: Sort
    plan: str
    begins: datetime
    was: datetime | None = None


@dataclass(frozen=True)
class Blind:
    """A checkpoint that no plan's route visits. `sort`: it was visited before (`newly`) or not (`still`); or it was
    visited and is gone altogether (`removed`)."""

    sort: Literal["newly", "removed", "still"]
    checkpoint: CheckpointSpec


def planned_ahead(
    file: PatrolFile, zone: ZoneInfo, begun: Sequence[Mapping[str, Any]], now: datetime, until: datetime
) -> list[Planned]:
    """The rounds of these plans from now on, as the keeper would make them beside those that have `begun`."""
    return after(rounds(file, zone, now, until), begun, now)


def horizon(files: Sequence[PatrolFile], now: datetime) -> datetime:
    """How far ahead the rounds of these plans are looked at: 7 days, of very many rounds less."""
    most = max(sum(len(plan.offsets) for plan in file.plans) for file in files)
    return now + max(timedelta(days=1), min(AHEAD, timedelta(days=MOST_ROUNDS // max(most, 1))))


def round_changes(before: Sequence[Planned], other: Sequence[Planned], zone: ZoneInfo) -> list[RoundChange]:
    """From the rounds before to the other ones, in order of time. Where a plan loses as many rounds of a local day as
    it gains on it, they moved, each to the next in turn."""
    old = {(one.plan.id, one.round.begins): one for one in before}
    new = {(one.plan.id, one.round.begins): one for one in other}
    found = [
        RoundChange("changed", plan, begins)
        for (plan, begins), one in new.items()
        if (plan, begins) in old and _walked(old[plan, begins]) != _walked(one)
    ]
    gone, added = _by_day(old.keys() - new.keys(), zone), _by_day(new.keys() - old.keys(), zone)
    for plan, day in gone.keys() | added.keys():
        left, came = gone.get((plan, day), []), added.get((plan, day), [])
        if len(left) == len(came):
            found += [RoundChange("moved", plan, to, was) for was, to in zip(left, came, strict=True)]
        else:
            found += [RoundChange("gone", plan, begins) for begins in left]
            found += [RoundChange("added", plan, begins) for begins in came]
    return sorted(found, key=lambda one: (one.begins, one.plan))


def blind_spots(before: PatrolFile, other: PatrolFile) -> list[Blind]:
    """The checkpoints that no plan covers, those first that are lost by the change."""
    seen, covered = _covered(before), _covered(other)
    left = {one.id for one in other.checkpoints}
    found = [Blind("newly" if one.id in seen else "still", one) for one in other.checkpoints if one.id not in covered]
    found += [Blind("removed", one) for one in before.checkpoints if one.id in seen and one.id not in left]
    return sorted(found, key=lambda one: ("newly", "removed", "still").index(one.sort))


def _covered(file: PatrolFile) -> set[str]:
    walked = [route for plan in file.plans if (route := file.route(plan.route)) is not None]
    return {stop.checkpoint for route in walked for stop in route.stops}


def _walked(one: Planned) -> tuple[object, ...]:
    """What of a round the keeper writes down."""
    return one.plan.route, one.plan.device, one.plan.post, one.round


def _by_day(keys: set[tuple[str, datetime]], zone: ZoneInfo) -> dict[tuple[str, date], list[datetime]]:
    found: dict[tuple[str, date], list[datetime]] = {}
    for plan, begins in sorted(keys):
        found.setdefault((plan, begins.astimezone(zone).date()), []).append(begins)
    return found
