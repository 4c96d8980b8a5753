"""A hub's notifications over a real database, and the receivers they are sent to: real HTTP servers on this machine."""

import asyncio
import json
import os
import random
import ssl
import subprocess
import sys
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_string, policy
from email.message import EmailMessage
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec
import psycopg
from psycopg.types.json import Jsonb

from hub.alarms import book
from hub.alarms.desk import AlarmDesk
from hub.alarms.jobs import Happened
from hub.catalog.paths import packaged_config
from hub.clock import FakeClock
from hub.commands.desk import CommandDesk
from hub.context import Context, Status
from hub.live import Live
from hub.model import Device, Event, Frame, frame_key
from hub.principal import Principal
from hub.reports import Reports
from hub.settings import Settings
from hub.store.database import Database, connect_ingest
from hub.store.migrate import migrate
from modules.duty import DutyPlugin
from modules.notifications import NotificationsPlugin, Parts
from modules.notifications.outgoing import Gateway
from rules.evaluator import RuleEvaluator
from rules.load import load_rules
from tests.integration.postgres import ROOT, close_database, new_database
from tests.unit.demo_devices import demo_catalog, demo_devices

NOW = datetime(2026, 11, 21, 4, tzinfo=UTC)  # noon in Shanghai


@dataclass
class Got:
    """One request as a receiver saw it."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """An HTTP server that answers as told: a status, a status with headers and body, or "hang"."""

    answers: list[Any] = field(default_factory=list)  # the next ones; then `usual`
    usual: Any = 200
    refusing: bytes = b""  # whatever holds this is answered 400
    before: Callable[[], Awaitable[None]] | None = None  # done once it has the message, before it answers
    got: list[Got] = field(default_factory=list)
    url: str = ""
    server: Any = None

    async def __aenter__(self) -> "Receiver":
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lines = head.split("\r\n")
            headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.got.append(Got(lines[0].split()[1], headers, body))
            if self.before is not None:
                await self.before()
            answer = self.answers.pop(0) if self.answers else self.usual
            if self.refusing and self.refusing in body:
                answer = 400
            if answer == "hang":
                await asyncio.sleep(60)
            status, more, text = answer if isinstance(answer, tuple) else (answer, {}, b"")
            extra = "".join(f"{name}: {value}\r\n" for name, value in more.items())
            writer.write(f"HTTP/1.1 {status} X\r\n{extra}Content-Length: {len(text)}\r\n\r\n".encode() + text)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@dataclass
class MailServer:
    """An SMTP server that refuses some addresses; with `tls` it wants STARTTLS and then a sign-in."""

    refused: set[str] = field(default_factory=set)
    dropping: int = 0  # so many mails are taken and the connection dies before that is said
    leaving: asyncio.Event | None = None  # that it says good-bye only then
    tls: ssl.SSLContext | None = None
    signed_in: list[bytes] = field(default_factory=list)  # what AUTH PLAIN gave
    got: list[tuple[str, EmailMessage]] = field(default_factory=list)  # to whom, what
    port: int = 0
    server: Any = None

    async def __aenter__(self) -> "MailServer":
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to, open_ = "", self.tls is None
        try:
            writer.write(b"220 test\r\n")
            while line := (await reader.readline()).decode().strip():
                word, _, rest = line.partition(" ")
                match word.upper():
                    case "EHLO":
                        more = "" if self.tls is None else "250-AUTH PLAIN\r\n" if open_ else "250-STARTTLS\r\n"
                        writer.write(f"250-test\r\n{more}250 ok\r\n".encode())
                    case "STARTTLS":
                        writer.write(b"220 go on\r\n")
                        await writer.start_tls(self.tls)
                        open_ = True
                    case "AUTH":
                        self.signed_in.append(b64decode(rest.partition(" ")[2]))
                        writer.write(b"235 welcome\r\n")
                    case "MAIL" if not open_ or (self.tls is not None and not self.signed_in):
                        writer.write(b"530 no\r\n")
                    case "RCPT":
                        to = rest.partition("<")[2].partition(">")[0]
                        writer.write(b"550 nobody\r\n" if to in self.refused else b"250 ok\r\n")
                    case "DATA":
                        writer.write(b"354 go on\r\n")
                        text = (await reader.readuntil(b"\r\n.\r\n")).decode()
                        self.got.append((to, message_from_string(text, policy=policy.default)))
                        self.dropping -= 1
                        if self.dropping >= 0:
                            break
                        writer.write(b"250 ok\r\n")
                    case "QUIT":
                        if self.leaving is not None:
                            await self.leaving.wait()
                        writer.write(b"221 bye\r\n")
                        break
                    case _:
                        writer.write(b"250 ok\r\n")
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@cache
def migrated(url: str) -> str:
    """The name of a database on this server with the hub's tables, this module's and duty's, to be copied."""
    template = new_database(url)
    migrate(template, [NotificationsPlugin().migrations(), DutyPlugin().migrations()])
    name = urlsplit(template).path[1:]
    close_database(url, name)
    return name


