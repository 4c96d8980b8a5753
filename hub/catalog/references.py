"""`!env NAME [default]` and `!file path`: what must not stand in a file. What they give is never shown."""

import re
from collections.abc import Mapping
from pathlib import Path

from hub.catalog.document import Document
from hub.catalog.problems import Key, show

MAX_SECRET_BYTES = 65_536

_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


def resolve_env(document: Document, path: Key, text: str, environment: Mapping[str, str]) -> str:
    """The variable, else the default after its name, else "" and a problem in the document."""
    name, *rest = text.split(None, 1) or [""]
    if not _ENV_NAME.fullmatch(name):
        document.report(path, "`!env NAME` or `!env NAME default`", found=f"!env {show(name)}", sort="secret")
        return ""
    document.references[path] = f"!env {name}"
    value = environment.get(name, rest[0].strip() if rest else None)
    if value is None:
        expected = f"the environment variable {name} to be set, or a default after its name"
        document.report(path, expected, sort="secret")
        return ""
    return _kept(document, value)


def resolve_file(document: Document, path: Key, name: str, folder: Path) -> str:
    """The text of the file (from `folder` where the name is relative) without its last newline, else a problem."""
    document.references[path] = f"!file {name[:100]}"
    try:
        with (folder / name).open("rb") as file:
            raw = file.read(MAX_SECRET_BYTES + 1)
        if len(raw) > MAX_SECRET_BYTES:
            raise ValueError("too long")
        return _kept(document, raw.decode("utf-8").rstrip("\r\n"))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text of at most 64 KiB"
        document.report(path, f"a readable file ({why})", sort="secret")
        return ""


def _kept(document: Document, value: str) -> str:
    if len(value) >= 4:  # shorter ones would scrub ordinary words, and are no secrets
        document.secrets.add(value)
    return value
