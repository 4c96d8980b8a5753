"""The modules behind the API's door and on a screen: closed to strangers, filled from a real database, bilingual."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import httpx
import psycopg
import pytest
from nicegui import Client, ui
from starlette.requests import Request

from api.app import make_api
from api.hub import Hub
from api.pages.view import View
from api.pages.widgets import Table
from api.texts import pick
from hub.accounts.model import Identity, Membership
from hub.clock import FakeClock
from hub.money import yuan
from hub.principal import Principal
from modules.billing import BillingPlugin, make_billing
from modules.billing.pages import _REASONS
from modules.workorders import WorkOrdersPlugin
from modules.workorders.model import STATES
from modules.workorders.pages import _STATES
from modules.workorders.service import WorkOrders
from tests.integration.module_hub import (
    add_alarm,
    add_community,
    add_device,
    add_point,
    add_samples,
    migrated,
    running,
)
from tests.integration.postgres import new_database

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
FIRST, LAST = datetime(2026, 11, 1, 15, 59, tzinfo=UTC), datetime(2026, 11, 2, 15, 59, tzinfo=UTC)


class Shell:
    """What a module is given: it remembers the pages that were added."""

    def __init__(self, context: Any) -> None:
        self.hub = SimpleNamespace(context=context)
        self.links: dict[str, str] = {}
        self.pages: dict[str, Any] = {}

    def add(
        self, path: str, title: Any, icon: str, order: int, build: Any, *, right: str = "see", home: Any = ()
    ) -> None:
        self.pages[path] = SimpleNamespace(title=title, build=build, right=right)


class OpenView(View):
    """The real view of a person whose session does not end."""

    async def who(self) -> Principal:
        return self.principal


def view_of(context: Any, who: Principal, tasks: set[asyncio.Task[None]]) -> OpenView:
    home = Membership(who.community_id, "demo", {"zh": "和悦花园", "en": "Heyue Garden"}, "Asia/Shanghai", who.role)
    identity = Identity(who.actor, who.actor.partition(":")[2], who.language, (home,))
    return OpenView(Hub(context), Request({"type": "http", "headers": [], "client": ("127.0.0.1", 1)}), identity, tasks)


def table_of(client: Client) -> Table:
    """The page's first table."""
    return next(element for element in client.elements.values() if isinstance(element, Table))


