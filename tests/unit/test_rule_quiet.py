"""What is told apart quickly is what the condition itself would have passed over."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.engine import QUIET, Sample, step
from rules.quiet import levels_of, passes
from rules.slots import make_slot
from rules.topology import Topology
from tests.unit.rule_harness import T0
from tests.unit.test_rule_wider_property import DEVICES, RULES


@given(value=st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0, 559.0, 600.0, 601.0, 650.0, 651.0, 1e6]))
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.rule)
def test_a_value_that_passes_no_test_moves_nothing(rule: Any, value: float) -> None:
    for device in DEVICES.values():
        slot = make_slot(rule, device, Topology(DEVICES)) if rule.watches(device.kind_name) else None
        if slot is None:
            continue
        for want in slot.interests:
            tests = levels_of(slot.condition, want.device, want.name) if want.sort == "sample" else None
            if tests is not None and not passes(tests, value):
                sample = Sample(T0, value, b"x", want.name, want.device, (T0 - 1, 0.0))
                assert step(slot.condition, None, sample, T0) == QUIET
