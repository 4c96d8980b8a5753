"""One open page of one person: who, which language and zone, live changes in, actions out."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from zlib import crc32
from zoneinfo import ZoneInfo

import psycopg
import structlog
from nicegui import ui
from nicegui.element import Element
from psycopg_pool import PoolTimeout
from starlette.requests import Request

from api.auth import COOKIE, principal_of
from api.hub import Hub
from api.pages import widgets
from api.pages.ask import Ask, Field
from api.pages.export import SORTS, file_bytes
from api.pages.refused import RefusedFiles
from api.texts import clock_time, pick, texts, value_text
from hub.accounts.model import Identity, Membership
from hub.errors import HubError, Refused
from hub.live import Change, Subscription
from hub.principal import RIGHTS, Principal
from hub.store.database import NotThere

SCHEME_COOKIE = "hub_scheme"  # what the browser or its person likes, written by theme.js
RECHECK_S = 30.0
SETTLE_S = 0.03
RETRY_S = 1.0
REREAD_S = 2.0  # a page that is behind reads all again at most so often
MOST_MEANWHILE = 4096  # changes kept while a page is being built
BEHIND_S = 0.1  # and looks so often meanwhile whether there is something urgent
Value = TypeVar("Value")

_log = structlog.get_logger()
_TROUBLE = (HubError, psycopg.Error, PoolTimeout)
_REASONS = (
    "error.no_account", "error.no_work_order",
    "error.forbidden", "error.not_signed_in", "error.not_found", "error.busy", "error.reason_required",
    "error.wrong_state", "error.bad_text", "error.bad_period", "error.period_not_over", "error.bad_time",
    "error.bad_ids",
    "error.life_safety", "error.not_shelvable", "error.over", "error.unacknowledged", "error.still_active",
    "error.in_service", "error.no_step", "error.no_device",
    "error.picture_too_large", "error.picture_unknown", "error.picture_broken", "error.picture_gone",
    "error.clip_gone",
    "error.too_many_pictures",
)  # fmt: skip


class View:
    """What a page builder is given. Made once per page load.

    A module's page takes its elements from here, so that it needs to import nothing of ours.
    """

    tag = staticmethod(widgets.tag)
    box = staticmethod(widgets.box)
    panel = staticmethod(widgets.panel)
    head = staticmethod(widgets.head)
    facts = staticmethod(widgets.facts)
    diff = staticmethod(widgets.diff)
    table = staticmethod(widgets.Table)
    field = staticmethod(Field)

    def __init__(self, hub: Hub, request: Request, identity: Identity, tasks: set[asyncio.Task[None]]) -> None:
        self.hub = hub
        self.identity = identity
        self.language = identity.language
        self.t = texts(identity.language)
        self.dark = is_dark(request, identity.name)
        self._request = request
        self._tasks = tasks
        self.principal: Principal = principal_of(identity, request)
        self.membership: Membership = next(
            m for m in identity.memberships if m.community_id == self.principal.community_id
        )
        self.zone = self.membership.time_zone
        self._places: dict[str, str] | None = None
        self._ask: Ask | None = None
        self._homes = (self.principal.community_id, 0)
        self._meanwhile: Subscription | None = hub.context.live.subscribe(
            lambda change: change.community_id in self._homes, MOST_MEANWHILE
        )

    def built(self) -> None:
        """The page is built: what it has to be told of from now on, it follows."""
        if self._meanwhile is not None:
            self.hub.context.live.unsubscribe(self._meanwhile)
            self._meanwhile = None

    def pictures(self) -> widgets.Pictures:
        """Stored pictures; `show` gives it those there are."""
        t = self.t
        words = {"close": t("pictures.close"), "save": t("pictures.save"), "gone": t("pictures.gone")}
        return widgets.Pictures(words | {"none": t("pictures.none"), "failed": t("pictures.failed")})

    def picture_input(self, url: str, add: str, done: Callable[[], Awaitable[None]]) -> widgets.PictureInput:
        """A button `add` that sends pictures to `url`, and then calls back. What went wrong is told."""
        button = widgets.PictureInput(url, add, self.t("pictures.busy"))

        async def sent(code: object) -> None:
            if code:
                self.complain(Refused(str(code), ""))
            await done()

        button.on("sent", lambda event: self.act(sent)(event.args))
        return button

    def refused_files(self, *only: str) -> RefusedFiles:
        """Changed files that are not in force, for who may configure; `show` looks again."""
        return RefusedFiles(self, only)

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

    def date_time(self, moment: datetime | None) -> str:
        """An instant in full, for files; "" for none."""
        return f"{moment.astimezone(ZoneInfo(self.zone)):%Y-%m-%d %H:%M:%S}" if moment else ""

    def pick(self, text: dict[str, str] | None) -> str:
        return pick(text, self.language)

    def value(self, value: float | None, told: Mapping[str, Any]) -> str:
        """A value of what is `told` of a point: its `values`, `words` and `unit`."""
        return value_text(value, told["values"], told["words"], told["unit"], self.language)

    def word(self, group: str, name: str | None) -> str:
        """A catalogue word of a group (`state.open`), or the name itself where the catalogue has none."""
        key = f"{group}.{name}"
        text = self.t(key)
        return str(name) if text == key else text

    def kind(self, name: str) -> str:
        """The name of a kind of devices, as this community calls it."""
        spec = self.hub.context.kinds.get(self.principal.community_id, {}).get(name)
        return spec.name.get(self.language) if spec else name

    def age(self, moment: datetime | None) -> str:
        """How long ago, in its largest unit."""
        if moment is None:
            return "—"
        seconds = max(0, int((self.now() - moment).total_seconds()))
        for size, unit in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
            if seconds >= size:
                return f"{seconds // size} {self.t('time.' + unit)}"
        return f"{seconds} {self.t('time.seconds')}"

    def span(self, length: timedelta) -> str:
        """A length of time in its two largest units; "—" for one that is over."""
        minutes = int(length.total_seconds()) // 60
        if minutes < 0:
            return "—"
        days, hours = minutes // 1440, minutes // 60 % 24
        words = {"days": days, "hours": hours, "minutes": minutes % 60}
        shown = [f"{count} {self.t('time.' + unit)}" for unit, count in words.items() if count][:2]
        return " ".join(shown) or f"0 {self.t('time.minutes')}"

    def person(self, actor: str | None) -> str:
        """Who did it, without the sort of account in front."""
        return (actor or "").partition(":")[2] or actor or "—"

    def badge(self, priority: int, state: str = "") -> Element:
        """The mark of a priority."""
        return widgets.badge(priority, state, self.t(f"priority.{priority}"))

    def badge_cell(self, priority: int, state: str = "") -> dict[str, Any]:
        """The same as a table's cell of sort `badge`."""
        return {"priority": priority, "state": state, "label": self.t(f"priority.{priority}")}

    def device_cell(self, device_id: int, code: str | None) -> dict[str, str]:
        """A device as a table's cell of sort `link`: its name where it is installed, else its code."""
        device = self.hub.context.devices.get(device_id)
        name = self.pick({"zh": device.spec.name.zh, "en": device.spec.name.en}) if device else code
        return {"text": name or "—", "href": f"/devices/{device_id}"}

    async def places(self, *, again: bool = False) -> dict[str, str]:
        """Path -> its name, led by those above unless it names one of them itself; "-path" -> its own name alone. Read
        once a page, or `again`."""
        if self._places is None or again:
            own = {row["path"]: self.pick(row["name"]) for row in await self.hub.reads.places(self.principal)}
            names = {f"-{path}": name for path, name in own.items()}
            for path, name in own.items():
                parts = path.split("/")
                above = [own.get("/".join(parts[:depth]), "") for depth in range(1, len(parts))]
                told = any(one and one.casefold() in name.casefold() for one in above)
                names[path] = name if told else " ".join([*filter(None, above), name])
            self._places = names
        return self._places

    def ask(
        self, title: str, text: str, yes: str, work: Callable[[str], Awaitable[None]], *, field: str = "",
        needed: str = "",
    ) -> None:  # fmt: skip
        """Ask before doing; see `Ask.open`. Trouble is told to the person and leaves the question open."""
        if self._ask is None:
            with ui.context.client:
                self._ask = Ask(self.t, self.act)
        self._ask.open(title, text, yes, work, field=field, needed=needed)

    def form(
        self, title: str, text: str, yes: str, work: Callable[[dict[str, str]], Awaitable[None]],
        fields: Sequence[Field],
    ) -> None:  # fmt: skip
        """Ask with several fields (`view.field(...)`); `work` is given name -> what was filled in."""
        if self._ask is None:
            with ui.context.client:
                self._ask = Ask(self.t, self.act)
        self._ask.form(title, text, yes, work, fields)

    async def save_as(
        self, sort: str, title: str, columns: Sequence[tuple[str, ...]], rows: Sequence[Mapping[str, object]]
    ) -> None:
        """Hand the person a list as a file. `sort`: csv or xlsx; columns and cells are those of a table, its buttons
        left out."""
        if sort in SORTS:
            told = [(key, label) for key, label, *rest in columns if rest[:1] != ["actions"]]
            cells = [{key: widgets.cell_text(row.get(key)) for key, _ in told} for row in rows]
            stamp = f"{self.now().astimezone(ZoneInfo(self.zone)):%Y%m%d-%H%M}"
            ui.download.content(await file_bytes(sort, title, told, cells), f"{title}-{stamp}.{sort}")

    def export_choice(self, export: Callable[[str], Awaitable[None]]) -> Element:
        """The choice of a file of a list; `export` is given csv or xlsx, and hands it out by `save_as`."""
        select = widgets.box("search export", "select", aria_label=self.t("list.export"))
        with select:
            for value, text in (("", self.t("list.export")), ("csv", "CSV"), ("xlsx", "Excel")):
                widgets.tag("option", text, "", value=value)
        return select.on("change", lambda event: self.act(export)(str(event.args)),
                         js_handler="(e) => { emit(e.target.value); e.target.value = ''; }")  # fmt: skip

    def moment(self, typed: str) -> datetime:
        """What stands in a field of sort `datetime-local`, in the community's zone. Refused(bad_period)."""
        try:
            return datetime.fromisoformat(typed).replace(tzinfo=ZoneInfo(self.zone)).astimezone(UTC)
        except ValueError as error:
            raise Refused("bad_period", "a date and a time of day are needed", 422) from error

    def typed(self, moment: datetime) -> str:
        """An instant as a field of sort `datetime-local` wants it, in the community's zone."""
        return f"{moment.astimezone(ZoneInfo(self.zone)):%Y-%m-%dT%H:%M}"

    def units(self) -> list[str]:
        """Short words of second, minute, hour, day for the browser's own clocks."""
        return [self.t(f"time.{unit}") for unit in ("seconds", "minutes", "hours", "days")]

    def complain(self, error: Exception) -> None:
        """Tell the person why something did not work."""
        code = error.code if isinstance(error, Refused) else "not_found" if isinstance(error, NotThere) else "busy"
        key = f"error.{code}"
        text = self.t(key if key in _REASONS else "error.other")
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

    async def shared(self, name: str, work: Callable[[], Awaitable[Value]]) -> Value:
        """What `work` reads of the community, read once for all pages that ask for `name` meanwhile. Nobody may change
        it, and it may not depend on who asks."""
        value: Value = await self.hub.shared.read((name, self.principal.community_id), work)
        return value

    def _subscribe(
        self, wants: Callable[[Change], bool] | Collection[str], topics: Callable[[str], bool] | None
    ) -> Subscription:
        chosen, heeded = (wants, topics) if callable(wants) else (None, wants.__contains__)
        subscription = self.hub.context.live.subscribe(
            lambda change: change.community_id in self._homes and (chosen is None or chosen(change)), topics=heeded
        )
        if self._meanwhile is not None:
            self._meanwhile.hand_on(subscription)
        return subscription

    def follow(
        self,
        wants: Callable[[Change], bool] | Collection[str],
        on_changes: Callable[[list[Change]], Awaitable[None]],
        on_lost: Callable[[], Awaitable[None]],
        settle_s: float = SETTLE_S,
        topics: Callable[[str], bool] | None = None,
    ) -> Callable[[], None]:
        """Call back on the wanted changes (or topics) of this community until the page is closed, also on those since
        this view was made: what a page reads while it is built may be older. Gives what has `on_lost` called, one call
        after the other, so that no older reading comes after a newer change.

        `on_lost`: some were dropped, or a call failed a second ago: read everything again. In a flood not at once but
        every 2 s, and what is urgent is told before.
        `wants` must be narrow: a page that is told of every value of a community would always be behind. `topics`:
        among which they are, now; so that nobody puts together what no open page shows.
        """
        client = ui.context.client
        live = self.hub.context.live
        subscription = self._subscribe(wants, topics)

        async def run() -> None:
            failing, read = False, -REREAD_S
            clock = self.hub.context.clock
            try:
                while True:
                    changes, lost = await subscription.take()
                    wait = lost and clock.monotonic() < read + REREAD_S
                    try:
                        with client:
                            if changes:
                                await on_changes(changes)
                            if lost and not wait:
                                read = clock.monotonic()
                                await on_lost()
                    except Exception as error:  # noqa: BLE001
                        # Whatever it was, a page that says "connected" must not stay behind: it soon reads all again.
                        if not failing:
                            _log.warning("page_not_refreshed", error=type(error).__name__,
                                         exc_info=not isinstance(error, _TROUBLE))  # fmt: skip
                        failing = True
                        subscription.lose()
                        read = -REREAD_S
                        await clock.sleep(RETRY_S)
                    else:
                        if failing:
                            _log.info("page_refreshed_again")
                        failing = False
                    if wait:
                        subscription.lose()
                    # A short rest lets a burst become one message; it is invisible to a person.
                    await asyncio.sleep(max(settle_s, BEHIND_S) if wait else settle_s)
            finally:
                live.unsubscribe(subscription)

        task = asyncio.create_task(run(), name="page-live")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        client.on_delete(task.cancel)
        return subscription.lose

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


def dark_cookie(name: str) -> str:
    """Where a browser keeps a person's own choice of theme; several may share a desk."""
    return f"hub_dark_{crc32(name.encode()):08x}"


def is_dark(request: Request, name: str) -> bool:
    """Night theme: the person's own choice, else what the browser says it likes."""
    chosen = request.cookies.get(dark_cookie(name)) or request.cookies.get(SCHEME_COOKIE)
    return chosen in ("1", "dark")
