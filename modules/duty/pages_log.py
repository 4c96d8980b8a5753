"""The duty log, incidents, and the sheet of a day for the printer."""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from nicegui import ui

from hub.store.database import NotThere, Row
from modules.duty.diary import MOST
from modules.duty.form import Field, Form, style
from modules.duty.listing import Listing
from modules.duty.service import Duty
from modules.duty.sheet import INCIDENT_KINDS, LOG_KINDS, TITLE, blocks, entry_text, police
from modules.duty.words import LOG_INCIDENTS, LOG_LOG, LOG_SAYS

_STEPS = {"open": "opened", "add": "added", "photograph": "photographed", "police": "police", "close": "close"}


def add_log_pages(shell: Any, duty: Duty) -> None:
    """The log, its incidents, and a day's sheet at `/duty-log/20261121`."""

    async def build_log(view: Any, _: int | None) -> None:
        await LogPage(view, duty).build()

    async def build_incidents(view: Any, _: int | None) -> None:
        await IncidentsPage(view, duty).build()

    async def build_sheet(view: Any, number: int | None) -> None:
        await show_sheet(view, duty, number or 0)

    shell.add("/duty-log", LOG_LOG, "menu_book", 26, build_log)
    shell.add_below("/duty-log/incidents", "/duty-log", build_incidents)
    shell.add_below("/duty-log/{number}", "/duty-log", build_sheet)


