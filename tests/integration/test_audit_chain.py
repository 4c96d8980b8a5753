"""The audit chain as a real PostgreSQL keeps it: under concurrency, over rows older than it, against its owner."""

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql
from structlog.testing import capture_logs
from typer.testing import CliRunner

from hub import audit
from hub.__main__ import app
from hub.audit import AuditHeads
from hub.cli.audit import examine, export, heads
from hub.clock import FakeClock
from hub.principal import Principal
from hub.store import migrate as migrations
from hub.store.database import Database
from hub.store.migrate import migrate
from tests.integration.module_hub import add_community, migrated
from tests.integration.postgres import new_database

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Ground:
    def __init__(self, url: str, database: Database, here: int, there: int) -> None:
        self.url, self.database, self.here, self.there = url, database, here, there

    async def record(self, count: int, community: int | None = None, actor: str = "user:li") -> None:
        who = Principal(actor, community or self.here, "guard", "10.0.0.9")
        for n in range(count):
            async with self.database.session([who.community_id]) as connection:
                at = NOW + timedelta(microseconds=n)
                await audit.record(connection, who, "alarm.acknowledge", f"alarm:{n}", at, {"n": n, "note": '门 \\ "'})

    def tamper(self, *statements: str) -> None:
        """As one who owns the server and knows how to switch our triggers off."""
        with psycopg.connect(self.url) as link:
            link.execute("SET session_replication_role = replica")
            for statement in statements:
                link.execute(statement)  # type: ignore[call-overload]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as link:
            return link.execute(query).fetchall()  # type: ignore[call-overload, no-any-return]

    def broken(self, *wanted: str) -> list[tuple[int, str, int | None]]:
        return [(b.chain, b.cause, b.seq) for b in examine(self.url, wanted=wanted).broken]


@pytest.fixture
async def ground(postgres_url: str) -> AsyncIterator[Ground]:
    url = new_database(postgres_url, migrated(postgres_url))
    with psycopg.connect(url) as link:
        here, there = add_community(link, "demo"), add_community(link, "other")
    database = Database(url, size=8)
    await database.open()
    yield Ground(url, database, here, there)
    await database.close()


async def test_writers_at_once_make_one_chain_without_gaps_and_a_rolled_back_row_leaves_none(ground: Ground):
    async def fail() -> None:
        for _ in range(10):
            with pytest.raises(ZeroDivisionError):
                async with ground.database.session([ground.here]) as connection:
                    await audit.record(connection, Principal("user:x", ground.here, "guard"), "a", "b", NOW)
                    _ = 1 / 0

    await asyncio.gather(
        *(ground.record(25, actor=f"user:{n}") for n in range(6)), ground.record(10, ground.there), fail()
    )
    assert ground.rows("SELECT seq FROM hub.audit_chain WHERE community_id = 1 ORDER BY 1") == [
        (n,) for n in range(1, 151)
    ]
    verdict = examine(ground.url)
    assert verdict.ok
    assert {chain: head.seq for chain, head in verdict.sound.items()} == {ground.here: 150, ground.there: 10}


async def test_two_that_audit_between_their_locks_do_not_wait_in_a_circle(ground: Ground):
    """A guard who acknowledges many and one who acknowledges the last of them, each with an audit row in between."""
    with psycopg.connect(ground.url) as link:
        link.execute("CREATE TABLE public.thing (id int PRIMARY KEY)")
        link.execute("INSERT INTO public.thing VALUES (1), (2)")
        link.execute("GRANT SELECT, UPDATE ON public.thing TO hub_app")
    first, second = asyncio.Event(), asyncio.Event()
    who = Principal("user:li", ground.here, "guard")

    async def many() -> None:
        async with ground.database.session([ground.here]) as connection:
            await audit.record(connection, who, "a", "1", NOW)
            first.set()
            await second.wait()
            await connection.execute("SELECT 1 FROM public.thing WHERE id = 2 FOR UPDATE")

    async def one() -> None:
        async with ground.database.session([ground.here]) as connection:
            await connection.execute("SELECT 1 FROM public.thing WHERE id = 2 FOR UPDATE")
            second.set()
            await first.wait()
            await audit.record(connection, who, "a", "2", NOW)

    async with asyncio.timeout(100):
        await asyncio.gather(many(), one())
    assert examine(ground.url).sound[ground.here].seq == 2


