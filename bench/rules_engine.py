"""How many rule evaluations a second one core does with 200 rules loaded, and how many frames. One JSON line.

Run from the project folder: `python -m bench.rules_engine`. An evaluation is one rule judging one reading or event.
`plain`: thresholds and silences only; `mixed`: every sort of condition, as `SHARES` has it.
"""

import json
import time
from typing import Any

from hub.catalog.load import load_catalog
from hub.catalog.paths import packaged_config
from hub.decisions import Decision
from hub.model import Device, Frame, Reading
from rules.evaluator import RuleEvaluator
from rules.examples import example_device
from rules.model import Rule

RULES, DEVICES, BATCH = 200, 500, 500
START = 1_750_000_000_000_000
GAP = 50
"""Microseconds between frames: 20 000 a second."""

POINTS = ("pressure", "flow", "current", "fault")

SHARES = (
    ("threshold", 80),
    ("change", 20),
    ("stuck", 20),
    ("any_of", 20),
    ("all_of", 10),
    ("window", 10),
    ("near", 4),
    ("expression", 8),
    ("sequence", 8),
    ("absence", 20),
)


def plain(number: int) -> dict[str, Any]:
    """A fifth each on pressure, flow, current, fault and silence: 40 judge each reading."""
    part = number % 5
    if part < 3:
        return {"threshold": {"point": POINTS[part], "above": 600 + number, "for": "30s", "clear": {"below": 500}}}
    if part == 3:
        return {"threshold": {"point": "fault", "equals": "fault", "for": f"{number + 1}s"}}
    return {"absence": {"after": f"{number + 60}s"}}


def mixed(number: int) -> dict[str, Any]:
    """The sorts in their shares, over pressure, flow and current in turn."""
    sort, left = "", number
    for sort, share in SHARES:  # noqa: B007 the sort found is used below
        if left < share:
            break
        left -= share
    point = POINTS[number % 3]
    over = {"threshold": {"point": point, "above": 600 + number, "for": "30s", "clear": {"below": 500}}}
    fault = {"threshold": {"point": "fault", "equals": "fault"}}
    around = {"at": "same_unit", "kinds": ["pump"], "at_least": 2, "threshold": over["threshold"]}
    steps = [
        {"point": "fault", "equals": "fault"},
        {"point": point, "above": 700, "kinds": ["pump"], "at": "same_place", "within": "60s"},
    ]
    conditions: dict[str, dict[str, Any]] = {
        "threshold": over,
        "change": {"change": {"point": point, "by": 900 + number}},
        "stuck": {"stuck": {"point": point, "for": "1h"}},
        "any_of": {"any_of": [over, fault]},
        "all_of": {"all_of": [over, fault, {"stuck": {"point": point, "for": "1h"}}]},
        "window": {"window": {"point": point, "aggregate": "avg", "size": "10m", "every": "1m", "above": 700}},
        "near": {"near": around},
        "expression": {"expression": {"when": f"{point} > {700 + number} && fault == 'none'", "for": "10s"}},
        "sequence": {"sequence": {"steps": steps}},
        "absence": {"absence": {"after": f"{number + 60}s"}},
    }
    return conditions[sort]


def rule(number: int, condition: dict[str, Any]) -> Rule:
    return Rule.model_validate(
        {
            "rule": f"bench-{number}",
            "title": {"zh": "测", "en": "bench"},
            "when": {"kinds": ["pump"]},
            "priority": "low",
            "text": {"zh": "$value", "en": "$value"},
            "examples": [
                {"name": "yes", "steps": [{"at": "0s", "expect": ["raised"]}]},
                {"name": "not", "steps": [{"at": "0s"}]},
            ],
            **condition,
        }
    )


def frame(device: Device, number: int) -> Frame:
    """One pump's message with one value that wavers; one in a thousand is over some limits."""
    point = device.points[POINTS[number % 4]]
    value = 0.0 if point.name == "fault" else 900.0 if number % 1000 == 0 else 400.0 + number % 7
    at = START + number * GAP
    return Frame(device, b"%016d" % number, True, True, at, at, "bench", b"", [Reading(point, value)], [])


def measure(name: str, rules: list[Rule], devices: dict[int, Device], batches: int) -> dict[str, Any]:
    evaluator = RuleEvaluator(rules)
    evaluator.load([], dict.fromkeys(devices, START))
    evaluator.configure(devices, START)
    frames = [frame(devices[number % DEVICES + 1], number) for number in range(batches * BATCH)]
    evaluations = sum(evaluator.interested(each) for each in frames)
    alarms = states = 0
    begin = time.process_time()
    for first in range(0, len(frames), BATCH):
        batch = frames[first : first + BATCH]
        decision: Decision = evaluator.evaluate(batch, batch[-1].received)
        evaluator.accept(decision)
        alarms += len(decision.alarms)
        states += len(decision.states)
    seconds = time.process_time() - begin
    return {
        "rules": name,
        "frames": len(frames),
        "rules_judging_each_message": round(evaluations / len(frames), 1),
        "evaluations": evaluations,
        "evaluations_per_s": round(evaluations / seconds),
        "frames_per_s": round(len(frames) / seconds),
        "state_rows": states,
        "alarms": alarms,
        "cpu_s": round(seconds, 3),
    }


def main() -> None:
    kind = load_catalog([packaged_config()], {}).kinds["pump"]
    devices = {
        number: example_device("pump", kind, number, place=f"b{number % 10}/u{number % 5}/{number % 50}")
        for number in range(1, DEVICES + 1)
    }
    results = [
        measure(name, [rule(number, condition(number)) for number in range(RULES)], devices, batches)
        for name, condition, batches in (("plain", plain, 100), ("mixed", mixed, 40))
    ]
    shape = {"bench": "rules_engine", "loaded": RULES, "devices": DEVICES}
    print(json.dumps({**shape, "results": results}))


if __name__ == "__main__":
    main()
