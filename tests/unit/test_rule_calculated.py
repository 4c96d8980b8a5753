"""Calculated points: sums over other devices in the batch that moved them; stale, failing and circular ones."""

from collections.abc import Mapping
from itertools import count
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from hub.catalog.load import load_catalog
from hub.catalog.paths import packaged_config
from hub.model import Device, Frame, Quality, Reading, frame_key
from hub.vocabulary.profiles import ModelName, VirtualProfile
from hub.vocabulary.virtual import VirtualAddress, VirtualSection
from rules.calculated import Calculator
from rules.examples import example_device

S = 1_000_000
T0 = 1_750_000_000 * S
KINDS = load_catalog([packaged_config()], {}).kinds


def named(code: str, number: int, kind: str = "pump", **parts: Any) -> Device:
    device = example_device(kind, KINDS[kind], number)
    return msgspec.structs.replace(device, code=code, spec=device.spec.model_copy(update={"id": code}), **parts)


def group(code: str, number: int, expressions: Mapping[str, str], **inputs: str | list[str]) -> Device:
    section = {"calculated": {name: {"expression": text} for name, text in expressions.items()}}
    profile = VirtualProfile(
        profile="group", kind="meter_group", names=[ModelName(vendor="X", model="1")], source="made up",
        protocol="virtual", virtual=VirtualSection.model_validate(section),
    )  # fmt: skip
    device = named(code, number, "meter_group", profile=profile)
    return msgspec.structs.replace(
        device, spec=device.spec.model_copy(update={"address": VirtualAddress(inputs=inputs)})
    )  # fmt: skip


P1, P2 = named("pump-1", 1), named("pump-2", 2)
SUM = group("sum", 3, {"flow": "sum(pumps.flow)"}, pumps=["pump-1", "pump-2"])
_numbers = count()


def frame(device: Device, at: float, quality: int = 0, **points: float | None) -> Frame:
    ts = T0 + round(at * S)
    readings = [Reading(device.points[name], value, quality) for name, value in points.items()]
    key = frame_key(device.code, str(next(_numbers)), b"")
    return Frame(device, key, True, True, ts, ts + S, "test", b"", readings, [])


def calculator(*devices: Device, last: Mapping[int, tuple[int, float | None]] | None = None) -> Calculator:
    made = Calculator()
    assert made.configure({device.id: device for device in devices}, last or {}) == []
    return made


def run(one: Calculator, *frames: Frame) -> list[tuple[str, str, float | None, int]]:
    found = one.calculate(frames)
    one.accept()
    return [(f.device.code, r.point.name, r.value, r.quality) for f in found for r in f.readings]


def test_a_sum_follows_its_inputs_once_all_are_known() -> None:
    one = calculator(P1, P2, SUM)
    assert run(one, frame(P1, 0, flow=2.0)) == [("sum", "flow", None, Quality.BAD)]
    assert run(one, frame(P1, 1, flow=3.0)) == []  # still unknown: said once
    assert run(one, frame(P2, 2, flow=4.0)) == [("sum", "flow", 7.0, 0)]
    assert run(one, frame(P1, 3, flow=1.0), frame(P2, 3, flow=1.0), frame(P1, 4, flow=5.0)) == [("sum", "flow", 6.0, 0)]
    assert run(one, frame(P1, 5, pressure=400.0)) == []  # another point


def test_a_frame_says_what_it_was_computed_from_and_always_has_a_later_time() -> None:
    one = calculator(P1, P2, SUM, last={P2.points["flow"].id: (T0, 4.0)})
    (first,) = one.calculate([frame(P1, 1, flow=2.0)])
    one.accept()
    (second,) = one.calculate([frame(P2, 1, flow=5.0)])
    assert (first.ts, second.ts) == (T0 + S, T0 + S + 1)  # one instant, two values
    assert (first.source, first.raw) == ("calculated", b'{"pumps.flow":[2.0,4.0]}')
    assert first.key == frame_key("sum", str(first.ts), first.raw)
    assert first.received == T0 + 2 * S
    assert first.natural and first.timed and not first.events


def test_a_batch_that_fails_is_computed_again_alike() -> None:
    one = calculator(P1, P2, SUM, last={P2.points["flow"].id: (T0, 4.0)})
    lost = one.calculate([frame(P1, 1, flow=9.0)])
    again = one.calculate([frame(P1, 1, flow=9.0)])
    assert [(f.key, f.ts) for f in lost] == [(f.key, f.ts) for f in again]
    assert run(one, frame(P1, 0.5, flow=2.0)) == [("sum", "flow", 6.0, 0)]  # what was never accepted is forgotten


@pytest.mark.parametrize("quality", [Quality.LATE, Quality.RANGE])
def test_unusable_readings_move_nothing(quality: Quality) -> None:
    one = calculator(P1, P2, SUM, last={point.points["flow"].id: (T0, 4.0) for point in (P1, P2)})
    assert run(one, frame(P1, 1, quality, flow=9.0)) == []
    assert run(one, frame(P1, -1, flow=9.0)) == []  # older than what is known


