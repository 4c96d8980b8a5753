"""What people and programs do with notifications. The REST API and the pages call this."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from hub import audit
from hub.context import Context
from hub.errors import Refused
from hub.principal import Principal
from hub.store.database import Connection, Row
from modules.notifications import store, texts
from modules.notifications.channels import hint
from modules.notifications.endpoints import Endpoints, health, show_screens
from modules.notifications.files import Files
from modules.notifications.ladder import NOBODY
from modules.notifications.model import GIVE_UP, State
from modules.notifications.telling import Telling
from modules.notifications.tokens import BadToken, read_token

MOST = 200
MOST_REPLAYED = 5000


class Notifications:
    """Use cases over channels, deliveries and links, for one principal at a time; those of webhooks are `endpoints`."""

    def __init__(self, context: Context, files: Files, telling: Telling, endpoints: Endpoints) -> None:
        self._context = context
        self._files = files
        self._telling = telling
        self.endpoints = endpoints
        self.wake: Callable[[], None] = lambda: None

    # -- channels ------------------------------------------------------------------------------------------------

    async def channels(self, who: Principal) -> list[Row]:
        """The channels of the file with how they are; of a URL only its service is told."""
        who.require("see")
        async with self._context.database.session([who.community_id]) as connection:
            community = await self._community(connection, who)
            known = {
                row["target"]: row for row in await store.rows(connection, "targets", community_id=who.community_id)
            }
        file = self._files.of(community["code"])
        return [
            {
                "id": one.id, "name": {"zh": one.name.zh, "en": one.name.en},
                "service": hint(one.url.get_secret_value()), "on": one.on, "personal": one.personal,
                "answerable": one.answerable,
                "language": one.language, "priority": one.priority, "fallback": one.fallback, "events": one.events,
                "quiet": f"{one.quiet.begins:%H:%M}–{one.quiet.ends:%H:%M}" if one.quiet else "",
                "rate": one.rate.messages if one.rate else None,
                "digest_minutes": int(one.digest.total_seconds() // 60) if one.digest else None,
                **health(known.get(f"channel:{one.id}")),
            }
            for one in (file.channels if file else [])
        ]  # fmt: skip

    async def test_channel(self, who: Principal, name: str) -> list[int]:
        """Send a test by a channel: to its group, or to the fixed recipients; the deliveries' ids. Refused."""
        who.require("configure")
        now = self._context.clock.now()
        async with self._context.database.session([who.community_id]) as connection:
            community = await self._community(connection, who)
            file = self._files.of(community["code"])
            channel = file.channel(name) if file else None
            if file is None or channel is None or not channel.on:
                raise Refused("channel_off", f"the channel {name[:64]!r} is not set up", 409)
            people = await self._telling.people(connection, file, channel, [])
            if not people:
                raise Refused("no_recipients", "the channel has no fixed recipients to send a test to", 409)
            made = []
            for person in people:
                title, body = texts.plain_message("test", person["language"])
                number = await store.insert(connection, now, now, {
                    "community_id": who.community_id, "event": "test", "event_key": f"test:{now.isoformat()}",
                    "target": f"channel:{name}", **person, "title": title, "body": body, "happened_at": now,
                    "expires_at": now,
                })  # fmt: skip
                made += [number] if number else []
            await store.run(connection, "forget_retry", community_id=who.community_id, targets=[f"channel:{name}"])
            await audit.record(connection, who, "notification.test", f"channel:{name}", now)
        show_screens(self._context, who, made)
        self.wake()
        return made

    # -- deliveries ----------------------------------------------------------------------------------------------

    async def recent(
        self, who: Principal, *, states: Sequence[State] | None = None, target: str | None = None,
        alarm_id: int | None = None, before: int | None = None, limit: int = 100,
    ) -> list[Row]:  # fmt: skip
        """Deliveries newest first, at most `limit` (200); `before` is the id of the last one already seen."""
        who.require("see")
        async with self._context.database.session([who.community_id]) as connection:
            found = await store.rows(
                connection, "list", community_id=who.community_id, states=list(states) if states else None,
                target=target, alarm_id=alarm_id, before=before or 2**62, limit=max(1, min(limit, MOST)),
            )  # fmt: skip
        return [_shown(row) for row in found]

    async def deliveries(self, who: Principal, alarm_id: int) -> list[Row]:
        """The port: everything told about an alarm, newest first."""
        return await self.recent(who, alarm_id=alarm_id, limit=MOST)

    async def show(self, who: Principal, delivery_id: int) -> Row:
        """One delivery with its text, its attempts and what was answered. NotThere."""
        who.require("see")
        async with self._context.database.session([who.community_id]) as connection:
            of = {"id": delivery_id, "community_id": who.community_id}
            row = await store.needed(connection, "one", f"delivery {delivery_id}", **of)
            attempts = await store.rows(connection, "attempts_of", id=delivery_id)
            replies = await store.rows(connection, "replies_to", id=delivery_id)
        return {**_shown(row), "body": row["body"], "attempts_made": attempts, "replies": replies}

    async def replay(self, who: Principal, delivery_id: int) -> int:
        """Send a dead delivery again, to a webhook with the same id; 1, or 0 where it is not dead. Refused."""
        return await self._replay(who, id=delivery_id, target=None, since=None, states=["dead"])

    async def replay_since(self, who: Principal, target: str, since: datetime, *, delivered: bool = False) -> int:
        """Send a target's dead deliveries since then again, with `delivered` those that arrived too; how many.
        Refused, also where they are more than 5000: nobody wants such a flood."""
        states = ["dead", "delivered"] if delivered and target.startswith("webhook:") else ["dead"]
        return await self._replay(who, id=None, target=target, since=since, states=states)

    async def _replay(self, who: Principal, **wanted: Any) -> int:
        who.require("replay")
        now = self._context.clock.now()
        async with self._context.database.session([who.community_id]) as connection:
            if wanted["target"] is not None:
                values = {**wanted, "community_id": who.community_id, "limit": MOST_REPLAYED + 1}
                if (await store.needed(connection, "replayable", "deliveries", **values))["n"] > MOST_REPLAYED:
                    raise Refused(
                        "too_many_deliveries", f"more than {MOST_REPLAYED} deliveries: begin at a later time", 422
                    )
            until = {sort: now + time for sort, time in GIVE_UP.items()}
            found = await store.rows(
                connection, "replay", community_id=who.community_id, at=now, nobody=NOBODY, **until, **wanted
            )
            targets = sorted({row["target"] for row in found})
            await store.run(connection, "forget_retry", community_id=who.community_id, targets=targets)
            detail = {"deliveries": len(found), "targets": targets}
            await audit.record(connection, who, "notification.replay", "notifications", now, detail)
        show_screens(self._context, who, [row["id"] for row in found])
        self.wake()
        return len(found)

    # -- acknowledging from a message ----------------------------------------------------------------------------

    async def link(self, code: str, token: str) -> Row:
        """The delivery behind a link, with its alarm. BadToken, Refused(409) `link_used`."""
        community_id = self._context.communities.get(code)
        if community_id is None:
            raise BadToken("wrong")
        file = self._files.of(code)
        async with self._context.database.session([community_id]) as connection:
            key = await store.signing_key(connection, community_id)
            uid = read_token(key, self._context.clock, token, file.link_minutes if file else 30)
            row = await store.first(connection, "one_by_uid", uid=uid, community_id=community_id)
        if row is None or not row["person"]:
            raise BadToken("wrong")
        if row["acknowledged_at"] is not None:
            raise Refused("link_used", "this link was used already", 409)
        return row

    async def acknowledge(self, code: str, token: str, remote: str) -> Row:
        """Acknowledge the alarm as the person the message went to. BadToken, Refused."""
        row = await self.link(code, token)
        who = Principal(f"notice:{row['person']}", row["community_id"], "guard", remote, row["language"])
        note = "由通知确认 · acknowledged from the message"
        await self._context.alarms.acknowledge(who, row["alarm_id"], note)
        now = self._context.clock.now()
        async with self._context.database.session([row["community_id"]]) as connection:
            await store.run(connection, "use_link", id=row["id"], at=now)
            detail = {"alarm": row["alarm_id"], "target": row["target"]}
            await audit.record(connection, who, "notification.acknowledge", f"delivery:{row['id']}", now, detail)
        show_screens(self._context, who, [row["id"]])
        self.wake()
        return row

    # -- pieces --------------------------------------------------------------------------------------------------

    async def _community(self, connection: Connection, who: Principal) -> Row:
        [row] = await store.rows(connection, "communities", ids=[who.community_id])
        return row


def _shown(row: Row) -> Row:
    """A delivery without the recipient's address, its text and what only the pump needs."""
    hidden = ("address", "body", "expires_at", "combine", "second", "started_at")
    plain = {name: value for name, value in row.items() if name not in hidden}
    return {**plain, "uid": str(row["uid"]), "address": f"***{row['address'][-2:]}" if row["address"] else ""}


def plain(row: Row) -> dict[str, Any]:
    """A row as plain JSON values (times ISO 8601 UTC)."""

    def value(one: Any) -> Any:
        return one.isoformat() if isinstance(one, datetime) else one

    done = {name: value(one) for name, one in row.items()}
    for steps in ("attempts_made", "replies"):
        if steps in row:
            done[steps] = [{name: value(one) for name, one in step.items()} for step in row[steps]]
    return done
