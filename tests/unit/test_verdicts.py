"""Intervals in a row, and intervals judged again when their readings came late."""

from hypothesis import given
from hypothesis import strategies as st

from rules.conditions import Analysis, State
from rules.engine import Finding, step

HOUR = 3_600_000_000
BEGAN = 1_800_000_000_000_000 // HOUR


class Told:
    """A rule over hours numbered from 0, and what it has told: (action, hour, historical)."""

    def __init__(self, intervals: int, *active: bool) -> None:
        self.rule = Analysis(intervals, HOUR)
        self.state: State | None = None
        self.hours = list(active)
        self.told: list[tuple[str, int, bool]] = []
        for hour, found in enumerate(active):
            self._step(Finding(self._at(hour), found), self._at(hour) + 300_000_000)

    def again(self, hour: int, active: bool) -> list[tuple[str, int, bool]]:
        """Judged again after the last of the hours; gives what that told."""
        before, last = len(self.told), self._at(len(self.hours) - 1)
        self.hours[hour] = active
        self._step(Finding(self._at(hour), active, judged=last), last + 600_000_000)
        return self.told[before:]

    def next(self, active: bool) -> None:
        self.hours.append(active)
        self._step(Finding(self._at(len(self.hours) - 1), active), self._at(len(self.hours)))

    def _step(self, found: Finding, now: int) -> None:
        done = step(self.rule, self.state, found, now)
        self.state = done.state
        self.told += [(one.action, one.at // HOUR - BEGAN, one.historical) for one in done.effects]

    @staticmethod
    def _at(hour: int) -> int:
        return (BEGAN + hour) * HOUR


def test_an_hour_found_late_completes_a_run_that_is_over_as_history() -> None:
    told = Told(3, False, True, False, True, False, False)
    assert told.told == []
    assert told.again(2, True) == [("raise", 3, True), ("return", 4, False)]
    assert told.again(2, True) == []


def test_a_run_that_reaches_the_last_hour_stands_and_goes_on() -> None:
    told = Told(2, False, True, False)
    assert told.again(2, True) == [("raise", 2, False)]
    told.next(True)
    told.next(False)
    assert told.told[1:] == [("return", 4, False)]


def test_a_run_that_was_told_is_not_told_again_when_it_grows() -> None:
    told = Told(2, True, True, False, False)
    assert told.told == [("raise", 1, False), ("return", 2, False)]
    assert told.again(2, True) == []


def test_an_alarm_ends_when_its_last_hours_prove_right() -> None:
    told = Told(2, True, True)
    assert told.again(1, False) == [("return", 1, False)]
    told.next(True)
    assert len(told.told) == 2, "one hour after a good one is one in a row"


def test_an_hour_that_proves_right_long_ago_leaves_an_alarm_that_stands() -> None:
    assert Told(2, True, True, True, True).again(0, False) == []


def test_a_healthy_meter_leaves_nothing_to_remember() -> None:
    told = Told(2, *[False] * 3)
    assert told.state is None
    told = Told(2, True, *[False] * 60)
    assert told.state is None


@given(st.integers(1, 4), st.lists(st.booleans(), min_size=1, max_size=12), st.data())
def test_alarms_begin_and_end_in_turn_whatever_is_judged_again(
    intervals: int, hours: list[bool], data: st.DataObject
) -> None:
    told = Told(intervals, *hours)
    for _ in range(data.draw(st.integers(0, 8))):
        told.again(data.draw(st.integers(0, len(hours) - 1)), data.draw(st.booleans()))
    actions = [action for action, *_ in told.told]
    assert actions == ["raise", "return"] * (len(actions) // 2) + ["raise"] * (len(actions) % 2)
    told.next(False)
    assert told.told == [] or told.told[-1][0] == "return"
    runs = "".join("x" if hour else "." for hour in told.hours)
    assert ("x" * intervals not in runs) or told.told, "what is in the hours was told"
