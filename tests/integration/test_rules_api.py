"""The rulebook over HTTP: who may what, problems with line and field, a version's way into force."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio

from api.app import make_api
from api.auth import COMMUNITY_HEADER, COOKIE
from api.hub import Hub
from hub.clock import SystemClock
from tests.integration.module_hub import migrated, running
from tests.integration.postgres import new_database
from tests.integration.rulebook_ground import FILE, LOWER, Ground, make_book

pytestmark = pytest.mark.asyncio(loop_scope="module")
RULES = "/api/v1/rules"
ROLES = ("viewer", "guard", "engineer", "finance", "admin")
CONFIGURE = {"engineer", "admin"}


class World:
    """The API over a rulebook, with an account of every role and one of another community."""

    def __init__(self, ground: Ground, hub: Hub, tokens: dict[str, str]) -> None:
        self.ground = ground
        self.hub = hub
        self.tokens = tokens
        self.app = make_api(hub)

    @asynccontextmanager
    async def client(self, name: str) -> AsyncIterator[httpx.AsyncClient]:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        cookies, headers = {COOKIE: self.tokens[name]}, {"Sec-Fetch-Site": "same-origin"}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://hub", cookies=cookies, headers=headers
        ) as one:
            yield one

    async def ask(
        self, name: str, method: str, path: str, body: Any = None, community: str | None = None
    ) -> httpx.Response:
        async with self.client(name) as client:
            headers = {} if community is None else {COMMUNITY_HEADER: community}
            return await client.request(method, RULES + path, json=body, headers=headers)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    ground = Ground(new_database(postgres_url, migrated(postgres_url)), tmp_path_factory.mktemp("config"))
    ground.serve_both()
    async with running(ground.url, SystemClock(), ground.communities) as context:
        async for book in make_book(ground):
            context.rulebook = book
            hub, tokens = Hub(context), {}
            for name in (*ROLES, "stranger"):
                role, home = (name, ground.here) if name != "stranger" else ("admin", ground.there)
                made = await hub.accounts.create_account(name, None, {home: role})  # type: ignore[dict-item]
                tokens[name] = (await hub.accounts.login(name, made.password, "test")).token
            made = await hub.accounts.create_account("both", None, {ground.here: "engineer", ground.there: "viewer"})
            tokens["both"] = (await hub.accounts.login("both", made.password, "test")).token
            yield World(ground, hub, tokens)


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["code"]) == (status, code)
    return body


async def backtested(world: World, text: str) -> dict[str, Any]:
    started = await world.ask("engineer", "POST", "/backtests", {"text": text, "days": 1})
    assert started.status_code == 202
    number = started.json()["id"]
    task = world.hub.rulebook.backtests._all[number].task
    assert task is not None
    await asyncio.wait_for(task, timedelta(seconds=60).total_seconds())
    found: dict[str, Any] = (await world.ask("guard", "GET", f"/backtests/{number}")).json()
    return found


@pytest.mark.parametrize("name", ROLES)
@pytest.mark.parametrize(
    ("method", "path", "body", "writes"),
    [
        ("GET", "", None, False),
        ("GET", "/pump-high", None, False),
        ("GET", "/pump-high/versions/1", None, False),
        ("GET", "/pump-high/diff?old=1&new=1", None, False),
        ("POST", "/check", {"text": FILE}, True),
        ("POST", "/examples", {"text": FILE}, True),
        ("POST", "", {"text": LOWER, "note": "x"}, True),
        ("POST", "/pump-high/enable", None, True),
        ("POST", "/pump-high/disable", {"note": "repair"}, True),
        ("POST", "/pump-high/roll-back", {"version": 1}, True),
        ("DELETE", "/backtests/999", None, True),
    ],
)
async def test_reading_is_everybodys_and_writing_needs_the_right(
    world: World, name: str, method: str, path: str, body: Any, writes: bool
) -> None:
    answer = await world.ask(name, method, path, body)
    if writes and name not in CONFIGURE:
        problem(answer, 403, "forbidden")
    elif "999" in path:
        problem(answer, 404, "not_found")
    else:
        assert answer.status_code in (200, 201), answer.text


async def test_a_wrong_text_is_told_by_line_with_what_was_meant(world: World) -> None:
    answer = await world.ask("engineer", "POST", "/check", {"text": FILE.replace("point: pressure", "point: presure")})
    assert answer.json()["rule"] is None
    (wrong,) = answer.json()["problems"]
    assert (wrong["line"], wrong["field"], wrong["suggestion"]) == (4, "threshold.point", "pressure")
    assert wrong["message"]["en"].startswith("threshold.point: found 'presure', expected a point of pump")
    assert "是否想写 'pressure'" in wrong["message"]["zh"]
    body = problem(await world.ask("engineer", "POST", "", {"text": "rule: ["}), 422, "invalid_rule")
    assert "rule:2: not YAML" in body["detail"]


async def test_a_version_is_tried_put_in_force_and_rolled_back(world: World) -> None:
    text = FILE.replace("above: 600", "above: 570")
    saved = await world.ask("engineer", "POST", "", {"text": text, "note": "570"})
    version = saved.json()["version"]
    assert (saved.status_code, saved.json()["source"], saved.json()["note"]) == (201, "api", "570")
    problem(await world.ask("engineer", "POST", "/pump-high/enable", {"version": version}), 409, "not_backtested")
    found = await backtested(world, text)
    assert (found["state"], found["progress"], found["result"]["alarms"]) == ("done", 1.0, 0)
    shown = await world.ask("engineer", "POST", "/pump-high/enable", {"version": version})
    assert (shown.json()["version"], shown.json()["enabled"], shown.json()["source"]) == (version, True, "page")
    diff = await world.ask("viewer", "GET", f"/pump-high/diff?old=1&new={version}")
    assert "+threshold: {point: pressure, above: 570" in diff.json()["diff"]
    back = await world.ask("engineer", "POST", "/pump-high/roll-back", {"version": 1})
    assert (back.json()["version"], back.json()["source"]) == (None, "file")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/check", {"text": ""}),
        ("POST", "/check", {"text": "x" * 20_001}),
        ("POST", "/check", {"text": "rule", "more": 1}),
        ("POST", "/check", {"text": "a\u0000"}),
        ("POST", "/backtests", {"text": FILE, "days": 32}),
        ("POST", "/pump-high/roll-back", {"version": 0}),
        ("POST", "/pump-high/disable", {"note": "x" * 501}),
        ("GET", "/Pump", None),
        ("GET", "/pump-high/diff?old=0&new=1", None),
        ("GET", "/pump-high/versions/99999999999", None),
    ],
)
async def test_what_is_out_of_bounds_is_refused(world: World, method: str, path: str, body: Any) -> None:
    problem(await world.ask("engineer", method, path, body), 422, "invalid")


async def test_another_community_sees_no_version_and_no_back_test(world: World) -> None:
    found = await backtested(world, FILE)
    await world.ask("engineer", "POST", "", {"text": FILE.replace("above: 600", "above: 575")})
    saved = await world.ask("engineer", "POST", "", {"text": FILE.replace("above: 600", "above: 576")})
    version = saved.json()["version"]
    for method, path, body in (
        ("GET", f"/backtests/{found['id']}", None), ("DELETE", f"/backtests/{found['id']}", None),
        ("GET", f"/pump-high/versions/{version}", None), ("GET", f"/pump-high/diff?old=1&new={version}", None),
        ("POST", "/pump-high/enable", {"version": version}), ("POST", "/pump-high/roll-back", {"version": version}),
    ):  # fmt: skip
        problem(await world.ask("stranger", method, path, body), 404, "not_found")
    shown = (await world.ask("stranger", "GET", "/pump-high")).json()
    assert [one["version"] for one in shown["versions"]] == [1], "the file's own"


async def test_a_right_counts_in_its_community_alone(world: World) -> None:
    """An engineer of the first, who may only look at the second."""
    disable = {"note": "repair"}
    problem(await world.ask("engineer", "POST", "/pump-high/disable", disable, "other"), 403, "forbidden")
    problem(await world.ask("engineer", "GET", "", None, "other"), 403, "forbidden")
    problem(await world.ask("both", "POST", "/pump-high/disable", disable, "other"), 403, "forbidden")
    assert not (await world.ask("both", "POST", "/pump-high/disable", disable, "demo")).json()["enabled"]
    (there,) = (await world.ask("both", "GET", "", None, "other")).json()
    assert there["enabled"]
    assert (await world.ask("both", "POST", "/pump-high/enable", None, "demo")).json()["enabled"]


async def test_a_hub_without_rules_says_so(world: World) -> None:
    kept, world.hub.context.rulebook = world.hub.context.rulebook, None
    try:
        problem(await world.ask("viewer", "GET", ""), 503, "no_rulebook")
    finally:
        world.hub.context.rulebook = kept
