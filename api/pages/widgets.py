"""The few elements our pages are made of. Whatever a device said goes through them as text, never as markup."""

from collections.abc import Sequence
from typing import Any

from nicegui import ui
from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement


class AlarmList(Element, component="static/alarm_list.js"):
    """The live alarm list. Events: choose, acknowledge, command (alarm id), help. Methods: upsert, replace, select."""

    def __init__(self, **props: Any) -> None:
        super().__init__()
        self._props.update(props)


class DeviceTree(Element, component="static/device_tree.js"):
    """Devices under their places. Methods: upsert, replace."""

    def __init__(self, **props: Any) -> None:
        super().__init__()
        self._props.update(props)


class Table(Element, component="static/hub_table.js"):
    """A table of text. Columns: (key, label) or (key, label, sort); sorts: mono, num, action, link."""

    def __init__(self, columns: Sequence[tuple[str, ...]], rows: Sequence[dict[str, Any]], empty: str) -> None:
        super().__init__()
        self._props["columns"] = [
            {"key": key, "label": label, "sort": rest[0] if rest else ""} for key, label, *rest in columns
        ]
        self._props["rows"] = list(rows)
        self._props["empty"] = empty

    def show(self, rows: Sequence[dict[str, Any]]) -> None:
        """Other rows; nothing is sent when they are the same."""
        fresh = list(rows)
        if fresh != self._props["rows"]:
            self._props["rows"] = fresh
            self.update()


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
