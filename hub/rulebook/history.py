"""Stored history as frames, block by block, so that a month of a community needs little memory and holds nobody up."""

from bisect import bisect_right
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from datetime import datetime, timedelta
from math import isnan
from operator import attrgetter
from typing import Any

from hub.analyses.judging import Judge, PriceAt
from hub.analyses.model import Analysis
from hub.clock import from_us, to_us
from hub.model import Device, Event, Frame, Point, Quality, Reading, Verdict
from hub.rulebook.hours import Hour, blocks, chosen
from hub.rulebook.model import Wanted
from hub.store.database import Connection, Database
from hub.store.queries import load_queries

_SQL = load_queries("hub.rulebook")
_ROWS_A_SLICE = 40_000  # about so many for one transaction: it must end within seconds
_LONGEST, _SHORTEST, _FIRST = timedelta(hours=6), timedelta(seconds=10), timedelta(minutes=10)
_HOUR = timedelta(hours=1)
_MOST_HOURS_A_SLICE, _FIRST_HOURS = 6000, 200
_NO_KEY = bytes(16)
_RETAINED = int(Quality.RETAINED)
_UNKNOWN = int(Quality.BAD)
_ts = attrgetter("ts")

Slices = AsyncGenerator[tuple[datetime, list[Frame]]]
"""(up to when all is known, frames in order of time until then)"""


