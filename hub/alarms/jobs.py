"""Domain events of alarms: jobs of whoever handles them, queued in the transaction that caused them."""

from collections.abc import Iterable, Mapping
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
    """A domain event. `number` is the alarm's, for storms the storm's."""

    name: EventName
    community_id: int
    number: int

    @property
    def arguments(self) -> dict[str, int]:
        key = "storm_id" if self.name.startswith("storm") else "alarm_id"
        return {"community_id": self.community_id, key: self.number}


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
