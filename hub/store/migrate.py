"""Numbered forward-only migrations of the hub, its modules and the job queue, run by yoyo under an advisory lock."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg
from procrastinate.schema import SchemaManager
from psycopg.conninfo import conninfo_to_dict
from yoyo import get_backend, read_migrations

OWN = Path(__file__).with_name("migrations")

JOBS_LOCK = 0x48554201


def migrate(conninfo: str, module_folders: Sequence[Path] = ()) -> list[str]:
    """Bring the database to the present schema; gives the ids applied now. psycopg.Error when it cannot."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [JOBS_LOCK])
        _install_jobs(connection)
        backend = get_backend(_yoyo_url(conninfo))
        try:
            migrations = read_migrations(*(str(folder) for folder in (OWN, *module_folders)))
            pending = backend.to_apply(migrations)
            backend.apply_migrations(pending)
            return [migration.id for migration in pending]
        finally:
            backend.connection.close()


def _install_jobs(connection: "psycopg.Connection[tuple[object, ...]]") -> None:
    row = connection.execute("SELECT to_regclass('public.procrastinate_jobs')").fetchone()
    if row is None or row[0] is None:
        with connection.transaction():
            connection.execute(SchemaManager.get_schema().encode())


def _yoyo_url(conninfo: str) -> str:
    """yoyo wants its own URL scheme; everything goes into the query so that socket folders work too."""
    parts = {key: str(value) for key, value in conninfo_to_dict(conninfo).items() if value is not None}
    user, password = parts.pop("user", ""), parts.pop("password", "")
    host, port = parts.pop("host", ""), parts.pop("port", "")
    name = parts.pop("dbname", "")
    credentials = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
    if host.startswith("/"):
        parts["host"], host = host, ""
    where = f"{credentials}@{host}" if credentials else host
    parts["options"] = "-c search_path=public"  # a schema named as the user would catch yoyo's own tables
    if port:
        where += f":{port}"
    return f"postgresql+psycopg://{where}/{name}?{urlencode(parts)}"
