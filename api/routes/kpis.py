"""Alarm performance over HTTP. To be included before the alarm routes: `/alarms/{alarm_id}` would catch it."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from api.auth import Who
from api.hub import hub_of
from api.problems import RESPONSES
from api.schemas import TwoLanguages
from hub.kpis.export import to_csv, to_xlsx
from hub.kpis.model import Period
from hub.kpis.service import KpiDesk
from hub.kpis.words import FIGURES
from hub.store.database import NotThere

router = APIRouter(prefix="/alarms", tags=["alarms"], responses=RESPONSES)

Span = Annotated[Period, Query(description="the last 24 hours, 7 or 30 days")]
Operators = Annotated[int, Query(ge=1, le=100, description="how many share the desk's load")]
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class FigureOut(BaseModel):
    """`within` null: no target, or too little to judge by."""

    id: str
    name: TwoLanguages
    value: float | None
    unit: Literal["1", "1/h", "%", "s"]
    target: str
    within: bool | None


class BadActorOut(BaseModel):
    rule: str
    device_id: int
    device: str
    title: TwoLanguages
    count: int
    share: float


class KpisOut(BaseModel):
    """`slots`: annunciations by ten minutes, the first from `since`."""

    since: datetime
    until: datetime
    operators: int
    annunciated: int
    figures: list[FigureOut]
    slots: list[int]
    actors: list[BadActorOut]


@router.get("/kpis")
async def alarm_kpis(request: Request, who: Who, period: Span = "week", operators: Operators = 1) -> KpisOut:
    """Alarm performance after ISA-18.2 and EEMUA 191, with its targets."""
    report = await KpiDesk(hub_of(request).context).report(who, period, operators)
    return KpisOut.model_validate(
        {
            "since": report.since, "until": report.until, "operators": report.operators,
            "annunciated": report.annunciated, "slots": report.slots,
            "figures": [FigureOut(id=f.id, name=FIGURES[f.id], value=f.value, unit=f.unit, target=f.target,
                                  within=f.within) for f in report.figures],
            "actors": [BadActorOut(rule=a.rule, device_id=a.device_id, device=a.device, title=a.title, count=a.count,
                                   share=a.share) for a in report.actors],
        }
    )  # fmt: skip


@router.get("/kpis.{form}", response_class=Response, responses={200: {"content": {"text/csv": {}, _XLSX: {}}}})
async def alarm_kpi_file(
    request: Request, who: Who, form: Literal["csv", "xlsx"], period: Span = "week", operators: Operators = 1
) -> Response:
    """The same as a file for a spreadsheet, in the asker's language and the community's time."""
    context = hub_of(request).context
    report = await KpiDesk(context).report(who, period, operators)
    zone = await _zone(request, who.community_id)
    make, sort = (to_csv, "text/csv; charset=utf-8") if form == "csv" else (to_xlsx, _XLSX)
    name = f"alarm-performance-{period}-{report.until:%Y%m%d}.{form}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(make(report, who.language, zone), media_type=sort, headers=headers)


async def _zone(request: Request, community_id: int) -> str:
    async with hub_of(request).context.database.session([community_id]) as connection:
        cursor = await connection.execute("SELECT time_zone FROM hub.community WHERE id = %s", [community_id])
        row = await cursor.fetchone()
    if row is None:
        raise NotThere(f"community {community_id}")
    return str(row["time_zone"])
