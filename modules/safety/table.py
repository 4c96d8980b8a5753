"""A clerk's list as rows of text: an Excel workbook, or CSV as Excel saves it. What is no such list is refused."""

import csv
import io
import re
import zipfile
import zlib
from datetime import date, datetime
from xml.etree.ElementTree import ParseError

from openpyxl import load_workbook

from hub.errors import Refused

MOST_ROWS = 5000
MOST_COLUMNS = 40
_MOST_CELL = 1000
_MOST_UNPACKED = 16 * 1024 * 1024
_MOST_CELLS = 20 * MOST_ROWS  # in all sheets: what openpyxl makes of one is a hundred times its bytes
_CELL = re.compile(rb"<(?:[\w.-]+:)?c[\s/>]")
_MADE_TEXT = ("'=", "'+", "'-", "'@")  # what a file that was handed out has before a text that is no formula
_BROKEN = (zipfile.BadZipFile, ParseError, KeyError, ValueError, TypeError, AttributeError, IndexError, OSError,
           OverflowError, EOFError, NotImplementedError, RuntimeError, zlib.error)  # fmt: skip


def read_table(raw: bytes) -> list[list[str]]:
    """The rows of the first sheet, head included, cells without blanks around them; days as ISO 8601.

    Refused(422) `bad_table` for what is no workbook and no CSV in UTF-8 or GB 18030, `table_too_large` past 5 000 rows.
    """
    rows = _workbook(raw) if raw.startswith(b"PK") else _csv(raw)
    if len(rows) > MOST_ROWS + 1:
        raise Refused("table_too_large", f"at most {MOST_ROWS} rows", 422)
    return rows


def _workbook(raw: bytes) -> list[list[str]]:
    try:
        book = load_workbook(_unpacked(raw), read_only=True, data_only=True)
        sheet = book.worksheets[0]
        found = sheet.iter_rows(max_row=MOST_ROWS + 2, max_col=MOST_COLUMNS, values_only=True)
        return [[_text(cell) for cell in row] for row in found]
    except _BROKEN as error:
        raise Refused("bad_table", f"no Excel workbook that can be read ({type(error).__name__})", 422) from None


def _unpacked(raw: bytes) -> io.BytesIO:
    """The workbook with its parts unpacked, by us and within bounds: zipfile unpacks a part whole before it looks at
    the length that the part claims. Refused; zlib.error."""
    left, cells, out = _MOST_UNPACKED, 0, io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as packed, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as plain:
        for part in packed.infolist():
            content = _part(raw, part, left + 1)
            left -= len(content)
            cells += sum(1 for _ in _CELL.finditer(content))
            if left < 0 or cells > _MOST_CELLS:
                told = f"the workbook unpacks to over {_MOST_UNPACKED} bytes, or has over {_MOST_CELLS} cells"
                raise Refused("table_too_large", told, 422)
            plain.writestr(part.filename, content)
    out.seek(0)
    return out


def _part(raw: bytes, part: zipfile.ZipInfo, most: int) -> bytes:
    """At most so many bytes of one part; stored and deflated ones only, as Excel writes them (ECMA-376 part 2)."""
    head = raw[part.header_offset : part.header_offset + 30]
    if len(head) < 30 or head[:4] != b"PK\x03\x04" or part.flag_bits & 1:
        raise zipfile.BadZipFile(part.filename)
    begins = part.header_offset + 30 + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
    packed = raw[begins : begins + part.compress_size]
    if part.compress_type == zipfile.ZIP_STORED:
        return packed[:most]
    if part.compress_type != zipfile.ZIP_DEFLATED:
        raise zipfile.BadZipFile(part.filename)
    return zlib.decompressobj(-15).decompress(packed, most)


def _csv(raw: bytes) -> list[list[str]]:
    try:
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = raw.decode("gb18030")  # what Excel in Chinese calls CSV
        if "\x00" in text:
            raise ValueError("NUL")
        sample = text.split("\n", 1)[0]
        mark = max("\t,;", key=sample.count)
        rows = []
        for cells in csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True):
            rows.append([_text(cell) for cell in cells[:MOST_COLUMNS]])
            if len(rows) > MOST_ROWS + 1:
                break
    except (ValueError, csv.Error):
        raise Refused("bad_table", "neither an Excel workbook nor CSV in UTF-8 or GB 18030", 422) from None
    return rows


def _text(cell: object) -> str:
    if isinstance(cell, datetime | date):
        return f"{cell:%Y-%m-%d}"
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    text = "" if cell is None else str(cell)[:_MOST_CELL].strip()
    return text[1:] if text.startswith(_MADE_TEXT) else text
