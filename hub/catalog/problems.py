"""What is wrong with a configuration: one line a person can act on, in either language."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Key = tuple[str | int, ...]
"""A place inside a document: `("devices", 3, "profile")`."""

Sort = Literal["syntax", "limit", "missing", "unknown", "value", "reference", "duplicate", "secret"]

_GLOSS: dict[Sort, str] = {
    "syntax": "格式错误",
    "limit": "超出限制",
    "missing": "缺少必填项",
    "unknown": "未知的字段",
    "value": "取值不符",
    "reference": "引用不存在",
    "duplicate": "重复",
    "secret": "密钥引用有误",
}


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong. `found` is "" where the sentence in `expected` says it all; secrets are masked before."""

    file: str
    line: int
    field: str
    found: str
    expected: str
    suggestion: str | None = None
    sort: Sort = "value"

    def render(self, language: str = "en") -> str:
        """`file:line: field: found …, expected … — did you mean …?` in English, or the same in Chinese."""
        where = f"{self.file}:{self.line}: " + (f"{self.field}: " if self.field else "")
        if language.startswith("zh"):
            text = f"发现 {self.found}，应为：{self.expected}" if self.found else self.expected
            hint = f" — 是否想写 '{self.suggestion}'？" if self.suggestion else ""
            return f"{where}{_GLOSS[self.sort]}：{text}{hint}"
        text = f"found {self.found}, expected {self.expected}" if self.found else self.expected
        hint = f" — did you mean '{self.suggestion}'?" if self.suggestion else ""
        return f"{where}{text}{hint}"


class CatalogError(Exception):
    """A configuration that must not be used; `problems` are all that were found, by file and line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems), key=lambda problem: (problem.file, problem.line, problem.field)))
        super().__init__("\n".join(problem.render() for problem in self.problems))


def show(value: object) -> str:
    """A value as `found` shows it: at most 60 characters, containers only by their sort."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…" + ("'" if isinstance(value, str) else "")


def closest(word: object, words: Iterable[str]) -> str | None:
    """The word that was probably meant."""
    matches = difflib.get_close_matches(str(word)[:80], list(words), n=1, cutoff=0.6)
    return matches[0] if matches else None


def one_of(words: Iterable[str]) -> str:
    """`one of: a, b, c`, cut short where the list is long."""
    listed = sorted(words)
    if not listed:
        return "nothing (none exist)"
    shown = ", ".join(listed[:12])
    return f"one of: {shown}" + (f" … ({len(listed)} in all)" if len(listed) > 12 else "")


def dotted(path: Key) -> str:
    """`devices[3].profile`"""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text if len(text) <= 200 else text[:199] + "…"
