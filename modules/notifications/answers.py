"""People answer: "1" by SMS or on the keys of a telephone acknowledges the alarm their message was about.

Who it is comes from the connection: the channel's gateway proves itself, and a number counts only as said by it, and
only where a message of this channel went to it. What is decided is committed before it is done: the pump, or a
repetition, finishes what was decided, and never decides anew.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from hub import audit
from hub.context import Context
from hub.errors import Refused
from hub.failpoint import failpoint
from hub.principal import Principal
from hub.store.database import Connection, NotThere, Row
from modules.notifications import store, texts
from modules.notifications.endpoints import show_screens
from modules.notifications.files import Files
from modules.notifications.model import AHEAD, masked
from modules.notifications.outgoing import networks
from modules.notifications.replies import BadReply, Call, RepliesSpec, Reply, code_of, proven, read, sender_of
from modules.notifications.spec import Channel, NotificationsFile
from modules.notifications.telling import UNANSWERED
from modules.notifications.wishes import choose, wish_of

_log = structlog.get_logger()
_REMEMBERED = timedelta(days=1)  # so long a number is known, to be told that its answer comes too late
_ANSWER_GOOD = timedelta(minutes=10)
_RATES = {  # strangers have a budget of their own: a flood of them takes nothing from whom we told something
    "by_told": (timedelta(minutes=1), 300),
    "by_strangers": (timedelta(minutes=1), 60),
    "by_one": (timedelta(minutes=10), 30),
}
_LEFT_ALONE = timedelta(seconds=15)  # longer than a request may take: what was decided before, nobody does any more
_WARN_EACH = timedelta(minutes=1)
_SAID = 40  # characters kept of an answer
_UNREAD = {"result": "unreadable", "answer": ""}
NOTES = {
    False: "由短信回复确认 · acknowledged by SMS",
    True: "由电话按键确认 · acknowledged by telephone",
}


@dataclass(frozen=True)
class Gate:
    """A channel whose gateway may bring answers."""

    code: str  # of the community
    community_id: int
    file: NotificationsFile
    channel: Channel
    replies: RepliesSpec

    @property
    def of(self) -> Row:
        """What rows of this channel are found by."""
        return {"community_id": self.community_id, "target": f"channel:{self.channel.id}"}


class Answers:
    """The use case behind `/replies/<community>/<channel>`."""

    def __init__(self, context: Context, files: Files) -> None:
        self._context = context
        self._files = files
        self._warned: datetime | None = None
        self._stuck: set[int] = set()
        self.wake: Callable[[], None] = lambda: None

    def gate(self, code: str, name: str, remote: str) -> Gate:
        """The channel, where this address may bring answers to it. Refused(401) for whatever is not so: who asks learns
        nothing of what there is."""
        gate = self._gate(code, name)
        if gate is None or not _from(remote, gate.replies):
            raise self._stranger(code, name, remote)
        return gate

    def _gate(self, code: str, name: str) -> Gate | None:
        file, community_id = self._files.of(code), self._context.communities.get(code)
        channel = file.channel(name) if file else None
        replies = channel.replies if channel is not None and channel.answerable else None
        if file is None or channel is None or replies is None or community_id is None:
            return None
        return Gate(code, community_id, file, channel, replies)

    async def take(self, gate: Gate, call: Call, remote: str) -> list[Row]:
        """What came of each answer in a request: rows with `result` and `answer`; `unreadable` is passed over.

        Refused: 401 where it is not the gateway, 422 where nothing can be read; 429 too many, after the others are
        done: what was taken is known when the gateway repeats it.
        """
        now = self._context.clock.now()
        if not proven(gate.replies, call, now):
            raise self._stranger(gate.code, gate.channel.id, remote)
        async with self._context.database.session([gate.community_id]) as connection:
            [community] = await store.rows(connection, "communities", ids=[gate.community_id])
        zone = community["time_zone"]
        try:
            found = read(gate.replies, call, zone, now)
        except BadReply as error:
            _log.warning("an answer cannot be read", community=gate.code, channel=gate.channel.id, why=str(error))
            raise Refused("bad_reply", str(error), 422) from None
        if bad := [one for one in found if isinstance(one, BadReply)]:
            _log.warning("some answers cannot be read", community=gate.code, channel=gate.channel.id, why=str(bad[0]),
                         unread=len(bad), of=len(found))  # fmt: skip
        rows, refused = [], None
        for one in found:
            try:
                rows.append({**_UNREAD} if isinstance(one, BadReply) else await self._one(gate, zone, one, remote))
            except Refused as error:
                refused = error
        if refused is not None:
            raise refused
        return rows

    async def _one(self, gate: Gate, zone: str, reply: Reply, remote: str) -> Row:
        row, about = await self._decide(gate, zone, reply)
        failpoint("reply_decided")
        return row if row["done"] or about is None else await self._finish(gate, zone, row, about, remote)

    async def finish(self) -> None:
        """Do what was decided and, because the hub died, not done, while that answer is still good.

        psycopg.OperationalError, PoolTimeout when the store is away; whatever else goes wrong with one keeps no other
        from being done.
        """
        now, since = self._context.clock.now(), {}
        for code, community_id in self._context.communities.items():
            if (file := self._files.of(code)) is not None:
                since[community_id] = now - timedelta(minutes=file.link_minutes)
        if not since:
            return
        async with self._context.database.session(list(since)) as connection:
            left = await store.rows(
                connection, "unfinished", communities=list(since), since=list(since.values()), until=now - _LEFT_ALONE
            )
        for row in left:
            gate = self._gate(row["code"], row["target"].partition(":")[2])
            if gate is None or row["id"] in self._stuck:
                continue
            try:
                async with self._context.database.session([gate.community_id]) as connection:
                    about = await store.needed(
                        connection, "one", "delivery", id=row["delivery_id"], community_id=gate.community_id
                    )
                await self._finish(gate, row["time_zone"], row, about, "")
            except (psycopg.OperationalError, PoolTimeout):
                raise
            except Exception as error:  # noqa: BLE001 - see above; its text may hold a number
                self._stuck.add(row["id"])
                _log.error("an answer is stuck", reply=row["id"], error=type(error).__name__)

    async def _finish(self, gate: Gate, zone: str, row: Row, about: Row, remote: str) -> Row:
        who = Principal(f"notice:{about['person']}", gate.community_id, "guard", remote, about["language"])
        if row["result"] == "acknowledged":
            row = await self._acknowledge(who, gate, zone, row, about)
            failpoint("reply_acknowledged")
        async with self._context.database.session([gate.community_id]) as connection:
            end = {"id": row["id"], "result": row["result"], "answer": row["answer"]}
            if await store.run(connection, "end_reply", **end):
                await self._write(connection, who, gate, row, about)
        show_screens(self._context, who, [about["id"]])
        self.wake()
        return row

    # -- deciding ------------------------------------------------------------------------------------------------

    async def _decide(self, gate: Gate, zone: str, reply: Reply) -> tuple[Row, Row | None]:
        """This answer's row, new or as it was decided before, and the delivery it is about. Refused(429)."""
        async with self._context.database.session([gate.community_id]) as connection:
            row = await store.first(connection, "reply", **gate.of, key=reply.key)
            if row is None:
                await self._put(connection, gate, zone, reply)
                row = await store.needed(connection, "reply", "reply", **gate.of, key=reply.key)
            about = None
            if row["delivery_id"] is not None:
                about = await store.first(connection, "one", id=row["delivery_id"], community_id=gate.community_id)
        return row, about

    async def _put(self, connection: Connection, gate: Gate, zone: str, reply: Reply) -> None:
        now, minutes = self._context.clock.now(), gate.file.link_minutes
        key = await store.signing_key(connection, gate.community_id)
        sender = sender_of(key, reply.number)
        found = await store.rows(connection, "told_to", **gate.of, number=reply.number, since=now - _REMEMBERED)
        before = await self._limit(connection, gate, sender, "by_told" if found else "by_strangers", now)
        told = [{**one, "code": code_of(key, one["alarm_id"]), "open": one["state"] in UNANSWERED} for one in found]
        referred = None
        if reply.reference is not None:
            first = await store.first(connection, "referred", **gate.of, uid=reply.reference)
            referred = first["alarm_id"] if first else None
        since = now - timedelta(minutes=minutes)
        about, result = choose(wish_of(reply.text), told, referred, reply.at, since)
        waiting = [one for one in told if one["open"] and one["started_at"] >= since]
        answer = texts.answer_to(result, about, waiting, zone, minutes)
        if result == "not_understood" and before["not_understood"]:
            answer = ""  # it may be a machine that answers every message, ours too
        await store.run(
            connection, "put_reply", **gate.of, key=reply.key, at=now, sender=sender, said=_kept(reply.text),
            delivery_id=about["id"] if about else None, result=result, done=about is None, answer=answer,
        )  # fmt: skip

    async def _limit(self, connection: Connection, gate: Gate, sender: bytes, kind: str, now: datetime) -> Row:
        """How many answers came in the last ten minutes. Refused(429)."""
        counted: Row = {}
        for whose in (kind, "by_one"):
            per, most = _RATES[whose]
            values = {**gate.of, "sender": sender, "since": now - per, "ahead": now + AHEAD}
            counted = await store.needed(connection, "replies_since", "replies", **values)
            if counted[whose] >= most:
                raise Refused("too_many_replies", f"more than {most} answers in {per}", 429)
        return counted

    # -- doing ---------------------------------------------------------------------------------------------------

    async def _acknowledge(self, who: Principal, gate: Gate, zone: str, row: Row, about: Row) -> Row:
        """The reply as it then stands: somebody else may have been faster, the alarm may be over, or it may be done so
        late that another call of the alarm could be acknowledged by it."""
        minutes = gate.file.link_minutes
        if await self._too_late(gate, row, about):
            return {**row, "result": "expired", "answer": texts.answer_to("expired", about, [], zone, minutes)}
        try:
            alarm = await self._context.alarms.acknowledge(who, about["alarm_id"], NOTES[gate.channel.voice])
        except NotThere:
            alarm = {"acknowledged_by": None, "acknowledged_at": None}
        by = alarm["acknowledged_by"]
        result = "acknowledged" if by == who.actor else "already" if by else "over"
        known = {**about, "acknowledged_by": by, "acknowledged_at": alarm["acknowledged_at"]}
        return {**row, "result": result, "answer": texts.answer_to(result, known, [], zone, minutes)}

    async def _too_late(self, gate: Gate, row: Row, about: Row) -> bool:
        """Whether the alarm waits, and not for this answer: it is too old, or the alarm called anew since."""
        now, of = self._context.clock.now(), {"alarm_id": about["alarm_id"], "community_id": gate.community_id}
        async with self._context.database.session([gate.community_id]) as connection:
            alarm = await store.first(connection, "alarm", **of)
        if alarm is None or alarm["state"] not in UNANSWERED:
            return False
        called = alarm["annunciated_at"]  # None: it came again, and is about to call
        anew = called is None or row["at"] < called <= now + AHEAD
        return anew or not now - timedelta(minutes=gate.file.link_minutes) <= row["at"] <= now + AHEAD

    async def _write(self, connection: Connection, who: Principal, gate: Gate, row: Row, about: Row) -> None:
        """What was done stands in the audit and at the delivery, and is said back: after a call nobody is called."""
        now, acknowledged = self._context.clock.now(), row["result"] == "acknowledged"
        if acknowledged:
            await store.run(connection, "use_link", id=about["id"], at=now)
        action = "notification.acknowledge" if acknowledged else "notification.reply"
        detail = {"alarm": about["alarm_id"], "target": about["target"], "result": row["result"],
                  "by": "telephone" if gate.channel.voice else "sms"}  # fmt: skip
        await audit.record(connection, who, action, f"delivery:{about['id']}", now, detail)
        if row["answer"] and not gate.channel.voice:
            same = ("community_id", "target", "alarm_id", "person", "name", "address", "language", "priority")
            await store.insert(connection, now, now, {
                **{name: about[name] for name in same}, "event": "reply", "event_key": f"reply:{row['id']}",
                "title": texts.pick(texts.EVENTS["reply"], about["language"]), "body": row["answer"],
                "happened_at": now, "expires_at": now + _ANSWER_GOOD,
            })  # fmt: skip

    def _stranger(self, code: str, name: str, remote: str) -> Refused:
        """Said in the log once a minute at most: anybody can knock."""
        now = self._context.clock.now()
        if self._warned is None or not now - _WARN_EACH < self._warned <= now:
            self._warned = now
            _log.warning("no gateway of ours brings answers", path=f"{code[:32]}/{name[:64]}", remote=remote)
        return Refused(
            "not_the_gateway", "a channel with `replies`, called by its gateway with its proof, is needed", 401
        )


def _from(remote: str, replies: RepliesSpec) -> bool:
    if not replies.sources:
        return True
    try:
        address = ip_address(remote)
    except ValueError:
        return False
    return any(address in one for one in networks(replies.sources))


def _kept(text: str) -> str:
    """The beginning of what was written, on one line."""
    return masked("".join(one if one.isprintable() else " " for one in text))[:_SAID]
