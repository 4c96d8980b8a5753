"""The sheet of a day as rows: the same table for CSV, Excel and the printed page."""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from openpyxl import Workbook
from openpyxl.styles import Font

from modules.duty.words import ROUND_EXPECTED, ROUND_STAND_IN, ROUND_STATES, ROUND_WALKED

Text = dict[str, str]
Block = tuple[Text, list[Text], list[list[str]]]

SHIFT, POST, NAME = {"zh": "班次", "en": "Shift"}, {"zh": "岗位", "en": "Post"}, {"zh": "姓名", "en": "Name"}
TIME, KIND, PLACE = {"zh": "时间", "en": "Time"}, {"zh": "类别", "en": "Kind"}, {"zh": "地点", "en": "Place"}
BY, STATE = {"zh": "记录人", "en": "Noted by"}, {"zh": "状态", "en": "State"}
LOG_KINDS: dict[str, Text] = {
    "routine": {"zh": "日常", "en": "Routine"},
    "order": {"zh": "指令", "en": "Order"},
    "visitor": {"zh": "访客", "en": "Visitor"},
    "equipment": {"zh": "设备", "en": "Equipment"},
    "incident": {"zh": "事件", "en": "Incident"},
}
INCIDENT_KINDS: dict[str, Text] = {
    "theft": {"zh": "盗窃", "en": "Theft"},
    "intrusion": {"zh": "闯入", "en": "Intrusion"},
    "dispute": {"zh": "纠纷", "en": "Dispute"},
    "fire": {"zh": "火情", "en": "Fire"},
    "traffic": {"zh": "交通", "en": "Traffic"},
    "damage": {"zh": "损坏", "en": "Damage"},
    "lost_property": {"zh": "失物", "en": "Lost property"},
    "other": {"zh": "其他", "en": "Other"},
}
HAND_OVER_STATES: dict[str, Text] = {
    "done": {"zh": "已交接", "en": "Handed over"},
    "signed_out": {"zh": "待接班签字", "en": "Waits for the incoming side"},
    "missed": {"zh": "未交接", "en": "Not made"},
    "due": {"zh": "待交接", "en": "Due"},
    "early": {"zh": "未到时间", "en": "Not yet"},
}
_PRIORITIES = {1: {"zh": "紧急", "en": "Critical"}, 2: {"zh": "高", "en": "High"}, 3: {"zh": "中", "en": "Medium"},
               4: {"zh": "低", "en": "Low"}}  # fmt: skip
