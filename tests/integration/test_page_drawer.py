"""The drawer of an alarm shows the chosen one, whatever is read meanwhile, and is not painted anew for nothing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from nicegui import Client, ui
from psycopg_pool import PoolTimeout

from api.pages.alarm_actions import AlarmActions
from api.pages.alarm_detail import AlarmDetail
from hub.clock import SystemClock
from hub.live import Change
from hub.principal import Principal
from hub.store.database import NotThere, Row
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


def ticks(client: Client) -> set[int]:
    return {n for n, element in client.elements.items() if element._props.get("type") == "checkbox"}


def busy(number: int, work: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """`work` as long as the store has no connection for what is asked of alarm `number`."""

    async def asked(who: Principal, alarm_id: int, *more: Any) -> Any:
        if alarm_id == number:
            raise PoolTimeout("busy")
        return await work(who, alarm_id, *more)

    return asked


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


async def press(client: Client, label: str) -> None:
    """Click the button as the browser would."""
    (button,) = (one for one in client.elements.values() if getattr(one, "text", "") == label and one.tag == "button")
    (listener,) = (one for one in button._event_listeners.values() if one.type == "click")
    with client:
        await listener.handler(None)  # type: ignore[misc, call-arg, arg-type]


async def test_what_is_done_goes_to_the_alarm_that_is_shown(seeds: Seeded, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another one was chosen, but a busy store did not give it: the one before is still there, with its buttons."""
    detail, client = drawer(seeds)
    shown, chosen = seeds.numbers["alarms"][:2]
    await detail.choose(shown)
    show = seeds.context.alarms.show
    monkeypatch.setattr(seeds.context.alarms, "show", busy(chosen, show))
    with pytest.raises(PoolTimeout):
        await detail.choose(chosen)
    assert titles(client) == ["Person trapped in the lift"]
    acknowledged: list[int] = []

    async def acknowledge(ids: list[int], note: str = "") -> None:
        acknowledged.extend(ids)

    monkeypatch.setattr(detail._actions, "acknowledge", acknowledge)
    await press(client, "Acknowledge")
    assert acknowledged == [shown]
    monkeypatch.setattr(seeds.context.alarms, "show", show)
    await detail.tidy()
    assert titles(client) == ["Door forced open"], "it is read again by itself"


async def test_an_alarm_that_is_not_there_leaves_the_one_that_is_shown(seeds: Seeded) -> None:
    detail, client = drawer(seeds)
    await detail.choose(seeds.numbers["alarms"][0])
    with pytest.raises(NotThere):
        await detail.choose(999_999)
    await detail.refresh()
    assert titles(client) == ["Person trapped in the lift"]


async def test_a_change_whose_reading_failed_is_read_again(seeds: Seeded, monkeypatch: pytest.MonkeyPatch) -> None:
    detail, client = drawer(seeds)
    alarm, guard = seeds.numbers["alarms"][1], Principal("user:guard", seeds.home, "guard")
    await detail.choose(alarm)
    before = buttons(client)
    await seeds.context.alarms.acknowledge(guard, alarm)
    await detail.changed([Change("alarm", seeds.home, str(alarm), {})])  # too soon after the choice: left to `tidy`
    show = seeds.context.alarms.show
    monkeypatch.setattr(seeds.context.alarms, "show", busy(alarm, show))
    with pytest.raises(PoolTimeout):
        await detail.tidy()
    assert buttons(client) == before
    monkeypatch.setattr(seeds.context.alarms, "show", show)
    await detail.tidy()
    assert not buttons(client) & before


async def test_a_step_that_was_not_logged_is_painted_anew(seeds: Seeded, monkeypatch: pytest.MonkeyPatch) -> None:
    """The browser has ticked it, and the server said no."""
    detail, client = drawer(seeds)
    alarm = seeds.numbers["alarms"][0]
    await detail.choose(alarm)
    boxes = ticks(client)
    assert boxes
    monkeypatch.setattr(seeds.context.alarms, "log_step", busy(alarm, seeds.context.alarms.log_step))
    with pytest.raises(PoolTimeout):
        await detail._log_step(alarm, 1, True, "")
    await detail.tidy()
    assert not ticks(client) & boxes


async def test_a_value_told_while_an_older_one_was_read_stands(seeds: Seeded, monkeypatch: pytest.MonkeyPatch) -> None:
    detail, _ = drawer(seeds)
    alarm = seeds.numbers["alarms"][1]
    device = seeds.devices["door-b1-u1"]
    change = Change("point", seeds.home, str(device.points["open"].id), {"value": 1})
    read = seeds.context.alarms.show

    async def told_meanwhile(who: Principal, number: int) -> Row:
        row = await read(who, number)
        assert detail.wants(change)
        await detail.changed([change])
        return row

    monkeypatch.setattr(seeds.context.alarms, "show", told_meanwhile)
    await detail.choose(alarm)
    shown, _ = detail._values[change.key]
    assert shown.text == "Open"
