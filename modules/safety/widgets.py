"""The one element of these pages that the browser works by itself."""

from nicegui.element import Element


class ListInput(Element, component="static/list_input.js"):
    """A button that sends a list to the register. Event: `sent` with the answer of the API."""

    def __init__(self, add: str, busy: str) -> None:
        super().__init__()
        self._props.update({"url": "/api/v1/safety/equipment/list", "t": {"add": add, "busy": busy}})
