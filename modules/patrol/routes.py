"""Patrols over HTTP. No logic: each route is one call of the service."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field, StrictBool, StrictFloat

from hub.errors import Refused
from hub.media.intake import PICTURE_BODY
from modules.patrol import export
from modules.patrol.codes import LIFE, MOST, svg
from modules.patrol.evidence import MOST_CHECKINS, CheckIn
from modules.patrol.model import State
from modules.patrol.phone import PhoneClock
from modules.patrol.position import MOST_ACCURACY, MOST_LAT, MOST_LON, Position
from modules.patrol.routes_plans import Who, add_plans
from modules.patrol.service import MOST as MOST_ROUNDS
from modules.patrol.service import Covered, Patrols, round_json

_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


RoundId = Annotated[int, Path(ge=1, le=2**62)]
CheckpointId = Annotated[str, Path(pattern=r"^[a-z][a-z0-9-]{0,47}$")]
PhoneName = Annotated[str, Path(pattern=r"^[A-Za-z0-9-]{1,64}$")]
PhotoName = Annotated[str, Path(pattern=r"^[A-Za-z0-9-]{16,64}$")]
Days = Annotated[int, Query(ge=1, le=92)]
Day = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2100, 1, 1))]


class Clock(BaseModel, extra="forbid"):
    """A phone's clocks at one moment."""

    wall_ms: int = Field(ge=-(2**43), le=2**43, description="milliseconds since 1970, as the phone believes")
    monotonic_ms: float = Field(ge=0, le=1e13, allow_inf_nan=False, description="since the page was loaded")
    boot: str = Field(min_length=1, max_length=64, description="another one at each loading of the page")

    def reading(self) -> PhoneClock:
        wall = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=self.wall_ms)
        return PhoneClock(wall, self.monotonic_ms / 1000, self.boot)


class CapturedPosition(BaseModel, extra="forbid"):
    """Where the phone was at that moment, as it gives it (WGS-84)."""

    lat: float = Field(ge=-MOST_LAT, le=MOST_LAT, allow_inf_nan=False, strict=True, description="degrees")
    lon: float = Field(ge=-MOST_LON, le=MOST_LON, allow_inf_nan=False, strict=True, description="degrees")
    accuracy: float = Field(
        ge=0, le=MOST_ACCURACY, allow_inf_nan=False, strict=True, description="metres, with 95 % confidence"
    )

    def reading(self) -> Position:
        return Position(self.lat, self.lon, self.accuracy)


class CapturedCheckIn(BaseModel, extra="forbid"):
    """One check-in as the phone captured it, perhaps hours ago."""

    counter: int = Field(ge=0, le=2**53, description="counts this phone's check-ins; sent again, it changes nothing")
    code: str = Field(min_length=1, max_length=MOST)
    clock: Clock
    answers: dict[Annotated[str, Field(max_length=48)], StrictBool | StrictFloat] = Field(default={}, max_length=50)
    note: str = Field(default="", max_length=500)
    position: CapturedPosition | None = None

    def reading(self) -> CheckIn:
        position = self.position.reading() if self.position else None
        return CheckIn(self.counter, self.code, self.clock.reading(), self.answers, self.note, position)


class CheckIns(BaseModel, extra="forbid"):
    """What waits on a phone."""

    phone: str = Field(pattern=r"^[A-Za-z0-9-]{1,64}$", description="the phone's own random name")
    clock: Clock = Field(description="its clocks now")
    checkins: list[CapturedCheckIn] = Field(max_length=MOST_CHECKINS)


def make_router(patrols: Patrols) -> APIRouter:
    """The routes under `/patrol`; whoever mounts them sets `request.state.principal`."""
    router = APIRouter(prefix="/patrol", tags=["patrol"])
    _add_looking(router, patrols)
    _add_log(router, patrols)
    _add_codes(router, patrols)
    add_plans(router, patrols)

    @router.post("/checkins")
    async def check_in(who: Who, body: CheckIns) -> dict[str, Any]:
        """Hand in check-ins of a phone; each is answered by itself, and may be sent again without harm."""
        found = [one.reading() for one in body.checkins]
        return await patrols.recorder.check_in(who, body.phone, body.clock.reading(), found)

    @router.put("/checkins/{phone}/{counter}/photographs/{photo}", openapi_extra=PICTURE_BODY)
    async def add_photograph(
        who: Who, phone: PhoneName, counter: Annotated[int, Path(ge=0, le=2**53)], photo: PhotoName, request: Request,
        item: Annotated[str, Query(pattern=r"^[a-z0-9-]{0,48}$")] = "",
    ) -> dict[str, Any]:  # fmt: skip
        """Add a photograph (at most 5 MB) to a check-in of one's own; `photo` is drawn by the phone, so that it may be
        sent again without harm."""
        return await patrols.photos.add(
            who, photo, phone=phone, counter=counter, item=item, parts=request.stream()
        )  # fmt: skip

    return router


