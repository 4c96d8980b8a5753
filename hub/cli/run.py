"""`hub run`: one hub process until it is told to stop."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable

import structlog
import uvloop

from hub.app import Hub
from hub.cli.stack import servers
from hub.settings import Settings

_log = structlog.get_logger()


def configure_logging(log_format: str) -> None:
    """Structured logs to stderr: for people (console) or for machines (json)."""
    last: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False) if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )  # fmt: skip
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if log_format == "console" else "iso", utc=False),
            structlog.processors.format_exc_info if log_format == "json" else _pass,
            last,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _pass(_logger: object, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return event


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
    try:
        return await body(hub, stop)
    finally:
        await hub.stop()


def run(settings: Settings) -> int:
    """A hub until SIGINT or SIGTERM."""

    async def until_stopped(hub: Hub, stop: asyncio.Event) -> int:
        _log.info("the hub runs", pages=f"http://{settings.http_host}:{settings.http_port}", devices=len(hub.devices))
        await stop.wait()
        _log.info("stopping")
        return 0

    return with_hub(settings, until_stopped)
