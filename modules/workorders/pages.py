"""Work orders on a screen. No logic: it shows what the service gives, does what it offers, follows what changes."""

from collections.abc import Callable
from typing import Any

from hub.store.database import Row
from modules.workorders.model import Action, State, allowed
from modules.workorders.service import WorkOrders

Text = dict[str, str]

_TITLE = {"zh": "工单", "en": "Work orders"}
_NONE = {
    "zh": "没有工单。规则要求时，报警会自动开单；完成和取消的在“全部”里。",
    "en": "No work orders. An alarm whose rule asks for one opens it; done and cancelled ones are under “All”.",
}
_PENDING: tuple[State, ...] = ("open", "assigned", "in_progress")
_FILTERS: dict[str, Text] = {"pending": {"zh": "未完成", "en": "Pending"}, "all": {"zh": "全部", "en": "All"}}
_COLUMNS: dict[str, tuple[Text, str]] = {
    "priority": ({"zh": "优先级", "en": "Priority"}, "badge"),
    "state": ({"zh": "状态", "en": "State"}, "chip"),
    "title": ({"zh": "事由", "en": "Subject"}, "link"),
    "device": ({"zh": "设备", "en": "Device"}, "link"),
    "place": ({"zh": "地点", "en": "Place"}, ""),
    "assignee": ({"zh": "负责人", "en": "Assignee"}, ""),
    "created_at": ({"zh": "开单时间", "en": "Opened"}, "num"),
    "due_at": ({"zh": "完成期限", "en": "Due"}, "num"),
    "note": ({"zh": "说明", "en": "Note"}, ""),
    "number": ({"zh": "编号", "en": "Number"}, "num"),
    "actions": ({"zh": "操作", "en": "Actions"}, "actions"),
}
_STATES: dict[str, tuple[str, Text]] = {
    "open": ("○", {"zh": "待派", "en": "Open"}),
    "assigned": ("◔", {"zh": "已派", "en": "Assigned"}),
    "in_progress": ("◑", {"zh": "处理中", "en": "In progress"}),
    "done": ("✓", {"zh": "完成", "en": "Done"}),
    "cancelled": ("✕", {"zh": "取消", "en": "Cancelled"}),
}
_OVER = {"zh": "报警已结束", "en": "alarm over"}
_OVERDUE = {"zh": "逾期", "en": "overdue"}
_ACTIONS: dict[Action, Text] = {
    "assign": {"zh": "派给我", "en": "Assign to me"},
    "start": {"zh": "开始", "en": "Start"},
    "finish": {"zh": "完成", "en": "Finish"},
    "cancel": {"zh": "取消", "en": "Cancel"},
}
_QUESTIONS: dict[Action, Text] = {
    "assign": {"zh": "由您负责这张工单？", "en": "Shall this order be yours?"},
    "start": {"zh": "现在开始处理？", "en": "Begin the work now?"},
    "finish": {"zh": "请写明查到了什么、做了什么。", "en": "Say what was found and what was done."},
    "cancel": {"zh": "请写明为什么不需要处理。", "en": "Say why no work is needed."},
}
_NOTE = {"zh": "说明", "en": "Note"}
_NEEDED = {"zh": "请填写说明。", "en": "A note is needed."}
_YES: dict[Action, Text] = _ACTIONS | {"cancel": {"zh": "取消工单", "en": "Cancel the order"}}


def add_pages(shell: Any, orders: WorkOrders) -> None:
    """The list, and where an alarm's link to its order leads."""

    async def build(view: Any, _: int | None) -> None:
        await OrdersPage(view, orders).build()

    shell.links["work_order"] = "/work-orders#"
    shell.add("/work-orders", _TITLE, "build", 40, build, home=["engineer"])


