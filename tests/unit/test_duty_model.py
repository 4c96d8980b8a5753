"""Shifts on the clock, cards, texts, the seed file and the sheet."""

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.catalog.paths import packaged_config
from hub.catalog.problems import CatalogError
from hub.errors import Refused
from modules.duty.handovers import HandOvers
from modules.duty.model import (
    Shift,
    card_hash,
    changes,
    check_phone,
    days_of,
    incident_number,
    is_free_day,
    mask_phone,
    text_of,
)
from modules.duty.pages_register import coded, words
from modules.duty.seed import load_duty, rotate
from modules.duty.sheet import HAND_OVER_STATES, harmless

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
NIGHT = Shift(3, "night", time(23), time(7))
DAY = date(2026, 11, 21)


def test_a_shift_over_midnight_belongs_to_the_day_it_begins():
    assert NIGHT.span(DAY, SHANGHAI) == (
        datetime(2026, 11, 21, 15, tzinfo=UTC), datetime(2026, 11, 21, 23, tzinfo=UTC),
    )  # fmt: skip


@given(st.dates(date(2020, 1, 1), date(2040, 1, 1)), st.sampled_from([SHANGHAI, BERLIN, ZoneInfo("America/Sao_Paulo")]))
def test_three_shifts_leave_no_second_of_a_day_uncovered(day: date, zone: ZoneInfo):
    shifts = [Shift(1, "m", time(7), time(15)), Shift(2, "a", time(15), time(23)), NIGHT]
    spans = [shift.span(day, zone) for shift in shifts]
    assert [spans[0][1], spans[1][1]] == [spans[1][0], spans[2][0]]
    assert spans[2][1] == shifts[0].span(day + timedelta(days=1), zone)[0]
    assert changes(shifts, day, day, zone) == [span[0] for span in spans]


@pytest.mark.parametrize(("begins", "ends", "night"), [
    (time(23), time(7), True), (time(22), time(6), True), (time(20), time(8), True), (time(15), time(23), False),
    (time(7), time(15), False), (time(0), time(3), True), (time(5), time(13), False), (time(4), time(12), False),
])  # fmt: skip
def test_what_a_night_is(begins: time, ends: time, night: bool):
    assert Shift(1, "x", begins, ends).night is night


def test_free_days_follow_the_calendar_with_its_shifted_workdays():
    assert is_free_day(date(2026, 10, 1))  # National Day, a Thursday
    assert not is_free_day(date(2026, 10, 10))  # a Saturday worked in return
    assert is_free_day(date(2031, 1, 4))  # beyond the calendar: weekends alone


def test_a_card_is_one_however_it_is_printed():
    key = b"k" * 32
    assert card_hash(key, "5a-00 00:01") == card_hash(key, "5A000001") != card_hash(b"j" * 32, "5A000001")
    for card in ("", "123", "x" * 65, "卡片卡片", "12;4567"):
        with pytest.raises(Refused):
            card_hash(key, card)


def test_numbers_and_texts():
    assert [mask_phone(each) for each in ("", "12345", "13800000001", "+8675588888888")] == [
        "", "****", "138****0001", "+86****8888",
    ]  # fmt: skip
    assert check_phone("+86 755-8888 8888") == "+8675588888888"
    for phone in ("1", "x" * 8, "1" * 16, "١٢٣٤٥٦", "++123456"):
        with pytest.raises(Refused):
            check_phone(phone)
    assert text_of(" a\nb ", "x", 5) == "a\nb"
    for text in ("", "  ", "\x00", "abcdef"):
        with pytest.raises(Refused):
            text_of(text, "x", 5)
    assert incident_number(DAY, 7) == "INC-20261121-0007"
    assert len(days_of(DAY, DAY + timedelta(days=41))) == 42
    for last in (DAY - timedelta(days=1), DAY + timedelta(days=42)):
        with pytest.raises(Refused):
            days_of(DAY, last)


@given(st.text(max_size=20))
def test_no_cell_begins_like_a_formula(text: str):
    assert not harmless(text).startswith(("=", "+", "-", "@", "\t", "\r"))
    assert harmless(text).endswith(text)


def test_codes_of_a_form():
    assert words("fire_control，first-aid、 x ,") == ["fire_control", "first-aid", "x"]
    for text in ("", "a b", "编号", "x" * 65):
        with pytest.raises(ValueError):
            coded(text)


def test_the_demonstration_covers_every_place_every_day():
    file = load_duty([packaged_config()])["demo"]
    assert file.rotation is not None
    slots = rotate(file.rotation, [DAY + timedelta(days=n) for n in range(-30, 30)])
    for day in {slot[0] for slot in slots}:
        assert len({(shift, post) for on, shift, post, _ in slots if on == day}) == 9
    able = {person.code for person in file.people if "fire_control" in person.qualifications}
    assert {person for _, _, post, person in slots if post == "control"} <= able


@pytest.mark.parametrize(("wrong", "field"), [
    ("shifts: [{code: m, name: {zh: 早, en: M}, begins: 7, ends: '15:00'}]", "begins"),
    ("shifts: [{code: m, name: {zh: 早, en: M}, begins: '07:00', ends: '07:00'}]", "ends"),
    ("shifts: [{code: m, name: {zh: 早, en: M}, begins: '07:00', ends: '15:00'}, {code: m, name: {zh: 早, en: M}, "
     "begins: '08:00', ends: '15:00'}]", "code"),
    ("posts: [{code: gate, name: {zh: 门, en: G}, people: {night: 1}}]", "night"),
    ("people: [{code: a, name: ''}]", "name"),
    ("people: [{code: a, name: x, password: y}]", "password"),
    ("people: [{code: a, name: x, phone: '138-OPEN'}]", "phone"),
    ("people: [{code: a, name: x, card: 'A1'}]", "card"),
    ("rotation: {since: 2026-01-01, cycle: [night], turns: []}", "cycle"),
    ("rotation: {since: 2026-13-01, cycle: [null], turns: []}", "since"),
    ("rotation: {since: 2026-01-01, cycle: [null], turns: [{person: x, post: y}]}", "person"),
])  # fmt: skip
def test_a_wrong_file_is_told_with_file_line_and_field(tmp_path: Path, wrong: str, field: str):
    folder = tmp_path / "duty"
    folder.mkdir()
    parts = {"shifts": "[]", "posts": "[]", "people": "[]"}
    parts.pop(wrong.partition(":")[0], None)
    lines = ["community: demo", *(f"{name}: {value}" for name, value in parts.items()), wrong]
    (folder / "demo.yaml").write_text("\n".join(lines), "utf-8")
    with pytest.raises(CatalogError) as error:
        load_duty([tmp_path])
    assert field in str(error.value)
    assert "demo.yaml" in str(error.value)


def test_every_state_of_a_hand_over_has_words():
    assert set(HAND_OVER_STATES) == {"done", "signed_out", "missed", "due", "early"}
    assert HandOvers.current.__doc__ is not None
    assert all(f"{state}" in (HandOvers.current.__doc__ + str(HandOvers.recent.__doc__)) for state in HAND_OVER_STATES)
