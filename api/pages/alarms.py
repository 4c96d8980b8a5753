"""The alarm desk: the live list on the left, everything about the chosen alarm on the right."""

from typing import Any

from nicegui import ui

from api.pages.alarm_actions import AlarmActions
from api.pages.alarm_detail import AlarmDetail
from api.pages.alarm_parts import MOST, CutLine, live_alarms
from api.pages.shell import Shell
from api.pages.view import View
from api.pages.widgets import AlarmList, box, head, tag
from hub.alarms.desk import alarm_json
from hub.live import Change
from hub.store.database import Row

Listed = list[dict[str, Any]]

AT_ONCE = 500
RATE_S, TIDY_S = 5.0, 1.0
_LISTED = (
    "id", "rule", "priority", "state", "life_safety", "title", "text", "device", "device_name", "place", "raised_at",
    "count", "acknowledged_by", "assignee", "suppression", "suppressed_until", "suppressed_by", "suppression_reason",
    "parent_alarm_id", "first_out", "chattering", "historical", "annunciated_at", "active_since", "hides",
)  # fmt: skip
_COLUMNS = {
    "priority": "alarms.priority", "state": "devices.state", "title": "alarm.what", "text": "alarm.text",
    "place": "alarm.place", "device": "alarm.device", "raised": "alarm.raised", "count": "alarm.repeats",
    "owner": "alarm.owner", "acknowledged": "alarm.acknowledged_by", "returned": "alarm.returned",
    "suppression": "alarm.suppression", "reason": "command.reason", "rule": "alarm.rule", "id": "device.number",
}  # fmt: skip
_TABS = ("desk", "shelved", "suppressed", "out_of_service", "stale")
_STATES = (
    "active_unacknowledged", "active_acknowledged", "returned_unacknowledged", "latched_unacknowledged",
    "latched_acknowledged", "normal",
)  # fmt: skip
_FLAGS = ("first_out", "chattering", "historical", "latched")
_KEYS = (
    ("j", "next"), ("k", "previous"), ("x", "pick"), ("a", "acknowledge"), ("s", "shelve"), ("d", "assign"),
    ("c", "comment"), ("w", "work_order"), ("o", "open"), ("e", "evidence"), ("/", "search"), ("m", "mute"),
    ("Esc", "leave"), ("?", "help"),
)  # fmt: skip


def install(shell: Shell) -> None:
    """Put the alarm desk into the shell."""

    async def build(view: View, number: int | None) -> None:
        await AlarmPage(view, shell.links).build(number)

    shell.add("/alarms", "nav.alarms", "notifications", 10, build, home=["guard"])
    shell.add_below("/alarms/{number}", "/alarms", build)


