"""One open page of one person: who, which language and zone, live changes in, actions out."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime
from typing import Any

import psycopg
import structlog
from nicegui import ui
from psycopg_pool import PoolTimeout
from starlette.requests import Request

from api.auth import COOKIE, principal_of
from api.hub import Hub
from api.texts import clock_time, pick, texts
from hub.accounts.model import Identity, Membership
from hub.errors import HubError, Refused
from hub.live import Change
from hub.principal import RIGHTS, Principal
from hub.store.database import NotThere

DARK_COOKIE = "hub_dark"
RECHECK_S = 30.0
SETTLE_S = 0.03
_log = structlog.get_logger()
_TROUBLE = (HubError, psycopg.Error, PoolTimeout)


class View:
    """What a page builder is given. Made once per page load."""

    def __init__(self, hub: Hub, request: Request, identity: Identity, tasks: set[asyncio.Task[None]]) -> None:
        self.hub = hub
        self.identity = identity
        self.language = identity.language
        self.t = texts(identity.language)
        self.dark = request.cookies.get(DARK_COOKIE) == "1"
        self._request = request
        self._tasks = tasks
        self.principal: Principal = principal_of(identity, request)
        self.membership: Membership = next(
            m for m in identity.memberships if m.community_id == self.principal.community_id
        )
        self.zone = self.membership.time_zone

    async def who(self) -> Principal:
        """The principal now, asked for anew: a session may have ended or a role changed. Refused(401)."""
        identity = await self.hub.accounts.identify(self._request.cookies.get(COOKIE, ""))
        if identity is None:
            raise Refused("not_signed_in", "the session is over", 401)
        self.principal = identity.principal(self.membership.code, self.principal.remote)
        return self.principal

    def may(self, right: str) -> bool:
        """Whether to show what needs a right; the desk decides."""
        return self.principal.role in RIGHTS[right]

    def now(self) -> datetime:
        return self.hub.context.clock.now()

    def stamp(self, moment: datetime | None) -> str:
        """An instant in the community's time zone."""
        return clock_time(moment, self.zone, self.now())

    def pick(self, text: dict[str, str] | None) -> str:
        return pick(text, self.language)

    def word(self, group: str, name: str | None) -> str:
        """A catalogue word of a group (`state.open`), or the name itself where the catalogue has none."""
        key = f"{group}.{name}"
        text = self.t(key)
        return str(name) if text == key else text

    def age(self, moment: datetime | None) -> str:
        """How long ago, in its largest unit."""
        if moment is None:
            return "—"
        seconds = max(0, int((self.now() - moment).total_seconds()))
        for size, unit in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
            if seconds >= size:
                return f"{seconds // size} {self.t('time.' + unit)}"
        return f"{seconds} {self.t('time.seconds')}"

    def units(self) -> list[str]:
        """Short words of second, minute, hour, day for the browser's own clocks."""
        return [self.t(f"time.{unit}") for unit in ("seconds", "minutes", "hours", "days")]

    def complain(self, error: Exception) -> None:
        """Tell the person why something did not work."""
        code = error.code if isinstance(error, Refused) else "not_found" if isinstance(error, NotThere) else "busy"
        known = self.t(f"error.{code}")
        text = self.t("error.other") if known.startswith("error.") else known
        ui.notify(text, type="negative", position="top", timeout=6000)
        if code == "not_signed_in":
            ui.navigate.to("/login")

    def act(self, work: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        """A handler whose trouble is told to the person instead of being raised."""

        async def guarded(*arguments: Any) -> None:
            try:
                await work(*arguments)
            except _TROUBLE as error:
                self.complain(error)

        return guarded

    def follow(
        self,
        wants: Callable[[Change], bool] | Collection[str],
        on_changes: Callable[[list[Change]], Awaitable[None]],
        on_lost: Callable[[], Awaitable[None]],
        settle_s: float = SETTLE_S,
    ) -> None:
        """Call back on the wanted changes (or topics) of this community until the page is closed.

        `on_lost`: some were dropped, read everything again.
        `wants` must be narrow: a page that is told of
        every value of a community would always be behind.
        """
        client = ui.context.client
        homes = (self.principal.community_id, 0)
        live = self.hub.context.live
        chosen = wants if callable(wants) else (lambda change: change.topic in wants)
        subscription = live.subscribe(lambda change: change.community_id in homes and chosen(change))

        async def run() -> None:
            try:
                while True:
                    changes, lost = await subscription.take()
                    try:
                        with client:
                            await (on_lost() if lost else on_changes(changes))
                    except _TROUBLE as error:
                        _log.warning("page_not_refreshed", error=type(error).__name__)
                        subscription.lost = True
                    # A short rest lets a burst become one message; it is invisible to a person.
                    await asyncio.sleep(settle_s)
            finally:
                live.unsubscribe(subscription)

        task = asyncio.create_task(run(), name="page-live")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        client.on_delete(task.cancel)

    def watch_session(self) -> None:
        """Leave for the sign-in page soon after the session has ended."""

        async def check() -> None:
            try:
                await self.who()
            except Refused:
                ui.navigate.to("/login")
            except _TROUBLE:
                return

        ui.timer(RECHECK_S, check)
