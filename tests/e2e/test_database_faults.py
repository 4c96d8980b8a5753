"""R04, N01: the database killed and cut off in full flow. The hub stays, waits, and loses nothing."""

import json
import os
import random
import time

import httpx
import pytest

from tests.e2e.audit import audit, connect
from tests.e2e.harness import COMMUNITY, make_account, percentile, publish, seed, signed_in, stack, wait_for
from tests.e2e.journal import Journal
from tests.e2e.mqtttap import MqttTap

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

KILLS = int(os.environ.get("HUB_E2E_PG_KILLS", "5"))
HOLE_S = float(os.environ.get("HUB_E2E_HOLE_S", "12"))
RATE = float(os.environ.get("HUB_E2E_RATE", "2000"))
QUIET_S = 1.0  # PUBACKs of what was committed just before are on their way for a moment
MOST_WAIT_S = 12.0  # for a person's question, as it is promised
MOST_GROWTH = 64 * 1024 * 1024


def test_postgres_killed_in_full_flow() -> None:
    number = seed()
    moments = random.Random(number)
    back: list[float] = []
    with stack(400) as house:
        hub, tap = house.hub, house.tap
        hub.start()
        pid = hub.pid
        with Journal(house.broker.port, "e2e", house.doors, rate=RATE, seed=number) as journal:
            time.sleep(5)
            before = peak = hub.rss()
            for _ in range(KILLS):
                time.sleep(moments.uniform(0.5, 2.0))
                house.server.kill9()
                quiet = _quiet(tap)
                time.sleep(moments.uniform(0.5, 2.0))
                assert tap.between(quiet, time.monotonic()) == 0, "acknowledged without a database"
                peak = max(peak, hub.rss())
                house.server.start()
                accepting = time.monotonic()
                back.append(wait_for("it is acknowledged again", lambda at=accepting: tap.first_after(at)) - accepting)
                peak = max(peak, hub.rss())
            assert journal.settle() == 0
            wait_for("all is acknowledged", lambda: journal.said <= tap.acknowledged)
            peak = max(peak, hub.rss())
        result = audit(house.database_url, journal, tap.acknowledged)
        assert hub.process is not None
        assert (hub.pid, hub.process.poll()) == (pid, None)
        log, code = hub.log, hub.stop()
    print(
        f"\nR04 seed={number} kills={KILLS} rate={RATE:g}/s\n    {result.line()}\n    back after PostgreSQL accepts "
        f"p50 {percentile(back, 0.5):.2f} s, max {max(back):.2f} s; RSS {before >> 20} MiB, peak +{peak - before >> 20}"
    )
    assert code == 0
    assert (result.lost, result.lost_l2, result.doubled, result.misplaced) == (set(), set(), [], [])
    assert (result.bad_alarms, result.bad_orders, result.stuck_jobs, result.dead) == ([], [], 0, 0)
    assert peak - before <= MOST_GROWTH
    assert "Traceback" not in log, log[log.index("Traceback") - 500 :][:3000]


