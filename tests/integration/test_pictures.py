"""Pictures in a real PostgreSQL and over HTTP: kept once, seen by their community only, gone by their days."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from api.app import make_api
from api.auth import COOKIE
from api.headers import SecurityHeaders
from api.hub import Hub
from api.server import BODY_LIMIT, PICTURES, _Bounded
from hub.clock import SystemClock
from hub.errors import Refused
from hub.media import store
from hub.media.picture import MOST_BYTES, Picture, read_picture
from hub.store.database import NotThere
from hub.store.upkeep import Upkeep
from tests.integration.seeded import PASSWORD, Seeded, add_accounts, seeded
from tests.unit.test_picture import encoded, two_halves

DAY = timedelta(days=1)


@pytest.fixture
async def seeds(database_url: str) -> AsyncIterator[Seeded]:
    async with seeded(database_url, SystemClock(), {"picture_days": 180}) as made:
        yield made


def picture(width: int = 64) -> Picture:
    return read_picture(encoded(two_halves(width, 32)))


async def keep(seeds: Seeded, given: Picture, community: int | None = None, age: timedelta = timedelta(0)) -> UUID:
    at = seeds.context.clock.now() - age
    home = community or seeds.home
    async with seeds.context.database.session([home]) as connection:
        return await store.keep(
            connection, home, given, subject="incident:7", source="user:li", taken_at=at, received_at=at
        )


async def test_sent_again_it_is_the_same_picture(seeds: Seeded) -> None:
    one, at = picture(), seeds.context.clock.now()
    async with seeds.context.database.session([seeds.home]) as connection:
        asked = {"source": "user:li", "taken_at": at, "received_at": at}
        first = await store.keep(connection, seeds.home, one, subject="incident:7", **asked)
        again = await store.keep(connection, seeds.home, one, subject="incident:7", **asked)
        other = await store.keep(connection, seeds.home, one, subject="incident:8", **asked)
        wider = await store.keep(connection, seeds.home, picture(66), subject="incident:7", **asked)
    assert first == again and len({first, other, wider}) == 3
    async with seeds.context.database.session([seeds.home]) as connection:
        assert await store.read(connection, seeds.home, first) == one.body
        rows = await store.of_subjects(connection, seeds.home, ["incident:7"])
    assert {row["id"] for row in rows} == {first, wider}
    assert {(row["sha256"], row["gone"]) for row in rows} == {(one.sha256, False), (picture(66).sha256, False)}


async def test_it_is_there_if_and_only_if_the_transaction_is(seeds: Seeded) -> None:
    at = seeds.context.clock.now()
    with pytest.raises(ZeroDivisionError):
        async with seeds.context.database.session([seeds.home]) as connection:
            number = await store.keep(
                connection, seeds.home, picture(), subject="incident:7", source="user:li", taken_at=at, received_at=at
            )
            raise ZeroDivisionError
    async with seeds.context.database.session([seeds.home]) as connection:
        with pytest.raises(NotThere):
            await store.known(connection, seeds.home, number)


async def test_another_community_sees_nothing(seeds: Seeded) -> None:
    number = await keep(seeds, picture())
    async with seeds.context.database.session([seeds.foreign]) as connection:
        for asked in (seeds.foreign, seeds.home):  # row security says no even where the query asks for it
            with pytest.raises(NotThere):
                await store.read(connection, asked, number)
            assert await store.of_subjects(connection, asked, ["incident:7"]) == []
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with seeds.context.database.session([seeds.foreign]) as connection:
            await store.keep(
                connection, seeds.home, picture(), subject="incident:7", source="user:x",
                taken_at=seeds.context.clock.now(), received_at=seeds.context.clock.now(),
            )  # fmt: skip


async def test_after_its_days_the_row_stays_and_a_sealed_one_whole(seeds: Seeded) -> None:
    old, sealed, young = picture(64), picture(66), picture(68)
    numbers = [
        await keep(seeds, old, age=181 * DAY),
        await keep(seeds, sealed, age=181 * DAY),
        await keep(seeds, young),
    ]
    abroad = await keep(seeds, old, seeds.foreign, age=181 * DAY)
    async with seeds.context.database.session([seeds.home]) as connection:
        await store.hold(connection, seeds.home, [numbers[1]])
    upkeep = Upkeep(seeds.url, seeds.context.clock, seeds.context.settings)
    await upkeep.prune()
    async with seeds.context.database.session([seeds.home]) as connection:
        with pytest.raises(Refused) as gone:
            await store.read(connection, seeds.home, numbers[0])
        assert (gone.value.code, gone.value.status) == ("picture_gone", 410)
        row = await store.known(connection, seeds.home, numbers[0])
        assert (row["gone"], row["sha256"]) == (True, old.sha256)
        assert await store.read(connection, seeds.home, numbers[1]) == sealed.body
        assert await store.read(connection, seeds.home, numbers[2]) == young.body
        await store.hold(connection, seeds.home, numbers)  # what is gone cannot be held; nothing breaks
    async with seeds.context.database.session([seeds.foreign]) as connection:
        assert (await store.known(connection, seeds.foreign, abroad))["gone"]


async def test_nobody_removes_or_alters_one(seeds: Seeded) -> None:
    number = await keep(seeds, picture())
    async with seeds.context.database.session([seeds.home]) as connection:
        await store.hold(connection, seeds.home, [number])
    for change in ("DELETE FROM hub.picture", "UPDATE hub.picture SET body = ''", "UPDATE hub.picture SET sha256 = ''"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with seeds.context.database.session([seeds.home]) as connection:
                await connection.execute(change)
    with seeds.link() as link:
        link.execute("SET ROLE hub_ingest")
        link.execute("SELECT set_config('hub.communities', %s, false)", [str(seeds.home)])
        with pytest.raises(psycopg.errors.CheckViolation):
            link.execute("UPDATE hub.picture SET body = NULL")


async def test_over_http(seeds: Seeded) -> None:
    given = picture()
    number, foreign = await keep(seeds, given), await keep(seeds, given, seeds.foreign)
    hub = Hub(seeds.context)
    await add_accounts(hub.accounts, seeds)
    app = SecurityHeaders(make_api(hub), pages=False, tls=False)

    async def get(name: str | None, path: object, **headers: str) -> httpx.Response:
        cookies = {COOKIE: (await hub.accounts.login(name, PASSWORD, "test")).token} if name else {}
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://hub", cookies=cookies) as client:
            return await client.get(f"/api/v1/pictures/{path}", headers=headers)

    seen = await get("guard", number)
    assert (seen.status_code, seen.content) == (200, given.body)
    assert seen.headers["content-type"] == "image/jpeg"
    assert seen.headers["x-content-type-options"] == "nosniff"
    assert seen.headers["cache-control"] == "private, no-cache"
    assert seen.headers["etag"] == f'"{given.sha256.hex()}"'
    again = await get("guard", number, **{"If-None-Match": f'W/"x", {seen.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    changed = await get("guard", number, **{"If-None-Match": '"0"'})
    assert changed.status_code == 200
    assert (await get(None, number)).status_code == 401
    assert (await get("viewer", number)).status_code == 403
    assert (await get("viewer", number, **{"If-None-Match": seen.headers["etag"]})).status_code == 403
    for path in (foreign, uuid4()):
        missing = await get("guard", path)
        assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert (await get("guard", "../../etc/passwd")).status_code == 404
    assert (await get("guard", "7")).status_code == 422


TAKES = "/api/v1/duty/incidents/7/photographs"


async def parts(size: int) -> AsyncIterator[bytes]:
    for start in range(0, size, 100_000):
        yield b"x" * min(100_000, size - start)


async def test_a_picture_may_be_larger_than_other_requests() -> None:
    async def app(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            size, more = size + len(message["body"]), message.get("more_body", False)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(size).encode()})

    async with httpx.AsyncClient(transport=httpx.ASGITransport(_Bounded(app)), base_url="http://hub") as client:
        for path, size, kind, status in (
            ("/", BODY_LIMIT, "application/json", 200), ("/", BODY_LIMIT + 1, "application/json", 413),
            ("/", BODY_LIMIT + 1, "image/jpeg", 413), (TAKES, BODY_LIMIT + 1, "application/json", 413),
            (TAKES, MOST_BYTES, "image/jpeg", 200), (TAKES, MOST_BYTES + 1, "image/jpeg", 413),
        ):  # fmt: skip
            for content in (b"x" * size, parts(size)):
                answer = await client.post(path, content=content, headers={"content-type": kind})
                assert answer.status_code == status
                assert status == 200 or answer.json()["code"] == "too_large"


def test_every_way_in_for_pictures_may_be_as_large() -> None:
    described = json.loads(Path("docs/reference/openapi.json").read_text("utf-8"))["paths"]
    taking = [
        path
        for path, works in described.items()
        for work in works.values()
        if "image/jpeg" in work.get("requestBody", {}).get("content", {})
    ]
    assert len(taking) == 5 and [path for path in taking if not PICTURES.fullmatch(path)] == []
