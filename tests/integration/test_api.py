"""The API over a real database: who may what, nothing of another community, problems everywhere, cursors, limits."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
import pytest_asyncio
from fastapi import FastAPI
from psycopg_pool import PoolTimeout

from api.app import make_api
from api.auth import COOKIE
from api.headers import SecurityHeaders
from api.hub import Hub
from api.openapi import document
from hub.clock import SystemClock
from hub.errors import Refused
from modules.billing import BillingPlugin
from modules.workorders import WorkOrdersPlugin
from tests.integration.postgres import new_database
from tests.integration.seeded import PASSWORD, ROLES, Seeded, add_accounts, names, seeded

pytestmark = pytest.mark.asyncio(loop_scope="module")
V1 = "/api/v1"
SAME = {"Sec-Fetch-Site": "same-origin"}
EVERYBODY = frozenset(ROLES)
WORK = frozenset({"guard", "engineer", "admin"})
REPLAY = frozenset({"engineer", "admin"})
ADMIN = frozenset({"admin"})
BILL = frozenset({"finance", "admin"})


class Shifted(SystemClock):
    """The machine's clock, moved on by tests."""

    ahead = timedelta(0)

    def now(self):  # type: ignore[no-untyped-def]
        return super().now() + self.ahead


class World:
    def __init__(self, seeds: Seeded, clock: Shifted) -> None:
        self.seeds = seeds
        self.clock = clock
        self.hub = Hub(seeds.context)
        plugs = [WorkOrdersPlugin(), BillingPlugin()]
        self.app: FastAPI = make_api(self.hub, [plug.routes(seeds.context) for plug in plugs])
        self.tokens: dict[str, str] = {}

    @asynccontextmanager
    async def client(self, name: str | None = None, remote: str = "10.0.0.9") -> AsyncIterator[httpx.AsyncClient]:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False, client=(remote, 1))
        cookies = {COOKIE: self.tokens[name]} if name else {}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://hub", cookies=cookies, headers=SAME
        ) as client:
            yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(postgres_url: str) -> AsyncIterator[World]:
    clock = Shifted()
    async with seeded(new_database(postgres_url), clock) as seeds:
        made = World(seeds, clock)
        for name in await add_accounts(made.hub.accounts, seeds):
            made.tokens[name] = (await made.hub.accounts.login(name, PASSWORD, "setup")).token
        yield made


def problem(response: httpx.Response, status: int, code: str | None = None) -> dict[str, Any]:
    """The body of a problem answer, checked."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert {"type", "title", "status", "code", "detail"} <= set(body)
    assert body["status"] == status
    if code:
        assert body["code"] == code
    return body


# -- who may what ------------------------------------------------------------------------------------------------

Row = tuple[frozenset[str], Mapping[str, Any] | None]

ACCESS: dict[str, Row] = {
    "get /alarms/kpis": (EVERYBODY, None),
    "get /alarms/kpis.{form}": (EVERYBODY, None),
    "get /alarms/{alarm_id}/timeline": (EVERYBODY, None),
    "get /alarms/{alarm_id}/snapshots": (WORK, None),
    "post /alarms/{alarm_id}/evidence": (EVERYBODY, None),
    "post /login": (EVERYBODY, None),
    "post /logout": (EVERYBODY, None),
    "get /me": (EVERYBODY, None),
    "put /me/language": (EVERYBODY, {"language": "zh-CN"}),
    "get /keys": (ADMIN, None),
    "post /keys": (ADMIN, {"name": "kiosk", "role": "viewer"}),
    "delete /keys/{key_id}": (ADMIN, None),
    "get /places": (EVERYBODY, None),
    "get /devices": (EVERYBODY, None),
    "get /devices/{device_id}": (EVERYBODY, None),
    "get /devices/{device_id}/events": (EVERYBODY, None),
    "get /devices/{device_id}/frames": (WORK, None),
    "get /events": (EVERYBODY, None),
    "get /points/last": (EVERYBODY, None),
    "get /points/{point_id}/trend": (EVERYBODY, None),
    "get /alarms": (EVERYBODY, None),
    "get /alarms/storm": (EVERYBODY, None),
    "get /alarms/budget": (EVERYBODY, None),
    "get /alarms/maintenance": (EVERYBODY, None),
    "get /alarms/{alarm_id}": (EVERYBODY, None),
    "post /alarms/{alarm_id}/acknowledge": (WORK, {"note": "seen"}),
    "get /commands": (EVERYBODY, None),
    "post /commands": (WORK, {"device_id": 0, "name": "open", "reason": "test"}),
    "get /commands/{command_id}": (EVERYBODY, None),
    "get /dead-letters": (EVERYBODY, None),
    "get /dead-letters/{letter_id}": (REPLAY, None),
    "post /dead-letters/replay": (REPLAY, {"ids": [1]}),
    "get /pictures/{picture_id}": (WORK, None),
    "get /clips/{clip_id}": (WORK, None),
    "get /overview": (EVERYBODY, None),
    "get /system": (EVERYBODY, None),
    "get /audit": (ADMIN, None),
}
"""Operation -> roles that may, and a body that is right."""


def _operations(world: World) -> dict[str, str]:
    """Every operation under /api/v1 that is not a module's -> its path."""
    found = {}
    for path, methods in world.app.openapi()["paths"].items():
        for method, operation in methods.items():
            if path.startswith(V1) and not {"work orders", "billing", "rules", "plans"} & set(operation["tags"]):
                found[f"{method} {path.removeprefix(V1)}"] = path
    for name in [name for name in found if "/alarms/" in name and not name.startswith("get") and name not in ACCESS]:
        del found[name]  # these stand in test_alarm_api
    return found


