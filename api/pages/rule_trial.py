"""A rule's text tried on stored history: progress, what it would have raised, beside what was really raised."""

from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from nicegui import ui

from api.pages.view import View
from api.pages.widgets import Table, box, tag
from hub.live import Change
from hub.money import yuan
from hub.rulebook.model import digest, normal

_SHOWN = 100
_LIGHT = {"text": "#1F2933", "muted": "#5B6770", "line": "#D5D9DD", "would": "#1F4E79", "really": "#B45309"}
_DARK = {"text": "#E6EAED", "muted": "#9DAAB4", "line": "#38424A", "would": "#7FB2E5", "really": "#F0A04B"}


class TrialPanel:
    """Runs one trial after the other. `tried` names the text of the last one that came to its end."""

    def __init__(self, view: View, on_end: Callable[[], Awaitable[None]]) -> None:
        self._view = view
        self._book = view.hub.rulebook
        self._on_end = on_end
        self._number: int | None = None
        self._running = ""
        self.tried: str | None = None
        self.seen = True  # the last trial had history to look at

    def build(self) -> None:
        self._place = box("")
        with self._place:
            tag("p", self._view.t("rules.backtest_hint"), "muted")

    async def start(self, text: str, days: int) -> None:
        """Begin; `told` brings the rest. Refused: the text cannot be read, or another trial runs."""
        view, t = self._view, self._view.t
        one = await self._book.start_backtest(await view.who(), text, days)
        self._number, self._running = one.id, digest(normal(text))
        self._place.clear()
        with self._place:
            tag("p", t("rules.running"), "", role="status")
            with box("rule-bar", role="progressbar", aria_label=t("rules.backtest")):
                self._bar = box("").style("width: 0")
            with box("actions"):
                tag("button", t("command.cancel"), "ghost", type="button").on("click", view.act(self._cancel))

    async def _cancel(self, _: object = None) -> None:
        if self._number is not None:
            self._book.backtests.cancel(await self._view.who(), self._number)

    async def told(self, changes: list[Change]) -> None:
        """How far it is, and its end."""
        for change in changes:
            if self._number is None or change.data.get("backtest") != self._number:
                continue
            if change.data["state"] == "running":
                self._bar.style(f"width: {change.data['progress'] * 100:.0f}%")
            else:
                await self._ended()

    async def _ended(self) -> None:
        t = self._view.t
        assert self._number is not None
        one = self._book.backtests.show(self._view.principal, self._number)
        self._number = None
        self._place.clear()
        with self._place:
            if one.state != "done":
                text = t("rules.cancelled") if one.state == "cancelled" else f"{t('rules.broken')} {one.error}"
                tag("p", text, "", role="status")
                return
            self.tried, self.seen = self._running, bool(one.result["seen"])
            self._paint(one.result, one.days)
        await self._on_end()

    def _paint(self, result: dict[str, Any], days: int) -> None:
        view, t = self._view, self._view.t
        said = t("rules.would").format(
            days=days, alarms=result["alarms"], really=result["really"], same=result["same"]
        )  # fmt: skip
        tag("p", said if result["seen"] else t("rules.unseen"), "rule-said", role="status")
        if result["days"]:
            first = datetime.fromisoformat(result["since"]).astimezone(ZoneInfo(view.zone)).date()
            ui.echart(_bars(view, result, [first + timedelta(days=number) for number in range(days + 1)])).classes(
                "rule-chart"
            )
        cost = [("cost", t("alarm.cost"), "num")] if result["cost_fen"] is not None else []
        Table(
            [("device", t("rules.device"), "link"), ("from", t("rules.from"), "num"), ("to", t("rules.to"), "num"),
             *cost, ("text", t("rules.seen"))],
            [self._raised(number, one) for number, one in enumerate(result["raised"][:_SHOWN])],
            t("rules.none_raised"),
        )  # fmt: skip
        if result["alarms"] > _SHOWN:
            tag("p", t("rules.first_hundred"), "muted")

    def _raised(self, number: int, one: dict[str, Any]) -> dict[str, Any]:
        view = self._view
        until = view.stamp(datetime.fromisoformat(one["to"])) if one["to"] else view.t("rules.lasting")
        return {
            "id": number, "device": view.device_cell(one["device_id"], one["device"]),
            "from": view.stamp(datetime.fromisoformat(one["from"])), "to": until, "text": view.pick(one["text"]),
            "cost": yuan(one["cost_fen"]) if one["cost_fen"] is not None else "—",
        }  # fmt: skip


def _bars(view: View, result: dict[str, Any], days: list[date]) -> dict[str, Any]:
    """ECharts options: two bars a day."""
    colours = _DARK if view.dark else _LIGHT
    by_day = {day["day"]: day for day in result["days"]}
    names = {"would": view.t("rules.series_would"), "really": view.t("rules.series_really")}
    label = {"color": colours["muted"]}
    return {
        "animation": False, "color": [colours["would"], colours["really"]], "textStyle": {"color": colours["text"]},
        "tooltip": {"trigger": "axis", "confine": True},
        "legend": {"bottom": 0, "textStyle": {"color": colours["text"]}},
        "grid": {"left": 8, "right": 8, "top": 16, "bottom": 32, "containLabel": True},
        "xAxis": {"type": "category", "data": [f"{day:%m-%d}" for day in days], "axisLabel": label},
        "yAxis": {"type": "value", "minInterval": 1, "axisLabel": label,
                  "splitLine": {"lineStyle": {"color": colours["line"]}}},
        "series": [
            {"name": name, "type": "bar", "barGap": 0,
             "data": [by_day.get(day.isoformat(), {}).get(sort, 0) for day in days]}
            for sort, name in names.items()
        ],
    }  # fmt: skip
