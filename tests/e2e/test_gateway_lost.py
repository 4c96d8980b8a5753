"""A08: a gateway is lost and 200 doors behind it fall silent: one call, and their recovery says nothing."""

import time
from typing import Any

import httpx
import pytest
from paho.mqtt import publish as paho_publish

from tests.e2e.audit import connect
from tests.e2e.harness import COMMUNITY, Stack, make_account, signed_in, stack, wait_for
from tests.e2e.hooks import add_devices

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

DOORS = 200
SILENT_AFTER = "25s"  # after the gateway's quarter of a minute: a door's own time is never shorter
GATEWAY = "gateway"
_CALLS = """
SELECT d.code, a.rule, count(*) FROM hub.annunciation n JOIN hub.alarm a ON a.id = n.alarm_id
JOIN hub.device d ON d.id = a.device_id GROUP BY 1, 2 ORDER BY 1"""
_SILENT = """
SELECT count(*), count(*) FILTER (WHERE a.state <> 'normal'), count(DISTINCT a.parent_alarm_id), max(a.count)
FROM hub.alarm a JOIN hub.device d ON d.id = a.device_id WHERE a.rule = 'device-silent' AND d.kind = 'door'"""


def test_a_lost_gateway_calls_once_for_all_behind_it() -> None:
    """The broker is stopped; when it is back all doors speak but one, which is then called for itself, once."""
    with stack(DOORS, persistence=True, silent_after=SILENT_AFTER) as house:
        add_devices(house.folder / "config", (GATEWAY, "hub-gateway"), gateway_of="mqtt-main")
        hub, (dead, *living) = house.hub, house.doors
        hub.start()
        guard = signed_in(hub, make_account(house.database_url, "guard", "guard"))
        _speak(house, house.doors, 1)
        wait_for("the hub has heard every door", lambda: house.tap.pubacks >= DOORS)
        lost = time.monotonic()
        house.broker.stop()
        [row] = wait_for("the gateway's alarm", lambda: _desk(guard))
        called = time.monotonic() - lost
        wait_for("all doors are silent behind it", lambda: _desk(guard)[0]["hides"] == DOORS)
        hidden = time.monotonic() - lost
        with connect(house.database_url) as link:
            time.sleep(6)  # what would call in spite of it would call now
            desk = _desk(guard)
            calls = link.execute(_CALLS).fetchall()
            silent = link.execute(_SILENT).fetchone()
            back = time.monotonic()
            house.broker.start()
            _speak(house, living, 2)
            wait_for("the one that stays silent is called", lambda: len(link.execute(_CALLS).fetchall()) == 2)
            alone = time.monotonic() - back
            wait_for("the others have ended", lambda: _left(link) == 1)
            time.sleep(6)
            after, standing = link.execute(_CALLS).fetchall(), _desk(guard)
        guard.close()
        assert hub.stop() == 0
    print(
        f"\nA08 {DOORS} doors: gateway on the desk {called:.1f} s after the broker stopped, all hidden after "
        f"{hidden:.1f} s; the one that stayed silent was called {alone:.1f} s after the broker was back"
    )
    gateway = (GATEWAY, "gateway-lost", 1)
    assert (row["device"], row["rule"]) == (GATEWAY, "gateway-lost")
    assert [(alarm["device"], alarm["hides"]) for alarm in desk] == [(GATEWAY, DOORS)]
    assert calls == [gateway]
    assert silent == (DOORS, DOORS, 1, 1)
    assert after == [(dead, "device-silent", 1), gateway]
    assert {alarm["device"]: alarm["state"] for alarm in standing} == {
        dead: "active_unacknowledged",
        GATEWAY: "returned_unacknowledged",
    }


def _speak(house: Stack, doors: list[str], seq: int) -> None:
    """A state of each, over one connection."""
    state = f'{{"ts":{time.time_ns() // 10**6},"seq":{seq},"boot":1,"door":"closed","lock":"locked"}}'
    said: list[Any] = [(f"community/{COMMUNITY}/door/{door}/state", state, 1, False) for door in doors]
    paho_publish.multiple(said, "127.0.0.1", house.broker.port)


def _desk(guard: httpx.Client) -> list[dict[str, Any]]:
    """What people must see."""
    answer = guard.get("/api/v1/alarms", params={"limit": 200})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def _left(link: Any) -> int:
    return int(link.execute(_SILENT).fetchone()[1])
