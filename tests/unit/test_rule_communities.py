"""Several communities in one evaluator: what one of them changes, or does wrong, is not felt in another."""

import msgspec

from hub.model import Device
from rules.binding import MOST_NEIGHBOURS
from rules.examples import example_device
from tests.unit.rule_harness import KINDS, T0, S, Store, frame, make


def _stand(kind: str, *homes: int) -> dict[int, Device]:
    """Devices 1, 2, … of a kind, each in its community."""
    return {
        number: msgspec.structs.replace(example_device(kind, KINDS[kind], number), community_id=home)
        for number, home in enumerate(homes, 1)
    }


def test_a_version_of_one_community_leaves_what_others_remember() -> None:
    doors = _stand("door", 1, 2, 1)
    waits = make("open", "door", threshold={"point": "open", "equals": "open", "for": "60s"})
    sooner = make("open", "door", threshold={"point": "open", "equals": "open", "for": "20s"})
    store = Store([waits], doors)
    evaluator = store.start(T0)
    store.run(evaluator, [frame(door, 0, {"open": 1}) for door in doors.values()], T0)
    evaluator.replace_rules_of(1, [sooner], T0 + 30 * S)
    here = [door.id for door in doors.values() if door.community_id == 1]
    assert [change.device.id for change in store.run(evaluator, [], T0 + 30 * S).alarms] == here
    assert store.run(evaluator, [], T0 + 59 * S).alarms == []
    later = store.run(evaluator, [], T0 + 60 * S).alarms
    assert {change.device.id for change in later} == doors.keys() - {*here}, "its minute went on"
    evaluator.replace_rules_of(1, [], T0 + 70 * S)
    over = store.run(evaluator, [], T0 + 70 * S).alarms
    assert [(change.device.id, change.action) for change in over] == [(number, "return") for number in here]
    evaluator.load(store.rows())  # the answer of a commit was lost: the rules stay
    evaluator.configure(doors, T0 + 80 * S)
    store.run(evaluator, [frame(door, 90, {"open": 1}) for door in doors.values()], T0 + 90 * S)
    assert store.run(evaluator, [], T0 + 200 * S).alarms == [], "none in the first, and it stands in the second"
    closed = [frame(door, 210, {"open": 0}) for door in doors.values()]
    ended = store.run(evaluator, closed, T0 + 210 * S).alarms
    assert {change.device.id for change in ended} == doors.keys() - {*here}


def test_what_is_stopped_in_one_community_goes_on_in_another_until_it_fails_there() -> None:
    broken = make("broken", "pump", expression={"when": "pressure / flow > 1"})
    pumps = _stand("pump", 1, 1, 2)
    store = Store([broken], pumps)
    evaluator = store.start(T0)
    for number, pump in pumps.items():
        failing = [frame(pump, 10 * number + second, {"pressure": second, "flow": 0}) for second in range(6)]
        store.run(evaluator, failing, T0 + (10 * number + 9) * S)
    told = [device for rule, device, *_ in store.alarms if rule == "rule-disabled"]
    assert told == [1, 1, 3], "everywhere in the first, on one device of the second"
    evaluator.replace_rules_of(2, [broken], T0 + 40 * S)
    ended = store.run(evaluator, [], T0 + 40 * S).alarms
    assert [(change.rule, change.device.id, change.action) for change in ended] == [("rule-disabled", 3, "return")]
    good = [frame(pump, 50, {"pressure": 5, "flow": 1}) for pump in pumps.values()]
    raised = [change.device.id for change in store.run(evaluator, good, T0 + 50 * S).alarms]
    assert raised == [3], "only there it has another chance"


def test_a_crowded_rule_is_left_out_in_its_community_only() -> None:
    many = MOST_NEIGHBOURS + 2
    pumps = _stand("pump", *[1] * many, 2, 2)
    near = {"at": "same_place", "kinds": ["pump"], "at_least": 1, "threshold": {"point": "flow", "above": 1}}
    store = Store([make("crowd", "pump", near=near)], pumps)
    evaluator = store.start(T0)
    assert [change.device.id for change in store.run(evaluator, [], T0).alarms] == [1]
    raised = store.run(evaluator, [frame(pumps[many + 1], 1, {"flow": 9})], T0 + S).alarms
    assert {(change.rule, change.device.id) for change in raised} == {("crowd", many + 2)}
    evaluator.replace_rules_of(2, [], T0 + 2 * S)
    assert {change.rule for change in store.run(evaluator, [], T0 + 2 * S).alarms} == {"crowd"}
    evaluator.replace_rules_of(1, [], T0 + 3 * S)
    assert [change.rule for change in store.run(evaluator, [], T0 + 3 * S).alarms] == ["rule-disabled"]
