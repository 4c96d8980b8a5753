"""The API's description without a database: `docs/reference/openapi.json` is its dump."""

import json
from collections.abc import Sequence
from typing import Any

from api.app import make_api
from hub.alarms.desk import AlarmDesk
from hub.clock import SystemClock
from hub.commands.desk import CommandDesk
from hub.context import Context, Status
from hub.errors import Misconfigured
from hub.live import Live
from hub.plugins import OffersRoutes, load_plugs, offering
from hub.reports.outbox import Reports
from hub.settings import Settings
from hub.store.database import Database


def document(plugs: Sequence[object] | None = None) -> dict[str, Any]:
    """The OpenAPI document with the routes of `plugs` (default: every installed one), the same at every call."""
    context = _unopened()
    chosen = load_plugs() if plugs is None else plugs
    return make_api(None, [plug.routes(context) for plug in offering(chosen, OffersRoutes)]).openapi()


def text() -> str:
    """The document as it is kept in the repository."""
    return json.dumps(document(), ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def _unopened() -> Context:
    """A context that can be looked at and never used: its database is not opened."""
    clock, live, database = SystemClock(), Live(), Database("")

    def nothing(*_: object) -> Any:
        raise Misconfigured("this context only describes")

    return Context(
        settings=Settings(),
        clock=clock,
        database=database,
        live=live,
        status=Status(),
        alarms=AlarmDesk(database, clock, live),
        commands=CommandDesk(database, clock, live, dict, nothing),
        devices={},
        communities={},
        replay=nothing,
        reports=Reports(database),
    )
