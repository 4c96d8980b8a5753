"""All devices by place, live."""

from datetime import datetime
from typing import Any

from api.pages.shell import Shell
from api.pages.view import View
from api.pages.widgets import DeviceTree, head
from hub.live import Change
from hub.store.database import Row

_STATES = ("connected", "silent", "offline", "error", "none")


def install(shell: Shell) -> None:
    """Put the device list into the shell."""

    async def build(view: View, _: int | None) -> None:
        await DevicesPage(view).build()

    shell.add("/devices", "nav.devices", "sensors", 20, build)


class DevicesPage:
    """One open device list."""

    def __init__(self, view: View) -> None:
        self._view = view

    async def build(self) -> None:
        view, t = self._view, self._view.t
        head(t("devices.title"))
        words = {
            "search": t("devices.search"), "abnormal": t("devices.abnormal_only"), "count": t("devices.count"),
            "expand": t("devices.expand"), "collapse": t("devices.collapse"), "never": t("devices.never"),
            "empty": t("devices.empty"), "empty_hint": t("devices.empty_hint"), "ill": t("devices.ill"),
            "empty_filter": t("devices.empty_filter"), "units": view.units(),
            "states": {state: t(f"device_state.{state}") for state in _STATES},
        }  # fmt: skip
        self._tree = DeviceTree(
            devices=await self._rows(),
            places=await view.places(),
            t=words,
            now=round(view.now().timestamp() * 1000),
        )
        view.follow(("device", "alarm"), self._changed, self._reload, settle_s=1.0)

    async def _rows(self) -> list[dict[str, Any]]:
        rows: list[Row] = []
        after = ""
        while True:
            part = await self._view.hub.reads.devices(self._view.principal, after=after)
            rows += part
            if len(part) < 500:
                return [self._plain(row) for row in rows]
            after = part[-1]["code"]

    def _plain(self, row: Row) -> dict[str, Any]:
        return {
            "id": row["id"], "code": row["code"], "name": self._view.pick(row["name"]), "place": row["place"],
            "kind": self._view.pick(row["kind_label"]), "state": row["state"], "seen": _ms(row["seen"]),
            "alarms": row["alarms"],
        }  # fmt: skip

    async def _changed(self, changes: list[Change]) -> None:
        if any(change.topic == "alarm" for change in changes):
            await self._reload()
            return
        now = round(self._view.now().timestamp() * 1000)
        states = [{"id": int(c.key), "state": c.data.get("state")} for c in changes]
        self._tree.run_method(
            "upsert", [{**one, "seen": now} if one["state"] == "connected" else one for one in states]
        )

    async def _reload(self) -> None:
        self._tree.run_method("replace", await self._rows())


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1000)
