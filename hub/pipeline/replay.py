"""Dead letters, once more through the pipeline."""

from collections.abc import Collection
from datetime import datetime

from hub.clock import to_us
from hub.errors import Refused
from hub.model import Arrival
from hub.pipeline.intake import ArrivalQueue
from hub.store.database import Database

_REPLAYED = """
UPDATE hub.dead_letter SET replayed_at = %s WHERE id = ANY (%s) AND size = length(raw) AND bus = ANY (%s)
RETURNING bus, source, raw, first_at, retained, token"""


async def replay(
    database: Database, queue: ArrivalQueue, buses: Collection[str], community_id: int, ids: list[int], now: datetime
) -> int:
    """Put dead letters of a community into the queue again, as they came then; gives how many. Those kept cut and
    those of no bus of `buses` are left out. Refused(503) while the queue is full: it could drop them."""
    if queue.full():
        raise Refused("busy", "the hub is behind with what comes; try again when it has caught up", 503)
    async with database.session([community_id]) as connection:
        rows = await (await connection.execute(_REPLAYED, [now, ids, list(buses)])).fetchall()
    queue.offer([
        Arrival(row["bus"], row["source"], bytes(row["raw"]), to_us(row["first_at"]), retained=row["retained"],
                token=row["token"])
        for row in rows
    ])  # fmt: skip
    return len(rows)