def test_postgres_cut_off() -> None:
    """The connection stands and nothing passes: no error tells the hub, it has to notice itself."""
    number = seed()
    with stack(100, pg_proxied=True, silent_after="6s") as house:
        hub, tap = house.hub, house.tap
        hub.start()
        guard = signed_in(hub, make_account(house.database_url, "guard", "guard"))
        assert guard.get("/api/v1/alarms").status_code == 200
        with Journal(house.broker.port, "e2e", house.doors, rate=1000, seed=number) as journal:
            time.sleep(5)
            before = peak = hub.rss()
            house.pg_proxy.black_hole(True)
            begun, quiet, waits = time.monotonic(), _quiet(tap), list[float]()
            while time.monotonic() < begun + HOLE_S:
                asked = time.monotonic()
                assert httpx.get(f"{hub.url}/healthz", timeout=MOST_WAIT_S).status_code == 200
                answer = guard.get("/api/v1/alarms")
                assert answer.status_code == 503, answer.text
                assert answer.json()["code"] == "busy"
                waits.append(time.monotonic() - asked)
                peak = max(peak, hub.rss())
                time.sleep(0.5)
            assert tap.between(quiet, time.monotonic()) == 0, "acknowledged without a database"
            house.pg_proxy.black_hole(False)
            healed = time.monotonic()
            back = wait_for("it is acknowledged again", lambda: tap.first_after(healed)) - healed
            wait_for("the pages work again", lambda: guard.get("/api/v1/alarms").status_code == 200)
            assert journal.settle() == 0
            wait_for("all is acknowledged", lambda: journal.said <= tap.acknowledged)
            peak = max(peak, hub.rss())
        result = audit(house.database_url, journal, tap.acknowledged)
        with connect(house.database_url) as link:
            silent = link.execute(
                "SELECT count(*) FROM hub.alarm WHERE rule = 'device-silent' AND raised_at BETWEEN %s AND %s",
                [_wall(begun, 0.0), _wall(healed, 5.0)],  # before the first of them the doors had said nothing yet
            ).fetchone()
        code = hub.stop()
        log = hub.log
    print(
        f"\nN01 seed={number} hole={HOLE_S:g} s rate=1000/s\n    {result.line()}\n    API answers 503 after "
        f"p50 {percentile(waits, 0.5):.2f} s, max {max(waits):.2f} s; acknowledges again {back:.2f} s after the end; "
        f"RSS {before >> 20} MiB, peak +{peak - before >> 20}; false silences {silent}"
    )
    assert code == 0
    assert (result.lost, result.lost_l2, result.doubled, result.misplaced) == (set(), set(), [], [])
    assert (result.bad_alarms, result.bad_orders, result.stuck_jobs, result.dead) == ([], [], 0, 0)
    assert silent == (0,)
    assert max(waits) < MOST_WAIT_S
    assert peak - before <= MOST_GROWTH
    assert "Traceback" not in log, log[log.index("Traceback") - 500 :][:3000]


def test_commit_whose_answer_was_lost() -> None:
    """Stored, and the hub could not know: its rules must go on from what is stored, else an open door is forgotten."""
    with stack(6, pg_proxied=True) as house:
        (house.folder / "config/rules").mkdir()
        (house.folder / "config/rules/e2e.yaml").write_text(json.dumps(OPEN_RULE, ensure_ascii=False), "utf-8")
        house.hub.start()
        lost = 0
        for number, door in enumerate(house.doors):
            house.pg_proxy.lose_reply(b"COMMIT", of=b"telemetry.frame")
            opened = {"ts": time.time_ns() // 10**6, "seq": 1, "boot": 1, "door": "open", "lock": "locked"}
            publish(house.broker.port, f"community/{COMMUNITY}/door/{door}/state", json.dumps(opened))
            wait_for("it is acknowledged", lambda n=number: house.tap.pubacks > n)
            lost = house.pg_proxy.lost_replies
        told = "SELECT count(*), sum(count) FROM hub.alarm WHERE rule = 'e2e-open'"
        with connect(house.database_url) as link:
            for _ in range(1200):
                told_of = link.execute(told)
                if (counts := told_of.fetchone()) == (6, 6):
                    break
                time.sleep(0.1)
            states = link.execute("SELECT device_id, state, wake_at FROM hub.rule_state WHERE rule = 'e2e-open'")
            assert counts == (6, 6), (counts, states.fetchall(), lost, house.hub.log[-3000:])
        assert lost == len(house.doors)
        assert house.hub.stop() == 0


OPEN_RULE = {
    "rule": "e2e-open", "title": {"zh": "开着", "en": "Open"}, "when": {"kinds": ["door"]}, "priority": "medium",
    "threshold": {"point": "open", "equals": "open", "for": "2s"},
    "text": {"zh": "$device 开着。", "en": "$device is open."},
    "examples": [
        {"name": "Open", "steps": [{"at": "0s", "point": {"open": "open"}}, {"at": "2s", "expect": ["raised"]}]},
        {"name": "Closed", "steps": [{"at": "0s", "point": {"open": "closed"}}, {"at": "9s"}]},
    ],
}  # fmt: skip


def _quiet(tap: MqttTap) -> float:
    """When the last acknowledgement was sent; one that needed no commit would never be."""
    return float(wait_for(
        "nothing is acknowledged any more",
        lambda: now if not tap.between((now := time.monotonic()) - QUIET_S, now) else 0,
        30,
    ))  # fmt: skip


def _wall(monotonic: float, later: float) -> str:
    """ISO time of a monotonic moment, `later` seconds on: by then every door was heard again."""
    at = time.time() - (time.monotonic() - monotonic) + later
    return time.strftime("%Y-%m-%dT%H:%M:%S+00", time.gmtime(at))
