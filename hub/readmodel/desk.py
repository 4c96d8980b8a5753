"""The reading side of the desks: each use case for one principal, in the principal's community, or NotThere."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

from hub import audit
from hub.catalog.plans import Drawing, SitePlan
from hub.catalog.refusals import Refusal
from hub.clock import Clock
from hub.context import Context
from hub.model import Device
from hub.principal import RIGHTS, Principal
from hub.readmodel.trend import Trend, hourly_or_daily, raw
from hub.store.database import Database, NotThere, Row
from hub.store.queries import load_queries
from hub.vocabulary.base import Text

_SQL = load_queries("hub.readmodel")
END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)
LAST_ID = 2**62
LAST_UUID = UUID(int=2**128 - 1)
RAW_SPAN = timedelta(hours=26)
HOUR_SPAN = timedelta(days=62)
RAW_MOST = 20_000


class ReadDesk:
    """Places, devices, values, trends, events, frames, dead letters, figures and the audit log."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._database: Database = context.database
        self._clock: Clock = context.clock

    @property
    def _devices(self) -> Mapping[int, Device]:
        return self._context.devices

    async def places(self, who: Principal) -> list[Row]:
        """Every place: path, kind, name; by path, so that a parent comes before its children."""
        return await self._all(who, _SQL["places"], {})

    def plan(self, who: Principal) -> SitePlan:
        """The drawings of the community and where things stand on them; empty where there are none."""
        return self._context.plans.get(who.community_id) or SitePlan()

    def drawing(self, who: Principal, name: str) -> Drawing:
        """A drawing of the community by its name. NotThere."""
        for drawing in self.plan(who).drawings.values():
            if drawing.name == name:
                return drawing
        raise NotThere(f"drawing {name}")

    async def devices(self, who: Principal, *, after: str = "", limit: int = 500) -> list[Row]:
        """Devices by code with state (None: nothing heard yet), last seen and live alarms; `after`: last code seen."""
        async with self._database.session([who.community_id]) as connection:
            values = {"community_id": who.community_id, "after": after, "limit": limit}
            rows = await (await connection.execute(_SQL["devices"], values)).fetchall()
            seen = await (await connection.execute(_SQL["seen"], {"ids": [row["id"] for row in rows]})).fetchall()
        heard = {row["device_id"]: row["received"] for row in seen}
        return [{**row, "kind_label": self._kind(row), "seen": heard.get(row["id"])} for row in rows]

    async def device(self, who: Principal, device_id: int) -> Row:
        """One device with its points (last value, quality, stamp) and what its kind says of them. NotThere."""
        values = {"id": device_id, "device_id": device_id, "community_id": who.community_id, "ids": [device_id]}
        async with self._database.session([who.community_id]) as connection:
            row = await (await connection.execute(_SQL["device"], values)).fetchone()
            if row is None:
                raise NotThere(f"device {device_id}")
            seen = await (await connection.execute(_SQL["seen"], values)).fetchone()
            points = await (await connection.execute(_SQL["points"], values)).fetchall()
            lasts = await (await connection.execute(_SQL["last_values"], values)).fetchall()
        known = {last["point_id"]: last for last in lasts}
        described = [{**point, **self._meaning(device_id, point["name"]), **_last(known.get(point["id"]))}
                     for point in points]  # fmt: skip
        return {**row, "kind_label": self._kind(row), "seen": seen["received"] if seen else None, "points": described,
                "commands": self._commands(who, device_id)}  # fmt: skip

    async def several(
        self, who: Principal, ids: Collection[int], *, events: int = 3, before: datetime = END_OF_TIME
    ) -> list[Row]:
        """Devices by place, each as `device` gives it and with its last `events` before a moment; others are left out.

        At most 500 devices; private fields of events are masked as by `events`.
        """
        values = {"ids": sorted(ids)[:500], "community_id": who.community_id, "before": before,
                  "before_id": LAST_UUID, "limit": events}  # fmt: skip
        async with self._database.session([who.community_id]) as connection:
            rows = await (await connection.execute(_SQL["some_devices"], values)).fetchall()
            seen = await (await connection.execute(_SQL["seen"], values)).fetchall()
            points = await (await connection.execute(_SQL["some_points"], values)).fetchall()
            lasts = await (await connection.execute(_SQL["last_values"], values)).fetchall()
            said = await (await connection.execute(_SQL["some_events"], values)).fetchall()
        heard = {row["device_id"]: row["received"] for row in seen}
        known = {last["point_id"]: last for last in lasts}
        found: dict[int, Row] = {
            row["id"]: {**row, "kind_label": self._kind(row), "seen": heard.get(row["id"]), "points": [], "events": [],
                        "commands": self._commands(who, row["id"])} for row in rows
        }  # fmt: skip
        for point in points:
            if point["device_id"] in found:
                meaning = self._meaning(point["device_id"], point["name"])
                found[point["device_id"]]["points"].append({**point, **meaning, **_last(known.get(point["id"]))})
        for event in said:
            if event["device_id"] in found:
                found[event["device_id"]]["events"].append(self._event(who, event))
        return list(found.values())

    def _kind(self, row: Row) -> Row:
        device = self._devices.get(row["id"])
        return both(device.kind.name) if device else {"zh": row["kind"], "en": row["kind"]}

    def _meaning(self, device_id: int, point: str) -> Row:
        device = self._devices.get(device_id)
        spec = device.kind.points.get(point) if device else None
        if device is None or spec is None:
            return {"label": {"zh": point, "en": point}, "values": {}, "words": {}}
        words = {code: both(device.kind.word(code)) for code in spec.values}
        return {"label": both(spec.name), "values": dict(spec.values), "words": words}

    def _commands(self, who: Principal, device_id: int) -> list[Row]:
        device = self._devices.get(device_id)
        if device is None:
            return []
        return [{"name": name, "label": both(spec.name), "allowed": who.role in spec.roles,
                 "reason_required": spec.reason_required, "ttl_s": spec.ttl.total_seconds()}
                for name, spec in device.kind.commands.items()]  # fmt: skip

    async def trend(self, who: Principal, point_id: int, since: datetime, until: datetime, most: int = 500) -> Trend:
        """A point's line in [since, until): raw up to 26 h, hours up to 62 days, else days; at most `most` rows.

        NotThere. A raw line of over 20 000 samples falls back to hours.
        """
        values: dict[str, Any] = {
            "id": point_id, "community_id": who.community_id, "since": since, "until": until, "most": RAW_MOST + 1,
        }  # fmt: skip
        async with self._database.session([who.community_id]) as connection:
            point = await (await connection.execute(_SQL["point"], values)).fetchone()
            if point is None:
                raise NotThere(f"point {point_id}")
            point |= self._meaning(point["device_id"], point["name"])
            if until - since <= RAW_SPAN:
                rows = await (await connection.execute(_SQL["samples"], values)).fetchall()
                if len(rows) <= RAW_MOST:
                    held = None
                    if point["type"] == "state":
                        held = await (await connection.execute(_SQL["before"], values)).fetchone()
                    return raw(point, since, until, rows, most, held, self._clock.now())
            step = "hour" if until - since <= HOUR_SPAN else "day"
            rows = await (await connection.execute(_SQL["hours" if step == "hour" else "days"], values)).fetchall()
        return hourly_or_daily(point, since, until, rows, most, "hour" if step == "hour" else "day")

    async def events(
        self, who: Principal, *, device_id: int | None = None, before: tuple[datetime, UUID] | None = None,
        limit: int = 100,
    ) -> list[Row]:  # fmt: skip
        """Device events newest first, each with what `told` says of it. NotThere.

        Private fields are masked for roles without the right `work`.
        """
        moment, number = before or (END_OF_TIME, LAST_UUID)
        values = {"device_id": device_id, "before": moment, "before_id": number, "limit": limit,
                  "community_id": who.community_id, "id": device_id}  # fmt: skip
        async with self._database.session([who.community_id]) as connection:
            if device_id is not None and await (await connection.execute(_SQL["device"], values)).fetchone() is None:
                raise NotThere(f"device {device_id}")
            rows = await (await connection.execute(_SQL["events"], values)).fetchall()
        return [self._event(who, row) for row in rows]

    def _event(self, who: Principal, row: Row) -> Row:
        return {**row, **told(who, self._devices.get(row["device_id"]), row["name"], row["data"])}

    async def frames(self, who: Principal, device_id: int, since: datetime, until: datetime, limit: int) -> list[Row]:
        """Raw bytes of a device, newest first. They may hold cards and plates: right `work`. NotThere, Refused(403)."""
        who.require("work")
        values = {"id": device_id, "device_id": device_id, "since": since, "until": until, "limit": limit,
                  "community_id": who.community_id}  # fmt: skip
        async with self._database.session([who.community_id]) as connection:
            if await (await connection.execute(_SQL["device"], values)).fetchone() is None:
                raise NotThere(f"device {device_id}")
            return await (await connection.execute(_SQL["frames"], values)).fetchall()

    async def dead_letters(
        self, who: Principal, *, before: tuple[datetime, int] | None = None, limit: int = 100
    ) -> list[Row]:
        """What nobody could use, last seen first, without the bytes."""
        moment, number = before or (END_OF_TIME, LAST_ID)
        return await self._all(who, _SQL["dead_letters"], {"before": moment, "before_id": number, "limit": limit})

    async def dead_letter(self, who: Principal, letter_id: int) -> Row:
        """One with its bytes, for who may replay it. NotThere, Refused(403)."""
        who.require("replay")
        rows = await self._all(who, _SQL["dead_letter"], {"id": letter_id})
        if not rows:
            raise NotThere(f"dead letter {letter_id}")
        return rows[0]

    async def replay(self, who: Principal, ids: list[int]) -> int:
        """Send dead letters through the pipeline again; gives how many went. Refused(403)."""
        who.require("replay")
        count = await self._context.replay(who.community_id, ids)
        async with self._database.session([who.community_id]) as connection:
            await audit.record(
                connection, who, "dead_letter.replay", "dead_letters", self._clock.now(),
                {"ids": ids[:500], "replayed": count},
            )  # fmt: skip
        return count

    async def counts(self, who: Principal) -> Row:
        """The figures of the header: devices, not connected, live and new alarms, dead letters, drops."""
        rows = await self._all(who, _SQL["counts"], {"rate_since": self._clock.now() - timedelta(minutes=10)})
        return rows[0]

    async def system(self, who: Principal) -> Row:
        """How the process is: parts, counters, queue, lag; and what this community lost and set aside."""
        status = self._context.status
        return {
            "now": self._clock.now(),
            "parts": [{"part": p.part, "state": p.state, "since": p.since, "attempts": p.attempts,
                       "last_error": p.last_error, "next_attempt": p.next_attempt}
                      for _, p in sorted(status.parts.items())],
            "counters": dict(sorted(status.counters.items())),
            "queue": status.queue,
            "queue_size": self._context.settings.queue_size,
            "lag_us": status.lag_us,
            "last_commit": status.last_commit,
            "readers": self._context.live.readers,
            "counts": await self.counts(who),
            "drops": await self._all(who, _SQL["drops"], {}),
            "refused": self.refused(who),
        }  # fmt: skip

    def refused(self, who: Principal) -> list[Refusal]:
        """Changed files that are not in force, for who may configure; for all others none."""
        if who.role not in RIGHTS["configure"]:
            return []
        communities = self._context.communities
        code = next((code for code, number in communities.items() if number == who.community_id), "")
        return self._context.refusals.seen_in(code, communities)

    async def audit(self, who: Principal, *, before: tuple[datetime, int] | None = None, limit: int = 100) -> list[Row]:
        """The audit log, newest first. Refused(403)."""
        who.require("administer")
        moment, number = before or (END_OF_TIME, LAST_ID)
        return await self._all(who, _SQL["audit"], {"before": moment, "before_id": number, "limit": limit})

    async def _all(self, who: Principal, query: LiteralString, values: dict[str, Any]) -> list[Row]:
        async with self._database.session([who.community_id]) as connection:
            cursor = await connection.execute(query, {"community_id": who.community_id, **values})
            return await cursor.fetchall()


