"""Drawings over HTTP: images in which nothing works, of one's own community only."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from api.app import make_api
from api.auth import COOKIE
from api.headers import SecurityHeaders
from api.hub import Hub
from hub.catalog.paths import packaged_config
from hub.clock import SystemClock
from tests.integration.postgres import new_database
from tests.integration.seeded import FOREIGN_DRAWING, PASSWORD, ROLES, add_accounts, seeded

pytestmark = pytest.mark.asyncio(loop_scope="module")
V1 = "/api/v1"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clients(postgres_url: str) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    async with seeded(new_database(postgres_url), SystemClock()) as seeds:
        hub = Hub(seeds.context)
        transport = httpx.ASGITransport(SecurityHeaders(make_api(hub), pages=False, tls=False))
        made = {"": httpx.AsyncClient(transport=transport, base_url="http://hub")}
        for name in await add_accounts(hub.accounts, seeds):
            cookies = {COOKIE: (await hub.accounts.login(name, PASSWORD, "setup")).token}
            made[name] = httpx.AsyncClient(transport=transport, base_url="http://hub", cookies=cookies)
        yield made
        for client in made.values():
            await client.aclose()


async def test_a_drawing_is_an_image_in_which_nothing_works(clients: dict[str, httpx.AsyncClient]) -> None:
    client = clients["viewer"]
    plan = (await client.get(f"{V1}/plan")).json()
    assert plan["devices"]["pump-1"] == {"x": 0.14, "y": 0.633}
    drawing = next(one for one in plan["drawings"] if one["place"] == "garage")
    assert (drawing["width"], drawing["height"]) == (1400, 900)
    given = await client.get(drawing["href"])
    assert given.content == (packaged_config() / "sites/drawings/demo-garage.svg").read_bytes()
    assert given.headers["content-type"] == "image/svg+xml"
    policy = given.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "sandbox", "frame-ancestors 'none'"} <= set(policy)
    assert not any(part.startswith("script-src") for part in policy)
    assert given.headers["x-content-type-options"] == "nosniff"
    assert given.headers["cache-control"] == "private, no-cache"
    again = await client.get(drawing["href"], headers={"If-None-Match": given.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_everybody_sees_the_own_community_only(clients: dict[str, httpx.AsyncClient]) -> None:
    home = (await clients["viewer"].get(f"{V1}/plan")).json()["drawings"][0]["href"]
    theirs = f"{V1}/drawings/{FOREIGN_DRAWING}"
    for role in ROLES:
        assert (await clients[role].get(home)).status_code == 200
        assert (await clients[role].get(theirs)).status_code == 404
    assert (await clients["stranger"].get(theirs)).status_code == 200
    assert (await clients["stranger"].get(home)).status_code == 404
    assert (await clients["newcomer"].get(f"{V1}/plan")).json() == {"drawings": [], "devices": {}, "places": {}}
    for path in ("/plan", home.removeprefix(V1)):
        assert (await clients[""].get(V1 + path)).status_code == 401
    for name in ("demo-garage.svg", "F" * 64, "..%2fdemo-garage.svg"):
        assert (await clients["viewer"].get(f"{V1}/drawings/{name}")).status_code in (404, 422)
