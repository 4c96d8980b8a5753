"""Asking for a command: confirm, give a reason, then watch until the device itself proves it."""

from collections.abc import Awaitable, Callable
from uuid import uuid4

from nicegui.element import Element

from api.pages.view import View
from api.pages.widgets import box, tag
from hub.store.database import Row


def command_buttons(view: View, device: Row, ask: Callable[[Row], Awaitable[None]]) -> None:
    """A button for each command of a device; those the role may not give are shown but shut."""
    for command in device["commands"]:
        button = box("ghost", "button", type="button")
        with button:
            tag("span", view.pick(command["label"]))
        if command["allowed"]:
            button.on("click", lambda _, command=command: view.act(ask)(command))
        else:
            button._props["disabled"] = True
            button._props["title"] = view.t("command.not_allowed")


class CommandDialog:
    """The question before a command; every opening has its own idempotency key, so a double click asks once."""

    def __init__(self, view: View, on_sent: Callable[[Row], Awaitable[None]]) -> None:
        self._view = view
        self._on_sent = on_sent

    def ask(self, device: Row, command: Row) -> None:
        """Ask for a command of a device."""
        view, key = self._view, uuid4().hex

        async def send(reason: str) -> None:
            row = await view.hub.context.commands.request(
                await view.who(), device["id"], command["name"], reason, key
            )  # fmt: skip
            await self._on_sent(row)

        view.ask(
            f"{view.pick(command['label'])}: {view.pick(device['name'])}",
            f"{view.t('command.confirm')} {view.t('command.sent_note')}",
            view.t("command.send"),
            send,
            field=view.t("command.reason"),
            needed=view.t("command.reason_needed") if command["reason_required"] else "",
        )


class CommandProgress:
    """How the commands given from this page stand, newest first."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._rows: dict[str, Row] = {}
        self._box: Element = box("", aria_live="polite")

    def reset(self) -> None:
        self._rows.clear()
        self._box.clear()

    def show(self, row: Row) -> None:
        """A command or its next step; rows of others are ignored unless first shown here."""
        self._rows[str(row["id"])] = row
        self._paint()

    def knows(self, key: str) -> bool:
        return key in self._rows

    def _paint(self) -> None:
        self._box.clear()
        with self._box:
            for row in reversed(list(self._rows.values())[-3:]):
                with box(f"progress {row['state']}"):
                    tag("b", self._view.word("command_state", row["state"]))
                    if row["detail"] and row["state"] != "confirmed":
                        tag("span", row["detail"], "muted")
