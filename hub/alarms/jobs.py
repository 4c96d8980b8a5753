"""Domain events of alarms: jobs of whoever handles them, queued in the transaction that caused them."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
import psycopg

from hub.store.deferral import Job, defer

EventName = Literal[
    "alarm_changed",
    "alarm_raised",
    "work_order_wanted",
    "alarm_annunciated",
    "alarm_settled",
    "storm_began",
    "storm_ended",
]
Handlers = Mapping[str, list[str]]
"""Domain event -> jobs that want it."""


class Happened(msgspec.Struct, frozen=True):
    """A domain event. `number` is the alarm's, for storms the storm's. `annunciated_at`: which of an alarm's calls it
    is about; its job may run when the alarm has called again."""

    name: EventName
    community_id: int
    number: int
    annunciated_at: datetime | None = None

    @property
    def arguments(self) -> dict[str, Any]:
        key = "storm_id" if self.name.startswith("storm") else "alarm_id"
        call = {"annunciated_at": self.annunciated_at.astimezone(UTC).isoformat()} if self.annunciated_at else {}
        return {"community_id": self.community_id, key: self.number, **call}


async def queue(connection: psycopg.AsyncConnection[Any], happened: Iterable[Happened], handlers: Handlers) -> None:
    """Queue the jobs of these events, in order, each event once: they run if and only if the transaction commits."""
    await defer(
        connection,
        (
            Job(task, f"{'storm' if event.name.startswith('storm') else 'alarm'}-{event.number}", event.arguments)
            for event in dict.fromkeys(happened)
            for task in handlers.get(event.name, ())
        ),
    )
