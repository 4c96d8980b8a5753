"""Which hours of a community's stored history a rule must be fed: all others change nothing it would say."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from itertools import accumulate
from math import inf, nan
from typing import Any

from psycopg import OperationalError
from psycopg.rows import tuple_row

from hub.rulebook.model import BEYOND, Band, Moved, Runs, Wanted
from hub.store.database import Connection
from hub.store.queries import load_queries

_SQL = load_queries("hub.rulebook")
_BLOCK = 2000  # rows between two turns of everybody else
_HOUR = timedelta(hours=1)
_MOST_HOURS = 200_000
_MOST_COMPARED = 1_000_000  # about 5 s of one core, in one statement
_READINGS_A_STEP = 500_000  # half a second of one core, 30 MB
_LEAST_READINGS = 10_000  # of a point that is not rolled up by days
_MOST_RUNS = 20_000  # a step

Hour = tuple[datetime, int, float | None]
"""An hour of a point, and what is told before it where what was said right before is left out: that nobody knows the
value (nan), or one that lies apart from every other (inf), so that nothing stands still from before till now."""

Session = Callable[[], AbstractAsyncContextManager[Connection]]


async def blocks(connection: Connection, query: str, **values: object) -> AsyncIterator[list[Any]]:
    """Rows from a cursor of the server: a whole slice at once would hold up everybody else."""
    async with connection.cursor(name=query, row_factory=tuple_row) as cursor:
        given = {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}
        await cursor.execute(_SQL[query], given, binary=True)
        while rows := await cursor.fetchmany(_BLOCK):
            yield rows


async def chosen(session: Session, wanted: Wanted, since: datetime, until: datetime) -> list[Hour] | None:
    """In order of time and point. None where all must be read: nothing is known to be of no account, or too little, or
    it takes longer to find than a statement may."""
    try:
        hours = await _found(session, wanted, since, until)
    except OperationalError:  # where the store is away, reading everything says so
        return None
    return hours if hours is not None and len(hours) <= _MOST_HOURS else None


async def _found(session: Session, wanted: Wanted, since: datetime, until: datetime) -> list[Hour] | None:
    values: dict[str, object] = {"points": wanted.points, "since": since, "until": until}
    match wanted.choice:
        case None:
            return None
        case Runs():
            return await _runs(session, wanted.choice, wanted.points, since, until)
        case Band(ranges, around):
            lows, highs = zip(*sorted([*ranges, (-inf, -BEYOND), (BEYOND, inf)]), strict=True)
            values |= {"lows": lows, "highs": list(accumulate(highs, max)), "around": _whole(around)}
            return await _hours(session, "hours_within", **values)
        case Moved(by, around):
            if len(wanted.points) * ((until - since) // _HOUR) > _MOST_COMPARED:
                return None
            return await _hours(session, "hours_moved", moved=by, around=_whole(around), **values)


async def _hours(session: Session, query: str, **values: object) -> list[Hour]:
    found: list[Hour] = []
    async with session() as connection:
        await connection.execute(_SQL["much_memory"])  # a month of 1 000 points is sorted twice
        async for rows in blocks(connection, query, most=_MOST_HOURS + 1, **values):
            found += rows
    return found


async def _runs(
    session: Session, runs: Runs, points: Sequence[int], since: datetime, until: datetime
) -> list[Hour] | None:  # fmt: skip
    """From before each run until after it, but for what lies between when it is settled and when it ends. None where
    there are too many."""
    per = runs.per / 1e6 if runs.per else None
    values: Mapping[str, object] = {
        "since": since, "until": until, "still": runs.still, "per": per, "low": runs.low, "high": runs.high,
        "lasting": timedelta(microseconds=runs.lasting), "gap": timedelta(microseconds=runs.gap),
    }  # fmt: skip
    found: set[tuple[datetime, int]] = set()
    within: set[tuple[datetime, int]] = set()  # hours in which a run goes on that is settled
    for some in await _steps(session, points, since, until):
        count = 0
        async with session() as connection:
            async for rows in blocks(connection, "runs", points=some, most=_MOST_RUNS, **values):
                count += len(rows)
                for point, begun, settled, over, ended in rows:
                    for begin, end in ((begun, settled or over), (over, ended)):
                        found.update((hour, point) for hour in _between(begin, end))
                    if settled is not None:
                        within.add((_hour(over), point))
        if count == _MOST_RUNS or len(found) > _MOST_HOURS:
            return None
    begins = nan if runs.still is None else inf

    def told(hour: datetime, point: int) -> float | None:
        if hour <= since or (hour - _HOUR, point) in found:
            return None
        return nan if (hour, point) in within else begins

    return [(*one, told(*one)) for one in sorted(found)]


async def _steps(session: Session, points: Sequence[int], since: datetime, until: datetime) -> list[list[int]]:
    """The points in parts, each with about so many readings that one statement reads them within a second or two."""
    steps: list[list[int]] = []
    room = 0
    async with session() as connection:
        async for rows in blocks(connection, "readings", points=points, since=since, until=until):
            for point, readings in rows:
                if room <= 0:
                    steps.append([])
                    room = _READINGS_A_STEP
                steps[-1].append(point)
                room -= max(readings, _LEAST_READINGS)
    return steps


def _between(begin: datetime, end: datetime) -> Iterable[datetime]:
    hour = _hour(begin)
    while hour <= end:
        yield hour
        hour += _HOUR


def _whole(around: int) -> timedelta:
    """In whole hours, as hours are read: the one after is the first that is not."""
    return -(-timedelta(microseconds=around) // _HOUR) * _HOUR


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)
