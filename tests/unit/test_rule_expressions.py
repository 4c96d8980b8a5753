"""Expressions: what they compute, what is said of those that are wrong, and what no expression can do (A11)."""

import math
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.expressions import BUDGET, MAX_LIST, ExpressionError, Kind, compile_expression

NAMES: Mapping[str, Kind] = {
    "flow": "number", "pressure": "number", "main.flow": "number", "subs.flow": "numbers", "plate": "text",
    "plates": "texts", "open": "boolean", "given": "any",
}  # fmt: skip
VALUES: dict[str, Any] = {
    "flow": 3, "pressure": 7.5, "main.flow": 10.0, "subs.flow": [1.0, 2.0, 3.0, 0.0], "plate": "粤B12345",
    "plates": ["粤B12345", "沪A00001"], "open": True, "given": 4.0,
}  # fmt: skip


def value(text: str, **given: Any) -> object:
    return compile_expression(text, NAMES).evaluate(VALUES | given)


def refusal(text: str, names: Any = NAMES) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(text, names)
    return caught.value


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("flow * 2 + 1", 7.0),
        ("2 + 3 * 4 - 6 / 3", 12.0),
        ("-(flow - 5)", 2.0),
        ("flow > 2 && pressure < 8 || false", True),
        ("!(flow == 3)", False),
        ("flow >= 3 ? pressure : 0", 7.5),
        ("main.flow - sum(subs.flow)", 4.0),
        ("avg(subs.flow)", 1.5),
        ("min(subs.flow) + max(subs.flow) + min(flow, 1, 9)", 4.0),
        ("count(subs.flow.filter(x, x == 0))", 1.0),
        ("max(subs.flow.map(x, abs(x - avg(subs.flow))))", 1.5),
        ("subs.flow.all(x, x >= 0) && subs.flow.exists_one(x, x > 2)", True),
        ("round(pressure / 7, 2)", 1.07),
        ("sum(subs.flow.filter(x, x > 99))", 0.0),
        ("plate.startsWith('粤') && plate.contains(\"12\") && plate.endsWith('45')", True),
        ("plate.matches('^粤[A-Z]\\\\d+$')", True),
        ("plate in ['粤B12345', 'x']", True),
        ("plates.exists(p, p == plate)", True),
        ("open ? 'a \\'b\\' \\\\ \\\"c\\\"' : ''", "a 'b' \\ \"c\""),
        ("given == 4 || given == 'x'", True),
        ("flow != 0 || 1 / 0 > 2", True),  # what is not needed is not computed
        ("  1\n+ 1", 2.0),
    ],
)
def test_an_expression_computes(text: str, result: object) -> None:
    found = value(text)
    assert found == result
    assert type(found) is type(result)


def test_names_are_those_it_uses() -> None:
    compiled = compile_expression("main.flow - sum(subs.flow.map(flow2, flow2))", NAMES)
    assert compiled.names == {"main.flow", "subs.flow"}
    assert compiled.kind == "number"


@pytest.mark.parametrize("missing", [{}, {"flow": None}])
def test_what_is_unknown_makes_the_result_unknown(missing: dict[str, Any]) -> None:
    assert compile_expression("flow + 1", NAMES).evaluate(missing) is None


@pytest.mark.parametrize(
    ("text", "why", "position"),
    [
        ("presure > 1", "did you mean 'pressure'?", 0),
        ("1 + sum(sub.flow)", "did you mean 'subs.flow'?", 8),
        ("flow + ", "a value is expected, not 'the end'", 7),
        ("(flow", "')' is expected, not 'the end'", 5),
        ("flow > 5kPa", "without a unit", 7),
        ("flow = 3", "write ==", 5),
        ("flow > 1 and open", "write &&", 9),
        ("flow % 2 > 1", "'%' has no meaning", 5),
        ("summ(subs.flow)", "did you mean 'sum'?", 0),
        ("sum(flow)", "numbers is expected here, this is number", 4),
        ("flow > 'x'", "number and text cannot be put together", 7),
        ("plate + 'x'", "number is expected here, this is text", 0),
        ("flow ? 1 : 2", "boolean is expected", 0),
        ("subs.flow", "the result must be one value", 0),
        ("subs.flow.first(x, x > 1)", "'first' is unknown here", 10),
        ("subs.flow.all(flow, true)", "wants a new name", 14),
        ("round(1, 2, 3)", "round takes 1 to 2", 0),
        ("plate.matches(plate)", "a pattern written as a text", 14),
        ("plate.matches('(')", "the pattern is wrong", 14),
        ("plate == '\\n'", "write \\\\ for a backslash", 9),
        ("1 +\x00 2", "has no meaning", 3),
        ("", "a value is expected", 0),
    ],
)
def test_what_is_wrong_is_named_with_its_place(text: str, why: str, position: int) -> None:
    error = refusal(text)
    assert why in error.why
    assert error.position == position


