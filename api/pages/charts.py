"""Trend charts: one hue, thin lines, a title, a unit, a legend; the table twin stands beside them."""

from datetime import datetime
from typing import Any

from api.pages.view import View
from api.texts import quality_text, unit_symbol, value_text, wall_ms
from hub.readmodel.trend import Trend

_FONT = "Noto Sans SC, PingFang SC, Microsoft YaHei, Noto Sans CJK SC, sans-serif"
# A state holds until its next sample. ECharts takes the category axis (here y) as the base, so "start" is along x.
_HOLD = "start"
_LIGHT = {"text": "#1F2933", "muted": "#5B6770", "line": "#D5D9DD", "hue": "#1F4E79", "mark": "#B00020"}
_DARK = {"text": "#E6EAED", "muted": "#9DAAB4", "line": "#38424A", "hue": "#7FB2E5", "mark": "#FF6B7A"}


def trend_options(view: View, trend: Trend, mark: datetime | None = None, limit: float | None = None) -> dict[str, Any]:
    """ECharts options of a line; the alarm's moment (`mark`) and `limit` are drawn as thin dashed lines."""
    colours = _DARK if view.dark else _LIGHT
    name = view.pick(trend.label)
    unit = unit_symbol(trend.unit)
    codes = sorted(trend.values, key=trend.values.__getitem__)
    series: dict[str, Any] = {
        "name": f"{name} ({unit})" if unit else name, "type": "line", "showSymbol": len(trend.rows) < 3,
        "data": [[wall_ms(row.ts, view.zone), _height(row.value, trend, codes)] for row in trend.rows],
        "lineStyle": {"width": 1.5}, "step": _HOLD if codes else False,
    }  # fmt: skip
    lines: list[dict[str, Any]] = []
    if mark is not None:
        lines.append({"xAxis": wall_ms(mark, view.zone), "label": {"show": False}})
    if limit is not None and not codes:
        told = f"{view.t('alarm.limit')} {value_text(limit, {}, {}, trend.unit, view.language)}"
        lines.append({"yAxis": limit, "label": {
            "show": True, "formatter": told, "position": "insideStartTop", "color": colours["mark"]}})  # fmt: skip
    if lines:
        series["markLine"] = {
            "symbol": "none", "silent": True, "data": lines,
            "lineStyle": {"type": "dashed", "width": 1, "color": colours["mark"]},
        }  # fmt: skip
    return {
        "animation": False, "useUTC": True, "color": [colours["hue"]],
        "textStyle": {"color": colours["text"], "fontFamily": _FONT},
        "title": {"text": f"{name} · {view.t('device.step_' + trend.step)}", "left": 0, "top": 0,
                  "textStyle": {"fontSize": 13, "fontWeight": "normal", "color": colours["muted"]}},
        "legend": {
            "left": "center", "bottom": 0, "icon": "rect", "itemHeight": 2, "textStyle": {"color": colours["text"]},
        },
        "tooltip": {"trigger": "axis", "confine": True},
        "grid": {"left": 8, "right": 16, "top": 48, "bottom": 32, "containLabel": True},
        "xAxis": {"type": "time", "min": wall_ms(trend.since, view.zone), "max": wall_ms(trend.until, view.zone),
                  "axisLabel": {"color": colours["muted"], "hideOverlap": True},
                  "axisLine": {"lineStyle": {"color": colours["line"]}}},
        "yAxis": _height_axis(view, trend, codes, colours) | _room(trend, limit if not codes else None),
        "series": [series],
    }  # fmt: skip


def _height(value: float, trend: Trend, codes: list[str]) -> float | int:
    if not codes:
        return value
    for index, code in enumerate(codes):
        if trend.values[code] == value:
            return index
    return 0


def _room(trend: Trend, limit: float | None) -> dict[str, float]:
    """Ends of the axis, so that the limit is on the chart where the line never comes near it."""
    if limit is None or not trend.rows:
        return {}
    values = [row.value for row in trend.rows]
    margin = (max(*values, limit) - min(*values, limit)) * 0.1
    if min(values) <= limit <= max(values):
        return {}
    return {"max": limit + margin} if limit > max(values) else {"min": limit - margin}


def _height_axis(view: View, trend: Trend, codes: list[str], colours: dict[str, str]) -> dict[str, Any]:
    label = {"color": colours["muted"]}
    grid = {"lineStyle": {"color": colours["line"]}}
    if codes:
        words = [view.pick(trend.words.get(code)) or code for code in codes]
        return {"type": "category", "data": words, "axisLabel": label,
                "splitLine": {**grid, "show": True}, "boundaryGap": True}  # fmt: skip
    return {"type": "value", "name": unit_symbol(trend.unit), "scale": True, "axisLabel": label, "splitLine": grid,
            "nameTextStyle": {**label, "align": "left"}}  # fmt: skip


def trend_rows(view: View, trend: Trend) -> list[dict[str, Any]]:
    """The table twin, newest first."""
    told = {"values": trend.values, "words": trend.words, "unit": trend.unit}
    return [
        {
            "time": view.stamp(row.ts),
            "value": view.value(row.value, told),
            "low": "" if row.low is None else view.value(row.low, told),
            "high": "" if row.high is None else view.value(row.high, told),
            "quality": quality_text(row.quality, view.t),
        }
        for row in reversed(trend.rows)
    ]


def twin_columns(view: View, trend: Trend) -> list[tuple[str, ...]]:
    """Columns of the table twin: extremes only where there are any."""
    t = view.t
    columns: list[tuple[str, ...]] = [("time", t("device.time")), ("value", t("device.value"), "num")]
    if trend.step != "raw":
        return [*columns, ("low", t("device.low"), "num"), ("high", t("device.high"), "num")]
    return [*columns, ("quality", t("device.quality"))]
