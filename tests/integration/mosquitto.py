"""A real Debian mosquitto on a free port, for tests: start, stop, kill, freeze."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

BINARY = "/usr/sbin/mosquitto"
START_S = 20.0


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files: an authority, a server certificate for localhost and 127.0.0.1, a client certificate."""

    authority: Path
    server: Path
    server_key: Path
    client: Path
    client_key: Path


def make_certificates(folder: Path) -> Certificates:
    """Make them with the openssl command line; takes well under a second (P-256 keys)."""
    folder.mkdir(parents=True, exist_ok=True)
    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    _openssl(folder, "req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority")
    for name, extra in (("server", "subjectAltName=DNS:localhost,IP:127.0.0.1"), ("client", "subjectAltName=DNS:hub")):
        (folder / f"{name}.ext").write_text(extra)
        _openssl(folder, "req", *new_key[:-2], "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        sign = ("-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2")
        _openssl(folder, "x509", *sign, "-extfile", f"{name}.ext", "-out", f"{name}.pem")
    return Certificates(*(folder / name for name in ("ca.pem", "server.pem", "server.key", "client.pem", "client.key")))


def _openssl(folder: Path, *args: str) -> None:
    subprocess.run(("openssl", *args), cwd=folder, check=True, capture_output=True, timeout=60)


_held: list[socket.socket] = []


def free_port() -> int:
    """A TCP port of 127.0.0.1 that is the caller's while this process lives, also while nobody listens on it.

    It stays bound here: the kernel gives it to no other socket, nor to an outgoing connection as its own end; a server
    that sets SO_REUSEADDR, as all of ours do, may listen on it all the same.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    _held.append(holder)
    return int(holder.getsockname()[1])


class Mosquitto:
    """Broker process with its files below `folder`; a context manager that starts and stops it.

    `users`: name to password (anonymous is then refused). `acl`: text of an ACL file. `tls`: serve TLS and demand
    a client certificate. `extra`: more configuration lines. With `persistence` each change is not synced: a
    restart keeps sessions and messages, `kill9` may lose the last ones.
    """

    def __init__(
        self,
        folder: Path,
        *,
        persistence: bool = False,
        users: Mapping[str, str] | None = None,
        acl: str | None = None,
        tls: Certificates | None = None,
        max_inflight: int = 2000,
        extra: tuple[str, ...] = (),
    ) -> None:
        self.port = free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        lines = [f"listener {self.port} 127.0.0.1", "user root", "max_queued_messages 0", "set_tcp_nodelay true"]
        lines += [f"max_inflight_messages {max_inflight}", f"persistence {str(persistence).lower()}"]
        if persistence:
            lines += [f"persistence_location {folder}/", "autosave_interval 1", "autosave_on_changes true"]
        lines.append(f"allow_anonymous {str(not users).lower()}")
        if users:
            lines.append(f"password_file {self._passwords(users)}")
        if acl is not None:
            (folder / "acl").write_text(acl)
            (folder / "acl").chmod(0o600)
            lines.append(f"acl_file {folder / 'acl'}")
        if tls:
            lines += [f"cafile {tls.authority}", f"certfile {tls.server}", f"keyfile {tls.server_key}"]
            lines.append("require_certificate true")
        (folder / "mosquitto.conf").write_text("\n".join([*lines, *extra, ""]))

    def _passwords(self, users: Mapping[str, str]) -> Path:
        path = self._folder / "passwords"
        path.write_text("".join(f"{name}:{password}\n" for name, password in users.items()))
        path.chmod(0o600)
        subprocess.run(("mosquitto_passwd", "-U", str(path)), check=True, capture_output=True, timeout=60)
        return path

    @property
    def pid(self) -> int:
        """Process id; RuntimeError if it does not run."""
        if self._process is None:
            raise RuntimeError("mosquitto does not run")
        return self._process.pid

    @property
    def log(self) -> str:
        """What it wrote so far."""
        return (self._folder / "mosquitto.log").read_text()

    def start(self) -> None:
        """Start and wait until it accepts connections; RuntimeError with its log if it does not."""
        with (self._folder / "mosquitto.log").open("ab") as log:
            command = (BINARY, "-c", str(self._folder / "mosquitto.conf"))
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + START_S
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        self.kill9()
        raise RuntimeError(f"mosquitto did not start: {self.log}")

    def stop(self) -> None:
        """Stop in order (SIGTERM): it writes its persistence file."""
        self._end(signal.SIGTERM)

    def kill9(self) -> None:
        """Kill without warning."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop in order and start on the same port with the same files."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """SIGSTOP: the sockets stay open and nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def rss_bytes(self) -> int:
        """Resident memory of the broker."""
        pages = Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGESIZE")

    def __enter__(self) -> "Mosquitto":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        process.send_signal(signal.SIGCONT)  # a frozen process sees SIGTERM only when it runs
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
