"""Named queries: a `.sql` file is blocks that begin with `-- name: what_it_does`."""

import re
from importlib.resources import files
from typing import LiteralString, cast

_HEAD = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def load_queries(package: str, name: str = "queries.sql") -> dict[str, LiteralString]:
    """The blocks of `name` in `package` by their names. ValueError when one name stands twice."""
    text = files(package).joinpath(name).read_text("utf-8")
    parts = _HEAD.split(text)[1:]
    queries: dict[str, LiteralString] = {}
    for title, body in zip(parts[::2], parts[1::2], strict=True):
        if title in queries:
            raise ValueError(f"{package}/{name}: query {title!r} stands twice")
        queries[title] = cast(LiteralString, body.strip())  # our own file, never a person's text
    return queries
