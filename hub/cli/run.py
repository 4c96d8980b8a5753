"""`hub run`: one hub process until it is told to stop."""

import asyncio
import gc
import os
import signal
from collections.abc import Awaitable, Callable

import structlog
import uvloop

from hub.app import Hub
from hub.cli.stack import servers
from hub.settings import Settings

_log = structlog.get_logger()


def with_hub(settings: Settings, body: Callable[[Hub, asyncio.Event], Awaitable[int]]) -> int:
    """Start servers and hub, run `body` until it ends or a signal sets the event, stop everything; its exit code."""
    with servers(settings) as ready:
        environment = {**os.environ, "HUB_MQTT_URL": ready.mqtt_url}
        return uvloop.run(_live(ready, environment, body))


async def _live(
    settings: Settings, environment: dict[str, str], body: Callable[[Hub, asyncio.Event], Awaitable[int]]
) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    hub = Hub(settings, environment)
    await hub.start()
    _spare_the_collector()
    try:
        return await body(hub, stop)
    finally:
        await hub.stop()


def _spare_the_collector() -> None:
    """What is loaded by now stays for good; looking through it again and again cost a fifth of the ingest's CPU."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)


def run(settings: Settings) -> int:
    """A hub until SIGINT or SIGTERM."""

    async def until_stopped(hub: Hub, stop: asyncio.Event) -> int:
        _log.info("the hub runs", pages=f"http://{settings.http_host}:{settings.http_port}", devices=len(hub.devices))
        await stop.wait()
        _log.info("stopping")
        return 0

    return with_hub(settings, until_stopped)
