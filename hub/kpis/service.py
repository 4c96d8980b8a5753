"""Alarm performance of a community, read from what was recorded. It only reads."""

from datetime import datetime, timedelta
from typing import Any

from hub.context import Context
from hub.kpis.model import PERIODS, SLOT, Actor, Counts, Period, Report, report
from hub.principal import Principal
from hub.store.queries import load_queries

_SQL = load_queries("hub.kpis")


class KpiDesk:
    """The figures, for one principal at a time."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def report(self, who: Principal, period: Period = "week", operators: int = 1) -> Report:
        """The last 24 h, 7 or 30 days up to now, in whole slots of ten minutes; standing figures are those of now.

        ValueError for another period or no operator.
        """
        now = self._context.clock.now()
        length = PERIODS[period]
        since = _whole(now) + SLOT - length
        values = {"community_id": who.community_id, "since": since, "until": now}
        async with self._context.database.session([who.community_id]) as connection:

            async def fetch(query: str) -> list[dict[str, Any]]:
                return await (await connection.execute(_SQL[query], values)).fetchall()

            counted = {row["slot"]: row["count"] for row in await fetch("slots")}
            actors = [Actor(**row, share=0.0) for row in await fetch("actors")]
            priorities = {row["priority"]: row["count"] for row in await fetch("priorities")}
            seconds = [row["seconds"] for row in await fetch("acknowledged")]
            [counts] = await fetch("counts")
        slots = [counted.get(index, 0) for index in range(length // SLOT)]
        return report(
            since, now, slots, actors, Counts(priorities=priorities, to_acknowledge=seconds, **counts), operators
        )


def _whole(moment: datetime) -> datetime:
    """The start of the ten minutes it is in."""
    return moment - timedelta(minutes=moment.minute % 10, seconds=moment.second, microseconds=moment.microsecond)
