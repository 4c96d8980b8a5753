"""How far a phone is from a checkpoint, and what that does to a visit."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hub.errors import Refused
from modules.patrol.model import Evidence, Round, Stop, assess
from modules.patrol.plans import CheckpointSpec
from modules.patrol.position import Position, away, distance
from modules.patrol.routes import CapturedPosition

GATE = (31.2304, 121.4737)
NORTH = 1 / 111_195.08  # degrees of latitude a metre is, on a sphere of the mean radius
LATITUDES, LONGITUDES = st.floats(-90, 90), st.floats(-180, 180)


@pytest.mark.parametrize(("one", "other", "metres"), [
    (GATE, GATE, 0),
    ((0, 0), (0, 1), 111_195),
    ((60, 10), (60, 11), 55_597),
    ((0, 179.5), (0, -179.5), 111_195),
    ((90, 0), (-90, 77), 20_015_115),
    ((39.9042, 116.4074), (31.2304, 121.4737), 1_067_000),  # Beijing to Shanghai
])  # fmt: skip
def test_distances_are_those_of_the_great_circle(one: tuple[float, float], other: tuple[float, float], metres: float):
    assert distance(*one, *other) == pytest.approx(metres, rel=1e-3, abs=0.5)


@given(LATITUDES, LONGITUDES, LATITUDES, LONGITUDES)
def test_a_distance_is_the_same_back_and_never_beyond_half_the_earth(lat, lon, other_lat, other_lon):
    there = distance(lat, lon, other_lat, other_lon)
    assert 0 <= there <= 20_015_116
    assert distance(other_lat, other_lon, lat, lon) == pytest.approx(there, abs=1e-3)


def test_only_what_lies_beyond_the_accuracy_and_a_hundred_metres_is_elsewhere():
    def north(metres: float, accuracy: float) -> int | None:
        return away(Position(GATE[0] + metres * NORTH, GATE[1], accuracy), *GATE)

    assert [north(99, 0), north(101, 0), north(320, 219), north(320, 221), north(50_000, 100_000)] == [
        None, 101, 320, None, None,
    ]  # fmt: skip


@pytest.mark.parametrize("wrong", [
    {"lat": 90.1}, {"lat": -91}, {"lon": 180.1}, {"lon": -181}, {"accuracy": -1}, {"accuracy": 100_001},
    {"lat": math.nan}, {"lon": math.inf}, {"accuracy": math.nan},
])  # fmt: skip
def test_what_is_nowhere_is_refused(wrong: dict[str, float]):
    values = {"lat": 31.0, "lon": 121.0, "accuracy": 10.0} | wrong
    with pytest.raises(Refused):
        Position(**values)
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        CapturedPosition(**values)


@pytest.mark.parametrize("wrong", [{"lat": "31"}, {"lon": True}, {"accuracy": None}, {"altitude": 4}])
def test_another_sort_of_value_is_refused(wrong: dict[str, object]):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        CapturedPosition.model_validate({"lat": 31, "lon": 121, "accuracy": 10} | wrong)
    assert CapturedPosition(lat=90, lon=-180, accuracy=100_000).reading() == Position(90, -180, 100_000)


def test_a_checkpoint_whose_place_nobody_knows_says_nothing_of_a_phone():
    spec = {"id": "a", "name": {"zh": "a", "en": "a"}, "place": "a", "proofs": [{"by": "qr"}]}
    there = Position(0, 0, 10)
    assert CheckpointSpec.model_validate(spec).away(there) is None
    placed = CheckpointSpec.model_validate(spec | {"position": {"lat": 0, "lon": 0.01}})
    assert (placed.away(there), placed.away(None)) == (1112, None)


# -- what it does to a visit -----------------------------------------------------------------------------------------

START = datetime(2026, 11, 21, 18, tzinfo=UTC)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


ROUND = Round(
    START, START, START + minutes(30), START + minutes(60), (Stop("a", START, START + minutes(30)),), True, minutes(5),
    minutes(0),
)  # fmt: skip


def scan(moment: float, far: int | None = None, person: str = "user:li") -> Evidence:
    at = START + minutes(moment)
    return Evidence(f"{person}{moment}", "a", "qr", "qr", 60, at, at, person, timely=True, away=far)


def test_a_code_read_elsewhere_loses_what_being_on_time_adds_and_its_distance_is_shown():
    [near] = assess(ROUND, [scan(3)], START + minutes(5)).visits
    [far] = assess(ROUND, [scan(3, 320)], START + minutes(5)).visits
    assert (near.score, near.away, far.score, far.away, far.done_at) == (100, None, 60, 320, None)
    door = replace(scan(4, person=""), key="door", sort="door", proof="door-1", weight=50)
    [proved] = assess(ROUND, [scan(3, 320), door], START + minutes(5)).visits
    assert (proved.score, proved.away, proved.done_at) == (100, 320, START + minutes(4))


def test_who_comes_after_all_has_done_it_and_what_was_elsewhere_stays_seen_in_any_order():
    for found in permutations([scan(3, 320), scan(4, 900), scan(6), scan(7, 5000, "user:wang")]):
        [visit] = assess(ROUND, found, START + minutes(9)).visits
        assert (visit.score, visit.away, visit.person) == (100, 900, "user:li")
