"""Why an alarm keeps silent: shelf, maintenance, a parent that explains it. Beside the state, and always recorded."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import psycopg
from psycopg.rows import class_row, tuple_row

from hub.alarms.jobs import Happened
from hub.alarms.model import ACTIVE, GRACE_S, UNACKNOWLEDGED, State, Suppression, suppression
from hub.alarms.topology import ancestors, descendants
from hub.model import Device
from hub.store.queries import load_queries

_SQL = load_queries("hub.alarms", "suppression.sql")
Connection = psycopg.AsyncConnection[Any]


class Subject(msgspec.Struct, frozen=True):
    """An alarm as far as suppression asks."""

    community_id: int
    condition: str
    device_id: int
    life_safety: bool


class Silence(msgspec.Struct, frozen=True):
    """Why, until when (None: until the parent returns), by whom."""

    kind: Suppression
    until: datetime | None
    by: str
    reason: str
    parent_alarm_id: int | None = None


class Reasons:
    """What there is at this moment to keep some alarms silent. Read once for many."""

    def __init__(self, devices: Mapping[int, Device]) -> None:
        self._devices = devices
        self._shelves: dict[tuple[int, str], Silence] = {}
        self._service: dict[int, Silence] = {}
        self._parents: dict[int, dict[int, Silence]] = {}  # device id -> its active suppressing alarms by number

    async def read(self, connection: Connection, subjects: Iterable[Subject], now: datetime) -> "Reasons":
        """Read what concerns these alarms. Rows another community's session may not see are not there."""
        quiet = [subject for subject in subjects if not subject.life_safety]
        if not quiet:
            return self
        devices = {subject.device_id for subject in quiet}
        above = {number for device_id in devices for number in ancestors(self._devices, device_id)}
        values = {
            "communities": [s.community_id for s in quiet], "conditions": [s.condition for s in quiet], "now": now,
            "devices": list(devices),
        }  # fmt: skip
        among = {"devices": list(above), "communities": list({s.community_id for s in quiet})}
        shelves, service, parents = (connection.cursor(row_factory=tuple_row) for _ in range(3))
        async with connection.pipeline(), shelves, service, parents:
            await shelves.execute(_SQL["shelved"], values)
            await service.execute(_SQL["out_of_service"], values)
            await parents.execute(_SQL["parents"], among)
            for community, condition, until, by, reason in await shelves.fetchall():
                self._shelves[community, condition] = Silence("shelved", until, by, reason)
            for device_id, until, by, reason in await service.fetchall():
                self._service[device_id] = Silence("out_of_service", until, by, reason)
            for device_id, alarm_id, title in await parents.fetchall():
                self.put_parent(device_id, by_parent(alarm_id, title), True)
        return self

    def put_parent(self, device_id: int, alarm: Silence, active: bool) -> None:
        """A suppressing alarm of this device is active, or is so no more."""
        assert alarm.parent_alarm_id is not None
        alarms = self._parents.setdefault(device_id, {})
        alarms.pop(alarm.parent_alarm_id, None)
        if active:
            alarms[alarm.parent_alarm_id] = alarm

    def of(self, subject: Subject) -> Silence | None:
        """Why this alarm keeps silent; None: it may sound."""
        shelf = self._shelves.get((subject.community_id, subject.condition))
        service = self._service.get(subject.device_id)
        above = [
            alarms for number in ancestors(self._devices, subject.device_id) if (alarms := self._parents.get(number))
        ]
        parent = above[-1][min(above[-1])] if above else None  # the topmost explains those in between too
        kind = suppression(subject.life_safety, shelf is not None, service is not None, parent is not None)
        return {"shelved": shelf, "out_of_service": service, "suppressed_by_design": parent}[kind] if kind else None


def explains(state: State, silence: Suppression | None) -> bool:
    """Whether a suppressing alarm keeps what stands below it silent: somebody must see it, or its own parent."""
    return state in ACTIVE and silence in (None, "suppressed_by_design")


def by_parent(alarm_id: int, title: str) -> Silence:
    return Silence("suppressed_by_design", None, f"alarm:{alarm_id}", title, alarm_id)


class Standing(msgspec.Struct, frozen=True):
    """A live alarm of the book as far as reconsidering asks."""

    id: int
    community_id: int
    condition: str
    device_id: int
    state: State
    life_safety: bool
    suppression: Suppression | None
    parent_alarm_id: int | None
    work_order: bool
    annunciated_at: datetime | None
    returned_silently: bool
    suppresses: bool

    @property
    def subject(self) -> Subject:
        return Subject(self.community_id, self.condition, self.device_id, self.life_safety)

    @property
    def freed(self) -> State:
        """Its state once nothing keeps it silent any more."""
        return "normal" if self.state == "returned_unacknowledged" and self.returned_silently else self.state

    def unheard(self, state: State) -> bool:
        """Whether somebody must be called for it in this state."""
        return state == "active_unacknowledged" or (state in UNACKNOWLEDGED and not self.annunciated_at)


class Released(msgspec.Struct):
    """What reconsidering some alarms changed."""

    changed: list[tuple[int, int]]  # community id, alarm id
    happened: list[Happened]


