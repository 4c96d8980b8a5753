"""The alarm book as the pipeline writes it: inside the batch's transaction, so exactly once or not at all."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg.types.json import Jsonb

from hub.alarms.model import PRIORITIES, Action, State, transition
from hub.clock import from_us
from hub.decisions import AlarmChange
from hub.store.queries import load_queries
from hub.vocabulary.base import Text

_SQL = load_queries("hub.alarms")


class Transition(msgspec.Struct, frozen=True):
    """What one change did to the book."""

    alarm_id: int
    community_id: int
    rule: str
    device_id: int
    from_state: State
    to_state: State
    work_order: bool

    @property
    def opened(self) -> bool:
        return self.from_state == "normal"


async def apply(connection: psycopg.AsyncConnection[Any], changes: Sequence[AlarmChange]) -> list[Transition]:
    """Write the changes in order; gives the transitions that happened. A second raise of a live alarm only counts.

    psycopg.errors.UniqueViolation when another writer raised the same condition at the same moment: try again.
    """
    transitions = []
    for change in changes:
        done = await _apply_one(connection, change)
        if done is not None:
            transitions.append(done)
    return transitions


async def _apply_one(connection: psycopg.AsyncConnection[Any], change: AlarmChange) -> Transition | None:
    values = _values(change)
    cursor = await connection.execute(_SQL["lock_live"], values)
    live = await cursor.fetchone()
    before: State = live[1] if live else "normal"
    action: Action = change.action
    after = transition(before, action)
    if live is None:
        if change.action == "return":
            return None
        cursor = await connection.execute(_SQL["insert"], values)
        row = await cursor.fetchone()
        assert row is not None
        values["id"] = row[0]
    else:
        values["id"] = live[0]
        values["state"] = after
        if change.action == "raise":
            await connection.execute(_SQL["repeat"], values)
        elif after != before:
            await connection.execute(_SQL["return"], values)
    if after == before:
        return None
    values |= {"from_state": before if live else None, "state": after}
    await connection.execute(_SQL["history"], values)
    return Transition(
        values["id"], change.device.community_id, change.rule, change.device.id, before, after, change.work_order
    )


def _values(change: AlarmChange) -> dict[str, Any]:
    return {
        "community_id": change.device.community_id,
        "condition": f"{change.rule}:{change.device.code}",
        "rule": change.rule,
        "device_id": change.device.id,
        "priority": PRIORITIES[change.priority],
        "life_safety": change.life_safety,
        "title": _text(change.title),
        "text": _text(change.text),
        "procedure": _text(change.procedure) if change.procedure else None,
        "at": from_us(change.at),
        "cause": UUID(bytes=change.cause) if change.cause else None,
        "actor": f"rule:{change.rule}",
        "note": change.text.zh,
    }


def _text(text: Text) -> Jsonb:
    return Jsonb({"zh": text.zh, "en": text.en})
