"""`config/duty/<community>.yaml`: what a community begins with. Applied once, where nobody is on the register yet."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, time, timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from hub import audit
from hub.catalog.document import Document
from hub.catalog.problems import CatalogError, Problem
from hub.catalog.sources import find_files, read_document
from hub.catalog.validate import validate
from hub.context import Context
from hub.errors import Refused
from hub.principal import Principal
from hub.store.database import Connection
from hub.vocabulary.base import Code, Model, Text
from modules.duty import store
from modules.duty.model import Slot, card_hash, check_phone

_AROUND = timedelta(days=7)


def _day(value: object) -> date:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else date.fromisoformat("")
    except ValueError:
        raise ValueError("a day such as 2026-01-01") from None


def _time(value: object) -> time:
    try:
        found = time.fromisoformat(value) if isinstance(value, str) else time.fromisoformat("")
    except ValueError:
        raise ValueError('a time of day such as "07:00"') from None
    if found.tzinfo is not None or found.second or found.microsecond:
        raise ValueError('a time of day such as "07:00", without zone')
    return found


def _phone(value: str) -> str:
    try:
        return check_phone(value)
    except Refused as error:
        raise ValueError(error.detail) from None


def _card(value: str) -> str:
    try:
        card_hash(b"", value or "0000")
    except Refused as error:
        raise ValueError(error.detail) from None
    return value


Day = Annotated[date, BeforeValidator(_day, json_schema_input_type=str)]
Time = Annotated[time, BeforeValidator(_time, json_schema_input_type=str)]


class ShiftSpec(Model):
    """A shift on the wall clock; over midnight when it ends earlier than it begins."""

    code: Code
    name: Text
    begins: Time
    ends: Time


class PostSpec(Model):
    """A post, and how many people it needs in each shift."""

    code: Code
    name: Text
    place: str = ""
    qualifications: list[Code] = []
    people: dict[Code, Annotated[int, Field(ge=0, le=20)]] = Field(description="shift -> people")


class PersonSpec(Model):
    """A guard. The card is kept as a keyed hash only."""

    code: Code
    name: Annotated[str, Field(min_length=1, max_length=60)]
    account: Code | None = None
    phone: Annotated[str, Field(max_length=20), AfterValidator(_phone)] = ""
    card: Annotated[str, Field(max_length=64), AfterValidator(_card)] = ""
    qualifications: list[Code] = []


class PieceSpec(Model):
    """A piece of guard equipment."""

    code: Code
    name: Text


class TurnSpec(Model):
    """Where a person stands in the rotation: at which post, so many days ahead in the cycle."""

    person: Code
    post: Code
    ahead: Annotated[int, Field(ge=0, le=100)] = 0


class RotationSpec(Model):
    """The roster to begin with: on day `since` who is 0 ahead has the first of `cycle`; null is a day off."""

    since: Day
    cycle: Annotated[list[Code | None], Field(min_length=1, max_length=56)]
    turns: Annotated[list[TurnSpec], Field(max_length=200)]


class DutyFile(Model):
    """Posts, shifts, people and equipment of a community at its first start; later the pages rule."""

    community: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
    shifts: Annotated[list[ShiftSpec], Field(max_length=20)]
    posts: Annotated[list[PostSpec], Field(max_length=100)]
    people: Annotated[list[PersonSpec], Field(max_length=500)]
    equipment: Annotated[list[PieceSpec], Field(max_length=500)] = []
    rotation: RotationSpec | None = None


def load_duty(roots: Sequence[Path]) -> dict[str, DutyFile]:
    """Community code -> its file. CatalogError with every problem."""
    found, problems = read_duty(roots)
    if problems:
        raise CatalogError(problems)
    return found


def read_duty(roots: Sequence[Path]) -> tuple[dict[str, DutyFile], list[Problem]]:
    """The same, with the problems beside it instead of raised."""
    found: dict[str, DutyFile] = {}
    problems: list[Problem] = []
    for path in find_files(roots, "duty/*.yaml").values():
        document = read_document(path, {})
        file = validate(document, DutyFile)
        if file is not None:
            _check(document, file)
            if file.community in found:
                document.report(("community",), "a community that no other file staffs", sort="duplicate")
            found[file.community] = file
        problems += document.problems
    return found, problems


def _check(document: Document, file: DutyFile) -> None:
    """Codes once, and every code that is named there."""
    codes = {
        name: [each.code for each in getattr(file, name)] for name in ("shifts", "posts", "people", "equipment")
    }  # fmt: skip
    for name, listed in codes.items():
        for number, code in enumerate(listed):
            if code in listed[:number]:
                document.report((name, number, "code"), "each code once", sort="duplicate")
    for number, shift in enumerate(file.shifts):
        if shift.begins == shift.ends:
            document.report(("shifts", number, "ends"), "another time than `begins`")
    for number, post in enumerate(file.posts):
        for code in post.people:
            if code not in codes["shifts"]:
                document.report(("posts", number, "people", code), "the code of a shift", sort="reference")
    if file.rotation is not None:
        _check_rotation(document, file.rotation, codes)


def _check_rotation(document: Document, rotation: RotationSpec, codes: Mapping[str, list[str]]) -> None:
    for number, word in enumerate(rotation.cycle):
        if word is not None and word not in codes["shifts"]:
            document.report(("rotation", "cycle", number), "the code of a shift, or null", sort="reference")
    for number, turn in enumerate(rotation.turns):
        for name, listed in (("person", codes["people"]), ("post", codes["posts"])):
            if getattr(turn, name) not in listed:
                document.report(("rotation", "turns", number, name), f"the code of a {name}", sort="reference")


def rotate(rotation: RotationSpec, days: Iterable[date]) -> list[tuple[date, str, str, str]]:
    """(day, shift, post, person) of these days, by code."""
    found = []
    for day in days:
        for turn in rotation.turns:
            shift = rotation.cycle[((day - rotation.since).days + turn.ahead) % len(rotation.cycle)]
            if shift is not None:
                found.append((day, shift, turn.post, turn.person))
    return found


async def apply(context: Context, files: Mapping[str, DutyFile], code: str) -> bool:
    """Staff a community that has nobody yet, with a roster of a week back and a week on; whether it did.

    Every start does this again, and several at once: only the first finds nobody.
    """
    file, community_id = files.get(code), context.communities.get(code)
    if file is None or community_id is None:
        return False
    who = Principal("config:duty", community_id, "admin")
    async with context.database.session([community_id]) as connection:
        await store.do(connection, "lock", community_id, subject="seed")
        if await store.rows(connection, "people", community_id):
            return False
        await _staff(connection, who, file)
        if file.rotation is not None:
            await _begin(context, connection, who, file.rotation)
        await audit.record(connection, who, "duty.seed", "duty:register", context.clock.now(),
                           {"people": len(file.people), "posts": len(file.posts)})  # fmt: skip
    return True


async def _staff(connection: Connection, who: Principal, file: DutyFile) -> None:
    community, key = who.community_id, (await store.setting(connection, who.community_id))["card_key"]
    for shift in file.shifts:
        await store.do(connection, "put_shift", community, code=shift.code, name=shift.name.model_dump(),
                       begins=shift.begins, ends=shift.ends, active=True)  # fmt: skip
    for post in file.posts:
        await store.do(connection, "put_post", community, code=post.code, name=post.name.model_dump(), place=post.place,
                       qualifications=list(post.qualifications), active=True)  # fmt: skip
        for code, people in post.people.items():
            await store.do(connection, "put_need", community, post=post.code, shift=code, people=people,
                           weekdays=list(range(1, 8)))  # fmt: skip
    for person in file.people:
        await store.do(
            connection, "put_person", community, code=person.code, name=person.name, account=person.account,
            phone=person.phone, keep_phone=False, keep_card=False, weekly_hours=None, active=True,
            card_hash=card_hash(key, person.card) if person.card else None, qualifications=list(person.qualifications),
        )  # fmt: skip
    for piece in file.equipment:
        await store.do(connection, "put_equipment", community, code=piece.code, name=piece.name.model_dump(),
                       active=True)  # fmt: skip


async def extend(context: Context, files: Mapping[str, DutyFile], code: str) -> bool:
    """Go on with the rotation where it ends within a week and nobody has planned anything else; whether it did.

    Changes of single days are no plan. Who or what was retired since is left out: the hole shows.
    """
    file, community_id = files.get(code), context.communities.get(code)
    if file is None or file.rotation is None or community_id is None:
        return False
    who = Principal("config:duty", community_id, "admin")
    async with context.database.session([community_id]) as connection:
        today = context.clock.now().astimezone(await store.zone(connection, community_id)).date()
        await store.do(connection, "lock", community_id, subject="roster")
        known = await store.one(connection, "rotation", community_id, "rosters")
        if known["last"] is None or known["planned"] or known["last"] >= today + _AROUND:
            return False
        first = max(known["last"] + timedelta(days=1), today - _AROUND)
        await _publish(context, connection, who, file.rotation, first, today + 2 * _AROUND)
        await audit.record(connection, who, "duty.rotation", "duty:roster", context.clock.now(),
                           {"first": first.isoformat()})  # fmt: skip
    return True


async def _begin(context: Context, connection: Connection, who: Principal, rotation: RotationSpec) -> None:
    today = context.clock.now().astimezone(await store.zone(connection, who.community_id)).date()
    await _publish(context, connection, who, rotation, today - _AROUND, today + _AROUND)


async def _publish(
    context: Context, connection: Connection, who: Principal, rotation: RotationSpec, first: date, last: date
) -> None:
    """The rotation for [first, last], days that somebody changed already as they are."""
    community, now = who.community_id, context.clock.now()
    plan = await store.plan(connection, community, first, last)
    numbers = {name: {row["code"]: row["id"] for row in await store.rows(connection, name, community) if row["active"]}
               for name in ("shifts", "posts", "people")}  # fmt: skip
    there = await store.slots(connection, community, first, last)
    changed = {slot.day for slot in there}
    slots = there + [
        Slot(day, numbers["shifts"][shift], numbers["posts"][post], numbers["people"][person])
        for day, shift, post, person in rotate(rotation, [day for day in plan.days if day not in changed])
        if shift in numbers["shifts"] and post in numbers["posts"] and person in numbers["people"]
    ]
    made = await store.one(connection, "insert_roster", community, "roster", first=plan.days[0], last=plan.days[-1],
                           origin="rotation", note="", detail={}, actor=who.actor, at=now)  # fmt: skip
    await store.put_slots(connection, community, made["id"], plan, slots)
    await store.do(connection, "publish_roster", community, id=made["id"], actor=who.actor, at=now, note="")
