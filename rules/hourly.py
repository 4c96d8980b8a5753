"""The analyses behind `hourly` rules: balance, night flow, always-on load, unusual consumption, efficiency. Pure.

Each looks at one interval (an hour, a night, a day) and says whether something is wrong in it; how many such intervals
in a row make an alarm is the rule's `for`. Robust statistics: median and MAD × 1.4826, which equals the standard
deviation of a normal distribution (Rousseeuw & Croux 1993), so that one odd week does not hide the next.
"""

from collections.abc import Iterable
from datetime import datetime
from statistics import median

from hub.analyses.model import Around, Finding, Need, Series
from hub.model import Device
from rules import unusual
from rules.model import Rule
from rules.texts import plus_minus
from rules.wider import Hourly

_REFERENCE_DAYS = 14
_ENOUGH_HOURS = 6
_SLACK = 0.02  # a spread of nothing would make every litre unusual: 2 % of the usual at least


class HourlyAnalysis:
    """One `hourly` rule at work; see `hub.analyses.model.Analysis`."""

    def __init__(self, rule: Rule) -> None:
        assert rule.hourly is not None
        self._rule = rule
        self._spec: Hourly = rule.hourly

    @property
    def rule(self) -> str:
        return self._rule.rule

    def watches(self, device: Device) -> bool:
        spec = self._spec
        return self._rule.watches(device.kind_name) and {spec.point, spec.over_point or spec.point} <= set(
            device.points
        )

    def beside(self, device: Device) -> bool:
        return unusual.measures(self._spec, device)

    def hours(self, end: datetime) -> list[int]:
        spec = self._spec
        if spec.analysis == "balance":
            return [0]
        if spec.analysis == "unusual":
            return unusual.hours(spec)
        if spec.analysis == "night_flow":
            begins, ends = (int(moment[:2]) for moment in spec.between or ("02:00", "05:00"))
            return list(range((ends - begins) % 24 or 24)) if end.hour == ends else []
        if end.hour != 0:
            return []
        return list(range(24 * (_REFERENCE_DAYS + 1 if spec.analysis == "efficiency" else 1)))

    def needs(self, device: Device, around: Around, end: datetime) -> Iterable[Need]:
        spec = self._spec
        if spec.analysis == "unusual":
            yield from unusual.needs(spec, device, around, end)
            return
        back, parts = self.hours(end), self._counting(around)
        if not back or (spec.analysis == "balance" and not parts):
            return
        yield Need(device, spec.point, back)
        if spec.over_point is not None:
            yield Need(device, spec.over_point, back)
        if spec.analysis == "balance":
            for child in parts:
                yield Need(child, self._child_point, back)

    def judge(self, device: Device, around: Around, end: datetime, series: Series) -> Finding | None:
        spec = self._spec
        if spec.analysis == "balance":
            return self._balance(device, around, series)
        if spec.analysis == "unusual":
            return self._unusual(device, around, end, series)
        if spec.analysis == "efficiency":
            return self._efficiency(device, series)
        return self._base(device, end, series)

    @property
    def _child_point(self) -> str:
        return self._spec.children_point or self._spec.point

    def _counting(self, around: Around) -> list[Device]:
        """Those below that have the point: a valve may hang on a main meter, too."""
        return [child for child in around.below if self._child_point in child.points]

    def _over(self, value: float, whole: float | None = None) -> bool:
        """Past every limit that is given."""
        spec = self._spec
        if spec.above is not None and value <= spec.above:
            return False
        return spec.ratio_above is None or (whole is not None and whole > 0 and value / whole > spec.ratio_above)

    def _balance(self, device: Device, around: Around, series: Series) -> Finding | None:
        """Loss: what the parent counted and nobody below did (管网漏损 / 线损)."""
        whole = series(device, self._spec.point, 0)
        parts = [series(child, self._child_point, 0) for child in self._counting(around)]
        if whole is None or not parts or None in parts:
            return None
        loss = whole - sum(part for part in parts if part is not None)
        return Finding(self._over(loss, whole), loss, self._spec.above, max(loss, 0.0))

    def _base(self, device: Device, end: datetime, series: Series) -> Finding | None:
        """The least of any hour of the night or day: what flows when nobody uses anything."""
        hours = [series(device, self._spec.point, back) for back in self.hours(end)]
        known = [hour for hour in hours if hour is not None]
        if len(known) < len(hours):
            return None
        least = min(known)
        usual = self._spec.above or 0.0
        excess = (least - usual if self._spec.analysis == "always_on" else least) * len(known)
        return Finding(
            self._over(least, sum(known) / len(known)),
            least,
            self._spec.above,
            _commodity(device, self._spec.point, excess),
        )

    def _unusual(self, device: Device, around: Around, end: datetime, series: Series) -> Finding | None:
        """This hour against what was to be expected of it."""
        spec = self._spec
        now, point = series(device, spec.point, 0), device.points[spec.point].spec
        if now is None:
            return None
        if spec.weather is not None and spec.above is not None and point.type == "counter" and now <= spec.above:
            return Finding(False, now)  # it is not over anything by more; a model for each home would take long
        usual = unusual.expected(spec, device, around, end, series)
        if usual is None:
            return None
        reach = (spec.sigma or 0.0) * max(usual.spread, _SLACK * abs(usual.use), 1e-9)
        limit, excess = usual.use + reach, now - usual.use
        active = now > limit and self._over(excess, usual.use)
        text = plus_minus(usual.use, reach, point.unit, usual.basis)
        return Finding(active, now, limit, _commodity(device, spec.point, max(excess, 0.0)), text)

    def _efficiency(self, device: Device, series: Series) -> Finding | None:
        """`point` per `over_point` of the last day against the days before, over the hours in which it ran."""
        assert self._spec.over_point is not None
        ratios: list[float | None] = []
        for back in range(24 * (_REFERENCE_DAYS + 1)):
            out, into = series(device, self._spec.point, back), series(device, self._spec.over_point, back)
            ratios.append(out / into if out is not None and into is not None and out > 0 and into > 0 else None)
        day = [ratio for ratio in ratios[:24] if ratio is not None]
        before = [ratio for ratio in ratios[24:] if ratio is not None]
        if len(day) < _ENOUGH_HOURS or len(before) < _ENOUGH_HOURS * 4:
            return None
        was, now = median(before), median(day)
        return Finding(self._over(was - now, was), now, was * (1 - (self._spec.ratio_above or 0.0)))


def _commodity(device: Device, point: str, amount: float) -> float:
    """Watts over hours as kWh; a counter's own unit stays."""
    return amount / 1000 if device.points[point].spec.unit == "W" else amount


def analyses(rules: Iterable[Rule]) -> list[HourlyAnalysis]:
    """Those of the hourly rules that are enabled."""
    return [HourlyAnalysis(rule) for rule in rules if rule.enabled and rule.hourly is not None]
