"""Back-tests: a rule over stored history, one at a time, in small steps between which the hub does its work."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec
import psycopg
import structlog
from psycopg.types.json import Jsonb
from psycopg_pool import PoolTimeout

from hub import audit
from hub.analyses.judging import PriceAt
from hub.clock import Clock, from_us, to_us
from hub.errors import HubError, Refused
from hub.live import Change, Live
from hub.model import Device
from hub.principal import Principal
from hub.rulebook.history import History
from hub.rulebook.model import MAX_DAYS, Raised, RuleText, Trial
from hub.store.database import Database, NotThere
from hub.store.queries import load_queries

_SQL = load_queries("hub.rulebook")
_CHUNK = 500  # frames between two turns of everybody else; fewer where a rule is slow
_LONGEST_S = 0.02
_SHOWN = 500
_KEPT = 20
_NOTE_MOST = 500
_SAME = timedelta(seconds=90)
_log = structlog.get_logger()

Progress = Literal["running", "done", "failed", "cancelled"]


@dataclass
class Backtest:
    """One back-test, running or over. `result` is there when it is done."""

    id: int
    community_id: int
    rule: str
    digest: str
    days: int
    state: Progress = "running"
    progress: float = 0.0
    error: str = ""
    result: dict[str, Any] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None

    def shown(self) -> dict[str, Any]:
        """As pages and programs see it."""
        return {name: getattr(self, name) for name in ("id", "rule", "days", "state", "progress", "error", "result")}


class Backtests:
    """Starts, watches and ends them."""

    def __init__(
        self, database: Database, clock: Clock, live: Live, devices: Mapping[int, Device],
        price_at: Callable[[], PriceAt | None] = lambda: None,
    ) -> None:  # fmt: skip
        self._database = database
        self._clock = clock
        self._live = live
        self._devices = devices
        self._price_at = price_at
        self._numbers = count(1)
        self._all: dict[int, Backtest] = {}

    def start(self, who: Principal, rule: RuleText, trial: Trial, since: datetime, days: int) -> Backtest:
        """Begin one. Refused(409) while another runs."""
        if any(one.state == "running" for one in self._all.values()):
            raise Refused("busy", "another back-test is running; wait for it or cancel it", 409)
        one = Backtest(next(self._numbers), who.community_id, rule.rule, rule.digest, days)
        self._all[one.id] = one
        for old in sorted(self._all)[:-_KEPT]:
            del self._all[old]
        one.task = asyncio.create_task(self._run(who, one, trial, since))
        return one

    def show(self, who: Principal, number: int) -> Backtest:
        """NotThere: no such one, or of another community."""
        one = self._all.get(number)
        if one is None or one.community_id != who.community_id:
            raise NotThere(f"back-test {number}")
        return one

    def cancel(self, who: Principal, number: int) -> Backtest:
        """Stop it; one that is over stays as it is."""
        one = self.show(who, number)
        if one.task is not None and one.state == "running":
            one.task.cancel()
            one.state = "cancelled"
        return one

    async def close(self) -> None:
        """End what still runs."""
        tasks = [one.task for one in self._all.values() if one.task is not None and not one.task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, who: Principal, one: Backtest, trial: Trial, since: datetime) -> None:
        try:
            raised, history = await self.play(one, trial, since)
            until = since + timedelta(days=one.days)
            seen = {"rows": history.rows, "seen": await history.seen()}
            one.result = await self._keep(who, one, raised, seen, since, until)
            one.state, one.progress = "done", 1.0
        except asyncio.CancelledError:
            one.state = "cancelled"
            raise
        except (HubError, psycopg.Error, PoolTimeout) as error:
            one.state, one.error = "failed", str(error)[:500] or type(error).__name__
            _log.warning("a back-test failed", rule=one.rule, error=one.error)
        except Exception as error:  # noqa: BLE001 one that only seems to run would keep all others from starting
            one.state, one.error = "failed", type(error).__name__
            _log.error("a back-test broke", rule=one.rule, exc_info=error)
        finally:
            self._tell(one)

    async def play(self, one: Backtest, trial: Trial, since: datetime) -> tuple[list[Raised], History]:
        """Feed the whole history; gives what was raised, and the history with the number of rows that were read."""
        until = since + timedelta(days=one.days)
        history = History(
            self._database, one.community_id, self._devices, trial.wanted, since, until, self._price_at()
        )  # fmt: skip
        size = _CHUNK
        async with aclosing(history.slices()) as slices:
            async for end, frames in slices:
                start = 0
                while start < len(frames):
                    chunk = frames[start : start + size]
                    began = self._clock.monotonic()
                    trial.feed(chunk, chunk[-1].ts)
                    start += len(chunk)
                    slow = self._clock.monotonic() - began > _LONGEST_S
                    size = max(size // 2, 1) if slow else min(size * 2, _CHUNK)
                    await asyncio.sleep(0)
                if frames:
                    continue
                trial.feed([], to_us(end) - 1)
                one.progress = (end - since) / (until - since) * 0.99
                self._tell(one)
        return trial.finish(), history

    def _tell(self, one: Backtest) -> None:
        data = {"backtest": one.id, "state": one.state, "progress": round(one.progress, 3)}
        self._live.publish(Change("rule", one.community_id, one.rule, data))

    async def _keep(
        self,
        who: Principal,
        one: Backtest,
        raised: list[Raised],
        seen: dict[str, Any],
        since: datetime,
        until: datetime,
    ) -> dict[str, Any]:
        """Compare with what was really raised, and record it: enabling asks for that."""
        async with self._database.session([who.community_id]) as connection:
            span = {"rule": one.rule, "since": since, "until": until}
            real = await (await connection.execute(_SQL["really_raised"], span)).fetchall()
            zone = next((d.zone for d in self._devices.values() if d.community_id == who.community_id), "UTC")
            result = summary(raised, [(row["device_id"], row["raised_at"]) for row in real], zone)
            result |= {**seen, "since": since.isoformat(), "until": until.isoformat()}
            now = self._clock.now()
            values = {**span, "community_id": who.community_id, "digest": one.digest, "at": now, "actor": who.actor,
                      "alarms": len(raised), "hash": result["hash"], "result": Jsonb(result)}  # fmt: skip
            await connection.execute(_SQL["keep_backtest"], values)
            detail = {"days": one.days, "alarms": len(raised), "digest": one.digest[:12]}
            await audit.record(connection, who, "rule.backtest", f"rule:{one.rule}", now, detail)
        return result


def summary(raised: Sequence[Raised], real: Sequence[tuple[int, datetime]], zone: str) -> dict[str, Any]:
    """JSON: counts, by day in the community's zone too, what it costs in fen, the first alarms, the hash."""
    days: dict[str, list[int]] = {}
    for at in (from_us(one.at) for one in raised):
        days.setdefault(_day(at, zone), [0, 0])[0] += 1
    for _, at in real:
        days.setdefault(_day(at, zone), [0, 0])[1] += 1
    same = _matches(raised, real)
    return {
        "alarms": len(raised),
        "really": len(real),
        "same": same,
        "cost_fen": sum(costs) if (costs := [one.cost_fen for one in raised if one.cost_fen is not None]) else None,
        "days": [{"day": day, "would": would, "really": was} for day, (would, was) in sorted(days.items())],
        "raised": [
            {
                "device_id": one.device_id,
                "device": one.device,
                "from": from_us(one.at).isoformat(),
                "to": from_us(one.until).isoformat() if one.until is not None else None,
                "text": {"zh": one.text.zh, "en": one.text.en},
                "cost_fen": one.cost_fen,
            }
            for one in raised[:_SHOWN]
        ],
        "hash": result_hash(raised),
    }


