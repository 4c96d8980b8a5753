"""What 200 rules cost the pipeline: MQTT QoS 1 to the store with and without rules, in one run.

`python -m bench.rules_ratio [--count N]` prints one JSON object. The set-up is that of bench.ingest. `none`: every
shipped rule is switched off. `site` and `half`: the shipped packs, and others up to 200 in the shares of
bench.rules_engine. Of those others a tenth (ten kinds of device have a wire, each its share) or half concern the one
kind that speaks here. `judging`: rules that look at each message, silences included.
"""

import argparse
import itertools
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

from bench.ingest import answers, make_site, measure, process, wait_for
from bench.rules_engine import SHARES, mixed
from hub.catalog.load import load_catalog
from hub.catalog.paths import packaged_config
from hub.embedded.postgres import EmbeddedPostgres
from rules.load import load_rules
from tests.integration.mosquitto import Mosquitto, free_port

RULES = 200
POINTS = ("temperature", "humidity", "pm2_5")
KIND = "environment_sensor"
SORTS = [sort for sort, share in SHARES for _ in range(share)]


def warm(number: int) -> dict[str, Any]:
    """The sorts of bench.rules_engine in the same shares, for environment sensors over their three points in turn."""
    point = POINTS[number % 3]
    over = {"threshold": {"point": point, "above": 60 + number / 10, "for": "30s", "clear": {"below": 55}}}
    damp = {"threshold": {"point": "humidity", "above": 99}}
    still = {"stuck": {"point": point, "for": "1h"}}
    there = {"kinds": [KIND], "at": "same_unit"}
    conditions: dict[str, dict[str, Any]] = {
        "threshold": over,
        "change": {"change": {"point": point, "by": 50 + number}},
        "stuck": still,
        "any_of": {"any_of": [over, damp]},
        "all_of": {"all_of": [over, damp, still]},
        "window": {"window": {"point": point, "aggregate": "avg", "size": "10m", "every": "1m", "above": 60}},
        "near": {"near": {**there, "at_least": 2, "threshold": over["threshold"]}},
        "expression": {"expression": {"when": f"{point} > {60 + number}.0 && {point} < 500.0", "for": "10s"}},
        "sequence": {"sequence": {"steps": [{"point": point, "above": 60},
                                            {"point": point, "above": 65, **there, "within": "60s"}]}},
        "absence": {"absence": {"after": f"{number + 600}s"}},
    }  # fmt: skip
    return conditions[SORTS[number % len(SORTS)]]


def rule(number: int, kind: str, condition: dict[str, Any]) -> dict[str, Any]:
    text = {"zh": "$device", "en": "$device"}
    examples = [
        {"name": "yes", "steps": [{"at": "0s", "expect": ["raised"]}]},
        {"name": "not", "steps": [{"at": "0s"}]},
    ]
    return {"rule": f"bench-{kind.replace('_', '-')}-{number}", "title": {"zh": "测", "en": "bench"},
            "when": {"kinds": [kind]}, "priority": "low", "text": text, "examples": examples, **condition}  # fmt: skip


def others(missing: int, speaking: int) -> list[dict[str, Any]]:
    """`missing` rules, `speaking` of them for the kind that speaks, the rest for pumps."""
    step = len(SORTS)  # 7 and the number of sorts have no common factor: a fair sample of them
    return [rule(n, KIND, warm(n * 7 % step)) for n in range(speaking)] + [
        rule(n, "pump", mixed(n * 7 % step)) for n in range(missing - speaking)
    ]


