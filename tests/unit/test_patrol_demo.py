"""The simulated guard walks the shipped plan with cards that the shipped duty roster knows: the demo starts quiet."""

from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

from hub.catalog.paths import packaged_config
from hub.instants import from_us, to_us
from modules.duty.seed import load_duty
from modules.patrol.files import load_patrols
from modules.patrol.model import Evidence, assess
from modules.patrol.plans import EVENTS, rounds
from simulators.guards import PatrolGuard
from simulators.timeline import Said, Timeline

ZONE = ZoneInfo("Asia/Shanghai")
START = datetime(2026, 11, 21, 3, 7, tzinfo=UTC)


def a_day_of(seed: int, skip: int = 0) -> tuple[list[Said], datetime]:
    """Every tap of a day, as devices would tell of it."""
    time = Timeline(to_us(START))

    def speak(code: str, event: str, card: str) -> None:
        time.say(Said(time.now, code, event=event, data={"card": card}))

    doors: Any = {f"door-{name}": SimpleNamespace(enter=partial(speak, f"door-{name}", "access_granted"))
                  for name in ("b1-u1", "garage-2")}  # fmt: skip
    readers: Any = {
        f"patrol-{n}": SimpleNamespace(tap=partial(speak, f"patrol-{n}", "checkpoint_read")) for n in (1, 2)
    }
    guard = PatrolGuard(time, doors, readers, ZONE, Random(seed))
    guard.skip = skip
    end = START + timedelta(days=1)
    return time.advance(to_us(end)), end


def walked(said: list[Said], end: datetime) -> list[tuple[str, str, bool]]:
    """Plan, state, and whether anything was remarkable, of each round that begins and ends in the day."""
    root = packaged_config()
    file = load_patrols([root])["demo"]
    cards = {person.card for person in load_duty([root])["demo"].people}
    evidence = [
        Evidence(str(n), checkpoint.id, proof.by, one.device, proof.percent, from_us(one.at), from_us(one.at), "guard")
        for n, one in enumerate(said)
        for checkpoint in file.checkpoints
        for proof in checkpoint.proofs
        if proof.device == one.device and EVENTS[proof.by][1] == one.event and one.data["card"] in cards
    ]
    found = []
    for one in rounds(file, ZONE, START + timedelta(minutes=10), end - timedelta(minutes=20)):
        outcome = assess(one.round, evidence, end)
        odd = any(visit.late or visit.out_of_order or visit.too_fast for visit in outcome.visits)
        found.append((one.plan.id, outcome.state, odd))
    return found


def test_a_day_of_rounds_is_walked_without_an_alarm():
    found = walked(*a_day_of(1))
    assert len(found) > 270
    assert {(state, odd) for _, state, odd in found} == {("complete", False)}


def test_a_round_that_the_guard_skips_is_missed():
    found = walked(*a_day_of(2, skip=3))
    assert sum(state == "missed" for _, state, _ in found) in (2, 3)  # the first may begin before we look
    assert {plan for plan, state, _ in found if state == "missed"} == {"garden-round"}
