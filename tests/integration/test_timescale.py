"""The same hub on a PostgreSQL with TimescaleDB: chunks and compression instead of daily partitions, the same answers.

Needs HUB_TEST_POSTGRES_URL, a server that preloads TimescaleDB; skipped on the embedded one.
"""

import random
from typing import Any

import psycopg
import pytest
from psycopg import sql

from hub.store.migrate import migrate
from hub.store.queries import load_queries
from hub.store.upkeep import Upkeep
from tests.integration.pipeline_bench import NOON, Bench, make_bench
from tests.integration.postgres import new_database

DAY_S = 86_400
CHUNKS = "SELECT is_compressed FROM timescaledb_information.chunks WHERE hypertable_name = %s ORDER BY range_start"


@pytest.fixture
def database_url(postgres_url: str) -> str:
    """A fresh empty database on a server with TimescaleDB."""
    with psycopg.connect(postgres_url) as link:
        usable = link.execute(
            "SELECT FROM pg_settings WHERE name = 'timescaledb.disable_load'"
            " AND current_setting('timescaledb.license', true) IS DISTINCT FROM 'apache'"
        ).fetchone()
    if usable is None:
        pytest.skip("needs a server that preloads TimescaleDB with its own licence, named by HUB_TEST_POSTGRES_URL")
    return new_database(postgres_url)


def alter(url: str, words: str) -> None:
    """ALTER DATABASE `url`'s own; counts from the next connection on."""
    with psycopg.connect(url, autocommit=True) as link:
        command = sql.SQL("ALTER DATABASE {} {}").format(sql.Identifier(link.info.dbname), sql.SQL(words))
        link.execute(command)


def compress(bench: Bench) -> None:
    """What the policies do when the time has come, to every chunk of readings and frames; twice is harmless."""
    for table in ("sample", "frame"):
        bench.query("SELECT public.compress_chunk(c) FROM public.show_chunks(%s::regclass) c", f"telemetry.{table}")
        assert set(bench.query(CHUNKS, table)) == {(True,)}


def upkeep(bench: Bench) -> Upkeep:
    return Upkeep(bench.url, bench.clock, bench.hub.settings)


def kind(url: str) -> str:
    """'r': a hypertable, 'p': native partitions."""
    with psycopg.connect(url) as link:
        (found,) = link.execute("SELECT relkind FROM pg_class WHERE oid = 'telemetry.sample'::regclass").fetchall()
    return str(found[0])


def test_the_first_start_makes_extension_hypertables_and_a_compression_policy(database_url: str) -> None:
    migrate(database_url)
    with psycopg.connect(database_url) as link:
        tables = link.execute(
            "SELECT hypertable_name::text, compression_enabled, time_interval::text"
            " FROM timescaledb_information.hypertables JOIN timescaledb_information.dimensions"
            " USING (hypertable_schema, hypertable_name) WHERE hypertable_schema = 'telemetry' ORDER BY 1"
        ).fetchall()
        policies = link.execute(
            "SELECT hypertable_name::text, config ->> 'compress_after', scheduled FROM timescaledb_information.jobs"
            " WHERE hypertable_schema = 'telemetry' ORDER BY 1"
        ).fetchall()
        columns = link.execute(
            "SELECT hypertable::text, segmentby, orderby FROM timescaledb_information.hypertable_compression_settings"
            " WHERE hypertable <> 'telemetry.event'::regclass ORDER BY 1"
        ).fetchall()
    assert tables == [("event", False, "7 days"), ("frame", True, "1 day"), ("sample", True, "7 days")]
    assert policies == [("frame", "8 days", True), ("sample", "7 days", True)]
    assert columns == [
        ("telemetry.frame", "community_id", "device_id,ts"),
        ("telemetry.sample", "community_id", "point_id,ts"),
    ]


def test_the_policys_own_job_compresses(database_url: str) -> None:
    migrate(database_url)
    with psycopg.connect(database_url, autocommit=True) as link:
        link.execute("INSERT INTO telemetry.sample SELECT now() - n * interval '5 days', 1, 1, 1"
                     " FROM generate_series(0, 4) n")  # fmt: skip
        [(job,)] = link.execute("SELECT job_id FROM timescaledb_information.jobs"
                                " WHERE hypertable_name = 'sample'").fetchall()  # fmt: skip
        link.execute(sql.SQL("CALL public.run_job({})").format(sql.Literal(job)))
        compressed = [row[0] for row in link.execute(CHUNKS, ["sample"]).fetchall()]
        assert compressed[0] and not compressed[-1], "old chunks, never the present one"
        assert link.execute("SELECT count(*) FROM telemetry.sample").fetchone() == (5,)


