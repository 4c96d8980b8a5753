"""What the hub kept, read for `compare` with the owner's rights."""

from collections.abc import Iterable

import psycopg

from hub.clock import from_us, to_us
from hub.store.queries import load_queries
from hub.truth import Truth, TruthOutcome
from hub.verify.compare import Stored, StoredAlarm, StoredEvent, StoredSample

_SQL = load_queries("hub.verify")
_MARGIN_US = 5_000_000


def span(truths: Iterable[Truth]) -> tuple[int, int]:
    """First and last instant the truth speaks of, microseconds UTC. ValueError for an empty truth."""
    times = [truth.begins if hasattr(truth, "begins") else truth.at for truth in truths
             if not isinstance(truth, TruthOutcome)]  # fmt: skip
    if not times:
        raise ValueError("the truth file says nothing")
    return min(times), max(times)


def read_stored(conninfo: str, community: str, since_us: int, until_us: int) -> Stored:
    """Events, alarms and counter samples of a community in that time. psycopg.Error when the store is away."""
    values = {"community": community, "since": from_us(since_us - _MARGIN_US), "until": from_us(until_us + _MARGIN_US)}
    with psycopg.connect(conninfo, options="-c search_path=public") as connection:
        # The owner too is held by row security where it is no superuser: name all communities.
        connection.execute(_SQL["see_all"])
        events = [
            StoredEvent(code, name, to_us(ts), data)
            for code, name, ts, data in connection.execute(_SQL["events"], values)
        ]
        alarms = _alarms(connection, values)
        samples = [
            StoredSample(code, point, to_us(ts), value)
            for code, point, ts, value in connection.execute(_SQL["samples"], values)
        ]
    return Stored(events, alarms, samples)


def _alarms(connection: "psycopg.Connection[tuple[object, ...]]", values: dict[str, object]) -> list[StoredAlarm]:
    """Each rise to active from nothing, or again after a return, is one alarm; the next return ends it."""
    standing: dict[int, StoredAlarm] = {}
    found: list[StoredAlarm] = []
    cursor = connection.execute(_SQL["alarms"], values)
    for code, rule, at, action, number in cursor.fetchall():
        known = standing.get(number)  # type: ignore[call-overload]
        if action == "raise":
            standing[number] = StoredAlarm(code, rule, to_us(at))  # type: ignore[index, arg-type]
        elif known is not None and known.returned_at is None:
            found.append(StoredAlarm(known.device, known.rule, known.raised_at, to_us(at)))  # type: ignore[arg-type]
            del standing[number]  # type: ignore[arg-type]
    return found + list(standing.values())
