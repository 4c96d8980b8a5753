"""Fire equipment: when it falls due by the standards, what records make of it, and a clerk's list, however it comes."""

import csv
import io
import tracemalloc
import zipfile
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from hub.catalog.paths import packaged_config
from hub.errors import Refused
from modules.safety.files import check_lists
from modules.safety.model import KINDS, Piece, Standing, conditions, dues, months_later, recorded
from modules.safety.sheet import pieces_of, places_by_name
from modules.safety.table import MOST_ROWS, read_table
from modules.safety.words import COLUMNS, KIND_NAMES, STATES

TODAY = date(2026, 11, 21)
PLACES = places_by_name([
    {"path": "b1/u1", "name": {"zh": "1栋1单元", "en": "Building 1 unit 1"}},
    {"path": "garage", "name": {"zh": "地下车库", "en": "Garage"}},
    {"path": "b1/f01", "name": {"zh": "1层", "en": "Floor 1"}},
    {"path": "b2/f01", "name": {"zh": "1层", "en": "Floor 1"}},
])  # fmt: skip
HEAD = ["编号", "类别", "位置", "出厂日期", "最近检查"]


@pytest.mark.parametrize(
    ("kind", "first", "then", "life"),
    [("extinguisher_water", 3, 1, 6), ("extinguisher_powder", 5, 2, 10), ("extinguisher_clean", 5, 2, 10),
     ("extinguisher_co2", 5, 2, 12)],
)  # fmt: skip
def test_extinguishers_are_serviced_and_scrapped_by_gb_50444(kind: str, first: int, then: int, life: int):
    made = date(2020, 2, 29)
    new = dues(Piece("1", kind, "b1", made=made), TODAY)
    assert (new.service, new.life) == (months_later(made, 12 * first), months_later(made, 12 * life))
    assert new.inspect == date(2026, 12, 21)
    serviced = dues(Piece("1", kind, "b1", made=made, serviced=date(2025, 3, 1)), TODAY)
    assert serviced.service == date(2025 + then, 3, 1)
    assert serviced.life == new.life, "a service does not lengthen its life"


def test_building_facilities_are_seen_weekly_and_tested_yearly():
    due = dues(Piece("1", "hydrant", "b1", installed=date(2019, 6, 1), inspected=date(2026, 11, 20)), TODAY)
    assert (due.inspect, due.service, due.life) == (date(2026, 11, 27), date(2020, 6, 1), None)
    assert dues(Piece("1", "hydrant", "b1", inspect="half_year"), TODAY).inspect == date(2027, 5, 21)


def test_it_is_overdue_after_its_day_and_past_its_life_on_it():
    due = dues(Piece("1", "extinguisher_powder", "b1", made=date(2016, 11, 21), inspected=date(2026, 10, 21)), TODAY)
    assert conditions(due, faulty=False, today=TODAY) == ("expired", "service_overdue", "due")
    assert conditions(due, faulty=True, today=TODAY + timedelta(1))[:3] == ("expired", "faulty", "overdue")
    assert conditions(due, faulty=False, today=date(2016, 12, 1)) == ()


def test_every_kind_and_condition_has_a_name():
    assert set(KIND_NAMES) == set(KINDS)
    assert {"normal", "retired", "expired", "faulty", "overdue", "service_overdue", "due"} == set(STATES)


@given(
    st.lists(st.tuples(st.sampled_from(["normal", "fault", "service"]), st.integers(0, 500)), unique_by=lambda r: r[1])
)
def test_records_come_to_the_same_in_any_order(records: list[tuple[str, int]]):
    def play(ordered: list[tuple[str, int]]) -> Standing:
        standing = Standing()
        for sort, hours in ordered:
            at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hours)
            standing = recorded(standing, sort, at, at.date(), f"{hours}" if sort == "fault" else "")  # type: ignore[arg-type]
        return standing

    late, right = play(records), play(sorted(records, key=lambda one: one[1]))
    assert (late.inspected, late.serviced, late.fault, late.last_at) == (
        right.inspected, right.serviced, right.fault, right.last_at
    )  # fmt: skip
    assert (late.faulty_since is None) == (right.faulty_since is None)
    newest = max(records, key=lambda one: one[1], default=("normal", 0))
    assert right.fault == (str(newest[1]) if newest[0] == "fault" else ""), "the newest record says how it is"


def rows_as(sort: str, rows: list[list[object]]) -> bytes:
    if sort == "xlsx":
        book = Workbook()
        for row in rows:
            book.active.append(row)  # type: ignore[union-attr]
        out = io.BytesIO()
        book.save(out)
        return out.getvalue()
    text = io.StringIO()
    csv.writer(text, delimiter="\t" if sort == "tab" else ",").writerows(rows)
    return text.getvalue().encode("gb18030" if sort == "gb" else "utf-8-sig")


@pytest.mark.parametrize("sort", ["xlsx", "csv", "gb", "tab"])
def test_a_list_is_read_however_excel_saved_it(sort: str):
    day: object = datetime(2024, 3, 15) if sort == "xlsx" else "2024/3/15"  # noqa: DTZ001 Excel knows no zones
    number: object = 17.0 if sort == "xlsx" else "17"
    raw = rows_as(
        sort, [HEAD, [number, "干粉灭火器", " 1栋 1单元", day, ""], [], ["A-2", "hydrant", "garage", "", "2026年11月"]]
    )
    pieces, wrong = pieces_of(read_table(raw), PLACES, TODAY)
    assert wrong == []
    assert pieces == [
        Piece("17", "extinguisher_powder", "b1/u1", made=date(2024, 3, 15)),
        Piece("A-2", "hydrant", "garage", inspected=date(2026, 11, 1)),
    ]


