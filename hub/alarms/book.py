"""The alarm book as the pipeline writes it: inside the batch's transaction, so exactly once or not at all.

However many changes a batch brings, the book is read and written in a handful of set-based statements; what the changes
amount to is worked out in between by the pure state machine. Statements that need no answer go out together
(`pipeline`): where pages share the event loop, each answer is a wait of its own.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import psycopg
from psycopg.rows import dict_row, tuple_row

from hub.alarms import annunciation, suppression
from hub.alarms.annunciation import Asker, Calls, Raised
from hub.alarms.entry import Entry, Key, Move, Past, history_of, key_of, play
from hub.alarms.jobs import Happened
from hub.alarms.model import ACTIVE, CHATTER_US, FIRST_OUT_US, HISTORICAL_S, State
from hub.alarms.suppression import Reasons, by_parent, entry_of, explains
from hub.alarms.topology import descendants
from hub.clock import to_us
from hub.decisions import AlarmChange
from hub.model import Device
from hub.store.queries import load_queries

_SQL = load_queries("hub.alarms", "book.sql")
_CHATTER = timedelta(microseconds=CHATTER_US)
_HISTORICAL = timedelta(seconds=HISTORICAL_S)
Connection = psycopg.AsyncConnection[Any]


class Transition(msgspec.Struct, frozen=True):
    """A change of an alarm's state that is now in the book."""

    alarm_id: int
    community_id: int
    rule: str
    device_id: int
    from_state: State
    to_state: State
    anew: bool  # it calls people: for the first time or again


class Outcome(msgspec.Struct):
    """What a batch did to the book."""

    transitions: list[Transition] = []
    happened: list[Happened] = []  # in order; the caller queues their jobs in the same transaction
    urgent: set[int] = set()  # alarms that called the desk, and those of life safety that moved: told first
    storms: set[int] = set()  # communities whose storm began or counted

    @property
    def changed(self) -> set[tuple[int, int]]:
        """Community id and alarm id of every alarm that moved."""
        return {(event.community_id, event.number) for event in self.happened if event.name == "alarm_changed"}


async def apply(
    connection: Connection, changes: Sequence[AlarmChange], now: datetime, devices: Mapping[int, Device] | None = None
) -> Outcome:
    """Write the changes in order; gives what happened. A second raise of a live alarm only counts.

    `devices`: the running site, for what stands above what. psycopg.errors.UniqueViolation when another writer raised
    the same condition at the same moment: try again.
    """
    devices = devices or {}
    live, past = await _read(connection, changes, now)
    known = {entry.id for entry in live.values()}
    touched: dict[int, Entry] = {}
    moves: list[Move] = []
    for change in changes:
        entry, move = play(live, past, change)
        if entry is not None:
            touched[id(entry)] = entry
        if move is not None:
            moves.append(move)
    entries = list(touched.values())
    await _number(connection, [entry for entry in entries if not entry.id])
    raised = {id(move.entry): move for move in moves if move.change.action == "raise"}
    silenced = await _silence(connection, [move.entry for move in raised.values()], entries, devices, now)
    await _first_out(connection, [move.entry for move in raised.values() if move.entry.first_out_group])
    calls = await annunciation.decide(connection, _askers(raised.values(), now), _counted(moves), now)
    _call(calls, raised.values(), now)
    async with connection.pipeline():
        await _write(connection, [e for e in entries if e.id in known], [e for e in entries if e.id not in known], now)
        history = [history_of(move) for move in moves]
        history += [entry_of(e.community_id, e.id, now, e.state, e.state, "system", why) for e, why in silenced]
        await suppression.remember(connection, history)
        await annunciation.record(connection, calls, now)
    urgent = {*calls.granted, *(move.entry.id for move in moves if move.entry.life_safety)}
    outcome = Outcome(_transitions(moves), _happened(moves, calls), urgent, set(calls.storm_of))
    outcome.happened += await _family(connection, moves, devices, now)
    await connection.execute(_SQL["by_index"], {"seqscan": "on"})
    return outcome


# -- reading -----------------------------------------------------------------------------------------------------


