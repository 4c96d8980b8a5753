"""Parts of the desk's pages that need no page: steps of a procedure, what is near, how a door stands, files."""

import csv
import io
from types import SimpleNamespace
from typing import Any

import openpyxl
import pytest

from api.pages.alarm_parts import near, step_lines
from api.pages.doors import standing
from api.pages.export import csv_bytes, plain_cell, xlsx_bytes
from hub.money import yuan


def test_steps_keep_the_lines_that_go_on_under_them() -> None:
    text = "1. Treat it as fire. Take the\n   stairs.\n2、看消防主机。\n\n3) Call 119.\n"
    assert step_lines(text) == ["Treat it as fire. Take the stairs.", "看消防主机。", "Call 119."]
    assert step_lines("no numbers here") == []
    assert step_lines("") == []


def device(number: int, kind: str, place: str, community: int = 1) -> Any:
    return SimpleNamespace(id=number, kind_name=kind, place_path=place, community_id=community)


def test_near_is_what_is_above_or_below_nearest_first() -> None:
    house = [
        device(1, "door", "b1"), device(2, "door", "b1/u1"), device(3, "door", "b1/u10"), device(4, "pump", "b1/u1"),
        device(5, "plate_camera", "gate"), device(6, "door", "b1/u1/f01", 2), device(7, "door", "b1/u1/f03/0301"),
    ]  # fmt: skip
    assert near(house, 1, "b1/u1/f03/0301") == [7, 2, 1]
    assert near(house, 1, "b1/u1") == [2, 1, 7]
    assert near(house, 1, "gate") == [5]
    assert near(house, 1, "plant") == []


@pytest.mark.parametrize(
    ("state", "value", "quality", "expected"),
    [
        ("connected", 0.0, 0, "closed"), ("connected", 1.0, 0, "open"), ("connected", 1.0, 4, "open"),
        ("silent", 0.0, 0, "unknown"), ("offline", 0.0, 0, "unknown"), (None, 0.0, 0, "unknown"),
        ("connected", 0.0, 1, "unknown"), ("connected", 0.0, 2, "unknown"), ("connected", None, None, "unknown"),
        ("connected", 7.0, 0, "unknown"),
    ],
)  # fmt: skip
def test_a_door_nobody_can_vouch_for_is_unknown(state: Any, value: Any, quality: Any, expected: str) -> None:
    point = {"name": "open", "value": value, "quality": quality, "ts": None, "values": {"closed": 0, "open": 1}}
    assert standing({"kind": "door", "state": state, "points": [point]})[0] == expected


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert plain_cell(text) == f"'{text}"
    rows = [{"a": text}]
    assert next(csv.reader(io.StringIO(csv_bytes([("a", "b")], rows).decode("utf-8-sig").split("\r\n", 1)[1]))) == [
        f"'{text}"
    ]
    sheet = openpyxl.load_workbook(io.BytesIO(xlsx_bytes("t", [("a", "=b")], rows))).active
    assert sheet is not None
    assert {cell.data_type for row in sheet.iter_rows() for cell in row}.isdisjoint({"f", "e"})


def test_numbers_and_words_stay_as_they_are() -> None:
    assert [plain_cell(value) for value in (None, -3.5, 12, "-12", "1栋 · 门", "a\x00b")] == [
        "", "-3.5", "12", "-12", "1栋 · 门", "a b",
    ]  # fmt: skip


def test_a_workbook_takes_any_title() -> None:
    book = openpyxl.load_workbook(io.BytesIO(xlsx_bytes("[报警]: a/b?" * 5, [("a", "A")], [{"a": "1"}])))
    assert book.active is not None
    assert book.active["A2"].value == "1"


def test_money() -> None:
    assert [yuan(fen) for fen in (0, 5, 123456, -50)] == ["¥0.00", "¥0.05", "¥1,234.56", "-¥0.50"]
