"""The evidence desk: one alarm's time line, and as a sealed pack for people outside; its pictures for the drawer."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

import msgspec

from hub import audit
from hub.context import Context
from hub.errors import Refused
from hub.evidence import timeline
from hub.evidence.model import Entry, Evidence, Medium, Series
from hub.evidence.pack import build, manifest_hash
from hub.evidence.words import Words, both
from hub.media import clips, snapshots, store
from hub.principal import RIGHTS, Principal
from hub.store.database import Connection, NotThere, Row
from hub.store.queries import load_queries

_SQL = load_queries("hub.evidence")
QUARTER_S = 900
LONGEST_S = 86_400
MOST_ENTRIES = 10_000
MOST_SAMPLES = 100_000
MOST_CLIP_BYTES = 64_000_000
MOST_AT_ONCE = 2
"""Of the clips in a pack: those of four cameras always fit."""

_ALTERED = both("视频片段已被改动，不在包内", "clip altered in the store, left out")
_TOO_MANY = both("包已满，视频片段不在包内", "clip left out: the pack is full")


class EvidenceDesk:
    """Use cases over what the store knows around an alarm, for one principal at a time.

    Cards and plates are masked, raw frames, snapshots and clips withheld, for roles without the right `work`.
    """

    _making: ClassVar[int] = 0  # of the process: a pack takes several times its size of memory

    def __init__(self, context: Context) -> None:
        self._context = context

    async def timeline(
        self, who: Principal, alarm_id: int, before_s: int = QUARTER_S, after_s: int = QUARTER_S
    ) -> list[Row]:
        """Lines by time: at, sort, what {zh, en}, device, device_name, place, actor, note, data.

        NotThere; Refused(422).
        """
        _check_span(before_s, after_s)
        notices = await self._notices(who, alarm_id)
        async with self._context.database.session([who.community_id]) as connection:
            alarm = await _alarm(connection, who, alarm_id)
            values = _values(alarm, before_s, after_s)
            entries = await self._entries(connection, who, alarm, values, notices, {})
        return [msgspec.structs.asdict(entry) for entry in entries]

    async def snapshots(self, who: Principal, alarm_id: int) -> list[Row]:
        """What each camera gave when the alarm was raised, as `hub.media.snapshots.of_alarm`. NotThere; Refused(403)
        for roles that may not see cards and plates."""
        who.require("work")
        async with self._context.database.session([who.community_id]) as connection:
            await _alarm(connection, who, alarm_id)
            return await snapshots.of_alarm(connection, who.community_id, alarm_id)

    async def pack(
        self, who: Principal, alarm_id: int, before_s: int = QUARTER_S, after_s: int = QUARTER_S
    ) -> tuple[str, bytes]:
        """(file name, ZIP). That it was made is in the audit log with its manifest's SHA-256: that is its seal.

        NotThere; Refused: 422 for a span over 24 h or more in it than a pack holds, 503 `busy` while two are made.
        """
        _check_span(before_s, after_s)
        if EvidenceDesk._making >= MOST_AT_ONCE:
            raise Refused("busy", "too many evidence packs at once; try again", 503)
        EvidenceDesk._making += 1
        try:
            notices = await self._notices(who, alarm_id)
            async with self._context.database.session([who.community_id]) as connection:
                evidence = await self._gather(connection, who, alarm_id, before_s, after_s, notices)
            packed = await asyncio.to_thread(build, evidence)
        finally:
            EvidenceDesk._making -= 1
        detail = {
            "manifest": manifest_hash(packed), "size": len(packed), "masked": evidence.masked,
            "since": evidence.since.isoformat(), "until": evidence.until.isoformat(),
        }  # fmt: skip
        async with self._context.database.session([who.community_id]) as connection:
            await store.hold(connection, who.community_id, [one.number for one in evidence.media if not one.is_clip])
            await clips.hold(connection, who.community_id, [one.number for one in evidence.media if one.is_clip])
            await audit.record(connection, who, "alarm.evidence", f"alarm:{alarm_id}", evidence.made_at, detail)
        return f"evidence-{evidence.community}-alarm-{alarm_id}-{evidence.made_at:%Y%m%dT%H%M%SZ}.zip", packed

    async def _gather(
        self, connection: Connection, who: Principal, alarm_id: int, before_s: int, after_s: int,
        notices: Sequence[Row],
    ) -> Evidence:  # fmt: skip
        alarm = await _alarm(connection, who, alarm_id)
        values = _values(alarm, before_s, after_s)
        community = await (await connection.execute(_SQL["community"], values)).fetchone()
        assert community is not None
        masked = who.role not in RIGHTS["work"]
        media, left_out = ([], {}) if masked else await self._media(connection, alarm)
        entries = await self._entries(connection, who, alarm, values, notices, left_out)
        series = await self._series(connection, alarm, values)
        head = await (await connection.execute(_SQL["head"], values)).fetchone()
        return Evidence(
            alarm, community["code"], community["name"], community["time_zone"], values["since"], values["until"],
            who.actor, self._context.clock.now(), masked, head["seq"] if head else 0,
            head["hash"].hex() if head else audit.GENESIS.hex(), entries, series, media,
        )  # fmt: skip

    async def _notices(self, who: Principal, alarm_id: int) -> list[Row]:
        """What was told of the alarm, where a module tells."""
        port = self._context.ports.get("notifications.deliveries")
        return list(await port(who, alarm_id)) if port else []

    async def _entries(
        self, connection: Connection, who: Principal, alarm: Row, values: dict[str, Any], notices: Sequence[Row],
        left_out: Mapping[UUID, Words],
    ) -> list[Entry]:  # fmt: skip
        known = self._context.devices
        history = await _fetch(connection, "history", values)
        stored = {row["id"]: row for row in await _fetch(connection, "devices", values)}
        values = {**values, "devices": list(stored)}
        events = await _fetch(connection, "events", values)
        commands = await _fetch(connection, "commands", values)
        causes = [alarm["cause"], *(row["cause"] for row in history)]
        frames = await _fetch(connection, "frames", {**values, "keys": list({key for key in causes if key})})
        media = await snapshots.of_alarm(connection, who.community_id, alarm["id"])
        entries = timeline.in_order(
            timeline.from_frames(who, alarm, frames),
            timeline.from_events(who, events, stored, known),
            timeline.from_history(alarm, history),
            timeline.from_commands(commands, stored, known),
            timeline.from_notices(alarm, notices),
            timeline.from_snapshots(who, media),
            timeline.from_clips(who, media, left_out),
        )
        if len(entries) > MOST_ENTRIES:
            raise _too_large(f"more than {MOST_ENTRIES} lines")
        return entries

    async def _media(self, connection: Connection, alarm: Row) -> tuple[list[Medium], dict[UUID, Words]]:
        """Pictures and clips, each once where calls of the alarm share it; clips that are left out, and why."""
        community_id = alarm["community_id"]
        rows = await snapshots.of_alarm(connection, community_id, alarm["id"])
        names = {
            row["picture_id"]: timeline.snapshot_name(row)
            for row in rows
            if row["picture_id"] is not None and not row["gone"] and not row["altered"]
        }
        media = [Medium(name, await store.read(connection, community_id, number), number)
                 for number, name in names.items()]  # fmt: skip
        left, left_out = MOST_CLIP_BYTES, dict[UUID, Words]()
        for number, row in {row["clip_id"]: row for row in rows if row["clip_id"] and not row["clip_gone"]}.items():
            body = await clips.read(connection, community_id, number) if row["clip_size"] <= left else None
            if body is None:
                left_out[number] = _TOO_MANY
            elif hashlib.sha256(body).digest() != row["clip_sha256"]:
                left_out[number] = _ALTERED
            else:
                left -= len(body)
                media.append(Medium(timeline.clip_name(row), body, number))
        return media, left_out

    async def _series(self, connection: Connection, alarm: Row, values: dict[str, Any]) -> list[Series]:
        device, left, series = self._context.devices.get(alarm["device_id"]), MOST_SAMPLES, []
        for point in await _fetch(connection, "points", values):
            asked = {**values, "point": point["id"], "most": left + 1}
            held = await _fetch(connection, "held", asked) if point["type"] == "state" else []
            rows = held + await _fetch(connection, "samples", asked)
            left -= len(rows)
            if left < 0:
                raise _too_large(f"more than {MOST_SAMPLES} samples")
            spec = device.kind.points.get(point["name"]) if device else None
            label = both(spec.name.zh, spec.name.en) if spec else both(point["name"], point["name"])
            called = {code: device.kind.word(code) for code in spec.values} if device and spec else {}
            words = {code: both(text.zh, text.en) for code, text in called.items()}
            said = [(row["ts"], row["value"], row["quality"]) for row in rows]
            series.append(Series(point["name"], label, point["unit"], dict(spec.values) if spec else {}, words, said))
        series.sort(key=lambda one: one.point != alarm["point"])  # the telling one first
        return series


def _check_span(before_s: int, after_s: int) -> None:
    if before_s < 0 or after_s < 0 or not 0 < before_s + after_s <= LONGEST_S:
        raise Refused("bad_period", f"before_s and after_s: 0 or more, together 1 to {LONGEST_S} seconds", 422)


def _values(alarm: Row, before_s: int, after_s: int) -> dict[str, Any]:
    raised: datetime = alarm["raised_at"]
    return {
        "id": alarm["id"], "community_id": alarm["community_id"], "device_id": alarm["device_id"],
        "place": alarm["place"], "since": raised - timedelta(seconds=before_s),
        "until": raised + timedelta(seconds=after_s), "most": MOST_ENTRIES + 1,
        "nearby": list(timeline.NEARBY), "everywhere": list(timeline.EVERYWHERE),
    }  # fmt: skip


async def _alarm(connection: Connection, who: Principal, alarm_id: int) -> Row:
    values = {"id": alarm_id, "community_id": who.community_id}
    row = await (await connection.execute(_SQL["alarm"], values)).fetchone()
    if row is None:
        raise NotThere(f"alarm {alarm_id}")
    return row


async def _fetch(connection: Connection, query: str, values: dict[str, Any]) -> list[Row]:
    return await (await connection.execute(_SQL[query], values)).fetchall()


def _too_large(what: str) -> Refused:
    return Refused("evidence_too_large", f"{what} in this time; choose a shorter one", 422)
