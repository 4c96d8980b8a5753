"""Alarm performance: the figures of ISA-18.2 and EEMUA 191 beside their targets, the load by time, and where it comes
from."""

from collections.abc import Callable
from datetime import UTC, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from api.pages.charts import _DARK, _FONT, _LIGHT
from api.pages.shell import Shell
from api.pages.view import View
from api.pages.widgets import Table, box, head, panel, tag
from api.texts import wall_ms
from hub.kpis.model import BUDGET, PERIODS, SLOT, Actor, Figure, Period, Report
from hub.kpis.service import KpiDesk
from hub.kpis.words import FIGURES, JUDGED, UNITS, value_text
from hub.kpis.words import PERIODS as PERIOD_WORDS

_JUDGED = {
    "kpi.load": ("per_operator_hour", "most_in_slot", "slots_over", "flood_time"),
    "kpi.quality": ("top_ten_share", "chattering", "stale", "unauthorised"),
    "kpi.priorities": ("priority_1", "priority_2", "priority_3", "priority_4"),
}
_TOLD = {
    "kpi.response": ("acknowledged_p50", "acknowledged_p95", "unacknowledged", "raised"),
    "kpi.standing": ("standing", "shelved", "by_design", "out_of_service"),
}
_MARKS = {True: ("✓", "done"), False: ("▲", "ill"), None: ("–", "done")}
_REST_S = 10.0  # figures of a week do not need to follow each alarm
_LONG_S = 120  # from here on minutes tell more than seconds
_MOST_ROWS = 200


def install(shell: Shell) -> None:
    """Put the page into the shell."""

    async def build(view: View, _: int | None) -> None:
        await KpiPage(view).build()

    shell.add("/alarm-performance", "nav.kpis", "insights", 80, build)


