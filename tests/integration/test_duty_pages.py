"""The pages of duty on a screen: one heading, both languages, only what may be done is offered, news arrive."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from nicegui import Client, ui
from starlette.requests import Request

from api.hub import Hub
from api.pages.view import View
from api.pages.widgets import Table
from hub.accounts.model import Identity, Membership
from hub.principal import Principal
from hub.store.database import NotThere
from modules.duty import DutyPlugin, words
from modules.duty.form import Form
from tests.integration.duty_ground import NOW, Ground, grounded
from tests.integration.module_hub import add_alarm, add_device

PATHS = ("/hand-over", "/roster", "/roster/people", "/duty-log", "/duty-log/incidents")


class Shell:
    """What a module is given: it remembers the pages that were added."""

    def __init__(self, context: Any) -> None:
        self.hub = SimpleNamespace(context=context)
        self.links: dict[str, str] = {}
        self.pages: dict[str, Any] = {}

    def add(self, path: str, title: Any, icon: str, order: int, build: Any, *, right: str = "see") -> None:
        self.pages[path] = build

    def add_below(self, path: str, parent: str, build: Any) -> None:
        assert parent in self.pages
        self.pages[path] = build


class OpenView(View):
    """The real view of a person whose session does not end."""

    async def who(self) -> Principal:
        return self.principal


class Screen:
    """Opens pages and reads what stands on them."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.shell = Shell(ground.context)
        self.tasks: set[asyncio.Task[None]] = set()
        DutyPlugin().pages(self.shell)

    async def open(self, path: str, who: Principal, number: int | None = None) -> Client:
        home = Membership(who.community_id, "demo", {"zh": "和悦花园", "en": "Heyue Garden"}, "Asia/Shanghai", who.role)
        identity = Identity(who.actor, who.actor.partition(":")[2], who.language, (home,))
        request = Request({"type": "http", "headers": [], "client": ("127.0.0.1", 1)})
        client = Client(ui.page(path))
        with client:
            await self.shell.pages[path](OpenView(Hub(self.ground.context), request, identity, self.tasks), number)
        return client


def texts(client: Client, tag: str = "") -> list[str]:
    return [str(each.text) for each in client.elements.values() if hasattr(each, "text") and tag in ("", each.tag)]


def tables(client: Client) -> list[list[dict[str, Any]]]:
    return [each.props["rows"] for each in client.elements.values() if isinstance(each, Table)]


@pytest.fixture
async def screen(postgres_url: str) -> AsyncIterator[Screen]:
    async with grounded(postgres_url) as ground:
        made = Screen(ground)
        yield made
        for task in made.tasks:
            task.cancel()
        await asyncio.gather(*made.tasks, return_exceptions=True)


@pytest.mark.parametrize("language", ["zh-CN", "en"])
@pytest.mark.parametrize("path", PATHS)
async def test_each_page_opens_in_both_languages(screen: Screen, path: str, language: str):
    who = Principal("user:admin", screen.ground.here, "admin", language=language)
    client = await screen.open(path, who)
    assert [each.tag for each in client.elements.values()].count("h1") == 1
    if language == "en":
        chinese = [text for text in texts(client) if any("\u4e00" <= c <= "\u9fff" for c in text)]
        names = [row[0] for row in screen.ground.rows("SELECT name FROM duty.person")]
        assert [text for text in chinese if not any(name in text for name in names)] == []


@pytest.mark.parametrize("path", PATHS)
async def test_a_community_with_nothing_yet_is_told_so(screen: Screen, path: str):
    screen.ground.context.ports.pop("workorders.recent")  # tells of one order whoever asks
    client = await screen.open(path, screen.ground.stranger)
    assert [each.tag for each in client.elements.values()].count("h1") == 1
    assert all(rows == [] for rows in tables(client))


async def test_who_may_not_supervise_is_offered_no_change(screen: Screen):
    words_of = {role: texts(await screen.open("/roster", Principal("user:x", screen.ground.here, role)), "button")
                for role in ("viewer", "admin")}  # fmt: skip
    assert "自动排班" in words_of["admin"]
    assert len(words_of["admin"]) > 60  # every place of the week
    assert words_of["viewer"] == ["‹ 前一周", "本周", "后一周 ›"]
    people = tables(await screen.open("/roster/people", screen.ground.viewer))[0]
    assert {row["phone"] for row in people} == {f"138****{number:04d}" for number in range(1, 13)}
    assert all(row["actions"] == [] for row in people)


async def test_an_entry_appears_on_the_open_log(screen: Screen):
    client = await screen.open("/duty-log", screen.ground.viewer)
    assert tables(client) == [[]]
    await screen.ground.duty.diary.write(screen.ground.guard, "order", "<img src=x onerror=alert(1)>")
    async with asyncio.timeout(100):
        while not tables(client)[0]:
            await asyncio.sleep(0.01)
    [[row]] = tables(client)
    assert (row["text"], row["kind"], row["actions"]) == ("<img src=x onerror=alert(1)>", "指令", [])


async def test_the_hand_over_page_follows_the_signatures(screen: Screen):
    ground = screen.ground
    client = await screen.open("/hand-over", ground.guard)
    assert "交班签字" in texts(client, "button")
    told = await ground.duty.hand_overs.current(ground.guard)
    made = await ground.duty.hand_overs.sign_out(ground.guard, told["change_at"], "一切正常")
    async with asyncio.timeout(100):
        while "接班签字" not in texts(client, "button"):
            await asyncio.sleep(0.02)
    assert "一切正常" in texts(client)
    fixed = await screen.open("/hand-over/{number}", ground.viewer, made["id"])
    assert "一切正常" in texts(fixed)
    with pytest.raises(NotThere):
        await screen.open("/hand-over/{number}", ground.stranger, made["id"])


async def test_a_community_without_shifts_still_sees_what_is_open(screen: Screen):
    ground = screen.ground
    with psycopg.connect(ground.url) as link:
        alarm = add_alarm(link, ground.there, add_device(link, ground.there, "door-1", "door"), NOW)
    ground.context.ports.pop("workorders.recent")
    client = await screen.open("/hand-over", ground.stranger)
    [row] = [row for rows in tables(client) for row in rows]
    assert row["id"].startswith(f"/alarms/{alarm}")


async def test_the_sheet_of_a_day_and_of_no_day(screen: Screen):
    client = await screen.open("/duty-log/{number}", screen.ground.viewer, 20261121)
    assert texts(client, "th")[:4] == ["班次", "时间", "岗位", "姓名"]
    assert texts(client, "td").count("门岗") == 3
    for number in (20261341, 5, 0):
        with pytest.raises(NotThere):
            await screen.open("/duty-log/{number}", screen.ground.viewer, number)


async def test_a_version_is_shown_as_it_was(screen: Screen):
    client = await screen.open("/roster/versions/{number}", screen.ground.viewer, 1)
    assert len([text for text in texts(client, "th") if "11-" in text]) == 15
    with pytest.raises(NotThere):
        await screen.open("/roster/versions/{number}", screen.ground.stranger, 1)


def test_every_word_is_there_in_both_languages():
    def sides(value: Any) -> list[dict[str, str]]:
        if isinstance(value, dict) and set(value) == {"zh", "en"}:
            return [value]
        parts = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else ()
        return [side for part in parts for side in sides(part)]

    found = [side for name in dir(words) if name.isupper() for side in sides(getattr(words, name))]
    assert len(found) > 150
    assert [side for side in found if not side["zh"] or not side["en"]] == []
    assert Form.__doc__
