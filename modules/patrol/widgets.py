"""The elements of patrol pages that the browser draws itself."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from nicegui.element import Element

from hub.vocabulary.units import symbol
from modules.patrol.plans import CheckpointSpec


class Timeline(Element, component="static/timeline.js"):
    """A day's rounds, one line a plan. Rows are {id, label, blocks: [{id, left, width, tone, mark, title, href}]}."""

    def __init__(self, label: str, width: int) -> None:
        super().__init__()
        self._props.update({"rows": [], "now": None, "label": label, "width": width})
        self._props["hours"] = [{"at": 100 * hour / 24, "text": f"{hour:02d}"} for hour in range(0, 24, 2)]

    def show(self, rows: Sequence[dict[str, Any]], now: float | None) -> None:
        """Other rows; `now` is the share of the day that is over (%), None on another day."""
        fresh = list(rows)
        if fresh != self._props["rows"] or now != self._props["now"]:
            self._props["rows"], self._props["now"] = fresh, now
            self.update()


class CheckInForm(Element, component="static/checkin.js"):
    """The guard's form; it sends to the API by itself, as soon as there is a connection."""

    def __init__(
        self, texts: Mapping[str, str], account: str, checkpoints: Sequence[CheckpointSpec], language: str
    ) -> None:
        super().__init__()
        self._props.update({"t": dict(texts), "account": account, "url": "/api/v1/patrol/checkins"})
        self._props["reader"] = "/api/v1/patrol/codes/photographs"
        self._props["places"] = {
            one.id: {
                "name": one.name.get(language), "placed": one.position is not None,
                "items": [
                    {"id": item.id, "name": item.name.get(language), "answer": item.answer, "required": item.required,
                     "photo": item.photo is not None,
                     "unit": symbol(item.unit) if item.unit else ""}
                    for item in one.items
                ],
            }
            for one in checkpoints
        }  # fmt: skip


class RowList(Element, component="static/rows.js"):
    """Rows that are filled in and put in order. Columns are {key, label}, with `options` (value and label) a choice,
    with `sort` tick a box, with `short` narrow. Event: `rows` with all of them as JSON."""

    def __init__(
        self, rows: Sequence[Mapping[str, Any]], columns: Sequence[Mapping[str, Any]], fresh: Mapping[str, Any],
        most: int, texts: Mapping[str, str],
    ) -> None:  # fmt: skip
        super().__init__()
        self._props.update({"rows": list(rows), "columns": list(columns), "fresh": dict(fresh), "most": most})
        self._props["t"] = dict(texts)


def share_of_day(moment: datetime, since: datetime, until: datetime) -> float:
    """How much of a day is over at a moment, in percent from 0 to 100."""
    return round(max(0.0, min(100.0, 100 * ((moment - since) / (until - since)))), 3)
