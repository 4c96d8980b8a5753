"""Emergency plans and drills over HTTP. No logic: each route is one call of the service."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field

from hub.media.intake import PICTURE_BODY
from modules.safety.drills import Drills
from modules.safety.routes import Who, plain

Plan = Annotated[str, Path(pattern=r"^[a-z0-9-]{1,48}$", description="the id of the rule whose procedure it is")]


class Drill(BaseModel, extra="forbid"):
    """A drill that was held: who took part, what was found, how long it took."""

    day: date
    people: str = Field(max_length=500)
    found: str = Field(default="", max_length=2000)
    minutes: int | None = Field(default=None, ge=1, le=1440)


class Interval(BaseModel, extra="forbid"):
    """Months between two drills: 0 (never due), 1, 3, 6, 12 or 24."""

    months: int


def add_plans(router: APIRouter, drills: Drills) -> None:
    """The routes below `/safety`."""

    @router.get("/plans")
    async def emergency_plans(who: Who) -> list[dict[str, Any]]:
        """The plans in force with their steps, when each was drilled, and when it is due."""
        return [plain(row) for row in await drills.plans(who)]

    @router.get("/plans/{plan}")
    async def emergency_plan(who: Who, plan: Plan) -> dict[str, Any]:
        """One plan with its drills and the alarms that showed it last."""
        return dict(plain(await drills.plan(who, plan)))

    @router.post("/plans/{plan}/drills")
    async def add_drill(who: Who, plan: Plan, body: Drill) -> dict[str, Any]:
        """Note a drill; its number."""
        return {"drill": await drills.add(who, plan, body.day, body.people, body.found, body.minutes)}

    @router.put("/plans/{plan}/interval")
    async def set_drill_interval(who: Who, plan: Plan, body: Interval) -> dict[str, Any]:
        """How often a plan is drilled."""
        await drills.set_interval(who, plan, body.months)
        return dict(plain(await drills.plan(who, plan)))

    @router.post("/drills/{drill}/photographs", openapi_extra=PICTURE_BODY)
    async def add_drill_photograph(
        who: Who, drill: Annotated[int, Path(ge=1, le=2**62)], request: Request
    ) -> dict[str, Any]:
        """Add a photograph (at most 5 MB) to a drill one noted oneself; the number of the picture."""
        return {"picture": str(await drills.photograph(who, drill, request.stream()))}
