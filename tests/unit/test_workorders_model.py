"""A work order's life: every pair of state and action, time limits, numbers, texts from outside."""

from datetime import UTC, date, datetime, timedelta
from itertools import product

import pytest

from hub.errors import Refused
from modules.workorders.model import STATES, allowed, due_at, order_number, required, transition

ACTIONS = ("assign", "start", "finish", "cancel")

EXPECTED = {
    "open": {"assign": "assigned", "start": "in_progress", "cancel": "cancelled"},
    "assigned": {"assign": "assigned", "start": "in_progress", "cancel": "cancelled"},
    "in_progress": {"start": "in_progress", "finish": "done", "cancel": "cancelled"},
    "done": {"finish": "done"},
    "cancelled": {"cancel": "cancelled"},
}


@pytest.mark.parametrize(("state", "action"), list(product(STATES, ACTIONS)))
def test_every_state_and_action(state, action):
    expected = EXPECTED[state].get(action)
    if expected is None:
        with pytest.raises(Refused) as refused:
            transition(state, action)
        assert (refused.value.code, refused.value.status) == ("wrong_state", 409)
        assert state in refused.value.detail and action in refused.value.detail
    else:
        assert transition(state, action) == expected


def test_the_buttons_of_each_state():
    assert {state: allowed(state) for state in STATES} == {
        "open": ["assign", "start", "cancel"],
        "assigned": ["assign", "start", "cancel"],
        "in_progress": ["finish", "cancel"],
        "done": [],
        "cancelled": [],
    }


def test_time_limits_by_priority():
    at = datetime(2026, 11, 21, 8, tzinfo=UTC)
    assert [(due_at(p, at) - at) / timedelta(hours=1) for p in (1, 2, 3, 4)] == [1, 4, 24, 72]


def test_numbers_are_of_the_local_day_and_grow_past_four_digits():
    assert order_number(date(2026, 11, 21), 1) == "WO-20261121-0001"
    assert order_number(date(2026, 11, 21), 12345) == "WO-20261121-12345"


@pytest.mark.parametrize("text", ["", "   ", "\n", "x" * 11, "a\x00b", "a\u202eb"])
def test_a_text_that_is_refused(text):
    with pytest.raises(Refused) as refused:
        required(text, "note", 10)
    assert refused.value.status == 422 and "note" in refused.value.detail


def test_a_text_that_is_taken():
    assert required("  换锁芯\n已试 ", "note", 10) == "换锁芯\n已试"