class AlarmPage:
    """One open alarm desk."""

    def __init__(self, view: View, links: dict[str, str]) -> None:
        self._view = view
        self._desk = view.hub.context.alarms
        self._actions = AlarmActions(view, links)
        self._shelf: set[int] = set()
        self._shelf_moved = False

    async def build(self, chosen: int | None) -> None:
        view, t = self._view, self._view.t
        alarms, cut = await self._alarms()
        self._places = await view.places()
        with head(t("alarms.title")), box("figures"), box("figure", title=t("alarms.budget_hint")) as figure:
            tag("span", t("alarms.budget"), "muted")
            self._told = tag("b", "0")
            self._limit = tag("span", "", "muted")
        self._figure = figure
        self._cut = CutLine(view, "alarms.cut", MOST)
        self._cut.show(cut)
        with box("desk"):
            self._list = AlarmList(
                rows=[*alarms, *await self._shelved()],
                places=self._places, t=self._words(), zone=view.zone,
                zh=view.language.startswith("zh"), now=round(view.now().timestamp() * 1000), start=chosen or 0,
                me=view.principal.actor, may=view.may("acknowledge"), first=await self._storm(),
            )  # fmt: skip
            self._detail = AlarmDetail(view, self._actions, self._places)
        self._keys = self._key_dialog()
        self._list.on("choose", lambda event: view.act(self._detail.choose)(_number(event.args)))
        self._list.on("act", lambda event: view.act(self._act)(event.args))
        self._list.on("export", lambda event: view.act(self._export)(event.args))
        self._list.on("leave", self._detail.close)
        self._list.on("help", lambda: self._keys.open() if not self._keys.value else self._keys.close())
        again = view.follow(self._wants, self._changed, self._reload, topics=self._heeds)
        self._list.on("reload", again)
        await self._show_rate()
        ui.timer(RATE_S, view.act(self._show_rate))
        ui.timer(TIDY_S, view.act(self._tidy))
        if chosen is not None:
            await self._detail.choose(chosen)

    async def _act(self, argument: object) -> None:
        """What was asked at the list, as the browser sent it: [action, alarm ids]."""
        name, ids = argument if isinstance(argument, list) and len(argument) == 2 else ("", [])
        numbers = [number for one in ids if (number := _number(one))][:AT_ONCE] if isinstance(ids, list) else []
        if not numbers:
            return
        if name == "acknowledge":
            await self._actions.acknowledge(numbers)
        elif name == "assign":
            await self._actions.assign(numbers)
        elif name == "command":
            await self._detail.first_command(numbers[0])
        elif name == "shelve":
            await self._actions.shelve(numbers)
        elif name in ("comment", "work_order", "evidence"):
            await self._actions.one(name, await self._desk.show(self._view.principal, numbers[0]))

    async def _export(self, argument: object) -> None:
        """The list as it is shown, in its order: [sort, alarm ids]."""
        sort, ids = argument if isinstance(argument, list) and len(argument) == 2 else ("", [])
        by_id = {row["id"]: row for row in (await live_alarms(self._view))[0]}
        chosen = [by_id[number] for one in ids if (number := _number(one)) in by_id] if isinstance(ids, list) else []
        columns = [(key, self._view.t(label)) for key, label in _COLUMNS.items()]
        title = self._view.t("alarms.title")
        await self._view.save_as(str(sort), title, columns, [self._exported(row) for row in chosen])

    def _exported(self, row: Row) -> dict[str, object]:
        view = self._view
        return {
            **{key: row[key] for key in ("count", "rule", "id")},
            "priority": view.t(f"priority.{row['priority']}"), "state": view.t(f"alarm_state.{row['state']}"),
            "title": view.pick(row["title"]), "text": view.pick(row["text"]),
            "place": self._places.get(row["place"], row["place"]), "device": view.pick(row["device_name"]),
            "raised": view.date_time(row["raised_at"]), "returned": view.date_time(row["returned_at"]),
            "owner": view.person(row["assignee"]) if row["assignee"] else "",
            "acknowledged": view.person(row["acknowledged_by"]) if row["acknowledged_by"] else "",
            "suppression": view.t(f"alarm_set.{row['suppression']}") if row["suppression"] else "",
            "reason": row["suppression_reason"],
        }  # fmt: skip

    def _heeds(self, topic: str) -> bool:
        return topic in ("alarm", "storm") or self._detail.shown

    def _wants(self, change: Change) -> bool:
        return change.topic in ("alarm", "storm") or self._detail.wants(change)

    async def _changed(self, changes: list[Change]) -> None:
        alarms = [await self._whole(change) for change in changes if change.topic == "alarm"]
        if alarms:
            self._list.run_method("upsert", [listed(alarm) for alarm in alarms])
        self._shelf_moved |= any(alarm["suppression"] == "shelved" or alarm["id"] in self._shelf for alarm in alarms)
        if any(change.topic == "storm" for change in changes):
            self._list.run_method("setStorm", await self._storm())
        await self._detail.changed(changes)

    async def _whole(self, change: Change) -> dict[str, Any]:
        """The change itself where it carries the alarm, else the alarm as it now stands."""
        if all(key in change.data for key in _LISTED):
            return change.data
        return alarm_json(await self._desk.show(self._view.principal, int(change.key)))

    async def _reload(self) -> None:
        alarms, cut = await self._alarms()
        self._cut.show(cut)
        self._list.run_method("replace", alarms)
        self._list.run_method("shelve", await self._shelved())
        self._list.run_method("setStorm", await self._storm())
        await self._show_rate()
        await self._detail.refresh()

    async def _alarms(self) -> tuple[Listed, bool]:
        """The live alarms as the list shows them, and whether there are more."""

        async def read() -> tuple[Listed, bool]:
            rows, cut = await live_alarms(self._view)
            return [listed(alarm_json(row)) for row in rows], cut

        return await self._view.shared("alarms", read)

    async def _shelved(self) -> Listed:
        """The shelf: it belongs to the condition, so the alarm itself may be over."""

        async def read() -> Listed:
            rows = await self._desk.recent(self._view.principal, view="shelved", limit=AT_ONCE)
            return [listed(alarm_json(row)) for row in rows]

        shelf = await self._view.shared("shelf", read)
        self._shelf = {alarm["id"] for alarm in shelf}
        return shelf

    async def _tidy(self) -> None:
        """What need not be read again at every change: in a flood a desk would do nothing else."""
        if self._shelf_moved:
            self._shelf_moved = False
            try:
                self._list.run_method("shelve", await self._shelved())
            except Exception:
                self._shelf_moved = True
                raise
        await self._detail.tidy()

    async def _storm(self) -> dict[str, Any] | None:
        storm = await self._view.shared("storm", lambda: self._desk.storm(self._view.principal))
        if storm is None:
            return None
        told = {key: storm[key] for key in ("counted", "annunciated", "groups")}
        return {**told, "since": storm["since"].isoformat()}

    async def _show_rate(self) -> None:
        budget = await self._view.shared("budget", lambda: self._desk.budget(self._view.principal))
        self._told.text = str(budget["annunciated"])
        self._limit.text = f"/ {budget['limit']}"
        over = budget["annunciated"] >= budget["limit"]
        self._figure.classes(add="over" if over else "", remove="" if over else "over")

    def _words(self) -> dict[str, Any]:
        t = self._view.t
        return {
            "search": t("alarms.search"), "list": t("alarms.list"), "filter": t("alarms.filter"),
            "fresh": t("alarms.new"), "mine": t("alarms.mine"), "priority": t("alarms.priority"),
            "sound": t("alarms.sound"), "sound_on": t("alarms.sound_on"), "sound_off": t("alarms.sound_off"),
            "sound_blocked": t("alarms.sound_blocked"), "mute": t("alarms.mute"), "export": t("list.export"),
            "empty_filter": t("alarms.empty_filter"), "hidden": t("alarms.hidden"), "clear": t("alarms.clear"),
            "children_of": t("alarms.children_of"), "hides": t("alarms.hides"), "picked": t("alarms.picked"),
            "pick": t("alarms.pick"), "pick_all": t("alarms.pick_all"), "pick_none": t("alarms.pick_none"),
            "acknowledge": t("alarm.acknowledge"), "assign": t("alarm.assign"), "more": t("alarms.more"),
            "shelve": t("alarm.shelve"),
            "until": t("alarms.until"), "everywhere": t("alarms.everywhere"),
            "storm": t("alarms.storm"), "storm_since": t("alarms.storm_since"), "storm_told": t("alarms.storm_told"),
            "storm_counted": t("alarms.storm_counted"), "storm_none": t("alarms.storm_none"),
            "notices": {
                "on": t("alarms.notices_on"), "off": t("alarms.notices_off"), "blocked": t("alarms.notices_blocked"),
                "insecure": t("alarms.notices_insecure"),
            },
            "tabs": {name: t(f"alarm_tab.{name}") for name in _TABS},
            "empties": {name: t(f"alarm_empty.{name}") for name in _TABS},
            "hints": {name: t(f"alarm_hint.{name}") for name in _TABS},
            "flags": {"life": t("alarm.life_safety"), **{name: t(f"alarm_flag.{name}") for name in _FLAGS}},
            "states": {state: t(f"alarm_state.{state}") for state in _STATES},
            "priorities": ["", *(t(f"priority.{level}") for level in range(1, 5))],
            "units": self._view.units(),
        }  # fmt: skip

    def _key_dialog(self) -> ui.dialog:
        t = self._view.t
        with ui.dialog() as dialog, box("dialog"):
            dialog.props["aria-label"] = t("keys.title")
            tag("h2", t("keys.title"))
            with box("keys"):
                for key, name in _KEYS:
                    tag("kbd", key)
                    tag("span", t(f"keys.{name}"))
        return dialog


def listed(alarm: dict[str, Any]) -> dict[str, Any]:
    """What the list needs of an alarm: a change goes to every desk, the procedure need not."""
    return {key: alarm[key] for key in _LISTED}


def _number(argument: object) -> int:
    """An alarm id as the browser sent it; 0, which no alarm has, for anything else."""
    value = argument[0] if isinstance(argument, list) and argument else argument
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**62 else 0
