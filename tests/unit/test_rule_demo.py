"""The shipped rules over the simulated community: normal life raises nothing, each fault raises what the truth says."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from hub.catalog.load import load_catalog
from hub.catalog.paths import packaged_config
from hub.clock import to_us
from hub.model import Device, Event, Frame, Reading, event_id, frame_key
from rules.evaluator import RuleEvaluator
from rules.plugin import RulesPlugin
from simulators.faults import default_scenario
from simulators.plant import Plant
from simulators.timeline import Said
from tests.unit.demo_devices import demo_devices

S = 1_000_000
EVENING = to_us(datetime(2026, 3, 2, 18, 30, tzinfo=ZoneInfo("Asia/Shanghai")))
"""When most people come home, and use most water."""


def frames(devices: dict[str, Device], words: Sequence[Said]) -> list[Frame]:
    """What the decoders would make of the plant's words."""
    made = []
    for number, word in enumerate(words):
        device = devices[word.device]
        if word.fault is not None or not (word.points or word.event):
            continue
        key = frame_key(device.code, f"{word.at}-{number}", b"")
        readings = [Reading(device.points[name], float(value)) for name, value in word.points.items()]
        events = [Event(event_id(device, key, 0, word.event), word.event, dict(word.data))] if word.event else []
        made.append(Frame(device, key, True, True, word.at, word.at, "plant", b"", readings, events))
    return made


def live(seconds: int, faults: bool) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """(rule, device) of the alarms raised, and of the faults that were due."""
    devices = {device.code: device for device in demo_devices()}
    kinds = load_catalog([packaged_config()], {"HUB_MQTT_URL": "mqtt://127.0.0.1"}).kinds
    evaluator = RuleEvaluator(RulesPlugin().rules([packaged_config()], kinds))
    plant = Plant(devices.values(), 7, EVENING)
    if faults:
        plant.schedule([fault for fault in default_scenario(devices.values()) if fault.kind != "gateway_lost"])
    evaluator.configure({device.id: device for device in devices.values()}, EVENING)
    raised, due = set(), set()
    for second in range(1, seconds + 1):
        now = EVENING + second * S
        words = plant.advance(now)
        due |= {(word.fault.rule, word.device) for word in words if word.fault is not None}
        decision = evaluator.evaluate(frames(devices, words), now)
        evaluator.accept(decision)
        raised |= {(change.rule, change.device.code) for change in decision.alarms if change.action == "raise"}
    return raised, due


def test_normal_life_raises_nothing() -> None:
    assert live(1200, faults=False) == (set(), set())


def test_faults_raise_what_the_truth_says_and_nothing_else() -> None:
    raised, due = live(420, faults=True)
    assert len(due) >= 7
    assert raised == due
