"""Devices out of service and planned maintenance: silence for a reason, with an end."""

from datetime import datetime, timedelta

from hub import audit
from hub.alarms import suppression
from hub.alarms.deskbase import DeskBase
from hub.alarms.words import moment, words
from hub.errors import Refused
from hub.principal import Principal
from hub.store.database import Connection, NotThere, Row
from hub.store.queries import load_queries

_SQL = load_queries("hub.alarms")
MAINTENANCE = timedelta(days=30)
PLAN_AHEAD = timedelta(days=366)


class MaintenanceDesk(DeskBase):
    """The part of the alarm desk for those who maintain."""

    async def take_out_of_service(
        self, who: Principal, device_id: int, until: datetime, reason: str, work_order: str
    ) -> Row:
        """Silence a device while it is worked on: a work order is named, 30 days at most; it ends by itself. Once more
        for the same device changes end, reason and work order. Gives the maintenance row. Refused(422) where a module
        keeps the orders and knows no such number."""
        who.require("maintain")
        reason, work_order, now = words("reason", reason, 1), words("work_order", work_order, 1, 64), self._clock.now()
        moment("until", until, now, MAINTENANCE)
        async with self._database.session([who.community_id]) as connection:
            device = await self._device(connection, who, device_id)
        await self._order_known(who, work_order)
        async with self._database.session([who.community_id]) as connection:
            values = {
                "community_id": who.community_id, "device_id": device_id, "at": now, "until": until, "reason": reason,
                "work_order": work_order, "actor": who.actor,
            }  # fmt: skip
            cursor = await connection.execute(_SQL["out_of_service"], values)
            detail = {"until": until.isoformat(), "reason": reason, "work_order": work_order}
            await audit.record(connection, who, "device.out_of_service", f"device:{device['code']}", now, detail)
            row, changed = await self._apply(connection, who, await cursor.fetchone())
        self._announce_all(changed)
        return row

    async def return_to_service(self, who: Principal, device_id: int) -> Row:
        """The device is watched again from now on. Gives the maintenance row that ended; Refused(409) when the device
        is in service."""
        who.require("maintain")
        async with self._database.session([who.community_id]) as connection:
            device = await self._device(connection, who, device_id)
            values = {"device_id": device_id, "community_id": who.community_id}
            found = await (await connection.execute(_SQL["service_of"], values)).fetchone()
            if found is None:
                raise Refused("in_service", f"the device {device['code']} is in service")
            await audit.record(connection, who, "device.in_service", f"device:{device['code']}", self._clock.now())
            row, changed = await self._end(connection, who, found["id"])
        self._announce_all(changed)
        return row

    async def plan_maintenance(
        self, who: Principal, *, place: str | None = None, device_id: int | None = None, since: datetime,
        until: datetime, reason: str, work_order: str = "",
    ) -> Row:  # fmt: skip
        """A window in which a place's subtree, or one device, is out of service: 30 days at most, planned up to a year
        ahead. Give either `place` or `device_id`; one device needs its work order, a place may name one. Gives the
        maintenance row. Refused(422) where a module keeps the orders and knows no such number."""
        who.require("maintain")
        reason, now = words("reason", reason, 1), self._clock.now()
        work_order = words("work_order", work_order, 0 if device_id is None else 1, 64)
        if (place is None) == (device_id is None):
            raise Refused("bad_target", "place, device_id: give exactly one of them", 422)
        moment("since", since, now - timedelta(minutes=5), PLAN_AHEAD)
        moment("until", until, max(since, now), MAINTENANCE)
        async with self._database.session([who.community_id]) as connection:
            target = await self._target(connection, who, place, device_id)
        if work_order:
            await self._order_known(who, work_order)
        async with self._database.session([who.community_id]) as connection:
            values = {
                "community_id": who.community_id, "place": place, "device_id": device_id, "since": since,
                "until": until, "reason": reason, "actor": who.actor, "at": now, "begun": since <= now,
                "work_order": work_order or None,
            }  # fmt: skip
            cursor = await connection.execute(_SQL["window"], values)
            detail = {
                "since": since.isoformat(),
                "until": until.isoformat(),
                "reason": reason,
                "work_order": work_order,
            }
            await audit.record(connection, who, "maintenance.plan", target, now, detail)
            row, changed = await self._apply(connection, who, await cursor.fetchone())
        self._announce_all(changed)
        return row

    async def end_maintenance(self, who: Principal, maintenance_id: int) -> Row:
        """End a window, or call off one that is planned; one that has ended stays as it is."""
        who.require("maintain")
        async with self._database.session([who.community_id]) as connection:
            values = {"id": maintenance_id, "community_id": who.community_id}
            if await (await connection.execute(_SQL["open_maintenance"], values)).fetchone() is None:
                raise NotThere(f"maintenance {maintenance_id}")
            row, changed = await self._end(connection, who, maintenance_id)
        self._announce_all(changed)
        return row

    async def maintenance(self, who: Principal) -> list[Row]:
        """Windows and devices out of service, planned or going on (`active`), by their beginning."""
        async with self._database.session([who.community_id]) as connection:
            return await self._maintenance(connection, who, None)

    async def _target(self, connection: Connection, who: Principal, place: str | None, device_id: int | None) -> str:
        if device_id is not None:
            return f"device:{(await self._device(connection, who, device_id))['code']}"
        values = {"place": place, "community_id": who.community_id}
        if await (await connection.execute(_SQL["place"], values)).fetchone() is None:
            raise NotThere(f"place {str(place)[:100]}")
        return f"place:{place}"

    async def _order_known(self, who: Principal, work_order: str) -> None:
        port = self._ports.get("workorders.known")  # takes a connection of its own: never asked within a session
        if port is not None and not await port(who, work_order):
            raise Refused("no_work_order", f"work_order: {work_order!r} is no work order of this community", 422)

    async def _device(self, connection: Connection, who: Principal, device_id: int) -> Row:
        values = {"device_id": device_id, "community_id": who.community_id}
        row = await (await connection.execute(_SQL["device"], values)).fetchone()
        if row is None:
            raise NotThere(f"device {device_id}")
        return row

    async def _apply(self, connection: Connection, who: Principal, made: Row | None) -> tuple[Row, list[Row]]:
        assert made is not None
        concerned = await suppression.concerned(connection, made["id"])
        changed = await self._reconsider(connection, who, concerned)
        [row] = await self._maintenance(connection, who, made["id"])
        return row, changed

    async def _end(self, connection: Connection, who: Principal, number: int) -> tuple[Row, list[Row]]:
        now = self._clock.now()
        cursor = await connection.execute(_SQL["end_maintenance"], {"id": number, "at": now, "actor": who.actor})
        if await cursor.fetchone():
            await audit.record(connection, who, "maintenance.end", f"maintenance:{number}", now)
        return await self._apply(connection, who, {"id": number})

    async def _maintenance(self, connection: Connection, who: Principal, number: int | None) -> list[Row]:
        values = {"community_id": who.community_id, "id": number, "at": self._clock.now()}
        return await (await connection.execute(_SQL["maintenance"], values)).fetchall()
