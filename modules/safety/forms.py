"""The questions of these pages: what was found at a piece, and what a piece is."""

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from hub.errors import Refused
from hub.store.database import Row
from modules.safety.model import Sort
from modules.safety.service import BadList, Equipment
from modules.safety.words import COLUMNS, KIND_NAMES, PERIOD_NAMES, SAYS


def ask_record(view: Any, equipment: Equipment, row: Row, sort: Sort) -> None:
    """Ask what was found or done at a piece, and keep it."""

    def say(name: str) -> str:
        return str(view.pick(SAYS[name]))

    async def save(given: dict[str, str]) -> None:
        await equipment.record(await view.who(), row["id"], sort, given["text"], _day(given.get("day", "")))

    fields = []
    if sort == "service":
        today = view.now().astimezone(ZoneInfo(view.zone)).date()
        fields.append(view.field("day", say("day"), "date", today.isoformat(), needed=say("needed")))
    needed = say("needed") if sort == "fault" else ""
    fields.append(view.field("text", say("what" if sort == "fault" else "note"), needed=needed))
    view.form(f"{say(sort)} · {row['number']}", say(f"ask_{sort}"), say(sort), save, fields)


def ask_retire(view: Any, equipment: Equipment, row: Row) -> None:
    """Ask before a piece leaves the register, or comes back."""
    retired = row["retired_at"] is not None
    name = "restore" if retired else "retire"

    async def save(note: str) -> None:
        who = await view.who()
        await (equipment.restore(who, row["id"]) if retired else equipment.retire(who, row["id"], note))

    words = [str(view.pick(SAYS[key])) for key in (name, f"ask_{name}", "note", "needed")]
    view.ask(f"{words[0]} · {row['number']}", words[1], words[0], save, field="" if retired else words[2],
             needed=words[3])  # fmt: skip


def ask_piece(view: Any, equipment: Equipment, places: dict[str, str], row: Row | None = None) -> None:
    """Ask what a piece is; what is wrong with it is said by field and leaves the form open."""
    had = row or {}

    async def save(given: dict[str, str]) -> None:
        cells = given | ({"number": row["number"]} if row is not None else {})
        try:
            await equipment.put(await view.who(), cells)
        except BadList as error:
            view.form(title, f"{view.pick(SAYS['wrong'])}{error.detail}", view.pick(SAYS["save"]), save,
                      _fields(view, places, given, new=row is None))  # fmt: skip
            raise Refused("bad_text", error.detail, 422) from None

    title = f"{view.pick(SAYS['edit'])} · {row['number']}" if row is not None else str(view.pick(SAYS["add"]))
    shown = {name: str(had.get(name) or "") for name in COLUMNS}
    view.form(title, "", view.pick(SAYS["save"]), save, _fields(view, places, shown, new=row is None))


def _fields(view: Any, places: dict[str, str], had: dict[str, str], *, new: bool) -> list[Any]:
    """The fields of a piece; of one that is there all but its number, which names it."""
    choices = {
        "kind": [(code, view.pick(name)) for code, name in KIND_NAMES.items()],
        "place": [("", view.pick(SAYS["choose_place"])),
                  *((path, name) for path, name in places.items() if not path.startswith("-"))],
        "inspect": [("", view.pick(SAYS["by_kind"])),
                    *((code, view.pick(name)) for code, name in PERIOD_NAMES.items())],
    }  # fmt: skip
    fields = []
    for name, label in COLUMNS.items():
        if name == "number" and not new:
            continue
        sort = "choice" if name in choices else "text" if name in ("number", "spot", "model") else "date"
        value = had.get(name, "") or (choices[name][0][0] if sort == "choice" else "")
        fields.append(view.field(name, view.pick(label), sort, value, choices.get(name, ())))
    return fields


def _day(typed: str) -> date | None:
    try:
        return date.fromisoformat(typed) if typed else None
    except ValueError:
        raise Refused("bad_day", "a day such as 2026-01-01", 422) from None
