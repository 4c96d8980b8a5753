"""The rules: which there are and what they did, and one of them with its text, tests, history and versions."""

from typing import Any

from nicegui import ui

from api.pages.rule import RulePanel
from api.pages.shell import Shell
from api.pages.view import View
from api.pages.widgets import Table, box, head, panel, tag
from hub.store.database import Row

_PRIORITIES = ("critical", "high", "medium", "low")
_STATES = {
    "on": ("●", "rules.on", "done"),
    "off": ("○", "rules.off", "ill"),
    "draft": ("✎", "rules.draft", ""),
}
_COLUMNS = {
    "priority": ("rules.priority", "badge"), "state": ("rules.state", "chip"), "title": ("rules.title_column", ""),
    "kinds": ("rules.kinds", ""), "condition": ("rules.condition", ""), "count": ("rules.count", "num"),
    "source": ("rules.source", ""), "changed": ("rules.changed", "num"), "do": ("rules.do", "actions"),
}  # fmt: skip
CONDITIONS = {
    "threshold": "rules.c_threshold", "event": "rules.c_event", "absence": "rules.c_absence",
    "change": "rules.c_change", "stuck": "rules.c_stuck", "window": "rules.c_window",
    "sequence": "rules.c_sequence", "near": "rules.c_near", "expression": "rules.c_expression",
    "hourly": "rules.c_hourly", "any_of": "rules.c_several", "all_of": "rules.c_several",
    "unreadable": "rules.c_unreadable",
}  # fmt: skip


def install(shell: Shell) -> None:
    """Put the page into the shell."""

    async def build(view: View, _: int | None) -> None:
        ui.add_head_html('<link rel="stylesheet" href="/static/rules.css">')
        await RulesPage(view).build()

    shell.add("/rules", "nav.rules", "rule", 70, build)


class RulesPage:
    """One open rules page: the list, or one rule over it."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._book = view.hub.rulebook
        self._open: RulePanel | None = None

    async def build(self) -> None:
        view, t = self._view, self._view.t
        with head(t("rules.title")), box("figures"):
            self._figures = {name: self._figure(t(key)) for name, key in (
                ("on", "rules.figure_on"), ("off", "rules.figure_off"), ("count", "rules.count"))}  # fmt: skip
        self._list = panel(t("rules.list"))
        with self._list:
            with box("actions"):
                if view.may("configure"):
                    tag("button", t("rules.new"), "solid", type="button").on("click", view.act(self._new))
                view.export_choice(self._export)
            self._columns = [(key, t(label), sort) for key, (label, sort) in _COLUMNS.items()]
            self._table = Table(self._columns, [], t("rules.empty"))
            self._table.on("action", lambda event: view.act(self._choose)(event.args))
            tag("p", t("rules.note"), "muted note")
        self._place = box("")
        await self._show()
        view.follow(["rule"], self._changed, self._show, settle_s=0.2)

    def _figure(self, label: str) -> Any:
        with box("figure"):
            tag("span", label, "muted")
            return tag("b", "0")

    async def _changed(self, changes: list[Any]) -> None:
        if self._open is not None:
            await self._open.told(changes)
        if any("changed" in change.data for change in changes):
            await self._show()

    async def _show(self, _: object = None) -> None:
        rows = await self._rows()
        self._figures["on"].text = str(sum(row["enabled"] for row in rows))
        self._figures["off"].text = str(sum(not row["enabled"] for row in rows))
        self._figures["count"].text = str(sum(row["count"] for row in rows))
        self._table.show([self._cells(row) for row in rows])

    async def _rows(self) -> list[Row]:
        rows = await self._book.rules(self._view.principal)
        return sorted(rows, key=lambda row: (row["kinds"], _PRIORITIES.index(row["priority"]), row["rule"]))

    async def _export(self, sort: str) -> None:
        """The list as it is shown, with times in full."""
        view = self._view
        cells = [{**self._cells(row), "changed": view.date_time(row["changed_at"])} for row in await self._rows()]
        await view.save_as(sort, view.t("rules.title"), self._columns, cells)

    def _cells(self, row: Row) -> dict[str, Any]:
        view, t = self._view, self._view.t
        mark, word, tone = _STATES["draft" if row["source"] == "draft" else "on" if row["enabled"] else "off"]
        if row["problem"]:
            mark, word, tone = "!", "rules.unfit", "ill"
        waiting = f" · {t('rules.draft')} {row['draft']}" if row["draft"] and row["source"] != "draft" else ""
        if row["untested"]:
            waiting += f" · {t('rules.untested')}"
        return {
            "id": row["rule"],
            "priority": view.badge_cell(_PRIORITIES.index(row["priority"]) + 1),
            "state": {"mark": mark, "text": t(word) + waiting, "tone": tone},
            "title": f"{view.pick(row['title'])} ({row['rule']})",
            "kinds": self._kinds(row["kinds"]),
            "condition": t(CONDITIONS[row["condition"]]),
            "count": f"{row['count']:,}",
            "source": self._source(row),
            "changed": view.stamp(row["changed_at"]),
            "do": [("open", t("rules.open"))],
        }

    def _source(self, row: Row) -> str:
        """The pack or file it comes from, or the version made here."""
        t = self._view.t
        if row["source"] != "file":
            return f"{t('rules.version')} {row['version'] or ''}".rstrip()
        changed = t("rules.pack_changed") if row["pack_changed"] else ""
        return f"{row['pack'] or row['file'].removesuffix('.yaml')}{changed}"

    def _kinds(self, kinds: list[str]) -> str:
        if kinds == ["all"]:
            return self._view.t("rules.all_kinds")
        return ", ".join(map(self._view.kind, kinds))

    async def _choose(self, argument: object) -> None:
        name = argument[0] if isinstance(argument, list) and argument else ""
        if isinstance(name, str):
            await self._lay_open(await self._book.show(self._view.principal, name[:48]))

    async def _new(self, _: object = None) -> None:
        await self._lay_open(None)

    async def _lay_open(self, row: Row | None) -> None:
        self._place.clear()
        self._list.set_visibility(False)
        with self._place:
            self._open = RulePanel(self._view, row, self._close)
            await self._open.build()
        ui.run_javascript("window.scrollTo(0, 0)")

    async def _close(self, _: object = None) -> None:
        self._open = None
        self._place.clear()
        self._list.set_visibility(True)
        await self._show()
