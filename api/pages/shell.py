"""The frame of every page: header, navigation, language, night mode, who is here, whether the page is live."""

import asyncio
import copy
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import psycopg
import structlog
from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response
from nicegui import app as nicegui_app
from nicegui import ui
from psycopg_pool import PoolTimeout

from api.auth import COOKIE, principal_of
from api.hub import Hub
from api.pages.plain import error_page
from api.pages.view import View
from api.pages.widgets import box, icon, tag
from hub.accounts.model import Identity
from hub.errors import Refused
from hub.principal import Role
from hub.store.database import NotThere

_log = structlog.get_logger()
STATIC = Path(__file__).with_name("static")
_HEAD = (
    '<link rel="stylesheet" href="/static/hub.css"><link rel="icon" href="/static/hub.svg" type="image/svg+xml">'
    '<script src="/static/theme.js"></script>'
)
NARROW, WIDE = 4, 7  # lines of the navigation in the bar of a phone and of a desk
_QUASAR = {"zh-CN": "zh-CN", "en": "en-US"}

Build = Callable[[View, int | None], Awaitable[None]]
"""Fills a page; the number is the one of its path, if it has one. NotThere becomes a 404 page, Refused a 403."""


@dataclass(frozen=True)
class Entry:
    """A line of the navigation. `title` is a catalogue key or a two-language text (modules bring their own); `home` are
    the roles that begin here."""

    path: str
    title: str | dict[str, str]
    icon: str
    order: int
    right: str
    home: frozenset[Role] = frozenset()

    def label(self, view: View) -> str:
        return view.t(self.title) if isinstance(self.title, str) else view.pick(self.title)


