"""Plans that somebody changes: what would be other rounds, blind spots, forms that keep what they do not show."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.catalog.document import Document
from hub.catalog.paths import packaged_config
from hub.catalog.yaml import parse_yaml
from hub.catalog.yamlout import yaml_text
from hub.errors import Refused
from hub.vocabulary.base import parse_duration
from modules.patrol import draft as drafts
from modules.patrol.calendars import WEEKDAYS
from modules.patrol.changes import MOST_ROUNDS, blind_spots, horizon, planned_ahead, round_changes
from modules.patrol.draft import FORMS, minutes_text
from modules.patrol.files import load_patrols, read_given
from modules.patrol.plans import PatrolFile
from modules.patrol.stored import file_json, file_of, span_text

ZONE = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 11, 21, 17, 58, 30, tzinfo=UTC)
DEMO = load_patrols([packaged_config()])["demo"]

times = st.lists(st.integers(0, 95), min_size=1, max_size=4, unique=True).map(
    lambda quarters: [f"{one // 4:02d}:{one % 4 * 15:02d}" for one in sorted(quarters)]
)
days = st.one_of(
    st.sampled_from(["every_day", "workdays", "rest_days", "holidays"]),
    st.lists(st.sampled_from(WEEKDAYS), min_size=1, max_size=3, unique=True),
)
plan = st.fixed_dictionaries(
    {"route": st.sampled_from(["garden", "garage"]), "days": days, "times": times},
    optional={"post": st.just("patrol"), "late": st.sampled_from(["0s", "30s", "2m"]), "grace": st.just("1500ms")},
)


@st.composite
def files(draw: st.DrawFn) -> PatrolFile:
    """The demonstration's checkpoints and routes with other plans, such as a check would take."""
    plain = file_json(DEMO)
    plain["plans"] = [
        draw(plan) | {"id": name, "name": {"zh": name, "en": name}, "device": f"route-{name}"}
        for name in draw(st.sets(st.sampled_from(["a", "b", "c"]), max_size=3))
    ]
    file, document = read_given(plain, "demo")
    if file is None or document.problems:
        plain["plans"] = []
        file = file_of(plain)
    return file


@given(files(), files())
def test_the_rounds_of_other_plans_are_those_before_with_what_the_preview_tells(old: PatrolFile, new: PatrolFile):
    begun = [{"plan": "a", "device": "route-a", "closes": NOW + timedelta(minutes=50)}]
    until = NOW + timedelta(days=7)
    before, after = (planned_ahead(one, ZONE, begun, NOW, until) for one in (old, new))
    told = round_changes(before, after, ZONE)
    rounds = {(one.plan.id, one.round.begins): one for one in before}
    for one in told:
        if one.sort in ("gone", "moved"):
            del rounds[one.plan, one.was or one.begins]
    wanted = {(one.plan.id, one.round.begins): one for one in after}
    for one in told:
        if one.sort != "gone":
            rounds[one.plan, one.begins] = wanted[one.plan, one.begins]
    told_as = {key: (one.plan.route, one.plan.post, one.round) for key, one in rounds.items()}
    assert told_as == {key: (one.plan.route, one.plan.post, one.round) for key, one in wanted.items()}
    assert round_changes(before, before, ZONE) == []
    for one in told:
        if one.was is not None:
            assert one.was.astimezone(ZONE).date() == one.begins.astimezone(ZONE).date()


def test_a_round_of_another_time_moved_and_one_more_a_day_is_added():
    def planned(*times: str) -> Any:
        plain = file_json(DEMO)
        plain["plans"] = [
            {"id": "n", "name": {"zh": "n", "en": "n"}, "route": "garden", "device": "r", "times": list(times)}
        ]
        return planned_ahead(file_of(plain), ZONE, [], NOW, NOW + timedelta(days=1))

    moved = round_changes(planned("22:00"), planned("23:00"), ZONE)
    assert [(one.sort, one.begins - (one.was or one.begins)) for one in moved] == [("moved", timedelta(hours=1))]
    more = round_changes(planned("22:00"), planned("22:00", "23:00"), ZONE)
    assert [one.sort for one in more] == ["added"]
    less = round_changes(planned("22:00", "23:00"), planned("22:00"), ZONE)
    assert [one.sort for one in less] == ["gone"]


def test_blind_spots_are_those_of_no_plan_and_those_lost_come_first():
    plain = file_json(DEMO)
    plain["plans"] = plain["plans"][:1]
    plain["checkpoints"] = [one for one in plain["checkpoints"] if one["id"] != "garage"]
    told = [(one.sort, one.checkpoint.id) for one in blind_spots(DEMO, file_of(plain))]
    assert told == [("newly", "garage-exit"), ("removed", "garage"), ("still", "east-gate")]
    assert [one.sort for one in blind_spots(DEMO, DEMO)] == ["still"]


def test_very_many_rounds_are_looked_at_for_fewer_days():
    plain = file_json(DEMO)
    plain["plans"] = [plain["plans"][0] | {"id": f"p-{n}", "every": "5m"} for n in range(60)]
    many = file_of(plain)
    assert horizon([DEMO], NOW) - NOW == timedelta(days=7)
    shorter = horizon([DEMO, many], NOW) - NOW
    assert timedelta(days=1) <= shorter < timedelta(days=7) and shorter.days * 60 * 288 <= MOST_ROUNDS


