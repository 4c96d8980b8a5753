"""Errors as RFC 9457 problem details, whatever went wrong; a person's programme can tell them apart by `code`."""

import traceback
from http import HTTPStatus
from typing import Any

import psycopg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from psycopg_pool import PoolTimeout
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from hub.errors import Refused
from hub.store.database import NotThere

_log = structlog.get_logger()
MEDIA_TYPE = "application/problem+json"


class FieldError(BaseModel):
    """One part of a request that is wrong."""

    where: str
    message: str


class Problem(BaseModel):
    """RFC 9457 problem details; `type` is about:blank, `code` is stable."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
    errors: list[FieldError] = []


def problem(
    status: int, code: str, detail: str, errors: list[FieldError] | None = None, headers: dict[str, str] | None = None
) -> JSONResponse:
    """The response. `detail` is for people and never holds a secret."""
    body = Problem(title=HTTPStatus(status).phrase, status=status, code=code, detail=detail, errors=errors or [])
    return JSONResponse(body.model_dump(), status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer every error of `app` as a problem."""
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(NotThere, _not_there)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(PoolTimeout, _busy)
    app.add_exception_handler(psycopg.OperationalError, _busy)
    app.add_exception_handler(Exception, _unexpected)


async def _refused(_: Request, error: Any) -> JSONResponse:
    headers = {429: {"Retry-After": "900"}, 401: {"WWW-Authenticate": "Bearer"}}.get(error.status)
    return problem(error.status, error.code, error.detail, headers=headers)


async def _not_there(_: Request, error: Any) -> JSONResponse:
    return problem(404, "not_found", f"not there: {error}")


async def _invalid(_: Request, error: Any) -> JSONResponse:
    errors = [
        FieldError(where=".".join(str(part) for part in item["loc"])[:200], message=str(item["msg"])[:300])
        for item in error.errors()[:20]
    ]
    return problem(422, "invalid", "the request is not as described", errors)


async def _http(_: Request, error: Any) -> JSONResponse:
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    return problem(error.status_code, code, str(error.detail)[:300], headers=dict(error.headers or {}))


async def _gone(_: Request, __: Exception) -> JSONResponse:
    return problem(400, "incomplete", "the request ended before its body did")


async def _busy(request: Request, error: Exception) -> JSONResponse:
    _log.warning("request_without_database", path=request.url.path, error=type(error).__name__)
    return problem(503, "busy", "the database does not answer now; try again", headers={"Retry-After": "5"})


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    # As text: a renderer that shows local variables would write passwords into the log.
    _log.error("request_failed", path=request.url.path, trace="".join(traceback.format_exception(error)))
    return problem(500, "internal", "something is broken here; it was written to the log")


RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": text, "content": {MEDIA_TYPE: {}}}
    for status, text in {
        401: "Not signed in",
        403: "The role may not",
        404: "Not there, or of another community",
        422: "The request is not as described",
        503: "The database does not answer now",
    }.items()
}
