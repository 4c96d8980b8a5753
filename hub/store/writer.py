"""The pipeline's pen: one transaction a batch, COPY where rows are many."""

import hashlib
import struct
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format
from psycopg.types.json import Jsonb, set_json_dumps, set_json_loads

from hub.clock import from_us
from hub.decisions import Reason, RuleState
from hub.model import DeadLetter, Device, Frame, Point
from hub.store.database import connect_ingest, deadline
from hub.store.queries import load_queries
from hub.vocabulary.kinds import Delivery

_SQL = load_queries("hub.store", "writer.sql")
_HOUR_US = 3_600_000_000
_DAY_US = 86_400_000_000
_Y2000_US = 946_684_800_000_000
_pack = struct.Struct(">q").pack
_ONE_WRITER = 0x48554202  # the session lock of the one hub that writes
_DAYS_KEPT = 7  # the partition of an older day may be dropped by retention: asked for each time
UNTIMED_WINDOW_US = 7 * _DAY_US  # how far back a message without device time is looked for by its number
AHEAD_WINDOW_US = _DAY_US  # a redelivered one may have come first while its time was so far ahead
_BAD = 1
_LONGEST_S = 30.0  # a batch that takes longer has a frozen server: begin again on a new connection

FRAME_TYPES = ["timestamptz", "timestamptz", "uuid", "int4", "int4", "int4", "text", "bytea", "bool"]
EVENT_TYPES = ["timestamptz", "timestamptz", "uuid", "uuid", "int4", "int4", "text", "jsonb"]
SAMPLE_TYPES = ["timestamptz", "float8", "int4", "int4", "int2"]
LAST_TYPES = ["int4", "int4", "timestamptz", "float8", "int2"]


class _Key(bytes):
    """Marks the dumper below; the rows themselves hold plain bytes."""


class _KeyDumper(Dumper):
    """Writes 16 bytes as a uuid without a UUID object on the way: 20 000 a second would be felt."""

    oid = psycopg.adapters.types["uuid"].oid
    format = Format.BINARY

    def dump(self, obj: bytes) -> bytes:
        return obj


class _Instant(int):
    """Marks the dumper below; the rows themselves hold plain microseconds UTC."""


class _InstantDumper(Dumper):
    """Writes microseconds as a timestamptz (PostgreSQL counts them from 2000) without a datetime on the way."""

    oid = psycopg.adapters.types["timestamptz"].oid
    format = Format.BINARY

    def dump(self, obj: int) -> bytes:
        return _pack(obj - _Y2000_US)


Newest = dict[int, tuple[int, float | None, int, Point, int]]
"""point id -> (ts, value, quality, point, community id), the newest of a batch."""


async def _be_alone(connection: psycopg.AsyncConnection[Any]) -> None:
    """One hub writes to a database: rules and commands of two would contradict each other."""
    row = await (await connection.execute("SELECT pg_try_advisory_lock(%s)", [_ONE_WRITER])).fetchone()
    await connection.commit()
    if not (row and row[0]):
        await connection.close()
        raise psycopg.OperationalError("another hub writes to this database, or its connection has not ended yet")


