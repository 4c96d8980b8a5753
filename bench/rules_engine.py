"""How many rule evaluations a second one core does with 200 rules loaded, and how many frames. One JSON line.

Run from the project folder: `python -m bench.rules_engine`. An evaluation is one rule judging one reading or event.
"""

import json
import time

from hub.catalog.load import load_catalog
from hub.catalog.paths import packaged_config
from hub.decisions import Decision
from hub.model import Device, Event, Frame, Reading
from rules.evaluator import RuleEvaluator
from rules.examples import example_device
from rules.model import Rule

RULES, DEVICES, BATCHES, BATCH = 200, 500, 200, 500
START = 1_750_000_000_000_000
GAP = 50
"""Microseconds between frames: 20 000 a second."""


def rules() -> list[Rule]:
    """All on pumps, a fifth each on pressure, flow, current, fault and silence: 40 judge each reading."""
    made = []
    for number in range(RULES):
        part = number % 5
        if part < 3:
            point = ("pressure", "flow", "current")[part]
            condition = {"threshold": {"point": point, "above": 600 + number, "for": "30s", "clear": {"below": 500}}}
        elif part == 3:
            condition = {"threshold": {"point": "fault", "equals": "fault", "for": f"{number + 1}s"}}
        else:
            condition = {"absence": {"after": f"{number + 60}s"}}
        made.append(
            Rule.model_validate(
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
        )
    return made


def frame(device: Device, number: int) -> Frame:
    """One pump's message with one value; one in a thousand is over some limits."""
    point = device.points[("pressure", "flow", "current", "fault")[number % 4]]
    value = 0.0 if point.name == "fault" else 900.0 if number % 1000 == 0 else 400.0
    at = START + number * GAP
    events: list[Event] = []
    return Frame(device, b"%016d" % number, True, True, at, at, "bench", b"", [Reading(point, value)], events)


def main() -> None:
    kind = load_catalog([packaged_config()], {}).kinds["pump"]
    devices = {number: example_device("pump", kind, number) for number in range(1, DEVICES + 1)}
    evaluator = RuleEvaluator(rules())
    evaluator.load([], dict.fromkeys(devices, START))
    evaluator.configure(devices, START)
    frames = [frame(devices[number % DEVICES + 1], number) for number in range(BATCHES * BATCH)]
    alarms = states = 0
    begin = time.process_time()
    for first in range(0, len(frames), BATCH):
        batch = frames[first : first + BATCH]
        decision: Decision = evaluator.evaluate(batch, batch[-1].received)
        evaluator.accept(decision)
        alarms += len(decision.alarms)
        states += len(decision.states)
    seconds = time.process_time() - begin
    evaluations = len(frames) * RULES // 5
    result = {
        "bench": "rules_engine",
        "rules": RULES,
        "devices": DEVICES,
        "frames": len(frames),
        "evaluations": evaluations,
        "evaluations_per_s": round(evaluations / seconds),
        "frames_per_s": round(len(frames) / seconds),
        "state_rows": states,
        "alarms": alarms,
        "cpu_s": round(seconds, 3),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
