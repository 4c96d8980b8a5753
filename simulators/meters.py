"""The homes' meters: registers that count whole units, as a real meter does."""

from collections.abc import Callable, Iterable
from random import Random

from simulators.homes import Home
from simulators.timeline import SECOND, Said, Timeline

METER_S = 10.0
"""An electricity meter renews its registers so often."""

CONCENTRATOR_S = 60.0
"""A concentrator passes on its water meters so often (a real one: hours; a demonstration cannot wait)."""


class ElectricityMeter:
    """Counts 0.01 kWh; power, voltage and current beside it."""

    def __init__(self, timeline: Timeline, code: str, home: Home, rng: Random) -> None:
        self._time, self.code, self._home, self._rng = timeline, code, home, rng
        timeline.every(METER_S, self._measure, first=rng.uniform(0, METER_S))
        self._measure()

    def _measure(self) -> None:
        now = self._time.now
        voltage = 220.0 + self._rng.uniform(-3.0, 3.0)
        watts = self._home.watts(now) * self._rng.uniform(0.9, 1.1)
        points = {
            "energy_import": int(self._home.watt_hours(now) // 10) / 100,
            "power": round(watts, 1),
            "voltage": round(voltage, 1),
            "current": round(watts / voltage, 2),
        }
        self._time.say(Said(now, self.code, points=points))


class MainWaterMeter:
    """Counts what all homes of a building draw, and what is lost on the way to them."""

    def __init__(self, timeline: Timeline, code: str, homes: Callable[[], Iterable[Home]], rng: Random) -> None:
        self._time, self.code, self._homes = timeline, code, homes
        self._battery = round(rng.uniform(3.4, 3.65), 2)
        self._lost = 0.0  # litres, until `_since`
        self._leak = 0.0  # litres a second
        self._since = timeline.now

    def leak(self, cubic_metres_an_hour: float) -> None:
        """From now on so much is lost; 0: mended."""
        self._lost, self._since = self._lost_until(self._time.now), self._time.now
        self._leak = cubic_metres_an_hour / 3.6

    def measure(self) -> None:
        now, homes = self._time.now, list(self._homes())
        litres = sum(home.litres(now) for home in homes) + self._lost_until(now)
        flow = sum(home.litres_a_second(now) for home in homes) + self._leak
        points = {"volume": int(litres) / 1000, "flow": round(flow * 3.6, 3), "battery": self._battery}
        self._time.say(Said(now, self.code, points=points))

    def _lost_until(self, now: int) -> float:
        return self._lost + self._leak * (now - self._since) / SECOND


class WaterMeter:
    """Counts litres. It speaks when its concentrator asks."""

    def __init__(self, timeline: Timeline, code: str, home: Home, rng: Random) -> None:
        self._time, self.code, self._home = timeline, code, home
        self._battery = round(rng.uniform(3.4, 3.65), 2)

    def measure(self) -> None:
        now = self._time.now
        points = {
            "volume": int(self._home.litres(now)) / 1000,
            "flow": round(self._home.litres_a_second(now) * 3.6, 3),
            "battery": self._battery,
        }
        self._time.say(Said(now, self.code, points=points))
