"""The floor plan: every device under its place, alarms counted at every level above them."""

from typing import Any

from api.pages.alarm_parts import MOST, CutLine, live_alarms
from api.pages.shell import Shell
from api.pages.view import View
from api.pages.widgets import PlanView, head
from hub.live import Change
from hub.store.database import Row

SETTLE_S = 0.5
_STATES = ("connected", "silent", "offline", "error", "none")


def install(shell: Shell) -> None:
    """Put the plan into the shell."""

    async def build(view: View, _: int | None) -> None:
        await PlanPage(view).build()

    shell.add("/plan", "nav.plan", "map", 14, build)


class PlanPage:
    """One open plan."""

    def __init__(self, view: View) -> None:
        self._view = view

    async def build(self) -> None:
        view, t = self._view, self._view.t
        head(t("plan.title"))
        self._cut = CutLine(view, "alarms.cut", MOST)
        names = await view.places()
        places = await view.hub.reads.places(view.principal)
        self._plan = PlanView(
            places=[{"path": row["path"], "kind": row["kind"], "name": names[row["path"]]} for row in places],
            devices=await self._devices(), alarms=await self._alarms(), t=self._words(),
        )  # fmt: skip
        self._plan.on("reload", view.act(self._reload))
        view.follow(("alarm", "device"), self._changed, self._reload, settle_s=SETTLE_S)

    def _words(self) -> dict[str, Any]:
        t = self._view.t
        return {
            "community": self._view.pick(self._view.membership.name) or t("app.name"), "table": t("device.table"),
            "place": t("alarm.place"), "devices": t("devices.title"), "ill": t("plan.ill"), "hall": t("plan.hall"),
            "devices_unit": t("devices.count"), "ill_unit": t("devices.ill"), "alarms_unit": t("plan.alarms_unit"),
            "alarms": t("nav.alarms"), "no_devices": t("plan.no_devices"), "empty": t("plan.empty"),
            "empty_hint": t("plan.empty_hint"),
            "states": {state: t(f"device_state.{state}") for state in _STATES},
            "priorities": ["", *(t(f"priority.{level}") for level in range(1, 5))],
        }  # fmt: skip

    async def _devices(self) -> list[dict[str, Any]]:
        view, rows, after = self._view, list[Row](), ""
        while part := await view.hub.reads.devices(view.principal, after=after):
            rows += part
            after = part[-1]["code"]
        return [{"id": row["id"], "code": row["code"], "name": view.pick(row["name"]), "place": row["place"],
                 "state": row["state"] or "none"} for row in rows]  # fmt: skip

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

    async def _reload(self, _: object = None) -> None:
        self._plan.run_method("replace", await self._alarms(), await self._devices())
