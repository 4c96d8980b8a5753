"""A company's own names over the shipped ones, a community's over those: the code stays, what people read changes."""

import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hub.catalog.devices import LocalIds, build_devices
from hub.catalog.load import load_catalog
from hub.catalog.paths import packaged_config
from hub.catalog.problems import CatalogError
from hub.vocabulary.base import Word
from tests.unit.demo_devices import demo_catalog

WORDS = """
    kinds:
      door:
        name: {zh: 单元门, en: Unit door}
        points: {open: {zh: 门扇, en: Leaf}}
        events: {access_granted: {zh: 刷开, en: Let in}}
        fields: {access_denied: {card: {zh: 门卡, en: Badge}}}
        commands: {open: {zh: 远程放行, en: Let in from afar}}
        values: {locked: {zh: 反锁, en: Bolted}, open: {zh: 敞开, en: Wide open}}
    values: {unlocked: {zh: 未闩, en: Unbolted}}
"""
OURS = """
    community: ours
    kinds:
      door:
        name: {zh: 门岗, en: Gate}
        values: {open: {zh: 开着, en: Ajar}}
    values: {running: {zh: 运转, en: Turning}}
"""
SITE = """
    community: {code: %s, name: {zh: 小区, en: Ours}, time_zone: Asia/Shanghai}
    places: [{path: b1, kind: building, name: {zh: 一栋, en: One}}]
    buses: {main: {protocol: mqtt, url: "mqtt://127.0.0.1:1"}}
    devices:
      - {id: door-1, name: {zh: 门, en: Door}, profile: heyue-dc200, place: b1, bus: main, address: {device: d1}}
"""


def written(folder: Path, text: str) -> list[Path]:
    (folder / "words.yaml").write_text(textwrap.dedent(text), "utf-8")
    return [packaged_config(), folder]


def two(folder: Path, ours: str = OURS) -> list[Path]:
    """An installation with words of its own and two communities, of which one, `ours`, has some too."""
    for name in ("sites", "words"):
        (folder / name).mkdir(exist_ok=True)
    for code in ("ours", "theirs"):
        (folder / f"sites/{code}.yaml").write_text(textwrap.dedent(SITE % code), "utf-8")
    (folder / "words/ours.yaml").write_text(textwrap.dedent(ours), "utf-8")
    return written(folder, WORDS)


def test_names_are_those_of_the_company_and_all_else_is_as_it_was(tmp_path: Path) -> None:
    shipped, door = demo_catalog().kinds, load_catalog(written(tmp_path, WORDS), {}).kinds["door"]
    assert (door.name.zh, door.points["open"].name.en, door.events["access_granted"].name.zh) == (
        "单元门",
        "Leaf",
        "刷开",
    )
    assert (door.events["access_denied"].data["card"].name.en, door.commands["open"].name.zh) == ("Badge", "远程放行")
    assert door.events["access_denied"].name == shipped["door"].events["access_denied"].name
    assert door.points["open"].values == shipped["door"].points["open"].values
    assert door.commands["open"].confirm == shipped["door"].commands["open"].confirm
    plain = load_catalog([packaged_config()], {}).kinds
    assert {code: kind for code, kind in plain.items() if code != "door"} == {
        code: kind for code, kind in load_catalog(written(tmp_path, WORDS), {}).kinds.items() if code != "door"
    }


def test_devices_are_told_of_under_those_names(tmp_path: Path) -> None:
    catalog = load_catalog(written(tmp_path, WORDS), {})
    door = next(one for one in build_devices(catalog, LocalIds()).values() if one.kind_name == "door")
    assert door.event("access_granted").name.zh == "刷开"


@pytest.mark.parametrize(
    ("text", "where", "told"),
    [
        ("kinds: {dor: {name: {zh: a, en: b}}}", "kinds.dor", "door"),
        ("kinds: {door: {points: {opn: {zh: a, en: b}}}}", "kinds.door.points.opn", "open"),
        ("kinds: {door: {events: {forced: {zh: a, en: b}}}}", "kinds.door.events.forced", "door_forced"),
        ("kinds: {door: {fields: {door_forced: {crd: {zh: a, en: b}}}}}", "kinds.door.fields.door_forced.crd", ""),
        ("kinds: {door: {commands: {opens: {zh: a, en: b}}}}", "kinds.door.commands.opens", "open"),
        ("kinds: {door: {name: {zh: a}}}", "kinds.door.name.en", ""),
        ("kinds: {door: {nam: {zh: a, en: b}}}", "kinds.door.nam", "name"),
        ("kinds: [door]", "kinds", ""),
        ("kinds: {door: {values: {opn: {zh: a, en: b}}}}", "kinds.door.values.opn", "open"),
        ("kinds: {door: {values: {running: {zh: a, en: b}}}}", "kinds.door.values.running", "locked"),
        ("values: {runing: {zh: a, en: b}}", "values.runing", "running"),
        ("values: {running: on}", "values.running", "mapping"),
        ('values: {running: {zh: "", en: b}}', "values.running.zh", "printable"),
        ('values: {running: {zh: "a\\u202eb", en: b}}', "values.running.zh", "printable"),
        ('values: {running: {zh: a, en: "b\\a"}}', "values.running.en", "printable"),
        ('values: {running: {zh: a, en: "b\\nc"}}', "values.running.en", "printable"),
        (f"values: {{running: {{zh: {'长' * 61}, en: b}}}}", "values.running.zh", "at most 60"),
    ],
)  # fmt: skip
def test_a_name_for_nothing_is_refused_by_line_and_field(tmp_path: Path, text: str, where: str, told: str) -> None:
    with pytest.raises(CatalogError) as bad:
        load_catalog(written(tmp_path, text), {})
    [problem] = bad.value.problems
    assert (problem.field, problem.line) == (where, 1)
    assert told in problem.render("en")


