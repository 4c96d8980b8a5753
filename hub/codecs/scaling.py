"""Raw values to canonical ones and back, exactly: units are converted here, once. Pure.

canonical = raw * scale + offset is computed on integers and rounded once, so 123456 at scale 0.01 is 1234.56 and
nothing else. Counters are exact up to 2**53 raw counts; above, the nearest double is given.
"""

import math
from collections.abc import Callable
from fractions import Fraction

from hub.codecs.reasons import DeadReason
from hub.errors import BadFrame, Misconfigured
from hub.vocabulary.kinds import PointSpec
from hub.vocabulary.numbers import Scaling

Raw = bool | int | float | str


def apply_scaling(scaling: Scaling, raw: Raw, spec: PointSpec) -> float:
    """The canonical value of a raw one. BadFrame unmapped_value, wrong_type or not_finite."""
    return compile_scaling(scaling, spec)(raw)


def compile_scaling(scaling: Scaling, spec: PointSpec) -> Callable[[Raw], float]:
    """A function raw -> canonical value. Misconfigured: `map` names a word the kind does not have.

    With `map`, the key is the raw value as JSON writes it: `1`, `2.5`, `true`, `open`. Without it a state point takes
    the kind's own numbers and words.
    """
    if scaling.map is not None:
        return _mapped({key: _meaning(value, spec) for key, value in scaling.map.items()})
    linear = _linear(scaling)
    if spec.type != "state":
        return linear
    allowed, words = frozenset(spec.values.values()), spec.values

    def state(raw: Raw) -> float:
        if isinstance(raw, str) and raw in words:
            return float(words[raw])
        value = linear(raw)
        if value not in allowed:
            raise BadFrame(DeadReason.UNMAPPED_VALUE, f"{value:g} is none of {dict(words)}")
        return value

    return state


def _meaning(value: float | str, spec: PointSpec) -> float:
    if isinstance(value, str):
        if value not in spec.values:
            raise Misconfigured(f"`map` says {value!r}, the kind's values are {', '.join(spec.values) or 'none'}")
        return float(spec.values[value])
    if spec.type == "state" and value not in spec.values.values():
        raise Misconfigured(f"`map` says {value!r}, the kind's values are {spec.values}")
    return float(value)


def raw_text(raw: Raw) -> str:
    """A raw value as a `map` key writes it: `true`, `7` (also for 7.0), `2.5`, `open`."""
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, float) and raw.is_integer():
        return str(int(raw))
    return str(raw)


def _mapped(table: dict[str, float]) -> Callable[[Raw], float]:
    def mapped(raw: Raw) -> float:
        key = raw_text(raw)
        value = table.get(key)
        if value is None and isinstance(raw, bool):
            value = table.get("1" if raw else "0")
        if value is None:
            raise BadFrame(DeadReason.UNMAPPED_VALUE, f"{key[:40]!r} is not in `map`")
        return value

    return mapped


def _linear(scaling: Scaling) -> Callable[[Raw], float]:
    factor, shift, divisor = _integers(scaling)

    def linear(raw: Raw) -> float:
        if isinstance(raw, str):
            raise BadFrame(DeadReason.WRONG_TYPE, f"{raw[:40]!r} is text, a number is expected")
        try:
            value = (raw * factor + shift) / divisor
        except OverflowError:
            value = math.inf
        if not math.isfinite(value):
            raise BadFrame(DeadReason.NOT_FINITE, "the number is not finite once scaled")
        return value

    return linear


def _integers(scaling: Scaling) -> tuple[int, int, int]:
    """(a, b, c) with raw * scale + offset = (raw * a + b) / c on integers; the decimals are taken as written."""
    scale, offset = Fraction(repr(scaling.scale)), Fraction(repr(scaling.offset))
    divisor = math.lcm(scale.denominator, offset.denominator)
    return int(scale * divisor), int(offset * divisor), divisor


def invert_scaling(scaling: Scaling, value: float, spec: PointSpec) -> Raw:
    """The raw value that means `value`: what a simulated device must say. ValueError where `map` has no such meaning.

    A mapped raw value comes back as its key's text when it is not a number.
    """
    if scaling.map is None:
        return float((Fraction(repr(float(value))) - Fraction(repr(scaling.offset))) / Fraction(repr(scaling.scale)))
    for key, meaning in scaling.map.items():
        if _meaning(meaning, spec) == value:
            return _raw_of(key)
    raise ValueError(f"`map` has nothing that means {value!r}")


def _raw_of(key: str) -> Raw:
    if key in ("true", "false"):
        return key == "true"
    try:
        return int(key)
    except ValueError:
        pass
    try:
        return float(key)
    except ValueError:
        return key
