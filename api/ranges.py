"""The part of a body that a player asks for (RFC 9110, 14). Pure."""

import re

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


def asked_part(header: str | None, size: int, most: int) -> tuple[int, int] | None:
    """(first byte, how many) of one range, cut at `most`; None: all of it, for nothing or several parts are asked for.

    ValueError: nothing of that is there.
    """
    match = _RANGE.fullmatch(header or "")
    if match is None or match[0] == "bytes=-":
        return None
    if not match[1]:
        first, last = max(size - int(match[2]), 0), size - 1
    else:
        first, last = int(match[1]), min(int(match[2] or size), size - 1)
        if match[2] and int(match[2]) < first:
            return None  # not a range at all: to be read over
    if first >= size:
        raise ValueError(f"there are {size} bytes")
    return first, min(last - first + 1, most)
