"""Who may call the desk: life safety always; the rest within a budget, the most urgent first; past it, a storm.

The state is in the store, so a restart forgets nothing, and two hubs never spend one slot twice.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import psycopg
from psycopg.rows import tuple_row

from hub.alarms.jobs import Happened
from hub.alarms.suppression import encode
from hub.store.queries import load_queries

_SQL = load_queries("hub.alarms", "annunciation.sql")
_LOCK = 0x414E
_AHEAD = timedelta(minutes=1)  # of a clock that was set back, what lies in the future counts no more
Connection = psycopg.AsyncConnection[Any]

BUDGET = 10  # annunciations in a window and community, life safety apart (EEMUA 191: over 10 in 10 minutes is a flood)
WINDOW_S = 600
KEPT_FREE = 3  # what waited in a storm leaves these to what is new
QUIET_S = 60  # nothing asked for so long: the storm may end


class Asker(msgspec.Struct, frozen=True):
    """An alarm that wants to call the desk."""

    community_id: int
    alarm_id: int
    priority: int
    at: int  # microseconds UTC
    life_safety: bool


class Raised(msgspec.Struct, frozen=True):
    """Alarms that became active, as a storm counts them."""

    community_id: int
    rule: str
    place: str  # the place's first segment: a building, a gate
    title: dict[str, str]
    count: int


class Calls(msgspec.Struct):
    """The outcome: who may call now, and in which storm who asked was counted."""

    granted: dict[int, Asker]  # by alarm id
    storm_of: dict[int, int]  # community id -> storm that goes on
    began: list[tuple[int, int]]  # community id, storm id
    at: datetime

    @property
    def happened(self) -> list[Happened]:
        calls = [Happened("alarm_annunciated", a.community_id, a.alarm_id, self.at) for a in self.granted.values()]
        return [*calls, *(Happened("storm_began", community, storm) for community, storm in self.began)]


async def decide(connection: Connection, askers: Sequence[Asker], raised: Iterable[Raised], now: datetime) -> Calls:
    """Grant what the budget of each community has left; begin a storm where it does not do; count in those that go on.

    The budget's last slot is the storm's own, so that its call stays within the budget.
    """
    calls = Calls({}, {}, [], now)
    by_community: dict[int, list[Asker]] = {}
    for asker in sorted(askers, key=lambda a: (a.community_id, a.priority, a.at, a.alarm_id)):
        by_community.setdefault(asker.community_id, []).append(asker)
    for community, waiting in by_community.items():
        used, storm = await look(connection, community, now)
        safety = [asker for asker in waiting if asker.life_safety]
        rest = [asker for asker in waiting if not asker.life_safety]
        slots = max(0, BUDGET - 1 - used)
        if storm is None and len(rest) > slots:
            storm = await _begin(connection, community, now)
            calls.began.append((community, storm))
        elif storm is not None:
            rest = [asker for asker in rest if asker.priority == 1]
        calls.granted |= {asker.alarm_id: asker for asker in (*safety, *rest[:slots])}
    await _count(connection, calls, by_community, list(raised), now)
    return calls


async def look(connection: Connection, community: int, now: datetime) -> tuple[int, int | None]:
    """How much of the budget is used, and the storm that goes on. Nobody else decides until this transaction ends."""
    values = {"lock": _LOCK, "community_id": community, "since": now - timedelta(seconds=WINDOW_S),
              "ahead": now + _AHEAD}  # fmt: skip
    async with connection.pipeline(), connection.cursor(row_factory=tuple_row) as cursor:
        await connection.execute(_SQL["alone"], values)
        await cursor.execute(_SQL["desk"], values)
        row = await cursor.fetchone()
    assert row is not None
    return row[0], row[1]


async def _begin(connection: Connection, community: int, now: datetime) -> int:
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(_SQL["begin_storm"], {"community_id": community, "at": now})
        row = await cursor.fetchone()
    assert row is not None
    number: int = row[0]
    return number


async def _count(
    connection: Connection, calls: Calls, asked: Collection[int], raised: list[Raised], now: datetime
) -> None:
    communities = {*asked, *(found.community_id for found in raised)}
    if not communities:
        return
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(_SQL["storms"], {"communities": list(communities)})
        calls.storm_of = dict(await cursor.fetchall())
    groups = [{"community_id": found.community_id, "storm_id": calls.storm_of[found.community_id],
               "rule": found.rule, "place": found.place, "title": found.title, "count": found.count}
              for found in raised if found.community_id in calls.storm_of]  # fmt: skip
    async with connection.pipeline():
        for community, storm in calls.storm_of.items():
            called = sum(asker.community_id == community for asker in calls.granted.values())
            counted = sum(found.count for found in raised if found.community_id == community)
            values = {"id": storm, "counted": counted, "annunciated": called, "at": now, "asked": community in asked}
            await connection.execute(_SQL["count_storm"], values)
        if groups:
            await connection.execute(_SQL["count_groups"], {"rows": encode(groups)})


async def record(connection: Connection, calls: Calls, now: datetime) -> None:
    """Write down who called, once the alarms are in the book."""
    rows = [{"community_id": a.community_id, "alarm_id": a.alarm_id, "storm_id": None, "life_safety": a.life_safety}
            for a in calls.granted.values()]  # fmt: skip
    rows += [{"community_id": community, "alarm_id": None, "storm_id": storm, "life_safety": False}
             for community, storm in calls.began]  # fmt: skip
    if rows:
        await connection.execute(_SQL["record"], {"rows": encode(rows), "at": now})
