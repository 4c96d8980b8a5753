"""What somebody who answers wants, and which of their alarms is meant. Pure."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from modules.notifications.replies import LETTERS

_WISH = re.compile(rf"\W*(?:(1)\W*)?([{LETTERS}]{{4}})?\W*")
_LONGEST = 40


@dataclass(frozen=True)
class Wish:
    """What somebody wants: to acknowledge the alarm of that code; "": the one there is."""

    code: str


def wish_of(text: str) -> Wish | None:
    """`1`, `1 4F7K`, `14f7k`, `１＃` or `4F7K`; None for anything else."""
    plain = unicodedata.normalize("NFKC", text).upper()
    found = _WISH.fullmatch(plain) if len(plain) <= _LONGEST else None
    return Wish(found[2] or "") if found and (found[1] or found[2]) else None


def choose(
    wish: Wish | None, told: Sequence[Mapping[str, Any]], referred: int | None, written: datetime | None,
    since: datetime,
) -> tuple[Mapping[str, Any] | None, str]:  # fmt: skip
    """Which of the alarms that this number was `told` of is meant (newest first; each with `alarm_id`, `code`, `open`,
    `started_at`, `state`), and what comes of it: acknowledged, or why not.

    "1" alone means the one that is open. Where it could mean another, nothing is acknowledged: two are open; or it is
    not known when it was written, and by then another may have been the one. `referred`: the alarm of the very message
    that was answered. Before `since` it was told too long ago.
    """
    if not told:
        return None, "unknown"
    fresh = [one for one in told if one["started_at"] >= since]
    if wish is None:
        return told[0], "not_understood"
    if wish.code:
        meant = [one for one in told if one["code"] == wish.code]
        if len(meant) != 1:
            return told[0], "wrong_code"
    elif referred is not None and any(one["alarm_id"] == referred for one in told):
        meant = [one for one in told if one["alarm_id"] == referred]
    else:
        known = [one for one in fresh if written is None or one["started_at"] <= written]
        waiting = [one for one in known if one["open"]]
        sure = written is not None or len(fresh) == 1
        if len(waiting) > 1 or (waiting and not sure) or (fresh and not known):
            return (waiting or fresh)[0], "which"
        meant = waiting or known[:1] or [*told[:1]]
    return _stands(meant[0], meant[0]["started_at"] >= since)


def _stands(row: Mapping[str, Any], fresh: bool) -> tuple[Mapping[str, Any], str]:
    if row["open"]:
        return row, "acknowledged" if fresh else "expired"
    return row, "over" if row["state"] == "normal" else "already"
