"""The part of CEL that expressions may use: parsed, typed, its work counted, told again in plain CEL. Pure.

Left out on purpose: whole numbers apart from floats, maps, dates, joining texts or lists, regular expressions that are
not literal. With them an expression of 500 characters could ask for any amount of time or memory.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from hub.catalog.problems import closest, one_of
from rules.bounds import applied, chosen, constant, named, unbounded
from rules.parts import (
    HINTS,
    ITEMS,
    LISTS,
    ExpressionError,
    Kind,
    Parsed,
    Part,
    Token,
    joined,
    plus,
    quoted,
    tokens,
)

MAX_TEXT = 256
_MAX_DEPTH = 40
_MAX_MACROS = 2
_MAX_LITERAL = 50
_MAX_PATTERN = 64
_AGGREGATES = ("sum", "avg", "count")
_FUNCTIONS = (*_AGGREGATES, "min", "max", "abs", "round")
_MACROS = ("all", "exists", "exists_one", "filter", "map")
_METHODS = ("contains", "startsWith", "endsWith", "matches")
_CALLBACK = 6.0
_PATTERN_COST = 1500.0  # the library compiles a pattern at every use
_SAFE_PATTERN = re.compile(r"(?:[^\\{}]|\\[^\w\s]|\\d)*")


class Parser:
    """Recursive descent, one method per precedence of CEL. Use once."""

    def __init__(self, text: str, names: Mapping[str, Kind]) -> None:
        self._names = names
        self._tokens = tokens(text)
        self._next = 0
        self._depth = 0
        self._bound: dict[str, tuple[str, Kind]] = {}
        self._used: dict[str, str] = {}
        self._longest = 0

    def parse(self) -> Parsed:
        """The whole expression; its result is one value, never a list. ExpressionError."""
        part = self._ternary()
        if self._token.sort != "end":
            raise self._error(
                f"an operator or the end is expected, not {self._token.text!r}{HINTS.get(self._token.text, '')}"
            )
        if part.kind in ITEMS:
            raise self._error("the result must be one value; use sum, avg, min, max or count over a list", part.at)
        return Parsed(part.code, part.kind, part.cost, self._used, self._longest, part.bounds)

    # -- words -------------------------------------------------------------------------------------------------------

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def _error(self, why: str, at: int | None = None) -> ExpressionError:
        return ExpressionError(why, self._token.at if at is None else at)

    def _take(self) -> Token:
        token = self._token
        if token.sort != "end":
            self._next += 1
        return token

    def _accept(self, *signs: str) -> Token | None:
        if self._token.text in signs and self._token.sort in ("sign", "word"):
            return self._take()
        return None

    def _expect(self, sign: str) -> None:
        if self._accept(sign) is None:
            raise self._error(f"{sign!r} is expected, not {self._token.text or 'the end'!r}")

    def _must(self, part: Part, *kinds: Kind) -> Part:
        if part.kind not in kinds and not (part.kind == "any" and not ITEMS.keys() & set(kinds)):
            raise self._error(f"{' or '.join(kinds)} is expected here, this is {part.kind}", part.at)
        return part

    # -- precedence --------------------------------------------------------------------------------------------------

    def _ternary(self) -> Part:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._error(f"it is nested deeper than {_MAX_DEPTH}")
        condition = self._or()
        if self._accept("?"):
            self._must(condition, "boolean")
            yes = self._must(self._ternary(), "number", "text", "boolean")
            self._expect(":")
            no = self._same(yes, self._ternary())
            bounds = chosen(condition.bounds, yes.bounds, no.bounds, yes.kind == "number")
            code = f"({condition.code} ? {yes.code} : {no.code})"
            condition = joined(code, yes.kind, condition, yes, no, bounds=bounds)
        self._depth -= 1
        return condition

    def _or(self) -> Part:
        left = first = self._and()
        while self._accept("||"):
            code, right = self._must(left, "boolean").code, self._must(self._and(), "boolean")
            bounds = applied("||", left.bounds, right.bounds)
            left = joined(f"{code} || {right.code}", "boolean", left, right, bounds=bounds)
        return self._wrapped(left, first)

    def _and(self) -> Part:
        left = first = self._relation()
        while self._accept("&&"):
            code, right = self._must(left, "boolean").code, self._must(self._relation(), "boolean")
            bounds = applied("&&", left.bounds, right.bounds)
            left = joined(f"{code} && {right.code}", "boolean", left, right, bounds=bounds)
        return self._wrapped(left, first)

    def _relation(self) -> Part:
        left = self._sum()
        while sign := self._accept("==", "!=", "<", "<=", ">", ">=", "in"):
            right = self._sum()
            if sign.text == "in":
                self._must(right, "numbers", "texts", "booleans")
                self._same(Part("", ITEMS[right.kind], (0, 0, 0, 0), right.at), left)
                left = joined(f"({left.code} in {right.code})", "boolean", left, right, more=(0, 0.3, 0, 0))
                continue
            if sign.text in ("==", "!="):
                self._must(left, "number", "text", "boolean")
            else:
                self._must(left, "number", "text")
            self._same(left, right)
            numbers = left.kind == right.kind == "number"
            bounds = applied(sign.text, left.bounds, right.bounds) if numbers else unbounded
            left = joined(f"({left.code} {sign.text} {right.code})", "boolean", left, right, bounds=bounds)
        return left

    def _same(self, left: Part, right: Part) -> Part:
        """Both are of one kind, neither a list."""
        self._must(right, "number", "text", "boolean")
        if left.kind != right.kind and "any" not in (left.kind, right.kind):
            raise self._error(f"{left.kind} and {right.kind} cannot be put together", right.at)
        return right

    def _sum(self) -> Part:
        left = first = self._product()
        while sign := self._accept("+", "-"):
            code, right = self._must(left, "number").code, self._must(self._product(), "number")
            bounds = applied(sign.text, left.bounds, right.bounds)
            left = joined(f"{code} {sign.text} {right.code}", "number", left, right, bounds=bounds)
        return self._wrapped(left, first)

    def _product(self) -> Part:
        left = first = self._unary()
        while sign := self._accept("*", "/"):
            code, right = self._must(left, "number").code, self._must(self._unary(), "number")
            bounds = applied(sign.text, left.bounds, right.bounds)
            if sign.text == "*":
                left = joined(f"{code} * {right.code}", "number", left, right, bounds=bounds)
            else:
                divided = f"f_divide({code}, {right.code})"
                left = joined(divided, "number", left, right, more=(_CALLBACK, 0, 0, 0), bounds=bounds)
        return self._wrapped(left, first)

    @staticmethod
    def _wrapped(part: Part, first: Part) -> Part:
        """A chain of operators gets one pair of parentheses: the library follows no more than 96 within each other."""
        return part if part is first else replace(part, code=f"({part.code})")

    def _unary(self) -> Part:
        sign = self._accept("!", "-")
        if sign is None:
            return self._member()
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._error(f"it is nested deeper than {_MAX_DEPTH}")
        kind: Kind = "boolean" if sign.text == "!" else "number"
        part = self._must(self._unary(), kind)
        self._depth -= 1
        bounds = applied(sign.text, part.bounds)
        return Part(f"({sign.text}{part.code})", kind, plus(part.cost, (1, 0, 0, 0)), sign.at, bounds)

    def _member(self) -> Part:
        part = self._primary()
        while self._accept("."):
            part = self._method(part)
        return part

    # -- values ------------------------------------------------------------------------------------------------------

    def _primary(self) -> Part:
        token = self._take()
        if token.sort == "number":
            value = float(token.text)
            if value > 1e300 or (self._token.sort == "word" and self._token.at == token.at + len(token.text)):
                raise self._error("a plain number is expected, without a unit", token.at)
            return Part(repr(value), "number", (1, 0, 0, 0), token.at, constant(value))
        if token.sort == "text":
            return Part(quoted(self._literal(token)), "text", (1, 0, 0, 0), token.at)
        if token.text == "(":
            part = self._ternary()
            self._expect(")")
            return part
        if token.text == "[":
            return self._list(token)
        if token.text in ("true", "false"):
            return Part(token.text, "boolean", (1, 0, 0, 0), token.at, constant(token.text == "true"))
        if token.sort == "word":
            return self._call(token) if self._token.text == "(" else self._name(token)
        raise self._error(f"a value is expected, not {token.text or 'the end'!r}", token.at)

    def _literal(self, token: Token) -> str:
        text = re.sub(r"\\(.)", lambda escape: self._escape(escape[1], token.at), token.text[1:-1])
        if len(text) > MAX_TEXT or not text.isprintable():
            raise self._error(f"a text of at most {MAX_TEXT} printable characters is expected", token.at)
        return text

    def _escape(self, character: str, at: int) -> str:
        if character in "\\\"'":
            return character
        raise self._error(f"\\{character} is unknown in a text; write \\\\ for a backslash", at)

    def _list(self, opening: Token) -> Part:
        items: list[Part] = []
        while not self._accept("]"):
            if items:
                self._expect(",")
            items.append(self._must(self._ternary(), "number", "text", "boolean"))
            self._same(items[0], items[-1])
            if len(items) > _MAX_LITERAL:
                raise self._error(f"a list has at most {_MAX_LITERAL} items here", opening.at)
        kinds = {item.kind for item in items} - {"any"}
        if len(kinds) != 1:
            raise self._error("a list of values of one kind is expected", opening.at)
        self._longest = max(self._longest, len(items))
        return joined(f"[{', '.join(item.code for item in items)}]", LISTS[kinds.pop()], *items, at=opening.at)

    def _name(self, token: Token) -> Part:
        """A bound variable, or the longest run of dotted words before a call."""
        if token.text in self._bound and self._token.text != ".":
            code, kind = self._bound[token.text]
            return Part(code, kind, (1, 0, 0, 0), token.at)
        words = [token.text]
        while token.text not in self._bound and self._token.text == "." and self._tokens[self._next + 1].sort == "word":
            if self._tokens[self._next + 2].text == "(":
                break
            self._next += 1
            words.append(self._take().text)
        if token.text in self._bound:
            code, kind = self._bound[token.text]
            return Part(code, kind, (1, 0, 0, 0), token.at)
        name = ".".join(words)
        if name not in self._names:
            known = [*self._names, *self._bound]
            near = closest(name, known)
            hint = f"; did you mean {near!r}?" if near else f"; known: {one_of(known)}" if known else ""
            raise self._error(f"{name!r} is unknown{hint}", token.at)
        variable = self._used.setdefault(name, f"v{len(self._used)}")
        kind = self._names[name]
        if kind in ITEMS:
            return Part(variable, kind, (1, 0.3, 0, 0), token.at)
        return Part(variable, kind, (1, 0, 0, 0), token.at, named(name) if kind == "number" else unbounded)

    # -- calls -------------------------------------------------------------------------------------------------------

    def _arguments(self) -> list[Part]:
        self._expect("(")
        parts: list[Part] = []
        while not self._accept(")"):
            if parts:
                self._expect(",")
            parts.append(self._ternary())
        return parts

    def _call(self, token: Token) -> Part:
        name = token.text
        if name not in _FUNCTIONS:
            near = closest(name, [*_FUNCTIONS, *_MACROS, *_METHODS])
            hint = f"; did you mean {near!r}?" if near else ""
            raise self._error(f"there is no function {name!r}{hint} (functions: {', '.join(_FUNCTIONS)})", token.at)
        parts = self._arguments()
        over_list = name in _AGGREGATES or (name in ("min", "max") and len(parts) == 1)
        low, high = {"min": (1, 50), "max": (1, 50), "round": (1, 2)}.get(name, (1, 1))
        if not low <= len(parts) <= high:
            raise self._error(f"{name} takes {low if low == high else f'{low} to {high}'} value(s)", token.at)
        for part in parts:
            if name == "count":
                self._must(part, "numbers", "texts", "booleans")
            else:
                self._must(part, "numbers" if over_list else "number")
        code = f"f_{name}({', '.join(part.code for part in parts)})"
        bounds = unbounded if over_list else applied(name, *(part.bounds for part in parts))
        more = (_CALLBACK, 0.4 if over_list else 0, 0, 0)
        return joined(code, "number", *parts, more=more, at=token.at, bounds=bounds)

    def _method(self, target: Part) -> Part:
        token = self._take()
        if self._token.text != "(" or token.text not in (*_MACROS, *_METHODS):
            near = closest(token.text, [*_MACROS, *_METHODS])
            hint = f"; did you mean {near!r}?" if near else ""
            raise self._error(f"{token.text!r} is unknown here{hint}", token.at)
        if token.text in _MACROS:
            return self._macro(target, token)
        self._must(target, "text")
        at = self._tokens[self._next + 1]
        parts = self._arguments()
        if len(parts) != 1:
            raise self._error(f"{token.text} takes one text", token.at)
        self._must(parts[0], "text")
        more = 1.0
        if token.text == "matches":
            self._pattern(at)
            more = _PATTERN_COST
        code = f"{target.code}.{token.text}({parts[0].code})"
        return joined(code, "boolean", target, parts[0], more=(more, 0, 0, 0))

    def _pattern(self, token: Token) -> None:
        """A literal, short pattern without what makes the library's tables large."""
        if token.sort != "text":
            raise self._error("matches takes a pattern written as a text", token.at)
        pattern = self._literal(token)
        if len(pattern) > _MAX_PATTERN or not _SAFE_PATTERN.fullmatch(pattern):
            why = f"a pattern has at most {_MAX_PATTERN} characters, no {{}} and no classes but \\d; write [A-Za-z0-9_]"
            raise self._error(why, token.at)
        try:
            re.compile(pattern)
        except re.error as error:
            raise self._error(f"the pattern is wrong: {error}", token.at) from None

    def _macro(self, target: Part, token: Token) -> Part:
        """`list.all(x, condition)` and its kin."""
        if target.kind not in ITEMS:
            raise self._error(f"{token.text} works on a list, this is {target.kind}", target.at)
        self._expect("(")
        word = self._take()
        if (
            word.sort != "word"
            or word.text in self._names
            or word.text in self._bound
            or word.text in ("true", "false")
        ):
            raise self._error(f"{token.text} wants a new name for an item, as in {token.text}(x, x > 1)", word.at)
        if len(self._bound) >= _MAX_MACROS:
            raise self._error(f"macros are nested deeper than {_MAX_MACROS}", token.at)
        self._expect(",")
        variable = f"b{len(self._bound)}"
        self._bound[word.text] = (variable, ITEMS[target.kind])
        body = self._must(self._ternary(), *(("number", "text", "boolean") if token.text == "map" else ("boolean",)))
        del self._bound[word.text]
        self._expect(")")
        kind: Kind = target.kind if token.text == "filter" else "boolean"
        if token.text == "map":
            if body.kind == "any":
                raise self._error("the kind of what map makes must be known; compare or compute with it", body.at)
            kind = LISTS[body.kind]
        copies = 0.1 if token.text in ("filter", "map") else 0.0  # the library copies the list at each item
        c0, c1, c2, _ = body.cost
        return Part(
            f"{target.code}.{token.text}({variable}, {body.code})",
            kind,
            plus(target.cost, (1, c0 + 1, c1 + copies, c2)),
            target.at,
        )
