"""The demo community with its patrols on a real database, a clock that is told, and short hands for what tests do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, cast
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg

from hub.catalog.devices import build_devices
from hub.clock import FakeClock
from hub.context import Context, Status
from hub.live import Live
from hub.model import Device
from hub.principal import Principal
from hub.reports import Reports
from hub.settings import Settings
from hub.store.database import Database
from hub.store.migrate import migrate
from modules.patrol import PatrolPlugin, make_patrols
from modules.patrol.phone import PhoneClock
from modules.patrol.plans import PatrolFile, PositionSpec
from modules.patrol.service import Patrols
from tests.integration.postgres import close_database, new_database
from tests.unit.demo_devices import demo_catalog

NOW = datetime(2026, 11, 21, 17, 58, 30, tzinfo=UTC)  # 01:58:30 in Shanghai; the garden round opens at 01:59
BEGIN = datetime(2026, 11, 21, 18, tzinfo=UTC)
GUARD_CARD = "A1B2C3D4"


@cache
def template(url: str) -> str:
    """The name of a migrated database with this module's tables, to be copied."""
    made = new_database(url)
    migrate(made, [PatrolPlugin().migrations()])
    name = urlsplit(made).path[1:]
    close_database(url, name)
    return name


class _Ids:
    """Numbers communities, devices and points as the store does."""

    def __init__(self, link: "psycopg.Connection[Any]") -> None:
        self._link = link
        self._known: dict[tuple[object, ...], int] = {}

    def _number(self, key: tuple[object, ...], query: str) -> int:
        if key not in self._known:
            row = self._link.execute(query, key[1:]).fetchone()  # type: ignore[call-overload]
            self._known[key] = int(row[0])
        return self._known[key]

    def community(self, code: str) -> int:
        return self._number(("community", code), "SELECT id FROM hub.community WHERE code = %s")

    def device(self, community_id: int, code: str) -> int:
        return self._number(
            ("device", community_id, code),
            "INSERT INTO hub.device (community_id, code, kind, profile, place, bus, name)"
            " VALUES (%s, %s, 'k', 'p', 'x', 'b', '{}')"
            " ON CONFLICT (community_id, code) DO UPDATE SET code = excluded.code RETURNING id",
        )

    def point(self, device_id: int, name: str) -> int:
        return self._number(
            ("point", name, device_id),
            "INSERT INTO hub.point (community_id, device_id, name, unit, type)"
            " SELECT community_id, id, %s, '1', 'gauge' FROM hub.device WHERE id = %s"
            " ON CONFLICT (device_id, name) DO UPDATE SET name = excluded.name RETURNING id",
        )


def _community(link: "psycopg.Connection[Any]", code: str) -> int:
    row = link.execute(
        "INSERT INTO hub.community (code, name, time_zone) VALUES (%s, '{}', 'Asia/Shanghai') RETURNING id", [code]
    ).fetchone()
    assert row is not None
    return int(row[0])


