"""YAML 1.2 (core schema) with line numbers, hard limits and two tags for what must not stand in a file.

ruamel.yaml scans and parses; values are made here from its events, so that every limit holds before anything is built:
4 MB, 30 levels, 1 000 aliases, 1 000 000 values with aliases counted as often as they are used. Keys are text as
written (`0:` is the key "0"), duplicate keys are refused. `!env NAME [default]` takes an environment variable,
`!file path` the text of a file beside this one.
"""

import io
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from hub.catalog.document import Document
from hub.catalog.problems import Key, Problem, Sort, show
from hub.catalog.references import resolve_env, resolve_file

MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 30
MAX_ALIASES = 1_000
MAX_VALUES = 1_000_000

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]{1,100}")
_BASED = re.compile(r"0o[0-7]{1,100}|0x[0-9a-fA-F]{1,100}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]{1,100}|[0-9]{1,100}(\.[0-9]{0,100})?)([eE][-+]?[0-9]{1,5})?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


class _Fatal(Exception):
    """The rest of the file cannot be read."""

    def __init__(self, line: int, expected: str, sort: Sort, found: str = "", path: Key = ()) -> None:
        super().__init__(expected)
        self.line, self.expected, self.sort, self.found, self.path = line, expected, sort, found, path


def core_scalar(text: str) -> Any:
    """A plain scalar by the YAML 1.2.2 core schema (§10.3.2). ValueError for infinities and NaN."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text[2:], 8 if text[1] == "o" else 16)
    if _FLOAT.fullmatch(text):
        number = float(text)
        if not math.isfinite(number):
            raise ValueError("a number within range")
        return number
    if _NOT_FINITE.fullmatch(text):
        raise ValueError("a finite number (put it in quotes if text is meant)")
    return text


def load_yaml(path: Path, environment: Mapping[str, str], label: str | None = None) -> Document:
    """The one document of a file. Never raises for what is in the file: see `problems` of the result.

    `label` is the file's name in problems (default: the path as given).
    """
    document = Document(label or str(path))
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        document.report((), f"the file cannot be read: {error.strerror}", found="", sort="syntax")
        return document
    if len(raw) > MAX_BYTES:
        document.report((), f"the file is over the limit of {MAX_BYTES} bytes", found="", sort="limit")
        return document
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        document.problems.append(
            Problem(document.file, line, "", "", f"the file is not UTF-8 (byte {error.start})", sort="syntax")
        )
        return document
    return parse_yaml(text, document, environment, path.parent)


def parse_yaml(text: str, document: Document, environment: Mapping[str, str], folder: Path) -> Document:
    """Fill `document` from text; `folder` is where `!file` starts from."""
    builder = _Builder(document, environment, folder)
    try:
        document.data = builder.build(_events(text))
    except _Fatal as fatal:
        document.data = None
        document.lines[fatal.path] = fatal.line
        document.report(fatal.path, fatal.expected, found=fatal.found, sort=fatal.sort)
    return document


def _events(text: str) -> Iterator[Event]:
    """ruamel's events; whatever its scanner raises on odd input becomes a `_Fatal` with a line."""
    parser = YAML(typ="safe", pure=True)
    line = 1
    try:
        for event in parser.parse(io.StringIO(text)):
            line = event.start_mark.line + 1
            yield event
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = mark.line + 1 if mark else line
        reason = " ".join(part for part in (error.problem, error.context) if part)
        raise _Fatal(at, f"not YAML: {reason}", "syntax") from None
    except (YAMLError, ValueError, OverflowError, LookupError, AttributeError, TypeError, AssertionError) as error:
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise _Fatal(line, f"not YAML: {first}", "syntax") from None


@dataclass
class _Open:
    """A mapping or list that is still being read."""

    node: dict[str, Any] | list[Any]
    path: Key
    anchor: str | None
    start: int  # values counted before it
    key: str | None = None

    def wants_key(self) -> bool:
        return isinstance(self.node, dict) and self.key is None

    def next_path(self) -> Key:
        return (*self.path, len(self.node) if isinstance(self.node, list) else self.key or "")


@dataclass
class _Builder:
    document: Document
    environment: Mapping[str, str]
    folder: Path
    stack: list[_Open] = field(default_factory=list)
    anchors: dict[str, tuple[Any, int]] = field(default_factory=dict)
    root: Any = None
    values: int = 0
    aliases: int = 0
    documents: int = 0

    def build(self, events: Iterator[Event]) -> Any:
        for event in events:
            line = event.start_mark.line + 1
            if isinstance(event, DocumentStartEvent):
                self.documents += 1
                if self.documents > 1:
                    raise _Fatal(line, "one document a file: a second `---` is not allowed", "syntax")
            elif isinstance(event, ScalarEvent):
                self._scalar(event, line)
            elif isinstance(event, AliasEvent):
                self._alias(str(event.anchor), line)
            elif isinstance(event, MappingStartEvent | SequenceStartEvent):
                self._begin(event, line)
            elif isinstance(event, MappingEndEvent | SequenceEndEvent):
                self._end()
        return self.root

    def _path(self) -> Key:
        return self.stack[-1].next_path() if self.stack else ()

    def _count(self, number: int, line: int) -> None:
        self.values += number
        if self.values > MAX_VALUES:
            raise _Fatal(line, f"more than {MAX_VALUES} values, aliases counted as often as used", "limit")

    def _begin(self, event: Any, line: int) -> None:
        if self.stack and self.stack[-1].wants_key():
            raise _Fatal(line, "a key must be plain text", "syntax", path=self.stack[-1].path)
        if len(self.stack) >= MAX_DEPTH:
            raise _Fatal(line, f"nested deeper than {MAX_DEPTH} levels", "limit")
        if event.tag is not None:
            self._tag(str(event.tag), line)
        self._count(1, line)
        path = self._path()
        self.document.lines.setdefault(path, line)
        node: dict[str, Any] | list[Any] = {} if isinstance(event, MappingStartEvent) else []
        self.stack.append(_Open(node, path, event.anchor, self.values))

    def _end(self) -> None:
        done = self.stack.pop()
        if done.anchor:
            self.anchors[done.anchor] = (done.node, self.values - done.start + 1)
        self._add(done.node)

    def _add(self, value: Any) -> None:
        if not self.stack:
            self.root = value
            return
        top = self.stack[-1]
        if isinstance(top.node, list):
            top.node.append(value)
        else:
            assert top.key is not None
            top.node[top.key] = value
            top.key = None

    def _alias(self, anchor: str, line: int) -> None:
        path = self._path()
        if self.stack and self.stack[-1].wants_key():
            raise _Fatal(line, "a key must be plain text", "syntax", path=self.stack[-1].path)
        self.aliases += 1
        if self.aliases > MAX_ALIASES:
            raise _Fatal(line, f"more than {MAX_ALIASES} aliases", "limit", path=path)
        if anchor not in self.anchors:
            raise _Fatal(line, "an anchor that was finished before it is used", "reference", f"*{anchor[:60]}", path)
        value, size = self.anchors[anchor]
        self._count(size, line)
        self.document.lines.setdefault(path, line)
        self._add(value)

    def _scalar(self, event: ScalarEvent, line: int) -> None:
        if self.stack and self.stack[-1].wants_key():
            self._key(event, line)
            return
        self._count(1, line)
        path = self._path()
        self.document.lines.setdefault(path, line)
        value: Any = event.value
        if event.tag is not None:
            value = self._tagged(str(event.tag), str(event.value), path, line)
        elif event.implicit[0]:  # plain: not in quotes, not a block
            try:
                value = core_scalar(event.value)
            except ValueError as error:
                self.document.report(path, str(error), found=show(event.value))
        if event.anchor:
            self.anchors[event.anchor] = (value, 1)
        self._add(value)

    def _key(self, event: ScalarEvent, line: int) -> None:
        top = self.stack[-1]
        key = str(event.value)
        assert isinstance(top.node, dict)
        path = (*top.path, key)
        if event.tag is not None:
            raise _Fatal(line, "a key must be plain text", "syntax", f"the tag {event.tag}", path)
        if key in top.node:
            first = self.document.lines.get(path, 0)
            name = show(key)
            raise _Fatal(line, f"each key once (first on line {first})", "duplicate", f"the key {name} again", path)
        self.document.lines[path] = line
        top.key = key

    def _tag(self, tag: str, line: int) -> None:
        raise _Fatal(line, "no tag but `!env NAME [default]` and `!file path`", "syntax", f"the tag {tag[:60]}")

    def _tagged(self, tag: str, text: str, path: Key, line: int) -> Any:
        if tag == "!env":
            return resolve_env(self.document, path, text, self.environment)
        if tag == "!file":
            return resolve_file(self.document, path, text.strip(), self.folder)
        return self._tag(tag, line)
