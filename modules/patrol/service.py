"""What people look at: rounds of a day, one round, how well checkpoints are covered, the log."""

from collections.abc import AsyncIterable, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hub import audit
from hub.context import Context
from hub.errors import Refused
from hub.media.intake import take
from hub.principal import RIGHTS, Principal
from hub.store.database import NotThere, Row
from modules.patrol import codes, store
from modules.patrol.codes import CodeBook
from modules.patrol.evidence import Recorder
from modules.patrol.keeper import Keeper, person_key
from modules.patrol.model import STATES
from modules.patrol.photos import Photos
from modules.patrol.planbook import PlanBook
from modules.patrol.plans import CheckpointSpec, PatrolFile
from modules.patrol.scan import read_code
from modules.patrol.stored import file_json, masked
from modules.patrol.versions import Versions
from modules.patrol.words import names_of, pick

MOST = 500
MOST_DAYS = 92
MOST_LINES = 50_000
_FAR = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Covered:
    """How a checkpoint was covered over some days. `unseen`: nobody was noticed there in all that time."""

    checkpoint: CheckpointSpec
    planned: int
    done: int
    late: int
    unanswered: int
    days: int
    days_seen: int
    last_at: datetime | None
    last_by: str
    unseen: bool

    @property
    def percent(self) -> float | None:
        return round(100 * self.done / self.planned, 1) if self.planned else None


