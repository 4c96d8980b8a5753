"""Door command to proof: how long from the request until the door's own event has confirmed it in the store.

`python -m bench.commands [--count N]` prints one JSON object. Real parts: mosquitto, PostgreSQL (fsync on), the
simulated door on its own connection in its own process, the hub. Beside it, in the same run, the bare way: a client
publishes to the door and waits for its event.
"""

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import aiomqtt
import uvloop

from drivers.plugin import DriversPlugin
from hub.app import Hub
from hub.embedded.postgres import EmbeddedPostgres
from hub.logs import configure_logging
from hub.principal import Principal
from hub.settings import Settings
from rules.plugin import RulesPlugin
from tests.integration.mosquitto import Mosquitto


def summary(times: list[float]) -> dict[str, Any]:
    ordered = sorted(times)
    return {"n": len(times), "p50_ms": round(statistics.median(ordered), 1),
            "p99_ms": round(ordered[int(len(ordered) * 0.99)], 1)}  # fmt: skip


async def through_the_hub(hub: Hub, count: int) -> list[float]:
    door = next(device for device in hub.devices.values() if device.code == "door-b1-u1")
    guard = Principal("user:bench", door.community_id, "guard")
    subscription = hub.live.subscribe(lambda change: change.topic == "command", 10_000)
    times = []
    for _ in range(count):
        begin = time.perf_counter()
        row = await hub.context.commands.request(guard, door.id, "open", "bench", str(uuid.uuid4()))
        state = row["state"]
        while state not in ("confirmed", "failed", "unknown", "expired"):
            for change in (await subscription.take())[0]:
                if change.key == str(row["id"]):
                    state = change.data["state"]
        if state != "confirmed":
            raise RuntimeError(f"a command ended {state}")
        times.append((time.perf_counter() - begin) * 1000)
        await asyncio.sleep(0.02)
    return times


async def bare(port: int, count: int) -> list[float]:
    times = []
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe("community/demo/door/door-b1-u1/event", 1)
        for _ in range(count):
            number = str(uuid.uuid4())
            begin = time.perf_counter()
            payload = {"cmd": "open", "id": number, "expires": int((time.time() + 10) * 1000)}
            await client.publish("community/demo/door/door-b1-u1/command", json.dumps(payload), 1)
            async for message in client.messages:
                if json.loads(message.payload).get("id") == number:  # type: ignore[arg-type]
                    break
            times.append((time.perf_counter() - begin) * 1000)
            await asyncio.sleep(0.02)
    return times


async def run(url: str, port: int, folder: Path, count: int) -> dict[str, Any]:
    environment = {**os.environ, "HUB_MQTT_URL": f"mqtt://127.0.0.1:{port}"}
    hub = Hub(Settings(database_url=url, data_dir=folder), environment, plugs=[DriversPlugin(), RulesPlugin()])
    await hub.start()
    simulator = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simulators", "--truth", str(folder / "truth.jsonl"), "--only", "mqtt", "--no-faults",
        env=environment, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await asyncio.sleep(6)
        return {"bare": summary(await bare(port, count)), "hub": summary(await through_the_hub(hub, count))}
    finally:
        with contextlib.suppress(ProcessLookupError):
            simulator.terminate()
        await simulator.wait()
        await hub.stop()


def main() -> None:
    configure_logging("console")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="hub-bench-"))
    folder.chmod(0o711)
    try:
        with Mosquitto(folder / "mosquitto") as broker, EmbeddedPostgres(folder / "postgres") as postgres:
            print(json.dumps(uvloop.run(run(postgres.url(), broker.port, folder, arguments.count)), indent=1))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
