"""Emergency plans on a screen: those in force, and one of them with its steps, drills and last uses. No logic."""

from datetime import date
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from hub.errors import Refused
from hub.store.database import NotThere, Row
from modules.safety.drills import INTERVALS, Drills
from modules.safety.words_plans import EVERY, SAYS, TITLE

_PRIORITIES = ("critical", "high", "medium", "low")


def add_pages(shell: Any, drills: Drills) -> None:
    """The plans in force; one is opened over the list."""

    async def build(view: Any, _: int | None) -> None:
        await PlansPage(view, drills).build()

    shell.add("/emergency-plans", TITLE, "emergency", 37, build)


class PlansPage:
    """One open list of plans, or one plan over it."""

    def __init__(self, view: Any, drills: Drills) -> None:
        self._view = view
        self._drills = drills
        self._rows: dict[str, Row] = {}
        self._open = ""
        self._shown: Row | None = None

    async def build(self) -> None:
        view = self._view
        with view.head(view.pick(TITLE)), view.box("figures"):
            self._figures = {name: self._figure(name) for name in ("plans", "overdue_plans")}
        self._columns = [("priority", self._say("priority"), "badge"), ("plan", self._say("plan")),
                         ("used", self._say("used"), "num"), ("every", self._say("every")),
                         ("drilled", self._say("drilled"), "num"), ("due", self._say("due"), "chip"),
                         ("actions", self._say("actions"), "actions")]  # fmt: skip
        self._list = view.panel(self._say("plans"))
        with self._list:
            with view.box("actions"):
                view.export_choice(self._export)
            self._table = view.table(self._columns, [], self._say("none"))
            self._table.on("action", lambda event: view.act(self._act)(event.args))
        self._place = view.box("")
        await self._show()
        view.follow(["safety", "rule"], self._show, self._show, 1.0)

    def _figure(self, name: str) -> Any:
        with self._view.box("figure"):
            self._view.tag("span", self._say(name), "muted")
            return self._view.tag("b", "0")

    async def _show(self, _: object = None) -> None:
        rows = await self._drills.plans(self._view.principal)
        self._rows = {row["plan"]: row for row in rows}
        self._figures["plans"].text = str(len(rows))
        self._figures["overdue_plans"].text = str(sum(row["overdue"] for row in rows))
        self._table.show([self._cells(row) for row in rows])
        if self._open and self._rows.get(self._open) != self._shown:
            await self._lay_open(self._open)

    def _cells(self, row: Row) -> dict[str, Any]:
        view = self._view
        due = {"mark": "—", "text": "", "tone": ""}
        if row["overdue"]:
            due = {"mark": "!", "text": f"{row['due'] or ''} {self._say('overdue')}".strip(), "tone": "ill"}
        elif row["due"]:
            due = {"mark": "○", "text": str(row["due"]), "tone": ""}
        safety = f" · {self._say('safety')}" if row["life_safety"] else ""
        buttons = [("open", self._say("open"))]
        if view.may("work"):
            buttons.append(("note", self._say("note")))
        return {
            "id": row["plan"], "priority": view.badge_cell(_PRIORITIES.index(row["priority"]) + 1),
            "plan": f"{view.pick(row['title'])}{safety}", "used": f"{row['count']:,}",
            "every": view.pick(EVERY[row["months"]]), "due": due, "actions": buttons,
            "drilled": str(row["drilled"] or (self._say("never") if row["months"] else "—")),
        }  # fmt: skip

    async def _export(self, sort: str) -> None:
        view = self._view
        await view.save_as(sort, view.pick(TITLE), self._columns, [self._cells(row) for row in self._rows.values()])

    async def _act(self, argument: object) -> None:
        """A button of a row, as the browser sent it: [plan, action]."""
        plan, action = argument if isinstance(argument, list) and len(argument) == 2 else ("", "")
        if plan not in self._rows:
            return
        if action == "note":
            self._ask_drill(self._rows[plan])
        else:
            await self._lay_open(plan)

    # -- one plan ----------------------------------------------------------------------------------------------------

    async def _lay_open(self, plan: str) -> None:
        try:
            row = await self._drills.plan(self._view.principal, plan)
        except NotThere:
            return self._close()
        self._open, self._shown = plan, self._rows.get(plan)
        self._place.clear()
        self._list.set_visibility(False)
        with self._place:
            self._paint(row)
        return None

    def _close(self, _: object = None) -> None:
        self._open = ""
        self._place.clear()
        self._list.set_visibility(True)

    def _paint(self, row: Row) -> None:
        view = self._view
        with view.panel(view.pick(row["title"])):
            with view.box("actions"):
                view.tag("button", self._say("back"), "ghost", type="button").on("click", self._close)
                if view.may("work"):
                    note = view.tag("button", self._say("note"), "solid", type="button")
                    note.on("click", lambda: self._ask_drill(row))
                if view.may("supervise"):
                    view.tag("button", self._say("set"), "ghost", type="button").on("click", lambda: self._ask_set(row))
            due = f"{row['due'] or self._say('never')}{' · ' + self._say('overdue') if row['overdue'] else ''}"
            view.facts([(self._say("every"), view.pick(EVERY[row["months"]])),
                        (self._say("drilled"), str(row["drilled"] or self._say("never"))),
                        *([(self._say("due"), due)] if row["months"] else [])])  # fmt: skip
            view.tag("h3", self._say("steps"))
            view.tag("p", view.pick(row["procedure"]), "procedure")
        with view.panel(self._say("past")):
            self._paint_drills(row)
        with view.panel(self._say("uses")):
            columns = [("alarm", self._say("alarm"), "link"), ("device", self._say("device"), "link"),
                       ("raised", self._say("raised"), "num")]  # fmt: skip
            view.table(columns, [
                {"id": one["id"], "alarm": {"text": view.pick(one["title"]), "href": f"/alarms/{one['id']}"},
                 "device": view.device_cell(one["device_id"], one["device"]), "raised": view.stamp(one["raised_at"])}
                for one in row["uses"]
            ], self._say("no_uses"))  # fmt: skip

    def _paint_drills(self, row: Row) -> None:
        view = self._view
        columns = [("day", self._say("day"), "num"), ("minutes", self._say("minutes"), "num"),
                   ("people", self._say("people")), ("found", self._say("found")), ("by", self._say("by"))]  # fmt: skip
        view.table(columns, [
            {"id": one["id"], "day": str(one["day"]), "minutes": str(one["minutes"] or "—"), "people": one["people"],
             "found": one["found"] or "—", "by": view.person(one["actor"])} for one in row["past"]
        ], self._say("no_drills"))  # fmt: skip
        newest = max(row["past"], key=lambda one: one["noted_at"], default=None)
        if newest is not None and newest["actor"] == view.principal.actor and view.may("work"):
            with view.box("actions"):
                address = f"/api/v1/safety/drills/{newest['id']}/photographs"
                view.picture_input(address, self._say("photograph"), partial(self._lay_open, row["plan"]))
        if view.may("work"):
            view.pictures().show([
                {"id": str(one["id"]), "label": f"{drill['day']} · {view.person(one['source'])}", "gone": one["gone"]}
                for drill in row["past"] for one in drill["photographs"]
            ])  # fmt: skip

    def _ask_drill(self, row: Row) -> None:
        view = self._view
        today = view.now().astimezone(ZoneInfo(view.zone)).date()

        async def save(given: dict[str, str]) -> None:
            day, minutes = _day(given["day"]), _minutes(given["minutes"])
            await self._drills.add(await view.who(), row["plan"], day, given["people"], given["found"], minutes)

        fields = [view.field("day", self._say("day"), "date", today.isoformat(), needed=self._say("needed_day")),
                  view.field("minutes", self._say("minutes"), "number"),
                  view.field("people", self._say("people"), needed=self._say("needed")),
                  view.field("found", self._say("found"))]  # fmt: skip
        title = f"{self._say('note')} · {view.pick(row['title'])}"
        view.form(title, self._say("ask"), self._say("save"), save, fields)

    def _ask_set(self, row: Row) -> None:
        view = self._view

        async def save(given: dict[str, str]) -> None:
            await self._drills.set_interval(await view.who(), row["plan"], int(given["months"]))

        options = [(str(months), view.pick(EVERY[months])) for months in INTERVALS]
        field = view.field("months", self._say("every"), "choice", str(row["months"]), options)
        view.form(
            f"{self._say('set')} · {view.pick(row['title'])}", self._say("ask_set"), self._say("save"), save, [field]
        )

    def _say(self, name: str) -> str:
        return str(self._view.pick(SAYS[name]))


def _day(typed: str) -> date:
    try:
        return date.fromisoformat(typed)
    except ValueError:
        raise Refused("bad_period", "a day such as 2026-01-01", 422) from None


def _minutes(typed: str) -> int | None:
    if typed and not (typed.isascii() and typed.isdigit() and len(typed) < 6):
        raise Refused("bad_text", "minutes: a whole number", 422)
    return int(typed) if typed else None
