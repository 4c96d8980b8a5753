"""The escalation: an alarm goes up its ladder, each step taken once, until somebody answers."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from hub.context import Context
from hub.reports import put_own
from hub.store.database import Connection, Row
from modules.notifications import store, texts
from modules.notifications.files import Files
from modules.notifications.model import AHEAD
from modules.notifications.spec import Channel, NotificationsFile, Step
from modules.notifications.telling import UNANSWERED, Telling, about, key_of, templates_of

_log = structlog.get_logger()
_PAUSE = timedelta(minutes=1)
_LOOK_AGAIN = timedelta(seconds=15)
NOBODY = "nobody to tell: no address of anybody on shift, and no fixed recipients"


class Ladder:
    """Escalations are rows; whoever looks takes the step that is due."""

    def __init__(self, context: Context, files: Files, telling: Telling) -> None:
        self._context = context
        self._files = files
        self._telling = telling
        self._stuck: set[int] = set()

    async def climb(self) -> None:
        """Take every step that is due. psycopg.OperationalError, PoolTimeout when the store is away; whatever else
        goes wrong with one escalation keeps no other from being told."""
        now = self._context.clock.now()
        async with self._context.database.session(list(self._context.communities.values())) as connection:
            due = await store.rows(connection, "escalations_due", at=now, ahead=now + AHEAD)
        for row in due:
            try:
                await self._step(row["community_id"], row["id"])
            except (psycopg.OperationalError, PoolTimeout):
                raise
            except Exception as error:  # noqa: BLE001 - see above
                if row["id"] not in self._stuck:
                    _log.error("an escalation is stuck", escalation=row["id"], error=repr(error))
                self._stuck.add(row["id"])
                async with self._context.database.session([row["community_id"]]) as connection:
                    await store.run(connection, "put_off", id=row["id"], next_at=now + _LOOK_AGAIN)
            else:
                self._stuck.discard(row["id"])

    async def _step(self, community_id: int, escalation_id: int) -> None:
        now, database, telling = self._context.clock.now(), self._context.database, self._telling
        this = {"id": escalation_id, "at": now, "ahead": now + AHEAD}
        async with database.session([community_id]) as connection:
            row = await store.first(connection, "lock_escalation", **this)
            if row is None:
                return
            ends = {"alarm_id": row["alarm_id"], "began_at": row["began_at"], "at": now}
            alarm = await store.first(connection, "alarm", alarm_id=row["alarm_id"], community_id=community_id)
            if alarm is None:
                await store.run(connection, "settle", **ends)
                return
        file = self._files.of(alarm["community"])
        steps = file.steps(alarm["priority"]) if file else []
        index = row["level"] + 1
        step = steps[index] if index < len(steps) else None
        # Before the transaction: it has one of its own. Where nobody at the post can be told, everybody on shift is.
        people = (
            [await telling.on_shift(community_id, post) for post in dict.fromkeys((step.post, None))] if step else []
        )
        async with database.session([community_id]) as connection:
            again = await store.first(connection, "lock_escalation", **this)
            if again is None or again["level"] != row["level"]:
                return
            alarm = await telling.alarm(connection, community_id, row["alarm_id"], row["began_at"])
            if index > 0 and alarm["state"] not in UNANSWERED:
                await store.run(connection, "settle", **ends)
                return
            made: list[int] = []
            level, next_at = row["level"], None
            if step is not None and alarm["suppression"] is not None:
                next_at = now + _PAUSE  # what is released calls anew, and that begins an escalation of its own
            elif step is not None and index > 0 and _just_away(alarm, now) and now - _due(row, step) < _PAUSE:
                next_at = now + _LOOK_AGAIN  # nobody is disturbed for what is not so now, but may be so again
            elif step is not None and file is not None:
                made, told = await self._tell(connection, file, alarm, step, index, people)
                level = index
                if index + 1 < len(steps):
                    next_at = _due(row, steps[index + 1]) if told else now
                if index > 0:
                    await store.run(connection, "level", alarm_id=row["alarm_id"], level=level)
            await store.run(connection, "advance", id=escalation_id, level=level, next_at=next_at)
        telling.committed(community_id, made)

    async def _tell(
        self, connection: Connection, file: NotificationsFile, alarm: Row, step: Step, index: int,
        people: Sequence[list[Row]],
    ) -> tuple[list[int], bool]:  # fmt: skip
        """The deliveries of a step, and whether there was anybody to tell: of `people` the first that can be told."""
        usable = [channel for name in step.channels if (channel := file.usable(name)) is not None]
        taking = [one for one in usable if one.wants().takes(alarm["priority"], alarm["kind"], alarm["place"])]
        for on_shift in people:
            told, made = 0, []
            for channel in taking:
                found = await self._telling.people(connection, file, channel, on_shift)
                made += await self._say(connection, file, alarm, channel, found, index, on_shift)
                told += len(found)
            if told:
                return made, True
        if taking:
            return await self._told_nobody(connection, file, alarm, taking[0], index), False
        return [], not usable  # a step without a channel that is set up is left as it is; else the next one is tried

    async def _say(
        self, connection: Connection, file: NotificationsFile, alarm: Row, channel: Channel,
        found: Sequence[dict[str, str]], index: int, on_shift: Sequence[Row] | None,
    ) -> list[int]:  # fmt: skip
        event = "escalated" if index else "annunciated"
        names = None if on_shift is None else [row["name"] for row in on_shift]

        def compose(language: str) -> tuple[str, str]:
            return texts.alarm_message(alarm, event, language, alarm["time_zone"], templates_of(file), names, index)

        key = f"{key_of('annunciated', alarm)}:{index}"
        return await self._telling.tell(connection, channel, found, compose, about(alarm, event, key, index))

    async def _told_nobody(
        self, connection: Connection, file: NotificationsFile, alarm: Row, channel: Channel, index: int
    ) -> list[int]:
        """It stands beside the alarm as a message that is lost, and the hub says so of itself."""
        now, name = self._context.clock.now(), "无人可通知 · nobody to tell"
        nobody = [{"person": "", "name": name, "address": "", "language": channel.language}]
        made = await self._say(connection, file, alarm, channel, nobody, index, None)
        await store.run(connection, "lost", ids=made, at=now, detail=NOBODY)
        _log.warning("an alarm was told to nobody", alarm=alarm["id"], step=index, channel=channel.id)
        if alarm["kind"] != "hub":  # or the alarm that says so would say so again and again
            devices, data = self._context.devices, {"alarm": str(alarm["id"])}
            await put_own(connection, devices, alarm["community_id"], "alarm_untold", data, now)
        return made


def _due(escalation: Row, step: Step) -> datetime:
    at: datetime = escalation["started_at"] + step.after
    return at


def _just_away(alarm: Row, now: datetime) -> bool:
    """Whether a condition that held for a while returned within the last minute. What an event raised never held: it
    is there until somebody answers."""
    returned, since = alarm["returned_at"], alarm["active_since"]
    held = returned is not None and since is not None and since < returned
    return held and alarm["state"] == "returned_unacknowledged" and now - returned < _PAUSE
