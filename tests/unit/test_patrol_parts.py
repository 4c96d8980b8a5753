"""Calendars, patrol files, codes of checkpoints and phone clocks: by hand-computed examples."""

import io
import json
import re
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook

from hub.catalog.paths import packaged_config
from hub.catalog.problems import CatalogError
from hub.errors import Refused
from modules.patrol.calendars import beginnings, fits, known_year, offsets, shortest_step
from modules.patrol.check import check_patrols
from modules.patrol.codes import LIFE, CodeBook, check_age, svg
from modules.patrol.export import lines, to_csv, to_xlsx
from modules.patrol.files import load_patrols
from modules.patrol.phone import OLDEST, PhoneClock, clock_error, estimate
from modules.patrol.plans import Planned, after, rounds
from modules.patrol.stored import file_json, file_of

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


# -- calendars -------------------------------------------------------------------------------------------------------


def test_days_are_what_the_state_council_made_them():
    new_year, moved, saturday, monday = date(2026, 1, 1), date(2026, 2, 28), date(2026, 11, 21), date(2026, 11, 23)
    sorts = ("workdays", "rest_days", "holidays", "every_day")
    assert [fits(new_year, sort) for sort in sorts] == [False, True, True, True]
    assert [fits(moved, sort) for sort in sorts] == [
        True,
        False,
        False,
        True,
    ]  # a Saturday worked for the Spring Festival
    assert [fits(saturday, sort) for sort in sorts] == [False, True, False, True]
    assert [fits(monday, sort) for sort in sorts] == [True, False, False, True]
    assert fits(saturday, ["sat"]) and not fits(saturday, ["mon"])


def test_a_year_whose_holidays_nobody_has_announced_yet_has_its_weekends():
    assert known_year(2026) and not known_year(2100)
    assert fits(date(2100, 1, 1), "workdays") and not fits(date(2100, 1, 1), "holidays")  # a Friday


def test_a_night_reaches_into_the_next_morning_and_belongs_to_its_evening():
    night = offsets((), hours(2), time(22), time(6))
    assert night == [hours(22), hours(24), hours(26), hours(28)]
    friday = list(beginnings(night, ["fri"], SHANGHAI, NOW - hours(48), NOW + hours(48)))
    assert [f"{one.astimezone(SHANGHAI):%a %H}" for one in friday] == ["Fri 22", "Sat 00", "Sat 02", "Sat 04"]


def test_beginnings_do_not_depend_on_where_one_starts_to_look():
    times = offsets([time(8, 30), time(23, 50)], None, time(), time())
    whole = list(beginnings(times, "every_day", SHANGHAI, NOW, NOW + hours(72)))
    parts = [one for n in range(72)
             for one in beginnings(times, "every_day", SHANGHAI, NOW + hours(n), NOW + hours(n + 1))]  # fmt: skip
    assert whole == parts and len(whole) == 6
    assert shortest_step(times) == timedelta(hours=8, minutes=40)
    assert shortest_step(offsets((), hours(24), time(), time())) == hours(24)


# -- files -----------------------------------------------------------------------------------------------------------

GOOD = """
community: demo
checkpoints:
  - {id: garden, name: {zh: 花园, en: Garden}, place: garden, proofs: [{by: reader, device: patrol-1}]}
  - {id: garage, name: {zh: 车库, en: Garage}, place: garage, proofs: [{by: reader, device: patrol-2}], items: [
      {id: heat, name: {zh: 气温, en: Temperature}, answer: reading, unit: Cel, device: env-2, point: temperature,
       tolerance: 3}]}
routes:
  - {id: round, name: {zh: 一圈, en: Round}, stops: [
      {checkpoint: garden, max: 10m}, {checkpoint: garage, min: 1m, max: 20m}]}
plans:
  - {id: night, name: {zh: 夜巡, en: Night}, route: round, device: route-garden,
     every: 1h, between: {from: "22:00", to: "06:00"}}
"""


