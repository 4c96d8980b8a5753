"""A04: a flood of alarms through the whole hub, and fire in between. All is counted, few are called, fire is heard."""

import os
import re
import threading
import time
from typing import Any, Self

import httpx
import pytest
from websockets.sync.client import connect as connect_socket

from tests.e2e.audit import audit, connect
from tests.e2e.harness import COMMUNITY, HubProcess, make_account, percentile, publish, seed, signed_in, stack, wait_for
from tests.e2e.hooks import add_devices
from tests.e2e.journal import Journal

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

RATE = float(os.environ.get("HUB_E2E_FLOOD_RATE", "1500"))
"""Forced doors a second: each raises and returns, two transitions."""

SECONDS = int(os.environ.get("HUB_E2E_FLOOD_S", "10"))
DOORS = int(os.environ.get("HUB_E2E_FLOOD_DOORS", "1000"))
MOST_GROWTH = 256 * 1024 * 1024
_FIGURES = {
    "transitions": "SELECT count(*) FROM hub.alarm_history WHERE action IN ('raise', 'return')",
    "raises": "SELECT sum(count)::bigint FROM hub.alarm WHERE rule = 'door-forced'",
    "called": "SELECT count(*) FROM hub.annunciation WHERE NOT life_safety",
    "fires": "SELECT count(*) FROM hub.annunciation WHERE life_safety",
    "storms": "SELECT count(*) FROM hub.alarm_storm",
    "in_storm": "SELECT coalesce(sum(counted), 0)::bigint FROM hub.alarm_storm",
}
_FIRES = """
SELECT d.code, extract(epoch FROM n.at)::float8 FROM hub.annunciation n JOIN hub.alarm a ON a.id = n.alarm_id
JOIN hub.device d ON d.id = a.device_id WHERE n.life_safety"""


class Desk:
    """A guard's open desk: when it first showed each smoke detector. Told to, it reads its list again, as pages do."""

    def __init__(self, hub: HubProcess, guard: httpx.Client) -> None:
        self.heard: dict[str, float] = {}
        self.resyncs = 0
        self._guard = guard
        self._url = hub.url.replace("http", "ws", 1) + "/api/v1/stream?topics=alarm"
        cookies = "; ".join(f"{name}={value}" for name, value in guard.cookies.items())
        self._headers = {"Cookie": cookies, "Origin": hub.url}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, name="desk", daemon=True)

    def _read(self) -> None:
        with connect_socket(self._url, additional_headers=self._headers, max_size=None) as socket:
            while not self._stop.is_set():
                try:
                    text = str(socket.recv(0.2))
                except TimeoutError:
                    continue
                if "resync" in text:
                    self.resyncs += 1
                    text = self._guard.get("/api/v1/alarms", params={"limit": 200}).text
                now = time.monotonic()
                for name in re.findall(r"smoke-\d{3}", text):
                    self.heard.setdefault(name, now)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(15)


EARLY = "fire-before"


def listed(guard: httpx.Client) -> dict[str, str]:
    """Device -> state of every alarm of the live list, page by page."""
    found: dict[str, str] = {}
    cursor = ""
    while True:
        page = guard.get("/api/v1/alarms", params={"limit": 200} | ({"cursor": cursor} if cursor else {})).json()
        found |= {alarm["device"]: alarm["state"] for alarm in page["items"]}
        cursor = page["next"] or ""
        if not cursor:
            return found


def test_flood() -> None:
    number = seed()
    smokes = [f"smoke-{n:03d}" for n in range(SECONDS)]
    with stack(DOORS) as house:
        add_devices(house.folder / "config", *((name, "heyue-sd5") for name in (EARLY, *smokes)))
        hub = house.hub
        hub.start()
        guard = signed_in(hub, make_account(house.database_url, "guard", "guard"))
        fire = f'{{"t":{int(time.time())},"n":1,"event":"ALARM"}}'
        publish(house.broker.port, f"community/{COMMUNITY}/smoke/{EARLY}/event", fire)
        wait_for("the fire before the flood", lambda: EARLY in listed(guard))
        rung: dict[str, float] = {}
        before = peak = hub.rss()
        with (
            Desk(hub, guard) as desk,
            Journal(house.broker.port, COMMUNITY, house.doors, rate=RATE, forced_every=1, seed=number) as journal,
        ):
            begun = time.monotonic()
            for turn, name in enumerate(smokes):
                time.sleep(max(0.0, begun + turn + 0.5 - time.monotonic()))
                alarm = f'{{"t":{int(time.time())},"n":1,"event":"ALARM"}}'
                rung[name] = time.monotonic()
                publish(house.broker.port, f"community/{COMMUNITY}/smoke/{name}/event", alarm)
                peak = max(peak, hub.rss())
            assert journal.settle() == 0
            wait_for("all is acknowledged", lambda: journal.said <= house.tap.acknowledged)
            took = time.monotonic() - begun
            wait_for("the desk heard of every fire", lambda: desk.heard.keys() == rung.keys())
            peak = max(peak, hub.rss())
        standing = listed(guard)
        guard.close()
        result = audit(house.database_url, journal, house.tap.acknowledged)
        with connect(house.database_url) as link:
            found = {name: _one(link, query) for name, query in _FIGURES.items()}
            called = dict(link.execute(_FIRES).fetchall())
        code = hub.stop()
    called.pop(EARLY)
    waits = [desk.heard[name] - at for name, at in rung.items()]
    wall = time.time() - time.monotonic()
    decided = [called[name] - wall - at for name, at in rung.items()]
    print(
        f"\nA04 seed={number} rate={RATE:g}/s for {SECONDS} s, held back {journal.behind}\n    {result.line()}\n"
        f"    {found} in {took:.1f} s: {found['transitions'] / took:.0f} transitions/s\n"
        f"    fire called after {_spread(decided)}; at the desk after {_spread(waits)}, lists read again "
        f"{desk.resyncs}; RSS {before >> 20} MiB, peak +{peak - before >> 20}"
    )
    assert code == 0
    assert (result.lost, result.doubled, result.bad_alarms, result.bad_orders) == (set(), [], [], [])
    assert standing[EARLY] == "active_unacknowledged"  # a flood pushes nobody off the list
    assert found["transitions"] == 2 * len(journal.forced) + len(smokes) + 1
    assert found["raises"] == len(journal.forced)
    assert (found["storms"], found["fires"]) == (1, len(smokes) + 1)
    assert 0 < found["called"] <= 10
    assert found["raises"] - 10 <= found["in_storm"] - len(smokes) <= found["raises"]
    assert peak - before <= MOST_GROWTH


def _spread(values: list[float]) -> str:
    return f"p50 {percentile(values, 0.5):.2f} s, p99 {percentile(values, 0.99):.2f} s, max {max(values):.2f} s"


def _one(link: Any, query: str) -> int:
    return int(link.execute(query).fetchone()[0])
