"""What an analysis is: pure arithmetic over whole hours of a device and of the devices below it."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from hub.model import Device
from hub.vocabulary.base import Text

Series = Callable[[Device, str, int], float | None]
"""(device, point, hours back) -> the counter's increase or the gauge's mean in that hour; 0 back: the hour that ends
now. None where it is not known: no data, a counter that was set back."""


class Need(msgspec.Struct, frozen=True):
    """Hours of a point an analysis wants to see."""

    device: Device
    point: str
    back: Sequence[int]


class Around(msgspec.Struct, frozen=True):
    """The other devices an analysis may look at: directly below its own, and those of the community it asks for."""

    below: Sequence[Device] = ()
    beside: Sequence[Device] = ()


class Finding(msgspec.Struct, frozen=True):
    """What one interval shows."""

    active: bool
    value: float
    limit: float | None = None
    excess: float | None = None  # consumption beyond what is right, in the commodity's unit (kWh, m³): it has a price
    text: Text | None = None  # in words, what was to be expected


class Analysis(Protocol):
    """One hourly rule at work. Pure."""

    @property
    def rule(self) -> str: ...

    def watches(self, device: Device) -> bool: ...

    def beside(self, device: Device) -> bool:
        """Whether it looks at this one, too, whatever device it judges."""
        ...

    def hours(self, end: datetime) -> Sequence[int]:
        """Hours back of the interval ending at `end` (local time of the community); none where none ends then."""
        ...

    def needs(self, device: Device, around: Around, end: datetime) -> Iterable[Need]:
        """What it must see of a device for the interval that ends at `end`; none: nothing can be said."""
        ...

    def judge(self, device: Device, around: Around, end: datetime, series: Series) -> Finding | None:
        """None: too little is known to say anything."""
        ...
