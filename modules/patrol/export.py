"""The patrol log as a file: CSV (UTF-8 with BOM, so that Excel reads it) and Excel."""

import csv
import io
from collections.abc import Iterable, Mapping

from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from hub.store.database import Row

_HEAD = {
    "zh": ("计划", "路线", "开始", "状态", "补证", "巡更点", "应到", "实到", "人员", "证明", "超时", "错序", "过快",
           "未检", "未比对", "缺照片", "距检查点（m）", "岗位", "应巡", "代巡"),
    "en": ("Plan", "Route", "Begins", "State", "Proved later", "Checkpoint", "Due", "Seen", "Person", "Proof", "Late",
           "Out of order", "Too fast", "Not inspected", "Not compared",
           "No photograph", "Metres from the checkpoint", "Post", "Expected", "Stand-in"),
}  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def lines(rows: Iterable[Row], names: Mapping[str, str], language: str) -> list[list[str]]:
    """Head and one line a visit, in the community's own time. `names`: what `plan:…`, `route:…` and people are
    called."""
    head = _HEAD["zh" if language.startswith("zh") else "en"]
    return [list(head), *([_safe(cell) for cell in _line(row, names)] for row in rows)]


def _line(row: Row, names: Mapping[str, str]) -> list[str]:
    def local(name: str) -> str:
        return f"{row[name].astimezone(row['zone']):%Y-%m-%d %H:%M:%S}" if row[name] else ""

    def called(name: str) -> str:
        return names.get(f"{name}:{row[name]}", row[name])

    person = row["person"] or ""

    marks = ["✓" if row[flag] else "" for flag in ("late", "out_of_order", "too_fast")]
    return [
        called("plan"), called("route"), local("begins"), called("state"), "✓" if row["proved_later"] else "",
        called("checkpoint"), local("due"), local("done_at"), names.get(person, person),
        " ".join(names.get(f"sort:{sort}", sort) for sort in row["sorts"]), *marks,
        " ".join(names.get(f"item:{row['checkpoint']}:{item}", item) for item in row["unanswered"]),
        str(row["uncompared"] or ""),
        " ".join(names.get(f"item:{row['checkpoint']}:{item}", item) for item in row["unphotographed"]),
        str(row["away"] or ""), names.get(f"post:{row['post']}", row["post"] or ""),
        " ".join(names.get(one, one) for one in row["expected"] or ()), "✓" if row["stand_in"] else "",
    ]  # fmt: skip


def _safe(cell: str) -> str:
    """A cell that a spreadsheet would take for a formula is made text; what a spreadsheet cannot hold is left out."""
    cell = ILLEGAL_CHARACTERS_RE.sub("", cell)
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def to_csv(table: Iterable[Iterable[str]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out).writerows(table)
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def to_xlsx(table: Iterable[Iterable[str]]) -> bytes:
    book = Workbook(write_only=True)
    sheet = book.create_sheet("patrol")
    for line in table:
        sheet.append(list(line))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
