"""An hour against what the outdoor temperature makes of it: a synthetic building in a heat wave and in mild weather."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hub.analyses.model import Around, Finding
from hub.catalog.paths import packaged_config
from hub.model import Verdict
from hub.vocabulary.base import Text
from rules.calendars import is_workday
from rules.evaluator import RuleEvaluator
from rules.examples import example_device, example_frame
from rules.hourly import HourlyAnalysis
from rules.load import load_rules
from rules.model import ExampleStep, ExampleVerdict, Rule
from rules.wider import Hourly
from tests.unit.rule_harness import KINDS

END = datetime(2026, 8, 5, 15, tzinfo=ZoneInfo("Asia/Shanghai"))  # a Wednesday
WEATHER = {"kinds": ["environment_sensor"], "point": "temperature"}
SPEC = {"analysis": "unusual", "point": "energy_import", "sigma": 6, "above": 10}
DAYS = range(1, 57)

Series = Mapping[tuple[str, str, int], float | None]


def device(code: str, kind: str, point: str, place: str, *, outdoors: bool = False, number: int = 1) -> Any:
    real = KINDS[kind].points[point]
    return SimpleNamespace(code=code, id=number, kind_name=kind, points={point: SimpleNamespace(spec=real)},
                           place_path=place, spec=SimpleNamespace(outdoors=outdoors))  # fmt: skip


METER = device("meter", "electricity_meter", "energy_import", "b1/u1/f03/0301")
GARDEN = device("garden", "environment_sensor", "temperature", "garden", outdoors=True, number=2)
GARAGE = device("garage", "environment_sensor", "temperature", "garage", number=3)
ROOF = device("roof", "environment_sensor", "temperature", "b1/roof", outdoors=True, number=4)


def analysis(**spec: Any) -> HourlyAnalysis:
    rule = SimpleNamespace(rule="r", hourly=Hourly(**{**SPEC, "weather": WEATHER, **spec}), watches=lambda _: True)
    return HourlyAnalysis(rule)  # type: ignore[arg-type]


def use(temperature: float, rng: Random) -> float:
    """60 kWh an hour, and 12 more for each degree over 25 ℃."""
    return (60 + 12 * max(temperature - 25, 0)) * rng.uniform(0.97, 1.03)


def summer(now: float, used: float, warm_weekday: bool = False) -> dict[tuple[str, str, int], float | None]:
    """Eight weeks of 20 to 34 ℃, in which the weekday that is judged happened to be mild, or warm."""
    rng = Random(7)
    data: dict[tuple[str, str, int], float | None] = {
        ("meter", "energy_import", 0): used,
        ("garden", "temperature", 0): now,
    }
    for day in DAYS:
        warm = 20 + day % 15 if day % 7 else 31 + day % 3 if warm_weekday else 22 + day % 3
        data["garden", "temperature", day * 24] = float(warm)
        data["meter", "energy_import", day * 24] = use(warm, rng)
    return data


def judge(data: Series, beside: tuple[Any, ...] = (GARDEN, GARAGE), end: datetime = END, **spec: Any) -> Finding | None:
    one = analysis(**spec)
    around = Around((), [each for each in beside if one.beside(each)])
    asked = {(need.device.code, need.point, hour) for need in one.needs(METER, around, end) for hour in need.back}
    assert {hour for _, _, hour in asked} <= set(one.hours(end)), "late readings of these hours have it judged again"

    def series(of: Any, point: str, back: int) -> float | None:
        assert (of.code, point, back) in asked, "it looks only at what it said it needs"
        return data.get((of.code, point, back))

    return one.judge(METER, around, end, series)


def active(found: Finding | None) -> bool:
    assert found is not None
    return found.active


def test_a_heat_wave_is_nothing_and_the_same_use_in_mild_weather_is() -> None:
    hot = 60 + 12 * 8
    assert active(judge(summer(33, hot), weather=None)), "the same weekdays were mild: without weather an anomaly"
    assert not active(judge(summer(33, hot)))
    assert active(judge(summer(22, hot)))


def test_a_waste_in_mild_weather_does_not_hide_behind_hot_weeks() -> None:
    wasted = 60 + 90
    assert not active(judge(summer(22, wasted, warm_weekday=True), weather=None))
    found = judge(summer(22, wasted, warm_weekday=True))
    assert active(found) and found is not None
    assert found.excess == pytest.approx(90, abs=3), "what is priced is over the use of such weather"


def test_a_waste_in_a_heat_wave_is_found_as_well() -> None:
    assert active(judge(summer(33, 60 + 12 * 8 + 40)))


def test_odd_days_do_not_hide_it_or_make_it() -> None:
    odd = {("meter", "energy_import", day * 24): 900.0 for day in (6, 13, 27, 41)}
    assert active(judge(summer(22, 156) | odd))
    assert not active(judge(summer(33, 156) | odd))


def test_hotter_than_it_ever_was_says_nothing() -> None:
    assert judge(summer(39, 60 + 12 * 14)) is None


def office(end: datetime, used: float) -> dict[tuple[str, str, int], float | None]:
    """100 kWh an hour on workdays, 10 on days off."""
    data: dict[tuple[str, str, int], float | None] = {}
    for day in range(57):
        works = is_workday((end - timedelta(days=day)).date())
        data["garden", "temperature", day * 24] = 20.0 + day % 4
        data["meter", "energy_import", day * 24] = 100.0 if works else 10.0
    return data | {("meter", "energy_import", 0): used}


def test_workdays_are_compared_with_workdays_whatever_the_weekday() -> None:
    saturday, monday = (datetime(2026, 10, day, 15, tzinfo=END.tzinfo) for day in (10, 5))
    assert is_workday(saturday.date()) and not is_workday(monday.date()), "调休"
    assert not active(judge(office(saturday, 100.0), end=saturday))
    assert active(judge(office(monday, 100.0), end=monday))


def test_the_explanation_is_for_people() -> None:
    found = judge(summer(33, 220))
    assert found is not None and found.text is not None
    assert found.text.zh == "155.2 ± 19 kWh（室外 33.0 ℃，依据此前 39 个工作日的同一时刻）"
    assert found.text.en == "155.2 ± 19 kWh (at 33.0 ℃ outdoors, by this hour of 39 workdays before)"


@pytest.mark.parametrize(
    ("missing", "beside", "said"),
    [
        ({}, (GARAGE,), "没有室外温度传感器"),
        ({("garden", "temperature", 0): None}, (GARDEN,), "本小时没有气温"),
        ({("garden", "temperature", day * 24): None for day in range(10, 57)}, (GARDEN,), "有气温的日子太少"),
    ],
)
def test_without_temperatures_it_is_the_same_hour_of_the_weeks_and_says_so(
    missing: Series, beside: tuple[Any, ...], said: str
) -> None:
    data = {**summer(33, 156), **missing}
    found, plain = judge(data, beside), judge(data, weather=None)
    assert found is not None and plain is not None and found.text is not None and plain.text is not None
    assert (found.active, found.limit, found.excess) == (plain.active, plain.limit, plain.excess)
    assert said in found.text.zh and "未按气温修正" in found.text.zh and "not corrected" in found.text.en
    assert "未按气温修正" not in plain.text.zh


def test_some_days_without_a_temperature_are_left_out() -> None:
    gaps = {("garden", "temperature", day * 24): None for day in range(2, 57, 3)}
    assert not active(judge({**summer(33, 156), **gaps}))


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_the_unit_does_not_matter(scale: float) -> None:
    for now, used in ((33, 156), (22, 156), (28, 97), (28, 150)):
        data = summer(now, used)
        scaled = {key: value * scale if key[0] == "meter" and value else value for key, value in data.items()}
        assert active(judge(scaled, above=10 * scale)) == active(judge(data))


def test_what_cannot_be_over_the_limit_needs_no_model() -> None:
    assert judge(summer(22, 9.0)) == Finding(False, 9.0)


def test_the_nearest_outdoor_sensor_counts() -> None:
    roof = {("roof", "temperature", day * 24): 33.0 if day else 22.0 for day in range(57)}
    data = summer(33, 156) | roof
    assert not active(judge(data, (GARDEN, GARAGE)))
    assert judge(data, (GARDEN, GARAGE, ROOF)) is None, "on its own roof it never was 22 ℃"


def test_the_message_shows_what_was_expected_and_the_price() -> None:
    [rule] = [one for one in load_rules([packaged_config()], KINDS)[0] if one.rule == "electricity-unusual"]
    meter = example_device("electricity_meter", KINDS["electricity_meter"])
    evaluator = RuleEvaluator([rule])
    evaluator.configure({meter.id: meter}, 0)
    changes = []
    for hour in range(3):
        at = 1_750_000_000_000_000 + hour * 3_600_000_000
        step = ExampleStep(at="0s", verdict=ExampleVerdict(active=True))  # type: ignore[arg-type]
        frame = example_frame(meter, step, hour, at)
        assert frame is not None
        expected = Text(zh="80 ± 10 kWh（室外 34.0 ℃）", en="80 ± 10 kWh (at 34.0 ℃)")
        frame.verdicts = [Verdict(rule.rule, True, at, 120.0, 90.0, 2640, expected)]
        decision = evaluator.evaluate([frame], at)
        evaluator.accept(decision)
        changes += decision.alarms
    [raised] = changes
    assert raised.cost_fen == 2640
    assert "用电 120 kWh，预期 80 ± 10 kWh（室外 34.0 ℃），多用部分费用 26.40 元" in raised.text.zh
    assert (
        "used 120 kWh this hour, expected was 80 ± 10 kWh (at 34.0 ℃); the excess costs 26.40 yuan." in raised.text.en
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("point: temperature", "point: humidity"), "a temperature: a gauge in Cel"),
        (("point: temperature", "point: temperatur"), "a point of environment_sensor"),
        (("[environment_sensor]", "[environment_senser]"), "a kind of kinds.yaml"),
        (("analysis: unusual", "analysis: always_on"), "`weather` belongs to the analysis `unusual`"),
    ],
)
def test_what_is_no_temperature_is_refused(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    text = (packaged_config() / "rules" / "energy.yaml").read_text(encoding="utf-8")
    assert change[0] in text
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "energy.yaml").write_text(text.replace(*change), encoding="utf-8")
    problems = [problem.render() for problem in load_rules([tmp_path], KINDS)[1]]
    assert any(said in problem for problem in problems), problems


@pytest.mark.parametrize(("word", "rule"), [("cost", "threshold"), ("expected", "always_on")])
def test_messages_ask_only_for_what_is_known(word: str, rule: str) -> None:
    condition: dict[str, Any] = {"threshold": {"point": "power", "above": 5}}
    if rule == "always_on":
        condition = {"hourly": {"analysis": "always_on", "point": "power", "above": 5}}
    with pytest.raises(ValueError, match=rf"\${word} is known of"):
        Rule(rule="r", title=Text(zh="", en=""), when={"kinds": ["electricity_meter"]}, priority="low", examples=[
            {"name": "one", "steps": [{"at": "0s", "expect": ["raised"]}]}, {"name": "two", "steps": [{"at": "0s"}]},
        ], text={"zh": f"${word}", "en": "x"}, **condition)  # type: ignore[arg-type]  # fmt: skip
