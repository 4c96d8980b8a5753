"""The register of fire equipment on a real database: lists, records, rights, and what the hub is told, exactly once."""

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import msgspec
import psycopg
import pytest
from psycopg.types.json import Jsonb

from hub.catalog.paths import packaged_config
from hub.clock import FakeClock
from hub.context import Context
from hub.errors import Refused
from hub.principal import Principal
from hub.store.database import NotThere
from hub.store.migrate import migrate
from modules.safety import SafetyPlugin
from modules.safety.files import read_lists
from modules.safety.service import BadList, Equipment
from modules.safety.watch import Watch
from tests.integration.module_hub import add_community, running
from tests.integration.postgres import close_database, new_database
from tests.unit.demo_devices import demo_catalog, demo_devices
from tests.unit.photographs import photograph

NOW = datetime(2026, 11, 21, 2, tzinfo=UTC)  # 10:00 in Shanghai
LIST = "编号,类别,位置,出厂日期,最近检查\nA-1,干粉灭火器,1栋1单元,2024-03,2026-11-01\nA-2,消火栓,地下车库,,\n"


@cache
def migrated(url: str) -> str:
    template = new_database(url)
    migrate(template, [SafetyPlugin().migrations()])
    name = urlsplit(template).path[1:]
    close_database(url, name)
    return name


@dataclass
class Ground:
    url: str
    context: Context
    clock: FakeClock
    here: int
    there: int

    def __post_init__(self) -> None:
        self.equipment = Equipment(self.context)
        self.clerk = Principal("user:chen", self.here, "engineer")
        self.guard = Principal("user:li", self.here, "guard")
        self.viewer = Principal("user:viewer", self.here, "viewer")
        self.stranger = Principal("user:wang", self.there, "admin")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as link:
            return link.execute(query).fetchall()  # type: ignore[call-overload]

    def counts(self) -> list[list[int]]:
        """Overdue, service overdue, expired, faulty: each time they were told."""
        told = self.rows("SELECT body -> 'points' FROM hub.report WHERE body -> 'points' <> '{}' ORDER BY id")
        names = ("overdue", "service_overdue", "expired", "faulty")
        return [[int(points[name]) for name in names] for (points,) in told]

    def faults(self) -> list[Any]:
        told = self.rows("SELECT body -> 'events' -> 0 -> 1 FROM hub.report WHERE body -> 'events' <> '[]' ORDER BY id")
        return [data for (data,) in told]

    async def take(self, text: str | bytes) -> dict[str, int]:
        return await self.equipment.take_list(self.clerk, parts(text if isinstance(text, bytes) else text.encode()))

    async def number(self, name: str) -> int:
        rows, _ = await self.equipment.pieces(self.viewer, words=name)
        return int(rows[0]["id"])

    async def states(self, name: str) -> list[str]:
        return list((await self.equipment.piece(self.viewer, await self.number(name)))["states"])


async def parts(raw: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(raw), 4096):
        yield raw[start : start + 4096]


@pytest.fixture
async def ground(postgres_url: str) -> AsyncIterator[Ground]:
    url, clock = new_database(postgres_url, migrated(postgres_url)), FakeClock(NOW)
    with psycopg.connect(url) as link:
        here, there = add_community(link, "demo"), add_community(link, "other", "Europe/Berlin")
        for place in demo_catalog().sites["demo"].places:
            link.execute("INSERT INTO hub.place VALUES (%s, %s, %s, %s)",
                         [here, place.path, place.kind, Jsonb(place.name.model_dump())])  # fmt: skip
    async with running(url, clock, {"demo": here, "other": there}) as context:
        register = next(one for one in demo_devices() if one.kind_name == "fire_equipment")
        context.devices[register.id] = msgspec.structs.replace(register, community_id=here)  # type: ignore[index]
        yield Ground(url, context, clock, here, there)