def _address(world: World, path: str, foreign: bool) -> str:
    """The path with ids of home, or of the other community."""
    seeds = world.seeds
    theirs = seeds.numbers["foreign"]
    door = seeds.devices["door-b1-u1"]
    ours = {
        "device_id": door.id, "point_id": door.points["open"].id, "alarm_id": seeds.numbers["alarms"][0],
        "letter_id": seeds.numbers["letters"][0], "command_id": seeds.numbers["command"],
        "key_id": seeds.numbers["key"], "form": "csv", "picture_id": seeds.numbers["picture"],
        "clip_id": seeds.numbers["clip"],
    }  # fmt: skip
    others = {
        "device_id": theirs["device"], "point_id": theirs["point"], "alarm_id": theirs["alarm"],
        "letter_id": theirs["letter"], "command_id": theirs["command"], "key_id": seeds.numbers["foreign_key"],
        "form": "csv", "picture_id": theirs["picture"], "clip_id": theirs["clip"],
    }  # fmt: skip
    address = path.format(**{key: str(value) for key, value in (others if foreign else ours).items()})
    if path == f"{V1}/points/last":
        address += f"?device={(others if foreign else ours)['device_id']}"
    return address


async def _ask(world: World, client: httpx.AsyncClient, operation: str, foreign: bool = False) -> httpx.Response:
    method, _, _ = operation.partition(" ")
    path = _operations(world)[operation]
    body = ACCESS[operation][1]
    if body and "device_id" in body:
        device = world.seeds.numbers["foreign"]["device"] if foreign else world.seeds.devices["door-b1-u1"].id
        body = {**body, "device_id": device}
    headers = {"Idempotency-Key": uuid4().hex} if operation == "post /commands" else {}
    return await client.request(method, _address(world, path, foreign), json=body, headers=headers)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def numbered(world: World) -> World:
    """A command and API keys of both communities exist."""
    accounts, seeds = world.hub.accounts, world.seeds
    admin = (await accounts.identify(world.tokens["admin"])).principal()  # type: ignore[union-attr]
    stranger = (await accounts.identify(world.tokens["stranger"])).principal()  # type: ignore[union-attr]
    seeds.numbers["key"], _ = await accounts.create_key(admin, "first", "viewer")
    seeds.numbers["foreign_key"], _ = await accounts.create_key(stranger, "theirs", "viewer")
    row = await seeds.context.commands.request(admin, seeds.devices["door-b1-u1"].id, "open", "x", uuid4().hex)
    seeds.numbers["command"] = row["id"]
    return world


async def test_every_operation_has_a_row(world: World) -> None:
    assert set(_operations(world)) == set(ACCESS)


async def test_nothing_is_open_to_nobody(world: World) -> None:
    """Modules' routes too, whatever they are."""
    async with world.client() as client:
        for path, methods in world.app.openapi()["paths"].items():
            for method in methods:
                if path.startswith(V1) and path != f"{V1}/login":
                    address = re.sub(r"\{\w+\}", "1", path)
                    answer = await client.request(method, address)
                    assert answer.status_code == 401, (method, path, answer.text)
                    assert "items" not in answer.text


