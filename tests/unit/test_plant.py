"""The plant: same seed, same story; physics that add up."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.clock import to_us
from hub.model import Device
from hub.truth import TruthFault
from simulators.curves import from_draws, from_weights
from simulators.faults import Fault, FaultKind, default_scenario, describe
from simulators.guards import card_on_patrol
from simulators.plant import Plant
from simulators.timeline import DAY, SECOND, Said
from tests.unit.demo_devices import demo_devices

EVENING = to_us(datetime(2026, 3, 3, 10, 30, tzinfo=UTC))  # Tuesday 18:30 in Shanghai: people come home
DEVICES = demo_devices()
FEW = [device for device in DEVICES if device.code[:3] not in ("em-", "wm-") or device.code.endswith(("1", "7"))]


def story(seconds: float, *, step: float = 1.0, seed: int = 7, devices: Iterable[Device] = FEW) -> list[Said]:
    plant = Plant(devices, seed, EVENING)
    plant.schedule(default_scenario(DEVICES))
    said, at, end = [], EVENING, EVENING + round(seconds * SECOND)
    while at < end:
        at = min(at + round(step * SECOND), end)
        said += plant.advance(at)
    return said


def fault_of(kind: FaultKind, lasts_s: float = 60.0) -> tuple[Plant, Fault]:
    plant = Plant(FEW, 7, EVENING)
    [fault] = [one for one in default_scenario(DEVICES) if one.kind == kind]
    fault = Fault(fault.kind, fault.device, fault.name, 5.0, lasts_s)
    plant.schedule([fault])
    return plant, fault


@pytest.mark.parametrize("step", [0.037, 0.5, 13.0, 300.0])
def test_story_does_not_depend_on_the_step(step: float) -> None:
    assert story(240, step=step) == story(240, step=240)


def test_another_seed_tells_another_story() -> None:
    events = [[one for one in story(240, seed=seed) if one.event] for seed in (7, 8)]
    assert events[0] != events[1]


def test_words_come_in_order_of_time_in_whole_milliseconds() -> None:
    times = [one.at for one in story(240)]
    assert times == sorted(times)
    assert all(at % 1000 == 0 for at in times)


def test_site_is_alive() -> None:
    names = Counter(one.event for one in story(600) if one.event)
    assert {"access_granted", "access_denied", "unlocked", "plate_seen", "opened", "closed", "vehicle_passed"} <= set(
        names
    )
    assert names["checkpoint_read"] >= 1


def test_the_guard_walks_every_round_in_the_order_of_the_plan() -> None:
    said = [
        one
        for one in story(3600)
        if one.event == "checkpoint_read" or (one.data.get("card") or "").startswith("5A0000")
    ]
    rounds = defaultdict(list)
    for one in said:
        rounds[(one.at // SECOND) // 300].append((one.device, one.data["card"]))
    for number, walked in rounds.items():
        route = ["door-b1-u1", "patrol-1"] if number % 2 == 0 else ["patrol-2", "door-garage-2"]
        assert list(dict.fromkeys(device for device, _ in walked)) == route
        assert len({card for _, card in walked}) == 1
    assert len(rounds) == 11, "the one that began with the story was not walked"


@pytest.mark.parametrize("hour", range(0, 24, 3))
def test_somebody_of_the_roster_is_on_patrol_at_any_hour(hour: int) -> None:
    cards = {card_on_patrol(datetime(2026, 11, day, hour, tzinfo=UTC)) for day in range(1, 30)}
    assert cards == {"5A000003", "5A000006", "5A000009", "5A000012"}


def test_counters_never_fall_and_hours_add_up() -> None:
    plant = Plant(DEVICES, 7, EVENING)
    last: dict[tuple[str, str], float] = {}
    first: dict[tuple[str, str], float] = {}
    for said in plant.advance(EVENING + 2 * 3600 * SECOND):
        for name in ("energy_import", "volume"):
            if name in said.points:
                key = said.device, name
                assert said.points[name] >= last.get(key, 0.0)
                last[key] = said.points[name]
                first.setdefault(key, said.points[name])
    used = sum(last[key] - first[key] for key in last if key[1] == "energy_import")
    assert len(last) == 402
    assert 100 < used < 1000  # 200 homes, two evening hours


def test_the_main_meter_counts_its_homes_and_what_is_lost_on_the_way() -> None:
    plant = Plant(DEVICES, 7, EVENING)

    def balance(words: list[Said]) -> float:
        last = {one.device: one.points["volume"] for one in words if one.device.startswith("wm-b2")}
        return last["wm-b2-main"] - sum(value for code, value in last.items() if code != "wm-b2-main")

    before = balance(plant.advance(EVENING + 300 * SECOND))
    plant.mains["wm-b2-main"].leak(0.72)
    after = balance(plant.advance(EVENING + 3900 * SECOND))
    assert before == pytest.approx(0.0, abs=0.2), "read a few seconds apart, and each home in whole litres"
    assert after - before == pytest.approx(0.72, abs=0.2)


def test_a_lost_gateway_is_off_for_so_long() -> None:
    plant, _ = fault_of("gateway_lost", 60)
    plant.advance(EVENING + 10 * SECOND)
    assert plant.lost == {"gw-b2"}
    plant.advance(EVENING + 70 * SECOND)
    assert not plant.lost


def test_meters_of_a_later_start_go_on_where_the_earlier_one_stood() -> None:
    one = Plant(DEVICES, 7, EVENING)
    one.advance(EVENING + 3600 * SECOND)
    other = Plant(DEVICES, 7, EVENING + 3600 * SECOND)
    other.advance(other.time.start + 120 * SECOND)
    for code, values in one.values.items():
        for name in ("energy_import", "volume"):
            if name in values:
                assert 0 <= other.values[code][name] - values[name] < 2


@pytest.mark.parametrize("place", ["b1/u1/f01/0101", "b2/u2/f12/1204"])
def test_a_day_uses_exactly_the_home_s_day(place: str) -> None:
    home = Plant(DEVICES, 7, EVENING).homes[place]
    for hours in range(0, 24, 7):
        at = EVENING + hours * 3600 * SECOND
        assert home.watt_hours(at + DAY) > home.watt_hours(at)
    begins = home.day(EVENING).begins
    assert home.watt_hours(begins + DAY) - home.watt_hours(begins) == pytest.approx(home.watt_hours_a_day)
    assert home.litres(begins + DAY) - home.litres(begins) == pytest.approx(home.litres_a_day)


def test_evening_peak() -> None:
    homes = Plant(DEVICES, 7, EVENING).homes.values()
    night, evening = EVENING - 15 * 3600 * SECOND, EVENING + 2 * 3600 * SECOND
    assert sum(home.watts(evening) for home in homes) > 3 * sum(home.watts(night) for home in homes)


def test_people_leave_on_workdays_and_come_back() -> None:
    homes = Plant(DEVICES, 7, EVENING).homes.values()
    for home in homes:
        for absence in home.day(EVENING).absences:
            assert 5 * 3600 <= absence.left < absence.back < 86_400


def test_doors_open_only_unlocked_or_by_force() -> None:
    states: dict[str, list[Said]] = defaultdict(list)
    forced = None
    for said in story(900):
        if said.event == "door_forced":
            forced = said
        if "locked" in said.points:
            states[said.device].append(said)
    assert forced is not None
    for code, words in states.items():
        for said in words:
            if said.points["open"] and said.points["locked"]:
                assert code == forced.device
                assert 0 <= said.at - forced.at <= 20 * SECOND


def test_no_door_stands_open_for_a_minute_without_a_fault() -> None:
    plant = Plant(FEW, 7, EVENING)
    since: dict[str, int] = {}
    for said in plant.advance(EVENING + 3600 * SECOND):
        if said.points.get("open"):
            assert said.at - since.setdefault(said.device, said.at) < 40 * SECOND
        elif "open" in said.points:
            since.pop(said.device, None)


def test_normal_pumps_stay_far_from_the_limit() -> None:
    plant = Plant(FEW, 7, EVENING)
    pressures = [one.points["pressure"] for one in plant.advance(EVENING + 900 * SECOND) if "pressure" in one.points]
    assert min(pressures) > 360
    assert max(pressures) < 440


def test_over_pressure_lasts_longer_than_the_rule() -> None:
    plant, _ = fault_of("pump_over_pressure")
    over = [one.at for one in plant.advance(EVENING + 120 * SECOND) if one.points.get("pressure", 0) > 600]
    assert over[-1] - over[0] >= 45 * SECOND


def test_trapped_elevator_stands_still_and_is_freed() -> None:
    plant, fault = fault_of("elevator_trapped", 60)
    words = [one for one in plant.advance(EVENING + 120 * SECOND) if one.device == fault.device and one.points]
    trapped = [one for one in words if one.points["fault"] == 1]
    assert len({one.points["floor"] for one in trapped}) == 1
    assert trapped[-1].at - trapped[0].at >= 55 * SECOND
    assert words[-1].points["fault"] == 0


def test_silent_device_says_nothing_and_takes_no_command() -> None:
    plant, fault = fault_of("device_silent", 60)
    plant.advance(EVENING + 20 * SECOND)
    assert plant.silent(fault.device)
    assert not plant.command(fault.device, "start", "c1")
    assert not [one for one in plant.advance(EVENING + 60 * SECOND) if one.device == fault.device]
    assert [one for one in plant.advance(EVENING + 80 * SECOND) if one.device == fault.device]


def test_every_fault_is_noted_before_its_device_speaks() -> None:
    said = story(400)
    faults = [one.fault for one in said if one.fault]
    meters = sum(device.kind_name == "electricity_meter" and device.spec.bus == "gw-b2" for device in FEW)
    assert [one.rule for one in faults] == [
        "door-forced",
        "door-forced-intruder",
        "pump-over-pressure",
        "barrier-obstructed",
        "elevator-trapped",
        "smoke-alarm",
        "device-silent",
        "door-held-open",
        "gateway-lost",
        *["device-silent"] * meters,  # what hangs on it, suppressed by design
    ]
    assert all(isinstance(one, TruthFault) and one.begins < one.due for one in faults)
    for event, rule in (("door_forced", "door-forced"), ("obstructed", "barrier-obstructed")):
        noted = next(index for index, one in enumerate(said) if one.fault and one.fault.rule == rule)
        assert noted < next(index for index, one in enumerate(said) if one.event == event)


def test_faults_begin_when_the_list_says() -> None:
    scenario = default_scenario(DEVICES)
    begun = {one.fault.device: one.fault.begins for one in story(400) if one.fault and "door" not in one.device}
    for fault in scenario:
        if fault.device in begun and fault.kind != "door_held":
            assert begun[fault.device] == EVENING + round(fault.offset_s * SECOND)


def test_description_is_in_order_and_in_both_languages() -> None:
    scenario = default_scenario(DEVICES)
    zh, en = describe(scenario, "zh"), describe(scenario, "en")
    assert [offset for offset, _ in zh] == [40, 70, 95, 110, 140, 170, 200, 240]
    assert zh[0][1] == "1栋1单元门被强行打开"
    assert en[1][1] == "Water pump 1 is over pressure (650 kPa)"


def test_commands_have_their_effect() -> None:
    plant = Plant(DEVICES, 7, EVENING)
    plant.advance(EVENING + SECOND)
    assert plant.command("door-b1-u1", "open", "c-1")
    assert plant.command("barrier-in", "open", "c-2")
    assert plant.command("pump-3", "start", "")
    assert not plant.command("elevator-b1-u1", "open", "c-3")
    assert not plant.command("door-b1-u1", "explode", "c-4")
    said = plant.advance(EVENING + 6 * SECOND)
    unlocked = [one for one in said if one.data.get("command_id") == "c-1"]
    opened = [one for one in said if one.data.get("command_id") == "c-2"]
    assert [(one.event, one.data["cause"]) for one in unlocked] == [("unlocked", "remote")]
    assert [(one.event, one.data["cause"]) for one in opened] == [("opened", "remote")]
    assert plant.values["pump-3"]["running"] == 1


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(0.1, 50), min_size=1, max_size=96),
    st.floats(1, 1e5),
    st.lists(st.floats(-10, 90_000), min_size=2, max_size=40),
)
def test_curves_never_fall(weights: list[float], total: float, times: list[float]) -> None:
    draws = [(index * 600.0, weight) for index, weight in enumerate(weights)]
    for curve in (from_weights(weights, total), from_draws(draws, 0.2)):
        values = [curve.value(t) for t in sorted(times)]
        assert values == sorted(values)
        assert all(curve.rate(t) >= 0 for t in times)


def test_day_begins_at_local_midnight() -> None:
    home = next(iter(Plant(DEVICES, 7, EVENING).homes.values()))
    assert home.day(EVENING).begins == to_us(datetime(2026, 3, 2, 16, tzinfo=UTC))
    assert home.day(EVENING).ends - home.day(EVENING).begins == timedelta(days=1) / timedelta(microseconds=1)
