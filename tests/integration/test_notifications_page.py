"""The notifications page over real rows, in both languages: what is shown, offered, and done."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from nicegui import Client, ui
from starlette.requests import Request

from api.hub import Hub
from api.pages.view import View
from api.pages.widgets import Table
from hub.accounts.model import Identity, Membership
from hub.principal import Principal
from modules.notifications import words
from modules.notifications.model import STATES
from modules.notifications.pages import add_pages
from modules.notifications.webhooks import TYPES
from tests.integration.notifications_ground import Ground, Receiver, migrated
from tests.integration.postgres import new_database


class OpenView(View):
    """The real view of a person whose session does not end."""

    async def who(self) -> Principal:
        return self.principal


class Shell:
    """What a module is given: it remembers the page."""

    def add(self, path: str, title: Any, icon: str, order: int, build: Any, *, right: str = "see") -> None:
        self.path, self.build, self.right = path, build, right


@pytest.fixture
async def world(postgres_url: str, tmp_path: Path) -> AsyncIterator[Any]:
    ground = Ground(new_database(postgres_url, migrated(postgres_url)), tmp_path)
    tasks: set[asyncio.Task[None]] = set()
    async with Receiver() as group, Receiver() as hook:
        ground.write([{"id": "group", "url": group.url.replace("http", "json")}, {"id": "sms", "url": "off"}])
        async with ground.running() as parts:
            hook.answers = [410]
            await parts.service.endpoints.create(ground.engineer, "erp", hook.url, [TYPES["annunciated"]])
            await ground.tell(parts, ground.alarm())
            yield SimpleNamespace(ground=ground, parts=parts, hook=hook, tasks=tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def opened(world: Any, language: str, role: Any = "engineer") -> tuple[Any, list[Table], Client]:
    who = Principal("user:gong", world.ground.here, role, language=language)
    home = Membership(who.community_id, "demo", {"zh": "和悦花园", "en": "Heyue Garden"}, "Asia/Shanghai", who.role)
    request = Request({"type": "http", "headers": [], "client": ("127.0.0.1", 1)})
    view = OpenView(Hub(world.parts.context), request, Identity(who.actor, "gong", language, (home,)), world.tasks)
    shell, client = Shell(), Client(ui.page("/notifications"))
    add_pages(shell, world.parts.service)
    assert shell.right == "maintain"
    with client:
        await shell.build(view, None)
    return view, [one for one in client.elements.values() if isinstance(one, Table)], client


@pytest.mark.parametrize("language", ["zh-CN", "en"])
async def test_channels_endpoints_and_deliveries_are_shown_and_followed(world: Any, language: str):
    _, [channels, endpoints, deliveries], client = await opened(world, language)
    zh = language == "zh-CN"
    assert [one.tag for one in client.elements.values()].count("h1") == 1
    states = {row["id"]: row["state"]["text"] for row in channels.props["rows"]}
    assert states == ({"group": "正常", "sms": "未接入"} if zh else {"group": "Well", "sms": "Not set up"})
    assert {row["id"]: [name for name, _ in row["actions"]] for row in channels.props["rows"]} == {
        "group": ["test"], "sms": [],
    }  # fmt: skip
    [endpoint] = endpoints.props["rows"]
    assert endpoint["state"]["text"] == ("已停用" if zh else "Disabled")
    assert [name for name, _ in endpoint["actions"]] == ["resume", "rotate", "remove", "replay"]
    rows = {row["target"]: row for row in deliveries.props["rows"]}
    assert rows["group"]["state"]["text"] == ("已送达" if zh else "Delivered")
    assert [name for name, _ in rows["erp"]["actions"]] == ["replay"]
    await world.ground.tell(world.parts, world.ground.alarm())
    async with asyncio.timeout(100):
        while len(deliveries.props["rows"]) < 3:
            await asyncio.sleep(0.01)
    page = str([dict(one.props) for one in client.elements.values()])
    assert "whsec_" not in page and "json://127" not in page


async def test_what_takes_answers_and_what_was_acknowledged_from_is_shown(world: Any):
    url = "json://127.0.0.1/?:to={phone}"
    replies = {"secret": "a-token-of-20-letters", "fields": {"id": "sn"}}
    world.ground.write([{"id": "sms", "url": url, "replies": replies}])
    await world.parts.pump.settle()
    world.ground.rows("UPDATE notifications.delivery SET acknowledged_at = %s WHERE target = 'channel:group'",
                      world.ground.clock.now())  # fmt: skip
    _, [channels, _, deliveries], _ = await opened(world, "zh-CN")
    assert [row["sort"] for row in channels.props["rows"]] == ["个人 · 可回复"]
    assert any(row["detail"].startswith("✓ 已由此通知确认") for row in deliveries.props["rows"])


async def test_a_guard_is_offered_nothing_to_change(world: Any):
    _, [channels, endpoints, deliveries], _ = await opened(world, "en", "guard")
    assert endpoints.props["rows"] == []
    assert not any(row["actions"] for row in [*channels.props["rows"], *deliveries.props["rows"]])


def test_every_state_and_event_has_words():
    assert set(words.STATES) == set(STATES)
    assert {*TYPES, "escalated", "reply"} == set(words.EVENTS)
    for group in (words.SAYS, words.ACTIONS, words.QUESTIONS, words.REFUSALS, words.EVENTS):
        assert all(text["zh"] and text["en"] for text in group.values())