async def test_a_list_is_taken_whole_or_not_at_all_and_again_changes_nothing(ground: Ground):
    with pytest.raises(BadList) as bad:
        await ground.take(LIST + "A-3,水枪,1栋1单元,,\nA-4,消火栓,月球,,\n")
    assert [(one.row, one.column) for one in bad.value.problems] == [(4, "kind"), (5, "place")]
    assert await ground.equipment.pieces(ground.viewer) == ([], 0)
    assert await ground.take(LIST) == {"added": 2, "changed": 0, "same": 0}
    assert await ground.take(LIST) == {"added": 0, "changed": 0, "same": 2}
    assert await ground.take(LIST.replace("2024-03", "2024-04")) == {"added": 0, "changed": 1, "same": 1}
    assert [action for (action,) in ground.rows("SELECT action FROM hub.audit")] == ["safety.put"] * 3
    assert await ground.equipment.pieces(ground.stranger) == ([], 0)


async def test_six_hundred_are_one_list_and_found_by_place_state_and_words(ground: Ground):
    lines = "".join(
        f"F-{n:03d},干粉灭火器,{'b1/u1' if n % 2 else 'garage'},2024-03,2026-11-0{n % 9 + 1}\n" for n in range(600)
    )
    assert (await ground.take(LIST.split("\n")[0] + "\n" + lines))["added"] == 600
    rows, total = await ground.equipment.pieces(ground.viewer, place="b1", limit=7)
    assert (len(rows), total) == (7, 300)
    assert (await ground.equipment.pieces(ground.viewer, words="f-59"))[1] == 10
    assert (await ground.equipment.pieces(ground.viewer, words="%_"))[1] == 0
    ground.clock.advance(12 * 86_400)  # 3 December: those of the 1st and 2nd are overdue
    assert (await ground.equipment.pieces(ground.viewer, state="overdue"))[1] == 67 + 67
    assert (await ground.equipment.figures(ground.viewer))["overdue"] == 134


async def test_what_falls_due_is_told_once_and_cleared_by_the_inspection(ground: Ground):
    await ground.take(LIST)
    watch = Watch(ground.context, {})
    for _ in range(5):
        await watch.look()
    assert ground.counts() == [[0, 0, 0, 0]]
    ground.clock.advance(8 * 86_400)  # the hydrant is due a week after it was registered
    await asyncio.gather(*(Watch(ground.context, {}).look() for _ in range(4)))
    assert ground.counts()[1:] == [[1, 0, 0, 0]]
    assert await ground.states("A-2") == ["overdue"]
    await ground.equipment.record(ground.guard, await ground.number("A-2"), "normal")
    await watch.look()
    assert ground.counts()[2:] == [[0, 0, 0, 0]]
    assert await ground.states("A-2") == ["normal"]


async def test_a_fault_is_told_once_until_it_is_repaired(ground: Ground):
    await ground.take(LIST)
    number = await ground.number("A-1")
    with pytest.raises(Refused, match="text"):
        await ground.equipment.record(ground.guard, number, "fault", "  ")
    await ground.equipment.record(ground.guard, number, "fault", "压力不足")
    ground.clock.advance(60)
    await ground.equipment.record(ground.guard, number, "fault", "压力不足，仍未更换")
    assert ground.faults() == [{"equipment": "A-1", "where": "b1/u1", "fault": "压力不足"}]
    assert ground.counts()[-1] == [0, 0, 0, 1]
    ground.clock.advance(60)
    await ground.equipment.record(ground.guard, number, "service", "充装", date(2026, 11, 20))
    assert ground.counts()[-1] == [0, 0, 0, 0]
    piece = await ground.equipment.piece(ground.viewer, number)
    assert (piece["serviced"], piece["service_due"], piece["fault"]) == (date(2026, 11, 20), date(2028, 11, 20), "")
    assert [one["sort"] for one in piece["records"]] == ["service", "fault", "fault"]


async def test_an_older_list_takes_no_inspection_back(ground: Ground):
    await ground.take(LIST)
    await ground.equipment.record(ground.guard, await ground.number("A-1"), "normal")
    assert await ground.take(LIST) == {"added": 0, "changed": 0, "same": 2}
    assert (await ground.equipment.piece(ground.viewer, await ground.number("A-1")))["inspected"] == date(2026, 11, 21)


