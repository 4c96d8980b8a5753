"""Work orders on a screen. No logic: it shows what the service gives and reads again when one changes."""

from datetime import datetime
from typing import Any, NamedTuple

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from hub.store.database import Row
from modules.workorders.service import WorkOrders

_TITLE = {"zh": "工单", "en": "Work orders"}
_NONE = {
    "zh": "没有工单。规则要求时，报警会自动开单。",
    "en": "No work orders. An alarm whose rule asks for one opens it.",
}
_COLUMNS = {
    "number": {"zh": "编号", "en": "Number"},
    "state": {"zh": "状态", "en": "State"},
    "priority": {"zh": "优先级", "en": "Priority"},
    "title": {"zh": "事由", "en": "Subject"},
    "device": {"zh": "设备", "en": "Device"},
    "assignee": {"zh": "负责人", "en": "Assignee"},
    "created_at": {"zh": "开单时间", "en": "Opened"},
    "due_at": {"zh": "完成期限", "en": "Due"},
    "note": {"zh": "说明", "en": "Note"},
}
_STATES = {
    "open": {"zh": "待派", "en": "Open"},
    "assigned": {"zh": "已派", "en": "Assigned"},
    "in_progress": {"zh": "处理中", "en": "In progress"},
    "done": {"zh": "完成", "en": "Done"},
    "cancelled": {"zh": "取消", "en": "Cancelled"},
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


def add_pages(shell: Any, orders: WorkOrders) -> None:
    """The list, and where an alarm's link to its order leads."""

    async def build(view: Any, _: int | None) -> None:
        section = ui.element("section").classes("panel")

        async def show(_changes: object = None) -> None:
            rows = await orders.recent(view.principal)
            section.clear()
            with section:
                TextElement(tag="h2", text=view.pick(_TITLE))
                _table(view, rows)

        await show()
        view.follow(["workorder"], show, show)

    shell.links["work_order"] = "/work-orders#"
    shell.add(Entry("/work-orders", _TITLE, "build", 40, "see"), build)


def _table(view: Any, rows: list[Row]) -> None:
    if not rows:
        TextElement(tag="p", text=view.pick(_NONE)).classes("empty-line")
        return
    with ui.element("div").classes("table-box"), ui.element("table").classes("hub-table"):
        with ui.element("thead"), ui.element("tr"):
            for title in _COLUMNS.values():
                TextElement(tag="th", text=view.pick(title)).props("scope=col")
        with ui.element("tbody"):
            for row in rows:
                overdue = row["done_at"] is None and row["due_at"] < view.now()
                with ui.element("tr").classes("ill" if overdue else "").props(f"id={row['number']}"):
                    for key, title in _COLUMNS.items():
                        TextElement(tag="td", text=_cell(view, key, row)).props["data-label"] = view.pick(title)


def _cell(view: Any, key: str, row: Row) -> str:
    value = row[key]
    if key == "state":
        return str(view.pick(_STATES[value]))
    if isinstance(value, dict):
        return str(view.pick(value))
    return str(view.stamp(value)) if isinstance(value, datetime) else str(value or "—")
