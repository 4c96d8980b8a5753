"""The WebSocket stream on a listening server: whose words, whose changes, bounded, and closed when it must be."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from api import stream
from api.app import make_api
from api.auth import COOKIE
from api.hub import Hub
from hub.clock import SystemClock
from hub.live import Change
from tests.integration.postgres import new_database
from tests.integration.seeded import PASSWORD, Seeded, add_accounts, seeded

pytestmark = pytest.mark.asyncio(loop_scope="module")


class World:
    def __init__(self, seeds: Seeded, port: int) -> None:
        self.seeds = seeds
        self.hub = Hub(seeds.context)
        self.port = port

    async def token(self, name: str = "guard") -> str:
        return (await self.hub.accounts.login(name, PASSWORD, "test")).token

    def open(self, token: str, origin: str | None = "own", query: str = "", **more: Any) -> connect:
        headers = {"Cookie": f"{COOKIE}={token}"}
        if origin:
            headers["Origin"] = f"http://127.0.0.1:{self.port}" if origin == "own" else origin
        address = f"ws://127.0.0.1:{self.port}/api/v1/stream{query}"
        return connect(address, additional_headers=headers, proxy=None, **more)

    def publish(self, key: str, community: int | None = None, size: int = 0) -> None:
        home = self.seeds.home if community is None else community
        self.seeds.context.live.publish(Change("alarm", home, key, {"n": key, "fill": "x" * size}))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(postgres_url: str) -> AsyncIterator[World]:
    async with seeded(new_database(postgres_url), SystemClock()) as seeds:
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        made = World(seeds, listening.getsockname()[1])
        await add_accounts(made.hub.accounts, seeds)
        server = uvicorn.Server(
            uvicorn.Config(make_api(made.hub), log_level="warning", ws_ping_interval=None, ws_per_message_deflate=False)
        )
        running = asyncio.create_task(server._serve([listening]))
        while not server.started:
            await asyncio.sleep(0.01)
        yield made
        server.should_exit = True
        await running
        listening.close()


async def _hello(socket_: ClientConnection) -> None:
    assert "hello" in json.loads(await socket_.recv())


async def _closed(socket_: ClientConnection) -> int:
    with pytest.raises(ConnectionClosed) as caught:
        while True:
            await asyncio.wait_for(socket_.recv(), 100)
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code


@pytest.mark.parametrize("origin", ["http://evil.example", "null", None])
async def test_foreign_page_gets_nothing(world: World, origin: str | None) -> None:
    async with world.open(await world.token(), origin) as socket_:
        assert await _closed(socket_) == 4403


async def test_without_session_nothing(world: World) -> None:
    async with world.open("wrong") as socket_:
        assert await _closed(socket_) == 4401


async def test_unknown_topic(world: World) -> None:
    async with world.open(await world.token(), query="?topics=alarm,secrets") as socket_:
        assert await _closed(socket_) == 4422


async def test_api_key_needs_no_origin(world: World) -> None:
    identity = await world.hub.accounts.identify(await world.token("admin"))
    assert identity is not None
    _, key = await world.hub.accounts.create_key(identity.principal(), "machine", "viewer")
    address = f"ws://127.0.0.1:{world.port}/api/v1/stream"
    async with connect(address, additional_headers={"Authorization": f"Bearer {key}"}, proxy=None) as socket_:
        await _hello(socket_)
        world.publish("k")
        assert json.loads(await socket_.recv())["changes"][0]["key"] == "k"


async def test_only_ones_own_community(world: World) -> None:
    async with world.open(await world.token()) as socket_:
        await _hello(socket_)
        world.publish("theirs", world.seeds.foreign)
        world.publish("ours")
        changes = json.loads(await socket_.recv())["changes"]
        assert [change["key"] for change in changes] == ["ours"]


async def test_lost_changes_are_told(world: World) -> None:
    async with world.open(await world.token()) as socket_:
        await _hello(socket_)
        for number in range(400):  # without a pause: the mailbox overflows before anybody can read
            world.publish(str(number))
        assert "resync" in json.loads(await socket_.recv())  # what was dropped is read again, so nothing of it follows
        world.publish("later")
        assert [change["key"] for change in json.loads(await socket_.recv())["changes"]] == ["later"]


async def test_who_does_not_read_is_sent_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "SEND_WITHIN_S", 0.3)
    before = world.seeds.context.live.readers
    async with world.open(await world.token(), max_queue=1, max_size=None) as socket_:
        await _hello(socket_)
        for number in range(400):
            world.publish(str(number), size=100_000)
            await asyncio.sleep(0)
            if world.seeds.context.live.readers == before:
                break
            await asyncio.sleep(0.005)
        for _ in range(3000):
            if world.seeds.context.live.readers == before:
                break
            await asyncio.sleep(0.02)
        assert world.seeds.context.live.readers == before
        with pytest.raises(ConnectionClosed) as caught:
            while True:
                await asyncio.wait_for(socket_.recv(), 60)
        assert caught.value.rcvd is None or caught.value.rcvd.code == 1013


async def test_talker_is_sent_away(world: World) -> None:
    async with world.open(await world.token()) as socket_:
        await _hello(socket_)
        for _ in range(101):
            await socket_.send("hi")
        assert await _closed(socket_) == 1008


async def test_end_of_the_session_ends_the_stream(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "RECHECK_S", 0.05)
    token = await world.token()
    async with world.open(token) as socket_:
        await _hello(socket_)
        await world.hub.accounts.logout(token)
        assert await _closed(socket_) == 4401


async def test_gone_readers_leave_nothing(world: World) -> None:
    before = world.seeds.context.live.readers
    async with world.open(await world.token()) as socket_:
        await _hello(socket_)
        assert world.seeds.context.live.readers == before + 1
    for _ in range(3000):
        if world.seeds.context.live.readers == before:
            break
        await asyncio.sleep(0.02)
    assert world.seeds.context.live.readers == before
