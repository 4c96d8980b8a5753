"""`make bench`: every benchmark, each in a process of its own, one after the other; writes bench/RESULTS.md.

`python -m bench [name …]` runs only those named and leaves the rest of RESULTS.md as it is.
"""

import contextlib
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")
BENCHES: Mapping[str, str] = {
    "ingest": "MQTT QoS 1 → rule → stored → acknowledged, beside the bare receiver + COPY",
    "soak": "Ten minutes at 5 000 messages/s: resident memory of the hub",
    "modbus_fleet": "1 000 Modbus devices × 20 registers every second in one process",
    "desks": "Alarm raised → in the page's DOM with 20 desks open",
    "desks_flooded": "Smoke alarm raised → in the page's DOM with 20 desks open, in a flood beyond what the hub stores",
    "commands": "Door command → confirmed by the door's own event, loopback",
    "queries": "Trend of one point and last values of 10 000 points at 5 M rows",
    "mqtt_decode": "Payload → frames, one core",
    "rules_engine": "Rule evaluations, one core, 200 rules",
    "rules_beside": "The time of a batch while one rule misbehaves, beside the same batches without it",
    "rules_ratio": "MQTT QoS 1 → stored with 200 rules loaded, beside the same run without rules",
    "alarm_flood": "Alarm book: 10 000 transitions a second for a minute, and fire in between",
    "backtest": "Back-test of one rule over 30 days × 1 000 points at five minutes",
}


def machine() -> str:
    """Processor, cores and Python in one line."""
    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.*)", info.read_text()) if info.exists() else []
    return f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def section(name: str) -> str:
    """Run one benchmark and describe it. CalledProcessError when it fails."""
    load = os.getloadavg()[0]
    done = subprocess.run([sys.executable, "-m", f"bench.{name}"], check=True, stdout=subprocess.PIPE, text=True)
    body = done.stdout.strip()
    with contextlib.suppress(ValueError):  # several lines of JSON, or words: shown as they are
        body = json.dumps(json.loads(body), indent=1, ensure_ascii=False)
    stamp = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    where = f"{stamp} · {machine()} · load before {load:.2f}"
    return f"## {name}\n\n{BENCHES[name]}.\n\n`python -m bench.{name}` · {where}\n\n```json\n{body}\n```\n"


def main() -> None:
    wanted = sys.argv[1:] or list(BENCHES)
    unknown = set(wanted) - set(BENCHES)
    if unknown:
        sys.exit(f"no benchmark {', '.join(sorted(unknown))}; there are: {', '.join(BENCHES)}")
    text = RESULTS.read_text("utf-8") if RESULTS.exists() else "# Results\n"
    head, *parts = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    known = {part.split()[1]: part for part in parts}
    for number, name in enumerate(wanted, 1):
        print(f"[{number}/{len(wanted)}] {name} …", flush=True)
        known[name] = section(name) + "\n"
        print(known[name], flush=True)
        ordered = [known[each] for each in BENCHES if each in known]
        RESULTS.write_text(head + "".join(ordered), encoding="utf-8")


if __name__ == "__main__":
    main()
