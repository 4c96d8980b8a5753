"""The register of fire equipment on a screen. No logic: it shows what the service gives and does what it offers."""

from typing import Any

from nicegui import ui

from hub.store.database import Row
from modules.safety import forms, pages_piece
from modules.safety.model import CONDITIONS
from modules.safety.service import MOST, Equipment
from modules.safety.widgets import ListInput
from modules.safety.words import COLUMNS, DERIVED, KIND_NAMES, PERIOD_NAMES, SAYS, STATES, TITLE

_PAGE = 100
_EXPORT = ("number", "kind", "place", "spot", "model", "inspect", "made", "installed", "serviced", "inspected",
           "expires", "state", "inspect_due", "service_due", "life_ends", "fault")  # fmt: skip


def add_pages(shell: Any, equipment: Equipment) -> None:
    """The register, and one piece at `/fire-equipment/7`."""

    async def build(view: Any, _: int | None) -> None:
        await RegisterPage(view, equipment).build()

    shell.add("/fire-equipment", TITLE, "fire_extinguisher", 36, build)
    pages_piece.add_pages(shell, equipment)


def chip(view: Any, states: Any) -> dict[str, str]:
    """All that a piece is, in the tone of the worst, as a cell."""
    mark, tone, _ = STATES[states[0]]
    return {"mark": mark, "tone": tone, "text": " · ".join(view.pick(STATES[state][2]) for state in states)}


