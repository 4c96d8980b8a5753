"""The guard on patrol: two routes, a round of each every ten minutes, as `config/patrols/demo.yaml` plans them."""

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from hub.clock import from_us
from simulators.gates import Door
from simulators.machines import PatrolReader
from simulators.timeline import SECOND, Timeline

ROUND_S = 600.0

# Who walks: the patrol post of `config/duty/demo.yaml`, its rotation counted from the first of January 2026.
_SINCE = date(2026, 1, 1)
_CYCLE = ("morning", "morning", "afternoon", "afternoon", "night", "night", "", "")
_GUARDS: Mapping[str, int] = {"5A000003": 0, "5A000006": 2, "5A000009": 4, "5A000012": 6}


def card_on_patrol(local: datetime) -> str:
    """The card of the guard whose shift it is; shifts begin at 7, 15 and 23 o'clock."""
    begun = local - timedelta(hours=7)  # a night belongs to the day on which it began
    shift = ("morning", "afternoon", "night")[begun.hour // 8]
    day = (begun.date() - _SINCE).days
    return next(card for card, ahead in _GUARDS.items() if _CYCLE[(day + ahead) % len(_CYCLE)] == shift)


class PatrolGuard:
    """Walks every round in time, but for the `skip`ped ones; holds the card to a reader twice now and then."""

    def __init__(
        self,
        timeline: Timeline,
        doors: Mapping[str, Door],
        readers: Mapping[str, PatrolReader],
        zone: ZoneInfo,
        rng: Random,
    ) -> None:
        self._time, self._doors, self._readers, self._zone, self._rng = timeline, doors, readers, zone, rng
        self.skip = 0  # rounds of the garden that are not walked
        self._at_next(0.0, self._garden)
        self._at_next(ROUND_S / 2, self._garage)

    def _at_next(self, offset_s: float, walk: Callable[[], None]) -> None:
        """Begin at the next full ten minutes plus `offset_s`, then every ten minutes."""
        into = (self._time.now / SECOND - offset_s) % ROUND_S
        self._time.every(ROUND_S, walk, first=ROUND_S - into)

    def _garden(self) -> None:
        if self.skip:
            self.skip -= 1
            return
        lobby = self._rng.uniform(20, 90)
        self._time.after(lobby, lambda: self._enter("door-b1-u1"))
        self._time.after(lobby + self._rng.uniform(60, 120), lambda: self._tap("patrol-1"))

    def _garage(self) -> None:
        first = self._rng.uniform(30, 90)
        self._time.after(first, lambda: self._tap("patrol-2"))
        self._time.after(first + self._rng.uniform(40, 90), lambda: self._enter("door-garage-2"))

    def _card(self) -> str:
        return card_on_patrol(from_us(self._time.now).astimezone(self._zone))

    def _enter(self, code: str) -> None:
        if code in self._doors:
            self._doors[code].enter(self._card())

    def _tap(self, code: str) -> None:
        if code in self._readers:
            card = self._card()
            self._readers[code].tap(card)
            if self._rng.random() < 0.25:
                self._time.after(1.5, lambda: self._readers[code].tap(card))
