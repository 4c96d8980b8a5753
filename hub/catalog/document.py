"""A configuration file in memory: its data, where each part stands, and what must not be shown."""

from dataclasses import dataclass, field
from typing import Any

from hub.catalog.problems import Key, Problem, Sort, dotted, show

_NEVER_SHOWN = frozenset({"password"})


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
        return self.scrub(show(self.value(path)))

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