async def _read(
    connection: Connection, changes: Sequence[AlarmChange], now: datetime
) -> tuple[dict[Key, Entry], dict[Key, Past]]:
    """The live rows of these conditions, locked, and what the former lives of the others leave."""
    keys = list(dict.fromkeys(key_of(change) for change in changes))
    live: dict[Key, Entry] = {}
    past: dict[Key, Past] = {}
    values = {"communities": [key[0] for key in keys], "conditions": [key[1] for key in keys]}
    async with connection.pipeline(), connection.cursor(row_factory=tuple_row) as cursor:
        # Thousands of keys against a table whose statistics lag behind a flood: a plan that reads it whole would be
        # fatal.
        await connection.execute(_SQL["by_index"], {"seqscan": "off"})
        await connection.execute(_SQL["sorting"], {"sort": "off"})
        await cursor.execute(_SQL["latest"], values)
        await connection.execute(_SQL["sorting"], {"sort": "on"})
        found = []
        for number, community, condition, state, returns, chattering, changed in await cursor.fetchall():
            if now - changed <= _CHATTER or chattering:
                past[community, condition] = Past(returns, chattering and now - changed <= _CHATTER)
            if state != "normal":
                found.append(number)
    if found:
        async with connection.cursor(row_factory=dict_row) as rows:
            await rows.execute(_SQL["lock_live"], {"ids": found})
            for row in await rows.fetchall():
                live[row["community_id"], row["condition"]] = Entry(**row)
    return live, past


async def _number(connection: Connection, fresh: Sequence[Entry]) -> None:
    if fresh:
        async with connection.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute(_SQL["numbers"], {"count": len(fresh)})
            for entry, (number,) in zip(fresh, await cursor.fetchall(), strict=True):
                entry.id = number


# -- suppression -------------------------------------------------------------------------------------------------


async def _silence(
    connection: Connection, raised: Iterable[Entry], entries: Iterable[Entry], devices: Mapping[int, Device],
    now: datetime,
) -> list[tuple[Entry, suppression.Silence]]:  # fmt: skip
    """Silence those that became active and for which there is a reason; a parent of the same batch is one already."""
    asked = [entry for entry in raised if entry.suppression is None]
    reasons = await Reasons(devices).read(connection, (entry.subject for entry in asked), now)
    for entry in entries:
        if entry.suppresses:
            why = reasons.of(entry.subject)
            seen = explains(entry.state, entry.suppression or (why.kind if why else None))
            reasons.put_parent(entry.device_id, by_parent(entry.id, entry.title["zh"]), seen)
    silenced = []
    for entry in asked:
        why = reasons.of(entry.subject)
        if why is not None and why.parent_alarm_id != entry.id:
            entry.silence(why)
            silenced.append((entry, why))
    return silenced


async def _family(
    connection: Connection, moves: Sequence[Move], devices: Mapping[int, Device], now: datetime
) -> list[Happened]:
    """Parents that became active silence what stands below them; those that returned give their children a grace."""
    parents = {id(move.entry): move.entry for move in moves if move.entry.suppresses}.values()
    seen = [entry for entry in parents if explains(entry.state, entry.suppression)]
    returned = [entry.id for entry in parents if entry.state not in ACTIVE]
    if returned:
        await suppression.give_grace(connection, returned, now)
    children = descendants(devices, {entry.device_id for entry in seen}) if seen else {}
    if not children:
        return []
    ids = await suppression.below(connection, children)
    return (await suppression.reconsider(connection, ids, now, devices, "system")).happened


# -- annunciation ------------------------------------------------------------------------------------------------


def _askers(raised: Iterable[Move], now: datetime) -> list[Asker]:
    """Who became active and may disturb. An alarm that moves up and down calls once a minute at most; a chattering one
    not at all; what happened long ago, life safety apart, only if it holds for a while; what was over the moment it
    came like the rest."""
    askers = []
    for move in raised:
        entry = move.entry
        lately = entry.annunciated_at is not None and abs(now - entry.annunciated_at) < _CHATTER
        if entry.suppression or lately or (entry.chattering and not entry.life_safety):
            continue
        if move.change.historical and not entry.life_safety:
            entry.annunciate_at = now + _HISTORICAL if entry.state in ACTIVE else None
            continue
        askers.append(Asker(entry.community_id, entry.id, entry.priority, move.change.at, entry.life_safety))
        entry.annunciate_at = now
    return askers


