"""Bill lines on a screen. No logic: it shows what the service gives."""

from typing import Any, NamedTuple

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from hub.store.database import Row
from hub.vocabulary.units import symbol
from modules.billing.service import Billing, plain, yuan

_TITLE = {"zh": "账单明细", "en": "Bill lines"}
_NONE = {"zh": "还没有账单明细。", "en": "No bill lines yet."}
_COLUMNS = {
    "device": {"zh": "表计", "en": "Meter"},
    "place": {"zh": "位置", "en": "Place"},
    "period": {"zh": "账期（不含末日）", "en": "Period (last day excluded)"},
    "quantity": {"zh": "用量", "en": "Quantity"},
    "unit_price": {"zh": "单价（元）", "en": "Unit price (CNY)"},
    "amount": {"zh": "金额（元）", "en": "Amount (CNY)"},
    "state": {"zh": "状态", "en": "State"},
}
_NUMBERS = ("quantity", "unit_price", "amount")
_DRAFTED = {"zh": "草稿", "en": "Drafted"}
_REASONS = {
    "no_reading_at_start": {"zh": "待核：期初无读数", "en": "Held: no reading at the start"},
    "no_reading_at_end": {"zh": "待核：期末无读数", "en": "Held: no reading at the end"},
    "doubtful_reading": {"zh": "待核：读数可疑", "en": "Held: doubtful reading"},
    "counter_fell": {"zh": "待核：表计倒走或换表", "en": "Held: counter went back or meter replaced"},
    "no_tariff": {"zh": "待核：无有效价目", "en": "Held: no tariff in force"},
    "unit_differs": {"zh": "待核：价目单位不符", "en": "Held: tariff is for another unit"},
}


class Entry(NamedTuple):
    """A line of the shell's navigation."""

    path: str
    title: dict[str, str]
    icon: str
    order: int
    right: str

    def label(self, view: Any) -> str:
        return str(view.pick(self.title))


def add_pages(shell: Any, billing: Billing) -> None:
    """The list of the newest lines."""

    async def build(view: Any, _: int | None) -> None:
        rows = await billing.recent(view.principal)
        with ui.element("section").classes("panel"):
            TextElement(tag="h2", text=view.pick(_TITLE))
            _table(view, rows)

    shell.add(Entry("/bill-lines", _TITLE, "receipt_long", 50, "bill"), build)


def _table(view: Any, rows: list[Row]) -> None:
    if not rows:
        TextElement(tag="p", text=view.pick(_NONE)).classes("empty-line")
        return
    with ui.element("div").classes("table-box"), ui.element("table").classes("hub-table"):
        with ui.element("thead"), ui.element("tr"):
            for key, title in _COLUMNS.items():
                TextElement(tag="th", text=view.pick(title)).classes("num" if key in _NUMBERS else "").props(
                    "scope=col"
                )
        with ui.element("tbody"):
            for row in rows:
                with ui.element("tr").classes("ill" if row["state"] == "held" else ""):
                    for (key, title), text in zip(_COLUMNS.items(), _cells(view, row), strict=True):
                        cell = TextElement(tag="td", text=text).classes("num" if key in _NUMBERS else "")
                        cell.props["data-label"] = view.pick(title)


def _cells(view: Any, row: Row) -> list[str]:
    held = row["state"] == "held"
    return [
        row["device"] or "",
        row["place"] or "",
        f"{row['period_start']} – {row['period_end']}",
        "—" if held else f"{plain(row['quantity'])} {symbol(row['unit'])}",
        plain(row["unit_price"]) or "—",
        "—" if held else yuan(row["amount_fen"]),
        str(view.pick(_REASONS[row["reason"]] if held else _DRAFTED)),
    ]
