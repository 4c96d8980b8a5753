"""What is to be expected of an hour, for the analysis `unusual`: by the outdoor temperature where it is known. Pure.

With `weather`: a model in degrees (`rules/degrees.py`) of the same hour of the days of the same sort, workdays or
days off, in the eight weeks before. Without, or where too few temperatures are known: the same hour of the same
weekday, median and MAD × 1.4826.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from statistics import median

import msgspec

from hub.analyses.model import Around, Need, Series
from hub.model import Device
from hub.vocabulary.base import Text
from rules import degrees
from rules.calendars import is_workday
from rules.wider import Hourly

WEEKS = 8
"""Weeks of history that an hour is compared with."""

_ENOUGH_WEEKS = 4
_DAY, _WEEK = 24, 168
_MAD = 1.4826

_NO_SENSOR = Text(zh="没有室外温度传感器", en="no sensor stands outdoors")
_NOT_NOW = Text(zh="本小时没有气温", en="the temperature of this hour is not known")
_TOO_FEW = Text(zh="有气温的日子太少", en="too few days with a temperature are known")


class Usual(msgspec.Struct, frozen=True):
    """A use, its robust standard deviation, and in words what it rests on."""

    use: float
    spread: float
    basis: Text


def hours(spec: Hourly) -> list[int]:
    """Hours back that may be looked at."""
    return list(range(0, WEEKS * _WEEK + 1, _WEEK if spec.weather is None else _DAY))


def measures(spec: Hourly, device: Device) -> bool:
    """It stands outdoors and has the temperature the rule names."""
    weather = spec.weather
    if weather is None or device.kind_name not in weather.kinds or weather.point not in device.points:
        return False
    return device.spec.outdoors


def needs(spec: Hourly, device: Device, around: Around, end: datetime) -> Iterator[Need]:
    """The weeks, and by `weather` the days of the same sort."""
    weeks, sensor = range(0, WEEKS * _WEEK + 1, _WEEK), _nearest(device, around.beside)
    if spec.weather is None or sensor is None:
        yield Need(device, spec.point, weeks)
        return
    days = _alike(end)
    yield Need(device, spec.point, sorted({*weeks, *days}))
    yield Need(sensor, spec.weather.point, [0, *days])


def expected(spec: Hourly, device: Device, around: Around, end: datetime, series: Series) -> Usual | None:
    """None: too little is known, or nothing of weather like this."""
    if spec.weather is None:
        return _by_weeks(spec, device, series, None)
    sensor = _nearest(device, around.beside)
    if sensor is None:
        return _by_weeks(spec, device, series, _NO_SENSOR)
    now = series(sensor, spec.weather.point, 0)
    if now is None:
        return _by_weeks(spec, device, series, _NOT_NOW)
    pairs = ((series(sensor, spec.weather.point, back), series(device, spec.point, back)) for back in _alike(end))
    model = degrees.fit([(warm, use) for warm, use in pairs if warm is not None and use is not None])
    if model is None:
        return _by_weeks(spec, device, series, _TOO_FEW)
    found = model.at(now)
    return None if found is None else Usual(found.use, found.deviation, _degrees_basis(now, model.days, end))


def _by_weeks(spec: Hourly, device: Device, series: Series, why: Text | None) -> Usual | None:
    past = (series(device, spec.point, back) for back in range(_WEEK, WEEKS * _WEEK + 1, _WEEK))
    known = [value for value in past if value is not None]
    if len(known) < _ENOUGH_WEEKS:
        return None
    use = median(known)
    spread = _MAD * median(abs(value - use) for value in known)
    zh, en = f"此前 {len(known)} 周的同一时刻", f"the same hour of {len(known)} weeks before"
    if why is not None:
        zh, en = f"{zh}，未按气温修正：{why.zh}", f"{en}, not corrected for the weather: {why.en}"
    return Usual(use, spread, Text(zh=zh, en=en))


def _degrees_basis(warm: float, days: int, end: datetime) -> Text:
    zh, en = ("工作日", "workdays") if _works(end) else ("休息日", "days off")
    return Text(
        zh=f"室外 {warm:.1f} ℃，依据此前 {days} 个{zh}的同一时刻",
        en=f"at {warm:.1f} ℃ outdoors, by this hour of {days} {en} before",
    )


def _works(end: datetime) -> bool:
    """Whether the hour that ends then lies in a workday (调休 included)."""
    return is_workday((end - timedelta(hours=1)).date())


def _alike(end: datetime) -> list[int]:
    """Hours back to the same hour of the days before that are of the same sort."""
    sort = _works(end)
    return [back * _DAY for back in range(1, WEEKS * 7 + 1) if _works(end - timedelta(days=back)) == sort]


def _nearest(device: Device, sensors: Sequence[Device]) -> Device | None:
    """The one that shares most of the place path; the first of the site where several do."""
    return min(sensors, key=lambda one: (-_shared(device.place_path, one.place_path), one.id), default=None)


def _shared(place: str, other: str) -> int:
    pairs: Iterable[tuple[str, str]] = zip(place.split("/"), other.split("/"), strict=False)
    shared = 0
    for one, two in pairs:
        if one != two:
            break
        shared += 1
    return shared
