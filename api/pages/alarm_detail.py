"""The drawer of one alarm: what it is, what to do, what to give, and what happened around it."""

from datetime import datetime, timedelta
from typing import Any

from nicegui import ui

from api.pages.charts import trend_options
from api.pages.commands import CommandDialog, CommandProgress, command_buttons
from api.pages.view import View
from api.pages.widgets import Table, box, facts, icon, tag
from api.texts import value_text
from hub.live import Change
from hub.store.database import Row

_BEFORE, _AFTER = timedelta(minutes=15), timedelta(minutes=10)
_ACTIVE = ("active_unacknowledged", "returned_unacknowledged")


class AlarmDetail:
    """The drawer. It is painted anew when its alarm changes; values and commands move by themselves."""

    def __init__(self, view: View, links: dict[str, str], places: dict[str, str]) -> None:
        self._view = view
        self._links = links
        self._places = places
        self._id = 0
        self._device: Row | None = None
        self._values: dict[str, Any] = {}
        with box("detail-pane", "aside", aria_label=view.t("alarms.title")) as self._pane:
            with box("") as self._top:
                self._hint()
            self._progress = CommandProgress(view)
            with box("") as self._trend:
                tag("h3", view.t("alarm.trend"))
                self._chart = ui.echart({"series": []}).classes("chart low")
            self._trend.set_visibility(False)
            self._bottom = box("")
        self._dialog = CommandDialog(view, self._sent)

    def _hint(self) -> None:
        with box("hint"):
            tag("p", self._view.t("alarms.select"))
            tag("p", self._view.t("alarms.select_hint"))

    async def choose(self, alarm_id: int) -> None:
        """Show an alarm. NotThere."""
        if alarm_id != self._id:
            self._progress.reset()
        self._id = alarm_id
        await self.refresh()

    async def refresh(self) -> None:
        """Paint the chosen alarm as it stands now."""
        if not self._id:
            return
        view = self._view
        alarm = await view.hub.context.alarms.show(view.principal, self._id)
        device = await view.hub.reads.device(view.principal, alarm["device_id"])
        events = await view.hub.reads.events(view.principal, device_id=device["id"], limit=6)
        self._device = device
        self._pane.classes(add="open")
        self._top.clear()
        with self._top:
            self._paint_head(alarm)
            self._paint_actions(alarm, device)
            self._paint_procedure(alarm)
        self._bottom.clear()
        with self._bottom:
            self._paint_values(device)
            self._paint_events(events)
            self._paint_history(alarm)
        await self._paint_trend(alarm, device)

    def _close(self) -> None:
        self._id = 0
        self._pane.classes(remove="open")

    def _paint_head(self, alarm: Row) -> None:
        view = self._view
        with tag("button", "", "ghost back", type="button").on("click", self._close):
            icon("arrow_back")
            tag("span", view.t("alarm.back"))
        with box("detail-head"):
            view.badge(alarm["priority"], alarm["state"])
            with box(""):
                with tag("h2", view.pick(alarm["title"])):
                    if alarm["life_safety"]:
                        tag("span", view.t("alarm.life_safety"), "life")
                tag("p", view.pick(alarm["text"]), "muted")
        place = self._places.get(alarm["place"], alarm["place"])
        known = [
            (
                "devices.state",
                f"{view.t('alarm_state.' + alarm['state'])} · {view.t('priority.' + str(alarm['priority']))}",
            ),
            ("alarm.place", place),
            ("alarm.device", f"{view.pick(alarm['device_name'])} ({alarm['device']})"),
            ("alarm.raised", f"{view.stamp(alarm['raised_at'])} ({view.age(alarm['raised_at'])})"),
            ("alarm.rule", alarm["rule"]),
        ]
        if alarm["count"] > 1:
            known.append(("alarm.repeats", str(alarm["count"])))
        if alarm["acknowledged_by"]:
            known.append(
                (
                    "alarm.acknowledged_by",
                    f"{view.person(alarm['acknowledged_by'])} · {view.stamp(alarm['acknowledged_at'])}",
                )
            )
        facts((view.t(key), value) for key, value in known)

    def _paint_actions(self, alarm: Row, device: Row) -> None:
        view = self._view
        with box("actions"):
            if alarm["state"] in _ACTIVE and view.may("acknowledge"):
                tag("button", view.t("alarm.acknowledge"), "solid", type="button").on(
                    "click", view.act(self._acknowledge)
                )
                tag("button", view.t("alarm.acknowledge_note"), "ghost", type="button").on(
                    "click", lambda: self._ask_note(alarm)
                )
            command_buttons(view, device, self._ask)
            for kind, reference in (alarm["links"] or {}).items():
                text = f"{view.t('alarm.work_order')} {reference}"
                if kind in self._links:
                    tag("a", text, "ghost", href=f"{self._links[kind]}{reference}")
                else:
                    tag("span", text, "ghost")
            tag("a", view.t("alarm.open_device"), "ghost", href=f"/devices/{device['id']}")

    def _paint_procedure(self, alarm: Row) -> None:
        tag("h3", self._view.t("alarm.procedure"))
        text = self._view.pick(alarm["procedure"])
        tag("p", text or self._view.t("alarm.no_procedure"), "procedure" if text else "muted")

    def _paint_values(self, device: Row) -> None:
        view = self._view
        tag("h3", view.t("alarm.values"))
        self._values = {}
        with box("facts", "dl"):
            for point in device["points"]:
                tag("dt", view.pick(point["label"]))
                shown = tag("dd", value_text(point["value"], point["values"], point["unit"], view.t))
                self._values[str(point["id"])] = (shown, point)
        if not device["points"]:
            tag("p", view.t("device.no_points"), "muted")

    def _paint_events(self, events: list[Row]) -> None:
        view = self._view
        tag("h3", view.t("alarm.events"))
        rows = [
            {"time": view.stamp(e["ts"]), "event": view.pick(e["label"]), "data": data_text(view, e)} for e in events
        ]
        columns = [("time", view.t("device.time")), ("event", view.t("device.event")), ("data", view.t("device.data"))]
        Table(columns, rows, view.t("device.no_events"))

    def _paint_history(self, alarm: Row) -> None:
        view = self._view
        tag("h3", view.t("alarm.history"))
        with box("steps", "ol"):
            for step in alarm["history"]:
                with box("", "li"):
                    tag("time", view.stamp(step["at"]))
                    who = view.person(step["actor"])
                    note = f" — {step['note']}" if step["note"] and not step["actor"].startswith("rule:") else ""
                    tag("span", f"{view.word('alarm_state', step['to_state'])} · {who}{note}")

    async def _paint_trend(self, alarm: Row, device: Row) -> None:
        point = telling_point(alarm["rule"], device["points"])
        self._trend.set_visibility(point is not None)
        if point is None:
            return
        raised: datetime = alarm["raised_at"]
        until = min(raised + _AFTER, self._view.now())
        trend = await self._view.hub.reads.trend(
            self._view.principal, point["id"], raised - _BEFORE, max(until, raised + timedelta(minutes=1)), 300
        )
        self._trend.set_visibility(bool(trend.rows))
        self._chart.options.clear()
        self._chart.options.update(trend_options(self._view, trend, raised))
        self._chart.update()

    async def _acknowledge(self, _: Any = None) -> None:
        await self._view.hub.context.alarms.acknowledge(await self._view.who(), self._id)

    def _ask_note(self, alarm: Row) -> None:
        view = self._view

        async def acknowledge(note: str) -> None:
            await view.hub.context.alarms.acknowledge(await view.who(), alarm["id"], note)

        title = f"{view.t('alarm.acknowledge')}: {view.pick(alarm['title'])}"
        text, yes = view.pick(alarm["text"]), view.t("alarm.acknowledge")
        view.ask(title, text, yes, acknowledge, field=view.t("alarm.note"))

    async def first_command(self, alarm_id: int) -> None:
        """The key `o`: the first command the role may give at the device that is shown."""
        if alarm_id != self._id:
            await self.choose(alarm_id)
        allowed = [command for command in (self._device or {}).get("commands", []) if command["allowed"]]
        if allowed:
            await self._ask(allowed[0])
        else:
            ui.notify(self._view.t("command.none"), position="top")

    async def _ask(self, command: Row) -> None:
        assert self._device is not None
        self._dialog.ask(self._device, command)

    async def _sent(self, row: Row) -> None:
        self._progress.show(row)

    def wants(self, change: Change) -> bool:
        """The values that are shown and the commands that were given here."""
        return (change.topic == "point" and change.key in self._values) or (
            change.topic == "command" and self._progress.knows(change.key)
        )

    async def changed(self, changes: list[Change]) -> None:
        """Live changes: this alarm, its device's values, the commands given here."""
        for change in changes:
            if change.topic == "command" and self._progress.knows(change.key):
                self._progress.show(change.data)
            elif change.topic == "point" and change.key in self._values:
                shown, point = self._values[change.key]
                shown.text = value_text(change.data.get("value"), point["values"], point["unit"], self._view.t)
        if any(change.topic == "alarm" and change.key == str(self._id) for change in changes):
            await self.refresh()


def telling_point(rule: str, points: list[Row]) -> Row | None:
    """The point a rule most likely looks at: one its name speaks of, else the first."""
    words = rule.split("-")
    return next((p for p in points if set(p["name"].split("_")) & set(words)), points[0] if points else None)


def data_text(view: View, event: Row) -> str:
    """Event data in one line, in words where the kind has them, without our own command numbers."""
    parts = []
    for key, value in event["data"].items():
        if key != "command_id":
            name = view.pick(event["fields"].get(key)) or key
            parts.append(f"{name} {view.word('value', value) if isinstance(value, str) else value}")
    return " · ".join(parts) or "—"
