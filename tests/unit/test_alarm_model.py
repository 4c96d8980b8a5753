"""The alarm state machine against a reference: ISA-18.2 figure 2 by its facts, latches by OPC 10000-9 §5.8.

HUB_A01_STEPS sets how many steps are walked; the figure of reliability row A01 is 1 000 000:
`HUB_A01_STEPS=1000000 pytest tests/unit/test_alarm_model.py`.
"""

import os
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from hub.alarms.model import (
    CHATTER_CYCLES,
    CHATTER_US,
    STATES,
    Action,
    State,
    Suppression,
    chatters,
    suppression,
    transition,
    with_return,
)

STEPS = int(os.environ.get("HUB_A01_STEPS", "5000"))
_EACH = 50

TABLE: dict[State, dict[Action, tuple[State, State]]] = {
    # state: action -> state after it, (without latch, with latch); what is not there changes nothing
    "normal": {"raise": ("active_unacknowledged",) * 2},
    "active_unacknowledged": {
        "acknowledge": ("active_acknowledged",) * 2, "return": ("returned_unacknowledged", "latched_unacknowledged"),
    },
    "active_acknowledged": {"return": ("normal", "latched_acknowledged")},
    "returned_unacknowledged": {"raise": ("active_unacknowledged",) * 2, "acknowledge": ("normal",) * 2},
    "latched_unacknowledged": {
        "raise": ("active_unacknowledged",) * 2, "acknowledge": ("latched_acknowledged",) * 2,
    },
    "latched_acknowledged": {"raise": ("active_unacknowledged",) * 2, "reset": ("normal",) * 2},
}  # fmt: skip
"""ISA-18.2-2016 figure 2, A to D, and OPC 10000-9 §5.8: LatchedState and Reset, written down by hand."""

ACTIONS: tuple[Action, ...] = ("raise", "return", "acknowledge", "reset")


def letter(state: State, suppressed: Suppression | None) -> str:
    """The state's letter in ISA-18.2 figure 2: A normal, B unacknowledged, C acknowledged, D returned unacknowledged,
    E shelved, F suppressed by design, G out of service; L and M: latched, not yet and already acknowledged."""
    if suppressed is not None:
        return {"shelved": "E", "suppressed_by_design": "F", "out_of_service": "G"}[suppressed]
    return "ABCDLM"[STATES.index(state)]


@pytest.mark.parametrize(("state", "action", "latch"), list(product(STATES, ACTIONS, (False, True))))
def test_a01_every_cell_of_the_table(state: State, action: Action, latch: bool) -> None:
    expected = TABLE[state].get(action, (state, state))[latch]
    assert transition(state, action, latch) == expected


def test_a01_the_letters_of_the_standard() -> None:
    assert [letter(state, None) for state in STATES] == list("ABCDLM")
    assert [letter("normal", kind) for kind in ("shelved", "suppressed_by_design", "out_of_service")] == list("EFG")


class Reference(RuleBasedStateMachine):
    """What the standard says, kept as plain facts: is the condition there, was it seen, is it latched; and what keeps
    it from the desk."""

    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.state: State = "normal"
        self.active, self.acknowledged, self.latched = False, True, False
        self.latch = self.life_safety = False
        self.shelved = self.serviced = self.hidden = False

    @rule(latch=st.booleans(), life_safety=st.booleans())
    def another_alarm(self, latch: bool, life_safety: bool) -> None:
        if self.state == "normal":
            self.latch, self.life_safety = latch, life_safety

    @rule()
    def process_goes_wrong(self) -> None:
        if not self.active:
            self.active, self.acknowledged, self.latched = True, False, False
        self.state = transition(self.state, "raise", self.latch)

    @rule()
    def process_returns(self) -> None:
        if self.active:
            self.active, self.latched = False, self.latch
        self.state = transition(self.state, "return", self.latch)

    @rule()
    def operator_acknowledges(self) -> None:
        self.acknowledged = True
        self.state = transition(self.state, "acknowledge", self.latch)

    @rule()
    def operator_resets(self) -> None:
        """OPC 10000-9 §5.8.5: in vain while it is active or unacknowledged."""
        if not self.active and self.acknowledged:
            self.latched = False
        self.state = transition(self.state, "reset", self.latch)

    @rule(shelved=st.booleans(), serviced=st.booleans(), hidden=st.booleans())
    def reasons_to_keep_silent_change(self, shelved: bool, serviced: bool, hidden: bool) -> None:
        self.shelved, self.serviced, self.hidden = shelved, serviced, hidden

    @invariant()
    def they_agree(self) -> None:
        Reference.steps += 1
        standing = suppression(self.life_safety, self.shelved, self.serviced, self.hidden)
        assert letter(self.state, standing) == self.expected()

    def expected(self) -> str:
        if not self.life_safety:
            for fact, name in ((self.shelved, "E"), (self.serviced, "G"), (self.hidden, "F")):
                if fact:
                    return name
        if self.active:
            return "C" if self.acknowledged else "B"
        if self.latched:
            return "M" if self.acknowledged else "L"
        return "A" if self.acknowledged else "D"


@pytest.mark.timeout(7200)
def test_a01_a_long_walk_diverges_nowhere() -> None:
    Reference.steps = 0
    run_state_machine_as_test(
        Reference,
        settings=settings(
            max_examples=max(1, STEPS // _EACH), stateful_step_count=_EACH, deadline=None, derandomize=True,
            database=None, suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
    assert Reference.steps > STEPS // 2, "the walk was cut short"


@given(st.lists(st.integers(0, 10_000_000_000), max_size=12))
def test_chatter_is_three_returns_within_a_minute(moments: list[int]) -> None:
    returns: list[int] = []
    for moment in sorted(moments):
        returns = with_return(returns, moment)
        known = [one for one in sorted(moments) if one <= moment]
        closest = sorted(known)[-CHATTER_CYCLES:]
        assert len(returns) <= CHATTER_CYCLES
        if len(set(known)) == len(known):
            assert chatters(returns) == (len(closest) == CHATTER_CYCLES and closest[-1] - closest[0] <= CHATTER_US)
