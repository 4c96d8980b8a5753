"""Hand-overs, the duty log, incidents and day sheets over HTTP."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field

from hub.media.intake import PICTURE_BODY
from modules.duty.desk import plain
from modules.duty.model import IncidentKind, LogKind
from modules.duty.routes import Day, Moment, Note, Who
from modules.duty.service import Duty
from modules.duty.sheet import to_csv, to_excel

BigId = Annotated[int, Path(ge=1, le=2**62)]
Link = Annotated[int, Field(ge=1, le=2**62)]
Cursor = Annotated[int | None, Query(ge=1, le=2**62)]
Limit = Annotated[int, Query(ge=1, le=200)]
_EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def _file(sort: str) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of a file."""
    return {200: {"content": {sort: {}}}}


class SignOut(BaseModel, extra="forbid"):
    """The change of shifts that is handed over, and what the list does not say."""

    change_at: Moment
    note: Note = ""


class Remark(BaseModel, extra="forbid"):
    """A few words."""

    note: Note = ""


class EntryBody(BaseModel, extra="forbid"):
    """An entry of the duty log; `corrects` names the one it puts right."""

    kind: LogKind = "routine"
    text: Note
    at: Moment | None = None
    place: Annotated[str, Field(max_length=100)] = ""
    corrects: Link | None = None
    alarm_id: Link | None = None


class IncidentBody(BaseModel, extra="forbid"):
    """What happened, where, when; who was involved (private), what was done; the police's number if they have it."""

    kind: IncidentKind
    what: Annotated[str, Field(max_length=4000)]
    place: Annotated[str, Field(max_length=100)]
    occurred_at: Moment | None = None
    persons: Annotated[str, Field(max_length=1000)] = ""
    measures: Note = ""
    police_number: Annotated[str, Field(max_length=60)] | None = None
    alarm_id: Link | None = None


class Further(BaseModel, extra="forbid"):
    """What was found or done since, the police's number, or what came of it."""

    text: Note


def add_log_routes(router: APIRouter, duty: Duty) -> None:
    """The routes below `/duty` about what guards write down."""
    _add_hand_overs(router, duty)
    _add_log(router, duty)
    _add_incidents(router, duty)
    _add_sheets(router, duty)


def _add_hand_overs(router: APIRouter, duty: Duty) -> None:
    @router.get("/hand-overs")
    async def list_hand_overs(who: Who, before: Moment | None = None, limit: Limit = 30) -> dict[str, Any]:
        """Newest first, the missed ones of the last week among them."""
        return {"items": plain(await duty.hand_overs.recent(who, before=before, limit=limit))}

    @router.get("/hand-overs/current")
    async def show_current_hand_over(who: Who) -> dict[str, Any]:
        """The one at hand, with its list."""
        return dict(plain(await duty.hand_overs.current(who)))

    @router.get("/hand-overs/{number}")
    async def show_hand_over(who: Who, number: BigId) -> dict[str, Any]:
        """One with its list and signatures."""
        return dict(plain(await duty.hand_overs.show(who, number)))

    @router.post("/hand-overs")
    async def sign_out(who: Who, body: SignOut) -> dict[str, Any]:
        """The outgoing side signs."""
        return dict(plain(await duty.hand_overs.sign_out(who, body.change_at, body.note)))

    @router.post("/hand-overs/{number}/take-over")
    async def take_over(who: Who, number: BigId, body: Remark) -> dict[str, Any]:
        """The incoming side signs."""
        return dict(plain(await duty.hand_overs.sign_in(who, number, body.note)))


def _add_log(router: APIRouter, duty: Duty) -> None:
    @router.get("/log")
    async def list_duty_log(
        who: Who, since: Moment | None = None, until: Moment | None = None, cursor: Cursor = None,
        limit: Limit = 100,
    ) -> dict[str, Any]:  # fmt: skip
        """Entries newest first."""
        rows = await duty.diary.entries(who, since=since, until=until, before=cursor, limit=limit)
        return {"items": plain(rows), "next": str(rows[-1]["id"]) if len(rows) == limit else None}

    @router.post("/log")
    async def write_duty_log(who: Who, body: EntryBody) -> dict[str, Any]:
        """A further entry."""
        made = await duty.diary.write(who, body.kind, body.text, at=body.at, place=body.place, corrects=body.corrects,
                                      alarm_id=body.alarm_id)  # fmt: skip
        return {"id": made}


def _add_incidents(router: APIRouter, duty: Duty) -> None:
    diary = duty.diary

    @router.get("/incidents")
    async def list_incidents(
        who: Who, state: Literal["open", "closed"] | None = None, cursor: Cursor = None, limit: Limit = 100
    ) -> dict[str, Any]:
        """Newest first."""
        rows = await diary.incidents(who, state=state, before=cursor, limit=limit)
        return {"items": plain(rows), "next": str(rows[-1]["id"]) if len(rows) == limit else None}

    @router.post("/incidents")
    async def open_incident(who: Who, body: IncidentBody) -> dict[str, Any]:
        """A new record."""
        return dict(plain(await diary.open_incident(who, **body.model_dump())))

    @router.get("/incidents/{number}")
    async def show_incident(who: Who, number: BigId) -> dict[str, Any]:
        """One with its steps and pictures."""
        return dict(plain(await diary.incident(who, number)))

    @router.post("/incidents/{number}/add")
    async def add_to_incident(who: Who, number: BigId, body: Further) -> dict[str, Any]:
        """What was found or done since."""
        return dict(plain(await diary.add_to_incident(who, number, body.text)))

    @router.post("/incidents/{number}/photographs", openapi_extra=PICTURE_BODY)
    async def photograph_incident(who: Who, number: BigId, request: Request) -> dict[str, str]:
        """Add a photograph (at most 5 MB); the same one again changes nothing."""
        return {"picture": str(await diary.photograph(who, number, request.stream()))}

    @router.post("/incidents/{number}/police")
    async def hand_to_police(who: Who, number: BigId, body: Further) -> dict[str, Any]:
        """Handed to the police under this number."""
        return dict(plain(await diary.hand_to_police(who, number, body.text)))

    @router.post("/incidents/{number}/close")
    async def close_incident(who: Who, number: BigId, body: Further) -> dict[str, Any]:
        """What came of it."""
        return dict(plain(await diary.close_incident(who, number, body.text)))


def _add_sheets(router: APIRouter, duty: Duty) -> None:
    @router.get("/days/{day}")
    async def show_day(who: Who, day: Day) -> dict[str, Any]:
        """Everything of a day."""
        return dict(plain(await duty.diary.sheet(who, day)))

    @router.get("/days/{day}/sheet.csv", response_class=Response, responses=_file("text/csv"))
    async def export_day_csv(who: Who, day: Day) -> Response:
        """The day sheet for spreadsheets, in the asker's language."""
        body = to_csv(await duty.diary.sheet(who, day), who.language)
        await duty.diary.note_export(who, f"day:{day}", "csv")
        return Response(body, media_type="text/csv; charset=utf-8", headers=_named(f"duty-{day}.csv"))

    @router.get("/days/{day}/sheet.xlsx", response_class=Response, responses=_file(_EXCEL))
    async def export_day_excel(who: Who, day: Day) -> Response:
        """The day sheet as an Excel workbook."""
        body = to_excel(await duty.diary.sheet(who, day), who.language)
        await duty.diary.note_export(who, f"day:{day}", "xlsx")
        return Response(body, media_type=_EXCEL, headers=_named(f"duty-{day}.xlsx"))


def _named(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}
