"""Pure comparison of truth and store: `compare(truths, stored)` gives a `Report` of every difference."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hub.truth import Truth, TruthCounter, TruthEvent, TruthFault, TruthOutcome, TruthRun
from hub.verify.report import Finding, Report

SECOND = 1_000_000
BEFORE_US, AFTER_US = 3 * SECOND, 1 * SECOND
"""A polled value stored at `ts` was in the register at some time from ts - 3 s to ts + 1 s."""

EARLY_US = 2 * SECOND
"""An alarm may carry a time so much before its fault: clocks and rounding."""

RETURN_US = 30 * SECOND
"""An alarm that returns by itself must have done so this long after the fault."""

SETTLE_US = 45 * SECOND
"""A register's value from so long before the end must have been stored by the end (poll, report interval, batch)."""


@dataclass(frozen=True)
class StoredEvent:
    """An event as the hub keeps it. `ts` is the device's time where it has one, else the receipt; microseconds UTC."""

    device: str
    name: str
    ts: int
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StoredAlarm:
    """An alarm of the book; `returned_at` None while the condition stands; microseconds UTC."""

    device: str
    rule: str
    raised_at: int
    returned_at: int | None = None


@dataclass(frozen=True)
class StoredSample:
    """A stored value of a counter in its canonical unit; `ts` is device time or receipt, microseconds UTC."""

    device: str
    point: str
    ts: int
    value: float


@dataclass
class Stored:
    """What the hub kept in the time of the truth, as plain lists."""

    events: Sequence[StoredEvent] = ()
    alarms: Sequence[StoredAlarm] = ()
    samples: Sequence[StoredSample] = ()


def compare(truths: Iterable[Truth], stored: Stored) -> Report:
    """Every difference between what really happened and what is stored. Does not change its arguments."""
    events: list[TruthEvent] = []
    faults: list[TruthFault] = []
    counters: list[TruthCounter] = []
    outcomes: dict[int, str] = {}
    runs: list[TruthRun] = []
    end = 0
    for truth in truths:
        match truth:
            case TruthEvent():
                events.append(truth)
                end = max(end, truth.at)
            case TruthFault():
                faults.append(truth)
            case TruthCounter():
                counters.append(truth)
                end = max(end, truth.at)
            case TruthOutcome():
                outcomes[truth.message] = truth.outcome
            case TruthRun():
                runs.append(truth)
                end = max(end, truth.at)
    report = Report()
    _compare_events(report, events, outcomes, stored.events)
    _compare_alarms(report, faults, stored.alarms, _Runs(runs, end))
    _compare_counters(report, counters, outcomes, stored.samples, end, {fault.device for fault in faults})
    return report


# --- events


def _compare_events(
    report: Report, truths: Sequence[TruthEvent], outcomes: Mapping[int, str], stored: Sequence[StoredEvent]
) -> None:
    """By device, name and device time; where a device has no time, by what it says."""
    untimed = {(truth.device, truth.name) for truth in truths if not truth.timed}
    said: dict[tuple[Any, ...], list[TruthEvent]] = defaultdict(list)
    kept: dict[tuple[Any, ...], list[StoredEvent]] = defaultdict(list)
    for truth in truths:
        said[_event_key(truth.device, truth.name, truth.at, truth.data, untimed)].append(truth)
    for event in stored:
        kept[_event_key(event.device, event.name, event.ts, event.data, untimed)].append(event)
    report.events = len(truths)
    for key, group in said.items():
        found = kept.pop(key, [])
        sure = sum(_outcome(truth.outcome, truth.message, outcomes) == "ok" for truth in group)
        first = group[0]
        if len(found) < sure:
            report.missing_events.append(Finding(first.device, first.name, first.at, f"{len(found)}/{sure}"))
        elif len(found) > len(group):
            report.double_events.append(Finding(first.device, first.name, first.at, f"{len(found)}/{len(group)}"))
        for truth, event in _spoiled(group, found):
            report.altered_events.append(Finding(truth.device, truth.name, truth.at, _difference(truth, event)))
    for strangers in kept.values():
        report.unexpected_events += [Finding(one.device, one.name, one.ts) for one in strangers]