async def test_rows_older_than_the_chain_are_chained_by_the_migration(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    url = new_database(postgres_url)
    old = tmp_path / "migrations"
    shutil.copytree(migrations.OWN, old, ignore=shutil.ignore_patterns("hub-0006*", "__pycache__"))
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "OWN", old)
        migrate(url)
    with psycopg.connect(url) as link:
        here = add_community(link, "demo")
        for n in range(7):
            link.execute(
                "INSERT INTO hub.audit (community_id, at, actor, action, object) VALUES (%s, %s, 'user:li', 'a', %s)",
                [here if n % 3 else None, NOW, f"o{n}"],
            )
    assert "hub-0006-audit" in migrate(url)
    verdict = examine(url)
    assert verdict.ok
    assert {chain: head.seq for chain, head in verdict.sound.items()} == {0: 3, here: 4}


COLUMNS = {
    "community_id": "2", "at": "at + interval '1 us'", "actor": "actor || 'x'", "action": "'door.open'",
    "object": "'alarm:999'", "detail": "detail || '{\"n\": 99}'", "remote": "''", "id": "id + 1000",
}  # fmt: skip


@pytest.mark.parametrize("column", COLUMNS)
async def test_p04_whatever_column_of_a_row_is_changed_is_named(ground: Ground, column: str):
    await ground.record(6)
    await ground.record(3, ground.there)
    if column == "id":
        ground.tamper("ALTER TABLE hub.audit ALTER id DROP IDENTITY")
    ground.tamper(f"UPDATE hub.audit SET {column} = {COLUMNS[column]} WHERE object = 'alarm:3' AND community_id = 1")
    broken = ground.broken()
    assert (ground.here, "missing" if column == "id" else "altered", 4) in broken
    assert {chain for chain, _, _ in broken} == {ground.here}


@pytest.mark.parametrize(
    "at", ["'infinity'", "'-infinity'", "at - interval '2050 years'", "at + interval '9000 years'"]
)
async def test_p04_a_time_nobody_can_write_is_named_and_not_stumbled_over(ground: Ground, at: str):
    await ground.record(2)
    ground.tamper(f"UPDATE hub.audit SET at = {at} WHERE object = 'alarm:1'")
    assert ground.broken() == [(ground.here, "altered", 2)]
    with psycopg.connect(ground.url) as link, pytest.raises(psycopg.errors.NotNullViolation):
        link.execute(
            "INSERT INTO hub.audit (community_id, at, actor, action, object) VALUES (1, 'infinity', 'a', 'a', 'a')"
        )
        link.commit()


SWAP = (
    "UPDATE hub.audit_chain SET seq = -seq WHERE seq IN (2, 4)",
    "UPDATE hub.audit_chain SET seq = CASE seq WHEN -2 THEN 4 ELSE 2 END WHERE seq < 0",
)


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (["DELETE FROM hub.audit WHERE object = 'alarm:2'"], ("missing", 3)),
        (["DELETE FROM hub.audit_chain WHERE seq = 3"], ("missing", 4)),
        (["DELETE FROM hub.audit WHERE object = 'alarm:2'", "DELETE FROM hub.audit_chain WHERE seq = 3"],
         ("missing", 4)),
        (["DELETE FROM hub.audit WHERE object = 'alarm:0'", "DELETE FROM hub.audit_chain WHERE seq = 1"],
         ("missing", 2)),
        (["DELETE FROM hub.audit WHERE object = 'alarm:5'", "DELETE FROM hub.audit_chain WHERE seq = 6"], ("head", 5)),
        (list(SWAP), ("order", 2)),
        (["INSERT INTO hub.audit (community_id, at, actor, action, object) VALUES (1, now(), 'a', 'a', 'a')"],
         ("unchained", None)),
        (["UPDATE hub.audit_head SET hash = sha256('x')"], ("head", 6)),
        (["DELETE FROM hub.audit_head"], ("head", 6)),
        (["TRUNCATE hub.audit", "TRUNCATE hub.audit_chain"], ("head", None)),
    ],
)  # fmt: skip
async def test_p04_rows_deleted_reordered_and_slipped_in_are_named(
    ground: Ground, statements: list[str], expected: tuple[str, int | None]
):
    await ground.record(6)
    ground.tamper(*statements)
    assert ground.broken() == [(ground.here, *expected)]