class KpiPage:
    """One open page."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._desk = KpiDesk(view.hub.context)
        self._period: Period = "week"

    async def build(self) -> None:
        view, t = self._view, self._view.t
        with head(t("kpi.title")), box("figures"), box("segmented", role="group", aria_label=t("kpi.period")):
            self._buttons = {
                period: tag("button", view.pick(PERIOD_WORDS[period]), type="button").on("click", self._chooser(period))
                for period in PERIODS
            }
        with panel(t("kpi.per_slot")):
            self._chart = ui.echart({"series": []}).classes("chart")
            self._quiet = tag("p", t("kpi.quiet"), "empty-line")
            with box("", "details"):
                tag("summary", t("kpi.table"))
                columns = [("from", t("kpi.from")), ("count", t("kpi.count_in_slot"), "num")]
                self._twin = Table(columns, [], t("kpi.quiet"))
            with box("actions", role="group", aria_label=t("kpi.export")):
                self._files = {
                    form: tag("a", f"{t('kpi.export')} {word}", "ghost", href="", download="")
                    for form, word in (("csv", "CSV"), ("xlsx", "Excel"))
                }
        with box("columns"):
            with box(""):
                self._tables = {name: self._table(name) for name in ("kpi.load", "kpi.priorities")}
            with box(""):
                self._tables["kpi.quality"] = self._table("kpi.quality")
                self._facts = {name: figure for group in _TOLD for name, figure in self._facts_of(group).items()}
        with panel(t("kpi.actors")):
            self._actors = Table(self._actor_columns(), [], t("kpi.no_actors"))
        tag("p", t("kpi.source"), "muted")
        await self._show()
        view.follow(["alarm"], self._show, self._show, _REST_S)

    def _table(self, name: str) -> Table:
        t = self._view.t
        columns: list[tuple[str, ...]] = [
            ("figure", t("kpi.figure")),
            ("value", t("kpi.value"), "num"),
            ("target", t("kpi.target"), "num"),
            ("judged", t("kpi.judged"), "chip"),
        ]
        with panel(t(name)):
            return Table(columns, [], "")

    def _facts_of(self, group: str) -> dict[str, TextElement]:
        """Figures without a target, as names and values."""
        view, shown = self._view, {}
        with panel(view.t(group)), box("facts", "dl"):
            for name in _TOLD[group]:
                tag("dt", view.pick(FIGURES[name]))
                shown[name] = tag("dd", "—")
        return shown

    def _actor_columns(self) -> list[tuple[str, ...]]:
        t = self._view.t
        return [
            ("alarm", t("kpi.alarm")),
            ("device", t("alarm.device"), "link"),
            ("count", t("kpi.count"), "num"),
            ("share", t("kpi.share"), "num"),
        ]

    def _chooser(self, period: Period) -> Callable[..., Any]:
        async def choose(_: object = None) -> None:
            self._period = period
            await self._show()

        return self._view.act(choose)

    async def _show(self, _changes: object = None) -> None:
        asked = self._period
        report = await self._desk.report(self._view.principal, asked)
        if asked != self._period:
            return  # another was asked for meanwhile, and may stand there already
        for period, button in self._buttons.items():
            button.props["aria-pressed"] = "true" if period == self._period else "false"
            button.update()
        for form, link in self._files.items():
            link.props["href"] = f"/api/v1/alarms/kpis.{form}?period={self._period}"
            link.update()
        known = {figure.id: figure for figure in report.figures}
        for name, table in self._tables.items():
            table.show([self._figure(known[figure]) for figure in _JUDGED[name]])
        for name, shown in self._facts.items():
            shown.text = self._value(known[name])
        self._actors.show([self._actor(actor) for actor in report.actors])
        self._draw(report)

    def _figure(self, figure: Figure) -> dict[str, Any]:
        view = self._view
        mark, tone = _MARKS[figure.within]
        return {
            "id": figure.id,
            "figure": view.pick(FIGURES[figure.id]),
            "value": self._value(figure),
            "target": f"{figure.target}{' %' if figure.unit == '%' and figure.target else ''}" or "—",
            "judged": {"text": view.pick(JUDGED[figure.within]), "mark": mark, "tone": tone},
            "tone": "ill" if figure.within is False else "",
        }

    def _value(self, figure: Figure) -> str:
        if figure.value is not None and figure.unit == "s" and figure.value >= _LONG_S:
            return self._view.span(timedelta(seconds=figure.value))
        unit = self._view.pick(UNITS[figure.unit]) if figure.value is not None else ""
        return f"{value_text(figure.value)} {unit}".strip()

    def _actor(self, actor: Actor) -> dict[str, Any]:
        view = self._view
        return {
            "id": f"{actor.rule}:{actor.device_id}",
            "alarm": view.pick(actor.title),
            "device": view.device_cell(actor.device_id, actor.device),
            "count": f"{actor.count:,}",
            "share": f"{value_text(actor.share)} %",
        }

    def _draw(self, report: Report) -> None:
        busy = [index for index, count in enumerate(report.slots) if count]
        self._quiet.set_visibility(not busy)
        self._chart.set_visibility(bool(busy))
        self._chart.options.clear()
        self._chart.options.update(slot_options(self._view, report))
        self._chart.update()
        zone = ZoneInfo(self._view.zone)
        self._twin.show(
            [
                {
                    "id": index,
                    "from": f"{report.slot_at(index).astimezone(zone):%m-%d %H:%M}",
                    "count": str(report.slots[index]),
                    "tone": "ill" if report.slots[index] > BUDGET else "",
                }
                for index in reversed(busy[-_MOST_ROWS:])
            ]
        )


def slot_options(view: View, report: Report) -> dict[str, Any]:
    """ECharts options: a bar for each ten minutes, and the budget as a dashed line that is always in sight."""
    colours = _DARK if view.dark else _LIGHT
    budget = f"{view.t('kpi.budget')} {BUDGET}"
    end = report.slot_at(len(report.slots)).astimezone(UTC) - timedelta(microseconds=1)
    half = SLOT / 2
    return {
        "animation": False, "useUTC": True, "color": [colours["hue"]],
        "textStyle": {"color": colours["text"], "fontFamily": _FONT},
        "tooltip": {"trigger": "axis", "confine": True},
        "grid": {"left": 8, "right": 16, "top": 16, "bottom": 8, "containLabel": True},
        "xAxis": {"type": "time", "min": wall_ms(report.since, view.zone), "max": wall_ms(end, view.zone),
                  "axisLabel": {"color": colours["muted"], "hideOverlap": True,
                                "formatter": {"day": "{MM}-{dd}", "hour": "{HH}:{mm}"}},
                  "axisLine": {"lineStyle": {"color": colours["line"]}}},
        "yAxis": {"type": "value", "minInterval": 1, "max": max(BUDGET + 2, *report.slots),
                  "axisLabel": {"color": colours["muted"]}, "splitLine": {"lineStyle": {"color": colours["line"]}}},
        "series": [{
            "name": view.t("kpi.per_slot"), "type": "bar", "barMinWidth": 2, "barMaxWidth": 12,
            "data": [[wall_ms(report.slot_at(index) + half, view.zone), count]
                     for index, count in enumerate(report.slots) if count],
            "markLine": {"symbol": "none", "silent": True, "lineStyle": {"type": "dashed", "color": colours["mark"]},
                         "label": {"formatter": budget, "position": "insideStartTop", "color": colours["mark"]},
                         "data": [{"yAxis": BUDGET}]},
        }],
    }  # fmt: skip
