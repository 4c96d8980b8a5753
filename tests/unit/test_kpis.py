"""Alarm figures by hand-counted examples and by what must always hold."""

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook

from hub.kpis.export import to_csv, to_xlsx
from hub.kpis.model import BUDGET, CALM, Actor, Counts, Figure, Report, bad_actors, floods, quantile, report
from hub.kpis.words import FIGURES, UNITS, value_text

SINCE = datetime(2026, 11, 20, 16, tzinfo=UTC)
DAY = SINCE + timedelta(days=1)


def counts(**more: Any) -> Counts:
    plain: dict[str, Any] = {
        "raised": 0, "priorities": {}, "to_acknowledge": [], "unacknowledged": 0, "standing": 0, "stale": 0,
        "chattering": 0, "shelved": 0, "by_design": 0, "out_of_service": 0, "unauthorised": 0,
    }  # fmt: skip
    return Counts(**plain | more)


def actor(name: str, count: int, device_id: int = 1) -> Actor:
    return Actor(name, device_id, f"door-{device_id}", {"zh": name, "en": name}, count, 0.0)


def figures(slots: list[int], actors: list[Actor] | None = None, operators: int = 1, **more: Any) -> dict[str, Figure]:
    made = report(SINCE, DAY, slots, actors or [], counts(**more), operators)
    return {figure.id: figure for figure in made.figures}


def judged(found: dict[str, Figure], name: str) -> tuple[float | None, bool | None]:
    return found[name].value, found[name].within


def test_a_quiet_day_is_on_every_target():
    found = figures([0] * 144)
    assert judged(found, "per_operator_hour") == (0, True)
    assert judged(found, "most_in_slot") == (0, True)
    assert judged(found, "slots_over") == (0, True)
    assert judged(found, "flood_time") == (0, True)
    assert judged(found, "stale") == (0, True)
    assert judged(found, "unauthorised") == (0, True)
    # nothing happened: nothing to compute a share or a time from
    assert judged(found, "top_ten_share") == (None, None)
    assert judged(found, "acknowledged_p95") == (None, None)
    assert judged(found, "priority_4") == (None, None)


def test_the_load_of_a_bad_day():
    # 12, 7 and 5 in a row are one flood of three slots (it ends below 5); 4 ends it; 10 is within the budget
    found = figures([12, 7, 5, 4, 10] + [1] * 139)
    assert judged(found, "per_operator_hour") == (pytest.approx(177 / 24), False)
    assert judged(found, "most_in_slot") == (12, False)
    assert judged(found, "slots_over") == (pytest.approx(100 / 144), True)
    assert judged(found, "flood_time") == (pytest.approx(300 / 144), False)
    assert judged(figures([12, 7, 5, 4, 10] + [1] * 139, operators=2), "per_operator_hour")[1] is True


def test_the_budget_is_its_own_edge():
    assert judged(figures([BUDGET]), "most_in_slot") == (10, True)
    assert judged(figures([BUDGET + 1]), "most_in_slot") == (11, False)
    assert judged(figures([1] * 144), "per_operator_hour") == (6, True)
    assert judged(figures([1] * 143 + [2]), "per_operator_hour")[1] is False
    assert judged(figures([0], stale=5), "stale") == (5, False)
    assert judged(figures([0], stale=4), "stale") == (4, True)
    assert judged(figures([0], chattering=1), "chattering") == (1, False)


def test_priorities_against_80_15_5():
    good = figures([0], priorities={1: 0, 2: 5, 3: 15, 4: 80})
    assert [good[f"priority_{n}"].within for n in (1, 2, 3, 4)] == [True] * 4
    bad = figures([0], priorities={1: 1, 2: 6, 3: 16, 4: 77})
    assert [bad[f"priority_{n}"].within for n in (1, 2, 3, 4)] == [False] * 4
    assert [bad[f"priority_{n}"].value for n in (1, 2, 3, 4)] == [1, 6, 16, 77]
    few = figures([0], priorities={2: 3})
    assert judged(few, "priority_2") == (100, None)