async def test_p04_a_tail_cut_together_with_its_head_is_found_by_a_head_kept_elsewhere(ground: Ground):
    await ground.record(6)
    [head] = heads(ground.url)
    kept = head["hash"].hex()
    assert (head["code"], head["seq"]) == ("demo", 6)
    ground.tamper(
        "DELETE FROM hub.audit WHERE object >= 'alarm:4'", "DELETE FROM hub.audit_chain WHERE seq > 4",
        "UPDATE hub.audit_head h SET (seq, hash) = (SELECT 4, hash FROM hub.audit_chain WHERE seq = 4)",
    )  # fmt: skip
    assert ground.broken() == []
    assert examine(ground.url, wanted=[kept]).lost == [kept]
    await ground.record(9)  # life goes on, and it stays lost
    assert examine(ground.url, wanted=[kept]).lost == [kept]


@pytest.mark.parametrize("table", ["hub.audit", "hub.audit_chain"])
async def test_not_even_the_owner_changes_it_by_accident(ground: Ground, table: str):
    await ground.record(1)
    for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET community_id = 2", f"TRUNCATE {table}"):
        with psycopg.connect(ground.url) as link, pytest.raises(psycopg.errors.InsufficientPrivilege):
            link.execute(statement)  # type: ignore[call-overload]


async def test_peoples_role_can_neither_forge_a_link_nor_see_another_communitys(ground: Ground):
    await ground.record(2)
    await ground.record(1, ground.there)
    for statement in (
        "INSERT INTO hub.audit_chain VALUES (1, 3, 99, '', '')", "UPDATE hub.audit_head SET seq = 9",
        "SELECT hub.link_audit(a) FROM hub.audit a", "SELECT seq FROM hub.audit_head FOR UPDATE",
    ):  # fmt: skip
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with ground.database.session([ground.here]) as connection:
                await connection.execute(statement)  # type: ignore[call-overload]
    async with ground.database.session([ground.here]) as connection:
        seen = await (await connection.execute("SELECT DISTINCT community_id FROM hub.audit_chain")).fetchall()
    assert seen == [{"community_id": ground.here}]


async def test_an_owner_without_superuser_rights_chains_and_verifies_everything(postgres_url: str):
    database_url = new_database(postgres_url)
    owner = f"{psycopg.conninfo.conninfo_to_dict(database_url)['dbname']}_owner"
    url = psycopg.conninfo.make_conninfo(database_url, user=owner, password="secret")
    with psycopg.connect(database_url, autocommit=True) as link:
        name, role = sql.Identifier(str(link.info.dbname)), sql.Identifier(owner)
        for made in ("hub_app", "hub_ingest"):  # of the whole server: an earlier test may have made them
            if link.execute("SELECT FROM pg_roles WHERE rolname = %s", [made]).fetchone() is None:
                link.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(made)))
        link.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEROLE PASSWORD 'secret'").format(role))
        link.execute(sql.SQL("GRANT hub_app, hub_ingest TO {} WITH ADMIN OPTION").format(role))
        link.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(name, role))
        link.execute(sql.SQL("ALTER SCHEMA public OWNER TO {}").format(role))
    migrate(url)
    with psycopg.connect(url) as link:
        here = add_community(link, "demo")
        link.execute("INSERT INTO hub.audit (at, actor, action, object) VALUES (%s, 'system', 'a', 'b')", [NOW])
    database = Database(url, size=2)
    await database.open()
    try:
        await Ground(url, database, here, 0).record(3)
    finally:
        await database.close()
    verdict = examine(url)
    assert verdict.ok
    assert {chain: head.seq for chain, head in verdict.sound.items()} == {0: 1, here: 3}
    with psycopg.connect(database_url, autocommit=True) as link:
        link.execute(sql.SQL("REASSIGN OWNED BY {} TO CURRENT_USER").format(role))
        link.execute(sql.SQL("DROP OWNED BY {}").format(role))
        link.execute(sql.SQL("DROP ROLE {}").format(role))


