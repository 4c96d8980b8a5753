"""The model in degrees, against buildings whose truth is known."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.degrees import ENOUGH, Hour, Points, fit

BASE, HEATING, COOLING = 20.0, 1.5, 4.0


def truth(temperature: float) -> float:
    """Heated below 18 ℃, cooled above 25 ℃."""
    return BASE + HEATING * max(18 - temperature, 0) + COOLING * max(temperature - 25, 0)


def building(seed: int, number: int = 40, coldest: float = 0, warmest: float = 36, noise: float = 0.5) -> list[Hour]:
    rng = Random(seed)
    step = (warmest - coldest) / number
    temperatures = [coldest + step * (index + rng.random()) for index in range(number)]
    return [(one, truth(one) + rng.gauss(0, noise)) for one in temperatures]


def test_a_building_without_noise_is_found_as_it_is() -> None:
    model = fit(building(1, noise=0))
    assert model is not None
    assert model.points == Points(heating=18, cooling=25)
    assert model.slopes == pytest.approx([BASE, HEATING, COOLING])


@pytest.mark.parametrize("season", [(0, 36), (20, 36), (-10, 15)])
@pytest.mark.parametrize("seed", range(10))
def test_what_is_expected_is_near_the_truth_in_every_season(seed: int, season: tuple[float, float]) -> None:
    hours = building(seed, 40, *season)
    model = fit(hours)
    assert model is not None
    for temperature in (model.coldest + 2, sum(season) / 2, model.warmest - 2):
        found = model.at(temperature)
        assert found is not None
        assert found.use == pytest.approx(truth(temperature), abs=2.0)
        assert found.deviation < 1.5


@pytest.mark.parametrize("seed", range(30))
def test_one_odd_hour_in_ten_does_not_move_it(seed: int) -> None:
    hours, rng = building(seed), Random(seed)
    for index in rng.sample(range(len(hours)), len(hours) // 10):
        hours[index] = hours[index][0], rng.choice([0.0, rng.uniform(0, 100), 1000.0])
    model = fit(hours)
    assert model is not None
    for temperature in (10.0, 22.0, 30.0):
        found = model.at(temperature)
        assert found is not None
        assert found.use == pytest.approx(truth(temperature), abs=2.0)


@settings(deadline=None)
@given(st.integers(0, 10_000), st.floats(1e-6, 1e9))
def test_the_unit_does_not_matter(seed: int, scale: float) -> None:
    hours = building(seed)
    one, other = fit(hours), fit([(warm, use * scale) for warm, use in hours])
    assert one is not None and other is not None
    for temperature in (12.0, 22.0, 28.0):
        left, right = one.at(temperature), other.at(temperature)
        assert left is not None and right is not None
        assert right.use == pytest.approx(left.use * scale, rel=1e-6)
        assert right.deviation == pytest.approx(left.deviation * scale, rel=1e-6)


def test_a_building_that_uses_less_when_it_is_warm_has_no_cooling_slope() -> None:
    model = fit([(20.0 + day * 0.4, 50.0 - day) for day in range(30)])
    assert model is not None and model.points.cooling is None


def test_it_says_nothing_of_weather_it_has_not_seen_three_times() -> None:
    hot = [26.0, 28.0, 30.0, 33.0, 36.0]
    model = fit([(warm, truth(warm)) for warm in [20.0] * 10 + hot])
    assert model is not None and model.points.cooling is not None
    assert model.at(32.0) is not None, "it was 30 ℃ or more three times"
    assert model.at(32.1) is None
    assert model.at(17.9) is None
    model = fit([(warm, truth(warm)) for warm in [15.0] * 11 + hot[1:]])
    assert model is not None and model.points.cooling is None, "four hot hours make no slope"
    assert model.at(17.0) is not None
    assert model.at(17.1) is None, "and it does not take the heat for mild weather"


@pytest.mark.parametrize("use", [0.0, 5.0])
def test_nothing_that_changes_is_a_model_too(use: float) -> None:
    found = fit([(20.0, use)] * ENOUGH)
    assert found is not None and found.at(21.0) == (use, 0.0)
    assert fit([(20.0, use)] * (ENOUGH - 1)) is None


def test_the_same_hours_are_fitted_once_and_others_anew() -> None:
    hours = building(5)
    model = fit(hours)
    assert model is not None and fit(list(hours)) is model
    warmer, use = hours[7]
    changed = fit([*hours[:7], (warmer, use + 40), *hours[8:]])
    assert changed is not None and changed.slopes != model.slopes