async def test_past_its_life_and_retired(ground: Ground):
    await ground.take(LIST.replace("2024-03", "2013-03"))
    assert ground.counts() == [[0, 1, 1, 0]]
    number = await ground.number("A-1")
    assert await ground.states("A-1") == ["expired", "service_overdue"]
    await ground.equipment.retire(ground.clerk, number, "送报废")
    assert ground.counts()[1:] == [[0, 0, 0, 0]]
    assert [row["number"] for row in (await ground.equipment.pieces(ground.viewer, state="retired"))[0]] == ["A-1"]
    with pytest.raises(Refused, match="no longer"):
        await ground.equipment.record(ground.guard, number, "normal")
    ground.clock.advance(60)
    await ground.equipment.restore(ground.clerk, number)
    assert ground.counts()[2:] == [[0, 1, 1, 0]]


async def test_who_may_not_does_not_and_strangers_see_nothing(ground: Ground):
    await ground.take(LIST)
    number = await ground.number("A-1")
    for work in (
        ground.equipment.take_list(ground.guard, parts(LIST.encode())), ground.equipment.put(ground.guard, {}),
        ground.equipment.record(ground.viewer, number, "normal"), ground.equipment.retire(ground.guard, number, "x"),
    ):  # fmt: skip
        with pytest.raises(Refused) as refused:
            await work
        assert refused.value.status == 403
    with pytest.raises(NotThere):
        await ground.equipment.piece(ground.stranger, number)
    with pytest.raises(NotThere):
        await ground.equipment.record(ground.stranger, number, "normal")
    with pytest.raises(Refused, match="1048576"):
        await ground.take(b"x" * (1024 * 1024 + 1))


async def test_photographs_belong_to_ones_own_record(ground: Ground):
    await ground.take(LIST)
    number = await ground.number("A-1")
    record = await ground.equipment.record(ground.guard, number, "fault", "铅封缺失")
    taken = photograph()
    picture = await ground.equipment.photograph(ground.guard, record, parts(taken))
    assert await ground.equipment.photograph(ground.guard, record, parts(taken)) == picture
    with pytest.raises(Refused) as refused:
        await ground.equipment.photograph(ground.clerk, record, parts(photograph()))
    assert refused.value.status == 403
    [shown] = (await ground.equipment.piece(ground.viewer, number))["records"]
    assert [one["id"] for one in shown["photographs"]] == [picture]


async def test_a_patrol_word_that_comes_twice_or_late_is_one_record(ground: Ground):
    await ground.take(LIST)
    number = await ground.number("A-1")
    await ground.equipment.record(ground.guard, number, "normal")

    async def hear(sort: Any, at: datetime, origin: str, name: str = "A-1") -> bool:
        return await ground.equipment.hear(
            community_id=ground.here, number=name, sort=sort, text="被遮挡", at=at, actor="user:zhao", origin=origin,
            pictures="check_in:1",
        )  # fmt: skip

    assert await hear("fault", NOW - timedelta(hours=9), "e1"), "sent by a phone that had no connection"
    assert await ground.states("A-1") == ["normal"], "what was found since counts"
    assert await hear("fault", NOW + timedelta(seconds=1), "e2")
    assert not await hear("fault", NOW + timedelta(seconds=1), "e2")
    assert not await hear("normal", NOW, "e3", "no such piece")
    assert await ground.states("A-1") == ["faulty"]
    assert ground.faults() == [], "the patrol has told of it"
    assert ground.counts()[-1] == [0, 0, 0, 1]


async def test_records_are_never_changed(ground: Ground):
    await ground.take(LIST)
    await ground.equipment.record(ground.guard, await ground.number("A-1"), "normal")
    for query in ("UPDATE safety.record SET text = 'x'", "DELETE FROM safety.record"):
        with psycopg.connect(ground.url) as link, pytest.raises(psycopg.errors.Error):
            link.execute(query)


async def test_the_demo_begins_with_its_list_once(ground: Ground):
    lists, problems = read_lists([packaged_config()])
    assert problems == []
    await Watch(ground.context, lists).look()
    figures = await ground.equipment.figures(ground.viewer)
    assert (figures["total"], figures["expired"], figures["overdue"], figures["faulty"]) == (12, 1, 1, 0)
    await ground.equipment.retire(ground.clerk, await ground.number("FE-B2-02"), "已更换")
    await Watch(ground.context, lists).look()
    assert (await ground.equipment.figures(ground.viewer))["total"] == 11