def make_folder(folder: Path, name: str, shipped: int, speaking: float) -> Path:
    """A configuration folder like that of bench.ingest, its sensors in fifty units, with these rules."""
    make_site(folder)
    table, site = folder / "sites/bench.devices.csv", folder / "sites/bench.yaml"
    units = itertools.cycle([f"b{b}/u{u}" for b in range(10) for u in range(5)])
    head, *rows = table.read_text("utf-8").splitlines()
    table.write_text("\n".join([head, *(row.replace(",hall,", f",{next(units)},") for row in rows)]) + "\n", "utf-8")
    places = [{"path": f"b{b}", "kind": "building"} for b in range(10)]
    places += [{"path": f"b{b}/u{u}", "kind": "unit"} for b in range(10) for u in range(5)]
    listed = [{**place, "name": {"zh": place["path"], "en": place["path"]}} for place in places]
    before, _, after = site.read_text("utf-8").partition("places: ")
    site.write_text(f"{before}places: {json.dumps(listed)}\n" + after.partition("\n")[2], "utf-8")
    if name == "none":
        for number, path in enumerate(sorted((packaged_config() / "rules").glob("*.yaml"))):
            off = rule(number, KIND, warm(0)) | {"enabled": False}
            (folder / "rules" / path.name).write_text(json.dumps(off), "utf-8")
        (folder / "rules/bench.yaml").write_text(json.dumps(rule(99, KIND, warm(0)) | {"enabled": False}), "utf-8")
    else:
        missing = RULES - shipped
        body = {"rules": others(missing, round(missing * speaking))}
        (folder / "rules/bench.yaml").write_text(json.dumps(body), "utf-8")
    return folder


def loaded(folder: Path) -> tuple[int, int]:
    """Rules in force, and how many of them judge a message with a temperature. ValueError for a wrong rule."""
    kinds = load_catalog([packaged_config(), folder], {"HUB_MQTT_URL": "mqtt://x"}).kinds
    rules, problems = load_rules([packaged_config(), folder], kinds)
    if problems:
        raise ValueError("; ".join(map(str, problems)))
    inside = [one for one in rules if one.enabled]
    speaking = [one for one in inside if one.when.kinds == "all" or KIND in one.when.kinds]
    judging = [one for one in speaking if one.absence or "temperature" in one.model_dump_json(exclude={"examples"})]
    return len(inside), len(judging)


def run(folder: Path, config: Path, broker: Mosquitto, url: str, count: int) -> dict[str, Any]:
    environment = {
        "HUB_DATABASE_URL": url, "HUB_MQTT_URL": f"mqtt://127.0.0.1:{broker.port}", "HUB_CONFIG_DIR": str(config),
        "HUB_DATA_DIR": str(folder / "var"), "HUB_HTTP_PORT": str(free_port()), "HUB_BATCH_WINDOW_MS": "20",
    }  # fmt: skip
    log = folder / f"{config.name}.log"
    with process(["-m", "hub", "run"], environment, log) as pid:
        wait_for(lambda: answers(environment["HUB_HTTP_PORT"]), 60)
        time.sleep(3)  # its subscription
        load = os.getloadavg()[0]
        try:
            found = measure(url, "telemetry.frame", broker.port, pid, count, 0)
        except (TimeoutError, psycopg.Error):
            print(log.read_text("utf-8")[-3000:], file=sys.stderr)
            raise
    return {**found, "load": round(load, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="hub-bench-"))
    folder.chmod(0o711)
    result: dict[str, Any] = {}
    try:
        with (
            Mosquitto(folder / "mosquitto", max_inflight=20_000) as broker,
            EmbeddedPostgres(folder / "postgres", {"track_commit_timestamp": "on"}) as postgres,
        ):
            for name, speaking in (("none", 0.0), ("site", 0.1), ("half", 0.5)):
                config = make_folder(folder / name, name, _shipped(), speaking)
                with psycopg.connect(postgres.url(), autocommit=True) as connection:
                    connection.execute(f"CREATE DATABASE hub_{name}")
                rules, judging = loaded(config)
                figures = run(folder, config, broker, postgres.url(f"hub_{name}"), arguments.count)
                result[name] = {"rules": rules, "rules_judging_each_message": judging, **figures}
        for name in ("site", "half"):
            result[f"ratio_{name}"] = round(result[name]["msg_per_s"] / result["none"]["msg_per_s"], 2)
        print(json.dumps(result, indent=1))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _shipped() -> int:
    """Rules of the shipped packs that are in force."""
    rules, _ = load_rules([packaged_config()], load_catalog([packaged_config()], {}).kinds)
    return sum(one.enabled for one in rules)


if __name__ == "__main__":
    main()
