"""R02, M01, M10 with whole processes: the broker killed, messages delivered twice, one device speaking as another."""

import json
import os
import random
import time
from collections.abc import Iterator

import pytest

from tests.e2e.audit import audit, connect
from tests.e2e.harness import COMMUNITY, PATROL, Stack, percentile, publish, seed, stack, wait_for
from tests.e2e.journal import Journal

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

KILLS = int(os.environ.get("HUB_E2E_BROKER_KILLS", "3"))


def rows(house: Stack, query: str, *values: object) -> list[tuple[object, ...]]:
    with connect(house.database_url) as link:
        return link.execute(query, values).fetchall()  # type: ignore[call-overload]


def test_broker_killed_in_full_flow() -> None:
    """What the broker confirmed and lost with its memory (L1) is reported; what the hub confirmed (L2) is all there."""
    number = seed()
    moments = random.Random(number)
    back: list[float] = []
    with stack(50, persistence=True) as house:
        hub, tap, broker = house.hub, house.tap, house.broker
        hub.start()
        with Journal(broker.port, COMMUNITY, house.doors, rate=300, forced_every=50, seed=number) as journal:
            for _ in range(KILLS):
                time.sleep(moments.uniform(1.5, 3.0))
                broker.kill9()
                broker.start()
                up = time.monotonic()
                back.append(wait_for("it is acknowledged again", lambda at=up: tap.first_after(at)) - up)
            time.sleep(1)
            assert journal.settle() == 0
            last = {journal.say("access_granted", door) for door in house.doors[:3]}
            wait_for("the last is acknowledged", lambda: last <= tap.acknowledged)
        result = audit(house.database_url, journal, tap.acknowledged)
        code = hub.stop()
    print(
        f"\nR02 seed={number} kills={KILLS} rate=300/s, autosave_on_changes\n    {result.line()}\n    back after the "
        f"broker p50 {percentile(back, 0.5):.2f} s, max {max(back):.2f} s; said again {journal.connections - 1} times"
    )
    assert code == 0
    assert (result.lost_l2, result.doubled, result.misplaced) == (set(), [], [])
    assert (result.bad_alarms, result.bad_orders, result.stuck_jobs, result.dead) == ([], [], 0, 0)
    assert result.stored > 300


@pytest.fixture(scope="module")
def house() -> Iterator[Stack]:
    """A hub whose broker knows its devices and lets each speak for itself only."""
    users = {"hub": "h", "door-000": "a", "door-001": "b", PATROL: "p"}
    acl = "user hub\ntopic readwrite #\n"
    for name, kind in (("door-000", "door"), ("door-001", "door"), (PATROL, "patrol")):
        acl += f"user {name}\ntopic write community/{COMMUNITY}/{kind}/{name}/#\n"
    with stack(2, identity=True, users=users, acl=acl) as one:
        yield one


def test_redelivered_after_a_crash_is_one_event(house: Stack) -> None:
    """Committed, not acknowledged, dead: the broker says it again, flagged. Also for devices that number nothing."""
    hub, tap, port = house.hub, house.tap, house.broker.port
    hub.start()
    hub.kill9()
    said = json.dumps({"type": "forced", "ts": time.time_ns() // 10**6, "seq": 1, "boot": 1, "device": "door-000"})
    publish(port, f"community/{COMMUNITY}/door/door-000/event", said, credentials=("door-000", "a"))
    tap_twice = ['{"card":"0001","checkpoint":"garage"}'] * 2  # two equal taps are two events
    publish(port, f"community/{COMMUNITY}/patrol/{PATROL}/tap", *tap_twice, credentials=(PATROL, "p"))
    stored = "SELECT count(*) FROM telemetry.frame WHERE source ~ '/(event|tap)$'"
    for number in range(1, 6):  # the first batches may be the rules' own, without messages
        hub.start(ready=False, HUB_FAILPOINT=f"after_commit:{number}")
        assert hub.died() == 137
        if rows(house, stored) == [(3,)]:
            break
    assert rows(house, stored) == [(3,)]
    assert tap.pubacks == 0, "it was to die before it acknowledged"
    before = tap.redelivered
    hub.start()
    wait_for("all three are acknowledged", lambda: tap.pubacks == 3)
    wait_for("the work order", lambda: rows(house, "SELECT 1 FROM workorders.work_order"))
    assert tap.redelivered >= before + 3
    assert rows(house, stored) == [(3,)]
    assert rows(house, "SELECT name, count(*) FROM telemetry.event GROUP BY 1 ORDER BY 1") == [
        ("checkpoint_read", 2),
        ("door_forced", 1),
    ]
    assert rows(house, "SELECT count(*), sum(count) FROM hub.alarm WHERE rule = 'door-forced'") == [(1, 1)]
    assert rows(house, "SELECT count(*) FROM workorders.work_order") == [(1,)]


def test_device_speaking_as_another(house: Stack) -> None:
    """The broker refuses the other's topic; the hub refuses the other's name under one's own topic."""
    if house.hub.process is None or house.hub.process.poll() is not None:
        house.hub.start()

    def said(device: str, seq: int) -> str:
        return json.dumps({"type": "forced", "ts": time.time_ns() // 10**6, "seq": seq, "boot": 9, "device": device})

    port, topic = house.broker.port, f"community/{COMMUNITY}/door"
    words = publish(port, f"{topic}/door-001/event", said("door-001", 1), credentials=("door-000", "a"))
    assert words == ["Not authorized"]
    assert publish(port, f"{topic}/door-000/event", said("door-001", 2), credentials=("door-000", "a")) == ["Success"]
    assert publish(port, f"{topic}/door-001/event", said("door-001", 3), credentials=("door-001", "b")) == ["Success"]
    own = "SELECT d.code FROM telemetry.frame f JOIN hub.device d ON d.id = f.device_id WHERE f.raw LIKE %s"
    wait_for("the rightful one is stored", lambda: rows(house, own, b'%"seq": 3,%'))
    assert rows(house, own, b'%"boot": 9,%') == [("door-001",)]
    letters = rows(house, "SELECT reason, source, count FROM hub.dead_letter")
    assert letters == [("identity_mismatch", f"{topic}/door-000/event", 1)]
    alarms = "SELECT d.code, a.count FROM hub.alarm a JOIN hub.device d ON d.id = a.device_id"
    assert ("door-001", 1) in rows(house, alarms)