@pytest.mark.parametrize("operation", [name for name in ACCESS if name not in ("post /login", "post /logout")])
async def test_roles(numbered: World, operation: str) -> None:
    allowed, _ = ACCESS[operation]
    async with numbered.client() as client:
        problem(await _ask(numbered, client, operation), 401, "not_signed_in")
    for role in ROLES:
        async with numbered.client(role) as client:
            response = await _ask(numbered, client, operation)
            if role in allowed:
                assert response.status_code < 300, (role, response.text)
            else:
                problem(response, 403, "forbidden")


@pytest.mark.parametrize(
    "operation", [name for name in ACCESS if "_id}" in name or name in ("get /points/last", "post /commands")]
)
async def test_foreign_objects_are_not_there(numbered: World, operation: str) -> None:
    for role in sorted(ACCESS[operation][0]):
        async with numbered.client(role) as client:
            response = await _ask(numbered, client, operation, foreign=True)
            problem(response, 404, "not_found")
            assert "SECRET" not in response.text


@pytest.mark.parametrize("operation", [name for name in ACCESS if name.startswith("get") and "{" not in name])
async def test_lists_show_nothing_foreign(numbered: World, operation: str) -> None:
    async with numbered.client("admin") as client:
        assert "SECRET" not in (await _ask(numbered, client, operation)).text


async def test_community_of_a_header_must_be_ones_own(world: World) -> None:
    async with world.client("admin") as client:
        problem(await client.get(f"{V1}/devices", headers={"Hub-Community": "other"}), 403)
        problem(await client.get(f"{V1}/devices", headers={"Hub-Community": "never"}), 403)
        assert (await client.get(f"{V1}/devices", headers={"Hub-Community": "demo"})).status_code == 200


async def test_private_fields_are_masked(world: World) -> None:
    door = world.seeds.devices["door-b1-u1"].id
    for role, seen in (("guard", True), ("viewer", False), ("finance", False)):
        async with world.client(role) as client:
            text = (await client.get(f"{V1}/devices/{door}/events")).text
            assert ("10023344" in text) is seen
            assert ("***44" in text) is not seen


# -- signing in --------------------------------------------------------------------------------------------------


async def test_login_rotates_and_logout_ends(world: World) -> None:
    async with world.client(remote="10.1.0.1") as client:
        credentials = {"name": "viewer", "password": PASSWORD}
        first = await client.post(f"{V1}/login", json=credentials)
        assert first.status_code == 204
        cookie = first.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        old = client.cookies[COOKIE]
        await client.post(f"{V1}/login", json=credentials)
        new = client.cookies[COOKIE]
        assert new != old
        assert await world.hub.accounts.identify(old) is None
        assert (await client.get(f"{V1}/me")).json()["role"] == "viewer"
        assert (await client.post(f"{V1}/logout")).status_code == 204
        assert await world.hub.accounts.identify(new) is None
    with world.seeds.link() as link:
        stored = link.execute("SELECT count(*) FROM hub.session WHERE token_hash = %s", [new.encode()]).fetchone()
        assert stored == (0,)


async def test_a_session_ends_by_itself(world: World) -> None:
    session = await world.hub.accounts.login("viewer", PASSWORD, "10.1.0.2")
    world.clock.ahead = timedelta(hours=11, minutes=59)
    try:
        assert await world.hub.accounts.identify(session.token) is not None
        world.clock.ahead = timedelta(hours=12, seconds=1)
        assert await world.hub.accounts.identify(session.token) is None
    finally:
        world.clock.ahead = timedelta(0)


async def test_secure_cookie_behind_tls(world: World) -> None:
    settings = world.seeds.context.settings
    world.seeds.context.settings = settings.model_copy(update={"http_tls": True})
    try:
        async with world.client(remote="10.1.0.3") as client:
            response = await client.post(f"{V1}/login", json={"name": "viewer", "password": PASSWORD})
        assert "; secure" in response.headers["set-cookie"].lower()
    finally:
        world.seeds.context.settings = settings


@pytest.mark.parametrize("name", ["finance", "no-such-name"])
async def test_ten_guesses_a_name_even_at_once(world: World, name: str) -> None:
    async def guess(number: int) -> int:
        async with world.client(remote=f"10.2.{len(name)}.{number}") as client:
            return (await client.post(f"{V1}/login", json={"name": name, "password": "wrong-wrong"})).status_code

    answers = sorted(await asyncio.gather(*(guess(number) for number in range(14))))
    assert answers == [401] * 10 + [429] * 4
    async with world.client(remote="10.3.0.1") as client:
        refused = await client.post(f"{V1}/login", json={"name": name, "password": PASSWORD})
        problem(refused, 429, "too_many_attempts")
        assert refused.headers["retry-after"] == "900"
    world.clock.ahead = timedelta(minutes=16)
    try:
        async with world.client(remote="10.3.0.1") as client:
            again = await client.post(f"{V1}/login", json={"name": name, "password": PASSWORD})
        assert again.status_code == (204 if name == "finance" else 401)
    finally:
        world.clock.ahead = timedelta(0)


