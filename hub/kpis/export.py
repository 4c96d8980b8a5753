"""A report as files for a spreadsheet: CSV and Excel."""

import csv
import io
from collections.abc import Iterable, Sequence
from zoneinfo import ZoneInfo

from openpyxl import Workbook
from openpyxl.cell import Cell
from openpyxl.worksheet.worksheet import Worksheet

from hub.kpis.model import Actor, Figure, Report
from hub.kpis.words import FIGURES, JUDGED, UNITS, Words

_COLUMNS: list[Words] = [
    {"zh": "指标", "en": "Figure"}, {"zh": "数值", "en": "Value"}, {"zh": "单位", "en": "Unit"},
    {"zh": "目标", "en": "Target"}, {"zh": "评定", "en": "Judged"},
]  # fmt: skip
_ACTOR_COLUMNS: list[Words] = [
    {"zh": "报警", "en": "Alarm"}, {"zh": "设备", "en": "Device"}, {"zh": "规则", "en": "Rule"},
    {"zh": "次数", "en": "Count"}, {"zh": "占比 %", "en": "Share %"},
]  # fmt: skip
_SLOT_COLUMNS: list[Words] = [{"zh": "时段开始", "en": "From"}, {"zh": "报警声光次数", "en": "Annunciations"}]
_SHEETS: list[Words] = [
    {"zh": "指标", "en": "Figures"}, {"zh": "前十来源", "en": "Top ten"}, {"zh": "每 10 分钟", "en": "By 10 minutes"},
]  # fmt: skip

Value = str | float | int | None


def to_csv(report: Report, language: str, zone: str) -> bytes:
    """The three tables one below the other, with a byte-order mark so that Excel reads the Chinese."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    for number, rows in enumerate(_tables(report, _side(language), zone)):
        if number:
            writer.writerow([])
        writer.writerows([_harmless(cell) for cell in row] for row in rows)
    return text.getvalue().encode("utf-8-sig")


def to_xlsx(report: Report, language: str, zone: str) -> bytes:
    """A workbook with a sheet a table; texts are never formulas."""
    side = _side(language)
    book = Workbook()
    book.remove(book.active)
    for title, rows in zip(_SHEETS, _tables(report, side, zone), strict=True):
        sheet: Worksheet = book.create_sheet(title[side])
        for row in rows:
            sheet.append([_cell(sheet, value) for value in row])
        sheet.freeze_panes = "A2"
        for column, width in zip("ABCDE", (34, 20, 22, 12, 12), strict=True):
            sheet.column_dimensions[column].width = width
    packed = io.BytesIO()
    book.save(packed)
    return packed.getvalue()


def _side(language: str) -> str:
    return "zh" if language.startswith("zh") else "en"


def _tables(report: Report, side: str, zone: str) -> list[list[Sequence[Value]]]:
    local = ZoneInfo(zone)
    figures = [_titles(_COLUMNS, side), *(_figure(figure, side) for figure in report.figures)]
    actors = [_titles(_ACTOR_COLUMNS, side), *(_actor(actor, side) for actor in report.actors)]
    slots = [_titles(_SLOT_COLUMNS, side)]
    for index, count in enumerate(report.slots):
        slots.append([f"{report.slot_at(index).astimezone(local):%Y-%m-%d %H:%M}", count])
    return [figures, actors, slots]


def _titles(columns: Iterable[Words], side: str) -> Sequence[Value]:
    return [column[side] for column in columns]


def _figure(figure: Figure, side: str) -> Sequence[Value]:
    value = None if figure.value is None else round(figure.value, 3)
    judged = JUDGED[figure.within][side] if figure.target else ""
    return [FIGURES[figure.id][side], value, UNITS[figure.unit][side], figure.target, judged]


def _actor(actor: Actor, side: str) -> Sequence[Value]:
    return [actor.title.get(side, ""), actor.device, actor.rule, actor.count, round(actor.share, 2)]


def _harmless(value: Value) -> Value:
    """A spreadsheet takes a text that begins so for a formula (OWASP, CSV injection)."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def _cell(sheet: Worksheet, value: Value) -> Cell:
    cell = Cell(sheet, value=None if value is None else _printable(value))
    if isinstance(value, str):
        cell.data_type = "s"
    return cell


def _printable(value: Value) -> Value:
    """Excel knows no control characters."""
    return "".join(letter for letter in value if letter.isprintable()) if isinstance(value, str) else value
