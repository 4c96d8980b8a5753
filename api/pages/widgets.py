"""The few elements our pages are made of. Whatever a device said goes through them as text, never as markup."""

from collections.abc import Iterable, Sequence
from typing import Any

from nicegui import ui
from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement


class AlarmList(Element, component="static/alarm_list.js"):
    """The live alarm list.

    Events: choose (alarm id), act [action, alarm ids], export [sort, alarm ids], reload, leave, help.
    Methods: upsert, replace, setStorm, select.
    """

    def __init__(self, **props: Any) -> None:
        super().__init__()
        self._props.update(props)


class DeviceTree(Element, component="static/device_tree.js"):
    """Devices under their places. Methods: upsert, replace."""

    def __init__(self, **props: Any) -> None:
        super().__init__()
        self._props.update(props)


class DoorBoard(Element, component="static/door_board.js"):
    """Doors and barriers as cards. Events: command [device id, name], export [sort, device ids],
    reload. Methods: upsert, replace."""

    def __init__(self, **props: Any) -> None:
        super().__init__()
        self._props.update(props)


class PlanView(Element, component="static/plan_view.js"):
    """Drawings and the plan drawn from the place tree. `file`: how the table of positions is called, "" for who may not
    change it. Event: reload. Methods: upsert(alarms, devices), replace(alarms, devices, places, drawings)."""

    def __init__(self, **props: Any) -> None:
        super().__init__()
        self._props.update(props)


class Pictures(Element, component="static/pictures.js"):
    """Stored pictures as thumbnails that open large. Items are {id, label, gone}; `words`: close, save, gone, none."""

    def __init__(self, words: dict[str, str]) -> None:
        super().__init__()
        self._props.update({"items": [], "t": words})

    def show(self, items: Sequence[dict[str, Any]]) -> None:
        """Other pictures; nothing is sent when they are the same."""
        fresh = list(items)
        if fresh != self._props["items"]:
            self._props["items"] = fresh
            self.update()


class PictureInput(Element, component="static/picture_input.js"):
    """A button that sends pictures to an address. Event: `sent` with "" or the code of what went wrong."""

    def __init__(self, url: str, add: str, busy: str) -> None:
        super().__init__()
        self._props.update({"url": url, "t": {"add": add, "busy": busy}})


class Table(Element, component="static/hub_table.js"):
    """A table that becomes cards on a phone. Event: `action` with [row id, action name].

    Columns are (key, label) or (key, label, sort). A cell is text, but of sort
    `link` {text, href}, `badge` {priority, label, state}, `chip` {text, mark, tone}, `actions` [[name, label], …].
    Of a row, `id` names it in events, `anchor` in addresses, `tone` is "" or "ill".
    """

    def __init__(self, columns: Sequence[tuple[str, ...]], rows: Sequence[dict[str, Any]], empty: str) -> None:
        super().__init__()
        self._props["columns"] = _columns(columns)
        self._props["rows"] = list(rows)
        self._props["empty"] = empty

    def show(self, rows: Sequence[dict[str, Any]]) -> None:
        """Other rows; nothing is sent when they are the same."""
        fresh = list(rows)
        if fresh != self._props["rows"]:
            self._props["rows"] = fresh
            self.update()

    def head(self, columns: Sequence[tuple[str, ...]]) -> None:
        """Other columns; to be followed by `show`."""
        self._props["columns"] = _columns(columns)
        self.update()


def cell_text(cell: object) -> str:
    """What a table's cell of any sort but `actions` says, as text for a file."""
    if isinstance(cell, dict):
        cell = cell.get("text", cell.get("label"))
    return "" if cell in (None, "—") else str(cell)


def _columns(columns: Sequence[tuple[str, ...]]) -> list[dict[str, str]]:
    return [{"key": key, "label": label, "sort": rest[0] if rest else ""} for key, label, *rest in columns]


def tag(name: str, text: str = "", classes: str = "", /, **props: str) -> TextElement:
    """An HTML element with text; `class_`-like names are given as `aria_label` for aria-label."""
    element = TextElement(tag=name, text=text)
    if classes:
        element.classes(classes)
    for key, value in props.items():
        element._props[key.replace("_", "-")] = value
    return element


def icon(name: str) -> TextElement:
    """A Material icon, hidden from screen readers."""
    return tag("i", name, "material-icons", aria_hidden="true")


def box(classes: str, name: str = "div", /, **props: str) -> Element:
    """A container element."""
    element = ui.element(name).classes(classes)
    for key, value in props.items():
        element._props[key.replace("_", "-")] = value
    return element


def panel(title: str, classes: str = "") -> Element:
    """A white panel with a heading of second level."""
    section = box(f"panel {classes}".strip(), "section")
    with section:
        tag("h2", title)
    return section


def badge(priority: int, state: str, label: str) -> Element:
    """The mark of a priority: colour, shape and number, with its name for screen readers."""
    mark = box(f"badge p{priority} {state}", "span", role="img", aria_label=label)
    with mark:
        tag("i", " ◆▲●■"[priority], aria_hidden="true")
        tag("span", str(priority), aria_hidden="true")
    return mark


def facts(pairs: Iterable[tuple[str, str]]) -> Element:
    """Names and what they are, in two columns."""
    listed = box("facts", "dl")
    with listed:
        for name, text in pairs:
            tag("dt", name)
            tag("dd", text)
    return listed


def diff(text: str, label: str, alike: str) -> Element:
    """A unified diff, line by line in its colours; `alike` where there is none."""
    block = box("diff", "pre", tabindex="0", role="region", aria_label=label)
    with block:
        for line in text.splitlines() or [alike]:
            sort = "at" if line.startswith(("@", "---", "+++")) else {"+": "add", "-": "del"}.get(line[:1], "")
            tag("span", line, sort)
    return block


def head(title: str) -> Element:
    """The head of a page with its only heading of first level; what is put into it stands beside the heading."""
    line = box("page-head")
    with line:
        tag("h1", title)
    return line
