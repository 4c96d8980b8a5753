"""The embedded database as a process: it starts, keeps what it promised, and never stays behind."""

import os
import pwd
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from hub.embedded.placement import STATE, short_hash
from hub.embedded.postgres import EmbeddedPostgres
from hub.embedded.process import AlreadyOwned, EmbeddedError, StartFailed, command_of
from tests.integration.postgres import ROOT, gone, make_server, new_database, open_folder, owner


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as found:
        yield found


def insert(url: str, number: int) -> None:
    with psycopg.connect(url) as link:
        link.execute("CREATE TABLE IF NOT EXISTS kept (n int PRIMARY KEY)")
        link.execute("INSERT INTO kept VALUES (%s)", (number,))


def kept(url: str) -> list[int]:
    with psycopg.connect(url) as link:
        return [row[0] for row in link.execute("SELECT n FROM kept ORDER BY n")]


def test_postgres_starts_keeps_data_and_leaves_no_process(folder: Path):
    server = EmbeddedPostgres(folder / "postgres")
    url = server.start()
    assert server.start() == url  # starting twice is harmless
    with psycopg.connect(url) as link:
        assert link.execute("SELECT 1").fetchone() == (1,)
        for name, value in {"data_checksums": "on", "fsync": "on", "TimeZone": "UTC", "listen_addresses": ""}.items():
            assert link.execute("SELECT current_setting(%s)", (name,)).fetchone() == (value,)
        link.execute("CREATE EXTENSION pg_trgm")
        assert link.execute("SELECT show_trgm('小区门禁') <> '{}'").fetchone() == (True,)
    insert(url, 1)
    pid = server.pid
    server.stop()
    assert gone(pid) and server.pid is None
    server.stop()  # so is stopping twice
    with (
        EmbeddedPostgres(folder / "postgres", {"max_connections": "20"}) as again,
        psycopg.connect(again.url()) as link,
    ):
        assert link.execute("SELECT current_setting('max_connections')").fetchone() == ("20",)
        assert kept(again.url()) == [1]


def test_no_parent_folder_changes_its_mode_and_a_closed_one_moves_the_data(tmp_path: Path):
    tmp_path.chmod(0o700)
    modes = [(path, path.stat().st_mode) for path in tmp_path.parents]
    server = EmbeddedPostgres(tmp_path / "postgres")
    try:
        insert(server.start(), 1)
        assert tmp_path.stat().st_mode & 0o777 == 0o700
        assert [(path, path.stat().st_mode) for path in tmp_path.parents] == modes
        assert server.data == (
            STATE / short_hash(tmp_path / "postgres") / "postgres" if os.geteuid() == 0 else tmp_path / "postgres"
        )
    finally:
        server.stop()
        if server.data.is_relative_to(STATE):
            subprocess.run(["rm", "-rf", str(server.data.parent)], check=True)


def test_kill_of_the_whole_tree_keeps_every_committed_row(folder: Path):
    with EmbeddedPostgres(folder / "postgres") as server:
        pid = server.pid
        acknowledged = []
        killer = threading.Timer(0.4, os.kill, (pid, signal.SIGKILL))
        with psycopg.connect(server.url(), autocommit=True) as link, pytest.raises(psycopg.OperationalError):
            link.execute("CREATE TABLE kept (n int PRIMARY KEY)")
            killer.start()
            for number in range(10**6):
                link.execute("INSERT INTO kept VALUES (%s)", (number,))
                acknowledged.append(number)
        killer.join()
        assert len(acknowledged) > 10
        assert set(kept(server.start())) >= set(acknowledged)  # at once: the last backends may still be going
        assert server.pid != pid


def test_a_recycled_pid_is_not_taken_for_a_server(folder: Path):
    data = folder / "postgres"
    with EmbeddedPostgres(data) as server:
        insert(server.url(), 1)
        lines = (data / "postmaster.pid").read_text().splitlines()
        pid = server.pid
        os.kill(pid, signal.SIGKILL)
        assert gone(pid)
    other = subprocess.Popen(["sleep", "60"], user=data.stat().st_uid if os.geteuid() == 0 else None)
    try:
        (data / "postmaster.pid").write_text("\n".join([str(other.pid), *lines[1:]]) + "\n")
        with EmbeddedPostgres(data) as server:
            assert kept(server.url()) == [1]
        assert other.poll() is None  # and it was not killed either
    finally:
        other.kill()
        other.wait()


