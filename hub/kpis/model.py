"""Alarm performance after ANSI/ISA-18.2-2016 (= IEC 62682) clause 16, table 7, and EEMUA 191: pure.

The standards were read in two public restatements, not in the original. Their targets are for one operator's console
over 30 days or more; a shorter period is shown against the same targets and says less. One community's desk counts as
one console. An annunciation is a sound the desk was given: alarms that were recorded without one load nobody.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec

Period = Literal["day", "week", "month"]
PERIODS: dict[Period, timedelta] = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=30)}
SLOT = timedelta(minutes=10)
BUDGET = 10  # annunciations in ten minutes: more is a flood
CALM = 5  # a flood lasts until a slot has fewer
FEWEST_TO_SHARE = 20  # of fewer annunciations a share says nothing


class Figure(msgspec.Struct, frozen=True):
    """One figure. `within` None: there is no target, or too little to judge by."""

    id: str
    value: float | None  # None: nothing to compute it from
    unit: str  # "1", "1/h", "%", "s"
    target: str = ""  # as it is written beside the value: "≤ 6", "0"
    within: bool | None = None


class Actor(msgspec.Struct, frozen=True):
    """One rule at one device and its part of the load."""

    rule: str
    device_id: int
    device: str
    title: dict[str, str]
    count: int
    share: float  # per cent of all annunciations


class Counts(msgspec.Struct, frozen=True):
    """What the store counted for a period; see queries.sql."""

    raised: int  # alarms recorded, annunciated or not
    priorities: Mapping[int, int]  # annunciations of alarms by priority 1 to 4
    to_acknowledge: Sequence[float]  # seconds from annunciation to acknowledgement
    unacknowledged: int  # annunciated in the period and nobody said "seen" yet
    standing: int
    stale: int
    chattering: int
    shelved: int
    by_design: int
    out_of_service: int
    unauthorised: int


class Report(msgspec.Struct, frozen=True):
    """Alarm performance in [since, until). `slots` are annunciations by ten minutes, the first from `since`."""

    since: datetime
    until: datetime
    operators: int
    annunciated: int
    figures: list[Figure]
    slots: list[int]
    actors: list[Actor]

    def slot_at(self, index: int) -> datetime:
        return self.since + index * SLOT


def floods(slots: Sequence[int]) -> list[tuple[int, int]]:
    """Floods as [first, end) slots: from the first with more than 10 until one with fewer than 5 (ISA-18.2, 16.5)."""
    found: list[tuple[int, int]] = []
    begin: int | None = None
    for index, count in enumerate(slots):
        if begin is None and count > BUDGET:
            begin = index
        elif begin is not None and count < CALM:
            found.append((begin, index))
            begin = None
    return [*found, (begin, len(slots))] if begin is not None else found


def quantile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that `share` (0 to 1) of them do not exceed (nearest rank); None of nothing."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def bad_actors(rows: Sequence[Actor], total: int) -> list[Actor]:
    """The ten with most annunciations, with their shares."""
    first = sorted(rows, key=lambda actor: (-actor.count, actor.rule, actor.device_id))[:10]
    return [msgspec.structs.replace(actor, share=_share(actor.count, total) or 0.0) for actor in first]


def report(
    since: datetime, until: datetime, slots: Sequence[int], actors: Sequence[Actor], counts: Counts, operators: int = 1
) -> Report:
    """All figures of a period. ValueError without a period or an operator."""
    if until <= since or operators < 1:
        raise ValueError("a period and at least one operator are needed")
    total = sum(slots)
    ten = bad_actors(actors, total)
    figures = [*_load(since, until, slots, operators), *_quality(counts, ten, total), *_response(counts)]
    return Report(since, until, operators, total, [*figures, *_priorities(counts)], list(slots), ten)


def _load(since: datetime, until: datetime, slots: Sequence[int], operators: int) -> list[Figure]:
    hours = (until - since).total_seconds() / 3600
    over = sum(1 for count in slots if count > BUDGET)
    flooded = sum(end - begin for begin, end in floods(slots))
    return [
        _most("per_operator_hour", sum(slots) / hours / operators, "1/h", 6),
        _most("most_in_slot", max(slots, default=0), "1", BUDGET),
        _below("slots_over", _share(over, len(slots)), "%", 1),
        _below("flood_time", _share(flooded, len(slots)), "%", 1),
    ]


def _quality(counts: Counts, ten: Sequence[Actor], total: int) -> list[Figure]:
    share = _share(sum(actor.count for actor in ten), total)
    return [
        Figure("top_ten_share", share, "%", "≤ 5", share <= 5 if share is not None and _enough(total) else None),
        _most("chattering", counts.chattering, "1", 0),
        _below("stale", counts.stale, "1", 5),
        Figure("standing", counts.standing, "1"),
        _most("unauthorised", counts.unauthorised, "1", 0),
        Figure("shelved", counts.shelved, "1"),
        Figure("by_design", counts.by_design, "1"),
        Figure("out_of_service", counts.out_of_service, "1"),
    ]


def _response(counts: Counts) -> list[Figure]:
    return [
        Figure("acknowledged_p50", quantile(counts.to_acknowledge, 0.5), "s"),
        Figure("acknowledged_p95", quantile(counts.to_acknowledge, 0.95), "s"),
        Figure("unacknowledged", counts.unacknowledged, "1"),
        Figure("raised", counts.raised, "1"),
    ]


def _priorities(counts: Counts) -> list[Figure]:
    """About 80 % low, 15 % medium, 5 % high; of a fourth, highest priority less than 1 % (ISA-18.2, table 7)."""
    total = sum(counts.priorities.values())
    figures = []
    for priority, target, mark in ((1, 1, "<"), (2, 5, "≤"), (3, 15, "≤"), (4, 80, "≥")):
        share = _share(counts.priorities.get(priority, 0), total)
        within = None
        if share is not None and _enough(total):
            within = {"<": share < target, "≤": share <= target, "≥": share >= target}[mark]
        figures.append(Figure(f"priority_{priority}", share, "%", f"{mark} {target}", within))
    return figures


def _enough(total: int) -> bool:
    return total >= FEWEST_TO_SHARE


def _share(part: int, total: int) -> float | None:
    return 100 * part / total if total else None


def _most(name: str, value: float, unit: str, target: int) -> Figure:
    return Figure(name, value, unit, f"≤ {target}" if target else "0", value <= target)


def _below(name: str, value: float | None, unit: str, target: int) -> Figure:
    return Figure(name, value, unit, f"< {target}", value < target if value is not None else None)
