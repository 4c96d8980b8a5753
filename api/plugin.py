"""The plug: serves people and programs until it is cancelled."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Mapping, Sequence

import structlog
import uvicorn

from api.hub import Hub
from hub.context import Context

_log = structlog.get_logger()
_GRACE_S = 3


class _Server(uvicorn.Server):
    """uvicorn without its hands on the process's signals: whoever runs us cancels us."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class ApiPlugin:
    """What the api offers the hub: the server, and the description of what it answers."""

    def reference(self) -> Mapping[str, str]:
        """The OpenAPI document of the API and the modules' routes."""
        from api.openapi import text

        return {"openapi.json": text()}

    async def serve(self, context: Context, plugs: Sequence[object]) -> None:
        """Serve on the settings' host and port until cancelled. OSError when the port is taken."""
        from api.server import FrontDoor  # the pages are loaded only where they are served

        settings = context.settings
        door = FrontDoor(Hub(context), plugs)
        listening = _listen(settings.http_host, settings.http_port)
        config = uvicorn.Config(
            door, lifespan="on", log_config=None, access_log=False, server_header=False,
            proxy_headers=settings.http_tls, ws_max_size=65_536, ws_ping_interval=20, ws_ping_timeout=20,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=_GRACE_S, timeout_keep_alive=30, limit_concurrency=2000,
        )  # fmt: skip
        server = _Server(config)
        running = asyncio.create_task(server.serve([listening]), name="http")
        _log.info("pages and API listen", url=f"http://{settings.http_host}:{settings.http_port}")
        try:
            await asyncio.shield(running)
        finally:
            server.should_exit = True
            await door.shell.close()
            with contextlib.suppress(asyncio.CancelledError):
                await running
            listening.close()


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket; OSError when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError:
        listening.close()
        raise
    return listening
