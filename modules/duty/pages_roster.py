"""The roster on a screen: a week of posts and shifts, what is missing, who is away, drafts and versions."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from nicegui import ui

from hub.store.database import Row
from modules.duty.form import Field, Form, style
from modules.duty.model import Slot, is_free_day
from modules.duty.service import Duty
from modules.duty.words import ROSTER_ORIGINS, ROSTER_RULES, ROSTER_SAYS, ROSTER_TITLE

_WEEKDAYS: dict[str, str] = {"zh": "一二三四五六日", "en": "Mo Tu We Th Fr Sa Su"}


def add_roster_pages(shell: Any, duty: Duty) -> None:
    """The weeks that are published, and one draft or version."""

    async def build(view: Any, _: int | None) -> None:
        await RosterPage(view, duty, None).build()

    async def build_one(view: Any, number: int | None) -> None:
        await RosterPage(view, duty, number).build()

    shell.add("/roster", ROSTER_TITLE, "calendar_month", 60, build)
    shell.add_below("/roster/versions/{number}", "/roster", build_one)


class RosterPage:
    """Published weeks, one at a time (`number` None), or the days of one roster."""

    def __init__(self, view: Any, duty: Duty, number: int | None) -> None:
        self._view = view
        self._duty = duty
        self._number = number
        self._zone = ZoneInfo(view.zone)
        today = self._today()
        self._first = today - timedelta(days=today.isoweekday() - 1)
        self._told: dict[str, Any] = {}

    def _today(self) -> date:
        return self._view.now().astimezone(self._zone).date()  # type: ignore[no-any-return]

    async def build(self) -> None:
        view = self._view
        ui.add_head_html(style("roster.css"))
        with view.head(view.pick(ROSTER_TITLE)), view.box("figures"):
            self._form = Form(view)
            if self._number is None:
                self._paint_steps()
            self._buttons = view.box("tools")
        self._body = view.box("", aria_live="polite")
        await self._show()
        view.follow(["duty"], self._show, self._show, 0.5)

    def _paint_steps(self) -> None:
        view = self._view
        with view.box("segmented", role="group", aria_label=view.pick(ROSTER_TITLE)):
            for name, weeks in (("before", -1), ("today", 0), ("after", 1)):
                button = view.tag("button", self._say(name), type="button")
                button.on("click", lambda _, weeks=weeks: view.act(self._go)(weeks))

    async def _go(self, weeks: int) -> None:
        today = self._today()
        monday = today - timedelta(days=today.isoweekday() - 1)
        self._first = self._first + timedelta(weeks=weeks) if weeks else monday
        await self._show()

    async def _show(self, _changes: object = None) -> None:
        who, duty, asked = self._view.principal, self._duty, self._first
        if self._number is None:
            told = await duty.rosters.days(who, asked, asked + timedelta(days=6))
        else:
            told = await duty.rosters.show(who, self._number)
        if asked != self._first:
            return  # another week was asked for meanwhile, and may stand there already
        self._told = told
        register = duty.register
        self._posts = {row["id"]: row for row in await register.posts(who)}
        self._shifts = {row["id"]: row for row in await register.shifts(who)}
        self._needs = await register.needs(who)
        self._people = [row for row in await register.people(who) if row["active"]]
        self._absences = await register.absences(who, told["first"], told["last"])
        self._versions = await duty.rosters.recent(who, limit=20)
        self._paint()

    def _paint(self) -> None:
        view = self._view
        self._buttons.clear()
        with self._buttons:
            self._paint_buttons()
        self._body.clear()
        with self._body:
            if not self._needs:
                view.tag("p", self._say("no_needs"), "empty-line")
            with view.box("panel", "section"):
                self._paint_title()
                day, last = self._told["first"], self._told["last"]
                while day <= last:
                    self._paint_week(day, min(last, day + timedelta(days=6)))
                    day += timedelta(days=7)
                self._paint_wrong()
            with view.box("columns"):
                self._paint_absences()
                self._paint_figures()
            self._paint_versions()

    # -- head ------------------------------------------------------------------------------------------------------

    def _paint_buttons(self) -> None:
        view = self._view
        view.tag("a", self._say("people"), "ghost", href="/roster/people")
        if not view.may("supervise"):
            return
        if self._number is None:
            self._button("generate", "solid", lambda: self._ask_period("generate"))
            self._button("manual", "ghost", lambda: self._ask_period("manual"))
        elif self._told["state"] == "draft":
            self._button("publish", "solid", self._ask_publish)
            self._button("discard", "ghost", self._ask_discard)

    def _button(self, name: str, classes: str, work: Callable[[], None]) -> None:
        self._view.tag("button", self._say(name), classes, type="button").on("click", work)

    def _paint_title(self) -> None:
        view, told = self._view, self._told
        if self._number is None:
            view.tag("h2", f"{told['first']} – {told['last']}")
            return
        detail = told["detail"]
        words = [self._say(told["state"]), view.pick(ROSTER_ORIGINS[told["origin"]])]
        if told["version"]:
            words.insert(0, f"{self._say('version')} {told['version']}")
        view.tag("h2", f"{told['first']} – {told['last']} · {' · '.join(words)}")
        if detail.get("wishes"):
            view.tag("p", f"{self._say('granted')}: {detail['wishes_granted']} / {detail['wishes']}", "muted")
        if detail and not detail.get("settled", True):
            view.tag("p", self._say("unsettled"), "muted")

    # -- the grid --------------------------------------------------------------------------------------------------

    def _paint_week(self, first: date, last: date) -> None:
        view = self._view
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        language = "zh" if view.language.startswith("zh") else "en"
        names = _WEEKDAYS[language] if language == "zh" else _WEEKDAYS[language].split()
        region = view.box("roster-scroll", tabindex="0", role="region", aria_label=f"{first} – {last}")
        with region, view.box("roster", "table"):
            with view.box("", "thead"), view.box("", "tr"):
                view.tag("th", self._say("post"), scope="col")
                for day in days:
                    text = f"{day:%m-%d} {names[day.isoweekday() - 1]}"
                    view.tag("th", text, self._day_class(day), scope="col")
            with view.box("", "tbody"):
                for need in sorted(
                    self._needs, key=lambda each: (self._shifts[each["shift_id"]]["begins"], each["post_id"])
                ):
                    self._paint_row(need, days)

    def _day_class(self, day: date) -> str:
        return " ".join(name for name, on in (("free", is_free_day(day)), ("today", day == self._today())) if on)

    def _paint_row(self, need: Row, days: list[date]) -> None:
        view = self._view
        shift, post = self._shifts[need["shift_id"]], self._posts[need["post_id"]]
        with view.box("", "tr"):
            hours = f"{shift['begins']:%H:%M}–{shift['ends']:%H:%M}"
            view.tag("th", f"{view.pick(shift['name'])} · {view.pick(post['name'])} {hours}", scope="row")
            for day in days:
                with view.box("free" if is_free_day(day) else "", "td"):
                    self._paint_cell(day, need)

    def _paint_cell(self, day: date, need: Row) -> None:
        key = (day, need["shift_id"], need["post_id"])
        for slot in self._told["slots"]:
            if (slot["day"], slot["shift"], slot["post"]) == key:
                away = f" ({self._say('absent')})" if slot["absent"] else ""
                self._paint_place(slot["name"] + away, bool(away), Slot(*key, slot["person"]))
        for hole in self._told["missing"]:
            if (hole["day"], hole["shift"], hole["post"]) == key:
                self._paint_place(f"! {self._say('lacks')} {hole['lacking']}", True, Slot(*key, 0))

    def _paint_place(self, text: str, ill: bool, slot: Slot) -> None:
        view = self._view
        classes = "ill" if ill else ""
        open_for = self._number is None or self._told["state"] == "draft"
        if not view.may("supervise") or not open_for:
            view.tag("p", text, classes)
            return
        button = view.tag("button", text, classes, type="button")
        button.on("click", lambda _: view.act(self._ask_change)(slot))

    def _paint_wrong(self) -> None:
        view, told = self._view, self._told
        if not told["missing"] and not told["violations"]:
            view.tag("p", f"✓ {self._say('fine')}", "muted")
            return
        for hole in told["missing"][:50]:
            text = (
                f"{hole['day']} · {self._place(hole['shift'], hole['post'])} · {self._say('lacks')} {hole['lacking']}"
            )
            view.tag("p", f"! {text}", "state-word ill")
        for each in told["violations"][:50]:
            view.tag("p", f"! {each['day']} · {each['name']} · {self._rule(each)}", "state-word ill")

    def _place(self, shift: int, post: int) -> str:
        return f"{self._view.pick(self._shifts[shift]['name'])} · {self._view.pick(self._posts[post]['name'])}"

    def _rule(self, broken: dict[str, Any]) -> str:
        detail = f" ({broken['detail']})" if broken["detail"] else ""
        return f"{self._view.pick(ROSTER_RULES[broken['rule']])}{detail}"

    # -- changing --------------------------------------------------------------------------------------------------

    async def _ask_change(self, slot: Slot) -> None:
        """Another person for a place, or a swap with another place of these days."""
        view = self._view
        names = {row["id"]: row["name"] for row in self._people}
        choices = [("", self._say("nobody"))]
        for each in await self._duty.rosters.stand_ins(view.principal, slot):
            broken = "；".join(self._rule(rule) for rule in each["breaks"][:2])
            choices.append((str(each["person"]), each["name"] + (f" ! {broken}" if broken else " ✓")))
        fields = [
            Field("person", ROSTER_SAYS["stand_in"], "select", choices[1][0] if len(choices) > 1 else "", choices)
        ]
        others = self._others(slot) if slot.person else []
        if others:
            fields.append(Field("swap", ROSTER_SAYS["swap"], "select", "", [("", self._say("no_swap")), *others]))
        fields += [Field("note", ROSTER_SAYS["note"]), Field("accept", ROSTER_SAYS["accept"], "check")]

        async def save(values: dict[str, str]) -> None:
            who, rosters = await view.who(), self._duty.rosters
            note, accept, number = values["note"], bool(values["accept"]), self._number
            if values.get("swap"):
                day, shift, post, person = values["swap"].split("/")
                other = Slot(date.fromisoformat(day), int(shift), int(post), int(person))
                await rosters.swap(who, slot, other, note=note, roster_id=number, accept=accept)
                return
            add = [Slot(slot.day, slot.shift, slot.post, int(values["person"]))] if values["person"] else []
            gone = [slot] if slot.person else []
            await rosters.change(who, remove=gone, add=add, note=note, roster_id=number, accept=accept)

        title = f"{slot.day} · {self._place(slot.shift, slot.post)}" + (
            f" · {names.get(slot.person, '')}" if slot.person else ""
        )
        self._form.open(title, self._say("save"), fields, save)

    def _others(self, slot: Slot) -> list[tuple[str, str]]:
        return [
            (f"{each['day']}/{each['shift']}/{each['post']}/{each['person']}",
             f"{each['day']:%m-%d} {self._place(each['shift'], each['post'])} · {each['name']}")
            for each in self._told["slots"] if each["person"] != slot.person
        ]  # fmt: skip

    def _ask_period(self, name: str) -> None:
        view = self._view
        start = max(self._first + timedelta(weeks=1), self._today())
        fields = [
            Field("first", ROSTER_SAYS["first"], "date", start.isoformat(), needed=True),
            Field("last", ROSTER_SAYS["last"], "date", (start + timedelta(days=13)).isoformat(), needed=True),
        ]

        async def make(values: dict[str, str]) -> None:
            first, last = date.fromisoformat(values["first"]), date.fromisoformat(values["last"])
            who, rosters = await view.who(), self._duty.rosters
            made = await (rosters.generate(who, first, last) if name == "generate" else rosters.draft(who, first, last))
            ui.navigate.to(f"/roster/versions/{made['id']}")

        text = self._say("generate_text") if name == "generate" else ""
        self._form.open(self._say(name), self._say(name), fields, make, text=text)

    def _ask_publish(self) -> None:
        view, number = self._view, self._number

        async def publish(values: dict[str, str]) -> None:
            await self._duty.rosters.publish(
                await view.who(), number or 0, note=values["note"], accept=bool(values["accept"])
            )

        fields = [Field("note", ROSTER_SAYS["note"]), Field("accept", ROSTER_SAYS["accept"], "check")]
        self._form.open(self._say("publish"), self._say("publish"), fields, publish)

    def _ask_discard(self) -> None:
        view = self._view

        async def discard(_: dict[str, str]) -> None:
            await self._duty.rosters.discard(await view.who(), self._number or 0)
            ui.navigate.to("/roster")

        self._form.open(self._say("discard"), self._say("discard"), [], discard)

    # -- who is away, figures, versions ----------------------------------------------------------------------------

    def _paint_absences(self) -> None:
        view = self._view
        with view.panel(self._say("absences")):
            if view.may("supervise"):
                with view.box("actions"):
                    self._button("add_absence", "ghost", self._ask_absence)
            columns = [("person", self._say("name")), ("kind", self._say("kind")),
                       ("days", self._say("days"), "num"), ("note", self._say("remark")),
                       ("actions", self._say("actions"), "actions")]  # fmt: skip
            rows = [
                {
                    "id": row["id"],
                    "person": row["person"],
                    "kind": view.pick(ROSTER_SAYS.get(row["kind"], ROSTER_SAYS["away"])),
                    "days": f"{row['first']:%m-%d} – {row['last']:%m-%d}",
                    "note": row["note"] or "—",
                    "actions": [("cancel", self._say("cancel"))] if view.may("supervise") else [],
                }
                for row in self._absences
            ]
            table = view.table(columns, rows, self._say("no_absences"))
            table.on("action", lambda event: view.act(self._cancel_absence)(event.args))

    async def _cancel_absence(self, argument: object) -> None:
        number = argument[0] if isinstance(argument, list) and argument else 0
        if number in {row["id"] for row in self._absences}:
            await self._duty.register.cancel_absence(await self._view.who(), number)

    def _ask_absence(self) -> None:
        view = self._view
        people = [(str(row["id"]), row["name"]) for row in self._people]
        kinds = [(kind, self._say(kind)) for kind in ("leave", "sick", "training")]
        today = self._today().isoformat()
        fields = [
            Field("person", ROSTER_SAYS["person"], "select", people[0][0] if people else "", people, needed=True),
            Field("kind", ROSTER_SAYS["kind"], "select", "leave", kinds),
            Field("first", ROSTER_SAYS["first"], "date", today, needed=True),
            Field("last", ROSTER_SAYS["last"], "date", today, needed=True),
            Field("since", ROSTER_SAYS["since"], "datetime-local"),
            Field("note", ROSTER_SAYS["note"]),
        ]

        async def note(values: dict[str, str]) -> None:
            since = datetime.fromisoformat(values["since"]).replace(tzinfo=self._zone) if values["since"] else None
            await self._duty.register.put_absence(
                await view.who(),
                int(values["person"]),
                values["kind"],  # type: ignore[arg-type]
                date.fromisoformat(values["first"]),
                date.fromisoformat(values["last"]),
                since=since,
                note=values["note"],
            )

        self._form.open(self._say("add_absence"), self._say("save"), fields, note)

    def _paint_figures(self) -> None:
        view = self._view
        with view.panel(self._say("figures")):
            columns = [("name", self._say("name")), *((key, self._say(key), "num")
                       for key in ("shifts", "nights", "free_days", "hours"))]  # fmt: skip
            rows = [
                {"id": row["person"], "name": row["name"], "shifts": str(row["shifts"]), "nights": str(row["nights"]),
                 "free_days": str(row["free_days"]), "hours": f"{row['hours']:g}"}
                for row in self._told["tallies"]
            ]  # fmt: skip
            view.table(columns, rows, self._say("no_needs"))

    def _paint_versions(self) -> None:
        view = self._view
        with view.panel(self._say("versions")):
            columns = [("version", self._say("version"), "link"), ("days", self._say("days"), "num"),
                       ("origin", self._say("origin")), ("by", self._say("by")),
                       ("note", self._say("remark"))]  # fmt: skip
            rows = [
                {
                    "id": row["id"],
                    "days": f"{row['first']:%m-%d} – {row['last']:%m-%d}",
                    "note": row["note"] or "—",
                    "version": {
                        "text": str(row["version"] or self._say("draft")),
                        "href": f"/roster/versions/{row['id']}",
                    },
                    "origin": view.pick(ROSTER_ORIGINS[row["origin"]]),
                    "by": f"{view.person(row['published_by'] or row['made_by'])} · "
                    + view.stamp(row["published_at"] or row["made_at"]),
                }
                for row in self._versions
            ]
            view.table(columns, rows, self._say("no_versions"))

    def _say(self, name: str) -> str:
        return str(self._view.pick(ROSTER_SAYS[name]))
