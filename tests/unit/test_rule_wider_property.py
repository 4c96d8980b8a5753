"""Every wider condition: however the same words are cut into batches, failed and killed, the decisions are the same."""

from hypothesis import given, settings
from hypothesis import strategies as st

from hub.model import Frame, Quality, Verdict
from rules.examples import example_device
from tests.unit.rule_harness import KINDS, T0, S, Store, frame, make, plain, same_whatever_happens, with_time_away

GATEWAY = example_device("gateway", KINDS["gateway"], 9, place="plant")
PUMP, PUMP2 = (example_device("pump", KINDS["pump"], number, parent=9) for number in (1, 2))
DOOR = example_device("door", KINDS["door"], 4)
LIFT = example_device("elevator", KINDS["elevator"], 5, place="example/other")
DEVICES = {device.id: device for device in (PUMP, PUMP2, DOOR, LIFT, GATEWAY)}

PRESSURE = {"point": "pressure", "above": 600}
RULES = [
    make("either", "pump", any_of=[{"threshold": {**PRESSURE, "for": "10s"}},
                                   {"threshold": {"point": "fault", "equals": "fault"}},
                                   {"change": {"point": "running"}}]),
    make("both", "pump", all_of=[{"threshold": {**PRESSURE, "clear": {"below": 560}}},
                                 {"threshold": {"point": "fault", "equals": "fault", "for": "20s"}}]),
    make("lonely", "pump", all_of=[{"threshold": PRESSURE},
                                   {"near": {"at": "same_place", "kinds": ["pump"], "at_most": 0,
                                             "threshold": {"point": "running", "equals": "running"}}}]),
    make("moved", "pump", change={"point": "pressure", "by": 50}),
    make("moved-in-time", "pump", change={"point": "pressure", "by": 100, "within": "40s", "direction": "up"}),
    make("fast", "pump", change={"point": "pressure", "rate": {"above": 5, "per": "1s"}}),
    make("stuck", "pump", stuck={"point": "pressure", "for": "30s", "deadband": 1}),
    make("tumbling", "pump", window={"point": "pressure", "aggregate": "avg", "size": "30s", "above": 600,
                                     "lateness": "10s"}),
    make("sliding", "pump", window={"point": "pressure", "aggregate": "max", "size": "60s", "every": "20s",
                                    "above": 650}),
    make("spread", "pump", window={"point": "pressure", "aggregate": "spread", "size": "1m", "every": "10s",
                                   "above": 100, "clear": {"below": 50}, "lateness": "0s"}),
    make("busy", "door", window={"event": "access_granted", "aggregate": "count", "size": "40s", "above": 1}),
    make("idle", "door", window={"event": "access_granted", "aggregate": "count", "size": "1m", "below": 1,
                                 "lateness": "5s"}),
    make("session", "pump", window={"point": "pressure", "aggregate": "count", "gap": "20s", "above": 2}),
    make("by-three", "pump", window={"point": "pressure", "aggregate": "sum", "samples": 3, "above": 1800}),
    make("intruder", "door", sequence={"lateness": "10s", "steps": [
        {"event": "door_forced"},
        {"not": {"event": "access_granted", "before": "15s"}},
        {"point": "direction", "equals": ["up", "down"], "kinds": ["elevator"], "at": "same_building",
         "within": "60s"}]}),
    make("not-followed", "door", sequence={"lateness": "0s", "clear_after": "20s", "steps": [
        {"event": "access_granted"}, {"not": {"event": "unlocked", "within": "10s"}}]}),
    make("two-taps", "door", sequence={"steps": [
        {"event": "access_denied"}, {"event": "access_granted", "within": "20s"}]}),
    make("children", "gateway", near={"at": "children", "kinds": ["pump"], "at_least": "all", "for": "5s",
                                      "absence": {"after": "40s"}}),
    make("some-over", "gateway", near={"at": "children", "kinds": ["pump"], "at_least": 1,
                                       "threshold": {**PRESSURE, "for": "10s"}}),
    make("formula", "pump", expression={"when": 'pressure > 600 && running == "stopped"', "for": "10s"}),
    make("at-night", "pump", threshold=PRESSURE, during="daily 23:07-23:08"),
    make("silent-now", "pump", absence={"after": "20s"}, during="daily 23:07-23:09"),
    make("hourly", "pump", hourly={"analysis": "night_flow", "point": "flow", "above": 1, "for": 2}),
    make("commanding", "pump", threshold={"point": "pressure", "above": 650},
         command={"name": "stop", "reason": "over pressure"}),
]  # fmt: skip