CORPUS_REFUSED = [
    "__class__.__mro__", "''.__class__.__mro__", "flow.__class__", "subs.flow.__len__()", "eval('1')",
    "__import__('os')", "open('x')", "().__class__", "{'a': 1}", "b'x'", "1u + 2u",
    "timestamp('2020-01-01T00:00:00Z')", "duration('1h')", "optional.of(1)",
    "type(flow)", "dyn(flow)", "size(subs.flow)", "f_sum(subs.flow)", "v0", "v0 + flow", "b0",
    "x.y.z.w", "flow.flow", "1..__class__", "plate.matches('(a{1000}){1000}')", "plate.matches('\\\\pL{9}')",
    "plate.matches('\\\\w+')", "plate.matches('" + "a" * 65 + "')", "plate + plate", "'a' * 1000000000",
    "[1] + [2]", "[[1], [2]]", "[subs.flow, subs.flow]", "subs.flow.map(x, subs.flow)", "subs.flow.map(x, [x, x])",
    "[" + "1," * 60 + "1] == 1", "(" * 400 + "1" + ")" * 90, "-" * 499 + "1", "!" * 499 + "open", "1" + "+1" * 250,
    "subs.flow.all(a, subs.flow.all(b, subs.flow.all(c, subs.flow.all(d, a + b + c + d > 0))))",
    "open ? " * 60 + "1" + " : 1" * 20, "[" * 300, "sum([" * 80, "1e999", "9" * 400, "0x10", "'" + "\\u0041" + "'",
]  # fmt: skip
"""Escapes, and what would ask for any amount of time or memory."""

CORPUS_STOPPED = [
    "subs.flow.exists(a, subs.flow.exists(b, a + b < 0))",
    "count(subs.flow.map(x, x)) > 0",
    "subs.flow.all(a, count(subs.flow.filter(b, b > a)) >= 0)",
    "subs.flow.all(x, plate.matches('(a+)+$'))",
    "flow / 0", "1 / (flow - flow) > 0", "avg(subs.flow.filter(x, x > 1e9))", "1e300 * 1e300",
    "1e300 * 1e300 - 1e300 * 1e300",     "min(given, flow) > 0",
]  # fmt: skip
"""Accepted, and stopped when evaluated over long lists or odd values."""

CORPUS_ENDS = [
    "plate.matches('(a+)+$')", "plate.matches('(((((.?)+)+)+)+)+$')", "plate.matches('(?i)" + "k" * 60 + "')",
    "sum(subs.flow)" + " + sum(subs.flow)" * 20, "subs.flow.exists(x, x < 0)", "1" + "+1" * 240,
    "plates.all(p, !p.matches('" + "\\\\d" * 31 + "'))",
]  # fmt: skip
LONG: dict[str, Any] = VALUES | {
    "subs.flow": [float(n) for n in range(MAX_LIST)], "plate": "a" * 255 + "b", "plates": ["9" * 200] * 30,
    "given": "x",
}  # fmt: skip


@pytest.mark.parametrize("text", CORPUS_REFUSED)
def test_no_expression_escapes_or_is_unbounded(text: str) -> None:
    assert refusal(text).position is not None