async def test_what_is_handed_out_can_be_taken_in_again(ground: Ground):
    """The page's export, changed in Excel, is a list."""
    from api.pages.export import xlsx_bytes
    from modules.safety.pages import _EXPORT
    from modules.safety.words import COLUMNS, DERIVED

    await ground.take(LIST)
    rows, _ = await ground.equipment.pieces(ground.viewer)
    columns = [(name, (COLUMNS.get(name) or DERIVED[name])["en"]) for name in _EXPORT]
    book = xlsx_bytes("x", columns, [{**row, "state": "In order"} for row in rows])
    assert await ground.take(io.BytesIO(book).getvalue()) == {"added": 0, "changed": 0, "same": 2}


async def test_columns_that_a_list_lacks_stay_as_they_are(ground: Ground) -> None:
    whole = {"number": "F-1", "kind": "extinguisher_powder", "place": "b1/u1", "spot": "锅炉房",
             "inspect": "half_month", "made": "2024-03-15", "inspected": "2026-11-01",
             "expires": "2027-01-01"}  # fmt: skip
    number = await ground.equipment.put(ground.clerk, whole)
    text = "编号,类别,位置,出厂日期\nF-1,干粉灭火器,地下车库,2024-03-15\n"
    assert await ground.take(text) == {"added": 0, "changed": 1, "same": 0}
    row = await ground.equipment.piece(ground.viewer, number)
    assert (row["place"], row["spot"], row["inspect"]) == ("garage", "锅炉房", "half_month")
    assert (row["expires"], row["inspect_due"]) == (date(2027, 1, 1), date(2026, 11, 16))
    await ground.take("编号,类别,位置,出厂日期,检查周期\nF-1,干粉灭火器,地下车库,2024-03-15,\n")
    assert (await ground.equipment.piece(ground.viewer, number))["inspect"] is None  # a column that is there, and empty


async def test_another_day_of_manufacture_is_another_piece_under_the_number(ground: Ground) -> None:
    number = await ground.equipment.put(ground.clerk, {
        "number": "F-1", "kind": "extinguisher_powder", "place": "b1/u1", "made": "2014-03-15",
        "serviced": "2024-08-01",
    })  # fmt: skip
    await ground.equipment.record(ground.guard, number, "fault", "压力不足")
    text = "编号,类别,位置,出厂日期\nF-1,干粉灭火器,b1/u1,2026-09-20\n"
    assert (await ground.take(text))["changed"] == 1
    row = await ground.equipment.piece(ground.viewer, number)
    assert (row["fault"], row["serviced"], row["service_due"]) == ("", None, date(2031, 9, 20))
    assert len(row["records"]) == 1
    await ground.equipment.retire(ground.clerk, number, "x")
    assert (await ground.take(text))["same"] == 1  # the list says nothing new: what was retired stays so
    with pytest.raises(Refused, match="no longer"):
        await ground.equipment.put(ground.clerk, {"number": "F-1", "kind": "extinguisher_powder", "place": "b1/u1",
                                                  "made": "2026-09-20"})  # fmt: skip
    await ground.equipment.put(ground.clerk, {"number": "F-1", "kind": "extinguisher_powder", "place": "b1/u1",
                                              "made": "2026-10-20"})  # fmt: skip
    row = await ground.equipment.piece(ground.viewer, number)
    assert (row["retired_at"], row["registered"], row["states"]) == (None, date(2026, 11, 21), ("normal",))


async def test_a_wrong_day_is_corrected_by_hand(ground: Ground) -> None:
    cells = {"number": "F-1", "kind": "extinguisher_powder", "place": "b1/u1", "made": "2019-08-01",
             "serviced": "2024-08-01"}  # fmt: skip
    number = await ground.equipment.put(ground.clerk, cells)
    await ground.equipment.record(ground.guard, number, "service", "", date(2026, 9, 1))
    await ground.equipment.put(ground.clerk, cells)
    row = await ground.equipment.piece(ground.viewer, number)
    assert (row["serviced"], row["service_due"]) == (date(2024, 8, 1), date(2026, 8, 1))


async def test_counts_are_told_again_each_day_so_that_a_rule_that_was_off_hears_them(ground: Ground) -> None:
    await ground.take(LIST)
    watch = Watch(ground.context, {})
    before = len(ground.counts())
    await watch.look()
    assert len(ground.counts()) == before
    ground.clock.advance(86_400)
    await watch.look()
    await watch.look()
    assert len(ground.counts()) == before + 1
