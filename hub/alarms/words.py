"""What people may write and name at the desk, bounded; and the numbered lines of a response procedure: pure."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hub.errors import Refused

MOST_WORDS = 500
MOST_IDS = 500
_NUMBERED = re.compile(r"^\s*(?:[(（]?\d{1,2}[)）.．、:：]|[①-⑳])\s*(.*\S)\s*$")


def words(name: str, text: str, least: int = 0, most: int = MOST_WORDS) -> str:
    """Text a person wrote, trimmed. Refused(422) naming the field: too short, too long, or not printable."""
    trimmed = text.strip()
    if not least <= len(trimmed) <= most:
        raise Refused("bad_text", f"{name}: {len(trimmed)} characters; {least} to {most} are taken", 422)
    if not trimmed.replace("\n", "").isprintable():
        raise Refused("bad_text", f"{name}: holds characters that cannot be printed", 422)
    return trimmed


def moment(name: str, value: datetime, after: datetime, longest: timedelta) -> datetime:
    """An instant later than `after` by at most `longest`. Refused(422) naming the field."""
    if value.tzinfo is None:
        raise Refused("bad_time", f"{name}: needs a time zone", 422)
    if not after < value <= after + longest:
        last = (after + longest).astimezone(UTC).isoformat(timespec="seconds")
        raise Refused("bad_time", f"{name}: must be later than {after.isoformat(timespec='seconds')}"
                                  f" and not later than {last}", 422)  # fmt: skip
    return value


def numbers(ids: Sequence[int]) -> list[int]:
    """Alarm ids, each once, ascending (everybody locks in this order). Refused(422) for none or too many."""
    found = sorted({number for number in ids if 0 < number < 2**62})
    if not found or len(ids) > MOST_IDS:
        raise Refused("bad_ids", f"ids: {len(ids)} given; 1 to {MOST_IDS} are taken", 422)
    return found


def steps(procedure: dict[str, str] | None) -> list[dict[str, str]]:
    """The numbered lines of a procedure in both languages, from the first; its plain lines where none is numbered."""
    if not procedure:
        return []
    zh, en = _lines(procedure.get("zh", "")), _lines(procedure.get("en", ""))
    count = max(len(zh), len(en))
    return [{"zh": _at(zh, en, n), "en": _at(en, zh, n)} for n in range(count)]


def step_log(procedure: dict[str, str] | None, history: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each step with how it now stands by the log: done, note, who and when (None: nobody logged it)."""
    nothing: dict[str, Any] = {"done": False, "note": "", "actor": None, "at": None}
    latest = {entry["step"]: entry for entry in history if entry["action"] == "step"}
    found = []
    for number, text in enumerate(steps(procedure), 1):
        last = latest.get(number, nothing)
        found.append({"step": number, "text": text, "done": last["done"], "note": last["note"], "by": last["actor"],
                      "at": last["at"]})  # fmt: skip
    return found


def _lines(text: str) -> list[str]:
    """The steps; a line without a number goes on with the step before it, where any has one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    numbered: list[str] = []
    for line in lines:
        if match := _NUMBERED.match(line):
            numbered.append(match[1])
        elif numbered:
            numbered[-1] += f" {line}"
    return numbered or lines


def _at(own: list[str], other: list[str], n: int) -> str:
    return own[n] if n < len(own) else other[n]
