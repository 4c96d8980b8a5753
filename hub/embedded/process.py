"""Own a child process: start it so that it dies with us, wait until it is ready, stop it, lock its data.

Linux: the kernel signals the child when the *thread* that started it ends (PR_SET_PDEATHSIG), so every child
is started from one thread that lives as long as this process. Elsewhere a child may outlive a killed owner;
`stop_stranger` is how the next owner ends it. Not for Windows (no flock, no POSIX signals).
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from queue import SimpleQueue

from hub.errors import HubError

_LAUNCH = Path(__file__).with_name("launch.py")
_LOG_LIMIT = 4_000_000
_ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C", "TZ": "UTC"}


class EmbeddedError(HubError):
    """An embedded server can not be used as it is asked for; the text says what to change."""


class AlreadyOwned(EmbeddedError):
    """Another process owns this data directory."""


class StartFailed(EmbeddedError):
    """The server ended or did not become ready in time; the text carries the end of its log."""


@dataclass(frozen=True)
class Account:
    """The system user a child runs as."""

    name: str
    uid: int
    gid: int


def wait_until(probe: Callable[[], bool], seconds: float, step: float = 0.02) -> bool:
    """Ask `probe` until it says yes; False when `seconds` have passed."""
    deadline = time.monotonic() + seconds
    while not probe():
        if time.monotonic() >= deadline:
            return False
        time.sleep(step)
    return True


class DirectoryLock:
    """One owner per data directory. The kernel drops the lock when the owner dies, whatever way."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    def acquire(self) -> None:
        """Take the lock. AlreadyOwned, naming the pid, when another process (or this one) holds it."""
        if self._fd is not None:
            raise AlreadyOwned(f"{self._path} is already held by this object (pid {os.getpid()})")
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(fd)
            raise AlreadyOwned(
                f"{self._path} is held by pid {holder}: one process at a time may own this data directory. "
                "Stop that process, or give this one another directory."
            ) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd

    def release(self) -> None:
        """Give it back; the file stays (removing it would let two owners in)."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


class Child:
    """A server process that this process owns."""

    def __init__(self, name: str, popen: "subprocess.Popen[bytes]", log: Path) -> None:
        self.name = name
        self.log = log
        self._popen = popen

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._popen.pid

    def alive(self) -> bool:
        """True while it runs."""
        return self._popen.poll() is None

    def wait_ready(self, probe: Callable[[], bool], seconds: float) -> None:
        """Until `probe` says yes. StartFailed when the child ends or `seconds` pass (it then still runs)."""
        if not wait_until(lambda: not self.alive() or probe(), seconds):
            raise StartFailed(f"{self.name} was not ready after {seconds:.0f} s\n{tail(self.log)}")
        if not self.alive():
            raise StartFailed(f"{self.name} ended with status {self._popen.returncode}\n{tail(self.log)}")

    def stop(self, steps: Sequence[tuple[signal.Signals, float]]) -> None:
        """Send each signal and wait its seconds, until the child is gone. EmbeddedError if it never goes."""
        for signum, seconds in steps:
            self.send(signum)
            try:
                self._popen.wait(seconds)
            except subprocess.TimeoutExpired:
                continue
            return
        raise EmbeddedError(f"{self.name} (pid {self.pid}) does not stop")

    def send(self, signum: signal.Signals) -> None:
        """Send a signal; nothing happens when the child has ended."""
        self._popen.send_signal(signum)


def launch(
    name: str,
    argv: Sequence[str],
    log: Path,
    death_signal: signal.Signals,
    account: Account | None = None,
) -> Child:
    """Start `argv` in a session of its own, output to `log`. Linux sends it `death_signal` when we die.

    Its working directory is `/`, its umask 077 and its environment a fixed one. OSError when the
    interpreter can not be started; a missing program shows as a child that ended (its log says why).
    """
    uid, gid = (account.uid, account.gid) if account else (-1, -1)
    words = [os.getpid(), int(death_signal), uid, gid, *argv]
    command = [sys.executable, "-I", "-S", str(_LAUNCH), *map(str, words)]
    with log.open("ab") as sink:
        popen = _spawner(os.getpid()).run_there(
            lambda: subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, cwd="/", env=_ENV,
                start_new_session=True,
            )
        )  # fmt: skip
    return Child(name, popen, log)


class _Spawner(threading.Thread):
    """The thread that is parent to all children; it ends only with the process."""

    def __init__(self) -> None:
        super().__init__(name="embedded-spawner", daemon=True)
        self._jobs: SimpleQueue[tuple[Callable[[], subprocess.Popen[bytes]], Future[subprocess.Popen[bytes]]]] = (
            SimpleQueue()
        )
        self.start()

    def run_there(self, job: "Callable[[], subprocess.Popen[bytes]]") -> "subprocess.Popen[bytes]":
        done: Future[subprocess.Popen[bytes]] = Future()
        self._jobs.put((job, done))
        return done.result()

    def run(self) -> None:
        while True:
            job, done = self._jobs.get()
            try:
                done.set_result(job())
            except (OSError, ValueError, subprocess.SubprocessError) as error:
                done.set_exception(error)
            del job, done


@cache
def _spawner(_pid: int) -> _Spawner:
    """One per process: a forked copy of us has no such thread and needs its own."""
    return _Spawner()


def command_of(pid: int) -> list[str]:
    """The command line of a process; empty when there is none, or when it is dead and only not buried."""
    if Path("/proc/self").exists():
        try:
            raw = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return []
        return [os.fsdecode(word) for word in raw.split(b"\0") if word]
    shown = subprocess.run(["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return shown.stdout.split()


def stop_stranger(pid: int, is_ours: Callable[[list[str]], bool], steps: Sequence[tuple[int, float]]) -> bool:
    """Stop a server that a dead owner left. `is_ours` judges the command line, so a recycled pid is safe.

    True when there was one. EmbeddedError when it does not go. The caller holds the directory's lock.
    """
    if not is_ours(command_of(pid)):
        return False
    for signum, seconds in steps:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signum)
        if wait_until(lambda: not is_ours(command_of(pid)), seconds):
            return True
    raise EmbeddedError(f"the server left by an earlier run (pid {pid}) does not stop")


def read_pid(path: Path) -> int | None:
    """The first line of a pid file; None when there is no usable one."""
    try:
        first = path.read_text("ascii", "replace").split("\n", 1)[0]
        return int(first) if int(first) > 0 else None
    except (OSError, ValueError):
        return None


def rotate(log: Path) -> None:
    """Keep a log from growing over the years: at start a big one becomes `.1`, replacing the one before."""
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > _LOG_LIMIT:
            log.replace(log.with_name(log.name + ".1"))


def tail(log: Path, lines: int = 12) -> str:
    """The last lines of a log, for an error message; empty when it can not be read."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 8192))
            return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-lines:])
    except OSError:
        return ""
