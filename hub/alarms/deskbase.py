"""What every part of the alarm desk stands on: reading rows, reconsidering suppression, telling the screens."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from hub import audit
from hub.alarms import suppression
from hub.alarms.announcer import Announcer
from hub.alarms.jobs import Handlers, Happened, queue
from hub.alarms.model import STALE_S
from hub.alarms.words import step_log
from hub.clock import Clock
from hub.live import Change, Live
from hub.model import Device
from hub.principal import Principal
from hub.store.database import Connection, Database, NotThere, Row
from hub.store.queries import load_queries

_SQL = load_queries("hub.alarms")
FEW = 20  # alarms told one by one
_INSIDE = frozenset({"history", "steps", "comments", "returns", "annunciate_at", "first_out_at"})


class DeskBase:
    """The tools of the desk; not a use case among them."""

    def __init__(
        self, database: Database, clock: Clock, live: Live, handlers: Handlers | None = None,
        devices: Mapping[int, Device] | None = None, ports: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        self._database = database
        self._clock = clock
        self._live = live
        self._handlers: Handlers = handlers if handlers is not None else {}
        self._devices: Mapping[int, Device] = devices if devices is not None else {}
        self._ports: Mapping[str, Any] = ports if ports is not None else {}
        self._announcer = Announcer(clock, live, self.announce_changed, self._announce_storm)

    def announce(self, alarm: Row) -> None:
        """Tell the live screens how this alarm now stands."""
        told = alarm_json(alarm)
        self._live.publish(Change("alarm", alarm["community_id"], str(alarm["id"]), told, alarm["life_safety"]))

    def _announce_all(self, alarms: Collection[Row]) -> None:
        """Few at once; many as in a flood, bounded."""
        if len(alarms) > FEW:
            self.tell([(alarm["community_id"], alarm["id"]) for alarm in alarms], (), ())
            return
        for alarm in alarms:
            self.announce(alarm)

    async def announce_changed(self, changed: Collection[tuple[int, int]]) -> None:
        """Tell the live screens of alarms that were moved: (community id, alarm id) pairs."""
        async with self._database.session(sorted({community for community, _ in changed})) as connection:
            for alarm in await self._rows(connection, [number for _, number in changed]):
                self.announce(alarm)

    async def _announce_storm(self, community_id: int) -> None:
        async with self._database.session([community_id]) as connection:
            storm = await self._storm(connection, community_id)
        data = {**storm, "since": storm["since"].isoformat()} if storm else None
        self._live.publish(Change("storm", community_id, str(community_id), {"storm": data}))

    def tell(self, changed: Collection[tuple[int, int]], urgent: Collection[int], storms: Collection[int]) -> None:
        """Tell the live screens soon: (community id, alarm id) of what moved, alarm ids to tell first, communities
        whose storm moved (topic storm, {storm: as `storm` gives it, or null}). Never blocks; coalesced in a flood."""
        self._announcer.tell(changed, urgent, storms)

    # -- parts ---------------------------------------------------------------------------------------------------

    def _stale(self) -> datetime:
        return self._clock.now() - timedelta(seconds=STALE_S)

    def _entry(self, who: Principal, row: Row, action: str, note: str) -> dict[str, Any]:
        return {
            "id": row["id"], "community_id": who.community_id, "state": row["state"], "from_state": row["state"],
            "at": self._clock.now(), "actor": who.actor, "note": note, "action": action, "step": None, "done": None,
            "annunciated_at": row["annunciated_at"],
        }  # fmt: skip

    async def _lock(self, connection: Connection, who: Principal, alarm_id: int) -> Row:
        values = {"id": alarm_id, "community_id": who.community_id}
        row = await (await connection.execute(_SQL["lock_one"], values)).fetchone()
        if row is None:
            raise NotThere(f"alarm {alarm_id}")
        return row

    async def _lock_many(self, connection: Connection, who: Principal, wanted: Sequence[int]) -> list[Row]:
        values = {"ids": list(wanted), "community_id": who.community_id}
        rows = await (await connection.execute(_SQL["lock_many"], values)).fetchall()
        if missing := set(wanted) - {row["id"] for row in rows}:
            raise NotThere(f"alarm {min(missing)}")
        return rows

    async def _write_many(
        self, connection: Connection, who: Principal, query: str, entries: Sequence[dict[str, Any]],
        detail: dict[str, Any],
    ) -> None:  # fmt: skip
        """Write what a person did with many alarms, in as few statements as for one: the pipeline waits behind it."""
        if not entries:
            return
        rows = {"rows": suppression.encode(entries)}
        await connection.execute(_SQL[query], rows)
        await connection.execute(_SQL["history_many"], rows)
        objects = [f"alarm:{entry['id']}" for entry in entries]
        await audit.record_many(connection, who, f"alarm.{query}", objects, entries[0]["at"], detail)
        happened = [Happened("alarm_changed", who.community_id, entry["id"]) for entry in entries]
        happened += [
            Happened("alarm_settled", who.community_id, entry["id"], entry["annunciated_at"])
            for entry in entries
            if entry["annunciated_at"]
        ]
        await queue(connection, happened, self._handlers)

    async def _reconsider(self, connection: Connection, who: Principal, ids: Collection[int]) -> list[Row]:
        released = await suppression.reconsider(connection, ids, self._clock.now(), self._devices, who.actor)
        await queue(connection, released.happened, self._handlers)
        return await self._rows(connection, [number for _, number in released.changed])

    async def _rows(self, connection: Connection, ids: Sequence[int]) -> list[Row]:
        values = {"ids": list(ids), "stale": self._stale()}
        return await (await connection.execute(_SQL["some"], values)).fetchall()

    async def _show(self, connection: Connection, alarm_id: int) -> Row:
        rows = await self._rows(connection, [alarm_id])
        if not rows:
            raise NotThere(f"alarm {alarm_id}")
        history = await (await connection.execute(_SQL["history_of"], {"id": alarm_id})).fetchall()
        comments = [entry for entry in history if entry["action"] == "comment"]
        return {**rows[0], "history": history, "comments": comments,
                "steps": step_log(rows[0]["procedure"], history)}  # fmt: skip

    async def _storm(self, connection: Connection, community_id: int) -> Row | None:
        row = await (await connection.execute(_SQL["storm"], {"community_id": community_id})).fetchone()
        if row is None:
            return None
        groups = await (await connection.execute(_SQL["storm_groups"], {"id": row["id"]})).fetchall()
        return {**row, "groups": groups}


def alarm_json(alarm: Row) -> dict[str, Any]:
    """An alarm row as plain JSON values (times ISO 8601 UTC)."""
    return {key: value.isoformat() if isinstance(value, datetime) else
            str(value) if key == "cause" and value else value
            for key, value in alarm.items() if key not in _INSIDE}  # fmt: skip
