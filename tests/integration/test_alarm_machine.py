"""A01: whatever happens to alarms, in whatever order, nobody who must be called for is forgotten."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from hub.errors import Refused
from tests.integration.alarm_bench import AlarmBench, make_alarms
from tests.integration.postgres import new_database

PARENT, CHILDREN = "env-1", ("em-b1-001", "em-b1-002", "em-b1-003")
HOUR = timedelta(hours=1)
UNHEARD = """
SELECT id, rule, state, priority, storm_id FROM hub.alarm a
WHERE state LIKE '%%unacknowledged' AND suppression IS NULL AND NOT chattering
  AND (annunciated_at IS NULL OR EXISTS (SELECT FROM hub.alarm_history h
    WHERE h.alarm_id = a.id AND h.action = 'acknowledge' AND h.at > a.annunciated_at))
"""
FORGOTTEN = f"""{UNHEARD} AND annunciate_at IS NULL
  -- below critical, what waited in a storm and returned before its turn is only listed (ADR 0017)
  AND NOT (state = 'returned_unacknowledged' AND storm_id IS NOT NULL AND priority > 1 AND returned_at > active_since)
"""


class Desk:
    """The bench of all runs, driven from outside its event loop."""

    def __init__(self, url: str) -> None:
        self.runner, self.stack, self.turn = asyncio.Runner(), AsyncExitStack(), 0
        self.bench: AlarmBench = self(self.stack.enter_async_context(make_alarms(url)))
        self.bench.below(PARENT, *CHILDREN)

    def __call__(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    def clear(self) -> None:
        """As if nothing had been; the next run has rules of its own."""
        self.turn += 1
        for table in ("alarm_shelf", "maintenance"):
            self.bench.query(f"DELETE FROM hub.{table} RETURNING 1")
        self.bench.query("UPDATE hub.alarm SET state = 'normal', suppression = NULL, annunciate_at = NULL RETURNING 1")
        self.bench.query("UPDATE hub.alarm_storm SET ended_at = now() RETURNING 1")
        self.bench.clock.advance(7200)

    def close(self) -> None:
        self(self.stack.aclose())
        self.runner.close()


class Machine(RuleBasedStateMachine):
    desk: Desk

    def __init__(self) -> None:
        super().__init__()
        self.desk.clear()
        self.bench, self.kind = self.desk.bench, f"m{self.desk.turn}"

    def change(self, action: str, code: str, latch: bool = False, priority: str = "high") -> Any:
        parent = code == PARENT
        return self.bench.change(
            action, code, self.kind + ("-latch" if latch else ""), latch=latch, suppresses=parent,
            priority="critical" if priority == "critical" and not parent else "high",
        )  # fmt: skip

    def open(self) -> list[int]:
        return [
            number for (number,) in self.bench.query("SELECT id FROM hub.alarm WHERE state <> 'normal' ORDER BY id")
        ]

    code = st.sampled_from((PARENT, *CHILDREN))

    @rule(code=code, latch=st.booleans(), priority=st.sampled_from(("critical", "high")), momentary=st.booleans())
    def comes(self, code: str, latch: bool, priority: str, momentary: bool) -> None:
        changes = [self.change("raise", code, latch, priority)]
        self.desk(self.bench.apply(*changes, *([self.change("return", code, latch)] if momentary else [])))

    @rule(code=code, latch=st.booleans())
    def goes(self, code: str, latch: bool) -> None:
        self.desk(self.bench.apply(self.change("return", code, latch)))

    @rule()
    def flood(self) -> None:
        codes = [f"em-b1-{n:03d}" for n in range(20, 35)]
        self.desk(self.bench.apply(*(self.bench.change("raise", code, self.kind, priority="low") for code in codes)))

    @precondition(lambda self: self.open())
    @rule(data=st.data(), act=st.sampled_from(("acknowledge", "reset", "shelve", "unshelve")))
    def person(self, data: st.DataObject, act: str) -> None:
        number, who, desk = data.draw(st.sampled_from(self.open())), self.bench.person("engineer"), self.bench.desk
        more = (self.bench.clock.now() + HOUR, "x") if act == "shelve" else ()
        try:
            self.desk(getattr(desk, act)(who, number, *more))
        except Refused:
            assert act == "reset"

    @rule(code=code, ahead=st.sampled_from((0, 30)))
    def window(self, code: str, ahead: int) -> None:
        since = self.bench.clock.now() + timedelta(seconds=ahead)
        who, device = self.bench.person("engineer"), self.bench.device(code).id
        window = {"since": since, "until": since + HOUR, "reason": "x", "work_order": "WO-1"}
        self.desk(self.bench.desk.plan_maintenance(who, device_id=device, **window))

    @rule()
    def windows_end(self) -> None:
        who = self.bench.person("engineer")
        for row in self.desk(self.bench.desk.maintenance(who)):
            self.desk(self.bench.desk.end_maintenance(who, row["id"]))

    @rule(seconds=st.sampled_from((1, 4, 12, 65, 700, 3700)))
    def time_passes(self, seconds: int) -> None:
        self.desk(self.bench.pass_time(seconds, max(1, seconds / 8)))

    @invariant()
    def nobody_is_forgotten(self) -> None:
        assert self.bench.query(FORGOTTEN) == []

    def teardown(self) -> None:
        """Left alone, everybody who still asks is heard in the end."""
        self.desk(self.bench.pass_time(4 * 3600, 120))
        assert self.bench.query(f"{UNHEARD} AND annunciate_at IS NOT NULL") == []


@pytest.fixture
def desk(postgres_url: str) -> Iterator[Desk]:
    made = Desk(new_database(postgres_url))
    yield made
    made.close()


def test_a01_nobody_who_must_be_called_for_is_forgotten(desk: Desk) -> None:
    machine = type("Bound", (Machine,), {"desk": desk})
    checks = settings(max_examples=25, stateful_step_count=25, deadline=None, derandomize=True, database=None,
                      suppress_health_check=list(HealthCheck))  # fmt: skip
    run_state_machine_as_test(machine, settings=checks)
