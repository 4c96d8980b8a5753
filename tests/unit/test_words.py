"""A company's own names over the shipped ones: everywhere the code stays, only what people read changes."""

import textwrap
from pathlib import Path

import pytest

from hub.catalog.devices import LocalIds, build_devices
from hub.catalog.load import load_catalog
from hub.catalog.paths import packaged_config
from hub.catalog.problems import CatalogError
from tests.unit.demo_devices import demo_catalog

WORDS = """
    kinds:
      door:
        name: {zh: 单元门, en: Unit door}
        points: {open: {zh: 门扇, en: Leaf}}
        events: {access_granted: {zh: 刷开, en: Let in}}
        fields: {access_denied: {card: {zh: 门卡, en: Badge}}}
        commands: {open: {zh: 远程放行, en: Let in from afar}}
"""


def written(folder: Path, text: str) -> list[Path]:
    (folder / "words.yaml").write_text(textwrap.dedent(text), "utf-8")
    return [packaged_config(), folder]


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
    ],
)  # fmt: skip
def test_a_name_for_nothing_is_refused_by_line_and_field(tmp_path: Path, text: str, where: str, told: str) -> None:
    with pytest.raises(CatalogError) as bad:
        load_catalog(written(tmp_path, text), {})
    [problem] = bad.value.problems
    assert (problem.field, problem.line) == (where, 1)
    assert told in problem.render("en")