def moment_of(text: str, zone: str) -> datetime | None:
    """What a field of sort `datetime-local` holds. ValueError."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)) if text else None


class LogPage:
    """The entries, newest first; writing one; correcting one."""

    def __init__(self, view: Any, duty: Duty) -> None:
        self._view = view
        self._duty = duty
        self._rows: dict[int, Row] = {}

    async def build(self) -> None:
        view = self._view
        today = view.now().astimezone(ZoneInfo(view.zone)).date()
        with view.head(view.pick(LOG_LOG)), view.box("figures"), view.box("tools"):
            self._form = Form(view)
            if view.may("work"):
                view.tag("button", self._say("write"), "solid", type="button").on("click", lambda: self._ask(None))
            view.tag("a", self._say("incidents"), "ghost", href="/duty-log/incidents")
            view.tag("a", self._say("sheet"), "ghost", href=f"/duty-log/{today:%Y%m%d}")
        columns = [("at", self._say("time"), "num"), ("kind", self._say("kind")), ("text", self._say("text")),
                   ("place", self._say("place")), ("by", self._say("by")), ("number", self._say("number"), "num"),
                   ("actions", self._say("actions"), "actions")]  # fmt: skip
        kinds = [(kind, view.pick(word)) for kind, word in LOG_KINDS.items()]
        self._list = Listing(view, self._say("kind"), kinds, self._show, self._export)
        with view.box("panel", "section"):
            self._table = view.table(columns, [], self._say("none"))
        self._list.foot(self._say("none"))
        self._table.on("action", lambda event: self._correct(event.args))
        await self._show()
        view.follow(["duty"], self._show, self._show, 0.5)

    async def _show(self, _changes: object = None) -> None:
        view = self._view
        asked = self._list.asked
        sought: dict[str, Any] = {"kind": self._list.choice or None, "words": self._list.words}
        rows = await self._duty.diary.entries(view.principal, **sought, limit=self._list.most)
        total = await self._duty.diary.count_entries(view.principal, **sought)
        if asked != self._list.asked:
            return
        self._list.told(self._table, len(rows), total)
        self._rows = {row["id"]: row for row in rows}
        may = view.may("work")
        self._table.show([
            {**self._cells(row), "id": row["id"], "anchor": f"e{row['id']}", "at": view.stamp(row["at"]), "tone": "",
             "actions": [("correct", self._say("correct"))] if may and not row["corrected_by"] else []}
            for row in rows
        ])  # fmt: skip

    def _cells(self, row: Row) -> Row:
        view = self._view
        return {"kind": view.pick(LOG_KINDS[row["kind"]]), "text": entry_text(row, view.language),
                "place": row["place"] or "—", "by": view.person(row["actor"]), "number": f"#{row['id']}"}  # fmt: skip

    async def _export(self, sort: str) -> None:
        """What matches, shown or not, as a file; that it left the house is written down."""
        view, diary = self._view, self._duty.diary
        who = await view.who()
        rows = await diary.entries(who, kind=self._list.choice or None, words=self._list.words, limit=MOST)
        await diary.note_export(who, "log", sort)
        columns = [(key, self._say(key)) for key in ("time", "number", "kind", "text", "place", "by")]
        await view.save_as(sort, view.pick(LOG_LOG), columns,
                           [{**self._cells(row), "time": view.date_time(row["at"])} for row in rows])  # fmt: skip

    def _correct(self, argument: object) -> None:
        number = argument[0] if isinstance(argument, list) and argument else 0
        if isinstance(number, int) and number in self._rows:
            self._ask(self._rows[number])

    def _ask(self, row: Row | None) -> None:
        view = self._view
        kinds = [(kind, view.pick(word)) for kind, word in LOG_KINDS.items()]
        had = row or {"kind": "routine", "text": "", "place": ""}
        fields = [Field("kind", LOG_SAYS["kind"], "select", had["kind"], kinds),
                  Field("text", LOG_SAYS["text"], "area", had["text"], needed=True, most=2000),
                  Field("place", LOG_SAYS["place"], value=had["place"], most=100)]  # fmt: skip
        if row is None:
            fields.append(Field("at", LOG_SAYS["at"], "datetime-local"))

        async def save(values: dict[str, str]) -> None:
            at = row["at"] if row else moment_of(values["at"], view.zone)
            await self._duty.diary.write(
                await view.who(),
                values["kind"],  # type: ignore[arg-type]
                values["text"],
                at=at,
                place=values["place"],
                corrects=row["id"] if row else None,
                alarm_id=row["alarm_id"] if row else None,
            )

        title = f"{self._say('correct')} #{row['id']}" if row else self._say("write")
        self._form.open(title, self._say("save"), fields, save, text=self._say("correct_text") if row else "")

    def _say(self, name: str) -> str:
        return str(self._view.pick(LOG_SAYS[name]))


class IncidentsPage:
    """Incidents newest first; recording one; a dialog with everything about one."""

    def __init__(self, view: Any, duty: Duty) -> None:
        self._view = view
        self._duty = duty
        self._ids: set[int] = set()

    async def build(self) -> None:
        view = self._view
        with view.head(view.pick(LOG_INCIDENTS)), view.box("figures"), view.box("tools"):
            self._form = Form(view)
            if view.may("work"):
                view.tag("button", self._say("report"), "solid", type="button").on("click", self._ask)
            view.tag("a", view.pick(LOG_LOG), "ghost", href="/duty-log")
        with ui.dialog() as self._dialog, view.box("dialog wide") as self._body:
            pass
        columns = [("number", self._say("number"), "num"), ("at", self._say("time"), "num"),
                   ("kind", self._say("kind")), ("place", self._say("place")), ("what", self._say("what")),
                   ("police", self._say("police")), ("state", self._say("state"), "chip"),
                   ("actions", self._say("actions"), "actions")]  # fmt: skip
        states = [(state, self._say(state)) for state in ("open", "closed")]
        self._list = Listing(view, self._say("state"), states, self._show, self._export)
        with view.box("panel", "section"):
            self._table = view.table(columns, [], self._say("no_incidents"))
        self._list.foot(self._say("no_incidents"))
        self._table.on("action", lambda event: view.act(self._open)(event.args))
        await self._show()
        view.follow(["duty"], self._show, self._show, 0.5)

    async def _show(self, _changes: object = None) -> None:
        view = self._view
        asked = self._list.asked
        sought: dict[str, Any] = {"state": self._list.choice or None, "words": self._list.words}
        rows = await self._duty.diary.incidents(view.principal, **sought, limit=self._list.most)
        total = await self._duty.diary.count_incidents(view.principal, **sought)
        if asked != self._list.asked:
            return
        self._list.told(self._table, len(rows), total)
        self._ids = {row["id"] for row in rows}
        self._table.show([
            {**self._cells(row), "id": row["id"], "at": view.stamp(row["occurred_at"]), "what": row["what"][:120],
             "actions": [("show", self._say("show"))],
             "state": {"mark": "○" if row["state"] == "open" else "✓", "text": self._say(row["state"]),
                       "tone": "" if row["state"] == "open" else "done"}}
            for row in rows
        ])  # fmt: skip

    def _cells(self, row: Row) -> Row:
        view = self._view
        return {"number": row["number"], "kind": view.pick(INCIDENT_KINDS.get(row["kind"])), "place": row["place"],
                "police": police(row, view.language)}  # fmt: skip

    async def _export(self, sort: str) -> None:
        """What matches, shown or not, without who was involved; that it left the house is written down."""
        view, diary = self._view, self._duty.diary
        who = await view.who()
        rows = await diary.incidents(who, state=self._list.choice or None, words=self._list.words, limit=MOST)
        await diary.note_export(who, "incidents", sort)
        keys = ("number", "time", "kind", "place", "what", "measures", "police", "state", "conclusion")
        cells = [{**self._cells(row), "time": view.date_time(row["occurred_at"]), "state": self._say(row["state"]),
                  **{key: row[key] for key in ("what", "measures", "conclusion")}} for row in rows]  # fmt: skip
        await view.save_as(sort, view.pick(LOG_INCIDENTS), [(key, self._say(key)) for key in keys], cells)

    def _ask(self) -> None:
        view = self._view
        kinds = [(kind, view.pick(word)) for kind, word in INCIDENT_KINDS.items()]
        fields = [
            Field("kind", LOG_SAYS["kind"], "select", "other", kinds),
            Field("place", LOG_SAYS["place"], needed=True, most=100),
            Field("at", LOG_SAYS["at"], "datetime-local"),
            Field("what", LOG_SAYS["what"], "area", needed=True, most=4000),
            Field("persons", LOG_SAYS["persons"], "area", most=1000),
            Field("measures", LOG_SAYS["measures"], "area", most=2000),
            Field("police", LOG_SAYS["police"], "check"),
            Field("police_number", LOG_SAYS["police_number"], most=60),
            Field("alarm", LOG_SAYS["alarm"], "number", most=18),
        ]

        async def save(values: dict[str, str]) -> None:
            handed = values["police_number"] if values["police"] or values["police_number"] else None
            await self._duty.diary.open_incident(
                await view.who(), values["kind"], values["what"], values["place"],  # type: ignore[arg-type]
                occurred_at=moment_of(values["at"], view.zone), persons=values["persons"], measures=values["measures"],
                police_number=handed, alarm_id=int(values["alarm"]) if values["alarm"] else None,
            )  # fmt: skip

        self._form.open(self._say("report"), self._say("save"), fields, save)

    async def _open(self, argument: object) -> None:
        number = argument[0] if isinstance(argument, list) and argument else 0
        if not isinstance(number, int) or number not in self._ids:
            return
        view = self._view
        row = await self._duty.diary.incident(await view.who(), number)
        self._body.clear()
        self._dialog.props["aria-label"] = row["number"]
        with self._body:
            view.tag("h2", f"{row['number']} · {view.pick(INCIDENT_KINDS.get(row['kind']))}")
            self._paint(row)
            with view.box("actions"):
                if row["state"] == "open" and view.may("work"):
                    address = f"/api/v1/duty/incidents/{number}/photographs"
                    view.picture_input(address, self._say("photograph"), lambda: self._open([number]))
                for action, right in (("add", "work"), ("police", "work"), ("close", "supervise")):
                    if row["state"] == "open" and view.may(right):
                        button = view.tag("button", self._say(action), "ghost", type="button")
                        button.on("click", lambda _, action=action: self._further(number, action))
                view.tag("button", self._say("shut"), "ghost", type="button").on("click", self._dialog.close)
        self._dialog.open()

    def _paint(self, row: Row) -> None:
        view = self._view
        persons = self._say("hidden") if row["persons"] is None else row["persons"]
        facts = [("time", view.stamp(row["occurred_at"])), ("place", row["place"]), ("what", row["what"]),
                 ("persons", persons), ("measures", row["measures"]), ("police", police(row, view.language)),
                 ("by", f"{view.person(row['noted_by'])} · {view.stamp(row['noted_at'])}"),
                 ("conclusion", row["conclusion"])]  # fmt: skip
        view.facts([(self._say(name), text) for name, text in facts if text])
        if row["alarm_id"]:
            view.tag("a", f"{self._say('alarm_link')} {row['alarm_id']}", href=f"/alarms/{row['alarm_id']}")
        if row["pictures"] and view.may("work"):
            view.tag("h3", self._say("pictures"))
            view.pictures().show([
                {"id": str(one["id"]), "label": f"{view.person(one['source'])} · {view.stamp(one['taken_at'])}",
                 "gone": one["gone"]} for one in row["pictures"]
            ])  # fmt: skip
        view.tag("h3", self._say("steps"))
        with view.box("steps", "ul"):
            for step in row["steps"]:
                with view.box("", "li"):
                    view.tag("time", view.stamp(step["at"]))
                    said = f" · {step['text']}" if step["text"] else ""
                    view.tag(
                        "span", f"{view.person(step['actor'])} · {view.pick(LOG_SAYS[_STEPS[step['action']]])}{said}"
                    )

    def _further(self, number: int, action: str) -> None:
        view, diary = self._view, self._duty.diary
        self._dialog.close()
        label = {"add": "text", "police": "police_number", "close": "conclusion"}[action]
        works = {"add": diary.add_to_incident, "police": diary.hand_to_police, "close": diary.close_incident}

        async def save(values: dict[str, str]) -> None:
            await works[action](await view.who(), number, values["text"])

        field = Field("text", LOG_SAYS[label], "text" if action == "police" else "area", needed=True,
                      most=60 if action == "police" else 2000)  # fmt: skip
        self._form.open(self._say(action), self._say("save"), [field], save)

    def _say(self, name: str) -> str:
        return str(self._view.pick(LOG_SAYS[name]))


async def show_sheet(view: Any, duty: Duty, number: int) -> None:
    """The sheet of the day `20261121`, for the screen and the printer. NotThere for what is no day."""
    try:
        day = date.fromisoformat(f"{number:08d}")
    except ValueError:
        raise NotThere(str(number)) from None
    if not 2000 <= day.year < 2100:
        raise NotThere(str(number))
    sheet = await duty.diary.sheet(view.principal, day)
    ui.add_head_html(style("sheet.css"))
    with view.head(f"{view.pick(TITLE)} · {day}"), view.box("figures no-print"), view.box("tools no-print"):
        for name, other in (("before", day - timedelta(days=1)), ("after", day + timedelta(days=1))):
            view.tag("a", view.pick(LOG_SAYS[name]), "ghost", href=f"/duty-log/{other:%Y%m%d}")
        view.tag("a", "CSV", "ghost", href=f"/api/v1/duty/days/{day}/sheet.csv")
        view.tag("a", "Excel", "ghost", href=f"/api/v1/duty/days/{day}/sheet.xlsx")
        button = view.tag("button", view.pick(LOG_SAYS["print"]), "solid", type="button")
        button.on("click", js_handler="() => window.print()")
    with view.box("panel sheet", "section"):
        view.tag("p", view.pick(view.membership.name), "muted")
        for title, heads, rows in blocks(sheet, view.language):
            view.tag("h2", title)
            if rows:
                _paint_table(view, title, heads, rows)
            else:
                view.tag("p", view.pick(LOG_SAYS["empty"]), "muted")
        view.tag("p", view.pick(LOG_SAYS["signature"]) + "____________", "sign")


def _paint_table(view: Any, title: str, heads: list[str], rows: list[list[str]]) -> None:
    with view.box("sheet-box", tabindex="0", role="region", aria_label=title), view.box("", "table"):
        with view.box("", "thead"), view.box("", "tr"):
            for head in heads:
                view.tag("th", head, scope="col")
        with view.box("", "tbody"):
            for row in rows:
                with view.box("", "tr"):
                    for cell in row:
                        view.tag("td", cell)
