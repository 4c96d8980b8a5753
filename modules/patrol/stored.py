"""Plans and outcomes of rounds, and whole patrol files, as JSON, and back. Pure."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Any

from pydantic import ValidationError

from modules.patrol.model import Outcome, Round, Stop
from modules.patrol.plans import PatrolFile


def visits_json(outcome: Outcome) -> list[dict[str, Any]]:
    """The stops as plain JSON values (times ISO 8601)."""
    return [
        {name: value.isoformat() if isinstance(value, datetime) else value for name, value in visit.__dict__.items()}
        for visit in outcome.visits
    ]


def plan_json(plan: Round) -> dict[str, Any]:
    """What of a plan no column keeps."""
    return {
        "ordered": plan.ordered, "late": plan.late.total_seconds(), "remind": plan.remind.total_seconds(),
        "stops": [
            {"checkpoint": stop.checkpoint, "slot": stop.slot.isoformat(), "due": stop.due.isoformat(),
             "min_gap": stop.min_gap.total_seconds(), "items": list(stop.items),
             "photos": list(stop.photos)}
            for stop in plan.stops
        ],
    }  # fmt: skip


def plan_of(row: Mapping[str, Any]) -> Round:
    """The plan of a stored row: columns opens, begins, ends, closes, expected and `plan_json`'s in `spec`."""
    spec = row["spec"]
    return Round(
        row["opens"], row["begins"], row["ends"], row["closes"],
        tuple(
            Stop(stop["checkpoint"], datetime.fromisoformat(stop["slot"]), datetime.fromisoformat(stop["due"]),
                 timedelta(seconds=stop["min_gap"]), tuple(stop["items"]),
                 tuple(stop.get("photos", ())))  # rounds of before have none
            for stop in spec["stops"]
        ),
        spec["ordered"], timedelta(seconds=spec["late"]), timedelta(seconds=spec["remind"]),
        frozenset(row["expected"] or ()),
    )  # fmt: skip


def file_json(file: PatrolFile, *, whole: bool = False) -> dict[str, Any]:
    """A patrol file as plain JSON values, written as a person would write them: `file_of` reads it as any file. What
    nobody changed is left out, but for `whole`."""
    plain: dict[str, Any] = _plain(file.model_dump(by_alias=True, exclude_defaults=not whole))
    return plain


def digest_of(plain: Mapping[str, Any]) -> str:
    """Names the text that `file_json` gave: SHA-256."""
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def file_of(plain: Mapping[str, Any]) -> PatrolFile:
    """The file that `file_json` gave. ValidationError when this release does not take it."""
    return PatrolFile.model_validate(plain)


def in_order(plain: Mapping[str, Any]) -> dict[str, Any]:
    """What the store gave back with its keys as files have them; as it is where this release does not take it."""
    try:
        return file_json(file_of(plain))
    except ValidationError:
        return dict(plain)


def masked(plain: Mapping[str, Any]) -> dict[str, Any]:
    """The same without what events must say, which may be a plate: its end only."""
    checkpoints = [
        one | {"proofs": [
            proof | {"where": {name: f"***{str(value)[-2:]}" for name, value in proof["where"].items()}}
            if proof.get("where") else proof
            for proof in one["proofs"]
        ]}
        for one in plain["checkpoints"]
    ]  # fmt: skip
    return {**plain, "checkpoints": checkpoints}


def span_text(span: timedelta) -> str:
    """A length of time as files have it, in the largest unit in which it is whole: 2h, 90s, 250ms."""
    us = span // timedelta(microseconds=1)
    for size, unit in ((3_600_000_000, "h"), (60_000_000, "m"), (1_000_000, "s"), (1000, "ms")):
        if us % size == 0 and (us or unit == "s"):
            return f"{us // size}{unit}"
    return f"{us / 1000:.3f}ms"


def _plain(value: Any) -> Any:
    if isinstance(value, timedelta):
        return span_text(value)
    if isinstance(value, time):
        return f"{value:%H:%M}"
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value