async def test_a_replay_into_a_compressed_chunk_changes_nothing(database_url: str) -> None:
    async with make_bench(database_url) as bench:
        first = bench.door_state(1, "open", ago_s=10 * DAY_S)
        await bench.feed(first)
        before = bench.query("SELECT ts, point_id, value, quality FROM telemetry.sample ORDER BY 1, 2")
        compress(bench)
        await bench.feed(bench.arrival(first.source, first.payload))
        assert bench.hub.status.counters["duplicates"] == 1
        await bench.feed(bench.door_state(2, "closed", ago_s=10 * DAY_S))  # another message, of the same instant
        assert bench.query("SELECT count(*) FROM telemetry.frame") == [(2,)]
        assert bench.query("SELECT ts, point_id, value, quality FROM telemetry.sample ORDER BY 1, 2") == before
        assert len(bench.ears.heard) == 3 and bench.query("SELECT count(*) FROM hub.dead_letter") == [(0,)]


def test_a_large_late_batch_half_of_it_known_goes_into_a_compressed_chunk(database_url: str) -> None:
    """The chunk holds more rows than TimescaleDB lets one transaction decompress (100 000): it must not need to."""
    migrate(database_url)
    queries = load_queries("hub.store", "writer.sql")
    rows = (
        "SELECT '2026-11-11'::timestamptz + n * interval '{step} seconds', n, p, 1, 0"
        " FROM generate_series(1, {count}) n, generate_series(1, 200) p"
    )
    with psycopg.connect(database_url, autocommit=True) as link:
        link.execute("INSERT INTO telemetry.sample " + rows.format(step=60, count=1000))
        link.execute("SELECT public.compress_chunk(c) FROM public.show_chunks('telemetry.sample') c")
        link.execute("SET ROLE hub_ingest")
        for statement in queries["make_staging"].split(";"):
            link.execute(statement)
        with link.transaction():
            link.execute("INSERT INTO pg_temp.stage_sample " + rows.format(step=30, count=60))
            assert link.execute(queries["insert_samples"]).rowcount == 6000, "the half minutes; the rest is known"
        assert link.execute("SELECT count(*) FROM telemetry.sample").fetchone() == (206_000,)


async def test_late_data_in_a_compressed_chunk_is_stored_and_rolled_up(database_url: str) -> None:
    async with make_bench(database_url) as bench:
        keeper, point = upkeep(bench), bench.device("door-b1-u1").points["open"].id
        await bench.feed(*[bench.door_state(n, "open", ago_s=10 * DAY_S + 60 * n) for n in range(1, 5)])
        await keeper.roll_up()
        compress(bench)
        await bench.feed(bench.door_state(9, "closed", ago_s=10 * DAY_S + 30))
        assert await keeper.roll_up() == 1
        hours = bench.query("SELECT n, vmin, vsum, vlast FROM telemetry.sample_1h WHERE point_id = %s", point)
        assert hours == [(5, 0.0, 4.0, 0.0)]
        days = bench.query("SELECT bucket, n, vsum FROM telemetry.sample_1d WHERE point_id = %s", point)
        assert [(bucket.hour, n, total) for bucket, n, total in days] == [(16, 5, 4.0)], "midnight in Shanghai"
        compress(bench)  # the late row joins the others
        assert bench.query("SELECT count(*) FROM telemetry.sample WHERE point_id = %s", point) == [(5,)]


async def test_retention_drops_whole_chunks_compressed_or_not(database_url: str) -> None:
    async with make_bench(database_url, frame_days=27, sample_days=27) as bench:
        await bench.feed(*[bench.door_state(n, "open", ago_s=days * DAY_S) for n, days in enumerate((50, 40, 28, 1))])
        await bench.feed(bench.door("forced", 9, ago_s=200 * DAY_S))
        compress(bench)
        dropped = await upkeep(bench).keep_partitions()
        assert len(dropped) == 2 + 4, "readings by the week, frames by the day"
        age = "SELECT DISTINCT extract(day FROM %s - ts)::int FROM telemetry.{} ORDER BY 1"
        assert bench.query(age.format("frame"), NOON) == [(1,)]
        assert bench.query(age.format("sample"), NOON) == [(1,), (28,)], "its week has not quite passed"
        assert bench.query(age.format("event"), NOON) == [(200,)], "kept for two years"
        assert await upkeep(bench).keep_partitions() == []


@pytest.mark.parametrize("door", ["door-b1-u1", "door-b2-u2"])
async def test_every_answer_is_the_one_native_partitions_give(database_url: str, postgres_url: str, door: str) -> None:
    plain = new_database(postgres_url)
    alter(plain, "SET timescaledb.disable_load = on")
    answers = [await _answers(database_url, door, True), await _answers(plain, door, False)]
    assert (kind(database_url), kind(plain)) == ("r", "p")
    assert answers[0] == answers[1]
    assert all(answers[0].values()), "empty answers would be alike too"