class RegisterPage:
    """One open register: figures, filters, list."""

    def __init__(self, view: Any, equipment: Equipment) -> None:
        self._view = view
        self._equipment = equipment
        self._state = self._place = self._words = ""
        self._most = _PAGE
        self._rows: dict[int, Row] = {}

    async def build(self) -> None:
        view = self._view
        self._places = await view.places()
        with view.head(view.pick(TITLE)), view.box("figures"), view.box("tools"):
            if view.may("maintain"):
                add = view.tag("button", self._say("add"), "solid", type="button")
                add.on("click", lambda: forms.ask_piece(view, self._equipment, self._places))
                ListInput(self._say("import"), self._say("busy")).on("sent", lambda event: self._taken(event.args))
        self._problems = view.box("", role="alert")
        self._tiles = view.box("tiles")
        self._build_tools()
        columns = [("number", view.pick(COLUMNS["number"]), "link"), ("state", self._say("state"), "chip"),
                   ("kind", view.pick(COLUMNS["kind"])), ("where", self._say("where")),
                   ("inspect_due", view.pick(DERIVED["inspect_due"]), "num"),
                   ("service_due", view.pick(DERIVED["service_due"]), "num"),
                   ("life_ends", view.pick(DERIVED["life_ends"]), "num"), ("last", self._say("last"), "num"),
                   ("actions", self._say("actions"), "actions")]  # fmt: skip
        with view.box("panel", "section"):
            self._table = view.table(columns, [], self._say("none"))
        self._table.on("action", lambda event: self._act(event.args))
        self._more = view.tag("button", "", "ghost more", type="button").on("click", view.act(self._grow))
        await self._show()
        view.follow(["safety"], self._show, self._show, 0.5)

    def _build_tools(self) -> None:
        view = self._view
        states = [("", self._say("all")), *((one, view.pick(STATES[one][2])) for one in (*CONDITIONS, "retired"))]
        with view.box("tools"):
            seek = view.box("search", "input", type="search", maxlength="100", placeholder=self._say("search"),
                            aria_label=self._say("search"))  # fmt: skip
            state = self._select("search choice", self._say("state"), states)
            shown = [(path, name) for path, name in self._places.items() if not path.startswith("-")]
            place = self._select("search place", self._say("where"), [("", self._say("everywhere")), *shown])
            view.export_choice(self._export)
        self._count = view.tag("p", "", "muted count", role="status")
        self._hear(seek, "input", "_words")
        self._hear(state, "change", "_state")
        self._hear(place, "change", "_place")

    def _select(self, classes: str, label: str, options: list[tuple[str, str]]) -> Any:
        select = self._view.box(classes, "select", aria_label=label)
        with select:
            for value, text in options:
                self._view.tag("option", text, "", value=value)
        return select

    def _hear(self, element: Any, event: str, name: str) -> None:
        async def changed(typed: object) -> None:
            setattr(self, name, str(typed)[:200])
            self._most = _PAGE
            await self._show()

        element.on(
            event, lambda told: self._view.act(changed)(told.args), js_handler="(e) => emit(e.target.value)"
        )  # fmt: skip

    @property
    def _sought(self) -> dict[str, Any]:
        return {"state": self._state or None, "place": self._place or None, "words": self._words}

    async def _grow(self, _: object = None) -> None:
        self._most += _PAGE
        await self._show()

    async def _show(self, _changes: object = None) -> None:
        view, sought = self._view, (self._sought, self._most)
        rows, total = await self._equipment.pieces(view.principal, **self._sought, limit=self._most)
        figures = await self._equipment.figures(view.principal)
        if sought != (self._sought, self._most):
            return  # something else is asked for by now
        self._rows = {row["id"]: row for row in rows}
        self._show_tiles(figures)
        none = self._say("nothing" if any(self._sought.values()) else "none")
        if self._table.props["empty"] != none:
            self._table.props["empty"] = none
            self._table.update()
        self._table.show([self._cells(row) for row in rows])
        self._count.text = self._say("count").replace("%n", str(len(rows))).replace("%t", str(total))
        self._more.text = self._say("more").replace("%n", str(total - len(rows)))
        self._more.set_visibility(len(rows) < total)

    def _show_tiles(self, figures: Row) -> None:
        view = self._view
        self._tiles.clear()
        with self._tiles:
            for name in ("total", *CONDITIONS):
                _, tone, word = STATES[name] if name in STATES else ("", "", SAYS["total"])
                with view.box(f"tile {tone if figures[name] else ''}".strip()):
                    view.tag("span", view.pick(word), "muted")
                    view.tag("b", f"{figures[name]:,}")

    def _cells(self, row: Row) -> dict[str, Any]:
        view = self._view
        used = row["retired_at"] is None and view.may("work")
        last = "—"
        if row["inspected"]:
            last = f"{row['inspected']}{' ' + view.person(row['last_by']) if row['last_by'] else ''}"
        return {
            "id": row["id"], "number": {"text": row["number"], "href": f"/fire-equipment/{row['id']}"},
            "state": chip(view, row["states"]), "kind": view.pick(KIND_NAMES.get(row["kind"])) or row["kind"],
            "where": f"{self._places.get(row['place'], row['place'])} {row['spot']}".strip(),
            **{name: str(row[name] or "—") for name in ("inspect_due", "service_due", "life_ends")}, "last": last,
            "actions": [(sort, self._say(sort)) for sort in ("normal", "fault")] if used else [],
        }  # fmt: skip

    def _act(self, argument: object) -> None:
        """A button of a row, as the browser sent it: [piece, sort]."""
        number, sort = argument if isinstance(argument, list) and len(argument) == 2 else (0, "")
        row = self._rows.get(number) if isinstance(number, int) else None
        if row is not None and sort in ("normal", "fault"):
            forms.ask_record(self._view, self._equipment, row, "fault" if sort == "fault" else "normal")

    def _taken(self, answer: object) -> None:
        """What became of a list, as the browser had it from the API."""
        told = answer if isinstance(answer, dict) else {}
        self._problems.clear()
        if "added" in told:
            text = self._say("imported").replace("%a", str(told["added"])).replace("%c", str(told["changed"]))
            ui.notify(text.replace("%s", str(told["same"])), type="positive", position="top", timeout=6000)
            return
        lines = str(told.get("detail") or self._say("failed"))[:20_000].split("\n")
        with self._problems, self._view.panel(self._say("refused")), self._view.box("", "ul"):
            for line in lines:
                self._view.tag("li", line)

    async def _export(self, sort: object) -> None:
        """What matches, shown or not; that it left the house is written down. It can be taken in again."""
        view = self._view
        who = await view.who()
        rows, _ = await self._equipment.pieces(who, **self._sought, limit=MOST)
        await self._equipment.note_export(who, str(sort)[:8])
        columns = [(name, view.pick(COLUMNS.get(name) or DERIVED[name])) for name in _EXPORT]
        cells = [
            {**{name: row[name] for name in _EXPORT if name in row}, "kind": view.pick(KIND_NAMES.get(row["kind"])),
             "state": chip(view, row["states"])["text"],
             "inspect": view.pick(PERIOD_NAMES[row["inspect"]]) if row["inspect"] else ""}
            for row in rows
        ]  # fmt: skip
        await view.save_as(str(sort), view.pick(TITLE), columns, cells)

    def _say(self, name: str) -> str:
        return str(self._view.pick(SAYS[name]))
