"""The homes' meters: registers that count whole units, as a real meter does."""

from random import Random

from simulators.homes import Home
from simulators.timeline import Said, Timeline

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
