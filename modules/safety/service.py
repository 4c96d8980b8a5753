"""Use cases of the register of fire equipment (消防器材台账): what there is, what people found at it, what is due."""

import asyncio
from collections.abc import AsyncIterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import date, datetime
from uuid import UUID

from hub import audit
from hub.context import Context
from hub.errors import Refused
from hub.live import Change
from hub.media.store import of_subjects
from hub.principal import Principal
from hub.store.database import Connection, Row
from modules.safety import store, telling
from modules.safety.model import Piece, Sort, recorded
from modules.safety.photographs import add_photograph
from modules.safety.sheet import EARLIEST, Wrong, fields_of, piece_of, pieces_of, places_by_name
from modules.safety.table import MOST_ROWS, read_table
from modules.safety.words import COLUMNS

MOST = MOST_ROWS


class BadList(Refused):
    """A list, or a piece, with cells that are wrong; `problems` in order of rows."""

    def __init__(self, problems: list[Wrong], language: str) -> None:
        lines = "\n".join(problem.render(language) for problem in problems)
        super().__init__("bad_list", lines, 422)
        self.problems = problems


class Equipment:
    """The register, for one principal at a time. Writing records needs the right `work`, the register `maintain`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    # -- looking ---------------------------------------------------------------------------------------------------

    async def pieces(
        self, who: Principal, *, state: str | None = None, place: str | None = None, words: str = "", limit: int = 100
    ) -> tuple[list[Row], int]:  # fmt: skip
        """Pieces with their `states`, the most urgent first, and how many there are. `state`: one of the conditions or
        `retired`, None for all in use; `place`: there or below; `words`: in number, spot or model."""
        who.require("see")
        words = words.replace("\x00", " ").strip()[:100]
        async with self._session(who) as connection:
            today = await self._today(connection, who)
            found = await store.rows(connection, "list", who.community_id, state=state, place=place, words=words,
                                     today=today, limit=max(1, min(limit, MOST)))  # fmt: skip
        return [{**row, "states": store.states_of(row, today)} for row in found], found[0]["total"] if found else 0

    async def figures(self, who: Principal) -> Row:
        """How many are in use (`total`), and of these how many in each condition."""
        who.require("see")
        async with self._session(who) as connection:
            today = await self._today(connection, who)
            return await store.one(connection, "figures", who.community_id, "figures", today=today)

    async def piece(self, who: Principal, number: int) -> Row:
        """One piece with `states` and `records`, the newest first, each with its `photographs`. NotThere."""
        who.require("see")
        async with self._session(who) as connection:
            today = await self._today(connection, who)
            row = await store.one(connection, "one", who.community_id, f"equipment {number}", id=number)
            records = await store.rows(connection, "records", who.community_id, id=number)
            subjects = {_subject(one): one["id"] for one in records}
            pictures = await of_subjects(connection, who.community_id, list(subjects))
        for one in records:
            one["photographs"] = [
                {name: picture[name] for name in ("id", "taken_at", "source", "gone")}
                for picture in pictures if subjects[picture["subject"]] == one["id"]
            ]  # fmt: skip
        return {**row, "states": store.states_of(row, today), "records": records}

    # -- the register ----------------------------------------------------------------------------------------------

    async def put(self, who: Principal, cells: Mapping[str, str]) -> int:
        """Add a piece, or change the fields that are given of the one of its number, days as they are given; its id.

        BadList; Refused(409) `retired`: the number is off the register, and `made` does not say that this is another.
        """
        who.require("maintain")
        async with self._session(who) as connection:
            today = await self._begin(connection, who)
            piece, wrong = piece_of(cells, await self._places(connection, who), today)
            if piece is None:
                raise BadList(wrong, who.language)
            await self._take(connection, who, [piece], frozenset(cells) & COLUMNS.keys(), today, by_hand=True)
            made = await store.one(connection, "by_number", who.community_id, piece.number, number=piece.number)
        self._announce(who.community_id)
        return int(made["id"])

    async def take_list(self, who: Principal, parts: AsyncIterable[bytes], most: int = 1024 * 1024) -> dict[str, int]:
        """Take in a clerk's list, all of it or nothing: {"added": n, "changed": n, "same": n}. What stands in the
        register and not in the list stays, so do columns that the list lacks, newer days, and what is retired. Another
        day of manufacture is another piece under the number. BadList; Refused(422) for what is no list."""
        who.require("maintain")
        raw = bytearray()
        async for part in parts:
            raw += part
            if len(raw) > most:
                raise Refused("table_too_large", f"at most {most} bytes", 413)
        found = await asyncio.to_thread(read_table, bytes(raw))
        return await self.take_rows(who, found)

    async def take_rows(self, who: Principal, found: list[list[str]]) -> dict[str, int]:
        """The same with the rows already read."""
        who.require("maintain")
        async with self._session(who) as connection:
            today = await self._begin(connection, who)
            places = await self._places(connection, who)
            pieces, wrong = await asyncio.to_thread(pieces_of, found, places, today)
            if wrong:
                raise BadList(wrong, who.language)
            done = await self._take(connection, who, pieces, fields_of(found), today)
        self._announce(who.community_id)
        return done

    async def _take(
        self, connection: Connection, who: Principal, pieces: list[Piece], fields: frozenset[str], today: date, *,
        by_hand: bool = False,
    ) -> dict[str, int]:  # fmt: skip
        known = {row["number"]: row for row in await store.rows(connection, "known", who.community_id)}
        if len(known.keys() | {piece.number for piece in pieces}) > MOST:
            raise Refused("too_many", f"a register has at most {MOST} pieces", 409)
        done = {"added": 0, "changed": 0, "same": 0}
        fresh: list[tuple[Piece, date]] = []
        for given in pieces:
            row = known.get(given.number)
            if row is None:
                done["added"] += 1
                fresh.append((given, today))
                continue
            other = given.made is not None and row["made"] not in (None, given.made)
            if other and (row["retired_at"] is not None or not by_hand):
                piece, registered = given, today
                await store.do(connection, "renew", who.community_id, id=row["id"])
            elif row["retired_at"] is not None and by_hand:
                raise Refused(
                    "retired", f"{given.number} is no longer on the register; use it again, or another number"
                )
            else:
                had, registered = store.piece_of(row), row["registered"]
                piece = replace(had, **{name: getattr(given, name) for name in fields})
                piece = piece if by_hand else _not_back(piece, row)
                if piece == had or row["retired_at"] is not None:
                    done["same"] += 1
                    continue
            done["changed"] += 1
            fresh.append((piece, registered))
        await store.put(connection, who.community_id, fresh)
        on = f"equipment:{pieces[0].number}" if len(pieces) == 1 else "safety:register"
        await audit.record(connection, who, "safety.put", on, self._now(), {**done})
        await telling.tell(self._context, connection, who.community_id, today)
        return done

    async def retire(self, who: Principal, number: int, note: str) -> None:
        """Take a piece off the register; its records stay. NotThere; Refused(422) without a note."""
        await self._keep(who, number, text_of(note, "note", 200), self._now(), "retire")

    async def restore(self, who: Principal, number: int) -> None:
        """Put it back. NotThere."""
        await self._keep(who, number, "", None, "restore")

    async def _keep(self, who: Principal, number: int, note: str, at: datetime | None, action: str) -> None:
        who.require("maintain")
        async with self._session(who) as connection:
            today = await self._begin(connection, who)
            await store.one(connection, "one", who.community_id, f"equipment {number}", id=number)
            await store.do(connection, "retire", who.community_id, id=number, at=at, note=note)
            await audit.record(connection, who, f"safety.{action}", f"equipment:{number}", self._now())
            await telling.tell(self._context, connection, who.community_id, today)
        self._announce(who.community_id, number)

    # -- records ---------------------------------------------------------------------------------------------------

    async def record(
        self, who: Principal, number: int, sort: Sort, text: str = "", day: date | None = None
    ) -> int:  # fmt: skip
        """Somebody inspected a piece, found a fault (`text` says which), or had it serviced on `day`; the record's id.

        NotThere; Refused: 422 `bad_text`, `bad_day`; 409 `retired`.
        """
        who.require("work")
        text = text_of(text, "text", 500, least=1 if sort == "fault" else 0)
        now = self._now()
        async with self._session(who) as connection:
            today = await self._begin(connection, who)
            row = await store.one(connection, "one", who.community_id, f"equipment {number}", id=number)
            if row["retired_at"] is not None:
                raise Refused("retired", "this piece is no longer on the register")
            if day is not None and (sort != "service" or not EARLIEST <= day <= today):
                raise Refused("bad_day", "a day up to today, of a service only", 422)
            made = await self._add(connection, row, who.actor, sort, text, now, day or today)
            assert made is not None, "without an origin nothing is told twice"
            if sort == "fault" and row["faulty_since"] is None:
                await telling.tell_fault(self._context, connection, row, made, text, now)
            await audit.record(connection, who, f"safety.{sort}", f"equipment:{number}", now)
            await telling.tell(self._context, connection, who.community_id, today)
        self._announce(who.community_id, number)
        return made

    async def hear(
        self, *, community_id: int, number: str, sort: Sort, text: str, at: datetime, actor: str, origin: str,
        pictures: str,
    ) -> bool:  # fmt: skip
        """What a patrol found at a piece; False where it was told before, or the register has no such piece. It raises
        no alarm of its own: the patrol has told of the fault."""
        async with self._context.database.session([community_id]) as connection:
            await store.do(connection, "lock", community_id)
            zone = await store.zone(connection, community_id)
            found = await store.rows(connection, "by_number", community_id, number=number)
            if not found or found[0]["retired_at"] is not None:
                return False
            day = at.astimezone(zone).date()
            made = await self._add(connection, found[0], actor, sort, text, at, day, origin, pictures)
            await telling.tell(self._context, connection, community_id, self._now().astimezone(zone).date())
        self._announce(community_id, found[0]["id"])
        return made is not None

    async def _add(
        self, connection: Connection, row: Row, actor: str, sort: Sort, text: str, at: datetime, day: date,
        origin: str | None = None, pictures: str = "",
    ) -> int | None:  # fmt: skip
        made = await store.add_record(connection, row, at, sort=sort, day=day, noted_at=self._now(), actor=actor,
                                      text=text, origin=origin, pictures=pictures)  # fmt: skip
        if made is not None:
            await store.stand(connection, row, recorded(store.standing_of(row), sort, at, day, text), actor)
        return made

    async def photograph(self, who: Principal, record: int, parts: AsyncIterable[bytes]) -> UUID:
        """Add a picture to a record of one's own, within a day; its number. NotThere; see `add_photograph`."""
        who.require("work")
        async with self._session(who) as connection:
            found = await store.one(connection, "record", who.community_id, f"record {record}", id=record)
        if found["pictures"]:
            raise Refused("forbidden", "a patrol's photographs are kept with its round", 403)
        number = await add_photograph(self._context, who, found, _subject(found), parts)
        self._announce(who.community_id, found["equipment_id"])
        return number

    async def note_export(self, who: Principal, form: str) -> None:
        """Write down that the register left the house."""
        async with self._session(who) as connection:
            await audit.record(connection, who, "safety.export", "safety:register", self._now(), {"form": form})

    # -- what all need ---------------------------------------------------------------------------------------------

    def _now(self) -> datetime:
        return self._context.clock.now()

    def _session(self, who: Principal) -> AbstractAsyncContextManager[Connection]:
        return self._context.database.session([who.community_id])

    async def _begin(self, connection: Connection, who: Principal) -> date:
        """Hold the register, so that counts and what is told of them agree; the local day."""
        await store.do(connection, "lock", who.community_id)
        return await self._today(connection, who)

    async def _today(self, connection: Connection, who: Principal) -> date:
        return self._now().astimezone(await store.zone(connection, who.community_id)).date()

    async def _places(self, connection: Connection, who: Principal) -> dict[str, str]:
        return places_by_name(await store.rows(connection, "places", who.community_id))

    def _announce(self, community_id: int, number: int = 0) -> None:
        self._context.reports.wake()
        self._context.live.publish(Change("safety", community_id, str(number), {"equipment": number}))


def _not_back(piece: Piece, row: Row) -> Piece:
    """As the list says, but days of inspection and service that are newer stay: the list was handed out before."""
    inspected = max(filter(None, (piece.inspected, row["inspected"])), default=None)
    serviced = max(filter(None, (piece.serviced, row["serviced"])), default=None)
    return replace(piece, inspected=inspected, serviced=serviced)


def _subject(record: Row) -> str:
    return str(record["pictures"]) or f"equipment_record:{record['id']}"


def text_of(text: str, what: str, most: int, *, least: int = 1) -> str:
    """The text without blanks around it. Refused(422) when it is too short, too long or has control characters."""
    text = text.strip()
    if not least <= len(text) <= most or not all(c.isprintable() or c == "\n" for c in text):
        raise Refused("bad_text", f"{what}: a text of {least} to {most} printable characters is needed", 422)
    return text
