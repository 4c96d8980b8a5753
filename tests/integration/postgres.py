"""A PostgreSQL server for tests, and a fresh database for each of them.

with make_server() as url:            # once per session; in memory and fsync off, everything else as in production
    database = new_database(url)      # about 0.1 s each
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from hub.embedded.postgres import EmbeddedPostgres
from hub.embedded.process import command_of, wait_until

ROOT = Path(__file__).resolve().parents[2]
OWNER = """
import sys, threading
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from hub.embedded.postgres import EmbeddedPostgres
from hub.embedded.nats import BrokerUser, EmbeddedBroker
if sys.argv[2] == "postgres":
    server = EmbeddedPostgres(Path(sys.argv[3]))
else:
    server = EmbeddedBroker(Path(sys.argv[3]), int(sys.argv[4]), [BrokerUser("hub", "h", ["#"], ["#"])])
starter = threading.Thread(target=server.start)  # a thread that ends must not take the server with it
starter.start()
starter.join()
print(server.pid, flush=True)
sys.stdin.read()
"""


FAST = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "64MB"}
MEMORY = Path("/dev/shm")
MEMORY_NEEDED = 4 << 30
_PREFIX = f"hub_test_{os.getpid()}_"
_numbers = count(1)
_passing: set[str] = set()  # names of the databases that nothing but the test under way needs


@contextmanager
def open_folder(below: Path | None = None) -> Iterator[Path]:
    """A temporary folder that other users may enter (pytest's tmp_path is closed to them), gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="hub-test-", dir=below))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def make_server(tmp: Path | None = None) -> Iterator[str]:
    """A running server in `tmp` (default: a folder of its own, removed at the end); yields its URL."""
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MEMORY_NEEDED  # files by the thousand: disks are slow
    with open_folder(MEMORY if roomy else None) as own, EmbeddedPostgres((tmp or own) / "postgres", FAST) as server:
        yield server.url()


def new_database(url: str, template: str | None = None) -> str:
    """Make a database, a copy of `template` (by name; nobody may be connected to it) if given; its URL."""
    name = f"{_PREFIX}{next(_numbers)}"
    command = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
        sql.Identifier(name),
        sql.Identifier(template or "template0"),  # nobody, not TimescaleDB either, connects to it
    )
    with psycopg.connect(url, autocommit=True) as link:
        link.execute(command)
    _passing.add(name)
    return urlunsplit(urlsplit(url)._replace(path="/" + name))


def close_database(url: str, name: str) -> None:
    """Nobody connects to it any more, nor do TimescaleDB's workers: from now on it is a template only, and stays."""
    _passing.discard(name)
    with psycopg.connect(url, autocommit=True) as link:
        link.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(name)))
        link.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])


@contextmanager
def dropping(url: str) -> Iterator[None]:
    """What `new_database` makes meanwhile is gone afterwards, templates excepted."""
    before = set(_passing)
    try:
        yield
    finally:
        if made := _passing - before:
            _drop(url, made)
            _passing.difference_update(made)


def drop_databases(url: str) -> None:
    """Drop what `new_database` made in this process: a server that is not ours alone is left as it was."""
    with psycopg.connect(url, autocommit=True) as link:
        found = link.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [_PREFIX]).fetchall()
    _drop(url, {name for (name,) in found})


def _drop(url: str, names: set[str]) -> None:
    with psycopg.connect(url, autocommit=True) as link:
        for name in names:
            link.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def gone(pid: int) -> bool:
    return wait_until(lambda: not command_of(pid), 15)


@contextmanager
def owner(kind: str, data: Path, port: int = 0) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Another process that owns a server; killed -9 at the end at the latest."""
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(ROOT), kind, str(data), str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()