def insert(link: psycopg.Connection[Any], table: str, **values: Any) -> int:
    """A row as superuser; its id."""
    row = link.execute(  # type: ignore[call-overload]
        f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join(['%s'] * len(values))}) RETURNING id",
        [Jsonb(value) if isinstance(value, dict) else value for value in values.values()],
    ).fetchone()
    return int(row[0])


FILE = """
community: demo
public_url: https://hub.example.com
gateways: [127.0.0.0/8]
people:
  - {{person: boss, name: 王经理, phone: "13900000099", account: boss}}
  - {{person: lee, name: Lee, phone: "13900000001", email: lee@example.com, language: en}}
  - {{person: g11, name: 徐长江, email: xu@example.com}}
  - {{person: li, name: 李志强, account: guard, email: li@example.com, push: KeyOfLi}}
channels: {channels}
escalation: {escalation}
"""


class Ground:
    """One community with a door and an alarm."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        with psycopg.connect(url) as link:
            self.here, self.there = (
                insert(link, "hub.community", code=code, name={"zh": code, "en": code}, time_zone="Asia/Shanghai")
                for code in ("demo", "other")
            )
            self.door = insert(
                link, "hub.device", community_id=self.here, code="door-b1-u1", kind="door", profile="p", place="b1/u1",
                bus="b", name={"zh": "1号楼1单元门", "en": "Door of building 1 unit 1"},
            )  # fmt: skip
        self.engineer = Principal("user:gong", self.here, "engineer")
        (folder / "notifications").mkdir()
        self.clock = FakeClock(NOW)

    def write(self, channels: list[dict[str, Any]], escalation: Mapping[str, Any] | None = None) -> None:
        """The community's file."""
        steps = escalation or ({"high": [{"channels": [one["id"] for one in channels]}]} if channels else {})
        names = [{"name": {"zh": one["id"], "en": one["id"]}, **one} for one in channels]
        text = FILE.format(channels=json.dumps(names), escalation=json.dumps(steps))
        (self.folder / "notifications" / "demo.yaml").write_text(text, encoding="utf-8")

    def alarm(self, **more: Any) -> int:
        """An alarm that sounded now."""
        now = self.clock.now()
        values = {
            "condition": f"door-forced:{uuid4()}", "rule": "door-forced", "priority": 2,
            "state": "active_unacknowledged", "title": {"zh": "强行开门", "en": "Door forced open"},
            "text": {"zh": "门被强行打开", "en": "The door was forced"}, "raised_at": now, "changed_at": now,
            "annunciated_at": now, "community_id": self.here, "device_id": self.door,
        }  # fmt: skip
        with psycopg.connect(self.url) as link:
            return insert(link, "hub.alarm", **{**values, **more})

    async def forced(self) -> int:
        """The door is forced, by the shipped rules and the real alarm book; the alarm's number."""
        catalog = demo_catalog()
        rules, problems = load_rules([packaged_config()], catalog.kinds)
        assert not problems
        known = next(one for one in demo_devices() if one.code == "door-b1-u1")
        door = msgspec.structs.replace(known, id=self.door, community_id=self.here)
        evaluator = RuleEvaluator(rules)
        evaluator.load([])
        evaluator.configure({door.id: door}, self.clock.now_us() - 1)
        decision = evaluator.evaluate([_said(door, "door_forced", self.clock.now_us())], self.clock.now_us())
        connection = await connect_ingest(self.url, [self.here])
        try:
            async with connection.transaction():
                await book.apply(connection, decision.alarms, self.clock.now(), {door.id: door})
        finally:
            await connection.close()
        [(number,)] = self.rows("SELECT max(id) FROM hub.alarm")
        return int(number)

    def job(self, alarm_id: int) -> dict[str, Any]:
        """What a job of this alarm is given."""
        [(at,)] = self.rows("SELECT annunciated_at FROM hub.alarm WHERE id = %s", alarm_id)
        return Happened("alarm_annunciated", self.here, alarm_id, at).arguments

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as link:
            cursor = link.execute(query, values)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def states(self) -> dict[str, int]:
        found = self.rows("SELECT state, count(*) FROM notifications.delivery GROUP BY state")
        return dict(found)  # type: ignore[arg-type]

    @asynccontextmanager
    async def running(
        self, *, clock: Any = None, gateway: Gateway | None = None, ports: Mapping[str, Any] | None = None,
        devices: Mapping[int, Any] | None = None,
    ) -> AsyncIterator[Parts]:  # fmt: skip
        """The module over this database, its time an injected clock."""
        database, live, clock = Database(self.url), Live(), clock or self.clock
        await database.open()

        async def no_replay(community_id: int, ids: list[int]) -> int:
            return 0

        context = Context(
            settings=Settings(database_url=self.url, config_dir=self.folder, data_dir=self.folder / "data"),
            clock=clock, database=database, live=live, status=Status(), alarms=AlarmDesk(database, clock, live),
            commands=CommandDesk(database, clock, live, dict, lambda device: None),  # type: ignore[arg-type,return-value]
            devices=devices or {}, communities={"demo": self.here, "other": self.there}, replay=no_replay,
            reports=Reports(database), ports=dict(ports or {}),
        )  # fmt: skip
        try:
            plug = NotificationsPlugin({}, gateway)
            self.plug = plug
            parts = plug.of(context)
            parts.pump._random = random.Random(7)
            yield parts
        finally:
            await database.close()

    async def tell(self, parts: Parts, alarm_id: int) -> None:
        """As the job behind `alarm_annunciated` does, and work off what is due."""
        await parts.telling.annunciated(**self.job(alarm_id))
        await parts.pump.settle()

    async def pass_time(self, parts: Parts, seconds: float, each: float = 1.0) -> None:
        """Let the injected clock run, the pump looking again and again."""
        end = self.clock.now() + timedelta(seconds=seconds)
        while self.clock.now() < end:
            self.clock.advance(each)
            await parts.pump.settle()


