"""The audit log: every write by a person, program or rule, in the transaction of the write.

Each community's rows are a chain (ADR 0018): the database links a row at commit by the SHA-256 of its canonical form,
in which the link before it stands. Who changes, removes or reorders rows afterwards breaks the chain at that place.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, Literal

import msgspec
import structlog
from psycopg.types.json import Jsonb

from hub.clock import Clock
from hub.principal import Principal
from hub.store.database import Connection, connect_ingest
from hub.store.queries import load_queries

SQL = load_queries("hub", "audit.sql")
GENESIS = bytes(32)
_log = structlog.get_logger()

Cause = Literal["altered", "missing", "order", "unchained", "head"]
CAUSES: dict[Cause, str] = {
    "altered": "内容与哈希不符 the row is not what was recorded",
    "missing": "行或链接被删除 a row or link is gone",
    "order": "前后次序被改 it does not follow the one before",
    "unchained": "行不在链上 a row was put in past the chain",
    "head": "链尾与链头记录不符 the end is not the recorded head",
}


async def record(
    connection: Connection, who: Principal, action: str, on: str, at: datetime, detail: dict[str, Any] | None = None
) -> None:
    """Append who did what on what. `detail` holds no secret, card or plate. The row is chained when you commit."""
    await connection.execute(
        SQL["record"], [who.community_id, at, who.actor, action, on, Jsonb(detail or {}), who.remote]
    )


async def record_many(
    connection: Connection, who: Principal, action: str, on: Sequence[str], at: datetime, detail: dict[str, Any]
) -> None:
    """Append that somebody did the same on several things, a row for each."""
    await connection.execute(
        SQL["record_many"], [who.community_id, at, who.actor, action, Jsonb(detail), who.remote, list(on)]
    )


class Link(msgspec.Struct, frozen=True):
    """A link with its row, as `links` of audit.sql gives them: either may be missing."""

    chain: int
    seq: int | None
    prev: bytes | None
    hash: bytes | None
    id: int | None
    community: int | None
    at: str | None  # ISO 8601 UTC with microseconds; None also for a time outside the years 1 to 9999
    actor: str | None
    action: str | None
    object: str | None
    detail: str | None  # as PostgreSQL writes jsonb
    remote: str | None


class Head(msgspec.Struct, frozen=True):
    """The last link of a chain."""

    seq: int
    hash: bytes


class Broken(msgspec.Struct, frozen=True):
    """The first place where a chain does not hold. `seq` and `id` are those of the link and row, where there is one."""

    chain: int
    cause: Cause
    seq: int | None = None
    id: int | None = None


class Verdict(msgspec.Struct):
    """What is left of the chains: the last sound link of each, the first break of each, heads nobody has any more."""

    sound: dict[int, Head]
    broken: list[Broken]
    lost: list[str]

    @property
    def ok(self) -> bool:
        return not self.broken and not self.lost


def canonical(link: Link) -> bytes:
    """What is hashed: a JSON object in UTF-8 as PostgreSQL prints jsonb, so keys by length and then by bytes, ", " and
    ": " between, no escapes but those JSON demands. The same text as `hub.audit_text` makes."""
    quote = _quote
    prev = (link.prev or b"").hex()
    text = (
        f'{{"at": {quote(link.at)}, "id": {quote(link.id)}, "seq": {quote(link.seq)}, "prev": {quote(prev)}, '
        f'"actor": {quote(link.actor)}, "action": {quote(link.action)}, "detail": {link.detail or "null"}, '
        f'"object": {quote(link.object)}, "remote": {quote(link.remote)}, "community": {quote(link.community)}}}'
    )
    return text.encode("utf-8", "surrogatepass")


def _quote(value: str | int | None) -> str:
    return json.dumps(value, ensure_ascii=False)


def verify(links: Iterable[Link], heads: Mapping[int, Head], wanted: Collection[str] = ()) -> Verdict:
    """Walk the chains. Pure.

    `links`: by chain and then seq, rows without a link last. `heads`: what hub.audit_head says. `wanted`: hashes in
    hexadecimal that were heads once; one that no sound link has means a tail cut off or a chain written anew.
    """
    verdict, left = Verdict({}, [], []), set(wanted)
    for chain, members in groupby(links, key=lambda link: link.chain):
        broken = _walk(chain, members, verdict.sound, left)
        if broken is None and verdict.sound.get(chain) != heads.get(chain):
            broken = Broken(chain, "head", verdict.sound[chain].seq)
        if broken is not None:
            verdict.broken.append(broken)
    told = {broken.chain for broken in verdict.broken}
    verdict.broken += [Broken(chain, "head") for chain in sorted(heads.keys() - verdict.sound.keys() - told)]
    verdict.lost = sorted(left)
    return verdict


def _walk(chain: int, links: Iterable[Link], sound: dict[int, Head], wanted: set[str]) -> Broken | None:
    """The first break of one chain; the last link before it stands in `sound` afterwards."""
    last = Head(0, GENESIS)
    for link in links:
        cause = _cause(link, last)
        if cause is not None:
            return Broken(chain, cause, link.seq, link.id)
        assert link.seq is not None and link.hash is not None
        last = sound[chain] = Head(link.seq, link.hash)
        wanted.discard(link.hash.hex())
    return None


def _cause(link: Link, last: Head) -> Cause | None:
    if link.seq is None:
        return "unchained"
    if link.id is None or link.seq != last.seq + 1:
        return "missing"
    if link.prev != last.hash:
        return "order"
    return None if hashlib.sha256(canonical(link)).digest() == link.hash else "altered"


class AuditHeads:
    """Writes the heads into the log each hour: kept elsewhere, they prove later that no tail was cut off."""

    def __init__(self, conninfo: str, clock: Clock) -> None:
        self._conninfo = conninfo
        self._clock = clock

    async def run(self, every_s: float = 3600.0) -> None:
        """Until cancelled; psycopg.OperationalError when the store goes away (the supervisor starts it again)."""
        while True:
            await self.tell()
            await self._clock.sleep(every_s)

    async def tell(self) -> int:
        """One log line a chain; gives how many."""
        connection = await connect_ingest(self._conninfo, [])
        try:
            await connection.execute(SQL["see_all"])
            rows = await (await connection.execute(SQL["heads"])).fetchall()
        finally:
            await connection.close()
        for chain, code, seq, head, at in rows:
            _log.info("audit head", community=code or chain, seq=seq, hash=head.hex(), at=at.isoformat())
        return len(rows)
