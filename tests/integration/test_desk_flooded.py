"""Lists of the desk in a flood: what is grave stays on them, and they say when they are cut."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from types import SimpleNamespace

import psycopg
import pytest
from nicegui import Client, ui

from api.pages.alarms import AlarmPage
from api.pages.doors import DoorsPage
from api.pages.plan import PlanPage
from api.pages.widgets import AlarmList, DoorBoard, PlanView
from hub.principal import Principal
from tests.integration.duty_ground import NOW, Ground, grounded
from tests.integration.module_hub import add_alarm, add_device
from tests.integration.test_module_pages import OpenView, view_of

FLOOD = 2100


@pytest.fixture
async def ground(postgres_url: str) -> AsyncIterator[Ground]:
    async with grounded(postgres_url) as found:
        yield found


@pytest.fixture
async def view(ground: Ground) -> AsyncIterator[OpenView]:
    tasks: set[asyncio.Task[None]] = set()
    yield view_of(ground.context, Principal("user:guard", ground.here, "guard", language="en"), tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def flood(ground: Ground) -> tuple[int, int]:
    """A smoke alarm of half an hour ago and a critical one, and then what a network that came back says; their ids."""
    with psycopg.connect(ground.url) as link:
        smoke = add_device(link, ground.here, "smoke-9", "smoke_detector")
        ago = NOW - timedelta(minutes=30)
        fire = add_alarm(link, ground.here, smoke, ago, priority=2, life_safety=True)
        grave = add_alarm(link, ground.here, smoke, ago, priority=1)
        for number in range(FLOOD):
            add_alarm(link, ground.here, smoke, NOW - timedelta(seconds=number % 60), priority=2 + number % 3)
    return fire, grave


async def test_a_flood_pushes_neither_fire_nor_what_is_grave_off_a_list(ground: Ground, view: OpenView):
    fire, grave = flood(ground)
    client = Client(ui.page("/"))
    with client:
        await AlarmPage(view, {}).build(None)
        await PlanPage(view).build()
    elements = list(client.elements.values())
    [listed] = [each.props["rows"] for each in elements if isinstance(each, AlarmList)]
    [planned] = [each.props["alarms"] for each in elements if isinstance(each, PlanView)]
    for rows in (listed, planned):
        assert len(rows) == 2000
        assert [row["id"] for row in rows[:2]] == [fire, grave]
    said = [each for each in elements if "cut" in each.classes]
    assert [each.visible for each in said] == [True, True]
    assert "2000" in said[0].text  # type: ignore[attr-defined]
    handed = (await ground.duty.hand_overs.current(ground.guard))["list"]
    assert ([row["id"] for row in handed["alarms"][:2]], len(handed["alarms"])) == ([fire, grave], 200)
    assert handed["cut"] == ["alarms"]


async def test_a_list_that_is_whole_does_not_say_it_is_cut(ground: Ground, view: OpenView):
    client = Client(ui.page("/"))
    with client:
        await AlarmPage(view, {}).build(None)
    assert [each.visible for each in client.elements.values() if "cut" in each.classes] == [False]
    assert (await ground.duty.hand_overs.current(ground.guard))["list"]["cut"] == []


@pytest.mark.parametrize(("doors", "cut"), [(500, False), (501, True)])
async def test_doors_say_when_they_are_cut_and_show_their_own_alarms(
    ground: Ground, view: OpenView, doors: int, cut: bool
):
    fire, _ = flood(ground)
    [(door,)] = ground.rows("SELECT id FROM hub.device WHERE code = 'door-b1-u1'")
    for number in (door, *range(1_000_000, 999_999 + doors)):  # only the first has rows in the store, and it is enough
        told = SimpleNamespace(
            id=number,
            community_id=ground.here,
            kind_name="door",
            kind=SimpleNamespace(name=SimpleNamespace(zh="门", en="Door"), commands={}, points={}, events={}),
        )
        ground.context.devices[number] = told  # type: ignore[index]
    client = Client(ui.page("/doors"))
    with client:
        await DoorsPage(view).build()
    elements = list(client.elements.values())
    [rows] = [each.props["rows"] for each in elements if isinstance(each, DoorBoard)]
    assert [alarm["id"] for row in rows if row["id"] == door for alarm in row["alarms"]] == [ground.alarm]
    assert [each.visible for each in elements if "cut" in each.classes] == [cut]
    smoke = await ground.context.alarms.urgent(view.principal, devices=[door])
    assert [row["id"] for row in smoke] == [ground.alarm]
    assert fire not in [row["id"] for row in smoke]