class Writer:
    """Owns the ingest connection. Every method runs inside `transaction()`; psycopg.OperationalError when it breaks."""

    def __init__(self, conninfo: str, communities: Collection[int]) -> None:
        self._conninfo = conninfo
        self._communities = communities
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._days: set[int] = set()

    async def open(self) -> None:
        """Connect if not connected."""
        if self._connection is None or self._connection.closed:
            connection = await connect_ingest(self._conninfo, self._communities)
            await _be_alone(connection)
            connection.adapters.register_dumper(_Key, _KeyDumper)
            connection.adapters.register_dumper(_Instant, _InstantDumper)
            set_json_dumps(msgspec.json.encode, connection)
            set_json_loads(msgspec.json.decode, connection)
            for statement in _SQL["make_staging"].split(";"):
                await connection.execute(statement)
            await connection.commit()
            self._connection = connection

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    @property
    def connection(self) -> psycopg.AsyncConnection[Any]:
        assert self._connection is not None
        return self._connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """One batch. On any exception nothing of it stays; a broken connection is dropped for the next `open`."""
        await self.open()
        try:
            with deadline(self.connection, _LONGEST_S):
                async with self.connection.transaction():
                    yield
        except BaseException:
            if self.connection.broken:
                await self.close()
            raise

    # -- frames --------------------------------------------------------------------------------------------------

    async def ensure_days(self, frames: Sequence[Frame]) -> None:
        """Partitions for the days these frames fall on. In a transaction of its own, before the batch's."""
        days = {frame.ts // _DAY_US for frame in frames} - self._days
        if days:
            async with self.transaction():
                for day in sorted(days):
                    await self.connection.execute("SELECT telemetry.ensure_day(%s)", [from_us(day * _DAY_US).date()])
            today = max(frame.received for frame in frames) // _DAY_US
            self._days |= {day for day in days if today - day < _DAYS_KEPT}

    async def put_frames(self, frames: Sequence[Frame]) -> set[int]:
        """Store the raw frames; gives the indexes of those that were already there.

        Nearly every batch is all new: it goes straight into the table, and only where that table refuses a row, or a
        frame must be looked for by its number alone, by way of the staging table.
        """
        rows = [
            (f.ts, f.received, f.key, f.device.id, f.device.community_id, f.token, f.source, f.raw, f.alive)
            for f in frames
        ]  # fmt: skip
        if not any(f.duplicate or (f.natural and not f.timed) for f in frames):
            try:
                async with self.connection.transaction():
                    await self._copy("copy_frame", FRAME_TYPES, rows)
            except psycopg.errors.UniqueViolation:
                pass  # some are known: ask which
            else:
                return set()
        staged = ((*row, n, _looked_for(f)) for n, (f, row) in enumerate(zip(frames, rows, strict=True)))
        await self._copy("stage_frame", [*FRAME_TYPES, "int4", "timestamptz"], staged)
        cursor = await self.connection.execute(_SQL["insert_frames"])
        return {row[0] for row in await cursor.fetchall()}

    async def _copy(self, query: str, types: Sequence[str], rows: Iterable[tuple[object, ...]]) -> None:
        async with self.connection.cursor() as cursor, cursor.copy(_SQL[query]) as copy:
            copy.set_types(types)
            write = copy.write_row
            for row in rows:
                await write(row)

    async def redelivered(self, frame: Frame) -> bool:
        """Whether a frame flagged as a redelivery, with neither time nor number of its own, is already here."""
        received = from_us(frame.received)
        cursor = await self.connection.execute(
            _SQL["redelivered"], [frame.device.id, frame.token, frame.raw, received - timedelta(days=1), received]
        )
        row = await cursor.fetchone()
        return bool(row and row[0])

    # -- meaning -------------------------------------------------------------------------------------------------

    async def put_events(self, frames: Sequence[Frame]) -> int:
        rows = [
            (f.ts, f.received, e.id, f.key, f.device.id, f.device.community_id, e.name, e.data)
            for f in frames for e in f.events
        ]  # fmt: skip
        if rows:
            try:
                async with self.connection.transaction():
                    await self._copy("copy_event", EVENT_TYPES, rows)
            except psycopg.errors.UniqueViolation:  # of a frame past its retention, said again
                async with self.connection.cursor() as cursor:
                    await cursor.executemany(
                        _SQL["insert_event"],
                        [
                            (from_us(ts), from_us(received), UUID(bytes=number), UUID(bytes=key), *rest, Jsonb(data))
                            for ts, received, number, key, *rest, data in rows
                        ],
                    )
        return len(rows)

    async def put_samples(self, frames: Sequence[Frame], newest: Newest) -> None:
        """Store readings and the newest of each point; marks the hours they touch for the roll-ups."""
        rows = [
            (f.ts, r.value, r.point.id, f.device.community_id, int(r.quality))
            for f in frames for r in f.readings if r.value is not None
        ]  # fmt: skip
        if rows:
            try:
                async with self.connection.transaction():
                    await self._copy("copy_sample", SAMPLE_TYPES, rows)
            except psycopg.errors.UniqueViolation:  # two messages told of one point at one instant: the first counts
                await self._copy("stage_sample", SAMPLE_TYPES, rows)
                await self.connection.execute(_SQL["insert_samples"])
        if newest:
            await self._copy("stage_last", LAST_TYPES, (
                (point_id, community, us, value, int(quality))
                for point_id, (us, value, quality, _, community) in newest.items()
            ))  # fmt: skip
            await self.connection.execute(_SQL["upsert_last"])
        for community, hour in {(f.device.community_id, f.ts // _HOUR_US) for f in frames if f.readings}:
            await self.connection.execute(_SQL["dirty"], [community, from_us(hour * _HOUR_US)])

    async def put_seen(self, seen: Iterable[tuple[Device, int]]) -> None:
        rows = [(device.id, device.community_id, from_us(us)) for device, us in seen]
        if rows:
            async with self.connection.cursor() as cursor:
                await cursor.executemany(_SQL["seen"], rows)

    async def put_states(self, states: Iterable[tuple[Device, str, str]], now: datetime) -> None:
        rows = [(device.id, device.community_id, state, now, detail[:500]) for device, state, detail in states]
        if rows:
            async with self.connection.cursor() as cursor:
                await cursor.executemany(_SQL["device_state"], rows)

    # -- rules, commands, side effects ---------------------------------------------------------------------------

    async def put_rules(self, states: Sequence[RuleState], reasons: Sequence[Reason]) -> None:
        """Write what the rules remember and why they moved: a statement each, however many they are."""
        newest = {(s.rule, s.device_id): s for s in states}.values()
        kept = [
            {"rule": s.rule, "device_id": s.device_id, "state": s.state, "wake_at": _time_of(s.wake_at)}
            for s in newest if s.state or s.wake_at is not None
        ]  # fmt: skip
        gone = [
            {"rule": s.rule, "device_id": s.device_id} for s in newest if not s.state and s.wake_at is None
        ]  # fmt: skip
        why = [
            {"n": n, "rule": r.rule, "device_id": r.device_id, "at": from_us(r.at),
             "cause": r.cause.hex() if r.cause else None, "outcome": r.outcome, "reason": r.text[:500]}
            for n, r in enumerate(reasons)
        ]  # fmt: skip
        for query, rows in (("rule_states", kept), ("forget_rule_states", gone), ("rule_decisions", why)):
            if rows:
                await self.connection.execute(_SQL[query], [msgspec.json.encode(rows).decode()])

    async def put_heard_until(self, until: datetime) -> None:
        """Up to when all that could be heard has been."""
        await self.connection.execute(_SQL["heard_until"], [until])

    async def set_back(self, now: datetime) -> None:
        """The clock was set back: nothing is newer than now, or all that comes would be late until now is passed."""
        await self.connection.execute(_SQL["set_back"], [now, now])

    async def confirm_command(self, command_id: str, proof: bytes, at: datetime) -> None:
        await self.connection.execute(
            _SQL["confirm_command"], {"id": UUID(command_id), "proof": UUID(bytes=proof), "at": at}
        )

    async def put_dead(
        self, letters: Sequence[DeadLetter], community: Mapping[str, int], most: int, now: datetime
    ) -> None:
        """Set arrivals aside. `community`: bus -> community id; raw bytes are kept up to `most`."""
        for letter in letters:
            raw = letter.arrival.payload
            digest = hashlib.sha256(raw).digest()
            await self.connection.execute(
                _SQL["dead_letter"],
                [community[letter.arrival.bus], letter.arrival.bus, letter.arrival.source[:500], letter.reason,
                 letter.detail[:500], digest, raw[:most], len(raw), from_us(letter.arrival.received), now,
                 letter.arrival.retained, letter.arrival.token],
            )  # fmt: skip

    async def put_drops(
        self, drops: Mapping[tuple[str, Delivery], int], community: Mapping[str, int], now: datetime
    ) -> None:
        """Count what was let go. `drops`: (bus, delivery class) -> arrivals."""
        for (bus, delivery), count in drops.items():
            await self.connection.execute(_SQL["drop_count"], [community[bus], bus, delivery, count, now])

    # -- start ---------------------------------------------------------------------------------------------------

    async def load(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of one of the `load_…` queries."""
        async with self.transaction():
            cursor = await self.connection.execute(_SQL[query])
            return await cursor.fetchall()


def _time_of(moment: int | None) -> datetime | None:
    return from_us(moment) if moment is not None else None


def _looked_for(frame: Frame) -> int | None:
    """From when on a frame may be stored under another time; None: only under its own."""
    if not frame.natural:
        return None
    if not frame.timed:
        return frame.received - UNTIMED_WINDOW_US
    return frame.ts - AHEAD_WINDOW_US if frame.duplicate else None
