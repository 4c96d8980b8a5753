"""The floor plan: drawings with what stands on them, and each device under its place, alarms counted at all levels."""

from typing import Any
from urllib.parse import quote

from api.pages.alarm_parts import MOST, CutLine, live_alarms
from api.pages.shell import Shell
from api.pages.view import View
from api.pages.widgets import PlanView, head
from api.routes.plans import PREFIX
from hub.catalog.plans import Drawing, drawing_of
from hub.live import Change
from hub.store.database import Row

SETTLE_S = 0.5
_DRAWING_WORDS = (
    "plan.drawing", "plan.zoom_in", "plan.zoom_out", "plan.whole", "plan.off_drawing", "plan.arrange",
    "plan.arrange_end", "plan.arrange_hint", "plan.arrange_file", "plan.unplaced", "plan.copy",
    "plan.copied", "plan.download",
)  # fmt: skip
_STATES = ("connected", "silent", "offline", "error", "none")


def install(shell: Shell) -> None:
    """Put the plan into the shell."""

    async def build(view: View, _: int | None) -> None:
        await PlanPage(view).build()

    shell.add("/plan", "nav.plan", "map", 14, build)


def address_of(view: View, device: str, place: str) -> str:
    """The page that shows a device: the drawing it stands on, else its place in the tree."""
    site = view.hub.reads.plan(view.principal)
    drawn = drawing_of(place, site.drawings) if device in site.devices else None
    return f"/plan#{quote(place if drawn is None else drawn)}"


class PlanPage:
    """One open plan."""

    def __init__(self, view: View) -> None:
        self._view = view

    async def build(self) -> None:
        view, t = self._view, self._view.t
        head(t("plan.title"))
        self._cut = CutLine(view, "alarms.cut", MOST)
        self._plan = PlanView(
            places=await self._places(), drawings=self._drawings(),
            file=f"{view.membership.code}.positions.csv" if view.may("configure") else "",
            devices=await self._devices(), alarms=await self._alarms(), t=self._words(),
        )  # fmt: skip
        view.follow(("alarm", "device"), self._changed, self._reload, settle_s=SETTLE_S)

    def _words(self) -> dict[str, Any]:
        t = self._view.t
        return {
            "community": self._view.pick(self._view.membership.name) or t("app.name"), "table": t("device.table"),
            "place": t("alarm.place"), "devices": t("devices.title"), "ill": t("plan.ill"), "hall": t("plan.hall"),
            "devices_unit": t("devices.count"), "ill_unit": t("devices.ill"), "alarms_unit": t("plan.alarms_unit"),
            "alarms": t("nav.alarms"), "no_devices": t("plan.no_devices"), "empty": t("plan.empty"),
            "empty_hint": t("plan.empty_hint"), **{word.removeprefix("plan."): t(word) for word in _DRAWING_WORDS},
            "states": {state: t(f"device_state.{state}") for state in _STATES},
            "priorities": ["", *(t(f"priority.{level}") for level in range(1, 5))],
        }  # fmt: skip

    async def _places(self) -> list[dict[str, Any]]:
        view, spots = self._view, self._view.hub.reads.plan(self._view.principal).places
        names = await view.places(again=True)
        return [{"path": row["path"], "kind": row["kind"], "name": names[row["path"]], "at": spots.get(row["path"])}
                for row in await view.hub.reads.places(view.principal)]  # fmt: skip

    def _drawings(self) -> dict[str, dict[str, Any]]:
        site = self._view.hub.reads.plan(self._view.principal)
        return {path: _image(drawing) for path, drawing in site.drawings.items()}

    async def _devices(self) -> list[dict[str, Any]]:
        view, spots = self._view, self._view.hub.reads.plan(self._view.principal).devices
        rows = await view.shared("plan-devices", self._read_devices)
        return [{"id": row["id"], "code": row["code"], "name": view.pick(row["name"]), "place": row["place"],
                 "state": row["state"] or "none", "at": spots.get(row["code"])} for row in rows]  # fmt: skip

    async def _read_devices(self) -> list[Row]:
        rows, after = list[Row](), ""
        while part := await self._view.hub.reads.devices(self._view.principal, after=after):
            rows += part
            after = part[-1]["code"]
        return rows

    async def _alarms(self) -> list[dict[str, Any]]:
        rows, cut = await live_alarms(self._view)
        self._cut.show(cut)
        return [self._alarm(row) for row in rows]

    def _alarm(self, row: Row) -> dict[str, Any]:
        kept = ("id", "device_id", "place", "priority", "state", "suppression")
        return {**{key: row[key] for key in kept}, "title": self._view.pick(row["title"])}

    async def _changed(self, changes: list[Change]) -> None:
        alarms = [self._alarm(change.data) for change in changes if change.topic == "alarm"]
        devices = [{"id": int(change.key), "state": change.data.get("state") or "none"}
                   for change in changes if change.topic == "device"]  # fmt: skip
        self._plan.run_method("upsert", alarms, devices)

    async def _reload(self) -> None:
        site = await self._places(), self._drawings()  # the site file may be another one by now
        self._plan.run_method("replace", await self._alarms(), await self._devices(), *site)


def _image(drawing: Drawing) -> dict[str, Any]:
    return {"src": PREFIX + drawing.name, "ratio": drawing.width / drawing.height}
