"""From an event to what has to be told: deliveries and webhooks, each once however often a job runs."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import structlog

from hub.context import Context
from hub.failpoint import failpoint
from hub.live import Change
from hub.store.database import Connection, Row
from modules.notifications import store, texts, webhooks
from modules.notifications.files import Files
from modules.notifications.model import first_due
from modules.notifications.sending import Sending
from modules.notifications.spec import Channel, NotificationsFile, Person

_log = structlog.get_logger()
UNANSWERED = ("active_unacknowledged", "returned_unacknowledged", "latched_unacknowledged")
Compose = Callable[[str], tuple[str, str]]


class Telling:
    """The jobs behind domain events, and how people are found and told."""

    def __init__(self, context: Context, files: Files, sending: Sending) -> None:
        self._context = context
        self._files = files
        self._sending = sending
        self._roster_ill = False
        self.wake: Callable[[], None] = lambda: None

    # -- jobs ----------------------------------------------------------------------------------------------------

    async def annunciated(self, *, community_id: int, alarm_id: int, annunciated_at: str) -> None:
        """An alarm sounded: subscribers and webhooks are told, the escalation begins. NotThere."""
        now, call = self._context.clock.now(), datetime.fromisoformat(annunciated_at)
        async with self._context.database.session([community_id]) as connection:
            alarm = await self.alarm(connection, community_id, alarm_id, call)
            key = key_of("annunciated", alarm)
            file = self._files.of(alarm["community"])
            made = await self._webhooks(connection, alarm, "annunciated", key, webhooks.alarm_data(alarm), alarm_id)
            if file is not None and any(channel.on for channel in file.channels):
                made += await self._subscribers(connection, file, alarm, "annunciated", f"{key}:0")
                this = {"community_id": community_id, "alarm_id": alarm_id, "began_at": call, "at": now}
                await store.run(connection, "supersede", **this)
                await store.run(connection, "begin_escalation", **this)
        self.committed(community_id, made)

    async def settled(self, *, community_id: int, alarm_id: int, annunciated_at: str) -> None:
        """Somebody acknowledged it, or it is over: the escalation ends, who wants to know is told. Not where it is open
        again by now: then that is what counts. NotThere."""
        now, call = self._context.clock.now(), datetime.fromisoformat(annunciated_at)
        async with self._context.database.session([community_id]) as connection:
            alarm = await self.alarm(connection, community_id, alarm_id, call)
            if alarm["state"] in UNANSWERED and alarm["suppression"] is None:
                return
            await store.run(connection, "settle", alarm_id=alarm_id, began_at=call, at=now)
            await store.run(connection, "over", alarm_id=alarm_id, at=now)
            key = key_of("settled", alarm)
            how = f"{key}:{alarm['state']}:{alarm['suppression'] or ''}"  # acknowledged, and later over: two events
            made = await self._webhooks(connection, alarm, "settled", how, webhooks.alarm_data(alarm), alarm_id)
            file = self._files.of(alarm["community"])
            if file is not None:
                made += await self._subscribers(connection, file, alarm, "settled", key)
        self.committed(community_id, made)

    async def storm_began(self, *, community_id: int, storm_id: int) -> None:
        await self._storm(community_id, storm_id, "storm_began")

    async def storm_ended(self, *, community_id: int, storm_id: int) -> None:
        await self._storm(community_id, storm_id, "storm_ended")

    # -- telling -------------------------------------------------------------------------------------------------

    async def on_shift(self, community_id: int, post: str | None) -> list[Row]:
        """Who is on the roster now, at a post or at all; nobody where there is no roster, or it cannot be read: then
        those of the file are told."""
        duty = self._context.ports.get("duty.on_shift")
        if duty is None:
            return []
        try:
            rows: list[Row] = await duty(community_id, post, self._context.clock.now())
        except Exception as error:  # noqa: BLE001 - another module's; alarms are told whatever is the matter with it
            if not self._roster_ill:
                _log.error("the roster cannot be read: alarms go to the fixed recipients", error=repr(error))
            self._roster_ill = True
            return []
        if self._roster_ill:
            _log.info("the roster can be read again")
        self._roster_ill = False
        return rows

    async def people(
        self, connection: Connection, file: NotificationsFile, channel: Channel, on_shift: Sequence[Row]
    ) -> list[dict[str, str]]:
        """To whom a channel sends: one entry for a group, or for each mailbox its URL names; for a personal one those
        on shift it has an address of, else its fixed recipients. Each {person, name, address, language}."""
        if not channel.personal:
            mailed = await self._sending.mailed(channel)
            each = {"person": "", "name": "", "address": "", "language": channel.language}
            boxes = [{**each, "person": f"mail-{n}", "name": _box(one), "address": one} for n, one in enumerate(mailed)]
            return boxes or [each]
        book = {one.person: one for one in file.people} | {one.account: one for one in file.people if one.account}
        found = []
        for row in on_shift:
            known = book.get(row["code"]) or book.get(row["account"] or "")
            found.append({
                "person": row["code"], "known_as": _known_as(row), "name": row["name"], "account": row["account"] or "",
                "phone": row.get("phone") or (known and known.phone) or "",
                "email": row.get("email") or (known and known.email) or "",
                "push": _push_of(known), "language": (known and known.language) or "",
            })  # fmt: skip
        reachable = [one for one in found if one[channel.address_field]]
        if not reachable:
            fixed = [one for one in file.people if one.person in channel.recipients]
            reachable = [
                {"person": one.person, "known_as": one.person, "name": one.name, "account": one.account,
                 "phone": one.phone or "", "email": one.email or "", "push": _push_of(one),
                 "language": one.language or ""}
                for one in fixed
            ]  # fmt: skip
        accounts = [one["account"] for one in reachable if one["account"]]
        spoken = store.languages(await store.rows(connection, "languages", accounts=accounts))
        return [
            {"person": one["known_as"], "name": one["name"], "address": one[channel.address_field],
             "language": one["language"] or spoken.get(one["account"], channel.language)}
            for one in reachable if one[channel.address_field]
        ]  # fmt: skip

    async def tell(
        self, connection: Connection, channel: Channel, people: Sequence[Mapping[str, str]], compose: Compose,
        about: Mapping[str, Any],
    ) -> list[int]:  # fmt: skip
        """Deliveries of one message to these people, those that were not there yet; their ids."""
        now, made = self._context.clock.now(), []
        zone = about["zone"]
        values = {key: value for key, value in about.items() if key != "zone"}
        due = first_due(channel.limits(), zone, now, life_safety=values.get("life_safety", False))
        combine = channel.digest is not None and not values.get("life_safety", False)
        for person in people:
            title, body = compose(person["language"])
            number = await store.insert(connection, now, due, {
                **values, **person, "target": f"channel:{channel.id}", "title": title, "body": body, "combine": combine,
            })  # fmt: skip
            if number is not None:
                made.append(number)
        return made

    def committed(self, community_id: int, made: Sequence[int]) -> None:
        """It is in the tables: open pages and the pump may look."""
        failpoint("notification_told")
        for number in made:
            self._context.live.publish(Change("notice", community_id, str(number), {}))
        self.wake()

    async def _subscribers(
        self, connection: Connection, file: NotificationsFile, alarm: Row, event: str, key: str
    ) -> list[int]:
        made = []
        for channel in file.channels:
            wanted = channel.on and event in channel.events
            if wanted and channel.wants().takes(alarm["priority"], alarm["kind"], alarm["place"]):

                def compose(language: str) -> tuple[str, str]:
                    return texts.alarm_message(alarm, event, language, alarm["time_zone"], templates_of(file), None, 0)

                people = await self.people(connection, file, channel, [])
                made += await self.tell(connection, channel, people, compose, about(alarm, event, key, 0))
        return made

    async def _storm(self, community_id: int, storm_id: int, event: str) -> None:
        async with self._context.database.session([community_id]) as connection:
            storm = await store.needed(
                connection, "storm", f"storm {storm_id}", storm_id=storm_id, community_id=community_id
            )
            [community] = await store.rows(connection, "communities", ids=[community_id])
            at = storm["ended_at"] if event == "storm_ended" and storm["ended_at"] else storm["since"]
            key = f"{event}:{storm_id}"
            data = {"id": storm_id, "since": storm["since"].isoformat(), "counted": storm["counted"],
                    "annunciated": storm["annunciated"]}  # fmt: skip
            about = {"community_id": community_id, "community": community["code"], "raised_at": at, "device": None,
                     "priority": 2, "life_safety": False}  # fmt: skip
            made = await self._webhooks(connection, about, event, key, data, None)
            file = self._files.of(community["code"])
            for channel in file.channels if file else []:
                if channel.on and event in channel.events and file is not None:
                    people = await self.people(connection, file, channel, [])
                    message = {"zone": community["time_zone"], "community_id": community_id, "event": event,
                               "event_key": key, "priority": 2, "happened_at": at}  # fmt: skip
                    made += await self.tell(
                        connection, channel, people, lambda lang: texts.plain_message(event, lang), message
                    )
        self.committed(community_id, made)

    async def _webhooks(
        self, connection: Connection, about: Row, event: str, key: str, data: Mapping[str, Any], alarm_id: int | None
    ) -> list[int]:
        """A delivery for every endpoint that asked for such events; their ids."""
        now, name, made = self._context.clock.now(), webhooks.TYPES[event], []
        for endpoint in await store.rows(connection, "endpoints", community_id=about["community_id"]):
            if name not in endpoint["types"] or endpoint["state"] == "disabled":
                continue
            at = began(about) if event in ("annunciated", "storm_began") else now
            subject = f"devices/{about['device']}" if about["device"] else None
            number = await store.insert(connection, now, now, {
                "community_id": about["community_id"], "target": f"webhook:{endpoint['id']}", "event": event,
                "event_key": key, "alarm_id": alarm_id, "priority": about["priority"], "happened_at": at,
                "life_safety": about["life_safety"],
                "body": webhooks.body_of(event, key, about["community"], at, subject, data),
            })  # fmt: skip
            made += [number] if number is not None else []
        return made

    async def alarm(self, connection: Connection, community_id: int, alarm_id: int, call: datetime) -> Row:
        """The alarm as it stands now, seen from one of its calls: it may have called again since. NotThere."""
        of = {"alarm_id": alarm_id, "community_id": community_id}
        return {**await store.needed(connection, "alarm", f"alarm {alarm_id}", **of), "annunciated_at": call}


def began(alarm: Mapping[str, Any]) -> datetime:
    """When an alarm sounded, else when it was raised: names one annunciation of it."""
    moment: datetime = alarm.get("annunciated_at") or alarm["raised_at"]
    return moment


def key_of(event: str, alarm: Mapping[str, Any]) -> str:
    """The name of an event of this call of an alarm: the same however often a job runs."""
    return f"{event}:{alarm['id']}:{began(alarm).astimezone(UTC).isoformat()}"


def _known_as(row: Row) -> str:
    """What a person is called in deliveries and, having acknowledged, on the alarm: unique, and readable to people."""
    return str(row["account"] or f"{row['name']} {row['code']}")


def _push_of(person: Person | None) -> str:
    return person.push.get_secret_value() if person is not None and person.push is not None else ""


def _box(address: str) -> str:
    """`of***@example.com`: enough to know a mailbox by."""
    name, _, domain = address.partition("@")
    return f"{name[:2]}***@{domain}"


def templates_of(file: NotificationsFile) -> dict[str, dict[str, str]]:
    return {part: {"zh": text.zh, "en": text.en} for part, text in file.templates.items()}


def about(alarm: Row, event: str, key: str, step: int) -> dict[str, Any]:
    return {
        "zone": alarm["time_zone"], "community_id": alarm["community_id"], "event": event, "event_key": key,
        "alarm_id": alarm["id"], "step": step, "priority": alarm["priority"], "life_safety": alarm["life_safety"],
        "happened_at": began(alarm),
    }  # fmt: skip
