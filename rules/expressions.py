"""Expressions of rules and calculated points: a typed, bounded part of CEL (Common Expression Language), compiled once.

What a person writes is parsed and typed here and told again to the `cel` library in its own words, so nothing reaches
it that was not understood: every accepted expression ends, and `BUDGET` bounds its work whatever the values are. A
number is a float, always: `2 * flow` needs no `2.0`. Pure.
"""

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

import cel

from rules.grammar import MAX_TEXT, Parser
from rules.parts import ExpressionError, Kind, Poly

__all__ = ["BUDGET", "MAX_LIST", "Compiled", "ExpressionError", "Kind", "compile_expression"]

MAX_LIST = 1000
"""So many values at most has a list."""

BUDGET = 60_000
"""Steps one evaluation may take; a step is about 0.3 µs, a sum over 1 000 values 400 steps."""


class Compiled:
    """A compiled expression. Not thread-safe: each evaluator compiles its own."""

    def __init__(self, text: str, names: Mapping[str, Kind]) -> None:
        parsed = Parser(text, names).parse()
        self.text = text
        self.kind: Kind = parsed.kind
        self.names = frozenset(parsed.used)
        self._used = [(name, variable, names[name]) for name, variable in parsed.used.items()]
        self._cost: Poly = parsed.cost
        self._literal = parsed.longest
        self.bounds = parsed.bounds
        self._trouble: str | None = None
        try:
            self._program = cel.compile(parsed.code)
        except ValueError:
            raise ExpressionError("it is nested too deeply", 0) from None
        self._context = cel.Context(functions=self._functions())

    def evaluate(self, values: Mapping[str, object]) -> float | bool | str | None:
        """The result for `values` (canonical units; a list where the name was declared one); None where a name it
        uses is missing or None. ExpressionError: wrong type, division by zero, over the budget."""
        longest, given = self._literal, {}
        for name, variable, kind in self._used:
            value = values.get(name)
            if value is None:
                return None
            given[variable] = _checked(name, kind, value)
            if isinstance(value, list | tuple):
                longest = max(longest, len(value))
        steps = sum(factor * longest**power for power, factor in enumerate(self._cost))
        if steps > BUDGET:
            raise ExpressionError(f"it would take {steps:.0f} steps over {longest} values; {BUDGET} are allowed")
        self._trouble = None
        self._context.update(given)
        try:
            result = self._program.execute(self._context)
        except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
            raise ExpressionError(self._trouble or _first_sentence(error)) from None
        return self._answer(result)

    def _answer(self, result: object) -> float | bool | str:
        if self._trouble is not None:
            raise ExpressionError(self._trouble)
        if isinstance(result, bool | str):
            return result
        if isinstance(result, int | float) and math.isfinite(result):
            return float(result)
        raise ExpressionError("the result is not a finite number")

    def _functions(self) -> dict[str, Callable[..., Any]]:
        """What CEL lacks. They must not raise (the library would write it to stderr): trouble is noted."""

        def guarded(name: str, function: Callable[..., float]) -> Callable[..., float]:
            def call(*arguments: Any) -> float:
                try:
                    return function(*arguments)
                except (ArithmeticError, TypeError, ValueError):
                    self._trouble = self._trouble or f"{name} has no result for what it was given"
                    return 0.0

            return call

        def divide(left: float, right: float) -> float:
            if right == 0:
                self._trouble = self._trouble or "division by zero"
                return 0.0
            return left / right

        def rounded(value: float, digits: float = 0.0) -> float:
            return float(round(value, int(digits)))

        return {
            "f_divide": guarded("a division", divide),
            "f_sum": guarded("sum", math.fsum),
            "f_avg": guarded("avg", lambda values: math.fsum(values) / len(values)),
            "f_min": guarded("min", lambda *values: float(min(*values))),
            "f_max": guarded("max", lambda *values: float(max(*values))),
            "f_abs": guarded("abs", lambda value: float(abs(value))),
            "f_round": guarded("round", rounded),
            "f_count": guarded("count", lambda values: float(len(values))),
        }


def compile_expression(text: str, names: Collection[str] | Mapping[str, Kind]) -> Compiled:
    """Compile `text` over `names`; a plain collection declares every name a single value of any type.

    A name may be dotted (`main.flow`). ExpressionError with position and why.
    """
    return Compiled(text, names if isinstance(names, Mapping) else dict.fromkeys(names, "any"))


def _checked(name: str, kind: Kind, value: object) -> object:
    """The value as CEL takes it: integers as floats. ExpressionError where it is not what was declared."""
    if kind in ("numbers", "texts", "booleans"):
        if not isinstance(value, list | tuple) or len(value) > MAX_LIST:
            raise ExpressionError(f"{name} must be a list of at most {MAX_LIST} values")
        single: Kind = {"numbers": "number", "texts": "text", "booleans": "boolean"}[kind]  # type: ignore[assignment]
        return [_checked(name, single, item) for item in value]
    if isinstance(value, bool):
        fits = kind in ("boolean", "any")
    elif isinstance(value, int | float):
        value = float(value)
        fits = kind in ("number", "any") and math.isfinite(value)
    else:
        fits = isinstance(value, str) and kind in ("text", "any") and len(value) <= MAX_TEXT
    if not fits:
        raise ExpressionError(f"{name} is not a usable {'value' if kind == 'any' else kind}", 0)
    return value


def _first_sentence(error: Exception) -> str:
    return str(error).split(": the operation")[0].split(". ")[0].split("\n")[0]
