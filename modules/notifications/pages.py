"""Notifications on a screen: channels, webhooks, deliveries. No logic: it shows and does what the service gives."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from hub.errors import Refused
from hub.store.database import Row
from modules.notifications import words
from modules.notifications.ladder import NOBODY
from modules.notifications.service import Notifications
from modules.notifications.webhooks import TYPES

_CHOICES = {
    "sounding": [TYPES[name] for name in ("annunciated", "settled")],
    "everything": [TYPES[name] for name in TYPES if name != "test"],
}
_NAMES = {name: event for event, name in TYPES.items()}
_REPLAYED = timedelta(days=30)


def add_pages(shell: Any, service: Notifications) -> None:
    """The page `/notifications`."""

    async def build(view: Any, _: int | None) -> None:
        await NotificationsPage(view, service).build()

    shell.add("/notifications", words.TITLE, "campaign", 45, build, right="maintain")


class NotificationsPage:
    """One open page of notifications."""

    def __init__(self, view: Any, service: Notifications) -> None:
        self._view = view
        self._service = service
        self._filter = "all"
        self._names: dict[str, str] = {}
        self._endpoints: dict[int, Row] = {}
        self._channels: dict[str, Row] = {}
        self._rows: dict[int, Row] = {}

    def _say(self, key: str) -> str:
        return str(self._view.pick(words.SAYS[key]))

    async def build(self) -> None:
        view = self._view
        with view.head(view.pick(words.TITLE)), view.box("figures"):
            self._figure = view.tag("span", "", "muted", role="status")
        self._alert = view.tag("p", "", "wrong", role="alert")
        self._secret = view.box("")
        with view.panel(self._say("channels")):
            self._channel_table = self._table(words.CHANNEL_COLUMNS, "no_channels", self._ask_channel)
        with view.panel(self._say("webhooks")):
            if view.may("configure"):
                with view.box("actions"):
                    add = view.tag("button", self._say("add"), "ghost", type="button")
                    add.on("click", self._ask_new)
            self._endpoint_table = self._table(words.ENDPOINT_COLUMNS, "no_webhooks", self._ask_endpoint)
        with view.panel(self._say("deliveries")):
            with view.box("segmented", role="group", aria_label=self._say("deliveries")):
                self._buttons = {
                    name: view.tag("button", view.pick(text), type="button").on("click", self._chooser(name))
                    for name, (text, _) in words.FILTERS.items()
                }
            self._table_of_deliveries = self._table(words.DELIVERY_COLUMNS, "no_deliveries", self._ask_delivery)
        await self._show()
        view.follow(["notice"], self._show, self._show, 0.3)

    def _table(self, columns: Any, empty: str, ask: Callable[[object], None]) -> Any:
        view = self._view
        table = view.table(
            [(key, view.pick(name), sort) for key, (name, sort) in columns.items()], [], self._say(empty)
        )
        table.on("action", lambda event: ask(event.args))
        return table

    def _chooser(self, name: str) -> Callable[..., Any]:
        async def choose(_: object = None) -> None:
            self._filter = name
            await self._show()

        return self._view.act(choose)  # type: ignore[no-any-return]

    # -- showing -------------------------------------------------------------------------------------------------

    async def _show(self, _changes: object = None) -> None:
        view = self._view
        who, asked = view.principal, self._filter
        channels = await self._service.channels(who)
        endpoints = await self._service.endpoints.recent(who) if view.may("configure") else []
        rows = await self._service.recent(who, states=words.FILTERS[asked][1], limit=100)
        if asked != self._filter:
            return  # others were asked for meanwhile, and may stand there already
        self._channels = {row["id"]: row for row in channels}
        self._endpoints = {row["id"]: row for row in endpoints}
        self._rows = {row["id"]: row for row in rows}
        self._names = {f"channel:{row['id']}": view.pick(row["name"]) for row in channels}
        self._names |= {f"webhook:{row['id']}": row["name"] for row in endpoints}
        failing = sum(row["failing"] for row in [*channels, *endpoints])
        waiting = sum(row["waiting"] for row in [*channels, *endpoints])
        waits = view.pick(words.FILTERS["waiting"][0])
        self._figure.text = f"{self._say('failing')} {failing} · {waits} {waiting}"
        for name, button in self._buttons.items():
            button.props["aria-pressed"] = "true" if name == self._filter else "false"
            button.update()
        self._channel_table.show([self._channel_cells(row) for row in channels])
        self._endpoint_table.show([self._endpoint_cells(row) for row in endpoints])
        self._table_of_deliveries.show([self._delivery_cells(row) for row in rows])

    def _channel_cells(self, row: Row) -> dict[str, Any]:
        view = self._view
        can = ["test"] if row["on"] and view.may("configure") else []
        return {
            "id": row["id"],
            "name": view.pick(row["name"]),
            "state": self._health_cell(row, on=row["on"]),
            "service": row["service"] if row["on"] else "—",
            "sort": self._sort(row) if row["on"] else "—",
            **self._counts(row),
            "fallback": self._names.get(f"channel:{row['fallback']}", row["fallback"]) or "—",
            "actions": self._actions(can),
        }

    def _endpoint_cells(self, row: Row) -> dict[str, Any]:
        view = self._view
        mark, word = words.ENDPOINTS[row["state"]]
        state = {"mark": mark, "text": view.pick(word), "tone": "ill" if row["state"] == "disabled" else ""}
        can = ["test", "pause", "rotate"] if row["state"] == "active" else ["resume", "rotate", "remove"]
        can += ["replay"] if row["dead"] else []
        events = [view.pick(words.EVENTS[_NAMES[name]]) for name in row["types"] if name in _NAMES]
        return {
            "id": row["id"],
            "name": row["name"],
            "state": self._health_cell(row, on=True) if row["state"] == "active" else state,
            "url": row["url"],
            "types": "、".join(events) if view.language == "zh-CN" else ", ".join(events),
            **self._counts(row),
            "trouble": row["detail"] or row["trouble"] or "—",
            "actions": self._actions(can),
        }

    def _sort(self, row: Row) -> str:
        to = self._say("personal" if row["personal"] else "group")
        return f"{to} · {self._say('answerable')}" if row["answerable"] else to

    def _counts(self, row: Row) -> dict[str, Any]:
        view = self._view
        return {
            "waiting": f"{row['waiting']} / {row['dead']}",
            "delivered": view.stamp(row["delivered_at"]) if row["delivered_at"] else "—",
            "trouble": row["trouble"] or "—",
        }

    def _health_cell(self, row: Row, *, on: bool) -> dict[str, str]:
        view = self._view
        if not on:
            return {"mark": "○", "text": self._say("off"), "tone": ""}
        if row["failing"]:
            again = f" · {self._say('retry')} {view.stamp(row['retry_at'])}" if row["retry_at"] else ""
            return {"mark": "!", "text": self._say("failing") + again, "tone": "ill"}
        return {"mark": "✓", "text": self._say("well" if row["delivered_at"] else "unused"), "tone": ""}

    def _delivery_cells(self, row: Row) -> dict[str, Any]:
        view = self._view
        mark, word = words.STATES[row["state"]]
        again = row["state"] == "queued" and row["attempts"]
        tone = "ill" if row["state"] == "dead" or again else "done" if row["state"] in ("rerouted", "cancelled") else ""
        alarm = f"/alarms/{row['alarm_id']}" if row["alarm_id"] else ""
        pending = row["state"] in ("queued", "held")
        can = ["replay"] if row["state"] == "dead" and row["detail"] != NOBODY and view.may("replay") else []
        return {
            "id": row["id"],
            "created": view.stamp(row["created_at"]),
            "state": {"mark": mark, "text": view.pick(words.RETRYING if again else word), "tone": tone},
            "event": {"text": " · ".join(filter(None, [view.pick(words.EVENTS[row["event"]]), row["title"]])),
                      "href": alarm},
            "target": self._names.get(row["target"], row["target"]),
            "name": row["name"] or "—",
            "attempts": str(row["attempts"]),
            "next": view.stamp(row["due_at"] if pending else row["finished_at"]),
            "detail": row["detail"] or self._acknowledged(row) or "—",
            "actions": self._actions(can),
        }  # fmt: skip

    def _acknowledged(self, row: Row) -> str:
        at = row["acknowledged_at"]
        return f"✓ {self._say('acknowledged')} {self._view.stamp(at)}" if at else ""

    def _actions(self, names: list[str]) -> list[tuple[str, str]]:
        return [(name, self._view.pick(words.ACTIONS[name])) for name in names]

    # -- doing ---------------------------------------------------------------------------------------------------

    def _ask_channel(self, argument: object) -> None:
        row, action = self._chosen(argument, self._channels)
        if row is None or action != "test":
            return

        async def do() -> None:
            await self._service.test_channel(await self._view.who(), row["id"])
            self._alert.text = self._say("tested")

        self._ask(action, self._view.pick(row["name"]), do)

    def _ask_endpoint(self, argument: object) -> None:
        row, action = self._chosen(argument, self._endpoints)
        if row is not None and action in words.ACTIONS:
            number, name = int(row["id"]), str(row["name"])
            self._ask(action, name, lambda: self._do_endpoint(number, action))

    async def _do_endpoint(self, number: int, action: str) -> None:
        who, service = await self._view.who(), self._service
        if action == "test":
            await service.endpoints.test(who, number)
        elif action == "pause":
            await service.endpoints.pause(who, number)
        elif action == "resume":
            await service.endpoints.resume(who, number)
        elif action == "rotate":
            self._show_secret(await service.endpoints.rotate(who, number))
        elif action == "replay":
            await service.replay_since(who, f"webhook:{number}", self._view.now() - _REPLAYED)
        else:
            await service.endpoints.remove(who, number)

    def _ask_delivery(self, argument: object) -> None:
        row, action = self._chosen(argument, self._rows)
        if row is not None and action == "replay":
            number: int = row["id"]

            async def do() -> None:
                await self._service.replay(await self._view.who(), number)

            self._ask(action, self._names.get(row["target"]) or str(row["target"]), do)

    def _ask_new(self, _: object = None) -> None:
        view = self._view
        options = [(name, self._say(name)) for name in _CHOICES]

        async def do(given: dict[str, str]) -> None:
            async def create() -> None:
                types = _CHOICES.get(given["types"], _CHOICES["sounding"])
                _, secret = await self._service.endpoints.create(await view.who(), given["name"], given["url"], types)
                self._show_secret(secret)

            await self._guarded(create)

        fields = [
            view.field("name", self._say("name"), needed=self._say("needed")),
            view.field("url", self._say("address"), needed=self._say("needed")),
            view.field("types", self._say("types"), sort="choice", value="sounding", options=options),
        ]
        view.form(self._say("add"), "", self._say("add"), do, fields)

    def _ask(self, action: str, what: str, work: Callable[[], Awaitable[None]]) -> None:
        async def do(_: str) -> None:
            await self._guarded(work)

        yes = self._view.pick(words.ACTIONS[action])
        self._view.ask(f"{yes}：{what}" if self._view.language == "zh-CN" else f"{yes}: {what}",
                       self._view.pick(words.QUESTIONS[action]), yes, do)  # fmt: skip

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do it; a refusal of ours is said in its own words at the top of the page."""
        self._alert.text = ""
        try:
            await work()
        except Refused as error:
            if error.code not in words.REFUSALS:
                raise
            self._alert.text = self._view.pick(words.REFUSALS[error.code])
        await self._show()

    def _show_secret(self, secret: str) -> None:
        view = self._view
        self._secret.clear()
        with self._secret, view.panel(self._say("secret")):
            view.tag("code", secret, "mono")
            with view.box("actions"):
                view.tag("button", self._say("hide"), "ghost", type="button").on("click", self._secret.clear)

    def _chosen(self, argument: object, rows: dict[Any, Row]) -> tuple[Row | None, str]:
        """A button of a row, as the browser sent it: [row id, action]."""
        number, action = argument if isinstance(argument, list) and len(argument) == 2 else (None, "")
        known = rows.get(number) if isinstance(number, int | str) else None
        return known, action if isinstance(action, str) else ""
