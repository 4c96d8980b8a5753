"""`hub explain EVENT_ID`: raw bytes, what they were decoded to, what was stored, what the rules made of it, and what
followed. Also takes a frame key."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from hub.catalog.load import Catalog
from hub.cli.accounts import community_of
from hub.cli.offline import offline
from hub.cli.tools import find_device, lines, make_driver
from hub.clock import SystemClock, to_us
from hub.errors import BadFrame, HubError, Misconfigured
from hub.model import Arrival, Frame
from hub.principal import Principal
from hub.settings import Settings
from hub.store.queries import load_queries

_SQL = load_queries("hub.cli", "explain.sql")


def explain(conninfo: str, catalog: Catalog, number: UUID) -> Iterator[str]:
    """Lines for a person. HubError when there is no such event or frame; psycopg.Error."""
    with psycopg.connect(conninfo, options="-c search_path=public", row_factory=dict_row) as connection:
        connection.execute(_SQL["see_all"])
        queries = ("frame_of_event", "frame_by_key")
        found = (connection.execute(_SQL[name], {"id": number}).fetchone() for name in queries)
        frame = next((row for row in found if row is not None), None)
        if frame is None:
            raise HubError(f"there is no event or frame {number}")
        yield f"# frame {frame['key']}"
        yield f"device    {frame['community']}/{frame['device']} ({frame['kind']}, {frame['profile']})"
        yield f"time      {frame['ts'].isoformat()}  received {frame['received'].isoformat()}"
        yield f"source    {frame['bus']}  {frame['source']}"
        yield f"raw       {bytes(frame['raw']).hex(' ')}"
        yield "# decoded again by the present profile"
        decoded = _decode(catalog, frame)
        yield from [str(decoded)] if isinstance(decoded, BadFrame) else lines(decoded)
        # Another message of the same instant has readings of its own: show those of this one.
        names = [] if isinstance(decoded, BadFrame) else [r.point.name for f in decoded for r in f.readings]
        yield from _stored(connection, {**frame, "points": names})


async def explain_bill(settings: Settings, conninfo: str, catalog: Catalog, community: str, line: int) -> str:
    """A bill line walked back to its readings and raw frames, as JSON. NotThere; Misconfigured without billing."""
    async with offline(settings, conninfo, catalog) as context:
        if "billing.walk_back" not in context.ports:
            raise Misconfigured("the billing module is not installed")
        clerk = Principal("system:explain", community_of(context, community), "finance")
        found = await context.ports["billing.walk_back"](clerk, line)
        return json.dumps(found, ensure_ascii=False, indent=2)


def _decode(catalog: Catalog, frame: dict[str, Any]) -> list[Frame] | BadFrame:
    device, bus, devices = find_device(catalog, f"{frame['community']}/{frame['device']}")
    decoder = make_driver("explain", bus, devices, SystemClock()).decoder()
    arrival = Arrival("explain", frame["source"], bytes(frame["raw"]), to_us(frame["received"]))
    try:
        return [f for f in decoder.decode(arrival) if isinstance(f, Frame) and f.device is device]
    except BadFrame as error:
        return error


def _stored(connection: "psycopg.Connection[dict[str, Any]]", frame: dict[str, Any]) -> Iterator[str]:
    yield "# stored"
    for row in connection.execute(_SQL["readings"], frame):
        yield f"reading   {row['name']} = {row['value']!r} {row['unit']}  quality {row['quality']}"
    events = connection.execute(_SQL["events"], frame).fetchall()
    for row in events:
        yield f"event     {row['name']}  {row['id']}"
    yield "# rules"
    decisions = connection.execute(_SQL["decisions"], frame).fetchall()
    for row in decisions:
        yield f"{row['outcome']:9} {row['rule']}: {row['reason']}"
    if not decisions:
        yield "no rule moved"
    yield "# effects"
    effects = connection.execute(_SQL["alarms"], frame).fetchall()
    for row in effects:
        links = ", ".join(f"{kind} {reference}" for kind, reference in (row["links"] or {}).items())
        yield f"alarm {row['id']}  {row['from_state'] or 'normal'} -> {row['to_state']}  {links}".rstrip()
    proofs = connection.execute(_SQL["commands"], frame).fetchall()
    for row in proofs:
        yield f"command {row['id']}  {row['name']} {row['state']}, asked by {row['requested_by']}"
    if not effects and not proofs:
        yield "none"