async def reconsider(
    connection: Connection,
    ids: Collection[int],
    now: datetime,
    devices: Mapping[int, Device],
    actor: str,
    *,
    wait: bool = True,
) -> Released:
    """Look again at why these live alarms keep silent, or may not. `wait` False leaves out those another writer holds.

    Only what is active falls silent: what returned before has still to be acknowledged. An alarm that may sound again
    asks if it is active or nobody heard of it; what returned while it was silent is over, unless latched. A parent that
    comes back from the shelf or into service explains what stands below it again.
    """
    released = Released([], [])
    if not ids:
        return released
    async with connection.cursor(row_factory=class_row(Standing)) as cursor:
        await cursor.execute(_SQL["lock_live" if wait else "lock_free"], {"ids": list(ids)})
        live = await cursor.fetchall()
    reasons = await Reasons(devices).read(connection, (alarm.subject for alarm in live), now)
    rows: list[Mapping[str, Any]] = []
    history: list[Mapping[str, Any]] = []
    back: set[int] = set()
    for alarm in live:
        silence, before = reasons.of(alarm.subject), alarm.suppression
        if before is None and (silence is None or alarm.state not in ACTIVE):
            continue
        after = alarm.state if silence else alarm.freed
        asks = silence is None and alarm.unheard(after)
        rows.append(_row(alarm.id, after, silence, now if asks else None))
        if silence is None or (silence.kind, silence.parent_alarm_id) != (before, alarm.parent_alarm_id):
            history.append(entry_of(alarm.community_id, alarm.id, now, alarm.state, after, actor, silence))
        released.changed.append((alarm.community_id, alarm.id))
        released.happened += _happened(alarm, after, silence)
        kind = silence.kind if silence else None
        if alarm.suppresses and not explains(alarm.state, before) and explains(after, kind):
            back.add(alarm.device_id)
    await write(connection, rows, history, now)
    if back:
        ids = await below(connection, descendants(devices, back))
        again = await reconsider(connection, ids, now, devices, actor, wait=wait)
        released.changed += again.changed
        released.happened += again.happened
    return released


def _happened(alarm: Standing, after: State, silence: Silence | None) -> list[Happened]:
    found = [Happened("alarm_changed", alarm.community_id, alarm.id)]
    if silence is None and alarm.work_order and (after in ACTIVE or alarm.unheard(after)):
        found.append(Happened("work_order_wanted", alarm.community_id, alarm.id))
    if alarm.annunciated_at and after == "normal" != alarm.state:
        found.append(Happened("alarm_settled", alarm.community_id, alarm.id, alarm.annunciated_at))
    return found


def _row(number: int, state: State, silence: Silence | None, annunciate_at: datetime | None) -> dict[str, Any]:
    return {
        "id": number, "state": state, "annunciate_at": annunciate_at,
        "suppression": silence.kind if silence else None,
        "suppressed_until": silence.until if silence else None,
        "suppressed_by": silence.by if silence else None,
        "suppression_reason": silence.reason if silence else None,
        "parent_alarm_id": silence.parent_alarm_id if silence else None,
    }  # fmt: skip


def entry_of(
    community: int, number: int, now: datetime, state: State, after: State, actor: str, silence: Silence | None
) -> Mapping[str, Any]:
    """The row of history that says why an alarm keeps silent from now on, or (None) may sound again."""
    return {
        "community_id": community, "alarm_id": number, "at": now, "from_state": state, "to_state": after,
        "actor": actor, "note": silence.reason if silence else "", "cause": None,
        "action": silence.kind if silence else "unsuppressed",
    }  # fmt: skip


async def write(
    connection: Connection, rows: Sequence[Mapping[str, Any]], history: Sequence[Mapping[str, Any]], now: datetime
) -> None:
    """Write suppression of alarms and what is to be remembered of it."""
    if rows:
        await connection.execute(_SQL["change"], {"rows": encode(rows), "now": now})
    await remember(connection, history)


async def remember(connection: Connection, history: Sequence[Mapping[str, Any]]) -> None:
    """Append to the history of alarms: rows of community_id, alarm_id, at, from_state, to_state, actor, note, cause,
    action."""
    if history:
        await connection.execute(_SQL["history"], {"rows": encode(history)})


def encode(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows for `jsonb_to_recordset`: one parameter however many. (COPY does not go into tables with row security.)"""
    return msgspec.json.encode(rows).decode()


async def give_grace(connection: Connection, parents: Collection[int], now: datetime) -> None:
    """Parents returned: their children stay silent a moment longer, to recover without a word."""
    await connection.execute(_SQL["grace"], {"parents": list(parents), "until": now + timedelta(seconds=GRACE_S)})


async def concerned(connection: Connection, maintenance_id: int) -> list[int]:
    """The live alarms a maintenance covers."""
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(_SQL["within_maintenance"], {"id": maintenance_id})
        return [row[0] for row in await cursor.fetchall()]


async def below(connection: Connection, devices: Collection[int]) -> list[int]:
    """The active alarms of these devices that a parent may silence."""
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(_SQL["below_parents"], {"devices": list(devices)})
        return [row[0] for row in await cursor.fetchall()]
