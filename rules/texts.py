"""What an alarm tells people: a rule's message with its few named fields filled in, in both languages."""

import math
from datetime import timedelta
from string import Template

from hub.model import Device
from hub.vocabulary.base import Text
from rules.conditions import Change as BoundChange
from rules.conditions import (
    Condition,
    During,
    Near,
    Occurrence,
    Sequence,
    Several,
    Silence,
    Single,
    Stuck,
    Threshold,
    Window,
)
from rules.conditions import Expression as BoundExpression
from rules.model import AnyCondition, Rule
from rules.observations import Effect
from rules.terms import Threshold as ThresholdTerm
from rules.wider import Change, Hourly
from rules.wider import Stuck as StuckTerm
from rules.wider import Window as WindowTerm

_UNITS = {"1": "", "m3": "m³", "m3/h": "m³/h", "Cel": "℃", "kW.h": "kWh", "ug/m3": "µg/m³"}
"""UCUM codes that people write otherwise."""

_STEPS = (
    (86_400_000_000, "天", "d"),
    (3_600_000_000, "小时", "h"),
    (60_000_000, "分钟", "min"),
    (1_000_000, "秒", "s"),
)

_NONE = Text(zh="", en="")
_UNKNOWN = Text(zh="未知", en="unknown")
_MICROSECOND = timedelta(microseconds=1)


def render(rule: Rule, device: Device, condition: Condition, effect: Effect) -> Text:
    """The rule's `text` for one device: with what decided, and the limit where it is not the condition's own."""
    term, bound = _decisive(rule, condition, effect.part)
    limit = effect.limit if effect.limit is not None else limit_of(condition, effect.part)
    fields = {
        "value": _value(term, device, bound, effect.value),
        "limit": _limit(term, device, bound, limit),
        "duration": _duration(bound),
        "device": device.spec.name,
        "place": device.place,
        "expected": effect.text or _UNKNOWN,
        "cost": _UNKNOWN if effect.cost_fen is None else _money(effect.cost_fen),
    }
    return Text(
        zh=Template(rule.text.zh).substitute({name: text.zh for name, text in fields.items()}),
        en=Template(rule.text.en).substitute({name: text.en for name, text in fields.items()}),
    )


def plus_minus(value: float, reach: float, unit: str, basis: Text) -> Text:
    """`80 ± 10 kWh (…)`, with `basis` in the parentheses; to four and two figures."""
    shown = f"{_short(value)} ± {_short(reach, 2)} {_UNITS.get(unit, unit)}".rstrip()
    return Text(zh=f"{shown}（{basis.zh}）", en=f"{shown} ({basis.en})")


def point_of(rule: Rule, part: int | None) -> str | None:
    """The point whose trend tells of the alarm."""
    term = rule.conditions[part or 0]
    return getattr(term, "point", None)


def limit_of(condition: Condition, part: int | None) -> float | None:
    """The number an alarm's value is held against; None where there is none."""
    match _single(condition, part):
        case Threshold(limit=limit):
            return limit
        case Near(level=level):
            return float(math.ceil(level.limit) if level.sign > 0 else math.floor(level.limit))
        case Window(level=level) | BoundChange(level=Threshold() as level):
            return level.limit
        case Stuck(deadband=deadband):
            return deadband
        case BoundExpression(number=True, level=level):
            return level.limit
        case _:
            return None


def span(micros: int) -> Text:
    """A duration as people say it, in its largest even unit: 90 s, 10 min, 1 d."""
    for size, zh, en in _STEPS:
        if micros >= size and micros % size == 0:
            return Text(zh=f"{micros // size} {zh}", en=f"{micros // size} {en}")
    return Text(zh=f"{micros / 1e6:.10g} 秒", en=f"{micros / 1e6:.10g} s")


def _single(condition: Condition, part: int | None) -> Single:
    inner = condition.inner if isinstance(condition, During) else condition
    return inner.parts[part or 0] if isinstance(inner, Several) else inner


def _decisive(rule: Rule, condition: Condition, part: int | None) -> tuple[AnyCondition, Single]:
    """The condition that decided, as written and as bound."""
    return rule.conditions[part or 0], _single(condition, part)


def _short(value: float, figures: int = 4) -> str:
    return f"{float(f'{value:.{figures}g}'):.10g}"


def _money(fen: int) -> Text:
    yuan = f"{fen // 100}.{fen % 100:02d}"
    return Text(zh=f"{yuan} 元", en=f"{yuan} yuan")


def _duration(bound: Single) -> Text:
    match bound:
        case Silence(after=after):
            return span(after)
        case Occurrence(clear_after=after):
            return span(after)
        case Threshold(lasting=lasting) | Stuck(lasting=lasting):
            return span(lasting)
        case Near(level=level) | BoundExpression(level=level):
            return span(level.lasting)
        case Window(size=size, gap=gap):
            return span(size or gap)
        case BoundChange(within=within, per=per):
            return span(within or per)
        case Sequence(steps=steps):
            return span(sum(step.within for step in steps))
        case _:
            return _NONE


def _limit(term: AnyCondition, device: Device, bound: Single, limit: float | None) -> Text:
    if isinstance(bound, Silence):
        return span(bound.after)
    if isinstance(bound, Occurrence):
        return device.event(bound.name).name
    if limit is not None and isinstance(term, Hourly):
        limit = float(_short(limit))  # computed: more figures would only look exact
    return _NONE if limit is None else _value(term, device, bound, limit)


def _value(term: AnyCondition, device: Device, bound: Single, value: float | None) -> Text:
    if isinstance(bound, Occurrence):
        return device.event(bound.name).name
    if value is None:
        return Text(zh="无数据", en="no data")
    if isinstance(bound, BoundExpression) and bound.number:
        return Text(zh=_short(value), en=_short(value))
    if isinstance(bound, Near):
        return Text(zh=f"{value:g} 台", en=f"{value:g}")
    if isinstance(term, WindowTerm) and term.aggregate == "count":
        return Text(zh=f"{value:g} 次", en=f"{value:g} times")
    if not isinstance(term, ThresholdTerm | Change | StuckTerm | WindowTerm | Hourly) or term.point is None:
        return Text(zh="是", en="yes") if isinstance(bound, BoundExpression) else _NONE
    point = device.points[term.point].spec
    for code, number in point.values.items():
        if number == value:
            return device.kind.word(code)
    unit = _UNITS.get(point.unit, point.unit)
    shown = f"{value:.10g} {unit}".rstrip()
    if isinstance(term, Change) and term.rate is not None:
        per = span(term.rate.per // _MICROSECOND)
        return Text(zh=f"{shown}/{per.zh}", en=f"{shown} per {per.en}")
    return Text(zh=shown, en=shown)