def _add_looking(router: APIRouter, patrols: Patrols) -> None:
    @router.get("/rounds")
    async def list_rounds(
        who: Who,
        plan: Annotated[str | None, Query(max_length=48)] = None,
        state: Annotated[list[State] | None, Query(max_length=7)] = None,
        cursor: Annotated[str | None, Query(pattern=r"^\d{1,18}-\d{1,18}$")] = None,
        limit: Annotated[int, Query(ge=1, le=MOST_ROUNDS)] = 100,
    ) -> dict[str, Any]:
        """Rounds that have begun, newest first; `next` is the cursor of the next page."""
        rows = await patrols.recent(who, plan=plan, states=state, before=_before(cursor), limit=limit)
        after = _cursor(rows[-1]["begins"], rows[-1]["id"]) if len(rows) == limit else None
        return {"items": [round_json(row) for row in rows], "next": after}

    @router.get("/days/{day}")
    async def list_rounds_of_day(who: Who, day: Day) -> dict[str, Any]:
        """The rounds of a local day in order of time, those to come included."""
        return {"items": [round_json(row) for row in await patrols.rounds(who, day)]}

    @router.get("/rounds/{round_id}")
    async def show_round(who: Who, round_id: RoundId) -> dict[str, Any]:
        """One round with its evidence, inspections and photographs; where phones were only with the right `work`."""
        return round_json(await patrols.show(who, round_id))

    @router.get("/coverage")
    async def show_coverage(who: Who, days: Days = 7) -> dict[str, Any]:
        """How each checkpoint was covered over the last days, those unseen first; and how rounds ended."""
        covered = await patrols.coverage(who, days)
        return {"items": [_covered_json(one) for one in covered], "results": await patrols.results(who, days)}


def _add_log(router: APIRouter, patrols: Patrols) -> None:
    @router.get("/log.{form}", response_class=Response, responses={200: {"content": {"text/csv": {}, _XLSX: {}}}})
    async def export_log(who: Who, form: Literal["csv", "xlsx"], since: Day, until: Day) -> Response:
        """The patrol log of the local days from `since` to `until`, both included, as a file."""
        rows = await patrols.log(who, since, until)
        names = await patrols.names(who) | await patrols.titles(who, rows, who.language)
        table = export.lines(rows, names, who.language)
        await patrols.note_export(who, since, until, form)
        body = export.to_csv(table) if form == "csv" else export.to_xlsx(table)
        disposition = f'attachment; filename="patrol-{since}-{until}.{form}"'
        kind = "text/csv; charset=utf-8" if form == "csv" else _XLSX
        return Response(body, media_type=kind, headers={"Content-Disposition": disposition})


def _add_codes(router: APIRouter, patrols: Patrols) -> None:
    @router.get("/codes")
    async def list_codes(who: Who) -> dict[str, Any]:
        """The printed codes of all checkpoints."""
        return {"items": [{"checkpoint": one.id, "code": code} for one, code in await patrols.printed(who)]}

    @router.get("/codes/{checkpoint}.svg", response_class=Response, responses={200: {"content": {"image/svg+xml": {}}}})
    async def draw_code(who: Who, checkpoint: CheckpointId) -> Response:
        """The printed code of a checkpoint as an image."""
        codes = {one.id: code for one, code in await patrols.printed(who)}
        if checkpoint not in codes:
            raise Refused("not_found", f"no checkpoint {checkpoint} with a printed code", 404)
        return Response(svg(codes[checkpoint]), media_type="image/svg+xml")

    @router.post("/codes/photographs", openapi_extra=PICTURE_BODY)
    async def read_photograph(who: Who, request: Request) -> dict[str, str]:
        """The checkpoint's code in a photograph (at most 5 MB), to be handed in like one that was scanned."""
        return {"code": await patrols.read_photograph(who, request.stream())}

    @router.post("/codes/{checkpoint}/renew")
    async def renew_code(who: Who, checkpoint: CheckpointId) -> dict[str, Any]:
        """Refuse the codes of a checkpoint that are printed or shown now; new ones take their place."""
        return {"checkpoint": checkpoint, "generation": await patrols.renew(who, checkpoint)}

    @router.post("/displays/{checkpoint}/code")
    async def make_display_code(who: Who, checkpoint: CheckpointId) -> dict[str, Any]:
        """A fresh code for the display at a checkpoint; it is taken once, within `life_s`."""
        one, code = await patrols.displayed(who, checkpoint)
        return {"checkpoint": one.id, "code": code, "life_s": LIFE.seconds}


def _covered_json(one: Covered) -> dict[str, Any]:
    return {
        "checkpoint": one.checkpoint.id, "name": one.checkpoint.name.model_dump(), "place": one.checkpoint.place,
        "planned": one.planned, "done": one.done, "late": one.late, "unanswered": one.unanswered,
        "percent": one.percent, "days": one.days, "days_seen": one.days_seen,
        "last_at": one.last_at.isoformat() if one.last_at else None, "unseen": one.unseen,
    }  # fmt: skip


def _cursor(begins: datetime, number: int) -> str:
    return f"{int(begins.timestamp())}-{number}"


def _before(cursor: str | None) -> tuple[datetime, int] | None:
    if cursor is None:
        return None
    seconds, _, number = cursor.partition("-")
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=min(int(seconds), 2**33)), int(number)
