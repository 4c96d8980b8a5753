"""JSON from outside (RFC 8259), bounded before and after it is parsed.

Strict UTF-8 without a byte order mark, no NaN or Infinity, no number beyond a double, no duplicate keys, at most
`MAX_DEPTH` levels and `MAX_ELEMENTS` members in all. What is refused is a BadFrame that names the reason.
"""

import json
from collections import Counter
from typing import Any, Final

import msgspec

from hub.codecs.reasons import DeadReason
from hub.errors import BadFrame

MAX_DEPTH: Final = 16
"""Containers inside containers; the outermost is the first."""

MAX_ELEMENTS: Final = 20_000
"""Commas, objects and arrays in one payload; there are never more members than that, give or take one."""

_decode = msgspec.json.Decoder().decode
_BARE_WORDS = (b"NaN", b"Infinity")


def load_json(payload: bytes, max_bytes: int) -> Any:
    """The value of a payload. Raises BadFrame: too_large, too_deep, not_finite or malformed.

    msgspec keeps the last of two equal keys; here they are refused, since two readers could disagree on such bytes.
    """
    if len(payload) > max_bytes:
        raise BadFrame(DeadReason.TOO_LARGE, f"{len(payload)} bytes; the profile allows {max_bytes}")
    arrays = payload.count(b"[")
    if payload.count(b",") + payload.count(b"{") + arrays > MAX_ELEMENTS:
        raise BadFrame(DeadReason.TOO_LARGE, f"more than {MAX_ELEMENTS} values")
    try:
        value = _decode(payload)
    except RecursionError:
        raise BadFrame(DeadReason.TOO_DEEP, f"more than {MAX_DEPTH} levels") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _refusal(payload, error) from None
    # As many colons as keys in the outermost object: every key is there, and none was given twice.
    if type(value) is not dict or payload.count(b":") != len(value) or arrays > MAX_DEPTH - 2:
        _check_structure(payload, value)
    return value


def _refusal(payload: bytes, error: Exception) -> BadFrame:
    if payload.startswith(b"\xef\xbb\xbf"):
        return BadFrame(DeadReason.MALFORMED, "a byte order mark stands before the JSON")
    if isinstance(error, UnicodeDecodeError):
        return BadFrame(DeadReason.MALFORMED, f"not UTF-8 ({error.reason})")
    if "out of range" in str(error):
        return BadFrame(DeadReason.NOT_FINITE, "a number is too large for a double")
    if any(word in payload for word in _BARE_WORDS):
        return BadFrame(DeadReason.NOT_FINITE, "NaN and Infinity are not JSON")
    return BadFrame(DeadReason.MALFORMED, str(error) if payload else "the payload is empty")


def _check_structure(payload: bytes, value: Any) -> None:
    keys = colons = depth = 0
    level = [value]
    while level := [item for item in level if type(item) is dict or type(item) is list]:
        depth += 1
        if depth > MAX_DEPTH:
            raise BadFrame(DeadReason.TOO_DEEP, f"more than {MAX_DEPTH} levels")
        below: list[Any] = []
        for item in level:
            if type(item) is dict:
                keys += len(item)
                colons += sum([key.count(":") for key in item])
                below.extend(item.values())
            else:
                below.extend(item)
        colons += sum([text.count(":") for text in below if type(text) is str])
        level = below
    # Escapes may hide or write out a colon; then only reading every pair tells.
    if payload.count(b":") != keys + colons or b"\\" in payload:
        try:
            json.loads(payload, object_pairs_hook=_unique)
        except RecursionError:  # deep below a key that was given twice
            raise BadFrame(DeadReason.TOO_DEEP, f"more than {MAX_DEPTH} levels") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        [(twice, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise BadFrame(DeadReason.MALFORMED, f"the key {twice[:40]!r} stands twice in one object")
    return found
