"""Fire equipment over HTTP. No logic: each route is one call of the service."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, Field

from hub.media.intake import PICTURE_BODY
from hub.principal import Principal
from hub.store.database import Row
from modules.safety.model import Condition
from modules.safety.service import MOST, Equipment

_LIST: dict[str, Any] = {
    "requestBody": {"required": True, "content": {
        kind: {"schema": {"type": "string", "format": "binary"}}
        for kind in ("text/csv", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
    }}
}  # fmt: skip


def _principal(request: Request) -> Principal:
    """Whom the API found behind the request before it let it in here."""
    who = request.state.principal
    assert isinstance(who, Principal)
    return who


Who = Annotated[Principal, Depends(_principal)]
Fields = dict[Annotated[str, Field(max_length=20)], Annotated[str, Field(max_length=200)]]
PieceId = Annotated[int, Path(ge=1, le=2**31 - 1)]


class Record(BaseModel, extra="forbid"):
    """What somebody found or did at a piece. `text` says which fault; `day` is for a service only."""

    sort: Literal["normal", "fault", "service"]
    text: str = Field(default="", max_length=500)
    day: date | None = None


class Note(BaseModel, extra="forbid"):
    """Why it leaves the register."""

    note: str = Field(max_length=200)


def make_router(equipment: Equipment) -> APIRouter:
    """The routes under `/safety`; whoever mounts them sets `request.state.principal`."""
    router = APIRouter(prefix="/safety", tags=["fire equipment"])
    _add_register(router, equipment)

    @router.post("/equipment/{number}/records")
    async def add_record(who: Who, number: PieceId, body: Record) -> dict[str, Any]:
        """A piece was inspected and is in order, is faulty, or was serviced; the number of the record."""
        return {"record": await equipment.record(who, number, body.sort, body.text, body.day)}

    @router.post("/records/{record}/photographs", openapi_extra=PICTURE_BODY)
    async def add_record_photograph(
        who: Who, record: Annotated[int, Path(ge=1, le=2**62)], request: Request
    ) -> dict[str, Any]:
        """Add a photograph (at most 5 MB) to a record of one's own; the number of the picture."""
        return {"picture": str(await equipment.photograph(who, record, request.stream()))}

    return router


def _add_register(router: APIRouter, equipment: Equipment) -> None:
    @router.get("/equipment")
    async def list_fire_equipment(
        who: Who,
        state: Annotated[Condition | Literal["retired"] | None, Query()] = None,
        place: Annotated[str | None, Query(max_length=200, description="there or below")] = None,
        words: Annotated[str, Query(max_length=100)] = "",
        limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
    ) -> dict[str, Any]:
        """Pieces, the most urgent first, and how many there are."""
        rows, total = await equipment.pieces(who, state=state, place=place, words=words, limit=limit)
        return {"items": [piece_json(row) for row in rows], "total": total}

    @router.post("/equipment/list", openapi_extra=_LIST)
    async def take_list(who: Who, request: Request) -> dict[str, Any]:
        """Take in an Excel or CSV list (at most 1 MiB, 5 000 rows), all of it or nothing. What is wrong comes back in
        `detail`, a line each, with row and column."""
        return await equipment.take_list(who, request.stream())

    @router.put("/equipment")
    async def put_piece(who: Who, body: Fields) -> dict[str, Any]:
        """Add a piece, or change the one of its number: `number`, `kind`, `place`, `spot`, `model`, `inspect`, `made`,
        `installed`, `serviced`, `inspected`, `expires`, all text."""
        return {"id": await equipment.put(who, body)}

    @router.get("/equipment/{number}")
    async def show_piece(who: Who, number: PieceId) -> dict[str, Any]:
        """One piece with its records."""
        return piece_json(await equipment.piece(who, number))

    @router.post("/equipment/{number}/retire")
    async def retire_piece(who: Who, number: PieceId, body: Note) -> dict[str, Any]:
        """It leaves the register; its records stay."""
        await equipment.retire(who, number, body.note)
        return piece_json(await equipment.piece(who, number))

    @router.post("/equipment/{number}/restore")
    async def restore_piece(who: Who, number: PieceId) -> dict[str, Any]:
        """It is used again."""
        await equipment.restore(who, number)
        return piece_json(await equipment.piece(who, number))


def piece_json(row: Row) -> dict[str, Any]:
    """A piece as plain JSON values."""
    return {name: plain(value) for name, value in row.items() if name not in ("community_id", "total")}


def plain(value: Any) -> Any:
    """As JSON takes it: days and instants in ISO 8601."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value if value is None or isinstance(value, bool | int | float) else str(value)