def result_hash(raised: Sequence[Raised]) -> str:
    """SHA-256 over every alarm: the same rule over the same history gives the same."""
    rows = [[one.device, one.at, one.until, one.text.zh, one.text.en] for one in raised]
    return hashlib.sha256(msgspec.json.encode(rows)).hexdigest()


def _day(at: datetime, zone: str) -> str:
    return at.astimezone(ZoneInfo(zone)).date().isoformat()


def _matches(raised: Sequence[Raised], real: Sequence[tuple[int, datetime]]) -> int:
    """How many would-be alarms have a real one of their device at nearly the same time, each counted once."""
    left: dict[int, list[datetime]] = {}
    for device_id, at in real:
        left.setdefault(device_id, []).append(at)
    found = 0
    for one in raised:
        times = left.get(one.device_id, [])
        near = next((at for at in times if abs(at - from_us(one.at)) <= _SAME), None)
        if near is not None:
            times.remove(near)
            found += 1
    return found


def checked_days(days: int) -> int:
    """Refused(422) outside 1 to MAX_DAYS."""
    if not 1 <= days <= MAX_DAYS:
        raise Refused("bad_period", f"a back-test covers 1 to {MAX_DAYS} days", 422)
    return days


def checked_note(note: str) -> str:
    """In one line. Refused(422) for one that is too long."""
    note = " ".join(note.split())
    if len(note) > _NOTE_MOST or not note.isprintable():
        raise Refused("bad_text", f"a note has at most {_NOTE_MOST} printable characters", 422)
    return note
