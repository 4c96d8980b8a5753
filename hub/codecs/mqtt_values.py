"""Single JSON values to numbers and texts, refusing what merely looks like one."""

import re
from collections.abc import Callable
from typing import Any, Final

from hub.codecs.reasons import DeadReason
from hub.codecs.scaling import compile_scaling
from hub.errors import BadFrame
from hub.vocabulary.kinds import PointSpec
from hub.vocabulary.numbers import Scaling

MAX_INTEGER: Final = 1 << 63
"""Integers beyond this are no measurement."""

_NUMBER = re.compile(r"[+-]?(\d{1,19}(\.\d{1,19})?|\.\d{1,19})([eE][+-]?\d{1,3})?", re.ASCII)
_NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.ASCII | re.IGNORECASE)


def compile_json_value(scaling: Scaling, spec: PointSpec) -> Callable[[Any], float]:
    """A function from a JSON value to the canonical number.

    Without `map` only numbers count: "12.5" in quotes and true are wrong_type (a state point also takes the kind's own
    words). BadFrame: wrong_type, not_finite, unmapped_value.
    """
    scale = compile_scaling(scaling, spec)
    words = scaling.map is not None or spec.type == "state"
    mapped = scaling.map is not None
    plain = not words and (scaling.scale, scaling.offset) == (1.0, 0.0)

    def read(raw: Any) -> float:
        kind = type(raw)
        if kind is float or (kind is int and -MAX_INTEGER <= raw <= MAX_INTEGER):
            # plus zero: a negative zero is zero
            return raw + 0.0 if plain else scale(raw) + 0.0
        if (kind is str and words) or (kind is bool and mapped):
            return scale(raw)
        what = "an integer beyond 64 bits" if kind is int else json_type(raw)
        raise BadFrame(DeadReason.WRONG_TYPE, f"a number was expected, not {what}")

    return read


def parse_number_text(text: str) -> int | float:
    """A number written in ASCII, with a decimal point. BadFrame: wrong_type ("12,5"), not_finite (also 1e400)."""
    if _NUMBER.fullmatch(text) is None:
        reason = DeadReason.NOT_FINITE if _NOT_FINITE.fullmatch(text) else DeadReason.WRONG_TYPE
        raise BadFrame(reason, f"{text[:40]!r} is not a number")
    try:
        value = int(text)
    except ValueError:
        number = float(text)
        if number in (float("inf"), float("-inf")):
            raise BadFrame(DeadReason.NOT_FINITE, f"{text!r} is too large for a double") from None
        return number
    if not -MAX_INTEGER <= value <= MAX_INTEGER:
        raise BadFrame(DeadReason.WRONG_TYPE, "an integer beyond 64 bits")
    return value


def as_text(value: Any) -> str | None:
    """A text or whole number as text; None for anything else. Addresses, boot counters, card numbers."""
    if type(value) is str:
        return value
    if type(value) is int and -MAX_INTEGER <= value <= MAX_INTEGER:
        return str(value)
    return None


def json_type(value: Any) -> str:
    """What JSON calls the type of a decoded value; never the value itself, which may be private."""
    names = {dict: "an object", list: "an array", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
