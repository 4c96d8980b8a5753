"""What was said against what is stored: lost, doubled, at the wrong device; alarms and work orders exactly once."""

import time
from dataclasses import dataclass, field
from typing import Any

import psycopg

from tests.e2e.journal import Journal
from tests.e2e.mqtttap import Identity

_STORED = """
SELECT d.code, (m.j ->> 'boot')::bigint, (m.j ->> 'seq')::bigint, split_part(f.source, '/', 4), count(DISTINCT f.key),
       count(*), count(e.id), count(DISTINCT e.id)
FROM telemetry.frame f JOIN hub.device d ON d.id = f.device_id
CROSS JOIN LATERAL (SELECT convert_from(f.raw, 'UTF8')::jsonb AS j) m
LEFT JOIN telemetry.event e ON e.frame_key = f.key AND e.device_id = f.device_id
WHERE f.source LIKE 'community/%/event'
GROUP BY 1, 2, 3, 4"""

_ALARMS = """
SELECT d.code, count(*), sum(a.count), count(*) FILTER (WHERE NOT a.historical), count(w.id), count(DISTINCT w.id)
FROM hub.alarm a JOIN hub.device d ON d.id = a.device_id
LEFT JOIN workorders.work_order w ON w.alarm_id = a.id
WHERE a.rule = 'door-forced' GROUP BY 1"""

ORDERS_S = 180.0
"""A work order is a job; one whose worker was killed is taken up again when its heartbeat is old."""


def connect(url: str) -> psycopg.Connection[tuple[Any, ...]]:
    """As the superuser, who sees all communities."""
    return psycopg.connect(url, autocommit=True)


@dataclass
class Audit:
    """Differences; all empty is right. `unknown`: never confirmed by the broker, so 0 or 1 times is right."""

    said: int
    unknown: int
    stored: int
    lost: set[Identity] = field(default_factory=set)
    lost_l1: set[Identity] = field(default_factory=set)
    lost_l2: set[Identity] = field(default_factory=set)
    doubled: list[Identity] = field(default_factory=list)
    misplaced: list[Identity] = field(default_factory=list)
    bad_alarms: list[str] = field(default_factory=list)
    bad_orders: list[str] = field(default_factory=list)
    alarms: int = 0
    orders: int = 0
    stuck_jobs: int = 0
    dead: int = 0

    def line(self) -> str:
        """The figures every run prints."""
        return (
            f"N={self.said} unknown={self.unknown} stored={self.stored} lost={len(self.lost)} "
            f"(L1={len(self.lost_l1)} L2={len(self.lost_l2)}) dup={len(self.doubled)} mis={len(self.misplaced)} "
            f"alarms={self.alarms} (wrong {len(self.bad_alarms)}) work orders={self.orders} "
            f"(wrong {len(self.bad_orders)}) stuck jobs={self.stuck_jobs} dead letters={self.dead}"
        )


def audit(url: str, journal: Journal, acknowledged: set[Identity]) -> Audit:
    """Compare. `acknowledged`: what the hub sent PUBACK for, as a tap heard it."""
    _wait_for_orders(url)
    with connect(url) as link:
        stored = link.execute(_STORED).fetchall()
        alarms = link.execute(_ALARMS).fetchall()
        stuck = link.execute("SELECT count(*) FROM procrastinate_jobs WHERE status <> 'succeeded'").fetchone()
        left = "SELECT status, attempts, worker_id, task_name FROM procrastinate_jobs WHERE status <> 'succeeded'"
        if stuck != (0,):
            print("jobs left:", link.execute(left).fetchall())
        dead = link.execute("SELECT coalesce(sum(count), 0) FROM hub.dead_letter").fetchone()
        hidden = link.execute("SELECT count(*) FROM telemetry.event").fetchone()
    assert stuck and dead and hidden
    found = {(code, boot, seq) for code, boot, seq, *_ in stored}
    result = Audit(len(journal.said), len(journal.said - journal.confirmed), len(found))
    result.lost = journal.confirmed - found
    result.lost_l2 = acknowledged - found
    result.lost_l1 = result.lost - result.lost_l2
    for code, boot, seq, topic, keys, rows, events, distinct in stored:
        identity = code, boot, seq
        if (keys, rows, events, distinct) != (1, 1, 1, 1):
            result.doubled.append(identity)
        if identity not in journal.said or topic != code:
            result.misplaced.append(identity)
    if hidden[0] != len(found):
        result.doubled.append(("events in all", hidden[0], len(found)))
    _judge_alarms(result, journal, found, alarms)
    result.stuck_jobs, result.dead = stuck[0], int(dead[0])
    return result


def _judge_alarms(result: Audit, journal: Journal, found: set[Identity], alarms: list[tuple[Any, ...]]) -> None:
    """One alarm a forced door, told as often as it was forced; one work order an alarm that was not history already."""
    forced: dict[str, int] = {}
    for identity in journal.forced & found:
        forced[identity[0]] = forced.get(identity[0], 0) + 1
    told = {code: tuple(map(int, rest)) for code, *rest in alarms}
    for code in forced.keys() | told.keys():
        rows, count, live, joined, orders = told.get(code, (0, 0, 0, 0, 0))
        if (rows, count) != (1, forced.get(code, 0)):
            result.bad_alarms.append(f"{code}: {rows} alarms, told {count} times, forced {forced.get(code, 0)} times")
        if not live <= joined == orders <= rows:
            result.bad_orders.append(f"{code}: {orders} work orders of {rows} alarms, {live} not history")
        result.alarms += rows
        result.orders += orders


def _wait_for_orders(url: str) -> None:
    deadline = time.monotonic() + ORDERS_S
    with connect(url) as link:
        while time.monotonic() < deadline:
            row = link.execute("SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')").fetchone()
            if row == (0,):
                return
            time.sleep(0.2)
