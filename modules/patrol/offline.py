"""The check-in without a connection: a service worker keeps a page on the phone, which a scanned address opens then.

The page is the same form without anything of a person in it: words, checkpoints and account are what the real page last
left on the phone. It sends nothing: once there is a connection it makes way for the real page, which does.
"""

import hashlib
import json
from pathlib import Path

import nicegui
from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from modules.patrol.screen import STATIC

_FOLDER = Path(__file__).with_name("static")
_PAGE = "/patrol/offline"
_VUE = f"/_nicegui/{nicegui.__version__}/static/vue.esm-browser.prod.js"
_OWN = ("checkin.js", "queue.js", "pictures.js", "position.js")
_SCRIPTS = [f"{STATIC}/{name}" for name in _OWN]
_SHARED = ("shrink.js", "hub.css", "hub.svg")
_FILES = [_PAGE, _VUE, *_SCRIPTS, *(f"/static/{name}" for name in _SHARED)]
_HTML = f"""<!doctype html>
<html lang="zh-CN"><head><meta charset="utf-8"><title>巡更打卡 · Check in</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="/static/hub.svg" type="image/svg+xml"><link rel="stylesheet" href="/static/hub.css">
</head><body><main id="main" class="content"><h1>巡更打卡 · Check in</h1>
<div id="form"><p>请先联网登录并打开一次打卡页。 · Sign in and open this page once with a connection.</p></div></main>
<script type="module">
import {{ createApp }} from "{_VUE}";
import form, {{ lastForm }} from "{STATIC}/checkin.js";
const last = lastForm();
if (last) {{
  document.documentElement.lang = last.lang;
  createApp(form, {{ ...last, away: true }}).mount("#form");
}}
</script></body></html>"""


def add_offline(shared: Path) -> None:
    """Put the page and its worker into the running site. `shared`: what is served at /static."""
    from nicegui import app  # it carries every page, signed in or not

    app.include_router(make_offline(shared))


def make_offline(shared: Path) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get(_PAGE)
    async def show() -> HTMLResponse:
        return HTMLResponse(_HTML)

    @router.get("/patrol/sw.js")
    async def work() -> Response:
        """The worker; another one as soon as anything that it keeps is another, for then the browser takes it anew."""
        text = (_FOLDER / "worker.js").read_text("utf-8")
        files = [*(_FOLDER / name for name in _OWN), *(shared / name for name in _SHARED)]
        own = "".join(file.read_text("utf-8") for file in files)
        kept = hashlib.sha256((_HTML + text + own).encode()).hexdigest()[:16]
        head = f"const KEPT = {json.dumps(kept)}, PAGE = {json.dumps(_PAGE)}, FILES = {json.dumps(_FILES)};\n"
        return Response(head + text, media_type="text/javascript", headers={"Cache-Control": "no-cache"})

    return router
