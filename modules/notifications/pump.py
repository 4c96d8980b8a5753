"""Delivering: takes what is due from the tables, sends it, writes down how that went. Nothing is only in memory.

A delivery is marked `sending` in a transaction of its own before anything leaves, and with its outcome after: who dies
in between leaves `sending`, which counts as abandoned after `LEASE`. What its receiver is known to have taken
(`told.py`) is then only recorded. The rest is sent again: to a webhook with the same id, to people marked as a possible
repetition.
"""

import asyncio
import random
from datetime import datetime, timedelta
from typing import Literal, NoReturn, cast

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from hub.context import Context
from hub.failpoint import failpoint
from hub.live import Change
from hub.reports import put_own
from hub.store.database import Connection, Row
from hub.tasks import end
from modules.notifications import model, store
from modules.notifications.answers import Answers
from modules.notifications.channels import Outcome
from modules.notifications.files import Files
from modules.notifications.ladder import Ladder
from modules.notifications.sending import GONE, Sending, Work
from modules.notifications.telling import Telling
from modules.notifications.told import Told

_log = structlog.get_logger()
_EACH_S = 1.0
_PRUNE_EACH = timedelta(hours=1)
_PRUNES = ("prune", "prune_escalations", "prune_replies")
_PRUNED_AT_ONCE = 5000
_TAKEN = Outcome(True, detail="taken, as the hub had noted; recorded late")
_EXPIRED = "given up: it could not be delivered in time"
_SAME = ("community_id", "event", "event_key", "alarm_id", "step", "priority", "life_safety", "title", "body",
         "happened_at")  # fmt: skip
Line = tuple[int, str, bool]  # community, target, life safety: that has a line of its own, and waits for nobody


