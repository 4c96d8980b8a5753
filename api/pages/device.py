"""One device: values now, trend with its table, events, commands with their proof, raw frames, configuration."""

from datetime import datetime, timedelta
from typing import Any

from nicegui import ui
from nicegui.element import Element

from api.pages.alarm_parts import data_text
from api.pages.charts import trend_options, trend_rows, twin_columns
from api.pages.commands import CommandDialog, CommandProgress, command_buttons
from api.pages.shell import Shell
from api.pages.view import View
from api.pages.widgets import Table, box, facts, icon, panel, tag
from api.texts import quality_text
from hub.live import Change
from hub.store.database import Row

SPANS = {"1h": timedelta(hours=1), "24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}
_FRAME_DAYS = timedelta(days=7)
_HEX_SHOWN = 256
REDRAW_S = 10.0


def install(shell: Shell) -> None:
    """Put the device page into the shell."""

    async def build(view: View, number: int | None) -> None:
        await DevicePage(view, number or 0).build()

    shell.add_below("/devices/{number}", "/devices", build)


class DevicePage:
    """One open device page."""

    def __init__(self, view: View, number: int) -> None:
        self._view = view
        self._id = number
        self._span = "1h"
        self._point = 0
        self._tiles: dict[str, tuple[Element, Any, Any, Row]] = {}

    async def build(self) -> None:
        view = self._view
        device = await view.hub.reads.device(view.principal, self._id)
        self._device = device
        ui.context.client.title = f"{view.pick(device['name'])} · {view.t('app.name')}"
        self._dialog = CommandDialog(view, self._sent)
        self._places = await view.places()
        self._paint_head(device, self._places)
        with box("columns"):
            with box("side"):
                self._paint_points(device)
                self._paint_commands(device)
                self._paint_profile(device)
            with box("side"):
                self._paint_trend_frame(device)
                with panel(view.t("device.events"), "events"):
                    columns = [
                        ("time", view.t("device.time")),
                        ("event", view.t("device.event")),
                        ("data", view.t("device.data")),
                    ]
                    self._events = Table(columns, [], view.t("device.no_events"))
                await self._paint_frames()
        await self._show_events()
        await self._show_commands()
        await self._show_trend()
        view.follow(self._wants, self._changed, self._reload)
        ui.timer(5.0, self._age)
        ui.timer(REDRAW_S, view.act(self._redraw))

    def _paint_head(self, device: Row, places: dict[str, str]) -> None:
        view = self._view
        with box("page-head"):
            with tag("a", "", "ghost", href="/devices", title=view.t("device.all"), aria_label=view.t("device.all")):
                icon("arrow_back")
            with box(""):
                tag("h1", view.pick(device["name"]))
                kind = view.pick(device["kind_label"])
                tag("p", f"{kind} · {places.get(device['place'], device['place'])} · {device['code']}", "muted")
            with box("figures"):
                self._state = tag("span", "", "state-word")
                self._seen = tag("span", "", "muted")
        self._show_state(device["state"], device["seen"])

    def _show_state(self, state: str | None, seen: datetime | None) -> None:
        self._device |= {"state": state, "seen": seen}
        view, word = self._view, state or "none"
        mark = {"connected": "●", "silent": "◐", "offline": "○", "error": "✕", "none": "·"}[word]
        self._state.text = f"{mark} {view.t('device_state.' + word)}"
        ill = word in ("silent", "offline", "error")
        self._state.classes(add="ill" if ill else "", remove="" if ill else "ill")
        self._seen.text = f"{view.t('devices.seen')} {view.stamp(seen)} ({view.age(seen)})" if seen else ""

    def _paint_points(self, device: Row) -> None:
        view = self._view
        with panel(view.t("device.points")):
            if not device["points"]:
                tag("p", view.t("device.no_points"), "empty-line")
            with box("points"):
                for point in device["points"]:
                    self._paint_point(point)
        if device["points"]:
            drawn = next((point for point in device["points"] if point["type"] != "state"), device["points"][0])
            self._choose(drawn["id"])

    def _paint_point(self, point: Row) -> None:
        view = self._view
        with box("point", "button", type="button", title=view.t("device.trend")) as tile:
            tag("span", view.pick(point["label"]), "label")
            value = tag("span", "", "value")
            age = tag("span", "", "age")
        tile.on("click", lambda _, number=point["id"]: view.act(self._change_point)(number))
        self._tiles[str(point["id"])] = (tile, value, age, point)
        self._show_point(str(point["id"]))

    def _show_point(self, key: str) -> None:
        tile, value, age, point = self._tiles[key]
        value.text = self._view.value(point["value"], point)
        bad = bool(point["quality"])
        quality = f"{quality_text(point['quality'], self._view.t)} · " if bad else ""
        age.text = quality + (self._view.age(point["ts"]) if point["ts"] else "—")
        tile.classes(add="bad" if bad else "", remove="" if bad else "bad")

    def _age(self) -> None:
        self._show_state(self._device["state"], self._device["seen"])
        for key in self._tiles:
            self._show_point(key)

    def _choose(self, number: int) -> None:
        self._point = number
        for key, (tile, *_) in self._tiles.items():
            tile._props["aria-pressed"] = "true" if key == str(number) else "false"
            tile.update()

    async def _change_point(self, number: int) -> None:
        self._choose(number)
        await self._show_trend()

    def _paint_trend_frame(self, device: Row) -> None:
        view = self._view
        if not device["points"]:
            return
        with box("panel trend", "section"):
            with box("trend-head"):
                tag("h2", view.t("device.trend"))
                refresh = tag("button", "", "ghost", type="button", aria_label=view.t("device.refresh"))
                refresh._props["title"] = view.t("device.refresh")
                with refresh.on("click", view.act(self._refresh)):
                    icon("refresh")
                with box("segmented", role="group", aria_label=view.t("device.trend")):
                    self._spans = {span: tag("button", view.t(f"span.{span}"), type="button") for span in SPANS}
                for span, button in self._spans.items():
                    button.on("click", lambda _, span=span: view.act(self._change_span)(span))
            self._chart = ui.echart({"series": []}).classes("chart")
            self._nothing = tag("p", view.t("device.no_data"), "empty-line")
            with box("", "details"):
                tag("summary", view.t("device.table"))
                self._twin = Table([], [], view.t("device.no_data"))

    async def _change_span(self, span: str) -> None:
        self._span = span
        await self._show_trend()

    async def _refresh(self, _: object = None) -> None:
        await self._show_trend()

    async def _redraw(self) -> None:
        """The short span moves on by itself; the long ones hardly change while somebody looks."""
        if self._span == "1h":
            await self._show_trend()

    async def _show_trend(self) -> None:
        if not self._point:
            return
        for span, button in self._spans.items():
            button._props["aria-pressed"] = "true" if span == self._span else "false"
            button.update()
        now = self._view.now()
        trend = await self._view.hub.reads.trend(self._view.principal, self._point, now - SPANS[self._span], now, 500)
        self._nothing.set_visibility(not trend.rows)
        self._chart.set_visibility(bool(trend.rows))
        self._chart.options.clear()
        self._chart.options.update(trend_options(self._view, trend))
        self._chart.update()
        self._twin.head(twin_columns(self._view, trend))
        self._twin.show(trend_rows(self._view, trend)[:200])

    def _paint_commands(self, device: Row) -> None:
        view = self._view
        with panel(view.t("device.commands")):
            if device["commands"]:
                with box("actions"):
                    command_buttons(view, device, self._ask)
            else:
                tag("p", view.t("command.none"), "muted")
            self._progress = CommandProgress(view)
            columns = [
                ("time", view.t("device.time")),
                ("command", view.t("device.command")),
                ("state", view.t("devices.state")),
                ("by", view.t("device.requested_by")),
                ("reason", view.t("command.reason")),
                ("proof", view.t("command.proof"), "mono"),
            ]
            self._commands = Table(columns, [], view.t("device.no_commands"))
            self._commands.set_visibility(bool(device["commands"]))

    async def _ask(self, command: Row) -> None:
        self._dialog.ask(self._device, command)

    async def _sent(self, row: Row) -> None:
        self._progress.show(row)
        await self._show_commands()

    async def _show_commands(self) -> None:
        view = self._view
        rows = await view.hub.context.commands.recent(view.principal, device_id=self._id, limit=10)
        labels = {command["name"]: view.pick(command["label"]) for command in self._device["commands"]}
        self._commands.show(
            [
                {
                    "id": str(row["id"]),
                    "time": view.stamp(row["requested_at"]),
                    "command": labels.get(row["name"], row["name"]),
                    "state": view.word("command_state", row["state"]),
                    "by": row["requested_by"].partition(":")[2],
                    "reason": row["reason"] or "—",
                    "proof": str(row["proof"])[:8] if row["proof"] else "—",
                }
                for row in rows
            ]
        )

    async def _show_events(self) -> None:
        view = self._view
        rows = await view.hub.reads.events(view.principal, device_id=self._id, limit=20)
        self._events.show(
            [
                {
                    "id": str(row["id"]),
                    "time": view.stamp(row["ts"]),
                    "event": view.pick(row["label"]),
                    "data": data_text(view, row),
                }
                for row in rows
            ]
        )

    async def _paint_frames(self) -> None:
        view = self._view
        with panel(view.t("device.frames"), "frames"):
            if not view.may("work"):
                tag("p", view.t("device.hidden"), "empty-line")
                return
            now = view.now()
            rows = await view.hub.reads.frames(view.principal, self._id, now - _FRAME_DAYS, now, 10)
            columns = [
                ("time", view.t("device.time")),
                ("source", view.t("device.source")),
                ("bytes", view.t("device.bytes"), "mono"),
            ]
            Table(
                columns,
                [
                    {
                        "id": str(row["key"]),
                        "time": view.stamp(row["received"]),
                        "source": row["source"],
                        "bytes": row["raw"][:_HEX_SHOWN].hex(" ") + (" …" if len(row["raw"]) > _HEX_SHOWN else ""),
                    }
                    for row in rows
                ],
                view.t("device.no_frames"),
            )

    def _paint_profile(self, device: Row) -> None:
        view = self._view
        known = [
            ("device.number", str(device["id"])),
            ("devices.code", device["code"]),
            ("device.model", device["profile"]),
            ("device.bus", device["bus"]),
            ("device.place", f"{self._places.get(device['place'], '')} ({device['place']})"),
            ("device.multiplier", f"×{device['multiplier']}"),
        ]
        if device["since"]:
            known.append(("device.since", view.stamp(device["since"])))
        if device["detail"]:
            known.append(("device.detail", device["detail"]))
        with panel(view.t("device.profile"), "profile"):
            facts((view.t(key), value) for key, value in known)

    def _wants(self, change: Change) -> bool:
        if change.topic == "point":
            return change.key in self._tiles
        if change.topic == "device":
            return change.key == str(self._id)
        return change.topic in ("event", "command") and change.data.get("device_id") == self._id

    async def _changed(self, changes: list[Change]) -> None:
        topics = set()
        for change in changes:
            topics.add(change.topic)
            if change.topic == "point":
                self._take_point(change)
            elif change.topic == "device":
                self._show_state(change.data.get("state"), self._view.now())
            elif change.topic == "command" and self._progress.knows(change.key):
                self._progress.show(change.data)
        if "event" in topics:
            await self._show_events()
        if "command" in topics:
            await self._show_commands()

    def _take_point(self, change: Change) -> None:
        point = self._tiles[change.key][3]
        point["value"] = change.data.get("value")
        point["quality"] = change.data.get("quality")
        point["ts"] = datetime.fromisoformat(change.data["ts"])
        self._device["seen"] = max(self._device["seen"] or point["ts"], point["ts"])
        self._show_point(change.key)

    async def _reload(self) -> None:
        device = await self._view.hub.reads.device(self._view.principal, self._id)
        self._show_state(device["state"], device["seen"])
        for point in device["points"]:
            if entry := self._tiles.get(str(point["id"])):
                entry[3].update(point)
                self._show_point(str(point["id"]))
        await self._show_events()
        await self._show_commands()