def _event_key(device: str, name: str, ts: int, data: Mapping[str, Any], untimed: set[tuple[str, str]]) -> Any:
    if (device, name) in untimed:
        return device, name, tuple(sorted((field, str(value)) for field, value in data.items()))
    return device, name, ts


def _outcome(default: str, message: int | None, outcomes: Mapping[int, str]) -> str:
    return default if message is None else outcomes.get(message, default)


def _spoiled(group: list[TruthEvent], found: list[StoredEvent]) -> Iterator[tuple[TruthEvent, StoredEvent]]:
    """Pairs whose data differ: each stored event must say what one of the said ones said."""
    for event in found:
        if not any(dict(truth.data) == dict(event.data) for truth in group):
            yield group[0], event


def _difference(truth: TruthEvent, event: StoredEvent) -> str:
    """The names of the fields that differ; never their values, which may be private."""
    fields = truth.data.keys() | event.data.keys()
    return ", ".join(sorted(name for name in fields if truth.data.get(name) != event.data.get(name)))


# --- alarms


class _Runs:
    """When the simulator ran. Outside of that nobody knows what happened, so alarms there are not judged."""

    def __init__(self, runs: Sequence[TruthRun], end: int) -> None:
        self._bounds = sorted(run.at for run in runs)
        self._begins = sorted(run.at for run in runs if run.phase == "begins")
        self._ends = sorted(run.at for run in runs if run.phase == "ends")
        self._end = end

    def horizon(self, at: int) -> int:
        """The end of the run in which `at` lies; a run that was killed ends with the next one's beginning."""
        index = bisect_right(self._bounds, at)
        return self._bounds[index] if index < len(self._bounds) else self._end

    def judged(self, at: int) -> bool:
        """True while a run was on, or if the truth does not tell of runs."""
        begun, ended = bisect_right(self._begins, at), bisect_left(self._ends, at)
        return not self._begins or begun > ended


def _compare_alarms(report: Report, faults: Sequence[TruthFault], stored: Sequence[StoredAlarm], runs: _Runs) -> None:
    """Each fault one alarm in its time, and no alarm without a fault."""
    alarms: dict[tuple[str, str], list[StoredAlarm]] = defaultdict(list)
    for alarm in sorted(stored, key=lambda one: one.raised_at):
        alarms[alarm.device, alarm.rule].append(alarm)
    used: set[int] = set()
    report.faults = len(faults)
    for fault in sorted(faults, key=lambda one: one.begins):
        group = alarms[fault.device, fault.rule]
        last = max(fault.due, fault.ends or 0) + RETURN_US
        mine = [one for one in group if id(one) not in used and fault.begins - EARLY_US <= one.raised_at <= last]
        standing = [one for one in group if _stands(one, fault.begins)]
        used.update(map(id, mine or standing))
        if len(mine) > 1:
            report.double_alarms.append(Finding(fault.device, fault.rule, fault.begins, f"{len(mine)}/1"))
        if mine or standing:
            _judge(report, fault, (mine or standing)[0], runs.horizon(fault.begins))
        elif fault.due <= runs.horizon(fault.begins):
            report.missing_alarms.append(Finding(fault.device, fault.rule, fault.begins))
    report.unexpected_alarms += [
        Finding(one.device, one.rule, one.raised_at)
        for one in stored
        if id(one) not in used and runs.judged(one.raised_at)
    ]


def _stands(alarm: StoredAlarm, at: int) -> bool:
    """The alarm was raised before and still stands: one live alarm per condition, so the fault adds none."""
    return alarm.raised_at < at and (alarm.returned_at is None or alarm.returned_at >= at)


