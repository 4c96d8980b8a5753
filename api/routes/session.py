"""Signing in and out, and who I am."""

from fastapi import APIRouter, Request, Response

from api.auth import COOKIE, Someone, Who, clear_cookie, remote_of, same_origin, set_cookie
from api.hub import hub_of
from api.problems import RESPONSES, Problem
from api.schemas import Id, KeyIn, KeyMade, KeyOut, LanguageIn, Login, Me, MembershipOut
from hub.errors import Refused

router = APIRouter(responses=RESPONSES)


@router.post("/login", tags=["session"], status_code=204, responses={429: {"model": Problem}})
async def login(request: Request, response: Response, body: Login) -> None:
    """Sign in; the session comes as a cookie. 429 after 10 wrong passwords of a name or 50 of an address in 15 min."""
    browser = "origin" in request.headers or "sec-fetch-site" in request.headers
    if browser and not same_origin(request):
        raise Refused("cross_site", "sign in from a page of this hub", 403)
    hub = hub_of(request)
    session = await hub.accounts.login(body.name, body.password, remote_of(request), request.cookies.get(COOKIE))
    set_cookie(response, session, hub.context.settings)


@router.post("/logout", tags=["session"], status_code=204)
async def logout(request: Request, response: Response, _: Someone) -> None:
    """End this session."""
    hub = hub_of(request)
    await hub.accounts.logout(request.cookies.get(COOKIE, ""), remote_of(request))
    clear_cookie(response, hub.context.settings)


@router.get("/me", tags=["session"])
async def me(someone: Someone, who: Who) -> Me:
    """Who I am, here and in which other communities."""
    communities = [
        MembershipOut(code=m.code, name=m.name, time_zone=m.time_zone, role=m.role) for m in someone.memberships
    ]
    here = next(m.code for m in someone.memberships if m.community_id == who.community_id)
    return Me(
        actor=someone.actor, name=someone.name, language=someone.language, community=here, role=who.role,
        communities=communities, expires_at=someone.expires_at,
    )  # fmt: skip


@router.put("/me/language", tags=["session"], status_code=204)
async def set_language(request: Request, someone: Someone, body: LanguageIn) -> None:
    """Keep my language."""
    if not someone.actor.startswith("user:"):
        raise Refused("not_a_person", "an API key has no language", 409)
    await hub_of(request).accounts.set_language(someone.name, body.language)


@router.get("/keys", tags=["keys"])
async def keys(request: Request, who: Who) -> list[KeyOut]:
    """API keys of this community, newest first (admin)."""
    return [KeyOut.model_validate(row) for row in await hub_of(request).accounts.keys(who)]


@router.post("/keys", tags=["keys"], status_code=201)
async def create_key(request: Request, who: Who, body: KeyIn) -> KeyMade:
    """A new API key (admin)."""
    number, key = await hub_of(request).accounts.create_key(who, body.name, body.role)
    return KeyMade(id=number, key=key)


@router.delete("/keys/{key_id}", tags=["keys"], status_code=204)
async def revoke_key(request: Request, who: Who, key_id: Id) -> None:
    """The key opens nothing from now on (admin)."""
    await hub_of(request).accounts.revoke_key(who, key_id)
