"""The one question of a page: what is about to happen, perhaps a few words about it, and yes or no."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from nicegui import ui
from nicegui.element import Element

from api.pages.widgets import box, tag
from api.texts import Texts

Guard = Callable[[Callable[..., Awaitable[None]]], Callable[..., Awaitable[None]]]
_LONGEST = {"area": 2000, "own": 100_000}


@dataclass(frozen=True)
class Field:
    """One thing to fill in. `sort`: text, area, choice (of `options`: value and label), own (of an element that `make`
    makes; it is given what to call with each new value), or an HTML input type.

    A text with `options` offers them while one types.
    With `needed` it must not stay empty, and that is what is said then.
    """

    name: str
    label: str
    sort: str = "text"
    value: str = ""
    options: Sequence[tuple[str, str]] = ()
    needed: str = ""
    make: Callable[[Callable[[str], None]], Element] | None = None

    @property
    def most(self) -> int:
        return _LONGEST.get(self.sort, 200)


class Ask:
    """A dialog, made once a page and painted anew for every question."""

    def __init__(self, t: Texts, guard: Guard) -> None:
        self._t = t
        self._guard = guard
        self._asked = object()
        with ui.dialog() as self._dialog, box("dialog") as self._body:
            pass

    def open(
        self, title: str, text: str, yes: str, work: Callable[[str], Awaitable[None]], *, field: str = "",
        needed: str = "",
    ) -> None:  # fmt: skip
        """Ask; on yes do `work` with what was typed (at most 200 characters), then close.

        `field` labels a line to type in; with `needed` it must not stay empty, and that is what is said then.
        """

        async def do(given: dict[str, str]) -> None:
            await work(given.get("line", ""))

        self.form(title, text, yes, do, [Field("line", field, needed=needed)] if field else [])

    def form(
        self, title: str, text: str, yes: str, work: Callable[[dict[str, str]], Awaitable[None]],
        fields: Sequence[Field],
    ) -> None:  # fmt: skip
        """The same with several fields; `work` is given name -> what was filled in, without blanks around it."""
        self._body.clear()
        self._dialog.props["aria-label"] = title
        own = any(field.make for field in fields)
        self._body.classes(add="wide" if own else "", remove="" if own else "wide")
        typed = {field.name: field.value for field in fields}
        with self._body:
            tag("h2", title)
            if text:
                tag("p", text, "muted")
            lines = [self._field(field, typed, first=field is fields[0]) for field in fields]
            wrong = tag("p", "", "wrong", role="alert")
            with box("actions"):
                tag("button", self._t("command.cancel"), "ghost", type="button").on("click", self._dialog.close)
                send = tag("button", yes, "solid", type="button")

        asked, sent = object(), False
        self._asked = asked

        async def done(_: object = None) -> None:
            nonlocal sent
            if sent:
                return  # the second click of a double one
            given = {field.name: typed[field.name].strip()[: field.most] for field in fields}
            wrong.text = next((field.needed for field in fields if field.needed and not given[field.name]), "")
            if wrong.text:
                return
            sent = True
            try:
                await work(given)
            except BaseException:
                sent = False  # it may be tried again
                raise
            if self._asked is asked:  # not a question that was opened meanwhile
                self._dialog.close()

        send.on("click", self._guard(done))
        for field, line in zip(fields, lines, strict=True):
            if field.sort not in ("area", "choice", "own"):
                line.on("keydown.enter", self._guard(done))
        self._dialog.open()

    def _field(self, field: Field, typed: dict[str, str], *, first: bool) -> ui.element:
        if field.make is not None:
            with box("field"):
                tag("span", field.label)
                return field.make(lambda value: typed.update({field.name: value}))
        focus = {"autofocus": "true"} if first else {}
        with box("field", "label"):
            tag("span", field.label)
            if field.sort == "choice":
                line = box("search", "select", **focus)
                with line:
                    for value, label in field.options:
                        here = {"selected": "true"} if value == field.value else {}
                        tag("option", label, "", value=value, **here)
            elif field.sort == "area":
                line = box("search area", "textarea", maxlength=str(field.most), rows="4", **focus)
                line._props["defaultValue"] = field.value  # "value" would undo the typing at the next repaint
            else:
                line = box("search", "input", type=field.sort, maxlength=str(field.most), **focus)
                line._props["defaultValue"] = field.value  # "value" would undo the typing at the next repaint
                if field.options:
                    line._props["list"] = f"options-{field.name}"
                    with box("", "datalist", id=f"options-{field.name}"):
                        for value, label in field.options:
                            tag("option", label, "", value=value)

        def keep(event: object) -> None:
            typed[field.name] = str(getattr(event, "args", ""))

        # Both: a date typed by hand says "input", a choice says "change".
        line.on("input", keep, js_handler="(e) => emit(e.target.value)")
        return line
