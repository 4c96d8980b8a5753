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
    make("run", "pump", window={"point": "pressure", "aggregate": "increase", "above": 90, "longest": "70s",
                                "while": {"point": "running", "equals": "running"}}),
    make("run-mean", "pump", window={"point": "pressure", "aggregate": "avg", "below": 600, "lateness": "5s",
                                     "while": {"point": "fault", "equals": "fault"}, "longest": "40s"}),
    make("while-high", "pump", window={"point": "pressure", "aggregate": "count", "above": 1, "lateness": "0s",
                                       "while": {"point": "pressure", "above": 600, "clear": {"below": 560}}}),
    make("run-by-night", "pump", during="daily 23:07-23:09",
         window={"point": "pressure", "aggregate": "max", "above": 650,
                 "while": {"point": "running", "equals": "running"}}),
    make("run-or-fault", "pump", any_of=[
        {"window": {"point": "pressure", "aggregate": "spread", "above": 100, "lateness": "10s",
                    "while": {"point": "running", "equals": "running"}, "longest": "60s"}},
        {"threshold": {"point": "fault", "equals": "fault", "for": "10s"}}]),
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
    make("apart", "pump", expression={"value": "pressure - min(others.pressure)", "above": 60, "clear": {"below": 30},
                                      "for": "10s", "others": {"others": {"at": "same_place", "kinds": ["pump"]}}}),
    make("under-a-running-one", "gateway", expression={
        "when": 'pumps.running.exists(one, one == "running") && max(pumps.pressure) > 600',
        "others": {"pumps": {"at": "descendants", "kinds": ["pump"]}}}),
    make("at-night", "pump", threshold=PRESSURE, during="daily 23:07-23:08"),
    make("silent-now", "pump", absence={"after": "20s"}, during="daily 23:07-23:09"),
    make("hourly", "pump", hourly={"analysis": "night_flow", "point": "flow", "above": 1, "for": 2}),
    make("commanding", "pump", threshold={"point": "pressure", "above": 650},
         command={"name": "stop", "reason": "over pressure"}),
    make("over", "pump", threshold={**PRESSURE, "for": "45s"}),
    make("over-again", "pump", threshold={**PRESSURE, "for": "4s", "repeat": {"times": 2, "within": "100s"}}),
    make("forced", "door", event={"name": "door_forced", "clear_event": "access_granted"}),
    make("forced-awhile", "door", event={"name": "door_forced", "clear_after": "30s"}),
    make("denied-again", "door", event={"name": "access_denied", "clear_after": "25s",
                                        "repeat": {"times": 2, "within": "60s"}}),
    make("forced-while-busy", "door", all_of=[
        {"event": {"name": "door_forced", "clear_after": "40s"}},
        {"window": {"event": "access_granted", "aggregate": "count", "size": "60s", "every": "20s", "above": 0,
                    "lateness": "5s"}}]),
    make("any-of-many", "pump", any_of=[
        {"window": {"point": "pressure", "aggregate": "avg", "size": "40s", "every": "10s", "above": 650}},
        {"stuck": {"point": "pressure", "for": "60s"}}, {"expression": {"when": 'fault == "fault"', "for": "25s"}}]),
    make("many-over", "gateway", near={"at": "children", "kinds": ["pump"], "at_least": 2, "for": "20s",
                                       "threshold": PRESSURE}),
    make("none-running", "gateway", near={"at": "children", "kinds": ["pump"], "at_most": 0, "for": "15s",
                                          "threshold": {"point": "running", "equals": "running"}}),
    make("over-at-night", "pump", threshold={**PRESSURE, "for": "20s"}, during="daily 23:07-23:08"),
    make("forced-at-night", "door", event={"name": "door_forced", "clear_after": "70s"}, during="daily 23:07-23:09"),
    make("mean-at-night", "pump", during="daily 23:07-23:09",
         window={"point": "pressure", "aggregate": "avg", "size": "40s", "every": "20s", "above": 600}),
    make("both-at-night", "pump", during="daily 23:07-23:08", all_of=[
        {"threshold": {**PRESSURE, "for": "8s"}}, {"threshold": {"point": "fault", "equals": "fault"}}]),
    make("unanswered-at-night", "door", during="daily 23:07-23:09", sequence={"lateness": "5s", "clear_after": "40s",
         "steps": [{"event": "door_forced"}, {"not": {"event": "access_granted", "within": "15s"}}]}),
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


BY_SILENCE = {"children", "silent-now", "idle"}
"""Rules that alarm because nothing was heard. Nobody knows whether a source kept what was said while nobody listened
(a poll, QoS 0), so for the time away they raise nothing; all others go by what was said, and answer exactly."""


def _told(store: Store) -> dict[tuple[str, int], list[tuple[str, int]]]:
    told: dict[tuple[str, int], list[tuple[str, int]]] = {}
    for rule, device, action, at, *_ in store.alarms:
        told.setdefault((rule, device), []).append((action, at))
    return told


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_time_away_raises_nothing_and_loses_nothing(data: st.DataObject) -> None:
    """What was said meanwhile is delivered afterwards: the alarms are those of a hub that was never away."""
    frames = data.draw(histories(said=False))
    begin = T0 + round(data.draw(st.floats(0, 400)) * S)
    end = begin + round(data.draw(st.sampled_from([0.5, 3.0, 20.0, 50.0, 130.0, 1000.0])) * S)
    reference = _told(plain(frames, RULES, DEVICES))
    interrupted = _told(with_time_away(data, frames, RULES, DEVICES, begin, end))
    for key in reference.keys() | interrupted.keys():
        if key[0] not in BY_SILENCE:
            same = interrupted.get(key) == reference.get(key)
            assert same, (key, interrupted.get(key), reference.get(key))
        else:
            raised = [action for action, _ in interrupted.get(key, ()) if action == "raise"]
            assert not raised or key in reference, key