async def test_fifty_guesses_an_address(world: World) -> None:
    accounts = world.hub.accounts
    with world.seeds.link() as link:
        now = world.clock.now()
        for number in range(50):
            link.execute("INSERT INTO hub.login_attempt VALUES (%s, '10.4.0.1', %s)", [f"u{number}", now])
    with pytest.raises(Refused, match="too many"):
        await accounts.login("guard", PASSWORD, "10.4.0.1")
    assert (await accounts.login("guard", PASSWORD, "10.4.0.2")).token


async def test_right_passwords_are_not_counted(world: World) -> None:
    for _ in range(12):
        await world.hub.accounts.login("engineer", PASSWORD, "10.5.0.1")


async def test_disabled_account_is_shut_out_at_once(world: World) -> None:
    await world.hub.accounts.create_account("leaver", PASSWORD, {world.seeds.home: "guard"})
    session = await world.hub.accounts.login("leaver", PASSWORD, "10.6.0.1")
    with world.seeds.link() as link:
        link.execute("UPDATE hub.account SET disabled = true WHERE name = 'leaver'")
    assert await world.hub.accounts.identify(session.token) is None
    with pytest.raises(Refused, match="name or password is wrong"):
        await world.hub.accounts.login("leaver", PASSWORD, "10.6.0.1")


async def test_demo_accounts_once(world: World) -> None:
    with world.seeds.link() as link:
        row = link.execute("SELECT count(*) FROM hub.account").fetchone()
    assert await world.hub.accounts.create_demo_accounts(world.seeds.home) == []
    with world.seeds.link() as link:
        assert link.execute("SELECT count(*) FROM hub.account").fetchone() == row


async def test_drawn_passwords_work(world: World) -> None:
    made = await world.hub.accounts.create_account("drawn", None, {world.seeds.home: "viewer"})
    assert (await world.hub.accounts.login("drawn", made.password, "10.7.0.1")).token
    with pytest.raises(Refused, match="exists already"):
        await world.hub.accounts.create_account("drawn", None, {world.seeds.home: "viewer"})
    with pytest.raises(Refused, match="10 to 200"):
        await world.hub.accounts.create_account("short", "short", {world.seeds.home: "viewer"})


async def test_api_key(numbered: World) -> None:
    async with numbered.client("admin") as client:
        made = (await client.post(f"{V1}/keys", json={"name": "gate-kiosk", "role": "guard"})).json()
    key = {"Authorization": f"Bearer {made['key']}"}
    async with numbered.client() as client:
        del client.headers["Sec-Fetch-Site"]  # a machine, no browser
        me = (await client.get(f"{V1}/me", headers=key)).json()
        assert (me["actor"], me["role"], me["community"]) == ("key:gate-kiosk", "guard", "demo")
        alarm = numbered.seeds.numbers["alarms"][4]
        done = await client.post(f"{V1}/alarms/{alarm}/acknowledge", headers=key)
        assert done.json()["acknowledged_by"] == "key:gate-kiosk"
        for wrong in ("hk_wrong", "", "x" * 4000):
            problem(await client.get(f"{V1}/me", headers={"Authorization": f"Bearer {wrong}"}), 401)
    with numbered.seeds.link() as link:
        assert link.execute(
            "SELECT count(*) FROM hub.api_key WHERE key_hash = %s", [made["key"].encode()]
        ).fetchone() == (0,)
    async with numbered.client("admin") as client:
        assert (await client.delete(f"{V1}/keys/{made['id']}")).status_code == 204
        problem(await client.get(f"{V1}/me", headers=key), 401)


# -- writes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {},
    ],
)
async def test_no_write_from_a_foreign_page(world: World, headers: dict[str, str]) -> None:
    alarm = world.seeds.numbers["alarms"][6]
    async with world.client("guard") as client:
        del client.headers["Sec-Fetch-Site"]
        problem(await client.post(f"{V1}/alarms/{alarm}/acknowledge", headers=headers), 403, "cross_site")
        assert (await client.get(f"{V1}/alarms/{alarm}")).json()["state"] == "active_unacknowledged"
        if headers:
            login = await client.post(f"{V1}/login", json={"name": "guard", "password": PASSWORD}, headers=headers)
            problem(login, 403, "cross_site")


