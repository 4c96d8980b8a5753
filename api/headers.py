"""Security headers on every answer, and the nonce that lets the pages' own inline scripts run and nobody else's."""

import re
import secrets
from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SCRIPT = re.compile(rb'<script(?=>| type="(?:importmap|module)">)')
_PLAIN = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

_DRAWING = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'; base-uri 'none'"
"""Of an SVG that is opened by itself: its own styles, and nothing else works."""


def page_policy(nonce: str) -> str:
    """The strictest policy the pages work with.

    Vue compiles its templates in the browser ('unsafe-eval') and Quasar sets style attributes ('unsafe-inline' for
    styles). No inline script runs without the nonce of this very answer, and nothing is loaded from elsewhere.
    """
    return (
        f"default-src 'none'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; media-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    )


class SecurityHeaders:
    """Wraps the API (`pages` False) or the pages (True)."""

    def __init__(self, app: ASGIApp, *, pages: bool, tls: bool) -> None:
        self._app = app
        self._pages = pages
        self._tls = tls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        nonce = secrets.token_urlsafe(16)
        held: list[Message] = []

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._dress(message, nonce)
                if self._is_page(message):
                    held.append(message)
                    return
            elif held and message["type"] == "http.response.body":
                await self._send_page(held, message, nonce, send)
                return
            await send(message)

        await self._app(scope, receive, answer)

    def _dress(self, message: Message, nonce: str) -> None:
        headers = MutableHeaders(scope=message)
        plain = _DRAWING if headers.get("content-type") == "image/svg+xml" else _PLAIN
        headers["Content-Security-Policy"] = page_policy(nonce) if self._pages else plain
        headers["X-Content-Type-Options"] = "nosniff"
        headers["X-Frame-Options"] = "DENY"
        headers["Referrer-Policy"] = "same-origin"
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        position = "(self)" if self._pages else "()"  # a guard's check-in, if the guard allows it
        headers["Permissions-Policy"] = f"camera=(), geolocation={position}, microphone=()"
        if not self._pages:
            headers.setdefault("Cache-Control", "no-store")
        if self._tls:
            headers["Strict-Transport-Security"] = "max-age=31536000"

    def _is_page(self, message: Message) -> bool:
        return self._pages and MutableHeaders(scope=message).get("content-type", "").startswith("text/html")

    async def _send_page(self, held: list[Message], message: MutableMapping[str, Any], nonce: str, send: Send) -> None:
        held.append(message)
        if message.get("more_body"):
            return
        start, *parts = held
        held.clear()
        body = b"".join(part.get("body", b"") for part in parts)
        # Only the tags of the page's own frame: text of devices is escaped and holds no "<".
        body = _SCRIPT.sub(b'<script nonce="' + nonce.encode() + b'"', body)
        headers = MutableHeaders(scope=start)
        headers["Content-Length"] = str(len(body))
        headers["Cache-Control"] = "no-store"
        await send(start)
        await send({"type": "http.response.body", "body": body})
