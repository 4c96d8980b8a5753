"""R01: the hub killed in full flow, at random moments and at named places. Nothing lost, nothing twice."""

import os
import random
import time

import pytest

from tests.e2e.audit import audit
from tests.e2e.harness import percentile, seed, stack, wait_for
from tests.e2e.journal import Journal

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

KILLS = int(os.environ.get("HUB_E2E_KILLS", "20"))
RATE = float(os.environ.get("HUB_E2E_RATE", "2000"))
FAILPOINTS = ("before_commit:7", "after_commit:1", "after_commit:12", "after_acknowledge:5")


def test_hub_killed_in_full_flow() -> None:
    number = seed()
    moments = random.Random(number)
    back: list[float] = []
    with stack(400) as house:
        hub, tap = house.hub, house.tap
        hub.start()  # makes the session at the broker
        with Journal(house.broker.port, "e2e", house.doors, rate=RATE, seed=number) as journal:
            for _ in range(KILLS):
                time.sleep(moments.uniform(0.1, 1.2))
                hub.kill9()
                died = time.monotonic()
                hub.start(ready=False)
                back.append(wait_for("the hub acknowledges again", lambda at=died: tap.first_after(at)) - died)
            hub.kill9()
            for point in FAILPOINTS:  # each dies of its own and makes room for the next
                hub.start(ready=False, HUB_FAILPOINT=point)
                assert hub.died() == 137, point
            died = time.monotonic()
            hub.start(ready=False)
            back.append(wait_for("the hub acknowledges again", lambda at=died: tap.first_after(at)) - died)
            assert journal.settle() == 0
            wait_for("all is acknowledged", lambda: journal.said <= tap.acknowledged)
        result = audit(house.database_url, journal, tap.acknowledged)
        code = hub.stop()
    print(
        f"\nR01 seed={number} kills={KILLS} failpoints={len(FAILPOINTS)} rate={RATE:g}/s held back={journal.behind} "
        f"redelivered={tap.redelivered}\n    {result.line()}\n"
        f"    back after p50 {percentile(back, 0.5):.2f} s, p95 {percentile(back, 0.95):.2f} s, max {max(back):.2f} s"
    )
    assert code == 0
    assert (result.lost, result.lost_l2, result.doubled, result.misplaced) == (set(), set(), [], [])
    assert (result.bad_alarms, result.bad_orders, result.stuck_jobs, result.dead) == ([], [], 0, 0)
    assert result.orders > 100
    assert tap.redelivered > 0  # else nothing was put to the test
