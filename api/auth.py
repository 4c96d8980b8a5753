"""Who asks: the session cookie of a browser or the API key of a machine; and no write from a foreign page."""

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request, Response
from fastapi.security import APIKeyCookie, HTTPBearer
from starlette.requests import HTTPConnection

from api.hub import Hub, hub_of
from hub.accounts.model import Identity, Session
from hub.errors import Refused
from hub.principal import Principal
from hub.settings import Settings

COOKIE = "hub_session"
COMMUNITY_COOKIE = "hub_community"
COMMUNITY_HEADER = "Hub-Community"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_TOKEN_LENGTH = 128


def remote_of(connection: HTTPConnection) -> str:
    """Address of the other side as uvicorn knows it."""
    return connection.client.host if connection.client else ""


def bearer_of(connection: HTTPConnection) -> str | None:
    """The API key of an Authorization header."""
    scheme, _, key = connection.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else None


def same_origin(connection: HTTPConnection) -> bool:
    """False when a browser says that another site's page asks (Sec-Fetch-Site, or else Origin against Host)."""
    site = connection.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    origin = connection.headers.get("origin")
    if origin is None:
        return site is not None
    return urlsplit(origin).netloc == connection.headers.get("host")


async def identify(hub: Hub, connection: HTTPConnection) -> Identity:
    """Who asks. Refused(401); Refused(403) for a cookie-bearing write from elsewhere."""
    key = bearer_of(connection)
    if key is not None:
        identity = await hub.accounts.identify_key(key) if key.startswith("hk_") and len(key) < _TOKEN_LENGTH else None
    else:
        token = connection.cookies.get(COOKIE, "")
        identity = await hub.accounts.identify(token) if 0 < len(token) < _TOKEN_LENGTH else None
        if identity and connection.scope.get("method", "GET") not in _SAFE and not same_origin(connection):
            raise Refused("cross_site", "a write must come from a page of this hub", 403)
    if identity is None:
        raise Refused("not_signed_in", "sign in, or send a valid API key", 401)
    return identity


def principal_of(identity: Identity, connection: HTTPConnection) -> Principal:
    """In the community named by a machine's header, a page's cookie, or the first.

    Refused(403) for a header that names a community without a role there.
    """
    code = connection.headers.get(COMMUNITY_HEADER)
    if code is None:
        kept = connection.cookies.get(COMMUNITY_COOKIE)
        code = kept if any(membership.code == kept for membership in identity.memberships) else None
    return identity.principal(code, remote_of(connection))


async def _identity(request: Request) -> Identity:
    return await identify(hub_of(request), request)


async def _principal(request: Request, identity: Annotated[Identity, Depends(_identity)]) -> Principal:
    return principal_of(identity, request)


async def carry_principal(request: Request, who: Annotated[Principal, Depends(_principal)]) -> None:
    """For the modules' routers, which know no login: the principal is in `request.state.principal`."""
    request.state.principal = who


Who = Annotated[Principal, Depends(_principal)]
"""The principal of a route's request."""

Someone = Annotated[Identity, Depends(_identity)]
"""Who asks, with every community that is open to them."""

SCHEMES = [
    Depends(APIKeyCookie(name=COOKIE, auto_error=False, scheme_name="session", description="Browser session")),
    Depends(HTTPBearer(auto_error=False, scheme_name="api_key", description="API key `hk_…` of a machine")),
]
"""For OpenAPI only: the checks are in `identify`."""


def set_cookie(response: Response, session: Session, settings: Settings) -> None:
    """Hand the token to the browser: out of reach of scripts and of other sites."""
    response.set_cookie(
        COOKIE, session.token, max_age=settings.session_hours * 3600, path="/", httponly=True, samesite="lax",
        secure=settings.http_tls,
    )  # fmt: skip


def clear_cookie(response: Response, settings: Settings) -> None:
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax", secure=settings.http_tls)
