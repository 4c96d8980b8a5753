"""Files that are read anew: what is refused is tried again, and told again where there is something new."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from hub.catalog.problems import CatalogError, Problem
from hub.catalog.refusals import Refusals
from hub.catalog.watched import Watched
from hub.clock import FakeClock


class Text:
    """A file whose text is good unless `fault` says otherwise."""

    def __init__(self, folder: Path) -> None:
        self.path, self.loads = folder / "a.yaml", 0
        self.fault: Any = None
        self.path.write_text("one", "utf-8")
        self.clock = FakeClock(datetime(2026, 11, 21, tzinfo=UTC))
        self.refusals = Refusals()
        self.watched = Watched(
            "texts", [folder], ["*.yaml"], self.path.read_text, self.clock, self.refusals, self._load
        )

    def _load(self) -> str:
        self.loads += 1
        if self.fault:
            raise self.fault
        return self.path.read_text("utf-8")

    async def refresh(self) -> tuple[bool, list[Any]]:
        with capture_logs() as logs:
            changed = await self.watched.refresh()
        return changed, [one.get("problems", "in force") for one in logs]


def wrong(what: str) -> CatalogError:
    return CatalogError([Problem("a.yaml", 1, "", "", what)])


@pytest.mark.parametrize("fault", [wrong("a post"), PermissionError("may not be read")])
async def test_what_was_refused_is_tried_again_although_the_file_is_the_same(tmp_path: Path, fault: Exception):
    text = Text(tmp_path)
    text.path.write_text("another", "utf-8")
    text.fault = fault
    assert await text.refresh() == (False, [str(fault)])
    assert text.watched.refused and text.watched.current == "one"
    text.fault = None
    assert await text.refresh() == (False, []) and text.loads == 1, "not at every look"
    text.clock.advance(60)
    assert await text.refresh() == (True, ["in force"])
    assert text.watched.current == "another" and not text.watched.refused
    text.clock.advance(60)
    assert await text.refresh() == (False, []) and text.loads == 2


async def test_the_same_problems_are_told_once_and_others_or_a_file_saved_again_anew(tmp_path: Path):
    text = Text(tmp_path)
    text.path.write_text("another", "utf-8")
    told = []
    for problem in ("a post", "a post", "a place"):
        text.fault = wrong(problem)
        told.append(len((await text.refresh())[1]))
        text.clock.advance(60)
    text.path.write_text("a third", "utf-8")
    told.append(len((await text.refresh())[1]))
    assert told == [1, 0, 1, 1] and text.loads == 4


async def test_a_fault_of_ours_is_tried_again_too(tmp_path: Path):
    text = Text(tmp_path)
    text.path.write_text("another", "utf-8")
    text.fault = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        await text.refresh()
    text.fault = None
    text.clock.advance(60)
    assert (await text.refresh())[0]


async def test_what_is_refused_stands_on_the_board_with_since_when_until_it_is_mended(tmp_path: Path):
    text = Text(tmp_path)
    text.path.write_text("another", "utf-8")
    assert (await text.refresh())[0]
    good = text.clock.now()
    text.clock.advance(100)
    text.path.write_text("a third one", "utf-8")
    text.fault = wrong("a post")
    await text.refresh()
    first = text.clock.now()
    text.clock.advance(60)
    await text.refresh()
    [one] = text.refusals.seen_in("demo", ["demo"])
    assert (one.what, one.at, one.since) == ("texts", first, good) and one.problems == text.fault.problems
    text.fault = None
    text.clock.advance(60)
    await text.refresh()
    assert text.refusals.seen_in("demo", ["demo"]) == []


def test_of_files_of_others_only_the_number_is_told():
    files = [
        "/etc/hub/patrols/demo.yaml",
        "/etc/hub/patrols/other.yaml",
        "sites/tables.csv",
        "sites/demo.positions.csv",
        "kinds.yaml",
        "rules/a.yaml",
    ]
    refusals, now = Refusals(), datetime(2026, 11, 21, tzinfo=UTC)
    refusals.tell("patrols", CatalogError([Problem(file, 1, "", "", "x") for file in files]), now)
    refusals.tell("configuration", PermissionError("may not be read"), now)
    seen, broken = refusals.seen_in("demo", ["demo", "other"])
    assert {one.file for one in seen.problems} == {files[0], *files[3:]} and seen.hidden == 2
    assert (broken.problems[0].expected, broken.hidden) == ("may not be read", 0), "nobody knows whose it is"
    alone, said = refusals.seen_in("demo", ["demo"])
    assert (len(alone.problems), alone.hidden, said.problems[0].expected) == (6, 0, "may not be read")
