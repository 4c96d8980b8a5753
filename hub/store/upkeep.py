"""Upkeep of the time series: roll-ups right after late data, partitions made ahead, retention by whole days."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import structlog

from hub.clock import Clock
from hub.settings import Settings
from hub.store.database import connect_ingest
from hub.store.queries import load_queries

_SQL = load_queries("hub.store", "rollups.sql")
_DAYS_AHEAD = 7
_HOUR = timedelta(hours=1)
_log = structlog.get_logger()


class Upkeep:
    """Runs on a connection of its own, so that a slow roll-up never holds the pipeline up."""

    def __init__(self, conninfo: str, clock: Clock, settings: Settings) -> None:
        self._conninfo = conninfo
        self._clock = clock
        self._settings = settings

    async def run(self, every_s: float = 30.0) -> None:
        """Work until cancelled; psycopg.OperationalError when the store goes away (the supervisor starts it again)."""
        day = None
        while True:
            today = self._clock.now().date()
            if today != day:
                await self.keep_partitions()
                day = today
            await self.roll_up()
            await self.prune()
            await self._clock.sleep(every_s)

    async def roll_up(self) -> int:
        """Recompute every hour that got samples since the last run, and its day. Gives how many hours.

        One snapshot for the list and the sums: a batch that commits meanwhile leaves its own mark for the next run.
        """
        connection = await connect_ingest(self._conninfo, [])
        now = self._clock.now()
        try:
            await connection.execute("SET default_transaction_isolation = 'repeatable read'")
            await connection.commit()
            async with connection.transaction():
                rows = await (await connection.execute(_SQL["dirty"])).fetchall()
                zones = dict(await (await connection.execute(_SQL["zones"])).fetchall())
                hours = {(community, bucket) for _, community, bucket in rows}
                for community, bucket in sorted(hours):
                    await connection.execute(_SQL["hour"], {"community_id": community, "bucket": bucket})
                    if bucket + _HOUR <= now:  # perhaps it was judged already
                        await connection.execute(_SQL["changed"], [community, bucket])
                for community, start, end in sorted({_day_of(c, b, zones[c]) for c, b in hours}):
                    await connection.execute(_SQL["day"], {"community_id": community, "day": start, "next_day": end})
                await connection.execute(_SQL["done"], [[row[0] for row in rows]])
            return len(hours)
        finally:
            await connection.close()

    async def prune(self) -> None:
        """Bound what hostile or endless input can fill: dead letters, decisions of rules, failed sign-ins, pictures,
        clips."""
        connection = await connect_ingest(self._conninfo, [])
        now = self._clock.now()
        past = now - timedelta(days=self._settings.frame_days)
        try:
            async with connection.transaction():
                await connection.execute(_SQL["see_all"])
                await connection.execute(_SQL["old_letters"], [past, self._settings.dead_letters])
                await connection.execute(_SQL["old_decisions"], [past])
                await connection.execute(_SQL["old_attempts"], [now - timedelta(days=1)])
                await connection.execute(_SQL["old_pictures"], [now - timedelta(days=self._settings.picture_days)])
                await connection.execute(_SQL["old_clips"], [now - timedelta(days=self._settings.clip_days)])
        finally:
            await connection.close()

    async def keep_partitions(self) -> list[str]:
        """Make the partitions of the coming days and drop what is past its time. Gives what was dropped."""
        connection = await connect_ingest(self._conninfo, [])
        today = self._clock.now().date()
        dropped: list[str] = []
        try:
            for ahead in range(-1, _DAYS_AHEAD + 1):
                await connection.execute("SELECT telemetry.ensure_day(%s)", [today + timedelta(days=ahead)])
                await connection.commit()
            settings = self._settings
            for table, days in (("sample", settings.sample_days), ("frame", settings.frame_days),
                                ("event", settings.event_days)):  # fmt: skip
                cursor = await connection.execute(
                    "SELECT telemetry.drop_before(%s, %s)", [table, today - timedelta(days=days)]
                )
                dropped += [row[0] for row in await cursor.fetchall()]
                await connection.commit()
        finally:
            await connection.close()
        if dropped:
            _log.info("dropped days past retention", partitions=dropped)
        return dropped


def _day_of(community: int, bucket: datetime, time_zone: str) -> tuple[int, datetime, datetime]:
    """The community's local day an hour lies in: (community, begin, end)."""
    zone = ZoneInfo(time_zone)
    local = bucket.astimezone(zone).date()
    start = datetime(local.year, local.month, local.day, tzinfo=zone)
    tomorrow = local + timedelta(days=1)
    return community, start, datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=zone)