def both(text: Text) -> dict[str, str]:
    """A text as rows carry it."""
    return {"zh": text.zh, "en": text.en}


def told(who: Principal, device: Device | None, event: str, data: dict[str, Any]) -> Row:
    """What an event is called and says, as this role may see it: `label`, its `data`, the names of their `fields`, and
    by field the `words` of those that are codes."""
    shown, spec = mask(who, device, event, data), device.kind.events.get(event) if device else None
    if device is None or spec is None:
        return {"label": {"zh": event, "en": event}, "data": shown, "fields": {}, "words": {}}
    words = {key: both(device.kind.word(str(value))) for key, value in shown.items()
             if key in spec.data and spec.data[key].type == "code"}  # fmt: skip
    fields = {key: both(field.name) for key, field in spec.data.items()}
    return {"label": both(spec.name), "data": shown, "fields": fields, "words": words}


def mask(who: Principal, device: Device | None, event: str, data: dict[str, Any]) -> dict[str, Any]:
    """Event data as this role may see it: cards and plates keep their last two characters without right `work`.

    Of an event its kind does not know, such a role sees no text at all.
    """
    if who.role in RIGHTS["work"]:
        return data
    spec = device.kind.events.get(event) if device else None
    if spec is None:
        return {key: value for key, value in data.items() if not isinstance(value, str)}
    return {key: f"***{str(value)[-2:]}" if key in spec.data and spec.data[key].private else value
            for key, value in data.items()}  # fmt: skip


def _last(row: Row | None) -> Row:
    if row is None:
        return {"value": None, "quality": None, "ts": None}
    return {"value": row["value"], "quality": row["quality"], "ts": row["ts"]}
