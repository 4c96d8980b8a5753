"""The alarm desk: the live list on the left, everything about the chosen alarm on the right."""

from typing import Any

from nicegui import ui

from api.pages.alarm_detail import AlarmDetail
from api.pages.shell import Shell
from api.pages.view import View
from api.pages.widgets import AlarmList, box, head, tag
from hub.alarms.desk import alarm_json
from hub.live import Change

MOST = 500
BUDGET = 10
_WHOLE = ("title", "device", "place", "state", "priority")


def install(shell: Shell) -> None:
    """Put the alarm desk into the shell."""

    async def build(view: View, number: int | None) -> None:
        await AlarmPage(view, shell.links).build(number)

    shell.add("/", "nav.alarms", "notifications", 10, build)
    shell.add_below("/alarms/{number}", "/", build)


class AlarmPage:
    """One open alarm desk."""

    def __init__(self, view: View, links: dict[str, str]) -> None:
        self._view = view
        self._links = links

    async def build(self, chosen: int | None) -> None:
        view = self._view
        rows = await view.hub.context.alarms.recent(view.principal, live=True, limit=MOST)
        places = await view.places()
        with head(view.t("alarms.title")), box("figures"), box("figure", title=view.t("alarms.budget_hint")) as figure:
            tag("span", view.t("alarms.budget"), "muted")
            self._rate = tag("b", "0")
            tag("span", f"/ {BUDGET}", "muted")
        self._figure = figure
        with box("desk"):
            self._list = AlarmList(
                rows=[alarm_json(row) for row in rows],
                places=places,
                t=self._words(),
                zone=view.zone,
                zh=view.language.startswith("zh"),
                now=round(view.now().timestamp() * 1000),
                start=chosen or 0,
            )
            self._detail = AlarmDetail(view, self._links, places)
        self._keys = self._key_dialog()
        self._list.on("choose", lambda event: view.act(self._detail.choose)(_number(event.args)))
        self._list.on("acknowledge", lambda event: view.act(self._acknowledge)(_number(event.args)))
        self._list.on("command", lambda event: view.act(self._detail.first_command)(_number(event.args)))
        self._list.on("help", lambda: self._keys.open() if not self._keys.value else self._keys.close())
        view.follow(self._wants, self._changed, self._reload)
        await self._show_rate()
        ui.timer(5.0, view.act(self._show_rate))
        if chosen is not None:
            await self._detail.choose(chosen)

    async def _acknowledge(self, alarm_id: int) -> None:
        await self._view.hub.context.alarms.acknowledge(await self._view.who(), alarm_id)

    def _wants(self, change: Change) -> bool:
        return change.topic == "alarm" or self._detail.wants(change)

    async def _changed(self, changes: list[Change]) -> None:
        alarms = [await self._whole(change) for change in changes if change.topic == "alarm"]
        if alarms:
            self._list.run_method("upsert", alarms)
        await self._detail.changed(changes)

    async def _whole(self, change: Change) -> dict[str, Any]:
        """The change itself where it carries the alarm, else the alarm as it now stands."""
        if all(key in change.data for key in _WHOLE):
            return change.data
        return alarm_json(await self._view.hub.context.alarms.show(self._view.principal, int(change.key)))

    async def _reload(self) -> None:
        rows = await self._view.hub.context.alarms.recent(self._view.principal, live=True, limit=MOST)
        self._list.run_method("replace", [alarm_json(row) for row in rows])
        await self._show_rate()
        await self._detail.refresh()

    async def _show_rate(self) -> None:
        counts = await self._view.hub.reads.counts(self._view.principal)
        self._rate.text = str(counts["alarm_rate"])
        self._figure.classes(
            add="over" if counts["alarm_rate"] > BUDGET else "", remove="" if counts["alarm_rate"] > BUDGET else "over"
        )

    def _words(self) -> dict[str, Any]:
        t = self._view.t
        states = ("active_unacknowledged", "active_acknowledged", "returned_unacknowledged", "normal")
        return {
            "search": t("alarms.search"),
            "list": t("alarms.list"),
            "all": t("alarms.all"),
            "fresh": t("alarms.new"),
            "sound_on": t("alarms.sound_on"),
            "sound_off": t("alarms.sound_off"),
            "mute": t("alarms.mute"),
            "empty": t("alarms.empty"),
            "empty_hint": t("alarms.empty_hint"),
            "empty_filter": t("alarms.empty_filter"),
            "life": t("alarm.life_safety"),
            "states": {state: t(f"alarm_state.{state}") for state in states},
            "priorities": ["", *(t(f"priority.{level}") for level in range(1, 5))],
            "units": self._view.units(),
        }

    def _key_dialog(self) -> ui.dialog:
        t = self._view.t
        with ui.dialog() as dialog, box("dialog"):
            dialog.props["aria-label"] = t("keys.title")
            tag("h2", t("keys.title"))
            with box("keys"):
                for key, name in (
                    ("j", "next"),
                    ("k", "previous"),
                    ("a", "acknowledge"),
                    ("o", "open"),
                    ("/", "search"),
                    ("m", "mute"),
                    ("?", "help"),
                ):
                    tag("kbd", key)
                    tag("span", t(f"keys.{name}"))
        return dialog


def _number(argument: object) -> int:
    """An alarm id as the browser sent it; 0, which no alarm has, for anything else."""
    value = argument[0] if isinstance(argument, list) and argument else argument
    return value if isinstance(value, int) and 0 < value < 2**62 else 0
