"""One attempt: the words, the link and the way of what is sent now."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from hub.context import Context
from hub.store.database import Row
from modules.notifications import texts, webhooks
from modules.notifications.channels import Outcome, Senders, addressed
from modules.notifications.files import Files
from modules.notifications.outgoing import Answer, Forbidden, Gateway, Network, NotSent, networks
from modules.notifications.push import Urgency
from modules.notifications.replies import code_of
from modules.notifications.spec import Channel, NotificationsFile
from modules.notifications.tokens import make_token

CALLING = ("annunciated", "escalated")  # events that ask for somebody to acknowledge
GONE = "it is not set up any more"


@dataclass(frozen=True)
class Work:
    """What is sent now: one delivery, or several as one message."""

    community: Row
    target: str
    deliveries: list[Row]
    endpoint: Row | None = None
    token_key: bytes = b""
    taken: bool = False  # by its receiver, before a kill: only to be recorded

    @property
    def ids(self) -> list[int]:
        return [one["id"] for one in self.deliveries]


class Sending:
    """What stands between a delivery row and the other side's answer."""

    def __init__(self, context: Context, files: Files, gateway: Gateway) -> None:
        self._context = context
        self._files = files
        self._gateway = gateway
        self._senders = Senders(gateway)

    def channel(self, community: Row, target: str) -> Channel | None:
        """The channel behind a target, if it is set up."""
        sort, _, name = target.partition(":")
        file = self._files.of(community["code"])
        channel = file.channel(name) if file and sort == "channel" else None
        return channel if channel is not None and channel.on else None

    async def attempt(self, work: Work, taken: Callable[[Work], None]) -> Outcome:
        """One attempt. Whatever goes wrong in it, in a library too, is its outcome: without one it would be sent again
        and again. `taken` is called in a thread as soon as the receiver has said yes."""
        try:
            return await self._send(work, lambda: taken(work))
        except Exception as error:  # noqa: BLE001 - see above
            return Outcome(False, detail=f"it cannot be sent as it is ({type(error).__name__})", perhaps=True)

    async def _send(self, work: Work, taken: Callable[[], None]) -> Outcome:
        now = self._context.clock.now()
        file = self._files.of(work.community["code"])
        allowed = networks(file.gateways) if file else ()
        first = work.deliveries[0]
        if work.endpoint is not None:
            return await self._post(work.endpoint, first, allowed, now, taken)
        channel = self.channel(work.community, work.target)
        if channel is None or file is None:
            return Outcome(False, detail=GONE)
        link, minutes = self._link(work, file, channel)
        shown = "" if channel.voice else link  # nobody can follow a link that is read out
        codes = self._codes(work, channel)
        title, body = texts.finished(
            work.deliveries, now, work.community["time_zone"], shown, minutes, codes, voice=channel.voice
        )
        reference = first["uid"].hex if len(work.deliveries) == 1 else ""  # an answer to several names none of them
        url = addressed(channel.url.get_secret_value(), first["address"], reference)
        if channel.voice and minutes:
            url += f"{'&' if '?' in url else '?'}:acknowledge={quote(link, safe='')}"
        success = (channel.success.field, channel.success.equals) if channel.success else None
        to = "" if channel.personal else first["address"]
        urgency = Urgency(*_loudness(work.deliveries), link)
        return await self._senders.send(
            url, title, body, allowed, now, to=to, success=success, urgency=urgency, taken=taken
        )

    async def aside(self, work: Callable[..., None], *given: Any) -> None:
        """Done in one of the messages' threads: nobody else's work holds it up."""
        await asyncio.get_running_loop().run_in_executor(self._gateway.threads, work, *given)

    async def mailed(self, channel: Channel) -> list[str]:
        """The addresses in a group's mail URL; nobody for other channels."""
        return await self._senders.mailed(channel.url.get_secret_value())

    def _codes(self, work: Work, channel: Channel) -> dict[int, str]:
        """Delivery id -> the code that acknowledges its alarm by an answer, where there can be one."""
        return {
            one["id"]: code_of(work.token_key, one["alarm_id"])
            for one in work.deliveries
            if channel.answerable and one["alarm_id"] is not None and one["event"] in CALLING
        }

    def _link(self, work: Work, file: NotificationsFile, channel: Channel) -> tuple[str, int | None]:
        """Where a message leads: to acknowledge, for one person and one alarm; else to the alarm, or the desk."""
        first = work.deliveries[0]
        if first["event"] == "reply":
            return "", None
        if len(work.deliveries) > 1 or first["alarm_id"] is None:
            return f"{file.public_url}/", None
        if channel.personal and first["event"] in CALLING:
            token = make_token(work.token_key, self._context.clock, first["uid"])
            return f"{file.public_url}/notice/{work.community['code']}/{token}", file.link_minutes
        return f"{file.public_url}/alarms/{first['alarm_id']}", None

    async def _post(
        self, endpoint: Row, delivery: Row, allowed: Sequence[Network], now: datetime, taken: Callable[[], None]
    ) -> Outcome:
        old = endpoint["previous_secret"] if endpoint["previous_until"] and endpoint["previous_until"] > now else None
        signing = [endpoint["secret"], *([old] if old else [])]
        headers = webhooks.headers_of(delivery["uid"], now, delivery["body"], signing)

        def heard(answer: Answer) -> None:
            if answer.good:
                taken()

        try:
            body = delivery["body"].encode()
            answer = await self._gateway.send("POST", endpoint["url"], headers, body, allowed, heard)
        except Forbidden as error:
            return Outcome(False, detail=str(error))
        except NotSent as error:
            return Outcome(False, detail=str(error), perhaps=error.perhaps)
        detail = "" if answer.good else f"HTTP {answer.status}"
        return Outcome(answer.good, answer.status, detail, answer.retry_after(now), gone=answer.status == 410)


def _loudness(deliveries: Sequence[Row]) -> tuple[int, bool]:
    """Priority of the gravest that calls somebody, and whether it is life safety; what is over need not sound."""
    calling = [one for one in deliveries if one["event"] in (*CALLING, "storm_began")]
    return min((one["priority"] for one in calling), default=3), any(one["life_safety"] for one in calling)
