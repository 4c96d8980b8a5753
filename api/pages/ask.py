"""The one question of a page: what is about to happen, perhaps a few words about it, and yes or no."""

from collections.abc import Awaitable, Callable

from nicegui import ui

from api.pages.widgets import box, tag
from api.texts import Texts

Guard = Callable[[Callable[..., Awaitable[None]]], Callable[..., Awaitable[None]]]


class Ask:
    """A dialog, made once a page and painted anew for every question."""

    def __init__(self, t: Texts, guard: Guard) -> None:
        self._t = t
        self._guard = guard
        with ui.dialog() as self._dialog, box("dialog") as self._body:
            pass

    def open(
        self, title: str, text: str, yes: str, work: Callable[[str], Awaitable[None]], *, field: str = "",
        needed: str = "",
    ) -> None:  # fmt: skip
        """Ask; on yes do `work` with what was typed (at most 200 characters), then close.

        `field` labels a line to type in; with `needed` it must not stay empty, and that is what is said then.
        """
        self._body.clear()
        self._dialog.props["aria-label"] = title
        typed = [""]
        with self._body:
            tag("h2", title)
            tag("p", text, "muted")
            line = self._line(field, typed) if field else None
            wrong = tag("p", "", "wrong", role="alert")
            with box("actions"):
                tag("button", self._t("command.cancel"), "ghost", type="button").on("click", self._dialog.close)
                send = tag("button", yes, "solid", type="button")

        async def done(_: object = None) -> None:
            if needed and not typed[0].strip():
                wrong.text = needed
                return
            await work(typed[0].strip()[:200])
            self._dialog.close()

        send.on("click", self._guard(done))
        if line is not None:
            line.on("keydown.enter", self._guard(done))
        self._dialog.open()

    def _line(self, label: str, typed: list[str]) -> ui.element:
        with box("field", "label"):
            tag("span", label)
            line = box("search", "input", type="text", maxlength="200", autofocus="true")

        def keep(event: object) -> None:
            typed[0] = str(getattr(event, "args", ""))

        return line.on("input", keep, js_handler="(e) => emit(e.target.value)")