@pytest.fixture
async def ground(postgres_url: str) -> AsyncIterator[Any]:
    url = new_database(postgres_url, migrated(postgres_url))
    with psycopg.connect(url) as link:
        here = add_community(link, "demo")
        meter = add_device(link, here, "em-1", "electricity_meter")
        point = add_point(link, here, meter, "energy_import", "kW.h")
        add_samples(link, here, meter, point, [(FIRST, 10.0), (LAST, 12.5)])
        alarm = add_alarm(link, here, meter, NOW)
    async with running(url, FakeClock(NOW), {"demo": here}) as context:
        shell = Shell(context)
        WorkOrdersPlugin().pages(shell)
        BillingPlugin().pages(shell)
        tasks: set[asyncio.Task[None]] = set()
        yield SimpleNamespace(context=context, shell=shell, here=here, alarm=alarm, meter=meter, tasks=tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("language", ["zh-CN", "en"])
async def test_an_order_appears_on_the_open_page(ground: Any, language: str):
    view = view_of(ground.context, Principal("user:li", ground.here, "guard", language=language), ground.tasks)
    page = ground.shell.pages["/work-orders"]
    assert pick(page.title, language) == {"zh-CN": "工单", "en": "Work orders"}[language]
    assert ground.shell.links == {"work_order": "/work-orders#"}
    client = Client(ui.page("/work-orders"))
    with client:
        await page.build(view, None)
    table = table_of(client)
    assert table.props["rows"] == []
    await WorkOrders(ground.context).open_for_alarm(community_id=ground.here, alarm_id=ground.alarm)
    async with asyncio.timeout(100):
        while not table.props["rows"]:
            await asyncio.sleep(0.01)
    assert [element.tag for element in client.elements.values()].count("h1") == 1
    words = {"zh-CN": ("强行开门", "待派", "派给我"), "en": ("Door forced open", "Open", "Assign to me")}[language]
    [row] = table.props["rows"]
    assert row["anchor"] == "WO-20261121-0001"
    assert (row["title"], row["state"]["text"]) == ({"text": words[0], "href": f"/alarms/{ground.alarm}"}, words[1])
    assert (row["device"]["text"], row["device"]["href"]) == ("em-1", f"/devices/{ground.meter}")
    assert (row["priority"]["priority"], row["created_at"], row["due_at"]) == (2, "20:00:00", "11-22 00:00")
    assert [name for name, _ in row["actions"]] == ["assign", "start", "cancel"]
    assert row["actions"][0][1] == words[2]


async def test_a_list_that_was_asked_for_before_does_not_come_over_the_one_asked_for_later(
    ground: Any, monkeypatch: pytest.MonkeyPatch
):
    await WorkOrders(ground.context).open_for_alarm(community_id=ground.here, alarm_id=ground.alarm)
    guard = Principal("user:li", ground.here, "guard")
    [order] = await WorkOrders(ground.context).recent(guard)
    await WorkOrders(ground.context).cancel(guard, order["id"], "nothing to do")
    client = Client(ui.page("/work-orders"))
    with client:
        await ground.shell.pages["/work-orders"].build(view_of(ground.context, guard, ground.tasks), None)
    pending, everything = (
        element for element in client.elements.values() if element.tag == "button" and "aria-pressed" in element.props
    )
    recent, held, go_on = WorkOrders.recent, asyncio.Event(), asyncio.Event()

    async def slow(self: WorkOrders, who: Principal, **more: Any) -> Any:
        rows = await recent(self, who, **more)
        if more["states"]:
            held.set()
            await go_on.wait()
        return rows

    async def press(button: Any) -> None:
        for listener in button._event_listeners.values():
            await listener.handler(None)

    monkeypatch.setattr(WorkOrders, "recent", slow)
    first = asyncio.create_task(press(pending))
    await held.wait()
    await press(everything)
    go_on.set()
    await first
    assert [row["anchor"] for row in table_of(client).props["rows"]] == ["WO-20261121-0001"]


@pytest.mark.parametrize(("role", "expected"), [("viewer", []), ("guard", ["start", "cancel"])])
async def test_only_what_may_be_done_is_offered(ground: Any, role: Any, expected: list[str]):
    guard = Principal("user:li", ground.here, "guard")
    orders = WorkOrders(ground.context)
    await orders.open_for_alarm(community_id=ground.here, alarm_id=ground.alarm)
    [order] = await orders.recent(guard)
    await orders.assign(guard, order["id"], "user:li")
    client = Client(ui.page("/work-orders"))
    with client:
        await ground.shell.pages["/work-orders"].build(
            view_of(ground.context, Principal("user:li", ground.here, role), ground.tasks), None
        )
    [row] = table_of(client).props["rows"]
    assert [name for name, _ in row["actions"]] == expected
    assert row["assignee"] == "li"


@pytest.mark.parametrize("language", ["zh-CN", "en"])
async def test_bill_lines_are_shown_with_what_is_held(ground: Any, language: str):
    clerk = Principal("user:chen", ground.here, "finance", language=language)
    await make_billing(ground.context).draft_period(clerk, date(2026, 11, 2), date(2026, 11, 3))
    await make_billing(ground.context).draft_period(clerk, date(2026, 11, 3), date(2026, 11, 4))
    page = ground.shell.pages["/bill-lines"]
    assert page.right == "bill"
    client = Client(ui.page("/bill-lines"))
    with client:
        await page.build(view_of(ground.context, clerk, ground.tasks), None)
    rows = {row["period"]: row for row in table_of(client).props["rows"]}
    drafted, held = rows["2026-11-02 – 2026-11-03"], rows["2026-11-03 – 2026-11-04"]
    assert (drafted["device"]["text"], drafted["quantity"], drafted["unit_price"], drafted["amount"]) == (
        "em-1", "2.5 kWh", "¥0.5283/kWh", "¥1.32",
    )  # fmt: skip
    assert (held["amount"], held["state"]["tone"]) == ("—", "ill")
    assert held["state"]["text"] == {"zh-CN": "待核：期末无读数", "en": "Held: no reading at the end"}[language]


def test_money_is_written_with_its_sign_and_commas():
    assert [yuan(fen) for fen in (0, 5, 132, 12_345_678, -150)] == ["¥0.00", "¥0.05", "¥1.32", "¥123,456.78", "-¥1.50"]


@pytest.mark.parametrize("path", ["/work-orders", "/work-orders/1", "/bill-lines", "/bill-lines/1/explain", "/tariffs"])
async def test_nobody_gets_at_a_module_without_signing_in(ground: Any, path: str):
    routers = [WorkOrdersPlugin().routes(ground.context), BillingPlugin().routes(ground.context)]
    app = make_api(Hub(ground.context), routers)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://hub") as client:
        answer = await client.get(f"/api/v1{path}")
    assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")


def test_every_state_and_reason_has_words():
    assert set(_STATES) == set(STATES)
    assert set(_REASONS) == {
        "no_reading_at_start", "no_reading_at_end", "doubtful_reading", "counter_fell", "no_tariff", "unit_differs",
    }  # fmt: skip
