"""The rows of `seeded`: the demo site as a hub would have stored it after a day, and one of everything elsewhere."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.types.json import Jsonb

from hub.catalog.devices import build_devices
from hub.model import Device
from tests.unit.demo_devices import demo_catalog

EVIL = "<img src=x onerror=\"document.title='pwned'\">"
PROCEDURE = {
    "zh": "1. 通过摄像机查看现场。\n2. 通知巡逻保安前往。\n3. 确认无人闯入后关门并复位。",
    "en": "1. Look at the camera of this door.\n2. Send the patrol guard.\n3. Close and reset the door.",
}


class _Ids:
    """Numbers things as the store does."""

    def __init__(self, link: "psycopg.Connection[Any]", catalog: Any) -> None:
        self._link = link
        self._site = catalog.sites["demo"]
        self._catalog = catalog
        self._specs = {spec.id: spec for spec in self._site.devices}
        self._kinds: dict[int, str] = {}
        self._numbers: dict[str, int] = {}

    def community(self, code: str) -> int:
        row = self._link.execute("SELECT id FROM hub.community WHERE code = %s", [code]).fetchone()
        assert row is not None
        return int(row[0])

    def device(self, community_id: int, code: str) -> int:
        if code in self._numbers:
            return self._numbers[code]
        spec = self._specs[code]
        kind = self._catalog.profiles[spec.profile].kind
        row = self._link.execute(
            "INSERT INTO hub.device (community_id, code, kind, profile, place, bus, name, multiplier)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) RETURNING id",
            [
                community_id,
                code,
                kind,
                spec.profile,
                spec.place,
                spec.bus,
                Jsonb({"zh": spec.name.zh, "en": spec.name.en}),
                spec.multiplier,
            ],
        ).fetchone()
        assert row is not None
        self._kinds[row[0]] = kind
        self._numbers[code] = int(row[0])
        return int(row[0])

    def point(self, device_id: int, name: str) -> int:
        spec = self._catalog.kinds[self._kinds[device_id]].points[name]
        row = self._link.execute(
            "INSERT INTO hub.point (community_id, device_id, name, unit, type)"
            " SELECT community_id, id, %s, %s, %s FROM hub.device WHERE id = %s RETURNING id",
            [name, spec.unit, spec.type, device_id],
        ).fetchone()
        assert row is not None
        return int(row[0])


def fill(link: "psycopg.Connection[Any]", now: datetime) -> tuple[int, int, int, dict[int, Device], dict[str, Any]]:
    catalog = demo_catalog()
    site = catalog.sites["demo"]
    home = _community(link, "demo", site.community.name.zh, site.community.name.en)
    foreign = _community(link, "other", "别的小区", "Another community")
    empty = _community(link, "empty", "新小区", "New community")
    with link.transaction():
        for place in site.places:
            link.execute(
                "INSERT INTO hub.place VALUES (%s, %s, %s, %s)",
                [home, place.path, place.kind, Jsonb({"zh": place.name.zh, "en": place.name.en})],
            )
        devices = build_devices(catalog, _Ids(link, catalog))
    for back in range(-1, 32):
        link.execute("SELECT telemetry.ensure_day(%s)", [(now - timedelta(days=back)).date()])
    by_code = {device.code: device for device in devices.values()}
    link.execute("UPDATE hub.device SET name = %s WHERE code = 'door-garage-2'", [Jsonb({"zh": EVIL, "en": EVIL})])
    with link.transaction():
        _states(link, home, devices, now)
        _pump(link, home, by_code["pump-1"], now)
        events = _events(link, home, by_code["door-b1-u1"], now)
        numbers = {"alarms": _alarms(link, home, by_code, now), "letters": _letters(link, home, now), "events": events}
    seen = {"picture": _picture(link, foreign, now), "clip": _clip(link, foreign, now)}
    numbers["foreign"] = {**_foreign(link, foreign, now), **seen}
    numbers |= {"picture": _picture(link, home, now), "clip": _clip(link, home, now)}
    return home, foreign, empty, devices, numbers


def _picture(link: "psycopg.Connection[Any]", community: int, now: datetime) -> UUID:
    number = uuid4()
    link.execute(
        "INSERT INTO hub.picture (id, community_id, subject, source, taken_at, received_at, sha256, width, height,"
        " body) VALUES (%s, %s, 'incident:1', 'user:li', %s, %s, sha256('SECRET'), 1, 1, 'SECRET')",
        [number, community, now, now],
    )
    return number


def _clip(link: "psycopg.Connection[Any]", community: int, now: datetime) -> UUID:
    number = uuid4()
    link.execute(
        "INSERT INTO hub.clip (id, community_id, subject, begins, seconds, received_at, codec, width, height, size,"
        " sha256, body) VALUES (%s, %s, 'device:cam-0', %s, 1, %s, 'h264', 1, 1, 6, sha256('SECRET'), 'SECRET')",
        [number, community, now, now],
    )
    return number


def _community(link: "psycopg.Connection[Any]", code: str, zh: str, en: str) -> int:
    row = link.execute(
        "INSERT INTO hub.community (code, name, time_zone) VALUES (%s, %s, 'Asia/Shanghai') RETURNING id",
        [code, Jsonb({"zh": zh, "en": en})],
    ).fetchone()
    assert row is not None
    return int(row[0])


def _states(link: "psycopg.Connection[Any]", home: int, devices: Mapping[int, Device], now: datetime) -> None:
    for number, device in enumerate(devices.values()):
        state = {"em-b2-017": "silent", "barrier-out": "offline", "em-b1-003": "error"}.get(device.code, "connected")
        if device.code == "patrol-2":
            continue
        detail = "Modbus exception 4" if state == "error" else ""
        link.execute(
            "INSERT INTO hub.device_state VALUES (%s, %s, %s, %s, %s)",
            [device.id, home, state, now - timedelta(hours=2), detail],
        )
        seen = now - (timedelta(minutes=44) if state != "connected" else timedelta(seconds=number % 50))
        link.execute("INSERT INTO telemetry.device_last VALUES (%s, %s, %s)", [device.id, home, seen])
        for point in device.points.values():
            _last(link, home, point.id, seen, _first_value(point.spec.type, number), 0)


def _first_value(sort: str, number: int) -> float:
    return {"counter": 1284.37 + 7.13 * number, "state": 0.0}.get(sort, 21.5 + number % 7)


def _last(link: "psycopg.Connection[Any]", home: int, point: int, ts: datetime, value: float, quality: int) -> None:
    link.execute(
        "INSERT INTO telemetry.point_last VALUES (%s, %s, %s, %s, %s) ON CONFLICT (point_id) DO UPDATE"
        " SET ts = excluded.ts, value = excluded.value, quality = excluded.quality",
        [point, home, ts, value, quality],
    )


def _pump(link: "psycopg.Connection[Any]", home: int, pump: Device, now: datetime) -> None:
    pressure = pump.points["pressure"].id
    samples = []
    for minute in range(24 * 60):
        ts = now - timedelta(minutes=24 * 60 - minute)
        swing = 30 * ((minute % 180) / 180) - 15
        samples.append((ts, 520 + swing + (120 if minute > 24 * 60 - 9 else 0), pressure, home, 0))
    with link.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO telemetry.sample (ts, value, point_id, community_id, quality) VALUES (%s, %s, %s, %s, %s)",
            samples,
        )
        hours = [
            (
                now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=h),
                pressure,
                home,
                60,
                60 * (520.0 + h % 24),
                480.0,
                560.0,
                500.0,
                521.0,
            )
            for h in range(24 * 30)
        ]
        cursor.executemany("INSERT INTO telemetry.sample_1h VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)", hours)
    _last(link, home, pressure, now - timedelta(seconds=2), 641.5, 8)
    _last(link, home, pump.points["running"].id, now - timedelta(seconds=2), 1.0, 0)
    for number in range(4):
        link.execute(
            "INSERT INTO telemetry.frame (ts, received, key, device_id, community_id, source, raw)"
            " VALUES (%s, %s, %s, %s, %s, 'unit 1', %s)",
            [now - timedelta(seconds=number), now, uuid4(), pump.id, home, bytes.fromhex("000100000007010404190f00c8")],
        )


def _events(link: "psycopg.Connection[Any]", home: int, door: Device, now: datetime) -> list[UUID]:
    said = [
        ("access_granted", {"card": "10023344", "method": "card"}),
        ("access_granted", {"card": "10029911", "method": "face"}),
        ("access_denied", {"card": "77001234", "cause": "expired"}),
        ("door_forced", {}),
        ("unlocked", {"cause": "button"}),
    ]
    for minutes, value in ((300, 0.0), (295, 1.0), (294, 0.0), (120, 1.0), (118, 0.0), (5, 1.0), (4, 0.0)):
        link.execute(
            "INSERT INTO telemetry.sample (ts, value, point_id, community_id) VALUES (%s, %s, %s, %s)",
            [now - timedelta(minutes=minutes), value, door.points["open"].id, home],
        )
    ids = []
    for number in range(25):
        name, data = said[number % len(said)]
        ids.append(uuid4())
        ts = now - timedelta(minutes=7 * number, seconds=20)
        link.execute(
            "INSERT INTO telemetry.event (ts, received, id, frame_key, device_id, community_id, name, data)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            [ts, ts, ids[-1], uuid4(), door.id, home, name, Jsonb(data)],
        )
    raw = b'{"type":"forced","ts":1763751600000,"seq":4711,"boot":"a1"}'
    link.execute(
        "INSERT INTO telemetry.frame (ts, received, key, device_id, community_id, source, raw)"
        " VALUES (%s, %s, %s, %s, %s, 'community/demo/door/door-b1-u1/event', %s)",
        [now, now, uuid4(), door.id, home, raw],
    )
    return ids


def add_alarm(
    link: "psycopg.Connection[Any]",
    community: int,
    device: int,
    rule: str,
    priority: int,
    state: str,
    zh: str,
    en: str,
    at: datetime,
    condition: str = "",
    text: str = "",
    count: int = 1,
) -> int:
    """An alarm and the first lines of its history; its id."""
    acknowledged = "user:guard" if state == "active_acknowledged" else None
    row = link.execute(
        "INSERT INTO hub.alarm (community_id, condition, rule, device_id, priority, state, title, text, procedure,"
        " raised_at, acknowledged_at, acknowledged_by, count, changed_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id",
        [
            community,
            condition or f"{rule}:{device}",
            rule,
            device,
            priority,
            state,
            Jsonb({"zh": zh, "en": en}),
            Jsonb({"zh": text or zh, "en": text or en}),
            Jsonb(PROCEDURE) if priority < 3 else None,
            at,
            at if acknowledged else None,
            acknowledged,
            count,
            at,
        ],
    ).fetchone()
    assert row is not None
    steps = [("normal", "active_unacknowledged", f"rule:{rule}")]
    if acknowledged:
        steps.append(("active_unacknowledged", state, acknowledged))
    for before, after, actor in steps:
        link.execute(
            "INSERT INTO hub.alarm_history (community_id, alarm_id, at, from_state, to_state, actor)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            [community, row[0], at, before, after, actor],
        )
    return int(row[0])


def _alarms(link: "psycopg.Connection[Any]", home: int, by_code: Mapping[str, Device], now: datetime) -> list[int]:
    new, seen, back = "active_unacknowledged", "active_acknowledged", "returned_unacknowledged"
    rows = [
        (
            "elevator-b1-u1",
            "elevator-trapped",
            1,
            new,
            "电梯困人",
            "Person trapped in the lift",
            3,
            "fault = trapped, 5 s",
            1,
        ),
        ("door-b1-u1", "door-forced", 2, new, "强行开门", "Door forced open", 5, "door_forced", 3),
        ("pump-1", "pump-over-pressure", 2, seen, "水泵超压", "Pump over pressure", 9, "641.5 kPa > 600 kPa, 30 s", 1),
        ("door-garage-2", "door-held-open", 3, back, "门开超时", "Door held open", 22, "open 74 s", 1),
        ("em-b2-017", "device-silent", 3, new, "设备无数据", "Device silent", 44, "5 min", 1),
        ("barrier-out", "barrier-obstructed", 3, seen, "道闸受阻", "Barrier obstructed", 130, "obstructed", 6),
        ("env-1", "air-quality", 4, new, "空气质量下降", "Air quality falling", 65, "PM2.5 82 µg/m³", 1),
    ]
    ids = [
        add_alarm(
            link,
            home,
            by_code[code].id,
            rule,
            priority,
            state,
            zh,
            en,
            now - timedelta(minutes=ago),
            text=text,
            count=count,
        )
        for code, rule, priority, state, zh, en, ago, text, count in rows
    ]
    link.execute("INSERT INTO hub.alarm_link VALUES (%s, %s, 'work_order', 'WO-20261121-0007')", [home, ids[1]])
    return ids


def _letters(link: "psycopg.Connection[Any]", community: int, now: datetime) -> list[int]:
    ids = []
    for number, (reason, detail, raw) in enumerate(
        [
            ("syntax", "not JSON: line 1, column 7", b'{"ts": oops, "door": "open"}'),
            ("unknown_device", "no device gm-999 on this bus", b'{"device":"gm-999","v":12}'),
            ("too_large", "70 000 bytes, at most 65 536", bytes(range(256)) * 2),
        ]
    ):
        row = link.execute(
            "INSERT INTO hub.dead_letter"
            " (community_id, bus, source, reason, detail, hash, raw, size, count, first_at, last_at)"
            " VALUES (%s, 'mqtt-main', %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id",
            [
                community,
                "community/demo/door/door-b1-u2/event",
                reason,
                detail,
                bytes([number]) * 8,
                raw,
                len(raw),
                number * 3 + 1,
                now - timedelta(hours=1),
                now - timedelta(minutes=number),
            ],
        ).fetchone()
        assert row is not None
        ids.append(int(row[0]))
    link.execute("INSERT INTO hub.drop_count VALUES (%s, 'gw-b2', 'telemetry', 42, %s)", [community, now])
    return ids


def _foreign(link: "psycopg.Connection[Any]", community: int, now: datetime) -> dict[str, Any]:
    """One of everything in the other community: nobody at home may ever see it."""
    row = link.execute(
        "INSERT INTO hub.device (community_id, code, kind, profile, place, bus, name)"
        " VALUES (%s, 'door-x', 'door', 'p', 'x', 'b', '{\"zh\": \"SECRET\", \"en\": \"SECRET\"}') RETURNING id",
        [community],
    ).fetchone()
    assert row is not None
    device = int(row[0])
    point = link.execute(
        "INSERT INTO hub.point (community_id, device_id, name, unit, type)"
        " VALUES (%s, %s, 'open', '1', 'state') RETURNING id",
        [community, device],
    ).fetchone()
    assert point is not None
    _last(link, community, point[0], now, 1.0, 0)
    command = uuid4()
    link.execute(
        "INSERT INTO hub.command VALUES"
        " (%s, %s, %s, 'open', 'SECRET', 'user:stranger', 'key-0000', %s, %s, 'unknown', '', NULL, %s)",
        [command, community, device, now, now, now],
    )
    ts = now - timedelta(minutes=1)
    link.execute(
        "INSERT INTO telemetry.event (ts, received, id, frame_key, device_id, community_id, name, data)"
        " VALUES (%s, %s, %s, %s, %s, %s, 'door_forced', '{\"note\": \"SECRET\"}')",
        [ts, ts, uuid4(), uuid4(), device, community],
    )
    alarm = add_alarm(link, community, device, "door-forced", 1, "active_unacknowledged", "SECRET", "SECRET", now)
    return {
        "device": device,
        "point": int(point[0]),
        "command": command,
        "alarm": alarm,
        "letter": _letters(link, community, now)[0],
    }
