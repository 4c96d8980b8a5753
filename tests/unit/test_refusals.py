"""Whose a refused file is, and which files of a configuration folder are none."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from hub.catalog.folders import ConfigFolders
from hub.catalog.paths import packaged_config
from hub.catalog.problems import CatalogError, Problem
from hub.catalog.refusals import Refusals
from hub.errors import Misconfigured

AT = datetime(2026, 12, 1, tzinfo=UTC)


def seen(file: str, community: str, communities: list[str]) -> bool:
    refusals = Refusals()
    refusals.tell("configuration", CatalogError([Problem(file, 2, "profile", "'x'", "a profile")]), AT)
    [one] = refusals.seen_in(community, communities)
    assert len(one.problems) + one.hidden == 1
    return bool(one.problems)


@pytest.mark.parametrize("file", ["sites/demo.yaml", "sites/demo.devices.csv", "patrols/demo.yaml"])
def test_a_file_is_shown_in_its_own_community(file: str) -> None:
    assert seen(file, "demo", ["demo", "other"])
    assert not seen(file, "other", ["demo", "other"])
    assert not seen(file, "de", ["de", "demo"])
    assert seen(file, "demo", ["demo"])


def test_a_code_with_a_dot_is_another_community() -> None:
    assert seen("sites/north.east.yaml", "north.east", ["north", "north.east"])
    assert not seen("sites/north.east.devices.csv", "north", ["north", "north.east"])


@pytest.mark.parametrize("file", ["kinds.yaml", "profiles/heyue/dc200.yaml", "rules/doors.yaml", "tariffs/demo.yaml"])
def test_what_all_share_is_shown_to_all(file: str) -> None:
    assert seen(file, "demo", ["demo", "other"]) and seen(file, "other", ["demo", "other"])


def test_what_stands_in_no_file_is_shown_to_all() -> None:
    refusals = Refusals()
    refusals.tell("configuration", Misconfigured("no plug speaks 'bacnet'"), AT)
    assert all(refusals.seen_in(code, ["demo", "other"])[0].problems for code in ("demo", "other"))


def test_git_changes_no_configuration(tmp_path: Path) -> None:
    """Its index is written anew when somebody only asks for the state."""
    folders = ConfigFolders([packaged_config(), tmp_path], {})
    (tmp_path / ".git").mkdir()
    before = folders._look()
    (tmp_path / ".git" / "index").write_bytes(b"DIRC")
    assert folders._look() == before
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "ours.yaml").write_text("rules: []", "utf-8")
    assert folders._look() != before
