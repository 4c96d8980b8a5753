"""Doors and barriers by building: how each stands, what it said last, and opening it with a reason and its proof."""

from collections.abc import Iterable
from typing import Any

from api.pages.alarm_parts import CutLine, data_text
from api.pages.commands import CommandDialog, CommandProgress
from api.pages.shell import Shell
from api.pages.view import View
from api.pages.widgets import DoorBoard, head
from hub.live import Change
from hub.model import Quality
from hub.store.database import Row

KINDS = frozenset({"door", "barrier"})
STATE_POINT = {"door": "open", "barrier": "position"}
SETTLE_S = 0.2
MOST = 500
_COLUMNS = {
    "place": "device.place", "name": "alarm.device", "code": "devices.code", "word": "devices.state",
    "locked": "doors.lock", "link_word": "doors.link", "alarms": "alarms.title", "event": "doors.event",
    "at": "device.time",
}  # fmt: skip
_UNTRUSTED = Quality.BAD | Quality.CLOCK


def install(shell: Shell) -> None:
    """Put the doors into the shell."""

    async def build(view: View, _: int | None) -> None:
        await DoorsPage(view).build()

    shell.add("/doors", "nav.doors", "meeting_room", 12, build)


class DoorsPage:
    """One open board of doors."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._devices: dict[int, Row] = {}
        self._points: dict[str, int] = {}  # point id -> its device

    async def build(self) -> None:
        view, t = self._view, self._view.t
        head(t("doors.title"))
        self._cut = CutLine(view, "doors.cut", MOST)
        rows = await self._rows(self._ids())
        self._dialog = CommandDialog(view, self._sent)
        self._progress = CommandProgress(view)
        self._board = DoorBoard(
            rows=rows, places=await view.places(), t=self._words(), zone=view.zone, me=view.principal.actor,
            now=round(view.now().timestamp() * 1000),
        )  # fmt: skip
        self._board.on("command", lambda event: view.act(self._command)(event.args))
        self._board.on("export", lambda event: view.act(self._export)(event.args))
        view.follow(self._wants, self._changed, self._reload, settle_s=SETTLE_S)

    def _ids(self) -> list[int]:
        devices = self._view.hub.context.devices.values()
        home = self._view.principal.community_id
        ids = [d.id for d in devices if d.community_id == home and d.kind_name in KINDS]
        self._cut.show(len(ids) > MOST)
        return ids[:MOST]

    async def _rows(self, ids: Iterable[int]) -> list[dict[str, Any]]:
        view, wanted = self._view, set(ids)
        devices = await view.hub.reads.several(view.principal, wanted) if wanted else []
        alarms = await view.hub.context.alarms.urgent(view.principal, devices=wanted) if wanted else []
        by_device: dict[int, list[Row]] = {}
        for alarm in alarms:
            by_device.setdefault(alarm["device_id"], []).append(alarm)
        for device in devices:
            self._devices[device["id"]] = device
            self._points |= {str(point["id"]): device["id"] for point in device["points"]}
        return [self._plain(device, by_device.get(device["id"], [])) for device in devices]

    def _plain(self, device: Row, alarms: list[Row]) -> dict[str, Any]:
        view = self._view
        state, told = standing(device)
        at = told["ts"] if told else None
        word = view.value(told["value"], told) if told else ""
        return {
            "id": device["id"], "code": device["code"], "name": view.pick(device["name"]), "place": device["place"],
            "kind": device["kind"], "state": state,
            "word": view.t("door_state.unknown") if state == "unknown" else word,
            "last": "" if state != "unknown" or not told else
            f"{view.t('doors.last_known')} {word} · {view.stamp(at)}",
            "locked": lock_word(view, device) if state != "unknown" else "",
            "link": device["state"] or "none", "link_word": view.t(f"device_state.{device['state'] or 'none'}"),
            "at": round(at.timestamp() * 1000) if at else None,
            "alarms": [{"id": alarm["id"], "priority": alarm["priority"], "state": alarm["state"],
                        "title": view.pick(alarm["title"])} for alarm in alarms],
            "events": [{"id": str(event["id"]), "time": view.stamp(event["ts"]), "text": view.pick(event["label"]),
                        "data": data_text(view, event).replace("—", "")} for event in device["events"]],
            "commands": [{"name": command["name"], "label": view.pick(command["label"]),
                          "allowed": command["allowed"]} for command in device["commands"]],
        }  # fmt: skip

    def _words(self) -> dict[str, Any]:
        t = self._view.t
        return {
            "search": t("doors.search"), "all": t("doors.all"), "abnormal": t("doors.abnormal"),
            "unknown": t("door_state.unknown"), "open": t("door_state.open"), "list": t("doors.title"),
            "empty": t("doors.empty"), "empty_hint": t("doors.empty_hint"), "empty_filter": t("doors.empty_filter"),
            "no_events": t("device.no_events"), "not_allowed": t("command.not_allowed"), "count": t("doors.count"),
            "export": t("list.export"),
            "priorities": ["", *(t(f"priority.{level}") for level in range(1, 5))], "units": self._view.units(),
        }  # fmt: skip

    async def _command(self, argument: object) -> None:
        """A button of a card, as the browser sent it: [device id, command]."""
        number, name = argument if isinstance(argument, list) and len(argument) == 2 else (0, "")
        device = self._devices.get(number) if isinstance(number, int) else None
        found = [command for command in (device or {}).get("commands", []) if command["name"] == name]
        if device and found and found[0]["allowed"]:
            self._dialog.ask(device, found[0])

    async def _export(self, argument: object) -> None:
        """The doors as they are shown, in their order: [sort, device ids]."""
        sort, ids = argument if isinstance(argument, list) and len(argument) == 2 else ("", [])
        view, places = self._view, await self._view.places()
        rows = {row["id"]: self._exported(row, places) for row in await self._rows(self._ids())}
        chosen = [rows[one] for one in ids if isinstance(one, int) and one in rows] if isinstance(ids, list) else []
        columns = [(key, view.t(label)) for key, label in _COLUMNS.items()]
        await view.save_as(str(sort), view.t("doors.title"), columns, chosen)

    def _exported(self, row: dict[str, Any], places: dict[str, str]) -> dict[str, Any]:
        last = next(iter(self._devices[row["id"]]["events"]), None)
        return {
            **row, "place": places.get(row["place"], row["place"]),
            "alarms": "; ".join(alarm["title"] for alarm in row["alarms"]),
            "event": self._view.pick(last["label"]) if last else "",
            "at": self._view.date_time(last["ts"] if last else None),
        }  # fmt: skip

    async def _sent(self, row: Row) -> None:
        self._progress.show(row)

    def _wants(self, change: Change) -> bool:
        if change.topic == "point":
            return change.key in self._points
        if change.topic == "device":
            return int(change.key) in self._devices
        if change.topic == "command" and self._progress.knows(change.key):
            return True
        return change.topic in ("event", "alarm") and change.data.get("device_id") in self._devices

    async def _changed(self, changes: list[Change]) -> None:
        touched = set()
        for change in changes:
            if change.topic == "command":
                self._progress.show(change.data)
            elif change.topic == "point":
                touched.add(self._points[change.key])
            else:
                touched.add(int(change.key) if change.topic == "device" else change.data["device_id"])
        if touched:
            self._board.run_method("upsert", await self._rows(touched))

    async def _reload(self) -> None:
        self._board.run_method("replace", await self._rows(self._ids()))


def standing(device: Row) -> tuple[str, Row | None]:
    """The code of a door's or barrier's position, `unknown` where nobody can say now; and the point, if it ever said.

    Unknown: never heard, not connected, the device itself could not tell, or its clock is wrong.
    """
    name = STATE_POINT[device["kind"]]
    point = next((one for one in device["points"] if one["name"] == name), None)
    if point is None or point["value"] is None:
        return "unknown", None
    code = next((code for code, number in point["values"].items() if number == point["value"]), None)
    trusted = device["state"] == "connected" and not (point["quality"] or 0) & _UNTRUSTED
    return (code if trusted and code in ("open", "closed", "moving") else "unknown"), point if code else None


def lock_word(view: View, device: Row) -> str:
    """Locked or unlocked, where the device says so."""
    point = next((one for one in device["points"] if one["name"] == "locked" and one["value"] is not None), None)
    return view.value(point["value"], point) if point else ""
