"""The pure engine by tables, and its promises by property."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rules.conditions import Condition, Occurrence, Silence, State, Threshold
from rules.engine import Happening, Heard, Observation, Sample, Step, Wake, step
from rules.model import Rule

S = 1_000_000
HIGH = Threshold(sign=1, limit=600.0, clear=560.0, lasting=30 * S, times=1, within=0)
LOW = Threshold(sign=-1, limit=10.0, clear=12.0, lasting=0, times=1, within=0)
WORD = Threshold(sign=0, limit=1.0, clear=None, lasting=5 * S, times=1, within=0)
THRICE = Threshold(sign=1, limit=600.0, clear=None, lasting=0, times=3, within=60 * S)
FORCED = Occurrence("forced", (), None, 0, 1, 0)
HELD = Occurrence("forced", (), None, 10 * S, 1, 0)
SMOKE = Occurrence("smoke", (), "clear", 0, 1, 0)
EXPIRED = Occurrence("denied", (("cause", "expired"),), None, 0, 2, 60 * S)
SILENT = Silence(after=60 * S)


def play(rule: Condition, *story: tuple[float, Observation]) -> list[tuple[str, float]]:
    """Effects of a story of (seconds of receipt, observation), as (action, seconds)."""
    state: State | None = None
    effects: list[tuple[str, float]] = []
    for now, observation in story:
        result = step(rule, state, observation, round(now * S))
        state = result.state
        effects += [(effect.action, effect.at / S) for effect in result.effects]
    return effects


def sample(value: float, at: float) -> tuple[float, Observation]:
    return at, Sample(round(at * S), value)


def event(name: str, at: float, said: float | None = None, **data: Any) -> tuple[float, Observation]:
    return at, Happening(round((at if said is None else said) * S), name, data)


def wake(at: float, heard: float = 0) -> tuple[float, Observation]:
    return at, Wake(round(heard * S))


@pytest.mark.parametrize(
    ("rule", "story", "effects"),
    [
        (HIGH, [sample(620, 0), wake(30)], [("raise", 30)]),
        (HIGH, [sample(620, 0), wake(29.9)], []),
        (HIGH, [sample(620, 0), sample(600, 10), wake(30)], []),
        (HIGH, [sample(600, 0), wake(30)], []),
        (HIGH, [sample(620, 0), sample(620, 31)], [("raise", 30)]),
        (HIGH, [sample(620, 0), sample(500, 40)], [("raise", 30), ("return", 40)]),
        (HIGH, [sample(620, 0), wake(30), sample(580, 40), sample(560, 41)], [("raise", 30)]),
        (HIGH, [sample(620, 0), wake(30), sample(559, 40), sample(620, 41)], [("raise", 30), ("return", 40)]),
        (LOW, [sample(9, 0), sample(11, 1), sample(12, 2), sample(12.5, 3)], [("raise", 0), ("return", 3)]),
        (WORD, [sample(1, 0), wake(5), sample(2, 9)], [("raise", 5), ("return", 9)]),
        (WORD, [sample(3, 0), wake(5)], []),
        (THRICE, [sample(700, 0), sample(1, 1), sample(700, 2), sample(700, 3), sample(1, 4), sample(700, 5)],
         [("raise", 5)]),
        (THRICE, [sample(700, 0), sample(1, 1), sample(700, 2), sample(1, 4), sample(700, 61)], []),
        (FORCED, [event("forced", 3)], [("raise", 3), ("return", 3)]),
        (FORCED, [event("opened", 3)], []),
        (HELD, [event("forced", 3), wake(13)], [("raise", 3), ("return", 13)]),
        (HELD, [event("forced", 3), event("forced", 9), wake(19)], [("raise", 3), ("raise", 9), ("return", 19)]),
        (HELD, [event("forced", 3), event("forced", 14)], [("raise", 3), ("return", 13), ("raise", 14)]),
        (SMOKE, [event("smoke", 1), event("clear", 9), event("clear", 10)], [("raise", 1), ("return", 9)]),
        (SMOKE, [event("clear", 5), event("smoke", 6, 2)], [("raise", 2), ("return", 2)]),
        (SMOKE, [event("clear", 5), event("smoke", 7)], [("raise", 7)]),
        (SMOKE, [event("smoke", 7), event("clear", 8, 2)], [("raise", 7)]),
        (EXPIRED, [event("denied", 0, cause="zone"), event("denied", 1, cause="expired")], []),
        (EXPIRED, [event("denied", 0, cause="expired"), event("denied", 60, cause="expired")],
         [("raise", 60), ("return", 60)]),
        (EXPIRED, [event("denied", 0, cause="expired"), event("denied", 61, cause="expired")], []),
        (SILENT, [wake(60, 0)], [("raise", 60)]),
        (SILENT, [wake(60, 30), wake(90, 30), (95, Heard())], [("raise", 90), ("return", 95)]),
        (SILENT, [(1, Heard()), (2, Heard())], []),
    ],
)  # fmt: skip
def test_story(rule: Condition, story: list[tuple[float, Observation]], effects: list[tuple[str, float]]) -> None:
    assert play(rule, *story) == effects


def test_held_up_messages_are_judged_by_when_they_were_said() -> None:
    """An hour's backlog in one second: over for 40 s of the device's time is an alarm, over for 20 s is none."""
    late = 3600 * S
    over = step(HIGH, None, Sample(0, 620.0), late)
    assert over.wake_at == late + 30 * S
    assert step(HIGH, over.state, Sample(20 * S, 500.0), late + 1).effects == ()
    assert [effect.at for effect in step(HIGH, over.state, Sample(40 * S, 500.0), late + 1).effects] == [
        30 * S,
        40 * S,
    ]


def test_the_worst_value_is_told() -> None:
    state = step(HIGH, None, Sample(0, 620.0), 0).state
    state = step(HIGH, state, Sample(S, 680.0), S).state
    state = step(HIGH, state, Sample(2 * S, 640.0), 2 * S).state
    assert step(HIGH, state, Wake(), 30 * S).effects[0].value == 680.0


def test_quiet_readings_leave_no_trace() -> None:
    result = step(HIGH, None, Sample(0, 400.0), 0)
    assert result == Step(None) and result.state is None
    raised = step(LOW, None, Sample(0, 1.0), 0).state
    assert step(LOW, raised, Sample(1, 2.0), 1).state is raised


conditions = st.sampled_from([HIGH, LOW, WORD, THRICE, FORCED, HELD, SMOKE, EXPIRED, SILENT])
moments = st.integers(0, 200 * S)
observations = st.one_of(
    st.builds(Sample, moments, st.sampled_from([1.0, 9.0, 11.0, 13.0, 550.0, 580.0, 620.0, 700.0])),
    st.builds(
        Happening, moments, st.sampled_from(["forced", "smoke", "clear", "denied"]), st.just({"cause": "expired"})
    ),
    st.builds(Heard),
    st.builds(Wake, moments),
)


@given(conditions, st.lists(st.tuples(st.integers(0, 40 * S), observations), max_size=30))
def test_a_wake_up_is_never_in_the_past(rule: Condition, story: list[tuple[int, Observation]]) -> None:
    state, now = None, 0
    for delta, observation in story:
        now += delta
        result = step(rule, state, observation, now)
        assert result.wake_at is None or result.wake_at > now
        state = result.state


@given(st.lists(st.tuples(st.integers(1, 20), st.sampled_from([550, 580, 601, 700])), min_size=1, max_size=40))
def test_threshold_against_a_second_by_second_oracle(steps: list[tuple[int, int]]) -> None:
    """An independent reading of the rule: look at every second what value stood, and for how long it was over."""
    timeline: dict[int, int] = {}
    now = 0
    for delta, value in steps:
        now += delta
        timeline[now] = value
    expected, level, since, raised = [], 0, None, False
    for second in range(now + 32):
        if raised is False and since is not None and second - since >= 30:
            expected.append(("raise", second))
            raised = True
        level = timeline.get(second, level)
        since = (since if since is not None else second) if level > 600 else None
        if raised and level < 560 and second in timeline:
            expected.append(("return", second))
            raised = False

    state, due, effects = None, None, []
    for second in range(now + 32):
        todo: list[Observation] = [Wake()] if due is not None and due <= second * S else []
        todo += [Sample(second * S, float(timeline[second]))] if second in timeline else []
        for observation in todo:
            result = step(HIGH, state, observation, second * S)
            state, due = result.state, result.wake_at
            effects += [(effect.action, effect.at // S) for effect in result.effects]
    assert effects == expected


def rule(**parts: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "rule": "r",
        "title": {"zh": "题", "en": "t"},
        "when": {"kinds": ["pump"]},
        "threshold": {"point": "pressure", "above": 600, "for": "30s", "clear": {"below": 560}},
        "priority": "high",
        "text": {"zh": "$value", "en": "${value} of $$"},
        "examples": [
            {"name": "yes", "steps": [{"at": "0s", "point": {"pressure": 620}}, {"at": "30s", "expect": ["raised"]}]},
            {"name": "not", "steps": [{"at": "0s", "point": {"pressure": 500}}]},
        ],
    }
    return {name: value for name, value in (base | parts).items() if value is not None}


def test_a_rule_is_read() -> None:
    read = Rule.model_validate(rule())
    assert read.threshold is not None and read.threshold.lasting == timedelta(seconds=30)


@pytest.mark.parametrize(
    ("parts", "complaint"),
    [
        ({"brand": "x"}, "Extra inputs"),
        ({"threshold": None}, "exactly one of `threshold`"),
        ({"event": {"name": "forced"}}, "exactly one of `threshold`"),
        ({"threshold": {"point": "p", "above": 1, "below": 2}}, "exactly one of `above`"),
        ({"threshold": {"point": "p", "above": 1, "clear": {"below": 2}}}, "must not lie over"),
        ({"threshold": {"point": "p", "above": 1, "clear": {"above": 2}}}, "clears `below`"),
        ({"threshold": {"point": "p", "equals": "on", "clear": {"below": 2}}}, "does not apply"),
        ({"threshold": {"point": "p", "equals": True}}, "not true or false"),
        ({"threshold": {"point": "p", "above": float("nan")}}, "finite"),
        ({"threshold": None, "absence": {"after": "0s"}}, "above 0"),
        ({"threshold": None, "absence": {"after": "soon"}}, "a duration such as"),
        ({"threshold": None, "event": {"name": "a", "clear_event": "b", "clear_after": "1s"}}, "not both"),
        ({"when": {"kinds": "all"}}, "for absence rules"),
        ({"when": {"kinds": []}}, "at least one kind"),
        ({"when": {"kinds": ["pump"], "profiles": ["x"]}}, "Extra inputs"),
        ({"text": {"zh": "$value.real", "en": "$vaule"}}, r"\$vaule is unknown"),
        ({"text": {"zh": "5 $", "en": "x"}}, "a lone"),
        ({"examples": rule()["examples"][:1] * 2}, "without an alarm"),
        ({"examples": rule()["examples"][1:] * 2}, "being raised"),
        ({"rule": "Bad Id"}, "pattern"),
    ],
)
def test_a_wrong_rule_is_refused(parts: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        Rule.model_validate(rule(**parts))
