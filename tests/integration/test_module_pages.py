"""The modules behind the API's door and on a screen: closed to strangers, filled from a real database, bilingual."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import httpx
import psycopg
import pytest
from nicegui import Client, ui
from nicegui.elements.mixins.text_element import TextElement

from api.app import make_api
from api.hub import Hub
from api.texts import clock_time, pick
from hub.clock import FakeClock
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
        self.pages: dict[str, tuple[Any, Any]] = {}

    def add(self, entry: Any, build: Any) -> None:
        self.pages[entry.path] = (entry, build)


class View:
    def __init__(self, context: Any, who: Principal, language: str) -> None:
        self.principal, self.language, self._context = who, language, context
        self.changed: Any = None

    def pick(self, text: Any) -> str:
        return pick(text, self.language)

    def now(self) -> datetime:
        return self._context.clock.now()

    def stamp(self, moment: datetime | None) -> str:
        return clock_time(moment, "Asia/Shanghai", self.now())

    def follow(self, topics: Any, on_changes: Any, on_lost: Any) -> None:
        self.changed = on_changes


def texts_of(client: Client) -> list[str]:
    return [element.text for element in client.elements.values() if isinstance(element, TextElement) and element.text]


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
        yield SimpleNamespace(context=context, shell=shell, here=here, alarm=alarm)


@pytest.mark.parametrize("language", ["zh-CN", "en"])
async def test_an_order_appears_on_the_open_page(ground: Any, language: str):
    view = View(ground.context, Principal("user:li", ground.here, "guard", language=language), language)
    entry, build = ground.shell.pages["/work-orders"]
    assert entry.label(view) == {"zh-CN": "工单", "en": "Work orders"}[language]
    client = Client(ui.page("/work-orders"))
    with client:
        await build(view, None)
        assert "WO-20261121-0001" not in texts_of(client)
        await WorkOrders(ground.context).open_for_alarm(community_id=ground.here, alarm_id=ground.alarm)
        await view.changed([])
    words = texts_of(client)
    expected = {"zh-CN": ["强行开门", "待派", "编号"], "en": ["Door forced open", "Open", "Number"]}[language]
    assert {"WO-20261121-0001", "em-1", "20:00:00", "11-22 00:00", *expected} <= set(words)
    rows = [element.props.get("id") for element in client.elements.values() if element.tag == "tr"]
    assert "WO-20261121-0001" in rows and ground.shell.links == {"work_order": "/work-orders#"}


@pytest.mark.parametrize("language", ["zh-CN", "en"])
async def test_bill_lines_are_shown_with_what_is_held(ground: Any, language: str):
    clerk = Principal("user:chen", ground.here, "finance", language=language)
    await make_billing(ground.context).draft_period(clerk, date(2026, 11, 2), date(2026, 11, 3))
    await make_billing(ground.context).draft_period(clerk, date(2026, 11, 3), date(2026, 11, 4))
    view = View(ground.context, clerk, language)
    client = Client(ui.page("/bill-lines"))
    entry, build = ground.shell.pages["/bill-lines"]
    assert entry.right == "bill"
    with client:
        await build(view, None)
    held = {"zh-CN": "待核：期末无读数", "en": "Held: no reading at the end"}[language]
    assert {"em-1", "2.5 kWh", "0.5283", "1.32", "2026-11-02 – 2026-11-03", held} <= set(texts_of(client))


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