class Patrols:
    """Use cases over patrols, for one principal at a time. `files`: community code -> its patrol file; `refresh`: reads
    them again where they changed; `known`: see `Versions`."""

    def __init__(
        self, context: Context, files: Mapping[str, PatrolFile], refresh: Callable[[], Awaitable[bool]] | None = None,
        book: PlanBook | None = None, known: Callable[[], Awaitable[None]] | None = None,
    ) -> None:  # fmt: skip
        self._context = context
        self._files = files
        self.versions = Versions(files, known)
        self.keeper = Keeper(context, self.versions, refresh)
        self.recorder = Recorder(context, self.versions, self.keeper)
        self._book = book
        self.photos = Photos(context, self.versions, self.keeper)

    @property
    def book(self) -> PlanBook:
        """The plans as people change them. A hub has it; fixed files have none."""
        assert self._book is not None
        return self._book

    def file(self, who: Principal) -> PatrolFile | None:
        """The patrol file of the principal's community."""
        who.require("see")
        return self._files.get(self._code(who))

    def _code(self, who: Principal) -> str:
        return next((code for code, number in self._context.communities.items() if number == who.community_id), "")

    async def checkpoints(self, who: Principal) -> list[CheckpointSpec]:
        """The checkpoints where somebody may check in now: those of rounds under way as they began."""
        who.require("see")
        await self.versions.ready()
        async with self._context.database.session([who.community_id]) as connection:
            now = self._context.clock.now()
            found = await self.versions.checkpoints(connection, who.community_id, self._code(who), now)
        file = self.file(who)
        order = {one.id: number for number, one in enumerate(file.checkpoints if file else ())}
        return sorted(found, key=lambda one: order.get(one.id, len(order)))

    async def titles(self, who: Principal, rows: Sequence[Row], language: str) -> dict[str, str]:
        """What the plans, checkpoints and posts of rounds are called: `plan:night`, `checkpoint:garage`, `post:gate`.
        Those that are gone from the file as they were called when the round began."""
        who.require("see")
        async with self._context.database.session([who.community_id]) as connection:
            files = await self.versions.several(connection, who.community_id, self._code(who), rows)
        port = self._context.ports.get("duty.posts")
        posts = await port(who.community_id) if port is not None else []
        found = {f"post:{one['code']}": pick(one["name"], language) for one in posts}
        for file in [None, *files]:
            found |= names_of(file, language)
        return found

    async def rounds(self, who: Principal, day: date | None = None) -> list[Row]:
        """The rounds that begin on a local day, in order of time; by default today's and those of yesterday that are
        still open. A port for other modules."""
        who.require("see")
        async with self._context.database.session([who.community_id]) as connection:
            zone = ZoneInfo((await store.community(connection, who.community_id))["time_zone"])
            now = self._context.clock.now()
            open_at = now if day is None else None
            day = day or now.astimezone(zone).date()
            since, until = _local(day, zone), _local(day + timedelta(days=1), zone)
            rows = await store.page(
                connection, who.community_id, since, until, plan=None, states=None, before=(_FAR, 0), limit=5000,
                open_at=open_at,
            )  # fmt: skip
        return rows[::-1]

    async def recent(
        self, who: Principal, *, plan: str | None = None, states: Sequence[str] | None = None,
        before: tuple[datetime, int] | None = None, limit: int = 100,
    ) -> list[Row]:  # fmt: skip
        """Rounds that were opened, newest first, at most `limit` (500); `before`: begin and id of the last one seen."""
        who.require("see")
        if states is not None and not set(states) <= set(STATES):
            raise Refused("bad_state", f"states: {', '.join(STATES)}", 422)
        now = self._context.clock.now()
        async with self._context.database.session([who.community_id]) as connection:
            return await store.page(
                connection, who.community_id, now - timedelta(days=3650), now, plan=plan, states=states,
                before=before or (_FAR, 0), limit=max(1, min(limit, MOST)),
            )  # fmt: skip

    async def show(self, who: Principal, round_id: int) -> Row:
        """One round with its evidence, inspections and photographs; positions only with the right `work`. NotThere."""
        who.require("see")
        async with self._context.database.session([who.community_id]) as connection:
            row = await store.one(connection, who.community_id, round_id)
        hidden = () if who.role in RIGHTS["work"] else store.POSITION
        evidence = [{key: value for key, value in one.items() if key not in hidden} for one in row["evidence"]]
        return {**row, "evidence": evidence}

    async def coverage(self, who: Principal, days: int) -> list[Covered]:
        """Each checkpoint over the last `days` (1 to 92), those longest unseen first. Refused(422)."""
        file = self.file(who)
        now = self._context.clock.now()
        since = now - timedelta(days=_bounded(days))
        if file is None:
            return []
        names = [checkpoint.id for checkpoint in file.checkpoints]
        async with self._context.database.session([who.community_id]) as connection:
            zone = (await store.community(connection, who.community_id))["time_zone"]
            found = {
                row["checkpoint"]: row for row in await store.coverage(connection, who.community_id, zone, since, now)
            }
            seen = await store.last_seen(connection, who.community_id, names)
        covered = [_covered(one, found.get(one.id), seen.get(one.id), since) for one in file.checkpoints]
        first = datetime(1, 1, 1, tzinfo=UTC)
        return sorted(covered, key=lambda one: (not one.unseen, one.last_at or first))

    async def results(self, who: Principal, days: int) -> dict[str, dict[str, int]]:
        """Plan -> state -> rounds of the last `days`, `proved_later` among them counted too."""
        who.require("see")
        now = self._context.clock.now()
        async with self._context.database.session([who.community_id]) as connection:
            rows = await store.results(connection, who.community_id, now - timedelta(days=_bounded(days)), now)
        found: dict[str, dict[str, int]] = {}
        for row in rows:
            counts = found.setdefault(row["plan"], {"proved_later": 0})
            counts[row["state"]] = row["rounds"]
            counts["proved_later"] += row["proved_later"]
        return found

    async def log(self, who: Principal, first: date, last: date) -> list[Row]:
        """One row a planned visit of the local days first to last (both included). Refused(422) over 92 days."""
        who.require("see")
        _bounded((last - first).days + 1)
        async with self._context.database.session([who.community_id]) as connection:
            zone = ZoneInfo((await store.community(connection, who.community_id))["time_zone"])
            since, until = _local(first, zone), _local(last + timedelta(days=1), zone)
            rows = await store.log(connection, who.community_id, since, until, MOST_LINES + 1)
        if len(rows) > MOST_LINES:
            raise Refused("too_many", f"more than {MOST_LINES} lines; ask for fewer days", 422)
        return [row | {"zone": zone} for row in rows]

    async def photographs(self, who: Principal, days: int) -> list[Row]:
        """What guards photographed in the last `days` (1 to 92), newest first, at most 200."""
        who.require("work")
        now = self._context.clock.now()
        async with self._context.database.session([who.community_id]) as connection:
            since, until = now - timedelta(days=_bounded(days)), now + timedelta(seconds=1)
            return await store.photos(connection, who.community_id, since, until, store.MOST_SHOWN)

    async def names(self, who: Principal) -> dict[str, str]:
        """What people are called who have no account: "person:17" -> name, by the duty roster."""
        who.require("see")
        port = self._context.ports.get("duty.people")
        people = await port(who.community_id) if port is not None else []
        return {f"person:{one['person']}": one["name"] for one in people} | {
            person_key(one): one["name"] for one in people
        }

    async def printed(self, who: Principal) -> list[tuple[CheckpointSpec, str]]:
        """The lasting codes of all checkpoints that take one, to be printed."""
        who.require("supervise")
        file, book = await self._codes(who)
        return [(one, book.printed(one.id)) for one in file.checkpoints if any(p.by == "qr" for p in one.proofs)]

    async def displayed(self, who: Principal, checkpoint: str) -> tuple[CheckpointSpec, str]:
        """A fresh code for the display at a checkpoint. NotThere where it takes none."""
        who.require("supervise")
        file, book = await self._codes(who)
        return _with_display(file, checkpoint), book.displayed(checkpoint, self._context.clock.now())

    async def screens(self, who: Principal) -> dict[str, str]:
        """Checkpoint with a display -> the token that a screen there shows codes by, without anybody signed in."""
        who.require("supervise")
        file, book = await self._codes(who)
        return {one.id: book.screen(one.id) for one in file.checkpoints if any(p.by == "display" for p in one.proofs)}

    async def shown_on(self, token: str) -> tuple[CheckpointSpec, str]:
        """A fresh code for the screen that holds the token; nobody needs to be signed in. Refused(422), NotThere."""
        community = token[: codes.MOST].split(":")[1] if token.count(":") > 1 else ""
        community_id, file = self._context.communities.get(community), self._files.get(community)
        if community_id is None or file is None:
            raise NotThere("a community with patrols")
        async with self._context.database.session([community_id]) as connection:
            book = await store.code_book(connection, community_id, community)
        found = _with_display(file, book.read_screen(token))
        return found, book.displayed(found.id, self._context.clock.now())

    async def renew(self, who: Principal, checkpoint: str) -> int:
        """Replace the codes of a checkpoint: the sheet and the display that are there show what is refused from now on.
        The number of the new generation. NotThere."""
        who.require("supervise")
        file = self.file(who)
        if file is None or file.checkpoint(checkpoint) is None:
            raise NotThere(f"checkpoint {checkpoint}")
        async with self._context.database.session([who.community_id]) as connection:
            generation = await store.renew_code(connection, who.community_id, checkpoint)
            now = self._context.clock.now()
            what = {"generation": generation}
            await audit.record(connection, who, "patrol.renew_code", f"checkpoint:{checkpoint}", now, what)
        return generation

    async def read_photograph(self, who: Principal, parts: AsyncIterable[bytes]) -> str:
        """The checkpoint's code in a photograph. BadPicture; Refused(422) as for codes, `no_code`."""
        who.require("work")
        _, book = await self._codes(who)
        return await read_code(await take(parts), book)

    async def _codes(self, who: Principal) -> tuple[PatrolFile, CodeBook]:
        await self.versions.ready()
        file = self.file(who)
        if file is None:
            raise Refused("no_patrols", "this community has no patrol file", 404)
        async with self._context.database.session([who.community_id]) as connection:
            return file, await store.code_book(connection, who.community_id, file.community)

    async def note_export(self, who: Principal, first: date, last: date, form: str) -> None:
        """Write down that the log left the house."""
        async with self._context.database.session([who.community_id]) as connection:
            now = self._context.clock.now()
            await audit.record(connection, who, "patrol.export", f"days:{first}/{last}", now, {"form": form})


