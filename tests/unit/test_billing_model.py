"""From a counter to money, by hand-computed lines and by properties that must hold for any counter."""

import ast
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal, Inexact, localcontext
from itertools import accumulate, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.catalog.paths import packaged_config
from hub.catalog.problems import CatalogError
from hub.errors import Refused
from hub.model import Quality
from modules.billing import model
from modules.billing.model import (
    Held,
    Meter,
    Reading,
    Span,
    Tariff,
    amount_fen,
    check_period,
    consumption,
    draft,
    local_midnight,
    split,
)
from modules.billing.tariffs import load_tariffs

ZONE = "Asia/Shanghai"
OLD = Tariff("electricity", "e1", date(2026, 1, 1), "kW.h", Decimal("0.5283"))
NEW = Tariff("electricity", "e2", date(2026, 6, 16), "kW.h", Decimal("0.6000"))
WATER = Tariff("water", "w1", date(2026, 6, 10), "m3", Decimal("3.45"))
JUNE = (date(2026, 6, 1), date(2026, 7, 1))
METER = Meter(1, 11, "electricity", "kW.h", timedelta(hours=1))


def at(day: date, value: str, seconds_before: int = 5, quality: int = 0) -> Reading:
    return Reading(local_midnight(day, ZONE) - timedelta(seconds=seconds_before), Decimal(value), quality)


def june(start: Reading | None, end: Reading | None, meter: Meter = METER, falls: int = 0):
    return draft(meter, Span(*JUNE, OLD), ZONE, start, end, falls)


def test_a_plain_month():
    line = june(at(JUNE[0], "1000.25"), at(JUNE[1], "1123.85"))
    assert (line.state, line.quantity, line.rollovers) == ("drafted", Decimal("123.60"), 0)
    assert line.amount_fen == 6530  # 123.6 × 0.5283 = 65.29788


def test_the_multiplier_of_a_current_transformer():
    meter = Meter(1, 11, "electricity", "kW.h", timedelta(hours=1), multiplier=40)
    line = june(at(JUNE[0], "10.5"), at(JUNE[1], "12.75"), meter)
    assert (line.quantity, line.amount_fen) == (Decimal("90.00"), 4755)  # 90 × 0.5283 = 47.547


def test_a_counter_that_rolls_over():
    meter = Meter(1, 11, "electricity", "kW.h", timedelta(hours=1), rollover=100_000)
    line = june(at(JUNE[0], "99999.9"), at(JUNE[1], "0.3"), meter, falls=1)
    assert (line.quantity, line.rollovers, line.amount_fen) == (Decimal("0.4"), 1, 21)  # 0.21132 元


@pytest.mark.parametrize(
    ("quantity", "price", "fen"),
    [("1", "0.005", 1), ("1", "0.00499999999999", 0), ("3", "0.115", 35), ("0.1", "0.35", 4), ("0", "9999", 0),
     ("0.30000000000000004", "1", 30), ("2.5", "0.002", 1)],
)  # fmt: skip
def test_half_a_fen_goes_up_and_less_goes_down(quantity, price, fen):
    assert amount_fen(Decimal(quantity), Decimal(price)) == fen


def test_a_new_price_cuts_the_period_at_local_midnight():
    spans = split([OLD, NEW, WATER], "electricity", *JUNE)
    assert spans == [Span(JUNE[0], date(2026, 6, 16), OLD), Span(date(2026, 6, 16), JUNE[1], NEW)]
    assert local_midnight(date(2026, 6, 16), ZONE) == datetime(2026, 6, 15, 16, tzinfo=UTC)
    readings = [at(JUNE[0], "100"), at(date(2026, 6, 16), "150.5"), at(JUNE[1], "200")]
    lines = [draft(METER, span, ZONE, readings[n], readings[n + 1]) for n, span in enumerate(spans)]
    assert [line.amount_fen for line in lines] == [2668, 2970]  # 50.5 × 0.5283 = 26.679; 49.5 × 0.6


def test_a_price_that_begins_or_ends_with_the_period_cuts_nothing():
    assert [span.tariff for span in split([OLD, NEW], "electricity", date(2026, 6, 16), JUNE[1])] == [NEW]
    assert [span.tariff for span in split([OLD, NEW], "electricity", JUNE[0], date(2026, 6, 16))] == [OLD]


