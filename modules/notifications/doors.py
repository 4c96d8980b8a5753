"""The pages behind a message's link: seen without signing in, for what a person can do with that one link.

GET shows the alarm and a button, and changes nothing: link scanners of mail and chat services open every link.
"""

from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from hub.errors import Refused
from hub.store.database import NotThere, Row
from modules.notifications.answers import Answers
from modules.notifications.callbacks import make_callbacks
from modules.notifications.service import Notifications
from modules.notifications.texts import pick
from modules.notifications.tokens import BadToken

_FRAME = """<!doctype html>
<html lang="{lang}"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">
<link rel="icon" href="/static/hub.svg" type="image/svg+xml"><link rel="stylesheet" href="/static/hub.css">
</head><body><main class="gate">{body}</main></body></html>"""
_WORDS = {
    "ask": {"zh": "确认这条报警？", "en": "Acknowledge this alarm?"},
    "as": {"zh": "确认人", "en": "Acknowledged as"},
    "yes": {"zh": "确认报警", "en": "Acknowledge"},
    "done": {"zh": "已确认", "en": "Acknowledged"},
    "thanks": {
        "zh": "报警已由您确认，不再逐级上报。请按预案处置。",
        "en": "The alarm is acknowledged by you and goes no further up. Please follow the procedure.",
    },
    "open": {"zh": "在报警台查看", "en": "Open at the alarm desk"},
}
_REFUSALS: dict[str, tuple[int, dict[str, str]]] = {
    "expired": (410, {"zh": "链接已过期，请登录报警台确认。", "en": "The link has expired; sign in to acknowledge."}),
    "link_used": (409, {"zh": "链接已使用过，报警已确认。", "en": "The link was used; the alarm is acknowledged."}),
    "wrong": (404, {"zh": "链接无效。", "en": "The link is not valid."}),
}


def add_doors(service: Notifications, answers: Answers) -> None:
    """Put the pages behind the links, and what gateways call, into the running site."""
    from nicegui import app  # it carries every page, signed in or not

    app.include_router(make_doors(service))
    app.include_router(make_callbacks(answers))


def make_doors(service: Notifications) -> APIRouter:
    """`/notice/<community>/<token>`: GET asks, POST acknowledges."""
    router = APIRouter(include_in_schema=False)
    path = "/notice/{community}/{token}"

    @router.get(path)
    async def ask(community: str, token: str) -> HTMLResponse:
        try:
            return _asking(await service.link(community, token))
        except (BadToken, Refused, NotThere) as error:
            return _refusal(error)

    @router.post(path)
    async def acknowledge(request: Request, community: str, token: str) -> HTMLResponse:
        remote = request.client.host if request.client else ""
        try:
            return _thanks(await service.acknowledge(community, token, remote))
        except (BadToken, Refused, NotThere) as error:
            return _refusal(error)

    return router


def _asking(row: Row) -> HTMLResponse:
    def say(key: str) -> str:
        return escape(pick(_WORDS[key], row["language"]))

    body = (
        f'<form method="post"><h1>{say("ask")}</h1>{_about(row)}'
        f'<p class="muted">{say("as")}: {escape(row["name"] or row["person"])}</p>'
        f'<button class="solid" type="submit">{say("yes")}</button></form>'
    )
    return _page(row["language"], say("ask"), body)


def _thanks(row: Row) -> HTMLResponse:
    def say(key: str) -> str:
        return escape(pick(_WORDS[key], row["language"]))

    body = (
        f'<div class="card"><h1>✓ {say("done")}</h1>{_about(row)}<p>{say("thanks")}</p>'
        f'<a class="solid" href="/alarms/{int(row["alarm_id"])}">{say("open")}</a></div>'
    )
    return _page(row["language"], say("done"), body)


def _about(row: Row) -> str:
    return (
        f"<p><b>{escape(row['title'])}</b><br>{escape(pick(row['device_name'], row['language']) or row['device'])}</p>"
    )


def _refusal(error: Any) -> HTMLResponse:
    """In both languages: of a link that is not good nobody's language is known."""
    why = error.why if isinstance(error, BadToken) else "link_used" if isinstance(error, Refused) else "wrong"
    status, text = _REFUSALS[why]
    body = (
        f'<div class="card"><h1>{escape(text["zh"])}</h1><p lang="en">{escape(text["en"])}</p>'
        '<a class="solid" href="/alarms">报警台 · <span lang="en">Alarm desk</span></a></div>'
    )
    return _page("zh-CN", text["zh"], body, status)


def _page(language: str, title: str, body: str, status: int = 200) -> HTMLResponse:
    lang = "zh-CN" if language.startswith("zh") else "en"
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return HTMLResponse(_FRAME.format(lang=lang, title=title, body=body), status, headers)
