"""A door opened over the REST API; hub, broker and simulated doors are processes of their own (C01, C02)."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest

from hub.truth import TruthEvent, read_truth
from tests.e2e.audit import connect
from tests.e2e.harness import COMMUNITY, Listener, Stack, make_account, publish, signed_in, stack, wait_for
from tests.integration.postgres import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

DOOR = "door-000"
TOPIC = f"community/{COMMUNITY}/door/{DOOR}/command"


@contextmanager
def doors(house: Stack) -> Iterator[subprocess.Popen[bytes]]:
    """The simulated doors, well behaved."""
    command = [
        sys.executable, "-m", "simulators", "--mqtt", f"mqtt://127.0.0.1:{house.broker.port}", "--site", COMMUNITY,
        "--config", "config", "--config", str(house.folder / "config"), "--truth", str(truth_of(house)), "--no-faults",
        "--only", "mqtt", "--language", "en",
    ]  # fmt: skip
    with (
        (house.folder / "doors.log").open("ab") as log,
        subprocess.Popen(
            command, cwd=ROOT, stdout=log, stderr=log, env={"HUB_MQTT_URL": "mqtt://127.0.0.1:1", "PATH": ""}
        ) as process,
    ):
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def truth_of(house: Stack) -> Any:
    return house.folder / "truth.jsonl"


def opened(house: Stack, command_id: str) -> int:
    """How often the door itself says it opened for this command."""
    return sum(
        isinstance(truth, TruthEvent) and truth.data.get("command_id") == command_id
        for truth in read_truth(truth_of(house))
    )


def ask(client: httpx.Client, device_id: int, key: str) -> httpx.Response:
    body = {"device_id": device_id, "name": "open", "reason": "e2e"}
    return client.post("/api/v1/commands", json=body, headers={"Idempotency-Key": key})


def read(client: httpx.Client, command_id: str) -> dict[str, Any]:
    return dict(client.get(f"/api/v1/commands/{command_id}").json())


def ended(client: httpx.Client, command_id: str) -> dict[str, Any]:
    """The command once it moves no more."""

    def final() -> Any:
        command = read(client, command_id)
        return command if command["state"] not in ("requested", "authorised", "sent", "acknowledged") else None

    return dict(wait_for("the command ends", final))


def state_of(client: httpx.Client) -> dict[str, Any]:
    items = client.get("/api/v1/devices").json()["items"]
    return dict(next(item for item in items if item["code"] == DOOR))


def test_door_opened_once_and_never_late() -> None:
    with stack(2) as house:
        hub = house.hub
        hub.start()
        account = make_account(house.database_url, "guard", "guard")
        guard = signed_in(hub, account)
        with Listener(house.broker.port, "community/+/+/+/command") as wire:
            with doors(house):
                wait_for("the door is there", lambda: state_of(guard)["state"] == "connected")
                door = state_of(guard)["id"]

                key = str(uuid4())
                first = ask(guard, door, key)
                assert first.status_code == 202, first.text
                number = first.json()["id"]
                wait_for("the door proves it", lambda: read(guard, number)["state"] == "confirmed")
                command = read(guard, number)
                assert [step["state"] for step in command["history"]][:3] == ["requested", "authorised", "sent"]
                assert opened(house, command["id"]) == 1

                again = ask(guard, door, key)
                assert (again.status_code, again.json()["id"]) == (202, command["id"])
                other = guard.post(
                    "/api/v1/commands", json={"device_id": door + 1, "name": "open"}, headers={"Idempotency-Key": key}
                )
                assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
                time.sleep(1)
                assert opened(house, command["id"]) == 1
                assert [json.loads(said)["id"] for _, said, _ in wire.heard] == [command["id"]]
                assert guard.post("/api/v1/commands", json={"device_id": door, "name": "open"}).status_code == 422

            wait_for("the door is gone", lambda: state_of(guard)["state"] == "offline")
            late = ask(guard, door, str(uuid4())).json()["id"]
            wait_for("it is on its way", lambda: len(wire.heard) == 2)
            hub.kill9()
            hub.start()
            guard = signed_in(hub, account)
            unanswered = ask(guard, door, str(uuid4())).json()["id"]
            assert ended(guard, late)["state"] == "unknown"
            with doors(house):
                wait_for("the door is back", lambda: state_of(guard)["state"] == "connected")
                assert ended(guard, unanswered)["state"] in ("unknown", "failed", "confirmed")
                time.sleep(2)
                assert opened(house, late) == 0
                said = [json.loads(payload)["id"] for _, payload, _ in wire.heard]
                assert said == [command["id"], late, unanswered], "each command goes out once"
        assert not any(retained for _, _, retained in wire.heard)

        publish(house.broker.port, f"{TOPIC}/sentinel", "kept", retain=True)
        with Listener(house.broker.port, "community/#") as late_comer:
            wait_for("what is retained", lambda: any(t.endswith("sentinel") for t, _, _ in late_comer.heard))
            assert [topic for topic, _, _ in late_comer.heard if topic.endswith("/command")] == []
        with connect(house.database_url) as link:
            audited = link.execute("SELECT count(*) FROM hub.audit WHERE action = 'command.open'").fetchone()
        assert audited == (3,)
        print(f"\nC01 late={late} unanswered={ended(guard, unanswered)['state']}")
        assert hub.stop() == 0
