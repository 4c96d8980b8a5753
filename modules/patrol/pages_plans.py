"""Checkpoints, routes and plans on a screen: what is in force, changed in dialogs, tried, put in force. No logic."""

from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import ui

from hub.errors import Refused
from modules.patrol import draft as drafts
from modules.patrol.draft import Draft
from modules.patrol.forms_plans import Dialogs
from modules.patrol.pages_plans_parts import PARTS, History, columns, paint_preview
from modules.patrol.planbook import InForce, PlanBook, Preview, WrongPlans
from modules.patrol.service import Patrols
from modules.patrol.stored import file_json, masked
from modules.patrol.words_plans import SAYS, TITLE

Change = Callable[[Any, str, str], Awaitable[InForce]]
"""Puts something in force, for who asks: what it was made from, and a note."""
_REFUSED = ("patrols", "patrol_versions", "configuration")


def add_pages(shell: Any, patrols: Patrols) -> None:
    async def build(view: Any, _: int | None) -> None:
        await PlansPage(view, patrols).build()

    shell.add_below("/patrol/plans", "/patrols", build)


class PlansPage:
    """One open page. `_draft` is what is being made from `_shown`; nothing of it holds before it is saved."""

    def __init__(self, view: Any, patrols: Patrols) -> None:
        self._view = view
        self._book: PlanBook = patrols.book
        self._may = bool(view.may("configure"))
        self._shown: InForce = self._book.in_force(view.principal)
        self._draft: Draft = self._plain()
        self._tables: dict[str, Any] = {}
        self._client = ui.context.client

    async def build(self) -> None:
        view = self._view
        self._choices = {
            "places": {path: name for path, name in (await view.places()).items() if not path.startswith("-")},
            **await self._book.choices(view.principal, view.language),
        }
        self._dialogs = Dialogs(view, self._book, self._choices)
        with view.head(view.pick(TITLE)), view.box("figures"):
            view.tag("a", self._say("patrols"), "ghost", href="/patrols")
        self._refused = view.refused_files(*_REFUSED)
        self._newer = view.box("")
        with view.panel(self._say("in_force")):
            self._about = view.box("")
        self._bar = view.box("")
        self._place = view.box("")
        for part in PARTS:
            with view.panel(self._say(part)):
                if self._may:
                    with view.box("actions"):
                        self._button(f"add_{part}", lambda _=None, part=part: self._edit(part))
                self._tables[part] = view.table(columns(view, part, change=self._may), [], self._say(f"none_{part}"))
                self._tables[part].on("action", self._acting(part))
        with view.panel(self._say("versions")):
            self._history = History(view, self._book, self._restore)
        await self._show()
        view.follow(_of_plans, self._followed, self._followed)

    # -- what is shown ---------------------------------------------------------------------------------------------

    def _plain(self) -> Draft:
        plain = file_json(self._shown.file)
        return plain if self._view.may("work") else masked(plain)

    async def _show(self) -> None:
        self._refused.show()
        self._paint_about()
        self._paint_bar()
        before = self._plain()
        for part, rows in PARTS.items():
            self._tables[part].show(rows(self._view, self._draft, before, self._choices, self._may))
        await self._history.show(self._shown)

    def _paint_about(self) -> None:
        view, one = self._view, self._shown
        self._about.clear()
        with self._about:
            view.tag("p", self._origin(one), "", role="status")
            said = ["begun", "only_file"] if one.number is None else ["over", "begun", "only_file"]
            view.tag("p", " ".join(self._say(name) for name in said), "muted note")
            with view.box("actions"):
                if self._may:
                    view.tag("a", self._say("download"), "ghost", href="/api/v1/patrol/plans.yaml")
                if one.number is not None and one.filed:
                    self._button("compare_file", self._compare_file)
                    if self._may:
                        self._button("follow_file", self._ask_follow)

    def _origin(self, one: InForce) -> str:
        """The file, or which version by whom, and why."""
        view = self._view
        if one.number is None:
            return self._say("file" if one.filed else "nothing").format(one.file.community)
        by = self._say("by").format(view.person(one.author), view.stamp(one.at))
        note = "" if one.filed else self._say("unfiled")
        return " · ".join(filter(None, [self._say("version").format(one.number), by, one.note, note]))

    def _paint_bar(self) -> None:
        view = self._view
        self._bar.clear()
        if self._draft == self._plain():
            self._place.clear()
            return
        with self._bar, view.panel(self._say("draft")), view.box("actions"):
            self._button("preview", self._preview, "solid")
            self._button("drop", self._ask_drop)

    # -- changing --------------------------------------------------------------------------------------------------

    async def _edit(self, part: str, name: str = "") -> None:
        if part == "plans" and not name and not self._free_device():
            ui.notify(self._say("no_device"), type="warning", position="top", timeout=9000)
            return
        shown = self._shown

        async def take(draft: Draft) -> None:
            newer = self._shown.digest != shown.digest  # somebody saved while the dialog was open
            self._shown = shown
            await self._take(draft)
            if newer:
                await self._followed()

        self._dialogs.ask(self._draft, part, name, take)

    def _free_device(self) -> bool:
        return bool(self._choices["devices"].keys() - {one["device"] for one in self._draft["plans"]})

    def _acting(self, part: str) -> Callable[[Any], Awaitable[None]]:
        async def act(argument: object) -> None:
            name, action = argument if isinstance(argument, list) and len(argument) == 2 else ("", "")
            one = drafts.named(self._draft, part, name) if isinstance(name, str) else None
            if one is None or not self._may:
                return
            if action == "edit":
                await self._edit(part, one["id"])
            elif action == "remove":
                self._ask_remove(part, one)

        return lambda event: self._view.act(act)(event.args)

    def _ask_remove(self, part: str, one: dict[str, Any]) -> None:
        async def remove(_: str) -> None:
            await self._take(drafts.without(self._draft, part, one["id"]))

        word = self._say("remove")
        self._view.ask(f"{word} · {self._view.pick(one['name'])}", self._say("ask_remove"), word, remove)

    async def _take(self, draft: Draft) -> None:
        self._draft = draft
        self._place.clear()
        await self._show()

    def _ask_drop(self, _: object = None) -> None:
        async def drop(_: str) -> None:
            await self._take(self._plain())

        word = self._say("drop")
        self._view.ask(word, self._say("ask_drop"), word, drop)

    # -- coming into force -----------------------------------------------------------------------------------------

    async def _preview(self, _: object = None) -> None:
        tried = self._draft
        one = await self._book.preview(await self._view.who(), tried)
        if tried is not self._draft:
            return  # something was changed meanwhile: who presses its button would save what he did not see
        self._place.clear()
        with self._place:
            paint_preview(self._view, one, tried, self._shown.file)
            if not one.problems:
                with self._view.box("actions"):
                    self._button("put", self._ask_put, "solid")
        self._go_to("plan-preview")

    def _ask_put(self, _: object = None) -> None:
        self._ask_change("put", "ask_put", lambda who, *said: self._book.save(who, self._draft, *said))

    def _ask_follow(self, _: object = None) -> None:
        self._ask_change("follow_file", "ask_follow", self._book.follow_file)

    async def _compare_file(self, _: object = None) -> None:
        if self._shown.number is not None:
            await self._history.compare(0, self._shown.number)

    def _restore(self, number: int) -> None:
        title = f" · {self._say('version').format(number)}"
        self._ask_change("restore", "ask_put", lambda who, *said: self._book.restore(who, number, *said), title)

    def _ask_change(self, name: str, text: str, work: Change, title: str = "") -> None:
        """Ask, and put in force what `work` saves; who has changes of another kind is told that they are lost."""

        async def change(note: str) -> None:
            try:
                await self._adopt(await work(await self._view.who(), self._shown.digest, note))
            except WrongPlans as error:
                self._paint_wrong(error)
            except Refused as error:
                if error.code != "newer_plans":
                    raise
                await self._followed()  # it is said on the page: nothing is lost

        lost = name != "put" and self._draft != self._plain()
        asked = " ".join(self._say(each) for each in (text, *(["ask_drop"] if lost else [])))
        self._view.ask(self._say(name) + title, asked, self._say(name), change, field=self._say("note"))

    def _paint_wrong(self, error: WrongPlans) -> None:
        now = self._view.now()
        self._place.clear()
        with self._place:
            paint_preview(self._view, Preview(error.problems, now, now), error.plans, self._shown.file)
        self._go_to("plan-preview")

    async def _adopt(self, saved: InForce) -> None:
        """Show what is in force now, and begin from it."""
        self._shown = saved
        self._newer.clear()
        await self._take(self._plain())
        ui.notify(self._say("saved"), type="positive", position="top")

    # -- others ----------------------------------------------------------------------------------------------------

    async def _followed(self, _: object = None) -> None:
        """Somebody else put other plans in force: they are shown, unless something is being made here."""
        fresh = self._book.in_force(self._view.principal)
        self._newer.clear()
        if fresh == self._shown:  # something else changed, perhaps in another community: a preview stays
            self._refused.show()
            return
        untouched = self._draft == self._plain()
        if untouched or fresh.digest == self._shown.digest:
            self._shown = fresh
            await self._take(self._plain() if untouched else self._draft)
            return
        view = self._view
        name = self._say("changed_file") if fresh.number is None else self._origin(fresh)
        with self._newer, view.panel(self._say("newer").format(name), "plan-newer"), view.box("actions"):
            self._button("compare_newer", self._onto, "solid")
            self._button("take_newer", self._take_newer)
        self._go_to("plan-newer")

    async def _onto(self, _: object = None) -> None:
        """Go on with these changes, from now on made from the newer ones: the preview says what that would undo."""
        self._shown = self._book.in_force(self._view.principal)
        self._newer.clear()
        await self._show()
        await self._preview()

    async def _take_newer(self, _: object = None) -> None:
        self._shown = self._book.in_force(self._view.principal)
        self._newer.clear()
        await self._take(self._plain())

    def _go_to(self, panel: str) -> None:
        self._client.run_javascript(f"document.querySelector('.{panel}')?.scrollIntoView()")

    def _button(self, name: str, work: Callable[..., Any], classes: str = "ghost") -> None:
        async def press(_: object = None) -> None:
            with self._client:  # what is pressed may be gone before its work is done
                if (done := work()) is not None:
                    await done

        self._view.tag("button", self._say(name), classes, type="button").on("click", self._view.act(press))

    def _say(self, name: str) -> str:
        return str(self._view.pick(SAYS[name]))


def _of_plans(change: Any) -> bool:
    return bool(change.topic == "patrol" and change.key.startswith("plans:"))
