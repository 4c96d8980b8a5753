"""One piece of fire equipment: what it is, what was found at it, and the buttons for who stands before it."""

from typing import Any

from hub.store.database import Row
from modules.safety import forms
from modules.safety.service import Equipment
from modules.safety.words import COLUMNS, DERIVED, KIND_NAMES, PERIOD_NAMES, RECORDS, SAYS, STATES


def add_pages(shell: Any, equipment: Equipment) -> None:
    async def build(view: Any, number: int | None) -> None:
        await PiecePage(view, equipment, number or 0).build()

    shell.add_below("/fire-equipment/{number}", "/fire-equipment", build)


class PiecePage:
    """One open piece."""

    def __init__(self, view: Any, equipment: Equipment, number: int) -> None:
        self._view = view
        self._equipment = equipment
        self._number = number

    async def build(self) -> None:
        view = self._view
        self._places = await view.places()
        row = self._row = await self._equipment.piece(view.principal, self._number)
        with view.head(row["number"]), view.box("figures"), view.box("tools"):
            view.tag("a", self._say("back"), "ghost", href="/fire-equipment")
            if view.may("maintain"):
                edit = view.tag("button", self._say("edit"), "ghost", type="button")
                edit.on("click", lambda: forms.ask_piece(view, self._equipment, self._places, self._row))
                self._retire = view.tag("button", "", "ghost", type="button")
                self._retire.on("click", lambda: forms.ask_retire(view, self._equipment, self._row))
        with view.box("panel", "section"):
            self._state = view.box("")
            self._acts = view.box("actions")
            self._facts = view.box("")
        with view.panel(self._say("records")):
            columns = [("when", self._say("when"), "num"), ("result", self._say("result"), "chip"),
                       ("text", self._say("what")), ("by", self._say("by"))]  # fmt: skip
            self._table = view.table(columns, [], self._say("no_records"))
            self._pictures = view.pictures() if view.may("work") else None
        self._paint(row)
        view.follow(["safety"], self._show, self._show, 0.5)

    async def _show(self, _changes: object = None) -> None:
        self._row = await self._equipment.piece(self._view.principal, self._number)
        self._paint(self._row)

    def _paint(self, row: Row) -> None:
        view, retired = self._view, row["retired_at"] is not None
        self._state.clear()
        with self._state, view.box("tools"):
            for state in row["states"]:
                mark, tone, word = STATES[state]
                with view.box(f"chip {tone}".strip(), "span"):
                    view.tag("i", mark, aria_hidden="true")
                    view.tag("span", view.pick(word))
        self._acts.clear()
        with self._acts:
            for sort in ("normal", "fault", "service") if view.may("work") and not retired else ():
                button = view.tag("button", self._say(sort), "solid" if sort == "normal" else "ghost", type="button")
                button.on("click", lambda _, sort=sort: forms.ask_record(view, self._equipment, self._row, sort))
            newest = row["records"][0] if row["records"] else None
            if newest and newest["actor"] == view.principal.actor and not newest["patrol"] and not retired:
                address = f"/api/v1/safety/records/{newest['id']}/photographs"
                view.picture_input(address, self._say("photograph"), self._show)
        if view.may("maintain"):
            self._retire.text = self._say("restore" if retired else "retire")
        self._facts.clear()
        with self._facts:
            view.facts(self._told(row))
        self._table.show([self._cells(one) for one in row["records"]])
        if self._pictures is not None:
            self._pictures.show([
                {"id": str(one["id"]), "label": f"{view.person(one['source'])} · {view.stamp(one['taken_at'])}",
                 "gone": one["gone"]} for record in row["records"] for one in record["photographs"]
            ])  # fmt: skip

    def _told(self, row: Row) -> list[tuple[str, str]]:
        view = self._view
        values = {name: str(row[name] or "") for name in (*COLUMNS, *DERIVED) if name in row}
        values["kind"] = view.pick(KIND_NAMES.get(row["kind"])) or row["kind"]
        values["place"] = self._places.get(row["place"], row["place"])
        values["inspect"] = view.pick(PERIOD_NAMES[row["inspect"]]) if row["inspect"] else self._say("by_kind")
        facts = [(view.pick(COLUMNS.get(name) or DERIVED[name]), text) for name, text in values.items() if text]
        if row["faulty_since"]:
            facts.append((self._say("faulty_since"), view.stamp(row["faulty_since"])))
        if row["retired_at"]:
            facts.append((self._say("retired_at"), f"{view.stamp(row['retired_at'])} · {row['retired_note']}"))
        return facts

    def _cells(self, record: Row) -> dict[str, Any]:
        view = self._view
        mark, tone = ("!", "ill") if record["sort"] == "fault" else ("✓", "done")
        day = f" ({record['day']})" if record["sort"] == "service" else ""
        patrol = f" · {self._say('patrol')}" if record["patrol"] else ""
        return {
            "id": record["id"], "when": view.stamp(record["at"]),
            "result": {"mark": mark, "tone": tone, "text": f"{view.pick(RECORDS[record['sort']])}{day}"},
            "text": record["text"] or "—", "by": f"{view.person(record['actor'])}{patrol}",
        }  # fmt: skip

    def _say(self, name: str) -> str:
        return str(self._view.pick(SAYS[name]))
