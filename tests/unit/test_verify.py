"""`hub verify` finds every planted defect, and nothing where there is none."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hub.truth import Truth, TruthCounter, TruthEvent, TruthFault, TruthOutcome, TruthRun, read_truth, write_truth
from hub.verify.compare import SECOND, Stored, StoredAlarm, StoredEvent, StoredSample, compare
from hub.verify.report import Report

T0 = 1_780_000_000 * SECOND
END = T0 + 600 * SECOND
CARD = {"card": "0A1B2C3D", "method": "card"}
TAP = {"card": "77", "checkpoint": "车库"}


def at(seconds: float) -> int:
    return T0 + round(seconds * SECOND)


def truths() -> list[Truth]:
    return [
        TruthRun(T0, "begins", 7),
        TruthEvent("door-1", "access_granted", at(10), 1, "unknown", CARD, True, 1),
        TruthOutcome(1, "ok"),
        TruthEvent("door-1", "door_forced", at(40), 2, "ok", {}),
        TruthEvent("patrol-1", "checkpoint_read", at(50), None, "ok", TAP, False),
        TruthEvent("patrol-1", "checkpoint_read", at(51.5), None, "ok", TAP, False),
        TruthEvent("patrol-1", "checkpoint_read", at(90), None, "unknown", TAP, False, 2),
        TruthFault("door-1", "door-forced", at(40), at(55)),
        TruthFault("pump-1", "pump-over-pressure", at(70), at(115), at(130)),
        TruthFault("pump-2", "pump-over-pressure", at(590), at(635), at(650)),
        TruthCounter("em-1", "energy_import", at(0), "1234.5"),
        TruthCounter("em-1", "energy_import", at(100), "1234.51"),
        TruthCounter("em-1", "energy_import", at(400), "1234.52"),
        TruthCounter("wm-1", "volume", at(60), "56.789", True, 3),
        TruthCounter("wm-1", "volume", at(120), "56.791", True, 4),
        TruthOutcome(3, "ok"),
        TruthOutcome(4, "ok"),
        TruthRun(END, "ends", 7),
    ]


def stored() -> Stored:
    return Stored(
        events=[
            StoredEvent("door-1", "access_granted", at(10), CARD),
            StoredEvent("door-1", "door_forced", at(40)),
            StoredEvent("patrol-1", "checkpoint_read", at(50.02), TAP),
            StoredEvent("patrol-1", "checkpoint_read", at(51.53), TAP),
        ],
        alarms=[
            StoredAlarm("door-1", "door-forced", at(40), at(40)),
            StoredAlarm("pump-1", "pump-over-pressure", at(100.4), at(131)),
        ],
        samples=[
            StoredSample("em-1", "energy_import", at(5), 1234.5),
            StoredSample("em-1", "energy_import", at(101), 1234.5),
            StoredSample("em-1", "energy_import", at(111), 1234.51),
            StoredSample("em-1", "energy_import", at(411), 1234.52),
            StoredSample("wm-1", "volume", at(60), 56.789),
            StoredSample("wm-1", "volume", at(120), 56.791),
        ],
    )


def sorts(report: Report) -> dict[str, int]:
    return {sort: len(found) for sort, found in report.findings() if found}


def test_clean_run_is_clean() -> None:
    report = compare(truths(), stored())
    assert sorts(report) == {}
    assert report.ok
    assert (report.events, report.faults, report.counters) == (5, 3, 2)


def without(what: str, index: int) -> Callable[[Stored], None]:
    def plant(defect: Stored) -> None:
        kept = list(getattr(defect, what))
        del kept[index]
        setattr(defect, what, kept)

    return plant


def with_more(what: str, *extra: object) -> Callable[[Stored], None]:
    return lambda defect: setattr(defect, what, [*getattr(defect, what), *extra])


def changed(what: str, index: int, **to: object) -> Callable[[Stored], None]:
    def plant(defect: Stored) -> None:
        kept = list(getattr(defect, what))
        kept[index] = replace(kept[index], **to)
        setattr(defect, what, kept)

    return plant


DEFECTS: dict[str, tuple[Callable[[Stored], None], dict[str, int]]] = {
    "event lost": (without("events", 0), {"missing_events": 1}),
    "one of two equal taps lost": (without("events", 2), {"missing_events": 1}),
    "event twice": (
        with_more("events", StoredEvent("door-1", "access_granted", at(10), CARD)),
        {"double_events": 1},
    ),
    "a fourth tap": (
        with_more("events", *(StoredEvent("patrol-1", "checkpoint_read", at(s), TAP) for s in (90, 91))),
        {"double_events": 1},
    ),
    "event invented": (
        with_more("events", StoredEvent("door-2", "door_forced", at(300))),
        {"unexpected_events": 1},
    ),
    "event at another time": (
        changed("events", 0, ts=at(10.001)),
        {"missing_events": 1, "unexpected_events": 1},
    ),
    "event data altered": (changed("events", 0, data={**CARD, "card": "00"}), {"altered_events": 1}),
    "event data lost": (changed("events", 0, data={"method": "card"}), {"altered_events": 1}),
    "alarm lost": (without("alarms", 0), {"missing_alarms": 1}),
    "alarm twice": (
        with_more("alarms", StoredAlarm("pump-1", "pump-over-pressure", at(101))),
        {"double_alarms": 1},
    ),
    "alarm without a cause": (
        with_more("alarms", StoredAlarm("pump-3", "pump-over-pressure", at(200))),
        {"unexpected_alarms": 1},
    ),
    "alarm again long after": (
        with_more("alarms", StoredAlarm("pump-1", "pump-over-pressure", at(500))),
        {"unexpected_alarms": 1},
    ),
    "alarm at the wrong device": (
        changed("alarms", 0, device="door-2"),
        {"missing_alarms": 1, "unexpected_alarms": 1},
    ),
    "alarm late": (changed("alarms", 1, raised_at=at(120)), {"late_alarms": 1}),
    "alarm still standing": (changed("alarms", 1, returned_at=None), {"standing_alarms": 1}),
    "last digit of a register": (changed("samples", 2, value=1234.52), {"counter_mismatches": 1}),
    "register value of too long ago": (changed("samples", 2, value=1234.5), {"counter_mismatches": 1}),
    "register value too early": (changed("samples", 0, value=1234.51), {"counter_mismatches": 2}),
    "last register change never stored": (without("samples", 3), {"counter_mismatches": 1}),
    "last digit of a told counter": (changed("samples", 4, value=56.788), {"counter_mismatches": 1}),
    "told counter lost": (without("samples", 5), {"counter_mismatches": 1}),
    "told counter twice": (
        with_more("samples", StoredSample("wm-1", "volume", at(60), 56.789)),
        {"counter_mismatches": 1},
    ),
    "told counter at another time": (changed("samples", 5, ts=at(121)), {"counter_mismatches": 2}),
    "meter nobody has": (
        with_more("samples", StoredSample("em-9", "energy_import", at(9), 1.0)),
        {"counter_mismatches": 1},
    ),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_each_planted_defect_is_found(name: str) -> None:
    plant, expected = DEFECTS[name]
    defect = stored()
    plant(defect)
    report = compare(truths(), defect)
    assert sorts(report) == expected
    assert not report.ok


def test_meter_without_any_sample_is_found() -> None:
    defect = stored()
    defect.samples = [one for one in defect.samples if one.device != "em-1"]
    assert sorts(compare(truths(), defect)) == {"counter_mismatches": 1}


def test_unknown_outcome_may_be_stored_once_but_not_twice() -> None:
    said = [TruthEvent("door-1", "unlocked", at(5), 1, "unknown", {}, True, 9)]
    event = StoredEvent("door-1", "unlocked", at(5))
    assert compare(said, Stored()).ok
    assert compare(said, Stored(events=[event])).ok
    assert sorts(compare(said, Stored(events=[event, event]))) == {"double_events": 1}


def test_later_word_on_the_outcome_counts() -> None:
    said: list[Truth] = [TruthEvent("door-1", "unlocked", at(5), 1, "unknown", {}, True, 9), TruthOutcome(9, "ok")]
    assert sorts(compare(said, Stored())) == {"missing_events": 1}
    cut: list[Truth] = [TruthCounter("wm-1", "volume", at(1), "1.0", True, 9), TruthOutcome(9, "unknown")]
    assert compare(cut, Stored()).ok


def test_standing_alarm_serves_a_second_fault() -> None:
    faults: list[Truth] = [
        TruthRun(T0, "begins", 7),
        TruthFault("door-1", "door-forced", at(40), at(55)),
        TruthFault("door-1", "door-forced", at(140), at(155)),
        TruthRun(END, "ends", 7),
    ]
    live = StoredAlarm("door-1", "door-forced", at(40), at(140))
    assert compare(faults, Stored(alarms=[live])).ok
    gone = StoredAlarm("door-1", "door-forced", at(40), at(60))
    assert sorts(compare(faults, Stored(alarms=[gone]))) == {"missing_alarms": 1}


def test_nothing_is_judged_between_runs() -> None:
    runs: list[Truth] = [
        TruthRun(T0, "begins", 7),
        TruthFault("pump-1", "pump-over-pressure", at(590), at(635), at(650)),
        TruthRun(END, "ends", 7),
        TruthRun(at(1000), "begins", 7),
        TruthRun(at(1100), "ends", 7),
    ]
    silent = StoredAlarm("pump-2", "device-silent", at(700), at(1001))
    assert compare(runs, Stored(alarms=[silent])).ok
    inside = StoredAlarm("pump-2", "device-silent", at(1050))
    assert sorts(compare(runs, Stored(alarms=[inside]))) == {"unexpected_alarms": 1}


def test_report_is_readable_in_both_languages_and_shows_no_private_value() -> None:
    defect = stored()
    changed("events", 0, data={**CARD, "card": "99999999"})(defect)
    report = compare(truths(), defect)
    zh, en = report.render("zh"), report.render("en")
    assert "内容不符的事件: 1" in zh
    assert "Events whose data differ: 1" in en
    assert "door-1  access_granted  card" in en
    assert "99999999" not in zh + en
    assert CARD["card"] not in zh + en
    assert compare(truths(), stored()).render("zh").endswith("全部一致。")


def test_truth_file_gives_back_what_was_written_and_survives_a_cut(tmp_path: Path) -> None:
    path = tmp_path / "truth.jsonl"
    with path.open("a", encoding="utf-8") as file:
        for truth in truths():
            write_truth(file, truth)
    assert list(read_truth(path)) == truths()
    path.write_bytes(path.read_bytes()[:-9])
    assert list(read_truth(path)) == truths()[:-1]
    path.write_bytes(b'{"truth":"run"}\n' + path.read_bytes())
    with pytest.raises(ValueError, match=r"truth\.jsonl:1: "):
        list(read_truth(path))
