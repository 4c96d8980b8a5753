"""The people: homes that fill and empty with the day, and what they use of electricity and water meanwhile.

A home's use is a fixed total a day, shared over the day by who is at home; so a register's reading is a pure function
of seed and time, and a simulator started again tomorrow goes on where any earlier one stood.
"""

from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import NamedTuple
from zoneinfo import ZoneInfo

from hub.clock import from_us, to_us
from simulators.curves import from_draws, from_weights
from simulators.timeline import SECOND, stream

INSTALLED = date(2024, 1, 1)
QUARTERS = 96  # quarters of an hour in a day
LITRES_A_SECOND = 0.2  # 0.72 m3/h, an open tap and a shower

# Relative use of those at home by hour: low at night, breakfast, evening peak at 19 to 21.
_EVENING = (2, 2, 2, 2, 2, 3, 6, 8, 6, 5, 5, 7, 7, 5, 5, 5, 6, 8, 11, 13, 13, 11, 7, 3)


class Trip(NamedTuple):
    """A person passes the door at second `t` of the day."""

    t: float
    person: int
    out: bool
    by_car: bool


class Absence(NamedTuple):
    person: int
    left: float
    back: float
    by_car: bool


class Home:
    """One home, its people and its two meters' curves. `place` is its room, such as `b1/u1/f03/0301`."""

    def __init__(self, place: str, zone: ZoneInfo, seed: int) -> None:
        rng = stream(seed, place)
        self.place = place
        self.zone = zone
        self.people = rng.choice((1, 2, 2, 3, 3, 3, 4, 5))
        self.cards = [f"{rng.randrange(16**8):08X}" for _ in range(self.people)]
        self.plate = plate(rng) if rng.random() < 0.6 else None
        self.watt_hours_a_day = rng.randrange(3_000, 14_000)
        self.litres_a_day = self.people * rng.randrange(80, 140)
        self._first_watt_hours = rng.randrange(0, 400_000)
        self._first_litres = rng.randrange(0, 20_000)
        self._seed = seed
        self._day: _Day | None = None

    def watt_hours(self, us: int) -> float:
        """The electricity register in watt hours, rising with time."""
        day = self.day(us)
        return self._first_watt_hours + day.number * self.watt_hours_a_day + day.power.value(day.second(us))

    def watts(self, us: int) -> float:
        """The power drawn, averaged over the quarter of an hour."""
        day = self.day(us)
        return day.power.rate(day.second(us)) * 3600

    def litres(self, us: int) -> float:
        """The water register in litres, rising with time."""
        day = self.day(us)
        return self._first_litres + day.number * self.litres_a_day + day.water.value(day.second(us))

    def litres_a_second(self, us: int) -> float:
        day = self.day(us)
        return day.water.rate(day.second(us))

    def trips(self, us: int) -> list[Trip]:
        """Everybody's way out and home again on the day of `us`, in order."""
        ways = []
        for absence in self.day(us).absences:
            ways.append(Trip(absence.left, absence.person, True, absence.by_car))
            ways.append(Trip(absence.back, absence.person, False, absence.by_car))
        return sorted(ways)

    def day(self, us: int) -> "_Day":
        day = self._day
        if day is None or not day.begins <= us < day.ends:
            day = self._day = _Day(self, from_us(us).astimezone(self.zone).date(), self._seed)
        return day


class _Day:
    """One home's day: who is away when, and the curves that follow from it."""

    def __init__(self, home: Home, on: date, seed: int) -> None:
        rng = stream(seed, f"{home.place}/{on.isoformat()}")
        self.number = (on - INSTALLED).days
        self.begins = midnight(on, home.zone)
        self.ends = midnight(on + timedelta(days=1), home.zone)
        weekend = on.weekday() >= 5
        self.absences = [_absence(rng, person, weekend, home.plate is not None) for person in range(home.people)]
        at_home = [self._at_home(quarter * 900.0) for quarter in range(QUARTERS)]
        self.power = from_weights(_power_weights(rng, at_home), home.watt_hours_a_day)
        self.water = from_draws(_draws(rng, at_home, home.litres_a_day), LITRES_A_SECOND)

    def second(self, us: int) -> float:
        return (us - self.begins) / SECOND

    def _at_home(self, t: float) -> int:
        return sum(not absence.left <= t < absence.back for absence in self.absences)


def _absence(rng: Random, person: int, weekend: bool, has_car: bool) -> Absence:
    hours = (10.0, 1.8, 17.0, 2.5) if weekend else (7.8, 0.7, 18.3, 1.2)
    left = min(max(rng.gauss(hours[0], hours[1]), 5.0), 13.0)
    back = min(max(rng.gauss(hours[2], hours[3]), left + 0.5), 23.4)
    return Absence(person, left * 3600, back * 3600, has_car and person == 0)


def _power_weights(rng: Random, at_home: list[int]) -> list[float]:
    return [
        0.8 + _EVENING[quarter // 4] * (0.15 + 0.5 * people) * rng.uniform(0.6, 1.5)
        for quarter, people in enumerate(at_home)
    ]


def _draws(rng: Random, at_home: list[int], litres: int) -> list[tuple[float, float]]:
    """Showers, kitchens, washing machines: between 5:00 and 23:00, when somebody is there."""
    quarters = [quarter for quarter in range(20, 92) if at_home[quarter]] or [80]
    weights = [_EVENING[quarter // 4] for quarter in quarters]
    starts = rng.choices(quarters, weights, k=max(6, litres // 12))
    shares = [rng.uniform(0.2, 1.0) for _ in starts]
    scale = litres / sum(shares)
    return [
        (quarter * 900.0 + rng.uniform(0, 890), share * scale) for quarter, share in zip(starts, shares, strict=True)
    ]


def plate(rng: Random) -> str:
    """An invented license plate of Suzhou's pattern."""
    return f"苏E·{rng.choice('ABDFHKM')}{rng.randrange(100_000):05d}"


def midnight(on: date, zone: ZoneInfo) -> int:
    """The first instant of a local day, microseconds UTC."""
    return to_us(datetime(on.year, on.month, on.day, tzinfo=zone).astimezone(UTC))
