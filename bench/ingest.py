"""MQTT QoS 1 to the store: the hub beside the bare receiver, in one run, on one broker and one PostgreSQL.

`python -m bench.ingest [--count N]` prints one JSON object. Rates are from the first commit to the last, read from
PostgreSQL's own commit stamps (`track_commit_timestamp`), so that neither side measures itself.
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg

from hub.embedded.postgres import EmbeddedPostgres
from tests.integration.mosquitto import Mosquitto, free_port

HERE = Path(__file__).parent
TICKS = os.sysconf("SC_CLK_TCK")


def usage(pid: int) -> tuple[float, float]:
    """(CPU seconds, resident MB) of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return (int(fields[11]) + int(fields[12])) / TICKS, pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def make_site(folder: Path) -> None:
    """500 sensors on one broker."""
    shutil.copytree(HERE / "site", folder, dirs_exist_ok=True)
    rows = "\n".join(f"s{n:03},传感器{n},sensor {n},bench-sensor,hall,mqtt-main,s{n:03}" for n in range(500))
    (folder / "sites").mkdir(exist_ok=True)
    (folder / "sites" / "bench.devices.csv").write_text(
        "id,name.zh,name.en,profile,place,bus,address.device\n" + rows + "\n"
    )
    (folder / "sites" / "bench.yaml").write_text(
        "community: {code: bench, name: {zh: 测速, en: Bench}, time_zone: Asia/Shanghai}\n"
        "buses: {mqtt-main: {protocol: mqtt, url: !env HUB_MQTT_URL, client_id: bench-hub}}\n"
        "places: [{path: hall, kind: area, name: {zh: 大厅, en: Hall}}]\n"
        "tables: {devices: bench.devices.csv}\n"
    )


@contextmanager
def process(arguments: list[str], environment: dict[str, str], log: Path) -> Iterator[int]:
    with log.open("ab") as sink:
        child = subprocess.Popen(
            [sys.executable, *arguments], env={**os.environ, **environment}, stdout=sink, stderr=sink
        )
        try:
            yield child.pid
        finally:
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def run_publisher(port: int, count: int, rate: float) -> float:
    done = subprocess.run([sys.executable, "-m", "bench.publisher", str(port), str(count), str(rate)],
                          check=True, capture_output=True, text=True)  # fmt: skip
    return float(json.loads(done.stdout)["seconds"])


def answers(port: str) -> bool:
    """Whether a hub serves on this port."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def wait_for(probe: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not probe():
        if time.monotonic() > deadline:
            raise TimeoutError("the receiver did not store everything in time")
        time.sleep(0.25)


def measure(url: str, table: str, port: int, pid: int, count: int, rate: float) -> dict[str, Any]:
    """One load: what was committed when, and what it cost the receiver."""
    with psycopg.connect(url, autocommit=True) as connection:

        def stored() -> int:
            row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # type: ignore[arg-type]
            return int(row[0]) if row else 0

        before = stored()
        cpu, _ = usage(pid)
        run_publisher(port, count, rate)
        wait_for(lambda: stored() - before >= count, 60)
        spent, resident = usage(pid)
        newest = connection.execute(
            f"SELECT extract(epoch FROM max(c) - min(c)), percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY "  # type: ignore[arg-type]
            f"extract(epoch FROM c - ts)) FROM (SELECT ts, pg_xact_commit_timestamp(xmin) AS c FROM {table} "
            f"ORDER BY ts DESC LIMIT {count}) AS newest"
        ).fetchone()
        assert newest is not None
        seconds, latencies = float(newest[0]), newest[1]
        return {
            "messages": count, "stored": stored() - before, "msg_per_s": round(count / seconds),
            "p50_ms": round(latencies[0] * 1000, 1), "p99_ms": round(latencies[1] * 1000, 1),
            "cpu_s_per_10k": round((spent - cpu) / count * 10_000, 3), "rss_mb": round(resident),
        }  # fmt: skip


def soak(port: int, pid: int, seconds: int, rate: int = 5000) -> dict[str, Any]:
    """Resident memory of the hub under a steady load, sampled each 5 s; `slope` is the least squares line."""
    publisher = subprocess.Popen([sys.executable, "-m", "bench.publisher", str(port), str(rate * seconds), str(rate)],
                                 stdout=subprocess.DEVNULL)  # fmt: skip
    samples: list[tuple[float, float]] = []
    begin = time.monotonic()
    while publisher.poll() is None:
        time.sleep(5)
        samples.append((time.monotonic() - begin, usage(pid)[1]))
    settled = [sample for sample in samples if sample[0] > seconds * 0.1]
    slope = statistics.linear_regression([x / 60 for x, _ in settled], [y for _, y in settled]).slope
    return {
        "seconds": seconds, "rate": rate, "rss_mb_first": round(settled[0][1], 1),
        "rss_mb_last": round(settled[-1][1], 1), "rss_mb_max": round(max(y for _, y in settled), 1),
        "slope_mb_per_min": round(slope, 2),
    }  # fmt: skip


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--only", choices=["hub", "bare"], default=None)
    parser.add_argument("--window-ms", default="20")
    parser.add_argument(
        "--soak", type=int, default=0, metavar="SECONDS", help="then 5 000/s for so long, watching memory"
    )
    arguments = parser.parse_args(words)
    folder = Path(tempfile.mkdtemp(prefix="hub-bench-"))
    folder.chmod(0o711)
    result: dict[str, Any] = {}
    try:
        make_site(folder / "site")
        with (
            Mosquitto(folder / "mosquitto", max_inflight=20_000) as broker,
            EmbeddedPostgres(folder / "postgres", {"track_commit_timestamp": "on"}) as postgres,
        ):
            if arguments.only != "hub":
                url = postgres.url()
                with process(["-m", "bench.bare", str(broker.port), url], {}, folder / "bare.log") as pid:
                    time.sleep(2)
                    result["bare"] = measure(url, "bare", broker.port, pid, arguments.count, 0)
                    result["bare_5000"] = measure(url, "bare", broker.port, pid, 50_000, 5000)
            if arguments.only != "bare":
                with psycopg.connect(postgres.url(), autocommit=True) as connection:
                    connection.execute("CREATE DATABASE hub_bench")
                url = postgres.url("hub_bench")
                environment = {
                    "HUB_DATABASE_URL": url, "HUB_MQTT_URL": f"mqtt://127.0.0.1:{broker.port}",
                    "HUB_CONFIG_DIR": str(folder / "site"), "HUB_DATA_DIR": str(folder / "var"),
                    "HUB_HTTP_PORT": str(free_port()), "HUB_BATCH_WINDOW_MS": arguments.window_ms,
                }  # fmt: skip
                with process(["-m", "hub", "run"], environment, folder / "hub.log") as pid:
                    wait_for(lambda: answers(environment["HUB_HTTP_PORT"]), 60)
                    time.sleep(3)  # its subscription
                    result["hub"] = measure(url, "telemetry.frame", broker.port, pid, arguments.count, 0)
                    result["hub_5000"] = measure(url, "telemetry.frame", broker.port, pid, 50_000, 5000)
                    if arguments.soak:
                        result["soak"] = soak(broker.port, pid, arguments.soak)
                print((folder / "hub.log").read_text()[-2000:], file=sys.stderr)
        if "bare" in result and "hub" in result:
            result["ratio"] = round(result["hub"]["msg_per_s"] / result["bare"]["msg_per_s"], 2)
        print(json.dumps(result, indent=1))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