def _said(device: Device, event: str, at: int) -> Frame:
    """A frame in which a device says that something happened."""
    key = frame_key(device.code, f"{at}", event.encode())
    return Frame(device=device, key=key, natural=True, timed=True, ts=at, received=at, source="test", raw=b"",
                 readings=[], events=[Event(key, event, {})])  # fmt: skip


def roster(*people: Mapping[str, Any]) -> Mapping[str, Callable[..., Any]]:
    """A duty roster as its module's port gives it."""

    async def on_shift(community_id: int, post: str | None, at: datetime) -> list[dict[str, Any]]:
        return [{**one, "shift": "s"} for one in people if post in (None, one["post"])]

    return {"duty.on_shift": on_shift}


_KILLED = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from hub.clock import SystemClock
from tests.integration.notifications_ground import Ground
ground = object.__new__(Ground)
ground.url, ground.folder, ground.here, ground.there = sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), 0
async def main():
    async with ground.running(clock=SystemClock()) as parts:
        await parts.pump.settle()
asyncio.run(main())
"""


def killed_at(ground: Ground, failpoint: str) -> int:
    """A process that delivers what is due, real time, until it dies there; its exit code, 0 or 137."""
    process = subprocess.run(
        [sys.executable, "-c", _KILLED, str(ROOT), ground.url, str(ground.folder), str(ground.here)],
        env={**os.environ, "HUB_FAILPOINT": f"{failpoint}:1"}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert process.returncode in (0, 137), process.stderr
    return process.returncode
