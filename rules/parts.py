"""What expressions are made of: words, typed parts with their work, and the error that names a place. Pure."""

import re
from dataclasses import dataclass, field
from typing import Literal

from rules.bounds import Bounds, unbounded

Kind = Literal["number", "text", "boolean", "any", "numbers", "texts", "booleans"]
"""What a part is; `any`: one number, text or boolean, known when evaluated."""

Poly = tuple[float, float, float, float]
"""Steps as c0 + c1·n + c2·n² + c3·n³, n the length of the longest list."""

MAX_LENGTH = 500

LISTS: dict[Kind, Kind] = {"number": "numbers", "text": "texts", "boolean": "booleans"}
ITEMS: dict[Kind, Kind] = {many: one for one, many in LISTS.items()}

_TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<number>(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<word>[A-Za-z_]\w*)|(?P<text>\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*')"
    r"|(?P<sign>\|\||&&|[=!<>]=|[-+*/<>!?:().,\[\]])",
    re.ASCII,
)
HINTS = {"=": "; write == to compare", "&": "; write &&", "|": "; write ||", "%": "", "and": "; write &&",
          "or": "; write ||", "not": "; write !"}  # fmt: skip


class ExpressionError(ValueError):
    """An expression that cannot be compiled (`position`: 0-based character) or has no result (None)."""

    def __init__(self, why: str, position: int | None = None) -> None:
        super().__init__(why if position is None else f"{why} (at character {position + 1})")
        self.why = why
        self.position = position


@dataclass(frozen=True)
class Token:
    """One word of the expression."""

    sort: str
    text: str
    at: int


@dataclass(frozen=True)
class Part:
    """A typed part of the expression, its CEL text and its work."""

    code: str
    kind: Kind
    cost: Poly
    at: int
    bounds: Bounds = unbounded


@dataclass
class Parsed:
    """A whole expression."""

    code: str
    kind: Kind
    cost: Poly
    used: dict[str, str] = field(default_factory=dict)  # name -> variable of `code`
    longest: int = 0  # items of the longest list literal
    bounds: Bounds = unbounded


def tokens(text: str) -> list[Token]:
    """The words of an expression, an empty one at the end. ExpressionError at what is none."""
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"an expression has at most {MAX_LENGTH} characters", MAX_LENGTH)
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ExpressionError(f"{text[at]!r} has no meaning here{HINTS.get(text[at], '')}", at)
        if match.lastgroup != "space":
            found.append(Token(str(match.lastgroup), match[0], at))
        at = match.end()
    return [*found, Token("end", "", len(text))]


def plus(*costs: Poly) -> Poly:
    c0, c1, c2, c3 = (sum(powers) for powers in zip(*costs, strict=True))
    return (c0, c1, c2, c3)


def joined(
    code: str, kind: Kind, *parts: Part, more: Poly = (1, 0, 0, 0), at: int | None = None, bounds: Bounds = unbounded
) -> Part:
    return Part(code, kind, plus(more, *(part.cost for part in parts)), parts[0].at if at is None else at, bounds)


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