async def _answers(url: str, door: str, compressing: bool) -> dict[str, Any]:
    """Three weeks of a door, shuffled, the late half into compressed chunks; then all that people's role may ask."""
    dice = random.Random(door)
    async with make_bench(url) as bench:
        states = [
            bench.door_state(n, dice.choice(["open", "closed"]), code=door, ago_s=dice.randrange(21 * DAY_S))
            for n in range(300)
        ]
        taps = [
            bench.door("access_denied", n, code=door, ago_s=dice.randrange(21 * DAY_S), card=f"C{n}", cause="zone")
            for n in range(1000, 1030)
        ]
        await bench.feed(*states[:150], *taps[:15])
        await upkeep(bench).roll_up()
        if compressing:
            compress(bench)
        await bench.feed(*states[100:], *taps[10:])
        await upkeep(bench).roll_up()
        device = bench.device(door)
        span = [device.points["open"].id, "-infinity", "infinity"]
        calls: dict[str, list[Any]] = {
            "last_values(ARRAY[%s])": [device.id],
            "samples(%s, %s, %s, 1000)": span,
            "hours(%s, %s, %s)": span,
            "days(%s, %s, %s)": span,
            "reading_at(%s, %s)": [span[0], NOON.replace(day=9)],
            "events(%s, 'infinity', 'ffffffff-ffff-ffff-ffff-ffffffffffff', 99)": [device.id],
            "frames(%s, %s, %s, 1000)": [device.id, *span[1:]],
            "seen(ARRAY[%s])": [device.id],
        }
        with psycopg.connect(url) as link:
            link.execute("SET ROLE hub_app")
            link.execute("SELECT set_config('hub.communities', %s, false)", [str(bench.hub.communities["demo"])])
            return {
                call: link.execute(f"SELECT * FROM telemetry.{call}", values).fetchall()
                for call, values in calls.items()
            }


async def test_a_database_that_began_on_partitions_stays_on_them_when_the_extension_comes_later(
    database_url: str,
) -> None:
    alter(database_url, "SET timescaledb.disable_load = on")
    async with make_bench(database_url) as bench:
        await bench.feed(bench.door("forced", 1))
    alter(database_url, "RESET timescaledb.disable_load")
    with psycopg.connect(database_url, autocommit=True) as link:
        link.execute("CREATE EXTENSION timescaledb SCHEMA public")
        assert link.execute("SELECT current_setting('timescaledb.license')").fetchone() == ("timescale",)
    async with make_bench(database_url, frame_days=30) as bench:
        await bench.feed(bench.door("forced", 2, ago_s=40 * DAY_S), bench.door("forced", 3, ago_s=-DAY_S / 48))
        assert bench.query("SELECT count(*) FROM telemetry.frame") == [(3,)]
        assert await upkeep(bench).keep_partitions() == ["frame_p20261012"]
    assert kind(database_url) == "p"


def test_an_owner_without_superuser_rights_gets_hypertables(database_url: str) -> None:
    owner = f"{psycopg.conninfo.conninfo_to_dict(database_url)['dbname']}_owner"
    with psycopg.connect(database_url, autocommit=True) as link:
        for role in ("hub_app", "hub_ingest"):  # of the whole server: an earlier test may have made them
            if link.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone() is None:
                link.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
        link.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEROLE").format(sql.Identifier(owner)))
        try:
            link.execute(sql.SQL("GRANT hub_app, hub_ingest TO {} WITH ADMIN OPTION").format(sql.Identifier(owner)))
            alter(database_url, f'OWNER TO "{owner}"')
            migrate(psycopg.conninfo.make_conninfo(database_url, user=owner))
            assert kind(database_url) == "r"
            assert link.execute("SELECT owner FROM timescaledb_information.jobs"
                                " WHERE hypertable_name = 'sample'").fetchall() == [(owner,)]  # fmt: skip
        finally:
            alter(database_url, "OWNER TO CURRENT_USER")
            link.execute(sql.SQL("REASSIGN OWNED BY {} TO CURRENT_USER").format(sql.Identifier(owner)))
            link.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(owner)))
            link.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(owner)))


def test_where_the_extension_is_forbidden_the_hub_starts_on_partitions(database_url: str) -> None:
    alter(database_url, "SET timescaledb.license = timescale")  # a word in a configuration is no extension
    with psycopg.connect(database_url, autocommit=True) as link:
        link.execute(
            "CREATE FUNCTION public.forbid() RETURNS event_trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE insufficient_privilege USING MESSAGE = 'not on this service'; END $$"
        )
        link.execute("CREATE EVENT TRIGGER forbid ON ddl_command_start WHEN TAG IN ('CREATE EXTENSION')"
                     " EXECUTE FUNCTION public.forbid()")  # fmt: skip
    migrate(database_url)
    assert kind(database_url) == "p"
