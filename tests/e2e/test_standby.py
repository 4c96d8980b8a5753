"""A18: a second hub on the same database stands by, takes over by itself, and no alarm is lost or called twice."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from hub.store.standby import OWNER
from tests.e2e.audit import connect
from tests.e2e.harness import COMMUNITY, HubProcess, Stack, make_account, publish, signed_in, stack, wait_for
from tests.e2e.hooks import event_rule, write_file
from tests.e2e.test_alarm_kills import OPEN

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

STANDS_BY = "another hub owns this database"
TAKES_OVER = "the other hub is gone; taking over"
TAKEN = "another hub took this database over"
_CALLS = """
SELECT d.code, a.rule, a.count, count(n.*) FROM hub.alarm a JOIN hub.device d ON d.id = a.device_id
LEFT JOIN hub.annunciation n ON n.alarm_id = a.id WHERE a.rule LIKE 'e2e-%' GROUP BY 1, 2, 3 ORDER BY 1"""
_WAITING = "SELECT count(*) FROM hub.alarm WHERE annunciate_at IS NOT NULL AND annunciated_at IS NULL"
_CUT = "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s"


@contextmanager
def two_hubs() -> Iterator[tuple[Stack, HubProcess]]:
    """The stack's own hub is to be started first, the other one stands by behind it."""
    with stack(4) as house:
        config = house.folder / "config"
        write_file(config, "rules/e2e-fire.yaml", event_rule("e2e-fire", "door", "door_forced"))
        write_file(config, "rules/e2e-open.yaml", OPEN)
        folder = house.folder / "second"
        folder.mkdir()
        with HubProcess(folder, house.database_url, f"mqtt://127.0.0.1:{house.mqtt_proxy.port}", config) as second:
            yield house, second


def test_the_next_hub_takes_over_and_calls_exactly_once() -> None:
    """The first is killed with one alarm called, one that waits for its call, and one that is on its way to it."""
    with two_hubs() as (house, second), connect(house.database_url) as link:
        hub, (told, waiting, coming, ordered) = house.hub, house.doors
        hub.start()
        engineer = signed_in(hub, make_account(house.database_url, "engineer", "engineer"))
        device = {one["code"]: one["id"] for one in engineer.get("/api/v1/devices").json()["items"]}[ordered]
        body = {"device_id": device, "name": "open", "reason": "a test"}
        answer = engineer.post("/api/v1/commands", json=body, headers={"Idempotency-Key": "standby-1"})
        assert answer.status_code == 202, answer.text
        second.start(ready=False)
        _stands_by(second)
        command = engineer.get(f"/api/v1/commands/{answer.json()['id']}").json()
        assert command["state"] in ("sent", "acknowledged"), "who only stands by ends the commands of the other"
        _force(house, told)
        wait_for("it is called", lambda: (told, "e2e-fire", 1, 1) in _calls(link), 30)
        late = f'{{"ts":{time.time_ns() // 10**6 - 600_000},"seq":1,"boot":1,"door":"open","lock":"locked"}}'
        publish(house.broker.port, f"community/{COMMUNITY}/door/{waiting}/state", late)
        wait_for("it waits for its call", lambda: link.execute(_WAITING).fetchone() == (1,), 30, 0.01)
        hub.signal(signal.SIGSTOP)
        _force(house, coming)
        before = _calls(link)
        hub.kill9()
        died = time.monotonic()
        wait_for("the next calls", lambda: (coming, "e2e-fire", 1, 1) in _calls(link), 60)
        took = time.monotonic() - died
        wait_for("it calls what waited", lambda: all(row[3] for row in _calls(link)), 60)
        wait_for("its pages answer", second._answers, 60)
        time.sleep(5)  # what would come twice would come now
        calls = _calls(link)
        assert second.stop() == 0
        assert TAKES_OVER in second.log
    print(f"\nA18 the next hub called {took:.1f} s after kill -9; before {before}, after {calls}")
    assert before == [(told, "e2e-fire", 1, 1), (waiting, "e2e-open", 1, 0)]
    assert calls == [(told, "e2e-fire", 1, 1), (waiting, "e2e-open", 1, 1), (coming, "e2e-fire", 1, 1)]


def test_who_was_taken_for_dead_ends_when_it_wakes() -> None:
    """The first is frozen and its connection cut: the other one takes over, and there are never two."""
    with two_hubs() as (house, second), connect(house.database_url) as link:
        first, (before, after, *_) = house.hub, house.doors
        first.start()
        second.start(ready=False)
        _stands_by(second)
        _force(house, before)
        wait_for("the first calls", lambda: (before, "e2e-fire", 1, 1) in _calls(link), 30)
        first.signal(signal.SIGSTOP)
        assert link.execute(_CUT, [OWNER]).fetchone() == (1,)
        wait_for("the second answers", second._answers, 60)
        first.signal(signal.SIGCONT)
        code = first.died(60)
        _force(house, after)
        wait_for("the second calls", lambda: (after, "e2e-fire", 1, 1) in _calls(link), 30)
        first.start(ready=False)  # as the service manager does
        wait_for("the first stands by", lambda: STANDS_BY in first.log, 60)
        assert first.stop() == 0  # it may be told to end meanwhile
        calls = _calls(link)
        assert second.stop() == 0
        log = first.log
    assert code == 2 and TAKEN in log
    assert calls == [(before, "e2e-fire", 1, 1), (after, "e2e-fire", 1, 1)]


def _stands_by(hub: HubProcess) -> None:
    def said() -> bool:
        assert hub.process is not None
        assert hub.process.poll() is None, hub.log
        return STANDS_BY in hub.log

    wait_for("it says that it stands by", said, 60)


def _calls(link: Any) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = link.execute(_CALLS).fetchall()
    return rows


def _force(house: Stack, door: str) -> None:
    word = f'{{"type":"forced","ts":{time.time_ns() // 10**6},"seq":1,"boot":1}}'
    publish(house.broker.port, f"community/{COMMUNITY}/door/{door}/event", word)
