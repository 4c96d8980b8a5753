"""Rows of text to pieces of fire equipment, with row and column of whatever is wrong. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from modules.safety.model import KINDS, PERIODS, Piece
from modules.safety.words import COLUMNS, DERIVED, KIND_NAMES, PERIOD_NAMES, WRONG, Text

MOST_PROBLEMS = 50
EARLIEST, LATEST = date(1980, 1, 1), date(2100, 1, 1)
_DAY = re.compile(r"(\d{4})[-/.年](\d{1,2})(?:[-/.月](\d{1,2})?日?)?")
_LENGTHS = {"number": 40, "spot": 100, "model": 60}
_NEEDED = ("number", "kind", "place")


@dataclass(frozen=True)
class Wrong:
    """One cell that is wrong. `row` counts as Excel does, 0 where there is one piece only; `column` is a field."""

    row: int
    column: str
    code: str
    found: str = ""

    def render(self, language: str) -> str:
        """A line for people, in their language."""
        side = "zh" if language.startswith("zh") else "en"
        told = WRONG[self.code][side].replace("%s", self.found[:60])
        name = COLUMNS[self.column][side] if self.column in COLUMNS else self.column[:60]
        row = WRONG["row"][side].replace("%s", str(self.row)) if self.row else ""
        return " · ".join(part for part in (row, name, told) if part)


def places_by_name(places: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What a clerk may call a place -> its path: the path itself, or its name in either language where only one place
    has it. `places`: rows with `path` and `name`."""
    found: dict[str, str] = {}
    twice: set[str] = set()
    for place in places:
        for name in {_plain(text) for text in place["name"].values()} - {""}:
            twice |= {name} if name in found else set()
            found[name] = place["path"]
    kept = {name: path for name, path in found.items() if name not in twice}  # "1层" alone names nothing
    return kept | {place["path"]: place["path"] for place in places}


def fields_of(rows: Sequence[Sequence[str]]) -> frozenset[str]:
    """The fields that a table has columns for: of a piece that is known, no other changes."""
    return frozenset(_FIELDS.get(_plain(cell), cell) for cell in rows[0]) & COLUMNS.keys() if rows else frozenset()


def pieces_of(rows: Sequence[Sequence[str]], places: Mapping[str, str], today: date) -> tuple[list[Piece], list[Wrong]]:
    """The pieces of a table, its first row naming the columns, or what is wrong (at most 50)."""
    head = [_FIELDS.get(_plain(cell), cell) for cell in rows[0]] if rows else []
    wrong = [Wrong(1, name, "no_column") for name in _NEEDED if name not in head]
    wrong += [
        Wrong(1, name, "column_twice" if name in COLUMNS else "unknown_column", name)
        for index, name in enumerate(head) if name and (name in head[:index] or name not in (*COLUMNS, *DERIVED))
    ]  # fmt: skip
    found: list[Piece] = []
    numbers: set[str] = set()
    for line, row in enumerate(rows[1:], 2) if not wrong else ():
        if not any(row):
            continue
        piece, faults = piece_of(dict(zip(head, row, strict=False)), places, today)
        if piece is not None and piece.number in numbers:
            faults = [Wrong(0, "number", "twice", piece.number)]
        elif piece is not None:
            found.append(piece)
            numbers.add(piece.number)
        wrong += [replace(one, row=line) for one in faults]
        if len(wrong) >= MOST_PROBLEMS:
            break
    if not found and not wrong:
        wrong = [Wrong(2, "", "nothing")]
    return ([] if wrong else found), wrong[:MOST_PROBLEMS]


def piece_of(
    cells: Mapping[str, str], places: Mapping[str, str], today: date
) -> tuple[Piece | None, list[Wrong]]:  # fmt: skip
    """One piece from its fields as text, or what is wrong with them."""
    wrong: list[Wrong] = []
    values: dict[str, Any] = {}
    for name in COLUMNS:
        text = cells.get(name, "").strip()
        if not text:
            wrong += [Wrong(0, name, "needed")] if name in _NEEDED else []
            continue
        value = _READERS[name](text, name, places, today)
        if isinstance(value, Wrong):
            wrong.append(value)
        else:
            values[name] = value
    if wrong:
        return None, wrong
    piece = Piece(**values)
    wrong = _in_order(piece)
    return (None, wrong) if wrong else (piece, [])


def _in_order(piece: Piece) -> list[Wrong]:
    if KINDS[piece.kind].dated and piece.made is None:
        return [Wrong(0, "made", "made_needed")]
    later = [name for name in ("installed", "serviced", "inspected", "expires")
             if piece.made and (day := getattr(piece, name)) and day < piece.made]  # fmt: skip
    return [Wrong(0, name, "before_made", getattr(piece, name).isoformat()) for name in later]


_Reader = Callable[[str, str, Mapping[str, str], date], Any]


def _word(text: str, name: str, _places: Mapping[str, str], _today: date) -> Any:
    if len(text) > _LENGTHS[name] or not text.isprintable():
        return Wrong(0, name, "bad_text", str(_LENGTHS[name]))
    return text


def _chosen(known: Mapping[str, str], code: str) -> _Reader:
    def read(text: str, name: str, _places: Mapping[str, str], _today: date) -> Any:
        return known.get(_plain(text)) or Wrong(0, name, code, text)

    return read


def _place(text: str, name: str, places: Mapping[str, str], _today: date) -> Any:
    return places.get(text) or places.get(_plain(text)) or Wrong(0, name, "no_place", text)


def _day(text: str, name: str, _places: Mapping[str, str], today: date) -> Any:
    match = _DAY.fullmatch(text.removesuffix(" 00:00:00"))
    try:
        day = date(int(match[1]), int(match[2]), int(match[3] or 1)) if match else None
    except ValueError:
        day = None
    if day is None or not EARLIEST <= day <= LATEST:
        return Wrong(0, name, "bad_day", text)
    return Wrong(0, name, "future", text) if day > today and name != "expires" else day


def _plain(text: str) -> str:
    return "".join(text.split()).casefold()


def _by_words(names: Mapping[str, Text]) -> dict[str, str]:
    return {_plain(word): code for code, name in names.items() for word in (code, *name.values())}


_FIELDS = _by_words({**COLUMNS, **DERIVED})
_READERS: dict[str, _Reader] = {
    "number": _word, "spot": _word, "model": _word, "place": _place,
    "kind": _chosen({word: code for word, code in _by_words(KIND_NAMES).items() if code in KINDS}, "no_kind"),
    "inspect": _chosen({word: code for word, code in _by_words(PERIOD_NAMES).items() if code in PERIODS}, "no_period"),
    "made": _day, "installed": _day, "serviced": _day, "inspected": _day, "expires": _day,
}  # fmt: skip
