"""What is done with bill lines: draft a period, list, walk one back to the bytes. HTTP, pages and `hub` call this."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from hub import audit, money
from hub.context import Context
from hub.errors import Misconfigured
from hub.overview.model import Section, Tile
from hub.principal import RIGHTS, Principal
from hub.store.database import Connection, Row
from modules.billing import store
from modules.billing.model import (
    COMMODITIES,
    Commodity,
    Line,
    Meter,
    Tariff,
    check_period,
    cost,
    draft,
    local_midnight,
    price_on,
    split,
)

MOST = 200
_METERS_AT_ONCE = 200
_ROOM = {"zh": "计费", "en": "Billing"}


@dataclass
class Run:
    """What a draft did. Lines that were there before are `existing`; `overlapping` ones would bill a day twice."""

    meters: int = 0
    drafted: int = 0
    held: int = 0
    existing: int = 0
    overlapping: int = 0
    amount_fen: int = 0  # of the drafted ones
    dry_run: bool = False


class Billing:
    """Use cases over bill lines, for one principal at a time. `tariffs`: community code -> what the files say."""

    def __init__(self, context: Context, tariffs: Mapping[str, Sequence[Tariff]]) -> None:
        self._context = context
        self._files = tariffs

    async def draft_period(
        self,
        who: Principal,
        start: date,
        end: date,
        kinds: Sequence[Commodity] = COMMODITIES,
        *,
        dry_run: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> Run:
        """Draft the lines of all meters over the local days [start, end); the same again gives the same lines.

        A dry run writes nothing and counts what would be drafted or held. `progress(done, of)` counts meters.
        Refused for the role, or a period that is empty, too long or not over.
        """
        who.require("bill")
        now = self._context.clock.now()
        async with self._context.database.session([who.community_id]) as connection:
            _, zone = await store.community(connection, who.community_id)
            check_period(start, end, zone, now)
            tariffs = await self._tariffs(connection, who.community_id, now)
            meters = await store.meters(connection, who.community_id, kinds, local_midnight(start, zone))
        run = Run(meters=len(meters), dry_run=dry_run)
        for begin in range(0, len(meters), _METERS_AT_ONCE):
            some = meters[begin : begin + _METERS_AT_ONCE]
            async with self._context.database.session([who.community_id]) as connection:
                lines = await _draft(connection, some, tariffs, start, end, zone)
                await self._keep(connection, who, lines, run, now)
            if progress is not None:
                progress(begin + len(some), len(meters))
        return run

    async def _keep(
        self, connection: Connection, who: Principal, lines: Sequence[Line], run: Run, now: datetime
    ) -> None:
        written = 0
        for line in lines:
            outcome: store.Outcome = line.state
            if not run.dry_run:
                outcome = await store.put_line(connection, who.community_id, line, now, who.actor)
            setattr(run, outcome, getattr(run, outcome) + 1)
            written += outcome in ("drafted", "held")
            if outcome == "drafted":
                run.amount_fen += line.amount_fen or 0
        if written and not run.dry_run:
            first, last = lines[0].span.start, lines[-1].span.end
            await audit.record(connection, who, "bill.draft", f"period:{first}/{last}", now, {"lines": written})

    async def recent(
        self, who: Principal, *, state: str | None = None, before: int | None = None, limit: int = 100
    ) -> list[Row]:
        """Lines newest first, at most `limit` (200); `before` is the id of the last one already seen."""
        who.require("bill")
        async with self._context.database.session([who.community_id]) as connection:
            return await store.page(connection, who.community_id, state, before or 2**62, max(1, min(limit, MOST)))

    async def overview(self, who: Principal) -> Section | None:
        """The newest period that was drafted: its amount, its lines, and those held. None without the right `bill`."""
        if who.role not in RIGHTS["bill"]:
            return None
        async with self._context.database.session([who.community_id]) as connection:
            newest = await store.newest_period(connection, who.community_id)
        if newest is None:
            return Section(
                {"zh": "计费", "en": "Billing"}, [Tile({"zh": "账单明细", "en": "Bill lines"}, 0, "/bill-lines")]
            )
        period = f"{newest['period_start']} – {newest['period_end'] - timedelta(days=1)}"
        return Section(_ROOM, [
            Tile({"zh": "最近一期金额", "en": "Newest period"}, money.yuan(newest["fen"]), "/bill-lines",
                 note={"zh": period, "en": period}),
            Tile({"zh": "待核明细", "en": "Lines held"}, newest["held"], "/bill-lines", newest["held"] > 0,
                 {"zh": f"共 {newest['lines']:,} 条", "en": f"of {newest['lines']:,}"}),
        ])  # fmt: skip

    async def show(self, who: Principal, line_id: int) -> Row:
        """One line. NotThere."""
        who.require("bill")
        async with self._context.database.session([who.community_id]) as connection:
            return await store.one(connection, who.community_id, line_id)

    async def walk_back(self, who: Principal, line_id: int) -> dict[str, Any]:
        """A line, its sum in words, and for each end the reading and the raw frames it came in (hex), JSON-ready.

        Frames are gone after the retention of raw frames; the readings stay in the line. NotThere.
        """
        who.require("bill")
        async with self._context.database.session([who.community_id]) as connection:
            line = await store.one(connection, who.community_id, line_id)
            ends = {}
            for which in ("start", "end"):
                ts = line[f"{which}_ts"]
                found = await store.frames(connection, line["device_id"], ts) if ts else []
                ends[which] = {
                    "ts": ts.isoformat() if ts else None,
                    "value": plain(line[f"{which}_value"]),
                    "frames": [_frame_json(frame) for frame in found],
                }
        return {"line": line_json(line), "sum": sum_text(line), **ends}

    async def tariffs(self, who: Principal) -> list[Tariff]:
        """Every version of the community's prices, by kind and day."""
        who.require("see")
        async with self._context.database.session([who.community_id]) as connection:
            return await self._tariffs(connection, who.community_id, self._context.clock.now())

    async def price_at(self, community_id: int, kind: Commodity, day: date) -> Decimal | None:
        """元 for one unit on a local day; None where no tariff is in force. A port for other modules."""
        async with self._context.database.session([community_id]) as connection:
            found = price_on(await self._tariffs(connection, community_id, self._context.clock.now()), kind, day)
        return found.price if found else None

    async def _tariffs(self, connection: Connection, community_id: int, now: datetime) -> list[Tariff]:
        """What is stored, after the file's new versions were. Misconfigured where the file contradicts the store."""
        code, _ = await store.community(connection, community_id)
        stored = await store.tariffs_of(connection, community_id)
        missing = [tariff for tariff in self._files.get(code, ()) if tariff not in stored]
        if not missing:
            return stored
        new = await store.put_tariffs(connection, community_id, missing)
        if new:
            who = Principal("configuration", community_id, "admin")
            versions = [f"{tariff.kind} {tariff.version}" for tariff in new]
            await audit.record(connection, who, "tariff.import", f"tariffs/{code}", now, {"versions": versions})
        stored = await store.tariffs_of(connection, community_id)
        _must_agree(code, missing, stored)
        return stored


