"""Asking for a command: confirm, give a reason, then watch until the device itself proves it."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from nicegui import ui
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
    """One dialog a page; every opening has its own idempotency key, so a double click asks once."""

    def __init__(self, view: View, on_sent: Callable[[Row], Awaitable[None]]) -> None:
        self._view = view
        self._on_sent = on_sent
        with ui.dialog() as self._dialog, box("dialog") as self._body:
            pass

    def ask(self, device: Row, command: Row) -> None:
        """Open for a command of a device."""
        view, key = self._view, uuid4().hex
        self._body.clear()
        with self._body:
            tag("h2", f"{view.pick(command['label'])}: {view.pick(device['name'])}")
            tag("p", f"{view.t('command.confirm')} {view.t('command.sent_note')}", "muted")
            with box("field", "label"):
                tag("span", view.t("command.reason"))
                reason = box("search", "input", type="text", maxlength="200", autofocus="true")
            typed = {"reason": ""}
            reason.on(
                "input", lambda event: typed.update(reason=str(event.args)), js_handler="(e) => emit(e.target.value)"
            )
            wrong = tag("p", "", "wrong")
            with box("actions"):
                tag("button", view.t("command.cancel"), "ghost", type="button").on("click", self._dialog.close)
                send = tag("button", view.t("command.send"), "solid", type="button")

            async def sent(_: Any = None) -> None:
                if command["reason_required"] and not typed["reason"].strip():
                    wrong.text = view.t("command.reason_needed")
                    return
                row = await view.hub.context.commands.request(
                    await view.who(), device["id"], command["name"], typed["reason"][:200], key
                )
                self._dialog.close()
                await self._on_sent(row)

            send.on("click", view.act(sent))
            reason.on("keydown.enter", view.act(sent))
        self._dialog.open()


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
                    if row["detail"]:
                        tag("span", row["detail"], "muted")