class Pump:
    """The part `notifications` of a running hub."""

    def __init__(
        self, context: Context, files: Files, telling: Telling, sending: Sending, answers: Answers,
        rng: random.Random | None = None,
    ) -> None:  # fmt: skip
        self._context = context
        self._files = files
        self._telling = telling
        self._ladder = Ladder(context, files, telling)
        self._sending = sending
        self._answers = answers
        self._told = Told(context.settings.data_dir / "told")
        self._random = rng or random.Random()
        self._ready = asyncio.Event()
        self._busy: dict[Line, asyncio.Task[None]] = {}
        self._pruned: datetime | None = None

    def wake(self) -> None:
        """Something new is due."""
        self._ready.set()

    async def run(self) -> NoReturn:
        """Deliver until cancelled. psycopg.OperationalError, PoolTimeout when the store is away."""
        try:
            while True:
                self._ready.clear()
                await self.look()
                try:
                    async with asyncio.timeout(_EACH_S):
                        await self._ready.wait()
                except TimeoutError:
                    pass
        finally:
            await end(list(self._busy.values()))

    async def look(self) -> None:
        """Everything that is due is begun; comes back without waiting for anybody's answer."""
        await self._files.refresh()
        communities = list(self._context.communities.values())
        if not communities:
            return
        await self._answers.finish()  # before another is called for what somebody answered
        await self._ladder.climb()
        await self._reroute(communities)
        now = self._context.clock.now()
        async with self._context.database.session(communities) as connection:
            due = await store.rows(connection, "targets_due", longest=now + model.LONGEST, **_times(now))
            if self._pruned is None or now - self._pruned > _PRUNE_EACH:
                before = now - timedelta(days=self._context.settings.event_days)
                gone = [await store.run(connection, name, before=before, most=_PRUNED_AT_ONCE) for name in _PRUNES]
                if max(gone) < _PRUNED_AT_ONCE:  # else the next look goes on: nobody's message waits for all of it
                    self._pruned = now
        if self._pruned == now:
            await self._sending.aside(self._told.prune, now)
        for row in due:
            line = (row["community_id"], row["target"], row["life_safety"])
            if line not in self._busy:
                self._busy[line] = asyncio.create_task(self._drain(*line), name=f"notify {line}")

    async def settle(self) -> None:
        """Work off everything that is due now, and wait for it: for tests and tools."""
        while True:
            await self.look()
            if not self._busy:
                return
            await asyncio.wait(list(self._busy.values()))

    async def _drain(self, community_id: int, target: str, urgent: bool) -> None:
        """All that is due for one target, one after the other: a slow one keeps only itself waiting."""
        try:
            while (work := await self._claim(community_id, target, urgent)) is not None:
                failpoint("notification_claimed")
                outcome = _TAKEN if work.taken else await self._sending.attempt(work, self._note)
                await self._record(work, outcome)
                if outcome.delivered:
                    await self._sending.aside(self._told.forget, work.deliveries)
                self._publish(work)
        except (psycopg.Error, PoolTimeout) as error:
            _log.warning("deliveries wait: the store is away", target=target, error=type(error).__name__)
        finally:
            del self._busy[(community_id, target, urgent)]

    def _note(self, work: Work) -> None:
        """Its receiver has said yes. In a thread, at once: nothing that the hub has to do stands in between."""
        failpoint("notification_sent")
        self._told.note(work.deliveries)
        failpoint("notification_noted")

    # -- claim ---------------------------------------------------------------------------------------------------

    async def _claim(self, community_id: int, target: str, urgent: bool) -> Work | None:
        """Mark the next delivery as being sent; None when there is none, or the target wants to be left alone. Life
        safety, `urgent`, has waits of its own and does not heed that, nor what is in flight."""
        now = self._context.clock.now()
        of = {"community_id": community_id, "target": target}
        async with self._context.database.session([community_id]) as connection:
            await store.run(connection, "know_target", **of)
            state = await store.needed(connection, "lock_target", target, **of)
            if not urgent and state["retry_at"] is not None and now < state["retry_at"] <= now + model.LONGEST:
                return None
            [community] = await store.rows(connection, "communities", ids=[community_id])
            endpoint = None
            if target.startswith("webhook:"):
                number = int(target.partition(":")[2])
                endpoint = await store.first(connection, "endpoint", id=number, community_id=community_id)
                if endpoint is None:
                    await store.run(connection, "drop_target", **of, at=now, detail=GONE)
                if endpoint is None or endpoint["state"] != "active":
                    return None
            elif self._sending.channel(community, target) is None:
                await store.run(connection, "drop_target", **of, at=now, detail=GONE)
                return None
            deliveries = await self._choose(connection, community, target, now, urgent)
            if not deliveries:
                return None
            if self._noted(deliveries[0]):
                return Work(community, target, deliveries[:1], endpoint, taken=True)
            begun = await store.rows(connection, "begin", ids=[one["id"] for one in deliveries], at=now)
            repeated = {row["id"]: row["repeated"] for row in begun}
            deliveries = [
                {**one, "attempts": one["attempts"] + 1, "started_at": now, "repeated": repeated[one["id"]]}
                for one in deliveries
            ]
            key = await store.signing_key(connection, community_id)
        return Work(community, target, deliveries, endpoint, key)

    async def _choose(
        self, connection: Connection, community: Row, target: str, now: datetime, urgent: bool
    ) -> list[Row]:
        """The most urgent delivery that is due and, where messages are combined, those that go with it."""
        of = {"community_id": community["id"], "target": target}
        if not urgent and (await store.needed(connection, "in_flight", target, **of, **_times(now)))["n"]:
            return []
        leader = await store.first(connection, "leader", **of, **_times(now), urgent=urgent)
        if leader is None:
            return []
        if self._noted(leader):
            return [leader]  # only to be recorded, whatever the rate
        channel = self._sending.channel(community, target)
        rate = channel.limits().rate if channel else None
        if rate is not None:
            sent = [row["at"] for row in await store.rows(connection, "sent", **of, since=now - rate.per)]
            free = model.slot(rate, sent, now, life_safety=leader["life_safety"])
            if free > now:
                await store.run(connection, "postpone", **of, due_at=free)
                return []
        if not leader["combine"] or leader["life_safety"]:
            return [leader]
        alike = {"person": leader["person"], "language": leader["language"], "id": leader["id"]}
        companions = await store.rows(connection, "companions", **of, **alike, at=now)
        return [leader, *(one for one in companions if not self._noted(one))]  # those noted come by themselves

    def _noted(self, delivery: Row) -> bool:
        """Whether the last attempt at it was taken, though the store does not say so: the hub was killed, or had given
        up waiting for an answer that came all the same. One that is wanted anew has had no attempt yet."""
        begun = delivery["attempts"] > 0 and delivery["started_at"] is not None
        return begun and self._told.has(delivery)

    # -- record --------------------------------------------------------------------------------------------------

    async def _record(self, work: Work, outcome: Outcome) -> None:
        now = self._context.clock.now()
        of = {"community_id": work.community["id"], "target": work.target}
        async with self._context.database.session([work.community["id"]]) as connection:
            state = await store.needed(connection, "lock_target", work.target, **of)
            told = "delivered" if outcome.delivered else "failed"
            await store.run(
                connection, "attempt", **of, ids=work.ids, at=now, outcome=told, status=outcome.status,
                detail=outcome.detail[:300], leads=not work.taken,
            )  # fmt: skip
            if outcome.delivered:
                await self._delivered(connection, work, outcome, state, now)
            else:
                await self._failed(connection, work, outcome, state, now)

    async def _delivered(self, connection: Connection, work: Work, outcome: Outcome, state: Row, now: datetime) -> None:
        of = {"community_id": work.community["id"], "target": work.target}
        for row in await store.rows(connection, "delivered", ids=work.ids, at=now, status=outcome.status):
            if row["fallback_of"] is not None:
                await store.run(connection, "reached_otherwise", id=row["fallback_of"], at=now)
        await store.run(connection, "twin_not_needed", ids=work.ids, at=now)
        if work.taken:
            return  # an old yes says nothing of how the target is now
        await store.run(connection, "target_well", **of, at=now)
        if state["failures"] >= model.FAILING:  # one message that is refused waits its own time, whatever else goes
            await store.run(connection, "hurry", **of, at=now)
        if state["reported"]:
            await self._report(connection, work, "channel_recovered")

    async def _failed(self, connection: Connection, work: Work, outcome: Outcome, state: Row, now: datetime) -> None:
        of = {"community_id": work.community["id"], "target": work.target}
        sort = cast(Literal["channel", "webhook"], work.target.partition(":")[0])
        failures, first = state["failures"] + 1, work.deliveries[0]
        asked = outcome.retry_after or timedelta(0)
        due_at = now + max(
            model.retry_delay(sort, first["attempts"], self._random),
            min(asked, model.PATIENCE) if first["life_safety"] else asked,
        )
        await store.run(
            connection, "failed", ids=work.ids, at=now, state="dead" if outcome.gone else "queued", due_at=due_at,
            status=outcome.status, detail=outcome.detail[:300], repeated=outcome.perhaps,
        )  # fmt: skip
        await store.run(connection, "expire", **of, at=now, detail=_EXPIRED)
        alone = model.probe_delay(failures, self._random) if failures >= model.FAILING else timedelta(0)
        retry_at = now + max(alone, asked) if alone or asked else None
        report = sort == "channel" and failures >= model.FAILING and not state["reported"]
        reported = report and await self._report(connection, work, "channel_failed")
        await store.run(
            connection, "target_ill", **of, at=now, retry_at=retry_at, detail=outcome.detail[:300], reported=reported
        )
        if outcome.gone and work.endpoint is not None:
            gone = "HTTP 410: the receiver wants no more"
            await store.run(connection, "endpoint_state", id=work.endpoint["id"], state="disabled", detail=gone, at=now)
            await store.run(connection, "drop_target", **of, at=now, detail=gone)
        elif sort == "channel" and model.needs_second(
            failures, first["created_at"], due_at, life_safety=first["life_safety"]
        ):
            await store.run(connection, "second_wanted", ids=work.ids)
            self.wake()
        _log.info("not delivered", target=work.target, failures=failures, status=outcome.status, why=outcome.detail)

    async def _report(self, connection: Connection, work: Work, event: str) -> bool:
        channel = work.target.partition(":")[2]
        devices, now = self._context.devices, self._context.clock.now()
        return await put_own(connection, devices, work.community["id"], event, {"channel": channel}, now)

    # -- second channel ------------------------------------------------------------------------------------------

    async def _reroute(self, communities: list[int]) -> None:
        """What waits for a failing channel goes by its fallback too; the original waits on, until either arrives."""
        now = self._context.clock.now()
        within = {"at": now, "longest": now + model.LONGEST, "patience": model.PATIENCE}
        async with self._context.database.session(communities) as connection:
            rows = await store.rows(connection, "stranded", failing=model.FAILING, **within)
        if not rows:
            return
        on_shift = {one: await self._telling.on_shift(one, None) for one in {row["community_id"] for row in rows}}
        async with self._context.database.session(communities) as connection:
            known = {row["id"]: row for row in await store.rows(connection, "communities", ids=communities)}
            for row in rows:
                if await store.run(connection, "second_tried", id=row["id"]):
                    community = known[row["community_id"]]
                    await self._second(connection, community, row, on_shift[row["community_id"]])

    async def _second(self, connection: Connection, community: Row, row: Row, on_shift: list[Row]) -> None:
        """The same by the second channel, at its own hours: to the same person, or for a group to who is on shift."""
        now = self._context.clock.now()
        file, channel = self._files.of(community["code"]), self._sending.channel(community, row["target"])
        second = file.usable(channel.fallback) if file and channel is not None and channel.fallback else None
        if file is None or channel is None or second is None or second is channel:
            return
        due = model.first_due(second.limits(), community["time_zone"], now, life_safety=row["life_safety"])
        code = row["person"].rpartition(" ")[2]  # where there is no account: name and code
        same = [{"code": code, "account": row["person"], "name": row["name"], channel.address_field: row["address"]}]
        for person in await self._telling.people(connection, file, second, same if channel.personal else on_shift):
            values = {name: row[name] for name in _SAME}
            await store.insert(connection, now, due, {
                **values, **person, "language": row["language"], "target": f"channel:{second.id}",
                "fallback_of": row["id"], "combine": not row["life_safety"] and second.digest is not None,
            })  # fmt: skip

    def _publish(self, work: Work) -> None:
        for number in work.ids:
            change = Change("notice", work.community["id"], str(number), {"target": work.target})
            self._context.live.publish(change)


def _times(now: datetime) -> dict[str, datetime]:
    """By what is judged whether something is due, being sent or abandoned."""
    return {"at": now, "lease": now - model.LEASE, "ahead": now + model.AHEAD}