def problems(tmp_path: Path, text: str) -> list[str]:
    folder = tmp_path / "patrols"
    folder.mkdir(exist_ok=True)
    (folder / "demo.yaml").write_text(text)
    found = check_patrols([packaged_config(), tmp_path], {})
    return [problem.render().partition("patrols/")[2] for problem in found]


def test_the_shipped_patrols_are_in_order():
    assert check_patrols([packaged_config()], {}) == []
    file = load_patrols([packaged_config()])["demo"]
    found = rounds(file, SHANGHAI, NOW, NOW + hours(24))
    assert len(found) == 288
    for one in found:
        assert one.round.opens < one.round.begins < one.round.ends < one.round.overdue_at <= one.round.closes


def test_a_good_file_has_no_problems_and_its_rounds_never_share_an_instant(tmp_path: Path):
    assert problems(tmp_path, GOOD) == []
    night = [one.round for one in rounds(load_patrols([tmp_path])["demo"], SHANGHAI, NOW, NOW + hours(40))]
    assert [f"{one.begins.astimezone(SHANGHAI):%H}" for one in night[:9]] == [
        "22", "23", "00", "01", "02", "03", "04", "05", "22",
    ]  # fmt: skip
    assert [(stop.due - night[0].begins) / timedelta(minutes=1) for stop in night[0].stops] == [10, 30]
    assert all(before.closes <= after.opens for before, after in pairwise(night))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("device: patrol-1", "device: patrol-9", "demo.yaml:4: checkpoints[0].proofs[0].device: found 'patrol-9', "
         "expected a device of kind patrol_reader — did you mean 'patrol-"),
        ("device: patrol-1", "device: door-b1-u1", "a device of kind patrol_reader"),
        ("place: garage", "place: garaje", "did you mean 'garage'?"),
        ("checkpoint: garden", "checkpoint: gardin", "demo.yaml:10: routes[0].stops[0].checkpoint: found 'gardin', "
         "expected a checkpoint of this file — did you mean 'garden'?"),
        ("checkpoint: garage", "checkpoint: garden", "each checkpoint once on a route"),
        ("unit: Cel", "unit: kPa", "expected Cel, for that is what the sensor tells"),
        ("point: temperature", "point: temprature", "did you mean 'temperature'?"),
        ("route: round", "route: ring", "a route of this file"),
        ("route: round", "route: round, post: patol", "demo.yaml:12: plans[0].post: found 'patol', expected a post of "
         "the community (duty/demo.yaml) — did you mean 'patrol'?"),
        ("every: 1h", "every: 35m", "more than 0:40:00 from one round to the next"),
        ("every: 1h", "every: 40m", "demo.yaml:13: plans[0].every: more than 0:40:00 from one round"),
        ("max: 20m", "max: 0s", "demo.yaml:10: routes[0].stops[1].max: found '0s', expected a duration above 0s"),
        ("every: 1h", "every: 1h, late: 0s, grace: 0s", "demo.yaml:13: plans[0].grace: found '0s', expected a "),
        ("every: 1h", "times: [8:00]", "found '8:00', expected a local time in quotes"),
        ('every: 1h, between: {from: "22:00", to: "06:00"}', "shift: {zh: 夜, en: night}", "give `times` or `every`"),
        ("{by: reader, device: patrol-1}", "{by: reader, device: patrol-1, weight: 0.5}", "come to 0.5"),
        ("{by: reader, device: patrol-1}", "{by: qr, device: patrol-1}", "a proof by qr has no `device`"),
        ("{by: reader, device: patrol-1}", "{by: rader, device: patrol-1}", "did you mean 'reader'?"),
        ("answer: reading", "answer: yes_no", "only a reading has"),
        ("answer: reading", "answer: reading, equipment: FE-1", "only a yes_no is the inspection of a piece"),
        ("device: route-garden", "device: patrol-1", "a device of kind patrol_route"),
        ("community: demo", "community: dem", "did you mean 'demo'?"),
        ("max: 10m", "max: 13h", "expected at most"),
        ("id: garage", "id: garden", "an id that no other has"),
        ("place: garden", "place: garden, position: {lat: 121.47, lon: 31.23}",
         "demo.yaml:4: checkpoints[0].position.lat: found 121.47, expected at most 90"),
        ("place: garden", "place: garden, position: {lat: .nan, lon: 31.23}", "found '.nan', expected a finite number"),
        ("place: garden", "place: garden, position: {lat: 31.2, lng: 121.4}", "did you mean 'lon'?"),
        ("place: garden", "place: garden, position: {lat: 31.2}", "checkpoints[0].position.lon"),
        ("place: garden", "place: garden, position: {lat: \"31°N\", lon: 121.4}", "checkpoints[0].position.lat"),
        ("zh: 花园", "zh: \"花\\u0001园\"", "checkpoints[0].name.zh: found"),
        ("en: Temperature", "en: \" \"", "checkpoints[1].items[0].name.en: found"),
        ("en: Round", f"en: {'R' * 101}", "expected one line of 1 to 100 printable characters"),
        ("en: Round}", "en: Round\u202e}", "routes[0].name.en: found"),
        ("zh: 夜巡", "zh: \"夜\\n巡\"", "plans[0].name.zh: found"),
        ("every: 1h", "every: 1h, shift: {zh: 夜, en: ''}", "plans[0].shift.en: found ''"),
        ("unit: Cel, device: env-2, point: temperature,\n       tolerance: 3", f"unit: {'k' * 101}", "items[0].unit"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, old: str, new: str, told: str):
    assert old in GOOD
    found = problems(tmp_path, GOOD.replace(old, new, 1))
    assert any(told in line for line in found), found


