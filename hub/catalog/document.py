"""A configuration file in memory: its data, where each part stands, and what must not be shown."""

import re
from dataclasses import dataclass, field
from typing import Any

from hub.catalog.problems import Key, Problem, Sort, dotted, show

_NEVER_SHOWN = frozenset({"password", "secret", "push", "phone", "email"})
_NAMES_A_HOST = frozenset({"http", "https", "mqtt", "mqtts", "rtsp", "rtsps"})  # in others it may be the key itself


@dataclass
class Document:
    """Data of one file. `data` is None after a fatal problem."""

    file: str
    data: Any = None
    lines: dict[Key, int] = field(default_factory=dict)
    references: dict[Key, str] = field(default_factory=dict)  # path -> "!env NAME": shown instead of what it gave
    secrets: set[str] = field(default_factory=set)  # what references gave; scrubbed from every text
    rows: dict[Key, tuple[str, int]] = field(default_factory=dict)  # ("devices", 3) -> table file and line
    problems: list[Problem] = field(default_factory=list)
    broken: set[Key] = field(default_factory=set)  # paths already reported

    def locate(self, path: Key) -> tuple[str, int, str]:
        """File, line and field text of a path, or of its nearest ancestor that has a line."""
        row = self.rows.get(path[:2])
        if row is not None:
            return *row, dotted(path[2:])
        for length in range(len(path), -1, -1):
            line = self.lines.get(path[:length])
            if line is not None:
                return self.file, line, dotted(path)
        return self.file, 1, dotted(path)

    def value(self, path: Key) -> Any:
        """What stands at a path; None where nothing does."""
        node = self.data
        for part in path:
            keys = range(len(node)) if isinstance(node, list) else node if isinstance(node, dict) else ()
            if part not in keys:
                return None
            node = node[part]
        return node

    def shown(self, path: Key) -> str:
        """The value at a path as a person may see it."""
        reference = self.references.get(path)
        if reference is not None:
            return reference
        if _NEVER_SHOWN.intersection(map(str, path)):
            return "***"
        value = self.value(path)
        return self.scrub(show(_address(value) if isinstance(value, str) else value))

    def scrub(self, text: str) -> str:
        """The text without anything a reference gave."""
        for secret in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text

    def report(
        self,
        path: Key,
        expected: str,
        *,
        found: str | None = None,
        suggestion: str | None = None,
        sort: Sort = "value",
    ) -> None:
        """Note a problem at a path; `found` defaults to what stands there, "" leaves it out."""
        file, line, name = self.locate(path)
        text = self.shown(path) if found is None else self.scrub(found)
        hint = self.scrub(suggestion) if suggestion else None
        self.problems.append(Problem(file, line, name, text, self.scrub(expected), hint, sort))
        self.broken.add(path)


def _address(text: str) -> str:
    """The text; an address of a broker, camera, robot or gateway without the passwords and keys that may be in it."""
    scheme, is_one, rest = text.partition("://")
    if not is_one:
        return text
    if scheme.lower() not in _NAMES_A_HOST:
        return f"{scheme}://***"
    _, at, rest = rest.rpartition("@")
    kept = re.split("[/?#]" if scheme.lower().startswith("http") else "[?#]", rest, maxsplit=1)[0]
    return f"{scheme}://{'***@' if at else ''}{kept}{'…' if kept != rest else ''}"
