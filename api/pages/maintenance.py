"""Out of service: planned windows and devices taken out, from when until when and why; to plan, and to end."""

from datetime import timedelta
from typing import Any

from nicegui import ui

from api.pages.shell import Shell
from api.pages.view import View
from api.pages.widgets import Table, box, head, panel, tag
from hub.errors import Refused
from hub.model import Device
from hub.store.database import Row

_HOUR = timedelta(hours=1)
REFRESH_S = 30.0
_COLUMNS = {
    "state": ("devices.state", "chip"), "target": ("maintenance.target", "link"), "reason": ("command.reason", ""),
    "since": ("maintenance.since", "num"), "until": ("maintenance.until", "num"), "left": ("maintenance.left", "num"),
    "order": ("alarm.work_order", ""), "by": ("maintenance.by", ""), "actions": ("maintenance.actions", "actions"),
}  # fmt: skip


def install(shell: Shell) -> None:
    """Put the page into the shell."""

    async def build(view: View, _: int | None) -> None:
        await MaintenancePage(view).build()

    shell.add("/maintenance", "nav.maintenance", "engineering", 45, build)


class MaintenancePage:
    """One open list of what is out of service."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._rows: dict[int, Row] = {}

    async def build(self) -> None:
        view, t = self._view, self._view.t
        self._places = await view.places()
        with head(t("maintenance.title")), box("figures"):
            with box("figure"):
                tag("span", t("maintenance.active"), "muted")
                self._active = tag("b", "0")
            with box("figure"):
                tag("span", t("maintenance.silenced"), "muted")
                self._silenced = tag("b", "0")
        with panel(t("maintenance.list")):
            with box("actions"):
                if view.may("maintain"):
                    tag("button", t("maintenance.plan_place"), "solid", type="button").on("click", self._plan_place)
                    tag("button", t("maintenance.plan_device"), "ghost", type="button").on("click", self._plan_device)
                    tag("button", t("maintenance.take_out"), "ghost", type="button").on("click", self._take_out)
                view.export_choice(self._export)
            self._columns = [(key, t(label), sort) for key, (label, sort) in _COLUMNS.items()]
            self._table = Table(self._columns, [], t("maintenance.empty"))
            self._table.on("action", lambda event: self._ask_end(event.args))
            tag("p", t("maintenance.note"), "muted note")
        await self._show()
        view.follow(["alarm"], self._show, self._show, settle_s=1.0)
        ui.timer(REFRESH_S, view.act(self._show))

    async def _show(self, _: object = None) -> None:
        view = self._view
        desk = view.hub.context.alarms
        rows = await desk.maintenance(view.principal)
        self._rows = {row["id"]: row for row in rows}
        silenced = await desk.recent(view.principal, view="out_of_service", limit=500)
        self._active.text = str(sum(row["active"] for row in rows))
        self._silenced.text = str(len(silenced))
        self._table.show([self._cells(row) for row in rows])

    async def _export(self, sort: str) -> None:
        """The list as it is shown, with times in full."""
        view = self._view
        cells = [{**self._cells(row), "since": view.date_time(row["since"]), "until": view.date_time(row["until"])}
                 for row in self._rows.values()]  # fmt: skip
        await view.save_as(sort, view.t("maintenance.title"), self._columns, cells)

    def _cells(self, row: Row) -> dict[str, Any]:
        view, t = self._view, self._view.t
        sort = "active" if row["active"] else "planned"
        ends = row["until"] if row["active"] else row["since"]
        return {
            "id": row["id"],
            "state": {"mark": "◐" if row["active"] else "◷", "text": t(f"maintenance_state.{sort}"), "tone": sort},
            "target": self._target(row), "reason": row["reason"], "since": view.stamp(row["since"]),
            "until": view.stamp(row["until"]), "left": view.span(ends - view.now()),
            "order": row["work_order"] or "—", "by": view.person(row["planned_by"]),
            "actions": [["end", t("maintenance.end" if row["active"] else "maintenance.call_off")]]
            if view.may("maintain") else [],
        }  # fmt: skip

    def _target(self, row: Row) -> dict[str, str]:
        if row["device_id"] is not None:
            return self._view.device_cell(row["device_id"], row["device"])
        place = str(row["place"])
        return {"text": self._places.get(place, place), "href": f"/plan#{place}"}

    def _ask_end(self, argument: object) -> None:
        """A button of a row, as the browser sent it: [maintenance id, action]."""
        view, t = self._view, self._view.t
        number = argument[0] if isinstance(argument, list) and argument else None
        row = self._rows.get(number) if isinstance(number, int) else None
        if row is None:
            return

        async def do(_: str) -> None:
            await view.hub.context.alarms.end_maintenance(await view.who(), row["id"])
            await self._show()

        verb = t("maintenance.end" if row["active"] else "maintenance.call_off")
        view.ask(f"{verb}: {self._target(row)['text']}", t("maintenance.end_hint"), verb, do)

    def _when(self) -> list[Any]:
        view, t = self._view, self._view.t
        now = view.now()
        return [
            view.field("since", t("maintenance.since"), "datetime-local", view.typed(now)),
            view.field("until", t("maintenance.until"), "datetime-local", view.typed(now + 4 * _HOUR)),
            view.field("reason", t("command.reason"), needed=t("command.reason_needed")),
        ]

    def _plan_place(self) -> None:
        view, t = self._view, self._view.t
        options = [(path, name) for path, name in self._places.items() if not path.startswith("-")]

        async def do(given: dict[str, str]) -> None:
            await self._plan(given, place=given["place"])

        fields = [view.field("place", t("alarm.place"), "choice", options[0][0] if options else "", options),
                  *self._when(), view.field("order", t("alarm.work_order"))]  # fmt: skip
        view.form(t("maintenance.plan_place"), t("maintenance.plan_hint"), t("maintenance.plan"), do, fields)

    def _plan_device(self) -> None:
        view, t = self._view, self._view.t

        async def do(given: dict[str, str]) -> None:
            await self._plan(given, device_id=self._device(given["device"]))

        view.form(t("maintenance.plan_device"), t("maintenance.plan_hint"), t("maintenance.plan"), do,
                  [self._device_field(), *self._when(), self._order_field()])  # fmt: skip

    def _take_out(self) -> None:
        view, t = self._view, self._view.t

        async def do(given: dict[str, str]) -> None:
            who, until = await view.who(), view.moment(given["until"])
            desk = view.hub.context.alarms
            await desk.take_out_of_service(who, self._device(given["device"]), until, given["reason"], given["order"])
            await self._show()

        fields = [self._device_field(), *self._when()[1:], self._order_field()]
        view.form(t("maintenance.take_out"), t("maintenance.take_out_hint"), t("maintenance.take_out"), do, fields)

    def _order_field(self) -> Any:
        t = self._view.t
        return self._view.field("order", t("alarm.work_order"), needed=t("maintenance.order_needed"))

    def _device_field(self) -> Any:
        t = self._view.t
        return self._view.field("device", t("maintenance.device_code"), needed=t("maintenance.device_needed"),
                                options=[(device.code, self._view.pick({"zh": device.spec.name.zh,
                                                                        "en": device.spec.name.en}))
                                         for device in self._devices()])  # fmt: skip

    def _devices(self) -> list[Device]:
        home = self._view.principal.community_id
        found = [one for one in self._view.hub.context.devices.values() if one.community_id == home]
        return sorted(found, key=lambda device: device.code)

    def _device(self, code: str) -> int:
        """The device of a code as it was typed. Refused(422)."""
        for device in self._devices():
            if device.code == code:
                return device.id
        raise Refused("no_device", f"device: there is no {code[:64]}", 422)

    async def _plan(self, given: dict[str, str], *, place: str | None = None, device_id: int | None = None) -> None:
        view = self._view
        await view.hub.context.alarms.plan_maintenance(
            await view.who(), place=place, device_id=device_id, since=view.moment(given["since"]),
            until=view.moment(given["until"]), reason=given["reason"], work_order=given["order"],
        )  # fmt: skip
        await self._show()