def test_days_before_the_first_price_are_a_line_of_their_own_and_held():
    spans = split([WATER], "water", *JUNE)
    assert [(span.start.day, span.tariff) for span in spans] == [(1, None), (10, WATER)]
    assert draft(METER, spans[0], ZONE, at(JUNE[0], "1"), at(spans[0].end, "2")).reason == "no_tariff"


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [
        (None, at(JUNE[1], "5"), "no_reading_at_start"),
        (at(JUNE[0], "5", 3601), at(JUNE[1], "5"), "no_reading_at_start"),
        (at(JUNE[0], "5"), None, "no_reading_at_end"),
        (at(JUNE[0], "5"), at(JUNE[1], "9", 3601), "no_reading_at_end"),
        (at(JUNE[0], "5"), at(JUNE[1], "4.99"), "counter_fell"),
        (at(JUNE[0], "NaN"), at(JUNE[1], "5"), "doubtful_reading"),
        (at(JUNE[0], "5"), at(JUNE[1], "Infinity"), "doubtful_reading"),
        (at(JUNE[0], "-1"), at(JUNE[1], "5"), "doubtful_reading"),
        (at(JUNE[0], "5"), at(JUNE[1], "1e12"), "doubtful_reading"),
        (at(JUNE[0], "5", quality=Quality.CLOCK), at(JUNE[1], "6"), "doubtful_reading"),
        (at(JUNE[0], "5"), at(JUNE[1], "6", quality=Quality.RANGE), "doubtful_reading"),
        (at(JUNE[0], "5"), at(JUNE[1], "6", quality=Quality.RETAINED), "doubtful_reading"),
    ],
)
def test_what_is_held_for_a_person(start, end, reason):
    line = june(start, end)
    assert (line.state, line.reason, line.quantity, line.amount_fen) == ("held", reason, None, None)
    assert line.detail and line.start is start and line.end is end


def test_readings_at_the_limits_are_billed():
    assert june(at(JUNE[0], "5", 3600), at(JUNE[1], "6", 0, Quality.LATE)).state == "drafted"
    assert june(at(JUNE[0], "5", 0), at(JUNE[1], "5", 3600)).quantity == 0


def test_a_period_without_any_reading_of_its_own_is_held():
    span = Span(date(2026, 6, 1), date(2026, 6, 2), WATER)
    meter = Meter(1, 11, "water", "m3", timedelta(hours=48))
    stale = at(date(2026, 6, 1), "7", 0)
    assert draft(meter, span, ZONE, stale, stale).reason == "no_reading_at_end"


def test_a_tariff_for_another_unit_is_not_applied():
    assert draft(METER, Span(*JUNE, WATER), ZONE, at(JUNE[0], "1"), at(JUNE[1], "2")).reason == "unit_differs"


@pytest.mark.parametrize(
    ("start", "end", "rollover", "falls"),
    [
        ("40000", "3", 100_000, 1),  # a new meter, not a rollover
        ("100", "150", 100_000, 1),  # replaced in between and already past the old value
        ("99999", "1", 100_000, 2),
        ("100000", "1", 100_000, 1),
        ("100", "150", None, 1),
    ],
)
def test_a_counter_that_went_back_is_not_always_a_rollover(start, end, rollover, falls):
    readings = at(JUNE[0], start), at(JUNE[1], end)
    with pytest.raises(Held):
        consumption(*readings, 1, rollover, falls)


def test_half_the_range_is_the_most_a_rollover_may_count():
    assert consumption(at(JUNE[0], "60000"), at(JUNE[1], "10000"), 1, 100_000).quantity == 50_000
    with pytest.raises(Held):
        consumption(at(JUNE[0], "60000"), at(JUNE[1], "10000.1"), 1, 100_000)


def test_a_period_must_have_days_and_be_over():
    end = local_midnight(JUNE[1], ZONE)
    check_period(*JUNE, ZONE, end)
    for days, now in [(JUNE, end - timedelta(microseconds=1)), ((JUNE[1], JUNE[1]), end), ((JUNE[1], JUNE[0]), end),
                      ((date(2024, 1, 1), JUNE[1]), end)]:  # fmt: skip
        with pytest.raises(Refused) as refused:
            check_period(*days, ZONE, now)
        assert refused.value.status == 422


# -- properties ----------------------------------------------------------------------------------------------------


def shortest(stored):
    """The decimal that names a stored number, as PostgreSQL and Python both write it."""
    return Decimal(repr(stored))


counts = st.floats(0, 99_999).map(shortest)
steps = st.floats(0, 8_000).map(shortest)
prices = st.decimals(0, 9999, places=4)


@given(st.lists(steps, min_size=1, max_size=6), counts, st.integers(1, 100_000))
def test_the_parts_of_a_period_add_up_to_the_whole(used, offset, multiplier):
    """Whatever the counter shows, cutting a period anywhere bills the same quantity, rollover included."""
    with localcontext(Context(prec=1500, traps=[Inexact])):
        totals = list(accumulate([offset, *used]))
        shown = [Reading(datetime(2026, 6, n + 1, tzinfo=UTC), t % 100_000) for n, t in enumerate(totals)]
        parts = [consumption(a, b, multiplier, 100_000) for a, b in pairwise(shown)]
        whole = consumption(shown[0], shown[-1], multiplier, 100_000)
        assert sum(part.quantity for part in parts) == whole.quantity == sum(used) * multiplier
        assert sum(part.rollovers for part in parts) == whole.rollovers


