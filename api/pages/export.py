"""What is on a list as a file: CSV for programs, a workbook for Excel. No cell is ever a formula."""

import asyncio
import csv
import re
from collections.abc import Mapping, Sequence
from io import BytesIO, StringIO

from openpyxl import Workbook
from openpyxl.styles import Font

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_WIDEST = 60
SORTS = ("csv", "xlsx")


def plain_cell(value: object) -> str:
    """A cell's text; what a spreadsheet would take for a formula gets an apostrophe (OWASP, CSV injection)."""
    text = _CONTROL.sub(" ", "" if value is None else str(value))
    return f"'{text}" if text.startswith(_FORMULA) and not re.fullmatch(r"[+-]?\d+([.,]\d+)*", text) else text


def csv_bytes(columns: Sequence[tuple[str, str]], rows: Sequence[Mapping[str, object]]) -> bytes:
    """Columns are (key, label). UTF-8 with a byte order mark, without which Excel takes Chinese for Latin."""
    out = StringIO()
    writer = csv.writer(out)
    writer.writerow([plain_cell(label) for _, label in columns])
    writer.writerows([plain_cell(row.get(key)) for key, _ in columns] for row in rows)
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def xlsx_bytes(title: str, columns: Sequence[tuple[str, str]], rows: Sequence[Mapping[str, object]]) -> bytes:
    """One sheet with a frozen, filtered head."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = re.sub(r"[\[\]:*?/\\]", " ", title)[:31]
    sheet.append([plain_cell(label) for _, label in columns])
    for row in rows:
        sheet.append([plain_cell(row.get(key)) for key, _ in columns])
    for cell in sheet[1]:
        cell.font = Font(bold=True)
    for index, column in enumerate(sheet.iter_cols(max_row=200)):
        widest = max(sum(2 if ord(sign) > 0x2E7F else 1 for sign in str(cell.value or "")) for cell in column)
        sheet.column_dimensions[sheet.cell(1, index + 1).column_letter].width = min(widest + 2, _WIDEST)
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = sheet.dimensions
    out = BytesIO()
    book.save(out)
    return out.getvalue()


async def file_bytes(
    sort: str, title: str, columns: Sequence[tuple[str, str]], rows: Sequence[Mapping[str, object]]
) -> bytes:
    """Either sort, made beside the event loop."""
    if sort == "xlsx":
        return await asyncio.to_thread(xlsx_bytes, title, columns, rows)
    return await asyncio.to_thread(csv_bytes, columns, rows)