@st.composite
def histories(draw: st.DrawFn, said: bool = True) -> list[Frame]:
    """`said`: with device times that lag, verdicts and the broker's memory too."""
    frames, at = [], 0.0
    for _ in range(draw(st.integers(1, 40))):
        at += draw(st.sampled_from([0.0, 0.5, 1.0, 5.0, 9.0, 20.0, 30.0, 45.0]))
        device = draw(st.sampled_from([PUMP, PUMP2, PUMP, PUMP2, DOOR, DOOR, LIFT, GATEWAY]))
        ago = draw(st.sampled_from([0.0, 0.0, 0.0, 2.0, 12.0, 60.0, 300.0])) if said else 0.0
        points: dict[str, float] = {}
        event = None
        verdicts = []
        if device.kind_name == "pump":
            points["pressure"] = draw(st.sampled_from([500, 580, 620, 700]))
            for name in ("fault", "running"):
                if draw(st.booleans()):
                    points[name] = draw(st.sampled_from([0, 1]))
            if draw(st.integers(0, 5)) == 0:
                verdicts.append(Verdict("hourly", draw(st.booleans()), T0 + round((at - ago) * S), 2.0))
        elif device.kind_name == "door":
            event = draw(st.sampled_from(["door_forced", "access_granted", "access_denied", "unlocked"]))
        elif device.kind_name == "elevator":
            points["direction"] = draw(st.sampled_from([0, 1, 2]))
        quality = draw(st.sampled_from([0, 0, 0, 0, int(Quality.BAD), int(Quality.RANGE)]))
        retained = said and draw(st.sampled_from([False, False, False, False, True]))
        frames.append(frame(device, at, points, event, at - ago, quality, retained=retained, verdicts=verdicts))
    return frames


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_batches_failed_commits_and_kills_change_nothing(data: st.DataObject) -> None:
    same_whatever_happens(data, data.draw(histories()), RULES, DEVICES)


EXACT = {
    "either", "lonely", "moved", "moved-in-time", "fast", "tumbling", "session",
    "by-three", "intruder", "two-taps", "formula", "commanding", "hourly", "stuck",
}  # fmt: skip
"""Rules that go by what the devices said and when. The others go by when it was heard, or by what was not."""

BY_RECEIPT = {"at-night"}
"""A calendar that begins looks at what holds then by what was heard: what is on its way may end it at once."""


def _told(store: Store) -> dict[tuple[str, int], list[tuple[str, int]]]:
    told: dict[tuple[str, int], list[tuple[str, int]]] = {}
    for rule, device, action, at, *_ in store.alarms:
        told.setdefault((rule, device), []).append((action, at))
    return told


@settings(max_examples=60, deadline=None)
@given(histories(said=False), st.floats(0, 400), st.sampled_from([0.5, 3.0, 20.0, 50.0, 130.0, 1000.0]))
def test_a_time_away_raises_nothing_and_loses_nothing(frames: list[Frame], down: float, away: float) -> None:
    """What was said meanwhile is delivered afterwards: the alarms are those of a hub that was never away."""
    reference = _told(plain(frames, RULES, DEVICES))
    begin = T0 + round(down * S)
    interrupted = _told(with_time_away(frames, RULES, DEVICES, begin, begin + round(away * S)))
    for key in reference.keys() | interrupted.keys():
        if key[0] in EXACT:
            same = interrupted.get(key) == reference.get(key)
            assert same, (key, interrupted.get(key), reference.get(key))
        elif key[0] not in BY_RECEIPT:
            raised = [action for action, _ in interrupted.get(key, ()) if action == "raise"]
            assert not raised or key in reference, key
