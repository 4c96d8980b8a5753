"""One alarm while a batch is applied to it: what the book's row will hold, moved by changes without a database."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from hub.alarms.model import ACTIVE, CHATTER_US, PRIORITIES, State, Suppression, chatters, transition, with_return
from hub.alarms.suppression import Silence, Subject
from hub.clock import from_us, to_us
from hub.decisions import AlarmChange

Key = tuple[int, str]
"""Community id and condition."""


class Entry(msgspec.Struct, kw_only=True, eq=False):
    """A row of the book. Encodes as the JSON object its statements read; `id` 0 until it has a number."""

    id: int = 0
    community_id: int
    condition: str
    rule: str
    device_id: int
    priority: int
    life_safety: bool
    state: State
    title: dict[str, str]
    text: dict[str, str] | None = None  # None: as the book has it
    count: int = 1
    latch: bool = False
    suppresses: bool = False
    work_order: bool = False
    returns: list[datetime] = []
    chattering: bool = False
    active_since: datetime | None = None
    returned_at: datetime | None = None
    annunciate_at: datetime | None = None
    annunciated_at: datetime | None = None
    storm_id: int | None = None
    first_out: bool = False
    suppression: Suppression | None = None
    suppressed_until: datetime | None = None
    suppressed_by: str | None = None
    suppression_reason: str | None = None
    parent_alarm_id: int | None = None
    returned_silently: bool = False  # while suppressed: nobody missed it
    limit_value: float | None = None
    cost_fen: int | None = None
    # written once, when the alarm is opened
    procedure: dict[str, str] | None = None
    raised_at: datetime | None = None
    cause: str | None = None
    historical: bool = False
    first_out_group: str = ""
    point: str | None = None
    shelvable: bool = True

    @property
    def subject(self) -> Subject:
        return Subject(self.community_id, self.condition, self.device_id, self.life_safety)

    def waits_on(self, before: State) -> bool:
        """Whether it still asks though it returned: nobody heard of it. What waited in a storm only if it must be reset
        or is critical; what happened long ago not at all."""
        unheard = before == "active_unacknowledged" and self.annunciated_at is None and not self.historical
        return unheard and (self.storm_id is None or self.latch or self.priority == 1)

    def silence(self, why: Silence) -> None:
        """Keep silent for this reason."""
        self.suppression, self.suppressed_until = why.kind, why.until
        self.suppressed_by, self.suppression_reason = why.by, why.reason
        self.parent_alarm_id, self.annunciate_at = why.parent_alarm_id, None
        self.returned_silently = self.state not in ACTIVE


class Move(msgspec.Struct, frozen=True):
    """A change that moved an entry from one state to another."""

    entry: Entry
    before: State
    after: State
    change: AlarmChange
    opened: bool

    @property
    def anew(self) -> bool:
        """Whether it calls people: for the first time, or again after it was acknowledged and had gone."""
        return self.opened or (self.before == "latched_acknowledged" and self.change.action == "raise")


class Past(msgspec.Struct, frozen=True):
    """What the condition's former life leaves to the next: whether it chatters."""

    returns: list[datetime]
    chattering: bool


def key_of(change: AlarmChange) -> Key:
    return change.device.community_id, f"{change.rule}:{change.device.code}"


def play(live: dict[Key, Entry], past: dict[Key, Past], change: AlarmChange) -> tuple[Entry | None, Move | None]:
    """Apply one change: the entry it touched, and its move if it moved. `live` and `past` are kept up to date."""
    key = key_of(change)
    entry = live.get(key)
    opened = entry is None
    if entry is None:
        if change.action == "return":
            return None, None
        entry = live[key] = _open(change, key, past.get(key))
        before: State = "normal"
    else:
        before = entry.state
        if change.action == "raise":
            entry.count += 1
            entry.text = _text(change.text)
            entry.limit_value, entry.cost_fen = change.limit, change.cost_fen
    after = transition(before, change.action, entry.latch)
    if after == before:
        return entry, None
    entry.state = after
    at = from_us(change.at)
    if change.action == "raise":
        entry.active_since, entry.returned_at, entry.returned_silently = at, None, False
        if before == "latched_acknowledged":
            entry.annunciated_at = None  # what was acknowledged was the call before
        if entry.returns and change.at - to_us(entry.returns[-1]) > CHATTER_US:
            entry.chattering = False
    else:
        entry.returned_at = at
        if not entry.waits_on(before):
            entry.annunciate_at = None
        entry.returned_silently = entry.suppression is not None
        _note_return(entry, change.at)
    if after == "normal":
        del live[key]
        past[key] = Past(entry.returns, entry.chattering)
    return entry, Move(entry, before, after, change, opened)


def _note_return(entry: Entry, at: int) -> None:
    returns = with_return([to_us(moment) for moment in entry.returns], at)
    entry.returns = [from_us(moment) for moment in returns]
    entry.chattering = entry.chattering or chatters(returns)


def _open(change: AlarmChange, key: Key, past: Past | None) -> Entry:
    return Entry(
        community_id=key[0], condition=key[1], rule=change.rule, device_id=change.device.id,
        priority=PRIORITIES[change.priority], life_safety=change.life_safety, state="normal",
        title=_text(change.title), text=_text(change.text), latch=change.latch, suppresses=change.suppresses,
        work_order=change.work_order, returns=past.returns if past else [],
        chattering=past.chattering if past else False, limit_value=change.limit, cost_fen=change.cost_fen,
        procedure=_text(change.procedure) if change.procedure else None, raised_at=from_us(change.at),
        cause=cause_of(change), historical=change.historical, first_out_group=change.group, point=change.point,
        shelvable=change.shelvable,
    )  # fmt: skip


def cause_of(change: AlarmChange) -> str | None:
    return change.cause.hex() if change.cause else None


def history_of(move: Move) -> Mapping[str, Any]:
    """The row of history a move leaves."""
    change = move.change
    return {
        "community_id": move.entry.community_id, "alarm_id": move.entry.id, "at": from_us(change.at),
        "from_state": None if move.opened else move.before, "to_state": move.after, "actor": f"rule:{change.rule}",
        "note": change.text.zh, "cause": cause_of(change), "action": change.action,
    }  # fmt: skip


def _text(text: Any) -> dict[str, str]:
    return {"zh": text.zh, "en": text.en}
