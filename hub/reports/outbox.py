"""The outbox: what is said inside a module's transaction is in the pipeline if and only if that transaction commits."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from psycopg.types.json import Jsonb

from hub.clock import to_us
from hub.model import Device, Verdict
from hub.store.database import Connection, Database, Row
from hub.store.queries import load_queries
from hub.vocabulary.base import Text
from hub.vocabulary.profiles import VirtualProfile

_SQL = load_queries("hub.reports")
_KEY_MOST = 200


async def put(
    connection: Connection,
    device: Device,
    *,
    key: str,
    at: datetime,
    events: Sequence[tuple[str, Mapping[str, Any]]] = (),
    points: Mapping[str, float | None] | None = None,
    verdicts: Sequence[Verdict] = (),
) -> None:
    """Say something of a device, in the caller's transaction.

    `key` names what is said for good: said again with the same key and time it changes nothing. `events`: (name, data)
    of the device's kind; `points`: values in canonical units, None where it cannot be told (virtual devices only);
    `verdicts`: outcomes of periodic analyses, for any device. ValueError for what the device's kind does not know.
    """
    points = points or {}
    _check(device, key, events, points)
    body = {"key": key, "events": [[name, dict(data)] for name, data in events], "points": dict(points),
            "verdicts": [msgspec.to_builtins(verdict, enc_hook=Text.model_dump) for verdict in verdicts]}  # fmt: skip
    await connection.execute(
        _SQL["put"],
        {"community_id": device.community_id, "device": device.code, "key": key, "at": at, "body": Jsonb(body)},
    )


def _check(
    device: Device, key: str, events: Sequence[tuple[str, Mapping[str, Any]]], points: Mapping[str, Any]
) -> None:
    if not 0 < len(key) <= _KEY_MOST:
        raise ValueError(f"a report's key has 1 to {_KEY_MOST} characters")
    if (events or points) and not isinstance(device.profile, VirtualProfile):
        raise ValueError(f"{device.code} is no virtual device: only its own messages tell of it")
    for name, data in events:
        if name not in device.kind.events or not data.keys() <= device.kind.events[name].data.keys():
            raise ValueError(f"a {device.kind_name} has no event {name!r} with the fields {', '.join(data) or 'none'}")
    if unknown := points.keys() - device.points.keys():
        raise ValueError(f"{device.code} has no point {', '.join(sorted(unknown))}")


class Reports:
    """The outbox as the virtual buses read it: each row is offered once, and deleted when it is stored."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._wakers: list[Callable[[], None]] = []

    def wake(self) -> None:
        """There is something new: call it after the commit. Without it a report waits a second."""
        for waker in self._wakers:
            waker()

    def on_wake(self, waker: Callable[[], None]) -> None:
        self._wakers.append(waker)

    def off_wake(self, waker: Callable[[], None]) -> None:
        self._wakers.remove(waker)

    async def take(self, community_id: int, except_ids: Sequence[int], most: int) -> list[Row]:
        """Rows that wait, oldest first, without those already offered."""
        async with self._database.session([community_id]) as connection:
            values = {"community_id": community_id, "except": list(except_ids), "most": most}
            return await (await connection.execute(_SQL["take"], values)).fetchall()

    async def forget(self, community_id: int, ids: Sequence[int]) -> None:
        """They are stored."""
        async with self._database.session([community_id]) as connection:
            await connection.execute(_SQL["forget"], {"community_id": community_id, "ids": list(ids)})


def payload(row: Row) -> bytes:
    """A row as the bytes of an arrival; `at` in microseconds UTC."""
    return msgspec.json.encode({**row["body"], "at": to_us(row["at"])})


class Signal:
    """An event that wakes one reader, with a longest wait."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        self._event.set()

    async def wait(self, seconds: float) -> None:
        """Come back when it is set, or after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            pass
        self._event.clear()