async def test_own_origin_may_write(world: World) -> None:
    async with world.client("guard") as client:
        del client.headers["Sec-Fetch-Site"]
        path = f"{V1}/alarms/{world.seeds.numbers['alarms'][6]}/acknowledge"
        assert (await client.post(path, headers={"Origin": "http://hub"})).status_code == 200


async def test_command_is_sent_once_by_its_key(world: World) -> None:
    world.seeds.driver.executed.clear()
    door = world.seeds.devices["door-b2-u1"].id
    body = {"device_id": door, "name": "open", "reason": "visitor"}
    async with world.client("guard") as client:
        problem(await client.post(f"{V1}/commands", json=body), 422, "invalid")
        answers = await asyncio.gather(
            *(client.post(f"{V1}/commands", json=body, headers={"Idempotency-Key": "one-key-1"}) for _ in range(5))
        )
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.json()["id"] for answer in answers}) == 1
        other = {**body, "device_id": world.seeds.devices["door-b2-u2"].id}
        again = await client.post(f"{V1}/commands", json=other, headers={"Idempotency-Key": "one-key-1"})
        problem(again, 422, "idempotency_mismatch")
        number = answers[0].json()["id"]
        for _ in range(3000):
            detail = (await client.get(f"{V1}/commands/{number}")).json()
            if detail["state"] == "acknowledged":
                break
            await asyncio.sleep(0.02)
    assert [step["state"] for step in detail["history"]] == ["requested", "authorised", "sent", "acknowledged"]
    assert [command.device.id for command in world.seeds.driver.executed] == [door]


async def test_refused_commands_say_why(world: World) -> None:
    pump = world.seeds.devices["pump-1"].id
    async with world.client("engineer") as client:
        for body, code in (
            ({"device_id": pump, "name": "start"}, "reason_required"),
            ({"device_id": pump, "name": "explode", "reason": "x"}, "unknown_command"),
            ({"device_id": pump, "name": "start", "reason": "x", "extra": 1}, "invalid"),
        ):
            answer = await client.post(f"{V1}/commands", json=body, headers={"Idempotency-Key": uuid4().hex})
            problem(answer, 422, code)


async def test_writes_are_in_the_audit_log(numbered: World) -> None:
    async with numbered.client("admin") as client:
        actions = set(names((await client.get(f"{V1}/audit?limit=500")).json()["items"], "action"))
    assert {"session.login", "account.create", "api_key.create", "command.open", "dead_letter.replay"} <= actions


# -- lists, bounds and errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["devices", "events", "alarms?live=false", "commands", "dead-letters", "audit", "devices/DOOR/events"]
)
async def test_cursor_walks_the_whole_list_once(numbered: World, path: str) -> None:
    path = path.replace("DOOR", str(numbered.seeds.devices["door-b1-u1"].id))
    mark = "&" if "?" in path else "?"
    async with numbered.client("admin") as client:
        whole = names((await client.get(f"{V1}/{path}{mark}limit=500")).json()["items"], "id")[:60]
        walked: list[Any] = []
        cursor = ""
        while len(walked) < len(whole):
            size = 7 if len(whole) > 7 else 1
            part = (await client.get(f"{V1}/{path}{mark}limit={size}{cursor}")).json()
            assert part["items"], "the list ended early"
            walked += names(part["items"], "id")
            cursor = f"&cursor={part['next']}"
    assert walked[: len(whole)] == whole


@pytest.mark.parametrize("cursor", ["AAAA", "x", "WyJ4IiwieSJd", "_" * 200, "%00", "Zm9v" * 49])
@pytest.mark.parametrize("path", ["devices", "events", "alarms", "commands", "dead-letters"])
async def test_bad_cursors(world: World, path: str, cursor: str) -> None:
    async with world.client("admin") as client:
        problem(await client.get(f"{V1}/{path}?cursor={cursor}"), 422)


