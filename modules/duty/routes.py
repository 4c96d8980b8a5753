"""Posts, shifts, people, equipment and rosters over HTTP. No logic: each route is one call of the service."""

from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import AwareDatetime, BaseModel, Field

from hub.principal import Principal
from hub.vocabulary.base import Code
from modules.duty.desk import plain
from modules.duty.model import AbsenceKind, Limits, Slot
from modules.duty.service import Duty


def principal_of(request: Request) -> Principal:
    """Whom the API found behind the request before it let it in here."""
    who = request.state.principal
    assert isinstance(who, Principal)
    return who


Who = Annotated[Principal, Depends(principal_of)]
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]
Id = Annotated[int, Field(ge=1, le=2**31 - 1)]
Word = Annotated[str, Field(min_length=1, max_length=60)]
Words = Annotated[list[Code], Field(max_length=20)]
Day = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2100, 1, 1))]
Moment = Annotated[AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC), le=datetime(2100, 1, 1, tzinfo=UTC))]
Note = Annotated[str, Field(max_length=2000)]


class Name(BaseModel, extra="forbid"):
    """In both languages."""

    zh: Word
    en: Word


class PostBody(BaseModel, extra="forbid"):
    """A post (岗位)."""

    name: Name
    place: Annotated[str, Field(max_length=100)] = ""
    qualifications: Words = []
    active: bool = True


class ShiftBody(BaseModel, extra="forbid"):
    """A shift (班次); over midnight when it ends earlier than it begins."""

    name: Name
    begins: time
    ends: time
    active: bool = True


class NeedBody(BaseModel, extra="forbid"):
    """How many people stand there, on which weekdays (1 Monday … 7 Sunday)."""

    people: Annotated[int, Field(ge=0, le=20)]
    weekdays: Annotated[list[Annotated[int, Field(ge=1, le=7)]], Field(min_length=1, max_length=7)] = list(range(1, 8))


class LimitsBody(BaseModel, extra="forbid"):
    """What rosters keep to, and when a hand-over is late."""

    weekly_hours: Annotated[int, Field(ge=1, le=84)] = 48
    rest_hours: Annotated[int, Field(ge=0, le=24)] = 11
    nights_in_a_row: Annotated[int, Field(ge=1, le=14)] = 3
    days_in_a_row: Annotated[int, Field(ge=1, le=14)] = 6
    late_minutes: Annotated[int, Field(ge=0, le=240)] = 15


class PersonBody(BaseModel, extra="forbid"):
    """A guard. `phone` and `card` left out keep what is there; empty takes it away. A card is never given back."""

    name: Word
    account: Code | None = None
    phone: Annotated[str, Field(max_length=24)] | None = None
    card: Annotated[str, Field(max_length=80)] | None = None
    qualifications: Words = []
    weekly_hours: Annotated[int, Field(ge=1, le=84)] | None = None
    active: bool = True


class PieceBody(BaseModel, extra="forbid"):
    """A piece of guard equipment or a key."""

    name: Name
    active: bool = True


class IssueBody(BaseModel, extra="forbid"):
    """Who gets it; null: it comes back."""

    person: Id | None
    note: Note = ""


class AbsenceBody(BaseModel, extra="forbid"):
    """Shifts beginning on [first, last] are not stood; of one already begun, nothing from `since` on."""

    person: Id
    kind: AbsenceKind
    first: Day
    last: Day
    since: Moment | None = None
    note: Note = ""


class WishBody(BaseModel, extra="forbid"):
    """A wish for a day or one shift of it; `want` null takes it back."""

    person: Id
    day: Day
    want: Literal["duty", "free"] | None
    shift: Id | None = None


class Period(BaseModel, extra="forbid"):
    """The community's local days, both included: at most 42."""

    first: Day
    last: Day


class SlotBody(BaseModel, extra="forbid"):
    """One person at one post for one shift of one day."""

    day: Day
    shift: Id
    post: Id
    person: Id

    def slot(self) -> Slot:
        return Slot(self.day, self.shift, self.post, self.person)


class Edit(BaseModel, extra="forbid"):
    """Slots out, slots in. `accept`: also when rules are broken or places stay uncovered."""

    remove: Annotated[list[SlotBody], Field(max_length=500)] = []
    add: Annotated[list[SlotBody], Field(max_length=500)] = []
    note: Annotated[str, Field(max_length=200)] = ""
    accept: bool = False


class Approval(BaseModel, extra="forbid"):
    """`accept`: also with holes or broken rules."""

    note: Annotated[str, Field(max_length=200)] = ""
    accept: bool = False


