"""The door that gateways knock at when people answer: `POST /replies/<community>/<channel>`."""

import asyncio

import psycopg
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from psycopg_pool import PoolTimeout
from starlette.requests import ClientDisconnect

from hub.errors import Refused
from modules.notifications.answers import Answers
from modules.notifications.replies import MOST_BYTES, Call

_PATIENCE_S = 10.0


def make_callbacks(answers: Answers) -> APIRouter:
    """The route; it asks for no session: the gateway proves itself by the channel's own secret."""
    router = APIRouter(include_in_schema=False)

    @router.post("/replies/{community}/{channel}")
    async def take(request: Request, community: str, channel: str) -> Response:
        remote = request.client.host if request.client else ""
        try:
            gate = answers.gate(community, channel, remote)  # before a byte of the body is read
            headers = {name.lower(): value for name, value in request.headers.items()}
            call = Call(headers, request.query_params.get("token", ""), await _body(request))
            rows = await answers.take(gate, call, remote)
        except Refused as error:
            return JSONResponse({"code": error.code, "detail": error.detail}, error.status)
        except (psycopg.OperationalError, PoolTimeout):
            return JSONResponse({"code": "unavailable", "detail": "the store is away; send it again"}, 503)
        if gate.replies.answer:
            return PlainTextResponse(gate.replies.answer)
        return JSONResponse({"results": [{"result": row["result"], "text": row["answer"]} for row in rows]})

    return router


async def _body(request: Request) -> bytes:
    """Refused: 413 where it is too large, 408 where it does not come."""
    body = b""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MOST_BYTES:
                    raise Refused("too_large", f"a request has at most {MOST_BYTES} bytes", 413)
    except (TimeoutError, ClientDisconnect):
        raise Refused("too_slow", f"the body did not come within {_PATIENCE_S:g} s", 408) from None
    return body