def _judge(report: Report, fault: TruthFault, alarm: StoredAlarm, end: int) -> None:
    if alarm.raised_at > fault.due:
        seconds = (alarm.raised_at - fault.due) / SECOND
        report.late_alarms.append(Finding(fault.device, fault.rule, fault.begins, f"+{seconds:.1f} s"))
    if fault.ends is not None and fault.ends + RETURN_US <= end and alarm.returned_at is None:
        report.standing_alarms.append(Finding(fault.device, fault.rule, fault.begins))


# --- counters


def _compare_counters(
    report: Report,
    truths: Sequence[TruthCounter],
    outcomes: Mapping[int, str],
    stored: Sequence[StoredSample],
    end: int,
    faulty: set[str],
) -> None:
    told: dict[tuple[str, str], list[TruthCounter]] = defaultdict(list)
    held: dict[tuple[str, str], list[TruthCounter]] = defaultdict(list)
    kept: dict[tuple[str, str], list[StoredSample]] = defaultdict(list)
    for truth in truths:
        (told if truth.timed else held)[truth.device, truth.point].append(truth)
    for sample in sorted(stored, key=lambda one: one.ts):
        kept[sample.device, sample.point].append(sample)
    report.counters = len(told.keys() | held.keys())
    for key, registers in held.items():
        _compare_register(report, key, sorted(registers, key=lambda one: one.at), kept[key], end, key[0] in faulty)
    for key, reports in told.items():
        _compare_told(report, key, reports, outcomes, kept[key])
    for key in kept.keys() - told.keys() - held.keys():
        report.counter_mismatches += [Finding(*key, kept[key][0].ts, "?")] if kept[key] else []


def _compare_told(
    report: Report,
    key: tuple[str, str],
    truths: Sequence[TruthCounter],
    outcomes: Mapping[int, str],
    samples: Sequence[StoredSample],
) -> None:
    """A meter with a clock: the very value at the very time, once."""
    kept: dict[int, list[Decimal]] = defaultdict(list)
    for sample in samples:
        kept[sample.ts].append(digits(sample.value))
    for truth in truths:
        found = kept.pop(truth.at, [])
        wanted = Decimal(truth.value)
        sure = _outcome("ok", truth.message, outcomes) == "ok"
        if (sure and not found) or any(value != wanted for value in found) or len(found) > 1:
            shown = "/".join(map(str, found)) or "-"
            report.counter_mismatches.append(Finding(*key, truth.at, f"{shown} ≠ {wanted}"))
    for at, values in kept.items():
        report.counter_mismatches.append(Finding(*key, at, f"{values[0]} ≠ -"))


def _compare_register(
    report: Report,
    key: tuple[str, str],
    truths: Sequence[TruthCounter],
    samples: Sequence[StoredSample],
    end: int,
    faulty: bool,
) -> None:
    """A polled register: each sample is a value it held about then, and the last one is not left behind."""
    times = [truth.at for truth in truths]
    values = [Decimal(truth.value) for truth in truths]
    for sample in samples:
        held = _held(times, values, sample.ts - BEFORE_US, sample.ts + AFTER_US)
        if digits(sample.value) not in held:
            report.counter_mismatches.append(
                Finding(*key, sample.ts, f"{digits(sample.value)} ≠ {'/'.join(map(str, held)) or '-'}")
            )
    for before, after in pairwise(samples):
        if after.value < before.value:
            report.counter_mismatches.append(Finding(*key, after.ts, f"{after.value} < {before.value}"))
    if end - times[0] < SETTLE_US or faulty:
        return
    last = _held(times, values, end - SETTLE_US, end + AFTER_US)
    if not samples or digits(samples[-1].value) not in last:
        shown = digits(samples[-1].value) if samples else "-"
        report.counter_mismatches.append(Finding(*key, end, f"{shown} ≠ {values[-1]}"))


def _held(times: Sequence[int], values: Sequence[Decimal], begin: int, end: int) -> Sequence[Decimal]:
    """The values a step function had between two instants."""
    first = max(bisect_right(times, begin) - 1, 0)
    return values[first : bisect_left(times, end + 1)]


def digits(value: float) -> Decimal:
    """The shortest decimal that is this number: what a meter's display would show."""
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
