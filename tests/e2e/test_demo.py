"""`hub demo` as a newcomer starts it: everything that happened is stored, nothing is left behind, data stays."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hub.embedded.postgres import EmbeddedPostgres
from tests.e2e.audit import connect
from tests.integration.mosquitto import free_port
from tests.integration.postgres import ROOT, open_folder

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

LONG = os.environ.get("HUB_E2E_DEMO_FOR", "25s")


def run_demo(data: Path, duration: str) -> str:
    """Its output; it must end well."""
    names = ("HTTP_PORT", "BROKER_PORT", "DEMO_MODBUS_PORT_B1", "DEMO_MODBUS_PORT_B2", "DEMO_MODBUS_PORT_PLANT")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    environment |= {f"HUB_{name}": str(free_port()) for name in names} | {"HUB_DATA_DIR": str(data)}
    done = subprocess.run(
        [sys.executable, "-m", "hub", "demo", "--for", duration, "--language", "en"], cwd=ROOT, env=environment,
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    return done.stdout


def left_over(data: Path) -> list[str]:
    """Processes that know the folder: by their arguments, environment or working directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            known = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        if str(data).encode() in known and int(process.name) != os.getpid():
            found.append(known[:200].decode(errors="replace"))
    return found


def test_demo_keeps_its_word_and_its_data() -> None:
    with open_folder() as folder:
        data = folder / "data"
        first = run_demo(data, LONG)
        accounts = json.loads((data / "demo-accounts.json").read_text("utf-8"))
        assert left_over(data) == []
        kept = stored(data)
        assert kept > 0
        second = run_demo(data, "6s")
        assert left_over(data) == []
        assert not (data / "running.json").exists()
        assert json.loads((data / "demo-accounts.json").read_text("utf-8")) == accounts
        assert sorted(accounts) == ["admin", "engineer", "finance", "guard", "viewer"]
        assert (data / "demo-accounts.json").stat().st_mode & 0o077 == 0
        for name, password in accounts.items():
            assert f"{name}  /  {password}" in " ".join(first.split(" ")) or password in first
            assert password in second
        now = stored(data)
        assert now > kept
        assert len(list((data / "truth").glob("*.jsonl"))) == 2
    print(f"\ndemo {LONG}: {kept} frames, and {now - kept} more in the second run\n{first[-700:]}")


def stored(data: Path) -> int:
    """Frames in the demonstration's own database; nobody may hold its lock."""
    with EmbeddedPostgres(data / "pg") as server, connect(server.url()) as link:
        row = link.execute("SELECT count(*) FROM telemetry.frame").fetchone()
    assert row is not None
    return int(row[0])