@dataclass
class Ground:
    """What the tests need."""

    url: str
    context: Context
    clock: FakeClock
    home: int
    foreign: int
    devices: dict[str, Device]
    patrols: Patrols

    def who(self, role: Any = "guard", name: str = "li") -> Principal:
        return Principal(f"user:{name}", self.home, role)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as link:
            return link.execute(query, values).fetchall()  # type: ignore[call-overload]

    def again(self) -> Patrols:
        """The module as after a restart: it knows what the database knows."""
        self.patrols = make_patrols(self.context)
        return self.patrols

    async def until(self, moment: datetime, step_s: float = 5.0) -> None:
        """Time passes, and the keeper looks as often as it would."""
        while self.clock.now() < moment:
            self.clock.advance(min(step_s, (moment - self.clock.now()).total_seconds()))
            await self.patrols.keeper.tick()

    async def tap(
        self, device: str, name: str = "checkpoint_read", *, at: datetime | None = None, event: str | None = None,
        card: str = GUARD_CARD,
    ) -> dict[str, Any]:  # fmt: skip
        """A device's event as the pipeline hands it to the job; its arguments, to hand them in again."""
        now = self.clock.now()
        arguments = {
            "community_id": self.home, "device_id": self.devices[device].id, "event_id": event or uuid4().hex,
            "name": name, "at": (at or now).isoformat(), "received": now.isoformat(),
            "data": {"card": card, "checkpoint": "x", "method": "card"},
        }  # fmt: skip
        await self.patrols.recorder.hear(**arguments)
        return arguments

    def told(self) -> list[str]:
        """What stands in the outbox, in order: device and event."""
        found = self.rows("SELECT device, body -> 'events' -> 0 ->> 0 FROM hub.report ORDER BY id")
        return [f"{device} {name}" for device, name in found]

    def round(self, plan: str = "garden-round", begins: datetime = BEGIN) -> dict[str, Any]:
        names = ("id", "state", "done", "proved_later", "people", "told", "wake_at", "visits")
        query = f"SELECT {', '.join(names)} FROM patrol.round WHERE plan = %s AND begins = %s"
        [row] = self.rows(query, plan, begins)
        return dict(zip(names, row, strict=True))

    def phone(self, *, ahead: timedelta = timedelta(), back: timedelta = timedelta(), boot: str = "one") -> PhoneClock:
        """The clocks of a phone whose wall clock is `ahead`, as they stood `back` ago."""
        now = self.clock.now() - back
        return PhoneClock(now + ahead, 100_000 + now.timestamp() - NOW.timestamp(), boot)


@asynccontextmanager
async def ground(postgres_url: str, **settings: Any) -> AsyncIterator[Ground]:
    """A fresh database with both communities; the clock stands at NOW until it is told otherwise."""
    url = new_database(postgres_url, template(postgres_url))
    with psycopg.connect(url, autocommit=True) as link:
        for code in ("demo", "other"):
            _community(link, code)
        link.execute("SELECT telemetry.ensure_day(%s)", [NOW.date()])
    async with opened(url, FakeClock(NOW), **settings) as found:
        yield found


@asynccontextmanager
async def opened(url: str, clock: Any, **settings: Any) -> AsyncIterator[Ground]:
    """The same over a database that was made before."""
    with psycopg.connect(url, autocommit=True) as link:
        ids = _Ids(link)
        home, foreign = ids.community("demo"), ids.community("other")
        by_id = build_devices(demo_catalog(), ids)
    database, nobody = Database(url), cast(Any, None)  # alarms and commands are no part of a patrol

    async def person_of_card(community_id: int, card: str) -> dict[str, Any] | None:
        known = {GUARD_CARD: {"person": "zhao", "name": "赵强", "account": None}}
        return known.get(card) if community_id == home else None

    context = Context(
        settings=Settings(database_url=url, **settings), clock=clock, database=database, live=Live(), status=Status(),
        alarms=nobody, commands=nobody, devices=by_id, communities={"demo": home, "other": foreign}, replay=nobody,
        reports=Reports(database), ports={"duty.person_of_card": person_of_card},
    )  # fmt: skip
    devices = {device.code: device for device in by_id.values()}
    await database.open()
    try:
        yield Ground(url, context, clock, home, foreign, devices, make_patrols(context))
    finally:
        await database.close()


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


async def printed_codes(here: Ground) -> dict[str, str]:
    return {one.id: code for one, code in await here.patrols.printed(here.who("admin"))}


def placed(here: Ground, *checkpoints: str) -> PatrolFile:
    """The community's patrols with these checkpoints at 31.2304 N, 121.4737 E."""
    file = here.patrols.file(here.who())
    assert file is not None
    spot = {"position": PositionSpec(lat=31.2304, lon=121.4737)}
    found = [one.model_copy(update=spot) if one.id in checkpoints else one for one in file.checkpoints]
    return file.model_copy(update={"checkpoints": found})