def _with_display(file: PatrolFile, checkpoint: str) -> CheckpointSpec:
    found = file.checkpoint(checkpoint)
    if found is None or not any(proof.by == "display" for proof in found.proofs):
        raise NotThere(f"checkpoint {checkpoint} with a display")
    return found


def _local(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _bounded(days: int) -> int:
    if not 1 <= days <= MOST_DAYS:
        raise Refused("bad_period", f"a period of 1 to {MOST_DAYS} days is needed", 422)
    return days


def _covered(one: CheckpointSpec, counted: Row | None, seen: Row | None, since: datetime) -> Covered:
    counts = counted or {"planned": 0, "done": 0, "late": 0, "unanswered": 0, "days": 0, "days_seen": 0}
    at = seen["at"] if seen else None
    return Covered(
        one, counts["planned"], counts["done"], counts["late"], counts["unanswered"], counts["days"],
        counts["days_seen"], at, seen["person"] if seen else "", at is None or at < since,
    )  # fmt: skip


def round_json(row: Row) -> dict[str, Any]:
    """A round as plain JSON values (times ISO 8601 UTC), its evidence included where it was read."""
    hidden = ("spec", "told", "wake_at", "version", "expected_at")
    plain = {key: value.isoformat() if isinstance(value, datetime) else value for key, value in row.items()}
    for name in ("evidence", "inspections", "photos"):
        if name in row:
            plain[name] = [
                {key: value.isoformat() if isinstance(value, datetime) else value for key, value in one.items()}
                for one in row[name]
            ]
    return {key: value for key, value in plain.items() if key not in hidden}


def plans_json(who: Principal, file: PatrolFile) -> dict[str, Any]:
    """A patrol file as plain JSON values, as the file has them. What events must say may be a plate: its end only
    without right `work`."""
    plain = file_json(file, whole=True)
    return plain if who.role in RIGHTS["work"] else masked(plain)
