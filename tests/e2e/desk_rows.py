"""More rows for the desk's pages: one alarm of every state and of every reason to keep silent, a storm, maintenance."""

from datetime import datetime, timedelta
from typing import Any

from psycopg.types.json import Jsonb

from tests.integration.seeded import Seeded
from tests.integration.seeded_rows import add_alarm


def fill_desk(seeds: Seeded, now: datetime) -> dict[str, int]:
    """Write them; name -> alarm id."""
    made: dict[str, int] = {}
    with seeds.link() as link:

        def alarm(name: str, device: str, rule: str, priority: int, state: str, zh: str, en: str, ago: float,
                  **columns: Any) -> None:  # fmt: skip
            at = now - timedelta(minutes=ago)
            number = add_alarm(link, seeds.home, seeds.devices[device].id, rule, priority, state, zh, en, at)
            made[name] = number
            for column, value in {"active_since": at, "annunciated_at": at, **columns}.items():
                link.execute(f"UPDATE hub.alarm SET {column} = %s WHERE id = %s", [value, number])

        new, seen = "active_unacknowledged", "active_acknowledged"
        hour = timedelta(hours=1)
        alarm("smoke", "smoke-3", "smoke-alarm", 1, new, "烟雾报警", "Smoke alarm", 1, life_safety=True)
        alarm("latched", "pump-2", "pump-dry", 2, "latched_acknowledged", "水泵干转", "Pump ran dry", 31,
              latch=True, assignee="user:engineer", cost_fen=12_345_678)  # fmt: skip
        alarm(
            "unlatched", "pump-3", "pump-dry", 2, "latched_unacknowledged", "水泵干转", "Pump ran dry", 26, latch=True
        )
        alarm("first", "pump-4", "pump-fault", 2, new, "水泵故障", "Pump fault", 12, first_out=True, chattering=True)
        alarm("old", "barrier-in", "barrier-obstructed", 3, new, "道闸受阻", "Barrier obstructed", 300, historical=True)
        alarm("stale", "env-2", "air-quality", 4, seen, "空气质量下降", "Air quality falling", 60 * 30)
        alarm("shelved", "door-garage-1", "door-held-open", 3, new, "门长时间未关", "Door held open", 40,
              suppression="shelved", suppressed_until=now + hour, suppressed_by="user:guard",
              suppression_reason="搬家，物业已知")  # fmt: skip
        link.execute(
            "INSERT INTO hub.alarm_shelf SELECT community_id, condition, raised_at, %s, 'user:guard', '搬家，物业已知'"
            " FROM hub.alarm WHERE id = %s",
            [now + hour, made["shelved"]],
        )
        alarm("service", "elevator-b2-u1", "elevator-door", 2, new, "电梯门故障", "Lift door fault", 50,
              suppression="out_of_service", suppressed_until=now + 3 * hour, suppressed_by="user:engineer",
              suppression_reason="年检 WO-20261121-0003")  # fmt: skip
        link.execute(
            "INSERT INTO hub.maintenance (community_id, kind, device_id, since, until, reason, work_order, planned_by,"
            " planned_at, begun) VALUES (%s, 'out_of_service', %s, %s, %s, '年检', 'WO-20261121-0003', 'user:engineer',"
            " %s, true)",
            [seeds.home, seeds.devices["elevator-b2-u1"].id, now - hour, now + 3 * hour, now - hour],
        )
        link.execute(
            "INSERT INTO hub.maintenance (community_id, kind, place, since, until, reason, planned_by, planned_at)"
            " VALUES (%s, 'window', 'b1/u2', %s, %s, '弱电井改造', 'user:engineer', %s)",
            [seeds.home, now + 24 * hour, now + 30 * hour, now],
        )
        alarm("gateway", "gateway-b2", "gateway-lost", 2, new, "网关断线", "Gateway lost", 8, suppresses=True)
        for number in range(1, 41):
            meter = f"em-b2-{number:03d}"
            if meter != "em-b2-017":
                alarm(meter, meter, "device-silent", 3, new, "设备静默", "Device silent", 7,
                      suppression="suppressed_by_design", parent_alarm_id=made["gateway"],
                      suppressed_by=f"alarm:{made['gateway']}", suppression_reason="网关断线",
                      annunciated_at=None)  # fmt: skip
        pump = seeds.numbers["alarms"][2]
        link.execute("UPDATE hub.alarm SET limit_value = 600, point = 'pressure' WHERE id = %s", [pump])
    return made


def begin_storm(seeds: Seeded, now: datetime) -> int:
    """A storm that goes on; its id."""
    with seeds.link() as link:
        row = link.execute(
            "INSERT INTO hub.alarm_storm (community_id, since, last_at, counted, annunciated)"
            " VALUES (%s, %s, %s, 1840, 11) RETURNING id",
            [seeds.home, now - timedelta(minutes=6), now],
        ).fetchone()
        assert row is not None
        for rule, place, zh, en, count in (
            ("device-silent", "b2", "设备静默", "Device silent", 1790),
            ("pump-dry", "plant", "水泵干转", "Pump ran dry", 50),
        ):
            link.execute(
                "INSERT INTO hub.alarm_storm_group VALUES (%s, %s, %s, %s, %s, %s)",
                [seeds.home, row[0], rule, place, Jsonb({"zh": zh, "en": en}), count],
            )
    return int(row[0])


def end_storm(seeds: Seeded, storm: int, now: datetime) -> None:
    with seeds.link() as link:
        link.execute("UPDATE hub.alarm_storm SET ended_at = %s WHERE id = %s", [now, storm])