def test_what_the_export_made_text_is_the_text_again():
    rows = read_table(rows_as("csv", [["编号", "具体位置"], ["1", "'-1层"], ["2", "'90s"]]))
    assert [row[1] for row in rows[1:]] == ["-1层", "'90s"]


@pytest.mark.parametrize(
    ("row", "column", "code"),
    [
        (["", "干粉灭火器", "garage", "2024-03", ""], "number", "needed"),
        (["1", "水枪", "garage", "", ""], "kind", "no_kind"),
        (["1", "消火栓", "3栋", "", ""], "place", "no_place"),
        (["1", "消火栓", "1层", "", ""], "place", "no_place"),  # of two buildings
        (["1", "干粉灭火器", "garage", "", ""], "made", "made_needed"),
        (["1", "消火栓", "garage", "45366", ""], "made", "bad_day"),
        (["1", "消火栓", "garage", "2024-02-30", ""], "made", "bad_day"),
        (["1", "消火栓", "garage", "1066-10-14", ""], "made", "bad_day"),
        (["1", "消火栓", "garage", "", "2026-11-22"], "inspected", "future"),
        (["1", "消火栓", "garage", "2024-03-01", "2024-02-01"], "inspected", "before_made"),
        (["1\x07", "消火栓", "garage", "", ""], "number", "bad_text"),
        (["x" * 41, "消火栓", "garage", "", ""], "number", "bad_text"),
    ],
)
def test_what_is_wrong_is_told_with_row_and_column_and_nothing_is_taken(row: list[str], column: str, code: str):
    good = ["9", "消火栓", "garage", "", ""]
    pieces, wrong = pieces_of([HEAD, good, row], PLACES, TODAY)
    assert pieces == []
    assert [(one.row, one.column, one.code) for one in wrong] == [(3, column, code)]
    assert wrong[0].render("zh-CN").startswith(f"第 3 行 · {COLUMNS[column]['zh']} · ")
    assert wrong[0].render("en").startswith(f"row 3 · {COLUMNS[column]['en']} · ")


def test_heads_that_do_not_fit_are_refused_and_the_export_own_columns_passed_over():
    def codes(head: list[str]) -> list[tuple[str, str]]:
        return [(one.column, one.code) for one in pieces_of([head, ["1", "消火栓", "garage"]], PLACES, TODAY)[1]]

    assert codes(["编号", "类别", "地方"]) == [("place", "no_column"), ("地方", "unknown_column")]
    assert codes(["编号", "类别", "位置", "Number"]) == [("number", "column_twice")]
    assert codes(["编号", "类别", "位置", "状态", "Inspection due"]) == []
    assert codes([]) == [(name, "no_column") for name in ("number", "kind", "place")]
    twice = [["编号", "类别", "位置"], ["1", "消火栓", "garage"], ["1", "消火栓", "garage"]]
    assert [(one.row, one.code) for one in pieces_of(twice, PLACES, TODAY)[1]] == [(3, "twice")]


def packed(size: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("xl/workbook.xml", b" " * size)
    return out.getvalue()


@pytest.mark.parametrize(
    ("raw", "code"),
    [(b"\xff\xfe\x00\x00", "bad_table"), (b"PK\x03\x04junk", "bad_table"), (packed(10), "bad_table"),
     (packed(17 * 1024 * 1024), "table_too_large"), (b"a\n" * (MOST_ROWS + 2), "table_too_large"),
     (b'"a', "bad_table")],
    ids=["binary", "no zip", "no workbook", "bomb", "rows", "quote"],
)  # fmt: skip
def test_what_is_no_list_is_refused(raw: bytes, code: str):
    with pytest.raises(Refused) as refused:
        read_table(raw)
    assert refused.value.code == code


@given(st.binary(max_size=400), st.booleans())
def test_no_bytes_break_the_reader(raw: bytes, zipped: bool):
    try:
        rows = read_table(b"PK" + raw if zipped else raw)
    except Refused:
        return
    pieces_of(rows, PLACES, TODAY)


def test_the_demo_list_is_sound():
    assert check_lists([packaged_config()], {}) == []


def _lying(method: int, content: bytes) -> bytes:
    """A ZIP whose one part says that it is short, and is not."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as book:
        book.writestr("[Content_Types].xml", content)
    said = len(content).to_bytes(4, "little")
    return out.getvalue().replace(said, (100).to_bytes(4, "little"))


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_STORED])
def test_a_part_that_says_it_is_short_is_not_unpacked_past_the_bound(method: int) -> None:
    raw = _lying(method, bytes(60_000_000) if method else bytes(17 * 1024 * 1024))
    tracemalloc.start()
    with pytest.raises(Refused):
        read_table(raw)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 45_000_000


@pytest.mark.parametrize("cell", [b"<c/>", b"<x:c/>", b"<c r='A1'/>"])
def test_a_row_of_a_million_cells_is_refused_before_any_is_made(cell: bytes) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("xl/worksheets/sheet1.xml", b"<sheetData><row>" + cell * 1_000_000 + b"</row></sheetData>")
    with pytest.raises(Refused, match="cells"):
        read_table(out.getvalue())
