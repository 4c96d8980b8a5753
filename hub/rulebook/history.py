"""Stored history as frames, slice by slice, so that a month of a community needs little memory."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any

from psycopg.rows import tuple_row

from hub.analyses.judging import Judge, PriceAt
from hub.analyses.model import Analysis
from hub.model import Device, Event, Frame, Point, Reading, Verdict
from hub.rulebook.model import Wanted
from hub.store.database import Connection, Database
from hub.store.queries import load_queries

_SQL = load_queries("hub.rulebook")
_SLICE = timedelta(hours=6)
_HOUR = timedelta(hours=1)
_HOURS_A_SLICE = 6000
_MOST_HOURS = 200_000
_SHORTEST = timedelta(minutes=10)
_POINTS_A_SLICE = 1000
_NO_KEY = bytes(16)


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

    async def slices(self) -> AsyncIterator[tuple[datetime, list[Frame]]]:
        """(end of the slice, its frames in order of time). psycopg.OperationalError when the store is away."""
        if self._wanted.analysis is not None:
            async for one in self._judged(self._wanted.analysis):
                yield one
            return
        if (hours := await self._hours()) is not None:
            async for one in self._chosen(hours):
                yield one
            return
        step = max(_SHORTEST, min(_SLICE, _SLICE * _POINTS_A_SLICE / max(1, len(self._wanted.points))))
        begin = self._since
        while begin < self._until:
            end = min(begin + step, self._until)
            yield end, await self._read(begin, end)
            begin = end

    async def _judged(self, analysis: Analysis) -> AsyncIterator[tuple[datetime, list[Frame]]]:
        """Each hour of the span as the running hub would judge it."""
        judge = Judge(self._price_at)
        end = self._since.replace(minute=0, second=0, microsecond=0) + _HOUR
        while end < self._until:
            async with self._session() as connection:
                found = await judge.judge(connection, [analysis], self._devices, end)
            yield end, [self._frame(device, verdict.at, [], [], [verdict]) for device, verdict in found]
            self.rows = judge.rows
            end += _HOUR
        yield self._until, []

    async def _hours(self) -> Sequence[tuple[datetime, int]] | None:
        """(hour, point) in which a value can matter; None: all are to be read, or too many to choose."""
        wanted = self._wanted
        if wanted.band is None:
            return None
        values = {
            "points": wanted.points, "low": wanted.band[0], "high": wanted.band[1], "since": self._since,
            "until": self._until, "around": timedelta(microseconds=wanted.around), "most": _MOST_HOURS + 1,
        }  # fmt: skip
        async with self._session() as connection:
            hours = await self._fetch(connection, "hours_within", **values)
        return hours if len(hours) <= _MOST_HOURS else None

    async def _chosen(self, hours: Sequence[tuple[datetime, int]]) -> AsyncIterator[tuple[datetime, list[Frame]]]:
        """As many hours at a time as a slice may hold."""
        span = {"since": self._since, "until": self._until}
        begin = 0
        while begin < len(hours):
            end = min(begin + _HOURS_A_SLICE, len(hours))
            while end < len(hours) and hours[end][0] == hours[end - 1][0]:  # an hour is never cut
                end += 1
            buckets, points = zip(*hours[begin:end], strict=True)
            async with self._session() as connection:
                rows = await self._fetch(connection, "samples_of", points=points, buckets=buckets, **span)
            self.rows += len(rows)
            until = min(buckets[-1] + _HOUR, self._until)
            yield until, self._samples(rows)
            begin = end
        yield self._until, []

    def _session(self) -> AbstractAsyncContextManager[Connection]:
        return self._database.session([self._community_id])

    async def _read(self, begin: datetime, end: datetime) -> list[Frame]:
        wanted, span = self._wanted, {"since": begin, "until": end}
        frames: list[Frame] = []
        async with self._session() as connection:
            if wanted.points:
                rows = await self._fetch(connection, "samples", points=wanted.points, **span)
                frames += self._samples(rows)
                self.rows += len(rows)
            if wanted.event_names:
                rows = await self._fetch(
                    connection, "events", devices=wanted.event_devices, names=wanted.event_names, **span
                )
                frames += [self._event(row) for row in rows]
                self.rows += len(rows)
            if wanted.heard:
                step = timedelta(microseconds=wanted.heard_step)
                rows = await self._fetch(connection, "heard", devices=wanted.heard, step=step, **span)
                frames += [self._frame(self._devices[device], us, [], []) for us, device in rows]
                self.rows += len(rows)
        frames.sort(key=lambda frame: frame.ts)
        return frames

    async def _fetch(self, connection: Connection, query: str, **values: object) -> Sequence[tuple[Any, ...]]:
        cursor = connection.cursor(binary=True, row_factory=tuple_row)
        await cursor.execute(_SQL[query], {key: list(v) if isinstance(v, tuple) else v for key, v in values.items()})
        return await cursor.fetchall()

    def _samples(self, rows: Sequence[tuple[Any, ...]]) -> list[Frame]:
        """One frame for all that a device said at one instant."""
        frames: list[Frame] = []
        latest: dict[int, Frame] = {}
        for us, point_id, value, quality in rows:
            device, point = self._points[point_id]
            frame = latest.get(device.id)
            if frame is not None and frame.ts == us:
                frame.readings.append(Reading(point, value, quality))
            else:
                latest[device.id] = frame = self._frame(device, us, [Reading(point, value, quality)], [])
                frames.append(frame)
        return frames

    def _event(self, row: tuple[Any, ...]) -> Frame:
        us, device_id, number, name, data = row
        return self._frame(self._devices[device_id], us, [], [Event(number.bytes, name, data)])

    @staticmethod
    def _frame(
        device: Device, us: int, readings: list[Reading], events: list[Event], verdicts: Sequence[Verdict] = ()
    ) -> Frame:
        return Frame(
            device, _NO_KEY, True, True, us, us, "history", b"", readings, events, verdicts=list(verdicts)
        )  # fmt: skip