_ABSENT, _LATE = {"zh": "缺勤", "en": "absent"}, {"zh": "迟交", "en": "late"}
_CORRECTS, _CORRECTED = {"zh": "更正", "en": "corrects"}, {"zh": "已更正为", "en": "corrected by"}
_OPEN = {"open": {"zh": "未结", "en": "Open"}, "closed": {"zh": "已结", "en": "Closed"}}
_YES, _NO = {"zh": "是", "en": "yes"}, {"zh": "否", "en": "no"}
TITLE = {"zh": "值班日报", "en": "Duty sheet"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def blocks(sheet: Mapping[str, Any], language: str) -> list[tuple[str, list[str], list[list[str]]]]:
    """Title, heads and rows of each part of the sheet, in a language."""
    parts = _blocks(sheet, ZoneInfo(sheet["zone"]), language)
    return [(say(title, language), [say(head, language) for head in heads], rows) for title, heads, rows in parts]


def say(text: Mapping[str, str] | None, language: str) -> str:
    """The side of a two-language text."""
    return (text or {}).get("zh" if language.startswith("zh") else "en", "")


def who(actor: str | None) -> str:
    """Who did it, without the sort of account in front."""
    return (actor or "").partition(":")[2] or actor or ""


def _blocks(sheet: Mapping[str, Any], zone: ZoneInfo, language: str) -> list[Block]:
    def at(moment: datetime) -> str:
        return f"{moment.astimezone(zone):%Y-%m-%d %H:%M}"

    return [
        ({"zh": "当班人员", "en": "On duty"}, [SHIFT, TIME, POST, NAME], [
            [say(row["shift"], language), f"{row['begins']:%H:%M}–{row['ends']:%H:%M}", say(row["post"], language),
             row["name"] + (f" ({say(_ABSENT, language)})" if row["absent"] else "")]
            for row in sheet["roster"]
        ]),
        ({"zh": "交接班", "en": "Hand-overs"},
         [TIME, {"zh": "交班人", "en": "Outgoing"}, {"zh": "接班人", "en": "Incoming"}, STATE],
         [_hand_over(row, at, language) for row in sheet["hand_overs"]]),
        ({"zh": "值班记录", "en": "Duty log"},
         [TIME, {"zh": "编号", "en": "Number"}, KIND, {"zh": "内容", "en": "Text"}, PLACE, BY],
         [[at(row["at"]), str(row["id"]), say(LOG_KINDS[row["kind"]], language), entry_text(row, language),
           row["place"], who(row["actor"])] for row in sheet["entries"]]),
        ({"zh": "治安情况记录", "en": "Incidents"},
         [{"zh": "编号", "en": "Number"}, TIME, KIND, PLACE, {"zh": "经过", "en": "What happened"},
          {"zh": "处理", "en": "Measures"}, {"zh": "移交公安", "en": "Police"}, STATE],
         [[row["number"], at(row["occurred_at"]), say(INCIDENT_KINDS.get(row["kind"]), language), row["place"],
           row["what"], row["measures"], police(row, language), say(_OPEN[row["state"]], language)]
          for row in sheet["incidents"]]),
        ({"zh": "报警统计", "en": "Alarms"},
         [{"zh": "优先级", "en": "Priority"}, {"zh": "次数", "en": "Raised"}, {"zh": "未确认", "en": "Unacknowledged"}],
         [[f"{row['priority']} {say(_PRIORITIES[row['priority']], language)}", str(row["raised"]),
           str(row["unacknowledged"])] for row in sheet["alarms"]]),
        ({"zh": "巡更", "en": "Patrols"},
         [TIME, {"zh": "路线", "en": "Route"}, STATE, {"zh": "已到巡更点", "en": "Checkpoints done"}, ROUND_EXPECTED,
          ROUND_WALKED],
         [[at(row["begins"]), say(row["name"], language), say(ROUND_STATES[row["state"]], language),
           f"{row['done']}/{row['stops']}", "、".join(row["expected"]), _walked(row, language)]
          for row in sheet["rounds"]]),
    ]  # fmt: skip


def _walked(row: Mapping[str, Any], language: str) -> str:
    mark = f" ({say(ROUND_STAND_IN, language)})" if row["stand_in"] else ""
    return "、".join(row["walked"]) + mark


def _hand_over(row: Mapping[str, Any], at: Any, language: str) -> list[str]:
    signed = {each["side"]: each for each in row["signatures"]}
    names = [signed[side]["person"] or who(signed[side]["actor"]) if side in signed else ""
             for side in ("outgoing", "incoming")]  # fmt: skip
    late = f" · {say(_LATE, language)} {row['late_minutes']} min" if row["late"] else ""
    return [at(row["change_at"]), *names, say(HAND_OVER_STATES[row["state"]], language) + late]


def entry_text(row: Mapping[str, Any], language: str) -> str:
    """The text of a log entry with what it corrects and what corrects it."""
    before = f"[{say(_CORRECTS, language)} #{row['corrects']}] " if row["corrects"] else ""
    after = f" [{say(_CORRECTED, language)} #{row['corrected_by']}]" if row["corrected_by"] else ""
    return f"{before}{row['text']}{after}"


def police(row: Mapping[str, Any], language: str) -> str:
    """Whether the police has it, and under which number."""
    return f"{say(_YES if row['police'] else _NO, language)} {row['police_number']}".strip()


def to_csv(sheet: Mapping[str, Any], language: str) -> bytes:
    """UTF-8 with a byte order mark, for Excel; nothing a person wrote is taken for a formula."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([say(TITLE, language), str(sheet["day"])])
    for title, heads, rows in blocks(sheet, language):
        writer.writerows([[], [title], heads, *([harmless(cell) for cell in row] for row in rows)])
    return text.getvalue().encode("utf-8-sig")


def to_excel(sheet: Mapping[str, Any], language: str) -> bytes:
    """A workbook, one worksheet a part."""
    book = Workbook()
    book.remove(book.active)
    for title, heads, rows in blocks(sheet, language):
        page = book.create_sheet(title)
        _write(page, [[f"{say(TITLE, language)} {sheet['day']}"], heads, *rows])
        for cell in page[2]:
            cell.font = Font(bold=True)
        page.freeze_panes = "A3"
        for number, head in enumerate(heads):
            longest = max([len(head), *(len(row[number]) for row in rows)])
            page.column_dimensions[page.cell(2, number + 1).column_letter].width = min(60, 4 + 2 * longest)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _write(page: Any, rows: Sequence[Sequence[str]]) -> None:
    for line, row in enumerate(rows, 1):
        for number, text in enumerate(row, 1):
            cell = page.cell(line, number)
            cell.value = text
            cell.data_type = "s"  # openpyxl would make a formula of "=…"


def harmless(text: str) -> str:
    """A spreadsheet takes what begins like a formula for one (CSV injection, OWASP); an apostrophe makes it text."""
    return f"'{text}" if text.startswith(_FORMULA) else text
