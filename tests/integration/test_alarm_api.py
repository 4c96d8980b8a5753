"""The alarm routes: who may what, nothing of another community, replays, hostile bodies."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi.routing import APIRoute

from api.app import make_api
from api.auth import COOKIE
from api.hub import Hub
from api.routes.alarms import router
from hub.clock import SystemClock
from hub.principal import Principal
from modules.workorders.service import WorkOrders
from tests.integration.postgres import new_database
from tests.integration.seeded import PASSWORD, ROLES, Seeded, add_accounts, seeded

pytestmark = pytest.mark.asyncio(loop_scope="module")
V1 = "/api/v1/alarms"
DESK = frozenset({"guard", "engineer", "admin"})
MAINTAIN = frozenset({"engineer", "admin"})


def soon(hours: float = 1) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()


class World:
    def __init__(self, seeds: Seeded) -> None:
        self.seeds = seeds
        self.hub = Hub(seeds.context)
        self.app = make_api(self.hub)
        self.tokens: dict[str, str] = {}
        self.alarms: list[int] = seeds.numbers["alarms"]
        self.door = seeds.devices["door-b1-u1"].id

    @asynccontextmanager
    async def client(self, name: str) -> AsyncIterator[httpx.AsyncClient]:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False, client=("10.0.0.9", 1))
        async with httpx.AsyncClient(
            transport=transport, base_url="http://hub", cookies={COOKIE: self.tokens[name]},
            headers={"Sec-Fetch-Site": "same-origin"},
        ) as client:  # fmt: skip
            yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(postgres_url: str) -> AsyncIterator[World]:
    async with seeded(new_database(postgres_url), SystemClock()) as seeds:
        made = World(seeds)
        for name in await add_accounts(made.hub.accounts, seeds):
            made.tokens[name] = (await made.hub.accounts.login(name, PASSWORD, "setup")).token
        yield made


def operations(alarm: int, device: int, maintenance: int) -> list[tuple[str, str, Any, frozenset[str]]]:
    """Every operation that changes something: method, path, a right body, who may."""
    window = {"device_id": device, "since": soon(5), "until": soon(6), "reason": "x", "work_order": "7"}
    return [
        ("POST", "/acknowledge", {"ids": [alarm]}, DESK),
        ("POST", "/shelve", {"ids": [alarm], "until": soon(), "reason": "x"}, DESK),
        ("POST", f"/{alarm}/acknowledge", None, DESK),
        ("POST", f"/{alarm}/reset", None, DESK),
        ("POST", f"/{alarm}/shelve", {"until": soon(), "reason": "x"}, DESK),
        ("POST", f"/{alarm}/unshelve", None, DESK),
        ("PUT", f"/{alarm}/assignee", {"assignee": "user:guard"}, DESK),
        ("POST", f"/{alarm}/comments", {"text": "x"}, DESK),
        ("PUT", f"/{alarm}/steps/1", None, DESK),
        ("PUT", f"/out-of-service/{device}", {"until": soon(), "reason": "x", "work_order": "7"}, MAINTAIN),
        ("DELETE", f"/out-of-service/{device}", None, MAINTAIN),
        ("POST", "/maintenance", window, MAINTAIN),
        ("POST", f"/maintenance/{maintenance}/end", None, MAINTAIN),
    ]


async def test_every_writing_route_is_in_the_list(world: World) -> None:
    writing = [route for route in router.routes if isinstance(route, APIRoute) and "GET" not in route.methods]
    assert len(writing) == len(operations(world.alarms[0], world.door, 1))


async def test_roles_that_may_not_are_refused_and_change_nothing(world: World) -> None:
    for method, path, body, allowed in operations(world.alarms[0], world.door, 1):
        for role in set(ROLES) - allowed:
            async with world.client(role) as client:
                answer = await client.request(method, V1 + path, json=body)
                assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), (role, path)
    async with world.client("viewer") as client:
        assert (await client.get(V1 + "/maintenance")).json() == []
        assert (await client.get(f"{V1}?view=shelved")).json()["items"] == []


async def test_what_is_of_another_community_is_not_there(world: World) -> None:
    theirs = world.seeds.numbers["foreign"]
    async with world.client("stranger") as stranger:
        owner = Principal("user:stranger", world.seeds.foreign, "admin")
        order = (await WorkOrders(world.seeds.context).open(owner, theirs["alarm"]))["number"]
        window = {
            "device_id": theirs["device"],
            "since": soon(5),
            "until": soon(6),
            "reason": "SECRET",
            "work_order": order,
        }
        planned = (await stranger.post(V1 + "/maintenance", json=window)).json()["id"]
    async with world.client("admin") as client:
        for method, path, body, _ in operations(theirs["alarm"], theirs["device"], planned):
            answer = await client.request(method, V1 + path, json=body)
            assert answer.status_code == 404, (method, path, answer.text)
            assert "SECRET" not in answer.text
        for path in ("", "/maintenance", "/storm", "/budget", "?view=all&live=false"):
            answer = await client.get(V1 + path)
            assert answer.status_code == 200
            assert "SECRET" not in answer.text


async def test_bulk_acknowledgement_is_all_or_none_and_may_be_said_twice(world: World) -> None:
    mine, foreign = world.alarms[:3], world.seeds.numbers["foreign"]["alarm"]
    async with world.client("guard") as client:
        assert (await client.post(V1 + "/acknowledge", json={"ids": [*mine, foreign]})).status_code == 404
        before = [(await client.get(f"{V1}/{number}")).json() for number in mine]
        assert any(alarm["state"] == "active_unacknowledged" for alarm in before)
        first = await client.post(V1 + "/acknowledge", json={"ids": [*mine, *mine], "note": "seen"})
        assert first.status_code == 200
        assert {alarm["id"] for alarm in first.json()} == set(mine)
        assert not any(alarm["state"].endswith("_unacknowledged") for alarm in first.json())
        lines = [(await client.get(f"{V1}/{number}")).json()["history"] for number in mine]
    async with world.client("engineer") as client:
        second = await client.post(V1 + "/acknowledge", json={"ids": mine})
        assert [alarm["acknowledged_by"] for alarm in second.json()] == [a["acknowledged_by"] for a in first.json()]
        assert [(await client.get(f"{V1}/{number}")).json()["history"] for number in mine] == lines


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/acknowledge", {"ids": []}), ("/acknowledge", {"ids": [1] * 501}), ("/acknowledge", {"ids": [0]}),
        ("/acknowledge", {"ids": ["x"]}), ("/acknowledge", {}),
        ("/shelve", {"ids": [1] * 501, "until": soon(), "reason": "x"}), ("/shelve", {"ids": [1], "until": soon()}),
        ("/1/shelve", {"until": "2026-01-01T00:00:00"}),
        ("/1/shelve", {"until": soon(), "reason": ""}), ("/1/shelve", {"until": soon(), "reason": "x" * 501}),
        ("/1/shelve", {"until": soon(9), "reason": "x"}), ("/1/shelve", {"until": soon(-1), "reason": "x"}),
        ("/1/shelve", {"until": soon(), "reason": "a\u0007b"}), ("/1/comments", {"text": " "}),
        ("/1/comments", {"text": "x", "more": 1}), ("/1/reset", {"note": "x" * 501}),
    ],
)  # fmt: skip
async def test_bodies_out_of_bounds_are_refused(world: World, path: str, body: Any) -> None:
    async with world.client("guard") as client:
        answer = await client.post(V1 + path.replace("/1/", f"/{world.alarms[0]}/"), json=body)
        assert answer.status_code == 422, answer.text
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("assignee", ["user:nobody", "user:stranger", "guard", "rule:over", "key:kiosk"])
async def test_only_an_account_of_this_community_is_given_an_alarm(world: World, assignee: str) -> None:
    url = f"{V1}/{world.alarms[0]}/assignee"
    async with world.client("guard") as client:
        answer = await client.put(url, json={"assignee": assignee})
        assert (answer.status_code, answer.json()["code"]) == (422, "no_account")
        assert (await client.put(url, json={"assignee": "user:engineer"})).json()["assignee"] == "user:engineer"
        assert (await client.put(url, json={"assignee": ""})).json()["assignee"] is None


async def test_a_shelf_a_step_and_a_device_out_of_service(world: World) -> None:
    number = world.alarms[0]
    async with world.client("engineer") as client:
        shelved = await client.post(f"{V1}/{number}/shelve", json={"until": soon(20), "reason": "valve"})
        assert shelved.json()["suppression"] == "shelved"
        assert [a["id"] for a in (await client.get(f"{V1}?view=shelved")).json()["items"]] == [number]
        assert number not in [a["id"] for a in (await client.get(V1)).json()["items"]]
        back = (await client.post(f"{V1}/{number}/unshelve")).json()
        assert back["suppression"] is None
        assert [line["action"] for line in back["history"]][-2:] == ["shelved", "unsuppressed"]
        count = len(back["steps"])
        assert (await client.put(f"{V1}/{number}/steps/{count + 1}")).status_code == 422
        url = f"{V1}/out-of-service/{world.door}"
        assert (await client.delete(url)).status_code == 409
        wrong = await client.put(url, json={"until": soon(), "reason": "lock", "work_order": "7"})
        assert (wrong.status_code, wrong.json()["code"]) == (422, "no_work_order")
        window = {"since": soon(0), "until": soon(), "reason": "x", "work_order": "7"}
        for target in ({"device_id": world.door}, {"place": "b1"}):
            wrong = await client.post(V1 + "/maintenance", json={**window, **target})
            assert (wrong.status_code, wrong.json()["code"]) == (422, "no_work_order")
        person = Principal("user:engineer", world.seeds.home, "engineer")
        order = (await WorkOrders(world.seeds.context).open(person, world.alarms[2]))["number"]
        made = await client.put(url, json={"until": soon(), "reason": "lock", "work_order": order})
        assert (made.json()["device"], made.json()["active"]) == ("door-b1-u1", True)
        assert (await client.delete(url)).json()["ended_by"] == "user:engineer"
        budget = (await client.get(V1 + "/budget")).json()
        assert (budget["limit"], budget["window_s"]) == (10, 600)
        assert (await client.get(V1 + "/storm")).json() is None