class OrdersPage:
    """One open list of orders."""

    def __init__(self, view: Any, orders: WorkOrders) -> None:
        self._view = view
        self._orders = orders
        self._filter = "all"
        self._rows: dict[int, Row] = {}

    async def build(self) -> None:
        view = self._view
        self._places = await view.places()
        with view.head(view.pick(_TITLE)), view.box("figures"):
            label = view.pick(_TITLE)
            with view.box("segmented", role="group", aria_label=label):
                self._buttons = {
                    name: view.tag("button", view.pick(text), type="button").on("click", self._chooser(name))
                    for name, text in _FILTERS.items()
                }
        columns = [(key, view.pick(title), sort) for key, (title, sort) in _COLUMNS.items()]
        with view.box("panel", "section"):
            self._table = view.table(columns, [], view.pick(_NONE))
        self._table.on("action", lambda event: self._ask(event.args))
        await self._show()
        view.follow(["workorder"], self._show, self._show)

    def _chooser(self, name: str) -> Callable[..., Any]:
        async def choose(_: object = None) -> None:
            self._filter = name
            await self._show()

        return self._view.act(choose)  # type: ignore[no-any-return]

    async def _show(self, _changes: object = None) -> None:
        asked = self._filter
        rows = await self._orders.recent(self._view.principal, states=_PENDING if asked == "pending" else None)
        if asked != self._filter:
            return  # others were asked for meanwhile, and may stand there already
        self._rows = {row["id"]: row for row in rows}
        for name, button in self._buttons.items():
            button.props["aria-pressed"] = "true" if name == self._filter else "false"
            button.update()
        self._table.show([self._cells(row) for row in rows])

    def _cells(self, row: Row) -> dict[str, Any]:
        view = self._view
        overdue = row["done_at"] is None and row["due_at"] < view.now()
        mark, word = _STATES[row["state"]]
        late = f" · {view.pick(_OVERDUE)}" if overdue else ""
        over = f" · {view.pick(_OVER)}" if row["alarm_state"] == "normal" and row["done_at"] is None else ""
        return {
            "id": row["id"],
            "anchor": row["number"],
            "priority": view.badge_cell(row["priority"]),
            "state": {"mark": mark, "text": view.pick(word) + late + over, "tone": "ill" if overdue else row["state"]},
            "title": {"text": view.pick(row["title"]), "href": f"/alarms/{row['alarm_id']}" if row["alarm_id"] else ""},
            "device": view.device_cell(row["device_id"], row["device"]),
            "place": self._places.get(row["place"], row["place"]) or "—",
            "assignee": view.person(row["assignee"]),
            "created_at": view.stamp(row["created_at"]),
            "due_at": view.stamp(row["due_at"]),
            "note": row["note"] or "—",
            "number": row["number"],
            "actions": [(action, view.pick(_ACTIONS[action])) for action in self._possible(row)],
        }

    def _possible(self, row: Row) -> list[Action]:
        if not self._view.may("work"):
            return []
        mine = row["assignee"] == self._view.principal.actor
        return [action for action in allowed(row["state"]) if action != "assign" or not mine]

    def _ask(self, argument: object) -> None:
        """A button of a row, as the browser sent it: [order id, action]."""
        view = self._view
        number, action = argument if isinstance(argument, list) and len(argument) == 2 else (0, "")
        row = self._rows.get(number) if isinstance(number, int) else None
        if row is None or action not in self._possible(row):
            return
        noted = action in ("finish", "cancel")

        async def do(note: str) -> None:
            who = await view.who()
            if action == "assign":
                await self._orders.assign(who, number, who.actor)
            elif action == "start":
                await self._orders.start(who, number)
            elif action == "finish":
                await self._orders.finish(who, number, note)
            else:
                await self._orders.cancel(who, number, note)

        view.ask(
            f"{view.pick(_YES[action])}: {view.pick(row['title'])} · {row['number']}",
            view.pick(_QUESTIONS[action]),
            view.pick(_YES[action]),
            do,
            field=view.pick(_NOTE) if noted else "",
            needed=view.pick(_NEEDED) if noted else "",
        )