def test_the_ten_worst_and_their_share():
    rows = [actor(f"rule-{n:02d}", 20 - n, n) for n in range(15)]
    ten = bad_actors(rows, 400)
    assert [one.count for one in ten] == list(range(20, 10, -1))
    assert ten[0].share == 5.0
    assert judged(figures([400], rows), "top_ten_share") == (pytest.approx(155 / 4), False)
    assert judged(figures([10], [actor("a", 10)]), "top_ten_share") == (100, None)


def test_times_to_acknowledge():
    assert quantile([], 0.5) is None
    assert [quantile([30, 10, 20], share) for share in (0.5, 0.95)] == [20, 30]
    assert quantile(range(1, 101), 0.95) == 95
    found = figures([3], to_acknowledge=[5.0, 60.0, 7.0])
    assert (found["acknowledged_p50"].value, found["acknowledged_p95"].value) == (7.0, 60.0)


@given(st.lists(st.integers(0, 30), max_size=200))
def test_floods_are_apart_begin_over_the_budget_and_end_in_calm(slots: list[int]):
    found = floods(slots)
    inside = {index for begin, end in found for index in range(begin, end)}
    for begin, end in found:
        assert begin < end
        assert slots[begin] > BUDGET
        assert all(count >= CALM for count in slots[begin:end])
        assert end == len(slots) or slots[end] < CALM
    assert {index for index, count in enumerate(slots) if count > BUDGET} <= inside
    assert len(inside) == sum(end - begin for begin, end in found)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.floats(0, 1))
def test_a_quantile_is_one_of_the_values_and_enough_are_not_above_it(values: list[float], share: float):
    found = quantile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)


@pytest.mark.parametrize(("until", "operators"), [(SINCE, 1), (DAY, 0)])
def test_a_report_of_no_time_or_nobody_is_refused(until: datetime, operators: int):
    with pytest.raises(ValueError, match="needed"):
        report(SINCE, until, [], [], counts(), operators)


EVIL = '=HYPERLINK("http://x")'


def made() -> Report:
    return report(SINCE, DAY, [0, 12] + [0] * 142, [actor(EVIL, 12)], counts(priorities={4: 12}))


@pytest.mark.parametrize(("language", "title"), [("zh-CN", "每名值班员每小时报警"), ("en", "Alarms per operator-hour")])
def test_files_say_the_figures_and_hold_no_formula(language: str, title: str):
    rows = list(csv.reader(io.StringIO(to_csv(made(), language, "Asia/Shanghai").decode("utf-8-sig"))))
    assert rows[1][:4] == [title, "0.5", {"zh-CN": "个/小时", "en": "per hour"}[language], "≤ 6"]
    assert ["'" + EVIL, "door-1", "'" + EVIL, "12", "100.0"] in rows
    assert ["2026-11-21 00:10", "12"] in rows
    book = load_workbook(io.BytesIO(to_xlsx(made(), language, "Asia/Shanghai")))
    assert len(book.sheetnames) == 3
    first, second, third = book.worksheets
    assert [cell.value for cell in first[2]][:2] == [title, 0.5]
    assert (second["A2"].value, second["A2"].data_type) == (EVIL, "s")
    assert third.max_row == 145


def test_every_figure_and_unit_has_words():
    found = figures([0])
    assert list(found) == [name for name in FIGURES if name in found]
    assert set(found) == set(FIGURES)
    assert {figure.unit for figure in found.values()} <= set(UNITS)


def test_values_as_people_read_them():
    assert [value_text(v) for v in (None, 0, 3, 0.04, 0.25, 1234.56, 12.0)] == [
        "—", "0", "3", "< 0.1", "0.2", "1,234.6", "12",
    ]  # fmt: skip
