"""What an alarm tells people: a rule's message with its few named fields filled in, in both languages."""

from string import Template

from hub.model import Device
from hub.vocabulary.base import Text
from rules.conditions import Condition, Occurrence, Silence, Threshold
from rules.model import Rule

_UNITS = {"1": "", "m3": "m³", "m3/h": "m³/h", "Cel": "℃", "kW.h": "kWh", "ug/m3": "µg/m³"}
"""UCUM codes that people write otherwise."""

_STEPS = (
    (86_400_000_000, "天", "d"),
    (3_600_000_000, "小时", "h"),
    (60_000_000, "分钟", "min"),
    (1_000_000, "秒", "s"),
)


def render(rule: Rule, device: Device, condition: Condition, value: float | None) -> Text:
    """The rule's `text` for one device. `value`: the reading that decided, where there is one."""
    limit, lasting = _limit(device, condition)
    shown = _value(rule, device, condition, value)
    fields = {"value": shown, "limit": limit, "duration": lasting, "device": device.spec.name, "place": device.place}
    if isinstance(condition, Threshold):
        fields["limit"] = _value(rule, device, condition, condition.limit)
    return Text(
        zh=Template(rule.text.zh).substitute({name: text.zh for name, text in fields.items()}),
        en=Template(rule.text.en).substitute({name: text.en for name, text in fields.items()}),
    )


def span(micros: int) -> Text:
    """A duration as people say it, in its largest even unit: 90 s, 10 min, 1 d."""
    for size, zh, en in _STEPS:
        if micros >= size and micros % size == 0:
            return Text(zh=f"{micros // size} {zh}", en=f"{micros // size} {en}")
    return Text(zh=f"{micros / 1e6:.10g} 秒", en=f"{micros / 1e6:.10g} s")


def _limit(device: Device, condition: Condition) -> tuple[Text, Text]:
    if isinstance(condition, Silence):
        return span(condition.after), span(condition.after)
    if isinstance(condition, Occurrence):
        return device.event(condition.name).name, span(condition.clear_after)
    return Text(zh="", en=""), span(condition.lasting)


def _value(rule: Rule, device: Device, condition: Condition, value: float | None) -> Text:
    if isinstance(condition, Occurrence):
        return device.event(condition.name).name
    if rule.threshold is None or value is None:
        return Text(zh="无数据", en="no data")
    point = device.points[rule.threshold.point].spec
    for word, number in point.values.items():
        if number == value:
            return Text(zh=word, en=word)
    unit = _UNITS.get(point.unit, point.unit)
    shown = f"{value:.10g} {unit}".rstrip()
    return Text(zh=shown, en=shown)
