"""The API's description without a database: `docs/reference/openapi.json` is its dump."""

import json
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter

from api.app import make_api


def document(routers: Sequence[APIRouter] = ()) -> dict[str, Any]:
    """The OpenAPI document, the same at every call. `routers` are the modules' own."""
    return make_api(None, routers).openapi()


def text(routers: Sequence[APIRouter] = ()) -> str:
    """The document as it is kept in the repository."""
    return json.dumps(document(routers), ensure_ascii=False, indent=2, sort_keys=True) + "\n"