def test_equipment_is_inspected_only_where_a_plan_goes(tmp_path: Path):
    item = "{id: fe, name: {zh: 灭火器, en: Extinguisher}, answer: yes_no, equipment: FE-1}"
    seen = GOOD.replace("[{by: reader, device: patrol-1}]}", f"[{{by: reader, device: patrol-1}}], items: [{item}]}}")
    assert problems(tmp_path, seen) == []
    [told] = problems(tmp_path, seen.replace("{checkpoint: garden, max: 10m}, ", ""))
    assert "checkpoints[0].items[0].equipment: found 'FE-1', expected an item of a checkpoint that a plan" in told


@pytest.mark.parametrize("name", ["patrols.md", "patrols.zh-CN.md"])
def test_what_the_how_to_shows_is_a_good_file(tmp_path: Path, name: str):
    text = Path(__file__).parents[2].joinpath("docs/how-to", name).read_text("utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "patrols").mkdir()
    (tmp_path / "patrols/demo.yaml").write_text(blocks[1] + blocks[2], "utf-8")
    file = load_patrols([tmp_path])["demo"]
    assert [plan.id for plan in file.plans] == ["night"]


def test_a_name_that_no_file_may_have_any_more_is_still_read(tmp_path: Path):
    problems(tmp_path, GOOD)
    plain = file_json(load_patrols([tmp_path])["demo"])
    plain["plans"][0]["name"]["zh"] = "夜\x01巡"
    assert file_of(plain).plans[0].name.zh == "夜\x01巡"


def test_a_file_survives_being_stored(tmp_path: Path):
    problems(tmp_path, GOOD)
    for root in (packaged_config(), tmp_path):
        file = load_patrols([root])["demo"]
        assert file_of(json.loads(json.dumps(file_json(file)))) == file


_starts = st.lists(st.integers(0, 47), min_size=6, max_size=24, unique=True).map(sorted)


@given(_starts, _starts, st.integers(0, 20), st.integers(0, 29), st.integers(-19, 27), st.booleans())
@settings(deadline=None, max_examples=100)
def test_after_a_change_at_any_moment_no_two_rounds_of_a_device_are_open_at_once(
    old: list[int], new: list[int], early: int, shift: int, moment: int, renamed: bool
):
    """`shift`: the new plan is so many minutes off the old one's; `moment`: of an old round, in minutes."""
    shipped = load_patrols([packaged_config()])["demo"]

    def planned(slots: list[int], name: str, minute: int) -> list[Planned]:
        times = [time(slot // 2, slot % 2 * 30 + minute) for slot in slots]
        spans = {"early": timedelta(minutes=early), "grace": timedelta(minutes=20)}
        plan = shipped.plans[0].model_copy(update={"id": name, "times": times, "every": None, **spans})
        return rounds(shipped.model_copy(update={"plans": [plan]}), SHANGHAI, NOW - hours(24), NOW + hours(48))

    walked = planned(old, "a", 0)
    now = walked[len(walked) // 2].round.begins + timedelta(minutes=moment)
    before = [one for one in walked if one.round.opens <= now]
    begun = [{"plan": "a", "device": one.plan.device, "closes": one.round.closes} for one in before]
    came = after(planned(new, "b" if renamed else "a", shift), begun, now)
    spans = sorted((one.round.opens, one.round.closes) for one in (*before, *came))
    assert all(one[1] <= other[0] for one, other in pairwise(spans))
    assert all(now < one.round.opens <= one.round.begins for one in came)


def test_a_wrong_file_stops_the_hub(tmp_path: Path):
    problems(tmp_path, GOOD.replace("route: round", "route: ring"))
    with pytest.raises(CatalogError, match="ring"):
        load_patrols([tmp_path])


# -- codes -----------------------------------------------------------------------------------------------------------

BOOK = CodeBook("demo", b"k" * 32)


def test_a_printed_code_is_always_the_same_and_a_displayed_one_never():
    assert BOOK.printed("garden") == BOOK.printed("garden")
    assert BOOK.displayed("garden", NOW) != BOOK.displayed("garden", NOW)
    assert BOOK.read(BOOK.printed("garden")).sort == "qr"
    shown = BOOK.read(BOOK.displayed("garden", NOW))
    assert (shown.sort, shown.community, shown.checkpoint, shown.shown) == ("display", "demo", "garden", NOW)


@given(st.integers(0, 60), st.characters(codec="ascii"))
def test_a_code_with_one_character_changed_is_none(where: int, letter: str):
    code = BOOK.printed("garden")
    changed = code[:where] + letter + code[where + 1 :]
    if changed != code:
        with pytest.raises(Refused, match=r"no code|another community"):
            BOOK.read(changed)


@pytest.mark.parametrize("code", ["", "s:demo:garden", "～", "x" * 400, CodeBook("demo", b"x" * 32).printed("garden"),
                                  CodeBook("other", b"k" * 32).printed("garden")])  # fmt: skip
def test_a_code_not_made_here_is_refused(code: str):
    with pytest.raises(Refused) as refused:
        BOOK.read(code)
    assert refused.value.code == "bad_code"


def test_a_displays_code_is_good_for_a_minute():
    code = BOOK.read(BOOK.displayed("garden", NOW))
    for age in (timedelta(), LIFE, -timedelta(seconds=4)):
        check_age(code, NOW + age)
    for age in (LIFE + timedelta(seconds=1), -timedelta(seconds=6)):
        with pytest.raises(Refused, match="60 s"):
            check_age(code, NOW + age)
    check_age(BOOK.read(BOOK.printed("garden")), NOW + hours(10_000))


def test_a_code_becomes_a_picture():
    assert svg("https://hub.example/patrol/checkin#" + BOOK.printed("garden")).startswith(b"<?xml")


# -- phone clocks ----------------------------------------------------------------------------------------------------


def clock(wall: datetime, monotonic: float, boot: str = "one") -> PhoneClock:
    return PhoneClock(wall, monotonic, boot)


def test_a_phone_whose_clock_is_three_hours_off_is_understood():
    wrong = NOW + hours(3)
    found = estimate(clock(wrong - timedelta(minutes=20), 100), clock(wrong, 1300), NOW)
    assert found is not None and (found.at, found.online, found.doubtful) == (NOW - timedelta(minutes=20), False, False)
    assert clock_error(clock(wrong, 0), NOW) == 10_800
    assert clock_error(clock(NOW + timedelta(seconds=90), 0), NOW) is None


def test_a_clock_set_in_between_is_noticed_by_the_other_one():
    found = estimate(clock(NOW - hours(5), 100), clock(NOW, 160), NOW)  # a minute by the clock that cannot be set
    assert found is not None and found.doubtful and not found.online


def test_after_a_reload_only_the_wall_clock_is_left():
    found = estimate(clock(NOW - hours(6), 900, "before"), clock(NOW, 3, "after"), NOW)
    assert found is not None and (found.at, found.online, found.doubtful) == (NOW - hours(6), False, False)


def test_just_now_is_just_now():
    found = estimate(clock(NOW, 10), clock(NOW + timedelta(seconds=2), 12), NOW + timedelta(seconds=7))
    assert found is not None and found.online and found.at == NOW + timedelta(seconds=5)


def test_what_lies_in_the_future_or_too_far_back_is_not_believed():
    found = estimate(clock(NOW + hours(1), 0, "before"), clock(NOW, 0, "after"), NOW)
    assert found is not None and (found.at, found.doubtful) == (NOW, True)
    assert estimate(clock(NOW - OLDEST - hours(1), 0, "before"), clock(NOW, 0, "after"), NOW) is None


@given(st.floats(-1e7, 1e7), st.floats(-1e7, 1e7), st.floats(0, 1e9), st.floats(0, 1e9), st.booleans())
def test_no_clocks_give_a_time_after_now(captured, synced, one, two, same):
    found = estimate(
        clock(NOW + timedelta(seconds=captured), one),
        clock(NOW + timedelta(seconds=synced), two, "one" if same else "2"),
        NOW,
    )
    assert found is None or NOW - OLDEST <= found.at <= NOW


# -- export ----------------------------------------------------------------------------------------------------------


def test_the_log_as_a_file_has_no_formulas_and_no_control_characters():
    row = {
        "id": 7, "plan": "night", "route": "round", "begins": NOW, "state": "complete", "proved_later": True,
        "checkpoint": "garden", "due": NOW, "done_at": None, "person": '=HYPERLINK("x")', "sorts": ["qr"], "late": True,
        "out_of_order": False, "too_fast": None, "zone": SHANGHAI, "unanswered": ["lamp"], "uncompared": 2,
        "unphotographed": ["gate", "lamp"], "away": 320, "post": "gate",
        "expected": ["person:7", "user:li"], "stand_in": True,
    }  # fmt: skip
    table = lines(
        [row],
        {
            "plan:night": "夜\x01巡",
            "route:round": "\x01=1+1",
            "sort:qr": "二维码",
            "post:gate": "门岗",
            "user:li": "李",
        },
        "zh-CN",
    )
    assert table[1] == [
        "夜巡", "'=1+1", "2026-11-21 20:00:00", "complete", "✓", "garden", "2026-11-21 20:00:00", "",
        "'=HYPERLINK(\"x\")", "二维码", "✓", "", "", "lamp", "2", "gate lamp", "320",
        "门岗", "person:7 李", "✓",
    ]  # fmt: skip
    assert len(table[0]) == len(table[1])
    assert to_csv(table).decode("utf-8-sig").splitlines()[0].startswith("计划,路线")
    [cells] = load_workbook(io.BytesIO(to_xlsx(table[1:]))).active.values
    assert cells[:2] == ("夜巡", "'=1+1")
