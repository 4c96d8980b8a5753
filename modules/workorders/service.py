"""What is done with work orders. Jobs, the REST API and the pages all call this."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from hub import audit
from hub.alarms.words import MOST_WORDS
from hub.context import Context
from hub.live import Change
from hub.overview.model import Section, Tile
from hub.principal import Principal
from hub.store.database import Row
from hub.store.deferral import Job, defer
from modules.workorders import store
from modules.workorders.model import Action, State, outlived, required, transition

MOST = 200


class WorkOrders:
    """Use cases over work orders, for one principal at a time."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def open_for_alarm(self, *, community_id: int, alarm_id: int) -> None:
        """The job behind `work_order_wanted`: one order an alarm, however often it runs, and another once the alarm is
        raised again after its order was finished. NotThere."""
        await self._open(None, community_id, alarm_id)

    async def close_alarm(self, *, community_id: int, order_id: int) -> None:
        """The job behind a finished order: its alarm is acknowledged, and reset when it is latched and has returned, by
        the order as the actor. One that was raised again since gets another order instead; a second run changes
        nothing."""
        async with self._context.database.session([community_id]) as connection:
            order = await store.one(connection, community_id, order_id)
        who = Principal(f"work_order:{order['number']}", community_id, "engineer")
        desk, note = self._context.alarms, order["note"][:MOST_WORDS]
        alarm = await desk.show(who, order["alarm_id"])
        if outlived(order["state"], order["raised_then"], alarm["count"]):
            if alarm["work_order"]:
                await self._open(None, community_id, alarm["id"])
            return
        alarm = await desk.acknowledge(who, alarm["id"], note)
        if alarm["state"] == "latched_acknowledged":
            await desk.reset(who, alarm["id"], note)

    async def alarm_settled(self, *, community_id: int, alarm_id: int, annunciated_at: str = "") -> None:
        """The job behind `alarm_settled`: open lists of orders show how the alarm now stands, whichever of its calls
        that was about."""
        del annunciated_at
        async with self._context.database.session([community_id]) as connection:
            known = await store.of_alarm(connection, community_id, alarm_id)
            order = await store.one(connection, community_id, known["id"]) if known else None
        if order is not None:
            self._announce(order)

    async def open(self, who: Principal, alarm_id: int) -> Row:
        """A person opens the order of an alarm; the one there is, if there is one. NotThere; Refused(403)."""
        who.require("work")
        return await self._open(who, who.community_id, alarm_id)

    async def _open(self, by: Principal | None, community_id: int, alarm_id: int) -> Row:
        """`by` None: the alarm's rule."""
        now = self._context.clock.now()
        async with self._context.database.session([community_id]) as connection:
            alarm = await store.lock_alarm(connection, community_id, alarm_id)
            who = by or Principal(f"rule:{alarm['rule']}", community_id, "engineer")
            known = await store.of_alarm(connection, community_id, alarm_id)
            if known is not None and not outlived(known["state"], known["raised_then"], alarm["count"]):
                order_id = known["id"]
            else:
                order_id = await store.insert(connection, alarm, who.actor, now)
                detail = {"alarm": alarm_id}
                await audit.record(connection, who, "work_order.open", f"work_order:{order_id}", now, detail)
            order = await store.one(connection, community_id, order_id)
        self._announce(order)
        self._context.alarms.announce(await self._context.alarms.show(who, alarm_id))
        return order

    async def recent(
        self,
        who: Principal,
        *,
        states: Sequence[State] | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[Row]:
        """Orders newest first, at most `limit` (200); `before` is the id of the last one already seen."""
        who.require("see")
        wanted = list[str](states) if states is not None else None
        async with self._context.database.session([who.community_id]) as connection:
            most = max(1, min(limit, MOST))
            return await store.page(connection, who.community_id, wanted, before or 2**62, most)

    async def show(self, who: Principal, order_id: int) -> Row:
        """One order with its history. NotThere."""
        who.require("see")
        async with self._context.database.session([who.community_id]) as connection:
            return await store.one(connection, who.community_id, order_id)

    async def overview(self, who: Principal) -> Section:
        """How many orders wait, are late, were done within 30 days, and how many of those in time."""
        who.require("see")
        now = self._context.clock.now()
        async with self._context.database.session([who.community_id]) as connection:
            told = await store.tally(connection, who.community_id, now, now - timedelta(days=30))
        in_time = f"{100 * told['in_time'] // told['done']} %" if told["done"] else "—"
        return Section({"zh": "工单", "en": "Work orders"}, [
            Tile({"zh": "未完成", "en": "Pending"}, told["pending"], "/work-orders"),
            Tile({"zh": "已逾期", "en": "Overdue"}, told["overdue"], "/work-orders", told["overdue"] > 0),
            Tile({"zh": "按期完成率，30 天", "en": "Done in time, 30 days"}, in_time, "/work-orders",
                 note={"zh": f"完成 {told['done']} 张", "en": f"{told['done']} done"}),
        ])  # fmt: skip

    async def known(self, who: Principal, number: str) -> bool:
        """Whether the principal's community has an order of this number."""
        async with self._context.database.session([who.community_id]) as connection:
            return await store.known(connection, who.community_id, number)

    async def assign(self, who: Principal, order_id: int, assignee: str) -> Row:
        """Give the order to somebody (again). NotThere; Refused for the role, the state or an empty name."""
        return await self._move(who, order_id, "assign", assignee=required(assignee, "assignee", 100))

    async def start(self, who: Principal, order_id: int) -> Row:
        """Begin the work; who starts an order nobody has, has it. NotThere; Refused for the role or the state."""
        return await self._move(who, order_id, "start")

    async def finish(self, who: Principal, order_id: int, note: str) -> Row:
        """The work is done; `note` says what was found and done. NotThere; Refused for the role, state or note."""
        return await self._move(who, order_id, "finish", note=required(note, "note", 2000))

    async def cancel(self, who: Principal, order_id: int, note: str) -> Row:
        """No work is needed; `note` says why. NotThere; Refused for the role, the state or the note."""
        return await self._move(who, order_id, "cancel", note=required(note, "note", 2000))

    async def _move(
        self, who: Principal, order_id: int, action: Action, *, assignee: str | None = None, note: str = ""
    ) -> Row:
        who.require("work")
        now = self._context.clock.now()
        async with self._context.database.session([who.community_id]) as connection:
            before = await store.lock(connection, who, order_id)
            after = transition(before["state"], action)
            if action == "start" and before["assignee"] is None:
                assignee = who.actor
            if after != before["state"] or assignee not in (None, before["assignee"]):
                await store.move(connection, order_id, after, now, assignee, note)
                said = note or assignee or ""
                await store.history(
                    connection, who.community_id, order_id, now, action, before["state"], after, who.actor, said
                )
                await audit.record(connection, who, f"work_order.{action}", f"work_order:{order_id}", now)
                if after == "done" and before["alarm_id"]:
                    told = {"community_id": who.community_id, "order_id": order_id}
                    await defer(connection, [Job("workorders.close_alarm", f"alarm-{before['alarm_id']}", told)])
            order = await store.one(connection, who.community_id, order_id)
        self._announce(order)
        return order

    def _announce(self, order: Row) -> None:
        self._context.live.publish(Change("workorder", order["community_id"], str(order["id"]), order_json(order)))


def order_json(order: Row) -> dict[str, Any]:
    """An order as plain JSON values (times ISO 8601 UTC), its history included where it was read."""
    plain = {key: value.isoformat() if isinstance(value, datetime) else value for key, value in order.items()}
    if "history" in order:
        plain["history"] = [{**step, "at": step["at"].isoformat()} for step in order["history"]]
    return plain
