"""The drawer of one alarm: what it is, what to do, what to give, and what happened around it."""

import asyncio
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from nicegui import ui

from api.pages.alarm_actions import AlarmActions
from api.pages.alarm_parts import (
    AFTER,
    near,
    paint_commands,
    paint_comments,
    paint_deliveries,
    paint_events,
    paint_history,
    paint_near,
    paint_procedure,
    paint_snapshots,
    telling_point,
)
from api.pages.charts import trend_options, trend_rows, twin_columns
from api.pages.commands import CommandDialog, CommandProgress, command_buttons
from api.pages.plan import address_of
from api.pages.view import View
from api.pages.widgets import Table, box, facts, icon, tag
from hub.evidence.service import EvidenceDesk
from hub.live import Change
from hub.money import yuan
from hub.store.database import NotThere, Row

_BEFORE = timedelta(minutes=15)
_REST = timedelta(milliseconds=300)  # a chattering alarm is not painted more often
_COMMANDS = 100  # of the community, among which those given here are looked for
_WAITING = ("active_unacknowledged", "returned_unacknowledged", "latched_unacknowledged")


class AlarmDetail:
    """The drawer. It is painted anew when its alarm changes; values and commands move by themselves."""

    def __init__(self, view: View, actions: AlarmActions, places: dict[str, str]) -> None:
        self._view = view
        self._actions = actions
        self._places = places
        self._id = 0  # the one asked for: what is done goes to the one that is shown
        self._device: Row | None = None
        self._values: dict[str, Any] = {}
        self._heard: dict[str, Change] = {}  # values told while the drawer was painted from an older reading
        self._alarm: Row | None = None
        self._said: object = None  # what the head, the buttons and the procedure say
        self._near: list[int] = []
        self._pictures: list[Row] = []
        self._behind = False  # the alarm changed
        self._moved = False  # something happened around it
        self._painted = view.now() - _BEFORE
        self._painting = asyncio.Lock()  # what was read before must not be painted over what was read later
        with box("detail-pane", "aside", aria_label=view.t("alarms.detail"), tabindex="0") as self._pane:
            with box("") as self._top:
                self._hint()
            self._scene = box("")
            self._progress = CommandProgress(view)
            self._procedure = box("")
            with box("") as self._trend:
                tag("h3", view.t("alarm.trend"))
                self._chart = ui.echart({"series": []}).classes("chart low")
                with box("", "details"):
                    tag("summary", view.t("device.table"))
                    self._twin = Table([], [], view.t("device.no_data"))
            self._trend.set_visibility(False)
            self._now = box("")
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
        """Paint the chosen alarm as it stands now; where that fails, `tidy` tries again. NotThere."""
        async with self._painting:
            number, self._behind, self._painted = self._id, False, self._view.now()
            try:
                if number:
                    await self._refresh(number)
            except NotThere:  # nor will it be: what is shown stays
                shown = self._alarm["id"] if self._alarm else 0
                if self._id == number:
                    self._id = shown if shown != number else 0
                raise
            except Exception:
                self._behind = True
                raise
            finally:
                for change in self._heard.values():
                    self._show_value(change)
                self._heard.clear()

    async def _refresh(self, number: int) -> None:
        view, reads = self._view, self._view.hub.reads
        alarm = await view.hub.context.alarms.show(view.principal, number)
        device = await reads.device(view.principal, alarm["device_id"])
        pictures = await EvidenceDesk(view.hub.context).snapshots(view.principal, number) if view.may("work") else []
        if number != self._id:  # left, or another one is waited for
            return
        said = alarm, device["commands"]
        self._device, self._alarm = device, alarm
        self._near = near(view.hub.context.devices.values(), view.principal.community_id, alarm["place"])
        self._pane.classes(add="open")
        if said != self._said:  # a click on what is painted anew for nothing would be lost
            self._said = said
            self._paint_said(alarm, device)
        if pictures != self._pictures:  # painted anew, a clip that plays would begin again
            self._pictures = pictures
            self._scene.clear()
            with self._scene:
                paint_snapshots(view, pictures)
        self._now.clear()
        with self._now:
            self._paint_values(device)
        await self._paint_around(alarm, device)
        await self._paint_trend(alarm, device)

    def _paint_said(self, alarm: Row, device: Row) -> None:
        view, may = self._view, self._view.may("acknowledge")
        self._top.clear()
        with self._top:
            self._paint_head(alarm)
            self._paint_actions(alarm, device)
        self._procedure.clear()
        with self._procedure:
            tick, note = partial(self._tick, alarm["id"]), partial(self._note_step, alarm["id"])
            paint_procedure(view, alarm, tick if may else None, note if may else None)
            paint_comments(view, alarm)

    async def _paint_around(self, alarm: Row, device: Row) -> None:
        """What is only read, below: what happened here, what was asked for, who was told."""
        self._moved = False
        view, reads, here = self._view, self._view.hub.reads, self._near
        events = await reads.events(view.principal, device_id=device["id"], limit=6)
        around = await reads.several(view.principal, here, events=6, before=alarm["raised_at"] + AFTER) if here else []
        port = view.hub.context.ports.get("notifications.deliveries")
        deliveries = await port(view.principal, alarm["id"]) if port else []
        since = alarm["raised_at"] - _BEFORE
        given = [row for row in await view.hub.context.commands.recent(view.principal, limit=_COMMANDS)
                 if row["device_id"] in (device["id"], *here) and row["requested_at"] >= since]  # fmt: skip
        self._bottom.clear()
        with self._bottom:
            if here:
                paint_near(view, around)
            paint_commands(view, given)
            if device["id"] not in here:
                paint_events(view, events)
            paint_deliveries(view, deliveries)
            paint_history(view, alarm)

    def close(self, _: object = None) -> None:
        """Back to the list, on a phone the only way there."""
        self._id = 0
        self._pane.classes(remove="open")

    def _paint_head(self, alarm: Row) -> None:
        view, t = self._view, self._view.t
        with tag("button", "", "ghost back", type="button").on("click", self.close):
            icon("arrow_back")
            tag("span", t("alarm.back"))
        with box("detail-head"):
            view.badge(alarm["priority"], "" if alarm["suppression"] else alarm["state"])
            with box(""):
                with tag("h2", view.pick(alarm["title"])):
                    if alarm["life_safety"]:
                        tag("span", t("alarm.life_safety"), "life")
                tag("p", view.pick(alarm["text"]), "muted")
        if alarm["suppression"]:
            self._paint_suppression(alarm)
        if alarm["hides"]:
            self._strip(t("alarms.hides").replace("%n", str(alarm["hides"])))
        facts((t(key), value) for key, value in self._facts(alarm))

    def _facts(self, alarm: Row) -> list[tuple[str, str]]:
        view, t = self._view, self._view.t
        flags = [t(f"alarm_flag.{name}") for name in ("first_out", "chattering", "historical") if alarm[name]]
        known = [
            ("devices.state", f"{t('alarm_state.' + alarm['state'])} · {t('priority.' + str(alarm['priority']))}"),
            ("alarm.flags", " · ".join(flags)),
            ("alarm.place", self._places.get(alarm["place"], alarm["place"])),
            ("alarm.device", f"{view.pick(alarm['device_name'])} ({alarm['device']})"),
            ("alarm.raised", f"{view.stamp(alarm['raised_at'])} ({view.age(alarm['raised_at'])})"),
            ("alarm.returned", view.stamp(alarm["returned_at"]) if alarm["returned_at"] else ""),
            ("alarm.repeats", str(alarm["count"]) if alarm["count"] > 1 else ""),
            ("alarm.owner", view.person(alarm["assignee"]) if alarm["assignee"] else ""),
            ("alarm.escalation", str(alarm["escalation_level"]) if alarm["escalation_level"] else ""),
            ("alarm.cost", yuan(alarm["cost_fen"]) if alarm["cost_fen"] is not None else ""),
            ("alarm.rule", alarm["rule"]),
        ]
        if alarm["acknowledged_by"]:
            by = f"{view.person(alarm['acknowledged_by'])} · {view.stamp(alarm['acknowledged_at'])}"
            known.append(("alarm.acknowledged_by", by))
        return [pair for pair in known if pair[1]]

    def _paint_suppression(self, alarm: Row) -> None:
        view = self._view
        parts = [view.t(f"alarm_set.{alarm['suppression']}")]
        if alarm["suppressed_until"]:
            parts.append(f"{view.t('alarms.until')} {view.stamp(alarm['suppressed_until'])}")
        parts.append(alarm["suppression_reason"] or "")
        if alarm["suppression"] != "suppressed_by_design":
            parts.append(view.person(alarm["suppressed_by"]))
        self._strip(" · ".join(filter(None, parts)), alarm["parent_alarm_id"])

    def _strip(self, text: str, parent: int | None = None) -> None:
        with box("strip"):
            tag("span", text)
            if parent:
                tag("a", self._view.t("alarm.parent"), "ghost small", href=f"/alarms/{parent}")

    def _paint_actions(self, alarm: Row, device: Row) -> None:
        view, may = self._view, self._view.may("acknowledge")
        with box("actions"):
            if may and alarm["state"] in _WAITING:
                self._button("alarm.acknowledge", partial(self._acknowledge, alarm["id"]), "solid")
                self._one("note", "alarm.acknowledge_note", alarm)
            if may and alarm["state"] == "latched_acknowledged":
                self._one("reset", "alarm.reset", alarm)
            command_buttons(view, device, self._ask)
            if may and alarm["state"] != "normal":
                if alarm["suppression"] == "shelved":
                    self._one("unshelve", "alarm.unshelve", alarm)
                elif not alarm["suppression"] and not alarm["life_safety"]:
                    self._one("shelve", "alarm.shelve", alarm)
                self._button("alarm.assign", partial(self._assign, alarm["id"]))
            if may:
                self._one("comment", "alarm.comment", alarm)
            self._paint_links(alarm)
            self._one("evidence", "alarm.evidence", alarm)
            if view.may("maintain") and not alarm["suppression"] and not alarm["life_safety"]:
                self._one("out_of_service", "maintenance.take_out", alarm)
            tag("a", view.t("alarm.open_device"), "ghost", href=f"/devices/{device['id']}")
            tag("a", view.t("alarm.on_plan"), "ghost", href=address_of(view, alarm["device"], alarm["place"]))

    def _button(self, label: str, work: Any, classes: str = "ghost") -> None:
        tag("button", self._view.t(label), classes, type="button").on("click", self._view.act(work))

    def _one(self, name: str, label: str, alarm: Row) -> None:
        async def do(_: object = None) -> None:
            await self._actions.one(name, alarm)

        self._button(label, do)

    def _paint_links(self, alarm: Row) -> None:
        links = alarm["links"] or {}
        for kind, reference in links.items():
            text = f"{self._view.t('alarm.work_order')} {reference}"
            if kind in self._actions.links:
                tag("a", text, "ghost", href=f"{self._actions.links[kind]}{reference}")
            else:
                tag("span", text, "ghost")
        if "work_order" not in links and "workorders.open" in self._view.hub.context.ports and self._view.may("work"):
            self._one("work_order", "alarm.open_order", alarm)

    def _paint_values(self, device: Row) -> None:
        view = self._view
        tag("h3", view.t("alarm.values"))
        self._values = {}
        with box("facts", "dl"):
            for point in device["points"]:
                tag("dt", view.pick(point["label"]))
                shown = tag("dd", view.value(point["value"], point))
                self._values[str(point["id"])] = (shown, point)
        if not device["points"]:
            tag("p", view.t("device.no_points"), "muted")

    async def _paint_trend(self, alarm: Row, device: Row) -> None:
        point = telling_point(alarm, device["points"])
        self._trend.set_visibility(point is not None)
        if point is None:
            return
        view, raised = self._view, alarm["raised_at"]
        assert isinstance(raised, datetime)
        until = max(min(raised + AFTER, view.now()), raised + timedelta(minutes=1))
        trend = await view.hub.reads.trend(view.principal, point["id"], raised - _BEFORE, until, 300)
        limit = alarm["limit_value"] if point["name"] == alarm["point"] else None
        self._trend.set_visibility(bool(trend.rows))
        self._chart.options.clear()
        self._chart.options.update(trend_options(view, trend, raised, limit))
        self._chart.update()
        self._twin.head(twin_columns(view, trend))
        self._twin.show(trend_rows(view, trend)[:100])

    async def _acknowledge(self, alarm_id: int, _: Any = None) -> None:
        await self._actions.acknowledge([alarm_id])

    async def _assign(self, alarm_id: int, _: Any = None) -> None:
        await self._actions.assign([alarm_id])

    def _tick(self, alarm_id: int, step: int, done: bool) -> Any:
        return self._view.act(self._log_step)(alarm_id, step, done, "")

    def _note_step(self, alarm_id: int, step: int, done: bool) -> None:
        view, t = self._view, self._view.t

        async def do(note: str) -> None:
            await self._log_step(alarm_id, step, done, note)

        view.ask(f"{t('alarm.step_note')} {step}", "", t("alarm.save"), do, field=t("alarm.note"),
                 needed=t("alarm.comment_needed"))  # fmt: skip

    async def _log_step(self, alarm_id: int, step: int, done: bool, note: str) -> None:
        try:
            await self._view.hub.context.alarms.log_step(await self._view.who(), alarm_id, step, note, done)
        except Exception:
            self._said, self._behind = None, True  # the browser shows the tick that was not logged
            raise
        await self.refresh()

    async def first_command(self, alarm_id: int) -> None:
        """The key `o`: the first command the role may give at the device of this alarm, which is shown first."""
        if self._alarm is None or not alarm_id == self._alarm["id"] == self._id:
            await self.choose(alarm_id)
        if self._alarm is None or self._alarm["id"] != alarm_id:
            return  # another one was chosen meanwhile
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

    @property
    def shown(self) -> bool:
        return bool(self._id)

    def wants(self, change: Change) -> bool:
        """The values that are shown, what was asked of the devices here and what these say, whom the alarm was told."""
        if not self.shown:
            return False
        if change.topic == "point":
            return change.key in self._values or self._painting.locked()
        here = (self._device["id"] if self._device else 0, *self._near)
        return change.topic == "notice" or (
            change.topic in ("command", "event") and change.data.get("device_id") in here
        )

    async def changed(self, changes: list[Change]) -> None:
        """Live changes: this alarm and the values at once, commands, events and messages with the next `tidy`."""
        for change in changes:
            if change.topic == "command" and self._progress.knows(change.key):
                self._progress.show(change.data)
            elif change.topic == "point":
                if self._painting.locked():
                    self._heard[change.key] = change
                self._show_value(change)
        self._moved |= any(change.topic in ("command", "event", "notice") for change in changes)
        if any(change.topic == "alarm" and change.key == str(self._id) for change in changes):
            self._behind = True
            if self._view.now() - self._painted > _REST:
                await self.refresh()

    def _show_value(self, change: Change) -> None:
        if change.key in self._values:
            shown, point = self._values[change.key]
            shown.text = self._view.value(change.data.get("value"), point)

    async def tidy(self) -> None:
        """Paint what changed faster than it is worth painting."""
        if self._behind:
            await self.refresh()
        elif self._moved and self._alarm is not None and self._device is not None:
            async with self._painting:
                try:
                    await self._paint_around(self._alarm, self._device)
                except Exception:
                    self._moved = True
                    raise