async def test_the_export_can_be_checked_with_nothing_but_sha256(ground: Ground):
    await ground.record(5)
    lines = list(export(ground.url, ground.here))
    prev = "00" * 32
    for line in lines:
        told, _, text = line.partition(" ")
        assert hashlib.sha256(text.encode()).hexdigest() == told
        assert f'"prev": "{prev}"' in text
        prev = told
    assert len(lines) == 5


async def test_heads_are_written_into_the_log(ground: Ground):
    await ground.record(3)
    [head] = heads(ground.url)
    with capture_logs() as said:
        assert await AuditHeads(ground.url, FakeClock(NOW)).tell() == 1
    assert [(line["event"], line["community"], line["seq"], line["hash"]) for line in said] == [
        ("audit head", "demo", 3, head["hash"].hex())
    ]


words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
details = st.recursive(
    words | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4), max_leaves=12,
)  # fmt: skip


async def test_the_database_and_we_write_the_same_form_of_whatever_row(ground: Ground):
    await ground.record(1)
    with psycopg.connect(ground.url, autocommit=True) as link:

        @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
        @given(words, words, words, words, st.dictionaries(words, details, max_size=4),
               st.datetimes(timezones=st.just(UTC)))  # fmt: skip
        def insert(actor: str, action: str, on: str, remote: str, detail: dict[str, Any], at: datetime) -> None:
            link.execute(audit.SQL["record"], [1, at, actor, action, on, psycopg.types.json.Jsonb(detail), remote])

        insert()
    verdict = examine(ground.url)
    assert verdict.ok, verdict.broken
    assert verdict.sound[ground.here].seq > 150


async def test_the_commands_say_it_in_words_and_by_their_exit_code(ground: Ground, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HUB_DATABASE_URL", ground.url)
    monkeypatch.setattr("hub.logs.configure_logging", lambda _: None)  # the runner's stderr is closed afterwards

    async def hub(*words: str) -> tuple[int, str]:
        done = await asyncio.to_thread(CliRunner().invoke, app, ["audit", *words])
        return done.exit_code, done.output

    assert await hub("verify") == (0, "")
    await ground.record(4)
    await ground.record(2, ground.there)
    code, said = await hub("head")
    assert (code, [line.split()[:2] for line in said.splitlines()]) == (0, [["demo", "4"], ["other", "2"]])
    kept = said.split()[2]
    code, said = await hub("verify", "--head", kept.upper())
    assert (code, said.count("sound")) == (0, 2), said
    code, said = await hub("verify", "--community", "other", "--head", kept)
    assert (code, kept in said.splitlines()[-1]) == (1, True), said
    code, said = await hub("export", "--community", "demo")
    assert (code, len(said.splitlines())) == (0, 4)
    code, said = await hub("verify", "--head", "abc")
    assert (code, "64 hexadecimal digits" in said) == (2, True), said
    ground.tamper("UPDATE hub.audit SET actor = 'user:nobody' WHERE object = 'alarm:1' AND community_id = 1")
    code, said = await hub("verify")
    assert code == 1
    assert "demo: 破坏 broken: seq 2, audit row" in said
    assert "other: 完好 sound: 2" in said
