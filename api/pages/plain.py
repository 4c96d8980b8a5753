"""Pages without script: sign-in and errors. And the small forms of the header, which are plain posts too."""

from html import escape
from urllib.parse import parse_qs, urlsplit

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from api.auth import COMMUNITY_COOKIE, COOKIE, clear_cookie, identify, remote_of, same_origin, set_cookie
from api.hub import hub_of
from api.pages.view import SCHEME_COOKIE, dark_cookie
from api.texts import choose, texts
from hub.errors import Refused

router = APIRouter(include_in_schema=False)
_YEAR_S = 31_536_000

_FRAME = """<!doctype html>
<html lang="{lang}"><head><meta charset="utf-8"><title>{title} · {app}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="/static/hub.svg" type="image/svg+xml"><link rel="stylesheet" href="/static/hub.css">
<script src="/static/theme.js"></script>
</head><body class="{dark}"><main class="gate">{body}</main></body></html>"""

_SIGN_IN = """<form method="post" action="/login">
<span class="brand"><span class="mark" aria-hidden="true">◆</span>{app}</span>
<h1>{title}</h1>{wrong}
<input type="hidden" name="next" value="{next}"><input type="hidden" name="lang" value="{lang}">
<label>{name}<input name="name" value="{given}" autocomplete="username" autocapitalize="none" maxlength="64" required
 {focus_name}></label>
<label>{password}<input name="password" type="password" autocomplete="current-password" maxlength="200" required
 {focus_password}></label>
<button class="solid" type="submit">{submit}</button>
<nav class="languages" aria-label="Language"><a href="/login?lang=zh-CN" lang="zh-CN">中文</a>
<a href="/login?lang=en" lang="en">English</a></nav></form>"""


def _frame(request: Request, language: str, title: str, body: str, status: int = 200) -> HTMLResponse:
    dark = "body--dark" if request.cookies.get(SCHEME_COOKIE) == "dark" else ""
    app = escape(texts(language)("app.name"))
    return HTMLResponse(_FRAME.format(lang=language, title=escape(title), app=app, dark=dark, body=body), status)


def error_page(request: Request, status: int) -> HTMLResponse:
    """What a person sees instead of a page that cannot be shown."""
    language = choose(request.query_params.get("lang"), request.headers.get("accept-language", ""))
    t = texts(language)
    reason = t({404: "error.not_found", 403: "error.forbidden", 503: "error.busy"}.get(status, "error.other"))
    body = (
        f'<div class="card"><h1>{escape(t("error.title"))}</h1><p>{escape(reason)}</p>'
        f'<a class="solid" href="/">{escape(t("error.home"))}</a></div>'
    )
    return _frame(request, language, t("error.title"), body, status)


@router.get("/login")
async def login_page(request: Request) -> Response:
    """The sign-in form."""
    language = choose(request.query_params.get("lang"), request.headers.get("accept-language", ""))
    return _sign_in(request, language, _local(request.query_params.get("next", "/")))


def _sign_in(
    request: Request, language: str, after: str, given: str = "", wrong: str = "", status: int = 200
) -> HTMLResponse:
    t = texts(language)
    body = _SIGN_IN.format(
        app=escape(t("app.name")), title=escape(t("login.title")), name=escape(t("login.name")),
        password=escape(t("login.password")), submit=escape(t("login.submit")), lang=language, next=escape(after),
        given=escape(given), wrong=f'<p class="wrong" role="alert">{escape(t(wrong))}</p>' if wrong else "",
        focus_name="" if given else "autofocus", focus_password="autofocus" if given else "",
    )  # fmt: skip
    return _frame(request, language, t("login.title"), body, status)


@router.post("/login")
async def login(request: Request) -> Response:
    """Sign in and go on to where the person wanted to."""
    form = await _form(request)
    language = choose(form.get("lang"))
    name, after = form.get("name", "")[:64], _local(form.get("next", "/"))
    hub = hub_of(request)
    try:
        if not same_origin(request):
            raise Refused("cross_site", "sign in from this page", 403)
        session = await hub.accounts.login(
            name, form.get("password", "")[:200], remote_of(request), request.cookies.get(COOKIE)
        )
    except Refused as error:
        return _sign_in(request, language, after, name, f"login.{error.code}", error.status)
    response = RedirectResponse(after, 303)
    set_cookie(response, session, hub.context.settings)
    return response


@router.post("/logout")
async def logout(request: Request) -> Response:
    """Sign out."""
    hub = hub_of(request)
    response = RedirectResponse("/login", 303)
    if same_origin(request):
        await hub.accounts.logout(request.cookies.get(COOKIE, "")[:128], remote_of(request))
        clear_cookie(response, hub.context.settings)
    return response


@router.post("/preferences")
async def preferences(request: Request) -> Response:
    """Language (kept with the account), night mode and community (kept in the browser)."""
    form = await _form(request)
    hub = hub_of(request)
    response = RedirectResponse(_back(request), 303)
    if not same_origin(request):
        return response
    secure = hub.context.settings.http_tls
    try:
        identity = await identify(hub, request)
        if (dark := form.get("dark")) in ("0", "1"):
            kept = dark_cookie(identity.name)
            response.set_cookie(kept, dark, max_age=_YEAR_S, httponly=True, samesite="lax", secure=secure)
        if "language" in form:
            await hub.accounts.set_language(identity.name, form["language"])
        if "community" in form:
            code = identity.membership(form["community"]).code
            response.set_cookie(COMMUNITY_COOKIE, code, max_age=_YEAR_S, httponly=True, samesite="lax", secure=secure)
    except Refused:
        return response
    return response


async def _form(request: Request) -> dict[str, str]:
    """A small urlencoded form; what is larger than 8 kB or no text is nothing."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > 8192:
            return {}
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=10, errors="strict")
    except ValueError:
        return {}
    return {key: values[0].replace("\0", "") for key, values in fields.items()}


def _local(target: str) -> str:
    """A path of this site, or "/"."""
    parts = urlsplit(target) if target.startswith("/") and "\\" not in target else None
    plain = parts is not None and not parts.netloc and not parts.scheme and target.isprintable()
    return target if plain and not target.startswith("//") else "/"


def _back(request: Request) -> str:
    referer = urlsplit(request.headers.get("referer", ""))
    return _local(referer.path or "/") if referer.netloc == request.headers.get("host") else "/"