def test_an_input_that_cannot_tell_makes_the_result_unknown() -> None:
    one = calculator(P1, P2, SUM, last={point.points["flow"].id: (T0, 4.0) for point in (P1, P2)})
    assert run(one, frame(P1, 1, Quality.BAD, flow=None)) == [("sum", "flow", None, Quality.BAD)]
    assert run(one, frame(P1, 2, flow=1.0)) == [("sum", "flow", 5.0, 0)]


def test_an_input_silent_for_too_long_makes_the_result_unknown() -> None:
    patience = KINDS["pump"].silent_after.total_seconds()
    one = calculator(P1, P2, SUM, last={point.points["flow"].id: (T0, 4.0) for point in (P1, P2)})
    assert run(one, frame(P1, patience, flow=1.0)) == [("sum", "flow", 5.0, 0)]
    assert run(one, frame(P1, patience + 1, flow=1.0)) == [("sum", "flow", None, Quality.BAD)]
    assert run(one, frame(P2, patience + 2, flow=1.0)) == [("sum", "flow", 2.0, 0)]


def test_calculated_over_calculated_is_computed_in_one_batch() -> None:
    main = named("main", 4)
    loss = group("loss", 1001, {"flow": "main.flow - subs.flow", "power": "loss.flow / main.flow"},
                 main="main", subs="sum", loss="loss")  # fmt: skip
    one = calculator(P1, loss, P2, main, SUM)
    assert run(one, frame(P1, 0, flow=1.0), frame(P2, 0, flow=2.0), frame(main, 0, flow=4.0)) == [
        ("sum", "flow", 3.0, 0), ("loss", "flow", 1.0, 0), ("loss", "power", 0.25, 0),
    ]  # fmt: skip
    assert run(one, frame(P1, 1, flow=0.0)) == [
        ("sum", "flow", 2.0, 0), ("loss", "flow", 2.0, 0), ("loss", "power", 0.5, 0),
    ]  # fmt: skip


def test_an_expression_without_a_result_is_logged_once_until_it_has_one() -> None:
    ratio = group("ratio", 5, {"flow": "a.flow / b.flow"}, a="pump-1", b="pump-2")
    one = calculator(P1, P2, ratio)
    with capture_logs() as logs:
        assert run(one, frame(P1, 0, flow=1.0), frame(P2, 0, flow=0.0)) == [("ratio", "flow", None, Quality.BAD)]
        assert run(one, frame(P1, 1, flow=2.0)) == []
    assert [(entry["point"], entry["why"]) for entry in logs] == [("ratio.flow", "division by zero")]
    assert run(one, frame(P2, 2, flow=4.0)) == [("ratio", "flow", 0.5, 0)]


@pytest.mark.parametrize(
    ("devices", "said"),
    [
        ([group("g", 3, {"flow": "sum(pumps.flow)"}, pumps=["pump-3"])], "no device 'pump-3'; did you mean 'pump-"),
        ([group("g", 3, {"flow": "sum(pumps.flo)"}, pumps=["pump-1"])], "did you mean 'pumps.flow'"),
        ([group("g", 3, {"flow": "pump.flow +"}, pump="pump-1")], "a value is expected"),
        ([group("g", 3, {"nothing": "pump.flow"}, pump="pump-1")], "a meter_group has no such point"),
        ([group("g", 3, {"flow": "1 + 1"}, pump="pump-1")], "uses no input"),
        ([group("g", 3, {"flow": "me.flow"}, me="g")], "g.flow → g.flow"),
        (
            [group("a", 3, {"flow": "x.flow"}, x="b"), group("b", 4, {"flow": "x.flow"}, x="c"),
             group("c", 5, {"flow": "x.flow"}, x="a"), group("d", 6, {"flow": "x.flow"}, x="a")],
            "a.flow → b.flow → c.flow → a.flow",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_and_the_rest_is_computed(devices: list[Device], said: str) -> None:
    one = Calculator()
    good = group("good", 9, {"flow": "pump.flow * 2"}, pump="pump-1")
    problems = one.configure({device.id: device for device in [P1, P2, *devices, good]}, {})
    assert len(problems) == 1
    assert said in problems[0]
    assert ("good", "flow", 4.0, 0) in run(one, frame(P1, 0, flow=2.0))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([P1, P2]), st.integers(0, 50)), min_size=1, max_size=20), st.data())
def test_the_last_value_does_not_depend_on_where_batches_end(
    said: list[tuple[Device, int]], data: st.DataObject
) -> None:
    frames = [frame(device, n, flow=float(value)) for n, (device, value) in enumerate(said)]
    whole, cut = calculator(P1, P2, SUM), calculator(P1, P2, SUM)
    last = (run(whole, *frames) or [None])[-1]
    found: list[Any] = [None]
    while frames:
        size = data.draw(st.integers(1, len(frames)))
        found += run(cut, *frames[:size])
        frames = frames[size:]
    assert found[-1] == last
