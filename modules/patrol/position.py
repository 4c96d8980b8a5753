"""Where a phone says it is, and how far that is from a checkpoint. Degrees and metres by WGS-84. Pure."""

from dataclasses import dataclass
from math import asin, cos, isfinite, radians, sin, sqrt

from hub.errors import Refused

MOST_LAT, MOST_LON = 90.0, 180.0
MOST_ACCURACY = 100_000.0
NEAR = 100
"""Farther from the checkpoint than so many metres beyond what the phone vouches for is elsewhere."""

_EARTH = 6_371_008.8  # mean radius in metres (IUGG)


@dataclass(frozen=True)
class Position:
    """Degrees WGS-84 as the phone gives them. `accuracy`: metres around it in which the phone is, with 95 %
    (W3C Geolocation). Refused(422) `bad_position` for what is nowhere."""

    lat: float
    lon: float
    accuracy: float

    def __post_init__(self) -> None:
        bounds = ((self.lat, -MOST_LAT, MOST_LAT), (self.lon, -MOST_LON, MOST_LON), (self.accuracy, 0, MOST_ACCURACY))
        if not all(isfinite(value) and least <= value <= most for value, least, most in bounds):
            raise Refused("bad_position", "a position has lat, lon (degrees WGS-84) and accuracy (0 to 100 000 m)", 422)


def distance(lat: float, lon: float, other_lat: float, other_lon: float) -> float:
    """Metres along the great circle (haversine on a sphere; off by at most 0.6 %)."""
    north, east = radians(other_lat - lat) / 2, radians(other_lon - lon) / 2
    share = sin(north) ** 2 + cos(radians(lat)) * cos(radians(other_lat)) * sin(east) ** 2
    return 2 * _EARTH * asin(sqrt(min(1.0, share)))


def away(position: Position, lat: float, lon: float) -> int | None:
    """How many metres a phone is from a place, where it surely is not there; else None."""
    metres = distance(position.lat, position.lon, lat, lon)
    return round(metres) if metres > position.accuracy + NEAR else None