async def _draft(
    connection: Connection, meters: Sequence[Meter], tariffs: Sequence[Tariff], start: date, end: date, zone: str
) -> list[Line]:
    """The lines of some meters: three queries a span, however many meters there are."""
    lines = []
    for kind in dict.fromkeys(meter.kind for meter in meters):
        same = [meter for meter in meters if meter.kind == kind]
        points = [meter.point_id for meter in same]
        spans = split(tariffs, kind, start, end)
        first = await store.readings_at(connection, points, local_midnight(start, zone))
        for span in spans:
            opens, closes = local_midnight(span.start, zone), local_midnight(span.end, zone)
            last = await store.readings_at(connection, points, closes)
            falls = await store.falls(connection, first, opens, closes)
            lines += [
                draft(meter, span, zone, first.get(point), last.get(point), falls.get(point, 0))
                for meter, point in zip(same, points, strict=True)
            ]
            first = last
    return lines


def _must_agree(code: str, wanted: Sequence[Tariff], stored: Sequence[Tariff]) -> None:
    for tariff in wanted:
        if tariff not in stored:
            clash = next(
                old for old in stored
                if old.kind == tariff.kind and (old.version == tariff.version or old.valid_from == tariff.valid_from)
            )  # fmt: skip
            raise Misconfigured(
                f"the tariff file of {code}: {tariff.kind} {tariff.version} ({tariff.price} from {tariff.valid_from}) "
                f"contradicts {clash.version} ({clash.price} from {clash.valid_from}), which is in force and cannot be "
                "edited: give a new version with a new day"
            )


def sum_text(line: Row) -> str:
    """How the amount came about, for a person with a pocket calculator; "" for a held line."""
    if line["state"] == "held":
        return ""
    around = f" + {line['rollovers']} × {line['rollover']}" if line["rollovers"] else ""
    counted = f"({plain(line['end_value'])}{around} - {plain(line['start_value'])})"
    quantity = f"{plain(line['quantity'])} {line['unit']}"
    return (
        f"{counted} × {line['multiplier']} = {quantity}; "
        f"{quantity} × {plain(line['unit_price'])} 元 = {plain(cost(line['quantity'], line['unit_price']))} 元 "
        f"→ {line['amount_fen']} 分"
    )


def line_json(line: Row) -> dict[str, Any]:
    """A line as plain JSON values: decimals as text, fen as a whole number, times ISO 8601."""
    return {key: value.isoformat() if isinstance(value, date) else
            plain(value) if isinstance(value, Decimal) else value
            for key, value in line.items()}  # fmt: skip


def tariff_json(tariff: Tariff) -> dict[str, Any]:
    """A tariff as plain JSON values."""
    return line_json(asdict(tariff))


def _frame_json(frame: Row) -> dict[str, Any]:
    key: UUID = frame["key"]
    return {
        "key": key.hex, "ts": frame["ts"].isoformat(), "received": frame["received"].isoformat(),
        "source": frame["source"], "hex": bytes(frame["raw"]).hex(),
    }  # fmt: skip


def plain(number: Decimal | None) -> str | None:
    """A decimal without exponent, as it is written by hand."""
    return None if number is None else format(number, "f")


def yuan(fen: int) -> str:
    """Whole fen as 元 with two places: 12345 -> "123.45"."""
    return f"{fen // 100}.{fen % 100:02d}"
