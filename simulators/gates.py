"""Ways in: doors with their readers, barriers with their plate cameras."""

from collections.abc import Callable
from random import Random

from simulators.timeline import SECOND, Said, Timeline

CLOSED, OPEN, MOVING = 0, 1, 2
UNLOCKED, LOCKED = 0, 1

Note = Callable[[], None]
"""Called when a fault really begins: a door that is just being used makes it wait for some seconds."""


class Door:
    """An access-controlled door: unlocked by card, button or command, opened, closed again, locked."""

    PATIENCE = 45.0
    """Seconds after which the controller itself says that the door is held open."""

    def __init__(self, timeline: Timeline, code: str, rng: Random, heartbeat: float) -> None:
        self._time, self.code, self._rng = timeline, code, rng
        self.open, self.locked = CLOSED, LOCKED
        self._free = timeline.now  # one person after the other
        self._inside = 0  # who has not let go of the door yet
        timeline.every(heartbeat, self._state, first=rng.uniform(0, 2))

    def enter(self, card: str, method: str = "card") -> None:
        """A known card, face or code at the reader."""
        self._queue(9.0, lambda: self._pass("access_granted", {"card": card, "method": method}))

    def leave(self) -> None:
        """Somebody presses the button inside."""
        self._queue(9.0, lambda: self._pass("unlocked", {"cause": "button"}))

    def deny(self, card: str, cause: str) -> None:
        """A card that may not pass."""
        self._queue(1.0, lambda: self._event("access_denied", {"card": card, "cause": cause}))

    def command_open(self, command_id: str) -> None:
        """Opened from the desk, whoever else is there; somebody walks through."""
        self._free = max(self._free, self._time.now) + 9 * SECOND
        self._time.after(0.05, lambda: self._pass("unlocked", {"cause": "remote", "command_id": command_id}))

    def force(self, seconds: float, note: Note) -> None:
        """Levered open while locked."""

        def begin() -> None:
            note()
            self._event("door_forced", {})
            self._inside += 1
            self.open = OPEN
            self._state()
            self._time.after(seconds, self._shut)

        self._queue(seconds + 1, begin)

    def hold(self, seconds: float, note: Note) -> None:
        """Propped open; the controller complains by itself."""

        def begin() -> None:
            self._event("unlocked", {"cause": "button"})
            note()
            self._inside += 1
            self.open, self.locked = OPEN, UNLOCKED
            self._state()
            if seconds > self.PATIENCE:
                self._time.after(self.PATIENCE, lambda: self._event("door_held", {}))
            self._time.after(seconds, self._shut)

        self._queue(seconds + 1, begin)

    def _queue(self, seconds: float, action: Note) -> None:
        begins = max(self._free, self._time.now)
        self._free = begins + round(seconds * SECOND)
        self._time.at(begins, action)

    def _pass(self, event: str, data: dict[str, str]) -> None:
        self._event(event, data)
        self._inside += 1
        self.locked = UNLOCKED
        self._state()
        self._time.after(0.8, self._swing)
        self._time.after(self._rng.uniform(4.0, 8.0), self._shut)

    def _swing(self) -> None:
        self.open = OPEN
        self._state()

    def _shut(self) -> None:
        self._inside -= 1
        if self._inside == 0:
            self.open, self.locked = CLOSED, LOCKED
            self._state()

    def _event(self, name: str, data: dict[str, str]) -> None:
        self._time.say(Said(self._time.now, self.code, event=name, data=data))

    def _state(self) -> None:
        self._time.say(Said(self._time.now, self.code, points={"open": self.open, "locked": self.locked}))


class Barrier:
    """A barrier arm. Its motion takes 1.2 s; it closes by itself behind a car, or 10 s after a command to open."""

    MOTION = 1.2
    HELD = 10.0

    def __init__(self, timeline: Timeline, code: str, heartbeat: float) -> None:
        self._time, self.code = timeline, code
        self.position = CLOSED
        self._target = CLOSED
        self._motion = 0  # an order the other way makes those before it void
        self._held_until = timeline.now
        self.stuck = False
        timeline.every(heartbeat, self._state, first=1.0)

    def open(self, data: dict[str, str]) -> None:
        """Raise the arm and say so when it is up. `data` is that of the event `opened`."""
        if data["cause"] == "remote":
            self._held_until = self._time.now + round(self.HELD * SECOND)
            self._time.after(self.HELD, lambda: self.close({"cause": "auto"}))
        self._move(OPEN, "opened", data)

    def close(self, data: dict[str, str]) -> None:
        """Lower the arm and say so when it is down. `data` is that of the event `closed`."""
        if data["cause"] != "auto" or self._time.now >= self._held_until:
            self._move(CLOSED, "closed", data)

    def passed(self, plate: str, direction: str) -> None:
        """A car has gone through, unless something stops the arm."""
        if not self.stuck:
            self._event("vehicle_passed", {"plate": plate, "direction": direction})

    def obstruct(self, seconds: float, note: Note) -> None:
        """Something stands under the arm: it stops half-way, and closes when the way is free again."""

        def free() -> None:
            self.stuck = False
            self._target = OPEN
            self._position(MOVING)
            self._move(CLOSED, "closed", {"cause": "auto"})

        note()
        self._motion += 1
        self.stuck = True
        self._position(MOVING)
        self._event("obstructed", {})
        self._time.after(seconds, free)

    def _move(self, target: int, event: str, data: dict[str, str]) -> None:
        if self.stuck:
            return
        if target != self._target:
            self._motion += 1
        self._target = target
        order = self._motion

        def arrive() -> None:
            if order == self._motion:
                self._position(target)
                self._event(event, data)

        if self.position != target:
            self._position(MOVING)
        self._time.after(self.MOTION if self.position != target else 0.1, arrive)

    def _position(self, position: int) -> None:
        self.position = position
        self._state()

    def _event(self, name: str, data: dict[str, str]) -> None:
        self._time.say(Said(self._time.now, self.code, event=name, data=data))

    def _state(self) -> None:
        self._time.say(Said(self._time.now, self.code, points={"position": self.position}))


class Lane:
    """A barrier, its camera and the cars before it, one after the other."""

    def __init__(self, timeline: Timeline, barrier: Barrier, camera: str | None, direction: str, rng: Random) -> None:
        self._time, self.barrier, self._camera, self._rng = timeline, barrier, camera, rng
        self.direction = direction
        self._free = timeline.now

    def arrive(self, plate: str) -> None:
        """A car drives up: seen, let through, gone, barrier down."""
        begins = max(self._free, self._time.now)
        self._free = begins + 16 * SECOND
        self._time.at(begins, lambda: self._pass(plate))

    def _pass(self, plate: str) -> None:
        if self.barrier.stuck:
            self._time.after(5.0, lambda: self.arrive(plate))
            return
        if self._camera is not None:
            confidence = round(self._rng.uniform(0.82, 0.995), 3)
            seen = {"plate": plate, "confidence": confidence, "direction": self.direction}
            self._time.say(Said(self._time.now, self._camera, event="plate_seen", data=seen))
        self._time.after(0.6, lambda: self.barrier.open({"cause": "plate", "plate": plate}))
        self._time.after(5.0, lambda: self.barrier.passed(plate, self.direction))
        self._time.after(8.0, lambda: self.barrier.close({"cause": "auto"}))
