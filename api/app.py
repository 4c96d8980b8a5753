"""The API as one ASGI app. The pages are another; `api.server` puts the two behind one address."""

from collections.abc import Sequence

from fastapi import APIRouter, Depends, FastAPI

from api import metrics, problems, stream
from api.auth import SCHEMES, carry_principal
from api.hub import Hub
from api.routes import alarms, clips, commands, devices, evidence, kpis, pictures, plans, rules, session, system

PREFIX = "/api/v1"


def make_api(hub: Hub | None, routers: Sequence[APIRouter] = ()) -> FastAPI:
    """The API over a hub, with the modules' routers under /api/v1. Without a hub it only describes itself."""
    app = FastAPI(
        title="Community Hub",
        version="1",
        description="智慧小区物联集成中枢。Errors are RFC 9457 problem details; lists are paged by cursor; "
        "a session cookie or an API key says who asks.",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
        separate_input_output_schemas=False,
    )
    app.state.hub = hub
    problems.install(app)
    # kpis before alarms: `/alarms/{alarm_id}` would take its paths
    for part in (session, devices, kpis, alarms, evidence, pictures, clips, plans, commands, rules, system):
        app.include_router(part.router, prefix=PREFIX, dependencies=SCHEMES)
    for router in routers:
        app.include_router(
            router, prefix=PREFIX, dependencies=[*SCHEMES, Depends(carry_principal)], responses=problems.RESPONSES
        )
    app.include_router(metrics.router)
    app.include_router(stream.router)
    return app
