"""The drawer of an alarm shows the chosen one, whatever is read meanwhile, and is not painted anew for nothing."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from nicegui import Client, ui

from api.pages.alarm_actions import AlarmActions
from api.pages.alarm_detail import AlarmDetail
from hub.clock import SystemClock
from hub.principal import Principal
from hub.store.database import Row
from tests.integration.postgres import new_database
from tests.integration.seeded import Seeded, seeded
from tests.integration.test_module_pages import view_of


@pytest.fixture
async def seeds(postgres_url: str) -> AsyncIterator[Seeded]:
    async with seeded(new_database(postgres_url), SystemClock()) as opened:
        yield opened


def drawer(seeds: Seeded) -> tuple[AlarmDetail, Client]:
    view = view_of(seeds.context, Principal("user:guard", seeds.home, "guard", language="en"), set())
    client = Client(ui.page("/"))
    with client:
        return AlarmDetail(view, AlarmActions(view, {}), {}), client


def titles(client: Client) -> list[str]:
    return [element.text for element in client.elements.values() if element.tag == "h2"]  # type: ignore[attr-defined]


def buttons(client: Client) -> set[int]:
    return {number for number, element in client.elements.items() if element.tag == "button"}


async def test_the_alarm_chosen_last_is_shown_though_an_earlier_one_is_read_later(
    seeds: Seeded, monkeypatch: pytest.MonkeyPatch
) -> None:
    detail, client = drawer(seeds)
    first, last = seeds.numbers["alarms"][:2]
    show, held, go_on = seeds.context.alarms.show, asyncio.Event(), asyncio.Event()

    async def slow(who: Principal, number: int) -> Row:
        row = await show(who, number)
        if number == first:
            held.set()
            await go_on.wait()
        return row

    monkeypatch.setattr(seeds.context.alarms, "show", slow)
    choices = [asyncio.create_task(detail.choose(first))]
    await held.wait()
    choices.append(asyncio.create_task(detail.choose(last)))
    await asyncio.wait(choices[1:], timeout=0.5)
    go_on.set()
    await asyncio.gather(*choices)
    assert titles(client) == ["Door forced open"]


async def test_what_says_the_same_is_not_painted_anew(seeds: Seeded) -> None:
    """A click that is on its way to a button would be lost with it."""
    detail, client = drawer(seeds)
    alarm = seeds.numbers["alarms"][1]
    await detail.choose(alarm)
    before = buttons(client)
    assert len(before) > 3
    await detail.refresh()
    assert buttons(client) == before
    await seeds.context.alarms.acknowledge(Principal("user:guard", seeds.home, "guard"), alarm)
    await detail.refresh()
    assert not buttons(client) & before