def test_second_owner_is_refused_and_told_who_has_it(folder: Path):
    with owner("postgres", folder / "postgres") as (process, pid):
        with pytest.raises(AlreadyOwned, match=f"pid {process.pid}"):
            EmbeddedPostgres(folder / "postgres").start()
        time.sleep(0.5)
        assert command_of(pid)  # neither the refused one nor the end of the starting thread did harm


def test_killed_owner_leaves_no_server_behind(folder: Path):
    with owner("postgres", folder / "postgres") as (process, pid):
        process.kill()
        process.wait()
        assert gone(pid)
    with EmbeddedPostgres(folder / "postgres") as server:
        insert(server.url(), 1)


def test_an_orphan_is_stopped_by_the_next_owner(folder: Path):
    """What happens where the kernel has no death signal."""
    data = folder / "postgres"
    first = EmbeddedPostgres(data)
    insert(first.start(), 1)
    pid = first.pid
    first._lock.release()  # as if its process had died
    with EmbeddedPostgres(data) as second:
        assert not command_of(pid) and second.pid != pid
        assert kept(second.url()) == [1]


def test_a_killed_initdb_does_not_spoil_the_folder(folder: Path):
    half = folder / "postgres.new-0"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(folder / "postgres") as server:
        insert(server.url(), 1)
    assert not half.exists()


def test_folders_that_can_not_be_a_cluster_are_refused(folder: Path):
    (folder / "postgres").mkdir()
    (folder / "postgres" / "precious").write_text("x")
    with pytest.raises(EmbeddedError, match="not empty"):
        EmbeddedPostgres(folder / "postgres").start()
    (folder / "postgres" / "PG_VERSION").write_text("17\n")
    if os.geteuid() == 0:
        with pytest.raises(EmbeddedError, match="belongs to uid 0"):
            EmbeddedPostgres(folder / "postgres").start()
    with pytest.raises(EmbeddedError, match="belong to the supervisor"):
        EmbeddedPostgres(folder / "other", {"listen_addresses": "*"})


def test_a_wrong_setting_is_told_and_leaves_nothing(folder: Path):
    with pytest.raises(StartFailed, match="no_such_setting"):
        EmbeddedPostgres(folder / "postgres", {"no_such_setting": "1"}).start()
    with EmbeddedPostgres(folder / "postgres") as server:  # neither a lock nor a server is in the way
        assert server.pid


def test_deep_folder_gets_its_socket_elsewhere(folder: Path):
    deep = folder / ("很深的目录" * 8) / 'it\'s, "odd" name'
    with EmbeddedPostgres(deep / "postgres") as server:
        assert server.socket_dir.is_relative_to("/tmp")
        assert server.socket_dir.stat().st_mode & 0o777 == 0o700
        insert(server.url(), 1)
    server.socket_dir.rmdir()


def test_server_for_tests_makes_databases_and_copies():
    with make_server() as url:
        first = new_database(url)
        insert(first, 7)
        copy = new_database(url, template=first.split("?")[0].rsplit("/", 1)[1])
        insert(copy, 8)
        assert (kept(first), kept(copy)) == ([7], [7, 8])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make users")
def test_many_first_starts_at_once_make_one_user_that_stays():
    name = f"hubtest{os.getpid()}"
    ask = f"from hub.embedded.placement import system_account; print(system_account({name!r}).uid)"
    try:
        starts = [
            subprocess.Popen([sys.executable, "-c", ask], stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(8)
        ]
        numbers = {int(start.communicate()[0]) for start in starts}
        assert numbers == {pwd.getpwnam(name).pw_uid}
    finally:
        subprocess.run(["userdel", name], check=True)
