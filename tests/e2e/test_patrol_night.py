"""A short night of patrols in a whole hub: one route is walked, one is skipped, and the hub is killed in between."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.e2e.audit import connect
from tests.e2e.harness import COMMUNITY, PATROL, Stack, make_account, publish, signed_in, stack, wait_for
from tests.e2e.hooks import add_devices, write_file

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

SECOND = "patrol-2"
WALKED, SKIPPED = "route-walked", "route-skipped"
APART = timedelta(minutes=2)  # within it the hub is started twice, also on a busy machine


def _text(word: str) -> dict[str, str]:
    return {"zh": word, "en": word}


def _patrols() -> dict[str, Any]:
    """Two routes of one stop each, a round every two minutes: due after 20 s, overdue after 25 s, closed after 35 s."""
    readers = {WALKED: PATROL, SKIPPED: SECOND}
    return {
        "community": COMMUNITY,
        "checkpoints": [
            {"id": route, "name": _text(route), "place": "b1", "proofs": [{"by": "reader", "device": reader}]}
            for route, reader in readers.items()
        ],
        "routes": [
            {"id": route, "name": _text(route), "stops": [{"checkpoint": route, "max": "20s"}]} for route in readers
        ],
        "plans": [
            {"id": route, "name": _text(route), "route": route, "device": route, "every": "2m", "early": "5s",
             "late": "5s", "remind": "5s", "grace": "10s"}
            for route in readers
        ],
    }  # fmt: skip


def _tap(house: Stack, reader: str) -> None:
    tap = json.dumps({"card": "A1B2C3D4", "checkpoint": "b1"})
    publish(house.broker.port, f"community/{COMMUNITY}/patrol/{reader}/tap", tap)


def test_a_round_that_is_skipped_is_told_once_though_the_hub_is_killed() -> None:
    with stack(1) as house:
        add_devices(
            house.folder / "config",
            (SECOND, "heyue-pr10"), (WALKED, "hub-patrol-route"), (SKIPPED, "hub-patrol-route"),
        )  # fmt: skip
        write_file(house.folder / "config", f"patrols/{COMMUNITY}.yaml", _patrols())
        hub = house.hub
        hub.start()
        guard = signed_in(hub, make_account(house.database_url, "guard", "guard"))
        begins = _next_round()
        _sleep_until(begins)
        _tap(house, PATROL)
        wait_for("the walked round is complete", lambda: _states(guard, begins, WALKED) == ["complete"])
        hub.kill9()
        hub.start(ready=False, HUB_FAILPOINT="report_stored:1")  # and again when the first report is stored
        assert hub.died() == 137
        hub.start()
        wait_for("the skipped round is told", lambda: _missed(guard))
        _sleep_until(begins + APART)
        for reader in (PATROL, SECOND):
            _tap(house, reader)
        for route in (WALKED, SKIPPED):
            after = begins + APART
            wait_for("the next round is complete", lambda r=route, at=after: _states(guard, at, r) == ["complete"])
        wait_for("the skipped one is given up", lambda: _states(guard, begins, SKIPPED) == ["missed"])
        rows = _missed(guard)
        with connect(house.database_url) as link:
            told = link.execute(
                "SELECT d.code, count(*) FROM telemetry.event e JOIN hub.device d ON d.id = e.device_id "
                "WHERE e.name = 'round_overdue' GROUP BY 1"
            ).fetchall()
            left = link.execute("SELECT count(*) FROM hub.report").fetchone()
        assert hub.stop() == 0
    print(f"\nA15: {[(row['device'], row['rule'], row['count']) for row in rows]}, events {told}, reports left {left}")
    assert [(row["device"], row["count"]) for row in rows] == [(SKIPPED, 1)]
    assert told == [(SKIPPED, 1)]


def _next_round() -> datetime:
    """The next one that is not open yet and can still be planned."""
    soon = datetime.now(UTC) + timedelta(seconds=10)
    return soon.replace(minute=soon.minute // 2 * 2, second=0, microsecond=0) + APART


def _sleep_until(moment: datetime) -> None:
    time.sleep(max(0.0, (moment - datetime.now(UTC)).total_seconds()))


def _states(client: httpx.Client, begins: datetime, plan: str) -> list[str]:
    answer = client.get("/api/v1/patrol/rounds", params={"plan": plan})
    assert answer.status_code == 200, answer.text
    return [row["state"] for row in answer.json()["items"] if datetime.fromisoformat(row["begins"]) == begins]


def _missed(client: httpx.Client) -> list[dict[str, Any]]:
    answer = client.get("/api/v1/alarms", params={"live": "false", "view": "all"})
    assert answer.status_code == 200, answer.text
    return [row for row in answer.json()["items"] if row["rule"] == "patrol-missed"]
