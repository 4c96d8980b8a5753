"""The screen at a checkpoint that shows a changing code: nobody is signed in there, and it leads nowhere else.

What it may is in its token, which stands behind # of its address and is sent in the body: no server's log sees it. It
gives fresh codes of that one checkpoint, until its codes are renewed.
"""

from html import escape
from pathlib import Path

import psycopg
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse
from psycopg_pool import PoolTimeout

from hub.errors import Refused
from hub.store.database import NotThere
from modules.patrol.codes import LIFE, MOST, png_data_uri
from modules.patrol.service import Patrols

SCREEN = "/patrol/screen"
STATIC = "/patrol/static"
_PAGE = """<!doctype html>
<html lang="zh-CN"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">
<link rel="icon" href="/static/hub.svg" type="image/svg+xml"><link rel="stylesheet" href="/static/hub.css">
<script src="{static}/screen.js" defer></script></head>
<body><main class="gate" style="text-align: center"><div><h1 id="name">{title}</h1>
<img id="code" alt="" hidden style="width: min(80vw, 65vh); image-rendering: pixelated; background: #fff">
<p id="scan" hidden>{scan}</p><p id="none" class="wrong" role="status">{none}</p></div></main></body></html>"""
_WORDS = {
    "title": "巡更动态码 · Patrol code",
    "scan": "每 20 秒更换，请用手机扫描打卡 · Changes every 20 s; scan it to check in",
    "none": "暂无动态码 · No code now",
}


def add_screen(patrols: Patrols) -> None:
    """Put the screen's page into the running site."""
    from nicegui import app  # it carries every page, signed in or not

    # asked for anew each time: scripts of two versions must not meet
    app.add_static_files(STATIC, Path(__file__).with_name("static"), max_cache_age=0)
    app.include_router(make_screen(patrols))


def make_screen(patrols: Patrols) -> APIRouter:
    """GET the page, POST a token (the body, as text) for a fresh code."""
    router = APIRouter(include_in_schema=False)

    @router.get(SCREEN)
    async def show() -> HTMLResponse:
        return HTMLResponse(_PAGE.format(static=STATIC, **{name: escape(word) for name, word in _WORDS.items()}))

    @router.post(SCREEN)
    async def give(request: Request) -> JSONResponse:
        try:
            token = await _short(request)
            checkpoint, code = await patrols.shown_on(token)
        except (Refused, NotThere):
            return _answer({}, 403)
        except (psycopg.OperationalError, PoolTimeout):
            return _answer({}, 503)
        name = f"{checkpoint.name.zh} · {checkpoint.name.en}"
        picture = png_data_uri(f"{request.base_url}patrol/checkin#{code}")
        return _answer({"name": name, "image": picture, "life_s": LIFE.seconds}, 200)

    return router


async def _short(request: Request) -> str:
    """The body, as far as a token may be long. Refused when it is longer."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST:
            raise Refused("bad_code", "this is no token of a screen", 422)
    return body.decode("ascii", "replace")


def _answer(content: dict[str, object], status: int) -> JSONResponse:
    return JSONResponse(content, status, {"Cache-Control": "no-store"})
