"""`hub audit`: prove that nobody changed the audit log, keep its head elsewhere, check an evidence pack."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, LiteralString

import msgspec
import psycopg
import typer
from psycopg.rows import dict_row

from hub.audit import CAUSES, SQL, Head, Link, Verdict, canonical, verify
from hub.errors import HubError
from hub.evidence.check import read_pack

app = typer.Typer(help="审计日志 audit log", no_args_is_help=True)
_FETCH = 2000

_Head = Annotated[list[str] | None, typer.Option("--head", help="hash of a head seen before; may be given often")]
_OneCommunity = Annotated[str, typer.Option(help="community code; default: all")]


def _connect(conninfo: str) -> "psycopg.Connection[dict[str, Any]]":
    """A reader that sees every community, all at one moment."""
    connection = psycopg.connect(conninfo, options="-c search_path=public", row_factory=dict_row, autocommit=True)
    connection.execute(SQL["see_all"])
    connection.autocommit = False
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    return connection


def _links(connection: "psycopg.Connection[dict[str, Any]]", community: int | None) -> Iterator[Link]:
    with connection.cursor("links") as cursor:
        cursor.itersize = _FETCH
        cursor.execute(SQL["links"], {"community_id": community})
        for row in cursor:
            yield Link(**row)


def _heads(connection: "psycopg.Connection[dict[str, Any]]") -> list[dict[str, Any]]:
    query: LiteralString = SQL["heads"]
    return connection.execute(query).fetchall()


def examine(conninfo: str, community: int | None = None, wanted: Collection[str] = ()) -> Verdict:
    """Recompute the chains (all, or one community's). psycopg.Error when the store cannot be read."""
    with _connect(conninfo) as connection:
        told = {row["community_id"]: Head(row["seq"], bytes(row["hash"])) for row in _heads(connection)}
        mine = told if community is None else {chain: head for chain, head in told.items() if chain == community}
        return verify(_links(connection, community), mine, wanted)


def heads(conninfo: str) -> list[dict[str, Any]]:
    """The last link of each chain: community_id, code (None for the chain without one), seq, hash, at."""
    with _connect(conninfo) as connection:
        return _heads(connection)


def export(conninfo: str, community: int | None = None) -> Iterator[str]:
    """Lines `HASH CANONICAL`: the SHA-256 of what follows the blank is the hash, and `prev` the hash before."""
    with _connect(conninfo) as connection:
        for link in _links(connection, community):
            yield f"{(link.hash or b'').hex()} {canonical(link).decode('utf-8', 'replace')}"


def community_id(conninfo: str, code: str) -> int | None:
    """The number of a community, None for all. HubError when there is no such one."""
    if not code:
        return None
    with _connect(conninfo) as connection:
        row = connection.execute("SELECT id FROM hub.community WHERE code = %s", [code]).fetchone()
    if row is None:
        raise HubError(f"there is no community {code!r}")
    return int(row["id"])


def seals(conninfo: str, manifest: str) -> list[dict[str, Any]]:
    """The chained rows that name a manifest's SHA-256: who made such a pack when, of what. Normally one."""
    with _connect(conninfo) as connection:
        return connection.execute(SQL["seals"], {"manifest": manifest}).fetchall()


@contextmanager
def _database() -> Iterator[str]:
    import os

    from hub.cli.stack import database
    from hub.logs import configure_logging
    from hub.settings import load_settings

    settings = load_settings(os.environ)
    configure_logging(settings.log_format)
    with database(settings) as conninfo:
        yield conninfo


def _hexadecimal(text: str) -> str:
    if len(text) != 64 or any(letter not in "0123456789abcdef" for letter in text.lower()):
        raise typer.BadParameter(f"{text!r}: a head is 64 hexadecimal digits, as `hub audit head` prints it")
    return text.lower()


@app.command("verify")
def verify_command(community: _OneCommunity = "", head: _Head = None) -> None:
    """核对审计链，指出第一处破坏。Recompute the chain and name the first broken row. Exit code 1 when it is broken."""
    wanted = [_hexadecimal(text) for text in head or []]
    with _database() as conninfo:
        verdict = examine(conninfo, community_id(conninfo, community), wanted)
        codes = {row["community_id"]: row["code"] or "-" for row in heads(conninfo)}
    for chain, sound in sorted(verdict.sound.items()):
        typer.echo(f"{codes.get(chain, chain)}: 完好 sound: {sound.seq}  {sound.hash.hex()}")
    for broken in verdict.broken:
        where = f"seq {broken.seq}, audit row {broken.id}"
        typer.echo(f"{codes.get(broken.chain, broken.chain)}: 破坏 broken: {where}: {CAUSES[broken.cause]}")
    for lost in verdict.lost:
        typer.echo(f"{lost}: 不在链上，链尾被截或被重写 not in the chain: its tail was cut off or written anew")
    raise typer.Exit(0 if verdict.ok else 1)


@app.command("head")
def head_command() -> None:
    """链头，请抄存别处。The heads: community, seq, hash, time; keep them elsewhere."""
    with _database() as conninfo:
        for row in heads(conninfo):
            typer.echo(f"{row['code'] or '-'} {row['seq']} {row['hash'].hex()} {row['at'].isoformat()}")


@app.command("export")
def export_command(community: _OneCommunity = "") -> None:
    """导出审计链。Each line is a hash and the text it is of: whoever has SHA-256 can check it."""
    with _database() as conninfo:
        for line in export(conninfo, community_id(conninfo, community)):
            typer.echo(line)


@app.command("verify-pack")
def verify_pack_command(
    file: Annotated[Path, typer.Argument(help="evidence pack", exists=True, dir_okay=False)],
) -> None:
    """核对证据包与审计链。Prove an evidence pack: its files match its manifest, and the chain names the manifest."""
    pack = read_pack(file.read_bytes())
    with _database() as conninfo:
        found = seals(conninfo, pack.manifest)
        wanted = [str(pack.told["audit"]["hash"])] if pack.told.get("audit", {}).get("seq") else []
        verdicts = {row["community_id"]: examine(conninfo, row["community_id"], wanted) for row in found}
    for problem in pack.problems:
        typer.echo(problem)
    sealed = False
    for row in found:
        verdict = verdicts[row["community_id"]]
        last = verdict.sound.get(row["community_id"], Head(0, b""))
        sealed = sealed or (row["seq"] <= last.seq and not verdict.lost)
        typer.echo(f"{row['community']} {row['object']}  {row['actor']}  {row['at'].isoformat()}  seq {row['seq']}")
        if not verdict.ok:
            typer.echo("审计链有破坏 the chain is broken: " + msgspec.json.encode(verdict.broken).decode())
    if not found:
        typer.echo("审计链里没有这份清单 no row of the chain names this manifest")
    good = sealed and not pack.problems
    typer.echo(f"{pack.manifest}  " + ("真实 genuine" if good else "不可信 not proved"))
    raise typer.Exit(0 if good else 1)
