"""The whole community as physics: seeded, driven by a clock that is passed in, silent about protocols.

`Plant(devices, seed, start_us)` builds what the site file lists; `advance(to_us)` returns all that was said until then.
The same seed gives the same story whatever the size of the steps; nothing here reads a clock, so it runs at any speed.
"""

from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from zoneinfo import ZoneInfo

from hub.catalog.devices import silent_after
from hub.clock import from_us
from hub.model import Device
from hub.truth import TruthFault
from hub.vocabulary.profiles import VirtualProfile
from hub.vocabulary.virtual import VirtualAddress
from simulators.faults import SLACK_S, SPECS, Fault, Scenario, due_us
from simulators.gates import Barrier, Door, Lane
from simulators.guards import PatrolGuard
from simulators.homes import Home, midnight, plate
from simulators.machines import Elevator, EnvironmentSensor, PatrolReader, Pump, SmokeDetector
from simulators.meters import CONCENTRATOR_S, ElectricityMeter, MainWaterMeter, WaterMeter
from simulators.timeline import SECOND, Said, Timeline, stream

VISITORS_AN_HOUR = 300.0
"""Couriers and guests over all doors and gates by day; fewer at night."""

STATE_S = 60.0
SENSOR_S = 20.0
DEMAND_S = 30.0