def make_router(duty: Duty) -> APIRouter:
    """Everything under `/duty`; whoever mounts it sets `request.state.principal`."""
    from modules.duty.routes_log import add_log_routes

    router = APIRouter(prefix="/duty", tags=["duty"])
    _add_basics(router, duty)
    _add_people(router, duty)
    _add_absences(router, duty)
    _add_rosters(router, duty)
    _add_changes(router, duty)
    add_log_routes(router, duty)
    return router


def _items(rows: Any) -> dict[str, Any]:
    return {"items": plain(rows)}


def _add_basics(router: APIRouter, duty: Duty) -> None:
    register = duty.register

    @router.get("/posts")
    async def list_posts(who: Who) -> dict[str, Any]:
        """Posts (岗位)."""
        return _items(await register.posts(who))

    @router.put("/posts/{code}")
    async def put_post(who: Who, code: Code, body: PostBody) -> dict[str, Any]:
        """Add or change a post."""
        values = body.model_dump(exclude={"name"})
        return {"id": await register.put_post(who, code, body.name.model_dump(), **values)}

    @router.get("/shifts")
    async def list_shifts(who: Who) -> dict[str, Any]:
        """Shifts (班次)."""
        return _items(await register.shifts(who))

    @router.put("/shifts/{code}")
    async def put_shift(who: Who, code: Code, body: ShiftBody) -> dict[str, Any]:
        """Add or change a shift."""
        begins, ends = body.begins.replace(tzinfo=None), body.ends.replace(tzinfo=None)
        return {"id": await register.put_shift(who, code, body.name.model_dump(), begins, ends, active=body.active)}

    @router.get("/needs")
    async def list_needs(who: Who) -> dict[str, Any]:
        """How many people each post needs in each shift."""
        return _items(await register.needs(who))

    @router.put("/needs/{post}/{shift}")
    async def put_need(who: Who, post: Code, shift: Code, body: NeedBody) -> dict[str, Any]:
        """Set it."""
        return {"post": await register.put_need(who, post, shift, body.people, body.weekdays)}

    @router.get("/limits")
    async def show_limits(who: Who) -> dict[str, Any]:
        """What rosters keep to."""
        return await register.limits(who)

    @router.put("/limits")
    async def put_limits(who: Who, body: LimitsBody) -> dict[str, Any]:
        """Other limits."""
        return await register.put_limits(who, Limits(**body.model_dump(exclude={"late_minutes"})), body.late_minutes)


def _add_people(router: APIRouter, duty: Duty) -> None:
    register = duty.register

    @router.get("/people")
    async def list_people(who: Who) -> dict[str, Any]:
        """People; numbers masked for who may not supervise."""
        return _items(await register.people(who))

    @router.get("/people/{number}")
    async def show_person(who: Who, number: Number) -> dict[str, Any]:
        """One of them."""
        return dict(plain(await register.person(who, number)))

    @router.put("/people/{code}")
    async def put_person(who: Who, code: Code, body: PersonBody) -> dict[str, Any]:
        """Add or change a person."""
        return {"id": await register.put_person(who, code, **body.model_dump())}

    @router.get("/equipment")
    async def list_equipment(who: Who) -> dict[str, Any]:
        """Guard equipment (警械设备) and who has it."""
        return _items(await register.equipment(who))

    @router.put("/equipment/{code}")
    async def put_equipment(who: Who, code: Code, body: PieceBody) -> dict[str, Any]:
        """Add or change a piece."""
        return {"id": await register.put_equipment(who, code, body.name.model_dump(), active=body.active)}

    @router.post("/equipment/{number}/move")
    async def move_equipment(who: Who, number: Number, body: IssueBody) -> dict[str, Any]:
        """Hand it out, or take it back."""
        if body.person is None:
            await register.take_back(who, number, body.note)
        else:
            await register.issue(who, number, body.person, body.note)
        return _items(await register.equipment_moves(who, number))

    @router.get("/equipment/{number}/moves")
    async def list_equipment_moves(who: Who, number: Number) -> dict[str, Any]:
        """Who had it when."""
        return _items(await register.equipment_moves(who, number))