@given(counts, counts, prices)
def test_cutting_a_line_moves_at_most_a_fen(first, second, price):
    apart = amount_fen(first, price) + amount_fen(second, price)
    assert abs(apart - amount_fen(model._EXACT.add(first, second), price)) <= 1


@given(st.floats(), st.floats(), st.integers(1, 100_000), st.none() | st.integers(1, 10**9), prices)
def test_no_line_is_ever_negative_or_inexact(start, end, multiplier, rollover, price):
    meter = Meter(1, 11, "electricity", "kW.h", timedelta(hours=1), multiplier, rollover)
    span = Span(*JUNE, Tariff("electricity", "x", JUNE[0], "kW.h", price))
    line = draft(meter, span, ZONE, at(JUNE[0], repr(start)), at(JUNE[1], repr(end)))
    if line.state == "drafted":
        assert line.quantity >= 0 and line.amount_fen >= 0
        assert abs(line.amount_fen - model.cost(line.quantity, price) * 100) <= Decimal("0.5000001")
    else:
        assert line.amount_fen is None and line.reason in ("counter_fell", "doubtful_reading")


def test_a_negative_amount_cannot_be_made():
    for quantity, price in [("-0.1", "1"), ("1", "-0.1")]:
        with pytest.raises(ValueError, match="never negative"):
            amount_fen(Decimal(quantity), Decimal(price))


def test_no_binary_number_is_in_the_money_path():
    """Neither the word `float`, nor a literal such as 0.5, nor a true division, which makes one of integers."""
    tree = ast.parse(Path(model.__file__).read_text("utf-8"))
    found = [
        node for node in ast.walk(tree)
        if (isinstance(node, ast.Name) and node.id in ("float", "round"))
        or (isinstance(node, ast.Constant) and isinstance(node.value, float))
        or isinstance(node, ast.Div)
        or (isinstance(node, ast.Attribute) and node.attr == "float")
    ]  # fmt: skip
    assert not found, [ast.dump(node) for node in found]


# -- tariff files --------------------------------------------------------------------------------------------------


def test_the_shipped_tariffs_are_right():
    demo = load_tariffs([packaged_config()])["demo"]
    assert Tariff("electricity", "e-2026-01", date(2026, 1, 1), "kW.h", Decimal("0.5283")) in demo
    assert Tariff("water", "w-2026-01", date(2026, 1, 1), "m3", Decimal("3.45")) in demo


@pytest.mark.parametrize(
    ("row", "field", "words"),
    [
        ("{kind: electricity, version: a, valid_from: 2026-01-01, unit: kW.h, price: 0.5283}", "price", "in quotes"),
        ('{kind: electricity, version: a, valid_from: 2026-01-01, unit: kW.h, price: "-1"}', "price", "in quotes"),
        ('{kind: electricity, version: a, valid_from: 2026-01-01, unit: kW.h, price: "NaN"}', "price", "in quotes"),
        ('{kind: water, version: a, valid_from: 2026-01-01, unit: m3, price: "0.0000001"}', "price", "6 decimal"),
        ('{kind: water, version: a, valid_from: 2026-01-01, unit: kW.h, price: "1"}', "unit", "m3"),
        ('{kind: water, version: a, valid_from: 2026-02-30, unit: m3, price: "1"}', "valid_from", "2026-01-01"),
        ('{kind: water, version: a, valid_from: 20260101, unit: m3, price: "1"}', "valid_from", "2026-01-01"),
        ('{kind: heat, version: a, valid_from: 2026-01-01, unit: m3, price: "1"}', "kind", "electricity, water"),
        ('{kind: water, version: a, valid_from: 2026-01-01, unit: m3, prise: "1"}', "prise", "price"),
    ],
)
def test_a_wrong_tariff_is_named_by_file_line_and_field(tmp_path, row, field, words):
    (tmp_path / "tariffs").mkdir()
    (tmp_path / "tariffs" / "x.yaml").write_text(f"community: demo\ntariffs:\n  - {row}\n", "utf-8")
    with pytest.raises(CatalogError) as refused:
        load_tariffs([tmp_path])
    problem = next(each for each in refused.value.problems if each.field == f"tariffs[0].{field}")
    assert problem.file.endswith("x.yaml") and problem.line == 3
    assert words in problem.render()


def test_the_same_version_or_day_twice_is_refused(tmp_path):
    (tmp_path / "tariffs").mkdir()
    row = '{kind: water, version: %s, valid_from: %s, unit: m3, price: "1"}'
    rows = [row % ("a", "2026-01-01"), row % ("a", "2026-02-01"), row % ("b", "2026-01-01")]
    text = "community: demo\ntariffs:\n" + "".join(f"  - {each}\n" for each in rows)
    (tmp_path / "tariffs" / "x.yaml").write_text(text, "utf-8")
    with pytest.raises(CatalogError) as refused:
        load_tariffs([tmp_path])
    assert [(each.line, each.field) for each in refused.value.problems] == [
        (4, "tariffs[1].version"), (5, "tariffs[2].valid_from"),
    ]  # fmt: skip
