"""Hand-over, duty log, incidents and day sheets on a real database; and all of duty through the API's door."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from openpyxl import load_workbook

from hub.errors import Refused
from hub.principal import Principal
from hub.store.database import NotThere
from modules.duty.sheet import to_csv, to_excel
from tests.integration.duty_ground import DAY, NOW, Ground, grounded

CHANGE = datetime(2026, 11, 21, 15, tzinfo=UTC)  # 23:00 in Shanghai: afternoon -> night


@pytest.fixture
async def ground(postgres_url: str) -> AsyncIterator[Ground]:
    async with grounded(postgres_url) as found:
        yield found


def code_of(error: pytest.ExceptionInfo[Refused]) -> str:
    return error.value.code


# -- hand-over -------------------------------------------------------------------------------------------------------


async def test_a_hand_over_is_listed_signed_twice_and_then_fixed(ground: Ground):
    desk, clock = ground.duty.hand_overs, ground.clock
    assert (await desk.current(ground.guard))["state"] == "due"  # the change of 15:00 was never made
    with pytest.raises(Refused) as refused:
        await desk.sign_out(ground.guard, CHANGE)
    assert code_of(refused) == "too_early"
    clock.advance(2.5 * 3600)
    now = await desk.current(ground.guard)
    assert (now["change_at"], now["state"], len(now["outgoing"]), len(now["incoming"])) == (CHANGE, "due", 3, 3)
    assert not set(now["outgoing"]) & set(now["incoming"])
    assert [alarm["id"] for alarm in now["list"]["alarms"]] == [ground.alarm]
    assert [order["number"] for order in now["list"]["work_orders"]] == ["WO-20261121-0001"]
    await ground.duty.register.issue(
        ground.guard, ground.codes["equipment"]["keys-garage"], ground.codes["person"]["g02"]
    )
    made = await desk.sign_out(ground.guard, CHANGE, "东门道闸已报修")
    assert (made["state"], made["signatures"][0]["person"], made["outgoing_name"]["zh"]) == (
        "signed_out",
        "李志强",
        "中班",
    )
    assert [each["holder_name"] for each in made["list"]["equipment"] if each["code"] == "keys-garage"] == ["李志强"]
    await ground.context.alarms.acknowledge(ground.admin, ground.alarm)
    clock.advance(40 * 60)
    for attempt, expected in (
        (desk.sign_out(ground.admin, CHANGE), "signed"),
        (desk.sign_in(ground.guard, made["id"]), "same_person"),
    ):
        with pytest.raises(Refused) as refused:
            await attempt
        assert code_of(refused) == expected
    done = await desk.sign_in(ground.admin, made["id"], "已清楚")
    assert (done["state"], done["late"], done["list"]) == ("done", False, made["list"])  # as it was when it was signed
    assert [(each["side"], each["actor"], each["on_roster"]) for each in done["signatures"]] == [
        ("outgoing", "user:guard", False), ("incoming", "user:admin", False),
    ]  # fmt: skip
    with pytest.raises(Refused):
        await desk.sign_in(Principal("user:x", ground.here, "guard"), made["id"])
    for statement in (
        "UPDATE duty.hand_over SET note = 'x'",
        "DELETE FROM duty.signature",
        "TRUNCATE duty.hand_over CASCADE",
    ):
        with psycopg.connect(ground.url) as link, pytest.raises(psycopg.errors.InsufficientPrivilege):
            link.execute(statement)  # type: ignore[call-overload]
    assert (await desk.current(ground.guard))["state"] == "early"


async def test_two_accounts_of_nobody_at_once_sign_one_side_once(ground: Ground):
    ground.clock.advance(3 * 3600)
    desk = ground.duty.hand_overs
    people = [Principal(f"user:p{number}", ground.here, "guard") for number in range(6)]
    outcomes = await asyncio.gather(*(desk.sign_out(who, CHANGE) for who in people), return_exceptions=True)
    [made] = [each for each in outcomes if isinstance(each, dict)]
    outcomes = await asyncio.gather(*(desk.sign_in(who, made["id"]) for who in people), return_exceptions=True)
    assert sum(isinstance(each, dict) for each in outcomes) == 1
    assert {each.code for each in outcomes if isinstance(each, Refused)} <= {"signed", "same_person"}
    assert ground.rows("SELECT side, count(*) FROM duty.signature GROUP BY side ORDER BY side") == [
        ("incoming", 1),
        ("outgoing", 1),
    ]


async def test_late_and_missed_hand_overs_are_seen(ground: Ground):
    desk = ground.duty.hand_overs
    made = await desk.sign_out(ground.guard, CHANGE - timedelta(hours=8))
    done = await desk.sign_in(ground.admin, made["id"])
    assert (done["late"], done["late_minutes"]) == (True, 300)
    ground.clock.advance(20 * 3600)
    rows = await desk.recent(ground.viewer)
    assert [(row["state"], row["change_at"]) for row in rows] == [
        ("missed", CHANGE + timedelta(hours=8)), ("missed", CHANGE), ("done", CHANGE - timedelta(hours=8)),
    ]  # fmt: skip
    assert (await desk.current(ground.viewer))["late"]


async def test_only_people_sign(ground: Ground):
    desk, change = ground.duty.hand_overs, CHANGE - timedelta(hours=8)
    for who in (
        ground.viewer,
        Principal("key:kiosk", ground.here, "admin"),
        Principal("rule:x", ground.here, "engineer"),
    ):
        with pytest.raises(Refused) as refused:
            await desk.sign_out(who, change)
        assert refused.value.status == 403
    with pytest.raises(Refused) as refused:
        await desk.sign_out(ground.guard, change + timedelta(minutes=1))
    assert code_of(refused) == "no_change"


# -- log and incidents -----------------------------------------------------------------------------------------------


async def test_a_log_entry_is_corrected_by_another(ground: Ground):
    diary = ground.duty.diary
    first = await diary.write(ground.guard, "visitor", "三轮车进入")
    second = await diary.write(ground.guard, "visitor", "三轮车进入，14:20 离开", corrects=first)
    with pytest.raises(Refused) as refused:
        await diary.write(ground.guard, "visitor", "x", corrects=first)
    assert code_of(refused) == "corrected"
    outcomes = await asyncio.gather(*(diary.write(ground.guard, "order", f"{n}", corrects=second) for n in range(5)),
                                    return_exceptions=True)  # fmt: skip
    assert sum(isinstance(each, int) for each in outcomes) == 1
    rows = {row["id"]: row for row in await diary.entries(ground.viewer)}
    assert (rows[first]["text"], rows[first]["corrected_by"], rows[second]["corrects"]) == ("三轮车进入", second, first)
    for attempt, problem in (
        (diary.write(ground.guard, "routine", "  "), "bad_text"),
        (diary.write(ground.guard, "routine", "\x00"), "bad_text"),
        (diary.write(ground.guard, "routine", "x", at=NOW + timedelta(hours=1)), "bad_time"),
        (diary.write(ground.viewer, "routine", "x"), "forbidden"),
    ):  # fmt: skip
        with pytest.raises(Refused) as refused:
            await attempt
        assert code_of(refused) == problem
    with pytest.raises(NotThere):
        await diary.write(ground.guard, "routine", "x", alarm_id=ground.alarm + 1)
    for statement in ("UPDATE duty.entry SET text = 'x'", "DELETE FROM duty.incident_step"):
        with psycopg.connect(ground.url) as link, pytest.raises(psycopg.errors.InsufficientPrivilege):
            link.execute(statement)  # type: ignore[call-overload]


async def test_the_life_of_an_incident(ground: Ground):
    diary = ground.duty.diary
    about: Any = {"persons": "张三 13900000000", "alarm_id": ground.alarm}
    made = await diary.open_incident(ground.guard, "theft", "电动车被盗", "3号楼下", **about)
    assert (made["number"], made["state"], made["police"], made["persons"]) == (
        "INC-20261121-0001",
        "open",
        False,
        "张三 13900000000",
    )
    assert (await diary.incident(ground.viewer, made["id"]))["persons"] is None
    assert (await diary.incidents(Principal("user:other", ground.here, "guard")))[0]["persons"] is None
    assert (await diary.incident(ground.admin, made["id"]))["persons"] == "张三 13900000000"
    await diary.add_to_incident(ground.guard, made["id"], "已调取监控")
    handed = await diary.hand_to_police(ground.guard, made["id"], "A4403-2026-118")
    assert (handed["police"], handed["police_number"]) == (True, "A4403-2026-118")
    with pytest.raises(Refused) as refused:
        await diary.close_incident(ground.guard, made["id"], "x")
    assert refused.value.status == 403
    closed = await diary.close_incident(ground.admin, made["id"], "已由派出所处理")
    assert [step["action"] for step in closed["steps"]] == ["open", "add", "police", "close"]
    with pytest.raises(Refused) as refused:
        await diary.add_to_incident(ground.guard, made["id"], "x")
    assert code_of(refused) == "wrong_state"
    assert "张三" not in str(ground.rows("SELECT detail::text FROM hub.audit"))
    numbers = await asyncio.gather(*(diary.open_incident(ground.guard, "other", f"{n}", "东门") for n in range(8)))
    assert sorted(each["number"] for each in numbers) == [f"INC-20261121-{n:04d}" for n in range(2, 10)]


async def test_nothing_of_another_community_is_there(ground: Ground):
    diary, desk, who = ground.duty.diary, ground.duty.hand_overs, ground.stranger
    incident = (await diary.open_incident(ground.guard, "other", "x", "东门"))["id"]
    entry = await diary.write(ground.guard, "routine", "x")
    made = (await desk.sign_out(ground.guard, CHANGE - timedelta(hours=8)))["id"]
    for attempt in (diary.incident(who, incident), diary.add_to_incident(who, incident, "x"), desk.show(who, made),
                    diary.close_incident(who, incident, "x"), diary.write(who, "routine", "x", corrects=entry),
                    diary.write(who, "routine", "x", alarm_id=ground.alarm), desk.sign_in(who, made)):  # fmt: skip
        with pytest.raises(NotThere):
            await attempt
    assert await diary.entries(who) == await diary.incidents(who) == await desk.recent(who) == []
    assert (await diary.sheet(who, DAY))["entries"] == []


# -- the day sheet ---------------------------------------------------------------------------------------------------


async def test_the_sheet_of_a_day_in_csv_and_excel(ground: Ground):
    diary = ground.duty.diary
    await diary.write(ground.guard, "routine", '=HYPERLINK("http://x","点我")\n第二行')
    await diary.open_incident(ground.guard, "dispute", "争执", "+东门", persons="李四")
    sheet = await diary.sheet(ground.viewer, DAY)
    assert len(sheet["roster"]) == 9
    rows = list(csv.reader(io.StringIO(to_csv(sheet, "zh-CN").decode("utf-8-sig"))))
    assert rows[0] == ["值班日报", "2026-11-21"]
    cells = [cell for row in rows for cell in row]
    assert '\'=HYPERLINK("http://x","点我")\n第二行' in cells
    assert "'+东门" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    assert "李四" not in "".join(cells)
    book = load_workbook(io.BytesIO(to_excel(sheet, "en")))
    assert book.sheetnames == ["On duty", "Hand-overs", "Duty log", "Incidents", "Alarms", "Patrols"]
    cell = book["Duty log"]["D3"]
    assert (cell.data_type, cell.value.startswith("=HYPERLINK")) == ("s", True)
    assert [cell.value for cell in book["Alarms"][3]] == ["2 High", "1", "1"]
