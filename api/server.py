"""One address for both: /api, /metrics and /healthz go to the API, everything else to the pages."""

import re
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from fastapi import APIRouter, FastAPI
from nicegui import app as nicegui_app
from nicegui import ui
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.app import make_api
from api.auth import same_origin
from api.headers import SecurityHeaders
from api.hub import Hub
from api.pages import alarms, device, devices, doors, kpis, maintenance, overview, plain, plan, rules, system
from api.pages.shell import STATIC, Shell, install_errors
from api.problems import problem
from hub.media.picture import MOST_BYTES
from hub.plugins import OffersRoutes, offering

BODY_LIMIT = 1_048_576

PICTURES = re.compile(r"/api/v1/.+/photographs(/[^/]+)?")
"""Paths that take a picture as their body; modules name them so."""


@runtime_checkable
class OffersPages(Protocol):
    """A plug with pages of its own; it is given the `Shell` (typed Any: modules do not import the api)."""

    def pages(self, shell: Any) -> None: ...


class FrontDoor:
    """The ASGI app of the whole server."""

    def __init__(self, hub: Hub, plugs: Sequence[object] = ()) -> None:
        tls = hub.context.settings.http_tls
        routers: list[APIRouter] = [plug.routes(hub.context) for plug in offering(plugs, OffersRoutes)]
        self.shell = Shell(hub)
        self._pages_app = make_pages(hub, self.shell, plugs)
        self._api: ASGIApp = SecurityHeaders(_Bounded(make_api(hub, routers)), pages=False, tls=tls)
        self._pages: ASGIApp = GZipMiddleware(SecurityHeaders(self._pages_app, pages=True, tls=tls), minimum_size=1024)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._pages_app(scope, receive, send)
            return
        # NiceGUI would build its addresses from this header, which anybody can send.
        scope["headers"] = [pair for pair in scope["headers"] if pair[0] != b"x-forwarded-prefix"]
        path = scope["path"]
        if path.startswith("/api/") or path in ("/metrics", "/healthz"):
            await self._api(scope, receive, send)
        elif scope["type"] == "websocket" and not same_origin(HTTPConnection(scope)):
            await send({"type": "websocket.close", "code": 4403})
        else:
            await self._pages(scope, receive, send)


class _Bounded:
    """No request body above the limit (larger where a picture is taken), whether it says its length or not."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        picture = headers.get(b"content-type", b"").startswith(b"image/") and PICTURES.fullmatch(scope["path"])
        most = MOST_BYTES if picture else BODY_LIMIT
        refuse = problem(413, "too_large", f"a request has at most {most} bytes")
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > most:
            await refuse(scope, receive, send)
            return
        taken, answered = 0, False

        async def bounded() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > most:
                return {"type": "http.disconnect"}
            return message

        async def told(message: Message) -> None:
            nonlocal answered
            if answered or taken <= most:  # else it answers that the request broke off
                answered = True
                await send(message)

        await self._app(scope, bounded, told)
        if taken > most and not answered:
            await refuse(scope, receive, send)


def make_pages(hub: Hub, shell: Shell, plugs: Sequence[object]) -> FastAPI:
    """The pages as an app. NiceGUI keeps its pages by process, so a process has one set of them."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.state.hub = hub
    nicegui_app.state.hub = hub
    app.include_router(plain.router)
    for page in (alarms, doors, plan, devices, device, maintenance, rules, kpis, overview, system):
        page.install(shell)
    for plug in offering(plugs, OffersPages):
        plug.pages(shell)
    nicegui_app.add_static_files("/static", STATIC, max_cache_age=0)  # as /patrol/static: versions must not meet
    install_errors(app)
    ui.run_with(
        app, title="Community Hub", tailwind=False, show_welcome_message=False, gzip_middleware_factory=None,
        reconnect_timeout=10.0, favicon=STATIC / "hub.svg",
    )  # fmt: skip
    return app
