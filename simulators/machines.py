"""The machines in cellars, shafts and ceilings: pumps, elevators, sensors, patrol readers."""

import math
from collections import deque
from collections.abc import Callable
from random import Random

from simulators.timeline import SECOND, Said, Timeline

STOPPED, RUNNING = 0, 1
IDLE, UP, DOWN = 0, 1, 2
NONE, TRAPPED = 0, 1
RATED_FLOW = 12.0  # m3/h of one pump at 400 kPa


class Pump:
    """A booster pump of a group. Automatic by demand until a command takes it over."""

    def __init__(self, timeline: Timeline, code: str, rank: int, demand: Callable[[], float], rng: Random) -> None:
        self._time, self.code, self._rank, self._demand, self._rng = timeline, code, rank, demand, rng
        self._order: int | None = None  # what a command wants, over the automatic
        self._pressure = 398.0 + rank
        self._over_until = 0
        self.running = RUNNING if rank == 0 else STOPPED
        timeline.every(1.0, self._tick)

    def command(self, running: int) -> None:
        """Start or stop by hand, at once."""
        self._order = self.running = running
        self._report()

    def over_pressure(self, seconds: float) -> None:
        """A check valve sticks: 650 kPa at this pump for so long."""
        self._over_until = self._time.now + round(seconds * SECOND)
        self._report()

    def _tick(self) -> None:
        if self._order is None:
            demand = self._demand()
            starts, stops = self._rank * RATED_FLOW * 0.8, (self._rank - 0.3) * RATED_FLOW * 0.8
            if demand > starts:
                self.running = RUNNING
            elif demand < stops:
                self.running = STOPPED
        t = (self._time.now - self._time.start) / SECOND
        self._pressure = 400.0 + 14.0 * math.sin(t / 7.0) + 5.0 * math.sin(t / 2.3) + self._rng.uniform(-3.0, 3.0)
        self._report()

    def _report(self) -> None:
        over = self._time.now < self._over_until
        pressure = 650.0 + self._rank if over else self._pressure
        flow = min(max(self._demand() - self._rank * RATED_FLOW, 2.0), RATED_FLOW) if self.running else 0.0
        points = {
            "running": self.running,
            "pressure": round(pressure, 1),
            "flow": round(flow, 2),
            "current": round(4.0 + flow * 0.75, 1) if self.running else 0.0,
            "fault": NONE,
        }
        self._time.say(Said(self._time.now, self.code, points=points))


class Elevator:
    """An elevator that carries people between floors, one order after the other; 2 s a floor."""

    DWELL = 5

    def __init__(self, timeline: Timeline, code: str, rng: Random) -> None:
        self._time, self.code, self._rng = timeline, code, rng
        self._stops: deque[tuple[int, int]] = deque()  # (floor, kg that leave or enter there)
        self.floor, self.direction, self.door, self.load, self.fault = 1, IDLE, 0, 0, NONE
        self._dwell = 0
        self._half = False
        self._trapped_until = 0
        timeline.every(1.0, self._tick)

    def ride(self, origin: int, destination: int) -> None:
        """Somebody of 45 to 95 kg rides; when too many wait, they take the stairs."""
        if len(self._stops) < 12:
            weight = self._rng.randrange(45, 95)
            self._stops += [(origin, weight), (destination, -weight)]

    def trap(self, seconds: float) -> None:
        """Stops between floors with somebody inside."""
        self._trapped_until = self._time.now + round(seconds * SECOND)
        self._dwell, self.door = 0, 0
        self.load = max(self.load, 70)
        self._report()

    def _tick(self) -> None:
        self._move()
        self._report()

    def _move(self) -> None:
        if self._time.now < self._trapped_until:
            return
        if self._dwell:
            self._dwell -= 1
            self.door = int(self._dwell > 0)
            return
        if not self._stops:
            self.direction, self.load = IDLE, 0
            return
        floor, weight = self._stops[0]
        if floor == self.floor:
            self._stops.popleft()
            self.load = max(self.load + weight, 0)
            self.door, self._dwell = 1, self.DWELL
            return
        self.direction = UP if floor > self.floor else DOWN
        self._half = not self._half
        if not self._half:
            self.floor += 1 if self.direction == UP else -1

    def _report(self) -> None:
        self.fault = TRAPPED if self._time.now < self._trapped_until else NONE
        points = {
            "floor": self.floor,
            "direction": self.direction,
            "door": self.door,
            "fault": self.fault,
            "load": self.load,
        }
        self._time.say(Said(self._time.now, self.code, points=points))


class SmokeDetector:
    """Says that it is well now and then; smoke is an event and a state.

    After power-up it says that all is clear: an alarm of before it was cut off must not stand for ever.
    """

    def __init__(self, timeline: Timeline, code: str, rng: Random, heartbeat: float) -> None:
        self._time, self.code = timeline, code
        self.smoke = 0
        self._battery = round(rng.uniform(2.9, 3.3), 2)
        timeline.every(heartbeat, self._state, first=rng.uniform(0, 2))
        timeline.after(rng.uniform(0, 2), lambda: self._event("smoke_cleared"))
        timeline.after(rng.uniform(200, 2000), self._test)

    def alarm(self, seconds: float) -> None:
        """Smoke for so long."""
        self._change(1, "smoke_alarm")
        self._time.after(seconds, lambda: self._change(0, "smoke_cleared"))

    def _change(self, smoke: int, event: str) -> None:
        self.smoke = smoke
        self._event(event)
        self._state()

    def _test(self) -> None:
        self._event("self_test")

    def _event(self, name: str) -> None:
        self._time.say(Said(self._time.now, self.code, event=name))

    def _state(self) -> None:
        self._time.say(Said(self._time.now, self.code, points={"smoke": self.smoke, "battery": self._battery}))


class EnvironmentSensor:
    """Air outdoors: temperature by the hour of the day, humidity against it, dust at random."""

    def __init__(self, timeline: Timeline, code: str, rng: Random, hour: Callable[[int], float], period: float) -> None:
        self._time, self.code, self._rng, self._hour = timeline, code, rng, hour
        self._dust = rng.uniform(15, 60)
        timeline.every(period, self._measure, first=rng.uniform(0, 2))

    def _measure(self) -> None:
        warmth = math.sin((self._hour(self._time.now) - 9.0) / 24.0 * 2 * math.pi)
        self._dust = min(max(self._dust + self._rng.uniform(-2, 2), 5.0), 180.0)
        points = {
            "temperature": round(19.0 + 6.0 * warmth + self._rng.uniform(-0.2, 0.2), 1),
            "humidity": round(62.0 - 15.0 * warmth + self._rng.uniform(-1, 1), 1),
            "pm2_5": round(self._dust, 1),
        }
        self._time.say(Said(self._time.now, self.code, points=points))


class PatrolReader:
    """A checkpoint: it says whose card was held to it, with neither time nor number."""

    def __init__(self, timeline: Timeline, code: str, checkpoint: str, rng: Random, heartbeat: float) -> None:
        self._time, self.code, self._checkpoint = timeline, code, checkpoint
        self._battery = round(rng.uniform(3.6, 4.1), 2)
        timeline.every(heartbeat, self._state, first=rng.uniform(0, 2))

    def tap(self, card: str) -> None:
        """A card is held to it."""
        data = {"card": card, "checkpoint": self._checkpoint}
        self._time.say(Said(self._time.now, self.code, event="checkpoint_read", data=data))

    def _state(self) -> None:
        self._time.say(Said(self._time.now, self.code, points={"battery": self._battery}))