class Shell:
    """The registry of pages. A module's plug that offers `pages(shell)` adds its own the same way."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.static = STATIC  # what is served at /static
        self.entries: list[Entry] = []
        self.links: dict[str, str] = {}  # kind of an alarm's link ("work_order") -> path its reference is put behind
        self.tasks: set[asyncio.Task[None]] = set()

        @ui.page("/")
        async def start(request: Request) -> Response:
            return await self._start(request)

    def add(
        self, path: str, title: str | dict[str, str], icon: str, order: int, build: Build, *, right: str = "see",
        home: Collection[Role] = (),
    ) -> None:  # fmt: skip
        """A page with a line in the navigation, for who has the right. `icon` is the name of a Material icon; `home`:
        the roles whose desk it is: they begin here, and it leads their navigation."""
        entry = Entry(path, title, icon, order, right, frozenset(home))
        self.entries.append(entry)
        self.entries.sort(key=lambda one: one.order)
        self._mount(path, entry, build)

    def add_below(self, path: str, parent: str, build: Build) -> None:
        """A page of one thing, `{number}` in its path, under the navigation line of the page at `parent`."""
        self._mount(path, next(one for one in self.entries if one.path == parent), build)

    def _mount(self, target: str, entry: Entry, build: Build) -> None:
        async def show(request: Request, number: str = "") -> Response | None:
            return await self._show(request, entry, build, number)

        async def show_one(request: Request, number: str) -> Response | None:
            return await self._show(request, entry, build, number)

        ui.page(target, response_timeout=10, reconnect_timeout=10)(show_one if "{number}" in target else show)

    async def _start(self, request: Request) -> Response:
        """Where somebody begins: at the desk of their role, the alarm desk where no page claims it."""
        identity = await self._identity(request)
        if identity is None:
            return RedirectResponse("/login?next=/", 303)
        role = principal_of(identity, request).role
        return RedirectResponse(next((one.path for one in self.entries if role in one.home), "/alarms"), 303)

    async def _show(self, request: Request, entry: Entry, build: Build, number: str) -> Response | None:
        try:
            identity = await self._identity(request)
            if identity is None:
                return RedirectResponse(f"/login?next={request.url.path}", 303)
            if number and not (number.isascii() and number.isdigit() and len(number) < 10):
                raise NotThere(number)
            view = View(self.hub, request, identity, self.tasks)
            try:
                view.principal.require(entry.right)
                self._dress(view, entry)
                with self._frame(view, entry):
                    await build(view, int(number) if number else None)
            finally:
                view.built()
            view.watch_session()
        except NotThere:
            return error_page(request, 404)
        except Refused as error:
            return error_page(request, error.status)
        except (PoolTimeout, psycopg.OperationalError) as error:
            _log.warning("page_without_store", path=entry.path, error=type(error).__name__, detail=str(error)[:200])
            return error_page(request, 503)
        return None

    async def _identity(self, request: Request) -> Identity | None:
        token = request.cookies.get(COOKIE, "")
        return await self.hub.accounts.identify(token) if 0 < len(token) < 128 else None

    def _dress(self, view: View, entry: Entry) -> None:
        """Language, title and night mode of this one answer; NiceGUI keeps them by page, so ours is a copy."""
        client = ui.context.client
        client.page = copy.copy(client.page)
        client.page.language = _QUASAR[view.language]  # type: ignore[assignment]
        client.page.dark = view.dark
        client.title = f"{entry.label(view)} · {view.t('app.name')}"
        ui.add_head_html(_HEAD)

    def _frame(self, view: View, entry: Entry) -> ui.element:
        tag("a", view.t("nav.skip"), "skip", href="#main")
        with box("top", "header"):
            self._brand(view)
            self._navigation(view, entry)
            with box("live", title=view.t("shell.connected")):
                tag("span", view.t("shell.connected"), "ok")
                tag("span", view.t("shell.lost"), "lost", role="status")
            for other_home in view.identity.memberships:
                if other_home != view.membership:
                    name = view.pick(other_home.name)
                    self._form(
                        "/preferences", "community", other_home.code, name, "swap_horiz", view.t("shell.community")
                    )
            other = "en" if view.language == "zh-CN" else "zh-CN"
            self._form(
                "/preferences", "language", other, view.t("shell.language"), "translate", view.t("shell.language_label")
            )
            self._form(
                "/preferences",
                "dark",
                "0" if view.dark else "1",
                "",
                "dark_mode" if not view.dark else "light_mode",
                view.t("shell.dark"),
            )
            with box("me"):
                tag("b", view.identity.name)
                tag("small", view.t(f"role.{view.principal.role}"))
            self._form("/logout", "", "", "", "logout", view.t("shell.sign_out"))
        return box("content", id="main")

    def _brand(self, view: View) -> None:
        with box("brand", "a", href="/"):
            tag("span", "◆", "mark", aria_hidden="true")
            tag("span", view.pick(view.membership.name) or view.t("app.name"), "title")

    def _navigation(self, view: View, entry: Entry) -> None:
        """The first lines stand in the bar, as many as the window is wide; the others in a menu behind it."""
        mine = [one for one in self.entries if view.may(one.right)]
        entries = sorted(mine, key=lambda one: view.principal.role not in one.home)
        with box("nav", "nav", aria_label=view.t("nav.main")):
            for place, one in enumerate(entries[:WIDE]):
                self._link(view, one, entry, "" if place < NARROW else "wide")
            if len(entries) > NARROW:
                tier = "" if len(entries) > WIDE else "narrow"
                here = "here" if entry in entries[WIDE:] else "here-narrow" if entry in entries[NARROW:] else ""
                more = box(f"more-button {tier} {here}", "button", type="button", popovertarget="nav-more")
                with more:
                    icon("more_horiz")
                    tag("span", view.t("nav.more"))
        with box("nav-more", "nav", id="nav-more", popover="auto", aria_label=view.t("nav.more")):
            for place, one in enumerate(entries[NARROW:], NARROW):
                self._link(view, one, entry, "narrow" if place < WIDE else "")

    def _link(self, view: View, one: Entry, entry: Entry, tier: str) -> None:
        here = {"aria_current": "page"} if one is entry else {}
        with box(tier, "a", href=one.path, **here):
            icon(one.icon)
            tag("span", one.label(view))

    def _form(self, action: str, name: str, value: str, text: str, picture: str, label: str) -> None:
        with box("", "form", method="post", action=action):
            if name:
                box("", "input", type="hidden", name=name, value=value)
            with box("ghost long" if text else "ghost", "button", type="submit", title=label, aria_label=label):
                icon(picture)
                if text:
                    tag("span", text)

    async def close(self) -> None:
        """End what the open pages still run."""
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


def install_errors(app: FastAPI) -> None:
    """Our own words for 404, 500 and a database that does not answer, on our app and on NiceGUI's."""

    async def missing(request: Request, _: Exception) -> Response:
        return error_page(request, 404)

    async def broken(request: Request, _: Exception) -> Response:
        return error_page(request, 500)

    async def busy(request: Request, _: Exception) -> Response:
        return error_page(request, 503)

    for one in (app, nicegui_app):
        one.add_exception_handler(404, missing)
        one.add_exception_handler(PoolTimeout, busy)
        one.add_exception_handler(psycopg.OperationalError, busy)
        one.add_exception_handler(Exception, broken)