class Plant:
    """Everything that happens in the community. `values` is the last word of each device, canonical units."""

    def __init__(self, devices: Iterable[Device], seed: int, start_us: int) -> None:
        self.time = Timeline(start_us)
        known = {device.code: device for device in sorted(devices, key=lambda one: one.code)}
        wireless = {code: device for code, device in known.items() if isinstance(device.profile, VirtualProfile)}
        self.gateways = {code: device for code, device in wireless.items() if device.kind_name == "gateway"}
        self.devices = {code: device for code, device in known.items() if code not in wireless}
        self.zone = ZoneInfo(next((device.zone for device in self.devices.values()), "UTC"))
        self.seed = seed
        self.values: dict[str, dict[str, float]] = {}
        self.homes: dict[str, Home] = {}
        self.doors: dict[str, Door] = {}
        self.lanes: dict[str, Lane] = {}
        self.pumps: dict[str, Pump] = {}
        self.elevators: dict[str, Elevator] = {}
        self.detectors: dict[str, SmokeDetector] = {}
        self.readers: dict[str, PatrolReader] = {}
        self.mains: dict[str, MainWaterMeter] = {}
        self.lost: set[str] = set()  # buses whose gateway does not answer
        self._concentrators: dict[str, list[WaterMeter | MainWaterMeter]] = {}
        self._demand = 0.0
        self._visitors = stream(seed, f"visitors/{self.time.start}")
        for code, device in self.devices.items():
            builder = self._builders().get(device.kind_name)
            if builder is not None:
                builder(code, device)
        self.guard = PatrolGuard(self.time, self.doors, self.readers, self.zone, stream(seed, "guard"))
        self._begin()

    @property
    def now(self) -> int:
        """How far the plant has come, microseconds UTC."""
        return self.time.now

    def advance(self, to_us: int) -> list[Said]:
        """Everything said up to and including `to_us`, in order of time."""
        said = self.time.advance(to_us)
        for word in said:
            self.values.setdefault(word.device, {}).update(word.points)
        return said

    def silent(self, code: str) -> bool:
        """True while the device does not answer either."""
        return code in self.time.silent

    def command(self, code: str, name: str, command_id: str) -> bool:
        """Do what a device is told, now. False: it cannot, or does not answer."""
        if self.silent(code):
            return False
        remote = {"cause": "remote", "command_id": command_id}
        if code in self.doors and name == "open":
            self.doors[code].command_open(command_id)
        elif code in self.lanes and name == "open":
            self.lanes[code].barrier.open(remote)
        elif code in self.lanes and name == "close":
            self.lanes[code].barrier.close(remote)
        elif code in self.pumps and name in ("start", "stop"):
            self.pumps[code].command(int(name == "start"))
        else:
            return False
        return True

    def schedule(self, scenario: Scenario) -> None:
        """Plan faults relative to the plant's start. KeyError: a device the site does not have."""
        for fault in scenario:
            begin = self._fault(fault)
            self.time.at(self.time.start + round(fault.offset_s * SECOND), begin)

    # --- building it

    def _builders(self) -> dict[str, Callable[[str, Device], None]]:
        return {
            "door": self._build_door,
            "barrier": self._build_barrier,
            "pump": self._build_pump,
            "elevator": self._build_elevator,
            "electricity_meter": self._build_electricity_meter,
            "water_meter": self._build_water_meter,
            "smoke_detector": self._build_detector,
            "environment_sensor": self._build_sensor,
            "patrol_reader": self._build_patrol_reader,
        }

    def _build_door(self, code: str, _: Device) -> None:
        self.doors[code] = Door(self.time, code, stream(self.seed, code), STATE_S)

    def _build_barrier(self, code: str, _: Device) -> None:
        direction = "out" if code.endswith("out") else "in"
        cameras = [one.code for one in self.devices.values() if one.kind_name == "plate_camera"]
        camera = next((one for one in cameras if one.endswith(direction)), None)
        barrier = Barrier(self.time, code, STATE_S)
        self.lanes[code] = Lane(self.time, barrier, camera, direction, stream(self.seed, code))

    def _build_pump(self, code: str, _: Device) -> None:
        self.pumps[code] = Pump(self.time, code, len(self.pumps), lambda: self._demand, stream(self.seed, code))

    def _build_elevator(self, code: str, _: Device) -> None:
        self.elevators[code] = Elevator(self.time, code, stream(self.seed, code))

    def _build_electricity_meter(self, code: str, device: Device) -> None:
        ElectricityMeter(self.time, code, self._home(device.spec.place), stream(self.seed, code))

    def _build_water_meter(self, code: str, device: Device) -> None:
        below = [one.spec.place for one in self.devices.values() if one.spec.parent == code]
        meter: WaterMeter | MainWaterMeter
        if below:
            meter = self.mains[code] = MainWaterMeter(
                self.time, code, lambda: [self._home(place) for place in below], stream(self.seed, code)
            )
        else:
            meter = WaterMeter(self.time, code, self._home(device.spec.place), stream(self.seed, code))
        self._concentrators.setdefault(concentrator(device), []).append(meter)

    def _build_detector(self, code: str, _: Device) -> None:
        self.detectors[code] = SmokeDetector(self.time, code, stream(self.seed, code), STATE_S)

    def _build_sensor(self, code: str, _: Device) -> None:
        EnvironmentSensor(self.time, code, stream(self.seed, code), self._hour, SENSOR_S)

    def _build_patrol_reader(self, code: str, device: Device) -> None:
        self.readers[code] = PatrolReader(self.time, code, device.spec.name.zh, stream(self.seed, code), STATE_S)

    def _home(self, place: str) -> Home:
        if place not in self.homes:
            self.homes[place] = Home(place, self.zone, self.seed)
        return self.homes[place]

    # --- its life

    def _begin(self) -> None:
        self.time.every(DEMAND_S, self._measure_demand)
        for index, meters in enumerate(self._concentrators.values()):
            self.time.every(CONCENTRATOR_S, partial(_measure_all, meters), first=5.0 + 3.0 * index)
        self._plan_day()
        self.time.after(self._visitors.uniform(1, 10), self._visit)

    def _measure_demand(self) -> None:
        self._demand = 3.6 * sum(home.litres_a_second(self.time.now) for home in self.homes.values())

    def _hour(self, us: int) -> float:
        local = from_us(us).astimezone(self.zone)
        return local.hour + local.minute / 60

    def _plan_day(self) -> None:
        today = from_us(self.time.now).astimezone(self.zone).date()
        begins = midnight(today, self.zone)
        for home in self.homes.values():
            for trip in home.trips(self.time.now):
                when = begins + round(trip.t * SECOND)
                if when >= self.time.now:
                    self.time.at(when, partial(self._walk, home, trip.person, trip.out, trip.by_car))
        self.time.at(midnight(today + timedelta(days=1), self.zone), self._plan_day)

    def _walk(self, home: Home, person: int, out: bool, by_car: bool) -> None:
        """A person of a home leaves or comes back: elevator, door, and with a car the gate and the garage."""
        rng = self._visitors
        floor = _floor(home.place)
        elevator = next((one for code, one in self.elevators.items() if self._near(code, home.place)), None)
        if by_car and home.plate is not None:
            lanes = [lane for lane in self.lanes.values() if lane.direction == ("out" if out else "in")]
            garages = [self.doors[code] for code in self.doors if self._area(code)]
            if lanes:
                self.time.after(240.0 if out else 0.0, partial(rng.choice(lanes).arrive, home.plate))
            doors = garages
        else:
            doors = [self.doors[code] for code in self.doors if self._near(code, home.place)]
        if elevator is not None:
            self.time.after(0.0 if out else 60.0, partial(elevator.ride, *((floor, 1) if out else (1, floor))))
        if doors:
            door = rng.choice(doors)
            if out:
                self.time.after(70.0, door.leave)
            else:
                self.time.after(30.0 if by_car else 0.0, partial(door.enter, home.cards[person]))

    def _visit(self) -> None:
        """The next courier or guest: most are let in, some hold a card that is nothing, some come by car."""
        rng = self._visitors
        hour = self._hour(self.time.now)
        rate = VISITORS_AN_HOUR * (1.0 if 7 <= hour < 22 else 0.6)
        self.time.after(rng.expovariate(rate / 3600), self._visit)
        chance = rng.random()
        if chance < 0.2 and self.lanes:
            rng.choice(list(self.lanes.values())).arrive(plate(rng))
        elif self.doors:
            door, card = rng.choice(list(self.doors.values())), f"{rng.randrange(16**8):08X}"
            if chance < 0.3:
                door.deny(card, rng.choice(("unknown", "expired", "zone", "time")))
            elif chance < 0.5:
                door.leave()
            else:
                door.enter(card, rng.choice(("card", "face", "qr", "pin")))
                self._ride_somewhere(door.code)

    def _ride_somewhere(self, door: str) -> None:
        place = self.devices[door].spec.place
        for code, elevator in self.elevators.items():
            if self._near(code, place):
                elevator.ride(1, self._visitors.randrange(2, 12))

    def _near(self, code: str, place: str) -> bool:
        """The device serves that place: same building and unit."""
        return self.devices[code].spec.place.split("/")[:2] == place.split("/")[:2]

    def _area(self, code: str) -> bool:
        return "/" not in self.devices[code].spec.place

    # --- what goes wrong

    def _fault(self, fault: Fault) -> Callable[[], None]:
        note = partial(self._note, fault)
        lasts = fault.lasts_s
        if fault.kind == "door_forced":
            return partial(self.doors[fault.device].force, lasts, self._break_in(fault))
        if fault.kind == "door_held":
            return partial(self.doors[fault.device].hold, lasts, note)
        if fault.kind == "gateway_lost":
            return self._cut_off(fault)
        if fault.kind == "barrier_obstructed":
            return partial(self.lanes[fault.device].barrier.obstruct, lasts, note)
        effects: dict[str, Callable[[], None]] = {
            "pump_over_pressure": lambda: self.pumps[fault.device].over_pressure(lasts),
            "elevator_trapped": lambda: self.elevators[fault.device].trap(lasts),
            "smoke_alarm": lambda: self.detectors[fault.device].alarm(lasts),
            "device_silent": partial(self._fall_silent, self.devices[fault.device].code, lasts),
        }
        effect = effects[fault.kind]

        def begin() -> None:
            note()
            effect()

        return begin

    def _break_in(self, fault: Fault) -> Callable[[], None]:
        """Who forced the door takes the elevator behind it, where there is one."""
        place = self.devices[fault.device].spec.place
        elevator = next((one for code, one in self.elevators.items() if self._near(code, place)), None)

        def begin() -> None:
            self._note(fault)
            if elevator is not None:
                self._note(Fault("intruder", fault.device, fault.name, fault.offset_s, fault.lasts_s))
                self.time.after(10.0, partial(elevator.ride, 1, 9))

        return begin

    def _fall_silent(self, code: str, seconds: float) -> None:
        self.time.silent.add(code)
        self.time.after(seconds, lambda: self.time.silent.discard(code))

    def _cut_off(self, fault: Fault) -> Callable[[], None]:
        """A gateway that does not answer: what hangs on it falls silent, if that lasts long enough."""
        address = self.gateways[fault.device].spec.address
        assert isinstance(address, VirtualAddress) and address.bus is not None
        bus = address.bus
        behind = [one for one in self.devices.values() if one.spec.bus == bus]

        def begin() -> None:
            self._note(fault)
            for device in behind:
                if silent_after(device).total_seconds() + SLACK_S < fault.lasts_s:
                    self._note(Fault("device_silent", device.code, device.spec.name, fault.offset_s, fault.lasts_s))
            self.lost.add(bus)
            self.time.after(fault.lasts_s, lambda: self.lost.discard(bus))

        return begin

    def _note(self, fault: Fault) -> None:
        """Write down that the fault begins now, before the device says a word about it."""
        now, spec = self.time.now, SPECS[fault.kind]
        ends = now + round(fault.lasts_s * SECOND) if spec.returns else None
        truth = TruthFault(fault.device, spec.rule, now, due_us(fault, self.devices.get(fault.device), now), ends)
        self.time.say(Said(now, fault.device, fault=truth))


def concentrator(device: Device) -> str:
    """The name of the concentrator a meter hangs on: one to each unit of a building."""
    return "con-" + "-".join(device.spec.place.split("/")[:2])


def _floor(place: str) -> int:
    digits = "".join(c for part in place.split("/") if part.startswith("f") for c in part if c.isdigit())
    return int(digits or 1)


def _measure_all(meters: list[WaterMeter | MainWaterMeter]) -> None:
    for meter in meters:
        meter.measure()