class History:
    """What a rule wants of one community's stored history between two instants."""

    def __init__(
        self, database: Database, community_id: int, devices: Mapping[int, Device], wanted: Wanted,
        since: datetime, until: datetime, price_at: PriceAt | None = None,
    ) -> None:  # fmt: skip
        self._database = database
        self._community_id = community_id
        self._devices = {number: one for number, one in devices.items() if one.community_id == community_id}
        self._points: dict[int, tuple[Device, Point]] = {
            point.id: (device, point) for device in self._devices.values() for point in device.points.values()
        }
        self._wanted = wanted
        self._since = since
        self._until = until
        self._price_at = price_at
        self.rows = 0

    def slices(self) -> Slices:
        """All of it. psycopg.OperationalError when the store is away. Close it where it is not read to its end."""
        if self._wanted.analysis is not None:
            return self._judged(self._wanted.analysis)
        return self._chosen()

    async def _judged(self, analysis: Analysis) -> Slices:
        """Each hour of the span as the running hub would judge it."""
        judge = Judge(self._price_at)
        end = self._since.replace(minute=0, second=0, microsecond=0) + _HOUR
        while end < self._until:
            async with self._session() as connection:
                found = await judge.judge(connection, [analysis], self._devices, end)
            yield end, [self._frame(device, verdict.at, verdicts=[verdict]) for device, verdict in found]
            self.rows = judge.rows
            end += _HOUR
        yield self._until, []

    async def _timely(self) -> Slices:
        """One stretch of time after the other, as long as the rows are many."""
        begin, step = self._since, _FIRST
        while begin < self._until:
            end, before = min(begin + step, self._until), self.rows
            async with self._session() as connection:
                async for frames in _merged(self._sources(connection, begin, end)):
                    yield from_us(frames[-1].ts), frames
            yield end, []
            step = min(max(step * min(_ROWS_A_SLICE / max(self.rows - before, 1), 4.0), _SHORTEST), _LONGEST)
            begin = end

    async def _chosen(self) -> Slices:
        """Only the hours in which a value can matter, where that can be told."""
        span = {"since": self._since, "until": self._until}
        hours = await chosen(self._session, self._wanted, self._since, self._until)
        if hours is None:
            async with aclosing(self._timely()) as all_of_it:
                async for one in all_of_it:
                    yield one
            return
        begin, most = 0, _FIRST_HOURS
        while begin < len(hours):
            end, before = min(begin + most, len(hours)), self.rows
            while end < len(hours) and hours[end][0] == hours[end - 1][0]:  # an hour is never cut
                end += 1
            buckets, points, _ = zip(*hours[begin:end], strict=True)
            async with self._session() as connection:
                said = self._samples(connection, "samples_of", points=points, buckets=buckets, **span)
                async for frames in _merged([self._gaps(hours[begin:end]), said]):
                    yield from_us(frames[-1].ts), frames
            yield min(buckets[-1] + _HOUR, self._until), []
            many = most * min(_ROWS_A_SLICE / max(self.rows - before, 1), 4.0)
            most = min(max(int(many), 1), _MOST_HOURS_A_SLICE)
            begin = end
        yield self._until, []

    async def _gaps(self, hours: Iterable[Hour]) -> AsyncIterator[list[Frame]]:
        """Where hours before were left out, what is to be told in place of them."""
        marks = []
        for bucket, number, told in hours:
            if told is not None:
                device, point = self._points[number]
                mark = Reading(point, None, _UNKNOWN) if isnan(told) else Reading(point, told, 0)
                marks.append(self._frame(device, to_us(bucket), readings=[mark]))
        if marks:
            yield marks

    async def seen(self) -> bool:
        """There is history of what the rule looks at, were it of no account for the rule."""
        if self.rows:
            return True
        wanted = self._wanted
        values = {"points": list(wanted.points), "devices": sorted({*wanted.event_devices, *wanted.heard}),
                  "since": self._since, "until": self._until}  # fmt: skip
        async with self._session() as connection:
            row = await (await connection.execute(_SQL["any_history"], values)).fetchone()
        return bool(row and row["seen"])

    def _session(self) -> AbstractAsyncContextManager[Connection]:
        return self._database.session([self._community_id])

    # -- rows to frames ------------------------------------------------------------------------------------------

    def _sources(self, connection: Connection, begin: datetime, end: datetime) -> list[AsyncIterator[list[Frame]]]:
        wanted, span = self._wanted, {"since": begin, "until": end}
        sources: list[AsyncIterator[list[Frame]]] = []
        if wanted.points:
            sources.append(self._samples(connection, "samples", points=wanted.points, **span))
        if wanted.event_names:
            named = {"devices": wanted.event_devices, "names": wanted.event_names}
            sources.append(self._events(connection, **named, **span))
        if wanted.heard:
            step = timedelta(microseconds=wanted.heard_step)
            sources.append(self._heard(connection, devices=wanted.heard, step=step, **span))
        return sources

    async def _samples(self, connection: Connection, query: str, **values: object) -> AsyncIterator[list[Frame]]:
        """One frame for all that a device said at one instant. The last instant of a block waits for the next."""
        rest: list[Any] = []
        async for rows in blocks(connection, query, **values):
            self.rows += len(rows)
            rest += rows
            cut = len(rest)
            while cut and rest[cut - 1][0] == rest[-1][0]:
                cut -= 1
            if cut:
                yield self._said(rest[:cut])
                rest = rest[cut:]
        if rest:
            yield self._said(rest)

    def _said(self, rows: Sequence[tuple[int, int, float, int]]) -> list[Frame]:
        frames: list[Frame] = []
        latest: dict[int, Frame] = {}
        for us, point_id, value, quality in rows:
            device, point = self._points[point_id]
            frame, retained = latest.get(device.id), bool(quality & _RETAINED)
            if frame is not None and frame.ts == us and frame.retained == retained:
                frame.readings.append(Reading(point, value, quality))
            else:
                frame = self._frame(device, us, readings=[Reading(point, value, quality)], retained=retained)
                latest[device.id] = frame
                frames.append(frame)
        return frames

    async def _events(self, connection: Connection, **values: object) -> AsyncIterator[list[Frame]]:
        async for rows in blocks(connection, "events", **values):
            self.rows += len(rows)
            yield [
                self._frame(self._devices[device], us, events=[Event(number.bytes, name, data)])
                for us, device, number, name, data in rows
            ]

    async def _heard(self, connection: Connection, **values: object) -> AsyncIterator[list[Frame]]:
        async for rows in blocks(connection, "heard", **values):
            self.rows += len(rows)
            yield [self._frame(self._devices[device], us, alive=True) for us, device in rows]

    @staticmethod
    def _frame(
        device: Device, us: int, *, readings: Sequence[Reading] = (), events: Sequence[Event] = (),
        verdicts: Sequence[Verdict] = (), retained: bool = False, alive: bool = False,
    ) -> Frame:  # fmt: skip
        """Signs of life come by themselves (`alive`): whether a reading was one, its frame knows."""
        online = None if alive else False
        return Frame(
            device, _NO_KEY, True, True, us, us, "history", b"", list(readings), list(events), online, retained,
            verdicts=list(verdicts),
        )  # fmt: skip


async def _merged(sources: Sequence[AsyncIterator[list[Frame]]]) -> AsyncIterator[list[Frame]]:
    """Blocks of several sources in order of time."""
    blocks: list[list[Frame] | None] = [await anext(source, None) for source in sources]
    while left := [block for block in blocks if block]:
        until = min(block[-1].ts for block in left)
        ready: list[Frame] = []
        for number, block in enumerate(blocks):
            if block:
                cut = bisect_right(block, until, key=_ts)
                ready += block[:cut]
                blocks[number] = block[cut:] if cut < len(block) else await anext(sources[number], None)
        ready.sort(key=_ts)
        yield ready