def test_a_community_has_its_own_words_over_those_of_the_installation(tmp_path: Path) -> None:
    catalog = load_catalog(two(tmp_path), {})
    doors = {one.community: one for one in build_devices(catalog, LocalIds()).values()}
    ours, theirs = doors["ours"].kind, doors["theirs"].kind
    assert (ours.name.zh, theirs.name.zh) == ("门岗", "单元门")
    assert (ours.word("open").en, theirs.word("open").en) == ("Ajar", "Wide open")
    for kind in (ours, theirs):
        assert (kind.points["open"].name.en, kind.word("locked").zh, kind.word("closed").zh) == ("Leaf", "反锁", "关")
        assert (kind.word("unlocked").en, kind.events["access_granted"].name.zh) == ("Unbolted", "刷开"), (
            "what only the installation names holds in both"
        )
        assert kind.points["open"].values == {"closed": 0, "open": 1}
    numbers = {"ours": 7, "theirs": 9}
    assert catalog.kinds_of(numbers)[7]["pump"].word("running").en == "Turning"
    assert catalog.kinds_of(numbers)[9]["pump"].word("running").en == "Running"
    assert catalog.kinds["door"] == theirs


def test_devices_of_a_community_share_their_kinds(tmp_path: Path) -> None:
    """Drivers plan once for each kind that is one object."""
    roots = two(tmp_path)
    site = tmp_path / "sites/ours.yaml"
    last = site.read_text("utf-8").splitlines()[-1]
    site.write_text(site.read_text("utf-8") + last.replace("door-1", "door-2").replace("d1", "d2") + "\n", "utf-8")
    devices = build_devices(load_catalog(roots, {}), LocalIds()).values()
    assert len({id(one.kind) for one in devices if one.community == "ours"}) == 1


def test_every_shipped_value_has_a_word_in_both_languages() -> None:
    for name, kind in load_catalog([packaged_config()], {}).kinds.items():
        assert kind.codes == set(kind.values), name


def test_a_value_without_a_word_is_shown_by_its_code(tmp_path: Path) -> None:
    (tmp_path / "kinds.yaml").write_text((packaged_config() / "kinds.yaml").read_text("utf-8").split("\nvalues:")[0])
    kind = load_catalog([packaged_config(), tmp_path], {}).kinds["smoke_detector"]
    assert kind.word("smoke").zh == kind.word("smoke").en == "smoke"


@pytest.mark.parametrize(
    ("text", "where", "told"),
    [
        ("{community: our}", "community", "did you mean 'ours'?"),
        ("{community: Ours!}", "community", "a community code"),
        ("{kinds: {}}", "community", "required"),
        ("{community: ours, kinds: {dor: {name: {zh: a, en: b}}}}", "kinds.dor", "did you mean 'door'?"),
        ("{community: ours, kind: {}}", "kind", "did you mean 'kinds'?"),
        ("", "", "the fields community"),
    ],
)  # fmt: skip
def test_a_communitys_words_are_refused_by_line_and_field(tmp_path: Path, text: str, where: str, told: str) -> None:
    with pytest.raises(CatalogError) as bad:
        load_catalog(two(tmp_path, text), {})
    [problem] = bad.value.problems
    assert problem.file.endswith("words/ours.yaml")
    assert (problem.field, problem.line) == (where, 1)
    assert told in problem.render("en")


def test_one_community_has_one_file_and_a_stray_one_is_told(tmp_path: Path) -> None:
    roots = two(tmp_path)
    (tmp_path / "words/again.yaml").write_text("community: ours", "utf-8")
    (tmp_path / "words/theirs.yml").write_text("community: theirs", "utf-8")
    with pytest.raises(CatalogError) as bad:
        load_catalog(roots, {})
    assert [(one.file.rpartition("/")[2], one.sort) for one in bad.value.problems] == [
        ("ours.yaml", "duplicate"),
        ("theirs.yml", "unknown"),
    ]


def test_of_a_site_that_cannot_be_read_there_is_no_second_complaint(tmp_path: Path) -> None:
    roots = two(tmp_path)
    (tmp_path / "sites/ours.yaml").write_text("community: {code: ours}", "utf-8")
    with pytest.raises(CatalogError) as bad:
        load_catalog(roots, {})
    assert all(one.file.endswith("sites/ours.yaml") for one in bad.value.problems)


def test_the_demonstrations_words_are_not_those_of_a_company(tmp_path: Path) -> None:
    """Not even where a community of the company has the same code."""
    assert load_catalog([packaged_config()], {}).kinds_in("demo")["barrier"].name.zh == "车行道闸"
    (tmp_path / "sites").mkdir()
    (tmp_path / "sites/demo.yaml").write_text(textwrap.dedent(SITE % "demo"), "utf-8")
    assert load_catalog([packaged_config(), tmp_path], {}).kinds_in("demo")["barrier"].name.zh == "道闸"


def test_a_words_file_takes_nothing_from_the_environment(tmp_path: Path) -> None:
    with pytest.raises(CatalogError) as bad:
        load_catalog(
            two(tmp_path, "{community: ours, values: {open: {zh: !env SECRET, en: b}}}"), {"SECRET": "hunter2"}
        )
    assert "hunter2" not in str(bad.value)


@given(st.text(max_size=70), st.text(max_size=70))
def test_a_word_is_one_short_printable_line_or_refused(zh: str, en: str) -> None:
    fits = all(0 < len(text) <= 60 and text.isprintable() and text.strip() for text in (zh, en))
    try:
        word = Word(zh=zh, en=en)
    except ValidationError:
        assert not fits
    else:
        assert fits
        assert (word.zh, word.en) == (zh, en)
