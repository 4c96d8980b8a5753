"""What the other rules feel while one misbehaves: the time of a batch, beside that without it. One JSON object.

Run from the project folder: `python -m bench.rules_beside`. 200 mixed rules judge batches of 100 frames of 100 pumps. A
rule more judges one pump that speaks in every tenth batch: `fails` divides by zero, `loops` goes twice over fifty
values, near the most that is accepted. Rounds with and without it take turns; `p99_ratio` is over the batches in which
that pump says nothing, `p99_ratio_all` over all of them, its own included.
"""

import gc
import json
import time
from typing import Any

from bench.rules_engine import START, frame, mixed, rule
from hub.catalog.load import load_catalog
from hub.catalog.paths import packaged_config
from hub.model import Device, Frame, Reading
from rules.evaluator import RuleEvaluator
from rules.examples import example_device

DEVICES, ROUNDS, BATCHES, SIZE, EVERY = 100, 4, 110, 100, 10
ODD = DEVICES + 1

ONES = f"[{','.join('1' * 50)}]"
WORSE = {
    "fails": "1 / (pressure - pressure) > 0",
    "loops": f"{ONES}.all(a, {ONES}.all(b, a * b + a - b + a * b > pressure - 1000))",
}


def batches(devices: dict[int, Device]) -> list[list[Frame]]:
    """The same for all: the odd pump speaks first in every tenth."""
    found = []
    for number in range(BATCHES):
        frames = [frame(devices[(number * SIZE + one) % DEVICES + 1], number * SIZE + one) for one in range(SIZE)]
        if number % EVERY == 0:
            at, odd = frames[0].received, devices[ODD]
            readings = [Reading(odd.points["pressure"], 450.0)]
            frames.insert(0, Frame(odd, b"odd%013d" % number, True, True, at, at, "bench", b"", readings, []))
        found.append(frames)
    return found


def times(devices: dict[int, Device], expression: str | None) -> tuple[list[float], int]:
    """Seconds of this thread for each batch, and how often a rule was stopped."""
    rules = [rule(number, mixed(number)) for number in range(200)]
    if expression is not None:
        odd = rule(200, {"expression": {"when": expression}})
        rules.append(odd.model_copy(update={"when": odd.when.model_copy(update={"kinds": ["booster"]})}))
    evaluator = RuleEvaluator(rules)
    evaluator.load([], dict.fromkeys(devices, START))
    evaluator.configure(devices, START)
    told = batches(devices)
    gc.collect()
    gc.freeze()  # what was made for the measurement is not what is measured
    took, stopped = [], 0
    for frames in told:
        begin = time.thread_time()
        decision = evaluator.evaluate(frames, frames[-1].received)
        evaluator.accept(decision)
        took.append(time.thread_time() - begin)
        stopped += sum(change.rule == "rule-disabled" for change in decision.alarms)
    gc.unfreeze()
    return took[EVERY:], stopped  # the first are the evaluator's warming up


def p99(values: list[float]) -> float:
    """Nearest rank."""
    return sorted(values)[-(-99 * len(values) // 100) - 1]


def main() -> None:
    kind = load_catalog([packaged_config()], {}).kinds["pump"]
    devices = {
        number: example_device("pump", kind, number, place=f"b{number % 10}/u{number % 5}/{number % 50}")
        for number in range(1, DEVICES + 1)
    }
    devices[ODD] = example_device("booster", kind, ODD, place="elsewhere")
    results: dict[str, Any] = {}
    for name, expression in WORSE.items():
        alone: list[float] = []
        beside: list[float] = []
        stopped = 0
        for _ in range(ROUNDS):
            alone += times(devices, None)[0]
            more, times_stopped = times(devices, expression)
            beside, stopped = beside + more, stopped + times_stopped
        quiet = [number for number in range(len(alone)) if number % (BATCHES - EVERY) % EVERY]
        results[name] = {
            "p99_ratio": round(p99([beside[n] for n in quiet]) / p99([alone[n] for n in quiet]), 3),
            "p99_ratio_all": round(p99(beside) / p99(alone), 3),
            "p99_ms_alone": round(p99(alone) * 1000, 2),
            "p99_ms_beside": round(p99(beside) * 1000, 2),
            "stopped_in_rounds": f"{stopped} of {ROUNDS}",
        }
    print(json.dumps({"bench": "rules_beside", "rules": 200, "devices": DEVICES, "frames_a_batch": SIZE, **results}))


if __name__ == "__main__":
    main()