def _add_absences(router: APIRouter, duty: Duty) -> None:
    register = duty.register

    @router.get("/absences")
    async def list_absences(who: Who, first: Day, last: Day) -> dict[str, Any]:
        """Who is away on these days."""
        return _items(await register.absences(who, first, last))

    @router.post("/absences")
    async def put_absence(who: Who, body: AbsenceBody) -> dict[str, Any]:
        """Somebody is away."""
        made = await register.put_absence(who, body.person, body.kind, body.first, body.last, since=body.since,
                                          note=body.note)  # fmt: skip
        return {"id": made}

    @router.delete("/absences/{number}")
    async def cancel_absence(who: Who, number: Number) -> dict[str, Any]:
        """They are there after all."""
        await register.cancel_absence(who, number)
        return {"id": number}

    @router.get("/wishes")
    async def list_wishes(who: Who, first: Day, last: Day) -> dict[str, Any]:
        """What people wish for."""
        return _items(await register.wishes(who, first, last))

    @router.post("/wishes")
    async def put_wish(who: Who, body: WishBody) -> dict[str, Any]:
        """A wish of one's own, or anybody's for who supervises."""
        await register.put_wish(who, body.person, body.day, body.want, body.shift)
        return {"person": body.person}


def _add_rosters(router: APIRouter, duty: Duty) -> None:
    rosters = duty.rosters

    @router.get("/on-shift")
    async def on_shift(who: Who, post: Code | None = None, at: Moment | None = None) -> dict[str, Any]:
        """Who stands where now, or at an instant; without telephone numbers."""
        who.require("see")
        rows = await duty.on.on_shift(who.community_id, post, at or duty.context.clock.now())
        shift = await duty.on.shift_at(who.community_id, at or duty.context.clock.now())
        return {"shift": plain(shift), **_items([{k: v for k, v in row.items() if k != "phone"} for row in rows])}

    @router.get("/roster")
    async def show_days(who: Who, first: Day, last: Day) -> dict[str, Any]:
        """What is published for these days, and what is wrong with it."""
        return dict(plain(await rosters.days(who, first, last)))

    @router.get("/rosters")
    async def list_rosters(
        who: Who,
        state: Annotated[list[Literal["draft", "published", "discarded"]] | None, Query(max_length=3)] = None,
        cursor: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> dict[str, Any]:
        """Drafts and versions, newest first."""
        rows = await rosters.recent(who, states=state or ("draft", "published"), before=cursor, limit=limit)
        return {**_items(rows), "next": str(rows[-1]["id"]) if len(rows) == limit else None}

    @router.get("/rosters/{number}")
    async def show_roster(who: Who, number: Number) -> dict[str, Any]:
        """One of them."""
        return dict(plain(await rosters.show(who, number)))

    @router.post("/rosters/generate")
    async def generate_roster(who: Who, body: Period) -> dict[str, Any]:
        """A draft by the solver, within 20 s; `missing` names every place it could not cover."""
        return dict(plain(await rosters.generate(who, body.first, body.last)))

    @router.post("/rosters/draft")
    async def draft_roster(who: Who, body: Period) -> dict[str, Any]:
        """A draft that begins as what is published."""
        return dict(plain(await rosters.draft(who, body.first, body.last)))


def _add_changes(router: APIRouter, duty: Duty) -> None:
    rosters = duty.rosters

    @router.post("/rosters/{number}/publish")
    async def publish_roster(who: Who, number: Number, body: Approval) -> dict[str, Any]:
        """From now on it counts."""
        return dict(plain(await rosters.publish(who, number, note=body.note, accept=body.accept)))

    @router.post("/rosters/{number}/discard")
    async def discard_roster(who: Who, number: Number) -> dict[str, Any]:
        """A draft is not wanted."""
        await rosters.discard(who, number)
        return {"id": number}

    @router.post("/rosters/{number}/change")
    async def change_draft(who: Who, number: Number, body: Edit) -> dict[str, Any]:
        """Change a draft in place."""
        return await _changed(who, body, number)

    @router.post("/roster/change")
    async def change_roster(who: Who, body: Edit) -> dict[str, Any]:
        """Change what is published, as a further version: a stand-in, a swap (two out, two in)."""
        return await _changed(who, body, None)

    @router.post("/roster/stand-ins")
    async def list_stand_ins(who: Who, body: SlotBody) -> dict[str, Any]:
        """Who could stand this place instead, the best first."""
        return _items(await rosters.stand_ins(who, body.slot()))

    async def _changed(who: Principal, body: Edit, roster_id: int | None) -> dict[str, Any]:
        told = await rosters.change(
            who, remove=[each.slot() for each in body.remove], add=[each.slot() for each in body.add], note=body.note,
            roster_id=roster_id, accept=body.accept,
        )  # fmt: skip
        return dict(plain(told))