def test_a_plan_of_which_no_round_comes_soon_breaks_no_others():
    plain = file_json(DEMO)
    plain["plans"][0] |= {"days": ["wed"]}  # it is a Sunday there
    found = planned_ahead(file_of(plain), ZONE, [], NOW, NOW + timedelta(hours=26))
    assert {one.plan.id for one in found} == {"garage-round"}


@pytest.mark.parametrize("part", list(FORMS))
def test_a_form_that_nobody_touched_changes_nothing(part: str):
    show, fill = FORMS[part]
    for one in file_json(DEMO)[part]:
        assert fill(one, one["id"], show(one)) == one


def test_what_a_form_does_not_show_stays():
    plain = file_json(DEMO)
    gate = drafts.named(plain, "checkpoints", "east-gate") or {}
    given_ = drafts.checkpoint_form(gate) | {"qr": "", "position": "", "name_en": "East"}
    changed = drafts.checkpoint_of(gate, "east-gate", given_)
    assert [proof["by"] for proof in changed["proofs"]] == ["display", "camera"] and "position" not in changed
    assert (changed["proofs"][1], changed["items"]) == (gate["proofs"][2], gate["items"])
    garden = drafts.named(plain, "checkpoints", "garden") or {}
    rows = json.loads(drafts.checkpoint_form(garden)["items"])
    rows = [*rows[::-1], {"id": "", "zh": "灯", "en": "Lamps", "answer": "yes_no", "required": True, "photo": True}]
    changed = drafts.checkpoint_of(garden, "garden", drafts.checkpoint_form(garden) | {"items": json.dumps(rows)})
    assert changed["items"][0] == garden["items"][0], "what a sensor is compared with is not shown"
    lamps = {
        "id": changed["items"][1]["id"],
        "name": {"zh": "灯", "en": "Lamps"},
        "answer": "yes_no",
        "photo": "required",
    }
    assert changed["items"][1] == lamps
    assert read_given(drafts.put(plain, "checkpoints", changed), "demo")[1].problems == []


def test_no_id_that_was_there_before_comes_back():
    row = {"id": "", "zh": "灯", "en": "Lamps", "answer": "yes_no"}
    given_ = drafts.checkpoint_form({}) | {"name_zh": "屋顶", "name_en": "Roof", "qr": "1", "items": json.dumps([row])}
    roofs = [drafts.checkpoint_of(None, drafts.fresh_id("checkpoint"), given_) for _ in range(20)]
    assert len({one["id"] for one in roofs}) == len({one["items"][0]["id"] for one in roofs}) == 20
    plain = {"community": "demo", "routes": [], "plans": [], "checkpoints": [one | {"place": "b1"} for one in roofs]}
    assert read_given(plain, "demo")[1].problems == []


def test_a_new_plan_is_what_was_filled_in():
    shown = drafts.plan_form({}) | {
        "name_zh": "夜", "name_en": "Night", "route": "garden", "device": "r-2",
        "days": "chosen", "weekdays": "sun,mon", "times": "22:00，23:30", "late": "0:30",
    }  # fmt: skip
    made = drafts.plan_of(None, "night", shown)
    assert made == {
        "id": "night", "name": {"zh": "夜", "en": "Night"}, "route": "garden", "device": "r-2",
        "days": ["mon", "sun"], "times": ["22:00", "23:30"], "late": "30s",
    }  # fmt: skip
    plain = drafts.put(file_json(DEMO), "plans", made)
    assert read_given(plain, "demo")[1].problems == []
    assert drafts.without(plain, "plans", "night") == file_json(DEMO)


@pytest.mark.parametrize(("part", "key", "typed"), [
    ("plans", "late", "soon"), ("plans", "every", "1:75"), ("plans", "weekdays", ""), ("checkpoints", "qr", "half"),
    ("checkpoints", "position", "31.2"), ("checkpoints", "items", "{}"), ("routes", "stops", "[1]"),
    ("routes", "stops", '[{"checkpoint": "garden", "max": "-1"}]'), ("checkpoints", "qr", "nan" * 20),
])  # fmt: skip
def test_what_is_no_number_and_no_row_is_refused(part: str, key: str, typed: str):
    show, fill = FORMS[part]
    one = file_json(DEMO)[part][0]
    with pytest.raises(Refused) as error:
        fill(one, one["id"], show(one) | {"days": "chosen", key: typed})
    assert error.value.status == 422


@given(st.integers(0, 12 * 3_600_000_000))
def test_a_length_of_time_is_written_so_that_it_is_read_the_same(us: int):
    span = timedelta(microseconds=us)
    assert parse_duration(span_text(span)) == span


@pytest.mark.parametrize(("span", "text"), [("90s", "1:30"), ("2h", "120"), ("250ms", "250ms"), ("0s", "0")])
def test_lengths_of_time_in_minutes(span: str, text: str):
    assert minutes_text(span) == text


plain_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
    | st.sampled_from(["22:00", "on", "null", "1_000", "0o7", "0x1F", "1e3", ".5", "~", "- x", "a: b", "#"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), plain_values, min_size=1, max_size=4))
def test_yaml_is_read_back_as_what_was_written(plain: dict[str, Any]):
    document = parse_yaml(yaml_text(plain), Document("x"), {}, Path())
    assert document.problems == [] and document.data == plain


def test_the_demonstrations_file_is_written_as_it_is_read():
    plain = file_json(DEMO)
    text = yaml_text(plain)
    assert parse_yaml(text, Document("x"), {}, Path()).data == plain
    assert "      - {checkpoint: garden, min: 30s, max: 4m}\n" in text and 'from: "00:05"' in text