def _counted(moves: Iterable[Move]) -> list[Raised]:
    """What a storm counts: everything that became active and is not suppressed."""
    counts: Counter[tuple[int, str, str]] = Counter()
    titles = {}
    for move in moves:
        if move.change.action == "raise" and move.entry.suppression is None:
            key = (move.entry.community_id, move.change.rule, move.change.device.place_path.split("/")[0])
            counts[key] += 1
            titles[key] = move.entry.title
    return [Raised(*key, titles[key], count) for key, count in counts.items()]


def _call(calls: Calls, raised: Iterable[Move], now: datetime) -> None:
    for move in raised:
        entry = move.entry
        if entry.suppression is None and not entry.life_safety:
            entry.storm_id = calls.storm_of.get(entry.community_id, entry.storm_id)
        if entry.id in calls.granted:
            entry.annunciated_at, entry.annunciate_at = now, None


async def _first_out(connection: Connection, raised: Sequence[Entry]) -> None:
    """Of alarms of a group raised within ten seconds of each other the earliest, by the devices' time, is the first."""
    if not raised:
        return
    moments = [entry.active_since for entry in raised if entry.active_since]
    reach = timedelta(microseconds=FIRST_OUT_US)
    values = {
        "communities": list({e.community_id for e in raised}), "groups": list({e.first_out_group for e in raised}),
        "since": min(moments) - reach, "until": max(moments) + reach,
    }  # fmt: skip
    own = {entry.id for entry in raised}
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(_SQL["first_outs"], values)
        firsts = [((c, group), to_us(at), number, None) for number, c, group, at in await cursor.fetchall()
                  if number not in own]  # fmt: skip
    every: list[tuple[tuple[int, str], int, int, Entry | None]] = [*firsts]
    every += [((e.community_id, e.first_out_group), to_us(e.active_since), e.id, e) for e in raised if e.active_since]
    every.sort(key=lambda one: one[:3])
    beaten = []
    group, began = (0, ""), 0
    for key, at, number, entry in every:
        first = key != group or at - began > FIRST_OUT_US
        if first:
            group, began = key, at
        if entry is not None:
            entry.first_out = first
        elif not first:
            beaten.append(number)
    if beaten:
        await connection.execute(_SQL["not_first"], {"ids": beaten})


# -- writing -----------------------------------------------------------------------------------------------------


async def _write(connection: Connection, known: list[Entry], fresh: list[Entry], now: datetime) -> None:
    """Those that end first: their condition may begin a new life in the same batch."""
    for query, entries in (("update", known), ("insert", fresh)):
        if entries:
            await connection.execute(_SQL[query], {"rows": msgspec.json.encode(entries).decode(), "now": now})


def _transitions(moves: Iterable[Move]) -> list[Transition]:
    return [
        Transition(m.entry.id, m.entry.community_id, m.entry.rule, m.entry.device_id, m.before, m.after, m.anew)
        for m in moves
    ]


def _happened(moves: Iterable[Move], calls: Calls) -> list[Happened]:
    happened: dict[Happened, None] = {}
    for move in moves:
        entry = move.entry
        happened[Happened("alarm_changed", entry.community_id, entry.id)] = None
        if move.opened:
            happened[Happened("alarm_raised", entry.community_id, entry.id)] = None
        known_late = entry.historical and not entry.life_safety
        if move.anew and entry.work_order and entry.suppression is None and not known_late:
            happened[Happened("work_order_wanted", entry.community_id, entry.id)] = None
        if move.after == "normal" and entry.annunciated_at is not None:
            happened[Happened("alarm_settled", entry.community_id, entry.id, entry.annunciated_at)] = None
    return [*happened, *calls.happened]