@pytest.mark.parametrize("text", CORPUS_STOPPED)
def test_what_has_no_result_or_costs_too_much_is_an_error(text: str) -> None:
    compiled = compile_expression(text, NAMES)
    with pytest.raises(ExpressionError):
        compiled.evaluate(LONG)


@pytest.mark.parametrize("text", CORPUS_ENDS)
def test_hostile_work_stays_within_the_budget(text: str) -> None:
    assert isinstance(compile_expression(text, NAMES).evaluate(LONG), bool | float)


def test_the_corpus_takes_no_memory_to_speak_of() -> None:
    """At most 16 MiB over what the interpreter had (A11)."""
    script = (
        "import resource\nfrom tests.unit.test_rule_expressions import *\n"
        "compile_expression('plate.matches(\"a\")', NAMES).evaluate(LONG)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for text in CORPUS_REFUSED + CORPUS_STOPPED + CORPUS_ENDS:\n"
        "    try:\n        compile_expression(text, NAMES).evaluate(LONG)\n    except ExpressionError:\n        pass\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(done.stdout) <= 16 * 1024
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("name", "odd"),
    [("flow", "3"), ("flow", True), ("flow", math.nan), ("flow", math.inf), ("flow", [1.0]), ("plate", "x" * 257),
     ("subs.flow", [1.0] * (MAX_LIST + 1)), ("subs.flow", 1.0), ("subs.flow", [1.0, None]), ("given", object())],
)  # fmt: skip
def test_values_that_are_not_what_was_declared_are_refused(name: str, odd: object) -> None:
    text = {"plate": "plate == ''", "subs.flow": "sum(subs.flow) > 0"}.get(name, f"{name} == 1")
    with pytest.raises(ExpressionError, match=name):
        value(text, **{name: odd})


def test_a_plain_collection_declares_single_values() -> None:
    compiled = compile_expression("code == 'open' && level > 1", {"code", "level"})
    assert compiled.evaluate({"code": "open", "level": 2}) is True
    assert compiled.evaluate({"code": 1, "level": 2}) is False
    with pytest.raises(ExpressionError):
        compiled.evaluate({"code": "open", "level": "high"})


def test_an_error_is_forgotten_with_the_next_values() -> None:
    compiled = compile_expression("1 / flow", NAMES)
    with pytest.raises(ExpressionError, match="division by zero"):
        compiled.evaluate({"flow": 0})
    assert compiled.evaluate({"flow": 2}) == 0.5


PIECES = [*NAMES, "1", "0", "2.5", "'a'", "(", ")", "[", "]", ",", "+", "-", "*", "/", "<", "==", "&&", "||", "!", "?",
          ":", "sum(", "min(", "avg(", "count(", "abs(", "round(", ".map(x,", ".filter(x,", ".exists(x,", "x",
          " in ", ".matches('a+'", "true", ".", "__class__", "\\", "'", "\"", "µ", "1e9", "\n"]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=25).map("".join))
def test_any_text_gives_a_result_or_an_expression_error(text: str) -> None:
    try:
        compiled = compile_expression(text, NAMES)
        result = compiled.evaluate(VALUES)
    except ExpressionError as error:
        assert error.why
    else:
        assert isinstance(result, bool | float | str)
        assert compiled.names <= NAMES.keys()


NUMBERS = st.floats(-1e6, 1e6, allow_subnormal=False).map(lambda number: round(number, 3))


@settings(max_examples=200, deadline=None)
@given(NUMBERS, NUMBERS, st.lists(NUMBERS, min_size=1, max_size=20))
def test_it_agrees_with_python(flow: float, pressure: float, subs: list[float]) -> None:
    values: dict[str, Any] = {"flow": flow, "pressure": pressure, "subs.flow": subs}
    text = "(flow + pressure) * 2 - flow > 0 ? sum(subs.flow) - max(subs.flow) : avg(subs.flow.map(x, x * flow))"
    expected = (
        math.fsum(subs) - max(subs)
        if (flow + pressure) * 2 - flow > 0
        else math.fsum(x * flow for x in subs) / len(subs)
    )
    assert compile_expression(text, NAMES).evaluate(values) == expected
    assert BUDGET > 0
