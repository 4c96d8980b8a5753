"""What a person does with alarms: list, read, acknowledge. Used alike by the REST API and the pages."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from hub import audit
from hub.alarms.model import transition
from hub.clock import Clock
from hub.live import Change, Live
from hub.principal import Principal
from hub.store.database import Connection, Database, NotThere, Row
from hub.store.queries import load_queries

_SQL = load_queries("hub.alarms")
_END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)


class AlarmDesk:
    """Use cases over the alarm book, for one principal at a time."""

    def __init__(self, database: Database, clock: Clock, live: Live) -> None:
        self._database = database
        self._clock = clock
        self._live = live

    async def recent(
        self,
        who: Principal,
        *,
        live: bool = True,
        device_id: int | None = None,
        before: tuple[datetime, int] | None = None,
        limit: int = 100,
    ) -> list[Row]:
        """Alarms newest first, at most `limit`; `before` is (raised_at, id) of the last one already seen."""
        moment, number = before or (_END_OF_TIME, 2**62)
        values = {"live": live, "device_id": device_id, "before": moment, "before_id": number, "limit": limit}
        async with self._database.session([who.community_id]) as connection:
            cursor = await connection.execute(_SQL["list"], values)
            return await cursor.fetchall()

    async def show(self, who: Principal, alarm_id: int) -> Row:
        """One alarm with its history. NotThere."""
        async with self._database.session([who.community_id]) as connection:
            return await self._show(connection, alarm_id)

    async def acknowledge(self, who: Principal, alarm_id: int, note: str = "") -> Row:
        """Say "seen, mine". A second acknowledgement changes nothing and gives the alarm as it is.

        NotThere; Refused(403) for a role without the right.
        """
        who.require("acknowledge")
        now = self._clock.now()
        async with self._database.session([who.community_id]) as connection:
            cursor = await connection.execute(_SQL["lock_one"], {"id": alarm_id, "community_id": who.community_id})
            row = await cursor.fetchone()
            if row is None:
                raise NotThere(f"alarm {alarm_id}")
            after = transition(row["state"], "acknowledge")
            if after != row["state"]:
                values: dict[str, Any] = {
                    "id": alarm_id, "community_id": who.community_id, "state": after, "from_state": row["state"],
                    "at": now, "actor": who.actor, "note": note[:500], "cause": None,
                }  # fmt: skip
                await connection.execute(_SQL["acknowledge"], values)
                await connection.execute(_SQL["history"], values)
                await audit.record(connection, who, "alarm.acknowledge", f"alarm:{alarm_id}", now)
            alarm = await self._show(connection, alarm_id)
        self.announce(alarm)
        return alarm

    def announce(self, alarm: Row) -> None:
        """Tell the live screens how this alarm now stands."""
        self._live.publish(Change("alarm", alarm["community_id"], str(alarm["id"]), alarm_json(alarm)))

    async def announce_changed(self, changed: Collection[tuple[int, int]]) -> None:
        """Tell the live screens of alarms the pipeline moved: (community id, alarm id) pairs."""
        async with self._database.session(sorted({community for community, _ in changed})) as connection:
            cursor = await connection.execute(_SQL["some"], {"ids": [number for _, number in changed]})
            for alarm in await cursor.fetchall():
                self.announce(alarm)

    async def _show(self, connection: Connection, alarm_id: int) -> Row:
        cursor = await connection.execute(_SQL["some"], {"ids": [alarm_id]})
        row = await cursor.fetchone()
        if row is None:
            raise NotThere(f"alarm {alarm_id}")
        history = await (await connection.execute(_SQL["history_of"], {"id": alarm_id})).fetchall()
        return {**row, "history": history}


def alarm_json(alarm: Row) -> dict[str, Any]:
    """An alarm row as plain JSON values (times ISO 8601 UTC)."""
    return {key: value.isoformat() if isinstance(value, datetime) else
            str(value) if key == "cause" and value else value
            for key, value in alarm.items() if key != "history"}  # fmt: skip