@pytest.mark.parametrize(
    "path",
    [
        "alarms?limit=501",
        "alarms?limit=0",
        "devices/0",
        "devices/99999999999",
        "devices/x",
        "commands/x",
        "alarms/-1",
        "points/1/trend?most=9999",
        "points/1/trend?since=2026-01-01",
        "points/1/trend?since=2026-01-02T00:00Z&until=2026-01-01T00:00Z",
        "points/1/trend?since=0001-01-01T00:00:00Z",
        "points/last",
        "points/1/trend?until=0001-01-01T00:00:00Z",
    ],
)
async def test_bounds_are_problems(world: World, path: str) -> None:
    async with world.client("admin") as client:
        problem(await client.get(f"{V1}/{path}"), 422)


async def test_unknown_paths_and_methods_are_problems(world: World) -> None:
    async with world.client("admin") as client:
        problem(await client.get(f"{V1}/nowhere"), 404)
        problem(await client.patch(f"{V1}/alarms"), 405)
        problem(await client.post(f"{V1}/login", content=b"{"), 422)
        problem(await client.post(f"{V1}/login", content=b"\xff\xfe"), 422)
        problem(await client.post(f"{V1}/login", json={"name": "a", "password": "b", "admin": True}), 422)
        problem(await client.post(f"{V1}/login", json={"name": "a\0b", "password": "b"}), 422)
        problem(await client.post(f"{V1}/alarms/1/acknowledge", json={"note": "a\0b"}), 422)
        lone = b'{"note": "\\ud800"}'
        json_type = {"Content-Type": "application/json"}
        problem(await client.post(f"{V1}/alarms/1/acknowledge", content=lone, headers=json_type), 422)


@pytest.mark.parametrize(
    "error", [PoolTimeout("none free"), psycopg.OperationalError("gone"), psycopg.errors.QueryCanceled("slow")]
)
async def test_no_database_is_503(world: World, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    async def gone(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(world.hub.reads, "places", gone)
    async with world.client("viewer") as client:
        answer = await client.get(f"{V1}/places")
        problem(answer, 503, "busy")
        assert answer.headers["retry-after"] == "5"


async def test_a_bug_tells_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("SECRET password")

    monkeypatch.setattr(world.hub.reads, "places", broken)
    async with world.client("viewer") as client:
        assert "SECRET" not in json.dumps(problem(await client.get(f"{V1}/places"), 500, "internal"))


async def test_trend_steps(world: World) -> None:
    point = world.seeds.devices["pump-1"].points["pressure"].id
    now = world.clock.now()
    async with world.client("viewer") as client:
        for days, step in ((1, "raw"), (30, "hour"), (100, "day")):
            span = {"since": (now - timedelta(days=days)).isoformat(), "until": now.isoformat(), "most": 100}
            line = (await client.get(f"{V1}/points/{point}/trend", params=span)).json()
            assert line["step"] == step
            assert line["unit"] == "kPa"
            assert len(line["rows"]) <= 100
        assert line["total"] == 0
        raw = (await client.get(f"{V1}/points/{point}/trend", params={"most": 2000})).json()
    assert raw["total"] > 1400
    assert max(row["value"] for row in raw["rows"]) > 640


async def test_metrics(world: World) -> None:
    async with world.client(remote="127.0.0.1") as client:
        text = (await client.get("/metrics")).text
        assert 'hub_messages_total{counter="arrivals"} 184220.0' in text
        assert 'hub_part_running{part="bus:gw-b2"} 0.0' in text
        problem(await client.get("/metrics", headers={"X-Forwarded-For": "8.8.8.8"}), 401)
    async with world.client(remote="10.9.9.9") as client:
        problem(await client.get("/metrics"), 401)
        assert (await client.get("/healthz")).json() == {"status": "ok"}


async def test_security_headers(world: World) -> None:
    dressed = SecurityHeaders(world.app, pages=False, tls=True)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(dressed), base_url="http://hub") as client:
        for path in ("/healthz", f"{V1}/nowhere"):
            headers = (await client.get(path)).headers
            assert headers["content-security-policy"].startswith("default-src 'none'")
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cache-control"] == "no-store"
            assert "max-age" in headers["strict-transport-security"]


async def test_openapi_needs_no_database_and_is_the_same_each_time() -> None:
    first = json.dumps(document(), sort_keys=True)
    assert first == json.dumps(document(), sort_keys=True)
    for path, methods in document()["paths"].items():
        for operation in methods.values():
            answers = operation["responses"]
            good = next(answer for status, answer in answers.items() if status.startswith("2"))
            kinds = good.get("content", {})
            file = kinds and "application/json" not in kinds  # metrics, spreadsheets, evidence packs
            assert file or "204" in answers or kinds["application/json"]["schema"], path
