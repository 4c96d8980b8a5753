"""A dialog with a few fields, made once a page: it hands what was typed to the service, and says what that refuses."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from nicegui import ui

from hub.errors import Refused
from hub.store.database import NotThere
from modules.duty.words import FORM_CANCEL, FORM_MISSING, FORM_NEEDED, FORM_OTHER, FORM_REFUSED, FORM_WORKING

Work = Callable[[dict[str, str]], Awaitable[object]]


@dataclass(frozen=True)
class Field:
    """A line of a form. `sort`: text, area, date, time, datetime-local, number, tel, select (with `options`), check."""

    name: str
    label: dict[str, str]
    sort: str = "text"
    value: str = ""
    options: Sequence[tuple[str, str]] = ()
    needed: bool = False
    most: int = 200


def refusal(error: Exception, view: Any) -> str:
    """What a person is told of it."""
    if isinstance(error, NotThere):
        return str(view.pick(FORM_MISSING))
    code = error.code if isinstance(error, Refused) else ""
    return str(view.pick(FORM_REFUSED[code])) if code in FORM_REFUSED else f"{view.pick(FORM_OTHER)}{error}"


class Form:
    """The dialog. To be made while the page is built."""

    def __init__(self, view: Any) -> None:
        self._view = view
        self._asked = object()
        with ui.dialog() as self._dialog, view.box("dialog") as self._body:
            pass

    def open(self, title: str, yes: str, fields: Sequence[Field], work: Work, *, text: str = "") -> None:
        """Ask; on yes do `work` with what was typed, by name. What it refuses leaves the form open and is said."""
        view = self._view
        self._body.clear()
        self._dialog.props["aria-label"] = title
        values = {field.name: field.value for field in fields}
        with self._body:
            view.tag("h2", title)
            if text:
                view.tag("p", text, "muted")
            for field in fields:
                self._paint(field, values)
            wrong = view.tag("p", "", "wrong", role="alert")
            with view.box("actions"):
                view.tag("button", view.pick(FORM_CANCEL), "ghost", type="button").on("click", self._dialog.close)
                send = view.tag("button", yes, "solid", type="button")

        asked, sent = object(), False
        self._asked = asked

        async def done(_: object = None) -> None:
            nonlocal sent
            if sent:
                return  # the second click of a double one
            empty = [view.pick(field.label) for field in fields if field.needed and not values[field.name].strip()]
            wrong.text = view.pick(FORM_NEEDED) + "、".join(empty) if empty else ""
            if empty:
                return
            sent, saved = True, False
            send.props["disabled"] = True
            send.update()
            wrong.text = view.pick(FORM_WORKING)
            try:
                await work(values)
            except (Refused, NotThere) as error:
                wrong.text = refusal(error, view)
            except ValueError:
                wrong.text = view.pick(FORM_REFUSED["bad_value"])
            else:
                saved, wrong.text = True, ""
                if self._asked is asked:  # not a form that was opened meanwhile
                    self._dialog.close()
            finally:
                sent = saved
                send.props["disabled"] = False
                send.update()

        send.on("click", view.act(done))
        self._dialog.open()

    def _paint(self, field: Field, values: dict[str, str]) -> None:
        view = self._view
        if field.sort == "check":
            with view.box("check", "label"):
                line = view.box("", "input", type="checkbox")
                view.tag("span", view.pick(field.label))
            line.on("change", lambda event: values.update({field.name: "1" if event.args else ""}),
                    js_handler="(e) => emit(e.target.checked)")  # fmt: skip
            return
        with view.box("field", "label"):
            view.tag("span", view.pick(field.label))
            line = self._line(field)

        def keep(event: Any) -> None:
            typed = str(event.args)[: field.most]
            if field.sort != "select" or typed in dict(field.options):
                values[field.name] = typed

        line.on("change" if field.sort == "select" else "input", keep, js_handler="(e) => emit(e.target.value)")

    def _line(self, field: Field) -> Any:
        view = self._view
        if field.sort == "select":
            line = view.box("search", "select")
            with line:
                for value, label in field.options:
                    chosen = {"selected": "true"} if value == field.value else {}
                    view.tag("option", label, "", value=value, **chosen)
            return line
        if field.sort == "area":
            return view.tag("textarea", field.value, "search", rows="4", maxlength=str(field.most))
        return view.box("search", "input", type=field.sort, value=field.value, maxlength=str(field.most))


def style(name: str) -> str:
    """A style sheet of this module, for the head of a page."""
    return f"<style>{files('modules.duty').joinpath(name).read_text('utf-8')}</style>"
